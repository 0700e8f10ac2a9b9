//! Keys, proofs and what is not one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod world;

use ark_bn254::{Bn254, G1Affine};
use ark_ec::AffineRepr as _;
use ark_ff::{One as _, Zero as _};
use ark_groth16::Groth16;
use mediveil_circuits::identity::Identity;
use mediveil_circuits::r1cs::{Assigned, Builder, Num, R1cs};
use mediveil_circuits::{Scope, Statement, StatementId};
use mediveil_codec::Wire as _;
use mediveil_rng::{Compat06, SeededRng};
use mediveil_zk::{
    Fr, JsonError, KeyError, Origin, Proof, ProofFile, ProveError, ProvingKey, Trust, VerifyError, VerifyingKey,
    development_setup, hash_of,
};
use std::sync::LazyLock;
use world::{KEY, identity};

/// x is a factor of n, in two rows; two public inputs of which tests may leave out or swap some.
#[derive(Debug)]
struct Factor;

impl Statement for Factor {
    type Public = [u64; 2];
    type Witness = [u64; 2];
    const ID: StatementId = StatementId::new("mediveil/test/factor/v1");
    const PUBLIC_INPUTS: usize = 2;
    fn inputs(public: &[u64; 2]) -> Vec<Fr> {
        public.iter().map(|n| Fr::from(*n)).collect()
    }
    fn synthesize(cs: &mut Builder, inputs: &[Num], witness: Option<&[u64; 2]>) {
        let [x, y] = witness.copied().unwrap_or_default().map(|n| cs.witness(Fr::from(n)));
        let [n, label] = inputs else { return };
        cs.group("product", |cs| cs.enforce(&x, &y, n));
        cs.group("label", |cs| {
            let copy = cs.witness(label.value());
            cs.equal(&copy, label);
        });
    }
    fn r1cs() -> &'static R1cs {
        static ROWS: LazyLock<R1cs> = LazyLock::new(Factor::record);
        &ROWS
    }
}

static FACTOR: LazyLock<ProvingKey<Factor>> = LazyLock::new(|| development_setup(&mut SeededRng::from_u64(5)).unwrap());

fn rng() -> SeededRng {
    SeededRng::from_u64(7)
}

#[test]
fn an_honest_identity_is_accepted_and_everything_else_refused() {
    let (public, witness) = identity(b"a");
    let proof = KEY.prove(&public, &witness, &mut rng()).unwrap();
    let vk = KEY.verifying();
    vk.verify(&public, &proof).unwrap();
    assert!(
        Groth16::<Bn254>::verify_proof(
            &ark_groth16::prepare_verifying_key(vk.ark()),
            proof.ark(),
            &Identity::inputs(&public)
        )
        .unwrap()
    );
    // Replayed for another message, shown in another scope, under another nullifier or root.
    for change in 0..4 {
        let mut other = public.clone();
        match change {
            0 => other.message = identity(b"b").0.message,
            1 => other.scope = Scope::new("elsewhere"),
            2 => other.nullifier += Fr::one(),
            _ => other.registry += Fr::one(),
        }
        assert_eq!(vk.verify(&other, &proof), Err(VerifyError::Refused));
        if change > 0 {
            assert!(matches!(KEY.prove(&other, &witness, &mut rng()), Err(ProveError::Unsatisfied(_))));
        }
    }
    // Below the prover's own check: an assignment that does not satisfy the rows gives no valid proof.
    let mut lie = public.clone();
    lie.born_before = mediveil_record::Date::parse("2000-01-01").unwrap();
    let (mut cs, inputs) = Builder::assign(&Identity::inputs(&lie));
    Identity::synthesize(&mut cs, &inputs, Some(&witness));
    let forged = KEY.prove_assignment(&cs.into_unchecked_assignment(), &mut rng()).unwrap();
    assert_eq!(vk.verify(&lie, &forged), Err(VerifyError::Refused));
}

