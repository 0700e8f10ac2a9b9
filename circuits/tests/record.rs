//! The record statement against a prover who lies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use ark_bn254::Fr;
use ark_ff::{One as _, Zero as _};
use mediveil_circuits::gadgets::eddsa::{PublicKey, SigningKey};
use mediveil_circuits::identity::HolderSecret;
use mediveil_circuits::r1cs::Builder;
use mediveil_circuits::record::{Claim, Providers, RecordAuthenticity, RecordPublic, RecordWitness, challenge, sign};
use mediveil_circuits::testing::{every_group_is_needed, mutate_every_cell, violated};
use mediveil_circuits::{InvalidStatement, Scope, Statement as _};
use mediveil_codec::Wire as _;
use mediveil_codec::testing::{check_wire, check_wire_by};
use mediveil_record::merkle::Path;
use mediveil_record::{CommittedResource, Date, DateTime, Decimal, LeafOpening, Limits, Record, RecordSecret};
use mediveil_rng::SeededRng;
use std::collections::BTreeSet;

fn json(value: &str) -> String {
    format!(
        r#"{{"resourceType":"Observation","status":"final","effectiveDateTime":"2026-11-21T03:40:00+01:00",
        "issuedOn":"2024-02-29","old":"0001-01-01","confirmed":true,"code":{{"coding":[{{"system":"http://loinc.org","code":"4548-4"}}]}},
        "valueQuantity":{{"value":{value},"unit":"%"}}}}"#
    )
}

struct World {
    holder: HolderSecret,
    lab: SigningKey,
    providers: Providers,
    record: CommittedResource,
}

fn world(value: &str) -> World {
    let mut rng = SeededRng::from_u64(1);
    let record = Record::parse(json(value).as_bytes(), &Limits::default()).unwrap();
    let record = record.commit(&RecordSecret::generate(&mut rng)).unwrap().remove(0);
    let lab = SigningKey::generate(&mut rng);
    let keys: Vec<PublicKey> = vec![SigningKey::generate(&mut rng).public(), lab.public()];
    World { holder: HolderSecret::generate(&mut rng), lab, providers: Providers::new(&keys).unwrap(), record }
}

fn public(world: &World, claims: Vec<Claim>) -> RecordPublic {
    let scope = Scope::new("insurer");
    let nullifier = world.holder.nullifier(scope);
    RecordPublic::new(world.providers.root(), challenge(b"nonce"), scope, nullifier, claims).unwrap()
}

fn witness(world: &World, paths: &[&str]) -> RecordWitness {
    let record = world.record.commitment();
    RecordWitness {
        secret: world.holder.clone(),
        record,
        provider: world.lab.public(),
        provider_path: world.providers.path(1).unwrap(),
        signature: sign(&world.lab, &record, world.holder.holder(), &mut SeededRng::from_u64(2)),
        openings: paths.iter().map(|p| world.record.open(p).unwrap()).collect(),
    }
}

fn refusal(public: &RecordPublic, witness: &RecordWitness) -> BTreeSet<String> {
    let (mut cs, inputs) = Builder::assign(&RecordAuthenticity::inputs(public));
    RecordAuthenticity::synthesize(&mut cs, &inputs, Some(witness));
    let groups = violated(RecordAuthenticity::r1cs(), cs.into_unchecked_assignment().values());
    assert_eq!(RecordAuthenticity::assign(public, witness).is_ok(), groups.is_empty());
    groups
}

fn decimal(text: &str) -> Decimal {
    // `Decimal` has no plain integers; a scale of zero is written as an exponent.
    Decimal::parse(&if text.contains('.') { text.to_owned() } else { format!("{text}e0") }).unwrap()
}

const VALUE: &str = "valueQuantity.value";

fn number(low: &str, high: &str) -> Claim {
    Claim::number(VALUE, decimal(low), decimal(high)).unwrap()
}

