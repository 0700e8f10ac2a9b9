//! The table. One block an error enum, one line a kind; the wildcard at the end of each block is there because the enums may
//! grow, and the test sees to it that nothing falls through to it.

use crate::Kind;

/// An error that has a kind.
pub trait Classify: std::error::Error {
    /// Its kind.
    fn kind(&self) -> Kind;
}

impl Classify for std::io::Error {
    fn kind(&self) -> Kind {
        match Self::kind(self) {
            std::io::ErrorKind::NotFound => Kind::NotFound,
            std::io::ErrorKind::AlreadyExists => Kind::Exists,
            _ => Kind::Storage,
        }
    }
}

// --- codec ---

impl Classify for mediveil_codec::DecodeError {
    fn kind(&self) -> Kind {
        self.kind.kind()
    }
}

impl Classify for mediveil_codec::DecodeErrorKind {
    fn kind(&self) -> Kind {
        match self {
            Self::Magic | Self::WrongType(_) | Self::Version(_) | Self::Suite(_) => Kind::Damaged,
            Self::BodyTooLong { .. } | Self::Truncated | Self::Trailing(_) | Self::Expected(_) => Kind::Damaged,
            Self::NotCanonical | Self::FieldTooLong { .. } | Self::Armor(_) | Self::Invalid(_) => Kind::Damaged,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_codec::ReadError {
    fn kind(&self) -> Kind {
        match self {
            Self::Io(e) => Classify::kind(e),
            Self::Decode(e) => Classify::kind(e),
            _ => Kind::Failed,
        }
    }
}

// --- seal ---

impl Classify for mediveil_seal::WrapError {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Classify for mediveil_seal::SealError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoDoors | Self::TooManyDoors | Self::SecondPassphrase | Self::ContextTooLong | Self::TooLong => {
                Kind::Invalid
            }
            Self::Wrap(e) => e.kind(),
            Self::Io(e) => Classify::kind(e),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_seal::OpenError {
    fn kind(&self) -> Kind {
        match self {
            Self::Malformed(e) => Classify::kind(e),
            Self::NoDoor { .. } => Kind::NoKey,
            Self::Tampered => Kind::Damaged,
            Self::Unsigned | Self::OtherAuthor => Kind::Unverified,
            Self::Io(e) => Classify::kind(e),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_seal::RewrapError {
    fn kind(&self) -> Kind {
        match self {
            Self::Open(e) => e.kind(),
            Self::Seal(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_seal::identity::KeyError {
    fn kind(&self) -> Kind {
        match self {
            Self::PublicKey | Self::SecretKey | Self::Signature | Self::Format(_) => Kind::Damaged,
            Self::Unverified => Kind::Unverified,
            Self::Passphrase | Self::PassphraseNeeded => Kind::NoKey,
            Self::TooCostly => Kind::Refused,
            Self::Decode(e) => Classify::kind(e),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_seal::ring::PolicyError {
    fn kind(&self) -> Kind {
        match self {
            Self::Range | Self::ExpiresBeforeDue | Self::EmergencyExpiry => Kind::Invalid,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_seal::ring::RingError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSuchVersion(_) => Kind::NotFound,
            Self::Transition { .. } | Self::ActiveVersion(_) | Self::NoActiveVersion => Kind::State,
            Self::Clock { .. } | Self::Full => Kind::State,
            Self::Expired { .. } => Kind::Refused,
            Self::Reason => Kind::Invalid,
            Self::Policy(e) => e.kind(),
            Self::Key(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_seal::ring::RingFileError {
    fn kind(&self) -> Kind {
        match self {
            Self::Io { source, .. } => Classify::kind(source),
            Self::Busy { .. } => Kind::Busy,
            Self::Decode { source, .. } => Classify::kind(source),
            Self::Locked(e) => e.kind(),
            Self::Lock(e) => e.kind(),
            Self::WrappingNeeded | Self::NotBound | Self::WrappingPath | Self::TooLarge => Kind::Invalid,
            Self::OlderRing { .. } | Self::OlderWrapping { .. } | Self::OtherRing => Kind::State,
            Self::Changed(_) | Self::Reopen => Kind::State,
            Self::Tampered => Kind::Damaged,
            Self::Ring(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

// --- ledger ---

impl Classify for mediveil_ledger::TooLong {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Classify for mediveil_ledger::LabelError {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Classify for mediveil_ledger::LogError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound | Self::OutOfRange { .. } | Self::NoProof { .. } => Kind::NotFound,
            Self::Exists | Self::KeyTaken { .. } => Kind::Exists,
            Self::NotALog | Self::Format(_) | Self::RolledBack { .. } | Self::Rewritten { .. } => Kind::Damaged,
            Self::Damaged(e) => e.kind(),
            Self::ReadOnly | Self::Complete | Self::Nested | Self::Forbidden | Self::NoPostgres => Kind::State,
            Self::Full | Self::Uncertain | Self::Storage(_) => Kind::Storage,
            Self::Busy => Kind::Busy,
            Self::OtherLog { .. } => Kind::Unverified,
            Self::TooLong(e) => e.kind(),
            Self::Decode(e) => Classify::kind(e),
            Self::Head(e) => e.kind(),
            Self::Proof(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_ledger::Damage {
    fn kind(&self) -> Kind {
        match self {
            Self::EntryMissing { .. } | Self::EntryChanged { .. } | Self::NodeMissing { .. } => Kind::Damaged,
            Self::NodeChanged { .. } | Self::NodeCount { .. } | Self::Cut { .. } => Kind::Damaged,
            Self::Rewritten { .. } | Self::HeadForged { .. } | Self::Head(_) => Kind::Damaged,
            Self::KeyIndex { .. } | Self::Schema(_) | Self::Database(_) => Kind::Damaged,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_ledger::HeadError {
    fn kind(&self) -> Kind {
        match self {
            Self::OtherSigner { .. } | Self::Forged { .. } | Self::OtherLog { .. } => Kind::Unverified,
            Self::Fork { .. } | Self::Unproven { .. } | Self::Inconsistent { .. } => Kind::Unverified,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_ledger::ProofError {
    fn kind(&self) -> Kind {
        match self {
            Self::Shape => Kind::Damaged,
            Self::OtherSize { .. } | Self::OtherLog | Self::Inclusion { .. } | Self::Consistency { .. } => {
                Kind::Unverified
            }
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_ledger::EvidenceError {
    fn kind(&self) -> Kind {
        match self {
            Self::Head(e) => e.kind(),
            Self::Proof(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

// --- abe ---

impl Classify for mediveil_abe::PolicyError {
    fn kind(&self) -> Kind {
        match self {
            Self::Syntax { .. } | Self::TooLong(_) | Self::TooDeep { .. } | Self::TooManyTerms => Kind::Policy,
            Self::Empty | Self::Threshold { .. } | Self::Contradiction(_) | Self::Kind(_) => Kind::Policy,
            Self::UnknownNumber(_) | Self::NotPlain(_) | Self::OutOfRange { .. } => Kind::Policy,
            Self::TooManyRows { .. } | Self::TooManyRepeats { .. } => Kind::Policy,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_abe::AttributeError {
    fn kind(&self) -> Kind {
        match self {
            Self::Name(_) | Self::Reserved(_) | Self::Value(_) | Self::Form(_) => Kind::Policy,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_abe::SchemaError {
    fn kind(&self) -> Kind {
        match self {
            Self::Attribute(e) => e.kind(),
            Self::Width(_) | Self::Twice(_) | Self::TooMany(_) | Self::Undeclared(_) => Kind::Policy,
            Self::NotPlain(_) | Self::Kind(_) | Self::TooLarge { .. } => Kind::Policy,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_abe::AuthorityError {
    fn kind(&self) -> Kind {
        match self {
            Self::Name | Self::NoAttributes => Kind::Invalid,
            Self::Schema(e) => e.kind(),
            Self::Expired(_) | Self::EmergencyTooLong(_) => Kind::Refused,
            Self::Random => Kind::State,
            _ => Kind::Failed,
        }
    }
}

// --- dp ---

impl Classify for mediveil_dp::AmountError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotPositive | Self::TooLarge | Self::TooSmall | Self::NotDecimal => Kind::Invalid,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_dp::SensitivityError {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Classify for mediveil_dp::Refused {
    fn kind(&self) -> Kind {
        match self {
            Self::OverBudget { .. } | Self::OverQuota { .. } | Self::NoQuota(_) => Kind::Budget,
            Self::Regime | Self::Unit | Self::Schema | Self::Guarantee | Self::Name => Kind::Invalid,
            Self::NoBudget => Kind::NotFound,
            Self::Exists => Kind::Exists,
            Self::Tampered => Kind::Damaged,
            Self::Mechanism(e) => e.kind(),
            Self::Amount(e) => e.kind(),
            Self::Log(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_dp::MechanismError {
    fn kind(&self) -> Kind {
        match self {
            Self::TooNoisy | Self::Constant | Self::Threshold | Self::Shape => Kind::Invalid,
            Self::Sampler => Kind::State,
            Self::Amount(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_dp::PlanError {
    fn kind(&self) -> Kind {
        match self {
            Self::Json(_) | Self::NoColumn(_) | Self::Column { .. } | Self::Parameter(_) => Kind::Invalid,
            Self::Overflow { .. } | Self::TooManyCells { .. } | Self::Price => Kind::Invalid,
            Self::Sensitivity(e) => e.kind(),
            Self::Mechanism(e) => e.kind(),
            Self::Amount(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_dp::SchemaError {
    fn kind(&self) -> Kind {
        match self {
            Self::Json(_) | Self::Invalid(..) => Kind::Invalid,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_dp::TableError {
    fn kind(&self) -> Kind {
        match self {
            Self::Csv(_) | Self::NoColumn(_) | Self::NotANumber { .. } | Self::NoPatient(_) | Self::TooManyRows => {
                Kind::Invalid
            }
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_dp::accounting::Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::Regime => Kind::Invalid,
            Self::OverBudget { .. } => Kind::Budget,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_dp::accounting::ReportError {
    fn kind(&self) -> Kind {
        match self {
            Self::Delta | Self::Loss | Self::Unreachable => Kind::Invalid,
            _ => Kind::Failed,
        }
    }
}

// --- record ---

impl Classify for mediveil_record::RecordError {
    fn kind(&self) -> Kind {
        match self {
            Self::Json(e) => Classify::kind(e),
            Self::NotFhir { .. } | Self::TooManyResources { .. } => Kind::Invalid,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_record::json::ParseError {
    fn kind(&self) -> Kind {
        self.kind.kind()
    }
}

impl Classify for mediveil_record::json::ParseErrorKind {
    fn kind(&self) -> Kind {
        match self {
            Self::TooLong { .. } | Self::TooDeep(_) | Self::TooManyValues(_) | Self::ByteOrderMark => Kind::Invalid,
            Self::NotUtf8 | Self::Syntax(_) | Self::Truncated | Self::Trailing | Self::LoneSurrogate => Kind::Invalid,
            Self::Nul | Self::Noncharacter | Self::DuplicateName | Self::NotAnElementName => Kind::Invalid,
            Self::NumberRange => Kind::Invalid,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_record::NotInCommitment {
    fn kind(&self) -> Kind {
        Kind::Unverified
    }
}

impl Classify for mediveil_record::TooManyLeaves {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Classify for mediveil_record::NotADouble {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

// --- circuits ---

impl Classify for mediveil_circuits::InvalidStatement {
    fn kind(&self) -> Kind {
        match self {
            Self::Roles | Self::EmptyRange(_) | Self::Claims { .. } | Self::SamePath(_) => Kind::Invalid,
            Self::Rows { .. } | Self::Column(_) => Kind::Invalid,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_circuits::forms::FormError {
    fn kind(&self) -> Kind {
        match self {
            Self::Name | Self::Roles | Self::UnknownRole(_) | Self::KeyTaken => Kind::Invalid,
            Self::Columns | Self::UnknownColumn(_) => Kind::Invalid,
            Self::HolderTaken | Self::OtherSecret => Kind::Refused,
            Self::NoSuchPerson => Kind::NotFound,
            Self::Full => Kind::State,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_circuits::forms::NotAsSigned {
    fn kind(&self) -> Kind {
        Kind::Unverified
    }
}

// --- zk ---

impl Classify for mediveil_zk::KeyError {
    fn kind(&self) -> Kind {
        match self {
            Self::Decode(e) => Classify::kind(e),
            Self::OtherStatement { .. } | Self::OtherRows(_) | Self::Degenerate | Self::Lengths => Kind::Damaged,
            Self::Development => Kind::Refused,
            Self::OtherHash => Kind::Unverified,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_zk::ProveError {
    fn kind(&self) -> Kind {
        match self {
            Self::Unsatisfied(_) => Kind::Refused,
            Self::Internal | Self::Setup => Kind::Failed,
            Self::Key(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_zk::VerifyError {
    fn kind(&self) -> Kind {
        match self {
            Self::Refused | Self::OtherStatement => Kind::Unverified,
            Self::Inputs { .. } | Self::NotCanonical(_) => Kind::Invalid,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_zk::BatchError {
    fn kind(&self) -> Kind {
        self.why.kind()
    }
}

impl Classify for mediveil_zk::JsonError {
    fn kind(&self) -> Kind {
        match self {
            Self::Form(_) | Self::NotCanonical | Self::Point => Kind::Damaged,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_zk::forms::RequestError {
    fn kind(&self) -> Kind {
        match self {
            Self::Json(_) | Self::Date(_) | Self::Bounds(_) | Self::Types(_) | Self::TooPrecise(_) => Kind::Invalid,
            Self::Words(_) => Kind::Invalid,
            Self::Form(e) => e.kind(),
            Self::Invalid(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_zk::ceremony::CeremonyError {
    fn kind(&self) -> Kind {
        match self {
            Self::Decode(e) => Classify::kind(e),
            Self::Ptau(e) => e.kind(),
            Self::OtherStart | Self::Step { .. } | Self::Keys | Self::Beacon => Kind::Unverified,
            Self::TooFew | Self::Finished => Kind::State,
            Self::Name => Kind::Invalid,
            Self::Key(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_zk::ceremony::PtauError {
    fn kind(&self) -> Kind {
        match self {
            Self::Form(_) | Self::Curve | Self::Point(_) | Self::NotPowers(_) => Kind::Damaged,
            Self::TooSmall { .. } => Kind::Invalid,
            _ => Kind::Failed,
        }
    }
}

// --- threshold ---

impl Classify for mediveil_threshold::CommitteeError {
    fn kind(&self) -> Kind {
        match self {
            Self::NeededTooSmall { .. } | Self::TooFewMembers { .. } | Self::TooManyMembers(_) => Kind::Invalid,
            Self::Duplicate(..) | Self::Purpose => Kind::Invalid,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_threshold::ProtocolError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotAMember | Self::Downgrade { .. } => Kind::Refused,
            Self::CutOff(_) | Self::WrongSession | Self::OtherBoard(_) | Self::Misdeed(_) => Kind::Unverified,
            Self::Missing(_) => Kind::NotFound,
            Self::Damaged(_) => Kind::Damaged,
            Self::TooFew { .. } | Self::TooFewAnswers { .. } | Self::Degenerate => Kind::State,
            Self::OtherSession | Self::OtherShare | Self::NotEnrolled | Self::Uncomplained(_) => Kind::State,
            Self::OldThreshold { .. } | Self::OtherPurpose | Self::Helpers { .. } => Kind::Invalid,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_threshold::tdh2::DecryptError {
    fn kind(&self) -> Kind {
        match self {
            Self::Ciphertext => Kind::Damaged,
            Self::OtherShare => Kind::State,
            Self::Count { .. } | Self::Duplicate(_) => Kind::Invalid,
            Self::WrongShares(_) => Kind::Unverified,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_threshold::recovery::RecoveryError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoDoor => Kind::NotFound,
            Self::OtherKey | Self::Signature(_) | Self::OtherRequest(_) => Kind::Unverified,
            Self::Door => Kind::Damaged,
            Self::NotTheOwner | Self::NotAGuardian | Self::NotTheReader => Kind::Refused,
            Self::TooEarly { .. } | Self::Vetoed { .. } | Self::TooFew { .. } => Kind::Refused,
            Self::OtherShare => Kind::State,
            Self::Sealing => Kind::Failed,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_threshold::slip39::Slip39Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Word(_) | Self::Length(_) | Self::Checksum | Self::Malformed | Self::Digest => Kind::Damaged,
            Self::Mismatch | Self::Duplicate | Self::Parameters(_) | Self::Passphrase => Kind::Invalid,
            Self::Count(_) => Kind::Refused,
            _ => Kind::Failed,
        }
    }
}

// --- fhe ---

impl Classify for mediveil_fhe::RingError {
    fn kind(&self) -> Kind {
        Kind::Failed
    }
}

impl Classify for mediveil_fhe::BudgetExceeded {
    fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Classify for mediveil_fhe::ParameterError {
    fn kind(&self) -> Kind {
        match self {
            Self::Degree(_) | Self::Insecure { .. } | Self::Moduli | Self::Range(_) => Kind::Invalid,
            Self::Need(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_fhe::CiphertextError {
    fn kind(&self) -> Kind {
        match self {
            Self::Key { .. } => Kind::Unverified,
            Self::Ring => Kind::Damaged,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_fhe::EncryptError {
    fn kind(&self) -> Kind {
        match self {
            Self::OutOfBounds { .. } | Self::TooManyRows { .. } | Self::Bounds { .. } => Kind::Invalid,
            Self::Ring(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_fhe::EvaluateError {
    fn kind(&self) -> Kind {
        match self {
            Self::Ciphertext(e) => e.kind(),
            Self::Range(_) => Kind::Invalid,
            Self::Ring(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_fhe::ceremony::CeremonyError {
    fn kind(&self) -> Kind {
        match self {
            Self::Terms(_) => Kind::Invalid,
            Self::NotAMember => Kind::Refused,
            Self::Missing { .. } | Self::Unexpected { .. } => Kind::State,
            Self::Signature { .. } | Self::Transcript { .. } | Self::Commitment { .. } => Kind::Unverified,
            Self::Malformed { .. } | Self::Sealed { .. } | Self::Dealing { .. } => Kind::Unverified,
            Self::Keys { .. } | Self::Test { .. } => Kind::Unverified,
            Self::Budget(e) => e.kind(),
            Self::Seal { .. } => Kind::Failed,
            Self::Ring(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_fhe::opening::OpenError {
    fn kind(&self) -> Kind {
        match self {
            Self::Ciphertext(e) => e.kind(),
            Self::Budget(e) => e.kind(),
            Self::Request(_) => Kind::Invalid,
            Self::NotInQuorum | Self::Spent(_) => Kind::Refused,
            Self::Noise { .. } | Self::NoiseSource(_) => Kind::Failed,
            Self::Store(e) => Classify::kind(e),
            Self::Damaged => Kind::Damaged,
            Self::Missing { .. } => Kind::State,
            Self::Part { .. } | Self::Garbage => Kind::Unverified,
            Self::Ring(e) => e.kind(),
            Self::Evaluate(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_fhe::program::ModelError {
    fn kind(&self) -> Kind {
        match self {
            Self::Json(_) | Self::TooLong(_) | Self::Range(_) | Self::Input(_) => Kind::Damaged,
            Self::Cycle { .. } | Self::Node { .. } | Self::Deep(_) => Kind::Damaged,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_fhe::program::FormError {
    fn kind(&self) -> Kind {
        match self {
            Self::Json(_) | Self::Groups | Self::Scale => Kind::Damaged,
            Self::Bounds(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_fhe::program::ValueError {
    fn kind(&self) -> Kind {
        match self {
            Self::Json(_) | Self::Missing(_) | Self::Unknown(_) | Self::Number { .. } => Kind::Invalid,
            Self::Domain { .. } | Self::Count { .. } => Kind::Invalid,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_fhe::program::PlanError {
    fn kind(&self) -> Kind {
        match self {
            Self::Domain { .. } | Self::Form(_) | Self::Overflow { .. } | Self::Width { .. } => Kind::Refused,
            Self::Path { .. } | Self::Bootstraps { .. } | Self::Slow { .. } => Kind::Refused,
            _ => Kind::Failed,
        }
    }
}

#[cfg(feature = "tfhe")]
impl Classify for mediveil_fhe::program::ProgramError {
    fn kind(&self) -> Kind {
        match self {
            Self::Key { .. } => Kind::NoKey,
            Self::Form => Kind::Refused,
            Self::Damaged(_) | Self::NoAnswer => Kind::Damaged,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_fhe::vector::VectorError {
    fn kind(&self) -> Kind {
        match self {
            Self::Need(_) | Self::TooWide { .. } | Self::Length { .. } | Self::Range => Kind::Invalid,
            Self::TooMany { .. } | Self::Committee => Kind::Invalid,
            Self::Foreign | Self::Ring(_) => Kind::Damaged,
            Self::TooFew { .. } => Kind::Refused,
            Self::Twice { .. } | Self::Garbage => Kind::Unverified,
            _ => Kind::Failed,
        }
    }
}

// --- study ---

impl Classify for mediveil_study::SchemaError {
    fn kind(&self) -> Kind {
        match self {
            Self::Json(_) | Self::Invalid(..) => Kind::Invalid,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_study::TermsError {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) => Kind::Invalid,
            Self::Parameters(e) => e.kind(),
            Self::Committee(e) => e.kind(),
            Self::Key => Kind::Unverified,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_study::ConfirmError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotAMember => Kind::Refused,
            Self::OtherKey { .. } => Kind::Unverified,
            Self::Missing { .. } => Kind::State,
            Self::Log(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_study::TableError {
    fn kind(&self) -> Kind {
        match self {
            Self::Read(_) | Self::NoColumn(_) | Self::Value { .. } | Self::Patient { .. } => Kind::Invalid,
            Self::NoCode(_) | Self::TooManyRows { .. } | Self::TooManyOfOne { .. } => Kind::Invalid,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_study::PlanError {
    fn kind(&self) -> Kind {
        match self {
            Self::Json(_) | Self::NoColumn(_) | Self::Column { .. } | Self::Parameter(_) => Kind::Invalid,
            Self::Depth { .. } | Self::Overflow { .. } | Self::TooManyCells { .. } | Self::Price => Kind::Invalid,
            Self::Noise(e) => e.kind(),
            Self::Sensitivity(e) => e.kind(),
            Self::Mechanism(e) => e.kind(),
            Self::Amount(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_study::UploadError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotASite | Self::Uncommitted { .. } => Kind::Refused,
            Self::Schema | Self::TooManyRows { .. } | Self::Incomplete => Kind::Invalid,
            Self::Duplicate { .. } => Kind::Exists,
            Self::Foreign { .. } | Self::Signature { .. } | Self::OtherUpload { .. } => Kind::Unverified,
            Self::Copied { .. } => Kind::Unverified,
            Self::Damaged { .. } | Self::Entry { .. } => Kind::Damaged,
            Self::Encrypt(e) => e.kind(),
            Self::Ciphertext(e) => e.kind(),
            Self::Evaluate(e) => e.kind(),
            Self::Log(e) => e.kind(),
            Self::Io(e) => Classify::kind(e),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_study::AnswerError {
    fn kind(&self) -> Kind {
        match self {
            Self::Upload(e) => e.kind(),
            Self::Evaluate(e) => e.kind(),
            Self::Ciphertext(e) => e.kind(),
            Self::Encrypt(e) => e.kind(),
            Self::OtherStudy | Self::Range { .. } | Self::Unrelated | Self::Overlap { .. } => Kind::Invalid,
            Self::Incomplete { .. } => Kind::State,
            Self::Evaluator | Self::OtherAnswer => Kind::Unverified,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_study::ReleaseError {
    fn kind(&self) -> Kind {
        match self {
            Self::Budget(e) => e.kind(),
            Self::Answer(e) => e.kind(),
            Self::Upload(e) => e.kind(),
            Self::Open(e) => e.kind(),
            Self::Plan(e) => e.kind(),
            Self::NotPaid | Self::NotRegistered | Self::OtherQuorum | Self::NotOperator => Kind::Refused,
            Self::Answered => Kind::State,
            Self::OtherBudget | Self::Certificate(_) => Kind::Unverified,
            Self::Evidence(e) => e.kind(),
            Self::Log(e) => e.kind(),
            Self::Decode(e) => Classify::kind(e),
            _ => Kind::Failed,
        }
    }
}

// --- federate ---

impl Classify for mediveil_federate::PlanError {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) | Self::Range { .. } | Self::Task(_) => Kind::Invalid,
            Self::Budget { .. } => Kind::Budget,
            Self::Vector(e) => e.kind(),
            Self::Mechanism(e) => e.kind(),
            Self::Sensitivity(e) => e.kind(),
            Self::Amount(e) => e.kind(),
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_federate::VectorRefused {
    fn kind(&self) -> Kind {
        match self {
            Self::NotANumber | Self::Length { .. } | Self::TooMany { .. } | Self::Clip => Kind::Invalid,
            _ => Kind::Failed,
        }
    }
}

impl Classify for mediveil_federate::FederateError {
    fn kind(&self) -> Kind {
        match self {
            Self::Plan(e) => e.kind(),
            Self::Vector(e) => e.kind(),
            Self::Budget(e) => e.kind(),
            Self::OtherBudget | Self::Foreign { .. } | Self::Signature { .. } | Self::Uncommitted { .. } => {
                Kind::Unverified
            }
            Self::Share { .. } | Self::Part { .. } => Kind::Unverified,
            Self::NoRound { .. } | Self::OtherRound { .. } | Self::OtherClosing => Kind::Refused,
            Self::NotOne(_) | Self::Spent => Kind::Refused,
            Self::NotBegun { .. } | Self::Released | Self::Closed | Self::NotClosed => Kind::State,
            Self::TooFew { .. } | Self::Missing { .. } => Kind::State,
            Self::Twice { .. } => Kind::Exists,
            Self::Damaged { .. } | Self::StoreDamaged => Kind::Damaged,
            Self::Open(e) => e.kind(),
            Self::Seal { .. } => Kind::Failed,
            Self::Model(_) => Kind::Invalid,
            Self::Noise(e) => e.kind(),
            Self::Log(e) => e.kind(),
            Self::Io(e) => Classify::kind(e),
            Self::Decode(e) => Classify::kind(e),
            _ => Kind::Failed,
        }
    }
}
