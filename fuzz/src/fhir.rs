//! FHIR intake, and canonical JSON against a second implementation.

use mediveil_record::{CanonicalBytes, Limits, Record, json};

/// Small limits, so that the fuzzer meets them.
const LIMITS: Limits = Limits { bytes: 1 << 16, depth: 16, values: 4096, resources: 16 };

/// Any bytes are refused, or have canonical bytes that are a fixed point and mean the same to `serde_json`.
pub fn fhir(data: &[u8]) {
    let Ok(record) = Record::parse(data, &LIMITS) else { return };
    for resource in record.resources() {
        let canonical = resource.canonical();
        let Ok(again) = json::parse(canonical.as_bytes(), &Limits::default()) else {
            panic!("canonical bytes are not JSON");
        };
        assert!(CanonicalBytes::of(&again) == canonical, "canonical bytes are no fixed point");
        let theirs: Result<serde_json::Value, _> = serde_json::from_slice(canonical.as_bytes());
        assert!(theirs.is_ok(), "serde_json refuses canonical bytes");
        let _ = resource.leaves();
    }
}
