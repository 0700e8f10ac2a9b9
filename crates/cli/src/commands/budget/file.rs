//! The file that names a budget, and the amounts and queries of the command line.

use crate::commands::log::{is_address, open, open_for_writing};
use crate::failure::{Failure, Kind};
use crate::files::read_small;
use crate::text::hex;
use clap::Args;
use mediveil_dp::accounting::{Cost, Regime};
use mediveil_dp::{Account, Budget, Delta, Epsilon, Price, Query, Quota, QuotaKind, Rho, Schema};
use mediveil_ledger::Actor;
use mediveil_seal::AtomicFile;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The delta at which concentrated amounts are also told as an epsilon, unless another is asked for.
pub(super) const DELTA: f64 = 1e-6;

/// What a budget's file says: JSON, public, written by `budget create`. The data set's promise is in the log; this only finds it.
/// A later version of the data whose columns differ needs another schema in here.
pub(crate) struct BudgetFile {
    pub(super) name: String,
    pub(super) data_set: [u8; 32],
    pub(super) owner: Actor,
    pub(super) schema: Schema,
    /// Where the log is, as seen from this file's folder.
    log: PathBuf,
}

/// A small text file.
pub(super) fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read_small(path)?).map_err(|_| Failure::new(Kind::Damaged, "is not UTF-8 text").at(path))
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != N.saturating_mul(2) || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

impl BudgetFile {
    pub(crate) fn new(
        path: &Path,
        log: &Path,
        name: &str,
        data_set: [u8; 32],
        owner: Actor,
        schema: Schema,
    ) -> Result<Self, Failure> {
        if is_address(log) {
            return Ok(Self { name: name.to_owned(), data_set, owner, schema, log: log.to_owned() });
        }
        // A log beside the file stays beside it when both are moved; any other is named in full.
        let folder = |p: &Path| match p.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.canonicalize(),
            _ => Path::new(".").canonicalize(),
        };
        let full = log.canonicalize().map_err(|e| Failure::from(e).at(log))?;
        let home = folder(path).map_err(|e| Failure::from(e).at(path))?;
        let log = full.strip_prefix(&home).map(Path::to_owned).unwrap_or(full);
        Ok(Self { name: name.to_owned(), data_set, owner, schema, log })
    }

    pub(super) fn data_set_hex(&self) -> String {
        hex(&self.data_set)
    }

    fn text(&self) -> Result<String, Failure> {
        let schema: Value =
            serde_json::from_str(&self.schema.to_json()).map_err(|e| Failure::new(Kind::Failed, e.to_string()))?;
        let json = json!({
            "mediveil_budget": 1, "name": self.name, "log": self.log.display().to_string(),
            "data_set": self.data_set_hex(), "owner": self.owner.to_string(), "schema": schema,
        });
        Ok(format!("{json:#}\n"))
    }

    /// Writes the file over the one that is there.
    pub(super) fn replace(&self, path: &Path) -> Result<(), Failure> {
        AtomicFile::options().write(path, self.text()?.as_bytes()).map_err(|e| Failure::from(e).at(path))
    }

    /// Writes a new file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let options = AtomicFile::options().keep_existing(true);
        options.write(path, self.text()?.as_bytes()).map_err(|e| match e.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::new(Kind::Refused, "exists; choose another name").at(path),
            _ => Failure::from(e).at(path),
        })
    }

    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let damaged = |why: &str| Failure::new(Kind::Damaged, format!("is not a budget's file: {why}")).at(path);
        let json: Value = serde_json::from_str(&read_text(path)?).map_err(|e| damaged(&e.to_string()))?;
        if json.get("mediveil_budget") != Some(&json!(1)) {
            return Err(damaged("its \"mediveil_budget\" is not 1"));
        }
        let text = |name: &str| json.get(name).and_then(Value::as_str).ok_or_else(|| damaged(&format!("no {name:?}")));
        let schema = json.get("schema").ok_or_else(|| damaged("no \"schema\""))?.to_string();
        Ok(Self {
            name: text("name")?.to_owned(),
            log: PathBuf::from(text("log")?),
            data_set: unhex(text("data_set")?)
                .ok_or_else(|| damaged("its \"data_set\" is not 64 hexadecimal digits"))?,
            owner: unhex(text("owner")?)
                .map(Actor::from_bytes)
                .ok_or_else(|| damaged("its \"owner\" is not 32 hexadecimal digits"))?,
            schema: Schema::from_json(&schema).map_err(|e| Failure::from(e).at(path))?,
        })
    }

    /// Where the log is, when this file is at `path`.
    pub(super) fn log_path(&self, path: &Path) -> PathBuf {
        match path.parent() {
            Some(folder) if !is_address(&self.log) => folder.join(&self.log),
            _ => self.log.clone(),
        }
    }

    /// The file at `path` and the budget that it names.
    pub(super) fn open(path: &Path, writing: bool) -> Result<(Self, Budget), Failure> {
        let file = Self::read(path)?;
        let log = file.log_path(path);
        let log = if writing { open_for_writing(&log)? } else { open(&log)? };
        let budget = Budget::open(&log, &file.data_set, file.owner)?;
        if !budget.knows_schema(&file.schema)? {
            let why = "its schema is not one that was declared in the log: it was changed, or it is of a later version of the data, \
                       to be declared with `budget schema`";
            return Err(Failure::new(Kind::Damaged, why).at(path));
        }
        Ok((file, budget))
    }
}

