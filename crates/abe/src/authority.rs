//! Authorities: who says which attributes a person has.
//!
//! An authority holds the master secret, publishes [`PublicParameters`] that anyone can seal with, and grants
//! [`AttributeKey`]s. Whoever has the master secret can open everything sealed under the authority; keep it as such a
//! thing is kept. An authority's id is the SHA-256 of its parameters, and every hash to the curve is under that id, so keys
//! and files of two authorities never meet, whatever their attributes are called.

use crate::attribute::{Attribute, Label};
use crate::comb::Comb;
use crate::epoch::Granularity;
use crate::kem;
use crate::key::AttributeKey;
use crate::schema::{AttributeSet, MAX_DECLARED, NumberKind, Schema, SchemaError};
use crate::scheme::{self, GT_LEN, PowerTable, RowTables, Secret};
use blstrs::{Gt, Scalar};
use ff::Field;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use unicode_normalization::{UnicodeNormalization, is_nfc};
use zeroize::Zeroizing;

/// The longest name of an authority in bytes.
pub const MAX_AUTHORITY_NAME: usize = 128;

/// How long a key for an emergency attribute lives at most.
pub const EMERGENCY: Duration = Duration::from_hours(24);

/// The SHA-256 of an authority's public parameters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AuthorityId(pub(crate) [u8; 32]);

impl AuthorityId {
    /// The digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.byte_array().map(Self)
    }
}

/// Hexadecimal.
impl fmt::Display for AuthorityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for AuthorityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthorityId({self})")
    }
}

/// Why an authority cannot be created, or does not grant a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The name is empty or too long.
    #[error("an authority's name must have 1 to {MAX_AUTHORITY_NAME} bytes")]
    Name,
    /// The attributes do not fit the authority's schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A key for nothing.
    #[error("a key needs at least one attribute")]
    NoAttributes,
    /// No whole epoch from now on ends by the expiry.
    #[error("the key would be expired already: no epoch of this authority from now on ends by {0}")]
    Expired(Timestamp),
    /// The random numbers were unusable, which has a probability of about 2^-250.
    #[error("the random numbers were unusable; try again")]
    Random,
    /// A key with an emergency attribute that lives too long.
    #[error("`{0}` is for emergencies; a key with it lives at most 24 hours and must expire")]
    EmergencyTooLong(Attribute),
}

/// What everyone knows of an authority. Sealing under a policy needs nothing else.
#[derive(Clone)]
pub struct PublicParameters {
    name: String,
    granularity: Granularity,
    schema: Schema,
    a: Gt,
    id: AuthorityId,
    /// Made at the first use and shared by clones.
    prepared: Arc<OnceLock<Prepared>>,
}

/// What sealing and granting use again and again. All of it is public.
pub(crate) struct Prepared {
    /// Powers of A.
    pub(crate) a: PowerTable,
    pub(crate) tables: Arc<Tables>,
}

/// The combs of B and of H of labels under an authority: made when they are first used, and kept. All of it is public.
pub(crate) struct Tables {
    authority: AuthorityId,
    base: OnceLock<Option<Arc<Comb>>>,
    labels: Mutex<HashMap<Label, Arc<Comb>>>,
}

impl Tables {
    /// How many labels are kept, at 3 KiB each; beyond that, all are forgotten.
    const MAX_LABELS: usize = 4096;

    pub(crate) fn new(authority: AuthorityId) -> Self {
        Self { authority, base: OnceLock::new(), labels: Mutex::default() }
    }

    /// The combs of B and of these labels.
    pub(crate) fn of<'a>(&self, labels: impl Iterator<Item = &'a Label>) -> Option<RowTables> {
        let labels: Vec<_> = labels.collect();
        // A poisoned lock holds whole entries all the same.
        let mut kept = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= Self::MAX_LABELS {
            kept.clear();
        }
        let missing: Vec<_> = labels.iter().filter(|label| !kept.contains_key(**label)).collect();
        let points: Vec<_> = missing.iter().map(|label| scheme::hash(&self.authority.0, label.as_bytes())).collect();
        let combs = Comb::of(&scheme::to_affine(&points))?;
        kept.extend(missing.into_iter().map(|label| Label::clone(label)).zip(combs.into_iter().map(Arc::new)));
        let hashes = labels.iter().map(|label| kept.get(*label).cloned()).collect::<Option<_>>()?;
        let base = self.base.get_or_init(|| {
            let base = scheme::base(&self.authority.0).into();
            Comb::of(&[base])?.pop().map(Arc::new)
        });
        Some(RowTables { base: base.clone()?, hashes })
    }
}

impl PublicParameters {
    fn new(name: String, granularity: Granularity, schema: Schema, a: Gt) -> Self {
        let prepared = Arc::default();
        let mut parameters = Self { name, granularity, schema, a, id: AuthorityId([0; 32]), prepared };
        let mut hash = Sha256::new_with_prefix(b"mediveil/abe/authority/v1\0");
        hash.update(parameters.encode());
        parameters.id = AuthorityId(hash.finalize().into());
        parameters
    }

