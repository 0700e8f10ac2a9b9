//! What a verifier asks to have proved, as JSON.
//!
//! ```json
//! {"statement": "record", "scope": "insurer/2026", "challenge": "7f3a...", "claims": [
//!   {"path": "code.coding[0].code", "is": "4548-4"},
//!   {"path": "valueQuantity.value", "below": "7.0"},
//!   {"path": "effectiveDateTime", "at_least": "2026-01-01T00:00:00Z"}]}
//! ```
//!
//! Members that are not defined are refused, so that a misspelt condition is not one that was never asked.
//!
//! # Numbers
//! A bound is written in quotation marks, since JSON's own numbers lose digits elsewhere. A claim's form fixes how many decimal
//! places the record's number may have: from `places` - 7 to `places`, which is 7 unless given. Every number with at most
//! seven decimals is covered by the default, exactly: "below 7.0" is up to 6.9999999.

use crate::Fr;
use mediveil_circuits::forms::{CredentialRegistry, FormError, ProviderRegistry, TableCommitment};
use mediveil_circuits::identity::{IdentityPublic, message};
use mediveil_circuits::record::{Claim, RecordPublic, challenge};
use mediveil_circuits::statistics::{COLUMNS, Query};
use mediveil_circuits::{InvalidStatement, Scope};
use mediveil_record::{Date, DateTime, Decimal, LeafValue};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A request that cannot be understood or proved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Not JSON of this form.
    #[error("not a request: {0}")]
    Json(String),
    /// A day that is not `YYYY-MM-DD`.
    #[error("`{0}` is not a date such as 2026-11-21")]
    Date(String),
    /// A claim that says nothing, or too much.
    #[error("the claim on {0} needs either `is`, or one lower bound, one upper bound or both")]
    Bounds(String),
    /// A bound that is no number, date or moment, or bounds of different types.
    #[error("the bounds on {0} must both be numbers, dates or moments; moments are bounded by at_least and at_most")]
    Types(String),
    /// More digits than 64 bits hold.
    #[error("the bounds on {0} do not fit 64 bits at this number of decimal places")]
    TooPrecise(String),
    /// A claim in words that is not `PATH = VALUE` or `PATH < VALUE`.
    #[error("`{0}` is not a claim such as `valueQuantity.value < 7.0` or `code.coding[0].code = 4548-4`")]
    Words(String),
    /// A name that the registry or table does not have.
    #[error(transparent)]
    Form(#[from] FormError),
    /// Well written, and nothing that can be proved.
    #[error(transparent)]
    Invalid(#[from] InvalidStatement),
}

/// A request for one of the statements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "statement", rename_all = "kebab-case")]
pub enum Request {
    /// Who somebody is.
    Identity(IdentityRequest),
    /// What a record says.
    Record(RecordRequest),
    /// What the rows of a table add up to.
    Statistics(StatisticsRequest),
}

impl Request {
    /// The request in this JSON.
    ///
    /// # Errors
    /// [`RequestError::Json`].
    pub fn parse(json: &[u8]) -> Result<Self, RequestError> {
        serde_json::from_slice(json).map_err(|e| RequestError::Json(e.to_string()))
    }

    /// The JSON, for people: with line breaks.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Maps with text for names and no floats: nothing here that JSON cannot hold.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// "Hold a credential of the registry, be born before this day, have one of these roles."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityRequest {
    /// Where one person counts once.
    pub scope: String,
    /// What no earlier request said.
    pub challenge: String,
    /// The holder was born before this day (`YYYY-MM-DD`).
    pub born_before: String,
    /// The credential counts on this day (`YYYY-MM-DD`).
    pub today: String,
    /// The holder has one of these roles; any for none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

fn date(text: &str) -> Result<Date, RequestError> {
    Date::parse(text).ok_or_else(|| RequestError::Date(text.to_owned()))
}

impl IdentityRequest {
    /// The first day on which nobody is born who has this age today, for `born_before`: the day after today's, that many
    /// years ago. Whoever was born on 29 February has their birthday on 1 March in years without one. `None` before the
    /// calendar begins.
    #[must_use]
    pub fn day_of_age(today: Date, years: u32) -> Option<Date> {
        let (year, month, day) = today.ymd();
        let year = year.checked_sub(years)?;
        match Date::from_ymd(year, month, day) {
            Some(date) => Date::from_days(date.days().checked_add(1)?),
            None => Date::from_ymd(year, 3, 1),
        }
    }

    /// The scope.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::new(&self.scope)
    }

    /// The public part for a holder with this nullifier.
    ///
    /// # Errors
    /// [`RequestError`] for days that do not exist and roles that the registry does not define.
    pub fn public(&self, registry: &CredentialRegistry, nullifier: Fr) -> Result<IdentityPublic, RequestError> {
        Ok(IdentityPublic {
            registry: registry.root(),
            nullifier,
            scope: self.scope(),
            message: message(self.challenge.as_bytes()),
            born_before: date(&self.born_before)?,
            today: date(&self.today)?,
            roles: registry.role_set(&self.roles)?,
        })
    }
}

/// "Have a record, signed for you by one of these providers, in which these leaves are so."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordRequest {
    /// Where one person counts once.
    pub scope: String,
    /// What no earlier request said.
    pub challenge: String,
    /// One to four claims, each on another leaf of one resource.
    pub claims: Vec<ClaimRequest>,
}