/// The cap of a budget.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct CapArgs {
    /// The cap in pure differential privacy: Laplace noise and declared groups only
    #[arg(long, value_name = "EPSILON", conflicts_with_all = ["rho", "delta"])]
    epsilon: Option<Epsilon>,
    /// The cap in zero-concentrated differential privacy: every kind of noise
    #[arg(long, value_name = "RHO")]
    rho: Option<Rho>,
    /// With --rho, the probability of failure that groups not known beforehand may spend
    #[arg(long, value_name = "DELTA", requires = "rho")]
    delta: Option<Delta>,
}

impl CapArgs {
    pub(super) fn cost(&self) -> Cost {
        match (self.epsilon, self.rho) {
            (Some(epsilon), _) => Cost::Pure(epsilon),
            (None, rho) => {
                Cost::Concentrated { rho: rho.unwrap_or(Rho::ZERO), delta: self.delta.unwrap_or(Delta::ZERO) }
            }
        }
    }
}

/// The price of a query.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct PriceArgs {
    /// Spend at most this, on Laplace noise
    #[arg(long, value_name = "EPSILON")]
    epsilon: Option<Epsilon>,
    /// Spend at most this, on Gaussian noise; in budgets of rho only
    #[arg(long, value_name = "RHO")]
    rho: Option<Rho>,
}

impl PriceArgs {
    pub(super) fn price(&self) -> Price {
        match (self.epsilon, self.rho) {
            (Some(epsilon), _) => Price::Epsilon(epsilon),
            (None, rho) => Price::Rho(rho.unwrap_or(Rho::ZERO)),
        }
    }
}

/// Who asks.
#[derive(Debug, Args)]
pub(super) struct AccountArgs {
    /// Who asks
    #[arg(long, value_name = "NAME", default_value = "")]
    researcher: String,
    /// For which project
    #[arg(long, value_name = "NAME", default_value = "")]
    project: String,
    /// For which purpose
    #[arg(long, value_name = "NAME", default_value = "")]
    purpose: String,
}

impl AccountArgs {
    pub(super) fn account(&self) -> Account {
        Account { researcher: self.researcher.clone(), project: self.project.clone(), purpose: self.purpose.clone() }
    }
}

/// A quota as it is typed.
#[derive(Clone, Debug)]
pub(super) struct QuotaArg {
    kind: QuotaKind,
    name: String,
    amount: String,
}

impl FromStr for QuotaArg {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a kind, a name and an amount, such as researcher:ada=0.5";
        let (kind, rest) = text.split_once(':').ok_or(EXPECTED)?;
        let (name, amount) = rest.rsplit_once('=').ok_or(EXPECTED)?;
        let kind = QuotaKind::ALL.into_iter().find(|k| k.name() == kind);
        let kind = kind.ok_or("the kinds of quotas are researcher, project and purpose")?;
        Ok(Self { kind, name: name.to_owned(), amount: amount.to_owned() })
    }
}

impl QuotaArg {
    pub(super) fn quota(&self, regime: Regime) -> Result<Quota, Failure> {
        let bad = |e: mediveil_dp::AmountError| Failure::usage(format!("{}: {e}", self.amount));
        let cap = match regime {
            Regime::Pure => Cost::Pure(self.amount.parse().map_err(bad)?),
            Regime::Concentrated => {
                let (rho, delta) = self.amount.split_once(',').unwrap_or((&self.amount, ""));
                let delta = if delta.is_empty() { Delta::ZERO } else { delta.parse().map_err(bad)? };
                Cost::Concentrated { rho: rho.parse().map_err(bad)?, delta }
            }
        };
        Ok(Quota { kind: self.kind, name: self.name.clone(), cap })
    }
}

/// A query: JSON as it stands, or the file that holds it.
pub(super) fn read_query(text: &str) -> Result<Query, Failure> {
    if text.trim_start().starts_with('{') {
        return Ok(Query::from_json(text)?);
    }
    let path = Path::new(text);
    Query::from_json(&read_text(path)?).map_err(|e| Failure::from(e).at(path))
}

/// A number for people: six significant places after the point at most, no trailing zeros.
pub(super) fn figure(value: f64) -> String {
    let text = if value != 0.0 && value.abs() < 1e-3 { return format!("{value:.3e}") } else { format!("{value:.4}") };
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        for (value, text) in [(0.0, "0"), (-0.0, "0"), (7.25, "7.25"), (100.0, "100"), (12.34567, "12.3457")] {
            assert_eq!(figure(value), text);
        }
        assert_eq!(figure(0.000_001), "1.000e-6");
    }

    #[test]
    fn quotas_have_a_kind_a_name_and_an_amount() {
        let quota: QuotaArg = "researcher:ada=love=0.5".parse().unwrap();
        assert_eq!(quota.quota(Regime::Pure).unwrap().name, "ada=love");
        for bad in ["", "ada=1", "boss:ada=1", "researcher:ada"] {
            assert!(bad.parse::<QuotaArg>().is_err(), "{bad}");
        }
        for bad in ["researcher:ada=", "researcher:ada=-1", "researcher:ada=NaN"] {
            assert!(bad.parse::<QuotaArg>().unwrap().quota(Regime::Pure).is_err(), "{bad}");
        }
    }

    #[test]
    fn hexadecimal_is_strict() {
        assert_eq!(unhex::<2>("00fF"), Some([0, 255]));
        for bad in ["", "00f", "00fff", "0g00", "é00"] {
            assert_eq!(unhex::<2>(bad), None, "{bad}");
        }
    }
}
