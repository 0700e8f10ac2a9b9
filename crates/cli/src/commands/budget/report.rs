//! `mediveil budget report`: where the budget went, as text or as a page that stands alone.

use super::file::{BudgetFile, DELTA, figure};
use super::{cost_json, short};
use crate::failure::Failure;
use crate::files::Output;
use crate::global::Global;
use clap::Args;
use mediveil_dp::accounting::{Cost, Regime};
use mediveil_dp::{Budget, Charged, Guarantee, History, QuotaKind, Terms};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

/// `budget report`.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The budget's file
    file: PathBuf,
    /// Write a page for browsers instead of text
    #[arg(long)]
    html: bool,
    /// Where the report goes; stdout if it is - or missing
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The delta at which a budget of rho is also told as an epsilon
    #[arg(long, value_name = "DELTA", default_value_t = DELTA)]
    at_delta: f64,
}

/// Everything that the report tells, in all its forms.
struct Facts<'a> {
    name: &'a str,
    terms: Terms,
    history: &'a History,
    at_delta: f64,
}

/// The share of the cap that an amount is: of the larger part, for amounts of two parts.
fn share(amount: &Cost, cap: &Cost) -> f64 {
    let ratio = |a: u64, b: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a share for a plot")]
        let share = if b == 0 { 0.0 } else { a as f64 / b as f64 };
        share
    };
    let ((a, d), (b, e)) = (amount.units(), cap.units());
    ratio(a, b).max(ratio(d, e))
}