    /// The authority's name, as it calls itself: not authenticated by anything but the id.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The authority's id. Compare it over a channel you trust.
    #[must_use]
    pub const fn id(&self) -> AuthorityId {
        self.id
    }

    /// How long its epochs are.
    #[must_use]
    pub const fn granularity(&self) -> Granularity {
        self.granularity
    }

    /// What it declares.
    #[must_use]
    pub const fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(crate) const fn a(&self) -> &Gt {
        &self.a
    }

    pub(crate) fn prepared(&self) -> &Prepared {
        self.prepared.get_or_init(|| Prepared { a: PowerTable::new(&self.a), tables: Arc::new(Tables::new(self.id)) })
    }
}

impl PartialEq for PublicParameters {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for PublicParameters {}

impl fmt::Debug for PublicParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicParameters").field("name", &self.name).field("id", &self.id).finish_non_exhaustive()
    }
}

pub(crate) fn encode_schema(schema: &Schema, e: &mut Encoder<'_>) {
    e.array(schema.numbers().len());
    for (name, kind) in schema.numbers() {
        e.array(3).text(name).u8(kind.bits).bool(kind.date);
    }
    e.array(schema.emergency_attributes().len());
    for attribute in schema.emergency_attributes() {
        encode_attribute(attribute, e);
    }
}

pub(crate) fn decode_schema(d: &mut Decoder<'_>) -> Result<Schema, DecodeError> {
    let mut schema = Schema::new();
    let mut last: Option<String> = None;
    for _ in 0..d.array(MAX_DECLARED)? {
        d.tuple(3)?;
        let name = d.text(crate::attribute::MAX_NAME)?;
        if last.as_deref().is_some_and(|l| l >= name) {
            return Err(d.invalid("numbers are not in order"));
        }
        let kind = NumberKind { bits: d.u8()?, date: d.bool()? };
        if kind.date && kind.bits != 16 {
            return Err(d.invalid("a date of another width than 16 bits"));
        }
        schema = schema.number(name, kind).map_err(|_| d.invalid("not a number that can be declared"))?;
        last = Some(name.to_owned());
    }
    let mut last: Option<Attribute> = None;
    for _ in 0..d.array(MAX_DECLARED)? {
        let attribute = decode_attribute(d)?;
        if last.as_ref().is_some_and(|l| *l >= attribute) {
            return Err(d.invalid("emergency attributes are not in order"));
        }
        schema = schema.emergency(attribute.clone()).map_err(|_| d.invalid("not an attribute that can be declared"))?;
        last = Some(attribute);
    }
    Ok(schema)
}

pub(crate) fn encode_attribute(attribute: &Attribute, e: &mut Encoder<'_>) {
    e.array(2).text(attribute.name()).text(attribute.value());
}

pub(crate) fn decode_attribute(d: &mut Decoder<'_>) -> Result<Attribute, DecodeError> {
    d.tuple(2)?;
    let (name, value) = (d.text(crate::attribute::MAX_NAME)?, d.text(crate::attribute::MAX_VALUE)?);
    let attribute = Attribute::new(name, value).map_err(|_| d.invalid("not an attribute"))?;
    if attribute.value() != value {
        return Err(d.invalid("text that is not in Unicode normal form C"));
    }
    Ok(attribute)
}

pub(crate) fn decode_granularity(d: &mut Decoder<'_>) -> Result<Granularity, DecodeError> {
    let code = d.u8()?;
    Granularity::from_code(code).ok_or_else(|| d.invalid("an unknown length of epochs"))
}

fn decode_name(d: &mut Decoder<'_>) -> Result<String, DecodeError> {
    let name = d.text(MAX_AUTHORITY_NAME)?;
    if name.is_empty() || !is_nfc(name) {
        return Err(d.invalid("not the name of an authority"));
    }
    Ok(name.to_owned())
}

impl Wire for PublicParameters {
    const TYPE: ObjectType = ObjectType::AuthorityParameters;
    const MAX_BODY: usize = 256 * 1024;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(5).text(&self.name).u8(self.granularity.code());
        encode_schema(&self.schema, e);
        e.bytes(scheme::gt_bytes(&self.a).as_deref().map_or(&[], Vec::as_slice));
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(5)?;
        let name = decode_name(d)?;
        let granularity = decode_granularity(d)?;
        let schema = decode_schema(d)?;
        let a = d.byte_array::<GT_LEN>()?;
        let a = scheme::gt_from_bytes(&a).ok_or_else(|| d.invalid("not an element of the target group"))?;
        Ok(Self::new(name, granularity, schema, a))
    }
}

/// An authority, with its master secret.
pub struct Authority {
    alpha: Secret,
    parameters: PublicParameters,
}

