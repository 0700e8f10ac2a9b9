//! What the budgeter writes into the log. Nothing of a patient, and nothing of an answer but its digest.

use crate::accounting::Cost;
use crate::{Account, PrivacyUnit, QueryId};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};

/// What a budget bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guarantee {
    /// The sum of all queries of the data set stays within the cap.
    DataSet,
    /// For each patient, the sum of the queries that see them stays within the cap; who has reached it takes part no more,
    /// and nobody is told. For plaintext tables, under the add-or-remove relation (Feldman, Zrnic 2021).
    PerRecord,
}

/// The terms of a budget, fixed for the data set's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The data set's id: the same for all its versions, and for no other patients.
    pub data_set: [u8; 32],
    /// Who is protected.
    pub unit: PrivacyUnit,
    /// What the cap bounds.
    pub guarantee: Guarantee,
    /// The cap; its kind is the data set's regime.
    pub cap: Cost,
}

impl Wire for Terms {
    const TYPE: ObjectType = ObjectType::BudgetTerms;
    const MAX_BODY: usize = 256;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(&self.data_set);
        self.unit.encode(e);
        e.u8(matches!(self.guarantee, Guarantee::PerRecord).into());
        self.cap.encode(e);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        let (data_set, unit) = (d.byte_array()?, PrivacyUnit::decode(d)?);
        let guarantee = match d.u8()? {
            0 => Guarantee::DataSet,
            1 => Guarantee::PerRecord,
            _ => return Err(d.invalid("not a guarantee")),
        };
        Ok(Self { data_set, unit, guarantee, cap: Cost::decode(d)? })
    }
}

/// Whose quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum QuotaKind {
    /// A researcher's.
    Researcher,
    /// A project's.
    Project,
    /// A purpose's.
    Purpose,
}

impl QuotaKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Researcher, Self::Project, Self::Purpose];

    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Researcher => 0,
            Self::Project => 1,
            Self::Purpose => 2,
        }
    }

    /// The word for messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Researcher => "researcher",
            Self::Project => "project",
            Self::Purpose => "purpose",
        }
    }

    /// The account's name of this kind.
    #[must_use]
    pub fn of(self, account: &Account) -> &str {
        match self {
            Self::Researcher => &account.researcher,
            Self::Project => &account.project,
            Self::Purpose => &account.purpose,
        }
    }
}

/// A cap beneath the data set's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Whose.
    pub kind: QuotaKind,
    /// Their name, as in [`Account`]; at most [`Account::MAX_NAME`] bytes and not empty.
    pub name: String,
    /// The cap, in the data set's regime.
    pub cap: Cost,
}

impl Wire for Quota {
    const TYPE: ObjectType = ObjectType::BudgetQuota;
    const MAX_BODY: usize = 512;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).u8(self.kind.code()).text(&self.name);
        self.cap.encode(e);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let code = d.u8()?;
        let kind = QuotaKind::ALL.into_iter().find(|k| k.code() == code);
        let kind = kind.ok_or_else(|| d.invalid("not a kind of quota"))?;
        let name = d.text(Account::MAX_NAME)?;
        if name.is_empty() {
            return Err(d.invalid("a quota without a name"));
        }
        Ok(Self { kind, name: name.to_owned(), cap: Cost::decode(d)? })
    }
}

/// One debit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debit {
    /// The query.
    pub query: QueryId,
    /// Its number in this budget, from 1.
    pub number: u64,
    /// The data's version that it asks.
    pub version: u64,
    /// Its cost.
    pub cost: Cost,
    /// The exact sum of all costs up to and with this one; nothing for per-record budgets, which have no such sum.
    pub total: Cost,
    /// Whom it was charged to.
    pub account: Account,
}

impl Wire for Debit {
    const TYPE: ObjectType = ObjectType::BudgetDebit;
    const MAX_BODY: usize = 1024;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(6).bytes(&self.query.0).u64(self.number).u64(self.version);
        self.cost.encode(e);
        self.total.encode(e);
        self.account.encode(e);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(6)?;
        Ok(Self {
            query: QueryId(d.byte_array()?),
            number: d.u64()?,
            version: d.u64()?,
            cost: Cost::decode(d)?,
            total: Cost::decode(d)?,
            account: Account::decode(d)?,
        })
    }
}

/// A debit's permit was consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The query.
    pub query: QueryId,
    /// SHA-256 of the stored answer.
    pub answer: [u8; 32],
}

impl Wire for Settlement {
    const TYPE: ObjectType = ObjectType::BudgetAnswer;
    const MAX_BODY: usize = 128;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(2).bytes(&self.query.0).bytes(&self.answer);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        Ok(Self { query: QueryId(d.byte_array()?), answer: d.byte_array()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Neighbours;
    use crate::units::{Delta, Epsilon, Rho};
    use mediveil_codec::testing::check_wire;

    fn epsilon(bits: u32) -> Cost {
        Cost::Pure(Epsilon::from_units(1 << bits).unwrap())
    }

    #[test]
    fn records_are_frozen() {
        let terms = Terms {
            data_set: [7; 32],
            unit: PrivacyUnit::new(Neighbours::AddRemove, 4).unwrap(),
            guarantee: Guarantee::DataSet,
            cap: Cost::Concentrated {
                rho: Rho::from_units(1 << 48).unwrap(),
                delta: Delta::from_units(1 << 40).unwrap(),
            },
        };
        check_wire(
            &terms,
            "894d4456050101000000003b845820070707070707070707070707070707070707070707070707070707070707070782
            00040083011b00010000000000001b0000010000000000",
        );
        let quota = Quota { kind: QuotaKind::Researcher, name: "ada".into(), cap: epsilon(40) };
        check_wire(&quota, "894d4456050201000000001283006361646183001b000001000000000000");
        let account = Account { researcher: "ada".into(), project: "heart".into(), purpose: String::new() };
        let debit =
            Debit { query: QueryId([1; 32]), number: 2, version: 3, cost: epsilon(39), total: epsilon(40), account };
        check_wire(
            &debit,
            "894d44560503010000000049865820010101010101010101010101010101010101010101010101010101010101010102
            0383001b00000080000000000083001b000001000000000000836361646165686561727460",
        );
        check_wire(
            &Settlement { query: QueryId([1; 32]), answer: [2; 32] },
            "894d44560504010000000045825820010101010101010101010101010101010101010101010101010101010101010158
            200202020202020202020202020202020202020202020202020202020202020202",
        );
    }
}
