//! Records and statistics through the prover, and where each thing that must be withstood is tested.
//!
//! Gadgets and rows are tested in `circuits/tests`, keys and proofs here.
//!
//! | what must not get through | tests |
//! |---|---|
//! | a witness cell changed; a group of rows left out | `no_cell_is_free_and_every_group_is_needed` (identity, record; statistics in its source), `eddsa_leaves_no_cell_free` |
//! | a gadget that differs from its native twin | `poseidon_equals_its_twin_and_circomlib`, `comparisons_equal_their_twins`, `curve_arithmetic_equals_its_twin`, `eddsa_gadget_and_twin_agree`, `membership_and_place`, `totals_equal_a_plain_loop_for_every_shape` |
//! | ranges at their edges, off by one, wrapped round the field | `ranges_at_their_edges`, `numbers_at_their_edges`, `dates_and_moments_at_their_edges`, `birth_date_is_strictly_before`, `credential_counts_until_its_last_day`, `the_hash_scalar_has_one_reading` |
//! | negative decimals, 29 February | `numbers_at_their_edges`, `powers_of_ten_and_rescaling`, `dates_and_moments_at_their_edges`, `birth_date_is_strictly_before` |
//! | an index beyond the tree, padding opened | `padding_is_no_credential_and_no_index_is_beyond_the_tree`, `padding_opens_no_leaf_and_no_index_is_beyond_the_tree`, `rows_cannot_be_left_out_or_made_up` |
//! | a leaf of one type as another, one leaf twice, an ill-formed place | `a_leaf_of_one_type_is_not_another`, `another_leaf_path_record_holder_provider_and_nullifier_are_refused`, `ill_formed_places_are_refused` |
//! | a secret with two encodings, a second nullifier | `wire_types_are_frozen` (identity), `nullifiers_are_one_a_scope_and_survive_renewal` |
//! | public inputs missing, extra, swapped, at or above r | `inputs_missing_extra_swapped_or_zero_padded_are_refused`, `snarkjs_json_round_trips_and_refuses_second_spellings`, `the_contract_in_an_evm_accepts_and_refuses_the_same`, `every_altered_input_of_a_record_is_refused` |
//! | infinity, off the curve, outside the subgroup | `points_at_infinity_off_the_curve_and_outside_the_subgroup_are_no_proof`, `the_contract_in_an_evm_accepts_and_refuses_the_same`, `eddsa_refuses_small_order_keys_and_points_off_the_curve` |
//! | another statement's or another setup's key, gamma = delta | `keys_of_other_statements_other_rows_and_without_phase_2_are_refused`, `proofs_are_refused_under_other_statements_and_other_setups`, `a_start_without_contributions_is_no_key` |
//! | a proof altered, replayed, in another scope | `an_honest_identity_is_accepted_and_everything_else_refused`, `every_altered_input_of_a_record_is_refused`, `chunks_altered_left_out_or_out_of_order_are_refused` |
//! | a malleated proof counted twice | `proofs_are_malleable_and_nullifiers_decide` |
//! | a prover that leaves its own checks out | `an_honest_identity_is_accepted_and_everything_else_refused`, `a_false_claim_on_a_record_has_no_proof`, `a_false_total_has_no_proof` |
//! | rows that change unannounced | `constraint_counts_are_as_committed` |
//! | files cut or changed | `*_are_frozen` in `circuits/tests` and in the source of this crate, `altered_transcripts_are_refused_and_the_step_is_named`, `ptau_files_are_read_and_checked` |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod world;

use ark_ff::One as _;
use mediveil_circuits::gadgets::eddsa::SigningKey;
use mediveil_circuits::identity::{HolderSecret, Identity};
use mediveil_circuits::r1cs::Builder;
use mediveil_circuits::record::{Claim, Providers, RecordAuthenticity, RecordPublic, RecordWitness, challenge, sign};
use mediveil_circuits::statistics::{Query, Row, Statistics, Table, chunks_of};
use mediveil_circuits::{Scope, Statement};
use mediveil_codec::Wire as _;
use mediveil_record::{Date, Decimal, Limits, Record, RecordSecret};
use mediveil_rng::SeededRng;
use mediveil_zk::{Fr, Proof, ProofFile, ProveError, ProvingKey, VerifyError, development_setup};
use std::sync::LazyLock;

