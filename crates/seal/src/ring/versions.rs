//! A ring in memory: its versions and the legal transitions between their states.

use crate::identity::{Identity, IdentityKind, KeyError, PublicIdentity, SigningKey, VerifyingKey};
use crate::ring::receipt::{ErasureReceipt, Statement, is_reason};
use crate::ring::{OwnerRole, PolicyError, RotationPolicy};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};
use rand_core::CryptoRng;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The most versions a ring can have: eleven years of emergency keys.
pub const MAX_VERSIONS: usize = 4096;

/// The state of a key version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Files are sealed for it; it opens files.
    Active,
    /// It opens files and none are sealed for it.
    DecryptOnly,
    /// It does nothing until it is enabled.
    Disabled,
    /// Its secret is gone.
    Destroyed,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::DecryptOnly => "decrypt-only",
            Self::Disabled => "disabled",
            Self::Destroyed => "destroyed",
        })
    }
}

/// A state together with what exists in it, so that a destroyed version with a secret cannot be written down.
///
/// Secrets are shared between a ring and the changed ring that is about to replace it; the last holder wipes them.
#[derive(Clone)]
enum Body {
    Active(Arc<Identity>),
    DecryptOnly(Arc<Identity>),
    Disabled(Arc<Identity>),
    Destroyed(Box<(PublicIdentity, ErasureReceipt)>),
}

/// One version of a ring's identity.
#[derive(Clone)]
pub struct KeyVersion {
    number: u32,
    created: Timestamp,
    body: Body,
}

impl KeyVersion {
    /// Its number, counted from 1.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// When it was made.
    #[must_use]
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// Its state.
    #[must_use]
    pub const fn state(&self) -> KeyState {
        match self.body {
            Body::Active(_) => KeyState::Active,
            Body::DecryptOnly(_) => KeyState::DecryptOnly,
            Body::Disabled(_) => KeyState::Disabled,
            Body::Destroyed(_) => KeyState::Destroyed,
        }
    }

    /// Its public identity, which stays when the secret is destroyed.
    #[must_use]
    pub fn public(&self) -> &PublicIdentity {
        match &self.body {
            Body::Active(secret) | Body::DecryptOnly(secret) | Body::Disabled(secret) => secret.public(),
            Body::Destroyed(gone) => &gone.0,
        }
    }

    /// The receipt, if it was destroyed.
    #[must_use]
    pub fn receipt(&self) -> Option<&ErasureReceipt> {
        match &self.body {
            Body::Destroyed(gone) => Some(&gone.1),
            _ => None,
        }
    }

    pub(super) fn secret(&self) -> Option<&Arc<Identity>> {
        match &self.body {
            Body::Active(secret) | Body::DecryptOnly(secret) | Body::Disabled(secret) => Some(secret),
            Body::Destroyed(_) => None,
        }
    }
}

impl fmt::Debug for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyVersion({}, {}, {})", self.number, self.state(), self.public().fingerprint())
    }
}

/// A change to a ring that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// The ring has no version of this number.
    #[error("the ring has no version {0}")]
    NoSuchVersion(u32),
    /// The version's state does not allow it.
    #[error("version {version} is {state} and cannot be {wanted}")]
    Transition {
        /// The version.
        version: u32,
        /// Its state.
        state: KeyState,
        /// What was to be done to it.
        wanted: &'static str,
    },
    /// The active version is not destroyed by the way.
    #[error("version {0} is the active one: rotate first, or say that the active version may be destroyed")]
    ActiveVersion(u32),
    /// No version is active.
    #[error("no version is active: rotate to make one")]
    NoActiveVersion,
    /// The version is past its hard expiry, or the clock stands before its creation.
    #[error("version {version} may be used from {from} until before {until} only: rotate to make a new one")]
    Expired {
        /// The version.
        version: u32,
        /// Its creation.
        from: Timestamp,
        /// Its hard expiry.
        until: Timestamp,
    },
    /// The clock stands before the ring's newest version.
    #[error("the clock says {now}, and the newest version was made {newest}: set the clock")]
    Clock {
        /// What the caller gave as the present.
        now: Timestamp,
        /// The creation of the newest version.
        newest: Timestamp,
    },
    /// The ring has [`MAX_VERSIONS`] versions.
    #[error("the ring has {MAX_VERSIONS} versions, which is the limit: begin a new ring")]
    Full,
    /// The reason is empty, too long, or has control characters.
    #[error("the reason must be one line of text, at most {} bytes", super::MAX_REASON)]
    Reason,
    /// The policy is not one for this role.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Making a key failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Whether the active version may be destroyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenActive {
    /// No: rotate first.
    #[default]
    Refuse,
    /// Yes: nothing can be sealed for the ring until it is rotated.
    Destroy,
}

