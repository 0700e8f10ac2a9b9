//! Sums of tables: scores without a lookup, classes by the last carry.

use super::{
    Answer, Builder, Compiled, HashMap, LOOKUP_SCALE, Linear, MAX_GROUP, MIN_SCALE, Model, Number, PlanError, Rule,
    bits, check_bounds,
};
use crate::program::Input;

impl Builder<'_> {
    pub(super) fn sum(&mut self, model: &Model) -> Result<Compiled, PlanError> {
        let Rule::Sum { base, terms } = model.rule() else { return Ok((Vec::new(), 2, LOOKUP_SCALE)) };
        let mut functions: Vec<Vec<i64>> = Vec::new();
        for group in 0..self.form.groups().len() {
            let width = usize::try_from(self.form.group_width(group)).unwrap_or(0);
            functions.push(vec![0; width]);
        }
        for term in terms {
            let inputs = term.inputs();
            let home = self.form.groups().iter().position(|g| inputs.iter().all(|i| g.contains(i)));
            let Some((group, function)) = home.and_then(|g| functions.get_mut(g).map(|f| (g, f))) else { continue };
            let mut values = vec![0; self.form.inputs().len()];
            for (number, total) in function.iter_mut().enumerate() {
                self.form.unpack(group, number as u64, &mut values);
                *total = total.saturating_add(term.value(&values));
            }
        }
        let (low, high) = self.bounds(&functions, *base);
        check_bounds(model, low, high)?;
        // Every function from zero; what is taken away is the offset.
        let mut offset = *base;
        let mut numbers = Vec::new();
        for (group, mut values) in functions.into_iter().enumerate() {
            let least = values.iter().copied().min().unwrap_or(0);
            offset = offset.saturating_add(least);
            values.iter_mut().for_each(|v| *v = v.saturating_sub(least));
            if values.iter().any(|v| *v != 0) {
                numbers.push(Number::Table { group, values });
            }
        }
        match model.answer() {
            Answer::Score { min, max } => {
                let mut output = Linear::constant(offset.saturating_sub(*min));
                for number in numbers {
                    if let Number::Table { group, values } = number {
                        output = output.plus(1, &self.table(group, &values));
                    }
                }
                let needed = bits(max.saturating_sub(*min));
                let limit = 63_u32.saturating_sub(MIN_SCALE);
                if needed > limit {
                    return Err(PlanError::Width { needed, limit });
                }
                Ok((vec![output], 2, 63_u32.saturating_sub(needed).min(LOOKUP_SCALE)))
            }
            Answer::Class { .. } => self.classes(numbers, offset, model.cuts()),
        }
    }

    /// Exact bounds of a sum: over every assignment of the inputs that several groups share where these are few, each group
    /// on its own otherwise.
    fn bounds(&self, functions: &[Vec<i64>], base: i64) -> (i64, i64) {
        let groups = self.form.groups();
        let shared: Vec<usize> =
            (0..self.form.inputs().len()).filter(|i| groups.iter().filter(|g| g.contains(i)).count() > 1).collect();
        let widths: Vec<u64> = shared.iter().filter_map(|i| self.form.inputs().get(*i)).map(Input::width).collect();
        let count = widths.iter().fold(1_u64, |n, w| n.saturating_mul(*w));
        let count = if count > MAX_GROUP { 1 } else { count };
        let mut ends: Vec<(i64, i64)> = vec![(base, base); usize::try_from(count).unwrap_or(1)];
        let mut values = vec![0; self.form.inputs().len()];
        for (group, function) in functions.iter().enumerate() {
            let inside: Vec<bool> = shared.iter().map(|i| groups.get(group).is_some_and(|g| g.contains(i))).collect();
            let mut found = HashMap::new();
            for (number, value) in function.iter().enumerate() {
                self.form.unpack(group, number as u64, &mut values);
                let key = if count == 1 { Vec::new() } else { pick(&shared, &inside, &values) };
                let end = found.entry(key).or_insert((*value, *value));
                *end = (end.0.min(*value), end.1.max(*value));
            }
            for (assignment, end) in ends.iter_mut().enumerate() {
                let mut number = assignment as u64;
                for (i, width) in shared.iter().zip(&widths) {
                    if let (Some(v), Some(input)) = (values.get_mut(*i), self.form.inputs().get(*i)) {
                        *v = input.min.saturating_add_unsigned(number.checked_rem(*width).unwrap_or(0));
                        number = number.checked_div(*width).unwrap_or(0);
                    }
                }
                let key = if count == 1 { Vec::new() } else { pick(&shared, &inside, &values) };
                if let Some((low, high)) = found.get(&key) {
                    *end = (end.0.saturating_add(*low), end.1.saturating_add(*high));
                }
            }
        }
        (ends.iter().map(|e| e.0).min().unwrap_or(base), ends.iter().map(|e| e.1).max().unwrap_or(base))
    }
}

/// Those of the shared inputs that a group has, with their values.
fn pick(shared: &[usize], inside: &[bool], values: &[i64]) -> Vec<i64> {
    shared.iter().zip(inside).filter(|(_, inside)| **inside).filter_map(|(i, _)| values.get(*i).copied()).collect()
}
