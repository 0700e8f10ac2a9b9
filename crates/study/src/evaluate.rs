//! Computing the encrypted answer: on all cores, block by block from files, on one machine or on several.
//!
//! Evaluation is exact arithmetic modulo q without randomness, so whoever repeats it gets the same bytes: this is how members
//! check what they are asked to open. A [`Partial`] holds the encrypted sums over some of the blocks; partials of disjoint
//! blocks merge in any order. When all blocks are in, each cell gets an encryption of zero that is derived from the query's
//! name: the same sum asked in two paid queries is two ciphertexts, and a retry of one query is one.
//!
//! # What the encryption of zero is for, and what not
//! A member's part is `w <c, s> + e`: `s` is its share, `c` a vector that everybody knows, `e` its smudging, and the weight `w` is that of
//! the quorum. Two parts for one `c` under two weights give `<c, s>` exactly, since `e` is short beside the modulus, and as many exact
//! equations as the ring has coefficients, `n`, give the share (eprint 2025/409). That no ciphertext is answered twice is held by the claims
//! of `mediveil-fhe`, by its bytes. But sums are related: the bins of a histogram add up to a count, and the weighted sum
//! of the parts for the bins is a part for the count under another weight. So each cell is moved by `z = (p0 u + e1, p1 u + e2)`, with
//! short `u`, `e1`, `e2` from a hash of study, query, uploads and cell.
//!
//! - *It hides nothing.* The seed is public, and whoever likes takes `z` off again. What must be hidden of a ciphertext, its noise, is
//!   hidden by the smudging of one honest member. `z` adds the noise of one encryption, which the plan counts.
//! - *It keeps the vectors of all cells apart.* `r`-fold sums of cells cancel with short `r` only if those of the `(u, e2)`
//!   do: `2n` equations between short numbers that a hash has chosen. Below `2n` opened numbers (16,384 at the least) there
//!   is such an `r` with negligible probability only. Beyond, there are some, and to find one that is short beside the modulus
//!   is to reduce a lattice of more than `2n` dimensions to a root Hermite factor of some 1.002, which is far out of reach. No more is
//!   claimed: parts are samples of LWE with the share as secret and smudging as error, in directions that nobody can choose at
//!   will, since the text of a query fixes them and each is paid for.
//! - *It does not average smudging away, nor prevent that.* Whoever holds a quorum but for one member and sees one sum in `k` paid queries
//!   has `k` draws of that member's smudging about the same number, which costs log2(k)/2 of its 64 bits.
//! - *It is no fence against a second quorum for one query.* That is refused by the log, and by each member's claim on the ciphertext
//!   where somebody shows different logs to different members.

use crate::plan::Plan;
use crate::terms::Study;
use crate::upload::{UploadError, Uploads, decode_signature};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_fhe::{Bounds, Ciphertext, CiphertextError, EncodedCiphertext, EncryptError, EvaluateError, Evaluator};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{Identity, Signature};
use sha2::{Digest, Sha256};
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

const PURPOSE: &str = "study/answer/v1";

/// Why there is no encrypted answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// An upload cannot be used.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// See [`EvaluateError`].
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// See [`CiphertextError`].
    #[error(transparent)]
    Ciphertext(#[from] CiphertextError),
    /// See [`EncryptError`].
    #[error(transparent)]
    Encrypt(#[from] EncryptError),
    /// The plan is of another study.
    #[error("the plan is of another study")]
    OtherStudy,
    /// The blocks are not blocks of the uploads.
    #[error("there are {blocks} blocks, and the range {from}..{to} is not among them or is empty")]
    Range {
        /// Blocks there are.
        blocks: u64,
        /// The first that was asked for.
        from: u64,
        /// The one after the last.
        to: u64,
    },
    /// Partial results of another query, or of other uploads.
    #[error("the partial results belong to different queries or uploads")]
    Unrelated,
    /// A block would count twice.
    #[error("block {block} is in both partial results and would count twice")]
    Overlap {
        /// Which block.
        block: u64,
    },
    /// Blocks are missing.
    #[error("{missing} of {blocks} blocks are not evaluated yet")]
    Incomplete {
        /// How many are missing.
        missing: u64,
        /// How many there are.
        blocks: u64,
    },
    /// The answer is not signed by an evaluator that the study names.
    #[error("the answer is not signed by an evaluator that the study names")]
    Evaluator,
    /// The answer is not what the plan evaluates to.
    #[error("the encrypted answer is not what this query evaluates to: it is of another query, or was changed")]
    OtherAnswer,
}

/// What partial results and answers are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Subject {
    study: [u8; 32],
    /// SHA-256 of the query's canonical text.
    query: [u8; 32],
    uploads: [u8; 32],
}

