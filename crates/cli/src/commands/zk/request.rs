//! `mediveil zk request`: what a verifier wants proved.

use super::parties::Day;
use super::read_file;
use crate::failure::{Failure, Kind};
use crate::files::Output;
use crate::global::Global;
use crate::text::hex;
use clap::{ArgGroup, Args, Subcommand};
use mediveil_record::Date;
use mediveil_rng::Rng;
use mediveil_zk::forms::{ClaimRequest, IdentityRequest, RecordRequest, Request, StatisticsRequest};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Requests.
#[derive(Debug, Subcommand)]
pub(crate) enum RequestCommand {
    /// Who somebody is: a credential, an age, a role
    Identity(IdentityArgs),
    /// What a record says
    Record(RecordArgs),
    /// What the rows of a table add up to
    Statistics(StatisticsArgs),
}

/// What requests to persons have in common.
#[derive(Debug, Args)]
struct Session {
    /// Where one person counts once: a vote, a study, a counter and its day
    #[arg(long, value_name = "TEXT")]
    scope: String,
    /// What no earlier request said; random unless given
    #[arg(long, value_name = "TEXT")]
    challenge: Option<String>,
    /// Where the request goes; stdout if it is - or missing
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Session {
    fn challenge(&self) -> String {
        self.challenge.clone().unwrap_or_else(|| {
            let mut bytes = [0; 16];
            mediveil_rng::system().fill_bytes(&mut bytes);
            hex(&bytes)
        })
    }
}

/// `request identity`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("age").required(true).args(["min_age", "born_before"]))]
pub(crate) struct IdentityArgs {
    #[command(flatten)]
    session: Session,
    /// The holder is at least this many years old today
    #[arg(long, value_name = "YEARS")]
    min_age: Option<u32>,
    /// The holder was born before this day
    #[arg(long, value_name = "DAY")]
    born_before: Option<Day>,
    /// The holder has one of these roles; any if none is given
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
}

/// `request record`.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    session: Session,
    /// `PATH = TEXT`, or `PATH < VALUE` with one or two of <, <=, >, >= for numbers and days; one to four, all on one
    /// resource. Numbers with more than seven decimals need `places N` behind the bound
    #[arg(long, value_name = "CLAIM", required = true, value_parser = |text: &str| ClaimRequest::from_words(text))]
    claim: Vec<ClaimRequest>,
}

/// `NAME A..B`, both included.
#[derive(Clone, Debug)]
struct Where {
    column: String,
    range: [u32; 2],
}

impl FromStr for Where {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a column and its least and greatest value, such as born=1950..1980";
        let (column, range) = text.split_once('=').ok_or(EXPECTED)?;
        let (low, high) = range.split_once("..").ok_or(EXPECTED)?;
        let number = |text: &str| text.trim().parse().map_err(|_| EXPECTED);
        Ok(Self { column: column.trim().to_owned(), range: [number(low)?, number(high)?] })
    }
}

/// `request statistics`.
#[derive(Debug, Args)]
pub(crate) struct StatisticsArgs {
    /// The column that is added up
    #[arg(long, value_name = "NAME")]
    column: String,
    /// Only rows with this column in this range, ends included, such as born=1950..1980
    #[arg(long = "where", value_name = "NAME=A..B")]
    filter: Vec<Where>,
    /// Where the request goes; stdout if it is - or missing
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The day of the present, in UTC.
pub(crate) fn today(global: &Global) -> Result<Date, Failure> {
    let now = global.now().to_string();
    now.get(..10).and_then(Date::parse).ok_or_else(|| Failure::usage("the present lies outside the calendar"))
}

impl RequestCommand {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let (request, out) = match self {
            Self::Identity(args) => (args.request(global)?, &args.session.out),
            Self::Record(args) => (args.request()?, &args.session.out),
            Self::Statistics(args) => (args.request(), &args.out),
        };
        let mut file = Output::create(out.as_deref(), false)?;
        writeln!(file, "{}", request.to_json())?;
        let stdout = file.is_stdout();
        file.commit()?;
        if !stdout {
            let to = out.as_ref().map_or_else(String::new, |p| p.display().to_string());
            global.report(false, &serde_json::json!({ "file": to }), &format!("{to}: request"));
        }
        Ok(())
    }
}

