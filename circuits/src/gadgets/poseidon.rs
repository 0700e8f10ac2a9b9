//! Poseidon with circomlib's parameters, two to five inputs, and the domain tag in the first element of the state.
//!
//! Native twin: `mediveil_record::poseidon`. Rows are spent on S-boxes alone (x^2, x^4, x^5); constants and matrices are
//! linear. The first S-box of the first lane is that of a constant and free, which makes 3 * (8 t + partial rounds - 1)
//! rows: 240, 261, 297 and 321 for two to five inputs.

use crate::r1cs::{Builder, Num};
use ark_bn254::Fr;
use ark_ff::Field as _;
use light_poseidon::PoseidonParameters;
use light_poseidon::parameters::bn254_x5::get_poseidon_parameters;
use mediveil_record::field::Tag;
use std::sync::LazyLock;

static PARAMETERS: LazyLock<[Option<PoseidonParameters<Fr>>; 4]> =
    LazyLock::new(|| [3, 4, 5, 6].map(|width| get_poseidon_parameters::<Fr>(width).ok()));

macro_rules! hashes {
    ($($(#[$doc:meta])* $name:ident($inputs:literal);)*) => {$(
        $(#[$doc])*
        pub fn $name(cs: &mut Builder, tag: Tag, inputs: [&Num; $inputs]) -> Num {
            permute(cs, tag, &inputs)
        }
    )*};
}

hashes! {
    /// The hash of two elements, 240 rows.
    hash2(2);
    /// The hash of three elements, 261 rows.
    hash3(3);
    /// The hash of four elements, 297 rows.
    hash4(4);
    /// The hash of five elements, 321 rows.
    hash5(5);
}

fn permute(cs: &mut Builder, tag: Tag, inputs: &[&Num]) -> Num {
    let parameters = inputs.len().checked_sub(2).and_then(|i| PARAMETERS.get(i));
    // Widths 3 to 6 have parameters; a test of each says so.
    let Some(Some(parameters)) = parameters else { return Num::zero() };
    let mut state = vec![Num::constant(tag.element())];
    state.extend(inputs.iter().map(|n| (*n).clone()));
    let half = parameters.full_rounds / 2;
    let rounds = parameters.full_rounds.saturating_add(parameters.partial_rounds);
    for (round, constants) in parameters.ark.chunks(state.len()).enumerate() {
        for (lane, (x, constant)) in state.iter_mut().zip(constants).enumerate() {
            *x = &*x + &Num::constant(*constant);
            let full = round < half || round >= half.saturating_add(parameters.partial_rounds);
            if round == 0 && lane == 0 {
                *x = Num::constant(x.value().pow([5]));
            } else if full || lane == 0 {
                *x = fifth(cs, x);
            }
        }
        let mix = |row: &Vec<Fr>| Num::sum(&row.iter().copied().zip(&state).collect::<Vec<_>>());
        if round.saturating_add(1) == rounds {
            return parameters.mds.first().map_or_else(Num::zero, mix);
        }
        state = parameters.mds.iter().map(mix).collect();
    }
    Num::zero()
}

fn fifth(cs: &mut Builder, x: &Num) -> Num {
    let x2 = cs.mul(x, x);
    let x4 = cs.mul(&x2, &x2);
    cs.mul(&x4, x)
}
