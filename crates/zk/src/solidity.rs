//! A verifier contract for any key.
//!
//! One contract, one function: `verify(uint256[8] proof, uint256[N] input) view returns (bool)`, the proof as its eight
//! coordinates in the order of [`Proof::to_bytes`](crate::Proof::to_bytes). It refuses inputs at or above r (the precompile
//! would reduce them, and one proof would serve two inputs), and everything the precompiles of EIP-196 and EIP-197 refuse:
//! coordinates at or above the modulus, points off their curves, B outside the subgroup. It returns false and does not
//! revert. Calldata of another length is refused as well.
//!
//! Gas is that of the precompiles (6,150 an input, 181,000 for four pairings) and a few hundred around them. The contract
//! holds no state: nullifiers are for the caller to keep.

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
        let mut sums = String::new();
        let mut ic = vk.gamma_abc_g1.iter();
        let [x0, y0] = ic.next().map(g1).unwrap_or_default();
        // The linear combination of inputs: memory m holds the sum, m + 64 the next product.
        for (i, point) in ic.enumerate() {
            let [x, y] = g1(point);
            let at = i.saturating_mul(32);
            let _ = write!(
                sums,
                "
            s := calldataload(add(input, {at}))
            ok := and(ok, lt(s, R))
            mstore(add(m, 64), {x})
            mstore(add(m, 96), {y})
            mstore(add(m, 128), s)
            ok := and(ok, staticcall(gas(), 7, add(m, 64), 96, add(m, 64), 64))
            ok := and(ok, staticcall(gas(), 6, m, 128, m, 64))"
            );
        }
        let mut pairs = String::new();
        let mut store = |at: usize, value: &str| {
            let _ = write!(pairs, "\n            mstore(add(m, {at}), {value})");
        };
        // -A and B: the whole is e(-A, B) e(alpha, beta) e(sum, gamma) e(C, delta) = 1.
        for (word, value) in g2(&vk.gamma_g2).iter().enumerate() {
            store(64_usize.saturating_add(word.saturating_mul(32)), value);
        }
        for (word, value) in g1(&vk.alpha_g1).iter().chain(&g2(&vk.beta_g2)).enumerate() {
            store(192_usize.saturating_add(word.saturating_mul(32)), value);
        }
        for (word, value) in g2(&vk.delta_g2).iter().enumerate() {
            store(448_usize.saturating_add(word.saturating_mul(32)), value);
        }
        let statement = S::ID;
        let name = &name.0;
        let length = 4_usize.saturating_add(inputs.saturating_add(8).saturating_mul(32));
        format!(
            "// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.20;

/// Verifies Groth16 proofs of the statement {statement} under one key. Proofs are malleable: count nullifiers, not proofs.
contract {name} {{
    uint256 private constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 private constant P = 21888242871839275222246405745257275088696311157297823662689037894645226208583;

    function verify(uint256[8] calldata proof, uint256[{inputs}] calldata input) external view returns (bool ok) {{
        assembly (\"memory-safe\") {{
            let m := mload(0x40)
            let s
            ok := eq(calldatasize(), {length})
            mstore(m, {x0})
            mstore(add(m, 32), {y0}){sums}{pairs}
            // C
            calldatacopy(add(m, 384), add(proof, 192), 64)
            // -A; a coordinate at or above P stays so and is refused by the precompile, and infinity is refused here
            let y := calldataload(add(proof, 32))
            ok := and(ok, and(lt(y, P), gt(y, 0)))
            mstore(add(m, 576), calldataload(proof))
            mstore(add(m, 608), sub(P, y))
            // B
            calldatacopy(add(m, 640), add(proof, 64), 128)
            ok := and(ok, staticcall(gas(), 8, m, 768, m, 32))
            ok := and(ok, eq(mload(m), 1))
        }}
    }}
}}
"
        )
    }
}
