//! Adding numbers digit by digit, and comparing their sum with cuts.

use super::{BASE, Builder, Compiled, Digit, LOOKUP_NOISE, LOOKUP_SCALE, Linear, Number, PlanError};

impl Builder<'_> {
    /// How many cuts the sum of the numbers, and the offset, reaches.
    pub(super) fn classes(
        &mut self,
        mut numbers: Vec<Number>,
        offset: i64,
        cuts: &[i64],
    ) -> Result<Compiled, PlanError> {
        let cuts: Vec<i64> = cuts.iter().map(|c| c.saturating_sub(offset)).collect();
        let reached = |value: i64| i64::try_from(cuts.iter().filter(|c| value >= **c).count()).unwrap_or(0);
        let most = numbers.iter().fold(0_i64, |sum, n| sum.saturating_add(n.max()));
        if let [Number::Table { group, values }] = numbers.as_slice() {
            let classes: Vec<i64> = values.iter().map(|v| reached(*v)).collect();
            let output = self.table(*group, &classes);
            return Ok((vec![output], 2, LOOKUP_SCALE));
        }
        if most <= 15 {
            let mut digits = Vec::new();
            for number in numbers {
                digits.push(self.single(number));
            }
            let total = self.small_sum(digits)?;
            let output = self.lookup(total, reached)?;
            return Ok((vec![output], 2, LOOKUP_SCALE));
        }
        let tables = numbers.iter().filter(|n| matches!(n, Number::Table { .. })).count();
        if tables < numbers.len() || tables > 8 {
            numbers = self.reduce(numbers, 3)?;
        }
        for number in &mut numbers {
            if let Number::Digits(digits) = number {
                for digit in digits {
                    digit.linear = self.quieter(std::mem::take(&mut digit.linear), 1)?;
                }
            }
        }
        let mut output = Linear::default();
        for cut in cuts {
            output = if cut <= 0 {
                output.plus(1, &Linear::constant(1))
            } else if cut > most {
                output
            } else {
                let carry = self.reaches(&numbers, cut)?;
                output.plus(1, &carry)
            };
        }
        Ok((vec![output], 2, LOOKUP_SCALE))
    }

    /// A number of at most 15 on one wire.
    pub(super) fn single(&mut self, number: Number) -> Digit {
        let max = number.max();
        let linear = match number {
            Number::Table { group, values } => self.table(group, &values),
            Number::Digits(digits) => {
                let mut factor = 1;
                digits.iter().fold(Linear::default(), |sum, d| {
                    let sum = sum.plus(factor, &d.linear);
                    factor = BASE;
                    sum
                })
            }
        };
        Digit { linear, max }
    }

    /// The sum of digits that together are at most 15, quiet enough for a lookup.
    pub(super) fn small_sum(&mut self, mut digits: Vec<Digit>) -> Result<Linear, PlanError> {
        loop {
            let noise: u64 = digits.iter().map(|d| d.linear.noise()).sum();
            if noise <= LOOKUP_NOISE {
                return Ok(digits.iter().fold(Linear::default(), |sum, d| sum.plus(1, &d.linear)));
            }
            // Each alone first; then as many together as a lookup takes.
            let mut next: Vec<Digit> = Vec::new();
            let mut open = Digit { linear: Linear::default(), max: 0 };
            for digit in digits {
                let linear = self.quieter(digit.linear, 1)?;
                if open.linear.noise().saturating_add(linear.noise()) > LOOKUP_NOISE {
                    let quiet = self.lookup(open.linear, |v| v)?;
                    next.push(Digit { linear: quiet, max: open.max });
                    open = Digit { linear: Linear::default(), max: 0 };
                }
                open = Digit { linear: open.linear.plus(1, &linear), max: open.max.saturating_add(digit.max) };
            }
            if next.is_empty() {
                return Ok(open.linear);
            }
            next.push(open);
            digits = next;
        }
    }

    /// The digits of a number in a base.
    fn digits(&mut self, number: &Number, base: i64) -> Vec<Digit> {
        match number {
            Number::Digits(digits) => digits.clone(),
            Number::Table { group, values } => {
                let mut rest = values.clone();
                let mut digits = Vec::new();
                while rest.iter().any(|v| *v > 0) {
                    let low: Vec<i64> = rest.iter().map(|v| v.checked_rem(base).unwrap_or(0)).collect();
                    rest.iter_mut().for_each(|v| *v = v.checked_div(base).unwrap_or(0));
                    let max = low.iter().copied().max().unwrap_or(0);
                    digits.push(Digit { linear: self.table(*group, &low), max });
                }
                digits
            }
        }
    }

    /// Adds numbers four at a time, until at most `until` are left.
    pub(super) fn reduce(&mut self, mut numbers: Vec<Number>, until: usize) -> Result<Vec<Number>, PlanError> {
        while numbers.len() > until {
            let mut next = Vec::new();
            for chunk in numbers.chunks(4) {
                next.push(if let [one] = chunk { one.clone() } else { Number::Digits(self.add(chunk)?) });
            }
            numbers = next;
        }
        Ok(numbers)
    }

    /// The sum of up to four numbers, in clean digits of base four.
    fn add(&mut self, numbers: &[Number]) -> Result<Vec<Digit>, PlanError> {
        let columns: Vec<Vec<Digit>> = numbers.iter().map(|n| self.digits(n, BASE)).collect();
        let length = columns.iter().map(Vec::len).max().unwrap_or(0);
        let mut carry = Digit { linear: Linear::default(), max: 0 };
        let mut sum = Vec::new();
        let mut at = 0;
        while at < length || carry.max > 0 {
            let mut column = carry;
            for digit in columns.iter().filter_map(|c| c.get(at)) {
                let linear = self.quieter(digit.linear.clone(), 1)?;
                column = Digit { linear: column.linear.plus(1, &linear), max: column.max.saturating_add(digit.max) };
            }
            if column.max < BASE {
                let linear = if column.linear.noise() > 1 { self.lookup(column.linear, |v| v)? } else { column.linear };
                sum.push(Digit { linear, max: column.max });
                carry = Digit { linear: Linear::default(), max: 0 };
            } else {
                let low = self.lookup(column.linear.clone(), |v| v.rem_euclid(BASE))?;
                let high = self.lookup(column.linear, |v| v.div_euclid(BASE))?;
                sum.push(Digit { linear: low, max: BASE.saturating_sub(1) });
                carry = Digit { linear: high, max: column.max.div_euclid(BASE) };
            }
            at = at.saturating_add(1);
        }
        Ok(sum)
    }

    /// Whether the sum of the numbers is at least `cut`, which is 1 to their maximum: the carry out of the sum of the numbers
    /// and a constant that takes the cut to a power of the base.
    fn reaches(&mut self, numbers: &[Number], cut: i64) -> Result<Linear, PlanError> {
        let most = numbers.iter().fold(0_i64, |sum, n| sum.saturating_add(n.max()));
        let tables = numbers.iter().all(|n| matches!(n, Number::Table { .. }));
        let count = i64::try_from(numbers.len()).unwrap_or(16);
        let base = if tables { 16_i64.checked_div(count).unwrap_or(BASE) } else { BASE };
        let (mut power, mut length) = (1_i64, 0_usize);
        while power < most.saturating_add(1) {
            power = power.saturating_mul(base);
            length = length.saturating_add(1);
        }
        let constant = power.saturating_sub(cut);
        let mut numbers = numbers.to_vec();
        let mut rest = 0;
        match numbers.first_mut() {
            // A table takes the constant in, and may then have one digit more at the top.
            Some(Number::Table { values, .. }) if tables => {
                values.iter_mut().for_each(|v| *v = v.saturating_add(constant));
            }
            _ => rest = constant,
        }
        let columns: Vec<Vec<Digit>> = numbers.iter().map(|n| self.digits(n, base)).collect();
        let mut carry = Digit { linear: Linear::default(), max: 0 };
        for at in 0..length {
            let digit = rest.checked_rem(base).unwrap_or(0);
            rest = rest.checked_div(base).unwrap_or(0);
            let mut column =
                Digit { linear: carry.linear.plus(1, &Linear::constant(digit)), max: carry.max.saturating_add(digit) };
            for digit in columns.iter().filter_map(|c| c.get(at)) {
                let linear = self.quieter(digit.linear.clone(), 1)?;
                column = Digit { linear: column.linear.plus(1, &linear), max: column.max.saturating_add(digit.max) };
            }
            carry = if column.max < base {
                Digit { linear: Linear::default(), max: 0 }
            } else {
                let linear = self.lookup(column.linear, |v| v.checked_div(base).unwrap_or(0))?;
                Digit { linear, max: column.max.checked_div(base).unwrap_or(0) }
            };
        }
        // What a table with the constant has above the top digit is a carry as well.
        let mut output = carry.linear;
        for digit in columns.iter().flat_map(|c| c.iter().skip(length)) {
            output = output.plus(1, &digit.linear);
        }
        Ok(output)
    }
}
