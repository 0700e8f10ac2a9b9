//! What a site or a member gives to a round: a vector under a key of its own, and that key in sealed shares.
//!
//! The vector itself, megabytes of it, goes to the server; the signed [`Contribution`] names it by digest and goes to
//! everybody. Its own digest stands in the log, once for each contributor and round: whoever sends something else later sends it
//! in vain. Nobody can contribute a copy of another's vector, because shares are sealed under the contributor's own number
//! and the vector's digest, and a vector without shares of its key opens nothing.
//!
//! Members contribute noise: each of them the *full* planned discrete Gaussian, under a key of its own. Fewer than `needed`
//! members may be dishonest, so among `needed` noises is an honest one, which alone meets the price; accuracy counts all.

use crate::error::{FederateError, VectorRefused};
use crate::round::Round;
use crate::terms::{Federation, Unit};
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};
use mediveil_dp::Budget;
use mediveil_fhe::vector::{EncryptedVector, KeyShare, OneTimeKey};
use mediveil_ledger::{Actor, Log, LogError, UniqueKey};
use mediveil_seal::identity::{Identity, PublicIdentity, Signature};
use mediveil_seal::{Opener, Sealer};
use rand_core::CryptoRng;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

const PURPOSE: &str = "federate/contribution/v1";

/// Told how many of how many entries have their noise.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// Who contributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Contributor {
    /// The site of this number, from 0: a vector.
    Site(u32),
    /// The member of this number, from 1: noise.
    Member(u32),
}

impl fmt::Display for Contributor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Site(number) => write!(f, "site {number}"),
            Self::Member(number) => write!(f, "member {number}"),
        }
    }
}

impl Contributor {
    /// The same as a name of files: `site-0`, `member-1`.
    #[must_use]
    pub fn name(self) -> String {
        self.to_string().replace(' ', "-")
    }

    /// Its code in names and digests.
    pub(crate) const fn code(self) -> [u8; 5] {
        let (kind, number) = match self {
            Self::Site(n) => (0, n),
            Self::Member(n) => (1, n),
        };
        let [a, b, c, d] = number.to_be_bytes();
        [kind, a, b, c, d]
    }

    pub(crate) fn encode(self, e: &mut Encoder<'_>) {
        let (kind, number) = match self {
            Self::Site(n) => (0, n),
            Self::Member(n) => (1, n),
        };
        e.array(2).u8(kind).u32(number);
    }

    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        match (d.u8()?, d.u32()?) {
            (0, number) if number < 64 => Ok(Self::Site(number)),
            (1, number) if (1..=64).contains(&number) => Ok(Self::Member(number)),
            _ => Err(d.invalid("not a contributor")),
        }
    }
}

/// A site's vector: the sum of its clipped vectors, in grid steps. [`Federation::gather`] makes it.
#[derive(Clone, PartialEq, Eq)]
pub struct SiteSum {
    sums: Vec<i64>,
    vectors: u32,
    cut: u32,
}

impl SiteSum {
    /// How many vectors are in it. Patient data: not for publication.
    #[must_use]
    pub const fn vectors(&self) -> u32 {
        self.vectors
    }

    /// How many of them had to be cut. Patient data: not for publication.
    #[must_use]
    pub const fn cut(&self) -> u32 {
        self.cut
    }

    /// The entries, in grid steps. Patient data: not for publication.
    #[must_use]
    pub fn sums(&self) -> &[i64] {
        &self.sums
    }
}

impl fmt::Debug for SiteSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SiteSum")
    }
}

/// A contributor's signed word on its vector, with the shares of its key for all members.
#[derive(Clone, PartialEq, Eq)]
pub struct Contribution {
    round: [u8; 32],
    contributor: Contributor,
    /// SHA-256 of the encoded vector.
    vector: [u8; 32],
    /// For each member in turn, a sealed file.
    shares: Vec<Vec<u8>>,
    signature: Signature,
}

impl Contribution {
    /// Who contributes.
    #[must_use]
    pub const fn contributor(&self) -> Contributor {
        self.contributor
    }

    /// The name of the round.
    #[must_use]
    pub const fn round(&self) -> &[u8; 32] {
        &self.round
    }