#[test]
fn inputs_missing_extra_swapped_or_zero_padded_are_refused() {
    let key = &*FACTOR;
    let proof = key.prove(&[15, 0], &[3, 5], &mut rng()).unwrap();
    let vk = key.verifying();
    let fr = |n: &[u64]| n.iter().map(|n| Fr::from(*n)).collect::<Vec<_>>();
    vk.verify_inputs(&fr(&[15, 0]), &proof).unwrap();
    // arkworks alone accepts the first: the missing input is zero.
    let prepared = ark_groth16::prepare_verifying_key(vk.ark());
    assert!(Groth16::<Bn254>::verify_proof(&prepared, proof.ark(), &fr(&[15])).unwrap());
    for (bad, found) in [(fr(&[15]), 1), (fr(&[15, 0, 0]), 3), (fr(&[]), 0)] {
        assert_eq!(vk.verify_inputs(&bad, &proof), Err(VerifyError::Inputs { expected: 2, found }));
    }
    assert_eq!(vk.verify_inputs(&fr(&[0, 15]), &proof), Err(VerifyError::Refused));
    assert!(
        matches!(key.prove(&[15, 0], &[3, 4], &mut rng()), Err(ProveError::Unsatisfied(u)) if u.group == "product")
    );
}

#[test]
fn proofs_are_malleable_and_nullifiers_decide() {
    let (public, witness) = identity(b"a");
    let vk = KEY.verifying();
    let proof = KEY.prove(&public, &witness, &mut rng()).unwrap();
    let again = vk.rerandomise(&proof, &mut rng());
    assert_ne!(again.to_bytes(), proof.to_bytes());
    vk.verify(&public, &again).unwrap();
    // (-A, -B, C) too.
    let mut negated = proof.ark().clone();
    (negated.a, negated.b) = (-negated.a, -negated.b);
    let mut bytes = proof.to_bytes();
    let as_proof = ProofFile::new::<Identity>(&public, &proof);
    let _ = as_proof;
    let y = |p: G1Affine| mediveil_circuits_bytes(&p.y().unwrap());
    bytes[32..64].copy_from_slice(&y(negated.a));
    bytes[128..160].copy_from_slice(&mediveil_circuits_bytes(&negated.b.y().unwrap().c1));
    bytes[160..192].copy_from_slice(&mediveil_circuits_bytes(&negated.b.y().unwrap().c0));
    let negated = Proof::<Identity>::from_bytes(&bytes).unwrap();
    vk.verify(&public, &negated).unwrap();
    // A service that counts people sees one.
    let seen: std::collections::HashSet<Fr> = [&proof, &again, &negated].iter().map(|_| public.nullifier).collect();
    assert_eq!(seen.len(), 1);
}

fn mediveil_circuits_bytes(x: &ark_bn254::Fq) -> [u8; 32] {
    use ark_ff::{BigInteger as _, PrimeField as _};
    x.into_bigint().to_bytes_be().try_into().unwrap()
}

