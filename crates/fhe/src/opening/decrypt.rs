//! A member's part in a request.

use crate::key::CommitteeKey;
use crate::member::MemberKey;
use crate::opening::request::Asked;
use crate::opening::share::{LweSample, finish};
use crate::opening::store::PartialStore;
use crate::opening::{BoxError, OpenError, Opening, Request};
use crate::ring::{self, RingError};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Wire};
use mediveil_seal::identity::{Identity, Signature};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

const PURPOSE: &str = "fhe/partial-decryption/v1";

/// One member's part in opening the ciphertexts of one request, smudged, with its noise for privacy inside, and signed.
/// It may be shown to anybody.
#[derive(Clone, PartialEq, Eq)]
pub struct PartialDecryption {
    request: [u8; 32],
    member: u32,
    /// For each ciphertext the residues of the opened coefficients, prime-major, eight bytes each, little-endian.
    rows: Vec<Vec<u8>>,
    signature: Signature,
}

impl PartialDecryption {
    /// The digest of the request it answers.
    #[must_use]
    pub const fn request(&self) -> &[u8; 32] {
        &self.request
    }

    /// The member who made it.
    #[must_use]
    pub const fn member(&self) -> u32 {
        self.member
    }

    fn message(request: &[u8; 32], member: u32, rows: &[Vec<u8>]) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"mediveil/fhe/partial-decryption/v1\0");
        hash.update(request);
        hash.update(member.to_be_bytes());
        for row in rows {
            hash.update((row.len() as u64).to_be_bytes());
            hash.update(row);
        }
        hash.finalize().into()
    }

    /// The residues of one ciphertext, if they are in range and as many as the request opens.
    pub(super) fn rows(&self, asked: &Asked<'_>) -> Option<Vec<Vec<u64>>> {
        let parameters = asked.key.parameters();
        let expected = asked.width.checked_mul(parameters.moduli().len())?;
        let read = |bytes: &Vec<u8>| {
            let (chunks, rest) = bytes.as_chunks::<8>();
            let words: Vec<u64> = chunks.iter().map(|c| u64::from_le_bytes(*c)).collect();
            let mut rows = words.chunks_exact(asked.width).zip(parameters.moduli());
            let valid = rest.is_empty() && words.len() == expected && rows.all(|(row, q)| row.iter().all(|r| r < q));
            valid.then_some(words)
        };
        if self.rows.len() != asked.ciphertexts {
            return None;
        }
        self.rows.iter().map(read).collect()
    }

    /// Whether it answers this request, is signed by its member, and that member is in the quorum.
    pub(super) fn answers(&self, asked: &Asked<'_>) -> bool {
        let signed = |key: &CommitteeKey| {
            let message = Self::message(&self.request, self.member, &self.rows);
            let member = key.terms().member(self.member)?;
            member.verifying_key().verify(PURPOSE, &message, &self.signature).ok()
        };
        self.request == *asked.digest && asked.quorum.contains(&self.member) && signed(asked.key).is_some()
    }
}

