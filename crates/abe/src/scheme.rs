//! FABEO ciphertext-policy encryption: the algebra, and nothing else.
//!
//! Doreen Riepel and Hoeteck Wee, *FABEO: Fast Attribute-Based Encryption with Optimal Security*, ACM CCS 2022, the
//! ciphertext-policy scheme (section 4, in the form for policies in which attributes may stand several times), over
//! BLS12-381 as a type-III pairing e: G1 x G2 -> GT. Keys and rows lie in G1. Written with the group's operation as a
//! product:
//!
//! ```text
//! Setup          alpha random; public A = e(g1, g2)^alpha and the hash H: labels -> G1, with B = H(base label)
//! Key for S      r random; sk0 = g1^alpha B^r;  sk_u = H(u)^r for u in S;  sk2 = g2^r
//! Encapsulation  rows i = 1..n with attribute pi(i), occurrence rho(i), share lambda_i = M_i (s1, v):
//!                ct_i = B^lambda_i H(pi(i))^s'[rho(i)];  c2 = g2^s1;  c3_j = g2^s'[j];  the secret is A^s1
//! Decapsulation  gamma with sum gamma_i M_i = (1, 0, ..., 0):
//!                e(sk0, c2) prod_j e(prod_(rho(i)=j) sk_pi(i)^gamma_i, c3_j) / e(prod_i ct_i^gamma_i, sk2) = A^s1
//! ```
//!
//! **What it rests on.** Adaptive security against chosen plaintexts is proved in the generic group model with the hash as
//! a random oracle (both idealised); two keys do not combine because each has its own r. There is one s' for each
//! occurrence of an attribute: with one s' for all of them, the policy `(X or A) and (X or B)` opens to a key for A alone.
//! Chosen-ciphertext security is not here but in [`kem`](crate::kem).
//!
//! H is `hash_to_curve` of RFC 9380 for `BLS12381G1_XMD:SHA-256_SSWU_RO_` under this project's own tag, over the authority's id
//! and the label, so nobody knows a discrete logarithm of an attribute. Keys are linear in alpha and r: authorities that
//! hold Shamir shares of alpha can issue partial keys that combine by interpolation.
//!
//! Multiplications by secret scalars in G1 and G2 take the same steps for every scalar and read whole tables
//! ([`comb`](crate::comb)). The power in GT takes the same steps for every exponent, but looks up a table by its bits; the
//! exponent is the one-time s1 of a sealing.

use crate::access::Row;
use crate::comb::{self, Comb, Digits};
use blst::MultiPoint;
use blstrs::{Bls12, Compress, G1Affine, G1Projective, G2Affine, G2Prepared, G2Projective, Gt, Scalar};
use ff::Field;
use group::prime::PrimeCurveAffine;
use group::{Curve, Group};
use pairing::{MillerLoopResult, MultiMillerLoop};
use std::hint::black_box;
use std::sync::{Arc, OnceLock};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

/// The domain separation tag of the hash to G1 (RFC 9380 §3.1).
const DST: &[u8] = b"MEDIVEIL-ABE-V01-CS01-with-BLS12381G1_XMD:SHA-256_SSWU_RO_";

/// Bytes of a compressed point of G1.
pub(crate) const G1_LEN: usize = 48;

/// Bytes of a compressed point of G2.
pub(crate) const G2_LEN: usize = 96;

/// Bytes of a compressed element of GT.
pub(crate) const GT_LEN: usize = 288;

/// H of a label under an authority.
pub(crate) fn hash(authority: &[u8; 32], label: &[u8]) -> G1Projective {
    let message = [authority.as_slice(), label].concat();
    G1Projective::hash_to_curve(&message, DST, &[])
}

/// B: the hash of kind 0, which no attribute has.
pub(crate) fn base(authority: &[u8; 32]) -> G1Projective {
    hash(authority, &[0])
}

/// A secret scalar, overwritten on drop.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) Scalar);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0 = Scalar::ZERO;
        black_box(&self.0);
    }
}

/// A = e(g1, g2)^alpha.
pub(crate) fn public_key(alpha: &Secret) -> Gt {
    blstrs::pairing(&(G1Projective::generator() * alpha.0).to_affine(), &G2Affine::generator())
}

