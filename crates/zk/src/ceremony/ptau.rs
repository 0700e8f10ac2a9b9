//! `.ptau` files: powers of tau as snarkjs stores them (phase 1), read and checked, and small ones made for tests.
//!
//! `"ptau"`, version 1, sections of (type, length): 1 header (bytes a coordinate, modulus, power, ceremony power), 2 tau^i in
//! G1 (2^(p+1) - 1 of them), 3 tau^i in G2 (2^p), 4 alpha tau^i, 5 beta tau^i in G1 (2^p each), 6 beta in G2, 7 contributions.
//! Coordinates are little-endian in Montgomery form.
//!
//! A file that was prepared for phase 2 also has sections 12 to 15: sections 2 to 5 at the Lagrange polynomials of the
//! domains of 2^0, 2^1, ... 2^p, one after another (and in section 12 of 2^(p+1)). They spare the transform, which takes
//! longer than all the rest; they are used where they agree with the powers, and otherwise made from them.

use super::{same_ratio, weight};
use crate::points::random_scalar;
use ark_bn254::{Fq, Fq2, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr as _, CurveGroup as _, PrimeGroup as _, ScalarMul as _, VariableBaseMSM as _};
use ark_ff::{BigInt, BigInteger as _, PrimeField as _};
use ark_poly::{EvaluationDomain as _, Radix2EvaluationDomain};
use rand_core::CryptoRng;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

/// A `.ptau` file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PtauError {
    /// The file is cut short or not in this format.
    #[error("not a .ptau file: {0}")]
    Form(&'static str),
    /// The file is for another curve.
    #[error("this .ptau file is not for BN254 (bn128)")]
    Curve,
    /// A point is off its curve, outside its group or infinity.
    #[error("section {0} of the .ptau file has a point that is not in its group")]
    Point(u32),
    /// The points are not powers of one tau, alpha and beta.
    #[error("section {0} of the .ptau file does not hold powers of tau")]
    NotPowers(u32),
    /// The statement needs more powers.
    #[error("this .ptau file has 2^{found} powers; the statement needs 2^{needed}")]
    TooSmall {
        /// What the statement needs.
        needed: u32,
        /// What the file has.
        found: u32,
    },
}

/// Checked powers of tau.
#[derive(Clone, Debug)]
pub struct Ptau {
    pub(super) power: u32,
    pub(super) tau_g1: Vec<G1Affine>,
    pub(super) tau_g2: Vec<G2Affine>,
    pub(super) alpha_tau: Vec<G1Affine>,
    pub(super) beta_tau: Vec<G1Affine>,
    pub(super) beta_g2: G2Affine,
    /// Sections 12 to 15 as they stand in the file, if it has them.
    prepared: Option<[Vec<u8>; 4]>,
    sha256: [u8; 32],
}

/// The powers at the Lagrange polynomials of one domain.
pub(super) struct Lagrange {
    pub(super) tau_g1: Vec<G1Affine>,
    pub(super) tau_g2: Vec<G2Affine>,
    pub(super) alpha_tau: Vec<G1Affine>,
    pub(super) beta_tau: Vec<G1Affine>,
}

const MAX_POWER: u32 = 22;

impl Ptau {
    /// Reads and checks a file. `rng` draws the weights of the check.
    ///
    /// # Errors
    /// [`PtauError`].
    pub fn read(file: &[u8], rng: &mut (impl CryptoRng + ?Sized)) -> Result<Self, PtauError> {
        let sections = sections(file)?;
        let section = |kind: u32| {
            let mut found = sections.iter().filter(|(k, _)| *k == kind).map(|(_, bytes)| *bytes);
            match (found.next(), found.next()) {
                (Some(bytes), None) => Ok(bytes),
                _ => Err(PtauError::Form("a section is missing or there twice")),
            }
        };
        let power = header(section(1)?)?;
        let n = 1_usize << power;
        let ptau = Self {
            power,
            tau_g1: read_g1(section(2)?, (2 * n).saturating_sub(1), 2)?,
            tau_g2: read_g2(section(3)?, n, 3)?,
            alpha_tau: read_g1(section(4)?, n, 4)?,
            beta_tau: read_g1(section(5)?, n, 5)?,
            beta_g2: read_g2(section(6)?, 1, 6)?.first().copied().ok_or(PtauError::Point(6))?,
            prepared: match [12, 13, 14, 15].map(section) {
                [Ok(a), Ok(b), Ok(c), Ok(d)] => Some([a, b, c, d].map(<[u8]>::to_vec)),
                _ => None,
            },
            sha256: Sha256::digest(file).into(),
        };
        ptau.check(rng)?;
        Ok(ptau)
    }

