//! The log: every step is recorded, proved from files alone, and a log that was changed is caught.

use crate::commands::log::sealed_file;
use crate::failure::Failure;
use crate::tour::{Figures, Outcome, Step, World, broken, read, require, write};
use mediveil_codec::{Wire, armor};
use mediveil_ledger::fhir::{Device, Site};
use mediveil_ledger::rusqlite::{Connection, params};
use mediveil_ledger::{Actor, ConsistencyProof, Damage, Entry, Event, Evidence, Head, Label, Log, LogError};
use mediveil_ledger::{SignedHead, Subject, SubjectSalt};
use mediveil_seal::identity::{Identity, IdentityKind};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The tour's log and who signs its heads.
pub(crate) struct TourLog {
    pub(crate) log: Log,
    pub(crate) operator: Identity,
    /// The head of the first step, as someone elsewhere remembers it.
    first: Head,
}

impl TourLog {
    /// Who the entries say did it.
    pub(crate) fn actor(&self) -> Actor {
        Actor::of(&self.operator.signing_key().verifying_key())
    }
}

/// Before everything else.
pub(crate) const FIRST: &[Step] =
    &[Step { name: "open a log", claim: "from here on every step is recorded in an append-only log", run: open }];

/// After files were sealed.
pub(crate) const EVENTS: &[Step] = &[Step {
    name: "record events",
    claim: "sealed files and consents are in the log; a patient appears there by a pseudonym alone",
    run: events,
}];

/// At the end.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "verify the log",
        claim: "the log verifies from its entries upward; entry, growth and heads verify from files alone",
        run: verify,
    },
    Step {
        name: "catch a changed log",
        claim: "an edited, reordered, cut, rolled back or forked copy is caught, and the edited entry is named",
        run: catch,
    },
];

fn say(error: impl std::fmt::Display) -> Failure {
    broken(error.to_string())
}

fn tour_log(world: &World) -> Result<&TourLog, Failure> {
    world.log.as_ref().ok_or_else(|| broken("no log"))
}

/// Records what came of a step.
pub(crate) fn record(world: &World, outcome: &Outcome) -> Result<(), Failure> {
    let Some(log) = &world.log else { return Ok(()) };
    let text = format!("tour: {}: {}", outcome.name, if outcome.ok { "holds" } else { "FAILED" });
    log.log.append(&Entry::new(world.now, log.actor(), Event::Note { text }))?;
    Ok(())
}

/// The files of a log: the database, what was written ahead of it, and their index.
fn files(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

/// Removes a log of an earlier tour.
pub(crate) fn clear(path: &Path) -> Result<(), Failure> {
    for file in files(path).iter().filter(|f| f.exists()) {
        std::fs::remove_file(file).map_err(|e| Failure::from(e).at(file))?;
    }
    Ok(())
}

/// Copies a log that nobody writes at the moment.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    clear(to)?;
    for (from, to) in files(from).iter().zip(files(to)).take(2) {
        if from.exists() {
            std::fs::copy(from, &to).map_err(|e| Failure::from(e).at(&to))?;
        }
    }
    Ok(())
}

fn open(world: &mut World, _: &mut Figures) -> Result<String, Failure> {
    let mut rng = mediveil_rng::system();
    let folder = world.out.join("log");
    std::fs::create_dir_all(&folder).map_err(|e| Failure::from(e).at(&folder))?;
    let path = world.out.join("events.log");
    clear(&path)?;
    let log = Log::create(&path, &mut rng)?;
    let operator = Identity::generate(IdentityKind::P256, &mut rng)?;
    let now = world.now;
    let actor = Actor::of(&operator.signing_key().verifying_key());
    log.append(&Entry::new(now, actor, Event::Note { text: "tour: begins".into() }))?;
    let head = log.head(now, operator.signing_key())?;
    let first = head.verify(&operator.signing_key().verifying_key())?;
    write(&folder.join("first.head"), armor::encode(&head).as_bytes())?;
    let id = log.id();
    world.log = Some(TourLog { log, operator, first });
    Ok(format!("log {}, its first head signed and put aside", id.to_string().chars().take(8).collect::<String>()))
}

