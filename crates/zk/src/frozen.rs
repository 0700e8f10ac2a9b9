//! Frozen bytes of every file of this crate, cut at every length and changed at every byte.

use crate::ceremony::{Beacon, Ceremony, CeremonyFile, Ptau};
use crate::keys::{ProvingKeyFile, VerifyingKeyFile};
use crate::{Fr, KeyError, ProofFile, ProvingKey, Trust, VerifyingKey, development_setup, hash_of};
use mediveil_circuits::r1cs::{Builder, Num, R1cs};
use mediveil_circuits::{Statement, StatementId};
use mediveil_codec::Wire as _;
use mediveil_codec::testing::{check_wire, check_wire_by};
use mediveil_rng::SeededRng;
use std::sync::LazyLock;

/// I know a root of this square: the smallest statement.
#[derive(Clone, Debug)]
struct Square;

impl Statement for Square {
    type Public = u64;
    type Witness = u64;
    const ID: StatementId = StatementId::new("mediveil/test/square/v1");
    const PUBLIC_INPUTS: usize = 1;
    fn inputs(public: &u64) -> Vec<Fr> {
        vec![Fr::from(*public)]
    }
    fn synthesize(cs: &mut Builder, inputs: &[Num], witness: Option<&u64>) {
        let x = cs.witness(Fr::from(witness.copied().unwrap_or_default()));
        let square = cs.mul(&x, &x);
        cs.equal(&square, inputs.first().unwrap_or(&Num::zero()));
    }
    fn r1cs() -> &'static R1cs {
        static ROWS: LazyLock<R1cs> = LazyLock::new(Square::record);
        &ROWS
    }
}

fn rng(seed: u64) -> SeededRng {
    SeededRng::from_u64(seed)
}

fn key() -> ProvingKey<Square> {
    development_setup(&mut rng(1)).unwrap()
}

#[test]
fn proof_files_are_frozen() {
    let proof = key().prove(&49, &7, &mut rng(2)).unwrap();
    check_wire(&ProofFile::new::<Square>(&49, &proof), include_str!("../tests/wire/proof.hex"));
}

#[test]
fn verifying_key_files_are_frozen() {
    let file = key().verifying().encode_wire();
    assert_eq!(VerifyingKey::<Square>::decode_wire(&file, Trust::Development).unwrap().encode_wire(), file);
    check_wire(&VerifyingKeyFile::decode(&file).unwrap(), include_str!("../tests/wire/verifying_key.hex"));
}

#[test]
fn proving_key_files_are_frozen_whichever_way_they_are_read() {
    let file = key().encode_wire();
    let frozen = include_str!("../tests/wire/proving_key.hex");
    let checked = ProvingKeyFile::<false>::decode(&file).unwrap();
    check_wire_by(&checked, frozen, |a, b| a.encode() == b.encode());
    let pinned = ProvingKeyFile::<true>::decode(&file).unwrap();
    check_wire_by(&pinned, frozen, |a, b| a.encode() == b.encode());
    // A changed file does not have the pinned hash, whatever it decodes to.
    for at in (0..file.len()).step_by(7) {
        let mut changed = file.clone();
        changed[at] ^= 1;
        let read = ProvingKey::<Square>::decode_pinned(&changed, &hash_of(&file), Trust::Development);
        assert_eq!(read.unwrap_err(), KeyError::OtherHash, "byte {at}");
    }
}

#[test]
fn ceremony_files_are_frozen() {
    let powers = Ptau::read(&Ptau::generate_small(3, &mut rng(3)), &mut rng(4)).unwrap();
    let mut ceremony = Ceremony::<Square>::start(&powers).unwrap();
    ceremony.contribute("ministry", &mut rng(5)).unwrap();
    ceremony.finalise(Beacon { value: [7; 32], rounds_log2: 4 }).unwrap();
    let file = CeremonyFile::decode(&ceremony.encode_wire()).unwrap();
    check_wire_by(&file, include_str!("../tests/wire/ceremony.hex"), |a, b| a.encode() == b.encode());
}
