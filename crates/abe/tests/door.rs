//! Authorities, keys and doors: what opens, what does not, and what the holder is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_abe::{
    Attribute, AttributeKey, AttributeSet, Authority, AuthorityError, Granularity, Policy, PolicyDoor, PolicyError,
    PolicyRecipient, PublicParameters, Schema,
};
use mediveil_codec::testing::{check_wire, check_wire_by};
use mediveil_codec::{Timestamp, Wire};
use mediveil_rng::SeededRng;
use mediveil_seal::{ContentKey, Context, Opener, Opening, Recipient, RefusalReason, Stanza};

struct World {
    authority: Authority,
    rng: SeededRng,
    context: Context,
    content: ContentKey,
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn set(text: &str) -> AttributeSet {
    AttributeSet::parse(text.split(',')).unwrap()
}

impl World {
    fn new(granularity: Granularity) -> Self {
        let mut rng = SeededRng::from_u64(11);
        let emergency = Attribute::new("role", "emergency").unwrap();
        let schema = Schema::new().integer("clearance", 3).unwrap().date("issued").unwrap();
        let schema = schema.emergency(emergency).unwrap();
        let authority = Authority::create("St. Anna", granularity, schema, &mut rng).unwrap();
        let content = ContentKey::generate(&mut rng);
        Self { authority, rng, context: Context::new([5; 32], b"caller".to_vec()), content }
    }

    fn key(&mut self, attributes: &str, until: &str) -> AttributeKey {
        let now = time("2026-01-01");
        self.authority.grant(&set(attributes), time(until), now, &mut self.rng).unwrap()
    }

    fn seal(&mut self, policy: &str, now: &str) -> Stanza {
        let policy = Policy::parse(policy).unwrap();
        let recipient = PolicyRecipient::new(policy, self.authority.parameters(), time(now)).unwrap();
        recipient.wrap(&self.content, &self.context, &mut self.rng).unwrap()
    }

    fn opens(&self, key: &AttributeKey, stanza: &Stanza) -> bool {
        match key.open_stanza(stanza, &self.context) {
            Opening::Opened(found) => {
                assert_eq!(found.expose(), self.content.expose());
                true
            }
            _ => false,
        }
    }

    fn refusal(&self, key: &AttributeKey, stanza: &Stanza) -> (RefusalReason, String) {
        match key.open_stanza(stanza, &self.context) {
            Opening::Refused(refusal) => (refusal.reason, refusal.explanation),
            other => panic!("{other:?}"),
        }
    }
}

const CARE: &str = "(role:cardiologist and site:A and clearance >= 3) or role:emergency";

#[test]
fn a_care_team_opens_and_an_insurer_does_not() {
    let mut w = World::new(Granularity::Days);
    let door = w.seal(CARE, "2026-11-21");
    let cardiologist = w.key("role:cardiologist,site:A,clearance=3,issued=2026-01-01", "2027-01-01");
    assert!(w.opens(&cardiologist, &door));
    let insurer = w.key("role:insurer,site:A,clearance=7", "2027-01-01");
    let needs = |what: &str| (RefusalReason::PolicyUnsatisfied, format!("the policy needs {what}"));
    assert_eq!(w.refusal(&insurer, &door), needs("role:cardiologist, or role:emergency"));
    let trainee = w.key("role:cardiologist,site:A,clearance=2", "2027-01-01");
    assert_eq!(w.refusal(&trainee, &door), needs("role:emergency, or clearance >= 3"));
    let elsewhere = w.key("role:Cardiologist,site:A,clearance=3", "2027-01-01");
    assert_eq!(w.refusal(&elsewhere, &door), needs("role:cardiologist, or role:emergency"));
}

#[test]
fn numbers_and_dates_open_exactly_their_range() {
    let mut w = World::new(Granularity::Weeks);
    let keys: Vec<_> =
        (0..8).map(|n| w.key(&format!("a:b,clearance={n},issued=2026-01-0{}", n + 1), "2027-01-01")).collect();
    for (policy, range) in [
        ("clearance >= 3", 3..=7),
        ("clearance < 3", 0..=2),
        ("clearance == 5", 5..=5),
        ("clearance in 2..6", 2..=6),
        ("clearance > 1 and clearance <= 4 and a:b", 2..=4),
        ("issued <= 2026-01-03", 0..=2),
        ("issued in 2026-01-02..2026-01-05", 1..=4),
        ("2 of (clearance > 2, issued < 2026-01-06, a:c)", 3..=4),
    ] {
        let door = w.seal(policy, "2026-06-01");
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(w.opens(key, &door), range.contains(&n), "{policy} with {n}");
        }
    }
}