fn events(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let log = tour_log(world)?;
    let salt = SubjectSalt::generate(&mut mediveil_rng::system());
    let purpose = Label::new("HRESCH").map_err(say)?;
    let mut entries = Vec::new();
    for patient in &world.patients {
        let subject = Subject::pseudonym(&salt, patient.name.as_bytes());
        let (file, doors) = sealed_file(&patient.sealed)?;
        entries.push(Entry::new(world.now, log.actor(), Event::Sealed { file, doors }).about(subject));
        let consent: [u8; 32] = Sha256::digest(format!("consent of {}", patient.name)).into();
        let granted = Event::ConsentGranted { consent, purpose: purpose.clone(), grantee: None, until: None };
        entries
            .push(Entry::new(world.now, Actor::of(patient.identity.public().verifying_key()), granted).about(subject));
    }
    let before = log.log.size()?;
    let appended = log.log.append_all(&entries)?;
    require(appended.iter().all(|a| a.fresh), "an event was recorded before")?;
    require(log.log.size()? == before.saturating_add(length(entries.len())), "an event is missing")?;
    // For a later step: what a thief of backups has.
    copy(log.log.path(), &world.out.join("log").join("older.log"))?;
    // A short name can occur in a digest by chance.
    for patient in world.patients.iter().filter(|p| p.name.len() >= 8) {
        let name = patient.name.as_bytes();
        let named = entries.iter().any(|e| e.encode().windows(name.len()).any(|w| w == name));
        require(!named, "a patient's identifier stands in the log")?;
    }
    figures.set("events", entries.len());
    Ok(format!("{} events about {} patients, none of them named", entries.len(), world.patients.len()))
}

