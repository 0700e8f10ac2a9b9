//! What a site gives away: its rows as ciphertexts, committed in the log before anybody sees one.
//!
//! An upload is two files: a [`Manifest`], which names every ciphertext by its digest and is signed by the site, and the
//! ciphertexts themselves, block by block, each of the same length. First every site appends the [`Commitment`] to its
//! manifest to the log; only when all of them are there are the files shown. So nobody can commit to a copy of what another
//! site uploads, nor to something computed from it, because what there is to copy is shown too late. A copy that comes
//! about in another way is refused by its digests.

use crate::schema::Lane;
use crate::table::Table;
use crate::terms::Study;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};
use mediveil_fhe::{Ciphertext, CiphertextError, EncodedCiphertext, EncryptError, EvaluateError, KeyId};
use mediveil_ledger::{Actor, Entry, Event, Label, Log, LogError, UniqueKey};
use mediveil_seal::identity::{Identity, Signature};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;

const MANIFEST: &str = "study/upload/v1";
const COMMITMENT: &str = "study/commitment/v1";

/// Why rows were not encrypted, or an upload is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The identity is not one of the study's sites.
    #[error("this identity is not a site of the study")]
    NotASite,
    /// The table was read under another schema.
    #[error("the table was read under another schema than the study's")]
    Schema,
    /// More rows than the study declares.
    #[error("{blocks} blocks of rows are more than the {limit} that the study has room for")]
    TooManyRows {
        /// Blocks.
        blocks: u64,
        /// The limit.
        limit: u64,
    },
    /// It is an upload to another study, or under another key.
    #[error("the upload of site {site} belongs to another study or another key")]
    Foreign {
        /// Which site.
        site: u32,
    },
    /// The site did not sign it.
    #[error("the upload of site {site} is not signed by it")]
    Signature {
        /// Which site.
        site: u32,
    },
    /// A site has committed to another upload already.
    #[error("site {site} has committed to another upload; a site uploads once")]
    Duplicate {
        /// Which site.
        site: u32,
    },
    /// Not every site has committed, so nothing may be shown.
    #[error("sites {sites:?} have not committed to their uploads yet; show nothing before they have")]
    Uncommitted {
        /// Who has not.
        sites: Vec<u32>,
    },
    /// It is not what the site committed to.
    #[error("the upload of site {site} is not the one that it committed to in the log")]
    OtherUpload {
        /// Which site.
        site: u32,
    },
    /// Two uploads have a ciphertext in common.
    #[error("the uploads of sites {first} and {second} have a ciphertext in common: one is a copy")]
    Copied {
        /// One site.
        first: u32,
        /// The other.
        second: u32,
    },
    /// Uploads are missing or more than there are sites.
    #[error("an evaluation needs the upload of each site, once")]
    Incomplete,
    /// A ciphertext is not the one that the manifest names.
    #[error("block {block} of site {site} is damaged or was exchanged")]
    Damaged {
        /// Which site.
        site: u32,
        /// Which block of it.
        block: u64,
    },
    /// What the log says of uploads does not fit the study.
    #[error("entry {index} of the log is not a commitment of this study")]
    Entry {
        /// Which entry.
        index: u64,
    },
    /// See [`EncryptError`].
    #[error(transparent)]
    Encrypt(#[from] EncryptError),
    /// See [`CiphertextError`].
    #[error(transparent)]
    Ciphertext(#[from] CiphertextError),
    /// See [`EvaluateError`].
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// The log cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A site's upload by its digests, signed.
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    study: [u8; 32],
    key: KeyId,
    site: u32,
    blocks: u64,
    /// Bytes of each ciphertext.
    length: u32,
    /// SHA-256 of each ciphertext: the lanes of the first block, then those of the second.
    digests: Vec<[u8; 32]>,
    signature: Signature,
}

impl Manifest {
    fn message(study: &[u8; 32], key: KeyId, site: u32, blocks: u64, length: u32, digests: &[[u8; 32]]) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"mediveil/study/upload/v1\0");
        hash.update(study);
        hash.update(key.0);
        hash.update(site.to_be_bytes());
        hash.update(blocks.to_be_bytes());
        hash.update(length.to_be_bytes());
        digests.iter().for_each(|d| hash.update(d));
        hash.finalize().into()
    }

    /// The upload's name: what the site commits to.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Self::message(&self.study, self.key, self.site, self.blocks, self.length, &self.digests)
    }

    /// The site's number, from 0.
    #[must_use]
    pub const fn site(&self) -> u32 {
        self.site
    }

    /// Blocks of rows.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Bytes of all ciphertexts.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        u64::try_from(self.digests.len()).unwrap_or(u64::MAX).saturating_mul(self.length.into())
    }

    /// Whether it is an upload to this study, by the site that it names.
    ///
    /// # Errors
    /// [`UploadError::Foreign`], [`UploadError::Signature`].
    pub fn check(&self, study: &Study) -> Result<(), UploadError> {
        let lanes = u64::try_from(study.schema().lanes().len()).unwrap_or(u64::MAX);
        let whole = u64::try_from(self.digests.len()).ok() == self.blocks.checked_mul(lanes);
        if self.study != study.id() || self.key != study.key().id() || !whole {
            return Err(UploadError::Foreign { site: self.site });
        }
        let site = usize::try_from(self.site).ok().and_then(|s| study.terms().sites.get(s));
        let site = site.ok_or(UploadError::Foreign { site: self.site })?;
        let signed = site.verifying_key().verify(MANIFEST, &self.digest(), &self.signature);
        signed.map_err(|_| UploadError::Signature { site: self.site })
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manifest").field("site", &self.site).field("blocks", &self.blocks).finish_non_exhaustive()
    }
}

