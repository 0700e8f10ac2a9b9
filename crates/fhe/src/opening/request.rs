//! What is to be opened, by whom, and why: everything that a part is bound to.

use crate::ciphertext::Ciphertext;
use crate::evaluate::{check_key, mask};
use crate::key::{CommitteeKey, KeyId};
use crate::noise::OpeningBudget;
use crate::opening::share::constant_residues;
use crate::opening::{OpenError, OpeningRecord};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;

/// A quorum and its number. They are one: a member answers for one quorum under a number, and a new quorum takes a new
/// number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch {
    pub(super) key: KeyId,
    number: u64,
    quorum: Vec<u32>,
}

impl Epoch {
    /// The epoch of exactly as many members as are needed.
    ///
    /// # Errors
    /// [`OpenError::Request`] if members are unknown, repeated, too few or too many.
    pub fn new(key: &CommitteeKey, number: u64, quorum: &[u32]) -> Result<Self, OpenError> {
        let members: BTreeSet<u32> = quorum.iter().copied().collect();
        let known = members.iter().all(|m| key.terms().member(*m).is_some());
        let needed = usize::try_from(key.terms().needed()).unwrap_or(usize::MAX);
        if !known || members.len() != quorum.len() || members.len() != needed {
            return Err(OpenError::Request("a quorum is exactly as many different members as are needed"));
        }
        Ok(Self { key: key.id(), number, quorum: members.into_iter().collect() })
    }

    /// The number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The members, ascending.
    #[must_use]
    pub fn quorum(&self) -> &[u32] {
        &self.quorum
    }

    /// SHA-256 of key, number and quorum.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"mediveil/fhe/epoch/v1\0");
        hash.update(self.key.0);
        hash.update(self.number.to_be_bytes());
        self.quorum.iter().for_each(|m| hash.update(m.to_be_bytes()));
        hash.finalize().into()
    }
}

impl Wire for Epoch {
    const TYPE: ObjectType = ObjectType::FheEpoch;
    const MAX_BODY: usize = 1024;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(3).bytes(&self.key.0).u64(self.number);
        e.list(&self.quorum, |e, m| {
            e.u32(*m);
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(3)?;
        let key = KeyId(d.byte_array()?);
        let number = d.u64()?;
        let quorum = d.list(64, Decoder::u32)?;
        if quorum.len() < 2 || quorum.first() == Some(&0) || !quorum.is_sorted_by(|a, b| a < b) {
            return Err(d.invalid("a quorum is two or more members in ascending order"));
        }
        Ok(Self { key, number, quorum })
    }
}

/// What is opened of each ciphertext.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opening {
    /// The sum of all slots: one number.
    SlotSum,
    /// These slots, ascending; all others are set to zero first.
    Slots(Vec<u32>),
}

/// A request to open ciphertexts, checked. Members make it themselves; it does not travel.
#[derive(Clone)]
pub struct Request {
    key: CommitteeKey,
    epoch: Epoch,
    purpose: [u8; 32],
    opening: Opening,
    /// As registered, before any mask: their digests.
    digests: Vec<[u8; 32]>,
    /// What is opened: masked where a mask applies.
    ciphertexts: Vec<Ciphertext>,
    /// For slot sums: the public part of each sample, one residue a prime.
    constants: Vec<Vec<u64>>,
    budget: OpeningBudget,
    digest: [u8; 32],
}

/// What a part is held against.
pub(super) struct Asked<'a> {
    pub(super) key: &'a CommitteeKey,
    pub(super) quorum: &'a [u32],
    pub(super) digest: &'a [u8; 32],
    pub(super) ciphertexts: usize,
    /// Coefficients opened of each ciphertext.
    pub(super) width: usize,
}

/// The digest of a request: everything that parts are bound to.
pub(super) fn digest_of(
    epoch: &Epoch,
    purpose: &[u8; 32],
    opening: &Opening,
    smudging_bits: u64,
    digests: &[[u8; 32]],
    constants: &[Vec<u64>],
) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(b"mediveil/fhe/request/v1\0");
    hash.update(epoch.id());
    hash.update(purpose);
    match opening {
        Opening::SlotSum => hash.update([0]),
        Opening::Slots(slots) => {
            hash.update([1]);
            hash.update((slots.len() as u64).to_be_bytes());
            slots.iter().for_each(|s| hash.update(s.to_be_bytes()));
        }
    }
    hash.update(smudging_bits.to_be_bytes());
    hash.update((digests.len() as u64).to_be_bytes());
    digests.iter().for_each(|d| hash.update(d));
    constants.iter().flatten().for_each(|c| hash.update(c.to_be_bytes()));
    hash.finalize().into()
}

impl Request {
    /// Most ciphertexts in a request.
    pub const MAX_CIPHERTEXTS: usize = 4096;

