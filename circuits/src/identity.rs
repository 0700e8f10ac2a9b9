//! Statement: identity.
//!
//! *I hold a credential under this registry's root; it has not expired; my birth date is before D; my role is in this set;
//! my nullifier in this scope is this; and this proof is for this message.*
//!
//! # Who does what
//! The holder draws a [`HolderSecret`] and hands out only its hash, [`Holder`]. An issuer checks the person and puts a
//! [`Credential`] (holder, birth date, role, expiry) into the registry, a 4-ary tree of 2^20 places whose root it
//! publishes and signs by other means. One credential a person, with the same holder at renewal, so that the nullifier
//! Poseidon(tag, secret, scope) is one a person and scope. Across scopes, and against the registry, nullifiers are
//! unlinkable as long as Poseidon is a pseudorandom function of the secret.
//!
//! # What the verifier must do
//! Know that the root is the registry's and today's date is today; count nullifiers, never proofs (a proof can be
//! re-randomised by anyone); draw or check the message, which is what keeps a proof from being replayed. A root that
//! stands for few credentials hides its holder among those few.
//!
//! # Public inputs
//! registry root, nullifier, scope, message, policy = D + 2^22 today + 2^44 roles (bit i for role i).

use crate::gadgets::bits::{bits, less, less_or_equal, pack};
use crate::gadgets::decimal::DATE_BITS;
use crate::gadgets::merkle::{Children, children, member};
use crate::gadgets::poseidon::{hash2, hash4};
use crate::r1cs::{Builder, Num};
use crate::statement::recorded;
use crate::{InvalidStatement, Scope, Statement, StatementId, decode_field, field_bytes};
use ark_bn254::Fr;
use ark_ff::Zero as _;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_record::field::{Tag, hash_to_field};
use mediveil_record::merkle::{Path, Tree, TreeFull};
use mediveil_record::{Date, poseidon};
use rand_core::CryptoRng;
use zeroize::Zeroize as _;

/// Depth of the registry.
pub const DEPTH: usize = 10;
/// The tag of a holder: Poseidon2(secret, 0).
pub const HOLDER_TAG: Tag = Tag::new("mediveil/zk/holder/v1");
/// The tag of a credential.
pub const CREDENTIAL_TAG: Tag = Tag::new("mediveil/zk/credential/v1");
/// The tag of a nullifier.
pub const NULLIFIER_TAG: Tag = Tag::new("mediveil/zk/nullifier/v1");
/// The label under which messages become field elements.
pub const MESSAGE_LABEL: &str = "mediveil/zk/message/v1";
const ROLES: usize = 64;

/// The holder's secret: a random field element, kept for life. Wiped on drop.
#[derive(Clone)]
pub struct HolderSecret(Fr);

impl HolderSecret {
    /// A fresh secret.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; 64];
        rng.fill_bytes(&mut bytes);
        let secret = <Fr as ark_ff::PrimeField>::from_le_bytes_mod_order(&bytes);
        bytes.zeroize();
        Self(secret)
    }

    /// The hash that issuers and providers see.
    #[must_use]
    pub fn holder(&self) -> Holder {
        Holder(poseidon::hash2(HOLDER_TAG, &[self.0, Fr::zero()]))
    }

    /// The nullifier in a scope.
    #[must_use]
    pub fn nullifier(&self, scope: Scope) -> Fr {
        poseidon::hash2(NULLIFIER_TAG, &[self.0, scope.element()])
    }

    pub(crate) const fn element(&self) -> Fr {
        self.0
    }
}

impl Drop for HolderSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for HolderSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HolderSecret")
    }
}

/// A secret has one encoding: bytes at or above the field's order are refused, so no secret has two nullifiers.
impl Wire for HolderSecret {
    const TYPE: ObjectType = ObjectType::HolderSecret;
    const MAX_BODY: usize = 64;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        let mut bytes = field_bytes(&self.0);
        e.bytes(&bytes);
        bytes.zeroize();
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        decode_field(d).map(Self)
    }
}

/// A holder as issuers and providers know them: the hash of the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder(pub(crate) Fr);

impl Holder {
    /// The element.
    #[must_use]
    pub const fn element(&self) -> Fr {
        self.0
    }

    /// The holder that is this element.
    #[must_use]
    pub const fn from_element(element: Fr) -> Self {
        Self(element)
    }
}

