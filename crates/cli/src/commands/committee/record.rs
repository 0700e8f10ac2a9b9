//! What a run or a repair came to, as a log records it: under the id of the key, and by digests.
//!
//! | kind | body |
//! |---|---|
//! | `formed`, `refreshed`, `reshared` | session, transcript hash: 64 bytes |
//! | `repaired`, `repair-failed` | digest of the key set, digest of the closing: 64 bytes |
//! | `accused` | the same 64 bytes, then 1 dealer, 2 helper or 3 member, then its number in two bytes |
//!
//! Whoever holds the transcript proves from it what was meant. Members who share a log record one run once.

use crate::commands::log::Recorder;
use crate::failure::Failure;
use crate::global::Global;
use mediveil_threshold::deal::{Outcome, Plan};
use mediveil_threshold::{Accusation, Committee, Culprit, PublicKeySet};

/// Entries where things were recorded; none without a log.
type Entries = Vec<Option<u64>>;

fn accusations(
    recorder: &Recorder,
    global: &Global,
    key: [u8; 32],
    about: &[u8; 64],
    accusations: &[Accusation],
    entries: &mut Entries,
) -> Result<(), Failure> {
    for accusation in accusations {
        let (part, id) = match accusation.culprit {
            Culprit::Dealer(id) => (1, id),
            Culprit::Helper(id) => (2, id),
            Culprit::Receiver(id) => (3, id),
        };
        let body = [&about[..], &[part], &id.get().to_be_bytes()].concat();
        entries.push(recorder.committee(global, key, "accused", &body)?);
    }
    Ok(())
}

fn join(a: &[u8; 32], b: &[u8; 32]) -> [u8; 64] {
    let mut body = [0; 64];
    body.iter_mut().zip(a.iter().chain(b)).for_each(|(to, from)| *to = *from);
    body
}

fn same(a: &Committee, b: &Committee) -> bool {
    let ids = |c: &Committee| c.members().map(|(_, m)| m.id()).collect::<Vec<_>>();
    a.needed() == b.needed() && ids(a) == ids(b)
}

/// Records an ended run and who was accused in it.
pub(super) fn run(recorder: &Recorder, global: &Global, plan: &Plan, outcome: &Outcome) -> Result<Entries, Failure> {
    let set = &outcome.set;
    let kind = match plan.from() {
        None => "formed",
        Some(from) if same(from.committee(), set.committee()) => "refreshed",
        Some(_) => "reshared",
    };
    let body = join(plan.session().as_bytes(), set.transcript());
    let mut entries = vec![recorder.committee(global, set.key().id(), kind, &body)?];
    accusations(recorder, global, set.key().id(), &body, &outcome.accusations, &mut entries)?;
    Ok(entries)
}

/// Records the end of a repair and who was accused in it.
pub(super) fn repair(
    recorder: &Recorder,
    global: &Global,
    set: &PublicKeySet,
    closing: &[u8; 32],
    repaired: bool,
    accused: &[Accusation],
) -> Result<Entries, Failure> {
    let kind = if repaired { "repaired" } else { "repair-failed" };
    let body = join(&set.digest(), closing);
    let mut entries = vec![recorder.committee(global, set.key().id(), kind, &body)?];
    accusations(recorder, global, set.key().id(), &body, accused, &mut entries)?;
    Ok(entries)
}
