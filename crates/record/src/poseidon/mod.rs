//! Poseidon over BN254's scalar field with circomlib's parameters (Grassi et al., USENIX Security 2021; x^5, 8 full rounds,
//! 56 to 60 partial rounds, width = inputs + 1), two to five inputs.
//!
//! The first element of the state, which circomlib sets to zero, carries a domain [`Tag`]; with [`Tag::CIRCOMLIB`] the
//! results are circomlib's. The tag costs a circuit nothing. Parameters are those of `light-poseidon`; the permutation is
//! our own because every leaf and node of every record goes through it: the partial rounds are rewritten with sparse
//! matrices (appendix B of the paper), which gives the same function with fewer multiplications.
//!
//! Not constant-time in a documented sense: field arithmetic is `ark-ff`'s.

mod optimised;

use crate::field::Tag;
use ark_bn254::Fr;
use optimised::Permutation;
use std::sync::LazyLock;

macro_rules! hashes {
    ($($(#[$doc:meta])* $name:ident($inputs:literal, $width:literal) by $permutation:ident;)*) => {$(
        static $permutation: LazyLock<Permutation<$width>> = LazyLock::new(Permutation::circomlib);

        $(#[$doc])*
        #[must_use]
        pub fn $name(tag: Tag, inputs: &[Fr; $inputs]) -> Fr {
            let mut state = [tag.element(); $width];
            for (to, from) in state.iter_mut().skip(1).zip(inputs) {
                *to = *from;
            }
            $permutation.permute(&mut state);
            let [out, ..] = state;
            out
        }
    )*};
}

hashes! {
    /// The hash of two elements.
    hash2(2, 3) by PERMUTATION_3;
    /// The hash of three elements.
    hash3(3, 4) by PERMUTATION_4;
    /// The hash of four elements: a node of a 4-ary tree.
    hash4(4, 5) by PERMUTATION_5;
    /// The hash of five elements: a leaf.
    hash5(5, 6) by PERMUTATION_6;
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ff::{MontFp, UniformRand as _};
    use light_poseidon::{Poseidon, PoseidonHasher as _};
    use mediveil_rng::{Compat06, SeededRng};

    fn numbers<const N: usize>() -> [Fr; N] {
        core::array::from_fn(|i| Fr::from(u64::try_from(i).unwrap() + 1))
    }

    /// The values in circomlibjs's test/poseidon.js, and circomlib's for the widths between.
    #[test]
    fn equals_circomlibs_published_values() {
        let expected: Fr = MontFp!("7853200120776062878684798364095072458815029376092732009249414926327459813530");
        assert_eq!(hash2(Tag::CIRCOMLIB, &numbers()), expected);
        let expected: Fr = MontFp!("18821383157269793795438455681495246036402687001665670618754263018637548127333");
        assert_eq!(hash4(Tag::CIRCOMLIB, &numbers()), expected);
    }

    #[test]
    fn equals_light_poseidon_with_and_without_tag() {
        const TAG: Tag = Tag::new("mediveil/test/v1");
        let mut rng = Compat06(SeededRng::from_u64(1));
        for tag in [Tag::CIRCOMLIB, TAG] {
            let reference = |inputs: &[Fr]| {
                Poseidon::<Fr>::with_domain_tag_circom(inputs.len(), tag.element()).unwrap().hash(inputs).unwrap()
            };
            for round in 0..20 {
                let mut x = || if round == 0 { -Fr::from(1) } else { Fr::rand(&mut rng) };
                let (a, b, c, d, e) = (x(), x(), x(), x(), x());
                assert_eq!(hash2(tag, &[a, b]), reference(&[a, b]));
                assert_eq!(hash3(tag, &[a, b, c]), reference(&[a, b, c]));
                assert_eq!(hash4(tag, &[a, b, c, d]), reference(&[a, b, c, d]));
                assert_eq!(hash5(tag, &[a, b, c, d, e]), reference(&[a, b, c, d, e]));
            }
        }
    }
}