#[test]
fn expiry_locks_out_of_later_files_and_of_nothing_older() {
    let mut w = World::new(Granularity::Days);
    let old = w.seal("role:nurse", "2026-03-01");
    let last = w.seal("role:nurse", "2026-05-31T23:59:59Z");
    let new = w.seal("role:nurse", "2026-06-01");
    let expired = w.key("role:nurse", "2026-06-01T15:00:00Z");
    assert_eq!(expired.expires(), Some(time("2026-06-01")));
    assert!(w.opens(&expired, &old) && w.opens(&expired, &last));
    let (reason, why) = w.refusal(&expired, &new);
    assert_eq!(reason, RefusalReason::KeyExpired);
    assert_eq!(
        why,
        "this key expired at 2026-06-01T00:00:00Z, before the file was sealed (in the epoch from 2026-06-01T00:00:00Z)"
    );
    // A new employee's key opens what was sealed before it was granted.
    let now = time("2026-10-01");
    let employee = w.authority.grant(&set("role:nurse"), time("2027-10-01"), now, &mut w.rng).unwrap();
    assert!(w.opens(&employee, &old) && w.opens(&employee, &new));
    // Not satisfying comes before expiry.
    let other = w.key("role:clerk", "2026-02-01");
    assert_eq!(w.refusal(&other, &new).0, RefusalReason::PolicyUnsatisfied);
    // Keys without an expiry are for files without the clause, which every fitting key opens.
    let timeless = w.authority.grant_without_expiry(&set("role:nurse"), &mut w.rng).unwrap();
    assert_eq!(w.refusal(&timeless, &old).0, RefusalReason::PolicyUnsatisfied);
    let policy = Policy::parse("role:nurse").unwrap();
    let recipient = PolicyRecipient::without_expiry(policy.clone(), w.authority.parameters()).unwrap();
    let free = recipient.wrap(&w.content, &w.context, &mut w.rng).unwrap();
    assert!(w.opens(&timeless, &free) && w.opens(&expired, &free));
    let beyond = PolicyRecipient::new(policy, w.authority.parameters(), time("2200-01-01"));
    assert_eq!(beyond.unwrap_err(), PolicyError::Contradiction("until".into()));
}

#[test]
fn emergency_keys_live_at_most_24_hours() {
    let now = time("2026-11-21T08:30:00Z");
    for granularity in [Granularity::Hours, Granularity::Days] {
        let mut w = World::new(granularity);
        let key = w.authority.grant_emergency(&set("role:emergency"), now, &mut w.rng).unwrap();
        assert!(key.expires().unwrap() <= time("2026-11-22T08:30:00Z"));
        let same_hour = w.seal(CARE, "2026-11-21T08:59:00Z");
        assert!(w.opens(&key, &same_hour));
        let next_day = w.seal(CARE, "2026-11-22T08:30:00Z");
        assert_eq!(w.refusal(&key, &next_day).0, RefusalReason::KeyExpired);
    }
    let mut w = World::new(Granularity::Weeks);
    let coarse = w.authority.grant_emergency(&set("role:emergency"), now, &mut w.rng);
    assert!(matches!(coarse, Err(AuthorityError::Expired(_))));
    let too_long = Err(AuthorityError::EmergencyTooLong(Attribute::new("role", "emergency").unwrap()));
    let mut refuse = |attributes, until| w.authority.grant(&set(attributes), time(until), now, &mut w.rng).map(|_| ());
    assert_eq!(refuse("role:emergency", "2026-11-22T08:30:01Z"), too_long);
    assert_eq!(refuse("role:nurse", "2026-11-21"), Err(AuthorityError::Expired(time("2026-11-21"))));
    assert_eq!(refuse("role:nurse", "2027-11-21"), Ok(()));
    let forever = w.authority.grant_without_expiry(&set("role:emergency,a:b"), &mut w.rng);
    assert_eq!(forever.map(|_| ()), too_long);
    let nothing = w.authority.grant_without_expiry(&AttributeSet::default(), &mut w.rng);
    assert!(matches!(nothing, Err(AuthorityError::NoAttributes)));
}

