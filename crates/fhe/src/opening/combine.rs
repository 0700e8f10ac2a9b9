//! Adding up a quorum's parts.

use crate::opening::share::{Garbage, LweSample, decode};
use crate::opening::{OpenError, Opening, PartialDecryption, Request};
use crate::ring::{self, RingError};
use crate::shamir::for_rows;
use fhe_math::zq::Modulus;

/// The opened numbers, in the order of the request: one a ciphertext, or each ciphertext's slots in turn. They are right
/// between -(t-1)/2 and (t-1)/2, with all members' noise in them. Anybody can do this; it takes no secret.
///
/// # Errors
/// [`OpenError::Missing`] if a member of the quorum has not answered, [`OpenError::Part`] for a part that is not one of this
/// request, [`OpenError::Garbage`] if the parts do not add up to anything.
pub fn combine(request: &Request, parts: &[PartialDecryption]) -> Result<Vec<i64>, OpenError> {
    if let Some(stranger) = parts.iter().find(|p| !p.answers(request)) {
        return Err(OpenError::Part { member: stranger.member() });
    }
    let mut missing = Vec::new();
    let mut rows = Vec::new();
    for member in request.epoch().quorum() {
        let mut of_member = parts.iter().filter(|p| p.member() == *member);
        match (of_member.next(), of_member.next()) {
            (Some(part), None) => rows.push(part.rows(request).ok_or(OpenError::Part { member: *member })?),
            (Some(_), Some(_)) => return Err(OpenError::Part { member: *member }),
            (None, _) => missing.push(*member),
        }
    }
    if !missing.is_empty() {
        return Err(OpenError::Missing { members: missing });
    }
    let parameters = request.key().parameters();
    let slots = parameters.slots();
    let t = slots.plaintext();
    let mut numbers = Vec::with_capacity(request.numbers());
    for (at, ciphertext) in request.ciphertexts().iter().enumerate() {
        let mut phase = match request.opening() {
            Opening::SlotSum => LweSample::constant(ciphertext, parameters)?.b().to_vec(),
            Opening::Slots(_) => ciphertext.inner.first().map(ring::residues).ok_or(RingError)?.to_vec(),
        };
        for part in rows.iter().filter_map(|member| member.get(at)) {
            for_rows(&mut phase, part, parameters.context().moduli_operators(), Modulus::add);
        }
        let opened = decode(&phase, parameters, &request.budget().residual)?.map_err(|Garbage| OpenError::Garbage)?;
        match request.opening() {
            Opening::SlotSum => {
                let degree = t.reduce(u64::from(parameters.degree()));
                numbers.extend(opened.iter().map(|x| slots.centre(t.mul(*x, degree))));
            }
            Opening::Slots(open) => {
                let all = slots.decode(opened);
                let wanted = open.iter().filter_map(|s| all.get(usize::try_from(*s).ok()?));
                numbers.extend(wanted.map(|x| slots.centre(*x)));
            }
        }
    }
    Ok(numbers)
}