fn groups(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

fn four() -> (World, RecordPublic, RecordWitness) {
    let world = world("6.9");
    let day = |t| Date::parse(t).unwrap();
    let moment = |t| DateTime::parse(t).unwrap();
    let claims = vec![
        number("0.00", "6.99"),
        Claim::text("code.coding[0].code", "4548-4"),
        Claim::date("issuedOn", day("2024-02-29"), day("2024-02-29")).unwrap(),
        Claim::moment("effectiveDateTime", &moment("2026-11-21T02:40:00Z"), &moment("2027-01-01T00:00:00Z")).unwrap(),
    ];
    let public = public(&world, claims);
    let witness = witness(&world, &[VALUE, "code.coding[0].code", "issuedOn", "effectiveDateTime"]);
    (world, public, witness)
}

#[test]
fn four_claims_of_every_form_and_fewer() {
    let (world, public_four, witness_four) = four();
    assert_eq!(refusal(&public_four, &witness_four), groups(&[]));
    let one = public(&world, vec![Claim::boolean("confirmed", true)]);
    assert_eq!(refusal(&one, &witness(&world, &["confirmed"])), groups(&[]));
    let r1cs = RecordAuthenticity::r1cs();
    assert!(r1cs.constraints() + r1cs.instances() <= 16_384, "{}", r1cs.constraints());
}

#[test]
fn no_cell_is_free_and_every_group_is_needed() {
    let (_, public_four, witness_four) = four();
    let values = RecordAuthenticity::assign(&public_four, &witness_four).unwrap();
    let mut attacks = mutate_every_cell(RecordAuthenticity::r1cs(), values.values());
    // In each place in turn: a false text, a number out of range, a number finer than the bound, a date (0001-01-01, whose
    // ordinal is 0) passed as the truth value next to it in kind, and a form over 14 bits.
    let w = world("6.123");
    let honest_claims = [number("0.000", "6.990"), Claim::text("status", "final"), Claim::boolean("confirmed", true)];
    for place in 0..4 {
        for (lie, path) in [
            (Claim::text("code.coding[0].code", "1234-5"), "code.coding[0].code"),
            (Claim::boolean("old", false), "old"),
            (number("0.000", "6.122"), VALUE),
            (number("0.00", "99.99"), VALUE),
        ] {
            let mut claims: Vec<Claim> = honest_claims.iter().filter(|c| c.path() != path).cloned().collect();
            let mut paths: Vec<String> = claims.iter().map(|c| c.path().to_owned()).collect();
            claims.push(Claim::text("code.coding[0].system", "http://loinc.org"));
            paths.push("code.coding[0].system".into());
            claims.truncate(3);
            paths.truncate(3);
            claims.insert(place, lie);
            paths.insert(place, path.to_owned());
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            attacks.push(refusal(&public(&w, claims), &witness(&w, &paths)));
        }
        let mut inputs = RecordAuthenticity::inputs(&public_four);
        inputs[5 + 3 * place] += Fr::from(1_u64 << 14);
        let (mut cs, nums) = Builder::assign(&inputs);
        RecordAuthenticity::synthesize(&mut cs, &nums, Some(&witness_four));
        attacks.push(violated(RecordAuthenticity::r1cs(), cs.into_unchecked_assignment().values()));
    }
    let mut unsigned = witness_four.clone();
    unsigned.signature = sign(&w.lab, &w.record.commitment(), w.holder.holder(), &mut SeededRng::from_u64(3));
    attacks.push(refusal(&public_four, &unsigned));
    every_group_is_needed(RecordAuthenticity::r1cs(), &attacks);
}

#[test]
fn numbers_at_their_edges() {
    for (value, low, high, ok) in [
        ("6.9", "0.0", "6.9", true),
        ("7.0", "0.0", "6.9", false),
        ("6.99", "0.00", "6.99", true),
        ("7", "0.00", "6.99", false),
        ("6", "0.00", "6.99", true),
        ("7", "7.0", "7.0", true),
        ("7.00", "7.00", "7.00", true),
        ("-0.01", "0.00", "6.99", false),
        ("-0.01", "-0.01", "0.00", true),
        ("-0.02", "-0.01", "0.00", false),
        ("-1", "-1.0000000", "-1.0000000", true),
        ("-1", "-1.00000000", "-1.00000000", false),
        // Finer than the bound's scale: the claim says nothing about it.
        ("6.999", "0.00", "6.99", false),
        ("6.123", "0.00", "6.99", false),
        ("9223372036854775807", "0", "9223372036854775807", true),
        ("-9223372036854775808", "-9223372036854775808", "9223372036854775807", true),
        // Rescaled beyond 64 bits: out of every range, not wrapped into one.
        ("9223372036854775807", "0.0", "900000000000000000.0", false),
        ("-9223372036854775808", "-900000000000000000.0", "900000000000000000.0", false),
    ] {
        let w = world(value);
        let refusal = refusal(&public(&w, vec![number(low, high)]), &witness(&w, &[VALUE]));
        assert_eq!(refusal.is_empty(), ok, "{value} in {low}..{high}: {refusal:?}");
        assert!(refusal.is_subset(&groups(&["claim 0/range", "claim 0/scale"])), "{refusal:?}");
    }
    assert!(Claim::number(VALUE, decimal("1.0"), decimal("0.9")).is_err());
    assert!(Claim::number(VALUE, decimal("1.0"), decimal("2.00")).is_err());
}

#[test]
fn a_leaf_of_one_type_is_not_another() {
    let w = world("6.9");
    let day = |t| Date::parse(t).unwrap();
    // The date as a number that its ordinal would satisfy, as text, and the number as a date.
    let all = Claim::number("issuedOn", decimal("-9223372036854775808"), decimal("9223372036854775807")).unwrap();
    assert!(!refusal(&public(&w, vec![all]), &witness(&w, &["issuedOn"])).is_empty());
    let as_text = Claim::text("issuedOn", "2024-02-29");
    assert!(!refusal(&public(&w, vec![as_text]), &witness(&w, &["issuedOn"])).is_empty());
    let as_date = Claim::date(VALUE, day("0001-01-01"), day("9999-12-31")).unwrap();
    assert!(!refusal(&public(&w, vec![as_date]), &witness(&w, &[VALUE])).is_empty());
    let as_boolean = Claim::boolean("issuedOn", true);
    assert!(!refusal(&public(&w, vec![as_boolean]), &witness(&w, &["issuedOn"])).is_empty());
}

#[test]
fn dates_and_moments_at_their_edges() {
    let w = world("1");
    let claim = |first: &str, last: &str| {
        Claim::date("issuedOn", Date::parse(first).unwrap(), Date::parse(last).unwrap()).unwrap()
    };
    for (first, last, ok) in [
        ("2024-02-29", "2024-02-29", true),
        ("2024-02-28", "2024-02-29", true),
        ("2024-03-01", "9999-12-31", false),
        ("0001-01-01", "2024-02-28", false),
        ("0001-01-01", "9999-12-31", true),
    ] {
        let refused = refusal(&public(&w, vec![claim(first, last)]), &witness(&w, &["issuedOn"]));
        assert_eq!(refused, if ok { groups(&[]) } else { groups(&["claim 0/range"]) });
    }
    let moment = |t| DateTime::parse(t).unwrap();
    for (first, ok) in [("2026-11-21T02:40:00Z", true), ("2026-11-21T02:40:00.001Z", false)] {
        let claim = Claim::moment("effectiveDateTime", &moment(first), &moment("9999-01-01T00:00:00Z")).unwrap();
        let refused = refusal(&public(&w, vec![claim]), &witness(&w, &["effectiveDateTime"]));
        assert_eq!(refused.is_empty(), ok);
    }
}

#[test]
fn another_leaf_path_record_holder_provider_and_nullifier_are_refused() {
    let (w, p, honest) = four();
    // Another leaf for the claimed path, and the same leaf for two.
    let mut swapped = honest.clone();
    swapped.openings.swap(0, 2);
    assert!(!refusal(&p, &swapped).is_empty());
    let twice =
        RecordPublic::new(Fr::zero(), Fr::zero(), p.scope, Fr::zero(), vec![number("0", "1"), number("0", "2")]);
    assert_eq!(twice.unwrap_err(), InvalidStatement::SamePath(VALUE.to_owned()));
    assert!(RecordPublic::new(Fr::zero(), Fr::zero(), p.scope, Fr::zero(), vec![]).is_err());
    // An unsigned record.
    let other = world("5.0");
    let mut unsigned = witness(&other, &[VALUE, "code.coding[0].code", "issuedOn", "effectiveDateTime"]);
    unsigned.signature = honest.signature;
    assert_eq!(refusal(&p, &unsigned), groups(&["signature/equation"]));
    // Signed for another holder: whoever learns the openings cannot show them.
    let mut thief = honest.clone();
    thief.secret = HolderSecret::generate(&mut SeededRng::from_u64(7));
    let mut thiefs = p.clone();
    thiefs.nullifier = thief.secret.nullifier(p.scope);
    assert_eq!(refusal(&thiefs, &thief), groups(&["signature/equation"]));
    // A provider who is not in the registry.
    let quack = SigningKey::generate(&mut SeededRng::from_u64(8));
    let mut forged = honest.clone();
    forged.provider = quack.public();
    forged.signature = sign(&quack, &w.record.commitment(), w.holder.holder(), &mut SeededRng::from_u64(9));
    assert_eq!(refusal(&p, &forged), groups(&["provider"]));
    // Nullifier, scope and challenge.
    let mut changed = p.clone();
    changed.nullifier += Fr::one();
    assert_eq!(refusal(&changed, &honest), groups(&["nullifier"]));
    let mut changed = p.clone();
    changed.scope = Scope::new("employer");
    assert_eq!(refusal(&changed, &honest), groups(&["nullifier"]));
    let values = RecordAuthenticity::assign(&p, &honest).unwrap();
    let mut values = values.values().to_vec();
    values[2] += Fr::one();
    assert_eq!(violated(RecordAuthenticity::r1cs(), &values), groups(&["challenge"]));
}

#[test]
fn padding_opens_no_leaf_and_no_index_is_beyond_the_tree() {
    let (w, _, mut honest) = four();
    let opening = honest.openings.remove(0);
    let siblings = opening.path().siblings().to_vec();
    assert!(Path::new(4_096, siblings).is_none());
    assert!(w.record.open_at(w.record.leaves().len()).is_none());
    assert!(w.record.open_at(4_095).is_none());
    let _: LeafOpening = opening;
}

/// Forms that no `Claim` has: the rows must refuse what the types leave out.
#[test]
fn ill_formed_places_are_refused() {
    let (_, p, honest) = four();
    let honest_inputs = RecordAuthenticity::inputs(&p);
    for (index, value, group) in [
        (5, Fr::from(1_u64 << 14), "claim 0/form"),          // a form over 14 bits
        (5, honest_inputs[5] + Fr::from(2), "claim 0/form"), // equal and number
        (5, honest_inputs[5] - Fr::one(), "claim 0/form"),   // number without a claim
        (6, -Fr::one(), "claim 0/range"),                    // bounds over 128 bits
    ] {
        let mut inputs = honest_inputs.clone();
        inputs[index] = value;
        let (mut cs, nums) = Builder::assign(&inputs);
        RecordAuthenticity::synthesize(&mut cs, &nums, Some(&honest));
        let refused = violated(RecordAuthenticity::r1cs(), cs.into_unchecked_assignment().values());
        assert!(refused.contains(group), "{refused:?}");
    }
}

fn provider() -> SigningKey {
    SigningKey::generate(&mut SeededRng::from_u64(11))
}

#[test]
fn provider_keys_are_frozen() {
    check_wire_by(&provider(), include_str!("wire/provider_key.hex"), |a, b| a.public() == b.public());
}

#[test]
fn provider_public_keys_are_frozen() {
    check_wire(&provider().public(), include_str!("wire/provider_public_key.hex"));
}

#[test]
fn provider_signatures_are_frozen() {
    let signature = provider().sign(Fr::from(12), &mut SeededRng::from_u64(13));
    check_wire(&signature, include_str!("wire/provider_signature.hex"));
}

#[test]
fn provider_keys_of_zero_too_large_or_of_small_order_are_refused() {
    let key = provider();
    let mut bytes = key.encode();
    let at = bytes.len() - 32;
    for fill in [0, 0xff] {
        bytes[at..].fill(fill);
        assert!(SigningKey::decode(&bytes).is_err());
    }
    let mut bytes = key.public().encode();
    let at = bytes.len() - 32;
    bytes[at - 34..at - 2].fill(0);
    bytes[at..].fill(0);
    bytes[at + 31] = 1;
    assert!(PublicKey::decode(&bytes).is_err());
}
