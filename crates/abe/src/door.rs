//! A policy as a door of a sealed file.
//!
//! [`PolicyRecipient`] wraps a content key under a policy; [`AttributeKey`] is the opener. The door is bound to the file's core
//! header through its digest, so it opens no other file.
//!
//! **The policy stands in the clear.** Anyone who has the file can read which attributes open it, when it was sealed to
//! the epoch, and by which authority. Do not put into a policy what must not be known, such as a diagnosis or a name.

use crate::access::AccessTree;
use crate::attribute::max_of;
use crate::authority::{AuthorityId, PublicParameters};
use crate::explain::{in_words, missing};
use crate::kem::{self, Binding, Ciphertext};
use crate::key::{AttributeKey, decode_points};
use crate::policy::{MAX_TEXT, Policy, PolicyError};
use crate::scheme::{self, G1_LEN, G2_LEN, Header};
use blstrs::{G1Affine, G2Affine};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use mediveil_codec::{DecodeError, Decoder, Encoder, FRAME_LEN, ObjectType, Timestamp, Wire};
use mediveil_seal::{
    ContentKey, Context, DoorKind, Opener, Opening, Recipient, Refusal, RefusalReason, Stanza, WrapError,
};
use rand_core::CryptoRng;
use std::fmt;
use zeroize::Zeroizing;

/// Content key and tag.
const WRAPPED_LEN: usize = ContentKey::LEN + 16;

/// A policy door: the body of its stanza. Every point in it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyDoor {
    authority: AuthorityId,
    policy: Policy,
    sealed: Option<u32>,
    ciphertext: Ciphertext,
    wrapped: [u8; WRAPPED_LEN],
}

impl PolicyDoor {
    /// The authority whose keys open it.
    #[must_use]
    pub const fn authority(&self) -> AuthorityId {
        self.authority
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The epoch of sealing that a key must not have expired before; `None` if it was sealed without that clause.
    #[must_use]
    pub const fn sealed(&self) -> Option<u32> {
        self.sealed
    }

    /// The door in a stanza, or `None` if the stanza is of another kind.
    ///
    /// # Errors
    /// [`DecodeError`] for a stanza of the right kind that is damaged.
    pub fn read(stanza: &Stanza) -> Option<Result<Self, DecodeError>> {
        (stanza.kind == DoorKind::POLICY).then(|| Self::decode(&stanza.body))
    }

    fn binding(&self, context: &Context) -> Binding {
        binding(self.authority, &self.policy, self.sealed, context)
    }
}

fn binding(authority: AuthorityId, policy: &Policy, sealed: Option<u32>, context: &Context) -> Binding {
    // The digest covers the caller's context.
    Binding::new(authority.as_bytes(), &policy.to_string(), sealed, context.core_digest())
}

impl Wire for PolicyDoor {
    const TYPE: ObjectType = ObjectType::PolicyDoor;
    const MAX_BODY: usize = Stanza::MAX_BODY - FRAME_LEN;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(7).bytes(&self.authority.0).text(&self.policy.to_string());
        e.option(self.sealed, |e, sealed| {
            e.u32(sealed);
        });
        let header = &self.ciphertext.header;
        let g2: Vec<u8> = std::iter::once(&header.c2).chain(&header.c3).flat_map(G2Affine::to_compressed).collect();
        let g1: Vec<u8> = header.rows.iter().flat_map(G1Affine::to_compressed).collect();
        e.bytes(&self.ciphertext.masked).bytes(&g2).bytes(&g1).bytes(&self.wrapped);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Self::read_body(d, scheme::g1_from_bytes)
    }
}

/// A door as it comes: its rows lie on the curve, and whether they lie in the subgroup was not checked. That check is half
/// the cost of opening, and the comparison of every row at its end makes it needless.
struct Received(PolicyDoor);

impl Wire for Received {
    const TYPE: ObjectType = PolicyDoor::TYPE;
    const MAX_BODY: usize = PolicyDoor::MAX_BODY;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        self.0.encode_body(e);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        PolicyDoor::read_body(d, scheme::g1_from_bytes_on_curve).map(Self)
    }
}

