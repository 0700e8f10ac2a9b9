//! A small registry and its honest holder.

use mediveil_circuits::Scope;
use mediveil_circuits::identity::{
    Credential, HolderSecret, Identity, IdentityPublic, IdentityWitness, Registry, Role, RoleSet, message,
};
use mediveil_record::Date;
use mediveil_rng::SeededRng;
use mediveil_zk::{ProvingKey, development_setup};
use std::sync::LazyLock;

/// One key for all tests of a file.
pub(crate) static KEY: LazyLock<ProvingKey<Identity>> =
    LazyLock::new(|| development_setup(&mut SeededRng::from_u64(100)).unwrap());

pub(crate) fn identity(challenge: &[u8]) -> (IdentityPublic, IdentityWitness) {
    let mut rng = SeededRng::from_u64(1);
    let secret = HolderSecret::generate(&mut rng);
    let role = Role::new(3).unwrap();
    let date = |t| Date::parse(t).unwrap();
    let credential =
        Credential { holder: secret.holder(), birth: date("2004-02-29"), role, expiry: date("2027-01-31") };
    let registry = Registry::new(std::slice::from_ref(&credential)).unwrap();
    let scope = Scope::new("pharmacy/2026");
    let public = IdentityPublic {
        registry: registry.root(),
        nullifier: secret.nullifier(scope),
        scope,
        message: message(challenge),
        born_before: date("2008-11-21"),
        today: date("2026-11-21"),
        roles: RoleSet::new(&[role]).unwrap(),
    };
    (public, IdentityWitness { secret, credential, path: registry.path(0).unwrap() })
}