impl Subject {
    fn new(study: &Study, plan: &Plan, uploads: &Uploads) -> Result<Self, AnswerError> {
        if *plan.study() != study.id() {
            return Err(AnswerError::OtherStudy);
        }
        let query = Sha256::new_with_prefix(b"mediveil/study/circuit/v1\0").chain_update(plan.query().to_json());
        Ok(Self { study: study.id(), query: query.finalize().into(), uploads: *uploads.digest() })
    }

    fn encode(&self, e: &mut Encoder<'_>) {
        e.array(3).bytes(&self.study).bytes(&self.query).bytes(&self.uploads);
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        Ok(Self { study: d.byte_array()?, query: d.byte_array()?, uploads: d.byte_array()? })
    }

    fn seed(&self, cell: u64) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"mediveil/study/zero/v1\0");
        for part in [&self.study, &self.query, &self.uploads] {
            hash.update(part);
        }
        hash.update(cell.to_be_bytes());
        hash.finalize().into()
    }
}

/// Encrypted sums over some of the blocks.
#[derive(Clone, PartialEq, Eq)]
pub struct Partial {
    subject: Subject,
    /// Disjoint, ascending, not adjacent.
    covered: Vec<(u64, u64)>,
    cells: Vec<EncodedCiphertext>,
}

/// Says how many of how many blocks are done; called from several threads.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

impl Partial {
    /// Blocks that are in it.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.covered.iter().fold(0, |n, (from, to)| n.saturating_add(to.saturating_sub(*from)))
    }

    /// Adds the results of two disjoint sets of blocks.
    ///
    /// # Errors
    /// [`AnswerError::Unrelated`], [`AnswerError::Overlap`].
    pub fn merge(self, other: &Self, study: &Study) -> Result<Self, AnswerError> {
        if self.subject != other.subject || self.subject.study != study.id() || self.cells.len() != other.cells.len() {
            return Err(AnswerError::Unrelated);
        }
        let mut ranges = [self.covered.as_slice(), &other.covered].concat();
        ranges.sort_unstable();
        let mut covered: Vec<(u64, u64)> = Vec::new();
        for (from, to) in ranges {
            match covered.last_mut() {
                Some((_, end)) if from < *end => return Err(AnswerError::Overlap { block: from }),
                Some((_, end)) if from == *end => *end = to,
                _ => covered.push((from, to)),
            }
        }
        let (key, server) = (study.key(), Evaluator::new(study.key())?);
        let mut cells = Vec::with_capacity(self.cells.len());
        for (a, b) in self.cells.iter().zip(&other.cells) {
            cells.push(server.add(&key.load(a)?, &key.load(b)?)?.to_encoded(key));
        }
        Ok(Self { subject: self.subject, covered, cells })
    }
}

impl fmt::Debug for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partial")
            .field("covered", &self.covered)
            .field("cells", &self.cells.len())
            .finish_non_exhaustive()
    }
}

fn encode_cells(e: &mut Encoder<'_>, cells: &[EncodedCiphertext]) {
    e.list(cells, |e, c| {
        e.bytes(&c.encode());
    });
}

