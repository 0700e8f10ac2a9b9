//! Gadgets against their native twins.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use ark_bn254::Fr;
use ark_ec::{AffineRepr as _, CurveGroup as _, PrimeGroup as _};
use ark_ff::{BigInteger as _, Field as _, MontFp, One as _, PrimeField as _, UniformRand as _, Zero as _};
use mediveil_circuits::gadgets::babyjubjub::{self, Point};
use mediveil_circuits::gadgets::bits::{at_least, at_most, bits, is_less_or_equal, less, less_or_equal};
use mediveil_circuits::gadgets::eddsa::{self, PublicKey, Signature, SignatureNums, SigningKey};
use mediveil_circuits::gadgets::{decimal, merkle, poseidon};
use mediveil_circuits::r1cs::{Assignment, Builder, Num, R1cs, Unsatisfied};
use mediveil_circuits::testing::{mutate_every_cell, violated};
use mediveil_record::field::Tag;
use mediveil_record::merkle::Tree;
use mediveil_rng::{Compat06, SeededRng};
use proptest::prelude::*;
use taceo_ark_babyjubjub::{EdwardsAffine, EdwardsProjective, Fr as Scalar};

const TAG: Tag = Tag::new("mediveil/test/v1");

/// Runs a gadget both ways: its rows, its values and what it returned; the rows must agree with the values.
fn run(gadget: impl Fn(&mut Builder) -> Option<Num>) -> (R1cs, Result<Assignment, Unsatisfied>, Option<Fr>) {
    let (mut cs, _) = Builder::shape(0);
    let _ = gadget(&mut cs);
    let r1cs = cs.into_shape().unwrap();
    let (mut cs, _) = Builder::assign(&[]);
    let out = gadget(&mut cs).map(|n| n.value());
    let result = cs.into_assignment();
    if let Ok(values) = &result {
        assert!(violated(&r1cs, values.values()).is_empty());
    }
    (r1cs, result, out)
}

fn accepts(gadget: impl Fn(&mut Builder)) -> bool {
    run(|cs| {
        gadget(cs);
        None
    })
    .1
    .is_ok()
}

#[test]
fn poseidon_equals_its_twin_and_circomlib() {
    let mut rng = Compat06(SeededRng::from_u64(1));
    for tag in [Tag::CIRCOMLIB, TAG] {
        for _ in 0..5 {
            let x: [Fr; 5] = core::array::from_fn(|_| Fr::rand(&mut rng));
            let hash = |n: usize| {
                run(|cs| {
                    let v: Vec<Num> = x.iter().map(|x| cs.witness(*x)).collect();
                    Some(match n {
                        2 => poseidon::hash2(cs, tag, [&v[0], &v[1]]),
                        3 => poseidon::hash3(cs, tag, [&v[0], &v[1], &v[2]]),
                        4 => poseidon::hash4(cs, tag, [&v[0], &v[1], &v[2], &v[3]]),
                        _ => poseidon::hash5(cs, tag, [&v[0], &v[1], &v[2], &v[3], &v[4]]),
                    })
                })
            };
            let native = [
                mediveil_record::poseidon::hash2(tag, &[x[0], x[1]]),
                mediveil_record::poseidon::hash3(tag, &[x[0], x[1], x[2]]),
                mediveil_record::poseidon::hash4(tag, &[x[0], x[1], x[2], x[3]]),
                mediveil_record::poseidon::hash5(tag, &x),
            ];
            for (n, rows) in [(2, 240), (3, 261), (4, 297), (5, 321)] {
                let (r1cs, result, out) = hash(n);
                assert!(result.is_ok());
                assert_eq!(out, Some(native[n - 2]));
                assert_eq!(r1cs.constraints(), rows);
                if n < 5 {
                    // Unused inputs are free variables here; only the full width can be mutated.
                    continue;
                }
                // The output is pinned by nothing, so pin it.
                let (r1cs, result, _) = run(|cs| {
                    let v: Vec<Num> = x.iter().map(|x| cs.witness(*x)).collect();
                    let out = poseidon::hash5(cs, tag, [&v[0], &v[1], &v[2], &v[3], &v[4]]);
                    cs.equal(&out, &Num::constant(native[3]));
                    None
                });
                let _ = mutate_every_cell(&r1cs, result.unwrap().values());
            }
        }
    }
    // circomlibjs test/poseidon.js.
    let (_, _, out) = run(|cs| {
        let (a, b) = (cs.witness(Fr::from(1)), cs.witness(Fr::from(2)));
        Some(poseidon::hash2(cs, Tag::CIRCOMLIB, [&a, &b]))
    });
    let published: Fr = MontFp!("7853200120776062878684798364095072458815029376092732009249414926327459813530");
    assert_eq!(out, Some(published));
}