impl MemberKey {
    /// This member's part in `request`: the only way there is to use a share.
    ///
    /// Claims epoch, purpose and ciphertexts in `store`, computes the part, stores it, and returns what is stored. Called
    /// again for the same request, by whatever process, with whatever generator, it returns the same bytes and draws
    /// nothing. `noise` is called at most once, with the number of integers to return
    /// ([`Request::numbers`]): they are added to the released numbers, in their order. For a differentially private release
    /// each member of the quorum adds the full planned noise, so that one honest member is enough.
    ///
    /// # Errors
    /// [`OpenError::Spent`] if the ciphertexts, the purpose or the epoch's number belong to another request;
    /// [`OpenError::NotInQuorum`]; [`OpenError::Noise`] and [`OpenError::NoiseSource`], after which only the same request can
    /// be tried again; [`OpenError::Store`].
    pub fn decrypt(
        &self,
        request: &Request,
        identity: &Identity,
        noise: impl FnOnce(usize) -> Result<Vec<i64>, BoxError>,
        store: &mut (impl PartialStore + ?Sized),
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<PartialDecryption, OpenError> {
        let key = request.key();
        let listed = key.terms().member(self.member()).is_some_and(|m| m.id() == identity.public().id());
        if self.key() != key.id() || !listed || !request.epoch().quorum().contains(&self.member()) {
            return Err(OpenError::NotInQuorum);
        }
        self.claim(request, store)?;
        let stored = match store.load(request.digest())? {
            Some(stored) => stored,
            None => {
                let part = self.compute(request, identity, noise, rng)?;
                store.save(request.digest(), &part.encode())?
            }
        };
        let part = PartialDecryption::decode(&stored).map_err(|_| OpenError::Damaged)?;
        if part.member != self.member() || !part.answers(&request.asked()) {
            return Err(OpenError::Damaged);
        }
        Ok(part)
    }

    /// Claims come before the record: after a cut between the two, nothing was sent and the claims still hold.
    fn claim(&self, request: &Request, store: &mut (impl PartialStore + ?Sized)) -> Result<(), OpenError> {
        let key = request.key().id();
        let name = |kind: &str, what: &[u8]| -> [u8; 32] {
            let mut hash = Sha256::new_with_prefix(b"mediveil/fhe/claim/v1\0");
            hash.update(key.0);
            hash.update(self.member().to_be_bytes());
            hash.update(kind.as_bytes());
            hash.update([0]);
            hash.update(what);
            hash.finalize().into()
        };
        let epoch = request.epoch();
        if store.claim(&name("epoch", &epoch.number().to_be_bytes()), &epoch.id())? != epoch.id() {
            return Err(OpenError::Spent("the number of the epoch"));
        }
        if store.claim(&name("purpose", request.purpose()), request.digest())? != *request.digest() {
            return Err(OpenError::Spent("the purpose"));
        }
        for digest in request.digests() {
            if store.claim(&name("ciphertext", digest), request.digest())? != *request.digest() {
                return Err(OpenError::Spent("a ciphertext"));
            }
        }
        Ok(())
    }

    fn compute(
        &self,
        request: &Request,
        identity: &Identity,
        noise: impl FnOnce(usize) -> Result<Vec<i64>, BoxError>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<PartialDecryption, OpenError> {
        let parameters = request.key().parameters();
        let slots = parameters.slots();
        let noise = Zeroizing::new(noise(request.numbers()).map_err(OpenError::NoiseSource)?);
        let in_range = noise.iter().all(|v| v.unsigned_abs() <= parameters.max_abs());
        if noise.len() != request.numbers() || !in_range {
            return Err(OpenError::Noise { expected: request.numbers() });
        }
        let share = self.share(request.key()).ok_or(OpenError::NotInQuorum)?;
        let secret = match request.opening() {
            Opening::SlotSum => None,
            Opening::Slots(_) => Some(ring::secret(&share, parameters.context())?),
        };
        let mut rows = Vec::with_capacity(request.ciphertexts().len());
        for (ciphertext, noise) in request.ciphertexts().iter().zip(noise.chunks(request.numbers_each().max(1))) {
            let noise = noise.iter().map(|v| slots.reduce(*v));
            let (mut part, units) = match (request.opening(), &secret) {
                (Opening::Slots(open), Some(secret)) => {
                    let mut all = Zeroizing::new(vec![0u64; parameters.slots_per_block()]);
                    for (slot, value) in open.iter().zip(noise) {
                        if let Some(place) = usize::try_from(*slot).ok().and_then(|s| all.get_mut(s)) {
                            *place = value;
                        }
                    }
                    let c1 = ciphertext.inner.get(1).ok_or(RingError)?;
                    let mut c1 = c1.clone();
                    c1.disallow_variable_time_computations();
                    let product = Zeroizing::new(&c1 * &**secret);
                    (ring::residues(&product), slots.encode(all.iter().copied()))
                }
                _ => {
                    let sample = LweSample::constant(ciphertext, parameters)?;
                    let part = sample.product(&share, parameters.context(), parameters.slots_per_block());
                    let t = slots.plaintext();
                    (part, noise.map(|v| t.mul(v, slots.inverse_degree())).collect())
                }
            };
            let units = Zeroizing::new(units);
            let quorum = request.epoch().quorum();
            finish(&mut part, parameters, quorum, self.member(), request.budget(), Some(&units), rng)?;
            rows.push(part.iter().flat_map(|r| r.to_le_bytes()).collect());
        }
        let message = PartialDecryption::message(request.digest(), self.member(), &rows);
        let signature = identity.sign(PURPOSE, &message);
        Ok(PartialDecryption { request: *request.digest(), member: self.member(), rows, signature })
    }
}

impl fmt::Debug for PartialDecryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartialDecryption").field("member", &self.member).finish_non_exhaustive()
    }
}