impl Wire for Manifest {
    const TYPE: ObjectType = ObjectType::StudyUpload;
    const MAX_BODY: usize = 256 << 20;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(7).bytes(&self.study).bytes(&self.key.0).u32(self.site).u64(self.blocks).u32(self.length);
        e.list(&self.digests, |e, d| {
            e.bytes(d);
        });
        e.bytes(&self.signature.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(7)?;
        let (study, key) = (d.byte_array()?, KeyId(d.byte_array()?));
        let (site, blocks, length) = (d.u32()?, d.u64()?, d.u32()?);
        let digests = d.list(8 << 20, Decoder::byte_array)?;
        let signature = decode_signature(d)?;
        Ok(Self { study, key, site, blocks, length, digests, signature })
    }
}

pub(crate) fn decode_signature(d: &mut Decoder<'_>) -> Result<Signature, DecodeError> {
    let signature = d.byte_array::<{ Signature::LEN }>()?;
    Signature::from_bytes(&signature).map_err(|_| d.invalid("not a P-256 signature"))
}

/// A site's promise to upload exactly this, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    study: [u8; 32],
    site: u32,
    manifest: [u8; 32],
    signature: Signature,
}

impl Commitment {
    fn message(study: &[u8; 32], site: u32, manifest: &[u8; 32]) -> Vec<u8> {
        [&study[..], &site.to_be_bytes(), manifest].concat()
    }

    /// The commitment to a manifest, by the site's identity.
    #[must_use]
    pub fn new(manifest: &Manifest, site: &Identity) -> Self {
        let digest = manifest.digest();
        let signature = site.sign(COMMITMENT, &Self::message(&manifest.study, manifest.site, &digest));
        Self { study: manifest.study, site: manifest.site, manifest: digest, signature }
    }

    /// The site's number, from 0.
    #[must_use]
    pub const fn site(&self) -> u32 {
        self.site
    }

    fn check(&self, study: &Study) -> Result<(), UploadError> {
        let foreign = UploadError::Foreign { site: self.site };
        if self.study != study.id() {
            return Err(foreign);
        }
        let site = usize::try_from(self.site).ok().and_then(|s| study.terms().sites.get(s)).ok_or(foreign)?;
        let message = Self::message(&self.study, self.site, &self.manifest);
        let signed = site.verifying_key().verify(COMMITMENT, &message, &self.signature);
        signed.map_err(|_| UploadError::Signature { site: self.site })
    }
}

impl Wire for Commitment {
    const TYPE: ObjectType = ObjectType::StudyCommitment;
    const MAX_BODY: usize = 256;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(&self.study).u32(self.site).bytes(&self.manifest).bytes(&self.signature.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        let (study, site, manifest) = (d.byte_array()?, d.u32()?, d.byte_array()?);
        Ok(Self { study, site, manifest, signature: decode_signature(d)? })
    }
}

/// An entry of the study in its log.
pub(crate) fn entry(study: &Study, now: Timestamp, kind: &str, body: Vec<u8>, actor: Actor) -> Result<Entry, LogError> {
    let kind = Label::new(kind).map_err(|e| LogError::Storage(e.to_string()))?;
    Ok(Entry::new(now, actor, Event::Committee { committee: study.id(), kind, body }))
}

/// The body of an entry of the study, if it is one of this kind.
pub(crate) fn body_of(study: &Study, entry: &Entry, kind: &str) -> Option<Vec<u8>> {
    match &entry.event {
        Event::Committee { committee, kind: found, body } if *committee == study.id() && found.as_str() == kind => {
            Some(body.clone())
        }
        _ => None,
    }
}

fn commitment_key(study: &Study, site: u32) -> UniqueKey {
    UniqueKey::of("study/upload", &[&study.id()[..], &site.to_be_bytes()].concat())
}