    /// The request to open `ciphertexts`, one number (or one set of slots) each, in `epoch`, on the grounds of `purpose`:
    /// a digest of the permit, the query or its log entry. A purpose opens once.
    ///
    /// # Errors
    /// [`OpenError::Budget`] if the noise leaves no room for smudging, [`OpenError::Ciphertext`] for a ciphertext of another
    /// key, [`OpenError::Request`] otherwise.
    pub fn new(
        key: &CommitteeKey,
        epoch: &Epoch,
        purpose: [u8; 32],
        ciphertexts: Vec<Ciphertext>,
        opening: Opening,
    ) -> Result<Self, OpenError> {
        if epoch.key != key.id() {
            return Err(OpenError::Request("the epoch belongs to another key"));
        }
        // A decoded epoch is only now seen beside its key.
        Epoch::new(key, epoch.number, &epoch.quorum)?;
        if ciphertexts.is_empty() || ciphertexts.len() > Self::MAX_CIPHERTEXTS {
            return Err(OpenError::Request("a request opens 1 to 4096 ciphertexts"));
        }
        for ciphertext in &ciphertexts {
            check_key(key, ciphertext)?;
            if ciphertext.inner.len() != 2 {
                return Err(OpenError::Request("a ciphertext has two parts"));
            }
        }
        let digests: Vec<_> = ciphertexts.iter().map(|c| c.digest(key)).collect();
        if digests.iter().collect::<BTreeSet<_>>().len() != digests.len() {
            return Err(OpenError::Request("a ciphertext occurs twice"));
        }
        let (opened, ciphertexts) = prepare(key, &opening, ciphertexts)?;
        let noise = ciphertexts.iter().map(Ciphertext::noise).max().cloned();
        let noise = noise.ok_or(OpenError::Request("a request opens 1 to 4096 ciphertexts"))?;
        let coefficients = opened.saturating_mul(ciphertexts.len() as u64);
        let budget = key.noise().opening(&noise, coefficients, key.terms().needed(), key.terms().smudging())?;
        let constants = match &opening {
            Opening::SlotSum => {
                ciphertexts.iter().map(|c| constant_residues(c, key.parameters())).collect::<Result<Vec<_>, _>>()?
            }
            Opening::Slots(_) => Vec::new(),
        };
        let digest = digest_of(epoch, &purpose, &opening, budget.smudging_bits, &digests, &constants);
        let (key, epoch) = (key.clone(), epoch.clone());
        Ok(Self { key, epoch, purpose, opening, digests, ciphertexts, constants, budget, digest })
    }

    /// What remains of the request for those who did not make it; `None` unless it opens slot sums.
    #[must_use]
    pub fn record(&self) -> Option<OpeningRecord> {
        let sums = self.digests.iter().copied().zip(self.constants.iter().cloned()).collect();
        (self.opening == Opening::SlotSum)
            .then(|| OpeningRecord::assemble(self.epoch.clone(), self.purpose, self.budget.smudging_bits, sums))
    }

    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            key: &self.key,
            quorum: self.epoch.quorum(),
            digest: &self.digest,
            ciphertexts: self.ciphertexts.len(),
            width: self.width(),
        }
    }

    /// SHA-256 of everything in the request: what parts are bound to and signed over.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The committee's key.
    #[must_use]
    pub const fn key(&self) -> &CommitteeKey {
        &self.key
    }

    /// The epoch.
    #[must_use]
    pub const fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// What it rests on.
    #[must_use]
    pub const fn purpose(&self) -> &[u8; 32] {
        &self.purpose
    }

    /// What is opened of each ciphertext.
    #[must_use]
    pub const fn opening(&self) -> &Opening {
        &self.opening
    }

    /// The proof that it fits: smudging and residual bound.
    #[must_use]
    pub const fn budget(&self) -> &OpeningBudget {
        &self.budget
    }

    /// Numbers released: one a ciphertext, or one a slot and ciphertext. Noise comes and results go in this order.
    #[must_use]
    pub fn numbers(&self) -> usize {
        self.ciphertexts.len().saturating_mul(self.numbers_each())
    }

    pub(crate) fn numbers_each(&self) -> usize {
        match &self.opening {
            Opening::SlotSum => 1,
            Opening::Slots(slots) => slots.len(),
        }
    }

    /// Coefficients opened of each ciphertext.
    pub(crate) fn width(&self) -> usize {
        match self.opening {
            Opening::SlotSum => 1,
            Opening::Slots(_) => self.key.parameters().slots_per_block(),
        }
    }

    pub(crate) fn digests(&self) -> &[[u8; 32]] {
        &self.digests
    }

    pub(crate) fn ciphertexts(&self) -> &[Ciphertext] {
        &self.ciphertexts
    }
}

/// Masks what must not be opened; the number of coefficients released of each ciphertext.
fn prepare(
    key: &CommitteeKey,
    opening: &Opening,
    ciphertexts: Vec<Ciphertext>,
) -> Result<(u64, Vec<Ciphertext>), OpenError> {
    let Opening::Slots(slots) = opening else { return Ok((1, ciphertexts)) };
    let degree = key.parameters().degree();
    let in_order = slots.is_sorted_by(|a, b| a < b) && slots.last().is_some_and(|last| *last < degree);
    if !in_order {
        return Err(OpenError::Request("slots are named once each, ascending, below the degree"));
    }
    if slots.len() == key.parameters().slots_per_block() {
        return Ok((u64::from(degree), ciphertexts));
    }
    let masked = ciphertexts.iter().map(|c| mask(key, c, slots)).collect::<Result<_, _>>()?;
    Ok((u64::from(degree), masked))
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("key", &self.key.id())
            .field("epoch", &self.epoch)
            .field("opening", &self.opening)
            .field("ciphertexts", &self.digests.len())
            .finish_non_exhaustive()
    }
}
