//! Two workers, each with half of the blocks, and a third that adds up what they wrote: one answer, the same to the byte as
//! one worker's.
//!
//! `cargo run --release -p mediveil-study --example shards` founds a small study in a temporary folder, starts itself twice
//! as a worker, merges the two files, and compares.

use mediveil_codec::{Timestamp, Wire};
use mediveil_dp::accounting::Cost;
use mediveil_fhe::CommitteeKey;
use mediveil_fhe::ceremony::{self, CeremonyMessage};
use mediveil_ledger::Log;
use mediveil_seal::identity::{Identity, IdentityKind};
use mediveil_study::{Commitment, Partial, Plan, Query, Schema, Study, Table, Terms, Upload, Uploads};
use std::error::Error;
use std::path::Path;
use std::process::Command;

type Fallible<T> = Result<T, Box<dyn Error>>;

const QUERY: &str = r#"{"statistic": {"mean": {"column": "systolic"}}, "filter": {"flag": "smoker"}, "epsilon": "1"}"#;
const ROWS: u32 = 20_000;

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [folder, from, to, out] => work(Path::new(folder), from.parse()?, to.parse()?, Path::new(out)),
        _ => lead(),
    }
}

/// Everything that a worker needs lies in the folder: terms, key, log, manifests and ciphertexts. Nothing of it is secret.
fn open(folder: &Path) -> Fallible<(Study, Plan, Uploads)> {
    let read = |name: &str| std::fs::read(folder.join(name));
    let study = Study::new(Terms::decode(&read("terms")?)?, CommitteeKey::decode(&read("key")?)?)?;
    let log = mediveil_ledger::Options::new().open_read_only(folder.join("log"))?;
    let mut all = Vec::new();
    for site in 0..study.terms().sites.len() {
        let manifest = Wire::decode(&read(&format!("site-{site}.manifest"))?)?;
        all.push(Upload::in_file(manifest, folder.join(format!("site-{site}"))));
    }
    let uploads = study.accept(&log, all)?;
    let plan = study.plan(&Query::from_json(QUERY)?)?;
    Ok((study, plan, uploads))
}

/// One worker: some of the blocks, into a file.
fn work(folder: &Path, from: u64, to: u64, out: &Path) -> Fallible<()> {
    let (study, plan, uploads) = open(folder)?;
    let progress = |done, all| println!("worker {}: {done} of {all} blocks", std::process::id());
    let partial = study.evaluate_blocks(&plan, &uploads, from..to, &progress)?;
    std::fs::write(out, partial.encode())?;
    Ok(())
}

/// Two members make a key in one process, which only an example does.
fn committee(terms: &Terms, members: &[Identity]) -> Fallible<CommitteeKey> {
    let (terms, mut rng) = (terms.committee()?, mediveil_rng::system());
    fn split<S>(steps: Vec<(S, CeremonyMessage)>) -> (Vec<S>, Vec<CeremonyMessage>) {
        steps.into_iter().unzip()
    }
    let first = members.iter().map(|m| ceremony::begin(&terms, m, &mut rng)).collect::<Result<_, _>>()?;
    let (states, sent) = split(first);
    let (states, sent) = split(states.into_iter().map(|s| s.next(&sent, &mut rng)).collect::<Result<_, _>>()?);
    let (states, sent) = split(states.into_iter().map(|s| s.next(&sent)).collect::<Result<_, _>>()?);
    let (states, sent) = split(states.into_iter().map(|s| s.next(&sent, &mut rng)).collect::<Result<_, _>>()?);
    let (states, sent) = split(states.into_iter().map(|s| s.next(&sent)).collect::<Result<_, _>>()?);
    let (states, sent) = split(states.into_iter().map(|s| s.next(&sent, &mut rng)).collect::<Result<_, _>>()?);
    let last = states.into_iter().next().ok_or("a committee of nobody")?;
    Ok(last.finish(&sent)?.0)
}

fn lead() -> Fallible<()> {
    let mut rng = mediveil_rng::system();
    let folder = std::env::temp_dir().join(format!("mediveil-shards-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let now = Timestamp::now();
    let people = (0..5).map(|_| Identity::generate(IdentityKind::P256, &mut rng)).collect::<Result<Vec<_>, _>>()?;
    let public = |range: std::ops::Range<usize>| {
        people.iter().skip(range.start).take(range.len()).map(|p| p.public().clone()).collect::<Vec<_>>()
    };
    let schema = Schema::from_json(&format!(
        r#"{{"patient": "id", "max_rows": {ROWS}, "columns": [
            {{"kind": "number", "name": "systolic", "low": "60", "high": "260", "required": true}},
            {{"kind": "flag", "name": "smoker", "required": true}}]}}"#
    ))?;
    let log = Log::create(folder.join("log"), &mut rng)?;
    let terms = Terms {
        title: "shards".into(),
        parameters: Terms::parameters_for(&schema, 2, 2, 1)?,
        schema,
        sites: public(0..2),
        members: public(2..4),
        needed: 2,
        depth: 1,
        cap: Cost::Pure("1".parse()?),
        operator: people.last().ok_or("nobody")?.public().clone(),
        evaluators: Vec::new(),
        log: log.id(),
    };
    let members = people.get(2..4).ok_or("too few people")?;
    let study = Study::new(terms.clone(), committee(&terms, members)?)?;
    std::fs::write(folder.join("terms"), terms.encode())?;
    std::fs::write(folder.join("key"), study.key().encode())?;
    for (number, site) in people.iter().take(2).enumerate() {
        let mut table = Table::new(study.schema());
        for row in 0..ROWS / 2 {
            let (systolic, smoker) = ((90 + row % 90).to_string(), (row % 3 / 2).to_string());
            table.push(&row.to_string(), &[Some(&systolic), Some(&smoker)])?;
        }
        let mut out = std::fs::File::create(folder.join(format!("site-{number}")))?;
        let manifest = study.encrypt(&table, site, &mut out, &mut rng, &mut |_, _| ())?;
        study.commit(&log, &Commitment::new(&manifest, site), now)?;
        std::fs::write(folder.join(format!("site-{number}.manifest")), manifest.encode())?;
    }
    let (study, plan, uploads) = open(&folder)?;
    let half = uploads.blocks() / 2;
    let shards = [(0, half), (half, uploads.blocks())];
    let mut workers = Vec::new();
    for (from, to) in shards {
        let out = folder.join(format!("shard-{from}"));
        let mut command = Command::new(std::env::current_exe()?);
        workers.push(command.arg(&folder).args([from.to_string(), to.to_string()]).arg(out).spawn()?);
    }
    for mut worker in workers {
        if !worker.wait()?.success() {
            return Err("a worker failed".into());
        }
    }
    let shard = |from: u64| -> Fallible<Partial> {
        Ok(Partial::decode(&std::fs::read(folder.join(format!("shard-{from}")))?)?)
    };
    let merged = shard(half)?.merge(&shard(0)?, &study)?;
    let answer = study.complete(&plan, &uploads, &merged)?;
    let alone = study.evaluate(&plan, &uploads, &|_, _| ())?;
    println!("{} blocks in two shards; the same as in one: {}", uploads.blocks(), answer.encode() == alone.encode());
    std::fs::remove_dir_all(&folder)?;
    if answer.is_same(&alone) { Ok(()) } else { Err("the shards add up to another answer".into()) }
}
