//! What a provider hands to a holder.

use crate::gadgets::eddsa::{PublicKey, Signature, SigningKey};
use crate::identity::Holder;
use crate::record::{sign, signed_message};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_record::{Commitment, CommittedResource, Record, RecordSecret, TooManyLeaves};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;

/// A resource's commitment with a provider's signature for a holder. One that exists is signed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedRecord {
    commitment: Commitment,
    holder: Holder,
    provider: PublicKey,
    signature: Signature,
}

impl SignedRecord {
    /// Signs a commitment for a holder.
    pub fn sign(key: &SigningKey, commitment: Commitment, holder: Holder, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self { commitment, holder, provider: key.public(), signature: sign(key, &commitment, holder, rng) }
    }

    /// What is signed.
    #[must_use]
    pub const fn commitment(&self) -> Commitment {
        self.commitment
    }

    /// Whom it is signed for.
    #[must_use]
    pub const fn holder(&self) -> Holder {
        self.holder
    }

    /// Who signed.
    #[must_use]
    pub const fn provider(&self) -> &PublicKey {
        &self.provider
    }

    /// The signature.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }
}

/// Reading checks the signature.
impl Wire for SignedRecord {
    const TYPE: ObjectType = ObjectType::SignedRecord;
    const MAX_BODY: usize = 512;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4);
        self.commitment.encode_body(e);
        self.holder.encode_body(e);
        self.provider.encode_body(e);
        self.signature.encode_body(e);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        let (commitment, holder) = (Commitment::decode_body(d)?, Holder::decode_body(d)?);
        let (provider, signature) = (PublicKey::decode_body(d)?, Signature::decode_body(d)?);
        if !provider.verify(signed_message(&commitment, holder), &signature) {
            return Err(d.invalid("a signature that is not the provider's"));
        }
        Ok(Self { commitment, holder, provider, signature })
    }
}

/// A record that is not the one that was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the record that was signed: it was changed, or belongs to another file")]
pub struct NotAsSigned;

/// What a holder keeps beside a record: the secret behind its commitments, and a provider's signature on each. Whoever has
/// it and the record can open every value; only the holder's own secret makes proofs of it.
#[derive(Clone, Debug)]
pub struct HeldRecord {
    secret: RecordSecret,
    /// By the resource's place in the record.
    signed: Vec<SignedRecord>,
}

const MAX_RESOURCES: usize = 1 << 16;

impl HeldRecord {
    /// Commits to every resource of a record under a fresh secret and signs each for the holder: what a provider does.
    ///
    /// # Errors
    /// [`TooManyLeaves`] for a resource that no commitment holds.
    pub fn sign(
        key: &SigningKey,
        record: &Record,
        holder: Holder,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, TooManyLeaves> {
        let secret = RecordSecret::generate(rng);
        let committed = record.commit(&secret)?;
        let signed = committed.iter().map(|c| SignedRecord::sign(key, c.commitment(), holder, rng)).collect();
        Ok(Self { secret, signed })
    }

    /// The signed commitments, by the resource's place in the record.
    #[must_use]
    pub fn signed(&self) -> &[SignedRecord] {
        &self.signed
    }

    /// The record's resources, opened under their signed commitments.
    ///
    /// # Errors
    /// [`NotAsSigned`] if any resource differs from what was signed.
    pub fn open(&self, record: &Record) -> Result<Vec<CommittedResource>, NotAsSigned> {
        let committed = record.commit(&self.secret).map_err(|_| NotAsSigned)?;
        let same = committed.len() == self.signed.len()
            && committed.iter().zip(&self.signed).all(|(own, signed)| own.commitment() == signed.commitment);
        if same { Ok(committed) } else { Err(NotAsSigned) }
    }
}

impl PartialEq for HeldRecord {
    fn eq(&self, other: &Self) -> bool {
        bool::from(self.secret.ct_eq(&other.secret)) && self.signed == other.signed
    }
}

impl Wire for HeldRecord {
    const TYPE: ObjectType = ObjectType::HeldRecord;
    const MAX_BODY: usize = 1 << 26;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(2);
        self.secret.encode_body(e);
        e.list(&self.signed, |e, signed| signed.encode_body(e));
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        Ok(Self { secret: RecordSecret::decode_body(d)?, signed: d.list(MAX_RESOURCES, SignedRecord::decode_body)? })
    }
}
