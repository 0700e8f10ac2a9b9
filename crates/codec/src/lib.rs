//! How a mediveil object becomes bytes.
//!
//! Everything that is stored or sent has one framing, so a reader knows what it holds before it looks inside:
//!
//! | bytes | field | content |
//! |---|---|---|
//! | 0..4 | magic | `89 4d 44 56` (`\x89MDV`; the first byte is not ASCII, so text-mode damage shows at once) |
//! | 4..6 | object type | big-endian, from the one [registry](ObjectType) |
//! | 6 | version | of this object's body |
//! | 7 | suite | the cryptographic suite; `0` where there is no choice |
//! | 8..12 | body length | big-endian, at most the type's own cap |
//! | 12.. | body | deterministic CBOR (RFC 8949 §4.2.1): definite lengths, shortest heads, no floats, no tags |
//!
//! Nothing may follow the body. Decoding is total: for any bytes it returns a value or a [`DecodeError`] that names the
//! object and the offset; it never panics and never allocates more than the input's own length justifies. One value has
//! one encoding: whatever [`Wire::decode`] accepts, [`Wire::encode`] gives back byte for byte.
//!
//! The crate also holds the two small things that every room shares: [`Timestamp`] and the text [`armor`].
//!
//! ```
//! use mediveil_codec::{Decoder, DecodeError, Encoder, ObjectType, Wire};
//!
//! #[derive(Debug, PartialEq)]
//! struct Receipt { version: u32, why: String }
//!
//! impl Wire for Receipt {
//!     const TYPE: ObjectType = ObjectType::ErasureReceipt;
//!     const MAX_BODY: usize = 1024;
//!     fn encode_body(&self, e: &mut Encoder<'_>) {
//!         e.array(2).u32(self.version).text(&self.why);
//!     }
//!     fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
//!         d.tuple(2)?;
//!         Ok(Self { version: d.u32()?, why: d.text(256)?.to_owned() })
//!     }
//! }
//!
//! let receipt = Receipt { version: 3, why: "left the practice".into() };
//! let bytes = receipt.encode();
//! assert_eq!(Receipt::decode(&bytes)?, receipt);
//! let error = Receipt::decode(&bytes[..bytes.len() - 1]).unwrap_err();
//! assert_eq!(error.to_string(), "erasure-receipt: the body is cut short (at byte 31)");
//! # Ok::<(), DecodeError>(())
//! ```

pub mod armor;
mod decode;
mod encode;
mod error;
mod frame;
mod registry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod time;

pub use decode::Decoder;
pub use encode::Encoder;
pub use error::{DecodeError, DecodeErrorKind, ReadError};
pub use frame::{FRAME_LEN, MAGIC, Wire, peek_type, read_wire};
pub use registry::ObjectType;
pub use time::Timestamp;
