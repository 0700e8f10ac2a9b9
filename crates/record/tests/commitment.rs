//! Commitments: what they bind, what they hide, and every way to cheat with an opening.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_codec::Wire;
use mediveil_codec::testing::{check_wire, check_wire_by};
use mediveil_record::field::{from_bytes, hash_to_field, to_bytes};
use mediveil_record::leaf::{LEAF_TAG, PATH_LABEL, STRING_LABEL};
use mediveil_record::merkle::{self, NODE_TAG, Path};
use mediveil_record::{
    Commitment, CommittedResource, DEPTH, Fr, LeafOpening, LeafValue, Limits, MAX_LEAVES, NotInCommitment, Record,
    RecordSecret, Resource, path,
};
use std::collections::HashSet;

const OBSERVATION: &str = r#"{"resourceType":"Observation","status":"final",
    "code":{"coding":[{"system":"http://loinc.org","code":"4548-4"}]},
    "effectiveDateTime":"2026-11-21T03:40:00+01:00","issued":"2026-11-22","valueQuantity":{"value":7.10,"unit":"%"},
    "referenceRange":[{"low":{"value":4},"high":{"value":5.6}}],"_status":null,"extension":[{"valueBoolean":true}]}"#;

fn secret(n: u8) -> RecordSecret {
    RecordSecret::from_bytes([n; 32])
}