impl Wire for Holder {
    const TYPE: ObjectType = ObjectType::Holder;
    const MAX_BODY: usize = 64;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.bytes(&field_bytes(&self.0));
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        decode_field(d).map(Self)
    }
}

/// A role: a number from 0 to 63, whose meaning the registry defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role(u8);

impl Role {
    /// The role with this number.
    ///
    /// # Errors
    /// [`InvalidStatement::Roles`] over 63.
    pub const fn new(number: u8) -> Result<Self, InvalidStatement> {
        if number < 64 { Ok(Self(number)) } else { Err(InvalidStatement::Roles) }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// A set of roles, not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleSet(u64);

impl RoleSet {
    /// Every role.
    pub const ALL: Self = Self(u64::MAX);

    /// The set of these roles.
    ///
    /// # Errors
    /// [`InvalidStatement::Roles`] if there are none.
    pub fn new(roles: &[Role]) -> Result<Self, InvalidStatement> {
        let mask = roles.iter().fold(0_u64, |mask, role| mask | 1 << role.0);
        if mask == 0 { Err(InvalidStatement::Roles) } else { Ok(Self(mask)) }
    }

    /// The set as bits.
    #[must_use]
    pub const fn mask(self) -> u64 {
        self.0
    }
}

/// What an issuer attests of a holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Whom.
    pub holder: Holder,
    /// The holder's birth date.
    pub birth: Date,
    /// The holder's role.
    pub role: Role,
    /// The last day on which the credential counts.
    pub expiry: Date,
}

impl Credential {
    /// The leaf in the registry: Poseidon4(holder, birth date, role, expiry).
    #[must_use]
    pub fn leaf(&self) -> Fr {
        let [birth, expiry] = [self.birth, self.expiry].map(|d| Fr::from(d.days()));
        poseidon::hash4(CREDENTIAL_TAG, &[self.holder.0, birth, Fr::from(self.role.0), expiry])
    }
}

impl Wire for Credential {
    const TYPE: ObjectType = ObjectType::Credential;
    const MAX_BODY: usize = 128;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(&field_bytes(&self.holder.0)).u32(self.birth.days()).u8(self.role.0).u32(self.expiry.days());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        let holder = Holder(decode_field(d)?);
        let date = |d: &mut Decoder<'_>| {
            let days = d.u32()?;
            Date::from_days(days).ok_or_else(|| d.invalid("a day after 9999-12-31"))
        };
        let birth = date(d)?;
        let role = Role::new(d.u8()?).map_err(|_| d.invalid("a role over 63"))?;
        Ok(Self { holder, birth, role, expiry: date(d)? })
    }
}

/// A registry: the tree of credentials.
#[derive(Clone, Debug)]
pub struct Registry(Tree);

impl Registry {
    /// The registry of these credentials, in this order.
    ///
    /// # Errors
    /// [`TreeFull`] beyond 2^20.
    pub fn new(credentials: &[Credential]) -> Result<Self, TreeFull> {
        Self::from_leaves(credentials.iter().map(Credential::leaf).collect())
    }

    /// The registry over these [leaves](Credential::leaf), in this order: what can be made from what an issuer publishes.
    ///
    /// # Errors
    /// [`TreeFull`] beyond 2^20.
    pub fn from_leaves(leaves: Vec<Fr>) -> Result<Self, TreeFull> {
        Tree::new(leaves, DEPTH).map(Self)
    }

    /// The leaves in their order.
    #[must_use]
    pub fn leaves(&self) -> &[Fr] {
        self.0.leaves()
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Fr {
        self.0.root()
    }

    /// The path of the credential at an index.
    #[must_use]
    pub fn path(&self, index: usize) -> Option<Path> {
        self.0.path(index)
    }
}

/// What the verifier of an identity sees.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentityPublic {
    /// The registry's root.
    pub registry: Fr,
    /// The holder's nullifier in the scope.
    pub nullifier: Fr,
    /// The scope.
    pub scope: Scope,
    /// What the proof is for: [`message`] of a challenge or a transaction.
    pub message: Fr,
    /// The holder was born before this day.
    pub born_before: Date,
    /// The credential counts on this day.
    pub today: Date,
    /// The holder has one of these roles.
    pub roles: RoleSet,
}

/// The element of a message.
#[must_use]
pub fn message(bytes: &[u8]) -> Fr {
    hash_to_field(MESSAGE_LABEL, bytes)
}