impl RecordRequest {
    /// The scope.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope::new(&self.scope)
    }

    /// The public part for a holder with this nullifier.
    ///
    /// # Errors
    /// [`RequestError`] for claims that are none.
    pub fn public(&self, providers: &ProviderRegistry, nullifier: Fr) -> Result<RecordPublic, RequestError> {
        let claims = self.claims.iter().map(ClaimRequest::claim).collect::<Result<_, _>>()?;
        let challenge = challenge(self.challenge.as_bytes());
        Ok(RecordPublic::new(providers.tree()?.root(), challenge, self.scope(), nullifier, claims)?)
    }
}

/// A text or a truth value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Literal {
    /// A truth value.
    Boolean(bool),
    /// A text, a date or a moment.
    Text(String),
}

/// A claim on one leaf: `is`, or bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// The leaf's path.
    pub path: String,
    /// It is this text, date, moment or truth value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<Literal>,
    /// It is this or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<String>,
    /// It is more than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<String>,
    /// It is this or less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<String>,
    /// It is less than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<String>,
    /// For numbers: the record's number has at most this many decimal places and at least seven fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<u8>,
}

/// Decimal places that a claim covers unless it says otherwise: none to this many.
const PLACES: u8 = 7;

/// One end of a range.
enum Bound {
    Number(Decimal),
    Date(Date),
    Moment(DateTime),
}

impl Bound {
    fn parse(text: &str) -> Option<Self> {
        let date = || Date::parse(text).map(Self::Date);
        let moment = || DateTime::parse(text).map(Self::Moment);
        Decimal::parse(text).map(Self::Number).or_else(date).or_else(moment)
    }
}

/// The number at another scale.
fn at_scale(number: Decimal, scale: u8) -> Option<i64> {
    let factor = 10_i64.checked_pow(u32::from(scale.checked_sub(number.scale())?))?;
    number.mantissa().checked_mul(factor)
}

impl ClaimRequest {
    /// A claim in words: `PATH = TEXT`, or `PATH < VALUE` with one or two of `<`, `<=`, `>`, `>=`, and `places N` behind it.
    ///
    /// # Errors
    /// [`RequestError::Words`].
    pub fn from_words(words: &str) -> Result<Self, RequestError> {
        let bad = || RequestError::Words(words.to_owned());
        let (path, rest) = words.trim().split_once(' ').ok_or_else(bad)?;
        let mut claim = Self { path: path.to_owned(), ..Self::default() };
        if let Some(value) = rest.trim().strip_prefix("= ") {
            claim.is = Some(match value.trim() {
                "true" => Literal::Boolean(true),
                "false" => Literal::Boolean(false),
                text => Literal::Text(text.to_owned()),
            });
            return Ok(claim);
        }
        let mut words = rest.split_whitespace();
        while let Some(operator) = words.next() {
            let value = words.next().ok_or_else(bad)?;
            let member = match operator {
                ">=" => &mut claim.at_least,
                ">" => &mut claim.above,
                "<=" => &mut claim.at_most,
                "<" => &mut claim.below,
                "places" => {
                    claim.places = Some(value.parse().map_err(|_| bad())?);
                    continue;
                }
                _ => return Err(bad()),
            };
            if member.replace(value.to_owned()).is_some() {
                return Err(bad());
            }
        }
        Ok(claim)
    }

    /// The claim itself.
    ///
    /// # Errors
    /// [`RequestError`] for no condition, too many, bounds of different types and empty ranges.
    pub fn claim(&self) -> Result<Claim, RequestError> {
        let path = &self.path;
        let bounds = || RequestError::Bounds(path.clone());
        let (low, high) = match (&self.at_least, &self.above, &self.at_most, &self.below) {
            (Some(_), Some(_), _, _) | (_, _, Some(_), Some(_)) => return Err(bounds()),
            (least, above, most, below) => (least.as_ref().or(above.as_ref()), most.as_ref().or(below.as_ref())),
        };
        if let Some(is) = &self.is {
            if low.is_some() || high.is_some() || self.places.is_some() {
                return Err(bounds());
            }
            return match is {
                Literal::Boolean(value) => Ok(Claim::boolean(path, *value)),
                Literal::Text(text) => match LeafValue::from_text(text) {
                    LeafValue::Date(day) => Ok(Claim::date(path, day, day)?),
                    LeafValue::DateTime(moment) => Ok(Claim::moment(path, &moment, &moment)?),
                    _ => Ok(Claim::text(path, text)),
                },
            };
        }
        if low.is_none() && high.is_none() {
            return Err(bounds());
        }
        let types = || RequestError::Types(path.clone());
        let parse = |text: Option<&String>| text.map(|t| Bound::parse(t).ok_or_else(types)).transpose();
        let (low, high) = (parse(low)?, parse(high)?);
        if self.places.is_some() && !matches!((&low, &high), (Some(Bound::Number(_)), _) | (_, Some(Bound::Number(_))))
        {
            return Err(types());
        }
        match (low, high) {
            (None, None) => Err(bounds()),
            (Some(Bound::Number(low)), Some(Bound::Number(high))) => self.number(Some(low), Some(high)),
            (Some(Bound::Number(low)), None) => self.number(Some(low), None),
            (None, Some(Bound::Number(high))) => self.number(None, Some(high)),
            (Some(Bound::Date(low)), Some(Bound::Date(high))) => self.date(Some(low), Some(high)),
            (Some(Bound::Date(low)), None) => self.date(Some(low), None),
            (None, Some(Bound::Date(high))) => self.date(None, Some(high)),
            (Some(Bound::Moment(low)), Some(Bound::Moment(high))) => self.moment(Some(low), Some(high)),
            (Some(Bound::Moment(low)), None) => self.moment(Some(low), None),
            (None, Some(Bound::Moment(high))) => self.moment(None, Some(high)),
            _ => Err(types()),
        }
    }

