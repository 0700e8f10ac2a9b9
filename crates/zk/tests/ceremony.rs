//! The setup by several parties.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_circuits::gadgets::poseidon::hash2;
use mediveil_circuits::r1cs::{Builder, Num, R1cs};
use mediveil_circuits::{Statement, StatementId};
use mediveil_record::field::Tag;
use mediveil_rng::SeededRng;
use mediveil_zk::ceremony::{Beacon, Ceremony, CeremonyError, Ptau, PtauError};
use mediveil_zk::{Fr, Origin, ProvingKey, Trust, development_setup};
use std::sync::LazyLock;

/// I know x with Poseidon(x, 0) = y.
#[derive(Clone, Copy, Debug)]
struct Preimage;

const TAG: Tag = Tag::new("mediveil/test/preimage/v1");

impl Statement for Preimage {
    type Public = Fr;
    type Witness = Fr;
    const ID: StatementId = StatementId::new("mediveil/test/preimage/v1");
    const PUBLIC_INPUTS: usize = 1;
    fn inputs(public: &Fr) -> Vec<Fr> {
        vec![*public]
    }
    fn synthesize(cs: &mut Builder, inputs: &[Num], witness: Option<&Fr>) {
        let x = cs.witness(witness.copied().unwrap_or_default());
        let y = hash2(cs, TAG, [&x, &Num::zero()]);
        cs.equal(&y, &inputs[0]);
    }
    fn r1cs() -> &'static R1cs {
        static ROWS: LazyLock<R1cs> = LazyLock::new(Preimage::record);
        &ROWS
    }
}

static PTAU: LazyLock<Vec<u8>> = LazyLock::new(|| Ptau::generate_small(8, &mut rng(1)));
static POWERS: LazyLock<Ptau> = LazyLock::new(|| Ptau::read(&PTAU, &mut rng(2)).unwrap());

fn rng(seed: u64) -> SeededRng {
    SeededRng::from_u64(seed)
}

fn beacon() -> Beacon {
    Beacon { value: [7; 32], rounds_log2: 10 }
}

fn two_parties() -> Ceremony<Preimage> {
    let mut ceremony = Ceremony::<Preimage>::start(&POWERS).unwrap();
    ceremony.contribute("ministry", &mut rng(3)).unwrap();
    let file = ceremony.encode_wire();
    let mut ceremony = Ceremony::decode_wire(&file, &POWERS).unwrap();
    ceremony.verify(&mut rng(4)).unwrap();
    ceremony.contribute("patients' union", &mut rng(5)).unwrap();
    ceremony
}

#[test]
fn a_two_party_ceremony_gives_keys_that_prove() {
    let mut ceremony = two_parties();
    // Not finished, so no key.
    let early = ceremony.clone().into_key(&beacon(), &mut rng(6)).unwrap_err();
    assert_eq!(early, CeremonyError::TooFew);
    ceremony.finalise(beacon()).unwrap();
    assert_eq!(ceremony.contribute("late", &mut rng(7)), Err(CeremonyError::Finished));
    assert_eq!(ceremony.finalise(beacon()), Err(CeremonyError::Finished));
    assert_eq!(ceremony.contributors().collect::<Vec<_>>(), ["ministry", "patients' union", "beacon"]);
    let transcript = ceremony.transcript();
    let other = Beacon { value: [8; 32], rounds_log2: 10 };
    assert_eq!(ceremony.clone().into_key(&other, &mut rng(6)).unwrap_err(), CeremonyError::Beacon);
    let file = ceremony.encode_wire();
    let key: ProvingKey<Preimage> =
        Ceremony::decode_wire(&file, &POWERS).unwrap().into_key(&beacon(), &mut rng(8)).unwrap();
    assert_eq!(key.verifying().origin(), Origin::Ceremony(transcript));
    // Taken by default, unlike a development key.
    let key = ProvingKey::<Preimage>::decode_wire(&key.encode_wire(), Trust::CeremonyOnly).unwrap();
    let witness = Fr::from(5);
    let public = mediveil_record::poseidon::hash2(TAG, &[witness, Fr::from(0)]);
    let proof = key.prove(&public, &witness, &mut rng(9)).unwrap();
    key.verifying().verify(&public, &proof).unwrap();
    let other = development_setup::<Preimage>(&mut rng(10)).unwrap();
    assert!(other.verifying().verify(&public, &proof).is_err());
}

