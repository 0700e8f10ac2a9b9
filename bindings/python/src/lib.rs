//! The native half of the Python package `mediveil`: one module a subject, each a thin bridge to the crate of its name.
//!
//! What a class is for, its arguments, units and errors are in the Python documentation: the doc comments of the classes and
//! methods here. Rules that hold throughout:
//!
//! * classes are frozen and hold shared, thread-safe Rust values; what can be closed is behind a lock;
//! * everything that can take longer than a millisecond runs detached from the interpreter (`py.detach`);
//! * no reference into memory that Python could change is held while detached: `bytes` are used in place, any other buffer is
//!   copied first; a `Buffer` has its own memory and is not written while anyone can look at it;
//! * an error of the libraries becomes the exception that `mediveil-bridge`'s table gives it.

mod abe;
mod budget;
mod buffer;
mod committee;
mod data;
mod doors;
mod fail;
mod federate;
mod files;
mod identity;
mod log;
mod model;
mod objects;
mod paper;
mod query;
mod record;
mod recovery;
mod ring;
mod sample;
mod seal;
mod study;
mod threads;
mod time;
mod zk;

// Free-threaded interpreters switch their lock on for this module: it is not tested without.
#[pyo3::pymodule(gil_used = true)]
mod _native {
    #[pymodule_export]
    use crate::abe::{AttributeKey, Authority, AuthorityParameters, Policy, PolicyDoor};
    #[pymodule_export]
    use crate::budget::{Budget, Previews, Table};
    #[pymodule_export]
    use crate::buffer::Buffer;
    #[pymodule_export]
    use crate::committee::{Committee, CommitteeDoor, CommitteeKey, Guardian, KeyPlan, KeySet};
    #[pymodule_export]
    use crate::fail::_kinds;
    #[pymodule_export]
    use crate::federate::{
        FederatedAnswer, FederatedModel, FederatedRound, FederatedTask, FederatedUpload, Federation, SiteSum,
    };
    #[pymodule_export]
    use crate::identity::{Identity, Passphrase, PublicIdentity};
    #[pymodule_export]
    use crate::log::{Log, LogFollower, SignedHead, verify_consistency, verify_evidence};
    #[cfg(feature = "model")]
    #[pymodule_export]
    use crate::model::{EncryptedInputs, EncryptedResult, EvaluationKey, PatientKey, score};
    #[pymodule_export]
    use crate::model::{Model, ModelForm, ModelPlan};
    #[pymodule_export]
    use crate::paper::{paper_join, paper_split};
    #[pymodule_export]
    use crate::query::{Plan, Query, Schema};
    #[pymodule_export]
    use crate::record::{Record, Resource, check_opening};
    #[pymodule_export]
    use crate::recovery::{RecoveredKey, Recovery};
    #[pymodule_export]
    use crate::ring::KeyRing;
    #[pymodule_export]
    use crate::sample::{sample_bundle, sample_cohort};
    #[pymodule_export]
    use crate::seal::{inspect, open, open_file, rewrap_file, seal, seal_file, seal_into};
    #[pymodule_export]
    use crate::study::{_rows, Study, StudyCeremony, StudyCertificate, StudyPlan, StudyQuery, StudySchema, StudyShare};
    #[pymodule_export]
    use crate::zk::{
        Credential, CredentialRegistry, HeldRecord, Holder, HolderSecret, IdentityRequest, IssuerRegister, Proof,
        ProviderKey, ProviderPublicKey, ProviderRegistry, ProvingKey, RecordRequest, StatisticsRequest,
        StatisticsTable, TableCommitment, VerifyingKey, prove, verify, verify_batch,
    };
}