/// The longest row: 32768 coefficients modulo 16 primes.
const MAX_ROW: usize = 32768 * 16 * 8;

impl Wire for PartialDecryption {
    const TYPE: ObjectType = ObjectType::FhePartialDecryption;
    const MAX_BODY: usize = 256 << 20;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(&self.request).u32(self.member);
        e.list(&self.rows, |e, row| {
            e.bytes(row);
        });
        e.bytes(&self.signature.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        let request = d.byte_array()?;
        let member = d.u32()?;
        if !(1..=64).contains(&member) {
            return Err(d.invalid("members are numbered from 1 to 64"));
        }
        let rows = d.list(Request::MAX_CIPHERTEXTS, |d| Ok(d.bytes(MAX_ROW)?.to_vec()))?;
        let signature = d.byte_array::<{ Signature::LEN }>()?;
        let signature = Signature::from_bytes(&signature).map_err(|_| d.invalid("not a P-256 signature"))?;
        Ok(Self { request, member, rows, signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opening::{Epoch, MemoryStore};
    use crate::ring::Lift;
    use crate::shamir::{for_rows, weight_at};
    use crate::{Bounds, Parameters, testing};
    use fhe_math::zq::Modulus;
    use mediveil_rng::SeededRng;
    use num_bigint::BigUint;

    /// What is left of a part when the weighted share is taken off: the smudging itself, not multiplied by any weight. It
    /// lies in its range, and reaches the upper half of it about half of the time.
    #[test]
    fn smudging_comes_after_the_lagrange_weight() {
        let mut rng = SeededRng::from_u64(1);
        let parameters = Parameters::insecure_for_tests(64, 20, 4).unwrap();
        let (key, members) = testing::committee(&parameters, 5, 3, &mut rng);
        let (member, identity) = &members[4];
        let lift = Lift::new(parameters.context()).unwrap();
        let moduli = parameters.context().moduli_operators();
        let epoch = Epoch::new(&key, 1, &[1, 2, 5]).unwrap();
        let weight = |q: &Modulus| weight_at(q, &[1, 2, 5], 5, 0).unwrap();
        assert!(weight(&moduli[0]) > 1 << 40, "a weight that would show");
        let blocks: Vec<_> =
            (0..64).map(|i| key.encrypt(&[i], Bounds { min: 0, max: 64 }, &mut rng).unwrap()).collect();
        let request = Request::new(&key, &epoch, [1; 32], blocks, Opening::SlotSum).unwrap();
        let zero = |n: usize| Ok(vec![0; n]);
        let part = member.decrypt(&request, identity, zero, &mut MemoryStore::new(), &mut rng).unwrap();
        let limit = BigUint::from(1u32) << request.budget().smudging_bits;
        let mut large = 0;
        for (row, ciphertext) in part.rows(&request.asked()).unwrap().iter().zip(request.ciphertexts()) {
            let share = member.share(&key).unwrap();
            let sample = LweSample::constant(ciphertext, &parameters).unwrap();
            let mut rest = row.clone();
            let product = sample.product(&share, parameters.context(), 64);
            for_rows(&mut rest, &product, moduli, |q, r, p| q.sub(r, q.mul(weight(q), p)));
            let integer = lift.lift(rest.into_iter());
            let size = integer.clone().min(lift.modulus() - integer);
            assert!(size <= limit);
            large += usize::from(size > &limit >> 1u32);
        }
        assert!((16..48).contains(&large), "{large} of 64 in the upper half");
    }
}
