//! Who holds a key together: the members, how many of them are needed, and for what.

use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_seal::identity::{PublicIdentity, VerifyingKey};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use std::fmt;
use std::num::NonZeroU16;

/// The most members a committee can have.
pub const MAX_MEMBERS: u16 = 1024;

/// The longest purpose in bytes.
pub const MAX_PURPOSE: usize = 256;

/// A member's number in its committee, from 1: the place at which its share is the polynomial's value.
///
/// It follows from the position in the list of members and is never chosen by a member, so that no two members have
/// places that are equal modulo the group order, and none stands at zero, where the secret is (Trail of Bits, *Breaking
/// Shamir's Secret Sharing*, 2021).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(NonZeroU16);

impl MemberId {
    /// The member with this number: `None` for 0 and above [`MAX_MEMBERS`].
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        NonZeroU16::new(number).filter(|n| n.get() <= MAX_MEMBERS).map(Self)
    }

    /// The number, from 1.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.get()).saturating_sub(1)
    }

    pub(crate) fn scalar(self) -> blstrs::Scalar {
        blstrs::Scalar::from(u64::from(self.get()))
    }

    pub(crate) fn encode(self, e: &mut Encoder<'_>) {
        e.u16(self.get());
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let number = d.u16()?;
        Self::new(number).ok_or_else(|| d.invalid("not a member's number"))
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get())
    }
}

/// Why there is no such committee.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitteeError {
    /// `needed` is below 2.
    #[error("{needed} needed member would hold the key alone: ask for 2 or more")]
    NeededTooSmall {
        /// How many were to be needed.
        needed: u16,
    },
    /// Fewer members than `2 * needed - 1`.
    #[error("{needed} needed of {members} cannot finish if the others are silent: name at least {least} members")]
    TooFewMembers {
        /// How many are needed.
        needed: u16,
        /// How many there are.
        members: usize,
        /// How many there must be.
        least: usize,
    },
    /// More than [`MAX_MEMBERS`].
    #[error("{0} members are more than {MAX_MEMBERS}")]
    TooManyMembers(usize),
    /// Two members have a key in common.
    #[error("members {0} and {1} have a key in common: each needs an identity of its own")]
    Duplicate(MemberId, MemberId),
    /// The purpose is empty or longer than [`MAX_PURPOSE`] bytes.
    #[error("the purpose must have 1 to {MAX_PURPOSE} bytes")]
    Purpose,
}

/// A committee: its members by their public identities, how many of them are *needed* (not the degree of a polynomial,
/// which is one less), what the key is for, and who closes the rounds.
///
/// `members.len() >= 2 * needed - 1` holds, so that the honest majority that the protocols assume can finish alone. The
/// *convenor* closes each round by signing a [`CutOff`](crate::deal::CutOff). It may be a member. It is trusted for
/// progress only: it can leave members out by calling them silent, and it cannot read, choose or change anything.
#[derive(Clone, PartialEq, Eq)]
pub struct Committee {
    nonce: [u8; 32],
    purpose: String,
    needed: u16,
    convenor: VerifyingKey,
    members: Vec<PublicIdentity>,
}