fn decode_cells(d: &mut Decoder<'_>) -> Result<Vec<EncodedCiphertext>, DecodeError> {
    d.list(4096, |d| {
        let bytes = d.bytes(EncodedCiphertext::MAX_BODY + 64)?;
        EncodedCiphertext::decode(bytes).map_err(|_| d.invalid("not a ciphertext"))
    })
}

/// Room for a thousand cells of the largest ring.
const MAX_ANSWER: usize = 3 << 30;

impl Wire for Partial {
    const TYPE: ObjectType = ObjectType::StudyPartial;
    const MAX_BODY: usize = MAX_ANSWER;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3);
        self.subject.encode(e);
        e.list(&self.covered, |e, (from, to)| {
            e.array(2).u64(*from).u64(*to);
        });
        encode_cells(e, &self.cells);
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let subject = Subject::decode(d)?;
        let covered = d.list(1 << 20, |d| {
            d.tuple(2)?;
            Ok((d.u64()?, d.u64()?))
        })?;
        let proper = covered.iter().all(|(from, to)| from < to);
        if covered.is_empty() || !proper || !covered.is_sorted_by(|a, b| a.1 < b.0) {
            return Err(d.invalid("ranges of blocks are not in order"));
        }
        Ok(Self { subject, covered, cells: decode_cells(d)? })
    }
}

/// Encrypted sums over all blocks: what the committee opens, one number a cell.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedAnswer {
    subject: Subject,
    cells: Vec<EncodedCiphertext>,
    evaluator: Option<(u32, Signature)>,
}

impl EncryptedAnswer {
    fn message(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"mediveil/study/answer/v1\0");
        for part in [&self.subject.study, &self.subject.query, &self.subject.uploads] {
            hash.update(part);
        }
        for cell in &self.cells {
            hash.update(Sha256::digest(cell.encode()));
        }
        hash.finalize().into()
    }

    /// Signs the answer as one of the study's named evaluators.
    ///
    /// # Errors
    /// [`AnswerError::Evaluator`] if the study does not name this identity.
    pub fn sign(mut self, study: &Study, evaluator: &Identity) -> Result<Self, AnswerError> {
        let id = evaluator.public().id();
        let place = study.terms().evaluators.iter().position(|e| e.id() == id);
        let place = place.and_then(|p| u32::try_from(p).ok()).ok_or(AnswerError::Evaluator)?;
        self.evaluator = Some((place, evaluator.sign(PURPOSE, &self.message())));
        Ok(self)
    }

    /// Whether an evaluator that the study names has signed it.
    ///
    /// # Errors
    /// [`AnswerError::Evaluator`].
    pub fn check_evaluator(&self, study: &Study) -> Result<(), AnswerError> {
        let (place, signature) = self.evaluator.as_ref().ok_or(AnswerError::Evaluator)?;
        let evaluator = usize::try_from(*place).ok().and_then(|p| study.terms().evaluators.get(p));
        let key = evaluator.ok_or(AnswerError::Evaluator)?.verifying_key();
        key.verify(PURPOSE, &self.message(), signature).map_err(|_| AnswerError::Evaluator)
    }

    /// Whether it is the answer to this plan over these uploads, by what it says of itself.
    pub(crate) fn check_subject(&self, study: &Study, plan: &Plan, uploads: &Uploads) -> Result<(), AnswerError> {
        let fits = self.subject == Subject::new(study, plan, uploads)? && self.cells.len() == plan.figures().numbers;
        if fits { Ok(()) } else { Err(AnswerError::OtherAnswer) }
    }

    /// Whether it holds the same ciphertexts.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.subject == other.subject && self.cells == other.cells
    }

    /// The ciphertexts, one a cell.
    ///
    /// # Errors
    /// [`AnswerError::Ciphertext`] if they are of another study's key.
    pub fn ciphertexts(&self, study: &Study) -> Result<Vec<Ciphertext>, AnswerError> {
        self.cells.iter().map(|c| Ok(study.key().load(c)?)).collect()
    }
}

