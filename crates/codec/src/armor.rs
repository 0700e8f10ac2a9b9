//! Text armour: an object between two lines, for keys and other small files that people copy and mail.
//!
//! ```text
//! -----BEGIN MEDIVEIL PUBLIC-IDENTITY-----
//! iU1EVgICAQAAAAB...
//! -----END MEDIVEIL PUBLIC-IDENTITY-----
//! ```
//!
//! The label is the registry name in upper case; lines are 64 characters of base64 (RFC 4648 §4, padded). Base64 runs in
//! constant time (`base64ct`). Line ends may be LF or CRLF and blank space may stand before and after; nothing else is
//! accepted, so an armoured object too has one encoding up to line ends.

use crate::{DecodeError, DecodeErrorKind, FRAME_LEN, ObjectType, Wire};
use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

const WIDTH: usize = 64;

/// The object in armour, ending with a line feed. The text is wiped when dropped, because it may be a secret.
#[must_use]
pub fn encode<T: Wire>(object: &T) -> Zeroizing<String> {
    wrap(T::TYPE, &object.encode_secret())
}

/// Bytes of any kind in the armour of `object`.
fn wrap(object: ObjectType, bytes: &[u8]) -> Zeroizing<String> {
    let label = label(object);
    let base64 = Zeroizing::new(Base64::encode_string(bytes));
    let lines = base64.len().div_ceil(WIDTH);
    let capacity = base64.len().saturating_add(lines).saturating_add(label.len().saturating_mul(2)).saturating_add(40);
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    text.push_str("-----BEGIN ");
    text.push_str(&label);
    text.push_str("-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at_checked(WIDTH).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text.push_str("-----END ");
    text.push_str(&label);
    text.push_str("-----\n");
    text
}

fn label(object: ObjectType) -> String {
    format!("MEDIVEIL {}", object.name().to_ascii_uppercase())
}

/// Whether these bytes look like armour of any label.
#[must_use]
pub fn is_armored(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"-----BEGIN MEDIVEIL ")
}

/// The object in the armour.
///
/// # Errors
/// [`DecodeError`] for damaged armour, another label, or bytes that are not the object.
pub fn decode<T: Wire>(text: &[u8]) -> Result<T, DecodeError> {
    let damaged = |what| DecodeError { object: T::TYPE, offset: 0, kind: DecodeErrorKind::Armor(what) };
    let text = core::str::from_utf8(text).map_err(|_| damaged("it is not text"))?.trim_ascii();
    let label = label(T::TYPE);
    let body = text
        .strip_prefix("-----BEGIN ")
        .ok_or_else(|| damaged("the first line is missing"))?
        .strip_prefix(label.as_str())
        .and_then(|t| t.strip_prefix("-----"))
        .ok_or_else(|| damaged("it holds another object"))?
        .strip_suffix("-----")
        .and_then(|t| t.strip_suffix(label.as_str()))
        .and_then(|t| t.strip_suffix("-----END "))
        .ok_or_else(|| damaged("the last line is missing"))?;
    // base64 of the longest frame, and the line ends.
    let limit = FRAME_LEN.saturating_add(T::MAX_BODY).div_ceil(3).saturating_mul(4);
    if body.len() > limit.saturating_add(limit / 16).saturating_add(16) {
        return Err(DecodeError {
            object: T::TYPE,
            offset: 0,
            kind: DecodeErrorKind::BodyTooLong { declared: body.len() as u64, limit },
        });
    }
    let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
    let mut lines = body.split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l));
    if lines.next() != Some("") {
        return Err(damaged("the first line is too long"));
    }
    let mut short = false;
    for line in lines.by_ref() {
        if line.is_empty() {
            break;
        }
        if short || line.len() > WIDTH {
            return Err(damaged("a line has another length than 64"));
        }
        short = line.len() < WIDTH;
        base64.push_str(line);
    }
    if lines.next().is_some() {
        return Err(damaged("a blank line stands inside"));
    }
    let bytes = Zeroizing::new(Base64::decode_vec(&base64).map_err(|_| damaged("it is not base64"))?);
    T::decode(&bytes)
}