/// Text in HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Facts<'_> {
    fn per_record(&self) -> bool {
        self.terms.guarantee == Guarantee::PerRecord
    }

    /// The sum of the debits; for per-record budgets the sum of prices, which no single patient may have paid.
    fn spent(&self) -> Cost {
        let zero = Cost::zero(self.terms.cap.regime());
        self.history.debits.iter().fold(zero, |sum, c| sum.checked_add(&c.debit.cost).unwrap_or(sum))
    }

    fn by(&self, kind: QuotaKind) -> Vec<(String, Cost, u64)> {
        let mut names: BTreeMap<String, (Cost, u64)> = BTreeMap::new();
        for charged in &self.history.debits {
            let zero = (Cost::zero(self.terms.cap.regime()), 0);
            let (sum, count) = names.entry(kind.of(&charged.debit.account).to_owned()).or_insert(zero);
            *sum = sum.checked_add(&charged.debit.cost).unwrap_or(*sum);
            *count = count.saturating_add(1);
        }
        names.into_iter().filter(|(name, _)| !name.is_empty()).map(|(name, (sum, count))| (name, sum, count)).collect()
    }

    /// After each debit, the share of the cap that is spent.
    fn shares(&self) -> Vec<f64> {
        let mut sum = Cost::zero(self.terms.cap.regime());
        let step = |c: &Charged| {
            sum = sum.checked_add(&c.debit.cost).unwrap_or(sum);
            share(&sum, &self.terms.cap)
        };
        self.history.debits.iter().map(step).collect()
    }

    /// What the spent amount promises, where that is not its own name.
    fn promise(&self) -> Option<f64> {
        let concentrated = self.terms.cap.regime() == Regime::Concentrated;
        self.spent().epsilon_at(self.at_delta).filter(|_| concentrated && !self.history.debits.is_empty())
    }

    fn json(&self) -> Value {
        let debit = |c: &Charged| {
            let d = &c.debit;
            json!({
                "number": d.number, "query": d.query.to_string(), "entry": c.entry, "at": c.at.to_string(),
                "version": d.version, "cost": cost_json(&d.cost), "total": cost_json(&d.total), "answered": c.answered,
                "researcher": d.account.researcher, "project": d.account.project, "purpose": d.account.purpose,
            })
        };
        let by = |kind| -> Vec<Value> {
            let row = |(name, sum, count): &(String, Cost, u64)| json!({ "name": name, "spent": cost_json(sum), "queries": count });
            self.by(kind).iter().map(row).collect()
        };
        let quotas: Vec<Value> = self
            .history
            .quotas
            .iter()
            .map(|(q, spent)| {
                json!({ "kind": q.kind.name(), "name": q.name, "cap": cost_json(&q.cap), "spent": cost_json(spent) })
            })
            .collect();
        json!({
            "name": self.name, "created": self.history.created.to_string(), "cap": cost_json(&self.terms.cap),
            "per_record": self.per_record(), "spent": cost_json(&self.spent()),
            "epsilon_at_delta": self.promise().map(|e| json!({ "epsilon": e, "delta": self.at_delta })),
            "queries": self.history.debits.iter().map(debit).collect::<Vec<_>>(),
            "researchers": by(QuotaKind::Researcher), "projects": by(QuotaKind::Project),
            "purposes": by(QuotaKind::Purpose), "quotas": quotas,
        })
    }

    fn headline(&self) -> String {
        let (spent, cap, queries) = (self.spent(), self.terms.cap, self.history.debits.len());
        if self.per_record() {
            return format!("{queries} queries for {spent} in all; each patient pays at most {cap}");
        }
        let promise = self.promise().map(|e| format!(", which is epsilon {} at delta {:e}", figure(e), self.at_delta));
        format!("{spent} of {cap} spent on {queries} queries{}", promise.unwrap_or_default())
    }

    fn text(&self) -> String {
        let mut text = format!("{}: {}\n\n", self.name.escape_debug(), self.headline());
        text.push_str(&self.plot());
        text.push_str("number  query     version  cost                  researcher\n");
        for c in &self.history.debits {
            let d = &c.debit;
            let (id, cost) = (short(&d.query.to_string()), d.cost.to_string());
            let open = if c.answered { "" } else { "  (not answered yet)" };
            let who = d.account.researcher.escape_debug();
            let _ = writeln!(text, "{:>6}  {id}  {:>7}  {cost:<20}  {who}{open}", d.number, d.version);
        }
        for kind in QuotaKind::ALL {
            for (name, sum, count) in self.by(kind) {
                let _ = writeln!(text, "{} {}: {sum} on {count} queries", kind.name(), name.escape_debug());
            }
        }
        for (quota, spent) in &self.history.quotas {
            let name = quota.name.escape_debug();
            let _ = writeln!(text, "quota of {} {name}: {spent} of {}", quota.kind.name(), quota.cap);
        }
        text
    }

    /// The budget over the queries: a column for each, or for each few of many; a row for each eighth of the cap.
    fn plot(&self) -> String {
        const WIDTH: usize = 60;
        let shares = self.shares();
        if shares.is_empty() || self.per_record() {
            return String::new();
        }
        let each = shares.len().div_ceil(WIDTH);
        let columns: Vec<f64> = shares.chunks(each).filter_map(|c| c.last().copied()).collect();
        let mut text = String::new();
        for row in (1..=8u8).rev() {
            let level = f64::from(row) / 8.0;
            let line: String = columns.iter().map(|s| if *s >= level - 1.0 / 16.0 { '#' } else { ' ' }).collect();
            let label = if row == 8 {
                "100 %"
            } else if row == 4 {
                " 50 %"
            } else {
                "     "
            };
            let _ = writeln!(text, "{label} |{}", line.trim_end());
        }
        let _ = writeln!(text, "      +{}", "-".repeat(columns.len()));
        let _ = writeln!(text, "       1 .. {} queries\n", shares.len());
        text
    }

    fn svg(&self) -> String {
        const W: f64 = 860.0;
        const H: f64 = 240.0;
        let shares = self.shares();
        if shares.is_empty() || self.per_record() {
            return String::new();
        }
        let count = f64::from(u32::try_from(shares.len()).unwrap_or(u32::MAX));
        let mut path = format!("M 50 {H}");
        for (i, share) in shares.iter().enumerate() {
            let i = f64::from(u32::try_from(i).unwrap_or(u32::MAX));
            let (x, y) = (50.0 + (W - 60.0) * i / count, H - (H - 20.0) * share.min(1.0));
            let _ = write!(path, " H {x:.1} V {y:.1}");
        }
        let _ = write!(path, " H {:.1} V {H} Z", W - 10.0);
        format!(
            "<svg role=\"img\" aria-label=\"Share of the budget spent, query by query\" width=\"100%\" viewBox=\"0 0 {W} 265\">\
             <path d=\"{path}\" fill=\"#4a86c5\" opacity=\"0.8\"/><line x1=\"50\" y1=\"20\" x2=\"{}\" y2=\"20\" \
             stroke=\"#b00020\" stroke-dasharray=\"6 4\"/><text x=\"4\" y=\"24\">cap</text><text x=\"4\" y=\"134\">half</text>\
             <text x=\"50\" y=\"258\">query 1</text><text x=\"{}\" y=\"258\" text-anchor=\"end\">query {}</text></svg>",
            W - 10.0,
            W - 10.0,
            shares.len()
        )
    }

    /// A page that stands alone: no script, nothing fetched.
    fn html(&self) -> String {
        const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;\
            color:#1a2230;background:#fff}table{border-collapse:collapse;width:100%}td,th{padding:.35rem .6rem;\
            text-align:left;border-bottom:1px solid #dde3ea}th{font-size:.8rem;text-transform:uppercase;color:#5a6675}\
            svg text{font:12px system-ui,sans-serif;fill:#1a2230}code{font-size:.9rem}";
        let name = escape(self.name);
        let mut page = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><title>Budget of {name}</title><style>{STYLE}</style></head><body>\
             <h1>Budget of {name}</h1><p>{}.</p>{}",
            escape(&self.headline()),
            self.svg()
        );
        page.push_str(
            "<h2>Queries</h2><table><thead><tr><th>number</th><th>when</th><th>query</th><th>version</th><th>cost</th>\
             <th>researcher</th><th>project</th><th>purpose</th><th>entry</th></tr></thead><tbody>",
        );
        for c in &self.history.debits {
            let d = &c.debit;
            let _ = write!(
                page,
                "<tr><td>{}</td><td>{}</td><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
                 <td>{}{}</td></tr>",
                d.number,
                c.at,
                short(&d.query.to_string()),
                d.version,
                escape(&d.cost.to_string()),
                escape(&d.account.researcher),
                escape(&d.account.project),
                escape(&d.account.purpose),
                c.entry,
                if c.answered { "" } else { " (not answered yet)" }
            );
        }
        page.push_str("</tbody></table>");
        for kind in QuotaKind::ALL {
            let rows = self.by(kind);
            if !rows.is_empty() {
                let _ = write!(page, "<h2>By {}</h2><table><tbody>", kind.name());
                for (name, sum, count) in rows {
                    let sum = escape(&sum.to_string());
                    let _ = write!(page, "<tr><td>{}</td><td>{sum}</td><td>{count} queries</td></tr>", escape(&name));
                }
                page.push_str("</tbody></table>");
            }
        }
        if !self.history.quotas.is_empty() {
            page.push_str("<h2>Quotas</h2><table><tbody>");
            for (quota, spent) in &self.history.quotas {
                let (spent, cap) = (escape(&spent.to_string()), escape(&quota.cap.to_string()));
                let _ = write!(
                    page,
                    "<tr><td>{} {}</td><td>{spent} of {cap}</td></tr>",
                    quota.kind.name(),
                    escape(&quota.name)
                );
            }
            page.push_str("</tbody></table>");
        }
        page.push_str("</body></html>\n");
        page
    }
}

/// The page of a budget, for the tour.
pub(crate) fn page(name: &str, budget: &Budget) -> Result<String, Failure> {
    let history = budget.history()?;
    Ok(Facts { name, terms: *budget.terms(), history: &history, at_delta: DELTA }.html())
}

impl Report {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let (file, budget) = BudgetFile::open(&self.file, false)?;
        let history = budget.history()?;
        let facts = Facts { name: &file.name, terms: *budget.terms(), history: &history, at_delta: self.at_delta };
        if self.out.is_none() && !self.html {
            global.answer(&facts.json(), &facts.text());
            return Ok(());
        }
        let mut out = Output::create(self.out.as_deref(), false)?;
        let stdout = out.is_stdout();
        let body = if self.html { facts.html() } else { facts.text() };
        out.write_all(body.as_bytes())?;
        out.commit()?;
        let to = self.out.as_ref().map_or_else(|| "stdout".into(), |p| p.display().to_string());
        let text = format!("{to}: {}", facts.headline());
        global.report(stdout, &facts.json(), if stdout { "" } else { &text });
        Ok(())
    }
}
