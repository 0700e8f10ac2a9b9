//! A plan: a question with its noise and its price, before anything is spent.

use crate::accounting::{Cost, Regime};
use crate::table::TablePlan;
use crate::{AmountError, Mechanism};
use mediveil_codec::{DecodeError, Decoder, Encoder};
use sha2::{Digest, Sha256};
use std::fmt;

/// The name of a query: SHA-256 over the data set, its version, the canonical query with its mechanisms, and the cost.
/// The same question at the same price of the same data has the same name, whoever asks and when.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(pub(crate) [u8; 32]);

impl QueryId {
    /// The id with these bytes, as the log shows it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Lower-case hexadecimal.
impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueryId({self})")
    }
}

/// Who asks, for which project and which purpose: names of quotas. Empty where none applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The researcher.
    pub researcher: String,
    /// The project.
    pub project: String,
    /// The purpose.
    pub purpose: String,
}

impl Account {
    /// The longest name in bytes.
    pub const MAX_NAME: usize = 128;

    pub(crate) fn encode(&self, e: &mut Encoder<'_>) {
        e.array(3).text(&self.researcher).text(&self.project).text(&self.purpose);
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let mut name = || d.text(Self::MAX_NAME).map(str::to_owned);
        Ok(Self { researcher: name()?, project: name()?, purpose: name()? })
    }
}

/// A question with everything that decides its cost and its noise. Data-independent; made by [`crate::Query::plan`] for
/// plaintext tables, or by [`Plan::new`] for answers that are computed elsewhere, such as on encrypted rows.
#[derive(Clone, Debug)]
pub struct Plan {
    version: u64,
    canonical: Vec<u8>,
    mechanisms: Vec<Mechanism>,
    account: Account,
    pub(crate) table: Option<TablePlan>,
}

impl Plan {
    /// The longest canonical query in bytes.
    pub const MAX_QUERY: usize = 1 << 20;

    /// A plan for the canonical bytes of a query, which its own crate defines, on one version of the data, answered
    /// through these mechanisms in order. `None` for a query that is too long and for no mechanism at all.
    #[must_use]
    pub fn new(query: &[u8], version: u64, mechanisms: Vec<Mechanism>) -> Option<Self> {
        if query.len() > Self::MAX_QUERY || mechanisms.is_empty() {
            return None;
        }
        Some(Self { version, canonical: query.to_vec(), mechanisms, account: Account::default(), table: None })
    }

    /// The same plan, charged to these quotas as well.
    #[must_use]
    pub fn charged_to(mut self, account: Account) -> Self {
        self.account = account;
        self
    }

    pub(crate) fn of_table(mut self, table: TablePlan) -> Self {
        self.table = Some(table);
        self
    }

    /// The data's version that it asks.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The mechanisms, in the order they run.
    #[must_use]
    pub fn mechanisms(&self) -> &[Mechanism] {
        &self.mechanisms
    }

    /// Whom it is charged to.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// The exact sum of the mechanisms' costs; `None` where the regime does not admit one of them.
    ///
    /// # Errors
    /// [`AmountError`] beyond the range of the unit.
    pub fn cost(&self, regime: Regime) -> Result<Option<Cost>, AmountError> {
        let mut total = Cost::zero(regime);
        for mechanism in &self.mechanisms {
            let Some(cost) = mechanism.cost(regime)? else { return Ok(None) };
            total = total.checked_add(&cost).ok_or(AmountError::TooLarge)?;
        }
        Ok(Some(total))
    }

    /// The query's name in the budget of a data set, at this cost: what a debit carries.
    #[must_use]
    pub fn name(&self, data_set: &[u8; 32], cost: &Cost) -> QueryId {
        self.id(data_set, cost)
    }

    /// The query's id for one data set and cost.
    pub(crate) fn id(&self, data_set: &[u8; 32], cost: &Cost) -> QueryId {
        let (main, delta) = cost.units();
        let mut hasher = Sha256::new();
        hasher.update(b"mediveil/dp/query/v1\0");
        hasher.update(data_set);
        hasher.update([u8::from(cost.regime() == Regime::Concentrated)]);
        for number in [self.version, main, delta, length(&self.mechanisms)] {
            hasher.update(number.to_be_bytes());
        }
        for mechanism in &self.mechanisms {
            hasher.update(mechanism.canonical());
        }
        hasher.update(length(&self.canonical).to_be_bytes());
        hasher.update(&self.canonical);
        QueryId(hasher.finalize().into())
    }
}

fn length<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}
