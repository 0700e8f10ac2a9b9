//! snarkjs' JSON for proofs, public inputs and verifying keys: coordinates as decimal strings, Jacobian with z = 1.

use crate::keys::VerifyingKey;
use crate::proof::Proof;
use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr as _;
use ark_ec::pairing::Pairing as _;
use ark_ff::PrimeField;
use mediveil_circuits::Statement;
use serde_json::{Value, json};

/// JSON that is no proof or list of public inputs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// A member is missing or has another form.
    #[error("not snarkjs JSON for Groth16 over bn128: {0}")]
    Form(&'static str),
    /// A number is not the decimal of an element, below its modulus and without leading zeros.
    #[error("a number is not a canonical field element")]
    NotCanonical,
    /// A point is off its curve, outside its group or infinity.
    #[error("a point is not in its group")]
    Point,
}

fn g1(p: &G1Affine) -> Value {
    p.xy().map_or_else(|| json!(["0", "1", "0"]), |(x, y)| json!([x.to_string(), y.to_string(), "1"]))
}

fn fq2(x: &Fq2) -> Value {
    json!([x.c0.to_string(), x.c1.to_string()])
}

fn g2(p: &G2Affine) -> Value {
    let (x, y) = p.xy().unwrap_or_default();
    if p.is_zero() { json!([["0", "0"], ["1", "0"], ["0", "0"]]) } else { json!([fq2(&x), fq2(&y), ["1", "0"]]) }
}

fn number<F: PrimeField>(value: &Value) -> Result<F, JsonError> {
    let text = value.as_str().ok_or(JsonError::Form("numbers are decimal strings"))?;
    let element: F = text.parse().map_err(|_| JsonError::NotCanonical)?;
    // One spelling a number: no signs, no leading zeros, below the modulus.
    if element.to_string() == text { Ok(element) } else { Err(JsonError::NotCanonical) }
}

fn items<const N: usize>(value: &Value) -> Result<&[Value; N], JsonError> {
    let items = value.as_array().and_then(|a| <&[Value; N]>::try_from(a.as_slice()).ok());
    items.ok_or(JsonError::Form("a point has another number of coordinates"))
}

fn read_g1(value: &Value) -> Result<G1Affine, JsonError> {
    let [x, y, z] = items(value)?;
    let (x, y, z): (Fq, Fq, Fq) = (number(x)?, number(y)?, number(z)?);
    let point = G1Affine::new_unchecked(x, y);
    if z == Fq::from(1) && point.is_on_curve() { Ok(point) } else { Err(JsonError::Point) }
}

fn read_g2(value: &Value) -> Result<G2Affine, JsonError> {
    let pair = |v: &Value| -> Result<Fq2, JsonError> {
        let [c0, c1] = items(v)?;
        Ok(Fq2::new(number(c0)?, number(c1)?))
    };
    let [x, y, z] = items(value)?;
    let point = G2Affine::new_unchecked(pair(x)?, pair(y)?);
    let ok = pair(z)? == Fq2::from(1) && point.is_on_curve() && point.is_in_correct_subgroup_assuming_on_curve();
    if ok { Ok(point) } else { Err(JsonError::Point) }
}

impl<S> Proof<S> {
    /// The proof as snarkjs' `proof.json`.
    #[must_use]
    pub fn to_snarkjs(&self) -> Value {
        let p = &self.points;
        json!({ "pi_a": g1(&p.a), "pi_b": g2(&p.b), "pi_c": g1(&p.c), "protocol": "groth16", "curve": "bn128" })
    }

    /// The proof in snarkjs' `proof.json`.
    ///
    /// # Errors
    /// [`JsonError`] for another form, non-canonical numbers, and points outside their groups.
    pub fn from_snarkjs(json: &Value) -> Result<Self, JsonError> {
        let member = |name: &'static str| json.get(name).ok_or(JsonError::Form(name));
        if member("protocol")? != "groth16" || member("curve")? != "bn128" {
            return Err(JsonError::Form("another protocol or curve"));
        }
        let (a, b, c) = (read_g1(member("pi_a")?)?, read_g2(member("pi_b")?)?, read_g1(member("pi_c")?)?);
        Ok(Self::from_ark(ark_groth16::Proof { a, b, c }))
    }
}

impl<S: Statement> VerifyingKey<S> {
    /// The key as snarkjs' `verification_key.json`.
    #[must_use]
    pub fn to_snarkjs(&self) -> Value {
        let vk = self.ark();
        let alpha_beta = Bn254::pairing(vk.alpha_g1, vk.beta_g2).0;
        let part = |p: &ark_bn254::Fq6| json!([fq2(&p.c0), fq2(&p.c1), fq2(&p.c2)]);
        json!({
            "protocol": "groth16", "curve": "bn128", "nPublic": S::PUBLIC_INPUTS,
            "vk_alpha_1": g1(&vk.alpha_g1), "vk_beta_2": g2(&vk.beta_g2),
            "vk_gamma_2": g2(&vk.gamma_g2), "vk_delta_2": g2(&vk.delta_g2),
            "vk_alphabeta_12": [part(&alpha_beta.c0), part(&alpha_beta.c1)],
            "IC": vk.gamma_abc_g1.iter().map(g1).collect::<Vec<_>>(),
        })
    }

    /// The public inputs as snarkjs' `public.json`.
    #[must_use]
    pub fn inputs_to_snarkjs(public: &S::Public) -> Value {
        S::inputs(public).iter().map(ToString::to_string).collect()
    }

    /// The public inputs in snarkjs' `public.json`, for [`verify_inputs`](Self::verify_inputs).
    ///
    /// # Errors
    /// [`JsonError`] for another form, another number, and numbers at or above the field's order.
    pub fn inputs_from_snarkjs(json: &Value) -> Result<Vec<Fr>, JsonError> {
        let list = json.as_array().filter(|l| l.len() == S::PUBLIC_INPUTS);
        list.ok_or(JsonError::Form("another number of public inputs"))?.iter().map(number).collect()
    }
}