/// The group elements of a key. Overwritten on drop.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyParts {
    pub(crate) sk0: G1Affine,
    pub(crate) sk2: G2Affine,
    /// `sk_u`, in the order of the labels.
    pub(crate) sk: Vec<G1Affine>,
}

impl Drop for KeyParts {
    fn drop(&mut self) {
        self.sk0 = G1Affine::identity();
        self.sk2 = G2Affine::identity();
        self.sk.fill(G1Affine::identity());
        black_box((&self.sk0, &self.sk2, &self.sk));
    }
}

/// A key for the attributes with these hashes. `alpha` may be a share of a master secret. `None` has probability 2^-250.
pub(crate) fn generate_key(alpha: &Secret, tables: &RowTables, r: &Secret) -> Option<KeyParts> {
    let digits = Digits::new(&r.0);
    let powers: Vec<_> = std::iter::once(&tables.base).chain(&tables.hashes).map(|comb| [(&**comb, &digits)]).collect();
    let mut sk = comb::products(&powers)?;
    let sk0 = (G1Projective::generator() * alpha.0 + sk.first()?).to_affine();
    sk.remove(0);
    Some(KeyParts { sk0, sk2: g2_power(r).into(), sk })
}

/// Whether the parts are a key for the attributes with these hashes under A: e(sk0, g2) = A e(B, sk2), and
/// `e(sk_u, g2) = e(H(u), sk2)` for all u at once, by a linear combination with the given random 128-bit weights.
pub(crate) fn verify_key(a: &Gt, tables: &RowTables, key: &KeyParts, weights: &[[u8; 16]]) -> bool {
    if key.sk.len() != tables.hashes.len() || weights.len() != tables.hashes.len() {
        return false;
    }
    let minus_g2 = -G2Affine::generator();
    let head = product(&[(*tables.base.point(), key.sk2), (key.sk0, minus_g2)]);
    let keys = weighted_sum(&key.sk, weights).to_affine();
    let hashes: Vec<_> = tables.hashes.iter().map(|comb| *comb.point()).collect();
    let expected = weighted_sum(&hashes, weights).to_affine();
    head + a == Gt::identity() && product(&[(expected, key.sk2), (keys, minus_g2)]) == Gt::identity()
}

/// The scalars of one encapsulation.
pub(crate) struct Coins {
    pub(crate) s1: Secret,
    /// s', one for each occurrence.
    pub(crate) s_prime: Vec<Secret>,
    /// The share of s1 in each row.
    pub(crate) shares: Vec<Secret>,
}

/// What is sent: c2, c3 and the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) c2: G2Affine,
    pub(crate) c3: Vec<G2Affine>,
    pub(crate) rows: Vec<G1Affine>,
}

/// Combs of B and of H of some labels, in their order.
#[derive(Clone)]
pub(crate) struct RowTables {
    pub(crate) base: Arc<Comb>,
    pub(crate) hashes: Vec<Arc<Comb>>,
}

/// The header for these coins. `tables` are of the rows' labels. `None` has probability 2^-250.
pub(crate) fn encapsulate(tables: &RowTables, rows: &[Row], coins: &Coins) -> Option<Header> {
    let s_prime: Vec<_> = coins.s_prime.iter().map(|s| Digits::new(&s.0)).collect();
    let shares: Vec<_> = coins.shares.iter().map(|s| Digits::new(&s.0)).collect();
    let terms = rows
        .iter()
        .zip(&tables.hashes)
        .zip(&shares)
        .map(|((row, hash), share)| Some([(&*tables.base, share), (&**hash, s_prime.get(row.occurrence)?)]));
    let terms = terms.collect::<Option<Vec<_>>>()?;
    let c3 = coins.s_prime.iter().map(|s| g2_power(s).into()).collect();
    Some(Header { c2: g2_power(&coins.s1).into(), c3, rows: comb::products(&terms)? })
}

/// One row that takes part in a decapsulation.
#[derive(Clone, Copy)]
pub(crate) struct Term {
    /// Number of the row.
    pub(crate) row: usize,
    /// Number of the key's component for the row's attribute.
    pub(crate) component: usize,
    /// The row's occurrence.
    pub(crate) occurrence: usize,
    /// gamma.
    pub(crate) gamma: Scalar,
}

