//! The states of the ceremony, in order. Each takes all members' messages of its round and gives the next state and this
//! member's next message.

use crate::ceremony::CeremonyError;
use crate::ceremony::message::{CeremonyMessage, collect, commitment};
use crate::ciphertext::Ciphertext;
use crate::key::{CommitteeKey, PublicPolys, Terms};
use crate::member::MemberKey;
use crate::noise::OpeningBudget;
use crate::opening::share::{LweSample, decode, finish, windows};
use crate::ring::{self, RingError};
use crate::shamir::{evaluate, for_rows, on_polynomial};
use fhe_math::rq::{Context, Poly, Representation};
use fhe_math::zq::Modulus;
use mediveil_rng::SeededRng;
use mediveil_seal::identity::Identity;
use mediveil_seal::{Opener, Sealer};
use rand_core::{CryptoRng, Rng};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What every state knows.
struct Base<'a> {
    terms: Terms,
    identity: &'a Identity,
    me: u32,
    transcript: [u8; 32],
    /// This member's own message of the round, which must be among those of the others.
    own: CeremonyMessage,
}

impl Base<'_> {
    fn context(&self) -> &Arc<Context> {
        self.terms.parameters().context()
    }

    fn moduli(&self) -> &[Modulus] {
        self.context().moduli_operators()
    }

    fn degree(&self) -> usize {
        self.terms.parameters().slots_per_block()
    }

    fn seed(&self, use_: &str, index: u32) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"mediveil/fhe/ceremony/seed/v1\0");
        hash.update(self.transcript);
        hash.update(index.to_be_bytes());
        hash.update(use_.as_bytes());
        hash.finalize().into()
    }

    fn collect<'m>(&mut self, messages: &'m [CeremonyMessage]) -> Result<Vec<&'m CeremonyMessage>, CeremonyError> {
        let (ordered, transcript) = collect(&self.terms, self.own.round, &self.transcript, &self.own, messages)?;
        self.transcript = transcript;
        Ok(ordered)
    }

    fn send(&mut self, word: [u8; 32], blobs: Vec<Vec<u8>>) -> CeremonyMessage {
        let round = self.own.round.saturating_add(1);
        self.own = CeremonyMessage::signed(round, self.me, self.transcript, word, blobs, self.identity);
        self.own.clone()
    }

    fn pack(&self, poly: &Poly) -> Vec<u8> {
        ring::pack(poly, self.degree())
    }

    fn unpack(&self, message: &CeremonyMessage, bytes: &[u8]) -> Result<Poly, CeremonyError> {
        ring::unpack(bytes, self.context(), self.degree()).ok_or(CeremonyError::Malformed { member: message.sender })
    }

    /// Adds up the polynomials at place `at` of all messages.
    fn aggregate(&self, messages: &[&CeremonyMessage], at: usize) -> Result<Poly, CeremonyError> {
        let mut sum = Poly::zero(self.context(), Representation::Ntt);
        for message in messages {
            let bytes = message.blobs.get(at).ok_or(CeremonyError::Malformed { member: message.sender })?;
            sum += &self.unpack(message, bytes)?;
        }
        sum.disallow_variable_time_computations();
        Ok(sum)
    }

    /// How often each prime is checked, so that a bad dealing passes with probability below 2^-128.
    fn repetitions(&self) -> usize {
        let bits = self.moduli().iter().map(|q| 63 - q.leading_zeros()).min().unwrap_or(1).max(1);
        usize::try_from(128u32.div_ceil(bits)).unwrap_or(usize::MAX)
    }
}

fn check_commitments(
    reveals: &[&CeremonyMessage],
    commitments: &[[u8; 32]],
    transcript: &[u8; 32],
    polys: usize,
) -> Result<(), CeremonyError> {
    for (reveal, committed) in reveals.iter().zip(commitments) {
        let member = reveal.sender;
        let revealed = reveal.blobs.get(..polys).ok_or(CeremonyError::Malformed { member })?;
        if commitment(transcript, member, &reveal.word, revealed) != *committed {
            return Err(CeremonyError::Commitment { member });
        }
    }
    Ok(())
}