impl IdentityArgs {
    fn request(&self, global: &Global) -> Result<Request, Failure> {
        let today = today(global)?;
        let born_before = match (self.born_before, self.min_age) {
            (Some(Day(day)), _) => Some(day),
            (None, years) => IdentityRequest::day_of_age(today, years.unwrap_or(0)),
        };
        let born_before = born_before.ok_or_else(|| Failure::usage("nobody is that old"))?;
        Ok(Request::Identity(IdentityRequest {
            scope: self.session.scope.clone(),
            challenge: self.session.challenge(),
            born_before: born_before.to_string(),
            today: today.to_string(),
            roles: self.role.clone(),
        }))
    }
}

impl RecordArgs {
    fn request(&self) -> Result<Request, Failure> {
        let (scope, challenge) = (self.session.scope.clone(), self.session.challenge());
        let request = RecordRequest { scope, challenge, claims: self.claim.clone() };
        // What cannot be asked is said here and not to the holder.
        let claims = request.claims.iter().map(ClaimRequest::claim).collect::<Result<Vec<_>, _>>()?;
        mediveil_circuits::record::RecordPublic::new(
            mediveil_zk::Fr::default(),
            mediveil_zk::Fr::default(),
            request.scope(),
            mediveil_zk::Fr::default(),
            claims,
        )
        .map_err(|e| Failure::usage(e.to_string()))?;
        Ok(Request::Record(request))
    }
}

impl StatisticsArgs {
    fn request(&self) -> Request {
        let filter = self.filter.iter().map(|w| (w.column.clone(), w.range)).collect();
        Request::Statistics(StatisticsRequest { column: self.column.clone(), filter })
    }
}

/// The request in a file.
fn read(path: &Path) -> Result<Request, Failure> {
    let bytes = read_file(path, 1 << 20)?;
    Request::parse(&bytes).map_err(|e| Failure::from(e).at(path))
}

fn other(path: &Path) -> Failure {
    Failure::new(Kind::Refused, "is a request for another statement").at(path)
}

pub(super) fn read_identity(path: &Path) -> Result<IdentityRequest, Failure> {
    if let Request::Identity(request) = read(path)? { Ok(request) } else { Err(other(path)) }
}

pub(super) fn read_record(path: &Path) -> Result<RecordRequest, Failure> {
    if let Request::Record(request) = read(path)? { Ok(request) } else { Err(other(path)) }
}

pub(super) fn read_statistics(path: &Path) -> Result<StatisticsRequest, Failure> {
    if let Request::Statistics(request) = read(path)? { Ok(request) } else { Err(other(path)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_age_on_the_birthday_and_not_the_day_before() {
        let before =
            |today: &str, years| IdentityRequest::day_of_age(Date::parse(today).unwrap(), years).map(|d| d.to_string());
        assert_eq!(before("2026-11-21", 18).as_deref(), Some("2008-11-22"));
        // Born on 29 February: of age on 1 March 2026, not on 28 February.
        assert_eq!(before("2026-02-28", 18).as_deref(), Some("2008-02-29"));
        assert_eq!(before("2026-03-01", 18).as_deref(), Some("2008-03-02"));
        // On a 29 February: whoever was born on the last of February, not on 1 March.
        assert_eq!(before("2028-02-29", 18).as_deref(), Some("2010-03-01"));
        assert_eq!(before("2028-02-29", 4).as_deref(), Some("2024-03-01"));
        assert_eq!(before("2026-12-31", 0).as_deref(), Some("2027-01-01"));
        assert_eq!(before("2026-11-21", 2026), None);
    }
}
