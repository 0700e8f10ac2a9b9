//! The form: what a patient needs of a model to encrypt for it and to read the answer, and nothing of its weights.
//!
//! Inputs that the model looks at together form a group; a group's values are numbered in mixed radix, the last input
//! fastest. An input may be in several groups, such as sex in a score with a table for women and one for men. Groups and bounds are public; steps, weights, thresholds and leaves stay with the model.

use super::model::{Answer, Input, ModelError, check_inputs};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// Most values of one group, and so most encrypted bits of one, plus one.
pub(super) const MAX_GROUP: u64 = 4_096;
/// Most encrypted bits of a form.
pub(super) const MAX_BITS: u64 = 65_536;
/// Most digits of an answer.
pub(super) const MAX_OUTPUTS: usize = 32;
/// The scale of a bit that goes into lookups: four bits of message below one bit of padding.
pub(super) const LOOKUP_SCALE: u32 = 59;
/// The smallest scale of a bit: 22 bits of score.
pub(super) const MIN_SCALE: u32 = 40;

/// Why a form is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// It is not JSON of the expected form.
    #[error("not a form: {0}")]
    Json(String),
    /// Its inputs or its answer are out of bounds.
    #[error(transparent)]
    Bounds(#[from] ModelError),
    /// Its groups do not cover its inputs, or are too large.
    #[error("every input is in a group, a group has at most {MAX_GROUP} values, and all have at most {MAX_BITS}")]
    Groups,
    /// The scale of its bits, or the number or base of its outputs, is out of range.
    #[error(
        "bits have a scale of {MIN_SCALE} to {LOOKUP_SCALE}, and there are 1 to {MAX_OUTPUTS} outputs in a base of 2 to 16"
    )]
    Scale,
}

/// Why values are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not a JSON object of numbers.
    #[error("not a JSON object with a number for each input: {0}")]
    Json(String),
    /// An input has no value.
    #[error("`{0}` has no value")]
    Missing(String),
    /// A value for something that is no input.
    #[error("`{0}` is no input of the model")]
    Unknown(String),
    /// Not a number with as many decimals as the input has.
    #[error("`{input}` is not a number with at most {decimals} decimals")]
    Number {
        /// The input.
        input: String,
        /// Its decimals.
        decimals: u8,
    },
    /// Outside the declared bounds.
    #[error("`{input}` is outside its declared bounds, {min} to {max} (in units of its last decimal)")]
    Domain {
        /// The input.
        input: String,
        /// Declared minimum.
        min: i64,
        /// Declared maximum.
        max: i64,
    },
    /// Another number of values than inputs.
    #[error("{found} values for {expected} inputs")]
    Count {
        /// Inputs.
        expected: usize,
        /// Values.
        found: usize,
    },
}

/// One patient's values, within the bounds of a form. Health data: not shown by `Debug`, wiped on drop.
#[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct Values(Vec<i64>);

impl Values {
    /// In the order of the inputs.
    #[must_use]
    pub fn as_slice(&self) -> &[i64] {
        &self.0
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Values")
    }
}

/// What is public of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Form {
    format: String,
    name: String,
    inputs: Vec<Input>,
    groups: Vec<Vec<usize>>,
    scale: u32,
    outputs: usize,
    base: i64,
    answer: Answer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    name: String,
    inputs: Vec<Input>,
    groups: Vec<Vec<usize>>,
    scale: u32,
    outputs: usize,
    base: i64,
    answer: Answer,
}

const FORMAT: &str = "mediveil-form/1";

impl Form {
    pub(super) fn new(
        name: &str,
        inputs: Vec<Input>,
        groups: Vec<Vec<usize>>,
        scale: u32,
        (outputs, base): (usize, i64),
        answer: Answer,
    ) -> Result<Self, FormError> {
        let inputs = check_inputs(inputs)?;
        answer.check()?;
        let covered = (0..inputs.len()).all(|i| groups.iter().any(|g| g.contains(&i)));
        let known = groups.iter().flatten().all(|i| *i < inputs.len());
        if !covered || !known || groups.iter().any(|g| g.is_empty() || !g.is_sorted_by(|a, b| a < b)) {
            return Err(FormError::Groups);
        }
        if !(MIN_SCALE..=LOOKUP_SCALE).contains(&scale) {
            return Err(FormError::Scale);
        }
        if !(1..=MAX_OUTPUTS).contains(&outputs) || !(2..=16).contains(&base) {
            return Err(FormError::Scale);
        }
        let form = Self { format: FORMAT.into(), name: name.into(), inputs, groups, scale, outputs, base, answer };
        let widths = || (0..form.groups.len()).map(|g| form.group_width(g));
        if widths().any(|w| w > MAX_GROUP) || widths().fold(0, u64::saturating_add) > MAX_BITS {
            return Err(FormError::Groups);
        }
        Ok(form)
    }

    /// Reads a form.
    ///
    /// # Errors
    /// [`FormError`].
    pub fn from_json(text: &str) -> Result<Self, FormError> {
        if text.len() > 1 << 20 {
            return Err(FormError::Json("over 1 MiB".into()));
        }
        let file: File = serde_json::from_str(text).map_err(|e| FormError::Json(e.to_string()))?;
        if file.format != FORMAT {
            return Err(FormError::Json(format!("`format` is not {FORMAT}")));
        }
        Self::new(&file.name, file.inputs, file.groups, file.scale, (file.outputs, file.base), file.answer)
    }

