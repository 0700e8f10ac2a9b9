//! A committee in one process, for tests, benchmarks and demonstrations.

#![expect(clippy::panic, reason = "test support: a failed ceremony must stop the test")]

use crate::ceremony::{self, CeremonyMessage};
use crate::{CommitteeKey, MemberKey, Parameters, Terms};
use mediveil_seal::identity::{Identity, IdentityKind};
use rand_core::CryptoRng;
use std::fmt::Debug;

fn must<T, E: Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|e| panic!("{e:?}"))
}

/// Identities for `size` members.
pub fn identities(size: u32, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<Identity> {
    (0..size).map(|_| must(Identity::generate(IdentityKind::P256, rng))).collect()
}

/// The terms for these identities, with 64 bits of smudging.
#[must_use]
pub fn terms(parameters: &Parameters, needed: u32, identities: &[Identity]) -> Terms {
    let members = identities.iter().map(|i| i.public().clone()).collect();
    must(Terms::new(parameters.clone(), members, needed, 64, [0; 32]))
}

/// Runs a whole ceremony: the committee's key, and each member's share with its identity.
///
/// # Panics
/// If the ceremony fails.
pub fn committee(
    parameters: &Parameters,
    size: u32,
    needed: u32,
    rng: &mut (impl CryptoRng + ?Sized),
) -> (CommitteeKey, Vec<(MemberKey, Identity)>) {
    let identities = identities(size, rng);
    ceremony(&terms(parameters, needed, &identities), identities, rng)
}

/// Runs a whole ceremony under these terms, of members with these identities in their order.
///
/// # Panics
/// If the ceremony fails.
pub fn ceremony(
    terms: &Terms,
    identities: Vec<Identity>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> (CommitteeKey, Vec<(MemberKey, Identity)>) {
    let (states, sent) = split(identities.iter().map(|i| must(ceremony::begin(terms, i, rng))).collect());
    let (states, sent) = split(states.into_iter().map(|s| must(s.next(&sent, rng))).collect());
    let (states, sent) = split(states.into_iter().map(|s| must(s.next(&sent))).collect());
    let (states, sent) = split(states.into_iter().map(|s| must(s.next(&sent, rng))).collect());
    let (states, sent) = split(states.into_iter().map(|s| must(s.next(&sent))).collect());
    let (states, sent) = split(states.into_iter().map(|s| must(s.next(&sent, rng))).collect());
    let (mut keys, members): (Vec<_>, Vec<_>) = states.into_iter().map(|s| must(s.finish(&sent))).unzip();
    let Some(key) = keys.pop() else { panic!("a committee of nobody") };
    (key, members.into_iter().zip(identities).collect())
}

/// States and the messages they sent.
fn split<S>(steps: Vec<(S, CeremonyMessage)>) -> (Vec<S>, Vec<CeremonyMessage>) {
    steps.into_iter().unzip()
}