/// What the pairings give for these terms: A^s1 if the terms are a reconstruction, and `None` for a term that is not there.
///
/// The header's points need only lie on the curve: the pairing with `sk2` is a homomorphism on all of it.
pub(crate) fn decapsulate(header: &Header, key: &KeyParts, terms: &[Term]) -> Option<Gt> {
    let mut pairs = vec![(key.sk0, header.c2)];
    let last = terms.iter().map(|t| t.occurrence).max()?;
    for (occurrence, c3) in header.c3.iter().enumerate().take(last.saturating_add(1)) {
        let (mut points, mut gammas) = (Vec::new(), Vec::new());
        for term in terms.iter().filter(|t| t.occurrence == occurrence) {
            points.push(*key.sk.get(term.component)?);
            gammas.push(term.gamma);
        }
        if !points.is_empty() {
            pairs.push((sum_of_products(&points, &gammas).to_affine(), *c3));
        }
    }
    let rows = terms.iter().map(|t| header.rows.get(t.row).copied()).collect::<Option<Vec<_>>>()?;
    let gammas: Vec<_> = terms.iter().map(|t| t.gamma).collect();
    pairs.push(((-sum_of_products(&rows, &gammas)).to_affine(), key.sk2));
    (last < header.c3.len()).then(|| product(&pairs))
}

/// The product of pairings: one Miller loop each, one final exponentiation.
fn product(pairs: &[(G1Affine, G2Affine)]) -> Gt {
    let pairs: Vec<_> = pairs.iter().map(|(p, q)| (*p, G2Prepared::from(*q))).collect();
    let pairs: Vec<_> = pairs.iter().map(|(p, q)| (p, q)).collect();
    Bls12::multi_miller_loop(&pairs).final_exponentiation()
}

/// Powers of A by a table of the products of A, A^(2^64), A^(2^128) and A^(2^192): 64 squarings and 64 products for
/// every exponent. (`blstrs` squares 255 times and branches on the exponent's bits.)
#[derive(Clone)]
pub(crate) struct PowerTable([Gt; 16]);

impl PowerTable {
    pub(crate) fn new(a: &Gt) -> Self {
        let mut table = [Gt::identity(); 16];
        let mut power = *a;
        for bit in 0..4 {
            let step = 1_usize << bit;
            let lower: Vec<Gt> = table.iter().take(step).map(|t| t + power).collect();
            table.iter_mut().skip(step).zip(lower).for_each(|(to, from)| *to = from);
            (0..64).for_each(|_| power = power.double());
        }
        Self(table)
    }

    /// A^s.
    pub(crate) fn power(&self, s: &Secret) -> Gt {
        let bytes = Zeroizing::new(s.0.to_bytes_le());
        let bit = |word: usize, i: usize| {
            let byte = bytes.get(word.saturating_mul(8).saturating_add(i / 8)).copied().unwrap_or(0);
            usize::from(byte >> (i % 8) & 1)
        };
        let mut result = Gt::identity();
        for i in (0..64).rev() {
            let index = bit(0, i) | bit(1, i) << 1 | bit(2, i) << 2 | bit(3, i) << 3;
            result = result.double() + self.0.get(index).copied().unwrap_or_else(Gt::identity);
        }
        result
    }
}

/// Multiples of g2: for each of 52 windows of 5 bits, 1 to 16 times g2 2^(5 w). A product is then 52 additions, a third of
/// the work of `blst`'s multiplication of any point. Each window reads its whole row of the table, so time and memory
/// access do not depend on the scalar.
struct GeneratorTable(Vec<[G2Affine; 16]>);

impl GeneratorTable {
    const WINDOWS: usize = 52;

    fn new() -> Self {
        let mut points = Vec::with_capacity(Self::WINDOWS.saturating_mul(16));
        let mut step = G2Projective::generator();
        for _ in 0..Self::WINDOWS {
            let mut multiple = step;
            for _ in 0..16 {
                points.push(multiple);
                multiple += step;
            }
            // The last pushed is 16 times the step; the next window's step is twice that.
            step = points.last().copied().unwrap_or(step).double();
        }
        let mut affine = vec![G2Affine::identity(); points.len()];
        G2Projective::batch_normalize(&points, &mut affine);
        Self(affine.as_chunks::<16>().0.to_vec())
    }

