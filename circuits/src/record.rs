//! Statement: record authenticity.
//!
//! *I know a record, committed as `mediveil-record` commits, which a provider of this registry signed for me; these leaves
//! of it, one to four, have these values or lie in these ranges; this is my nullifier; and this proof is for this
//! challenge.* Everything else stays hidden: the other leaves, the leaves' places, exact values in ranges, the root, the
//! signature, and which provider of the registry signed. A registry with one provider names it.
//!
//! # What is signed
//! [`signed_message`]: Poseidon(tag, record root, holder), never the root alone. So a record that was signed for one person
//! cannot be shown by another who learns its openings.
//!
//! # What the verifier must do
//! Take the registry's root from whom it trusts; draw the challenge; decide from the claims, which it makes itself, what
//! is proved. One path is claimed once: [`RecordPublic::new`] refuses a second claim on it.
//!
//! # Claims
//! A number (integer or decimal, whichever the record holds, of any scale up to the bound's and at most 7 below it) lies
//! between two bounds of a common scale; a date or a moment lies in a range; a string or truth value equals a public one.
//!
//! # Public inputs
//! providers, challenge, scope, nullifier, then for each of the four places: path, form, operand.
//! form = used + 2 equal + 4 number + 8 kind + 64 scale; operand = the value to equal, or low + 2^64 high with ordinals as in
//! `mediveil_record::leaf`. A place without a claim is 0, 0, 0.

use crate::gadgets::bits::{bits, pack, power_of_two, range};
use crate::gadgets::decimal::{MANTISSA_BITS, MAX_SHIFT, offset, power_of_ten};
use crate::gadgets::eddsa::{PublicKey, Signature, SignatureNums, SigningKey, verify_gadget};
use crate::gadgets::merkle::{Children, children, member};
use crate::gadgets::poseidon::{hash2, hash5};
use crate::identity::{HOLDER_TAG, Holder, HolderSecret, NULLIFIER_TAG};
use crate::r1cs::{Builder, Num};
use crate::statement::recorded;
use crate::{InvalidStatement, Scope, Statement, StatementId};
use ark_bn254::Fr;
use ark_ff::{One as _, Zero as _};
use mediveil_record::field::{Tag, hash_to_field};
use mediveil_record::leaf::{LEAF_TAG, path_element, string_element};
use mediveil_record::merkle::{Path, Tree, TreeFull};
use mediveil_record::{Commitment, Date, DateTime, Decimal, LeafKind, LeafOpening, LeafValue, poseidon};
use rand_core::CryptoRng;
use taceo_ark_babyjubjub::EdwardsAffine;

/// Places for claims.
pub const MAX_CLAIMS: usize = 4;
/// Depth of a registry of providers: 1,024 places.
pub const PROVIDERS_DEPTH: usize = 5;
/// The tag of what a provider signs.
pub const SIGNED_TAG: Tag = Tag::new("mediveil/zk/signed-record/v1");
/// The tag of a provider's leaf in the registry.
pub const PROVIDER_TAG: Tag = Tag::new("mediveil/zk/provider/v1");
/// The label under which challenges become field elements.
pub const CHALLENGE_LABEL: &str = "mediveil/zk/challenge/v1";

/// The element that a provider signs for a record and its holder.
#[must_use]
pub fn signed_message(record: &Commitment, holder: Holder) -> Fr {
    poseidon::hash2(SIGNED_TAG, &[record.root(), holder.element()])
}

/// Signs a record for its holder.
pub fn sign(key: &SigningKey, record: &Commitment, holder: Holder, rng: &mut (impl CryptoRng + ?Sized)) -> Signature {
    key.sign(signed_message(record, holder), rng)
}

/// The element of a challenge.
#[must_use]
pub fn challenge(bytes: &[u8]) -> Fr {
    hash_to_field(CHALLENGE_LABEL, bytes)
}

/// The accredited providers.
#[derive(Clone, Debug)]
pub struct Providers(Tree);

impl Providers {
    /// The registry of these keys, in this order.
    ///
    /// # Errors
    /// [`TreeFull`] beyond 1,024.
    pub fn new(keys: &[PublicKey]) -> Result<Self, TreeFull> {
        let leaf = |k: &PublicKey| poseidon::hash2(PROVIDER_TAG, &[k.point().x, k.point().y]);
        Tree::new(keys.iter().map(leaf).collect(), PROVIDERS_DEPTH).map(Self)
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Fr {
        self.0.root()
    }

    /// The path of the key at an index.
    #[must_use]
    pub fn path(&self, index: usize) -> Option<Path> {
        self.0.path(index)
    }
}

/// What is said of one leaf.
#[derive(Clone, Debug, PartialEq)]
enum Predicate {
    Equal { kind: LeafKind, value: Fr },
    Within { kind: LeafKind, number: bool, scale: u8, low: u64, high: u64 },
}

/// A claim on the leaf at one path.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    path: String,
    predicate: Predicate,
}