#[test]
fn another_authoritys_key_does_not_open() {
    let mut w = World::new(Granularity::Days);
    let door = w.seal("a:b", "2026-11-21");
    let mut other = World::new(Granularity::Days);
    other.authority = Authority::create("Elsewhere", Granularity::Days, Schema::new(), &mut w.rng).unwrap();
    let key = other.key("a:b", "2027-01-01");
    assert!(matches!(key.open_stanza(&door, &w.context), Opening::NotMine));
    // Below that check: the same key under the name of the first authority.
    let mut bytes = key.encode();
    let at = bytes.windows(32).position(|b| b == key.authority().as_bytes()).unwrap();
    bytes[at..at + 32].copy_from_slice(w.authority.parameters().id().as_bytes());
    let forged = AttributeKey::decode(&bytes).unwrap();
    assert_eq!(w.refusal(&forged, &door).0, RefusalReason::WrongKey);
    assert!(!forged.is_genuine(w.authority.parameters(), &mut w.rng));
    assert!(key.is_genuine(other.authority.parameters(), &mut w.rng));
    let own = w.key("a:b,clearance=2", "2027-01-01");
    assert!(own.is_genuine(w.authority.parameters(), &mut w.rng));
    assert!(!own.is_genuine(other.authority.parameters(), &mut w.rng));
}