fn check_shape(messages: &[&CeremonyMessage], blobs: usize) -> Result<(), CeremonyError> {
    let wrong = messages.iter().find(|m| m.blobs.len() != blobs);
    wrong.map_or(Ok(()), |m| Err(CeremonyError::Malformed { member: m.sender }))
}

fn salt(rng: &mut (impl CryptoRng + ?Sized)) -> [u8; 32] {
    let mut salt = [0; 32];
    rng.fill_bytes(&mut salt);
    salt
}

/// Round 1 is sent: a nonce.
pub struct Begun<'a>(Base<'a>);

/// Round 2 is sent: a commitment to the first shares.
pub struct Committed<'a> {
    base: Base<'a>,
    secret: Zeroizing<Poly>,
    ephemeral: Zeroizing<Poly>,
    common: Poly,
    salt: [u8; 32],
    shares: Vec<Vec<u8>>,
    committed_at: [u8; 32],
}

/// Round 3 is sent: the first shares.
pub struct Revealed<'a> {
    base: Base<'a>,
    secret: Zeroizing<Poly>,
    ephemeral: Zeroizing<Poly>,
    common: Poly,
    commitments: Vec<[u8; 32]>,
    committed_at: [u8; 32],
}

/// Round 4 is sent: a commitment to the second shares, and the dealings.
pub struct Dealt<'a> {
    base: Base<'a>,
    public: [Poly; 2],
    first: Vec<Poly>,
    salt: [u8; 32],
    shares: Vec<Vec<u8>>,
    committed_at: [u8; 32],
    own_dealing: Dealing,
}

/// Round 5 is sent: the second shares, and the combinations of the dealings.
pub struct Combined<'a> {
    base: Base<'a>,
    public: [Poly; 2],
    first: Vec<Poly>,
    commitments: Vec<[u8; 32]>,
    committed_at: [u8; 32],
    share: Zeroizing<Vec<u64>>,
}

/// Round 6 is sent: the digest of the keys, and the test decryption.
pub struct Tested<'a> {
    base: Base<'a>,
    key: CommitteeKey,
    share: Zeroizing<Vec<u64>>,
    tests: Vec<Test>,
}

/// What a dealer gives one member: its share of the secret, and of the numbers that mask the check.
struct Dealing {
    share: Zeroizing<Vec<u64>>,
    masks: Zeroizing<Vec<u64>>,
}

impl Dealing {
    fn to_bytes(&self, base: &Base<'_>) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::new());
        out.append(&mut ring::pack_residues(&self.share, base.context(), base.degree()));
        self.masks.iter().for_each(|m| out.extend_from_slice(&m.to_le_bytes()));
        out
    }

    fn from_bytes(bytes: &[u8], base: &Base<'_>) -> Option<Self> {
        let repetitions = base.repetitions();
        let masks_len = repetitions.checked_mul(base.moduli().len())?.checked_mul(8)?;
        let (share, masks) = bytes.split_at_checked(bytes.len().checked_sub(masks_len)?)?;
        let share = ring::unpack_residues(share, base.context(), base.degree())?;
        let masks = Zeroizing::new(words(masks));
        let in_range = masks.chunks_exact(repetitions).zip(base.moduli()).all(|(row, q)| row.iter().all(|m| m < q));
        in_range.then_some(Self { share, masks })
    }
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect()
}

/// One quorum's test: the ciphertext and what it must open to.
struct Test {
    quorum: Vec<u32>,
    sample: LweSample,
    expected: u64,
    budget: OpeningBudget,
}

