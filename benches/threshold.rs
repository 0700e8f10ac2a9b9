//! Threshold decryption against `threshold_crypto`, and the key protocol.
//!
//! `threshold_crypto` is here for its speed only: it is unmaintained, its plaintexts carry no tag, and it has no protocol to
//! compare the key generation with. Of its functions those are timed that do what ours do: its `decrypt_share` checks the
//! ciphertext first, and so do we; its `decrypt` combines shares without checking them or the result, and so does
//! `combine_verified`, for shares that were verified when they came. `threshold.combine.34of100/checked` is our `combine`,
//! which checks the result as well. The 34 shares are those of members 1, 4, 7, ... 100 for both. Of members 1 to 34
//! (`/first`) the combination is cheaper for both, because their coefficients are small.
//!
//! `threshold.dkg.34of100` is the whole work of one member, in processor time: enrolling, dealing, and for all three
//! rounds decoding every message, verifying its signature and checking what is in it, up to the member's share. The
//! encoding and the transport are the others'.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench stops at the first failure")]

use criterion::{Criterion, criterion_group, criterion_main};
use mediveil_codec::{Timestamp, Wire};
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{Identity, IdentityKind};
use mediveil_threshold::deal::{Board, CutOff, Dealings, Enrolled, Enrolments, Plan, round0, round1, round2};
use mediveil_threshold::tdh2::{Ciphertext, DecryptionShare, combine, combine_verified, encapsulate};
use mediveil_threshold::{Committee, KeyShare, PublicKeySet, Signed};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::time::Duration;
use threshold_crypto::ff::Field;
use threshold_crypto::{IntoFr, SecretKeySet, poly::Poly};

/// Messages of one round as they lie on the board: encoded.
struct Round {
    cut_off: Vec<u8>,
    messages: Vec<Vec<u8>>,
}

impl Round {
    fn new<T: Wire>(cut_off: &Signed<CutOff>, messages: &[T]) -> Self {
        Self { cut_off: cut_off.encode(), messages: messages.iter().map(Wire::encode).collect() }
    }

    fn read<T: Wire>(&self) -> (Signed<CutOff>, Vec<T>) {
        let messages = self.messages.iter().map(|bytes| T::decode(bytes).unwrap()).collect();
        (Signed::decode(&self.cut_off).unwrap(), messages)
    }
}

/// A finished key protocol, and what is needed to do one member's part again.
struct Run {
    people: Vec<Identity>,
    plan: Plan,
    states: Vec<Enrolled>,
    rounds: [Round; 3],
    set: PublicKeySet,
    rng: SeededRng,
}

fn run(n: usize, needed: u16) -> Run {
    let mut rng = SeededRng::from_u64(1);
    let now = Timestamp::from_seconds(1_800_000_000).unwrap();
    let people: Vec<_> = (0..n).map(|_| Identity::generate(IdentityKind::P256, &mut rng).unwrap()).collect();
    let members = people.iter().map(|p| p.public().clone()).collect();
    let convenor = &people[0];
    let committee = Committee::new("bench", needed, members, *convenor.public().verifying_key(), &mut rng).unwrap();
    let plan = Plan::generate(committee);
    let (states, enrolled): (Vec<_>, Vec<_>) =
        people.iter().map(|p| Enrolled::start(&plan, p, &mut rng).unwrap()).unzip();
    let cut0 = CutOff::close(&plan, &enrolled, now, convenor).unwrap();
    let enrolments = plan.enrolments(&Board::new(&cut0, &enrolled)).unwrap();
    let dealt: Vec<_> = people.iter().map(|p| enrolments.deal(p, None, &mut rng).unwrap()).collect();
    let cut1 = CutOff::close(&plan, &dealt, now, convenor).unwrap();
    let dealings = enrolments.dealings(&Board::new(&cut1, &dealt)).unwrap();
    let checked: Vec<_> =
        states.iter().zip(&people).map(|(state, p)| dealings.check(state, p, &mut rng).unwrap().1).collect();
    let cut2 = CutOff::close(&plan, &checked, now, convenor).unwrap();
    let outcome = dealings.outcome(&Board::new(&cut2, &checked)).unwrap();
    assert!(outcome.accusations.is_empty());
    let rounds = [Round::new(&cut0, &enrolled), Round::new(&cut1, &dealt), Round::new(&cut2, &checked)];
    Run { people, plan, states, rounds, set: outcome.set, rng }
}

impl Run {
    fn read0(&self) -> Enrolments {
        let (cut_off, messages) = self.rounds[0].read::<Signed<round0::Package>>();
        self.plan.enrolments(&Board::new(&cut_off, &messages)).unwrap()
    }

    fn read1(&self, enrolments: &Enrolments) -> Dealings {
        let (cut_off, messages) = self.rounds[1].read::<Signed<round1::Package>>();
        enrolments.dealings(&Board::new(&cut_off, &messages)).unwrap()
    }

