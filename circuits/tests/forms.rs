//! Files between the parties: frozen bytes, and what an issuer must not do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_circuits::forms::{
    CredentialRegistry, FormError, HeldRecord, IssuerRegister, NamedTable, NewSecret, NotAsSigned, ProviderRegistry,
    SignedRecord,
};
use mediveil_circuits::gadgets::eddsa::SigningKey;
use mediveil_circuits::identity::{Credential, Holder, HolderSecret, Registry, Role, RoleSet};
use mediveil_circuits::statistics::Row;
use mediveil_codec::Wire as _;
use mediveil_codec::testing::check_wire;
use mediveil_record::{Date, Limits, Record};
use mediveil_rng::SeededRng;

fn rng(seed: u64) -> SeededRng {
    SeededRng::from_u64(seed)
}

fn date(text: &str) -> Date {
    Date::parse(text).unwrap()
}

fn holder(seed: u64) -> Holder {
    HolderSecret::generate(&mut rng(seed)).holder()
}

fn roles() -> Vec<String> {
    ["patient", "physician"].map(str::to_owned).to_vec()
}

/// Two persons; the second revoked.
fn register() -> IssuerRegister {
    let mut register = IssuerRegister::new("St. Anna", roles()).unwrap();
    for (person, seed, role) in [("P-1", 1, "physician"), ("P-2", 2, "patient")] {
        let (birth, expiry) = (date("1980-02-29"), date("2027-01-31"));
        register.issue(person, holder(seed), birth, role, expiry, NewSecret::Refuse).unwrap();
    }
    register.revoke("P-2").unwrap();
    register
}

