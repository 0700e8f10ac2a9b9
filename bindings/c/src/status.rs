//! Status codes and the last error.

use crate::memory::{self, Out};
use mediveil_bridge::{Classify, Kind};
use std::cell::RefCell;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What came of a call. The numbers stay as they are; new ones may be added.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum mediveil_status {
    /// Done.
    MEDIVEIL_OK = 0,
    /// Something failed that fits nothing below.
    MEDIVEIL_FAILED = 1,
    /// An argument cannot be.
    MEDIVEIL_INVALID = 2,
    /// A policy, an attribute or an authority's schema cannot be read or does not fit.
    MEDIVEIL_POLICY = 3,
    /// Understood, and not allowed: an expired key, for instance.
    MEDIVEIL_REFUSED = 4,
    /// None of the keys or passphrases given opens this.
    MEDIVEIL_NO_KEY = 5,
    /// The privacy budget or a quota does not reach. Nothing was spent.
    MEDIVEIL_BUDGET = 6,
    /// The bytes are not what they should be: changed, cut short, or something else.
    MEDIVEIL_DAMAGED = 7,
    /// A signature, a proof or a head does not verify, or comes from somebody else.
    MEDIVEIL_UNVERIFIED = 8,
    /// The file system or the database failed.
    MEDIVEIL_STORAGE = 9,
    /// What was named is not there.
    MEDIVEIL_NOT_FOUND = 10,
    /// What was to be made is there already.
    MEDIVEIL_EXISTS = 11,
    /// Another process or thread holds it. Try again.
    MEDIVEIL_BUSY = 12,
    /// It is in a state in which this cannot be done.
    MEDIVEIL_STATE = 13,
    /// A pointer is NULL that must not be.
    MEDIVEIL_NULL = 14,
    /// The output buffer is too small; its length says now what is needed.
    MEDIVEIL_TOO_SMALL = 15,
    /// A text is not UTF-8.
    MEDIVEIL_NOT_UTF8 = 16,
    /// A handle is not of this type, or was freed.
    MEDIVEIL_WRONG_HANDLE = 17,
    /// A callback reported a failure.
    MEDIVEIL_CALLBACK = 18,
    /// A fault in the library, caught at its border. The handles of the call should be freed.
    MEDIVEIL_PANIC = 19,
}

use mediveil_status as Status;

impl From<Kind> for Status {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Failed => Self::MEDIVEIL_FAILED,
            Kind::Invalid => Self::MEDIVEIL_INVALID,
            Kind::Policy => Self::MEDIVEIL_POLICY,
            Kind::Refused => Self::MEDIVEIL_REFUSED,
            Kind::NoKey => Self::MEDIVEIL_NO_KEY,
            Kind::Budget => Self::MEDIVEIL_BUDGET,
            Kind::Damaged => Self::MEDIVEIL_DAMAGED,
            Kind::Unverified => Self::MEDIVEIL_UNVERIFIED,
            Kind::Storage => Self::MEDIVEIL_STORAGE,
            Kind::NotFound => Self::MEDIVEIL_NOT_FOUND,
            Kind::Exists => Self::MEDIVEIL_EXISTS,
            Kind::Busy => Self::MEDIVEIL_BUSY,
            Kind::State => Self::MEDIVEIL_STATE,
        }
    }
}

/// Why a call fails: a status and a text.
pub(crate) struct Failure(pub Status, pub String);

impl<E: Classify> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.kind().into(), error.to_string())
    }
}

pub(crate) type Outcome = Result<(), Failure>;

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs the body of a function: catches panics, and keeps the text of a failure for `mediveil_last_error`.
pub(crate) fn entry(body: impl FnOnce() -> Outcome) -> Status {
    let (status, text) = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return Status::MEDIVEIL_OK,
        Ok(Err(Failure(status, text))) => (status, text),
        Err(_) => (Status::MEDIVEIL_PANIC, "a fault in the library".to_owned()),
    };
    // A thread that is ending has no place for it any more.
    let _ = LAST.try_with(|last| last.replace(text));
    status
}

/// The text of the last failure on this thread, with its terminating zero; empty if there was none. It names no secret and no
/// patient. This call itself changes it only if it fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mediveil_last_error(out: *mut c_char, len: *mut usize) -> mediveil_status {
    entry(|| {
        let text = LAST.try_with(|last| last.borrow().clone()).unwrap_or_default();
        memory::give_text(&text, Out::of(out.cast(), len)?)
    })
}

/// How many handles live, of all types: what is left at the end was not freed.
#[unsafe(no_mangle)]
pub extern "C" fn mediveil_handles() -> usize {
    memory::living()
}

/// The version of the library, as a text that lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn mediveil_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