#[test]
fn contributions_can_be_added_without_the_powers() {
    let file = Ceremony::<Preimage>::start(&POWERS).unwrap().encode_wire();
    let file = Ceremony::<Preimage>::append(&file, "ministry", &mut rng(3)).unwrap();
    // The same as with them.
    let mut direct = Ceremony::<Preimage>::start(&POWERS).unwrap();
    direct.contribute("ministry", &mut rng(3)).unwrap();
    assert_eq!(file, direct.encode_wire());
    let file = Ceremony::<Preimage>::append(&file, "union", &mut rng(4)).unwrap();
    let mut ceremony = Ceremony::<Preimage>::decode_wire(&file, &POWERS).unwrap();
    ceremony.verify(&mut rng(5)).unwrap();
    ceremony.finalise(beacon()).unwrap();
    let late = Ceremony::<Preimage>::append(&ceremony.encode_wire(), "late", &mut rng(6));
    assert_eq!(late, Err(CeremonyError::Finished));
    assert_eq!(Ceremony::<Preimage>::append(&file, "", &mut rng(6)), Err(CeremonyError::Name));
}

#[test]
fn a_start_without_contributions_is_no_key() {
    let mut ceremony = Ceremony::<Preimage>::start(&POWERS).unwrap();
    assert_eq!(ceremony.finalise(beacon()), Err(CeremonyError::TooFew));
    assert_eq!(ceremony.contribute("", &mut rng(1)), Err(CeremonyError::Name));
    assert!(ceremony.clone().into_key(&beacon(), &mut rng(1)).is_err());
}

#[test]
fn altered_transcripts_are_refused_and_the_step_is_named() {
    let mut ceremony = two_parties();
    ceremony.finalise(beacon()).unwrap();
    let file = ceremony.encode_wire();
    ceremony.verify(&mut rng(1)).unwrap();
    // A contributor's name is part of what the next one proves.
    let at = file.windows(8).position(|w| w == b"ministry").unwrap();
    let mut renamed = file.clone();
    renamed[at] = b'M';
    let error = Ceremony::<Preimage>::decode_wire(&renamed, &POWERS).unwrap().verify(&mut rng(2));
    assert!(matches!(error, Err(CeremonyError::Step { step: 1, .. })), "{error:?}");
    // Steps of another ceremony under the same powers.
    let mut other = Ceremony::<Preimage>::start(&POWERS).unwrap();
    other.contribute("ministry", &mut rng(33)).unwrap();
    let other = other.encode_wire();
    // The first step's points: 194 bytes of G1 and 258 of G2 behind the name and the absent beacon.
    let (start, len) = (at + 8, 1 + 2 + 192 + 3 + 256);
    let mut swapped = file.clone();
    let from = other.windows(8).position(|w| w == b"ministry").unwrap() + 8;
    swapped[start..start + len].copy_from_slice(&other[from..from + len]);
    let error = Ceremony::<Preimage>::decode_wire(&swapped, &POWERS).unwrap().verify(&mut rng(2));
    assert!(matches!(error, Err(CeremonyError::Step { step: 1, .. })), "{error:?}");
    // A beacon's value.
    let at = file.windows(32).position(|w| w == [7; 32]).unwrap();
    let mut steered = file.clone();
    steered[at] = 8;
    let error = Ceremony::<Preimage>::decode_wire(&steered, &POWERS).unwrap().verify(&mut rng(2));
    assert!(matches!(error, Err(CeremonyError::Step { step: 2, .. })), "{error:?}");
    // Queries that were not divided: two points of H swapped.
    let mut queries = file.clone();
    let end = queries.len();
    let (a, b) = (queries[end - 64..].to_vec(), queries[end - 128..end - 64].to_vec());
    queries[end - 64..].copy_from_slice(&b);
    queries[end - 128..end - 64].copy_from_slice(&a);
    let error = Ceremony::<Preimage>::decode_wire(&queries, &POWERS).unwrap().verify(&mut rng(2));
    assert_eq!(error, Err(CeremonyError::Keys));
    // Other powers of tau.
    let others = Ptau::read(&Ptau::generate_small(8, &mut rng(50)), &mut rng(51)).unwrap();
    assert_eq!(Ceremony::<Preimage>::decode_wire(&file, &others).unwrap_err(), CeremonyError::OtherStart);
}