impl<'a> Begun<'a> {
    pub(super) fn new(
        terms: &Terms,
        identity: &'a Identity,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, CeremonyMessage), CeremonyError> {
        let id = identity.public().id();
        let me = (1u32..).zip(terms.members()).find(|(_, m)| m.id() == id).map(|(number, _)| number);
        let me = me.ok_or(CeremonyError::NotAMember)?;
        let model = terms.noise();
        model.opening(&model.fresh(), 1, terms.needed(), terms.smudging())?;
        let transcript = terms.digest();
        let own = CeremonyMessage::signed(1, me, transcript, salt(rng), Vec::new(), identity);
        let base = Base { terms: terms.clone(), identity, me, transcript, own: own.clone() };
        Ok((Self(base), own))
    }

    /// Takes all nonces; draws this member's secrets and commits to the shares made of them.
    ///
    /// # Errors
    /// [`CeremonyError`].
    pub fn next(
        self,
        messages: &[CeremonyMessage],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Committed<'a>, CeremonyMessage), CeremonyError> {
        let Self(mut base) = self;
        check_shape(&base.collect(messages)?, 0)?;
        let (context, degree) = (base.context().clone(), base.degree());
        let secret = ring::small(&context, rng)?;
        let ephemeral = ring::small(&context, rng)?;
        let common = ring::common(base.seed("public key", 0), &context, degree)?;
        let mut shares = Vec::new();
        // Public key: -a s + e.
        let mut share = -(&common * &*secret);
        share += &*ring::small(&context, rng)?;
        shares.push(base.pack(&share));
        // Relinearisation key, first part: -a_i u + g_i s + e and a_i s + e for each prime's g_i.
        let mut power = Zeroizing::new((*secret).clone());
        power.change_representation(Representation::PowerBasis);
        let gadget = fhe_math::rns::RnsContext::new(context.moduli()).map_err(RingError::from)?;
        for i in 0..context.moduli().len() {
            let a =
                ring::common(base.seed("relinearisation key", u32::try_from(i).unwrap_or(u32::MAX)), &context, degree)?;
            let g = gadget.get_garner(i).ok_or(RingError)?;
            let mut gadget_secret = Zeroizing::new(g * &*power);
            gadget_secret.change_representation(Representation::Ntt);
            let mut h0 = -(&a * &*ephemeral);
            h0 += &*gadget_secret;
            h0 += &*ring::small(&context, rng)?;
            let mut h1 = &a * &*secret;
            h1 += &*ring::small(&context, rng)?;
            shares.push(base.pack(&h0));
            shares.push(base.pack(&h1));
        }
        let salt = salt(rng);
        let committed_at = base.transcript;
        let word = commitment(&committed_at, base.me, &salt, &shares);
        let message = base.send(word, Vec::new());
        Ok((Committed { base, secret, ephemeral, common, salt, shares, committed_at }, message))
    }
}

impl<'a> Committed<'a> {
    /// Takes all commitments and reveals the first shares.
    ///
    /// # Errors
    /// [`CeremonyError`].
    pub fn next(self, messages: &[CeremonyMessage]) -> Result<(Revealed<'a>, CeremonyMessage), CeremonyError> {
        let Self { mut base, secret, ephemeral, common, salt, shares, committed_at } = self;
        let ordered = base.collect(messages)?;
        check_shape(&ordered, 0)?;
        let commitments = ordered.iter().map(|m| m.word).collect();
        let message = base.send(salt, shares);
        Ok((Revealed { base, secret, ephemeral, common, commitments, committed_at }, message))
    }
}

