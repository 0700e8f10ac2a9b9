//! Signed messages: an object's content, and its author's ECDSA P-256 signature over scope, author and digest.
//!
//! The signature covers the digest instead of the content, so that two signatures of one author over two digests in one
//! scope prove by themselves that the author said two things where it may say one: [`Equivocation`].

use crate::MemberId;
use crate::proof::Fields;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_seal::identity::{Identity, Signature, VerifyingKey};
use std::fmt;

/// The content of a signed message.
pub trait Content: Sized {
    /// Its line in the registry.
    const TYPE: ObjectType;
    /// The longest content in bytes.
    const MAX: usize;
    /// The purpose of the signature.
    const PURPOSE: &'static str;

    /// Within what an author may sign one content only: a session and round, or the object's own digest.
    fn scope(&self) -> [u8; 32];

    /// The author's number, or zero for one who is not a member.
    fn author(&self) -> u16;

    /// Writes the content as one item.
    fn write(&self, e: &mut Encoder<'_>);

    /// Reads what [`write`](Self::write) writes.
    ///
    /// # Errors
    /// Anything else.
    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError>;
}

/// The content alone, framed: what is hashed.
struct Bare<'a, T>(&'a T);

impl<T: Content> Wire for Bare<'_, T> {
    const TYPE: ObjectType = T::TYPE;
    const MAX_BODY: usize = T::MAX;
    fn encode_body(&self, e: &mut Encoder<'_>) {
        self.0.write(e);
    }
    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Err(d.invalid("content without its signature"))
    }
}

/// A content with its author's signature. Decoding does not check the signature, because it does not know the author:
/// [`verify`](Self::verify) does, and every function of this crate that takes a signed message calls it.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed<T> {
    content: T,
    digest: [u8; 32],
    signature: Signature,
}

fn message(scope: &[u8; 32], author: u16, digest: &[u8; 32]) -> Vec<u8> {
    [&scope[..], &author.to_be_bytes(), digest].concat()
}

impl<T: Content> Signed<T> {
    /// Signs a content.
    pub(crate) fn new(content: T, author: &Identity) -> Self {
        let digest = Self::digest_of(&content);
        let signature = author.sign(T::PURPOSE, &message(&content.scope(), content.author(), &digest));
        Self { content, digest, signature }
    }

    fn digest_of(content: &T) -> [u8; 32] {
        Fields::new("mediveil/threshold/content/v1").add(&Bare(content).encode()).finish()
    }

    /// The content.
    #[must_use]
    pub const fn content(&self) -> &T {
        &self.content
    }

    /// SHA-256 of the content: the message's name in a cut-off.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The signature.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Whether this key signed the message.
    #[must_use]
    pub fn verify(&self, author: &VerifyingKey) -> bool {
        let message = message(&self.content.scope(), self.content.author(), &self.digest);
        author.verify(T::PURPOSE, &message, &self.signature).is_ok()
    }
}

impl<T: fmt::Debug> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signed").field(&self.content).finish()
    }
}

impl<T: Content> Wire for Signed<T> {
    const TYPE: ObjectType = T::TYPE;
    const MAX_BODY: usize = T::MAX + 128;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(2);
        self.content.write(e);
        e.bytes(&self.signature.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        let content = T::read(d)?;
        let signature = decode_signature(d)?;
        let digest = Self::digest_of(&content);
        Ok(Self { content, digest, signature })
    }
}

pub(crate) fn decode_signature(d: &mut Decoder<'_>) -> Result<Signature, DecodeError> {
    let bytes = d.byte_array::<{ Signature::LEN }>()?;
    Signature::from_bytes(&bytes).map_err(|_| d.invalid("not a P-256 signature"))
}

/// Two signatures of one author over two contents of one kind in one scope: the proof that the author said different
/// things to different readers. It is complete in itself; the contents are not needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equivocation {
    /// Who signed twice.
    pub author: MemberId,
    pub(crate) digests: [[u8; 32]; 2],
    pub(crate) signatures: [Signature; 2],
}

impl Equivocation {
    /// The proof in two messages, if they are one.
    pub(crate) fn between<T: Content>(a: &Signed<T>, b: &Signed<T>) -> Option<Self> {
        let author = MemberId::new(a.content.author())?;
        let one = a.content.scope() == b.content.scope() && a.content.author() == b.content.author();
        (one && a.digest != b.digest).then_some(Self {
            author,
            digests: [a.digest, b.digest],
            signatures: [a.signature, b.signature],
        })
    }

    /// Whether this key signed both.
    pub(crate) fn verify<T: Content>(&self, scope: &[u8; 32], author: &VerifyingKey) -> bool {
        let [a, b] = self.digests;
        a != b
            && self.digests.iter().zip(&self.signatures).all(|(digest, signature)| {
                author.verify(T::PURPOSE, &message(scope, self.author.get(), digest), signature).is_ok()
            })
    }

    pub(crate) fn encode(&self, e: &mut Encoder<'_>) {
        let ([da, db], [sa, sb]) = (&self.digests, &self.signatures);
        e.array(5);
        self.author.encode(e);
        e.bytes(da).bytes(&sa.to_bytes()).bytes(db).bytes(&sb.to_bytes());
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(5)?;
        let author = MemberId::decode(d)?;
        let da = d.byte_array()?;
        let sa = decode_signature(d)?;
        let db = d.byte_array()?;
        let sb = decode_signature(d)?;
        Ok(Self { author, digests: [da, db], signatures: [sa, sb] })
    }
}
