//! Requests and answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr as _;
use mediveil_circuits::InvalidStatement;
use mediveil_circuits::forms::{IssuerRegister, NamedTable, ProviderRegistry};
use mediveil_circuits::gadgets::eddsa::SigningKey;
use mediveil_circuits::identity::{RoleSet, message};
use mediveil_circuits::record::Claim;
use mediveil_circuits::statistics::{Query, Totals};
use mediveil_codec::testing::check_wire;
use mediveil_record::{Date, DateTime, Decimal};
use mediveil_rng::SeededRng;
use mediveil_zk::forms::{ClaimRequest, Request, RequestError, StatisticsAnswer};
use mediveil_zk::{Fr, Proof};

fn words(text: &str) -> Result<Claim, RequestError> {
    let claim = ClaimRequest::from_words(text)?;
    // Words and JSON say the same.
    assert_eq!(ClaimRequest::from_words(&claim.to_string()).unwrap(), claim, "{text}");
    let json = serde_json::to_string(&claim).unwrap();
    assert_eq!(serde_json::from_str::<ClaimRequest>(&json).unwrap(), claim, "{text}");
    claim.claim()
}

fn numbers(low: i64, high: i64, scale: u8) -> Result<Claim, RequestError> {
    Ok(Claim::number("v", Decimal::new(low, scale), Decimal::new(high, scale)).unwrap())
}

#[test]
fn claims_in_words_are_exact() {
    assert_eq!(words("v < 7.0"), numbers(i64::MIN, 69_999_999, 7));
    assert_eq!(words("v <= 7.0"), numbers(i64::MIN, 70_000_000, 7));
    assert_eq!(words("v > -0.5 <= 7"), numbers(-4_999_999, 70_000_000, 7));
    assert_eq!(words("v >= 7"), numbers(70_000_000, i64::MAX, 7));
    assert_eq!(words("v < 7.0 places 15"), numbers(i64::MIN, 6_999_999_999_999_999, 15));
    // Bounds that are finer than the default keep their digits.
    assert_eq!(words("v <= 0.000000001"), numbers(i64::MIN, 1, 9));
    assert_eq!(words("v = 4548-4"), Ok(Claim::text("v", "4548-4")));
    assert_eq!(words("v = 44054006"), Ok(Claim::text("v", "44054006")));
    assert_eq!(words("v = two words"), Ok(Claim::text("v", "two words")));
    assert_eq!(words("v = true"), Ok(Claim::boolean("v", true)));
    let day = |t| Date::parse(t).unwrap();
    assert_eq!(words("v = 2024-02-29"), Ok(Claim::date("v", day("2024-02-29"), day("2024-02-29")).unwrap()));
    assert_eq!(
        words("v > 2024-02-28 < 2024-03-02"),
        Ok(Claim::date("v", day("2024-02-29"), day("2024-03-01")).unwrap())
    );
    assert_eq!(words("v <= 2024-02-29"), Ok(Claim::date("v", day("0001-01-01"), day("2024-02-29")).unwrap()));
    let moment = |t| DateTime::parse(t).unwrap();
    let (from, to) = (moment("2026-01-01T00:00:00Z"), moment("9999-12-31T23:59:59.999Z"));
    assert_eq!(words("v >= 2026-01-01T01:00:00+01:00"), Ok(Claim::moment("v", &from, &to).unwrap()));
}

#[test]
fn claims_that_say_nothing_or_too_much_are_refused() {
    for bad in ["v", "v <", "v ~ 3", "v < 3 < 4", "v < 3 places x", ""] {
        assert!(matches!(words(bad), Err(RequestError::Words(_))), "{bad}");
    }
    for bad in ["v >= 3 > 2", "v places 3", "v < 3 <= 4"] {
        assert!(matches!(words(bad), Err(RequestError::Bounds(_) | RequestError::Words(_))), "{bad}");
    }
    for bad in ["v < x", "v > 3 < 2024-01-01", "v < 2026-01-01T00:00:00Z", "v > 2024-01-01 places 3"] {
        assert!(matches!(words(bad), Err(RequestError::Types(_))), "{bad}");
    }
    for bad in ["v < 1000000000000000000", "v < 7.0 places 200", "v > 9223372036854775807 places 0"] {
        assert!(matches!(words(bad), Err(RequestError::TooPrecise(_))), "{bad}");
    }
    for bad in ["v > 3 < 3", "v < 0001-01-01", "v > 9999-12-31", "v >= 2024-03-01 <= 2024-02-29"] {
        assert!(matches!(words(bad), Err(RequestError::Invalid(InvalidStatement::EmptyRange(_)))), "{bad}");
    }
}

