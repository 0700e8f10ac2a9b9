//! The identity statement against a prover who lies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use ark_bn254::Fr;
use ark_ff::{BigInteger as _, One as _, PrimeField as _, Zero as _};
use mediveil_circuits::identity::{
    Credential, HolderSecret, Identity, IdentityPublic, IdentityWitness, Registry, Role, RoleSet, message,
};
use mediveil_circuits::r1cs::{Assignment, Builder};
use mediveil_circuits::testing::{every_group_is_needed, mutate_every_cell, table, violated};
use mediveil_circuits::{Scope, Statement as _};
use mediveil_codec::Wire as _;
use mediveil_codec::testing::{check_wire, check_wire_by};
use mediveil_record::Date;
use mediveil_record::merkle::Path;
use mediveil_rng::SeededRng;
use std::collections::BTreeSet;

fn date(text: &str) -> Date {
    Date::parse(text).unwrap()
}

fn role(n: u8) -> Role {
    Role::new(n).unwrap()
}

fn honest() -> (IdentityPublic, IdentityWitness) {
    let mut rng = SeededRng::from_u64(1);
    let secrets: Vec<HolderSecret> = (0..3).map(|_| HolderSecret::generate(&mut rng)).collect();
    let credentials: Vec<Credential> = secrets
        .iter()
        .map(|s| Credential {
            holder: s.holder(),
            birth: date("2004-02-29"),
            role: role(63),
            expiry: date("2027-01-31"),
        })
        .collect();
    let registry = Registry::new(&credentials).unwrap();
    let scope = Scope::new("pharmacy/2026");
    let public = IdentityPublic {
        registry: registry.root(),
        nullifier: secrets[1].nullifier(scope),
        scope,
        message: message(b"challenge"),
        born_before: date("2008-11-21"),
        today: date("2026-11-21"),
        roles: RoleSet::new(&[role(2), role(63)]).unwrap(),
    };
    let path = registry.path(1).unwrap();
    (public, IdentityWitness { secret: secrets[1].clone(), credential: credentials[1].clone(), path })
}

/// The groups that refuse; empty where it is accepted.
fn refusal(public: &IdentityPublic, witness: &IdentityWitness) -> BTreeSet<String> {
    let (mut cs, inputs) = Builder::assign(&Identity::inputs(public));
    Identity::synthesize(&mut cs, &inputs, Some(witness));
    let groups = violated(Identity::r1cs(), cs.into_unchecked_assignment().values());
    assert_eq!(Identity::assign(public, witness).is_ok(), groups.is_empty());
    groups
}

fn only(group: &str) -> BTreeSet<String> {
    BTreeSet::from([group.to_owned()])
}

#[test]
fn fits_4096_rows_with_its_inputs() {
    let r1cs = Identity::r1cs();
    assert!(r1cs.constraints() + r1cs.instances() <= 4_096, "{}", r1cs.constraints());
    println!("{}", table("identity", r1cs));
}

#[test]
fn no_cell_is_free_and_every_group_is_needed() {
    let (public, witness) = honest();
    let values: Assignment = Identity::assign(&public, &witness).unwrap();
    let attacks = mutate_every_cell(Identity::r1cs(), values.values());
    every_group_is_needed(Identity::r1cs(), &attacks);
}

#[test]
fn birth_date_is_strictly_before() {
    let (mut public, mut witness) = honest();
    let mut accepted = |birth: &str, before: &str| {
        witness.credential.birth = date(birth);
        let registry = Registry::new(&[witness.credential.clone()]).unwrap();
        witness.path = registry.path(0).unwrap();
        public.registry = registry.root();
        public.born_before = date(before);
        let refusal = refusal(&public, &witness);
        assert!(refusal.is_empty() || refusal == only("birth"), "{refusal:?}");
        refusal.is_empty()
    };
    assert!(accepted("2008-11-20", "2008-11-21"));
    assert!(!accepted("2008-11-21", "2008-11-21"));
    assert!(!accepted("2008-11-22", "2008-11-21"));
    assert!(accepted("2004-02-28", "2004-02-29"));
    assert!(accepted("2004-02-29", "2004-03-01"));
    assert!(!accepted("2004-02-29", "2004-02-29"));
    assert!(accepted("0001-01-01", "9999-12-31"));
    assert!(!accepted("9999-12-31", "0001-01-01"));
    assert!(!accepted("0001-01-01", "0001-01-01"));
}

#[test]
fn credential_counts_until_its_last_day() {
    let (mut public, witness) = honest();
    for (today, ok) in [("2027-01-30", true), ("2027-01-31", true), ("2027-02-01", false), ("9999-12-31", false)] {
        public.today = date(today);
        let groups = refusal(&public, &witness);
        assert_eq!(groups, if ok { BTreeSet::new() } else { only("expiry") });
    }
}

#[test]
fn role_is_in_the_set() {
    let (mut public, mut witness) = honest();
    for own in 0..64 {
        witness.credential.role = role(own);
        let registry = Registry::new(&[witness.credential.clone()]).unwrap();
        witness.path = registry.path(0).unwrap();
        public.registry = registry.root();
        for other in [own, (own + 1) % 64, own ^ 32, own ^ 1] {
            public.roles = RoleSet::new(&[role(other)]).unwrap();
            assert_eq!(refusal(&public, &witness).is_empty(), own == other);
            let rest: Vec<Role> = (0..64).filter(|r| *r != other).map(role).collect();
            public.roles = RoleSet::new(&rest).unwrap();
            assert_eq!(refusal(&public, &witness).is_empty(), own != other);
        }
    }
    assert!(RoleSet::new(&[]).is_err());
    assert!(Role::new(64).is_err());
}