#[test]
fn points_at_infinity_off_the_curve_and_outside_the_subgroup_are_no_proof() {
    let proof = FACTOR.prove(&[15, 1], &[3, 5], &mut rng()).unwrap();
    let bytes = proof.to_bytes();
    assert_eq!(Proof::<Factor>::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    for more in [1, 31, 32] {
        let longer = [&bytes[..], &[0; 32][..more]].concat();
        assert!(Proof::<Factor>::from_bytes(&longer).is_none(), "{more} bytes behind a proof");
    }
    for (from, to) in [(0, 64), (64, 192), (192, 256)] {
        let mut infinite = bytes.clone();
        infinite[from..to].fill(0);
        assert!(Proof::<Factor>::from_bytes(&infinite).is_none(), "infinity");
        let mut off = bytes.clone();
        off[to - 1] ^= 1;
        assert!(Proof::<Factor>::from_bytes(&off).is_none(), "off the curve");
        let mut high = bytes.clone();
        high[from..from + 32].fill(0xff);
        assert!(Proof::<Factor>::from_bytes(&high).is_none(), "not canonical");
    }
    assert!(Proof::<Factor>::from_bytes(&bytes[..255]).is_none());
    // On G2's curve and outside its subgroup.
    let twist = (1_u64..)
        .find_map(|x| {
            let x = ark_bn254::Fq2::new(x.into(), 1.into());
            ark_bn254::G2Affine::get_point_from_x_unchecked(x, false)
        })
        .unwrap();
    assert!(twist.is_on_curve() && !twist.is_in_correct_subgroup_assuming_on_curve());
    let mut outside = bytes;
    for (i, part) in [twist.x.c1, twist.x.c0, twist.y.c1, twist.y.c0].iter().enumerate() {
        outside[64 + 32 * i..96 + 32 * i].copy_from_slice(&mediveil_circuits_bytes(part));
    }
    assert!(Proof::<Factor>::from_bytes(&outside).is_none());
}

#[test]
fn key_files_round_trip_and_development_keys_are_refused_by_default() {
    let key = &*FACTOR;
    let file = key.encode_wire();
    assert_eq!(ProvingKey::<Factor>::decode_wire(&file, Trust::default()).unwrap_err(), KeyError::Development);
    let back = ProvingKey::<Factor>::decode_wire(&file, Trust::Development).unwrap();
    assert_eq!(back.encode_wire(), file);
    assert_eq!(back.verifying().origin(), Origin::Development);
    let proof = back.prove(&[15, 1], &[3, 5], &mut rng()).unwrap();
    let vk_file = key.verifying().encode_wire();
    let vk = VerifyingKey::<Factor>::decode_wire(&vk_file, Trust::Development).unwrap();
    vk.verify(&[15, 1], &proof).unwrap();
    assert_eq!(VerifyingKey::<Factor>::decode_wire(&vk_file, Trust::CeremonyOnly).unwrap_err(), KeyError::Development);
    assert!(ProvingKey::<Factor>::decode_pinned(&file, &hash_of(&file), Trust::Development).is_ok());
    assert_eq!(
        ProvingKey::<Factor>::decode_pinned(&file, &[0; 32], Trust::Development).unwrap_err(),
        KeyError::OtherHash
    );
    // Damage: every byte of the verifying key's points and header.
    mediveil_codec::testing::check_decoding::<ProofFile>(&ProofFile::new::<Factor>(&[15, 1], &proof).encode());
    for at in 0..vk_file.len() {
        let mut changed = vk_file.clone();
        changed[at] ^= 1;
        assert!(VerifyingKey::<Factor>::decode_wire(&changed, Trust::CeremonyOnly).is_err(), "byte {at}");
    }
}

#[test]
fn keys_of_other_statements_other_rows_and_without_phase_2_are_refused() {
    let file = FACTOR.verifying().encode_wire();
    assert!(matches!(
        VerifyingKey::<Identity>::decode_wire(&file, Trust::Development).unwrap_err(),
        KeyError::OtherStatement { .. }
    ));
    // The same name, another digest of rows.
    let digest = Factor::r1cs().digest();
    let at = file.windows(32).position(|w| w == digest).unwrap();
    let mut other = file.clone();
    other[at] ^= 1;
    assert_eq!(
        VerifyingKey::<Factor>::decode_wire(&other, Trust::Development).unwrap_err(),
        KeyError::OtherRows(Factor::ID)
    );
    // gamma = delta: copy gamma's 128 bytes over delta's. They follow alpha (64) and beta (128).
    let fixed = file.windows(3).position(|w| w == [0x59, 0x01, 0xc0]).unwrap() + 3;
    let mut forged = file.clone();
    forged.copy_within(fixed + 192..fixed + 320, fixed + 320);
    assert_eq!(VerifyingKey::<Factor>::decode_wire(&forged, Trust::Development).unwrap_err(), KeyError::Degenerate);
    for (from, to) in [(0, 64), (64, 192), (192, 320), (320, 448)] {
        let mut infinite = file.clone();
        infinite[fixed + from..fixed + to].fill(0);
        assert_eq!(
            VerifyingKey::<Factor>::decode_wire(&infinite, Trust::Development).unwrap_err(),
            KeyError::Degenerate
        );
    }
    // Anyone could forge under such a key: the mathematics, below the check. With delta = gamma, C = -I balances any A, B.
    let mut vk = FACTOR.verifying().ark().clone();
    vk.delta_g2 = vk.gamma_g2;
    let inputs = [Fr::from(15), Fr::from(1)];
    let prepared = ark_groth16::prepare_verifying_key(&vk);
    let sum = Groth16::<Bn254>::prepare_inputs(&prepared, &inputs).unwrap();
    let forged = ark_groth16::Proof { a: vk.alpha_g1, b: vk.beta_g2, c: (-sum).into() };
    assert!(Groth16::<Bn254>::verify_proof(&prepared, &forged, &inputs).unwrap());
}

#[test]
fn a_proof_of_another_statement_is_refused_by_file() {
    let proof = FACTOR.prove(&[15, 1], &[3, 5], &mut rng()).unwrap();
    let file = ProofFile::new::<Factor>(&[15, 1], &proof);
    let file = ProofFile::decode(&file.encode()).unwrap();
    FACTOR.verifying().verify(&[15, 1], &file.proof_of::<Factor>(&[15, 1]).unwrap()).unwrap();
    assert_eq!(file.proof_of::<Factor>(&[15, 2]).unwrap_err(), VerifyError::Refused);
    let (public, _) = identity(b"a");
    assert_eq!(file.proof_of::<Identity>(&public).unwrap_err(), VerifyError::OtherStatement);
}

#[test]
fn a_batch_finds_its_false_proof() {
    let key = &*FACTOR;
    let vk = key.verifying();
    let mut batch: Vec<([u64; 2], Proof<Factor>)> = (2..22)
        .map(|n| {
            let public = [3 * n, n];
            (public, key.prove(&public, &[3, n], &mut rng()).unwrap())
        })
        .collect();
    vk.verify_batch(&batch, &mut rng()).unwrap();
    vk.verify_batch(&[], &mut rng()).unwrap();
    batch[13].0[1] += 1;
    assert_eq!(vk.verify_batch(&batch, &mut rng()).unwrap_err().index, 13);
    // Two errors that cancel in a plain sum: proofs swapped between statements.
    batch[13].0[1] -= 1;
    let (a, b) = (batch[2].1.clone(), batch[3].1.clone());
    (batch[2].1, batch[3].1) = (b, a);
    assert_eq!(vk.verify_batch(&batch, &mut rng()).unwrap_err().index, 2);
}

#[test]
fn arkworks_prover_and_ours_share_keys() {
    let (public, witness) = identity(b"a");
    let assignment = Identity::assign(&public, &witness).unwrap();
    let circuit = Assigned { r1cs: Identity::r1cs(), assignment: Some(&assignment) };
    let peer = Groth16::<Bn254>::create_random_proof_with_reduction(circuit, KEY.ark(), &mut Compat06(rng())).unwrap();
    let prepared = ark_groth16::prepare_verifying_key(KEY.verifying().ark());
    assert!(Groth16::<Bn254>::verify_proof(&prepared, &peer, &Identity::inputs(&public)).unwrap());
}

#[test]
fn snarkjs_json_round_trips_and_refuses_second_spellings() {
    let proof = FACTOR.prove(&[15, 1], &[3, 5], &mut rng()).unwrap();
    let json = proof.to_snarkjs();
    assert_eq!(Proof::<Factor>::from_snarkjs(&json).unwrap().to_bytes(), proof.to_bytes());
    let inputs = VerifyingKey::<Factor>::inputs_to_snarkjs(&[15, 1]);
    assert_eq!(inputs, serde_json::json!(["15", "1"]));
    let read = VerifyingKey::<Factor>::inputs_from_snarkjs;
    assert_eq!(read(&inputs).unwrap(), [Fr::from(15), Fr::from(1)]);
    let r = "21888242871839275222246405745257275088548364400416034343698204186575808495617";
    for bad in [
        r,
        "015",
        "+15",
        "-1",
        "",
        "0x0f",
        " 15",
        "21888242871839275222246405745257275088548364400416034343698204186575808495632",
    ] {
        assert_eq!(read(&serde_json::json!([bad, "1"])), Err(JsonError::NotCanonical), "{bad}");
    }
    assert!(read(&serde_json::json!(["15"])).is_err());
    assert!(read(&serde_json::json!(["15", "1", "0"])).is_err());
    assert!(read(&serde_json::json!([15, 1])).is_err());
    let mut infinite = json.clone();
    infinite["pi_a"] = serde_json::json!(["0", "1", "0"]);
    assert_eq!(Proof::<Factor>::from_snarkjs(&infinite).unwrap_err(), JsonError::Point);
    assert_eq!(Fr::zero(), Fr::from(0));
}
