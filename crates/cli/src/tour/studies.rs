//! Research on encrypted records: three sites, a committee of five, answers that only three of them open, with noise.
//!
//! With `--quick`, without the question that multiplies columns: sums alone take a smaller ring, and much less time.

use crate::commands::study::{join, number};
use crate::failure::{Failure, Kind};
use crate::tour::{Figures, Step, World, broken, read, require};
use mediveil_codec::{Timestamp, Wire};
use mediveil_dp::accounting::Cost;
use mediveil_dp::{Budget, Epsilon, Refused};
use mediveil_fhe::MemberKey;
use mediveil_fhe::opening::{DirectoryStore, OpenError, PartialDecryption};
use mediveil_ledger::{Actor, Log};
use mediveil_sample::Generator;
use mediveil_seal::identity::{Identity, IdentityKind, PublicIdentity};
use mediveil_study::{
    Asked, Certificate, Commitment, EncryptedAnswer, Estimate, Evaluation, Layout, Plan, Query, ReleaseError, Schema,
    Study, Table, Terms, Upload, UploadError, Uploads,
};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Rows that are generated when there is no cohort beside the bundles.
const ROWS: u32 = 6_000;
const ROWS_QUICK: u32 = 1_500;
const MEMBERS: u32 = 5;
const NEEDED: u32 = 3;
const BUDGET: &str = "4";

pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "found a study",
        claim: "five members make one key together; three of them are needed to use it",
        run: found,
    },
    Step {
        name: "upload rows",
        claim: "three sites commit to their encrypted rows in the log before any is shown",
        run: upload,
    },
    Step {
        name: "ask the committee",
        claim: "HbA1c of diabetics of 65 and over by sex: paid for, opened by three of five, within its interval",
        run: mean,
    },
    Step {
        name: "encrypted histogram",
        claim: "counts between cut points are released with noise, each within its interval",
        run: histogram,
    },
    Step {
        name: "two members fail",
        claim: "two of three needed members open nothing, nobody stands in, and the debit is spent",
        run: two_fail,
    },
    Step {
        name: "budget refuses",
        claim: "a query over what remains is refused before any row is touched, and spends nothing",
        run: over_budget,
    },
];

/// A study under way.
pub(crate) struct Research {
    study: Study,
    budget: Budget,
    operator: Identity,
    evaluator: Identity,
    sites: Vec<Identity>,
    members: Vec<(MemberKey, Identity)>,
    tables: Vec<Table>,
    uploads: Option<Uploads>,
    folder: PathBuf,
    now: Timestamp,
}

fn failed(error: impl std::fmt::Display) -> Failure {
    broken(error.to_string())
}

fn schema(now: Timestamp, rows: usize) -> Result<Schema, Failure> {
    let day = now.to_string();
    let day = day.get(..10).unwrap_or("2026-01-01");
    let json = format!(
        r#"{{"patient": "patient_id", "max_rows": {rows}, "columns": [
            {{"kind": "number", "name": "hba1c", "low": "2", "high": "16", "scale": 1, "code": "4548-4",
              "cuts": ["5", "5.7", "6.5", "7.5", "9"]}},
            {{"kind": "number", "name": "age", "field": "birth_date", "age_at": "{day}", "low": "0", "high": "125",
              "cuts": ["40", "65"], "required": true}},
            {{"kind": "category", "name": "sex", "values": ["female", "male"], "required": true}},
            {{"kind": "flag", "name": "diabetes", "required": true}}]}}"#
    );
    Ok(Schema::from_json(&json)?)
}

/// The cohort as CSV for each site: the one beside the folder of bundles, or a generated one.
pub(crate) fn cohort(world: &World) -> Result<Vec<String>, Failure> {
    let beside = world.fhir.as_ref().and_then(|f| f.parent()).map(|f| f.join("cohort.csv")).filter(|f| f.exists());
    let text = match beside {
        Some(path) => {
            String::from_utf8(read(&path)?).map_err(|_| Failure::new(Kind::Damaged, "is not text").at(&path))?
        }
        None => Generator::new(world.seed).cohort_csv(if world.quick { ROWS_QUICK } else { ROWS }),
    };
    let mut lines = text.lines();
    let heading = lines.next().unwrap_or_default();
    let place = heading.split(',').position(|h| h == "site").ok_or_else(|| broken("the cohort names no sites"))?;
    let mut sites = std::collections::BTreeMap::new();
    for line in lines {
        let site = line.split(',').nth(place).unwrap_or_default();
        let rows: &mut String = sites.entry(site).or_insert_with(|| format!("{heading}\n"));
        rows.push_str(line);
        rows.push('\n');
    }
    Ok(sites.into_values().collect())
}