impl Claim {
    /// The leaf is this text (a code, a system), neither a date nor a moment.
    #[must_use]
    pub fn text(path: &str, text: &str) -> Self {
        let predicate = Predicate::Equal { kind: LeafKind::String, value: string_element(text) };
        Self { path: path.to_owned(), predicate }
    }

    /// The leaf is this truth value.
    #[must_use]
    pub fn boolean(path: &str, value: bool) -> Self {
        Self { path: path.to_owned(), predicate: Predicate::Equal { kind: LeafKind::Boolean, value: Fr::from(value) } }
    }

    /// The leaf is a number from `low` to `high`, both included; the bounds have one scale, which is also the finest that the
    /// record may have. "Below 7.0, to two places" is up to 6.99.
    ///
    /// # Errors
    /// [`InvalidStatement::EmptyRange`] if low is above high or their scales differ.
    pub fn number(path: &str, low: Decimal, high: Decimal) -> Result<Self, InvalidStatement> {
        if low.scale() != high.scale() {
            return Err(InvalidStatement::EmptyRange(path.to_owned()));
        }
        let [low_ordinal, high_ordinal] = [low, high].map(|d| LeafValue::Decimal(d).ordinal().unwrap_or_default());
        Self::within(path, LeafKind::Integer, true, low.scale(), low_ordinal, high_ordinal)
    }

    /// The leaf is a date from `first` to `last`, both included.
    ///
    /// # Errors
    /// [`InvalidStatement::EmptyRange`] if first is after last.
    pub fn date(path: &str, first: Date, last: Date) -> Result<Self, InvalidStatement> {
        Self::within(path, LeafKind::Date, false, 0, first.days().into(), last.days().into())
    }

    /// The leaf is a moment from `first` to `last`, both included.
    ///
    /// # Errors
    /// [`InvalidStatement::EmptyRange`] if first is after last.
    pub fn moment(path: &str, first: &DateTime, last: &DateTime) -> Result<Self, InvalidStatement> {
        Self::within(path, LeafKind::DateTime, false, 0, first.millis(), last.millis())
    }

    fn within(
        path: &str,
        kind: LeafKind,
        number: bool,
        scale: u8,
        low: u64,
        high: u64,
    ) -> Result<Self, InvalidStatement> {
        let path = path.to_owned();
        if low > high {
            return Err(InvalidStatement::EmptyRange(path));
        }
        Ok(Self { path, predicate: Predicate::Within { kind, number, scale, low, high } })
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    fn inputs(&self) -> [Fr; 3] {
        let (form, operand) = match &self.predicate {
            Predicate::Equal { kind, value } => (1 + 2 + 8 * u64::from(kind.code()), *value),
            Predicate::Within { kind, number, scale, low, high } => {
                let form = 1 + 4 * u64::from(*number) + 8 * u64::from(kind.code()) + 64 * u64::from(*scale);
                (form, Fr::from(*low) + power_of_two(MANTISSA_BITS) * Fr::from(*high))
            }
        };
        [path_element(&self.path), Fr::from(form), operand]
    }
}

/// What the verifier of a record sees.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordPublic {
    /// The root of the accredited providers.
    pub providers: Fr,
    /// What keeps the proof from being replayed: [`challenge`].
    pub challenge: Fr,
    /// The scope of the nullifier.
    pub scope: Scope,
    /// The holder's nullifier in the scope; equal to that of an identity proof of the same person and scope.
    pub nullifier: Fr,
    claims: Vec<Claim>,
}

impl RecordPublic {
    /// The public part with these claims.
    ///
    /// # Errors
    /// [`InvalidStatement`] for none, more than four, or two on one path.
    pub fn new(
        providers: Fr,
        challenge: Fr,
        scope: Scope,
        nullifier: Fr,
        claims: Vec<Claim>,
    ) -> Result<Self, InvalidStatement> {
        if claims.is_empty() || claims.len() > MAX_CLAIMS {
            return Err(InvalidStatement::Claims { found: claims.len(), max: MAX_CLAIMS });
        }
        for (i, claim) in claims.iter().enumerate() {
            if claims.iter().take(i).any(|earlier| earlier.path == claim.path) {
                return Err(InvalidStatement::SamePath(claim.path.clone()));
            }
        }
        Ok(Self { providers, challenge, scope, nullifier, claims })
    }

