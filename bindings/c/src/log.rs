//! The log and what is proved about it.

use crate::doors::time;
use crate::identity::{mediveil_identity, mediveil_public};
use crate::memory::{self, Here, Out};
use crate::status::{entry, mediveil_status};
use mediveil_codec::Wire;
use mediveil_ledger::{Actor, ConsistencyProof, Entry, Event, Evidence, Log, SignedHead};
use std::ffi::c_char;

/// An open log. May be used by several threads at once; not in a child after fork().
#[derive(Debug)]
pub struct mediveil_log(pub(crate) Here<Log>);

/// Opens a log, or makes one if `create`: MEDIVEIL_EXISTS then if there is a file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_log_open(
    path: *const c_char,
    create: bool,
    out: *mut *mut mediveil_log,
) -> mediveil_status {
    entry(|| {
        memory::clear(out)?;
        let path = memory::text(path)?;
        let log = if create { Log::create(path, &mut mediveil_rng::system())? } else { Log::open(path)? };
        memory::make(out, mediveil_log(Here::new(log)))
    })
}

/// Records a text of at most 1,024 bytes, at a time in milliseconds since 1970. `index`, where it stands, may be NULL. The entry
/// is on the disk when this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_log_append_note(
    log: *const mediveil_log,
    text: *const c_char,
    at: u64,
    index: *mut u64,
) -> mediveil_status {
    entry(|| {
        let log = memory::get(log)?;
        let event = Event::Note { text: memory::text(text)?.to_owned() };
        let appended = log.0.get()?.append(&Entry::new(time(at)?, Actor::SYSTEM, event))?;
        memory::put_if(index, appended.index)
    })
}

/// The head of the log, signed by its operator.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_log_head(
    log: *const mediveil_log,
    operator_: *const mediveil_identity,
    at: u64,
    out: *mut u8,
    len: *mut usize,
) -> mediveil_status {
    entry(|| {
        let (log, key) = (memory::get(log)?, memory::get(operator_)?);
        memory::give(&log.0.get()?.head(time(at)?, key.0.signing_key())?.encode(), Out::of(out, len)?)
    })
}

/// Evidence that an entry is in the log of this head.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_log_evidence(
    log: *const mediveil_log,
    index: u64,
    head: *const u8,
    head_len: usize,
    out: *mut u8,
    len: *mut usize,
) -> mediveil_status {
    entry(|| {
        let log = memory::get(log)?;
        let head = SignedHead::decode(memory::bytes(head, head_len)?)?;
        memory::give(&log.0.get()?.evidence(index, &head)?.encode(), Out::of(out, len)?)
    })
}

/// Proof that the log of `new_size` entries extends the log of `old_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_log_consistency(
    log: *const mediveil_log,
    old_size: u64,
    new_size: u64,
    out: *mut u8,
    len: *mut usize,
) -> mediveil_status {
    entry(|| memory::give(&memory::get(log)?.0.get()?.consistency(old_size, new_size)?.encode(), Out::of(out, len)?))
}

/// Reads the whole log and recomputes its tree. `size` and `root`, of 32 bytes, may be NULL. MEDIVEIL_DAMAGED says what was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_log_verify(
    log: *const mediveil_log,
    size: *mut u64,
    root: *mut u8,
) -> mediveil_status {
    entry(|| {
        let found = memory::get(log)?.0.get()?.verify_all()?;
        memory::put_if(size, found.state.size)?;
        memory::put_bytes_if(root, found.state.root.as_bytes())
    })
}

/// Makes sure that the log extends the one whose head was kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_log_check_against(
    log: *const mediveil_log,
    head: *const u8,
    head_len: usize,
    operator_: *const mediveil_public,
) -> mediveil_status {
    entry(|| {
        let (log, key) = (memory::get(log)?, memory::get(operator_)?);
        let head = SignedHead::decode(memory::bytes(head, head_len)?)?.verify(key.0.verifying_key())?;
        Ok(log.0.get()?.check_against(&head)?)
    })
}

/// Closes a log and sets the variable to NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_log_free(log: *mut *mut mediveil_log) {
    memory::free(log);
}

/// Checks evidence without the log, and gives the entry's index, which may be NULL, and its bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_verify_evidence(
    evidence: *const u8,
    evidence_len: usize,
    operator_: *const mediveil_public,
    index: *mut u64,
    out: *mut u8,
    len: *mut usize,
) -> mediveil_status {
    entry(|| {
        let key = memory::get(operator_)?;
        let evidence = Evidence::decode(memory::bytes(evidence, evidence_len)?)?;
        let (at, bytes, _) = evidence.verify(key.0.verifying_key())?;
        memory::put_if(index, at)?;
        memory::give(bytes, Out::of(out, len)?)
    })
}

/// Checks without the log that the newer of two signed heads extends the older.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_verify_consistency(
    old_head: *const u8,
    old_len: usize,
    new_head: *const u8,
    new_len: usize,
    proof: *const u8,
    proof_len: usize,
    operator_: *const mediveil_public,
) -> mediveil_status {
    entry(|| {
        let operator_ = memory::get(operator_)?;
        let key = operator_.0.verifying_key();
        let old = SignedHead::decode(memory::bytes(old_head, old_len)?)?.verify(key)?;
        let new = SignedHead::decode(memory::bytes(new_head, new_len)?)?.verify(key)?;
        Ok(ConsistencyProof::decode(memory::bytes(proof, proof_len)?)?.verify(&old, &new)?)
    })
}
