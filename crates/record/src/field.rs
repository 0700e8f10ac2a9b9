//! The field of commitments and circuits: the scalar field of BN254, and how other things become elements of it.

use ark_bn254::Fr;
use ark_ff::{BigInt, BigInteger as _, PrimeField as _};
use sha2::{Digest as _, Sha256};

/// A domain tag: what a hash is used for. It fills the capacity element of Poseidon, which circomlib's `Poseidon(n)` sets to
/// zero and its `PoseidonEx` takes as `initialState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    label: &'static str,
    element: Fr,
}

impl Tag {
    /// No tag, capacity zero: circomlib's own `Poseidon(n)`. For interoperation; uses of this workspace have a tag.
    pub const CIRCOMLIB: Self = Self::new("");

    /// The tag of this label: its bytes as a big-endian number. A label that is longer than 31 bytes fails the build when
    /// the tag is a constant, as it should be, and panics otherwise.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        clippy::missing_panics_doc,
        reason = "evaluated at compile time, and documented"
    )]
    pub const fn new(label: &'static str) -> Self {
        let bytes = label.as_bytes();
        assert!(bytes.len() <= 31, "a label has at most 31 bytes");
        let mut limbs = [0_u64; 4];
        let mut i = 0;
        while i < bytes.len() {
            let place = bytes.len() - 1 - i;
            limbs[place / 8] |= (bytes[i] as u64) << (8 * (place % 8));
            i += 1;
        }
        Self { label, element: Fr::new(BigInt::new(limbs)) }
    }

    /// The label.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        self.label
    }

    /// The capacity element.
    #[must_use]
    pub const fn element(&self) -> Fr {
        self.element
    }
}

/// SHA-256 of `label || 0x00 || bytes`, as a big-endian number modulo the field's order.
///
/// Finding two inputs with the same element costs some 2^126 evaluations. A verifier on Ethereum computes it as
/// `uint256(sha256(...)) % r`.
#[must_use]
pub fn hash_to_field(label: &'static str, bytes: &[u8]) -> Fr {
    let digest = Sha256::new().chain_update(label).chain_update([0]).chain_update(bytes).finalize();
    Fr::from_be_bytes_mod_order(&digest)
}

/// The element as 32 bytes, big-endian.
#[must_use]
pub fn to_bytes(element: &Fr) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(element.into_bigint().to_bytes_be()) {
        *to = from;
    }
    out
}

/// The element that these 32 big-endian bytes are; `None` for the field's order and above.
#[must_use]
pub fn from_bytes(bytes: &[u8; 32]) -> Option<Fr> {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.as_chunks::<8>().0) {
        *limb = u64::from_be_bytes(*chunk);
    }
    Fr::from_bigint(BigInt::new(limbs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::MontFp;

    #[test]
    fn tags_are_big_endian_text() {
        assert_eq!(Tag::CIRCOMLIB.element(), Fr::from(0));
        assert_eq!(Tag::new("a").element(), Fr::from(0x61));
        assert_eq!(Tag::new("mediveil/").element(), Fr::from_be_bytes_mod_order(b"mediveil/"));
        assert_eq!(Tag::new("0123456789012345678901234567890").label().len(), 31);
    }

    #[test]
    fn bytes_have_one_reading() {
        let max: Fr = -Fr::from(1);
        let mut bytes = to_bytes(&max);
        assert_eq!(from_bytes(&bytes), Some(max));
        bytes[31] += 1;
        assert_eq!(from_bytes(&bytes), None);
        assert_eq!(from_bytes(&[0xff; 32]), None);
        assert_eq!(to_bytes(&Fr::from(0x0102))[30..], [1, 2]);
    }

    /// By `hashlib`: int(sha256(b"label\0text"), 16) % r.
    #[test]
    fn hashes_to_the_field() {
        let expected: Fr = MontFp!("13942851770512540873405272991781622414334578244406890275714312929857184052860");
        assert_eq!(hash_to_field("label", b"text"), expected);
    }
}
