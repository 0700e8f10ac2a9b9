//! What the bindings for Python and C share: one table from every error of the libraries to a [`Kind`], and the few types
//! that let a caller in another language mix recipients and keys of different sorts in one call.
//!
//! A [`Kind`] is an exception in Python and a status code in C. The test beside this crate reads the libraries' sources and
//! fails when an error enum, or a variant of one, is missing from the table.
//!
//! Nothing here computes; the libraries do. Assumptions and promises are theirs.

mod doors;
mod table;

pub use doors::{By, CommitteeDoor, SharedRing, To};
pub use table::Classify;

/// What went wrong, as far as a caller can act on it. The numbers are the status codes of the C library and stay as they
/// are; 0 is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Kind {
    /// Something failed that fits nothing below.
    Failed = 1,
    /// An argument cannot be: out of range, ill-formed, or one that the rest of the call excludes.
    Invalid = 2,
    /// A policy, an attribute or an authority's schema cannot be read or does not fit.
    Policy = 3,
    /// Understood, and not allowed: an expired key, an emergency key for too long, a key that is too costly to try.
    Refused = 4,
    /// None of the keys or passphrases given opens this.
    NoKey = 5,
    /// The privacy budget or a quota does not reach.
    Budget = 6,
    /// The bytes are not what they should be: changed, cut short, or something else altogether.
    Damaged = 7,
    /// A signature, a proof or a head does not verify, or comes from somebody else.
    Unverified = 8,
    /// The file system or the database failed.
    Storage = 9,
    /// What was named is not there.
    NotFound = 10,
    /// What was to be made is there already.
    Exists = 11,
    /// Another process or thread holds it. Try again.
    Busy = 12,
    /// It is in a state in which this cannot be done.
    State = 13,
}

impl Kind {
    /// All kinds, in the order of their codes.
    pub const ALL: [Self; 13] = [
        Self::Failed,
        Self::Invalid,
        Self::Policy,
        Self::Refused,
        Self::NoKey,
        Self::Budget,
        Self::Damaged,
        Self::Unverified,
        Self::Storage,
        Self::NotFound,
        Self::Exists,
        Self::Busy,
        Self::State,
    ];

    /// The status code in C.
    #[must_use]
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// The name of the exception class in Python.
    #[must_use]
    pub const fn exception(self) -> &'static str {
        match self {
            Self::Failed => "Error",
            Self::Invalid => "InvalidError",
            Self::Policy => "PolicyError",
            Self::Refused => "RefusedError",
            Self::NoKey => "NoKeyError",
            Self::Budget => "BudgetError",
            Self::Damaged => "DamagedError",
            Self::Unverified => "UnverifiedError",
            Self::Storage => "StorageError",
            Self::NotFound => "NotFoundError",
            Self::Exists => "ExistsError",
            Self::Busy => "BusyError",
            Self::State => "StateError",
        }
    }
}
