//! A FHIR R4 record: one resource, or the resources of a Bundle.

use crate::json::{self, ParseError, Value};
use crate::{
    CanonicalBytes, CommittedResource, Digest, Leaf, Limits, NotADouble, RecordSecret, TooManyLeaves, canonical, leaf,
};
use rayon::prelude::*;
use std::fmt;

/// Bytes that are not a record, and why. Carries nothing of a patient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Not acceptable JSON.
    #[error(transparent)]
    Json(#[from] ParseError),
    /// JSON, and not FHIR R4 in its outlines.
    #[error("not a FHIR R4 {what}: {why} (in {path})")]
    NotFhir {
        /// What was expected: `resource` or `Bundle`.
        what: &'static str,
        /// The path of what is wrong.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// More resources than [`Limits::resources`].
    #[error("a Bundle of {found} entries is over the limit of {limit}")]
    TooManyResources {
        /// Entries of the Bundle.
        found: usize,
        /// The limit.
        limit: usize,
    },
}

fn not_fhir(what: &'static str, path: &str, why: &'static str) -> RecordError {
    let path = if path.is_empty() { "the document" } else { path };
    RecordError::NotFhir { what, path: path.to_owned(), why }
}

/// The purpose of a Bundle (FHIR R4 value set bundle-type).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the codes of the value set, which defines them")]
pub enum BundleType {
    Document,
    Message,
    Transaction,
    TransactionResponse,
    Batch,
    BatchResponse,
    History,
    Searchset,
    Collection,
}

impl BundleType {
    fn from_code(code: &str) -> Option<Self> {
        Some(match code {
            "document" => Self::Document,
            "message" => Self::Message,
            "transaction" => Self::Transaction,
            "transaction-response" => Self::TransactionResponse,
            "batch" => Self::Batch,
            "batch-response" => Self::BatchResponse,
            "history" => Self::History,
            "searchset" => Self::Searchset,
            "collection" => Self::Collection,
            _ => return None,
        })
    }
}

/// A resource, or the resources of a Bundle in their order. Never empty of meaning, possibly of resources: a Bundle may
/// have no entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    bundle: Option<BundleType>,
    resources: Vec<Resource>,
}

impl Record {
    /// Reads a resource or a Bundle in FHIR's JSON format.
    ///
    /// A Bundle becomes its entries' resources, each to be committed alone; what the entry says beside `resource` and
    /// `fullUrl` (requests, search scores) is not kept, and entries without a resource are passed over. Bundles inside a
    /// Bundle stay whole. Elements are not checked against the definitions of their types.
    ///
    /// # Errors
    /// [`RecordError`] for JSON that is not strict or over the limits, for numbers and names that no leaf can hold, and for
    /// what is not a resource.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, RecordError> {
        let document = json::parse_fhir(bytes, limits)?;
        if document.get("resourceType").and_then(Value::as_str) != Some("Bundle") {
            return Ok(Self { bundle: None, resources: vec![Resource::new(document, None, "")?] });
        }
        let Value::Object(mut bundle) = document else { return Err(not_fhir("Bundle", "", "not an object")) };
        let kind = bundle.get("type").and_then(Value::as_str).and_then(BundleType::from_code);
        let kind =
            kind.ok_or_else(|| not_fhir("Bundle", "type", "a Bundle needs a type of the value set bundle-type"))?;
        let entries = match bundle.take("entry") {
            None => Vec::new(),
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err(not_fhir("Bundle", "entry", "not an array")),
        };
        if entries.len() > limits.resources {
            return Err(RecordError::TooManyResources { found: entries.len(), limit: limits.resources });
        }
        let mut resources = Vec::with_capacity(entries.len());
        for (i, entry) in entries.into_iter().enumerate() {
            let at = format!("entry[{i}]");
            let Value::Object(mut entry) = entry else { return Err(not_fhir("Bundle", &at, "not an object")) };
            let full_url = match entry.take("fullUrl") {
                None => None,
                Some(Value::String(url)) => Some(url),
                Some(_) => return Err(not_fhir("Bundle", &format!("{at}.fullUrl"), "not a string")),
            };
            if let Some(resource) = entry.take("resource") {
                resources.push(Resource::new(resource, full_url, &format!("{at}.resource"))?);
            }
        }
        Ok(Self { bundle: Some(kind), resources })
    }

    /// The type of the Bundle; `None` for a single resource.
    #[must_use]
    pub const fn bundle_type(&self) -> Option<BundleType> {
        self.bundle
    }

    /// The resources in their order.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// The resources of this type, such as `Observation`.
    pub fn of_type<'r>(&'r self, resource_type: &'r str) -> impl Iterator<Item = &'r Resource> {
        self.resources.iter().filter(move |r| r.resource_type() == resource_type)
    }

    /// Commits to every resource, each under its own child of `secret` by its position, on all cores.
    ///
    /// # Errors
    /// [`TooManyLeaves`] for the first resource that has more than [`MAX_LEAVES`](crate::MAX_LEAVES).
    pub fn commit(&self, secret: &RecordSecret) -> Result<Vec<CommittedResource>, TooManyLeaves> {
        let numbered: Vec<(u32, &Resource)> = (0..).zip(&self.resources).collect();
        numbered.into_par_iter().map(|(i, resource)| resource.commit(&secret.child(i))).collect()
    }
}