static RECORD: LazyLock<ProvingKey<RecordAuthenticity>> = LazyLock::new(|| development_setup(&mut rng(10)).unwrap());
static STATISTICS: LazyLock<ProvingKey<Statistics>> = LazyLock::new(|| development_setup(&mut rng(11)).unwrap());

fn rng(seed: u64) -> SeededRng {
    SeededRng::from_u64(seed)
}

/// A glycated haemoglobin of 6.4 % that one of three laboratories signed, below a bound, of the code that says what it is, since a day.
fn record(bound: &str) -> (RecordPublic, RecordWitness) {
    let json = br#"{"resourceType":"Observation","status":"final","issuedOn":"2026-11-20",
        "code":{"coding":[{"system":"http://loinc.org","code":"4548-4"}]},"valueQuantity":{"value":6.4,"unit":"%"}}"#;
    let mut rng = rng(1);
    let record = Record::parse(json, &Limits::default()).unwrap();
    let record = record.commit(&RecordSecret::generate(&mut rng)).unwrap().remove(0);
    let labs: Vec<SigningKey> = (0..3).map(|_| SigningKey::generate(&mut rng)).collect();
    let providers = Providers::new(&labs.iter().map(SigningKey::public).collect::<Vec<_>>()).unwrap();
    let secret = HolderSecret::generate(&mut rng);
    let scope = Scope::new("insurer");
    let decimal = |t| Decimal::parse(t).unwrap();
    let (value, code, issued) = ("valueQuantity.value", "code.coding[0].code", "issuedOn");
    let claims = vec![
        Claim::number(value, decimal("0.00"), decimal(bound)).unwrap(),
        Claim::text(code, "4548-4"),
        Claim::date(issued, Date::parse("2026-01-01").unwrap(), Date::parse("9999-12-31").unwrap()).unwrap(),
    ];
    let nullifier = secret.nullifier(scope);
    let public = RecordPublic::new(providers.root(), challenge(b"today"), scope, nullifier, claims).unwrap();
    let commitment = record.commitment();
    let witness = RecordWitness {
        provider: labs[1].public(),
        provider_path: providers.path(1).unwrap(),
        signature: sign(&labs[1], &commitment, secret.holder(), &mut rng),
        record: commitment,
        openings: [value, code, issued].iter().map(|p| record.open(p).unwrap()).collect(),
        secret,
    };
    (public, witness)
}

#[test]
fn every_altered_input_of_a_record_is_refused() {
    let (public, witness) = record("6.99");
    let proof = RECORD.prove(&public, &witness, &mut rng(2)).unwrap();
    let vk = RECORD.verifying();
    vk.verify(&public, &proof).unwrap();
    let file = ProofFile::decode(&ProofFile::new(&public, &proof).encode()).unwrap();
    vk.verify(&public, &file.proof_of::<RecordAuthenticity>(&public).unwrap()).unwrap();
    let inputs = RecordAuthenticity::inputs(&public);
    for at in 0..inputs.len() {
        let mut altered = inputs.clone();
        altered[at] += Fr::one();
        assert_eq!(vk.verify_inputs(&altered, &proof), Err(VerifyError::Refused), "input {at}");
    }
    // Replayed to who asked something else, and to who drew another challenge.
    let (narrower, _) = record("6.39");
    assert_eq!(vk.verify(&narrower, &proof), Err(VerifyError::Refused));
    let mut replayed = public.clone();
    replayed.challenge = challenge(b"tomorrow");
    assert_eq!(vk.verify(&replayed, &proof), Err(VerifyError::Refused));
    // The same holder has the same nullifier as in an identity proof of the same scope.
    assert_eq!(public.nullifier, witness.secret.nullifier(Scope::new("insurer")));
}

#[test]
fn a_false_claim_on_a_record_has_no_proof() {
    let (public, witness) = record("6.39");
    let refused = RECORD.prove(&public, &witness, &mut rng(3)).unwrap_err();
    assert!(matches!(&refused, ProveError::Unsatisfied(u) if u.group == "claim 0/range"), "{refused:?}");
    // Below that check the mathematics refuses.
    let (mut cs, inputs) = Builder::assign(&RecordAuthenticity::inputs(&public));
    RecordAuthenticity::synthesize(&mut cs, &inputs, Some(&witness));
    let forged = RECORD.prove_assignment(&cs.into_unchecked_assignment(), &mut rng(4)).unwrap();
    assert_eq!(RECORD.verifying().verify(&public, &forged), Err(VerifyError::Refused));
}