/// Something that the owner of a ring should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Due {
    /// The active version reached the age at which it is rotated.
    Rotate {
        /// The version.
        version: u32,
        /// Since when it is due, in milliseconds since 1970 when serialised.
        #[serde(serialize_with = "millis")]
        since: Timestamp,
    },
    /// The version is past its hard expiry, and its secret still exists.
    Destroy {
        /// The version.
        version: u32,
        /// Since when it is due, in milliseconds since 1970 when serialised.
        #[serde(serialize_with = "millis")]
        since: Timestamp,
    },
    /// No version is active, so nothing can be sealed for the ring.
    NoActiveVersion,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn millis<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(at.millis())
}

/// A key ring in memory. [`RingFile`](crate::ring::RingFile) keeps one on the disk.
///
/// The custodian is a signing key of its own that lives as long as the ring and signs the receipts of erasures; hand its
/// public half to whoever is to check them.
pub struct Ring {
    id: [u8; 16],
    role: OwnerRole,
    policy: RotationPolicy,
    kind: IdentityKind,
    custodian: Arc<SigningKey>,
    versions: Vec<KeyVersion>,
}

impl Ring {
    /// A ring with one active version, under the role's own policy.
    ///
    /// # Errors
    /// [`RingError::Key`] if the generator repeats itself.
    pub fn new(
        role: OwnerRole,
        kind: IdentityKind,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, RingError> {
        Self::with_policy(role, RotationPolicy::of(role), kind, now, rng)
    }

    /// A ring with one active version, under a policy of its own.
    ///
    /// # Errors
    /// [`RingError::Policy`] for an emergency policy without hard expiry in 24 hours; [`RingError::Key`] if the generator
    /// repeats itself.
    pub fn with_policy(
        role: OwnerRole,
        policy: RotationPolicy,
        kind: IdentityKind,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, RingError> {
        policy.check(role)?;
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        let custodian = Arc::new(SigningKey::generate(rng));
        let mut ring = Self { id, role, policy, kind, custodian, versions: Vec::new() };
        ring.rotate(now, rng)?;
        Ok(ring)
    }

    /// The ring's random name.
    #[must_use]
    pub const fn id(&self) -> &[u8; 16] {
        &self.id
    }

    /// Whose keys it holds.
    #[must_use]
    pub const fn role(&self) -> OwnerRole {
        self.role
    }

    /// When its keys are due.
    #[must_use]
    pub const fn policy(&self) -> &RotationPolicy {
        &self.policy
    }

    /// What its identities are made of.
    #[must_use]
    pub const fn kind(&self) -> IdentityKind {
        self.kind
    }

    /// The key that verifies its receipts.
    #[must_use]
    pub fn custodian(&self) -> VerifyingKey {
        self.custodian.verifying_key()
    }

    /// Its versions, oldest first.
    #[must_use]
    pub fn versions(&self) -> &[KeyVersion] {
        &self.versions
    }

    /// The version of this number.
    ///
    /// # Errors
    /// [`RingError::NoSuchVersion`].
    pub fn version(&self, number: u32) -> Result<&KeyVersion, RingError> {
        self.versions.iter().find(|v| v.number == number).ok_or(RingError::NoSuchVersion(number))
    }

    /// The receipts of its destroyed versions, oldest version first.
    pub fn receipts(&self) -> impl Iterator<Item = &ErasureReceipt> {
        self.versions.iter().filter_map(KeyVersion::receipt)
    }

    /// What its owner should do, in the order of versions.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<Due> {
        let mut due = Vec::new();
        for version in &self.versions {
            let rotate_at = version.created.plus(self.policy.rotate_after());
            if version.state() == KeyState::Active && now >= rotate_at {
                due.push(Due::Rotate { version: version.number, since: rotate_at });
            }
            if let (Some(expiry), true) = (self.expiry(version), version.secret().is_some())
                && now >= expiry
            {
                due.push(Due::Destroy { version: version.number, since: expiry });
            }
        }
        if self.active().is_none() {
            due.push(Due::NoActiveVersion);
        }
        due
    }

    fn active(&self) -> Option<&KeyVersion> {
        self.versions.iter().find(|v| v.state() == KeyState::Active)
    }

    /// When the version is refused from, if ever.
    fn expiry(&self, version: &KeyVersion) -> Option<Timestamp> {
        self.policy.expire_after().map(|age| version.created.plus(age))
    }

    /// Refuses versions past their hard expiry. Where there is one, a clock before the creation is refused too: turning
    /// the clock back must not make an expired key young again.
    pub(super) fn check_expiry(&self, version: &KeyVersion, now: Timestamp) -> Result<(), RingError> {
        match self.expiry(version) {
            Some(until) if now >= until || now < version.created => {
                Err(RingError::Expired { version: version.number, from: version.created, until })
            }
            _ => Ok(()),
        }
    }

    /// The identity that files are sealed for and that signs: the active version.
    ///
    /// # Errors
    /// [`RingError::NoActiveVersion`], and [`RingError::Expired`] past a hard expiry.
    pub fn identity(&self, now: Timestamp) -> Result<&Identity, RingError> {
        let version = self.active().ok_or(RingError::NoActiveVersion)?;
        self.check_expiry(version, now)?;
        version.secret().map(AsRef::as_ref).ok_or(RingError::NoActiveVersion)
    }

    /// The recipient to seal files for: the active version.
    ///
    /// # Errors
    /// As [`identity`](Self::identity).
    pub fn recipient(&self, now: Timestamp) -> Result<&PublicIdentity, RingError> {
        self.identity(now).map(Identity::public)
    }

    /// Makes a new active version; the one that was active decrypts only from now on. Returns the new number.
    ///
    /// # Errors
    /// [`RingError::Clock`] if `now` is before the newest version's creation, [`RingError::Full`], and
    /// [`RingError::Key`] if the generator repeats itself.
    pub fn rotate(&mut self, now: Timestamp, rng: &mut (impl CryptoRng + ?Sized)) -> Result<u32, RingError> {
        let newest = self.versions.last();
        if let Some(newest) = newest.map(|v| v.created).filter(|created| now < *created) {
            return Err(RingError::Clock { now, newest });
        }
        if self.versions.len() >= MAX_VERSIONS {
            return Err(RingError::Full);
        }
        let number = newest.map_or(0, |v| v.number).checked_add(1).ok_or(RingError::Full)?;
        let secret = Arc::new(Identity::generate(self.kind, rng)?);
        for version in &mut self.versions {
            if let Body::Active(old) = &version.body {
                version.body = Body::DecryptOnly(Arc::clone(old));
            }
        }
        self.versions.push(KeyVersion { number, created: now, body: Body::Active(secret) });
        Ok(number)
    }

    fn change(
        &mut self,
        number: u32,
        wanted: &'static str,
        change: impl FnOnce(&Body) -> Option<Body>,
    ) -> Result<(), RingError> {
        let version = self.versions.iter_mut().find(|v| v.number == number).ok_or(RingError::NoSuchVersion(number))?;
        let state = version.state();
        version.body = change(&version.body).ok_or(RingError::Transition { version: number, state, wanted })?;
        Ok(())
    }

    /// Takes a version out of use. Disabling the active one leaves the ring without an active version.
    ///
    /// # Errors
    /// [`RingError::NoSuchVersion`]; [`RingError::Transition`] if it is disabled or destroyed.
    pub fn disable(&mut self, number: u32) -> Result<(), RingError> {
        self.change(number, "disabled", |body| match body {
            Body::Active(secret) | Body::DecryptOnly(secret) => Some(Body::Disabled(Arc::clone(secret))),
            Body::Disabled(_) | Body::Destroyed(_) => None,
        })
    }

    /// Lets a disabled version decrypt again. It does not become active again: rotate for that.
    ///
    /// # Errors
    /// [`RingError::NoSuchVersion`]; [`RingError::Transition`] unless it is disabled.
    pub fn enable(&mut self, number: u32) -> Result<(), RingError> {
        self.change(number, "enabled", |body| match body {
            Body::Disabled(secret) => Some(Body::DecryptOnly(Arc::clone(secret))),
            Body::Active(_) | Body::DecryptOnly(_) | Body::Destroyed(_) => None,
        })
    }

    /// Destroys a version: its secret is wiped, and a receipt signed by the custodian takes its place. `reason` is one
    /// line for the record and must hold no patient data.
    ///
    /// This changes the ring in memory. [`RingFile::erase`](crate::ring::RingFile::erase) is the erasure that reaches the
    /// disk.
    ///
    /// # Errors
    /// [`RingError::ActiveVersion`] for the active version unless `when_active` allows it; [`RingError::Transition`] if it
    /// is destroyed already; [`RingError::NoSuchVersion`]; [`RingError::Reason`]; [`RingError::Clock`] if `now` is before
    /// the version's creation.
    pub fn destroy(
        &mut self,
        number: u32,
        reason: &str,
        when_active: WhenActive,
        now: Timestamp,
    ) -> Result<ErasureReceipt, RingError> {
        self.destroy_under(number, reason, when_active, now, None)
    }

    pub(super) fn destroy_under(
        &mut self,
        number: u32,
        reason: &str,
        when_active: WhenActive,
        now: Timestamp,
        wrapping_generation: Option<u64>,
    ) -> Result<ErasureReceipt, RingError> {
        let version = self.version(number)?;
        match version.state() {
            KeyState::Destroyed => {
                return Err(RingError::Transition {
                    version: number,
                    state: KeyState::Destroyed,
                    wanted: "destroyed again",
                });
            }
            KeyState::Active if when_active == WhenActive::Refuse => return Err(RingError::ActiveVersion(number)),
            KeyState::Active | KeyState::DecryptOnly | KeyState::Disabled => {}
        }
        if now < version.created {
            return Err(RingError::Clock { now, newest: version.created });
        }
        if !is_reason(reason) {
            return Err(RingError::Reason);
        }
        let public = version.public().clone();
        let statement = Statement {
            ring: self.id,
            version: number,
            identity: public.id(),
            erased_at: now,
            wrapping_generation,
            reason,
        };
        let receipt = ErasureReceipt::sign(&statement, &self.custodian);
        let body = Body::Destroyed(Box::new((public, receipt.clone())));
        self.change(number, "destroyed", |_| Some(body))?;
        Ok(receipt)
    }

    /// A second ring with the same secrets (shared, not copied), to be changed and to take the place of this one.
    pub(super) fn draft(&self) -> Self {
        Self {
            id: self.id,
            role: self.role,
            policy: self.policy,
            kind: self.kind,
            custodian: Arc::clone(&self.custodian),
            versions: self.versions.clone(),
        }
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("role", &self.role).field("versions", &self.versions).finish_non_exhaustive()
    }
}

impl KeyVersion {
    fn encode(&self, e: &mut Encoder<'_>) {
        e.array(4).u32(self.number);
        self.created.encode(e);
        match &self.body {
            Body::Active(secret) => e.u8(1).bytes(&secret.encode_secret()),
            Body::DecryptOnly(secret) => e.u8(2).bytes(&secret.encode_secret()),
            Body::Disabled(secret) => e.u8(3).bytes(&secret.encode_secret()),
            Body::Destroyed(gone) => e.u8(4).array(2).bytes(&gone.0.encode()).bytes(&gone.1.encode()),
        };
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        let number = d.u32()?;
        let created = Timestamp::decode(d)?;
        let state = d.u8()?;
        let body = match state {
            1..=3 => {
                let secret = Arc::new(Identity::decode(d.bytes(Identity::MAX_BODY)?)?);
                match state {
                    1 => Body::Active(secret),
                    2 => Body::DecryptOnly(secret),
                    _ => Body::Disabled(secret),
                }
            }
            4 => {
                d.tuple(2)?;
                let public = PublicIdentity::decode(d.bytes(PublicIdentity::MAX_BODY)?)?;
                let receipt = ErasureReceipt::decode(d.bytes(ErasureReceipt::MAX_BODY)?)?;
                Body::Destroyed(Box::new((public, receipt)))
            }
            _ => return Err(d.invalid("an unknown state of a key version")),
        };
        Ok(Self { number, created, body })
    }
}

/// Secret: only [`SealedRing`](crate::ring::SealedRing) is written to a disk.
impl Wire for Ring {
    const TYPE: ObjectType = ObjectType::KeyRing;
    const MAX_BODY: usize = 8 * 1024 * 1024;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(6).bytes(&self.id);
        self.role.encode(e);
        self.policy.encode(e);
        e.bool(self.kind == IdentityKind::Hybrid).bytes(&*self.custodian.to_bytes());
        e.list(&self.versions, |e, version| version.encode(e));
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(6)?;
        let id = d.byte_array()?;
        let role = OwnerRole::decode(d)?;
        let policy = RotationPolicy::decode(d)?;
        policy.check(role).map_err(|_| d.invalid("emergency keys without hard expiry"))?;
        let kind = if d.bool()? { IdentityKind::Hybrid } else { IdentityKind::P256 };
        let custodian = Zeroizing::new(d.byte_array::<32>()?);
        let custodian = SigningKey::from_bytes(&custodian).map_err(|_| d.invalid("not a P-256 secret key"))?;
        let known = custodian.verifying_key();
        let mut last: Option<(u32, Timestamp)> = None;
        let mut active = false;
        let versions = d.list(MAX_VERSIONS, |d| {
            let version = KeyVersion::decode(d)?;
            let next = last.map_or(Some(1), |(number, _)| number.checked_add(1));
            if Some(version.number) != next || last.is_some_and(|(_, created)| version.created < created) {
                return Err(d.invalid("the versions are not in order"));
            }
            last = Some((version.number, version.created));
            if version.public().is_hybrid() != (kind == IdentityKind::Hybrid) {
                return Err(d.invalid("an identity of another kind"));
            }
            if version.state() == KeyState::Active && core::mem::replace(&mut active, true) {
                return Err(d.invalid("two active versions"));
            }
            if let Some(receipt) = version.receipt()
                && (*receipt.ring() != id
                    || receipt.version() != version.number
                    || *receipt.identity() != version.public().id()
                    || *receipt.custodian() != known)
            {
                return Err(d.invalid("the receipt of another version"));
            }
            Ok(version)
        })?;
        if versions.is_empty() {
            return Err(d.invalid("a ring without versions"));
        }
        Ok(Self { id, role, policy, kind, custodian: Arc::new(custodian), versions })
    }
}