fn found(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let mut rng = mediveil_rng::system();
    let csv = cohort(world)?;
    let rows: usize = csv.iter().map(|c| c.lines().count().saturating_sub(1)).sum();
    let schema = schema(world.now, rows)?;
    let tables = csv.iter().map(|c| Table::from_csv(c.as_bytes(), &schema)).collect::<Result<Vec<_>, _>>()?;
    let people = |count: usize| -> Result<Vec<Identity>, Failure> {
        (0..count).map(|_| Ok(Identity::generate(IdentityKind::P256, &mut mediveil_rng::system())?)).collect()
    };
    let (sites, members) = (people(tables.len())?, people(5)?);
    let operator = Identity::generate(IdentityKind::P256, &mut rng)?;
    let evaluator = Identity::generate(IdentityKind::P256, &mut rng)?;
    let folder = world.out.join("study");
    // What an earlier tour left: a ceremony is never taken up again.
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|e| Failure::from(e).at(&folder))?;
    }
    std::fs::create_dir_all(&folder).map_err(|e| Failure::from(e).at(&folder))?;
    let log = Log::create(folder.join("log"), &mut rng)?;
    let public = |all: &[Identity]| all.iter().map(|i| i.public().clone()).collect::<Vec<PublicIdentity>>();
    let depth = if world.quick { 0 } else { 2 };
    let terms = Terms {
        title: "HbA1c in old age".into(),
        parameters: Terms::parameters_for(&schema, MEMBERS, NEEDED, depth)?,
        schema,
        sites: public(&sites),
        members: public(&members),
        needed: NEEDED,
        depth,
        cap: Cost::Pure(Epsilon::cap_from_decimal(BUDGET).map_err(failed)?),
        operator: operator.public().clone(),
        evaluators: vec![evaluator.public().clone()],
        log: log.id(),
    };
    let start = Instant::now();
    let board = Layout::new(&folder);
    // Each member alone, over messages in a folder, as on five machines.
    let joined = std::thread::scope(|scope| {
        let threads: Vec<_> = members
            .iter()
            .map(|member| scope.spawn(|| join(&terms, member, &board, Duration::from_secs(600))))
            .collect();
        let results = threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(broken("a member stopped"))));
        results.collect::<Result<Vec<_>, Failure>>()
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let (keys, shares): (Vec<_>, Vec<_>) = joined.into_iter().unzip();
    let key = keys.first().cloned().ok_or_else(|| broken("nobody has a key"))?;
    require(keys.iter().all(|k| *k == key), "members have different keys")?;
    let study = Study::new(terms, key)?;
    for member in &members {
        study.confirm(&log, member, world.now)?;
    }
    study.check_key(&log)?;
    let budget = Budget::create(&log, study.terms().budget(), Actor::of(operator.public().verifying_key()), world.now);
    let budget = budget.map_err(ReleaseError::from)?;
    let security = study.key().parameters().security();
    figures.set("rows", rows);
    figures.set("ring_slots", security.degree);
    figures.set("log_q", security.log_q);
    figures.set("log_q_limit", security.classical_128);
    figures.set("ceremony_seconds", seconds);
    let line = format!(
        "{} sites with {rows} rows; {NEEDED} of {MEMBERS} members; ring of {} slots; ceremony {seconds:.1} s; budget \
         epsilon {BUDGET}",
        sites.len(),
        security.degree
    );
    let members = shares.into_iter().zip(members).collect();
    let now = world.now;
    let research = Research { study, budget, operator, evaluator, sites, members, tables, uploads: None, folder, now };
    world.research = Some(research);
    Ok(line)
}

fn research(world: &mut World) -> Result<&mut Research, Failure> {
    world.research.as_mut().ok_or_else(|| broken("there is no study"))
}