impl<'a> Revealed<'a> {
    /// Takes all first shares, aggregates them, commits to the second ones, and deals the secret.
    ///
    /// # Errors
    /// [`CeremonyError`].
    pub fn next(
        self,
        messages: &[CeremonyMessage],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Dealt<'a>, CeremonyMessage), CeremonyError> {
        let Self { mut base, secret, ephemeral, common, commitments, committed_at } = self;
        let ordered = base.collect(messages)?;
        let context = base.context().clone();
        let primes = context.moduli().len();
        check_shape(&ordered, 1 + 2 * primes)?;
        check_commitments(&ordered, &commitments, &committed_at, 1 + 2 * primes)?;
        let public = [base.aggregate(&ordered, 0)?, common];
        // Second part: s h0 + e and (u - s) h1 + e.
        let rest = Zeroizing::new(&*ephemeral - &*secret);
        let (mut first, mut shares) = (Vec::new(), Vec::new());
        for i in 0..primes {
            let h0 = base.aggregate(&ordered, 1 + 2 * i)?;
            let h1 = base.aggregate(&ordered, 2 + 2 * i)?;
            let mut second = &h0 * &*secret;
            second += &*ring::small(&context, rng)?;
            shares.push(base.pack(&second));
            let mut second = &h1 * &*rest;
            second += &*ring::small(&context, rng)?;
            shares.push(base.pack(&second));
            first.push(h1);
        }
        let committed_at = base.transcript;
        let (own_dealing, sealed) = deal(&base, &secret, rng)?;
        let salt = salt(rng);
        let word = commitment(&committed_at, base.me, &salt, &shares);
        let message = base.send(word, sealed);
        Ok((Dealt { base, public, first, salt, shares, committed_at, own_dealing }, message))
    }
}

