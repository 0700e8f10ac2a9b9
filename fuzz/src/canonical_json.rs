//! Canonical JSON against a second implementation: `serde_json_canonicalizer`, after `serde_json`.

use mediveil_record::json::{self, Value};
use mediveil_record::{CanonicalBytes, Limits, canonical};

const LIMITS: Limits = Limits { bytes: 1 << 16, depth: 32, values: 4096, resources: 16 };

/// Whether a number is somewhere: ours keep their lexemes, those of RFC 8785 are doubles.
fn has_number(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::Array(items) => items.iter().any(has_number),
        Value::Object(object) => object.iter().any(|(_, v)| has_number(v)),
        _ => false,
    }
}

/// What we read, the others read as well; without numbers the canonical bytes are theirs, and with numbers the plain RFC
/// 8785 form is.
pub fn canonical_json(data: &[u8]) {
    let Ok(value) = json::parse(data, &LIMITS) else { return };
    let Ok(theirs) = serde_json::from_slice::<serde_json::Value>(data) else {
        // A number beyond a double is a lexeme to us.
        assert!(has_number(&value), "serde_json refuses what we read");
        return;
    };
    let ours = CanonicalBytes::of(&value);
    let Ok(again) = json::parse(ours.as_bytes(), &LIMITS) else {
        // Escapes can be shorter than what they stand for, so canonical bytes can pass the limit; nothing else can.
        assert!(ours.as_bytes().len() > LIMITS.bytes, "canonical bytes are not JSON");
        return;
    };
    assert!(CanonicalBytes::of(&again) == ours, "canonical bytes are no fixed point");
    let Ok(reference) = serde_json_canonicalizer::to_vec(&theirs) else { return };
    if !has_number(&value) {
        assert!(ours.as_bytes() == reference, "the canonical forms differ");
    }
    if let Ok(plain) = canonical::to_rfc8785(&value) {
        assert!(plain == reference, "the RFC 8785 forms differ");
    }
}