    /// A member's part, all of it. The key it enrols with is not the one on the board, so that it is made for nothing.
    fn member(&mut self) -> KeyShare {
        let me = &self.people[1];
        black_box(Enrolled::start(&self.plan, me, &mut self.rng).unwrap().1.encode());
        let enrolments = self.read0();
        black_box(enrolments.deal(me, None, &mut self.rng).unwrap().encode());
        let dealings = self.read1(&enrolments);
        let (shares, message) = dealings.check(&self.states[1], me, &mut self.rng).unwrap();
        black_box(message.encode());
        let (cut_off, messages) = self.rounds[2].read::<Signed<round2::Package>>();
        let outcome = dealings.outcome(&Board::new(&cut_off, &messages)).unwrap();
        outcome.key_share(shares).unwrap()
    }

    fn share(&mut self, member: usize) -> KeyShare {
        let enrolments = self.read0();
        let dealings = self.read1(&enrolments);
        let (cut_off, messages) = self.rounds[2].read::<Signed<round2::Package>>();
        let outcome = dealings.outcome(&Board::new(&cut_off, &messages)).unwrap();
        outcome.recover(&dealings, &self.states[member], &mut self.rng).unwrap()
    }
}

/// The processor time of this process.
fn processor() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap()
}

fn dkg(c: &mut Criterion, run: &mut Run, id: &str) {
    c.bench_function(id, |b| {
        b.iter_custom(|times| {
            let begin = processor();
            for _ in 0..times {
                black_box(run.member());
            }
            processor() - begin
        });
    });
}

fn ours(c: &mut Criterion) {
    let mut run = run(100, 34);
    dkg(c, &mut run, "threshold.dkg.34of100");
    let (ciphertext, key) = encapsulate(run.set.key(), b"bench", &mut run.rng);
    let spread: Vec<usize> = (0..100).step_by(3).collect();
    let first: Vec<usize> = (0..34).collect();
    let checked = ciphertext.check(run.set.key(), b"bench").unwrap();
    let mut decrypt = |picks: &[usize]| -> Vec<DecryptionShare> {
        picks.iter().map(|i| run.share(*i).decrypt(&run.set, &checked, &mut SeededRng::from_u64(2)).unwrap()).collect()
    };
    let (spread, first) = (decrypt(&spread), decrypt(&first));
    let share = run.share(0);
    let (set, rng) = (&run.set, &mut run.rng);
    let bytes = ciphertext.encode();
    c.bench_function("threshold.decrypt_share", |b| {
        b.iter(|| {
            let checked = black_box(&ciphertext).check(set.key(), b"bench").unwrap();
            share.decrypt(set, &checked, rng).unwrap()
        });
    });
    c.bench_function("threshold.decrypt_share/decoded", |b| {
        b.iter(|| {
            let checked = Ciphertext::decode(black_box(&bytes)).unwrap().check(set.key(), b"bench").unwrap();
            share.decrypt(set, &checked, rng).unwrap()
        });
    });
    c.bench_function("threshold.verify_share", |b| {
        b.iter(|| assert!(black_box(&spread[0]).verify(set, &checked)));
    });
    for (shares, id) in [(&spread, ""), (&first, "/first")] {
        assert!(combine(set, &checked, shares).unwrap() == key);
        c.bench_function(&format!("threshold.combine.34of100{id}"), |b| {
            b.iter(|| combine_verified(set, &checked, black_box(shares)).unwrap());
        });
    }
    c.bench_function("threshold.combine.34of100/checked", |b| {
        b.iter(|| combine(set, &checked, black_box(&spread)).unwrap());
    });
}

fn peer(c: &mut Criterion) {
    // Full-size coefficients: 2^(2^12) times k.
    let wide = (0..12).fold(2_u64.into_fr(), |mut x, _| {
        x.square();
        x
    });
    let coefficients: Vec<_> = (1..=34_u64)
        .map(|k| {
            let mut x = k.into_fr();
            x.mul_assign(&wide);
            x
        })
        .collect();
    let keys = SecretKeySet::from(Poly::from(coefficients));
    let public = keys.public_keys();
    let ciphertext = public.public_key().encrypt([7; 32]);
    let share = keys.secret_key_share(0_u64);
    let public_share = public.public_key_share(0_u64);
    let decrypted = share.decrypt_share(&ciphertext).unwrap();
    c.bench_function("threshold.decrypt_share/peer", |b| {
        b.iter(|| share.decrypt_share(black_box(&ciphertext)).unwrap());
    });
    c.bench_function("threshold.verify_share/peer", |b| {
        b.iter(|| assert!(public_share.verify_decryption_share(black_box(&decrypted), &ciphertext)));
    });
    for (step, id) in [(3, ""), (1, "/first")] {
        let shares: Vec<_> = (0..34_u64)
            .map(|k| (k * step, keys.secret_key_share(k * step).decrypt_share(&ciphertext).unwrap()))
            .collect();
        let decrypt = || public.decrypt(shares.iter().map(|(i, share)| (*i, share)), &ciphertext).unwrap();
        assert_eq!(decrypt(), [7; 32]);
        c.bench_function(&format!("threshold.combine.34of100{id}/peer"), |b| b.iter(decrypt));
    }
}

/// Over the number of members, where `MEDIVEIL_CURVES` is set.
fn curve(c: &mut Criterion) {
    if std::env::var_os("MEDIVEIL_CURVES").is_none() {
        return;
    }
    for (n, needed) in [(4, 2), (16, 6), (64, 22), (256, 86)] {
        dkg(c, &mut run(n, needed), &format!("threshold.dkg.{needed}of{n}"));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = ours, peer, curve
}
criterion_main!(benches);