    fn message(round: &[u8; 32], contributor: Contributor, vector: &[u8; 32], shares: &[Vec<u8>]) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"mediveil/federate/contribution/v1\0");
        hash.update(round);
        hash.update(contributor.code());
        hash.update(vector);
        for share in shares {
            hash.update((share.len() as u64).to_be_bytes());
            hash.update(share);
        }
        hash.finalize().into()
    }

    /// Its name: what the log has of it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Self::message(&self.round, self.contributor, &self.vector, &self.shares)
    }

    /// Bytes of its sealed shares.
    #[must_use]
    pub fn share_bytes(&self) -> usize {
        self.shares.iter().map(Vec::len).sum()
    }
}

impl fmt::Debug for Contribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contribution").field("contributor", &self.contributor).finish_non_exhaustive()
    }
}

pub(crate) fn decode_signature(d: &mut Decoder<'_>) -> Result<Signature, DecodeError> {
    let signature = d.byte_array::<{ Signature::LEN }>()?;
    Signature::from_bytes(&signature).map_err(|_| d.invalid("not a P-256 signature"))
}

impl Wire for Contribution {
    const TYPE: ObjectType = ObjectType::FederateContribution;
    const MAX_BODY: usize = 16 << 20;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(5).bytes(&self.round);
        self.contributor.encode(e);
        e.bytes(&self.vector).list(&self.shares, |e, share| {
            e.bytes(share);
        });
        e.bytes(&self.signature.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(5)?;
        let round = d.byte_array()?;
        let contributor = Contributor::decode(d)?;
        let vector = d.byte_array()?;
        let shares = d.list(64, |d| Ok(d.bytes(1 << 18)?.to_vec()))?;
        Ok(Self { round, contributor, vector, shares, signature: decode_signature(d)? })
    }
}

/// A contribution with its vector: what a contributor sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The signed word.
    pub contribution: Contribution,
    /// The vector.
    pub vector: EncryptedVector,
}

/// What a sealed share is bound to.
fn binding(round: &[u8; 32], contributor: Contributor, vector: &[u8; 32], member: u32) -> Vec<u8> {
    let mut binding = b"mediveil/federate/share/v1\0".to_vec();
    binding.extend_from_slice(round);
    binding.extend_from_slice(&contributor.code());
    binding.extend_from_slice(vector);
    binding.extend_from_slice(&member.to_be_bytes());
    binding
}

impl Federation {
    /// Clips, rounds and adds up a site's vectors: one for each patient, or one in all where the unit is the site.
    ///
    /// # Errors
    /// [`VectorRefused`] for more vectors than declared, another length, and entries that are not numbers.
    pub fn gather<V: AsRef<[f64]>>(&self, vectors: impl IntoIterator<Item = V>) -> Result<SiteSum, VectorRefused> {
        let terms = self.terms();
        let expected = usize::try_from(terms.entries).unwrap_or(usize::MAX);
        let limit = if terms.unit == Unit::Patient { terms.max_patients } else { 1 };
        let mut sum = SiteSum { sums: vec![0; expected], vectors: 0, cut: 0 };
        for vector in vectors {
            let vector = vector.as_ref();
            if vector.len() != expected {
                return Err(VectorRefused::Length { found: vector.len(), expected });
            }
            if sum.vectors >= limit {
                return Err(VectorRefused::TooMany { limit });
            }
            let (steps, cut) = terms.grid.quantise(vector)?;
            for (to, step) in sum.sums.iter_mut().zip(steps) {
                *to = to.saturating_add(step);
            }
            sum.vectors = sum.vectors.saturating_add(1);
            sum.cut = sum.cut.saturating_add(cut.into());
        }
        Ok(sum)
    }

    /// A sum of `vectors` vectors that were clipped and rounded elsewhere, refused where clipped vectors cannot have it.
    ///
    /// # Errors
    /// [`VectorRefused`]. What hides within the bounds is not found: the clip of each patient is the site's word.
    pub fn gathered(&self, sums: Vec<i64>, vectors: u32) -> Result<SiteSum, VectorRefused> {
        let terms = self.terms();
        let expected = usize::try_from(terms.entries).unwrap_or(usize::MAX);
        if sums.len() != expected {
            return Err(VectorRefused::Length { found: sums.len(), expected });
        }
        let limit = if terms.unit == Unit::Patient { terms.max_patients } else { 1 };
        if vectors > limit {
            return Err(VectorRefused::TooMany { limit });
        }
        // No sum is longer than all its vectors end to end.
        let reach = u128::from(terms.grid.norm()).saturating_mul(vectors.into());
        let each = |v: &i64| u128::from(v.unsigned_abs()).saturating_mul(v.unsigned_abs().into());
        if sums.iter().map(each).fold(0, u128::saturating_add) > reach.saturating_mul(reach) {
            return Err(VectorRefused::Clip);
        }
        Ok(SiteSum { sums, vectors, cut: 0 })
    }