    /// As JSON, the same bytes for the same form.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// SHA-256 of [`to_json`](Self::to_json): what ciphertexts and results are bound to.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::new_with_prefix(b"mediveil/fhe/form/v1\0").chain_update(self.to_json()).finalize().into()
    }

    /// Name of the model.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The inputs, in the order of their values.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// What the answer means.
    #[must_use]
    pub const fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Inputs that are coded together, by their numbers.
    #[must_use]
    pub fn groups(&self) -> &[Vec<usize>] {
        &self.groups
    }

    /// Binary logarithm of what a bit counts in a ciphertext of 64-bit numbers.
    #[must_use]
    pub const fn scale(&self) -> u32 {
        self.scale
    }

    /// How many values a group can have.
    #[must_use]
    pub fn group_width(&self, group: usize) -> u64 {
        let inputs = self.groups.get(group).into_iter().flatten();
        inputs.filter_map(|i| self.inputs.get(*i)).fold(1, |w, i| w.saturating_mul(i.width()))
    }

    /// Encrypted bits of one patient.
    #[must_use]
    pub fn bits(&self) -> u64 {
        (0..self.groups.len()).map(|g| self.group_width(g).saturating_sub(1)).sum()
    }

    /// Ciphertexts of an answer.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        self.outputs
    }

    /// The answer that outputs stand for, if it is one: digits of the base, counted from the smallest score.
    #[must_use]
    pub fn read(&self, outputs: &[i64]) -> Option<i64> {
        let limit = 1_i64.checked_shl(63_u32.saturating_sub(self.scale))?;
        if outputs.len() != self.outputs || !outputs.iter().all(|v| (0..limit).contains(v)) {
            return None;
        }
        let (min, max) = self.answer.bounds();
        let value =
            outputs.iter().rev().try_fold(0_i64, |sum, digit| sum.checked_mul(self.base)?.checked_add(*digit))?;
        min.checked_add(value).filter(|answer| *answer <= max)
    }

    /// The values of a group's inputs behind a number, set in `values`, which has one place for each input.
    pub(super) fn unpack(&self, group: usize, mut number: u64, values: &mut [i64]) {
        for &i in self.groups.get(group).into_iter().flatten().rev() {
            let (Some(input), Some(value)) = (self.inputs.get(i), values.get_mut(i)) else { continue };
            let digit = number.checked_rem(input.width()).unwrap_or(0);
            number = number.checked_div(input.width()).unwrap_or(0);
            *value = input.min.saturating_add_unsigned(digit);
        }
    }

    /// The number of a group's values.
    pub(super) fn pack(&self, group: usize, values: &[i64]) -> u64 {
        self.groups.get(group).into_iter().flatten().fold(0, |number: u64, &i| {
            let (Some(input), Some(value)) = (self.inputs.get(i), values.get(i)) else { return number };
            number.saturating_mul(input.width()).saturating_add(value.abs_diff(input.min))
        })
    }

    /// Values in the order of the inputs, checked against their bounds.
    ///
    /// # Errors
    /// [`ValueError`] naming the input.
    pub fn values(&self, values: Vec<i64>) -> Result<Values, ValueError> {
        Values::check(&self.inputs, values)
    }

    /// Values from a JSON object with one number, or truth value, for each input.
    ///
    /// # Errors
    /// [`ValueError`] naming the input.
    pub fn values_from_json(&self, text: &str) -> Result<Values, ValueError> {
        Values::from_json(&self.inputs, text)
    }
}

impl Values {
    fn check(inputs: &[Input], values: Vec<i64>) -> Result<Self, ValueError> {
        let values = Self(values);
        if values.0.len() != inputs.len() {
            return Err(ValueError::Count { expected: inputs.len(), found: values.0.len() });
        }
        for (input, value) in inputs.iter().zip(&values.0) {
            if !(input.min..=input.max).contains(value) {
                return Err(ValueError::Domain { input: input.name.clone(), min: input.min, max: input.max });
            }
        }
        Ok(values)
    }

    pub(super) fn from_json(inputs: &[Input], text: &str) -> Result<Self, ValueError> {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|e| ValueError::Json(e.to_string()))?;
        if let Some(name) = object.keys().find(|name| inputs.iter().all(|i| i.name != **name)) {
            return Err(ValueError::Unknown(name.clone()));
        }
        let mut values = Vec::new();
        for input in inputs {
            let value = object.get(&input.name).ok_or_else(|| ValueError::Missing(input.name.clone()))?;
            let number = match value {
                serde_json::Value::Bool(flag) => Some(i64::from(*flag)),
                serde_json::Value::Number(number) => fixed(&number.to_string(), input.decimals),
                serde_json::Value::String(text) => fixed(text, input.decimals),
                _ => None,
            };
            let wrong = || ValueError::Number { input: input.name.clone(), decimals: input.decimals };
            values.push(number.ok_or_else(wrong)?);
        }
        Self::check(inputs, values)
    }
}

/// A decimal number as an integer of units of its last allowed decimal.
fn fixed(text: &str, decimals: u8) -> Option<i64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > usize::from(decimals) {
        return None;
    }
    let padded = format!("{whole}{fraction:0<width$}", width = usize::from(decimals));
    let number: i64 = padded.parse().ok()?;
    Some(if negative { number.checked_neg()? } else { number })
}