fn upload(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let r = research(world)?;
    let log = r.budget.log();
    let mut uploads = Vec::new();
    for (number, (table, site)) in r.tables.iter().zip(&r.sites).enumerate() {
        let path = r.folder.join(format!("site-{number}"));
        let mut blocks = Vec::new();
        let manifest = r.study.encrypt(table, site, &mut blocks, &mut mediveil_rng::system(), &mut |_, _| ())?;
        crate::tour::write(&path, &blocks)?;
        uploads.push((Upload::in_file(manifest.clone(), path), Commitment::new(&manifest, site)));
    }
    for (upload, commitment) in &uploads {
        let early = r.study.admit(log, upload.manifest());
        require(matches!(early, Err(UploadError::Uncommitted { .. })), "rows are shown before all have committed")?;
        r.study.commit(log, commitment, r.now)?;
    }
    let uploads: Vec<Upload> = uploads.into_iter().map(|(u, _)| u).collect();
    // A site that shows another's upload as its own.
    if let [first, _, rest @ ..] = uploads.as_slice() {
        let copied = [&[first.clone(), first.clone()][..], rest].concat();
        require(r.study.accept(log, copied).is_err(), "a copied upload is accepted")?;
    }
    let bytes: u64 = uploads.iter().map(|u| u.manifest().bytes()).sum();
    let accepted = r.study.accept(log, uploads)?;
    let rows: u64 = r.tables.iter().map(Table::rows).sum();
    let lanes = r.study.schema().lanes().len();
    figures.set("bytes", bytes);
    figures.set("encrypted_columns", lanes);
    figures.set("blocks", accepted.blocks());
    let megabytes = bytes / 1_000_000;
    r.uploads = Some(accepted);
    Ok(format!("{rows} rows as {lanes} encrypted columns, {megabytes} MB; a copy refused"))
}

impl Research {
    fn uploads(&self) -> Result<&Uploads, Failure> {
        self.uploads.as_ref().ok_or_else(|| broken("nothing was uploaded"))
    }

    fn plan(&self, query: &str) -> Result<Plan, Failure> {
        Ok(self.study.plan(&Query::from_json(query)?)?)
    }

    fn register(&self, plan: &Plan, quorum: &[u32]) -> Result<(), Failure> {
        match self.study.register(&self.budget, plan, self.uploads()?, quorum, self.now)? {
            Asked::Registered(_) => Ok(()),
            Asked::Answered(_) => Err(broken("the query was answered before")),
        }
    }

    /// A member's part: after an own evaluation, or on the evaluator's word where the study names one.
    fn approve(
        &self,
        plan: &Plan,
        member: u32,
        trusted: Option<&EncryptedAnswer>,
    ) -> Result<PartialDecryption, Failure> {
        let place = usize::try_from(member.saturating_sub(1)).unwrap_or(usize::MAX);
        let (share, identity) = self.members.get(place).ok_or_else(|| broken("no such member"))?;
        let mut store = DirectoryStore::open(&self.folder.join(format!("store-{member}")))?;
        let own = Evaluation::Own { shown: None, progress: &|_, _| () };
        let how = trusted.map_or(own, Evaluation::Trusted);
        let mut rng = mediveil_rng::system();
        Ok(self.study.approve(&self.budget, plan, self.uploads()?, how, share, identity, &mut store, &mut rng)?)
    }

    /// A query from debit to certificate, verified.
    fn ask(&self, name: &str, query: &str, quorum: &[u32], figures: &mut Figures) -> Result<Vec<Estimate>, Failure> {
        let plan = self.plan(query)?;
        self.register(&plan, quorum)?;
        let start = Instant::now();
        let answer = self.study.evaluate(&plan, self.uploads()?, &|_, _| ())?.sign(&self.study, &self.evaluator)?;
        figures.set("evaluate_seconds", start.elapsed().as_secs_f64());
        // The first member believes nobody, the others the evaluator that the study names: they answer the same request.
        let start = Instant::now();
        let mut parts = Vec::new();
        for (i, member) in quorum.iter().enumerate() {
            parts.push(self.approve(&plan, *member, (i > 0).then_some(&answer))?);
        }
        figures.set("approve_seconds_all", start.elapsed().as_secs_f64());
        // Again, with its own store: the same bytes.
        if let (Some(member), Some(part)) = (quorum.first(), parts.first()) {
            let again = self.approve(&plan, *member, Some(&answer))?;
            require(again == *part, "a retried decryption gives other bytes")?;
        }
        let (operator, uploads) = (&self.operator, self.uploads()?);
        let certificate = self.study.release(&self.budget, &plan, uploads, &answer, &parts, operator, self.now)?;
        let bytes = certificate.encode();
        crate::tour::write(&self.folder.join(format!("{name}.certificate")), &bytes)?;
        let verified = Certificate::decode(&bytes)?.verify(&self.study)?;
        figures.set("certificate_bytes", bytes.len());
        figures.set("cost", verified.debit.cost.to_string());
        Ok(verified.estimates)
    }