    /// The claims.
    #[must_use]
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }
}

/// What the holder knows.
#[derive(Clone, Debug)]
pub struct RecordWitness {
    /// The holder's secret.
    pub secret: HolderSecret,
    /// The record's commitment.
    pub record: Commitment,
    /// The provider's key.
    pub provider: PublicKey,
    /// Its path in the registry.
    pub provider_path: Path,
    /// Its signature on [`signed_message`].
    pub signature: Signature,
    /// An opening for each claim, in their order.
    pub openings: Vec<LeafOpening>,
}

/// The statement.
#[derive(Clone, Copy, Debug)]
pub struct RecordAuthenticity;
type This = RecordAuthenticity;

impl Statement for RecordAuthenticity {
    type Public = RecordPublic;
    type Witness = RecordWitness;
    const ID: StatementId = StatementId::new("mediveil/record-authenticity/v1");
    const PUBLIC_INPUTS: usize = 4 + 3 * MAX_CLAIMS;

    fn inputs(public: &RecordPublic) -> Vec<Fr> {
        let mut inputs = vec![public.providers, public.challenge, public.scope.element(), public.nullifier];
        inputs.extend(public.claims.iter().flat_map(Claim::inputs));
        inputs.resize(Self::PUBLIC_INPUTS, Fr::zero());
        inputs
    }

    fn synthesize(cs: &mut Builder, inputs: &[Num], witness: Option<&RecordWitness>) {
        synthesize_values(cs, inputs, &witness.map_or_else(RecordValues::default, RecordValues::from));
    }

    recorded!();
}

/// One leaf as field elements.
#[derive(Clone)]
struct LeafValues {
    kind: Fr,
    value: Fr,
    aux: Fr,
    scale: u8,
    salt: Fr,
    levels: Children,
}

impl Default for LeafValues {
    fn default() -> Self {
        let zero = Fr::zero();
        Self { kind: zero, value: zero, aux: zero, scale: 0, salt: zero, levels: Vec::new() }
    }
}

impl From<&LeafOpening> for LeafValues {
    fn from(opening: &LeafOpening) -> Self {
        let leaf = opening.unverified_leaf();
        let [kind, value, aux] = leaf.value.elements();
        let scale = if let LeafValue::Decimal(d) = &leaf.value { d.scale() } else { 0 };
        let levels = children(leaf.hash(opening.salt()), opening.path());
        Self { kind, value, aux, scale, salt: opening.salt(), levels }
    }
}

/// The witness as field elements.
#[derive(Clone)]
struct RecordValues {
    secret: Fr,
    root: Fr,
    provider: EdwardsAffine,
    provider_levels: Children,
    r: EdwardsAffine,
    s: Fr,
    leaves: Vec<LeafValues>,
}

impl Default for RecordValues {
    fn default() -> Self {
        let point = EdwardsAffine::new_unchecked(Fr::zero(), Fr::one());
        Self {
            secret: Fr::zero(),
            root: Fr::zero(),
            provider: point,
            provider_levels: Vec::new(),
            r: point,
            s: Fr::zero(),
            leaves: Vec::new(),
        }
    }
}

impl From<&RecordWitness> for RecordValues {
    fn from(witness: &RecordWitness) -> Self {
        let provider = *witness.provider.point();
        let leaf = poseidon::hash2(PROVIDER_TAG, &[provider.x, provider.y]);
        Self {
            secret: witness.secret.element(),
            root: witness.record.root(),
            provider,
            provider_levels: children(leaf, &witness.provider_path),
            r: *witness.signature.r_point(),
            s: witness.signature.s_element(),
            leaves: witness.openings.iter().map(LeafValues::from).collect(),
        }
    }
}