    /// The SHA-256 of the file: what all parties agree on.
    #[must_use]
    pub const fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// The binary logarithm of how many powers there are: statements of up to 2^power rows and inputs.
    #[must_use]
    pub const fn power(&self) -> u32 {
        self.power
    }

    /// The Lagrange polynomials of the domain of 2^power at tau, times 1, alpha and beta; `None` beyond the file's power.
    pub(super) fn lagrange(&self, power: u32) -> Option<Lagrange> {
        let n = 1_usize.checked_shl(power)?;
        let domain = Radix2EvaluationDomain::<Fr>::new(n)?;
        if let Some(prepared) = self.prepared(power, &domain) {
            return Some(prepared);
        }
        let g1 = |powers: &[G1Affine]| -> Option<Vec<G1Affine>> {
            let powers: Vec<G1Projective> = powers.get(..n)?.iter().map(|p| p.into_group()).collect();
            Some(G1Projective::normalize_batch(&domain.ifft(&powers)))
        };
        let powers: Vec<G2Projective> = self.tau_g2.get(..n)?.iter().map(|p| p.into_group()).collect();
        Some(Lagrange {
            tau_g1: g1(&self.tau_g1)?,
            tau_g2: G2Projective::normalize_batch(&domain.ifft(&powers)),
            alpha_tau: g1(&self.alpha_tau)?,
            beta_tau: g1(&self.beta_tau)?,
        })
    }