    fn number(&self, low: Option<Decimal>, high: Option<Decimal>) -> Result<Claim, RequestError> {
        let precise = || RequestError::TooPrecise(self.path.clone());
        let written = low.iter().chain(&high).map(|d| d.scale()).max().unwrap_or(0);
        let scale = self.places.unwrap_or(PLACES).max(written);
        let bound = |number: Option<Decimal>, open: i64, unbounded: i64| match number {
            None => Ok(unbounded),
            Some(number) => at_scale(number, scale).and_then(|m| m.checked_add(open)).ok_or_else(precise),
        };
        let low = bound(low, self.above.is_some().into(), i64::MIN)?;
        let high = bound(high, if self.below.is_some() { -1 } else { 0 }, i64::MAX)?;
        Ok(Claim::number(&self.path, Decimal::new(low, scale), Decimal::new(high, scale))?)
    }

    fn date(&self, low: Option<Date>, high: Option<Date>) -> Result<Claim, RequestError> {
        let empty = || InvalidStatement::EmptyRange(self.path.clone());
        let low = match low.map_or(0, Date::days).checked_add(self.above.is_some().into()) {
            Some(days) => Date::from_days(days).ok_or_else(empty)?,
            None => return Err(empty().into()),
        };
        let high = high.map_or(Date::MAX_DAYS, Date::days).checked_sub(self.below.is_some().into());
        let high = high.and_then(Date::from_days).ok_or_else(empty)?;
        Ok(Claim::date(&self.path, low, high)?)
    }

    fn moment(&self, low: Option<DateTime>, high: Option<DateTime>) -> Result<Claim, RequestError> {
        if self.above.is_some() || self.below.is_some() {
            return Err(RequestError::Types(self.path.clone()));
        }
        let or = |moment: Option<DateTime>, text| {
            moment.or_else(|| DateTime::parse(text)).ok_or_else(|| RequestError::Types(self.path.clone()))
        };
        let (low, high) = (or(low, "0001-01-01T00:00:00Z")?, or(high, "9999-12-31T23:59:59.999Z")?);
        Ok(Claim::moment(&self.path, &low, &high)?)
    }
}

/// In words, as [`ClaimRequest::from_words`] reads it.
impl fmt::Display for ClaimRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match &self.is {
            Some(Literal::Boolean(value)) => write!(f, " = {value}")?,
            Some(Literal::Text(text)) => write!(f, " = {text}")?,
            None => {}
        }
        let bounds = [(">=", &self.at_least), (">", &self.above), ("<=", &self.at_most), ("<", &self.below)];
        for (operator, value) in bounds {
            if let Some(value) = value {
                write!(f, " {operator} {value}")?;
            }
        }
        if let Some(places) = self.places {
            write!(f, " places {places}")?;
        }
        Ok(())
    }
}

/// "Count, sum and sum of squares of this column, over the rows in these ranges."
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatisticsRequest {
    /// The column that is added up.
    pub column: String,
    /// For columns by name: the least and the greatest value of a row that counts. A row without a value in a named column
    /// does not count.
    #[serde(default, rename = "where", skip_serializing_if = "BTreeMap::is_empty")]
    pub filter: BTreeMap<String, [u32; 2]>,
}

impl StatisticsRequest {
    /// The query of this table.
    ///
    /// # Errors
    /// [`RequestError`] for columns that the table does not have and empty ranges.
    pub fn query(&self, table: &TableCommitment) -> Result<Query, RequestError> {
        let mut filter = [None; COLUMNS];
        for (name, [low, high]) in &self.filter {
            if let Some(range) = filter.get_mut(table.column(name)?) {
                *range = Some((*low, *high));
            }
        }
        Ok(Query::new(table.column(&self.column)?, filter)?)
    }
}