fn resource(text: &str) -> Resource {
    Resource::parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn committed(text: &str, n: u8) -> CommittedResource {
    resource(text).commit(&secret(n)).unwrap()
}

fn light_poseidon(tag: Fr, inputs: &[Fr]) -> Fr {
    use light_poseidon::PoseidonHasher as _;
    light_poseidon::Poseidon::<Fr>::with_domain_tag_circom(inputs.len(), tag).unwrap().hash(inputs).unwrap()
}

#[test]
fn every_leaf_opens_and_verifies() {
    let committed = committed(OBSERVATION, 1);
    let commitment = committed.commitment();
    let shown: Vec<String> = (0..committed.leaves().len())
        .map(|i| {
            let opening = committed.open_at(i).unwrap();
            let leaf = commitment.verify(&opening).unwrap();
            assert_eq!(committed.open(&leaf.path).unwrap(), opening);
            assert_eq!(opening.path().index() as usize, i);
            format!("{} {:?} {}", leaf.path, leaf.value.kind(), leaf.value)
        })
        .collect();
    let digest = format!("$digest String {}", resource(OBSERVATION).digest());
    let expected = [
        digest.as_str(),
        "code.coding[0].code String 4548-4",
        "code.coding[0].system String http://loinc.org",
        "effectiveDateTime DateTime 2026-11-21T03:40:00+01:00",
        "extension[0].valueBoolean Boolean true",
        "issued Date 2026-11-22",
        "referenceRange[0].high.value Decimal 5.6",
        "referenceRange[0].low.value Integer 4",
        "resourceType String Observation",
        "status String final",
        "valueQuantity.unit String %",
        "valueQuantity.value Decimal 7.10",
    ];
    assert_eq!(shown, expected);
    assert_eq!(committed.open("valueQuantity.code"), None);
    assert_eq!(committed.open_at(expected.len()), None);
}

/// The construction as documented, rebuilt from its words with other code: `light-poseidon`, and a full tree of 4,096.
#[test]
fn the_root_is_what_the_documentation_says() {
    let committed = committed(OBSERVATION, 1);
    let number = |n: u64| Fr::from(n);
    let string = |text: &str| hash_to_field(STRING_LABEL, text.as_bytes());
    let moment = "2026-11-21T03:40:00+01:00";
    // Days and milliseconds by Python's datetime: date(2026, 11, 22).toordinal() - 1, and the moment minus year 1 in UTC.
    let values = [
        ("$digest", 1, string(&resource(OBSERVATION).digest().to_string()), number(0)),
        ("code.coding[0].code", 1, string("4548-4"), number(0)),
        ("code.coding[0].system", 1, string("http://loinc.org"), number(0)),
        ("effectiveDateTime", 6, number(DATE_TIME_MS), string(moment)),
        ("extension[0].valueBoolean", 4, number(1), number(0)),
        ("issued", 5, number(DATE_DAYS), number(0)),
        ("referenceRange[0].high.value", 3, number((1 << 63) + 56), number(1)),
        ("referenceRange[0].low.value", 2, number((1 << 63) + 4), number(0)),
        ("resourceType", 1, string("Observation"), number(0)),
        ("status", 1, string("final"), number(0)),
        ("valueQuantity.unit", 1, string("%"), number(0)),
        ("valueQuantity.value", 3, number((1 << 63) + 710), number(2)),
    ];
    let mut level: Vec<Fr> = values
        .iter()
        .enumerate()
        .map(|(i, (path, kind, value, aux))| {
            let salt = committed.open_at(i).unwrap().salt();
            let path = hash_to_field(PATH_LABEL, path.as_bytes());
            light_poseidon(LEAF_TAG.element(), &[path, number(*kind), *value, *aux, salt])
        })
        .collect();
    level.resize(MAX_LEAVES, merkle::padding());
    for _ in 0..DEPTH {
        // Padding repeats, so remember it: 1,365 reference hashes would take a while.
        let mut known: Option<([Fr; 4], Fr)> = None;
        level = level
            .as_chunks::<4>()
            .0
            .iter()
            .map(|children| match known {
                Some((c, hash)) if c == *children => hash,
                _ => {
                    let hash = light_poseidon(NODE_TAG.element(), children);
                    known = Some((*children, hash));
                    hash
                }
            })
            .collect();
    }
    assert_eq!(level, [committed.commitment().root()]);
}

const DATE_DAYS: u64 = 739_941;
const DATE_TIME_MS: u64 = 63_930_825_600_000;

#[test]
fn the_commitment_follows_content_and_secret_and_nothing_else() {
    let root = committed(OBSERVATION, 1).commitment();
    let reordered = r#" {"extension":[{"valueBoolean":true}],"_status":null,"status":"final","resourceType":"Observation",
        "code":{"coding":[{"code":"4548-4","system":"http:\/\/loinc.org"}]},"valueQuantity":{"unit":"\u0025","value":7.10},
        "issued":"2026-11-22","referenceRange":[{"low":{"value":4},"high":{"value":5.6}}],
        "effectiveDateTime":"2026-11-21T03:40:00+01:00"} "#;
    assert_eq!(committed(reordered, 1).commitment(), root);
    let mut roots = HashSet::from([root, committed(OBSERVATION, 2).commitment()]);
    for (from, to) in [
        ("7.10", "7.1"),
        ("7.10", "71.0e-1"),
        ("\"value\":4", "\"value\":4.0"),
        ("\"value\":4", "\"value\":\"4\""),
        ("\"final\"", "\"final \""),
        ("true", "false"),
        ("true", "\"true\""),
        ("2026-11-22", "2026-11-23"),
        ("03:40:00+01:00", "02:40:00Z"),
        // Without a leaf of their own, and bound by the digest's.
        ("\"_status\":null", "\"_status\":[null]"),
        ("\"_status\":null", "\"_status\":{}"),
    ] {
        let changed = OBSERVATION.replacen(from, to, 1);
        assert_ne!(changed, OBSERVATION);
        assert!(roots.insert(committed(&changed, 1).commitment()), "{from} to {to} left the root");
    }
}

#[test]
fn salts_differ_by_leaf_by_resource_and_by_version() {
    let other = OBSERVATION.replace("7.10", "7.20");
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{OBSERVATION}}},{{"resource":{OBSERVATION}}}]}}"#
    );
    let twins = Record::parse(bundle.as_bytes(), &Limits::default()).unwrap().commit(&secret(1)).unwrap();
    assert_eq!(twins[0].digest(), twins[1].digest());
    assert_eq!(twins[1].commitment(), resource(OBSERVATION).commit(&secret(1).child(1)).unwrap().commitment());
    let all = [&committed(OBSERVATION, 1), &committed(OBSERVATION, 2), &committed(&other, 1), &twins[0], &twins[1]];
    let salts: HashSet<[u8; 32]> =
        all.iter().flat_map(|c| (0..c.leaves().len()).map(|i| to_bytes(&c.open_at(i).unwrap().salt()))).collect();
    assert_eq!(salts.len(), all.iter().map(|c| c.leaves().len()).sum::<usize>());
}