    fn power(&self, s: &Scalar) -> G2Projective {
        let bytes = Zeroizing::new(s.to_bytes_le());
        let bit = |i: usize| bytes.get(i / 8).map_or(0, |byte| byte >> (i % 8) & 1);
        let mut sum = G2Projective::identity();
        let mut carry = 0_u8;
        for (window, row) in self.0.iter().enumerate() {
            let at = window.saturating_mul(5);
            let bits = (0..5).fold(0_u8, |bits, i| bits | bit(at.saturating_add(i)) << i);
            // The digit is bits + carry, from 0 to 32; above 16 it becomes negative and carries one. Scalars have 255 bits,
            // so the last window takes nothing but the carry of the one before.
            let digit = bits.wrapping_add(carry);
            let negative = Choice::from(16_u8.wrapping_sub(digit) >> 7);
            carry = negative.unwrap_u8();
            let magnitude = u8::conditional_select(&digit, &32_u8.wrapping_sub(digit), negative);
            let mut point = G2Affine::identity();
            for (entry, multiple) in row.iter().zip(1_u8..) {
                point.conditional_assign(entry, magnitude.ct_eq(&multiple));
            }
            let minus = -point;
            point.conditional_assign(&minus, negative);
            sum += point;
        }
        sum
    }
}

/// g2^s.
fn g2_power(s: &Secret) -> G2Projective {
    static TABLE: OnceLock<GeneratorTable> = OnceLock::new();
    TABLE.get_or_init(GeneratorTable::new).power(&s.0)
}

/// An element of GT as bytes: torus-compressed (`blstrs`). `None` for the identity, which has no such form.
pub(crate) fn gt_bytes(element: &Gt) -> Option<Zeroizing<Vec<u8>>> {
    if *element == Gt::identity() {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(GT_LEN));
    element.write_compressed(&mut *bytes).ok()?;
    Some(bytes)
}

/// The element of the group of order r with these bytes; never the identity.
pub(crate) fn gt_from_bytes(bytes: &[u8]) -> Option<Gt> {
    let element = Gt::read_compressed(bytes).ok()?;
    gt_bytes(&element).filter(|b| b.as_slice() == bytes).map(|_| element)
}

/// The point of the subgroup with this compressed form; never the identity.
pub(crate) fn g1_from_bytes(bytes: &[u8; G1_LEN]) -> Option<G1Affine> {
    Option::from(G1Affine::from_compressed(bytes)).filter(|p: &G1Affine| !bool::from(p.is_identity()))
}

/// The point of the curve with this compressed form, in the subgroup or not; never the identity.
pub(crate) fn g1_from_bytes_on_curve(bytes: &[u8; G1_LEN]) -> Option<G1Affine> {
    Option::from(G1Affine::from_compressed_unchecked(bytes)).filter(|p: &G1Affine| !bool::from(p.is_identity()))
}

/// The point of the subgroup with this compressed form; never the identity.
pub(crate) fn g2_from_bytes(bytes: &[u8; G2_LEN]) -> Option<G2Affine> {
    Option::from(G2Affine::from_compressed(bytes)).filter(|p: &G2Affine| !bool::from(p.is_identity()))
}

/// Affine coordinates of many points, with one inversion. The identity stays the identity.
pub(crate) fn to_affine(points: &[G1Projective]) -> Vec<G1Affine> {
    if points.is_empty() {
        return Vec::new();
    }
    // One identity would poison the shared inversion.
    if points.iter().any(|p| bool::from(p.is_identity())) {
        return points.iter().map(G1Affine::from).collect();
    }
    let raw: Vec<blst::blst_p1> = points.iter().map(|p| *p.as_ref()).collect();
    let affine = blst::p1_affines::from(&raw);
    affine
        .as_slice()
        .iter()
        .map(|raw| {
            let mut point = G1Affine::identity();
            *point.as_mut() = *raw;
            point
        })
        .collect()
}

/// The sum of `weight_i P_i` for 128-bit weights, in variable time.
fn weighted_sum(points: &[G1Affine], weights: &[[u8; 16]]) -> G1Projective {
    multi_scalar(points, weights.as_flattened(), 128)
}

