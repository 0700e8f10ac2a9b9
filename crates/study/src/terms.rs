//! What a study is: agreed once, before any key exists, and named by its digest.

use crate::schema::Schema;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_dp::accounting::{Cost, Regime};
use mediveil_dp::{Guarantee, PrivacyUnit};
use mediveil_fhe::ceremony::CeremonyError;
use mediveil_fhe::{CommitteeKey, Need, ParameterError, Parameters};
use mediveil_ledger::LogId;
use mediveil_seal::identity::PublicIdentity;
use sha2::{Digest, Sha256};

/// Why there is no such study.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermsError {
    /// A part makes no sense.
    #[error("{0}")]
    Invalid(&'static str),
    /// No parameters meet the need.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// The committee makes no sense.
    #[error(transparent)]
    Committee(#[from] CeremonyError),
    /// The key is of other terms.
    #[error("the committee's key was made for other terms than this study's")]
    Key,
}

/// The terms of a study. They never change: other terms are another study.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What it is called.
    pub title: String,
    /// What every site's rows look like.
    pub schema: Schema,
    /// Who uploads, in the order of the evaluation.
    pub sites: Vec<PublicIdentity>,
    /// Who holds the key, numbered from 1.
    pub members: Vec<PublicIdentity>,
    /// Members of a quorum; one fewer learn nothing.
    pub needed: u32,
    /// How deep products of columns may go: 2 for a filter over two conditions and a value.
    pub depth: u32,
    /// What all answers together may cost, for the life of the study.
    pub cap: Cost,
    /// Who keeps the log and signs its heads.
    pub operator: PublicIdentity,
    /// Whose evaluation a member may trust instead of its own.
    pub evaluators: Vec<PublicIdentity>,
    /// The log that holds uploads, queries and debits.
    pub log: LogId,
    /// Parameters of the encryption; [`Terms::parameters_for`] finds them.
    pub parameters: Parameters,
}

/// Bits of smudging.
const SMUDGING: u32 = 64;
/// Numbers that parameters leave room for in one release.
const OPENED: u64 = 256;

impl Terms {
    /// The most sites.
    pub const MAX_SITES: usize = 64;
    /// The greatest depth.
    pub const MAX_DEPTH: u32 = 4;

    /// The smallest parameters for a schema, a committee and a depth: room for sums of products of two numbers over the
    /// declared rows, and for noise of the same size.
    ///
    /// # Errors
    /// [`TermsError::Parameters`] with the bits that are missing.
    pub fn parameters_for(schema: &Schema, members: u32, needed: u32, depth: u32) -> Result<Parameters, TermsError> {
        // Every site may leave its last block almost empty; the largest ring counts.
        let slack = 64u64.saturating_mul(32_768);
        let rows = schema.max_rows().saturating_add(slack);
        let most = schema.largest().saturating_mul(rows).saturating_mul(4);
        let max_abs = most.clamp(1 << 34, Need::MAX_ABS);
        let need = Need { depth, terms: 4, max_abs, rows, members, needed, smudging: SMUDGING, opened: OPENED };
        Ok(Parameters::for_need(&need)?)
    }

    /// Checks that every part makes sense.
    ///
    /// # Errors
    /// [`TermsError`] saying which does not.
    pub fn check(&self) -> Result<(), TermsError> {
        if self.title.is_empty() || self.title.len() > 256 {
            return Err(TermsError::Invalid("a study has a title of 1 to 256 bytes"));
        }
        if self.sites.is_empty() || self.sites.len() > Self::MAX_SITES || !PublicIdentity::all_differ(&self.sites) {
            return Err(TermsError::Invalid("a study has 1 to 64 sites, each of them once"));
        }
        if self.evaluators.len() > Self::MAX_SITES || !PublicIdentity::all_differ(&self.evaluators) {
            return Err(TermsError::Invalid("a study names at most 64 evaluators, each of them once"));
        }
        if self.depth > Self::MAX_DEPTH {
            return Err(TermsError::Invalid("products of columns go at most 4 deep"));
        }
        if self.cap.units().0 == 0 {
            return Err(TermsError::Invalid("a budget of nothing allows no query"));
        }
        self.committee().map(|_| ())
    }