/// HMAC-SHA256 by Python's `hmac`, so that holders can be written in other languages.
#[test]
fn salts_are_derived_as_documented() {
    let resource = resource(r#"{"resourceType":"Basic"}"#);
    assert_eq!(resource.digest().to_string(), "141dc40332506ead07c2084ad66c9889a8879bf2da2d30967c0fcd5ab1899a2a");
    let committed = resource.commit(&secret(7)).unwrap();
    assert_eq!(
        hex::encode(to_bytes(&committed.open_at(1).unwrap().salt())),
        "200f28e2977e082e29d22d58cfb8aaf3d2b97ee1d7796b8946e6e2ac1d329b30"
    );
    assert_eq!(
        hex::encode(secret(7).child(3).expose()),
        "05a1603a33512f7180073112304b614f21908da2168fe9119c96dbe6eaa1c447"
    );
}

/// Changes each field of an opening below its constructors, on the wire.
#[test]
fn an_opening_with_anything_changed_is_refused() {
    let committed = committed(OBSERVATION, 1);
    let commitment = committed.commitment();
    for index in [0, 3, 11] {
        let good = committed.open_at(index).unwrap();
        let bytes = good.encode();
        assert!(commitment.verify(&LeafOpening::decode(&bytes).unwrap()).is_ok());
        let (mut changed, mut decoded) = (bytes.clone(), 0);
        for at in 0..bytes.len() {
            for mask in [1, 2, 4, 0x80, 0xff] {
                changed[at] ^= mask;
                if let Ok(opening) = LeafOpening::decode(&changed) {
                    decoded += 1;
                    assert_eq!(commitment.verify(&opening), Err(NotInCommitment), "byte {at} xor {mask:02x}");
                }
                changed[at] ^= mask;
            }
        }
        assert!(decoded > 500, "the test must reach the mathematics");
    }
}

#[test]
fn another_records_opening_is_refused() {
    let commitment = committed(OBSERVATION, 1).commitment();
    for other in [committed(OBSERVATION, 2), committed(&OBSERVATION.replace("7.10", "7.20"), 1)] {
        // The status is the same in both records.
        let opening = other.open("status").unwrap();
        assert_eq!(commitment.verify(&opening), Err(NotInCommitment));
        assert!(other.commitment().verify(&opening).is_ok());
    }
}

/// The tree's own path to a padded place exists for whoever builds it; no leaf hashes to what stands there.
#[test]
fn padding_cannot_be_opened() {
    let committed = committed(OBSERVATION, 1);
    let leaves: Vec<Fr> = (0..committed.leaves().len())
        .map(|i| {
            let opening = committed.open_at(i).unwrap();
            opening.unverified_leaf().hash(opening.salt())
        })
        .collect();
    let count = leaves.len();
    // The same tree with one padded place made visible.
    let mut padded = leaves.clone();
    padded.push(merkle::padding());
    let tree = merkle::Tree::new(padded, DEPTH).unwrap();
    assert_eq!(tree.root(), committed.commitment().root());
    let path = tree.path(count).unwrap();
    assert_eq!(path.root(merkle::padding()), committed.commitment().root());
    // An opening there has to give a leaf: any leaf, with any salt, the padding element included.
    for salt in [Fr::from(0), merkle::padding()] {
        for value in [LeafValue::String(String::new()), LeafValue::Integer(0), LeafValue::Boolean(false)] {
            for at in ["status", path::DIGEST] {
                let leaf = mediveil_record::Leaf { path: at.to_owned(), value: value.clone() };
                assert_ne!(path.root(leaf.hash(salt)), committed.commitment().root());
            }
        }
    }
    assert_eq!(committed.open_at(count), None);
}

#[test]
fn a_leaf_moved_to_another_place_is_refused() {
    let committed = committed(OBSERVATION, 1);
    let opening = committed.open("status").unwrap();
    let leaf = opening.unverified_leaf().hash(opening.salt());
    for index in (0..MAX_LEAVES).filter(|i| *i != opening.path().index() as usize) {
        let path = Path::new(u32::try_from(index).unwrap(), opening.path().siblings().to_vec()).unwrap();
        if index < 16 || index % 97 == 0 {
            assert_ne!(path.root(leaf), committed.commitment().root(), "index {index}");
        }
    }
    assert_eq!(Path::new(u32::try_from(MAX_LEAVES).unwrap(), opening.path().siblings().to_vec()), None);
}

/// No two values that a record can have at one path share their elements.
#[test]
fn types_and_scales_are_bound() {
    let texts = [
        "0",
        "0.0",
        "0.00",
        "1",
        "-1",
        "1.0",
        "10.0",
        "false",
        "true",
        "\"\"",
        "\"0\"",
        "\"1\"",
        "\"false\"",
        "\"0001-01-01\"",
        "\"0001-01-02\"",
        "\"0001-01-01T00:00:00Z\"",
        "\"0001-01-01T00:00:00.0Z\"",
        "\"0001-01-01T01:00:00+01:00\"",
        "\"2026-11\"",
        "9223372036854775807",
        "-9223372036854775808",
    ];
    let salt = Fr::from(5);
    let hashes: HashSet<Fr> = texts
        .iter()
        .map(|t| {
            let text = format!(r#"{{"resourceType":"Basic","x":{t}}}"#);
            let leaves = resource(&text).leaves();
            leaves.iter().find(|l| l.path == "x").unwrap().hash(salt)
        })
        .collect();
    assert_eq!(hashes.len(), texts.len());
}

/// Numbers in circuits: order-preserving, non-negative, within the documented bits.
#[test]
fn ordinals_keep_the_order_of_values() {
    let ordinal = |v: LeafValue| v.ordinal().unwrap();
    let integers = [i64::MIN, -1, 0, 1, i64::MAX].map(|n| ordinal(LeafValue::Integer(n)));
    assert_eq!(integers, [0, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, u64::MAX]);
    let dates = ["0001-01-01", "1999-12-31", "2000-02-29", "2000-03-01", "9999-12-31"];
    let dates = dates.map(|d| ordinal(LeafValue::from_text(d)));
    assert!(dates.is_sorted() && dates[4] < 1 << 22);
    assert_eq!(dates[3], dates[2] + 1);
    assert_eq!(LeafValue::from_text("2026").ordinal(), None);
}

#[test]
fn a_resource_over_4095_values_is_refused_with_advice() {
    let resource_with = |values: usize| {
        let items = vec!["1"; values - 1].join(",");
        resource(&format!(r#"{{"resourceType":"Basic","x":[{items}]}}"#))
    };
    let full = resource_with(MAX_LEAVES - 1).commit(&secret(1)).unwrap();
    assert_eq!(full.leaves().len(), MAX_LEAVES);
    let last = full.open_at(MAX_LEAVES - 1).unwrap();
    assert!(full.commitment().verify(&last).is_ok());
    let error = resource_with(MAX_LEAVES).commit(&secret(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "this Basic has 4097 values and a commitment holds 4096; divide it into several resources"
    );
}

#[test]
fn wire_types_keep_their_promises() {
    use subtle::ConstantTimeEq;
    check_wire_by(
        &secret(7),
        "894d4456030101000000002258200707070707070707070707070707070707070707070707070707070707070707",
        |a, b| a.ct_eq(b).into(),
    );
    let committed = committed(r#"{"resourceType":"Basic","x":[7.10,4,true,"2026-11-22","2026-11-22T00:00:00Z"]}"#, 7);
    check_wire(
        &committed.commitment(),
        "894d445603020100000000225820285eafe2744fe1a0c5ecc4823931de9c8e294196006b5dbf4b5c70a3ce74f0be",
    );
    check_wire(
        &committed.open("x[0]").unwrap(),
        "894d44560303010000000272850264785b305d83031902c60258202fc7653d200f710e8cb0907cbef3cd94f93139b9455dba \
         25bce6a3b1245cf954590240108956b0cfcb5c413e0dc593dda56a5605d12133719f7b39fa36be44d15f985d09c1ee96400b \
         f8bbf22458e51d98f96be6476746ba84f499acf0e8a17c856e292fa2d3fdd135fa7fc26f62a33cce6a7336df636755a510f2 \
         fd89faa01d5fbaf823ad76f671090165a11288093b7b938a9835f3ba1acddbc304c1e8cef18809071e65581c03f24794bc52 \
         e165d2f8289aabc46c848e8578be89d41a37c639cf931e65581c03f24794bc52e165d2f8289aabc46c848e8578be89d41a37 \
         c639cf93123503b7a7d567bf454ee2f76303f7596abaf7fe04ebd5d88affac59a29f0808123503b7a7d567bf454ee2f76303 \
         f7596abaf7fe04ebd5d88affac59a29f0808123503b7a7d567bf454ee2f76303f7596abaf7fe04ebd5d88affac59a29f0808 \
         057a9bae855ab7a50f6f0b10087c0ba08491dfe342bf823e135662263b4f2e2b057a9bae855ab7a50f6f0b10087c0ba08491 \
         dfe342bf823e135662263b4f2e2b057a9bae855ab7a50f6f0b10087c0ba08491dfe342bf823e135662263b4f2e2b30567e34 \
         e6697ea675564ee11998aa16bdba4c69fdf8cdbf5f6818e3fed10f9d30567e34e6697ea675564ee11998aa16bdba4c69fdf8 \
         cdbf5f6818e3fed10f9d30567e34e6697ea675564ee11998aa16bdba4c69fdf8cdbf5f6818e3fed10f9d2b987bc73f6fe800 \
         92a0b2fbc3e6f0e322cdad545b1fdd6aac9ae0db133345912b987bc73f6fe80092a0b2fbc3e6f0e322cdad545b1fdd6aac9a \
         e0db133345912b987bc73f6fe80092a0b2fbc3e6f0e322cdad545b1fdd6aac9ae0db13334591",
    );
    for i in [1, 3, 4, 5, 6] {
        mediveil_codec::testing::check_decoding::<LeafOpening>(&committed.open_at(i).unwrap().encode());
    }
}

/// Forms of one value that only an encoder other than ours writes.
#[test]
fn an_opening_has_one_form() {
    let committed = committed(OBSERVATION, 1);
    let bytes = committed.open("issued").unwrap().encode();
    // The date as text: a string that a record would have read as a date.
    let date = bytes.windows(3).position(|w| w == [0x82, 5, 0x1a]).unwrap();
    let mut text = bytes.clone();
    text.splice(date..date + 7, [&[0x82, 1, 0x6a][..], b"2026-11-22"].concat());
    let len = u32::try_from(text.len() - 12).unwrap();
    text[8..12].copy_from_slice(&len.to_be_bytes());
    let error = LeafOpening::decode(&text).unwrap_err();
    assert!(error.to_string().contains("no record can have"), "{error}");
    // A salt of the field's order and above.
    let order = {
        let mut bytes = to_bytes(&(-Fr::from(1)));
        bytes[31] += 1;
        bytes
    };
    assert_eq!(from_bytes(&order), None);
    assert_eq!(Commitment::from_bytes(&order), None);
    let salt = bytes.windows(2).position(|w| w == [0x58, 0x20]).unwrap() + 2;
    let mut changed = bytes;
    changed[salt..salt + 32].copy_from_slice(&order);
    assert!(LeafOpening::decode(&changed).unwrap_err().to_string().contains("not an element of the field"));
}

#[test]
fn debug_shows_nothing_of_a_patient() {
    let text = OBSERVATION.replace("final", "SECRETWORD");
    let committed = committed(&text, 1);
    let opening = committed.open("status").unwrap();
    let record = Record::parse(text.as_bytes(), &Limits::default()).unwrap();
    let shown = format!(
        "{committed:?} {opening:?} {:?} {record:?} {:?} {:?} {:?}",
        committed.leaves(),
        record.resources()[0].json(),
        record.resources()[0].canonical(),
        secret(1),
    );
    assert!(!shown.contains("SECRETWORD") && !shown.contains("7.1") && !shown.contains("4548"), "{shown}");
}