fn synthesize_values(cs: &mut Builder, inputs: &[Num], values: &RecordValues) {
    let [providers, challenge, scope, nullifier, claims @ ..] = inputs else { return };
    let secret = cs.witness(values.secret);
    let root = cs.witness(values.root);

    cs.group("challenge", |cs| {
        let copy = cs.witness(challenge.value());
        cs.equal(&copy, challenge);
    });
    let holder = cs.group("holder", |cs| hash2(cs, HOLDER_TAG, [&secret, &Num::zero()]));
    cs.group("nullifier", |cs| {
        let own = hash2(cs, NULLIFIER_TAG, [&secret, scope]);
        cs.equal(&own, nullifier);
    });
    let message = cs.group("signed", |cs| hash2(cs, SIGNED_TAG, [&root, &holder]));
    let signature = SignatureNums::witness(cs, &values.provider, &values.r, values.s);
    cs.group("signature", |cs| verify_gadget(cs, &message, &signature));
    cs.group("provider", |cs| {
        let leaf = hash2(cs, PROVIDER_TAG, [&signature.a.x, &signature.a.y]);
        let found = member(cs, &leaf, &values.provider_levels, PROVIDERS_DEPTH);
        cs.equal(&found, providers);
    });
    let blank = LeafValues::default();
    for (place, claim) in claims.chunks_exact(3).enumerate() {
        let [path, form, operand] = claim else { continue };
        let leaf = values.leaves.get(place).unwrap_or(&blank);
        cs.group(CLAIM_GROUPS.get(place).copied().unwrap_or("claim"), |cs| {
            one_claim(cs, [path, form, operand], &root, leaf);
        });
    }
}

const CLAIM_GROUPS: [&str; MAX_CLAIMS] = ["claim 0", "claim 1", "claim 2", "claim 3"];

/// One place: the leaf is in the record and as the claim says, or the place is not used.
fn one_claim(cs: &mut Builder, [path, form, operand]: [&Num; 3], root: &Num, leaf: &LeafValues) {
    let value = cs.witness(leaf.value);
    let aux = cs.witness(leaf.aux);
    let salt = cs.witness(leaf.salt);

    let form = cs.group("form", |cs| bits(cs, form, 14));
    let [used, equal, number, kind @ ..] = form.as_slice() else { return };
    let (kind, scale) = kind.split_at_checked(3).unwrap_or((&[], &[]));
    let (kind, scale) = (pack(kind), pack(scale));
    cs.group("form", |cs| {
        // An equality or a number is a claim, and not both; so `used - equal` says "in a range".
        cs.enforce(equal, &used.not(), &Num::zero());
        cs.enforce(number, &(&used.not() + equal), &Num::zero());
        // A place without a claim has no operand.
        cs.enforce(&used.not(), operand, &Num::zero());
        cs.enforce(&used.not(), path, &Num::zero());
    });

    // A number is an integer (the form's kind) or a decimal, one more.
    let decimal = cs.group("kind", |cs| {
        let decimal = cs.boolean(leaf.kind == kind.value() + Fr::one());
        cs.enforce(&decimal, &number.not(), &Num::zero());
        decimal
    });
    let leaf_kind = &kind + &decimal;

    cs.group("leaf", |cs| {
        let hash = hash5(cs, LEAF_TAG, [path, &leaf_kind, &value, &aux, &salt]);
        let found = member(cs, &hash, &leaf.levels, mediveil_record::DEPTH);
        cs.enforce(used, &(&found - root), &Num::zero());
    });
    cs.group("equal", |cs| cs.enforce(equal, &(&value - operand), &Num::zero()));

    let ranged = used - equal;
    let shift = cs.group("scale", |cs| {
        let own = number.value().is_one();
        let to: Fr = scale.value();
        // The shift that the scales ask for, where it is from 0 to 7.
        let shift = (0..=MAX_SHIFT).find(|s| own && Fr::from(*s) + Fr::from(leaf.scale) == to).unwrap_or(0);
        let shift = [0, 1, 2].map(|i| cs.boolean(shift >> i & 1 == 1));
        let sum = pack(&shift);
        cs.enforce(&number.not(), &sum, &Num::zero());
        cs.enforce(number, &(&(&aux + &sum) - &scale), &Num::zero());
        power_of_ten(cs, &shift)
    });
    cs.group("range", |cs| {
        let bounds = cs.mul(operand, &ranged);
        let bounds = bits(cs, &bounds, 2 * MANTISSA_BITS);
        let (low, high) = bounds.split_at_checked(MANTISSA_BITS).unwrap_or((&[], &[]));
        let own = cs.mul(&value, &ranged);
        range(cs, &own, MANTISSA_BITS);
        // Numbers are rescaled about their zero, which is 2^63.
        let zero = number.times(offset());
        let scaled = cs.mul(&(&own - &zero), &shift);
        let scaled = &scaled + &zero;
        range(cs, &(&scaled - &pack(low)), MANTISSA_BITS);
        range(cs, &(&pack(high) - &scaled), MANTISSA_BITS);
    });
}
