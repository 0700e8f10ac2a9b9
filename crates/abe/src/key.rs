//! Attribute keys: what an authority grants to one person.
//!
//! A key is for all of its attributes at once, and only together with itself: the parts of two keys never combine, not
//! even those of one person, because each key has randomness of its own. A person whose attributes change gets a new key.

use crate::access::AccessTree;
use crate::attribute::{Label, prefixes};
use crate::authority::{
    AuthorityId, PublicParameters, Tables, decode_attribute, decode_granularity, decode_schema, encode_attribute,
    encode_schema,
};
use crate::epoch::Granularity;
use crate::kem;
use crate::lsss;
use crate::policy::Number;
use crate::schema::{AttributeSet, MAX_ATTRIBUTES, Schema};
use crate::scheme::{self, G1_LEN, G2_LEN, KeyParts, RowTables, Term};
use blstrs::G1Affine;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};
use rand_core::CryptoRng;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A key for a set of attributes, from one authority. Wiped on drop.
pub struct AttributeKey {
    authority: AuthorityId,
    granularity: Granularity,
    schema: Schema,
    attributes: AttributeSet,
    until: Option<u32>,
    parts: KeyParts,
    /// The component of each label.
    components: HashMap<Label, usize>,
    /// Those of the parameters it was issued under, or its own.
    tables: Arc<Tables>,
}

impl AttributeKey {
    fn labels(schema: &Schema, granularity: Granularity, attributes: &AttributeSet, until: Option<u32>) -> Vec<Label> {
        let mut labels = schema.labels(attributes);
        let bits = granularity.bits();
        labels.extend(until.into_iter().flat_map(|last| prefixes(last, bits)).map(|p| Label::expiry(bits, p)));
        labels
    }

    pub(crate) fn issue(
        parameters: &PublicParameters,
        attributes: &AttributeSet,
        until: Option<u32>,
        generate: impl FnOnce(&RowTables) -> Option<KeyParts>,
    ) -> Option<Self> {
        let (schema, granularity) = (parameters.schema().clone(), parameters.granularity());
        let labels = Self::labels(&schema, granularity, attributes, until);
        let tables = Arc::clone(&parameters.prepared().tables);
        let parts = generate(&tables.of(labels.iter())?)?;
        Some(Self {
            authority: parameters.id(),
            granularity,
            schema,
            attributes: attributes.clone(),
            until,
            parts,
            components: labels.into_iter().zip(0..).collect(),
            tables,
        })
    }

    /// The authority that granted it.
    #[must_use]
    pub const fn authority(&self) -> AuthorityId {
        self.authority
    }

    /// What it holds.
    #[must_use]
    pub const fn attributes(&self) -> &AttributeSet {
        &self.attributes
    }

    /// How long epochs of its authority are.
    #[must_use]
    pub const fn granularity(&self) -> Granularity {
        self.granularity
    }

    /// What its authority declares.
    #[must_use]
    pub const fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The last epoch whose files it opens; `None` for a key without an expiry, which opens only files without the epoch
    /// clause.
    #[must_use]
    pub const fn until(&self) -> Option<u32> {
        self.until
    }

    /// The moment from which on it opens nothing that is sealed.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.until.map(|epoch| self.granularity.end(epoch))
    }

    /// Checks that the key is what it says and that it is from this authority, by pairings. For a key that comes over a
    /// channel one does not trust: a key that fails would open nothing, or not all it should.
    #[must_use]
    pub fn is_genuine(&self, parameters: &PublicParameters, rng: &mut (impl CryptoRng + ?Sized)) -> bool {
        let labels = Self::labels(&self.schema, self.granularity, &self.attributes, self.until);
        let weights: Vec<_> = labels.iter().map(|_| kem::weight(rng)).collect();
        self.authority == parameters.id()
            && self.schema == *parameters.schema()
            && self.granularity == parameters.granularity()
            && self
                .tables
                .of(labels.iter())
                .is_some_and(|tables| scheme::verify_key(parameters.a(), &tables, &self.parts, &weights))
    }

    pub(crate) const fn parts(&self) -> &KeyParts {
        &self.parts
    }

    /// The combs of the labels of a tree's rows.
    pub(crate) fn row_tables(&self, tree: &AccessTree) -> Option<RowTables> {
        self.tables.of(tree.rows.iter().map(|row| &row.label))
    }

    /// The fewest rows with which this key reconstructs the secret of the tree, or `None` if it does not satisfy it.
    pub(crate) fn terms(&self, tree: &AccessTree) -> Option<Vec<Term>> {
        let component = |row: usize| tree.rows.get(row).and_then(|r| self.components.get(&r.label)).copied();
        let rows = lsss::reconstruct(&tree.root, &|row| component(row).is_some())?;
        rows.into_iter()
            .map(|(row, gamma)| {
                let occurrence = tree.rows.get(row)?.occurrence;
                Some(Term { row, component: component(row)?, occurrence, gamma })
            })
            .collect()
    }
}

