//! What was opened, for those who did not make the request.
//!
//! Members sign their parts over the request's digest. A record holds everything that goes into that digest, and the public
//! constant of each opened sample; with the parts it lets anybody who has the committee's key, and no ciphertext, add up the
//! released numbers again and see that a whole quorum signed for exactly these.

use crate::key::{CommitteeKey, KeyId};
use crate::noise::Noise;
use crate::opening::combine::gather;
use crate::opening::request::{Asked, digest_of};
use crate::opening::share::{Garbage, decode};
use crate::opening::{Epoch, OpenError, Opening, PartialDecryption, Request};
use crate::parameters::Parameters;
use crate::shamir::for_rows;
use fhe_math::zq::Modulus;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use num_bigint::BigUint;

/// The public part of a request that opens slot sums. [`Request::record`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningRecord {
    epoch: Epoch,
    purpose: [u8; 32],
    smudging_bits: u64,
    /// For each ciphertext its digest and its constant coefficient, one residue a prime.
    sums: Vec<([u8; 32], Vec<u64>)>,
}

impl OpeningRecord {
    pub(super) fn assemble(
        epoch: Epoch,
        purpose: [u8; 32],
        smudging_bits: u64,
        sums: Vec<([u8; 32], Vec<u64>)>,
    ) -> Self {
        Self { epoch, purpose, smudging_bits, sums }
    }

    /// The key that was opened under.
    #[must_use]
    pub const fn key(&self) -> KeyId {
        self.epoch.key
    }

    /// The quorum and its number.
    #[must_use]
    pub const fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// What the request rested on.
    #[must_use]
    pub const fn purpose(&self) -> &[u8; 32] {
        &self.purpose
    }

    /// Digests of the ciphertexts, in the order of the numbers.
    pub fn ciphertexts(&self) -> impl ExactSizeIterator<Item = &[u8; 32]> {
        self.sums.iter().map(|(digest, _)| digest)
    }

    /// The digest of the request: what the quorum signed.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let (digests, constants): (Vec<_>, Vec<_>) = self.sums.iter().cloned().unzip();
        digest_of(&self.epoch, &self.purpose, &Opening::SlotSum, self.smudging_bits, &digests, &constants)
    }

    /// The opened numbers, as [`combine`](crate::opening::combine) gives them to those who have the request.
    ///
    /// # Errors
    /// [`OpenError::Request`] if the record is of another key; otherwise as [`combine`](crate::opening::combine).
    pub fn combine(&self, key: &CommitteeKey, parts: &[PartialDecryption]) -> Result<Vec<i64>, OpenError> {
        if self.epoch.key != key.id() {
            return Err(OpenError::Request("the record belongs to another key"));
        }
        // A decoded epoch is only now seen beside its key.
        Epoch::new(key, self.epoch.number(), self.epoch.quorum())?;
        let parameters = key.parameters();
        let moduli = parameters.moduli();
        let in_ring = |c: &Vec<u64>| c.len() == moduli.len() && c.iter().zip(moduli).all(|(c, q)| c < q);
        if !self.sums.iter().all(|(_, constant)| in_ring(constant)) {
            return Err(OpenError::Request("the record is of another ring"));
        }
        let asked =
            Asked { key, quorum: self.epoch.quorum(), digest: &self.digest(), ciphertexts: self.sums.len(), width: 1 };
        let rows = gather(&asked, parts)?;
        let residual = self.residual();
        let slots = parameters.slots();
        let degree = slots.plaintext().reduce(u64::from(parameters.degree()));
        let mut numbers = Vec::with_capacity(self.sums.len());
        for (at, (_, constant)) in self.sums.iter().enumerate() {
            let mut phase = constant.clone();
            for part in rows.iter().filter_map(|member| member.get(at)) {
                for_rows(&mut phase, part, parameters.context().moduli_operators(), Modulus::add);
            }
            let opened = decode(&phase, parameters, &residual)?.map_err(|Garbage| OpenError::Garbage)?;
            numbers.extend(opened.iter().map(|x| slots.centre(slots.plaintext().mul(*x, degree))));
        }
        Ok(numbers)
    }

    /// The smudging of all members and the ciphertext's noise, which is below the smudging of one.
    fn residual(&self) -> Noise {
        let members = u64::try_from(self.epoch.quorum().len()).unwrap_or(u64::MAX).saturating_add(1);
        Noise(((BigUint::from(1u32) << self.smudging_bits) + 1u32) * members)
    }
}

impl Wire for OpeningRecord {
    const TYPE: ObjectType = ObjectType::FheOpening;
    const MAX_BODY: usize = 2 << 20;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(&self.epoch.encode()).bytes(&self.purpose).u64(self.smudging_bits);
        e.list(&self.sums, |e, (digest, constant)| {
            e.array(2).bytes(digest).list(constant, |e, c| {
                e.u64(*c);
            });
        });
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        let epoch = d.bytes(Epoch::MAX_BODY)?;
        let epoch = Epoch::decode(epoch).map_err(|_| d.invalid("not an epoch"))?;
        let purpose = d.byte_array()?;
        let smudging_bits = d.u64()?;
        // No modulus is longer.
        if smudging_bits > 1024 {
            return Err(d.invalid("more smudging than any modulus holds"));
        }
        let sums = d.list(Request::MAX_CIPHERTEXTS, |d| {
            d.tuple(2)?;
            Ok((d.byte_array()?, d.list(Parameters::MAX_PRIMES, Decoder::u64)?))
        })?;
        Ok(Self { epoch, purpose, smudging_bits, sums })
    }
}
