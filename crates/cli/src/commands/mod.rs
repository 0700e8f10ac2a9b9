//! One file a command.

pub(crate) mod authority;
pub(crate) mod budget;
pub(crate) mod committee;
pub(crate) mod federate;
pub(crate) mod identity;
pub(crate) mod inspect;
pub(crate) mod log;
#[cfg(feature = "model")]
pub(crate) mod model;
pub(crate) mod open;
pub(crate) mod paper;
pub(crate) mod policy;
pub(crate) mod recover;
pub(crate) mod rewrap;
pub(crate) mod ring;
pub(crate) mod sample;
pub(crate) mod seal;
pub(crate) mod shell;
pub(crate) mod study;
pub(crate) mod zk;