/// A key that claims attributes, a value or an expiry it was not granted.
#[test]
fn a_forged_claim_does_not_open() {
    let mut w = World::new(Granularity::Days);
    let key = w.key("role:nurse,clearance=2", "2026-02-01");
    let forge = |from: &[u8], to: &[u8]| {
        let mut bytes = key.encode();
        let at = bytes.windows(from.len()).position(|b| b == from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
        AttributeKey::decode(&bytes).unwrap()
    };
    let until = key.until().unwrap();
    let cbor = |n: u32| [vec![0x19], u16::try_from(n).unwrap().to_be_bytes().to_vec()].concat();
    let forged = [
        (forge(b"nurse", b"medic"), "role:medic", "2026-01-15"),
        (forge(b"iclearance\x02", b"iclearance\x07"), "clearance == 7", "2026-01-15"),
        (forge(&cbor(until), &cbor(until + 300)), "role:nurse", "2026-06-01"),
    ];
    for (key, policy, sealed) in &forged {
        let door = w.seal(policy, sealed);
        assert_eq!(w.refusal(key, &door).0, RefusalReason::WrongKey, "{policy}");
    }
}

/// Every byte of a door changed in turn, and the context of another file: never opened, and never more than a refusal.
#[test]
fn a_changed_door_or_another_file_is_refused() {
    let mut w = World::new(Granularity::Weeks);
    let key = w.key("a:b,c:d", "2027-01-01");
    // The key uses the first branch; the second is changed as well.
    let door = w.seal("(a:b and c:d) or e:f", "2026-11-21");
    assert!(w.opens(&key, &door));
    for at in 0..door.body.len() {
        let mut changed = door.clone();
        changed.body[at] ^= 1 << (at % 8);
        match key.open_stanza(&changed, &w.context) {
            Opening::Opened(_) => panic!("opened with byte {at} changed"),
            Opening::NotMine | Opening::Refused(_) => {}
        }
    }
    for context in [Context::new([6; 32], b"caller".to_vec()), Context::new([0; 32], Vec::new())] {
        match key.open_stanza(&door, &context) {
            Opening::Refused(refusal) => assert_eq!(refusal.reason, RefusalReason::WrongKey),
            other => panic!("{other:?}"),
        }
    }
    // A row on the curve and outside the subgroup: the door is damaged, and says so. (Small x with y: nearly all lie outside.)
    let encoded = PolicyDoor::decode(&door.body).unwrap().encode();
    assert_eq!(encoded, door.body);
    let mut outside = 0;
    for x in 1..20 {
        let mut changed = door.clone();
        // The last row stands before the wrapped key: 48 bytes with their two of CBOR's.
        let row = changed.body.len() - 50 - 48;
        changed.body[row..row + 48].fill(0);
        (changed.body[row], changed.body[row + 47]) = (0x80, x);
        let (reason, why) = w.refusal(&key, &changed);
        assert_eq!(
            (reason, PolicyDoor::decode(&changed.body).is_err()),
            (RefusalReason::Malformed, true),
            "{x}: {why}"
        );
        outside += usize::from(why.contains("not a point of G1"));
    }
    assert_eq!(outside, 19);
    let other_kind = Stanza { kind: mediveil_seal::DoorKind::PASSPHRASE, body: door.body.clone() };
    assert!(matches!(key.open_stanza(&other_kind, &w.context), Opening::NotMine));
    let garbage = Stanza { kind: mediveil_seal::DoorKind::POLICY, body: vec![1, 2, 3] };
    assert_eq!(w.refusal(&key, &garbage).0, RefusalReason::Malformed);
}

#[test]
fn a_policy_of_a_thousand_attributes_fits_a_door_and_larger_ones_are_refused() {
    let mut w = World::new(Granularity::Days);
    let names: Vec<_> = (0..1000).map(|i| format!("attribute:{i}")).collect();
    let door = w.seal(&names.join(" or "), "2026-11-21");
    assert!(door.body.len() < Stanza::MAX_BODY);
    let key = w.key("attribute:999", "2027-01-01");
    assert!(w.opens(&key, &door));
    let policy = vec!["a:b or c:d"; 200].join(" or ");
    let long = (0..4_000).map(|i| format!("a:{i}")).collect::<Vec<_>>().join(" or ");
    let policy = Policy::parse(&format!("({policy}) and ({long})"));
    let refused = policy.and_then(|p| PolicyRecipient::new(p, w.authority.parameters(), time("2026-11-21")));
    assert!(matches!(refused, Err(PolicyError::TooManyTerms | PolicyError::TooManyRows { .. })));
}

#[test]
fn fifty_attributes_fit_4_kib() {
    let mut w = World::new(Granularity::Days);
    let names: Vec<_> = (0..50).map(|i| format!("attr:value{i:02}")).collect();
    let key = w.authority.grant_without_expiry(&set(&names.join(",")), &mut w.rng).unwrap();
    let policy = Policy::parse(&names.join(" and ")).unwrap();
    let recipient = PolicyRecipient::without_expiry(policy, w.authority.parameters()).unwrap();
    let door = recipient.wrap(&w.content, &w.context, &mut w.rng).unwrap();
    assert!(w.opens(&key, &door));
    assert!(door.body.len() <= 4096 && key.encode().len() <= 4096, "{} {}", door.body.len(), key.encode().len());
}

#[test]
fn wire_formats_are_frozen() {
    let mut w = World::new(Granularity::Weeks);
    let same = |a: &Authority, b: &Authority| a.encode() == b.encode() && a.parameters() == b.parameters();
    check_wire_by(&w.authority, include_str!("wire/authority.hex"), same);
    check_wire(
        &PublicParameters::decode(&w.authority.parameters().encode()).unwrap(),
        include_str!("wire/parameters.hex"),
    );
    let key = w.authority.grant_without_expiry(&set("a:b,clearance=2"), &mut w.rng).unwrap();
    check_wire_by(&key, include_str!("wire/key.hex"), |a, b| a.encode() == b.encode());
    let policy = Policy::parse("a:b and a:b").unwrap();
    let recipient = PolicyRecipient::without_expiry(policy, w.authority.parameters()).unwrap();
    let stanza = recipient.wrap(&w.content, &w.context, &mut w.rng).unwrap();
    let door = PolicyDoor::decode(&stanza.body).unwrap();
    check_wire(&door, include_str!("wire/door.hex"));
    assert!(w.opens(&key, &stanza));
    // Debug prints no secrets.
    assert_eq!(format!("{:?} {key:?}", w.authority), "Authority AttributeKey");
}
