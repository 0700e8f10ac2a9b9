//! Proofs, keys and what comes from other programs: files, snarkjs' JSON, powers of tau.

use crate::ledger::must;
use crate::wire::canonical;
use mediveil_circuits::Scope;
use mediveil_circuits::identity::{
    Credential, HolderSecret, Identity, IdentityPublic, IdentityWitness, Registry, Role, RoleSet, message,
};
use mediveil_codec::Wire;
use mediveil_record::Date;
use mediveil_rng::SeededRng;
use mediveil_zk::ceremony::Ptau;
use mediveil_zk::{Proof, ProofFile, ProvingKey, Statement, Trust, VerifyingKey, development_setup};
use std::sync::OnceLock;

struct World {
    key: ProvingKey<Identity>,
    public: IdentityPublic,
    proof: Proof<Identity>,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut rng = SeededRng::from_u64(11);
        let key = must(development_setup::<Identity>(&mut rng));
        let date = |text| Date::parse(text).unwrap_or_else(|| panic!("a date is a date"));
        let secret = HolderSecret::generate(&mut rng);
        let role = must(Role::new(3));
        let credential =
            Credential { holder: secret.holder(), birth: date("2004-02-29"), role, expiry: date("2027-01-31") };
        let registry = must(Registry::new(std::slice::from_ref(&credential)));
        let scope = Scope::new("pharmacy/2026");
        let Some(path) = registry.path(0) else { panic!("the first credential has a path") };
        let public = IdentityPublic {
            registry: registry.root(),
            nullifier: secret.nullifier(scope),
            scope,
            message: message(b"fuzz"),
            born_before: date("2008-11-21"),
            today: date("2026-11-21"),
            roles: must(RoleSet::new(&[role])),
        };
        let witness = IdentityWitness { secret, credential, path };
        let proof = must(key.prove(&public, &witness, &mut rng));
        World { key, public, proof }
    })
}

/// Valid inputs by name: a proof file, a verifying key, snarkjs' proof and public inputs, a small `.ptau`.
#[must_use]
pub fn zk_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let world = world();
    vec![
        ("proof-file", ProofFile::new::<Identity>(&world.public, &world.proof).encode()),
        ("proof", world.proof.to_bytes()),
        ("verifying-key", world.key.verifying().encode_wire()),
        ("snarkjs-proof", world.proof.to_snarkjs().to_string().into_bytes()),
        ("snarkjs-public", VerifyingKey::<Identity>::inputs_to_snarkjs(&world.public).to_string().into_bytes()),
    ]
}

/// Any bytes are refused, or are the one encoding of what they are; and no proof verifies but of the statement that was
/// proved.
pub fn zk(data: &[u8]) {
    let world = world();
    let verifying = world.key.verifying();
    canonical::<ProofFile>(data);
    if let Ok(file) = ProofFile::decode(data)
        && let Ok(proof) = file.proof_of::<Identity>(&world.public)
    {
        let verified = verifying.verify(&world.public, &proof).is_ok();
        assert!(!verified || proof.to_bytes() == world.proof.to_bytes(), "a forged proof verifies");
    }
    if let Some(proof) = Proof::<Identity>::from_bytes(data) {
        assert!(proof.to_bytes() == data, "a proof has two encodings");
        let verified = verifying.verify(&world.public, &proof).is_ok();
        assert!(!verified || data == world.proof.to_bytes(), "a forged proof verifies");
    }
    if let Ok(key) = VerifyingKey::<Identity>::decode_wire(data, Trust::Development) {
        assert!(key.encode_wire() == data, "a verifying key has two encodings");
        let verified = key.verify(&world.public, &world.proof).is_ok();
        assert!(!verified || data == world.key.verifying().encode_wire(), "another key verifies");
    }
    let _ = VerifyingKey::<Identity>::decode_wire(data, Trust::CeremonyOnly);
    // A file says how many powers it has; the sections must be as long, so work is bounded by the input's length.
    let _ = Ptau::read(data, &mut SeededRng::from_u64(1));
    if let Ok(json) = serde_json::from_slice::<serde_json::Value>(data) {
        if let Ok(proof) = Proof::<Identity>::from_snarkjs(&json) {
            assert!(
                Proof::<Identity>::from_snarkjs(&proof.to_snarkjs()).is_ok_and(|p| p.to_bytes() == proof.to_bytes()),
                "snarkjs' form of a proof is another"
            );
        }
        if let Ok(inputs) = VerifyingKey::<Identity>::inputs_from_snarkjs(&json) {
            let verified = verifying.verify_inputs(&inputs, &world.proof).is_ok();
            assert!(!verified || inputs == Identity::inputs(&world.public), "the proof verifies for another statement");
        }
    }
}