/// The file of [`PTAU`] without its last four sections, as phase 1 leaves it.
fn unprepared() -> Vec<u8> {
    let mut file = PTAU.clone();
    let mut at = 12;
    for _ in 0..7 {
        at += 12 + usize::try_from(u64::from_le_bytes(file[at + 4..at + 12].try_into().unwrap())).unwrap();
    }
    file.truncate(at);
    file[8] = 7;
    file
}

#[test]
fn prepared_files_are_used_where_they_agree_with_their_powers() {
    let key = |file: &[u8]| {
        let start = Ceremony::<Preimage>::start(&Ptau::read(file, &mut rng(2)).unwrap()).unwrap();
        let mut ceremony = start;
        ceremony.contribute("x", &mut rng(3)).unwrap();
        ceremony.finalise(beacon()).unwrap();
        ceremony.into_key(&beacon(), &mut rng(4)).unwrap()
    };
    let (prepared, plain) = (key(&PTAU), key(&unprepared()));
    assert_eq!(prepared.ark().a_query, plain.ark().a_query);
    assert_eq!(prepared.ark().b_g2_query, plain.ark().b_g2_query);
    assert_eq!(prepared.verifying().ark().gamma_abc_g1, plain.verifying().ark().gamma_abc_g1);
    // Sections from another file: good points of another tau, alpha and beta. They are passed over.
    let mut mixed = unprepared();
    let other = Ptau::generate_small(8, &mut rng(60));
    mixed.extend_from_slice(&other[mixed.len()..]);
    mixed[8] = 11;
    assert_eq!(key(&mixed).ark().a_query, plain.ark().a_query);
    assert_eq!(key(&mixed).ark().b_g2_query, plain.ark().b_g2_query);
}

#[test]
fn ptau_files_are_read_and_checked() {
    assert_eq!(POWERS.power(), 8);
    let small = Ptau::generate_small(3, &mut rng(1));
    let read = |file: &[u8]| Ptau::read(file, &mut rng(2));
    assert_eq!(read(&small).unwrap().power(), 3);
    assert!(matches!(
        Ceremony::<Preimage>::start(&read(&small).unwrap()).unwrap_err(),
        CeremonyError::Ptau(PtauError::TooSmall { needed: 8, found: 3 })
    ));
    for len in 0..small.len() {
        assert!(read(&small[..len]).is_err(), "cut to {len}");
    }
    // Sections begin behind 12 bytes, each with a head of 12: header 44, 15 in G1, 8 in G2, 8 and 8 in G1, 1 in G2.
    let starts = [80, 1052, 2088, 2612, 3136];
    // Behind the contributions, at the Lagrange polynomials of 1, 2, 4, 8 (and 16) points.
    let lagrange = [31, 15 * 2, 15, 15].iter().fold(0, |sum, points| sum + 12 + points * 64);
    assert_eq!(small.len(), 3136 + 128 + 12 + 4 + lagrange);
    for (section, start) in (2..).zip(starts) {
        let mut off = small.clone();
        off[start] ^= 1;
        assert_eq!(read(&off).unwrap_err(), PtauError::Point(section));
    }
    // Two powers swapped: each a good point, not powers of one tau.
    for (section, start, size) in [(2, starts[0], 64), (3, starts[1], 128), (4, starts[2], 64), (5, starts[3], 64)] {
        let mut swapped = small.clone();
        let (a, b) = (start + 3 * size, start + 4 * size);
        let first = swapped[a..a + size].to_vec();
        swapped.copy_within(b..b + size, a);
        swapped[b..b + size].copy_from_slice(&first);
        assert_eq!(read(&swapped).unwrap_err(), PtauError::NotPowers(section));
    }
    // beta in G2 of another ceremony.
    let other = Ptau::generate_small(3, &mut rng(9));
    let mut mixed = small.clone();
    mixed[starts[4]..starts[4] + 128].copy_from_slice(&other[starts[4]..starts[4] + 128]);
    assert_eq!(read(&mixed).unwrap_err(), PtauError::NotPowers(6));
    let mut curve = small;
    curve[28] ^= 1;
    assert_eq!(read(&curve).unwrap_err(), PtauError::Curve);
    assert!(Preimage::r1cs().constraints() > 8);
}
