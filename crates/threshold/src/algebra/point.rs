//! Points of G1 on the wire: 48 bytes, compressed, never the identity; and 96 bytes, uncompressed, where there are so many
//! that the square roots would be most of the work.
//!
//! The curve's group has r h points with the cofactor h = 3 * 11^2 * 10177^2 * 859267^2 * 52437899^2, so a point of the
//! curve need not lie in G1, and a sum weighted with random numbers overlooks a part of order 3 once in three times.
//! [`decode_point`] looks at each point. [`decode_wide_point`] does not, and is for the commitments of a dealing: what is
//! used of those is only their sum over all dealers, and [`deal`](crate::deal) looks at that sum, exactly.

use blstrs::G1Affine;
use group::prime::PrimeCurveAffine;
use mediveil_codec::{DecodeError, Decoder, Encoder};

/// Bytes of a compressed point.
pub(crate) const G1_LEN: usize = 48;

/// Writes a point as an item of a body.
pub(crate) fn encode_point(e: &mut Encoder<'_>, point: &G1Affine) {
    e.bytes(&point.to_compressed());
}

/// A point of G1 that is not the identity.
pub(crate) fn decode_point(d: &mut Decoder<'_>) -> Result<G1Affine, DecodeError> {
    let bytes = d.byte_array::<G1_LEN>()?;
    let point = on_curve(d, G1Affine::from_compressed_unchecked(&bytes).into())?;
    if bool::from(point.is_torsion_free()) { Ok(point) } else { Err(d.invalid("a point outside the group G1")) }
}

/// Writes both coordinates of a point as an item of a body.
pub(crate) fn encode_wide_point(e: &mut Encoder<'_>, point: &G1Affine) {
    e.bytes(&point.to_uncompressed());
}

/// A point of the curve, by both coordinates, that is not the identity and may lie outside G1.
pub(crate) fn decode_wide_point(d: &mut Decoder<'_>) -> Result<G1Affine, DecodeError> {
    let bytes = d.byte_array::<{ 2 * G1_LEN }>()?;
    if is_compressed(&bytes) {
        return Err(d.invalid("a compressed point"));
    }
    on_curve(d, G1Affine::from_uncompressed_unchecked(&bytes).into())
}

/// Whether the first byte says that the point is compressed. `blst` reads such a point from the first half of what should
/// hold an uncompressed one and ignores the rest, so that a point would have many encodings.
pub(crate) fn is_compressed(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|first| first & 0x80 != 0)
}

fn on_curve(d: &Decoder<'_>, point: Option<G1Affine>) -> Result<G1Affine, DecodeError> {
    let point = point.ok_or_else(|| d.invalid("not a point of the curve"))?;
    if bool::from(point.is_identity()) { Err(d.invalid("the identity")) } else { Ok(point) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use blstrs::{G1Projective, Scalar};
    use ff::Field;
    use group::Group;

    /// k P by doubling and adding: `blst`'s own multiplication is right in G1 only.
    pub(crate) fn times(point: G1Projective, k: &[u8]) -> G1Projective {
        let mut sum = G1Projective::identity();
        for bit in k.iter().flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1)) {
            sum = sum.double();
            if bit == 1 {
                sum += point;
            }
        }
        sum
    }

    /// A point of order 3, and one whose order divides the whole cofactor.
    pub(crate) fn torsion() -> [G1Affine; 2] {
        let mut bytes = [0; G1_LEN];
        bytes[0] = 0x80;
        let r_minus_1 = (-Scalar::ONE).to_bytes_be();
        // r times a point is killed by the cofactor. Of the points with small x, take one that has a part of order 3.
        (1..=255)
            .find_map(|x| {
                bytes[G1_LEN - 1] = x;
                let point = Option::<G1Affine>::from(G1Affine::from_compressed_unchecked(&bytes))?;
                let by_r = times(point.into(), &r_minus_1) + point;
                let three = times(by_r, &(H / 3).to_be_bytes());
                (!bool::from(three.is_identity())).then(|| [three.into(), by_r.into()])
            })
            .unwrap()
    }

    /// The cofactor.
    const H: u128 = 0x396c_8c00_5555_e156_8c00_aaab_0000_aaab;

    #[test]
    fn a_wide_point_has_one_encoding() {
        use mediveil_codec::{ObjectType, Wire};
        #[derive(Debug)]
        struct Wide(G1Affine);
        impl Wire for Wide {
            const TYPE: ObjectType = ObjectType::Dealing;
            const MAX_BODY: usize = 128;
            fn encode_body(&self, e: &mut Encoder<'_>) {
                encode_wide_point(e, &self.0);
            }
            fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
                decode_wide_point(d).map(Self)
            }
        }
        let point = G1Affine::from(G1Projective::generator() * Scalar::from(7));
        let bytes = Wide(point).encode();
        assert_eq!(Wide::decode(&bytes).unwrap().0, point);
        mediveil_codec::testing::check_decoding::<Wide>(&bytes);
        let put = |content: &[u8]| {
            let mut changed = bytes.clone();
            changed[14..14 + content.len()].copy_from_slice(content);
            Wide::decode(&changed).unwrap_err().to_string()
        };
        assert!(put(&point.to_compressed()).contains("a compressed point"));
        assert!(put(&G1Affine::identity().to_compressed()).contains("a compressed point"));
        assert!(put(&G1Affine::identity().to_uncompressed()).contains("the identity"));
        assert!(put(&[0; 96]).contains("not a point of the curve"));
        // Points outside G1 pass, but for the two of order 3, (0, 2) and (0, -2), which `blst` knows by sight.
        let [three, all] = torsion();
        assert_eq!(Wide::decode(&Wide(all).encode()).unwrap().0, all);
        assert!(Wide::decode(&Wide(three).encode()).is_err());
    }

    #[test]
    fn torsion_points_are_on_the_curve_and_not_in_g1() {
        for point in torsion() {
            assert!(bool::from(point.is_on_curve()) && !bool::from(point.is_torsion_free()));
            assert!(!bool::from(point.is_identity()));
        }
        let [three, all] = torsion();
        assert!(bool::from((G1Projective::from(three).double() + three).is_identity()));
        assert!(bool::from(times(all.into(), &H.to_be_bytes()).is_identity()));
    }
}