/// Shares the secret and the masks, and seals each member's part. One's own is kept and its place left empty.
fn deal(
    base: &Base<'_>,
    secret: &Poly,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(Dealing, Vec<Vec<u8>>), CeremonyError> {
    let (context, degree) = (base.context(), base.degree());
    let mut polynomial = vec![ring::residues(secret)];
    polynomial.extend((1..base.terms.needed()).map(|_| ring::uniform_residues(context, degree, rng)));
    let repetitions = base.repetitions();
    let masks: Vec<_> = (0..base.terms.needed()).map(|_| ring::uniform_residues(context, repetitions, rng)).collect();
    let dealing =
        |x: u32| Dealing { share: evaluate(&polynomial, x, base.moduli()), masks: evaluate(&masks, x, base.moduli()) };
    let mut sealed = Vec::new();
    for (recipient, identity) in (1u32..).zip(base.terms.members()) {
        if recipient == base.me {
            sealed.push(Vec::new());
            continue;
        }
        let failed = |_| CeremonyError::Seal { recipient };
        let bytes = dealing(recipient).to_bytes(base);
        let sealer = Sealer::new().context(&binding(&base.transcript, base.me, recipient)).map_err(failed)?;
        sealed.push(sealer.to(identity.preferred_sealing_key()).seal(&bytes, rng).map_err(failed)?);
    }
    Ok((dealing(base.me), sealed))
}

/// What a sealed dealing is bound to.
fn binding(transcript: &[u8; 32], dealer: u32, recipient: u32) -> Vec<u8> {
    let mut binding = b"mediveil/fhe/ceremony/dealing/v1\0".to_vec();
    binding.extend_from_slice(transcript);
    binding.extend_from_slice(&dealer.to_be_bytes());
    binding.extend_from_slice(&recipient.to_be_bytes());
    binding
}

fn open_dealing(base: &Base<'_>, at: &[u8; 32], message: &CeremonyMessage) -> Result<Dealing, CeremonyError> {
    let dealer = message.sender;
    let mine = usize::try_from(base.me).ok().and_then(|me| message.blobs.get(me.checked_sub(1)?));
    let sealed = mine.ok_or(CeremonyError::Malformed { member: dealer })?;
    let kem = base.identity.public().preferred_sealing_key().kem();
    let key = base.identity.sealing_key(kem).ok_or(CeremonyError::Sealed { dealer })?;
    let opener: &dyn Opener = key;
    let opened = mediveil_seal::open(sealed, &[opener]).map_err(|_| CeremonyError::Sealed { dealer })?;
    if opened.context != binding(at, dealer, base.me) {
        return Err(CeremonyError::Sealed { dealer });
    }
    Dealing::from_bytes(&opened.plaintext, base).ok_or(CeremonyError::Malformed { member: dealer })
}

/// The masked random combinations of a dealing: one number for each repetition and prime, prime-major.
fn combination(dealing: &Dealing, weights: &[Zeroizing<Vec<u64>>], base: &Base<'_>) -> Vec<u64> {
    let (degree, repetitions) = (base.degree(), base.repetitions());
    let rows = dealing.share.chunks_exact(degree).zip(dealing.masks.chunks_exact(repetitions)).zip(base.moduli());
    let mut out = Vec::new();
    for (prime, ((share, masks), q)) in rows.enumerate() {
        for (mask, weights) in masks.iter().zip(weights) {
            let row = weights.chunks_exact(degree).nth(prime).unwrap_or_default();
            out.push(share.iter().zip(row).fold(*mask, |sum, (s, w)| q.add(sum, q.mul(*s, *w))));
        }
    }
    out
}

impl<'a> Dealt<'a> {
    /// Takes all dealings, reveals the second shares, and reports the combinations.
    ///
    /// # Errors
    /// [`CeremonyError`].
    pub fn next(self, messages: &[CeremonyMessage]) -> Result<(Combined<'a>, CeremonyMessage), CeremonyError> {
        let Self { mut base, public, first, salt, mut shares, committed_at, own_dealing } = self;
        let ordered = base.collect(messages)?;
        check_shape(&ordered, base.terms.members().len())?;
        let commitments = ordered.iter().map(|m| m.word).collect();
        let weights: Vec<_> = (0u32..)
            .take(base.repetitions())
            .map(|r| {
                ring::uniform_residues(base.context(), base.degree(), &mut SeededRng::new(base.seed("weights", r)))
            })
            .collect();
        let mut share = Zeroizing::new(vec![0; own_dealing.share.len()]);
        let mut sums = Vec::new();
        for message in ordered {
            let opened;
            let dealing = if message.sender == base.me {
                &own_dealing
            } else {
                opened = open_dealing(&base, &committed_at, message)?;
                &opened
            };
            for_rows(&mut share, &dealing.share, base.moduli(), Modulus::add);
            sums.extend(combination(dealing, &weights, &base).iter().flat_map(|w| w.to_le_bytes()));
        }
        shares.push(sums);
        let message = base.send(salt, shares);
        Ok((Combined { base, public, first, commitments, committed_at, share }, message))
    }
}

impl<'a> Combined<'a> {
    /// Takes all second shares and combinations, checks the dealings, makes the keys, and tests them.
    ///
    /// # Errors
    /// [`CeremonyError`].
    pub fn next(
        self,
        messages: &[CeremonyMessage],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Tested<'a>, CeremonyMessage), CeremonyError> {
        let Self { mut base, public, first, commitments, committed_at, share } = self;
        let ordered = base.collect(messages)?;
        let primes = base.moduli().len();
        check_shape(&ordered, 2 * primes + 1)?;
        check_commitments(&ordered, &commitments, &committed_at, 2 * primes)?;
        check_dealings(&base, &ordered)?;
        let mut relin = Vec::new();
        for (i, c1) in first.iter().enumerate() {
            let mut c0 = base.aggregate(&ordered, 2 * i)?;
            c0 += &base.aggregate(&ordered, 2 * i + 1)?;
            relin.push([base.pack(&c0), base.pack(c1)]);
        }
        let public = public.map(|poly| base.pack(&poly));
        let key = CommitteeKey::assemble(base.terms.clone(), PublicPolys { public, relin }).ok_or(RingError)?;
        let mut tests = Vec::new();
        let mut parts = Vec::new();
        for (window, quorum) in (0u32..).zip(windows(&base.terms)) {
            let (ciphertext, expected) = test_ciphertext(&base, &key, window)?;
            let budget = key.noise().opening(ciphertext.noise(), 1, base.terms.needed(), base.terms.smudging())?;
            let sample = LweSample::constant(&ciphertext, base.terms.parameters())?;
            if quorum.contains(&base.me) {
                let mut rows = sample.product(&share, base.context(), base.degree());
                finish(&mut rows, base.terms.parameters(), &quorum, base.me, &budget, None, rng)?;
                parts.push(rows.iter().flat_map(|r| r.to_le_bytes()).collect());
            }
            tests.push(Test { quorum, sample, expected, budget });
        }
        let message = base.send(key.id().0, parts);
        Ok((Tested { base, key, share, tests }, message))
    }
}

/// A ciphertext that everybody can make from the transcript, and its constant coefficient.
fn test_ciphertext(base: &Base<'_>, key: &CommitteeKey, window: u32) -> Result<(Ciphertext, u64), CeremonyError> {
    let mut rng = SeededRng::new(base.seed("test", window));
    let slots = base.terms.parameters().slots();
    let t = slots.plaintext();
    let values: Vec<u64> = (0..base.degree()).map(|_| t.reduce(rng.next_u64())).collect();
    let sum = values.iter().fold(0, |a, b| t.add(a, *b));
    Ok((key.encrypt_residues(values.into_iter(), &mut rng)?, t.mul(sum, slots.inverse_degree())))
}

fn check_dealings(base: &Base<'_>, messages: &[&CeremonyMessage]) -> Result<(), CeremonyError> {
    let (primes, repetitions) = (base.moduli().len(), base.repetitions());
    let width = primes.saturating_mul(repetitions);
    let mut reports = Vec::new();
    for message in messages {
        let bytes = message.blobs.last().map(Vec::as_slice).unwrap_or_default();
        if bytes.len() != width.saturating_mul(8).saturating_mul(messages.len()) {
            return Err(CeremonyError::Malformed { member: message.sender });
        }
        reports.push(words(bytes));
    }
    for (dealer, start) in (1u32..).zip((0..messages.len()).map(|d| d.saturating_mul(width))) {
        for (prime, q) in base.moduli().iter().enumerate() {
            for repetition in 0..repetitions {
                let at = start + prime * repetitions + repetition;
                let values: Vec<u64> = reports.iter().filter_map(|r| r.get(at).copied()).collect();
                if values.iter().any(|v| v >= q) || !on_polynomial(q, &values, base.terms.needed()) {
                    return Err(CeremonyError::Dealing { dealer });
                }
            }
        }
    }
    Ok(())
}

impl Tested<'_> {
    /// Takes all test decryptions. The ceremony is over: the committee's key, and this member's share of its secret.
    ///
    /// # Errors
    /// [`CeremonyError`].
    pub fn finish(self, messages: &[CeremonyMessage]) -> Result<(CommitteeKey, MemberKey), CeremonyError> {
        let Self { mut base, key, share, tests } = self;
        let ordered = base.collect(messages)?;
        if let Some(other) = ordered.iter().find(|m| m.word != key.id().0) {
            return Err(CeremonyError::Keys { member: other.sender });
        }
        let mut parts: Vec<_> = ordered.iter().map(|m| m.blobs.iter()).collect();
        for test in &tests {
            let mut phase = test.sample.b().to_vec();
            for (member, parts) in (1u32..).zip(&mut parts) {
                if !test.quorum.contains(&member) {
                    continue;
                }
                let part = parts.next().map(|p| words(p)).unwrap_or_default();
                let in_range = part.len() == phase.len() && part.iter().zip(base.moduli()).all(|(p, q)| p < q);
                if !in_range {
                    return Err(CeremonyError::Malformed { member });
                }
                for_rows(&mut phase, &part, base.moduli(), Modulus::add);
            }
            let opened = decode(&phase, base.terms.parameters(), &test.budget.residual)?;
            if opened.ok().and_then(|v| v.first().copied()) != Some(test.expected) {
                return Err(CeremonyError::Test { quorum: test.quorum.clone() });
            }
        }
        if let Some(member) = (1u32..).zip(&mut parts).find_map(|(m, p)| p.next().map(|_| m)) {
            return Err(CeremonyError::Malformed { member });
        }
        let member = MemberKey::assemble(&key, base.me, &share);
        Ok((key, member))
    }
}

