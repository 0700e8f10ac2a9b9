//! Where the files of a federation are, in one directory that everybody shares or synchronises.
//!
//! | file | written when | what |
//! |---|---|---|
//! | `terms` | it is founded | task, sites, committee, clip, rounds, budget, log |
//! | `log` | all the time | the ledger: rounds, contributions by digest, closings, debits, releases |
//! | `rounds/N/state` | a round begins | the state of the model that it works on |
//! | `rounds/N/WHO.contribution`, `.vector` | somebody contributes | what sites and members give |
//! | `rounds/N/member-M.answer` | a member answers | its sum of key shares |
//! | `rounds/N/lock` | somebody hands in | nothing; see [`Federation::hand_in`](crate::Federation::hand_in) |
//! | `rounds/N/release` | the answers are combined | the noisy sum |
//!
//! Nothing in the directory is secret. Identities, tables and members' stores stay where their owners keep them.

use crate::contribution::Contributor;
use std::path::{Path, PathBuf};

/// The paths of a federation's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(PathBuf);

impl Layout {
    /// The files of this directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// The terms.
    #[must_use]
    pub fn terms(&self) -> PathBuf {
        self.0.join("terms")
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// The folder of a round.
    #[must_use]
    pub fn round(&self, number: u32) -> PathBuf {
        self.0.join("rounds").join(number.to_string())
    }

    /// The state that a round works on.
    #[must_use]
    pub fn state(&self, round: u32) -> PathBuf {
        self.round(round).join("state")
    }

    /// A contributor's signed word.
    #[must_use]
    pub fn contribution(&self, round: u32, contributor: Contributor) -> PathBuf {
        self.round(round).join(format!("{}.contribution", contributor.name()))
    }

    /// The vector beside it.
    #[must_use]
    pub fn vector(&self, round: u32, contributor: Contributor) -> PathBuf {
        self.round(round).join(format!("{}.vector", contributor.name()))
    }

    /// A member's answer.
    #[must_use]
    pub fn answer(&self, round: u32, member: u32) -> PathBuf {
        self.round(round).join(format!("member-{member}.answer"))
    }

    /// The release.
    #[must_use]
    pub fn release(&self, round: u32) -> PathBuf {
        self.round(round).join("release")
    }
}