#[test]
fn requests_are_read_strictly() {
    let json = br#"{"statement": "identity", "scope": "pharmacy", "challenge": "c", "born_before": "2008-11-22",
        "today": "2026-11-21", "roles": ["physician"]}"#;
    let request = Request::parse(json).unwrap();
    assert_eq!(Request::parse(request.to_json().as_bytes()).unwrap(), request);
    let Request::Identity(identity) = request else { panic!("another statement") };
    let issuer = IssuerRegister::new("x", vec!["patient".into(), "physician".into()]).unwrap().publish().unwrap();
    let public = identity.public(&issuer, Fr::from(9)).unwrap();
    assert_eq!(public.registry, issuer.root());
    assert_eq!((public.nullifier, public.message), (Fr::from(9), message(b"c")));
    assert_eq!(public.roles, issuer.role_set(&["physician".into()]).unwrap());
    assert_ne!(public.roles, RoleSet::ALL);
    assert_eq!((public.born_before.to_string(), public.today.to_string()), ("2008-11-22".into(), "2026-11-21".into()));
    let mut bad = identity.clone();
    bad.roles = vec!["king".into()];
    assert!(matches!(bad.public(&issuer, Fr::from(9)), Err(RequestError::Form(_))));
    bad = identity;
    bad.today = "2026-02-29".into();
    assert_eq!(bad.public(&issuer, Fr::from(9)), Err(RequestError::Date("2026-02-29".into())));
    for bad in [
        "{}",
        r#"{"statement": "identity", "scope": "s", "challenge": "c", "born_before": "2008-11-22"}"#,
        r#"{"statement": "record", "scope": "s", "challenge": "c", "claims": [], "extra": 1}"#,
        r#"{"statement": "record", "scope": "s", "challenge": "c", "claims": [{"path": "a", "belov": "3"}]}"#,
        r#"{"statement": "record", "scope": "s", "challenge": "c", "claims": [{"path": "a", "below": 3.0}]}"#,
        r#"{"statement": "statistics", "column": "a", "where": {"b": [1]}}"#,
        r#"{"statement": "anything"}"#,
    ] {
        assert!(matches!(Request::parse(bad.as_bytes()), Err(RequestError::Json(_))), "{bad}");
    }
}

#[test]
fn record_and_statistics_requests_name_what_exists() {
    let json = br#"{"statement": "record", "scope": "s", "challenge": "c", "claims": [{"path": "v", "below": "7.0"}]}"#;
    let Request::Record(mut record) = Request::parse(json).unwrap() else { panic!("another statement") };
    let key = SigningKey::generate(&mut SeededRng::from_u64(1)).public();
    let providers = ProviderRegistry::new(vec![("lab".into(), key)]).unwrap();
    let public = record.public(&providers, Fr::from(3)).unwrap();
    assert_eq!((public.providers, public.nullifier), (providers.tree().unwrap().root(), Fr::from(3)));
    assert_eq!(public.claims(), [words("v < 7.0").unwrap()]);
    record.claims.clear();
    assert!(matches!(record.public(&providers, Fr::from(3)), Err(RequestError::Invalid(_))));

    let columns = ["born", "hba1c"].map(str::to_owned).to_vec();
    let table = NamedTable::new(columns, &[[None; 4]], &mut SeededRng::from_u64(2)).unwrap().commitment();
    let query = |json: &str| {
        let Request::Statistics(request) = Request::parse(json.as_bytes()).unwrap() else { panic!("{json}") };
        request.query(&table)
    };
    let expected = Query::new(1, [Some((1950, 1980)), None, None, None]).unwrap();
    assert_eq!(
        query(r#"{"statement": "statistics", "column": "hba1c", "where": {"born": [1950, 1980]}}"#),
        Ok(expected)
    );
    assert!(query(r#"{"statement": "statistics", "column": "height"}"#).is_err());
    assert!(query(r#"{"statement": "statistics", "column": "born", "where": {"sex": [0, 1]}}"#).is_err());
    assert!(query(r#"{"statement": "statistics", "column": "born", "where": {"born": [2, 1]}}"#).is_err());
}

#[test]
fn an_answer_is_frozen() {
    let points = ark_groth16::Proof::<ark_bn254::Bn254> {
        a: G1Affine::generator(),
        b: G2Affine::generator(),
        c: G1Affine::generator(),
    };
    let coordinates = |x: &ark_bn254::Fq| ark_ff::BigInteger::to_bytes_be(&ark_ff::PrimeField::into_bigint(*x));
    let mut bytes = [coordinates(&points.a.x), coordinates(&points.a.y)].concat();
    let b = &points.b;
    [&b.x.c1, &b.x.c0, &b.y.c1, &b.y.c0].iter().for_each(|c| bytes.extend(coordinates(c)));
    bytes.extend([coordinates(&points.c.x), coordinates(&points.c.y)].concat());
    let proof = Proof::from_bytes(&bytes).unwrap();
    let totals = Totals { count: 2, sum: 128, squares: 8192, blind: Fr::from(5) };
    let answer = StatisticsAnswer::from_parts(totals, vec![(Fr::from(6), proof.clone())]).unwrap();
    check_wire(&answer, include_str!("wire/statistics_answer.hex"));
    assert!(StatisticsAnswer::from_parts(totals, Vec::new()).is_none());
    assert!(StatisticsAnswer::from_parts(totals, vec![(Fr::from(6), proof); 65]).is_none());
}