/// The sum of `k_i P_i`, in variable time.
fn sum_of_products(points: &[G1Affine], scalars: &[Scalar]) -> G1Projective {
    let mut sum = G1Projective::identity();
    let (mut rest, mut bytes) = (Vec::new(), Vec::new());
    for (point, scalar) in points.iter().zip(scalars) {
        if *scalar == Scalar::ONE {
            sum += point;
        } else {
            rest.push(*point);
            bytes.extend_from_slice(&scalar.to_bytes_le());
        }
    }
    sum + multi_scalar(&rest, &bytes, 255)
}

fn multi_scalar(points: &[G1Affine], scalars: &[u8], bits: usize) -> G1Projective {
    let mut sum = G1Projective::identity();
    if !points.is_empty() {
        let raw: Vec<blst::blst_p1_affine> = points.iter().map(|p| *p.as_ref()).collect();
        *sum.as_mut() = raw.as_slice().mult(scalars, bits);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalars() -> Vec<Scalar> {
        let mut rng = mediveil_rng::SeededRng::from_u64(1);
        let edge = [0_u64, 1, 15, 16, 17, 31, 32, 33].map(Scalar::from);
        let near: Vec<_> = edge.iter().map(|s| -s).collect();
        let random: Vec<_> = (0..8).map(|_| crate::kem::random_scalar(&mut rng)).collect();
        edge.into_iter().chain(near).chain(random).collect()
    }

    /// The hash is the one of RFC 9380, appendix J.9.1 (msg "abc"), under that appendix's tag.
    #[test]
    fn the_hash_is_rfc_9380s() {
        let dst = b"QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_";
        let point = G1Projective::hash_to_curve(b"abc", dst, &[]).to_affine();
        assert_eq!(
            hex::encode(&point.to_uncompressed()[..48]),
            "03567bc5ef9c690c2ab2ecdf6a96ef1c139cc0b2f284dca0a9a7943388a49a3aee664ba5379a7655d3c68900be2f6903"
        );
    }

    #[test]
    fn tables_give_the_same_powers_as_blstrs() {
        let a = public_key(&Secret(Scalar::from(5)));
        let powers = PowerTable::new(&a);
        for s in scalars() {
            assert_eq!(g2_power(&Secret(s)), G2Projective::generator() * s);
            assert_eq!(powers.power(&Secret(s)), a * s);
        }
    }

    #[test]
    fn sums_of_products_are_sums_of_products() {
        let scalars = scalars();
        let points: Vec<_> = scalars.iter().map(|s| G1Affine::from(hash(&[1; 32], &s.to_bytes_le()))).collect();
        let expected: G1Projective = points.iter().zip(&scalars).map(|(p, s)| G1Projective::from(p) * s).sum();
        assert_eq!(sum_of_products(&points, &scalars), expected);
        assert_eq!(sum_of_products(&[], &[]), G1Projective::identity());
    }

    #[test]
    fn identity_and_points_of_the_wrong_subgroup_are_refused() {
        let mut identity = [0; G1_LEN];
        identity[0] = 0xc0;
        assert!(g1_from_bytes(&identity).is_none());
        let mut identity = [0; G2_LEN];
        identity[0] = 0xc0;
        assert!(g2_from_bytes(&identity).is_none());
        // Points on the curve with a small x: nearly all lie outside the subgroup, as the cofactors are large.
        let (mut outside_g1, mut outside_g2) = (0, 0);
        for x in 1..40_u8 {
            let mut bytes = [0; G1_LEN];
            (bytes[0], bytes[G1_LEN - 1]) = (0x80, x);
            if bool::from(G1Affine::from_compressed_unchecked(&bytes).is_some()) {
                outside_g1 += 1;
                assert!(g1_from_bytes(&bytes).is_none());
            }
            let mut bytes = [0; G2_LEN];
            (bytes[0], bytes[G2_LEN - 1]) = (0x80, x);
            if bool::from(G2Affine::from_compressed_unchecked(&bytes).is_some()) {
                outside_g2 += 1;
                assert!(g2_from_bytes(&bytes).is_none());
            }
        }
        assert!(outside_g1 > 5 && outside_g2 > 5);
        assert!(gt_from_bytes(&[0; GT_LEN]).is_none());
        assert!(gt_bytes(&Gt::identity()).is_none());
    }
}
