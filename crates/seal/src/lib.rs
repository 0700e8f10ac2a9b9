//! Sealed files: one content key, many doors.
//!
//! work in progress

mod content_key;
mod door;
pub mod identity;

pub use content_key::ContentKey;
pub use door::{Context, DoorKind, Opener, Opening, Recipient, Refusal, RefusalReason, Stanza, WrapError};
