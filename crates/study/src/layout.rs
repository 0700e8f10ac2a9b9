//! Where the files of a study are, in one directory that everybody shares or synchronises.
//!
//! | file | what |
//! |---|---|
//! | `terms`, `key`, `log` | [`Terms`](crate::Terms), the committee's key, the ledger |
//! | `ceremony/round-R-member-M` | messages of the key ceremony |
//! | `uploads/site-S`, and with `.manifest` | what sites have shown |
//! | `queries/ID/` `answer`, `part-M`, `certificate` | one question; ID is the start of a digest of its canonical text |
//!
//! Nothing in the directory is secret.

use crate::plan::Plan;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The paths of a study's files. It reads and writes nothing.
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

    /// The committee's key.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.0.join("key")
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// The folder of the key ceremony.
    #[must_use]
    pub fn ceremony(&self) -> PathBuf {
        self.0.join("ceremony")
    }

    /// A member's message of a round of the ceremony.
    #[must_use]
    pub fn message(&self, round: u8, member: u32) -> PathBuf {
        self.ceremony().join(format!("round-{round}-member-{member}"))
    }

    /// A site's ciphertexts, as shown.
    #[must_use]
    pub fn upload(&self, site: u32) -> PathBuf {
        self.0.join("uploads").join(format!("site-{site}"))
    }

    /// The manifest beside ciphertexts.
    #[must_use]
    pub fn manifest(ciphertexts: &Path) -> PathBuf {
        let mut name = ciphertexts.as_os_str().to_owned();
        name.push(".manifest");
        PathBuf::from(name)
    }

    /// The folder of a question.
    #[must_use]
    pub fn query(&self, plan: &Plan) -> PathBuf {
        let digest = Sha256::digest(plan.query().to_json());
        let name: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
        self.0.join("queries").join(name)
    }

    /// The encrypted answer to a question.
    #[must_use]
    pub fn answer(&self, plan: &Plan) -> PathBuf {
        self.query(plan).join("answer")
    }

    /// A member's part of it.
    #[must_use]
    pub fn part(&self, plan: &Plan, member: u32) -> PathBuf {
        self.query(plan).join(format!("part-{member}"))
    }

    /// The certificate.
    #[must_use]
    pub fn certificate(&self, plan: &Plan) -> PathBuf {
        self.query(plan).join("certificate")
    }
}