#[test]
fn anothers_credential_scope_message_nullifier_and_root_are_refused() {
    let (public, witness) = honest();
    assert!(refusal(&public, &witness).is_empty());
    let mut changed = public.clone();
    changed.scope = Scope::new("pharmacy/2027");
    assert_eq!(refusal(&changed, &witness), only("nullifier"));
    let mut changed = public.clone();
    changed.nullifier += Fr::one();
    assert_eq!(refusal(&changed, &witness), only("nullifier"));
    let mut changed = public.clone();
    changed.registry = Fr::zero();
    assert_eq!(refusal(&changed, &witness), only("registry"));
    // Another holder's secret with this credential: its hash is not in the leaf.
    let mut thief = witness.clone();
    thief.secret = HolderSecret::generate(&mut SeededRng::from_u64(9));
    let mut changed = public.clone();
    changed.nullifier = thief.secret.nullifier(public.scope);
    assert_eq!(refusal(&changed, &thief), only("registry"));
    // An altered credential.
    let mut forged = witness.clone();
    forged.credential.birth = date("1990-01-01");
    assert_eq!(refusal(&public, &forged), only("registry"));
    // The message is bound: a changed input is not what was proved.
    let values = Identity::assign(&public, &witness).unwrap();
    let mut values = values.values().to_vec();
    values[4] += Fr::one();
    assert_eq!(violated(Identity::r1cs(), &values), only("message"));
}

#[test]
fn padding_is_no_credential_and_no_index_is_beyond_the_tree() {
    let (public, mut witness) = honest();
    let siblings = witness.path.siblings().to_vec();
    assert!(Path::new(1 << 20, siblings.clone()).is_none());
    // A place that holds padding: its path leads to the root only from the padding element.
    let registry = Registry::new(&[witness.credential.clone()]).unwrap();
    assert!(registry.path(1).is_none());
    witness.path = Path::new(3, siblings).unwrap();
    assert_eq!(refusal(&public, &witness), only("registry"));
}

#[test]
fn nullifiers_are_one_a_scope_and_survive_renewal() {
    let (public, mut witness) = honest();
    let scope = Scope::new("another");
    assert_ne!(witness.secret.nullifier(scope), public.nullifier);
    witness.credential.expiry = date("2030-01-31");
    let registry = Registry::new(&[witness.credential.clone()]).unwrap();
    witness.path = registry.path(0).unwrap();
    let renewed = IdentityPublic { registry: registry.root(), ..public };
    assert!(refusal(&renewed, &witness).is_empty());
}

/// The same element written as itself plus the field's order, once and as often as 32 bytes hold, would have been the way to a
/// second file of one secret.
#[test]
fn a_nullifier_secret_that_is_not_canonical_is_refused() {
    let secret = HolderSecret::generate(&mut SeededRng::from_u64(8));
    let file = secret.encode();
    let (head, bytes) = file.split_at(file.len() - 32);
    let element = Fr::from_be_bytes_mod_order(bytes);
    assert_eq!(HolderSecret::decode(&file).unwrap().holder(), secret.holder());
    let (mut value, mut refused) = (element.into_bigint(), 0);
    assert_eq!(value.to_bytes_be(), bytes, "the numbers below are the secret's own");
    while !value.add_with_carry(&Fr::MODULUS) {
        assert!(HolderSecret::decode(&[head, &value.to_bytes_be()].concat()).is_err());
        refused += 1;
    }
    assert!(refused >= 4);
    assert!(HolderSecret::decode(&[head, &Fr::MODULUS.to_bytes_be()].concat()).is_err());
}

#[test]
fn a_policy_with_higher_bits_is_refused() {
    let (public, witness) = honest();
    let mut inputs = Identity::inputs(&public);
    inputs[4] += Fr::from(2).pow_bits(108);
    let (mut cs, nums) = Builder::assign(&inputs);
    Identity::synthesize(&mut cs, &nums, Some(&witness));
    assert_eq!(violated(Identity::r1cs(), cs.into_unchecked_assignment().values()), only("policy"));
}

trait Pow {
    fn pow_bits(self, n: u64) -> Self;
}
impl Pow for Fr {
    fn pow_bits(self, n: u64) -> Self {
        ark_ff::Field::pow(&self, [n])
    }
}

#[test]
fn rows_do_not_depend_on_the_witness() {
    let (public, witness) = honest();
    let (mut cs, inputs) = Builder::shape(5);
    Identity::synthesize(&mut cs, &inputs, Some(&witness));
    assert_eq!(cs.into_shape().unwrap().digest(), Identity::r1cs().digest());
    assert_eq!(Identity::inputs(&public).len(), Identity::PUBLIC_INPUTS);
}

#[test]
fn wire_types_are_frozen() {
    let (_, witness) = honest();
    check_wire(&witness.credential, include_str!("wire/credential.hex"));
    check_wire_by(&witness.secret, include_str!("wire/holder_secret.hex"), |a, b| a.holder() == b.holder());
    // A secret at or above the field's order has no second encoding.
    let mut bytes = witness.secret.encode();
    let at = bytes.len() - 32;
    bytes[at..].fill(0xff);
    assert!(HolderSecret::decode(&bytes).is_err());
}