proptest! {
    #[test]
    fn comparisons_equal_their_twins(a: u64, b: u64) {
        let nums = |cs: &mut Builder| (cs.witness(Fr::from(a)), cs.witness(Fr::from(b)));
        prop_assert_eq!(accepts(|cs| { let (a, b) = nums(cs); less_or_equal(cs, &a, &b, 64); }), a <= b);
        prop_assert_eq!(accepts(|cs| { let (a, b) = nums(cs); less(cs, &a, &b, 64); }), a < b);
        let (_, result, out) = run(|cs| { let (a, b) = nums(cs); Some(is_less_or_equal(cs, &a, &b, 64)) });
        prop_assert!(result.is_ok());
        prop_assert_eq!(out, Some(Fr::from(a <= b)));
        for (max, value) in [(a, b), (b, a)] {
            let constant = Fr::from(max).into_bigint();
            let decomposed = |cs: &mut Builder| { let v = cs.witness(Fr::from(value)); bits(cs, &v, 64) };
            prop_assert_eq!(accepts(|cs| { let v = decomposed(cs); at_most(cs, &v, &constant); }), value <= max);
            prop_assert_eq!(accepts(|cs| { let v = decomposed(cs); at_least(cs, &v, &constant); }), value >= max);
        }
    }
}

#[test]
fn ranges_at_their_edges() {
    for n in [1, 22, 64, 253] {
        let top = Fr::from(2).pow([n as u64]);
        for (value, ok) in [(Fr::zero(), true), (top - Fr::one(), true), (top, false), (-Fr::one(), false)] {
            assert_eq!(
                accepts(|cs| {
                    let v = cs.witness(value);
                    bits(cs, &v, n);
                }),
                ok,
                "{n} bits"
            );
        }
    }
    // Around each constant, exhaustively in eight bits.
    for max in 0..=255_u64 {
        for value in [0, max.saturating_sub(1), max, (max + 1).min(255), 255] {
            let constant = Fr::from(max).into_bigint();
            let decomposed = |cs: &mut Builder| {
                let v = cs.witness(Fr::from(value));
                bits(cs, &v, 8)
            };
            assert_eq!(
                accepts(|cs| {
                    let v = decomposed(cs);
                    at_most(cs, &v, &constant);
                }),
                value <= max
            );
            assert_eq!(
                accepts(|cs| {
                    let v = decomposed(cs);
                    at_least(cs, &v, &constant);
                }),
                value >= max
            );
        }
    }
}

#[test]
fn powers_of_ten_and_rescaling() {
    for shift in 0..8_u8 {
        let (_, result, out) = run(|cs| {
            let bits = [0, 1, 2].map(|i| cs.boolean(shift >> i & 1 == 1));
            Some(decimal::power_of_ten(cs, &bits))
        });
        assert!(result.is_ok());
        assert_eq!(out, Some(Fr::from(10_u64.pow(shift.into()))));
        assert_eq!(decimal::rescale(-70, 1, 1 + shift), Some(-70 * 10_i128.pow(shift.into())));
    }
    assert_eq!(decimal::rescale(1, 0, 8), None);
    assert_eq!(decimal::rescale(1, 2, 1), None);
    assert_eq!(decimal::signed(-5) + Fr::from(5), Fr::zero());
}