impl PolicyDoor {
    fn read_body(d: &mut Decoder<'_>, point: fn(&[u8; G1_LEN]) -> Option<G1Affine>) -> Result<Self, DecodeError> {
        d.tuple(7)?;
        let authority = AuthorityId::decode(d)?;
        let text = d.text(MAX_TEXT)?;
        let policy = Policy::parse(text).map_err(|_| d.invalid("not a policy"))?;
        if policy.to_string() != text {
            return Err(d.invalid("a policy that is not in canonical form"));
        }
        let sealed = d.option(Decoder::u32)?;
        let masked = d.byte_array()?;
        let (points, rest) = d.bytes(Self::MAX_BODY)?.as_chunks::<G2_LEN>();
        let g2 = points.iter().map(scheme::g2_from_bytes).collect::<Option<Vec<_>>>();
        let (c2, c3) = match g2.as_deref() {
            Some([c2, c3 @ ..]) if rest.is_empty() && !c3.is_empty() => (*c2, c3.to_vec()),
            _ => return Err(d.invalid("not points of G2")),
        };
        let bytes = d.bytes(Self::MAX_BODY)?;
        let rows = decode_points(d, bytes, point)?;
        let wrapped = d.byte_array()?;
        let header = Header { c2, c3, rows };
        Ok(Self { authority, policy, sealed, ciphertext: Ciphertext { masked, header }, wrapped })
    }
}

/// Everyone whose key satisfies a policy.
pub struct PolicyRecipient {
    parameters: PublicParameters,
    policy: Policy,
    sealed: Option<u32>,
    tree: AccessTree,
}

impl PolicyRecipient {
    /// Seals for keys that satisfy `policy` and have not expired before `now`: the clause
    /// `until >= epoch of now` is added at the policy's root.
    ///
    /// # Errors
    /// [`PolicyError`] if the policy does not fit the authority's schema or the limits, or `now` is beyond its last epoch.
    pub fn new(policy: Policy, parameters: &PublicParameters, now: Timestamp) -> Result<Self, PolicyError> {
        let epoch = parameters.granularity().epoch(now);
        let epoch = epoch.ok_or_else(|| PolicyError::Contradiction("until".to_owned()))?;
        Self::build(policy, parameters, Some(epoch))
    }

    /// Seals for keys that satisfy `policy`, expired or not. Smaller and faster, and expiry has no effect.
    ///
    /// # Errors
    /// [`PolicyError`] if the policy does not fit the authority's schema or the limits.
    pub fn without_expiry(policy: Policy, parameters: &PublicParameters) -> Result<Self, PolicyError> {
        Self::build(policy, parameters, None)
    }

    fn build(policy: Policy, parameters: &PublicParameters, sealed: Option<u32>) -> Result<Self, PolicyError> {
        let tree = AccessTree::build(&policy, parameters.schema(), sealed.map(|e| (parameters.granularity(), e)))?;
        Ok(Self { parameters: parameters.clone(), policy, sealed, tree })
    }

    /// The policy, without the clause for the epoch.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl fmt::Debug for PolicyRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyRecipient({})", self.policy)
    }
}

impl Recipient for PolicyRecipient {
    fn kind(&self) -> DoorKind {
        DoorKind::POLICY
    }

    fn wrap(&self, key: &ContentKey, context: &Context, rng: &mut dyn CryptoRng) -> Result<Stanza, WrapError> {
        let refuse = |why: &str| WrapError { kind: DoorKind::POLICY, why: why.to_owned() };
        let id = self.parameters.id();
        let prepared = self.parameters.prepared();
        let binding = binding(id, &self.policy, self.sealed, context);
        let (ciphertext, kem_key) = prepared
            .tables
            .of(self.tree.rows.iter().map(|row| &row.label))
            .and_then(|tables| kem::encapsulate(&prepared.a, &tables, &self.tree, &binding, rng).ok())
            .ok_or_else(|| refuse("the random numbers were unusable; try again"))?;
        let wrapped = wrap_key(&kem_key, key).ok_or_else(|| refuse("the content key could not be encrypted"))?;
        let door = PolicyDoor { authority: id, policy: self.policy.clone(), sealed: self.sealed, ciphertext, wrapped };
        let points = door.ciphertext.header.rows.len().saturating_mul(G1_LEN);
        let body = door.encode();
        if body.len() > Stanza::MAX_BODY {
            let why = format!("the door has {} bytes, {points} of them rows; write a shorter policy", body.len());
            return Err(WrapError { kind: DoorKind::POLICY, why });
        }
        Ok(Stanza { kind: DoorKind::POLICY, body })
    }
}

