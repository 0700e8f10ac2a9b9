//! The test suite that every wire type passes, once for each type: [`check_wire`].

#![expect(clippy::panic, clippy::indexing_slicing, reason = "test support: a failed check must stop the test")]

use crate::Wire;
use core::fmt::Debug;

/// Checks everything the format promises of one value: its frozen bytes, round trip, every truncation, trailing bytes,
/// and every byte changed in three ways.
///
/// `frozen` is the lower-case hexadecimal of the encoding, white space ignored. When a format is new, pass `""`, let the
/// test fail, and commit what it prints; after that it never changes.
///
/// # Panics
/// If a promise is broken.
pub fn check_wire<T: Wire + PartialEq + Debug>(value: &T, frozen: &str) {
    check_wire_by(value, frozen, |a, b| a == b);
}

/// [`check_wire`] for types that have no `PartialEq`, such as secrets.
///
/// # Panics
/// If a promise is broken.
pub fn check_wire_by<T: Wire>(value: &T, frozen: &str, same: impl Fn(&T, &T) -> bool) {
    let name = T::TYPE.name();
    let bytes = value.encode();
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let frozen: String = frozen.chars().filter(|c| !c.is_whitespace()).collect();
    assert!(hex == frozen, "{name}: the frozen encoding changed; it is now\n{hex}");
    check_decoding::<T>(&bytes);
    match T::decode(&bytes) {
        Ok(back) => assert!(same(&back, value), "{name}: decodes to another value"),
        Err(e) => panic!("{name}: refuses its own encoding: {e}"),
    }
}

/// Every truncation and every changed byte of a valid encoding: refused, or the one encoding of another valid value.
///
/// # Panics
/// If a promise is broken.
pub fn check_decoding<T: Wire>(bytes: &[u8]) {
    let name = T::TYPE.name();
    for len in 0..bytes.len() {
        if T::decode(&bytes[..len]).is_ok() {
            panic!("{name}: accepted when cut to {len} of {} bytes", bytes.len());
        }
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert!(T::decode(&longer).is_err(), "{name}: accepted with a trailing byte");
    let mut changed = bytes.to_vec();
    for at in 0..bytes.len() {
        for mask in [0x01, 0x80, 0xff] {
            changed[at] ^= mask;
            if let Ok(value) = T::decode(&changed) {
                assert!(value.encode() == changed, "{name}: two encodings of one value, byte {at} xor {mask:02x}");
            }
            changed[at] ^= mask;
        }
    }
}
