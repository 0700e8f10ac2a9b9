//! A federation in one process, over a ring that hides nothing: for tests.

#![expect(clippy::panic, reason = "test support: what cannot be made must stop the test")]

use crate::{
    Closing, Contribution, Contributor, Federation, Grid, MemberSum, Release, Round, SiteSum, Task, Terms, Unit, Upload,
};
use mediveil_codec::Timestamp;
use mediveil_dp::{Budget, Rho};
use mediveil_fhe::opening::MemoryStore;
use mediveil_ledger::Log;
use mediveil_rng::SeededRng;
use mediveil_seal::identity::{Identity, IdentityKind};
use std::fmt::Debug;
use std::path::Path;

fn must<T, E: Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|e| panic!("{e:?}"))
}

/// Everybody of a federation, with its log.
#[derive(Debug)]
pub struct Town {
    /// The federation.
    pub federation: Federation,
    /// Its budget.
    pub budget: Budget,
    /// Its sites.
    pub sites: Vec<Identity>,
    /// Its members.
    pub members: Vec<Identity>,
    /// Who is none of them.
    pub stranger: Identity,
    /// A generator.
    pub rng: SeededRng,
    /// The present.
    pub now: Timestamp,
}

/// Terms for three sites and three members, two of whom are needed: sums of four entries in 16 bits, clip 10 over 100 steps.
///
/// # Panics
/// Never: the grid is one.
#[must_use]
pub fn terms(sites: &[Identity], members: &[Identity], operator: &Identity, log: &Log) -> Terms {
    let public = |all: &[Identity]| all.iter().map(|i| i.public().clone()).collect();
    Terms {
        title: "test".into(),
        task: Task::Sum {},
        sites: public(sites),
        members: public(members),
        needed: 2,
        least_sites: 2,
        operator: operator.public().clone(),
        log: log.id(),
        unit: Unit::Patient,
        entries: 4,
        grid: Grid::new(10.0, 100).unwrap_or_else(|| panic!("a grid")),
        bits: 16,
        max_patients: 327,
        rounds: 3,
        rho: must("0.5".parse::<Rho>()),
        cap: must("1.5".parse::<Rho>()),
        degree: 16,
    }
}

impl Town {
    /// A town with its log in this folder; `adapt` changes the terms.
    ///
    /// # Panics
    /// If anything fails.
    pub fn new(folder: &Path, adapt: impl FnOnce(&mut Terms)) -> Self {
        let mut rng = SeededRng::from_u64(1);
        let now = must("2027-01-31T08:00:00Z".parse());
        let log = must(Log::create(folder.join("log"), &mut rng));
        let mut people =
            (0..8).map(|_| must(Identity::generate(IdentityKind::P256, &mut rng))).collect::<Vec<_>>().into_iter();
        let (sites, members): (Vec<_>, Vec<_>) = (people.by_ref().take(3).collect(), people.by_ref().take(3).collect());
        let (Some(operator), Some(stranger)) = (people.next(), people.next()) else { panic!("eight people") };
        let mut terms = terms(&sites, &members, &operator, &log);
        adapt(&mut terms);
        let federation = must(Federation::new(terms));
        let budget = must(federation.create_budget(&log, now));
        Self { federation, budget, sites, members, stranger, rng, now }
    }

    /// The log.
    #[must_use]
    pub const fn log(&self) -> &Log {
        self.budget.log()
    }

    /// A round that has begun.
    ///
    /// # Panics
    /// If anything fails.
    #[must_use]
    pub fn begin(&self, number: u32) -> Round {
        must(self.federation.begin(&self.budget, number, b"state", self.now))
    }

    /// A site's upload, committed.
    ///
    /// # Panics
    /// If anything fails.
    pub fn contribute(&mut self, round: &Round, site: usize, sum: &SiteSum) -> Upload {
        let Some(identity) = self.sites.get(site) else { panic!("no site {site}") };
        let upload = must(self.federation.contribute(round, sum, identity, &mut self.rng));
        must(self.federation.commit(self.log(), round, &upload.contribution, self.now));
        upload
    }

    /// The noise of a member, from 0, committed.
    ///
    /// # Panics
    /// If anything fails.
    pub fn noise(&mut self, round: &Round, member: usize) -> Upload {
        let Some(identity) = self.members.get(member) else { panic!("no member {member}") };
        let upload = must(self.federation.noise(&self.budget, round, identity, &mut self.rng, &|_, _| ()));
        must(self.federation.commit(self.log(), round, &upload.contribution, self.now));
        upload
    }

    /// The answers of these members, from 0, each with a store of its own.
    ///
    /// # Panics
    /// If anything fails.
    #[must_use]
    pub fn answers(&self, round: &Round, uploads: &[Upload], members: &[usize]) -> Vec<MemberSum> {
        let all = contributions(uploads);
        let members = members.iter().filter_map(|m| self.members.get(*m));
        members.map(|m| must(self.federation.answer(&self.budget, round, &all, m, &mut MemoryStore::new()))).collect()
    }

    /// Closes over these uploads, opens with these members, and releases.
    ///
    /// # Panics
    /// If anything fails.
    #[must_use]
    pub fn release(&self, round: &Round, uploads: &[Upload], members: &[usize]) -> Release {
        must(self.federation.close(self.log(), round, &contributions(uploads), self.now));
        let sums = self.answers(round, uploads, members);
        let mut tally = must(self.federation.tally(&self.budget, round));
        uploads.iter().for_each(|u| must(tally.add(u)));
        must(self.federation.combine(&self.budget, round, &tally, &sums, self.now))
    }
}

/// The contributions of uploads.
#[must_use]
pub fn contributions(uploads: &[Upload]) -> Vec<Contribution> {
    uploads.iter().map(|u| u.contribution.clone()).collect()
}

/// Round the guards: an upload of any values under any name.
///
/// # Panics
/// If it cannot be made.
pub fn bare_upload(
    federation: &Federation,
    round: &Round,
    contributor: Contributor,
    values: &[i64],
    identity: &Identity,
    rng: &mut SeededRng,
) -> Upload {
    must(federation.upload(round, contributor, values, identity, rng))
}

/// Round the guards: a closing over anything.
#[must_use]
pub fn bare_closing(round: &Round, counted: &[(Contributor, [u8; 32])]) -> Closing {
    Closing { round: round.id(), counted: counted.to_vec() }
}

/// Round the guards: a member's answer for any closing.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn bare_answer(
    federation: &Federation,
    closing: &Closing,
    round: &Round,
    contributions: &[Contribution],
    member: &Identity,
) -> MemberSum {
    let Some(number) = federation.terms().member(member.public()) else { panic!("no member") };
    must(federation.answer_for(closing, round, contributions, member, number, &mut MemoryStore::new()))
}

/// A release of any numbers.
#[must_use]
pub fn bare_release(round: &Round, closing: &Closing, numbers: Vec<i64>) -> Release {
    Release { round: round.id(), closing: closing.id(), sites: 1, noises: 1, wrong: vec![2], numbers }
}