impl fmt::Debug for AttributeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttributeKey")
    }
}

impl Wire for AttributeKey {
    const TYPE: ObjectType = ObjectType::AttributeKey;
    const MAX_BODY: usize = 8 * 1024 * 1024;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(9).bytes(&self.authority.0).u8(self.granularity.code());
        encode_schema(&self.schema, e);
        e.array(self.attributes.plain().len());
        self.attributes.plain().for_each(|a| encode_attribute(a, e));
        e.array(self.attributes.numbers().len());
        for (name, number) in self.attributes.numbers() {
            e.array(2).text(name).u32(number.value());
        }
        e.option(self.until, |e, until| {
            e.u32(until);
        });
        let points = self.parts.sk.iter().flat_map(G1Affine::to_compressed);
        let sk: zeroize::Zeroizing<Vec<u8>> =
            zeroize::Zeroizing::new(self.parts.sk0.to_compressed().into_iter().chain(points).collect());
        e.bytes(&self.parts.sk2.to_compressed()).bytes(&sk);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(9)?;
        let authority = AuthorityId::decode(d)?;
        let granularity = decode_granularity(d)?;
        let schema = decode_schema(d)?;
        let attributes = decode_attributes(d, &schema)?;
        let until = d.option(Decoder::u32)?;
        if until.is_some_and(|u| u > crate::attribute::max_of(granularity.bits())) {
            return Err(d.invalid("an expiry beyond the last epoch"));
        }
        let labels = Self::labels(&schema, granularity, &attributes, until);
        let sk2 = scheme::g2_from_bytes(&d.byte_array::<G2_LEN>()?).ok_or_else(|| d.invalid("not a point of G2"))?;
        let bytes = d.bytes(labels.len().saturating_add(1).saturating_mul(G1_LEN))?;
        let points = decode_points(d, bytes, scheme::g1_from_bytes)?;
        let (sk0, sk) = points.split_first().ok_or_else(|| d.invalid("not a key for its attributes"))?;
        if sk.len() != labels.len() {
            return Err(d.invalid("not a key for its attributes"));
        }
        Ok(Self {
            authority,
            granularity,
            schema,
            attributes,
            until,
            parts: KeyParts { sk0: *sk0, sk2, sk: sk.to_vec() },
            components: labels.into_iter().zip(0..).collect(),
            tables: Arc::new(Tables::new(authority)),
        })
    }
}

/// Points of G1 that stand one after the other, each read by `read`.
pub(crate) fn decode_points(
    d: &Decoder<'_>,
    bytes: &[u8],
    read: fn(&[u8; G1_LEN]) -> Option<G1Affine>,
) -> Result<Vec<G1Affine>, DecodeError> {
    let (points, rest) = bytes.as_chunks::<G1_LEN>();
    if !rest.is_empty() {
        return Err(d.invalid("a part of a point"));
    }
    points.iter().map(|p| read(p).ok_or_else(|| d.invalid("not a point of G1"))).collect()
}

fn decode_attributes(d: &mut Decoder<'_>, schema: &Schema) -> Result<AttributeSet, DecodeError> {
    let mut attributes = AttributeSet::default();
    let mut last = None;
    for _ in 0..d.array(MAX_ATTRIBUTES)? {
        let attribute = decode_attribute(d)?;
        if last.as_ref().is_some_and(|l| *l >= attribute) {
            return Err(d.invalid("attributes are not in order"));
        }
        last = Some(attribute.clone());
        attributes.insert(attribute).map_err(|_| d.invalid("too many attributes"))?;
    }
    let mut last = None;
    for _ in 0..d.array(MAX_ATTRIBUTES)? {
        d.tuple(2)?;
        let name = d.text(crate::attribute::MAX_NAME)?;
        if last.is_some_and(|l| l >= name) {
            return Err(d.invalid("numbers are not in order"));
        }
        last = Some(name);
        let value = d.u32()?;
        let date = schema.number_kind(name).is_some_and(|k| k.date);
        let number = if date { Number::Date(value) } else { Number::Integer(value) };
        attributes.insert_number(name, number).map_err(|_| d.invalid("not a number that a key can hold"))?;
    }
    schema.check(&attributes).map_err(|_| d.invalid("attributes outside the authority's schema"))?;
    Ok(attributes)
}
