//! Adding up a quorum's parts.

use crate::ciphertext::Ciphertext;
use crate::opening::request::Asked;
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
    let rows = gather(&request.asked(), parts)?;
    let parameters = request.key().parameters();
    let slots = parameters.slots();
    let t = slots.plaintext();
    let degree = t.reduce(u64::from(parameters.degree()));
    let mut numbers = Vec::with_capacity(request.numbers());
    for (at, ciphertext) in request.ciphertexts().iter().enumerate() {
        let of_ciphertext = rows.iter().filter_map(|member| member.get(at));
        let opened = coefficients(request, ciphertext, of_ciphertext)?;
        match request.opening() {
            Opening::SlotSum => numbers.extend(opened.iter().map(|x| slots.centre(t.mul(*x, degree)))),
            Opening::Slots(open) => {
                let all = slots.decode(opened);
                let wanted = open.iter().filter_map(|s| all.get(usize::try_from(*s).ok()?));
                numbers.extend(wanted.map(|x| slots.centre(*x)));
            }
        }
    }
    Ok(numbers)
}

/// The residues of the quorum's parts, one member after the other, ciphertext by ciphertext.
pub(super) fn gather(asked: &Asked<'_>, parts: &[PartialDecryption]) -> Result<Vec<Vec<Vec<u64>>>, OpenError> {
    if let Some(stranger) = parts.iter().find(|p| !p.answers(asked)) {
        return Err(OpenError::Part { member: stranger.member() });
    }
    let mut missing = Vec::new();
    let mut rows = Vec::new();
    for member in asked.quorum {
        let mut of_member = parts.iter().filter(|p| p.member() == *member);
        match (of_member.next(), of_member.next()) {
            (Some(part), None) => rows.push(part.rows(asked).ok_or(OpenError::Part { member: *member })?),
            (Some(_), Some(_)) => return Err(OpenError::Part { member: *member }),
            (None, _) => missing.push(*member),
        }
    }
    if missing.is_empty() { Ok(rows) } else { Err(OpenError::Missing { members: missing }) }
}

/// The coefficients modulo t that the parts for one ciphertext open: everything there is to see in them.
fn coefficients<'p>(
    request: &Request,
    ciphertext: &Ciphertext,
    parts: impl Iterator<Item = &'p Vec<u64>>,
) -> Result<Vec<u64>, OpenError> {
    let parameters = request.key().parameters();
    let mut phase = match request.opening() {
        Opening::SlotSum => LweSample::constant(ciphertext, parameters)?.b().to_vec(),
        Opening::Slots(_) => ciphertext.inner.first().map(ring::residues).ok_or(RingError)?.to_vec(),
    };
    for part in parts {
        for_rows(&mut phase, part, parameters.context().moduli_operators(), Modulus::add);
    }
    decode(&phase, parameters, &request.budget().residual)?.map_err(|Garbage| OpenError::Garbage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opening::{Epoch, MemoryStore};
    use crate::{Bounds, Parameters, testing};
    use mediveil_rng::SeededRng;

    /// Below what is returned: the parts for one slot open a polynomial that is zero in every other slot, and the parts for
    /// a sum open one coefficient.
    #[test]
    fn parts_open_nothing_beside_what_was_asked() {
        let mut rng = SeededRng::from_u64(1);
        let parameters = Parameters::insecure_for_tests(64, 30, 6).unwrap();
        let (key, members) = testing::committee(&parameters, 2, 2, &mut rng);
        let values: Vec<i64> = (100..164).collect();
        let block = key.encrypt(&values, Bounds { min: 0, max: 200 }, &mut rng).unwrap();
        let epoch = Epoch::new(&key, 1, &[1, 2]).unwrap();
        for opening in [Opening::Slots(vec![9]), Opening::SlotSum] {
            let request = Request::new(&key, &epoch, [1; 32], vec![block.clone()], opening).unwrap();
            let parts = members
                .iter()
                .map(|(m, id)| m.decrypt(&request, id, |n| Ok(vec![1; n]), &mut MemoryStore::new(), &mut rng).unwrap());
            let rows: Vec<_> = parts.map(|p| p.rows(&request.asked()).unwrap().remove(0)).collect();
            let opened = coefficients(&request, &request.ciphertexts()[0], rows.iter()).unwrap();
            if *request.opening() == Opening::SlotSum {
                assert_eq!(opened.len(), 1);
            } else {
                let mut expected = vec![0; 64];
                expected[9] = 109 + 2;
                assert_eq!(parameters.slots().decode(opened), expected);
            }
        }
    }
}
