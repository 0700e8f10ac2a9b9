//! Writing a body: the few CBOR items the format uses, each in its one deterministic form.

use core::convert::Infallible;
use minicbor::encode::Write;

/// Counts first and writes second, so that a buffer is allocated once at its final size and no copy of a secret stays
/// behind in a buffer that was outgrown.
enum Sink<'a> {
    Count(usize),
    Write(&'a mut Vec<u8>),
}

impl Write for Sink<'_> {
    type Error = Infallible;
    fn write_all(&mut self, buf: &[u8]) -> Result<(), Infallible> {
        match self {
            Self::Count(n) => *n = n.saturating_add(buf.len()),
            Self::Write(v) => v.extend_from_slice(buf),
        }
        Ok(())
    }
}

/// Writes the items of a body. Every method returns `self`, so that a record reads as one line.
pub struct Encoder<'a> {
    inner: minicbor::Encoder<Sink<'a>>,
}

impl std::fmt::Debug for Encoder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encoder")
    }
}

macro_rules! item {
    ($($(#[$doc:meta])* $name:ident($arg:ident: $ty:ty) => $call:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(&mut self, $arg: $ty) -> &mut Self {
            // The sinks cannot fail: one counts, the other is a vector.
            let written = self.inner.$call($arg).is_ok();
            debug_assert!(written);
            self
        }
    )*};
}

impl<'a> Encoder<'a> {
    /// Bytes that `write` produces.
    pub(crate) fn measure(write: impl FnOnce(&mut Encoder<'_>)) -> usize {
        let mut encoder = Encoder { inner: minicbor::Encoder::new(Sink::Count(0)) };
        write(&mut encoder);
        match encoder.inner.writer() {
            Sink::Count(n) => *n,
            Sink::Write(_) => 0,
        }
    }

    /// An encoder that appends to `out`.
    pub(crate) fn append(out: &'a mut Vec<u8>) -> Self {
        Self { inner: minicbor::Encoder::new(Sink::Write(out)) }
    }

    item! {
        /// An unsigned integer.
        u8(value: u8) => u8;
        /// An unsigned integer.
        u16(value: u16) => u16;
        /// An unsigned integer.
        u32(value: u32) => u32;
        /// An unsigned integer.
        u64(value: u64) => u64;
        /// A signed integer.
        i64(value: i64) => i64;
        /// A truth value.
        bool(value: bool) => bool;
        /// A byte string.
        bytes(value: &[u8]) => bytes;
        /// A text string.
        text(value: &str) => str;
    }

    /// The head of an array of `len` items; the caller writes the items.
    pub fn array(&mut self, len: usize) -> &mut Self {
        let written = self.inner.array(len as u64).is_ok();
        debug_assert!(written);
        self
    }

    /// The absent value of an optional field.
    pub fn null(&mut self) -> &mut Self {
        let written = self.inner.null().is_ok();
        debug_assert!(written);
        self
    }

    /// An optional field: `null`, or what `write` writes.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            None => {
                self.null();
            }
            Some(value) => write(self, value),
        }
        self
    }

    /// A byte string that holds what `write` writes: a body within the body, which a reader that does not know its
    /// schema can take as [`bytes`](Self::bytes) and keep. `write` runs twice and must write the same both times.
    pub fn nested(&mut self, write: impl Fn(&mut Encoder<'_>)) -> &mut Self {
        let len = Encoder::measure(&write);
        let mut body = Vec::with_capacity(len);
        write(&mut Encoder::append(&mut body));
        self.bytes(&body)
    }

    /// An array: its head, then what `write` writes for each item.
    pub fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) -> &mut Self {
        self.array(items.len());
        for item in items {
            write(self, item);
        }
        self
    }
}
