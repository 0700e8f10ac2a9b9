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