impl Study {
    /// Encrypts a site's rows into `out`, one block of rows at a time, and signs the manifest. Keep both from everybody until
    /// [`committed`](Self::committed) says that all sites have committed.
    ///
    /// # Errors
    /// [`UploadError::NotASite`], [`UploadError::Schema`], [`UploadError::TooManyRows`], and failures of `out`.
    pub fn encrypt(
        &self,
        table: &Table,
        site: &Identity,
        out: &mut impl Write,
        rng: &mut (impl CryptoRng + ?Sized),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Manifest, UploadError> {
        let number = self.terms().site(site.public()).ok_or(UploadError::NotASite)?;
        if table.schema() != self.schema() {
            return Err(UploadError::Schema);
        }
        let parameters = self.key().parameters();
        let degree = parameters.degree();
        // A site without rows uploads one empty block, as does a site with one.
        let blocks = parameters.blocks(table.rows()).max(1);
        if blocks > self.terms().max_blocks() {
            return Err(UploadError::TooManyRows { blocks, limit: self.terms().max_blocks() });
        }
        let lanes = self.schema().lanes();
        let mut digests = Vec::new();
        let mut length = 0;
        for block in 0..blocks {
            for lane in &lanes {
                let values = table.lane(*lane, block, degree);
                let ciphertext = self.key().encrypt(&values, self.schema().lane_bounds(*lane), rng)?;
                let bytes = ciphertext.to_encoded(self.key()).encode();
                digests.push(Sha256::digest(&bytes).into());
                length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                out.write_all(&bytes)?;
            }
            progress(block.saturating_add(1), blocks);
        }
        let (study, key) = (self.id(), self.key().id());
        let message = Manifest::message(&study, key, number, blocks, length, &digests);
        let signature = site.sign(MANIFEST, &message);
        Ok(Manifest { study, key, site: number, blocks, length, digests, signature })
    }

    /// Appends a site's commitment to the log. The same one again is the same entry.
    ///
    /// # Errors
    /// [`UploadError::Duplicate`] if the site has committed to something else, [`UploadError::Foreign`],
    /// [`UploadError::Signature`].
    pub fn commit(&self, log: &Log, commitment: &Commitment, now: Timestamp) -> Result<u64, UploadError> {
        commitment.check(self)?;
        let site = commitment.site;
        let actor = usize::try_from(site).ok().and_then(|s| self.terms().sites.get(s)).map(|s| *s.verifying_key());
        let actor = actor.map_or(Actor::SYSTEM, |key| Actor::of(&key));
        let entry = entry(self, now, "upload", commitment.encode(), actor)?.keyed(commitment_key(self, site));
        match log.append(&entry) {
            Ok(appended) => Ok(appended.index),
            Err(LogError::KeyTaken { .. }) => Err(UploadError::Duplicate { site }),
            Err(other) => Err(other.into()),
        }
    }

    /// The commitments of all sites, in their order.
    ///
    /// # Errors
    /// [`UploadError::Uncommitted`] if one is missing, [`UploadError::Entry`] if what the log has is not one.
    pub fn committed(&self, log: &Log) -> Result<Vec<Commitment>, UploadError> {
        if log.id() != self.terms().log {
            return Err(LogError::OtherLog { expected: self.terms().log, found: log.id() }.into());
        }
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for site in 0..u32::try_from(self.terms().sites.len()).unwrap_or(u32::MAX) {
            let Some(record) = log.find(&commitment_key(self, site))? else {
                missing.push(site);
                continue;
            };
            let refuse = UploadError::Entry { index: record.index };
            let entry = record.entry().map_err(LogError::from)?;
            let commitment = body_of(self, &entry, "upload").and_then(|b| Commitment::decode(&b).ok()).ok_or(refuse)?;
            commitment.check(self)?;
            if commitment.site != site {
                return Err(UploadError::Entry { index: record.index });
            }
            found.push(commitment);
        }
        if missing.is_empty() { Ok(found) } else { Err(UploadError::Uncommitted { sites: missing }) }
    }

    /// Whether an upload may be shown and used: all sites have committed, and this is what its site committed to.
    ///
    /// # Errors
    /// [`UploadError`].
    pub fn admit(&self, log: &Log, manifest: &Manifest) -> Result<(), UploadError> {
        let committed = self.committed(log)?;
        manifest.check(self)?;
        let promised = usize::try_from(manifest.site).ok().and_then(|s| committed.get(s));
        if promised.is_some_and(|c| c.manifest == manifest.digest()) {
            return Ok(());
        }
        Err(UploadError::OtherUpload { site: manifest.site })
    }

    /// Accepts the uploads of all sites, in any order.
    ///
    /// # Errors
    /// [`UploadError`]: duplicates, copies, uploads to other studies, and what no site has committed to.
    pub fn accept(&self, log: &Log, mut uploads: Vec<Upload>) -> Result<Uploads, UploadError> {
        uploads.sort_by_key(|u| u.manifest.site);
        if uploads.len() != self.terms().sites.len() {
            return Err(UploadError::Incomplete);
        }
        let mut seen: std::collections::HashMap<&[u8; 32], u32> = std::collections::HashMap::new();
        for (number, upload) in (0u32..).zip(&uploads) {
            let manifest = &upload.manifest;
            self.admit(log, manifest)?;
            if manifest.site != number {
                return Err(UploadError::Incomplete);
            }
            for digest in &manifest.digests {
                if let Some(first) = seen.insert(digest, number) {
                    return Err(UploadError::Copied { first, second: number });
                }
            }
        }
        let blocks = uploads.iter().fold(0u64, |n, u| n.saturating_add(u.manifest.blocks));
        if blocks > self.terms().max_blocks() {
            return Err(UploadError::TooManyRows { blocks, limit: self.terms().max_blocks() });
        }
        let mut hash = Sha256::new_with_prefix(b"mediveil/study/uploads/v1\0");
        uploads.iter().for_each(|u| hash.update(u.manifest.digest()));
        let places: BTreeSet<Lane> = self.schema().lanes().into_iter().collect();
        Ok(Uploads { uploads, blocks, lanes: places.len(), digest: hash.finalize().into() })
    }
}

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Memory(Arc<[u8]>),
}

