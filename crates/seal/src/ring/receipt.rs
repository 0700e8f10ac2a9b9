//! The signed statement that a key version is gone.

use crate::identity::{KeyError, Signature, SigningKey, VerifyingKey};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};

const PURPOSE: &str = "ring/erasure/v1";

/// The longest reason in bytes.
pub const MAX_REASON: usize = 256;

/// A ring's custodian states that it destroyed the secret of a key version.
///
/// The signature is checked at decoding against the custodian key inside; [`verify`](Self::verify) also checks that it is
/// the custodian you know. What a receipt proves, and what it cannot, is in the [module's words](crate::ring).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureReceipt {
    ring: [u8; 16],
    version: u32,
    identity: [u8; 32],
    erased_at: Timestamp,
    wrapping_generation: Option<u64>,
    reason: String,
    custodian: VerifyingKey,
    signature: Signature,
}

/// What a receipt states, before it is signed.
pub(super) struct Statement<'a> {
    pub(super) ring: [u8; 16],
    pub(super) version: u32,
    pub(super) identity: [u8; 32],
    pub(super) erased_at: Timestamp,
    pub(super) wrapping_generation: Option<u64>,
    pub(super) reason: &'a str,
}

impl Statement<'_> {
    /// Every part but the last has one length, so the string reads in one way.
    fn message(&self) -> Vec<u8> {
        [
            &self.ring[..],
            &self.version.to_be_bytes(),
            &self.identity,
            &self.erased_at.millis().to_be_bytes(),
            &[u8::from(self.wrapping_generation.is_some())],
            &self.wrapping_generation.unwrap_or_default().to_be_bytes(),
            self.reason.as_bytes(),
        ]
        .concat()
    }
}

/// Whether this may stand in a receipt: some text in one line.
pub(super) fn is_reason(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_REASON && !text.chars().any(char::is_control)
}

impl ErasureReceipt {
    pub(super) fn sign(statement: &Statement<'_>, custodian: &SigningKey) -> Self {
        Self {
            ring: statement.ring,
            version: statement.version,
            identity: statement.identity,
            erased_at: statement.erased_at,
            wrapping_generation: statement.wrapping_generation,
            reason: statement.reason.to_owned(),
            custodian: custodian.verifying_key(),
            signature: custodian.sign(PURPOSE, &statement.message()),
        }
    }

    fn statement(&self) -> Statement<'_> {
        Statement {
            ring: self.ring,
            version: self.version,
            identity: self.identity,
            erased_at: self.erased_at,
            wrapping_generation: self.wrapping_generation,
            reason: &self.reason,
        }
    }

    /// Checks that this custodian signed the receipt. Get the custodian's key from the ring's owner when the ring is
    /// made, not from the receipt.
    ///
    /// # Errors
    /// [`KeyError::Unverified`] for any other custodian.
    pub fn verify(&self, custodian: &VerifyingKey) -> Result<(), KeyError> {
        custodian.verify(PURPOSE, &self.statement().message(), &self.signature)
    }

    /// The ring.
    #[must_use]
    pub const fn ring(&self) -> &[u8; 16] {
        &self.ring
    }

    /// The number of the destroyed version.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The [id](crate::identity::PublicIdentity::id) of the destroyed version's identity.
    #[must_use]
    pub const fn identity(&self) -> &[u8; 32] {
        &self.identity
    }

    /// When it was destroyed.
    #[must_use]
    pub const fn erased_at(&self) -> Timestamp {
        self.erased_at
    }

    /// The generation of the wrapping key under which the ring first lay without the secret. `None` if the ring was bound
    /// to no wrapping file, so that older copies of the ring file can undo the erasure.
    #[must_use]
    pub const fn wrapping_generation(&self) -> Option<u64> {
        self.wrapping_generation
    }

    /// Why, in the words of whoever asked for it.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The key that signed it.
    #[must_use]
    pub const fn custodian(&self) -> &VerifyingKey {
        &self.custodian
    }
}

impl Wire for ErasureReceipt {
    const TYPE: ObjectType = ObjectType::ErasureReceipt;
    const MAX_BODY: usize = 512;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(8).bytes(&self.ring).u32(self.version).bytes(&self.identity);
        self.erased_at.encode(e);
        e.option(self.wrapping_generation, |e, generation| {
            e.u64(generation);
        });
        e.text(&self.reason).bytes(&self.custodian.to_sec1()).bytes(&self.signature.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(8)?;
        let ring = d.byte_array()?;
        let version = d.u32()?;
        let identity = d.byte_array()?;
        let erased_at = Timestamp::decode(d)?;
        let wrapping_generation = d.option(Decoder::u64)?;
        let reason = d.text(MAX_REASON)?.to_owned();
        if !is_reason(&reason) {
            return Err(d.invalid("an empty reason, or one with control characters"));
        }
        let custodian = d.byte_array::<{ VerifyingKey::LEN }>()?;
        let custodian = VerifyingKey::from_sec1(&custodian).map_err(|_| d.invalid("not a P-256 public key"))?;
        let signature = d.byte_array::<{ Signature::LEN }>()?;
        let signature = Signature::from_bytes(&signature).map_err(|_| d.invalid("not a P-256 signature"))?;
        let receipt = Self { ring, version, identity, erased_at, wrapping_generation, reason, custodian, signature };
        match receipt.verify(&custodian) {
            Ok(()) => Ok(receipt),
            Err(_) => Err(d.invalid("the custodian's signature does not verify")),
        }
    }
}
