//! SLIP-0039: the published vectors, and splitting.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_rng::SeededRng;
use mediveil_threshold::slip39::{Group, Share, Slip39Error, Split, join, split};

/// Some of the standard's vectors (SLIP-0039, "Test vectors"), with the passphrase TREZOR.
const VECTORS: &[(&[&str], Option<&str>)] = &[
    (
        &[
            "duckling enlarge academic academic agency result length solution fridge kidney coal piece deal husband erode duke ajar critical decision keyboard",
        ],
        Some("bb54aac4b89dc868ba37d9cc21b2cece"),
    ),
    (
        &[
            "duckling enlarge academic academic agency result length solution fridge kidney coal piece deal husband erode duke ajar critical decision kidney",
        ],
        None,
    ),
    (
        &[
            "duckling enlarge academic academic email result length solution fridge kidney coal piece deal husband erode duke ajar music cargo fitness",
        ],
        None,
    ),
    (
        &[
            "shadow pistol academic always adequate wildlife fancy gross oasis cylinder mustang wrist rescue view short owner flip making coding armed",
            "shadow pistol academic acid actress prayer class unknown daughter sweater depict flip twice unkind craft early superior advocate guest smoking",
        ],
        Some("b43ceb7e57a0ea8766221624d01b0864"),
    ),
    (
        &[
            "shadow pistol academic always adequate wildlife fancy gross oasis cylinder mustang wrist rescue view short owner flip making coding armed",
        ],
        None,
    ),
];

fn joined(words: &[&str]) -> Result<String, Slip39Error> {
    let shares = words.iter().map(|w| Share::from_words(w)).collect::<Result<Vec<_>, _>>()?;
    for (share, text) in shares.iter().zip(words) {
        assert_eq!(&**share.to_words(), *text);
    }
    join(&shares, "TREZOR").map(|secret| hex::encode(&*secret))
}

#[test]
fn vectors_of_the_standard() {
    for (words, expected) in VECTORS {
        assert_eq!(joined(words).ok().as_deref(), *expected);
    }
}

#[test]
fn all_published_vectors_where_they_are_at_hand() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/slip39/vectors.json");
    let Ok(text) = std::fs::read_to_string(path) else { return };
    let cases: Vec<(String, Vec<String>, String, String)> = serde_json::from_str(&text).unwrap();
    assert_eq!(cases.len(), 45);
    for (name, words, expected, _) in &cases {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match joined(&words) {
            Ok(secret) => assert_eq!(&secret, expected, "{name}"),
            Err(error) => assert!(expected.is_empty(), "{name}: {error}"),
        }
    }
    assert_eq!(cases.iter().filter(|c| c.2.is_empty()).count(), 30);
}

#[test]
fn groups_and_passphrases() {
    let mut rng = SeededRng::from_u64(1);
    let how = Split {
        groups_needed: 2,
        groups: vec![Group { needed: 1, members: 1 }, Group { needed: 2, members: 3 }, Group { needed: 3, members: 5 }],
        iteration_exponent: 0,
    };
    let secret = [7; 32];
    let shares = split(&secret, "passphrase", &how, &mut rng).unwrap();
    let pick = |list: &[(usize, usize)]| list.iter().map(|(g, m)| shares[*g][*m].clone()).collect::<Vec<_>>();
    for list in
        [&[(0, 0), (1, 2), (1, 0)][..], &[(2, 4), (2, 0), (2, 2), (1, 1), (1, 2)], &[(0, 0), (2, 1), (2, 2), (2, 3)]]
    {
        let words: Vec<_> = pick(list).iter().map(Share::to_words).collect();
        let again: Vec<_> = words.iter().map(|w| Share::from_words(w).unwrap()).collect();
        assert_eq!(*join(&again, "passphrase").unwrap(), secret);
        assert_ne!(*join(&again, "Passphrase").unwrap(), secret);
    }
    for list in [&[(0, 0)][..], &[(0, 0), (1, 0)], &[(1, 0), (1, 1), (2, 0), (2, 1)], &[(0, 0), (1, 0), (1, 1), (1, 2)]]
    {
        assert!(matches!(join(&pick(list), "passphrase"), Err(Slip39Error::Count(_))));
    }
    let bad = Split { groups: vec![Group { needed: 1, members: 2 }], groups_needed: 1, iteration_exponent: 0 };
    assert!(matches!(split(&secret, "", &bad, &mut rng), Err(Slip39Error::Parameters(_))));
    assert_eq!(split(&secret, "p\u{e4}", &how, &mut rng).unwrap_err(), Slip39Error::Passphrase);
}