#[test]
fn proofs_are_refused_under_other_statements_and_other_setups() {
    let (public, witness) = record("6.99");
    let proof = RECORD.prove(&public, &witness, &mut rng(5)).unwrap();
    let as_identity = Proof::<Identity>::from_bytes(&proof.to_bytes()).unwrap();
    let (identity, identity_witness) = world::identity(b"a");
    assert_eq!(world::KEY.verifying().verify(&identity, &as_identity), Err(VerifyError::Refused));
    let other = development_setup::<Identity>(&mut rng(6)).unwrap();
    let proof = world::KEY.prove(&identity, &identity_witness, &mut rng(7)).unwrap();
    world::KEY.verifying().verify(&identity, &proof).unwrap();
    assert_eq!(other.verifying().verify(&identity, &proof), Err(VerifyError::Refused));
    let as_record = Proof::<RecordAuthenticity>::from_bytes(&proof.to_bytes()).unwrap();
    assert_eq!(RECORD.verifying().verify(&public, &as_record), Err(VerifyError::Refused));
}

/// 70 rows in two chunks: year of birth, a value in tenths, two flags.
fn table() -> (Table, Query) {
    let rows: Vec<Row> =
        (0..70).map(|i| [Some(1940 + i), (i % 5 != 0).then_some(50 + i % 40), Some(i % 2), None]).collect();
    let query = Query::new(1, [Some((1950, 1999)), None, Some((1, 1)), None]).unwrap();
    (Table::new(&rows, &mut rng(20)).unwrap(), query)
}

#[test]
fn chunks_altered_left_out_or_out_of_order_are_refused() {
    let (table, query) = table();
    let (chunks, totals) = table.chunks(&query, &mut rng(21));
    let vk = STATISTICS.verifying();
    let proofs: Vec<Proof<Statistics>> =
        chunks.iter().map(|(public, witness)| STATISTICS.prove(public, witness, &mut rng(22)).unwrap()).collect();
    let commitments: Vec<Fr> = chunks.iter().map(|(public, _)| public.after).collect();
    let publics = chunks_of(table.root(), 70, &query, &commitments, &totals).unwrap();
    let batch: Vec<_> = publics.iter().cloned().zip(proofs.clone()).collect();
    vk.verify_batch(&batch, &mut rng(23)).unwrap();
    for (public, proof) in &batch {
        let inputs = Statistics::inputs(public);
        for at in 0..inputs.len() {
            let mut altered = inputs.clone();
            altered[at] += Fr::one();
            assert_eq!(vk.verify_inputs(&altered, proof), Err(VerifyError::Refused), "input {at}");
        }
    }
    // Each chunk's proof for the other chunk; another query over the same table.
    let swapped = vec![(publics[0].clone(), proofs[1].clone()), (publics[1].clone(), proofs[0].clone())];
    assert_eq!(vk.verify_batch(&swapped, &mut rng(24)).unwrap_err().index, 0);
    let wider = Query::new(1, [Some((1950, 2000)), None, Some((1, 1)), None]).unwrap();
    let other = chunks_of(table.root(), 70, &wider, &commitments, &totals).unwrap();
    assert_eq!(vk.verify(&other[0], &proofs[0]), Err(VerifyError::Refused));
    // A total that is not what the commitment holds, and a chunk left out.
    let mut padded = totals;
    padded.count += 1;
    assert!(chunks_of(table.root(), 70, &query, &commitments, &padded).is_none());
    assert!(chunks_of(table.root(), 70, &query, &commitments[..1], &totals).is_none());
}

#[test]
fn a_false_total_has_no_proof() {
    let (table, query) = table();
    let (chunks, mut totals) = table.chunks(&query, &mut rng(25));
    let (mut public, witness) = chunks[1].clone();
    totals.sum += 1;
    public.after = totals.commit();
    let refused = STATISTICS.prove(&public, &witness, &mut rng(26)).unwrap_err();
    assert!(matches!(&refused, ProveError::Unsatisfied(u) if u.group == "totals"), "{refused:?}");
    let (mut cs, inputs) = Builder::assign(&Statistics::inputs(&public));
    Statistics::synthesize(&mut cs, &inputs, Some(&witness));
    let forged = STATISTICS.prove_assignment(&cs.into_unchecked_assignment(), &mut rng(27)).unwrap();
    assert_eq!(STATISTICS.verifying().verify(&public, &forged), Err(VerifyError::Refused));
}