/// What the holder knows.
#[derive(Clone, Debug)]
pub struct IdentityWitness {
    /// The secret.
    pub secret: HolderSecret,
    /// The credential.
    pub credential: Credential,
    /// Its path in the registry.
    pub path: Path,
}

/// The statement.
#[derive(Clone, Copy, Debug)]
pub struct Identity;
type This = Identity;

impl Statement for Identity {
    type Public = IdentityPublic;
    type Witness = IdentityWitness;
    const ID: StatementId = StatementId::new("mediveil/identity/v1");
    const PUBLIC_INPUTS: usize = 5;

    fn inputs(public: &IdentityPublic) -> Vec<Fr> {
        let policy = Fr::from(public.born_before.days())
            + Fr::from(1_u64 << DATE_BITS) * Fr::from(public.today.days())
            + Fr::from(1_u64 << (2 * DATE_BITS)) * Fr::from(public.roles.0);
        vec![public.registry, public.nullifier, public.scope.element(), public.message, policy]
    }

    fn synthesize(cs: &mut Builder, inputs: &[Num], witness: Option<&IdentityWitness>) {
        let values = witness.map_or_else(IdentityValues::default, IdentityValues::from);
        synthesize_values(cs, inputs, &values);
    }

    recorded!();
}

/// The witness as field elements, for tests that go below the types.
#[derive(Clone, Default)]
pub(crate) struct IdentityValues {
    pub(crate) secret: Fr,
    pub(crate) birth: Fr,
    pub(crate) role: u8,
    pub(crate) expiry: Fr,
    pub(crate) levels: Children,
}

impl From<&IdentityWitness> for IdentityValues {
    fn from(witness: &IdentityWitness) -> Self {
        let credential = &witness.credential;
        Self {
            secret: witness.secret.element(),
            birth: Fr::from(credential.birth.days()),
            role: credential.role.0,
            expiry: Fr::from(credential.expiry.days()),
            levels: children(credential.leaf(), &witness.path),
        }
    }
}

pub(crate) fn synthesize_values(cs: &mut Builder, inputs: &[Num], values: &IdentityValues) {
    let [registry, nullifier, scope, message, policy] = inputs else { return };
    let secret = cs.witness(values.secret);
    let birth = cs.witness(values.birth);
    let expiry = cs.witness(values.expiry);

    let holder = cs.group("holder", |cs| hash2(cs, HOLDER_TAG, [&secret, &Num::zero()]));
    cs.group("nullifier", |cs| {
        let own = hash2(cs, NULLIFIER_TAG, [&secret, scope]);
        cs.equal(&own, nullifier);
    });
    // No other row needs the message. A copy keeps it from being an input that nothing depends on.
    cs.group("message", |cs| {
        let copy = cs.witness(message.value());
        cs.equal(&copy, message);
    });

    let role_bits: Vec<Num> = cs.group("role", |cs| (0..6).map(|i| cs.boolean(values.role >> i & 1 == 1)).collect());
    let policy = cs.group("policy", |cs| bits(cs, policy, 2 * DATE_BITS + ROLES));
    let (born_before, rest) = policy.split_at_checked(DATE_BITS).unwrap_or((&[], &[]));
    let (today, roles) = rest.split_at_checked(DATE_BITS).unwrap_or((&[], &[]));
    cs.group("role", |cs| {
        // Halve the mask by one bit of the role at a time.
        let mut left = roles.to_vec();
        for bit in &role_bits {
            left = left
                .chunks_exact(2)
                .filter_map(|pair| if let [low, high] = pair { Some(cs.select(bit, high, low)) } else { None })
                .collect();
        }
        cs.equal(left.first().unwrap_or(&Num::zero()), &Num::one());
    });
    cs.group("birth", |cs| {
        bits(cs, &birth, DATE_BITS);
        less(cs, &birth, &pack(born_before), DATE_BITS);
    });
    cs.group("expiry", |cs| {
        bits(cs, &expiry, DATE_BITS);
        less_or_equal(cs, &pack(today), &expiry, DATE_BITS);
    });
    let leaf = cs.group("credential", |cs| hash4(cs, CREDENTIAL_TAG, [&holder, &birth, &pack(&role_bits), &expiry]));
    cs.group("registry", |cs| {
        let root = member(cs, &leaf, &values.levels, DEPTH);
        cs.equal(&root, registry);
    });
}
