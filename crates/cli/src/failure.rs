//! Why a command ends without having done its work, and with which exit code.

use crate::global::Global;
use mediveil_abe::{AuthorityError, PolicyError};
use mediveil_circuits::forms::{FormError, NotAsSigned};
use mediveil_codec::DecodeError;
use mediveil_seal::identity::KeyError;
use mediveil_seal::{OpenError, RewrapError, SealError};
use mediveil_zk::ceremony::{CeremonyError, PtauError};
use mediveil_zk::forms::RequestError;
use mediveil_zk::{KeyError as ZkKeyError, ProveError, VerifyError};
use std::io;
use std::path::Path;

/// What kind of failure it is. The numbers are the exit codes and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file cannot be read or written, or something else went wrong outside.
    Failed = 1,
    /// The command line asks for something that makes no sense.
    Usage = 2,
    /// No key fits, or a rule forbids it.
    Refused = 3,
    /// The input is damaged, changed or not what it should be.
    Damaged = 4,
    /// A step of the tour failed.
    Step = 5,
}

/// A failure with what to tell the user.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// The same failure, with the file it is about in front.
    pub(crate) fn at(self, path: &Path) -> Self {
        Self { message: format!("{}: {}", path.display(), self.message), ..self }
    }

    pub(crate) const fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Refused => 3,
            Kind::Damaged => 4,
            Kind::Step => 5,
        }
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn print(&self, global: &Global) {
        if global.is_json() {
            let kind = match self.kind {
                Kind::Failed => "failed",
                Kind::Usage => "usage",
                Kind::Refused => "refused",
                Kind::Damaged => "damaged",
                Kind::Step => "step",
            };
            eprintln!("{}", serde_json::json!({ "error": kind, "message": self.message }));
        } else {
            eprintln!("mediveil: {}", self.message);
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.downcast::<OpenError>() {
            Ok(inner) => inner.into(),
            Err(error) => Self::new(Kind::Failed, error.to_string()),
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let kind = match &error {
            OpenError::Io(_) => Kind::Failed,
            OpenError::NoDoor { .. } | OpenError::Unsigned | OpenError::OtherAuthor => Kind::Refused,
            _ => Kind::Damaged,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Io(error) => error.into(),
            other => Self::new(Kind::Refused, other.to_string()),
        }
    }
}

impl From<RewrapError> for Failure {
    fn from(error: RewrapError) -> Self {
        match error {
            RewrapError::Open(error) => error.into(),
            RewrapError::Seal(error) => error.into(),
            other => Self::new(Kind::Failed, other.to_string()),
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let kind = match &error {
            KeyError::Passphrase | KeyError::PassphraseNeeded | KeyError::TooCostly => Kind::Refused,
            _ => Kind::Damaged,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<AuthorityError> for Failure {
    fn from(error: AuthorityError) -> Self {
        let kind = match &error {
            AuthorityError::Expired(_) | AuthorityError::EmergencyTooLong(_) => Kind::Refused,
            _ => Kind::Usage,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::new(Kind::Damaged, error.to_string())
    }
}

impl From<ZkKeyError> for Failure {
    fn from(error: ZkKeyError) -> Self {
        let kind = match &error {
            ZkKeyError::Development | ZkKeyError::Degenerate => Kind::Refused,
            _ => Kind::Damaged,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        Self::new(Kind::Refused, error.to_string())
    }
}

impl From<ProveError> for Failure {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::Unsatisfied(error) => Self::new(Kind::Refused, error.to_string()),
            ProveError::Key(error) => error.into(),
            other => Self::new(Kind::Failed, other.to_string()),
        }
    }
}

impl From<PtauError> for Failure {
    fn from(error: PtauError) -> Self {
        let kind = if matches!(error, PtauError::TooSmall { .. }) { Kind::Usage } else { Kind::Damaged };
        Self::new(kind, error.to_string())
    }
}

impl From<CeremonyError> for Failure {
    fn from(error: CeremonyError) -> Self {
        let kind = match error {
            CeremonyError::Ptau(error) => return error.into(),
            CeremonyError::Key(error) => return error.into(),
            CeremonyError::Name => Kind::Usage,
            CeremonyError::TooFew | CeremonyError::Finished | CeremonyError::Beacon => Kind::Refused,
            _ => Kind::Damaged,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        let kind = if matches!(error, RequestError::Json(_)) { Kind::Damaged } else { Kind::Usage };
        Self::new(kind, error.to_string())
    }
}

impl From<FormError> for Failure {
    fn from(error: FormError) -> Self {
        let kind = match &error {
            FormError::HolderTaken | FormError::OtherSecret | FormError::NoSuchPerson | FormError::KeyTaken => {
                Kind::Refused
            }
            _ => Kind::Usage,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<NotAsSigned> for Failure {
    fn from(error: NotAsSigned) -> Self {
        Self::new(Kind::Damaged, error.to_string())
    }
}