fn record() -> Record {
    Record::parse(br#"{"resourceType":"Observation","valueQuantity":{"value":6.4}}"#, &Limits::default()).unwrap()
}

fn lab() -> SigningKey {
    SigningKey::generate(&mut rng(7))
}

fn table() -> NamedTable {
    let rows: [Row; 2] = [[Some(1950), Some(64), None, None], [Some(1980), None, None, None]];
    NamedTable::new(["born", "hba1c"].map(str::to_owned).to_vec(), &rows, &mut rng(9)).unwrap()
}

#[test]
fn forms_are_frozen() {
    check_wire(&holder(1), include_str!("wire/holder.hex"));
    check_wire(&register(), include_str!("wire/issuer_register.hex"));
    check_wire(&register().publish().unwrap(), include_str!("wire/credential_registry.hex"));
    let providers = vec![("lab".to_owned(), lab().public())];
    check_wire(&ProviderRegistry::new(providers).unwrap(), include_str!("wire/provider_registry.hex"));
    let held = HeldRecord::sign(&lab(), &record(), holder(1), &mut rng(8)).unwrap();
    check_wire(&held.signed()[0], include_str!("wire/signed_record.hex"));
    check_wire(&held, include_str!("wire/held_record.hex"));
    check_wire(&table(), include_str!("wire/statistics_table.hex"));
    check_wire(&table().commitment(), include_str!("wire/table_commitment.hex"));
}

#[test]
fn an_issuer_keeps_to_one_credential_a_person() {
    let mut register = register();
    let (birth, expiry) = (date("1980-02-29"), date("2028-01-31"));
    let mut issue = |person: &str, seed, role: &str, secret| {
        register.issue(person, holder(seed), birth, role, expiry, secret).map(|(_, renewal)| renewal)
    };
    assert_eq!(issue("P-1", 3, "patient", NewSecret::Refuse), Err(FormError::OtherSecret));
    assert_eq!(issue("P-3", 1, "patient", NewSecret::AfterLoss), Err(FormError::HolderTaken));
    // A revoked person cannot come back as another, nor another with the revoked one's secret.
    assert_eq!(issue("P-2", 3, "patient", NewSecret::Refuse), Err(FormError::OtherSecret));
    assert_eq!(issue("P-3", 2, "patient", NewSecret::Refuse), Err(FormError::HolderTaken));
    assert_eq!(issue("P-3", 3, "nurse", NewSecret::Refuse), Err(FormError::UnknownRole("nurse".into())));
    assert_eq!(issue("", 3, "patient", NewSecret::Refuse), Err(FormError::Name));
    assert_eq!(issue("P-1", 1, "patient", NewSecret::Refuse), Ok(true));
    assert_eq!(issue("P-2", 2, "patient", NewSecret::Refuse), Ok(true));
    assert_eq!(issue("P-3", 3, "patient", NewSecret::Refuse), Ok(false));
    assert_eq!(issue("P-3", 4, "patient", NewSecret::AfterLoss), Ok(true));
    assert_eq!(register.counts(), (3, 0));
    assert_eq!(register.revoke("P-9"), Err(FormError::NoSuchPerson));
    register.revoke("P-1").unwrap();
    assert_eq!(register.revoke("P-1"), Err(FormError::NoSuchPerson));
    assert_eq!(register.counts(), (2, 1));
}

#[test]
fn what_is_published_leads_to_the_root_and_forgets_the_revoked() {
    let register = register();
    let published = register.publish().unwrap();
    let credential = |seed, role| Credential {
        holder: holder(seed),
        birth: date("1980-02-29"),
        role: Role::new(role).unwrap(),
        expiry: date("2027-01-31"),
    };
    let (kept, revoked) = (credential(1, 1), credential(2, 0));
    assert_eq!(published.path_of(&kept).unwrap().root(kept.leaf()), published.root());
    assert_eq!(published.path_of(&revoked), None);
    assert_eq!(published.path_of(&Credential { birth: date("1980-02-28"), ..kept.clone() }), None);
    assert_ne!(published.root(), Registry::new(&[kept, revoked]).unwrap().root());
    assert_eq!((published.name(), published.credentials()), ("St. Anna", 1));
    let role = |n| Role::new(n).unwrap();
    assert_eq!(published.role_set(&["physician".into()]), Ok(RoleSet::new(&[role(1)]).unwrap()));
    assert_eq!(published.role_set(&[]), Ok(RoleSet::new(&[role(0), role(1)]).unwrap()));
    assert_eq!(published.role_set(&["king".into()]), Err(FormError::UnknownRole("king".into())));
    // A leaf at or above the field's order is none.
    let mut bytes = published.encode();
    let end = bytes.len();
    bytes[end - 32..].fill(0xff);
    assert!(CredentialRegistry::decode(&bytes).is_err());
}

#[test]
fn names_and_numbers_have_bounds() {
    assert_eq!(IssuerRegister::new("", roles()), Err(FormError::Name));
    assert_eq!(IssuerRegister::new("x", Vec::new()), Err(FormError::Roles));
    assert_eq!(IssuerRegister::new("x", vec!["a".into(), "a".into()]), Err(FormError::Name));
    let many = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
    assert!(IssuerRegister::new("x", many(64)).is_ok());
    assert_eq!(IssuerRegister::new("x", many(65)), Err(FormError::Roles));
    let (a, b) = (lab().public(), SigningKey::generate(&mut rng(8)).public());
    let registry = |members: &[(&str, _)]| {
        ProviderRegistry::new(members.iter().map(|(n, k)| ((*n).to_owned(), *k)).collect()).map(|r| r.members().len())
    };
    assert_eq!(registry(&[("a", a), ("b", b)]), Ok(2));
    assert_eq!(registry(&[("a", a), ("a", b)]), Err(FormError::Name));
    assert_eq!(registry(&[("a", a), ("b", a)]), Err(FormError::KeyTaken));
    let table = |columns: usize, rows: usize| {
        NamedTable::new(many(columns), &vec![[None; 4]; rows], &mut rng(1)).map(|t| t.commitment().rows())
    };
    assert_eq!(table(4, 1), Ok(1));
    assert_eq!(table(0, 1), Err(FormError::Columns));
    assert_eq!(table(5, 1), Err(FormError::Columns));
    assert_eq!(table(1, 0), Err(FormError::Full));
    assert_eq!(table(1, 4097), Err(FormError::Full));
}

#[test]
fn a_held_record_opens_only_the_record_that_was_signed() {
    let held = HeldRecord::sign(&lab(), &record(), holder(1), &mut rng(8)).unwrap();
    let opened = held.open(&record()).unwrap();
    assert_eq!(opened[0].commitment(), held.signed()[0].commitment());
    let other = br#"{"resourceType":"Observation","valueQuantity":{"value":6.5}}"#;
    let other = Record::parse(other, &Limits::default()).unwrap();
    assert_eq!(held.open(&other).unwrap_err(), NotAsSigned);
    let bundle = br#"{"resourceType":"Bundle","type":"collection","entry":[]}"#;
    assert_eq!(held.open(&Record::parse(bundle, &Limits::default()).unwrap()).unwrap_err(), NotAsSigned);
    // Signed for one holder, it is not signed for another.
    let signed = held.signed()[0];
    let mut bytes = signed.encode();
    let at = bytes.windows(32).position(|w| w == mediveil_record::field::to_bytes(&holder(1).element())).unwrap();
    bytes[at..at + 32].copy_from_slice(&mediveil_record::field::to_bytes(&holder(2).element()));
    assert!(SignedRecord::decode(&bytes).unwrap_err().to_string().contains("not the provider's"));
}