    /// A site's contribution to a round.
    ///
    /// # Errors
    /// [`FederateError::NotOne`] for an identity that is no site; [`FederateError::Foreign`] for a round of another federation.
    pub fn contribute(
        &self,
        round: &Round,
        sum: &SiteSum,
        site: &Identity,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Upload, FederateError> {
        let number = self.terms().site(site.public()).ok_or(FederateError::NotOne("a site"))?;
        self.upload(round, Contributor::Site(number), &sum.sums, site, rng)
    }

    /// A member's noise for a round: the whole planned noise, drawn by opendp on all threads.
    ///
    /// # Errors
    /// [`FederateError::NotOne`] for an identity that is no member; [`FederateError::NotBegun`] for a round that is not paid for.
    pub fn noise(
        &self,
        budget: &Budget,
        round: &Round,
        member: &Identity,
        rng: &mut (impl CryptoRng + ?Sized),
        progress: Progress<'_>,
    ) -> Result<Upload, FederateError> {
        const CHUNK: usize = 1 << 14;
        let number = self.terms().member(member.public()).ok_or(FederateError::NotOne("a member"))?;
        let mut permit = self.permit(budget, round)?;
        let run = permit.run(0)?;
        let entries = usize::try_from(self.terms().entries).unwrap_or(usize::MAX);
        let done = AtomicU64::new(0);
        let total = u64::from(self.terms().entries);
        let draw = |start: usize| {
            let len = entries.saturating_sub(start).min(CHUNK);
            let drawn = run.add_noise(&vec![0; len])?;
            let len = u64::try_from(len).unwrap_or(0);
            progress(done.fetch_add(len, Ordering::Relaxed).saturating_add(len), total);
            Ok(drawn)
        };
        let starts: Vec<usize> = (0..entries).step_by(CHUNK).collect();
        let noise = starts.into_par_iter().map(draw).collect::<Result<Vec<_>, FederateError>>()?.concat();
        self.upload(round, Contributor::Member(number), &noise, member, rng)
    }

    pub(crate) fn upload(
        &self,
        round: &Round,
        contributor: Contributor,
        values: &[i64],
        identity: &Identity,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Upload, FederateError> {
        if round.federation != self.id() {
            return Err(FederateError::Foreign { contributor });
        }
        let id = round.id();
        let key = OneTimeKey::generate(self.plan().vector(), rng);
        let shares = key.share(self.terms().needed, self.members(), rng)?;
        let vector = key.encrypt(&id, values, rng)?;
        let digest = Sha256::digest(vector.encode()).into();
        let mut sealed = Vec::with_capacity(shares.len());
        for (share, to) in shares.iter().zip(&self.terms().members) {
            let failed = |_| FederateError::Seal { member: share.member() };
            let binding = binding(&id, contributor, &digest, share.member());
            let sealer = Sealer::new().context(&binding).map_err(failed)?;
            sealed.push(sealer.to(to.preferred_sealing_key()).seal(&share.encode_secret(), rng).map_err(failed)?);
        }
        let signature = identity.sign(PURPOSE, &Contribution::message(&id, contributor, &digest, &sealed));
        let contribution = Contribution { round: id, contributor, vector: digest, shares: sealed, signature };
        Ok(Upload { contribution, vector })
    }

    fn who(&self, contributor: Contributor) -> Option<&PublicIdentity> {
        match contributor {
            Contributor::Site(n) => self.terms().sites.get(usize::try_from(n).ok()?),
            Contributor::Member(n) => self.terms().members.get(usize::try_from(n.checked_sub(1)?).ok()?),
        }
    }

    /// Whether a contribution is one to this round, signed by who it names.
    ///
    /// # Errors
    /// [`FederateError::Foreign`], [`FederateError::Signature`].
    pub fn check_contribution(&self, round: &Round, contribution: &Contribution) -> Result<(), FederateError> {
        let contributor = contribution.contributor;
        let foreign = FederateError::Foreign { contributor };
        if round.federation != self.id()
            || contribution.round != round.id()
            || contribution.shares.len() != self.terms().members.len()
        {
            return Err(foreign);
        }
        let identity = self.who(contributor).ok_or(foreign)?;
        let signed = identity.verifying_key().verify(PURPOSE, &contribution.digest(), &contribution.signature);
        signed.map_err(|_| FederateError::Signature { contributor })
    }

    /// Reads the vector of a contribution.
    ///
    /// # Errors
    /// [`FederateError::Damaged`] if it is not the one that was signed, or not of the federation's shape.
    pub fn read_vector(&self, contribution: &Contribution, bytes: &[u8]) -> Result<EncryptedVector, FederateError> {
        let damaged = FederateError::Damaged { contributor: contribution.contributor };
        if Sha256::digest(bytes).as_slice() != contribution.vector {
            return Err(damaged);
        }
        match EncryptedVector::decode(bytes) {
            Ok(vector) if vector.fits(self.plan().vector()) => Ok(vector),
            _ => Err(damaged),
        }
    }

    pub(crate) fn contribution_key(round: &[u8; 32], contributor: Contributor) -> UniqueKey {
        UniqueKey::of("federate/contribution", &[&round[..], &contributor.code()].concat())
    }

    /// Puts a contribution into the log, by its digest. The same one again is the same entry.
    ///
    /// # Errors
    /// [`FederateError::Twice`] if something else of this contributor is there; [`FederateError::Closed`]; those of
    /// [`check_contribution`](Self::check_contribution).
    pub fn commit(
        &self,
        log: &Log,
        round: &Round,
        contribution: &Contribution,
        now: Timestamp,
    ) -> Result<(), FederateError> {
        self.check_contribution(round, contribution)?;
        let contributor = contribution.contributor;
        let key = Self::contribution_key(&contribution.round, contributor);
        let body = contribution.digest().to_vec();
        match self.find(log, "contribution", &key)? {
            Some(found) if found == body => return Ok(()),
            Some(_) => return Err(FederateError::Twice { contributor }),
            None => {}
        }
        if self.closing(log, round)?.is_some() {
            return Err(FederateError::Closed);
        }
        let actor = self.who(contributor).map_or(Actor::SYSTEM, |i| Actor::of(i.verifying_key()));
        match log.append(&self.entry(now, "contribution", body, actor, key)?) {
            Ok(_) => Ok(()),
            Err(LogError::KeyTaken { .. }) => Err(FederateError::Twice { contributor }),
            Err(other) => Err(other.into()),
        }
    }

    /// The digest of what a contributor has committed to in a round, if it has. Files of one without an entry are what somebody
    /// left who stopped between the two; nobody counts them, and they may be written anew.
    ///
    /// # Errors
    /// [`FederateError`] where the log cannot be read.
    pub fn committed(
        &self,
        log: &Log,
        round: &Round,
        contributor: Contributor,
    ) -> Result<Option<Vec<u8>>, FederateError> {
        self.find(log, "contribution", &Self::contribution_key(&round.id(), contributor))
    }

    /// Whether the log has this contribution.
    ///
    /// # Errors
    /// [`FederateError::Uncommitted`].
    pub fn check_committed(&self, log: &Log, contribution: &Contribution) -> Result<(), FederateError> {
        let contributor = contribution.contributor;
        let key = Self::contribution_key(&contribution.round, contributor);
        match self.find(log, "contribution", &key)? {
            Some(found) if found == contribution.digest() => Ok(()),
            _ => Err(FederateError::Uncommitted { contributor }),
        }
    }

    /// Opens a member's share of a contribution's key. Members may do so before a round is closed, to say which
    /// contributions cannot be counted.
    ///
    /// # Errors
    /// [`FederateError::Share`] if it does not open or is not the member's.
    pub fn open_share(&self, contribution: &Contribution, member: &Identity) -> Result<KeyShare, FederateError> {
        let contributor = contribution.contributor;
        let number = self.terms().member(member.public()).ok_or(FederateError::NotOne("a member"))?;
        let refuse = || FederateError::Share { contributor };
        let place = number.checked_sub(1).and_then(|n| usize::try_from(n).ok()).ok_or_else(refuse)?;
        let sealed = contribution.shares.get(place).ok_or_else(refuse)?;
        let kem = member.public().preferred_sealing_key().kem();
        let opener: &dyn Opener = member.sealing_key(kem).ok_or_else(refuse)?;
        let opened = mediveil_seal::open(sealed, &[opener]).map_err(|_| refuse())?;
        if opened.context != binding(&contribution.round, contributor, &contribution.vector, number) {
            return Err(refuse());
        }
        let share = KeyShare::decode(&opened.plaintext).map_err(|_| refuse())?;
        if share.member() == number { Ok(share) } else { Err(refuse()) }
    }
}