/// One FHIR resource. `Debug` prints its type only.
#[derive(Clone, PartialEq, Eq)]
pub struct Resource {
    value: Value,
    resource_type: String,
    full_url: Option<String>,
}

impl Resource {
    /// Reads one resource; a Bundle is one too, here.
    ///
    /// # Errors
    /// Those of [`Record::parse`].
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, RecordError> {
        Self::new(json::parse_fhir(bytes, limits)?, None, "")
    }

    fn new(value: Value, full_url: Option<String>, path: &str) -> Result<Self, RecordError> {
        let Some(object) = value.as_object() else { return Err(not_fhir("resource", path, "not an object")) };
        let resource_type = object.get("resourceType").and_then(Value::as_str).filter(|t| is_type_name(t));
        let missing = || not_fhir("resource", path, "it has no resourceType, which is a name such as Observation");
        let resource_type = resource_type.ok_or_else(missing)?.to_owned();
        Ok(Self { value, resource_type, full_url })
    }

    /// Its type, such as `Observation`.
    #[must_use]
    pub fn resource_type(&self) -> &str {
        &self.resource_type
    }

    /// Its logical id, if it has one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.value.get("id")?.as_str()
    }

    /// The `fullUrl` of its Bundle entry, which references name it by. Not part of its bytes.
    #[must_use]
    pub fn full_url(&self) -> Option<&str> {
        self.full_url.as_deref()
    }

    /// Its content.
    #[must_use]
    pub const fn json(&self) -> &Value {
        &self.value
    }

    /// Its canonical bytes.
    #[must_use]
    pub fn canonical(&self) -> CanonicalBytes {
        CanonicalBytes::of(&self.value)
    }

    /// The SHA-256 digest of its canonical bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.canonical().digest()
    }

    /// Plain RFC 8785, which loses the precision of decimals: for other programs.
    ///
    /// # Errors
    /// [`NotADouble`] cannot occur for numbers that a leaf can hold.
    pub fn to_rfc8785(&self) -> Result<Vec<u8>, NotADouble> {
        canonical::to_rfc8785(&self.value)
    }

    /// Its leaves in their order, the digest first (see [`leaf`](crate::leaf)).
    #[must_use]
    pub fn leaves(&self) -> Vec<Leaf> {
        leaf::collect(&self.value, &self.digest())
    }

    /// Commits to the resource.
    ///
    /// # Errors
    /// [`TooManyLeaves`] if it has more than [`MAX_LEAVES`](crate::MAX_LEAVES).
    pub fn commit(&self, secret: &RecordSecret) -> Result<CommittedResource, TooManyLeaves> {
        let digest = self.digest();
        let leaves = leaf::collect(&self.value, &digest);
        let count = leaves.len();
        CommittedResource::new(leaves, digest, secret.clone())
            .map_err(|_| TooManyLeaves { resource_type: self.resource_type.clone(), leaves: count })
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resource({})", self.resource_type)
    }
}

/// FHIR's names of resource types are letters, the first one upper case.
fn is_type_name(name: &str) -> bool {
    name.len() <= 64
        && name.bytes().next().is_some_and(|b| b.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphabetic())
}