    /// The same out of the file, if it has them and they agree with the powers: the sum of `c_i L_i(tau)` is p(tau) for the
    /// polynomial p with values `c_i`. The weights are hashed from the file, so that they are not known before it is.
    fn prepared(&self, power: u32, domain: &Radix2EvaluationDomain<Fr>) -> Option<Lagrange> {
        let [tau_g1, tau_g2, alpha_tau, beta_tau] = self.prepared.as_ref()?;
        let n = 1_usize.checked_shl(power)?;
        let level = |bytes: &'_ [u8], size: usize| -> Option<Vec<u8>> {
            let start = n.checked_sub(1)?.checked_mul(size)?;
            bytes.get(start..start.checked_add(n.checked_mul(size)?)?).map(<[u8]>::to_vec)
        };
        let lagrange = Lagrange {
            tau_g1: read_g1(&level(tau_g1, 64)?, n, 12).ok()?,
            tau_g2: read_g2(&level(tau_g2, 128)?, n, 13).ok()?,
            alpha_tau: read_g1(&level(alpha_tau, 64)?, n, 14).ok()?,
            beta_tau: read_g1(&level(beta_tau, 64)?, n, 15).ok()?,
        };
        let weights: Vec<Fr> = (0..n as u64)
            .map(|i| {
                let hash = Sha256::new_with_prefix(b"mediveil/zk/lagrange/v1\0").chain_update(self.sha256);
                Fr::from_be_bytes_mod_order(&hash.chain_update(i.to_be_bytes()).finalize())
            })
            .collect();
        let coefficients = domain.ifft(&weights);
        let g1 = |at: &[G1Affine], powers: &[G1Affine]| {
            let powers = powers.get(..n).unwrap_or_default();
            G1Projective::msm(at, &weights) == G1Projective::msm(powers, &coefficients)
        };
        let powers = self.tau_g2.get(..n)?;
        let agree = g1(&lagrange.tau_g1, &self.tau_g1)
            && g1(&lagrange.alpha_tau, &self.alpha_tau)
            && g1(&lagrange.beta_tau, &self.beta_tau)
            && G2Projective::msm(&lagrange.tau_g2, &weights) == G2Projective::msm(powers, &coefficients);
        agree.then_some(lagrange)
    }

    /// Each section by one random linear combination: shifted by one place, it must be multiplied by tau.
    fn check(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(), PtauError> {
        let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
        let tau_g2 = self.tau_g2.get(1).copied().unwrap_or_else(G2Affine::zero);
        let tau_g1 = self.tau_g1.get(1).copied().unwrap_or_else(G1Affine::zero);
        if self.tau_g1.first() != Some(&g1) {
            return Err(PtauError::NotPowers(2));
        }
        if self.tau_g2.first() != Some(&g2) {
            return Err(PtauError::NotPowers(3));
        }
        for (section, points) in [(2, &self.tau_g1), (4, &self.alpha_tau), (5, &self.beta_tau)] {
            let weights: Vec<Fr> = points.iter().skip(1).map(|_| weight(rng)).collect();
            let low = points.split_last().map_or(&[][..], |(_, low)| low);
            let high = points.split_first().map_or(&[][..], |(_, high)| high);
            let (Ok(low), Ok(high)) = (G1Projective::msm(low, &weights), G1Projective::msm(high, &weights)) else {
                return Err(PtauError::NotPowers(section));
            };
            if !same_ratio((low.into_affine(), high.into_affine()), (g2, tau_g2)) {
                return Err(PtauError::NotPowers(section));
            }
        }
        let weights: Vec<Fr> = self.tau_g2.iter().skip(1).map(|_| weight(rng)).collect();
        let low = self.tau_g2.split_last().map_or(&[][..], |(_, low)| low);
        let high = self.tau_g2.split_first().map_or(&[][..], |(_, high)| high);
        let (Ok(low), Ok(high)) = (G2Projective::msm(low, &weights), G2Projective::msm(high, &weights)) else {
            return Err(PtauError::NotPowers(3));
        };
        if !same_ratio((g1, tau_g1), (low.into_affine(), high.into_affine())) {
            return Err(PtauError::NotPowers(3));
        }
        let beta = self.beta_tau.first().copied().unwrap_or_else(G1Affine::zero);
        if same_ratio((g1, beta), (g2, self.beta_g2)) { Ok(()) } else { Err(PtauError::NotPowers(6)) }
    }

    /// The bytes of a file with 2^power powers of a tau that is drawn here, and so known for a moment: for tests and
    /// tours, not for keys that anyone should trust. `power` is at most 22.
    pub fn generate_small(power: u32, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<u8> {
        let power = power.clamp(1, MAX_POWER);
        let n = 1_usize << power;
        let (tau, alpha, beta) = (random_scalar(rng), random_scalar(rng), random_scalar(rng));
        let powers: Vec<Fr> =
            std::iter::successors(Some(Fr::from(1)), |p| Some(*p * tau)).take((2 * n).saturating_sub(1)).collect();
        let one = Fr::from(1);
        // The Lagrange polynomials of the domains of 2^0 ... 2^last at tau.
        let lagrange = |last: u32| -> Vec<Fr> {
            let domains = (0..=last).filter_map(|power| Radix2EvaluationDomain::<Fr>::new(1_usize << power));
            domains.flat_map(|domain| domain.evaluate_all_lagrange_coefficients(tau)).collect()
        };
        let (lagrange, longer) = (lagrange(power), lagrange(power.saturating_add(1)));
        let g1 = |factor: Fr, scalars: &[Fr]| -> Vec<u8> {
            let scalars: Vec<Fr> = scalars.iter().map(|s| factor * s).collect();
            let points = G1Projective::generator().batch_mul(&scalars);
            points.iter().flat_map(|p| [montgomery(&p.x), montgomery(&p.y)].concat()).collect()
        };
        let g2 = |scalars: &[Fr]| -> Vec<u8> {
            let points = G2Projective::generator().batch_mul(scalars);
            points.iter().flat_map(|p| [p.x.c0, p.x.c1, p.y.c0, p.y.c1].map(|c| montgomery(&c)).concat()).collect()
        };
        let mut header = 32_u32.to_le_bytes().to_vec();
        header.extend(Fq::MODULUS.to_bytes_le());
        header.extend(power.to_le_bytes());
        header.extend(power.to_le_bytes());
        let low = powers.get(..n).unwrap_or(&powers);
        let sections: [(u32, Vec<u8>); 11] = [
            (1, header),
            (2, g1(one, &powers)),
            (3, g2(low)),
            (4, g1(alpha, low)),
            (5, g1(beta, low)),
            (6, g2(&[beta])),
            (7, 0_u32.to_le_bytes().to_vec()),
            (12, g1(one, &longer)),
            (13, g2(&lagrange)),
            (14, g1(alpha, &lagrange)),
            (15, g1(beta, &lagrange)),
        ];
        let mut out = b"ptau".to_vec();
        out.extend(1_u32.to_le_bytes());
        out.extend(11_u32.to_le_bytes());
        for (kind, bytes) in &sections {
            out.extend(kind.to_le_bytes());
            out.extend((bytes.len() as u64).to_le_bytes());
            out.extend(bytes);
        }
        out
    }
}

fn sections(file: &[u8]) -> Result<Vec<(u32, &[u8])>, PtauError> {
    const SHORT: PtauError = PtauError::Form("it is cut short");
    let (magic, rest) = file.split_first_chunk::<4>().ok_or(SHORT)?;
    let (version, rest) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
    let (count, mut rest) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
    if magic != b"ptau" || u32::from_le_bytes(*version) != 1 {
        return Err(PtauError::Form("another magic or version"));
    }
    let mut out = Vec::new();
    for _ in 0..u32::from_le_bytes(*count).min(64) {
        let (kind, tail) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
        let (length, tail) = tail.split_first_chunk::<8>().ok_or(SHORT)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| SHORT)?;
        let (bytes, tail) = tail.split_at_checked(length).ok_or(SHORT)?;
        out.push((u32::from_le_bytes(*kind), bytes));
        rest = tail;
    }
    if rest.is_empty() { Ok(out) } else { Err(PtauError::Form("bytes follow its last section")) }
}

