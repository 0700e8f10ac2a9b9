//! Reading a body: each method accepts exactly what its twin in [`Encoder`](crate::Encoder) writes.

use crate::{DecodeError, DecodeErrorKind, ObjectType};
use minicbor::data::Type;

/// Reads the items of a body, checks that each is in its deterministic form, and knows where it is.
pub struct Decoder<'b> {
    inner: minicbor::Decoder<'b>,
    object: ObjectType,
    suite: u8,
    version: u8,
    base: usize,
}

impl std::fmt::Debug for Decoder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("object", &self.object).field("offset", &self.offset()).finish_non_exhaustive()
    }
}

/// Length of the shortest CBOR head for an argument (RFC 8949 §4.2.1).
const fn head_len(argument: u64) -> usize {
    match argument {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

impl<'b> Decoder<'b> {
    pub(crate) fn new(body: &'b [u8], object: ObjectType, version: u8, suite: u8, base: usize) -> Self {
        Self { inner: minicbor::Decoder::new(body), object, suite, version, base }
    }

    /// The suite byte of the frame; one of [`Wire::SUITES`](crate::Wire::SUITES).
    #[must_use]
    pub fn suite(&self) -> u8 {
        self.suite
    }

    /// The version byte of the frame; from 1 to [`Wire::VERSION`](crate::Wire::VERSION).
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version
    }

    /// Offset of the next item from the start of the frame.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.base.saturating_add(self.inner.position())
    }

    /// An error at the current offset: the field just read, or about to be read, has an impossible value.
    #[must_use]
    pub fn invalid(&self, what: &'static str) -> DecodeError {
        self.error(DecodeErrorKind::Invalid(what))
    }

    pub(crate) fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { object: self.object, offset: self.offset(), kind }
    }

    fn error_at(&self, position: usize, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { object: self.object, offset: self.base.saturating_add(position), kind }
    }

    fn remaining(&self) -> usize {
        self.inner.input().len().saturating_sub(self.inner.position())
    }

    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            n => Err(self.error(DecodeErrorKind::Trailing(n))),
        }
    }

    /// Runs one read of the CBOR decoder and turns its failure into ours. `size` gives the item's only allowed length.
    fn item<T>(
        &mut self,
        expected: &'static str,
        read: impl FnOnce(&mut minicbor::Decoder<'b>) -> Result<T, minicbor::decode::Error>,
        size: impl FnOnce(&T) -> usize,
    ) -> Result<T, DecodeError> {
        let start = self.inner.position();
        match read(&mut self.inner) {
            Ok(value) if self.inner.position().saturating_sub(start) == size(&value) => Ok(value),
            Ok(_) => Err(self.error_at(start, DecodeErrorKind::NotCanonical)),
            Err(e) if e.is_end_of_input() => Err(self.error_at(self.inner.input().len(), DecodeErrorKind::Truncated)),
            Err(_) => Err(self.error_at(start, DecodeErrorKind::Expected(expected))),
        }
    }

    /// An unsigned integer of at most 8 bits.
    ///
    /// # Errors
    /// Anything else at this place.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.item("an integer of 8 bits", minicbor::Decoder::u8, |v| head_len(u64::from(*v)))
    }

    /// An unsigned integer of at most 16 bits.
    ///
    /// # Errors
    /// Anything else at this place.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.item("an integer of 16 bits", minicbor::Decoder::u16, |v| head_len(u64::from(*v)))
    }

    /// An unsigned integer of at most 32 bits.
    ///
    /// # Errors
    /// Anything else at this place.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.item("an integer of 32 bits", minicbor::Decoder::u32, |v| head_len(u64::from(*v)))
    }

    /// An unsigned integer of at most 64 bits.
    ///
    /// # Errors
    /// Anything else at this place.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.item("an integer of 64 bits", minicbor::Decoder::u64, |v| head_len(*v))
    }

    /// A signed integer of at most 64 bits.
    ///
    /// # Errors
    /// Anything else at this place.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        // CBOR writes a negative number n as the argument -1 - n, which is !n.
        self.item("a signed integer of 64 bits", minicbor::Decoder::i64, |v| {
            head_len(if *v < 0 { (!*v).unsigned_abs() } else { v.unsigned_abs() })
        })
    }

    /// A truth value.
    ///
    /// # Errors
    /// Anything else at this place.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        self.item("true or false", minicbor::Decoder::bool, |_| 1)
    }

    /// A byte string of at most `max` bytes, borrowed from the input.
    ///
    /// # Errors
    /// Anything else at this place, or a longer string.
    pub fn bytes(&mut self, max: usize) -> Result<&'b [u8], DecodeError> {
        let start = self.inner.position();
        let value =
            self.item("a byte string", minicbor::Decoder::bytes, |v| head_len(v.len() as u64).saturating_add(v.len()))?;
        self.cap(start, value.len() as u64, max)?;
        Ok(value)
    }

    /// A byte string of at most `max` bytes whose content `read` reads, all of it: the twin of
    /// [`Encoder::nested`](crate::Encoder::nested).
    ///
    /// # Errors
    /// Anything else at this place, those of `read`, and bytes of the string that `read` leaves.
    pub fn nested<T>(
        &mut self,
        max: usize,
        read: impl FnOnce(&mut Decoder<'b>) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let body = self.bytes(max)?;
        let base = self.offset().saturating_sub(body.len());
        let mut inner = Decoder::new(body, self.object, self.version, self.suite, base);
        let value = read(&mut inner)?;
        inner.finish()?;
        Ok(value)
    }

    /// A byte string of exactly `N` bytes.
    ///
    /// # Errors
    /// Anything else at this place.
    pub fn byte_array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let start = self.inner.position();
        let value = self.bytes(N)?;
        value.try_into().map_err(|_| self.error_at(start, DecodeErrorKind::Expected("a byte string of another length")))
    }

    /// A text string of at most `max` bytes, borrowed from the input.
    ///
    /// # Errors
    /// Anything else at this place, or a longer string.
    pub fn text(&mut self, max: usize) -> Result<&'b str, DecodeError> {
        let start = self.inner.position();
        let value =
            self.item("a text string", minicbor::Decoder::str, |v| head_len(v.len() as u64).saturating_add(v.len()))?;
        self.cap(start, value.len() as u64, max)?;
        Ok(value)
    }

    /// The head of an array of at most `max` items. The answer never exceeds the bytes that are left, so it may be
    /// given to `Vec::with_capacity` for items of ordinary size.
    ///
    /// # Errors
    /// Anything else at this place, or more items than `max`.
    pub fn array(&mut self, max: usize) -> Result<usize, DecodeError> {
        let start = self.inner.position();
        let len = self.item("an array", minicbor::Decoder::array, |v| v.map_or(0, head_len))?;
        let Some(len) = len else { return Err(self.error_at(start, DecodeErrorKind::NotCanonical)) };
        self.cap(start, len, max)?;
        match usize::try_from(len) {
            Ok(len) if len <= self.remaining() => Ok(len),
            _ => Err(self.error_at(self.inner.input().len(), DecodeErrorKind::Truncated)),
        }
    }

    /// The head of an array of exactly `len` items: a record whose fields follow in order.
    ///
    /// # Errors
    /// Anything else at this place.
    pub fn tuple(&mut self, len: usize) -> Result<(), DecodeError> {
        let start = self.inner.position();
        if self.array(len)? == len {
            Ok(())
        } else {
            Err(self.error_at(start, DecodeErrorKind::Expected("a record with another number of fields")))
        }
    }

    /// An optional field: `null`, or what `read` reads.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if matches!(self.inner.datatype(), Ok(Type::Null)) {
            self.item("null", minicbor::Decoder::null, |()| 1)?;
            return Ok(None);
        }
        read(self).map(Some)
    }

    /// An array of at most `max` items, each read by `read`.
    ///
    /// # Errors
    /// More items than `max`, and those of `read`.
    pub fn list<T>(
        &mut self,
        max: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let len = self.array(max)?;
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(read(self)?);
        }
        Ok(items)
    }

    fn cap(&self, start: usize, found: u64, limit: usize) -> Result<(), DecodeError> {
        if found > limit as u64 {
            return Err(self.error_at(start, DecodeErrorKind::FieldTooLong { found, limit }));
        }
        Ok(())
    }
}
