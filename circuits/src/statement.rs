//! Statements as types.

use crate::r1cs::{Assignment, Builder, Num, R1cs, Unsatisfied};
use ark_bn254::Fr;
use mediveil_record::field::hash_to_field;

/// The name of a statement, with its version: what a key is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatementId(&'static str);

impl StatementId {
    /// The id with this name, at most 64 bytes.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl std::fmt::Display for StatementId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

/// A statement: what the verifier sees, what the prover knows, and the rows that join them.
pub trait Statement: 'static {
    /// What the verifier sees. A value that exists is well-formed.
    type Public: Clone + std::fmt::Debug + PartialEq;
    /// What the prover knows.
    type Witness;
    /// Its name and version.
    const ID: StatementId;
    /// How many public inputs it has.
    const PUBLIC_INPUTS: usize;

    /// The public inputs in their order; exactly [`PUBLIC_INPUTS`](Self::PUBLIC_INPUTS).
    fn inputs(public: &Self::Public) -> Vec<Fr>;

    /// Runs the statement's rows. `inputs` are the public inputs' variables; the witness is absent while rows are recorded,
    /// and decides on values only, never on rows.
    fn synthesize(cs: &mut Builder, inputs: &[Num], witness: Option<&Self::Witness>);

    /// The rows, recorded once a process.
    fn r1cs() -> &'static R1cs;

    /// The values of all variables.
    ///
    /// # Errors
    /// [`Unsatisfied`] if the statement is not true for this witness.
    fn assign(public: &Self::Public, witness: &Self::Witness) -> Result<Assignment, Unsatisfied> {
        let (mut cs, inputs) = Builder::assign(&Self::inputs(public));
        Self::synthesize(&mut cs, &inputs, Some(witness));
        cs.into_assignment()
    }

    /// Records the rows anew.
    fn record() -> R1cs {
        let (mut cs, inputs) = Builder::shape(Self::PUBLIC_INPUTS);
        Self::synthesize(&mut cs, &inputs, None);
        cs.into_shape().unwrap_or_default()
    }
}

/// A context within which one holder has one nullifier: a vote, a study, a pharmacy's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope(Fr);

impl Scope {
    /// The label under which scopes become field elements.
    pub const LABEL: &'static str = "mediveil/scope/v1";

    /// The scope with this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(hash_to_field(Self::LABEL, name.as_bytes()))
    }

    /// The scope that is this element.
    #[must_use]
    pub const fn from_element(element: Fr) -> Self {
        Self(element)
    }

    /// The element.
    #[must_use]
    pub const fn element(&self) -> Fr {
        self.0
    }
}

/// A public part that no verifier should be asked about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidStatement {
    /// A set of roles without a role, or a role beyond the last.
    #[error("the set of roles is empty or has a role over 63")]
    Roles,
    /// A range that is empty.
    #[error("a range from {0} contains nothing")]
    EmptyRange(String),
    /// More claims than a proof has places, or none.
    #[error("a proof has 1 to {max} claims, not {found}")]
    Claims {
        /// Claims given.
        found: usize,
        /// Places.
        max: usize,
    },
    /// One leaf claimed twice.
    #[error("two claims on one path: {0}")]
    SamePath(String),
    /// Rows beyond what a table holds, or none.
    #[error("a table has 1 to {max} rows, not {found}")]
    Rows {
        /// Rows given.
        found: usize,
        /// Places.
        max: usize,
    },
    /// A column beyond the last.
    #[error("column {0} does not exist")]
    Column(usize),
}

/// `r1cs()` for a statement.
macro_rules! recorded {
    () => {
        fn r1cs() -> &'static crate::r1cs::R1cs {
            static ROWS: std::sync::LazyLock<crate::r1cs::R1cs> =
                std::sync::LazyLock::new(<This as crate::Statement>::record);
            &ROWS
        }
    };
}
pub(crate) use recorded;
