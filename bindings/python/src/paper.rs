//! A secret on paper: SLIP-39.

use crate::data::Data;
use crate::fail::fail;
use mediveil_threshold::slip39::{self, Group, Share, Slip39Error, Split};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::collections::BTreeMap;

/// Splits a secret of 16 to 64 bytes, an even number, into shares in words after SLIP-39: a list of shares for each group.
///
/// groups: for each, how many shares are needed of how many. groups_needed: all, unless given. passphrase: printable ASCII,
/// needed with the shares; a wrong one gives another secret and no error. iteration_exponent: 0 to 15, doubles the work of
/// trying passphrases with each step.
///
/// For more than 64 bytes seal them for a passphrase made of the secret:
/// `Passphrase(secret.hex(), iterations=100_000)`, as `mediveil paper` does.
///
/// >>> import mediveil
/// >>> shares, = mediveil.paper_split(bytes(range(32)), groups=[(2, 3)], iteration_exponent=0)
/// >>> len(shares), len(shares[0].split())
/// (3, 33)
/// >>> mediveil.paper_join(shares[1:], iteration_exponent=0) == bytes(range(32))
/// True
///
/// Raises InvalidError for what the standard does not allow.
#[pyfunction]
#[pyo3(signature = (secret, *, groups, groups_needed = None, passphrase = "", iteration_exponent = 1))]
pub fn paper_split(
    py: Python<'_>,
    secret: &Bound<'_, PyAny>,
    groups: Vec<(u8, u8)>,
    groups_needed: Option<u8>,
    passphrase: &str,
    iteration_exponent: u8,
) -> PyResult<Vec<Vec<String>>> {
    let data = Data::of(secret)?;
    let secret = data.as_slice();
    let all = u8::try_from(groups.len()).unwrap_or(u8::MAX);
    let groups = groups.into_iter().map(|(needed, members)| Group { needed, members }).collect();
    let how = Split { groups_needed: groups_needed.unwrap_or(all), groups, iteration_exponent };
    let shares = py.detach(|| slip39::split(secret, passphrase, &how, &mut mediveil_rng::system())).map_err(fail)?;
    Ok(shares.iter().map(|group| group.iter().map(|share| share.to_words().to_string()).collect()).collect())
}

/// The shares of as many groups as are needed, as many of each as are needed.
fn enough(shares: &[Share]) -> Result<Vec<Share>, Slip39Error> {
    let first = shares.first().ok_or(Slip39Error::Count("there are none"))?;
    let mut groups: BTreeMap<u8, Vec<&Share>> = BTreeMap::new();
    for share in shares {
        if !share.is_of_one_split(first) {
            return Err(Slip39Error::Mismatch);
        }
        let group = groups.entry(share.group()).or_default();
        match group.iter().find(|other| other.member() == share.member()) {
            None => group.push(share),
            Some(other) if *other == share => {}
            Some(_) => return Err(Slip39Error::Duplicate),
        }
    }
    let needed = |group: &Vec<&Share>| group.first().map_or(usize::MAX, |share| usize::from(share.needed()));
    let complete = groups.values().filter(|group| group.len() >= needed(group)).take(first.groups_needed().into());
    let chosen: Vec<Share> =
        complete.flat_map(|group| group.iter().take(needed(group)).map(|share| (*share).clone())).collect();
    // Too few of anything is for `join` to refuse.
    Ok(if chosen.is_empty() { shares.to_vec() } else { chosen })
}

/// The secret again, from enough shares in words; more than enough do no harm.
///
/// iteration_exponent: the highest that is tried, so that shares of strangers cannot keep this busy for hours.
///
/// >>> import mediveil
/// >>> family, friends = mediveil.paper_split(bytes(16), groups=[(1, 1), (2, 3)], groups_needed=1, passphrase="on a note")
/// >>> mediveil.paper_join(friends, passphrase="on a note") == bytes(16)
/// True
///
/// Raises RefusedError for too few, DamagedError for words that are no share, InvalidError for shares of different splits.
#[pyfunction]
#[pyo3(signature = (shares, *, passphrase = "", iteration_exponent = 4))]
pub fn paper_join<'py>(
    py: Python<'py>,
    shares: Vec<String>,
    passphrase: &str,
    iteration_exponent: u8,
) -> PyResult<Bound<'py, PyBytes>> {
    let secret = py.detach(|| {
        let read = shares.iter().map(|words| Share::from_words(words)).collect::<Result<Vec<_>, _>>()?;
        if read.iter().any(|share| share.iteration_exponent() > iteration_exponent) {
            return Err(Slip39Error::Parameters("the shares ask for more iterations than are allowed here"));
        }
        slip39::join(&enough(&read)?, passphrase)
    });
    Ok(PyBytes::new(py, &secret.map_err(fail)?))
}