/// A site's upload: its manifest, and where its ciphertexts are.
#[derive(Clone)]
pub struct Upload {
    manifest: Manifest,
    source: Source,
}

impl Upload {
    /// An upload whose ciphertexts are in a file, of which parts are read as they are needed.
    #[must_use]
    pub const fn in_file(manifest: Manifest, path: PathBuf) -> Self {
        Self { manifest, source: Source::File(path) }
    }

    /// An upload whose ciphertexts are in memory.
    #[must_use]
    pub fn in_memory(manifest: Manifest, blocks: Vec<u8>) -> Self {
        Self { manifest, source: Source::Memory(blocks.into()) }
    }

    /// The manifest.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn read(&self, at: u64) -> io::Result<Vec<u8>> {
        let length = self.manifest.length;
        let start = at.saturating_mul(length.into());
        match &self.source {
            Source::File(path) => {
                let mut file = std::fs::File::open(path)?;
                file.seek(SeekFrom::Start(start))?;
                let mut bytes = Vec::new();
                file.take(length.into()).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
            Source::Memory(all) => {
                let start = usize::try_from(start).unwrap_or(usize::MAX);
                let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
                Ok(all.get(start..end.min(all.len())).unwrap_or_default().to_vec())
            }
        }
    }

    /// One ciphertext, seen to be the one that the manifest names, fresh and of this study's key.
    fn load(&self, study: &Study, block: u64, lane: usize, lanes: usize) -> Result<Ciphertext, UploadError> {
        let damaged = || UploadError::Damaged { site: self.manifest.site, block };
        let lanes = u64::try_from(lanes).unwrap_or(u64::MAX);
        let at = block.saturating_mul(lanes).saturating_add(u64::try_from(lane).unwrap_or(u64::MAX));
        let named = usize::try_from(at).ok().and_then(|at| self.manifest.digests.get(at)).ok_or_else(damaged)?;
        let bytes = self.read(at)?;
        if Sha256::digest(&bytes).as_slice() != named {
            return Err(damaged());
        }
        let encoded = EncodedCiphertext::decode(&bytes).map_err(|_| damaged())?;
        let ciphertext = study.key().load(&encoded)?;
        // More noise than encryption makes would cost everybody's room.
        if *ciphertext.noise() != study.key().noise().fresh() {
            return Err(damaged());
        }
        Ok(ciphertext)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("manifest", &self.manifest).finish_non_exhaustive()
    }
}

/// The uploads of all sites, accepted. [`Study::accept`] makes it.
#[derive(Clone, Debug)]
pub struct Uploads {
    uploads: Vec<Upload>,
    blocks: u64,
    lanes: usize,
    digest: [u8; 32],
}

impl Uploads {
    /// Blocks of all sites; an evaluation numbers them through, site after site.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The name of them all: SHA-256 of the manifests.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The ciphertext of a lane in a block.
    pub(crate) fn load(&self, study: &Study, block: u64, lane: usize) -> Result<Ciphertext, UploadError> {
        let mut within = block;
        for upload in &self.uploads {
            match within.checked_sub(upload.manifest.blocks) {
                Some(rest) => within = rest,
                None => return upload.load(study, within, lane, self.lanes),
            }
        }
        Err(UploadError::Incomplete)
    }
}