impl Authority {
    /// A new authority. `granularity` is how finely keys expire: [`Granularity::Hours`] if it gives out emergency keys,
    /// [`Granularity::Days`] or [`Granularity::Weeks`] for smaller keys and files.
    ///
    /// # Errors
    /// [`AuthorityError::Name`].
    pub fn create(
        name: &str,
        granularity: Granularity,
        schema: Schema,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, AuthorityError> {
        if name.len() > MAX_AUTHORITY_NAME {
            return Err(AuthorityError::Name);
        }
        let name: String = name.nfc().collect();
        if name.is_empty() || name.len() > MAX_AUTHORITY_NAME {
            return Err(AuthorityError::Name);
        }
        let mut alpha = Secret(kem::random_scalar(rng));
        // Zero has probability 2^-255, and would be no secret.
        while bool::from(alpha.0.is_zero()) {
            alpha = Secret(kem::random_scalar(rng));
        }
        let parameters = PublicParameters::new(name, granularity, schema, scheme::public_key(&alpha));
        Ok(Self { alpha, parameters })
    }

    /// What to publish.
    #[must_use]
    pub const fn parameters(&self) -> &PublicParameters {
        &self.parameters
    }

    /// Grants a key that opens files sealed in epochs that end by `until`. It says nothing of how long the holder may use
    /// it: nothing takes back what a key could open.
    ///
    /// # Errors
    /// [`AuthorityError`] for attributes outside the schema or none at all, an expiry with no whole epoch left before it,
    /// and an emergency attribute in a key that lives longer than 24 hours.
    pub fn grant(
        &self,
        attributes: &AttributeSet,
        until: Timestamp,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<AttributeKey, AuthorityError> {
        let granularity = self.parameters.granularity;
        if until > now.plus(EMERGENCY) {
            self.refuse_emergency(attributes)?;
        }
        let current = granularity.epoch(now).unwrap_or(u32::MAX);
        let last = granularity.last_before(until).filter(|last| *last >= current);
        self.issue(attributes, Some(last.ok_or(AuthorityError::Expired(until))?), rng)
    }

    /// Grants a key that expires within 24 hours: with epochs of hours after 23 to 24 hours, with days at the end of the
    /// day. An authority with weeks can do so only on the last day of a week.
    ///
    /// # Errors
    /// Those of [`grant`](Self::grant).
    pub fn grant_emergency(
        &self,
        attributes: &AttributeSet,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<AttributeKey, AuthorityError> {
        self.grant(attributes, now.plus(EMERGENCY), now, rng)
    }

    /// Grants a key without an expiry. It opens only files that were sealed without the epoch clause.
    ///
    /// # Errors
    /// [`AuthorityError`] for attributes outside the schema, none at all, or an emergency attribute.
    pub fn grant_without_expiry(
        &self,
        attributes: &AttributeSet,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<AttributeKey, AuthorityError> {
        self.refuse_emergency(attributes)?;
        self.issue(attributes, None, rng)
    }

    fn refuse_emergency(&self, attributes: &AttributeSet) -> Result<(), AuthorityError> {
        match self.parameters.schema.emergency_attributes().find(|a| attributes.contains(a)) {
            Some(attribute) => Err(AuthorityError::EmergencyTooLong(attribute.clone())),
            None => Ok(()),
        }
    }

    fn issue(
        &self,
        attributes: &AttributeSet,
        until: Option<u32>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<AttributeKey, AuthorityError> {
        let p = &self.parameters;
        p.schema.check(attributes)?;
        if attributes.plain().len() == 0 && attributes.numbers().len() == 0 {
            return Err(AuthorityError::NoAttributes);
        }
        let r = Secret(kem::random_scalar(rng));
        AttributeKey::issue(p, attributes, until, |tables| scheme::generate_key(&self.alpha, tables, &r))
            .ok_or(AuthorityError::Random)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

impl Wire for Authority {
    const TYPE: ObjectType = ObjectType::AttributeAuthority;
    const MAX_BODY: usize = PublicParameters::MAX_BODY;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        let p = &self.parameters;
        e.array(5).text(&p.name).u8(p.granularity.code());
        encode_schema(&p.schema, e);
        e.bytes(Zeroizing::new(self.alpha.0.to_bytes_be()).as_slice());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(5)?;
        let name = decode_name(d)?;
        let granularity = decode_granularity(d)?;
        let schema = decode_schema(d)?;
        let bytes = Zeroizing::new(d.byte_array::<32>()?);
        let alpha = Option::from(Scalar::from_bytes_be(&bytes))
            .filter(|s: &Scalar| !bool::from(s.is_zero()))
            .map(Secret)
            .ok_or_else(|| d.invalid("not a master secret"))?;
        let a = scheme::public_key(&alpha);
        Ok(Self { alpha, parameters: PublicParameters::new(name, granularity, schema, a) })
    }
}
