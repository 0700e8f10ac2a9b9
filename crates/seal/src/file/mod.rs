//! The sealed file, part by part in the order of its bytes.
//!
//! | part | content | changes on `rewrap` |
//! |---|---|---|
//! | [core header](CoreHeader) | suite, 32-byte salt, 32-byte key commitment, whether an author signed, caller's context | never |
//! | [doors](Doors) | stanzas, and a MAC over them under a key from the content key | yes |
//! | segments | 64 KiB of plaintext each, encrypted, with a 16-byte tag; the last may be shorter | never |
//! | author trailer | only if signed: 113 bytes, the encrypted key and signature of the author | never |
//!
//! # How the parts hold together
//! The content key (256 bits, random) is the one secret. HKDF-SHA256 with the salt derives from it the commitment, and,
//! binding the SHA-256 digest of the whole core header, the keys of segments, doors and author. So a segment opens only
//! under its own core header; a door opens only into its own file; and two different content keys cannot share a file,
//! because the commitment is checked before anything is decrypted.
//!
//! Segments form a STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, CRYPTO 2015, §6 "STREAM"): the nonce is three zero bytes,
//! the segment's index (64 bits, big-endian) and a byte that is 1 for the last segment only. Swapping, dropping,
//! repeating, appending or cutting segments makes the tag of some segment fail.
//!
//! The optional author signature is ECDSA P-256 over the digest of the core header, the length of the ciphertext and the
//! RFC 9162 §2.1.1 Merkle root of the encrypted segments. It names no recipient: whoever can read the file can forward
//! it with the signature intact, and the signature then still says who wrote it, not who was meant to read it.
//!
//! # What a file reveals without a key
//! Its length to the byte, its suite, whether it is signed, the caller's context, the number, kinds and sizes of its
//! doors, the policy of a policy door and the iteration count of a passphrase. It does not reveal for which keys the HPKE
//! doors are, unless a recipient asked for a [hint](crate::Hinted).

mod author;
mod core_header;
mod doors;
mod error;
mod open;
mod plaintext;
mod rewrap;
mod seal;
mod seek;
mod segment;

pub use core_header::{CoreHeader, MAX_CONTEXT};
pub use doors::{Doors, MAX_DOORS};
pub use error::{OpenError, SealError};
pub use open::{OpenReader, Opened, open, open_into};
pub use plaintext::Plaintext;
pub use rewrap::{DoorInfo, Inspection, Rewrap, RewrapError, inspect, read_doors};
pub use seal::{SealWriter, Sealer};
pub use seek::SeekReader;
pub use segment::SEGMENT_LEN;
