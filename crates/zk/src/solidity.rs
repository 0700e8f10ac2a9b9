//! A verifier contract for any key.
//!
//! One contract, one function: `verify(uint256[8] proof, uint256[N] input) view returns (bool)`, the proof as its eight
//! coordinates in the order of [`Proof::to_bytes`](crate::Proof::to_bytes). It refuses inputs at or above r (the precompile
//! would reduce them, and one proof would serve two inputs), and everything the precompiles of EIP-196 and EIP-197 refuse:
//! coordinates at or above the modulus, points off their curves, B outside the subgroup. It returns false and does not
//! revert. Calldata of another length is refused as well.
//!
//! Gas is that of the precompiles (6,150 an input, 181,000 for four pairings) and some 460 an input around them, most of it for
//! calling them, on top of a transaction's 21,000 and its calldata. The contract holds no state: nullifiers are for the caller
//! to keep.

use crate::keys::VerifyingKey;
use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr as _;
use mediveil_circuits::Statement;
use std::fmt::Write as _;

/// The name of a contract: a Solidity identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractName(String);

impl ContractName {
    /// The name, if it is an identifier: a letter, then up to 63 letters and digits.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let letters = name.bytes().all(|b| b.is_ascii_alphanumeric());
        let ok = letters && name.len() <= 64 && name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        ok.then(|| Self(name.to_owned()))
    }
}

fn g1(p: &G1Affine) -> [String; 2] {
    let (x, y) = p.xy().unwrap_or_default();
    [x.to_string(), y.to_string()]
}

/// Imaginary parts first, as EIP-197.
fn g2(p: &G2Affine) -> [String; 4] {
    let (x, y) = p.xy().unwrap_or_default();
    [x.c1, x.c0, y.c1, y.c0].map(|c| c.to_string())
}

impl<S: Statement> VerifyingKey<S> {
    /// The source of a contract that verifies proofs under this key, for Solidity 0.8.
    #[must_use]
    pub fn to_solidity(&self, name: &ContractName) -> String {
        let vk = self.ark();
        let inputs = S::PUBLIC_INPUTS;
        // Memory, from 0, in words: the sum of inputs (2) and gamma (4), alpha (2) and beta (4), C (2) and delta (4), -A (2)
        // and B (4): e(sum, gamma) e(alpha, beta) e(C, delta) e(-A, B) = 1. Before gamma, its place holds an input's point.
        let word = |n: usize| n.saturating_mul(32);
        let store = |start: usize, values: &[String]| {
            let stores =
                (start..).zip(values).map(|(at, value)| format!("\n            mstore({}, {value})", word(at)));
            stores.collect::<String>()
        };
        let mut ic = vk.gamma_abc_g1.iter();
        let mut body = store(0, &ic.next().map(g1).unwrap_or_default());
        for (i, point) in (8..).zip(ic) {
            let at = word(i).saturating_add(4);
            body += &store(2, &g1(point));
            let _ = write!(
                body,
                "
            s := calldataload({at})
            mstore(128, s)
            ok := and(ok, lt(s, R))
            ok := and(ok, staticcall(gas(), 7, 64, 96, 64, 64))
            ok := and(ok, staticcall(gas(), 6, 0, 128, 0, 64))"
            );
        }
        body += &store(2, &g2(&vk.gamma_g2));
        body += &store(6, &g1(&vk.alpha_g1));
        body += &store(8, &g2(&vk.beta_g2));
        body += &store(14, &g2(&vk.delta_g2));
        let statement = S::ID;
        let name = &name.0;
        let length = 4_usize.saturating_add(word(inputs.saturating_add(8)));
        format!(
            "// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// Verifies Groth16 proofs of the statement {statement} under one key. Proofs are malleable: count nullifiers, not proofs.
contract {name} {{
    uint256 private constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 private constant P = 21888242871839275222246405745257275088696311157297823662689037894645226208583;

    /// Calldata: the selector, proof at 4, input at 260.
    function verify(uint256[8] calldata, uint256[{inputs}] calldata) external view returns (bool) {{
        assembly {{
            // Memory is used from 0: this block returns by itself.
            let ok := eq(calldatasize(), {length})
            let s{body}
            calldatacopy(384, 196, 64) // C
            // -A; a coordinate at or above P stays so and is refused by the precompile, and infinity is refused here
            s := calldataload(36)
            ok := and(ok, and(lt(s, P), gt(s, 0)))
            mstore(576, calldataload(4))
            mstore(608, sub(P, s))
            calldatacopy(640, 68, 128) // B
            ok := and(ok, staticcall(gas(), 8, 0, 768, 0, 32))
            mstore(0, and(ok, eq(mload(0), 1)))
            return(0, 32)
        }}
    }}
}}
"
        )
    }
}