impl Committee {
    /// The committee of these members, in this order, with a fresh nonce: two runs of one committee are two sessions.
    ///
    /// # Errors
    /// [`CommitteeError`], which says what to change.
    pub fn new(
        purpose: &str,
        needed: u16,
        members: Vec<PublicIdentity>,
        convenor: VerifyingKey,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, CommitteeError> {
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        Self::with_nonce(nonce, purpose, needed, members, convenor)
    }

    fn with_nonce(
        nonce: [u8; 32],
        purpose: &str,
        needed: u16,
        members: Vec<PublicIdentity>,
        convenor: VerifyingKey,
    ) -> Result<Self, CommitteeError> {
        if purpose.is_empty() || purpose.len() > MAX_PURPOSE {
            return Err(CommitteeError::Purpose);
        }
        if needed < 2 {
            return Err(CommitteeError::NeededTooSmall { needed });
        }
        if members.len() > usize::from(MAX_MEMBERS) {
            return Err(CommitteeError::TooManyMembers(members.len()));
        }
        let least = usize::from(needed).saturating_mul(2).saturating_sub(1);
        if members.len() < least {
            return Err(CommitteeError::TooFewMembers { needed, members: members.len(), least });
        }
        let committee = Self { nonce, purpose: purpose.to_owned(), needed, convenor, members };
        let mut seen = std::collections::HashMap::new();
        for (id, member) in committee.members() {
            for key in [member.verifying_key().to_sec1(), member.ecdh_key().to_sec1()] {
                if let Some(other) = seen.insert(key, id) {
                    return Err(CommitteeError::Duplicate(other, id));
                }
            }
        }
        Ok(committee)
    }

    /// The same members, purpose and threshold under a fresh nonce, for a refresh.
    #[must_use]
    pub fn renewed(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut renewed = self.clone();
        rng.fill_bytes(&mut renewed.nonce);
        renewed
    }

    /// How many members are needed to use the key.
    #[must_use]
    pub const fn needed(&self) -> u16 {
        self.needed
    }

    /// How many members there are.
    #[must_use]
    pub fn size(&self) -> u16 {
        u16::try_from(self.members.len()).unwrap_or(u16::MAX)
    }

    /// What the key is for, as the members agreed.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// Who closes the rounds.
    #[must_use]
    pub const fn convenor(&self) -> &VerifyingKey {
        &self.convenor
    }

    /// The members in order.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (MemberId, &PublicIdentity)> {
        self.members.iter().enumerate().map(|(i, member)| {
            let number = u16::try_from(i).unwrap_or(u16::MAX).saturating_add(1);
            (MemberId(NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN)), member)
        })
    }

    /// The member with this number.
    #[must_use]
    pub fn member(&self, id: MemberId) -> Option<&PublicIdentity> {
        self.members.get(id.index())
    }

    /// The number of this identity.
    #[must_use]
    pub fn find(&self, identity: &PublicIdentity) -> Option<MemberId> {
        let wanted = identity.id();
        self.members().find(|(_, member)| member.id() == wanted).map(|(id, _)| id)
    }

    /// SHA-256 over everything that makes the committee what it is.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"mediveil/threshold/committee/v1\0");
        hash.update(self.nonce);
        hash.update((self.purpose.len() as u64).to_be_bytes());
        hash.update(&self.purpose);
        hash.update(self.needed.to_be_bytes());
        hash.update(self.convenor.to_sec1());
        hash.update(self.size().to_be_bytes());
        self.members.iter().for_each(|m| hash.update(m.id()));
        hash.finalize().into()
    }
}

impl fmt::Debug for Committee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committee")
            .field("purpose", &self.purpose)
            .field("needed", &self.needed)
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

/// Bytes of one framed public identity, at most.
const MAX_IDENTITY: usize = 12 + PublicIdentity::MAX_BODY;

impl Wire for Committee {
    const TYPE: ObjectType = ObjectType::Committee;
    const MAX_BODY: usize = 1024 + MAX_PURPOSE + MAX_MEMBERS as usize * (MAX_IDENTITY + 4);

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(5).bytes(&self.nonce).text(&self.purpose).u16(self.needed).bytes(&self.convenor.to_sec1());
        e.list(&self.members, |e, member| {
            e.bytes(&member.encode());
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(5)?;
        let nonce = d.byte_array()?;
        let purpose = d.text(MAX_PURPOSE)?;
        let needed = d.u16()?;
        let convenor = decode_verifying_key(d)?;
        let members = d.list(usize::from(MAX_MEMBERS), |d| {
            let bytes = d.bytes(MAX_IDENTITY)?;
            PublicIdentity::decode(bytes).map_err(|_| d.invalid("a member is not a public identity"))
        })?;
        Self::with_nonce(nonce, purpose, needed, members, convenor).map_err(|_| d.invalid("no valid committee"))
    }
}

/// Reads a P-256 verifying key as an item of a body.
pub(crate) fn decode_verifying_key(d: &mut Decoder<'_>) -> Result<VerifyingKey, DecodeError> {
    let bytes = d.byte_array::<{ VerifyingKey::LEN }>()?;
    VerifyingKey::from_sec1(&bytes).map_err(|_| d.invalid("not a P-256 public key"))
}