fn length(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn verify(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let log = tour_log(world)?;
    let folder = world.out.join("log");
    let key = log.operator.signing_key();
    let trusted = key.verifying_key();
    let head = log.log.head(world.now, key)?;
    let verified = log.log.verify_all()?;
    let size = head.claims().size;
    require(verified.state.size == size && verified.unreadable == 0, "the log has entries that it should not have")?;

    // To files, and from here on from files alone.
    let index = size / 2;
    let evidence = log.log.evidence(index, &head)?;
    let growth = log.log.consistency(log.first.size(), size)?;
    write(&folder.join("latest.head"), armor::encode(&head).as_bytes())?;
    write(&folder.join("entry.evidence"), armor::encode(&evidence).as_bytes())?;
    write(&folder.join("growth.proof"), armor::encode(&growth).as_bytes())?;
    let first = armor::decode::<SignedHead>(&read(&folder.join("first.head"))?)?.verify(&trusted)?;
    let latest = armor::decode::<SignedHead>(&read(&folder.join("latest.head"))?)?.verify(&trusted)?;
    let growth: ConsistencyProof = armor::decode(&read(&folder.join("growth.proof"))?)?;
    latest.compare(&first, Some(&growth)).map_err(say)?;
    let evidence: Evidence = armor::decode(&read(&folder.join("entry.evidence"))?)?;
    let (proved, bytes, _) = evidence.verify(&trusted)?;
    require(proved == index && bytes == log.log.entry(index)?.bytes, "another entry was proved")?;
    let stranger = Identity::generate(IdentityKind::P256, &mut mediveil_rng::system())?;
    require(evidence.verify(&stranger.signing_key().verifying_key()).is_err(), "evidence verifies for another signer")?;

    let device = |name: &str| Device { name: name.into(), address: format!("{name}.example.org") };
    let site = Site {
        namespace: "https://ehr.example.org/mediveil".into(),
        organization: "tour".into(),
        client: device("portal"),
        server: device("ehr"),
    };
    let records = log.log.entries(0..size).collect::<Result<Vec<_>, _>>()?;
    let bundle = site.bundle(log.log.id(), &records, world.now)?;
    let resources = bundle.get("entry").and_then(|e| e.as_array()).map_or(0, Vec::len);
    require(resources >= records.len(), "an entry has no FHIR resource")?;
    write(&folder.join("log.fhir.json"), format!("{bundle:#}\n").as_bytes())?;
    figures.set("entries", size);
    figures.set("evidence_bytes", evidence.encode().len());
    figures.set("growth_proof_bytes", growth.encode().len());
    figures.set("fhir_resources", resources);
    Ok(format!("{size} entries verify; entry {index} and the growth since the first head proved from files alone"))
}

/// What checking a copy says.
fn verdict(path: &Path) -> Result<Option<LogError>, Failure> {
    match Log::open_read_only(path) {
        Ok(log) => Ok(log.verify_all().err()),
        Err(error) => Ok(Some(error)),
    }
}

fn catch(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let log = tour_log(world)?;
    let folder = world.out.join("log");
    let edited = folder.join("edited.log");
    let key = log.operator.signing_key();
    let size = log.log.size()?;
    let target = size / 3;
    let mut caught = 0u32;
    let mut change = |what: &str, work: &dyn Fn(&Connection) -> Result<(), LogError>| -> Result<LogError, Failure> {
        copy(log.log.path(), &edited)?;
        let conn = Connection::open(&edited).map_err(LogError::from)?;
        work(&conn)?;
        conn.close().map_err(|(_, e)| LogError::from(e))?;
        let error = verdict(&edited)?.ok_or_else(|| broken(format!("{what} went unnoticed")))?;
        require(matches!(error, LogError::Damaged(_)), "a changed log is called something else than damaged")?;
        caught = caught.saturating_add(1);
        Ok(error)
    };
    require(verdict(log.log.path())?.is_none(), "the log itself does not verify")?;

    let kinder = Entry::new(world.now, Actor::SYSTEM, Event::Note { text: "nothing happened here".into() }).encode();
    let place = i64::try_from(target).map_err(say)?;
    let error = change("an edited entry", &|conn| {
        conn.execute("UPDATE ledger_entry SET body = ?1 WHERE idx = ?2", params![kinder, place])?;
        Ok(())
    })?;
    require(error == LogError::Damaged(Damage::EntryChanged { index: target }), "the wrong entry is blamed")?;
    let swapped = change("two entries exchanged", &|conn| {
        let swap = "UPDATE ledger_entry SET body = (SELECT e.body FROM ledger_entry e WHERE e.idx = 2 * ?1 + 1 - ledger_entry.idx)
                    WHERE idx IN (?1, ?1 + 1)";
        conn.execute(swap, [place])?;
        Ok(())
    })?;
    require(swapped == LogError::Damaged(Damage::EntryChanged { index: target }), "the wrong entry is blamed")?;
    change("a log without its last entry", &|conn| {
        conn.execute("DELETE FROM ledger_entry WHERE idx = (SELECT max(idx) FROM ledger_entry)", [])?;
        Ok(())
    })?;

    // A whole older copy is a good log: only a remembered head tells.
    let remembered = log.log.head(world.now, key)?.verify(&key.verifying_key())?;
    let older = Log::open(folder.join("older.log"))?;
    older.verify_all()?;
    require(
        matches!(older.check_against(&remembered), Err(LogError::RolledBack { .. })),
        "a log that was rolled back passes for the one that is remembered",
    )?;
    // And one that went on by itself has forked.
    while older.size()? < remembered.size() {
        let text = format!("another history, entry {}", older.size()?);
        older.append(&Entry::new(world.now, Actor::SYSTEM, Event::Note { text }))?;
    }
    require(
        matches!(older.check_against(&remembered), Err(LogError::Rewritten { .. })),
        "a fork passes for the log that is remembered",
    )?;
    let fork = older.head(world.now, key)?.verify(&key.verifying_key())?;
    require(fork.compare(&remembered, None).is_err(), "two heads of one size and two roots pass for one history")?;
    figures.set("changed_copies_caught", caught.saturating_add(2));
    Ok(format!("entry {target} named as the edited one; also caught: exchanged, cut, rolled back, forked"))
}
