//! `federate simulate`: every role in one process, with a report beside the pooled fit.

use crate::commands::federate::found::{People, Shape};
use crate::failure::{Failure, Kind};
use crate::global::Global;
use clap::Args;
use mediveil_federate::{Examples, Federation, Report, RoundReport, Simulation, Task};
use mediveil_ledger::Log;
use mediveil_seal::AtomicFile;
use mediveil_seal::identity::{Identity, IdentityKind};
use std::fs::File;
use std::path::PathBuf;

/// `federate simulate`.
///
/// Reads every site's table in one process, which a real federation never does: for planning and for trying out, on data that
/// one party may see. Writes report.json and report.html, which tell of the pooled rows and are not for publication.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    #[command(flatten)]
    shape: Shape,
    /// A site's table as CSV with a heading; once for each site
    #[arg(long, value_name = "FILE", required = true)]
    csv: Vec<PathBuf>,
    /// How many members the committee has
    #[arg(long, value_name = "N", default_value_t = 3)]
    members: u32,
    /// Members that open a sum
    #[arg(long, value_name = "N", default_value_t = 2)]
    needed: u32,
    /// How often the training is repeated in memory, to see what the noise explains
    #[arg(long, value_name = "N", default_value_t = 40)]
    repeats: u32,
    /// Where the log and the reports go; made, and must not exist
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

/// A page that stands alone.
fn page(report: &Report, names: (&str, &str)) -> String {
    let (score, loss) = names;
    let mut rows = String::new();
    for r in &report.rounds {
        rows.push_str(&format!(
            "<tr><td>{}</td><td>{:.4}</td><td>{:.4}</td><td>{:.4} to {:.4}</td><td>{:.4}</td><td>{:.4}</td></tr>",
            r.number, r.federated.score, r.noiseless.score, r.band.0, r.band.1, r.federated.loss, r.noiseless.loss
        ));
    }
    let verdict = if report.within_noise() { "within" } else { "below" };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>mediveil federation</title><style>body{{font:16px/1.5 \
         system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1a2230;background:#fff}}table{{border-collapse:\
         collapse;width:100%}}td,th{{padding:.3rem .6rem;text-align:left;border-bottom:1px solid #dde3ea;\
         font-variant-numeric:tabular-nums}}</style></head><body><h1>A federation, simulated</h1><p>{} patients in all; rho {} \
         spent; noise of deviation {:.3} clips in each released sum. The last model's {score} is {verdict} what the noise \
         explains. Best pooled fit: {score} {:.4}, {loss} {:.4}. Pooled figures come from a simulation that sees every row: \
         not for publication. Nothing here has been audited.</p>{}<table><thead><tr><th>round</th><th>{score}, \
         released</th><th>without noise</th><th>noise explains</th><th>{loss}, released</th><th>without \
         noise</th></tr></thead><tbody>{rows}</tbody></table></body></html>\n",
        report.patients,
        report.spent,
        report.deviation,
        report.pooled.score,
        report.pooled.loss,
        report.plot(),
    )
}

/// What score and loss are called.
const fn names(task: &Task) -> (&'static str, &'static str) {
    match task {
        Task::Linear { .. } => ("explained variance", "squared error"),
        _ => ("accuracy", "loss"),
    }
}

impl Simulate {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let task = self.shape.read_task()?;
        let mut tables: Vec<Examples> = Vec::new();
        for path in &self.csv {
            let file = File::open(path).map_err(|e| Failure::from(e).at(path))?;
            tables.push(task.examples(file).map_err(|e| Failure::from(e).at(path))?);
        }
        if self.out.exists() {
            return Err(Failure::new(Kind::Refused, "exists, and is not replaced: choose another name").at(&self.out));
        }
        let mut rng = mediveil_rng::system();
        let mut people = |count: usize| {
            (0..count).map(|_| Identity::generate(IdentityKind::P256, &mut rng)).collect::<Result<Vec<_>, _>>()
        };
        let sites = people(tables.len())?;
        let members = people(usize::try_from(self.members).unwrap_or(usize::MAX).min(64))?;
        let operator = people(1)?.pop().ok_or_else(|| Failure::usage("nobody"))?;
        let public = |all: &[Identity]| all.iter().map(|i| i.public().clone()).collect();
        let named = People {
            sites: public(&sites),
            members: public(&members),
            needed: self.needed,
            operator: operator.public().clone(),
        };
        std::fs::create_dir_all(&self.out).map_err(|e| Failure::from(e).at(&self.out))?;
        let done = self.simulate(task, named, sites, tables, &members, global);
        if done.is_err() {
            let _ = std::fs::remove_dir_all(&self.out);
        }
        let (report, names) = done?;
        let last = report.rounds.last();
        let text = format!(
            "{}: {} of the last model {:.4}, without noise {:.4}, best pooled fit {:.4}; the noise explains {:.4} to {:.4}",
            self.out.join("report.html").display(),
            names.0,
            last.map_or(f64::NAN, |r| r.federated.score),
            last.map_or(f64::NAN, |r| r.noiseless.score),
            report.pooled.score,
            last.map_or(f64::NAN, |r| r.band.0),
            last.map_or(f64::NAN, |r| r.band.1),
        );
        global.answer(&report.to_json(), &text);
        Ok(())
    }

    fn simulate(
        &self,
        task: Task,
        people: People,
        sites: Vec<Identity>,
        tables: Vec<Examples>,
        members: &[Identity],
        global: &Global,
    ) -> Result<(Report, (&'static str, &'static str)), Failure> {
        let mut rng = mediveil_rng::system();
        let path = self.out.join("log");
        let log = Log::create(&path, &mut rng).map_err(|e| Failure::from(e).at(&path))?;
        let names = names(&task);
        let federation = Federation::new(self.shape.terms("simulation", task, people, &log)?)?;
        let budget = federation.create_budget(&log, global.now())?;
        let sites: Vec<(Identity, Examples)> = sites.into_iter().zip(tables).collect();
        let simulation = Simulation {
            federation: &federation,
            budget: &budget,
            sites: &sites,
            members,
            repeats: self.repeats,
            now: global.now(),
        };
        let mut progress = |r: &RoundReport| {
            if global.shows_progress() {
                eprintln!(
                    "round {:>4}  {} {:.4}  {} {:.4}",
                    r.number, names.0, r.federated.score, names.1, r.federated.loss
                );
            }
        };
        let report = simulation.run(&mut rng, &mut progress)?;
        let write = |name: &str, text: String| {
            let path = self.out.join(name);
            AtomicFile::options().write(&path, text.as_bytes()).map_err(|e| Failure::from(e).at(&path))
        };
        write("report.json", format!("{:#}\n", report.to_json()))?;
        write("report.html", page(&report, names))?;
        Ok((report, names))
    }
}
