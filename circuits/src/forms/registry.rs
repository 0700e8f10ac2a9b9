//! Registries: an issuer's own list of persons, what it publishes, and the accredited providers.

use super::{FormError, MAX_NAME, are_names, decode_names, encode_names};
use crate::gadgets::eddsa::PublicKey;
use crate::identity::{Credential, DEPTH, Holder, Registry, Role, RoleSet};
use crate::record::{PROVIDERS_DEPTH, Providers};
use crate::{decode_field, field_bytes};
use ark_bn254::Fr;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_record::Date;
use mediveil_record::merkle::{Path, padding};
use std::collections::HashSet;

const PLACES: usize = 1 << (2 * DEPTH);
const MAX_ROLES: usize = 64;

/// Roles by name; their numbers are their places.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Roles(Vec<String>);

impl Roles {
    fn new(names: Vec<String>) -> Result<Self, FormError> {
        if names.is_empty() || names.len() > MAX_ROLES {
            return Err(FormError::Roles);
        }
        if are_names(names.iter().map(String::as_str)) { Ok(Self(names)) } else { Err(FormError::Name) }
    }

    fn role(&self, name: &str) -> Result<Role, FormError> {
        let unknown = || FormError::UnknownRole(name.to_owned());
        let number = self.0.iter().position(|r| r == name).ok_or_else(unknown)?;
        u8::try_from(number).ok().and_then(|n| Role::new(n).ok()).ok_or_else(unknown)
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        decode_names(d, MAX_ROLES).map(Self)
    }
}

/// Whether a person who comes with another secret than before is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NewSecret {
    /// No: the nullifiers would change, and the person could do once more what may be done once.
    #[default]
    Refuse,
    /// Yes, because the old secret is lost.
    AfterLoss,
}

#[derive(Clone, PartialEq, Eq)]
struct Entry {
    person: String,
    credential: Credential,
    revoked: bool,
}

/// An issuer's own list: for each person, by the name or number that the issuer has for them, the credential. It keeps
/// to one credential a person, and to the same holder at renewal. Personal data; `Debug` prints the numbers only.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuerRegister {
    name: String,
    roles: Roles,
    entries: Vec<Entry>,
}

impl IssuerRegister {
    /// An empty register of an issuer with this name and these roles.
    ///
    /// # Errors
    /// [`FormError::Name`] and [`FormError::Roles`].
    pub fn new(name: &str, roles: Vec<String>) -> Result<Self, FormError> {
        if !are_names([name]) {
            return Err(FormError::Name);
        }
        Ok(Self { name: name.to_owned(), roles: Roles::new(roles)?, entries: Vec::new() })
    }

    /// Issues a credential, or renews the person's: in the same place and for the same holder. Returns the credential and
    /// whether it is a renewal.
    ///
    /// # Errors
    /// [`FormError`] for an unknown role, a holder of another person, another secret than before (unless
    /// [`NewSecret::AfterLoss`]) and a full register.
    pub fn issue(
        &mut self,
        person: &str,
        holder: Holder,
        birth: Date,
        role: &str,
        expiry: Date,
        secret: NewSecret,
    ) -> Result<(Credential, bool), FormError> {
        if !are_names([person]) {
            return Err(FormError::Name);
        }
        let credential = Credential { holder, birth, role: self.roles.role(role)?, expiry };
        if self.entries.iter().any(|e| e.credential.holder == holder && e.person != person) {
            return Err(FormError::HolderTaken);
        }
        let entry = Entry { person: person.to_owned(), credential: credential.clone(), revoked: false };
        let full = self.entries.len() >= PLACES;
        match self.entries.iter_mut().find(|e| e.person == person) {
            Some(old) if old.credential.holder != holder && secret == NewSecret::Refuse => Err(FormError::OtherSecret),
            Some(old) => {
                *old = entry;
                Ok((credential, true))
            }
            None if full => Err(FormError::Full),
            None => {
                self.entries.push(entry);
                Ok((credential, false))
            }
        }
    }