macro_rules! opaque {
    ($($state:ident),*) => {$(
        impl fmt::Debug for $state<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($state))
            }
        }
    )*};
}

opaque!(Begun, Committed, Revealed, Dealt, Combined, Tested);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Parameters, ceremony, testing};

    type Step<S> = (Vec<S>, Vec<CeremonyMessage>);

    fn split<S>(steps: Vec<(S, CeremonyMessage)>) -> Step<S> {
        steps.into_iter().unzip()
    }

    fn until_dealt<'a>(identities: &'a [Identity], needed: u32, rng: &mut SeededRng) -> Step<Dealt<'a>> {
        let parameters = Parameters::insecure_for_tests(32, 20, 4).unwrap();
        let terms = testing::terms(&parameters, needed, identities);
        let (states, sent) = split(identities.iter().map(|i| ceremony::begin(&terms, i, rng).unwrap()).collect());
        let (states, sent) = split(states.into_iter().map(|s| s.next(&sent, rng).unwrap()).collect());
        let (states, sent) = split(states.into_iter().map(|s| s.next(&sent).unwrap()).collect());
        split(states.into_iter().map(|s| s.next(&sent, rng).unwrap()).collect())
    }

    fn redeal(state: &mut Dealt<'_>, message: &mut CeremonyMessage, dealing: Dealing, sealed: Vec<Vec<u8>>) {
        let base = &mut state.base;
        base.own = CeremonyMessage::signed(4, base.me, base.transcript, message.word, sealed, base.identity);
        *message = base.own.clone();
        state.own_dealing = dealing;
    }

    /// A dealer gives one member a share that is off by one in one coefficient of one prime.
    #[test]
    fn a_dealing_off_the_polynomial_is_found() {
        let mut rng = SeededRng::from_u64(5);
        let identities = testing::identities(4, &mut rng);
        let (mut states, mut sent) = until_dealt(&identities, 3, &mut rng);
        let secret = ring::small(states[1].base.context(), &mut rng).unwrap();
        let (own, mut sealed) = deal(&states[1].base, &secret, &mut rng).unwrap();
        let at = states[1].base.transcript;
        let opened = mediveil_seal::open(
            &sealed[3],
            &[identities[3].sealing_key(mediveil_seal::identity::SealingKem::P256).unwrap()],
        );
        let mut dealing = Dealing::from_bytes(&opened.unwrap().plaintext, &states[1].base).unwrap();
        dealing.share[7] = states[1].base.moduli()[0].add(dealing.share[7], 1);
        let sealer = Sealer::new().context(&binding(&at, 2, 4)).unwrap();
        let bytes = dealing.to_bytes(&states[1].base);
        sealed[3] = sealer.to(identities[3].public().preferred_sealing_key()).seal(&bytes, &mut rng).unwrap();
        redeal(&mut states[1], &mut sent[1], own, sealed);
        let (states, sent) = split(states.into_iter().map(|s| s.next(&sent).unwrap()).collect());
        for state in states {
            let error = state.next(&sent, &mut rng).unwrap_err();
            assert_eq!(error, CeremonyError::Dealing { dealer: 2 });
            assert_eq!(error.culprits(), [2]);
        }
    }

    /// A dealer shares another secret than the one in the public key: on a polynomial, so only the test opens it.
    #[test]
    fn a_dealing_of_another_secret_fails_the_test() {
        let mut rng = SeededRng::from_u64(6);
        let identities = testing::identities(3, &mut rng);
        let (mut states, mut sent) = until_dealt(&identities, 2, &mut rng);
        let other = ring::small(states[0].base.context(), &mut rng).unwrap();
        let (own, sealed) = deal(&states[0].base, &other, &mut rng).unwrap();
        redeal(&mut states[0], &mut sent[0], own, sealed);
        let (states, sent) = split(states.into_iter().map(|s| s.next(&sent).unwrap()).collect());
        let (states, sent) = split(states.into_iter().map(|s| s.next(&sent, &mut rng).unwrap()).collect());
        for state in states {
            assert!(matches!(state.finish(&sent), Err(CeremonyError::Test { .. })));
        }
    }

    /// A rushing member, with a transcript and a signature that are in order: what it reveals is not what it committed to.
    #[test]
    fn reveals_other_than_committed_are_refused_in_both_rounds() {
        let mut rng = SeededRng::from_u64(9);
        let identities = testing::identities(3, &mut rng);
        let parameters = Parameters::insecure_for_tests(32, 20, 4).unwrap();
        let terms = testing::terms(&parameters, 2, &identities);
        let (states, sent) = split(identities.iter().map(|i| ceremony::begin(&terms, i, &mut rng).unwrap()).collect());
        let (states, sent) = split(states.into_iter().map(|s| s.next(&sent, &mut rng).unwrap()).collect());
        let (mut states, mut sent): Step<Revealed<'_>> =
            split(states.into_iter().map(|s| s.next(&sent).unwrap()).collect());
        let attacker = states.pop().unwrap();
        // Minus the sum of the others' shares: with it, the aggregate would be zero or whatever is added to that.
        let mut blobs = sent[2].blobs.clone();
        for (at, blob) in blobs.iter_mut().enumerate() {
            let others = attacker.base.aggregate(&[&sent[0], &sent[1]], at).unwrap();
            *blob = attacker.base.pack(&-others);
        }
        let base = &attacker.base;
        sent[2] = CeremonyMessage::signed(3, 3, base.transcript, sent[2].word, blobs, base.identity);
        for state in states {
            assert_eq!(state.next(&sent, &mut rng).unwrap_err(), CeremonyError::Commitment { member: 3 });
        }

        let (states, sent) = until_dealt(&identities, 2, &mut rng);
        let (mut states, mut sent): Step<Combined<'_>> =
            split(states.into_iter().map(|s| s.next(&sent).unwrap()).collect());
        let attacker = states.pop().unwrap();
        let mut blobs = sent[2].blobs.clone();
        blobs.swap(0, 1);
        let base = &attacker.base;
        sent[2] = CeremonyMessage::signed(5, 3, base.transcript, sent[2].word, blobs, base.identity);
        for state in states {
            assert_eq!(state.next(&sent, &mut rng).unwrap_err(), CeremonyError::Commitment { member: 3 });
        }
    }

    /// A dealing replayed from another place: sealed to the right member, bound to another dealer.
    #[test]
    fn a_dealing_is_bound_to_dealer_recipient_and_transcript() {
        let mut rng = SeededRng::from_u64(7);
        let identities = testing::identities(3, &mut rng);
        let (mut states, mut sent) = until_dealt(&identities, 2, &mut rng);
        let stolen = sent[1].blobs[2].clone();
        let secret = ring::small(states[0].base.context(), &mut rng).unwrap();
        let (own, mut sealed) = deal(&states[0].base, &secret, &mut rng).unwrap();
        sealed[2] = stolen;
        redeal(&mut states[0], &mut sent[0], own, sealed);
        let victim = states.pop().unwrap();
        assert_eq!(victim.next(&sent).unwrap_err(), CeremonyError::Sealed { dealer: 1 });
    }

    /// All common polynomials of a ceremony differ, and so do those of two ceremonies with the same committee.
    #[test]
    fn common_polynomials_are_distinct_and_fresh() {
        let mut rng = SeededRng::from_u64(8);
        let identities = testing::identities(2, &mut rng);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..2 {
            let (states, _) = until_dealt(&identities, 2, &mut rng);
            let base = &states[0].base;
            for (use_, index) in
                [("public key", 0), ("relinearisation key", 0), ("relinearisation key", 1), ("weights", 0)]
            {
                let poly = ring::common(base.seed(use_, index), base.context(), base.degree()).unwrap();
                assert!(seen.insert(base.pack(&poly)));
            }
            assert!(seen.insert(base.pack(&states[0].public[1])));
        }
    }
}
