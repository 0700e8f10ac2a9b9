//! One sealed file with a patient's door and a policy door.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_abe::{AttributeKey, AttributeSet, Authority, Granularity, Policy, PolicyRecipient, Schema};
use mediveil_codec::Timestamp;
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{SealingKem, SealingKey};
use mediveil_seal::{OpenError, RefusalReason, Sealer, open};

#[test]
fn one_file_has_a_patient_door_and_a_policy_door() {
    let mut rng = SeededRng::from_u64(3);
    let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
    let hospital = Authority::create("St. Anna", Granularity::Hours, Schema::new(), &mut rng).unwrap();
    let patient = SealingKey::generate(SealingKem::P256, &mut rng);
    let policy = Policy::parse("(role:cardiologist and site:A) or role:emergency").unwrap();
    let team = PolicyRecipient::new(policy, hospital.parameters(), now).unwrap();
    let file = Sealer::new().to(&patient.public()).to(&team).seal(b"bundle", &mut rng).unwrap();

    let mut key = |attributes: &str, until: &str, granted: &str| -> AttributeKey {
        let attributes = AttributeSet::parse(attributes.split(',')).unwrap();
        hospital.grant(&attributes, until.parse().unwrap(), granted.parse().unwrap(), &mut rng).unwrap()
    };
    let cardiologist = key("role:cardiologist,site:A", "2027-01-01", "2026-01-01");
    assert_eq!(open(&file, &[&patient]).unwrap().plaintext.as_slice(), b"bundle");
    assert_eq!(open(&file, &[&cardiologist]).unwrap().plaintext.as_slice(), b"bundle");

    let insurer = key("role:insurer,site:A", "2027-01-01", "2026-01-01");
    let researcher = key("role:researcher", "2027-01-01", "2026-01-01");
    let expired = key("role:emergency", "2026-11-21", "2026-11-20");
    for (key, reason) in [
        (&insurer, RefusalReason::PolicyUnsatisfied),
        (&researcher, RefusalReason::PolicyUnsatisfied),
        (&expired, RefusalReason::KeyExpired),
    ] {
        match open(&file, &[key]) {
            Err(OpenError::NoDoor { refusals, .. }) => {
                assert_eq!(refusals.iter().map(|r| r.reason).collect::<Vec<_>>(), [reason]);
            }
            other => panic!("{:?}", other.map(|_| "opened")),
        }
    }
    // The stanza of one file does not open another: both doors are bound to the core header.
    let second = Sealer::new().to(&team).seal(b"other", &mut rng).unwrap();
    assert_eq!(open(&second, &[&cardiologist]).unwrap().plaintext.as_slice(), b"other");
}