    /// Rows of all sites: `HbA1c` in tenths, age, sex, diabetes.
    fn rows(&self) -> impl Iterator<Item = [Option<i64>; 4]> {
        self.tables.iter().flat_map(|t| (0..t.rows()).map(move |r| [0, 1, 2, 3].map(|c| t.value(c, r))))
    }
}

fn int(value: i64) -> f64 {
    i32::try_from(value).map_or(f64::NAN, f64::from)
}

/// Held to four half-widths: the noise itself leaves its 95 % interval in one run of twenty.
fn near(estimate: &Estimate, truth: f64) -> bool {
    let half = (estimate.high - estimate.low) / 2.0;
    (estimate.value - truth).abs() <= 4.0 * half
}

fn mean(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    if world.quick {
        return Ok("--quick: left out, since products of columns need a larger ring".into());
    }
    let r = research(world)?;
    let query = r#"{"statistic": {"mean": {"column": "hba1c"}}, "by": ["sex"],
        "filter": {"and": [{"flag": "diabetes"}, {"at_least": {"column": "age", "value": "65"}}]}, "epsilon": "2"}"#;
    let estimates = r.ask("mean", query, &[1, 3, 5], figures)?;
    let mut line = Vec::new();
    for (sex, name) in [(0, "female"), (1, "male")] {
        let values: Vec<i64> = r
            .rows()
            .filter(|row| row[1].is_some_and(|age| age >= 65) && row[2] == Some(sex) && row[3] == Some(1))
            .filter_map(|row| row[0])
            .collect();
        let count = i64::try_from(values.len()).unwrap_or(0);
        let truth = int(values.iter().sum()) / int(count) / 10.0;
        let of = |label: &str| estimates.iter().find(|e| e.group == [name] && e.label == label);
        let (Some(mean), Some(rows)) = (of("mean"), of("count")) else { return Err(broken("a group is missing")) };
        require(near(rows, int(count)), "a released count is far from the true one")?;
        require(values.is_empty() || near(mean, truth), "a released mean is far from the true one")?;
        figures.set(&format!("{name}_released"), mean.value);
        figures.set(&format!("{name}_true"), truth);
        let (low, high) = (number(mean.low), number(mean.high));
        line.push(format!("{name} {:.2} % ({low} to {high}), true {truth:.2}", mean.value));
    }
    Ok(line.join("; "))
}

fn histogram(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let r = research(world)?;
    let query = r#"{"statistic": {"histogram": {"column": "hba1c"}}, "epsilon": "1"}"#;
    let bins = r.ask("histogram", query, &[2, 3, 4], figures)?;
    let mut truth = vec![0i64; bins.len()];
    for value in r.rows().filter_map(|row| row[0]) {
        let bin = [50, 57, 65, 75, 90].iter().filter(|cut| value >= **cut).count();
        if let Some(count) = truth.get_mut(bin) {
            *count = count.saturating_add(1);
        }
    }
    let mut inside = 0u32;
    for (bin, count) in bins.iter().zip(&truth) {
        require(near(bin, int(*count)), "a released count is far from the true one")?;
        inside = inside.saturating_add((bin.low <= int(*count) && int(*count) <= bin.high).into());
    }
    figures.set("bins", bins.len());
    figures.set("bins_within_95", inside);
    figures.chart(&chart(&bins, &truth));
    let half = bins.first().map_or(0.0, |b| (b.high - b.low) / 2.0);
    Ok(format!("{} bins, each ± {half}; {inside} of them hold the true count", bins.len()))
}