#[test]
fn membership_and_place() {
    let leaves: Vec<Fr> = (0..70_u64).map(Fr::from).collect();
    let tree = Tree::new(leaves.clone(), 4).unwrap();
    for index in [0, 1, 2, 3, 4, 69] {
        let levels = merkle::children(leaves[index], &tree.path(index).unwrap());
        let member = |leaf: Fr| {
            accepts(|cs| {
                let leaf = cs.witness(leaf);
                let root = merkle::member(cs, &leaf, &levels, 4);
                cs.equal(&root, &Num::constant(tree.root()));
            })
        };
        assert!(member(leaves[index]));
        assert!(!member(Fr::from(1_000)));
        for place in [index, (index + 1) % 256, index ^ 4, index ^ 16] {
            let placed = |cs: &mut Builder| {
                let leaf = cs.witness(leaves[index]);
                let place = [0, 1, 2, 3].map(|l| [0, 1].map(|b| cs.boolean(place >> (2 * l + b) & 1 == 1)));
                let root = merkle::placed(cs, &leaf, &levels, &place);
                cs.equal(&root, &Num::constant(tree.root()));
            };
            assert_eq!(accepts(placed), place == index);
        }
    }
    let (r1cs, result, _) = run(|cs| {
        let leaf = cs.witness(leaves[5]);
        let levels = merkle::children(leaves[5], &tree.path(5).unwrap());
        let root = merkle::member(cs, &leaf, &levels, 4);
        cs.equal(&root, &Num::constant(tree.root()));
        None
    });
    assert_eq!(r1cs.constraints(), 4 * 300 + 1);
    let _ = mutate_every_cell(&r1cs, result.unwrap().values());
}

fn point(cs: &mut Builder, p: &EdwardsAffine) -> Point {
    Point::witness(cs, p)
}

#[test]
fn curve_arithmetic_equals_its_twin() {
    let mut rng = Compat06(SeededRng::from_u64(2));
    let g = EdwardsProjective::generator();
    let l_minus_one = -Scalar::one();
    let mut scalars = vec![Scalar::zero(), Scalar::one(), l_minus_one, Scalar::from(2), l_minus_one - Scalar::one()];
    scalars.extend((0..10).map(|_| Scalar::rand(&mut rng)));
    for s in &scalars {
        let expected = (g * s).into_affine();
        assert!(
            accepts(|cs| {
                let n = cs.witness(Fr::from_bigint(s.into_bigint()).unwrap());
                let bits = babyjubjub::scalar_bits(cs, &n);
                let p = babyjubjub::mul_base(cs, &bits);
                babyjubjub::equal(cs, &p, &Point::constant(&expected));
            }),
            "base"
        );
    }
    let mut hashes = vec![-Fr::one(), -Fr::from(2), Fr::from(2), Fr::from(3), Fr::from(4), Fr::from(5)];
    hashes.extend((0..10).map(|_| Fr::rand(&mut rng)));
    for h in &hashes {
        let p = (g * Scalar::rand(&mut rng)).into_affine();
        let scalar = Scalar::from_le_bytes_mod_order(&h.into_bigint().to_bytes_le());
        let expected = (p * scalar).into_affine();
        assert!(
            accepts(|cs| {
                let (h, p) = (cs.witness(*h), point(cs, &p));
                let out = babyjubjub::mul_hash(cs, &h, &p);
                babyjubjub::equal(cs, &out, &Point::constant(&expected));
            }),
            "hash"
        );
    }
    // h + 22 l just above a multiple of l: the chain meets its exceptional cases, and refuses.
    for h in [0, 1] {
        assert!(!accepts(|cs| {
            let (h, p) = (cs.witness(Fr::from(h)), Point::constant(&g.into_affine()));
            let _ = babyjubjub::mul_hash(cs, &h, &p);
        }));
    }
    // l and above, as elements of the larger field.
    let l = Fr::from_bigint(l_minus_one.into_bigint()).unwrap() + Fr::one();
    for bad in [l, l + Fr::one(), Fr::from(2).pow([251_u64]) - Fr::one(), -Fr::one()] {
        assert!(!accepts(|cs| {
            let s = cs.witness(bad);
            let _ = babyjubjub::scalar_bits(cs, &s);
        }));
    }
    // The complete law: identity, doubling, inverses, small order.
    let small = small_order_points();
    let p = (g * Scalar::rand(&mut rng)).into_affine();
    for (a, b) in [(p, p), (p, -p), (p, EdwardsAffine::zero()), (small[0], small[1]), (small[0], p)] {
        let sum = (a + b).into_affine();
        assert!(accepts(|cs| {
            let (a, b) = (point(cs, &a), point(cs, &b));
            let out = babyjubjub::add(cs, &a, &b);
            babyjubjub::equal(cs, &out, &Point::constant(&sum));
        }));
    }
}

