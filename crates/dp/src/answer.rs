//! The released answer: integers and group names, nothing else.

use crate::table::{Exact, Members, Table, evaluate};
use crate::{Mechanism, MechanismError, Plan};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};

/// What one mechanism released.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// Noisy values, in grid steps.
    Values(Vec<i64>),
    /// Groups that reached the threshold, sorted, with noisy counts.
    Groups(Vec<(Vec<String>, i64)>),
    /// The index of the selected candidate.
    Choice(u64),
}

/// A noisy answer of a table, as it is stored and released. [`Plan::estimates`] reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    parts: Vec<Part>,
}

impl Answer {
    const MAX_PARTS: usize = 16;
    const MAX_ITEMS: usize = 1 << 20;
    const MAX_TEXT: usize = 1 << 16;

    /// What each mechanism released, in the plan's order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Computes and adds noise. The only way from a table to an answer; called with a permit.
    pub(crate) fn compute(plan: &Plan, table: &Table, members: Members<'_>) -> Result<Self, MechanismError> {
        let Some(of_table) = &plan.table else { return Err(MechanismError::Shape) };
        let inputs = evaluate(of_table, table, members);
        if inputs.len() != plan.mechanisms().len() {
            return Err(MechanismError::Shape);
        }
        let parts =
            plan.mechanisms().iter().zip(inputs).map(|(m, exact)| release(m, exact)).collect::<Result<_, _>>()?;
        Ok(Self { parts })
    }
}

fn release(mechanism: &Mechanism, input: Exact) -> Result<Part, MechanismError> {
    match input {
        Exact::Values(values) => mechanism.add_noise(&values).map(Part::Values),
        Exact::Scores(scores) => {
            let index = mechanism.select(&scores)?;
            u64::try_from(index).map(Part::Choice).map_err(|_| MechanismError::Shape)
        }
        Exact::Groups(groups) => Ok(Part::Groups(mechanism.noisy_groups(groups)?.into_iter().collect())),
    }
}

impl Wire for Answer {
    const TYPE: ObjectType = ObjectType::NoisyAnswer;
    const MAX_BODY: usize = 64 << 20;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.list(&self.parts, |e, part| match part {
            Part::Values(values) => {
                e.array(2).u8(0).list(values, |e, v| {
                    e.i64(*v);
                });
            }
            Part::Groups(groups) => {
                e.array(2).u8(1).list(groups, |e, (group, count)| {
                    e.array(2).list(group, |e, t| {
                        e.text(t);
                    });
                    e.i64(*count);
                });
            }
            Part::Choice(index) => {
                e.array(2).u8(2).u64(*index);
            }
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let parts = d.list(Self::MAX_PARTS, |d| {
            d.tuple(2)?;
            match d.u8()? {
                0 => Ok(Part::Values(d.list(Self::MAX_ITEMS, Decoder::i64)?)),
                1 => {
                    let groups = d.list(Self::MAX_ITEMS, |d| {
                        d.tuple(2)?;
                        let group = d.list(Self::MAX_ITEMS, |d| d.text(Self::MAX_TEXT).map(str::to_owned))?;
                        Ok((group, d.i64()?))
                    })?;
                    if groups.is_sorted_by(|a, b| a.0 < b.0) {
                        Ok(Part::Groups(groups))
                    } else {
                        Err(d.invalid("groups are not sorted"))
                    }
                }
                2 => Ok(Part::Choice(d.u64()?)),
                _ => Err(d.invalid("not a part of an answer")),
            }
        })?;
        Ok(Self { parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_frozen() {
        let group = |sex: &str, count| (vec!["E11".to_owned(), sex.to_owned()], count);
        let parts =
            vec![Part::Values(vec![-5, 0, 7]), Part::Groups(vec![group("f", 200), group("m", 198)]), Part::Choice(3)];
        mediveil_codec::testing::check_wire(
            &Answer { parts },
            "894d4456050501000000002183820083240007820182828263453131616618c8828263453131616d18c6820203",
        );
    }
}
