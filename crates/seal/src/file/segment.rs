//! One segment of the stream, and the Merkle root over all of them.

use crate::crypto::{Cipher, Suite, TAG_LEN};
use chacha20poly1305::aead::inout::InOutBuf;
use sha2::{Digest, Sha256};

/// Plaintext bytes in a segment; only the last may have fewer.
pub const SEGMENT_LEN: usize = 64 * 1024;

/// Encrypted bytes of a full segment.
pub(crate) const SEALED_LEN: usize = SEGMENT_LEN + TAG_LEN;

/// The most segments in a file. The nonce would allow more; no medical record does.
pub(crate) const MAX_SEGMENTS: u64 = 1 << 32;

/// Encrypts and decrypts segments by their place in the file.
pub(crate) struct SegmentCipher(Cipher);

impl SegmentCipher {
    pub(crate) fn new(suite: Suite, key: &[u8; 32]) -> Self {
        Self(Cipher::new(suite, key))
    }

    fn nonce(index: u64, last: bool) -> [u8; 12] {
        let [a, b, c, d, e, f, g, h] = index.to_be_bytes();
        [0, 0, 0, a, b, c, d, e, f, g, h, u8::from(last)]
    }

    /// Appends the encryption of `plaintext` to `out`.
    pub(crate) fn seal(&self, index: u64, last: bool, plaintext: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        out.resize(start.checked_add(plaintext.len())?, 0);
        let buffer = InOutBuf::new(plaintext, out.get_mut(start..)?).ok()?;
        let tag = self.0.seal(&Self::nonce(index, last), &[], buffer)?;
        out.extend_from_slice(&tag);
        Some(())
    }

    /// Decrypts in place and returns the plaintext's part of `sealed`; wipes it if the tag does not fit.
    pub(crate) fn open_in_place<'s>(&self, index: u64, last: bool, sealed: &'s mut [u8]) -> Option<&'s [u8]> {
        let (body, tag) = sealed.split_last_chunk_mut::<TAG_LEN>()?;
        self.0.open(&Self::nonce(index, last), &[], InOutBuf::from(&mut *body), tag)?;
        Some(body)
    }

    /// Decrypts `sealed` into `out`, which is as long as the plaintext.
    pub(crate) fn open_into(&self, index: u64, last: bool, sealed: &[u8], out: &mut [u8]) -> Option<()> {
        let (body, tag) = sealed.split_last_chunk::<TAG_LEN>()?;
        self.0.open(&Self::nonce(index, last), &[], InOutBuf::new(body, out).ok()?, tag)
    }
}

/// The Merkle tree hash of RFC 9162 §2.1.1 over encrypted segments, in memory logarithmic in their number.
#[derive(Default)]
pub(crate) struct SegmentTree {
    /// Roots of the complete subtrees on the right edge, largest first.
    edge: Vec<[u8; 32]>,
    leaves: u64,
}

impl SegmentTree {
    pub(crate) fn push(&mut self, sealed: &[u8]) {
        let mut node: [u8; 32] = Sha256::new().chain_update([0]).chain_update(sealed).finalize().into();
        // Every trailing one bit of the count is a complete subtree that the new leaf completes with.
        for _ in 0..self.leaves.trailing_ones() {
            if let Some(left) = self.edge.pop() {
                node = Self::join(&left, &node);
            }
        }
        self.edge.push(node);
        self.leaves = self.leaves.saturating_add(1);
    }

    pub(crate) fn root(&self) -> [u8; 32] {
        let mut right_to_left = self.edge.iter().rev();
        match right_to_left.next() {
            None => Sha256::digest([]).into(),
            Some(last) => right_to_left.fold(*last, |right, left| Self::join(left, &right)),
        }
    }

    fn join(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
        Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9162 §2.1.1 word for word.
    fn merkle_tree_hash(leaves: &[Vec<u8>]) -> [u8; 32] {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => Sha256::digest([&[0], one.as_slice()].concat()).into(),
            many => {
                let mut k = 1;
                while k * 2 < many.len() {
                    k *= 2;
                }
                let (left, right) = (merkle_tree_hash(&many[..k]), merkle_tree_hash(&many[k..]));
                Sha256::digest([&[1][..], &left, &right].concat()).into()
            }
        }
    }

    #[test]
    fn tree_is_that_of_rfc_9162() {
        let leaves: Vec<Vec<u8>> = (0..70u8).map(|i| vec![i; usize::from(i)]).collect();
        let mut tree = SegmentTree::default();
        for n in 0..leaves.len() {
            assert_eq!(tree.root(), merkle_tree_hash(&leaves[..n]), "{n} leaves");
            tree.push(&leaves[n]);
        }
    }
}
