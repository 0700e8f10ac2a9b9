//! Files around proofs: what a verifier asks for, and the answer to a query over a table.
//!
//! A verifier writes a [`Request`] (JSON, for people and programs): the statement, a scope, a fresh challenge and what is to
//! be proved. The prover proves exactly that; the verifier makes the public part anew from its own request and the
//! registries that it trusts, and takes nothing but the nullifier from the proof file. The files that issuers and
//! providers hand out are in [`mediveil_circuits::forms`].

mod request;

pub use request::{ClaimRequest, IdentityRequest, Literal, RecordRequest, Request, RequestError, StatisticsRequest};

use crate::{Proof, ProveError, ProvingKey, VerifyError, VerifyingKey};
use ark_bn254::Fr;
use mediveil_circuits::forms::TableCommitment;
use mediveil_circuits::statistics::{CHUNK, MAX_ROWS, Query, Statistics, Table, Totals, chunks_of};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use rand_core::CryptoRng;

const MAX_CHUNKS: usize = MAX_ROWS / CHUNK;

/// The totals of a query with a commitment and a proof for each chunk of the table.
///
/// It opens *exact* totals, which tell about single rows when asked often or of few rows. Who may see them is for their
/// keeper to decide; what is published belongs under differential privacy (`mediveil-dp`).
#[derive(Clone, Debug)]
pub struct StatisticsAnswer {
    totals: Totals,
    chunks: Vec<(Fr, Proof<Statistics>)>,
}

impl StatisticsAnswer {
    /// The answer with these parts; `None` without a chunk or with more than a table has.
    #[must_use]
    pub fn from_parts(totals: Totals, chunks: Vec<(Fr, Proof<Statistics>)>) -> Option<Self> {
        (1..=MAX_CHUNKS).contains(&chunks.len()).then_some(Self { totals, chunks })
    }

    /// Answers a query and proves every chunk of it. `progress` is told how many are done.
    ///
    /// # Errors
    /// [`ProveError`].
    pub fn prove(
        key: &ProvingKey<Statistics>,
        table: &Table,
        query: &Query,
        rng: &mut (impl CryptoRng + ?Sized),
        mut progress: impl FnMut(usize),
    ) -> Result<Self, ProveError> {
        let (parts, totals) = table.chunks(query, rng);
        let mut chunks = Vec::with_capacity(parts.len());
        for (public, witness) in &parts {
            chunks.push((public.after, key.prove(public, witness, rng)?));
            progress(chunks.len());
        }
        Ok(Self { totals, chunks })
    }

    /// The totals, if every chunk of this table is there, in order, and proved for this query. `rng` draws the weights of the
    /// batch.
    ///
    /// # Errors
    /// [`VerifyError::Refused`].
    pub fn verify(
        &self,
        key: &VerifyingKey<Statistics>,
        table: &TableCommitment,
        query: &Query,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<&Totals, VerifyError> {
        let commitments: Vec<Fr> = self.chunks.iter().map(|(commitment, _)| *commitment).collect();
        let publics = chunks_of(table.root(), table.rows(), query, &commitments, &self.totals);
        let publics = publics.ok_or(VerifyError::Refused)?;
        let batch: Vec<_> =
            publics.into_iter().zip(&self.chunks).map(|(public, (_, proof))| (public, proof.clone())).collect();
        key.verify_batch(&batch, rng).map_err(|e| e.why)?;
        Ok(&self.totals)
    }

    /// The totals as stated, not verified.
    #[must_use]
    pub const fn unverified_totals(&self) -> &Totals {
        &self.totals
    }

    /// The chunks' proofs.
    #[must_use]
    pub fn chunks(&self) -> &[(Fr, Proof<Statistics>)] {
        &self.chunks
    }
}

impl PartialEq for StatisticsAnswer {
    fn eq(&self, other: &Self) -> bool {
        let mut pairs = self.chunks.iter().zip(&other.chunks);
        self.totals == other.totals
            && self.chunks.len() == other.chunks.len()
            && pairs.all(|((a, p), (b, q))| a == b && p.ark() == q.ark())
    }
}

impl Wire for StatisticsAnswer {
    const TYPE: ObjectType = ObjectType::StatisticsAnswer;
    const MAX_BODY: usize = 1 << 16;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        let Totals { count, sum, squares, blind } = &self.totals;
        e.array(5).u64(*count).bytes(&sum.to_be_bytes()).bytes(&squares.to_be_bytes());
        e.bytes(&crate::points::element_bytes(blind));
        e.list(&self.chunks, |e, (commitment, proof)| {
            e.array(2).bytes(&crate::points::element_bytes(commitment)).bytes(&proof.to_bytes());
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let element = |d: &mut Decoder<'_>| {
            let bytes = d.byte_array()?;
            crate::points::element(&bytes).ok_or_else(|| d.invalid("not an element of the field"))
        };
        d.tuple(5)?;
        let count = d.u64()?;
        let (sum, squares) = (u128::from_be_bytes(d.byte_array()?), u128::from_be_bytes(d.byte_array()?));
        let totals = Totals { count, sum, squares, blind: element(d)? };
        let chunks = d.list(MAX_CHUNKS, |d| {
            d.tuple(2)?;
            let commitment = element(d)?;
            let proof = Proof::from_bytes(d.bytes(Proof::<()>::LEN)?);
            Ok((commitment, proof.ok_or_else(|| d.invalid("a point that is not in its group"))?))
        })?;
        Self::from_parts(totals, chunks).ok_or_else(|| d.invalid("an answer without chunks"))
    }
}