/// The released counts as bars with their intervals, and the true ones as marks.
fn chart(bins: &[Estimate], truth: &[i64]) -> String {
    const WIDTH: f64 = 900.0;
    const HEIGHT: f64 = 260.0;
    let most = bins.iter().map(|b| b.high).fold(1.0, f64::max);
    let y = |v: f64| HEIGHT - 30.0 - v.max(0.0) / most * (HEIGHT - 50.0);
    let step = WIDTH / f64::from(u32::try_from(bins.len()).unwrap_or(1).max(1));
    let mut svg = format!(
        "<svg role=\"img\" aria-label=\"HbA1c: released counts with 95 % intervals, and true counts\" width=\"100%\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\">"
    );
    for (i, (bin, count)) in (0u32..).zip(bins.iter().zip(truth)) {
        let left = f64::from(i) * step + step * 0.15;
        let (wide, middle) = (step * 0.7, f64::from(i) * step + step / 2.0);
        let (top, low, high) = (y(bin.value), y(bin.low), y(bin.high));
        let label = bin.label.replace('<', "&lt;");
        let _ = write!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{:.1}\" fill=\"#9dbfe0\"/>\
             <path d=\"M{middle:.1} {low:.1}V{high:.1}m-8 0h16M{:.1} {low:.1}h16\" stroke=\"#1a2230\" \
             stroke-width=\"1.5\" fill=\"none\"/><circle cx=\"{middle:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"#b00020\"/>\
             <text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>\
             <text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0} (true {count})</text>",
            HEIGHT - 30.0 - top,
            middle - 8.0,
            y(int(*count)),
            HEIGHT - 12.0,
            (high - 6.0).max(11.0),
            bin.value,
        );
    }
    svg.push_str("</svg>");
    svg
}

fn two_fail(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let r = research(world)?;
    let plan = r.plan(r#"{"statistic": "count", "filter": {"flag": "diabetes"}, "epsilon": "0.5"}"#)?;
    let (uploads, now) = (r.uploads()?, r.now);
    let two = r.study.register(&r.budget, &plan, uploads, &[1, 2], now);
    require(matches!(two, Err(ReleaseError::Open(OpenError::Request(_)))), "two members are taken for a quorum")?;
    r.register(&plan, &[1, 2, 3])?;
    let answer = r.study.evaluate(&plan, uploads, &|_, _| ())?;
    let parts = vec![r.approve(&plan, 1, None)?, r.approve(&plan, 2, None)?];
    let released = r.study.release(&r.budget, &plan, uploads, &answer, &parts, &r.operator, now);
    let missing = match released {
        Err(ReleaseError::Open(OpenError::Missing { members })) => members,
        _ => return Err(broken("two members opened an answer")),
    };
    require(missing == [3], "another member is missed")?;
    let stand_in = r.study.register(&r.budget, &plan, uploads, &[1, 2, 4], now);
    require(matches!(stand_in, Err(ReleaseError::OtherQuorum)), "the quorum was exchanged")?;
    require(r.approve(&plan, 4, None).is_err(), "a member outside of the quorum answers")?;
    let spent = r.budget.spent().map_err(ReleaseError::from)?.map(|s| s.to_string()).unwrap_or_default();
    figures.set("spent", spent.clone());
    Ok(format!("member 3 is missing: nothing opened, no stand-in; {spent} is spent all the same"))
}

fn over_budget(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let r = research(world)?;
    let plan = r.plan(r#"{"statistic": {"mean": {"column": "hba1c"}}, "epsilon": "3"}"#)?;
    let spent = r.budget.spent().map_err(ReleaseError::from)?;
    let entries = r.budget.log().size()?;
    let refused = r.study.register(&r.budget, &plan, r.uploads()?, &[1, 2, 3], r.now);
    let Err(ReleaseError::Budget(Refused::OverBudget { cost, remaining })) = refused else {
        return Err(broken("a query over the budget is not refused"));
    };
    require(r.budget.spent().map_err(ReleaseError::from)? == spent, "a refused query spent something")?;
    require(r.budget.log().size()? == entries, "a refused query left an entry")?;
    let audit = r.budget.audit().map_err(ReleaseError::from)?;
    require(audit.findings.is_empty(), "the budget does not add up")?;
    figures.set("remaining", remaining.to_string());
    figures.set("debits", audit.debits);
    Ok(format!("it costs {cost} and {remaining} remains: refused; the audit of {} debits is clean", audit.debits))
}