/// Encrypts the content key under the encapsulated key, which is used only here: so the nonce may be zero. What the key
/// is bound to covers everything else in the door.
fn wrap_key(kem_key: &[u8; 32], key: &ContentKey) -> Option<[u8; WRAPPED_LEN]> {
    let mut bytes = Zeroizing::new(*key.expose());
    let cipher = ChaCha20Poly1305::new(kem_key.into());
    let tag = cipher.encrypt_inout_detached(&[0; 12].into(), &[], bytes.as_mut_slice().into()).ok()?;
    let mut wrapped = [0; WRAPPED_LEN];
    wrapped.iter_mut().zip(bytes.iter().chain(tag.iter())).for_each(|(to, from)| *to = *from);
    Some(wrapped)
}

fn unwrap_key(kem_key: &[u8; 32], wrapped: &[u8; WRAPPED_LEN]) -> Option<ContentKey> {
    let (body, tag) = wrapped.split_first_chunk::<{ ContentKey::LEN }>()?;
    let tag: [u8; 16] = tag.try_into().ok()?;
    let mut bytes = Zeroizing::new(*body);
    let cipher = ChaCha20Poly1305::new(kem_key.into());
    cipher.decrypt_inout_detached(&[0; 12].into(), &[], bytes.as_mut_slice().into(), &tag.into()).ok()?;
    Some(ContentKey::from_bytes(*bytes))
}

impl AttributeKey {
    fn open_door(&self, door: &PolicyDoor, context: &Context) -> Result<ContentKey, (RefusalReason, String)> {
        let malformed =
            || (RefusalReason::Malformed, "the door is damaged or was made for another authority".to_owned());
        let granularity = self.granularity();
        if door.sealed.is_some_and(|e| e > max_of(granularity.bits())) {
            return Err(malformed());
        }
        let sealed = door.sealed.map(|e| (granularity, e));
        let tree = AccessTree::build(&door.policy, self.schema(), sealed).map_err(|_| malformed())?;
        let header = &door.ciphertext.header;
        if header.rows.len() != tree.rows.len() || header.c3.len() != tree.occurrences {
            return Err(malformed());
        }
        let terms = self.terms(&tree).ok_or_else(|| self.refuse(door))?;
        self.row_tables(&tree)
            .and_then(|tables| {
                kem::decapsulate(&door.ciphertext, self.parts(), &terms, &tables, &tree, &door.binding(context)).ok()
            })
            .and_then(|kem_key| unwrap_key(&kem_key, &door.wrapped))
            .ok_or_else(|| {
                let why = "the door or the file was changed, or this key is damaged".to_owned();
                (RefusalReason::WrongKey, why)
            })
    }

    /// Why this key does not satisfy a door's policy.
    fn refuse(&self, door: &PolicyDoor) -> (RefusalReason, String) {
        let missing = missing(&door.policy, self.attributes());
        if missing.first().is_some_and(|set| !set.is_empty()) {
            return (RefusalReason::PolicyUnsatisfied, format!("the policy needs {}", in_words(&missing)));
        }
        let sealed = door.sealed.map(|e| self.granularity().start(e).to_string()).unwrap_or_default();
        match self.expires() {
            Some(expires) => {
                let why =
                    format!("this key expired at {expires}, before the file was sealed (in the epoch from {sealed})");
                (RefusalReason::KeyExpired, why)
            }
            None => {
                let why = "the file is for keys that carry an expiry, and this key has none".to_owned();
                (RefusalReason::PolicyUnsatisfied, why)
            }
        }
    }
}

impl Opener for AttributeKey {
    fn open_stanza(&self, stanza: &Stanza, context: &Context) -> Opening {
        let refused = |reason, explanation| Opening::Refused(Refusal { kind: DoorKind::POLICY, reason, explanation });
        let damaged = |error| refused(RefusalReason::Malformed, format!("the door is damaged: {error}"));
        if stanza.kind != DoorKind::POLICY {
            return Opening::NotMine;
        }
        let door = match Received::decode(&stanza.body) {
            Ok(Received(door)) => door,
            Err(error) => return damaged(error),
        };
        if door.authority != self.authority() {
            return Opening::NotMine;
        }
        match self.open_door(&door, context) {
            Ok(key) => Opening::Opened(key),
            // Say which it is, where the bytes alone show it.
            Err((RefusalReason::WrongKey, why)) => match PolicyDoor::decode(&stanza.body) {
                Ok(_) => refused(RefusalReason::WrongKey, why),
                Err(error) => damaged(error),
            },
            Err((reason, why)) => refused(reason, why),
        }
    }
}
