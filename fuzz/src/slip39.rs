//! Mnemonics: read, written and joined; and secrets that are split and joined again, with words changed.

use arbitrary::Unstructured;
use mediveil_rng::SeededRng;
use mediveil_threshold::slip39::{Group, Share, Split, join, split};

/// Lines are mnemonics, or the input says how to split a secret and which words to change.
pub fn slip39(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let shares: Vec<Share> = text.lines().take(16).filter_map(|line| Share::from_words(line).ok()).collect();
        for share in &shares {
            let words = share.to_words();
            assert!(Share::from_words(&words).is_ok_and(|again| again == *share), "words are read as another share");
        }
        // The work grows with the exponent; small ones are as good here.
        if shares.iter().all(|s| s.iteration_exponent() <= 1) {
            let _ = join(&shares, "TREZOR");
        }
        return;
    }
    let _ = attempt(&mut Unstructured::new(data));
}

fn attempt(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let half = u.int_in_range(8..=12_usize)?;
    let secret = u.bytes(2 * half)?.to_vec();
    let groups: Vec<Group> = (0..u.int_in_range(1..=3)?)
        .map(|_| {
            let members = u.int_in_range(1..=4)?;
            Ok(Group { needed: u.int_in_range(1..=members)?, members })
        })
        .collect::<arbitrary::Result<_>>()?;
    let groups_needed = u.int_in_range(1..=u8::try_from(groups.len()).unwrap_or(1))?;
    let how = Split { groups_needed, groups, iteration_exponent: 0 };
    let Ok(shares) = split(&secret, "", &how, &mut SeededRng::from_u64(1)) else { return Ok(()) };
    let mut chosen: Vec<Share> = shares
        .iter()
        .zip(&how.groups)
        .take(usize::from(groups_needed))
        .flat_map(|(of_group, terms)| of_group.iter().rev().take(usize::from(terms.needed)).cloned())
        .collect();
    assert!(join(&chosen, "").is_ok_and(|joined| *joined == secret), "the shares do not give the secret");
    // One fewer never gives anything.
    let dropped = chosen.swap_remove(u.choose_index(chosen.len())?);
    assert!(join(&chosen, "").is_err(), "too few shares give something");
    // A word changed is found by the checksum.
    let words: Vec<String> = dropped.to_words().split(' ').map(str::to_owned).collect();
    let (at, other) = (u.choose_index(words.len())?, u.choose_index(words.len())?);
    let mut changed = words.clone();
    if let (Some(to), Some(from)) = (changed.get_mut(at), words.get(other)) {
        to.clone_from(from);
    }
    assert!(changed == words || Share::from_words(&changed.join(" ")).is_err(), "a changed word passes");
    Ok(())
}