/// The seven points whose order is 2, 4 or 8.
fn small_order_points() -> Vec<EdwardsAffine> {
    // EIP-2494's generator of the whole group, of order 8 l.
    let full = EdwardsAffine::new_unchecked(
        MontFp!("995203441582195749578291179787384436505546430278305826713579947235728471134"),
        MontFp!("5472060717959818805561601436314318772137091100104008585924551046643952123905"),
    );
    assert!(full.is_on_curve());
    let l: ark_ff::BigInt<4> = Scalar::MODULUS;
    let eighth = full.mul_bigint(l);
    (1..8_u64).map(|k| eighth.mul_bigint([k]).into_affine()).inspect(|p| assert!(!p.is_zero())).collect()
}

fn gadget_accepts(a: &EdwardsAffine, message: Fr, r: &EdwardsAffine, s: Fr) -> bool {
    accepts(|cs| {
        let message = cs.witness(message);
        let signature = SignatureNums::witness(cs, a, r, s);
        eddsa::verify_gadget(cs, &message, &signature);
    })
}

#[test]
fn eddsa_accepts_circomlibjs_signature() {
    let key = PublicKey::from_coordinates(
        MontFp!("13277427435165878497778222415993513565335242147425444199013288855685581939618"),
        MontFp!("13622229784656158136036771217484571176836296686641868549125388198837476602820"),
    )
    .unwrap();
    let s: Fr = MontFp!("1672775540645840396591609181675628451599263765380031905495115170613215233181");
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&s.into_bigint().to_bytes_be());
    let signature = Signature::from_parts(
        MontFp!("11384336176656855268977457483345535180380036354188103142384839473266348197733"),
        MontFp!("15383486972088797283337779941324724402501462225528836549661220478783371668959"),
        &bytes,
    )
    .unwrap();
    let message = Fr::from_le_bytes_mod_order(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(key.verify(message, &signature));
    assert!(gadget_accepts(key.point(), message, signature.r_point(), s));
    assert!(!gadget_accepts(key.point(), message + Fr::one(), signature.r_point(), s));
}

#[test]
fn eddsa_gadget_and_twin_agree() {
    let mut rng = SeededRng::from_u64(3);
    let key = SigningKey::generate(&mut rng);
    let other = SigningKey::generate(&mut rng).public();
    let message = Fr::from(42);
    let signature = key.sign(message, &mut rng);
    let (a, r, s) = (*key.public().point(), *signature.r_point(), signature.s_element());
    assert!(key.public().verify(message, &signature));
    assert!(!other.verify(message, &signature));
    assert!(gadget_accepts(&a, message, &r, s));
    assert!(!gadget_accepts(other.point(), message, &r, s));
    assert!(!gadget_accepts(&a, Fr::from(43), &r, s));
    assert!(!gadget_accepts(&a, message, &(-r), s));
    assert!(!gadget_accepts(&a, message, &r, s + Fr::one()));
    // The same S plus l: circomlib's malleability, refused by range.
    let l = Fr::from_bigint((-Scalar::one()).into_bigint()).unwrap() + Fr::one();
    assert!(!gadget_accepts(&a, message, &r, s + l));
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&(s + l).into_bigint().to_bytes_be());
    assert!(Signature::from_parts(r.x, r.y, &bytes).is_none());
}

