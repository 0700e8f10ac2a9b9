//! Scalars: integers modulo the group order r.

use blstrs::Scalar;
use ff::Field;
use mediveil_codec::{DecodeError, Decoder};
use mediveil_rng::Compat06;
use rand_core::CryptoRng;
use std::fmt;
use std::hint::black_box;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// Bytes of a scalar, big-endian.
pub(crate) const SCALAR_LEN: usize = 32;

/// A secret scalar, overwritten on drop; `Debug` prints its name only.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) Scalar);

impl Secret {
    pub(crate) fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(random_scalar(rng))
    }

    /// The scalar in 32 bytes, big-endian.
    pub(crate) fn to_bytes(&self) -> Zeroizing<[u8; SCALAR_LEN]> {
        Zeroizing::new(self.0.to_bytes_be())
    }

    /// The twin of [`to_bytes`](Self::to_bytes): `None` for r and above.
    pub(crate) fn from_bytes(bytes: &[u8; SCALAR_LEN]) -> Option<Self> {
        scalar_from_bytes(bytes).map(Self)
    }

    /// Reads a secret scalar as an item of a body.
    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let bytes = Zeroizing::new(d.byte_array::<SCALAR_LEN>()?);
        Self::from_bytes(&bytes).ok_or_else(|| d.invalid("not a scalar"))
    }
}

impl ConstantTimeEq for Secret {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.to_bytes().ct_eq(&*other.to_bytes())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0 = Scalar::ZERO;
        black_box(&self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A uniform scalar.
pub(crate) fn random_scalar(rng: &mut (impl CryptoRng + ?Sized)) -> Scalar {
    Scalar::random(Compat06(rng))
}

/// A random 128-bit scalar that is not zero: the weight of one equation in a batch of them. A batch in a group of prime
/// order in which an equation is wrong holds with probability below 2^-127.
pub(crate) fn weight(rng: &mut (impl CryptoRng + ?Sized)) -> Scalar {
    let mut low = [0; 16];
    rng.fill_bytes(&mut low);
    match short_scalar(&low) {
        zero if zero == Scalar::ZERO => Scalar::ONE,
        weight => weight,
    }
}

/// The scalar with these 128 bits, little-endian.
pub(crate) fn short_scalar(low: &[u8; 16]) -> Scalar {
    let mut wide = [0; SCALAR_LEN];
    wide.iter_mut().zip(low).for_each(|(to, from)| *to = *from);
    Option::from(Scalar::from_bytes_le(&wide)).unwrap_or(Scalar::ZERO)
}

/// The scalar in 32 bytes, big-endian; `None` for r and above.
pub(crate) fn scalar_from_bytes(bytes: &[u8; SCALAR_LEN]) -> Option<Scalar> {
    Option::from(Scalar::from_bytes_be(bytes))
}
