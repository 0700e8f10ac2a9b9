//! Key rings: the versions of one owner's identity, their rotation, and crypto-erasure.
//!
//! | module | what it holds |
//! |---|---|
//! | `policy` | [`OwnerRole`] and [`RotationPolicy`]: when keys are due, as data |
//! | `versions` | [`Ring`], [`KeyVersion`], [`KeyState`]: which transitions are legal |
//! | `opener` | [`RingOpener`]: the ring as an [`Opener`](crate::Opener) |
//! | `receipt` | [`ErasureReceipt`]: the signed statement that a version is gone |
//! | `sealed` | [`SealedRing`], [`WrappingFile`]: the two files as bytes |
//! | `file` | [`RingFile`]: the two files on the disk, through any crash |
//!
//! # The states of a version
//! ```text
//!            rotate                 disable
//!   Active ----------> DecryptOnly <-------> Disabled       Active --disable--> Disabled
//!                          |        enable      |
//!                          +------ destroy -----+---> Destroyed (its secret is wiped, a receipt stays)
//! ```
//! New files are sealed for the one active version. Active and decrypt-only versions open files. A disabled version does
//! nothing and can be enabled again, to decrypt only. Destroying is final; the active version is destroyed only when the
//! caller says so.
//!
//! # Erasure, and what remains
//! Destroying a version wipes its secret from memory and from the ring file. What was sealed for that version alone then
//! opens for nobody who has only the present files. What it does not reach:
//!
//! - **Older copies of the ring file** (backups, snapshots) still hold the secret. So bind the ring to a
//!   [`WrappingFile`] kept elsewhere, out of the backups: it is replaced on every erasure, and an older ring file opens
//!   only with the wrapping file of its time.
//! - **Older copies of the wrapping file**, if anybody kept them, undo that, together with an older ring file and its
//!   lock.
//! - **The disk.** The replaced wrapping file is overwritten in place, but solid-state disks, journals and copy-on-write
//!   file systems keep old blocks where software does not reach. Keep it on an encrypted volume or in a hardware store.
//! - **Files with another door, and plaintext already read.** Erasure closes one key's doors, nothing else.
//!
//! A receipt says that the ring's custodian key signed the statement. It proves that whoever held the ring made it; it
//! cannot prove that no copy exists.

mod file;
mod lock;
mod opener;
mod policy;
mod receipt;
mod sealed;
mod versions;

pub use file::{RingFile, RingFileError};
pub use opener::RingOpener;
pub use policy::{OwnerRole, PolicyError, RotationPolicy};
pub use receipt::{ErasureReceipt, MAX_REASON};
pub use sealed::{SealedRing, WrappingFile};
pub use versions::{Due, KeyState, KeyVersion, MAX_VERSIONS, Ring, RingError, WhenActive};