/// Under a key of small order, S B = R holds for anybody who picks S: such keys must be refused.
#[test]
fn eddsa_refuses_small_order_keys_and_points_off_the_curve() {
    let mut rng = Compat06(SeededRng::from_u64(4));
    let s = Scalar::rand(&mut rng);
    let r = (EdwardsProjective::generator() * s).into_affine();
    let s = Fr::from_bigint(s.into_bigint()).unwrap();
    for a in small_order_points().into_iter().chain([EdwardsAffine::zero()]) {
        assert!(!gadget_accepts(&a, Fr::from(1), &r, s));
        assert!(!eddsa::verify(&a, Fr::from(1), &r, Scalar::from_bigint(s.into_bigint()).unwrap()));
        assert!(PublicKey::from_coordinates(a.x, a.y).is_none());
    }
    let off = EdwardsAffine::new_unchecked(Fr::from(1), Fr::from(1));
    assert!(!off.is_on_curve());
    assert!(!gadget_accepts(&off, Fr::from(1), &r, s));
    assert!(!gadget_accepts(&EdwardsProjective::generator().into_affine(), Fr::from(1), &off, s));
    assert!(Signature::from_parts(off.x, off.y, &[0; 32]).is_none());
    // A key with a component of small order verifies like its cleared self in both twins, and no provider can have it.
    let key = SigningKey::generate(&mut rng.0);
    let mixed = (*key.public().point() + small_order_points()[0]).into_affine();
    assert!(PublicKey::from_coordinates(mixed.x, mixed.y).is_none());
}

#[test]
fn eddsa_leaves_no_cell_free() {
    let mut rng = SeededRng::from_u64(5);
    let key = SigningKey::generate(&mut rng);
    let signature = key.sign(Fr::from(7), &mut rng);
    let (r1cs, result, _) = run(|cs| {
        let nums = SignatureNums::witness(cs, key.public().point(), signature.r_point(), signature.s_element());
        eddsa::verify_gadget(cs, &Num::constant(Fr::from(7)), &nums);
        None
    });
    let _ = mutate_every_cell(&r1cs, result.unwrap().values());
    println!("eddsa: {} rows {:?}", r1cs.constraints(), r1cs.counts());
    assert!(r1cs.constraints() < 3_600, "{}", r1cs.constraints());
}

/// The hash's bits must be those of h + 22 l - 2^255 as an integer, not of that plus or minus the field's order.
#[test]
fn the_hash_scalar_has_one_reading() {
    let mut rng = Compat06(SeededRng::from_u64(6));
    let p = (EdwardsProjective::generator() * Scalar::rand(&mut rng)).into_affine();
    for h in [Fr::from(4), -Fr::from(5), -Fr::one()] {
        let (r1cs, result, _) = run(|cs| {
            let (h, p) = (cs.witness(h), point(cs, &p));
            let _ = babyjubjub::mul_hash(cs, &h, &p);
            None
        });
        let values = result.unwrap();
        // The 254 bits follow h and the point. Rewrite them to the other integer of the same residue that fits.
        let bits = &values.values()[4..258];
        let number: num::Wide = bits.iter().rev().fold(num::Wide::default(), |n, b| n.double_plus(b.is_one()));
        for alias in [number.add(Fr::MODULUS.0), number.sub(Fr::MODULUS.0)].into_iter().flatten() {
            if alias.0[3] >> 62 != 0 {
                continue;
            }
            let mut changed = values.values().to_vec();
            for (i, cell) in changed[4..258].iter_mut().enumerate() {
                *cell = Fr::from(alias.0[i / 64] >> (i % 64) & 1);
            }
            assert!(!violated(&r1cs, &changed).is_empty());
        }
    }
}

mod num {
    #[derive(Default, Clone, Copy)]
    pub(super) struct Wide(pub(super) [u64; 4]);

    impl Wide {
        pub(super) fn double_plus(self, bit: bool) -> Self {
            let [a, b, c, d] = self.0;
            Self([a << 1 | u64::from(bit), b << 1 | a >> 63, c << 1 | b >> 63, d << 1 | c >> 63])
        }
        pub(super) fn add(self, other: [u64; 4]) -> Option<Self> {
            let mut carry = false;
            let mut out = [0; 4];
            for i in 0..4 {
                let (s, c1) = self.0[i].overflowing_add(other[i]);
                let (s, c2) = s.overflowing_add(carry.into());
                (out[i], carry) = (s, c1 | c2);
            }
            (!carry).then_some(Self(out))
        }
        pub(super) fn sub(self, other: [u64; 4]) -> Option<Self> {
            let mut borrow = false;
            let mut out = [0; 4];
            for i in 0..4 {
                let (s, b1) = self.0[i].overflowing_sub(other[i]);
                let (s, b2) = s.overflowing_sub(borrow.into());
                (out[i], borrow) = (s, b1 | b2);
            }
            (!borrow).then_some(Self(out))
        }
    }
}
