//! FABEO as a key encapsulation that is secure against chosen ciphertexts.
//!
//! The transformation of Fujisaki and Okamoto (CRYPTO '99; as a KEM: Hofheinz, Hövelmanns and Kiltz, TCC 2017) with
//! explicit rejection. With `binding` the authority, policy, epoch and the caller's context:
//!
//! - sigma, 32 random bytes; the coins s1, s' and v come from sigma and binding, once;
//! - c = sigma xor KDF(A^s1, binding); the ciphertext is c, c2, c3 and the rows, with points compressed;
//! - the key is KDF(sigma, binding, all bytes of the ciphertext).
//!
//! Opening recovers sigma by the algebra, derives the coins again, encapsulates with them again and compares every point
//! with the one that was received. Nothing is left to a random combination, so a point that lies on the curve but outside its
//! subgroup is refused here like any other that is not what the coins give: rows need no subgroup check before. Whatever is
//! wrong, the answer is the same [`Rejected`].
//!
//! KDF is HKDF-SHA-256 (RFC 5869) with one label a use. Coins are the output of ChaCha20 keyed by it; a scalar takes 48
//! bytes, so its bias is below 2^-128.

use crate::access::AccessTree;
use crate::lsss;
use crate::scheme::{self, Coins, Header, KeyParts, PowerTable, RowTables, Secret, Term};
use blstrs::{Gt, Scalar};
use chacha20::ChaCha20Rng;
use hkdf::Hkdf;
use rand_core::{CryptoRng, Rng, SeedableRng};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The ciphertext does not open, for whatever reason: another key, or a change anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rejected;

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ciphertext {
    /// sigma, masked.
    pub(crate) masked: [u8; 32],
    pub(crate) header: Header,
}

/// The digest of what a ciphertext is bound to: authority, policy in canonical text, epoch, and the caller's context.
pub(crate) struct Binding([u8; 32]);

impl Binding {
    pub(crate) fn new(authority: &[u8; 32], policy: &str, sealed: Option<u32>, context: &[u8]) -> Self {
        let mut hash = Sha256::new_with_prefix(b"mediveil/abe/binding/v1\0");
        hash.update(authority);
        for field in [policy.as_bytes(), sealed.map(u32::to_be_bytes).as_ref().map_or(&[], |e| e.as_slice()), context] {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        Self(hash.finalize().into())
    }
}

/// HKDF-SHA-256 with a salt and a label for the use.
fn derive(salt: &[u8; 32], secret: &[u8], label: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    let expanded = Hkdf::<Sha256>::new(Some(salt), secret).expand(label, out.as_mut_slice());
    // Only more than 255 blocks cannot be expanded.
    debug_assert!(expanded.is_ok());
    out
}

/// A random scalar from 48 bytes: their value modulo the group's order.
pub(crate) fn random_scalar(rng: &mut (impl CryptoRng + ?Sized)) -> Scalar {
    let mut halves = Zeroizing::new([[0_u8; 32]; 2]);
    for half in halves.iter_mut() {
        if let Some(low) = half.get_mut(..24) {
            rng.fill_bytes(low);
        }
    }
    let [low, high] = halves.map(|h| Option::from(Scalar::from_bytes_le(&h)).unwrap_or(Scalar::from(0)));
    let mut shift = [0; 32];
    if let Some(byte) = shift.get_mut(24) {
        *byte = 1;
    }
    low + high * Option::from(Scalar::from_bytes_le(&shift)).unwrap_or(Scalar::from(0))
}

impl Coins {
    /// The coins of an encapsulation under `tree`.
    fn derive(sigma: &[u8; 32], binding: &Binding, tree: &AccessTree) -> Self {
        let mut rng = ChaCha20Rng::from_seed(*derive(&binding.0, sigma, b"mediveil/abe/coins/v1"));
        let s1 = Secret(random_scalar(&mut rng));
        let s_prime = (0..tree.occurrences).map(|_| Secret(random_scalar(&mut rng))).collect();
        let mut shares = Vec::with_capacity(tree.rows.len());
        // Leaves come in the order of rows.
        lsss::share(&tree.root, s1.0, &mut || random_scalar(&mut rng), &mut |_, share| shares.push(Secret(share)));
        Self { s1, s_prime, shares }
    }
}

fn mask(shared: &Gt, binding: &Binding) -> Option<Zeroizing<[u8; 32]>> {
    Some(derive(&binding.0, &scheme::gt_bytes(shared)?, b"mediveil/abe/mask/v1"))
}

fn xor(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    let mut out = *a;
    out.iter_mut().zip(b).for_each(|(to, from)| *to ^= from);
    out
}

impl Ciphertext {
    /// The digest of the binding and of every byte of the ciphertext.
    fn transcript(&self, binding: &Binding) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"mediveil/abe/transcript/v1\0");
        hash.update(binding.0);
        hash.update(self.masked);
        hash.update((self.header.c3.len() as u64).to_be_bytes());
        hash.update(self.header.c2.to_compressed());
        self.header.c3.iter().for_each(|p| hash.update(p.to_compressed()));
        self.header.rows.iter().for_each(|p| hash.update(p.to_compressed()));
        hash.finalize().into()
    }
}

/// A fresh key and its encapsulation. `tables` are of the labels of the tree's rows.
pub(crate) fn encapsulate(
    a: &PowerTable,
    tables: &RowTables,
    tree: &AccessTree,
    binding: &Binding,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(Ciphertext, Zeroizing<[u8; 32]>), Rejected> {
    let mut sigma = Zeroizing::new([0; 32]);
    rng.fill_bytes(sigma.as_mut_slice());
    let coins = Coins::derive(&sigma, binding, tree);
    let header = scheme::encapsulate(tables, &tree.rows, &coins).ok_or(Rejected)?;
    // No mask exists for s1 = 0, which has probability 2^-255.
    let mask = mask(&a.power(&coins.s1), binding).ok_or(Rejected)?;
    let ciphertext = Ciphertext { masked: xor(&sigma, &mask), header };
    let key = derive(&ciphertext.transcript(binding), sigma.as_slice(), b"mediveil/abe/key/v1");
    Ok((ciphertext, key))
}

/// The key in a ciphertext whose points lie on their curves, with a key whose `terms` reconstruct the secret.
pub(crate) fn decapsulate(
    ciphertext: &Ciphertext,
    key: &KeyParts,
    terms: &[Term],
    tables: &RowTables,
    tree: &AccessTree,
    binding: &Binding,
) -> Result<Zeroizing<[u8; 32]>, Rejected> {
    let shared = scheme::decapsulate(&ciphertext.header, key, terms).ok_or(Rejected)?;
    let sigma = Zeroizing::new(xor(&ciphertext.masked, &*mask(&shared, binding).ok_or(Rejected)?));
    let coins = Coins::derive(&sigma, binding, tree);
    // A^s1 needs no check of its own: it follows from the header.
    if scheme::encapsulate(tables, &tree.rows, &coins).as_ref() != Some(&ciphertext.header) {
        return Err(Rejected);
    }
    Ok(derive(&ciphertext.transcript(binding), sigma.as_slice(), b"mediveil/abe/key/v1"))
}

/// A random 128-bit weight.
pub(crate) fn weight(rng: &mut (impl Rng + ?Sized)) -> [u8; 16] {
    let mut weight = [0; 16];
    rng.fill_bytes(&mut weight);
    weight
}