    /// The study's name: SHA-256 of the terms. It is also the data set's id in the budget and the label of the key.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        Sha256::new_with_prefix(b"mediveil/study/terms/v1\0").chain_update(self.encode()).finalize().into()
    }

    /// What the committee's ceremony runs on.
    ///
    /// # Errors
    /// [`TermsError::Committee`].
    pub fn committee(&self) -> Result<mediveil_fhe::Terms, TermsError> {
        let (parameters, members) = (self.parameters.clone(), self.members.clone());
        Ok(mediveil_fhe::Terms::new(parameters, members, self.needed, SMUDGING, self.id())?)
    }

    /// The terms of the budget.
    #[must_use]
    pub fn budget(&self) -> mediveil_dp::Terms {
        mediveil_dp::Terms {
            data_set: self.id(),
            unit: self.schema.unit(),
            guarantee: Guarantee::DataSet,
            cap: self.cap,
        }
    }

    /// Who is protected.
    #[must_use]
    pub const fn unit(&self) -> PrivacyUnit {
        self.schema.unit()
    }

    /// The most blocks that all uploads together may have: those of the declared rows, and a last one of each site.
    #[must_use]
    pub fn max_blocks(&self) -> u64 {
        let sites = u64::try_from(self.sites.len()).unwrap_or(u64::MAX);
        self.parameters.blocks(self.schema.max_rows()).saturating_add(sites).saturating_sub(1)
    }

    /// The number of the site with this identity, from 0.
    #[must_use]
    pub fn site(&self, identity: &PublicIdentity) -> Option<u32> {
        identity.place_in(&self.sites)
    }

    /// The number of the member with this identity, from 1.
    #[must_use]
    pub fn member(&self, identity: &PublicIdentity) -> Option<u32> {
        identity.place_in(&self.members)?.checked_add(1)
    }
}

impl Wire for Terms {
    const TYPE: ObjectType = ObjectType::StudyTerms;
    const MAX_BODY: usize = 1 << 20;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(11).text(&self.title).text(&self.schema.to_json());
        PublicIdentity::encode_list(e, &self.sites);
        PublicIdentity::encode_list(e, &self.members);
        e.u32(self.needed).u32(self.depth);
        let (main, delta) = self.cap.units();
        e.array(3).bool(self.cap.regime() == Regime::Concentrated).u64(main).u64(delta);
        e.bytes(&self.operator.encode());
        PublicIdentity::encode_list(e, &self.evaluators);
        e.bytes(self.log.as_bytes()).bytes(&self.parameters.encode());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(11)?;
        let title = d.text(256)?.to_owned();
        let json = d.text(1 << 19)?;
        let schema = Schema::from_json(json).map_err(|_| d.invalid("not a schema"))?;
        if schema.to_json() != json {
            return Err(d.invalid("the schema is not in canonical form"));
        }
        let sites = d.list(Self::MAX_SITES, PublicIdentity::decode_item)?;
        let members = d.list(mediveil_fhe::Terms::MAX_MEMBERS, PublicIdentity::decode_item)?;
        let (needed, depth) = (d.u32()?, d.u32()?);
        d.tuple(3)?;
        let regime = if d.bool()? { Regime::Concentrated } else { Regime::Pure };
        let cap = Cost::from_units(regime, d.u64()?, d.u64()?).ok_or_else(|| d.invalid("not an amount of privacy"))?;
        let operator = PublicIdentity::decode_item(d)?;
        let evaluators = d.list(Self::MAX_SITES, PublicIdentity::decode_item)?;
        let log = LogId::from_bytes(d.byte_array()?);
        let parameters = d.bytes(512)?;
        let parameters = Parameters::decode(parameters).map_err(|_| d.invalid("not a parameter set"))?;
        let terms = Self { title, schema, sites, members, needed, depth, cap, operator, evaluators, log, parameters };
        terms.check().map_err(|_| d.invalid("the terms make no study"))?;
        Ok(terms)
    }
}

/// A study whose committee has its key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Study {
    terms: std::sync::Arc<Terms>,
    key: CommitteeKey,
    id: [u8; 32],
}

impl Study {
    /// The study of these terms and this key.
    ///
    /// # Errors
    /// [`TermsError::Key`] if the key was made for anything else.
    pub fn new(terms: Terms, key: CommitteeKey) -> Result<Self, TermsError> {
        terms.check()?;
        if *key.terms() != terms.committee()? {
            return Err(TermsError::Key);
        }
        let id = terms.id();
        Ok(Self { terms: terms.into(), key, id })
    }

    /// The terms.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The schema.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.terms.schema
    }

    /// The committee's key.
    #[must_use]
    pub const fn key(&self) -> &CommitteeKey {
        &self.key
    }

    /// The study's name.
    #[must_use]
    pub const fn id(&self) -> [u8; 32] {
        self.id
    }
}
