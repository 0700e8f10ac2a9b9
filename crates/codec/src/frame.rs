//! The frame around a body, and the trait of everything that has one.

use crate::{DecodeError, DecodeErrorKind, Decoder, Encoder, ObjectType, ReadError};
use std::io::Read;
use zeroize::Zeroizing;

/// The first four bytes of every object.
pub const MAGIC: [u8; 4] = [0x89, b'M', b'D', b'V'];

/// Length of the frame before the body, in bytes.
pub const FRAME_LEN: usize = 12;

/// An object with a frame. One value has exactly one encoding.
pub trait Wire: Sized {
    /// Its line in the registry.
    const TYPE: ObjectType;
    /// The newest version of its body; versions count from 1 and a decoder reads all of them up to this one.
    const VERSION: u8 = 1;
    /// The suites it knows; `0` stands for "no choice".
    const SUITES: &'static [u8] = &[0];
    /// The longest body in bytes.
    const MAX_BODY: usize;

    /// The suite this value uses.
    fn suite(&self) -> u8 {
        0
    }

    /// The version this value is written in.
    fn version(&self) -> u8 {
        Self::VERSION
    }

    /// Writes the body. Must write the same items each time it is called on the same value.
    fn encode_body(&self, e: &mut Encoder<'_>);

    /// Reads the body and checks every field, so that a value that exists is valid.
    ///
    /// # Errors
    /// Any deviation from what [`encode_body`](Self::encode_body) writes.
    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError>;

    /// The object as bytes: frame and body.
    #[must_use]
    fn encode(&self) -> Vec<u8> {
        let body = Encoder::measure(|e| self.encode_body(e));
        let mut out = Vec::with_capacity(FRAME_LEN.saturating_add(body));
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&Self::TYPE.code().to_be_bytes());
        out.push(self.version());
        out.push(self.suite());
        debug_assert!(body <= Self::MAX_BODY, "{} writes more than it reads back", Self::TYPE);
        out.extend_from_slice(&u32::try_from(body).unwrap_or(u32::MAX).to_be_bytes());
        self.encode_body(&mut Encoder::append(&mut out));
        out
    }

    /// The same bytes in a buffer that is wiped when dropped; for objects that hold secrets.
    #[must_use]
    fn encode_secret(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.encode())
    }

    /// The object that `bytes` are, all of them.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but the one encoding of a valid object.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (head, body) = split_head(bytes).ok_or_else(|| truncated::<Self>(bytes))?;
        let head = Head::parse::<Self>(head)?;
        let at = |offset, kind| DecodeError { object: Self::TYPE, offset, kind };
        match body.len().checked_sub(head.body_len) {
            None => Err(at(bytes.len(), DecodeErrorKind::Truncated)),
            Some(0) => head.decode_body::<Self>(body),
            Some(extra) => Err(at(bytes.len().saturating_sub(extra), DecodeErrorKind::Trailing(extra))),
        }
    }
}

fn split_head(bytes: &[u8]) -> Option<(&[u8; FRAME_LEN], &[u8])> {
    bytes.split_first_chunk::<FRAME_LEN>()
}

/// Too short for a frame: say "not ours" if already the magic is wrong, and "cut short" otherwise.
fn truncated<T: Wire>(bytes: &[u8]) -> DecodeError {
    let wrong = bytes.iter().zip(MAGIC).position(|(a, b)| *a != b);
    match wrong {
        Some(_) => DecodeError { object: T::TYPE, offset: 0, kind: DecodeErrorKind::Magic },
        None => DecodeError { object: T::TYPE, offset: bytes.len(), kind: DecodeErrorKind::Truncated },
    }
}

struct Head {
    version: u8,
    suite: u8,
    body_len: usize,
}

impl Head {
    fn parse<T: Wire>(head: &[u8; FRAME_LEN]) -> Result<Self, DecodeError> {
        let at = |offset, kind| DecodeError { object: T::TYPE, offset, kind };
        let [m0, m1, m2, m3, t0, t1, version, suite, l0, l1, l2, l3] = *head;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(at(0, DecodeErrorKind::Magic));
        }
        let code = u16::from_be_bytes([t0, t1]);
        if code != T::TYPE.code() {
            return Err(at(4, DecodeErrorKind::WrongType(code)));
        }
        if version == 0 || version > T::VERSION {
            return Err(at(6, DecodeErrorKind::Version(version)));
        }
        if !T::SUITES.contains(&suite) {
            return Err(at(7, DecodeErrorKind::Suite(suite)));
        }
        let declared = u32::from_be_bytes([l0, l1, l2, l3]);
        match usize::try_from(declared) {
            Ok(body_len) if body_len <= T::MAX_BODY => Ok(Self { version, suite, body_len }),
            _ => Err(at(8, DecodeErrorKind::BodyTooLong { declared: declared.into(), limit: T::MAX_BODY })),
        }
    }

    fn decode_body<T: Wire>(&self, body: &[u8]) -> Result<T, DecodeError> {
        let mut decoder = Decoder::new(body, T::TYPE, self.version, self.suite, FRAME_LEN);
        let value = T::decode_body(&mut decoder)?;
        if value.suite() != self.suite || value.version() != self.version {
            return Err(decoder.error(DecodeErrorKind::NotCanonical));
        }
        decoder.finish()?;
        Ok(value)
    }
}

/// The type of the object that these bytes begin with, if they begin with a frame.
#[must_use]
pub fn peek_type(bytes: &[u8]) -> Option<ObjectType> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (code, _) = rest.split_first_chunk::<2>()?;
    if *magic == MAGIC { ObjectType::from_code(u16::from_be_bytes(*code)) } else { None }
}

/// Reads one object from a stream and leaves the stream right behind it. Returns the object and its exact bytes.
///
/// Memory grows with what the stream delivers, not with what the header declares.
///
/// # Errors
/// [`ReadError::Io`] where the stream fails; [`ReadError::Decode`] where its bytes are not the object, an early end
/// included.
pub fn read_wire<T: Wire>(reader: &mut impl Read) -> Result<(T, Vec<u8>), ReadError> {
    let mut bytes = Vec::with_capacity(FRAME_LEN);
    reader.by_ref().take(FRAME_LEN as u64).read_to_end(&mut bytes)?;
    let (head, _) = split_head(&bytes).ok_or_else(|| truncated::<T>(&bytes))?;
    let head = Head::parse::<T>(head)?;
    reader.by_ref().take(head.body_len as u64).read_to_end(&mut bytes)?;
    let value = T::decode(&bytes)?;
    Ok((value, bytes))
}