    /// Takes a person's credential out of the registry. The entry stays, so that the person cannot come back as another.
    ///
    /// # Errors
    /// [`FormError::NoSuchPerson`] without a credential in force.
    pub fn revoke(&mut self, person: &str) -> Result<(), FormError> {
        let found = self.entries.iter_mut().find(|e| e.person == person && !e.revoked);
        found.ok_or(FormError::NoSuchPerson)?.revoked = true;
        Ok(())
    }

    /// Credentials in force, and revoked ones.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let revoked = self.entries.iter().filter(|e| e.revoked).count();
        (self.entries.len().saturating_sub(revoked), revoked)
    }

    /// What is published: each credential's leaf at its place, padding at the place of a revoked one.
    ///
    /// # Errors
    /// [`FormError::Full`] cannot occur for a register that exists.
    pub fn publish(&self) -> Result<CredentialRegistry, FormError> {
        let leaf = |e: &Entry| if e.revoked { padding() } else { e.credential.leaf() };
        let registry = Registry::from_leaves(self.entries.iter().map(leaf).collect()).map_err(|_| FormError::Full)?;
        Ok(CredentialRegistry { name: self.name.clone(), roles: self.roles.clone(), registry })
    }
}

impl std::fmt::Debug for IssuerRegister {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IssuerRegister({} entries)", self.entries.len())
    }
}

impl Wire for IssuerRegister {
    const TYPE: ObjectType = ObjectType::IssuerRegister;
    const MAX_BODY: usize = 1 << 28;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).text(&self.name);
        encode_names(e, &self.roles.0);
        e.list(&self.entries, |e, entry| {
            let c = &entry.credential;
            e.array(6).text(&entry.person).bytes(&field_bytes(&c.holder.0)).u32(c.birth.days());
            e.u8(c.role.number()).u32(c.expiry.days()).bool(entry.revoked);
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let name = d.text(MAX_NAME)?.to_owned();
        let roles = Roles::decode(d)?;
        let date = |d: &mut Decoder<'_>| {
            let days = d.u32()?;
            Date::from_days(days).ok_or_else(|| d.invalid("a day after 9999-12-31"))
        };
        let entries = d.list(PLACES, |d| {
            d.tuple(6)?;
            let person = d.text(MAX_NAME)?.to_owned();
            let holder = Holder(decode_field(d)?);
            let birth = date(d)?;
            let role = d.u8()?;
            let role = Role::new(role).ok().filter(|_| usize::from(role) < roles.0.len());
            let role = role.ok_or_else(|| d.invalid("a role that is not defined"))?;
            let credential = Credential { holder, birth, role, expiry: date(d)? };
            Ok(Entry { person, credential, revoked: d.bool()? })
        })?;
        let mut holders = HashSet::new();
        let distinct = entries.iter().all(|e| holders.insert(e.credential.holder.0));
        if !distinct || !are_names([name.as_str()]) || !are_names(entries.iter().map(|e| e.person.as_str())) {
            return Err(d.invalid("a person, a holder or a name that is empty or there twice"));
        }
        Ok(Self { name, roles, entries })
    }
}

/// What an issuer publishes: its name, what its roles are called, and the leaf of every credential. Says nothing about
/// persons, since a leaf is a hash over the holder, which is random.
#[derive(Clone, Debug)]
pub struct CredentialRegistry {
    name: String,
    roles: Roles,
    registry: Registry,
}

impl CredentialRegistry {
    /// The issuer's name for itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The roles' names, in the order of their numbers.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles.0
    }

    /// How many credentials are in it. A root that stands for few hides its holder among those few.
    #[must_use]
    pub fn credentials(&self) -> usize {
        self.registry.leaves().iter().filter(|leaf| **leaf != padding()).count()
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Fr {
        self.registry.root()
    }

    /// The set of these roles; every role of the registry for none.
    ///
    /// # Errors
    /// [`FormError::UnknownRole`].
    pub fn role_set(&self, names: &[String]) -> Result<RoleSet, FormError> {
        let names = if names.is_empty() { &self.roles.0 } else { names };
        let roles = names.iter().map(|name| self.roles.role(name)).collect::<Result<Vec<_>, _>>()?;
        RoleSet::new(&roles).map_err(|_| FormError::Roles)
    }

    /// The path of a credential; `None` if it is not in the registry, because it was revoked, renewed or never there.
    #[must_use]
    pub fn path_of(&self, credential: &Credential) -> Option<Path> {
        let leaf = credential.leaf();
        self.registry.path(self.registry.leaves().iter().position(|l| *l == leaf)?)
    }
}