impl fmt::Debug for EncryptedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedAnswer").field("cells", &self.cells.len()).finish_non_exhaustive()
    }
}

impl Wire for EncryptedAnswer {
    const TYPE: ObjectType = ObjectType::StudyAnswer;
    const MAX_BODY: usize = MAX_ANSWER;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3);
        self.subject.encode(e);
        encode_cells(e, &self.cells);
        e.option(self.evaluator.as_ref(), |e, (place, signature)| {
            e.array(2).u32(*place).bytes(&signature.to_bytes());
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let subject = Subject::decode(d)?;
        let cells = decode_cells(d)?;
        let evaluator = d.option(|d| {
            d.tuple(2)?;
            Ok((d.u32()?, decode_signature(d)?))
        })?;
        Ok(Self { subject, cells, evaluator })
    }
}

impl Study {
    /// Evaluates a plan over some of the blocks, counted over all uploads. Reads each needed ciphertext once; in memory are
    /// the blocks in work and one running sum a thread.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn evaluate_blocks(
        &self,
        plan: &Plan,
        uploads: &Uploads,
        blocks: Range<u64>,
        progress: Progress<'_>,
    ) -> Result<Partial, AnswerError> {
        let subject = Subject::new(self, plan, uploads)?;
        let (from, to) = (blocks.start, blocks.end);
        let refused = AnswerError::Range { blocks: uploads.blocks(), from, to };
        if from >= to || to > uploads.blocks() {
            return Err(refused);
        }
        let server = Evaluator::new(self.key())?;
        let done = AtomicU64::new(0);
        let cells = server.sum_blocks(blocks, |block| -> Result<Vec<Ciphertext>, AnswerError> {
            let load = |lane| uploads.load(self, block, lane).map_err(AnswerError::from);
            let cells = plan.resolved.circuit.evaluate(&server, load)?;
            progress(done.fetch_add(1, Ordering::Relaxed).saturating_add(1), to.saturating_sub(from));
            Ok(cells)
        })?;
        let cells = cells.ok_or(refused)?;
        let cells = cells.iter().map(|c| c.to_encoded(self.key())).collect();
        Ok(Partial { subject, covered: vec![(from, to)], cells })
    }

    /// The encrypted answer from a partial result that holds all blocks.
    ///
    /// # Errors
    /// [`AnswerError::Incomplete`], [`AnswerError::Unrelated`].
    pub fn complete(&self, plan: &Plan, uploads: &Uploads, partial: &Partial) -> Result<EncryptedAnswer, AnswerError> {
        if partial.subject != Subject::new(self, plan, uploads)? {
            return Err(AnswerError::Unrelated);
        }
        if partial.covered != [(0, uploads.blocks())] {
            let missing = uploads.blocks().saturating_sub(partial.blocks());
            return Err(AnswerError::Incomplete { missing, blocks: uploads.blocks() });
        }
        let server = Evaluator::new(self.key())?;
        let mut cells = Vec::new();
        for (number, cell) in (0u64..).zip(&partial.cells) {
            let mut cell = self.key().load(cell)?;
            let mut rng = SeededRng::new(partial.subject.seed(number));
            server.add_assign(&mut cell, &self.key().encrypt(&[], Bounds::FLAG, &mut rng)?)?;
            cells.push(cell.to_encoded(self.key()));
        }
        Ok(EncryptedAnswer { subject: partial.subject, cells, evaluator: None })
    }

    /// Evaluates a plan over all blocks.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn evaluate(
        &self,
        plan: &Plan,
        uploads: &Uploads,
        progress: Progress<'_>,
    ) -> Result<EncryptedAnswer, AnswerError> {
        let partial = self.evaluate_blocks(plan, uploads, 0..uploads.blocks(), progress)?;
        self.complete(plan, uploads, &partial)
    }
}