fn header(bytes: &[u8]) -> Result<u32, PtauError> {
    const SHORT: PtauError = PtauError::Form("the header has another length");
    let (size, rest) = bytes.split_first_chunk::<4>().ok_or(SHORT)?;
    if u32::from_le_bytes(*size) != 32 {
        return Err(PtauError::Curve);
    }
    let (modulus, rest) = rest.split_first_chunk::<32>().ok_or(SHORT)?;
    if modulus.as_slice() != Fq::MODULUS.to_bytes_le() {
        return Err(PtauError::Curve);
    }
    let (power, _) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
    let power = u32::from_le_bytes(*power);
    if rest.len() == 8 && (1..=MAX_POWER).contains(&power) { Ok(power) } else { Err(SHORT) }
}

/// R = 2^256 modulo the coordinates' modulus, inverted: out of Montgomery form by multiplication, which keeps to the
/// public interface of the field.
fn radix() -> Fq {
    use ark_ff::Field as _;
    Fq::from(2).pow([256])
}

fn montgomery(x: &Fq) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip((*x * radix()).into_bigint().to_bytes_le()) {
        *to = from;
    }
    out
}

fn coordinate(bytes: &[u8; 32], inverse: Fq) -> Option<Fq> {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *limb = u64::from_le_bytes(*chunk);
    }
    Fq::from_bigint(BigInt::new(limbs)).map(|x| x * inverse)
}

fn inverse_radix() -> Fq {
    use ark_ff::Field as _;
    radix().inverse().unwrap_or_default()
}

fn read_g1(bytes: &[u8], count: usize, section: u32) -> Result<Vec<G1Affine>, PtauError> {
    let (points, rest) = bytes.as_chunks::<64>();
    if points.len() != count || !rest.is_empty() {
        return Err(PtauError::Form("a section has another length"));
    }
    let inverse = inverse_radix();
    let read = |bytes: &[u8; 64]| {
        let [x, y] = bytes.as_chunks::<32>().0 else { return None };
        let point = G1Affine::new_unchecked(coordinate(x, inverse)?, coordinate(y, inverse)?);
        point.is_on_curve().then_some(point)
    };
    points.par_iter().map(read).collect::<Option<Vec<_>>>().ok_or(PtauError::Point(section))
}

fn read_g2(bytes: &[u8], count: usize, section: u32) -> Result<Vec<G2Affine>, PtauError> {
    let (points, rest) = bytes.as_chunks::<128>();
    if points.len() != count || !rest.is_empty() {
        return Err(PtauError::Form("a section has another length"));
    }
    let inverse = inverse_radix();
    let read = |bytes: &[u8; 128]| {
        let [x0, x1, y0, y1] = bytes.as_chunks::<32>().0 else { return None };
        let x = Fq2::new(coordinate(x0, inverse)?, coordinate(x1, inverse)?);
        let point = G2Affine::new_unchecked(x, Fq2::new(coordinate(y0, inverse)?, coordinate(y1, inverse)?));
        (point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve()).then_some(point)
    };
    points.par_iter().map(read).collect::<Option<Vec<_>>>().ok_or(PtauError::Point(section))
}