impl PartialEq for CredentialRegistry {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.roles == other.roles && self.registry.leaves() == other.registry.leaves()
    }
}

impl Wire for CredentialRegistry {
    const TYPE: ObjectType = ObjectType::CredentialRegistry;
    const MAX_BODY: usize = (32 << (2 * DEPTH)) + (1 << 16);

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).text(&self.name);
        encode_names(e, &self.roles.0);
        let leaves: Vec<u8> = self.registry.leaves().iter().flat_map(field_bytes).collect();
        e.bytes(&leaves);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let name = d.text(MAX_NAME)?.to_owned();
        if !are_names([name.as_str()]) {
            return Err(d.invalid("an empty name"));
        }
        let roles = Roles::decode(d)?;
        let (leaves, rest) = d.bytes(32 * PLACES)?.as_chunks::<32>();
        let leaves: Option<Vec<Fr>> = leaves.iter().map(mediveil_record::field::from_bytes).collect();
        let leaves = leaves.filter(|_| rest.is_empty()).ok_or_else(|| d.invalid("not elements of the field"))?;
        let registry = Registry::from_leaves(leaves).map_err(|_| d.invalid("more leaves than places"))?;
        Ok(Self { name, roles, registry })
    }
}

/// Accredited providers, by name and key; up to 1,024.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderRegistry {
    members: Vec<(String, PublicKey)>,
}

impl ProviderRegistry {
    /// The registry of these providers, in this order.
    ///
    /// # Errors
    /// [`FormError::Name`], [`FormError::KeyTaken`] and [`FormError::Full`].
    pub fn new(members: Vec<(String, PublicKey)>) -> Result<Self, FormError> {
        if !are_names(members.iter().map(|(name, _)| name.as_str())) {
            return Err(FormError::Name);
        }
        let mut keys = HashSet::new();
        if !members.iter().all(|(_, key)| keys.insert((key.point().x, key.point().y))) {
            return Err(FormError::KeyTaken);
        }
        if members.len() > 1 << (2 * PROVIDERS_DEPTH) {
            return Err(FormError::Full);
        }
        Ok(Self { members })
    }

    /// The providers in their order.
    #[must_use]
    pub fn members(&self) -> &[(String, PublicKey)] {
        &self.members
    }

    /// The tree over the keys.
    ///
    /// # Errors
    /// [`FormError::Full`] cannot occur for a registry that exists.
    pub fn tree(&self) -> Result<Providers, FormError> {
        let keys: Vec<PublicKey> = self.members.iter().map(|(_, key)| *key).collect();
        Providers::new(&keys).map_err(|_| FormError::Full)
    }

    /// The index of a key.
    #[must_use]
    pub fn index_of(&self, key: &PublicKey) -> Option<usize> {
        self.members.iter().position(|(_, k)| k == key)
    }
}

impl Wire for ProviderRegistry {
    const TYPE: ObjectType = ObjectType::ProviderRegistry;
    const MAX_BODY: usize = 1 << 18;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.list(&self.members, |e, (name, key)| {
            e.array(2).text(name);
            key.encode_body(e);
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let members = d.list(1 << (2 * PROVIDERS_DEPTH), |d| {
            d.tuple(2)?;
            Ok((d.text(MAX_NAME)?.to_owned(), PublicKey::decode_body(d)?))
        })?;
        Self::new(members).map_err(|_| d.invalid("a name or a key that is there twice"))
    }
}
