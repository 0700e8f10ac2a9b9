//! What a round must withstand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use mediveil_codec::Wire;
use mediveil_codec::testing::check_wire;
use mediveil_dp::accounting::Cost;
use mediveil_dp::{Mechanism, Refused, Rho, Sensitivity};
use mediveil_federate::testing::{Town, bare_answer, bare_closing, bare_release, bare_upload, contributions};
use mediveil_federate::*;
use mediveil_fhe::opening::{DirectoryStore, MemoryStore};
use mediveil_fhe::vector::VectorError;

fn town() -> (tempfile::TempDir, Town) {
    town_of(|_| ())
}

fn town_of(adapt: impl FnOnce(&mut Terms)) -> (tempfile::TempDir, Town) {
    let folder = tempfile::tempdir().unwrap();
    let town = Town::new(folder.path(), adapt);
    (folder, town)
}

/// A price so high that there is hardly any noise: sums can be told apart.
fn loud(terms: &mut Terms) {
    terms.rho = "10000".parse().unwrap();
    terms.cap = "16000".parse().unwrap();
    terms.rounds = 1;
    terms.grid = Grid::new(100.0, 100).unwrap();
}

/// One vector.
fn of(town: &Town, vector: [f64; 4]) -> SiteSum {
    town.federation.gather([vector]).unwrap()
}

/// At most so far apart.
fn near(found: &[f64], expected: [f64; 4], by: f64) {
    let fits = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= by);
    assert!(found.len() == 4 && fits, "{found:?} {expected:?}");
}

#[test]
fn a_round_releases_the_sum_with_the_noise_of_all() {
    let (_folder, mut town) = town_of(loud);
    assert!(town.federation.plan().sigma < 1.0);
    let round = town.begin(1);
    let mut uploads = Vec::new();
    for site in 0..3 {
        let sum = of(&town, [10.0, -20.0, 30.0, f64::from(u8::try_from(site).unwrap())]);
        uploads.push(town.contribute(&round, site, &sum));
    }
    uploads.extend([0, 1, 2].map(|m| town.noise(&round, m)));
    let release = town.release(&round, &uploads, &[0, 2]);
    near(&release.values(&town.federation), [30.0, -60.0, 90.0, 3.0], 8.0);
    assert_eq!((release.sites(), release.noises(), release.wrong()), (3, 3, &[][..]));
    // Whoever comes later gets the same bytes, and nothing is opened or begun again.
    assert_eq!(town.federation.released(&town.budget, &round).unwrap().unwrap(), release);
    let begun = town.federation.begin(&town.budget, 1, b"state", town.now);
    assert!(matches!(begun, Err(FederateError::Released)));
    let all = contributions(&uploads);
    let again = town.federation.answer(&town.budget, &round, &all, &town.members[1], &mut MemoryStore::new());
    assert!(matches!(again, Err(FederateError::Released)));
    assert!(town.budget.audit().unwrap().findings.is_empty());
}

#[test]
fn a_site_that_drops_out_before_its_upload_is_left_out() {
    let (_folder, mut town) = town_of(loud);
    let round = town.begin(1);
    let sum = of(&town, [50.0, 0.0, 0.0, 0.0]);
    let mut uploads: Vec<Upload> = [0, 2].map(|s| town.contribute(&round, s, &sum)).into();
    uploads.extend([0, 1].map(|m| town.noise(&round, m)));
    // Member 3 drew no noise, and opens all the same.
    let release = town.release(&round, &uploads, &[1, 2]);
    near(&release.values(&town.federation), [100.0, 0.0, 0.0, 0.0], 8.0);
    assert_eq!((release.sites(), release.noises()), (2, 2));
    // Too late: it is not counted, and not taken.
    let late = town.federation.contribute(&round, &sum, &town.sites[1], &mut town.rng).unwrap();
    let refused = town.federation.commit(town.log(), &round, &late.contribution, town.now);
    assert!(matches!(refused, Err(FederateError::Closed)));
}

#[test]
fn a_site_that_drops_out_after_its_upload_is_summed() {
    let (_folder, mut town) = town_of(loud);
    let round = town.begin(1);
    let sum = of(&town, [50.0, 0.0, 0.0, 0.0]);
    let mut uploads: Vec<Upload> = [0, 1, 2].map(|s| town.contribute(&round, s, &sum)).into();
    uploads.extend([0, 1].map(|m| town.noise(&round, m)));
    // The sites are gone; so is a member.
    town.sites.clear();
    let release = town.release(&round, &uploads, &[0, 1]);
    near(&release.values(&town.federation), [150.0, 0.0, 0.0, 0.0], 8.0);
}

#[test]
fn a_second_upload_is_refused() {
    let (_folder, mut town) = town();
    let round = town.begin(1);
    let sum = of(&town, [1.0; 4]);
    let first = town.contribute(&round, 0, &sum);
    // The same again is no change; another one, of the same values even, is refused.
    town.federation.commit(town.log(), &round, &first.contribution, town.now).unwrap();
    let second = town.federation.contribute(&round, &sum, &town.sites[0], &mut town.rng).unwrap();
    let refused = town.federation.commit(town.log(), &round, &second.contribution, town.now);
    assert!(matches!(refused, Err(FederateError::Twice { contributor: Contributor::Site(0) })));
    // Round the guard: what the log does not have is not closed over, nor is one thing counted twice.
    let other = town.contribute(&round, 1, &sum);
    let noises = [0, 1].map(|m| town.noise(&round, m).contribution);
    let closing = |first: &Contribution| {
        let all = [&[first.clone(), first.clone(), other.contribution.clone()], &noises[..]].concat();
        town.federation.close(town.log(), &round, &all, town.now)
    };
    assert!(matches!(closing(&second.contribution), Err(FederateError::Uncommitted { .. })));
    assert_eq!(closing(&first.contribution).unwrap().sites(), 2);
    let mut tally = town.federation.tally(&town.budget, &round).unwrap();
    tally.add(&first).unwrap();
    assert!(matches!(tally.add(&first), Err(FederateError::Twice { .. })));
    assert!(matches!(tally.add(&second), Err(FederateError::Uncommitted { .. })));
}

#[test]
fn the_clip_is_held_locally_and_its_breach_is_refused_where_it_shows() {
    let (_folder, town) = town();
    // Locally: a vector of length 1000 counts for 10.
    let sum = town.federation.gather([[600.0, -800.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]).unwrap();
    assert_eq!((sum.sums(), sum.vectors(), sum.cut()), (&[70, -70, 10, 10][..], 2, 1));
    assert_eq!(town.federation.gather([[f64::NAN; 4]]), Err(VectorRefused::NotANumber));
    assert_eq!(town.federation.gather([[0.0; 3]]), Err(VectorRefused::Length { found: 3, expected: 4 }));
    let many = vec![[1.0; 4]; 328];
    assert_eq!(town.federation.gather(&many), Err(VectorRefused::TooMany { limit: 327 }));
    assert_eq!(town.federation.gathered(vec![0; 4], 328), Err(VectorRefused::TooMany { limit: 327 }));
    // What comes from elsewhere, and is longer than two clipped vectors end to end.
    assert!(town.federation.gathered(vec![200, 0, 0, 0], 2).is_ok());
    for long in [vec![201, 0, 0, 0], vec![142, 142, 0, 0], vec![i64::MIN, 0, 0, 0]] {
        assert_eq!(town.federation.gathered(long, 2), Err(VectorRefused::Clip));
    }
}

#[test]
fn a_clip_that_its_bits_cannot_hold_is_refused_at_the_start() {
    let (_folder, town) = town();
    let refused = |adapt: &dyn Fn(&mut Terms)| {
        let mut terms = town.federation.terms().clone();
        adapt(&mut terms);
        terms.plan().unwrap_err()
    };
    let range = PlanError::Range { reach: 32_800, bits: 16, limit: 32_767 };
    assert_eq!(refused(&|t| t.max_patients = 328), range);
    let rho = |text: &str| text.parse::<Rho>().unwrap();
    assert!(matches!(refused(&|t| t.cap = rho("1.4")), PlanError::Budget { rounds: 3, .. }));
    assert!(matches!(refused(&|t| t.needed = 1), PlanError::Invalid(_)));
    assert!(matches!(refused(&|t| t.needed = 4), PlanError::Invalid(_)));
    assert!(matches!(refused(&|t| t.least_sites = 4), PlanError::Invalid(_)));
    assert!(matches!(refused(&|t| t.entries = 0), PlanError::Invalid(_)));
    assert!(matches!(refused(&|t| t.bits = 49), PlanError::Invalid(_)));
    assert!(matches!(refused(&|t| t.sites = vec![t.sites[0].clone(); 2]), PlanError::Invalid(_)));
    let wide = |t: &mut Terms| {
        (t.bits, t.rho, t.cap) = (48, rho("0.0000000000001"), rho("1"));
        t.grid = Grid::new(1.0, 1 << 30).unwrap();
        t.max_patients = 1 << 16;
    };
    assert!(matches!(refused(&wide), PlanError::Mechanism(_)));
    // A site's vector clipped as a whole may fill its bits, and counts as one.
    let mut terms = town.federation.terms().clone();
    (terms.unit, terms.grid) = (Unit::Site, Grid::new(1.0, 32_767).unwrap());
    assert_eq!(terms.plan().unwrap().largest_site, 32_767);
    let site = Federation::new(terms).unwrap();
    assert_eq!(site.gather([[1.0; 4]; 2]), Err(VectorRefused::TooMany { limit: 1 }));
}

#[test]
fn nothing_of_one_round_fits_into_another() {
    let (_folder, mut town) = town();
    let (one, two) = (town.begin(1), town.begin(2));
    let sum = of(&town, [1.0; 4]);
    let upload = town.contribute(&one, 0, &sum);
    let check = |contribution: &Contribution| town.federation.check_contribution(&two, contribution);
    assert!(matches!(check(&upload.contribution), Err(FederateError::Foreign { .. })));
    let committed = town.federation.commit(town.log(), &two, &upload.contribution, town.now);
    assert!(matches!(committed, Err(FederateError::Foreign { .. })));
    // A round is one with its state.
    let other = town.federation.begin(&town.budget, 2, b"another state", town.now);
    assert!(matches!(other, Err(FederateError::OtherRound { number: 2 })));
    let spent = town.budget.spent().unwrap().unwrap();
    assert_eq!(spent.units().0, town.federation.plan().each.units() * 2, "a mistaken state costs nothing");
    // Answers for one round do not open the other; a whole round each.
    let mut rounds = Vec::new();
    for round in [&one, &two] {
        let mut uploads = vec![if round == &one { upload.clone() } else { town.contribute(round, 0, &sum) }];
        uploads.push(town.contribute(round, 1, &sum));
        uploads.extend([0, 1].map(|m| town.noise(round, m)));
        town.federation.close(town.log(), round, &contributions(&uploads), town.now).unwrap();
        rounds.push((uploads.clone(), town.answers(round, &uploads, &[0, 1])));
    }
    let mut tally = town.federation.tally(&town.budget, &two).unwrap();
    assert!(matches!(tally.add(&rounds[0].0[0]), Err(FederateError::Uncommitted { .. })));
    rounds[1].0.iter().for_each(|u| tally.add(u).unwrap());
    let mixed = town.federation.combine(&town.budget, &two, &tally, &rounds[0].1, town.now);
    assert!(matches!(mixed, Err(FederateError::Part { member: 1 })));
    let mixed = town.federation.combine(&town.budget, &one, &tally, &rounds[1].1, town.now);
    assert!(matches!(mixed, Err(FederateError::OtherRound { .. })));
    town.federation.combine(&town.budget, &two, &tally, &rounds[1].1, town.now).unwrap();
}

#[test]
fn fewer_members_than_needed_open_nothing() {
    let (_folder, mut town) = town();
    let round = town.begin(1);
    let sum = of(&town, [1.0; 4]);
    let mut uploads: Vec<Upload> = [0, 1].map(|s| town.contribute(&round, s, &sum)).into();
    uploads.push(town.noise(&round, 0));
    // One noise could be a dishonest member's: the round does not close over it.
    let close = |uploads: &[Upload]| town.federation.close(town.log(), &round, &contributions(uploads), town.now);
    assert!(matches!(close(&uploads), Err(FederateError::TooFew { what: "members", found: 1, needed: 2 })));
    assert!(matches!(close(&uploads[1..]), Err(FederateError::TooFew { what: "sites", found: 1, needed: 2 })));
    uploads.push(town.noise(&round, 1));
    let all = contributions(&uploads);
    let early = town.federation.answer(&town.budget, &round, &all, &town.members[0], &mut MemoryStore::new());
    assert!(matches!(early, Err(FederateError::NotClosed)));
    town.federation.close(town.log(), &round, &all, town.now).unwrap();
    let mut tally = town.federation.tally(&town.budget, &round).unwrap();
    let sums = town.answers(&round, &uploads, &[2]);
    let combine =
        |tally: &Tally, sums: &[MemberSum]| town.federation.combine(&town.budget, &round, tally, sums, town.now);
    assert!(matches!(combine(&tally, &sums), Err(FederateError::Missing { contributor: Contributor::Site(0) })));
    uploads.iter().for_each(|u| tally.add(u).unwrap());
    let few = combine(&tally, &sums);
    assert!(matches!(few, Err(FederateError::Open(VectorError::TooFew { found: 1, needed: 2 }))));
    let twice = combine(&tally, &[sums[0].clone(), sums[0].clone()]);
    assert!(matches!(twice, Err(FederateError::Open(VectorError::Twice { member: 3 }))));
    let stranger = town.federation.answer(&town.budget, &round, &all, &town.stranger, &mut MemoryStore::new());
    assert!(matches!(stranger, Err(FederateError::NotOne(_))));
    assert!(town.federation.released(&town.budget, &round).unwrap().is_none(), "nothing was released");
}

#[test]
fn a_member_asked_for_two_sets_answers_for_one() {
    let (folder, mut town) = town();
    let round = town.begin(1);
    let sum = of(&town, [1.0; 4]);
    let mut uploads: Vec<Upload> = [0, 1, 2].map(|s| town.contribute(&round, s, &sum)).into();
    uploads.extend([0, 1].map(|m| town.noise(&round, m)));
    let all = contributions(&uploads);
    std::fs::create_dir(folder.path().join("fork")).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap()) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), folder.path().join("fork").join(entry.file_name())).unwrap();
        }
    }
    town.federation.close(town.log(), &round, &all, town.now).unwrap();
    // The log takes no other closing.
    let other = town.federation.close(town.log(), &round, &all[1..], town.now);
    assert!(matches!(other, Err(FederateError::OtherClosing)));
    let mut store = MemoryStore::new();
    town.federation.answer(&town.budget, &round, &all, &town.members[0], &mut store).unwrap();
    // Round the guard: a log that was copied before the closing, and closed over others.
    let copied = mediveil_ledger::Log::open(folder.path().join("fork/log")).unwrap();
    let budget = town.federation.open_budget(&copied).unwrap();
    town.federation.close(&copied, &round, &all[1..], town.now).unwrap();
    let answer = |store: &mut MemoryStore| town.federation.answer(&budget, &round, &all[1..], &town.members[0], store);
    assert!(matches!(answer(&mut store), Err(FederateError::Spent)));
    // It is the store that refuses: a fresh one would have answered.
    assert!(answer(&mut MemoryStore::new()).is_ok());
}

#[test]
fn a_restart_in_the_middle_replays_the_same_bytes() {
    let (folder, mut town) = town();
    let round = town.begin(1);
    // The operator begins again after a crash: the same round, at no further cost.
    assert_eq!(town.begin(1), round);
    assert_eq!(town.budget.spent().unwrap().unwrap().units().0, town.federation.plan().each.units());
    let sum = of(&town, [1.0; 4]);
    let mut uploads: Vec<Upload> = [0, 1].map(|s| town.contribute(&round, s, &sum)).into();
    uploads.extend([0, 1].map(|m| town.noise(&round, m)));
    let all = contributions(&uploads);
    let closing = town.federation.close(town.log(), &round, &all, town.now).unwrap();
    assert_eq!(town.federation.close(town.log(), &round, &all, town.now).unwrap(), closing);
    let place = folder.path().join("store");
    let answer = |town: &Town| {
        let mut store = DirectoryStore::open(&place).unwrap();
        town.federation.answer(&town.budget, &round, &all, &town.members[0], &mut store)
    };
    let first = answer(&town).unwrap();
    // Another process: everything from files.
    let terms = Terms::decode(&town.federation.terms().encode()).unwrap();
    let federation = Federation::new(terms).unwrap();
    let log = mediveil_ledger::Log::open(folder.path().join("log")).unwrap();
    let budget = federation.open_budget(&log).unwrap();
    let mut store = DirectoryStore::open(&place).unwrap();
    // Even without the contributions: the answer is stored.
    let second = federation.answer(&budget, &federation.round(&log, 1).unwrap(), &[], &town.members[0], &mut store);
    assert_eq!(second.unwrap().encode(), first.encode());
    // A damaged store is not answered over.
    for entry in std::fs::read_dir(&place).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "partial") {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[100] ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    assert!(matches!(answer(&town), Err(FederateError::StoreDamaged)));
}

#[test]
fn a_wrong_sum_of_shares_is_caught_and_done_without() {
    let (_folder, mut town) = town();
    let round = town.begin(1);
    let sum = of(&town, [1.0; 4]);
    let mut uploads: Vec<Upload> = [0, 1].map(|s| town.contribute(&round, s, &sum)).into();
    uploads.extend([0, 1, 2].map(|m| town.noise(&round, m)));
    let all = contributions(&uploads);
    town.federation.close(town.log(), &round, &all, town.now).unwrap();
    let sums = town.answers(&round, &uploads, &[0, 1, 2]);
    let mut tally = town.federation.tally(&town.budget, &round).unwrap();
    uploads.iter().for_each(|u| tally.add(u).unwrap());
    // Changed on the way: the signature does not fit.
    let mut bytes = sums[0].encode();
    bytes[80] ^= 1;
    let changed = MemberSum::decode(&bytes).unwrap();
    let refused = town.federation.combine(&town.budget, &round, &tally, &[changed, sums[1].clone()], town.now);
    assert!(matches!(refused, Err(FederateError::Part { member: 1 })));
    // A vector exchanged on the way, and one that is damaged.
    let swapped = Upload { contribution: uploads[0].contribution.clone(), vector: uploads[1].vector.clone() };
    let bytes = swapped.vector.encode();
    let read = town.federation.read_vector(&swapped.contribution, &bytes);
    assert!(matches!(read, Err(FederateError::Damaged { contributor: Contributor::Site(0) })));
    // Round the guard: opened all the same, it is garbage, and nothing is released.
    let mut wrong = town.federation.tally(&town.budget, &round).unwrap();
    wrong.add(&swapped).unwrap();
    uploads[1..].iter().for_each(|u| wrong.add(u).unwrap());
    let garbage = town.federation.combine(&town.budget, &round, &wrong, &sums, town.now);
    assert!(matches!(garbage, Err(FederateError::Open(VectorError::Garbage))));
    assert!(town.federation.released(&town.budget, &round).unwrap().is_none());
    town.federation.combine(&town.budget, &round, &tally, &sums[1..], town.now).unwrap();
}

#[test]
fn a_round_that_the_budget_refuses_opens_nothing() {
    let (_folder, mut town) = town();
    // Something else spends from the same budget.
    let unit = town.federation.budget_terms().unit;
    let sensitivity = Sensitivity::clipped(unit, 1, 1).unwrap();
    let dear = Mechanism::gaussian(sensitivity, "1.2".parse().unwrap()).unwrap();
    let plan = mediveil_dp::Plan::new(b"something else", 1, vec![dear]).unwrap();
    let _permit = town.budget.reserve(&plan, town.now).unwrap();
    let before = town.budget.spent().unwrap();
    let begun = town.federation.begin(&town.budget, 1, b"state", town.now);
    assert!(matches!(begun, Err(FederateError::Budget(Refused::OverBudget { .. }))));
    assert_eq!(town.budget.spent().unwrap(), before);
    assert!(matches!(town.federation.round(town.log(), 1), Err(FederateError::NotBegun { number: 1 })));
    // Round the guard: a round that its maker has by name is neither noised nor answered.
    let (_other, rich) = town_of(|_| ());
    let foreign = rich.begin(1);
    let noise = town.federation.noise(&town.budget, &foreign, &town.members[0], &mut town.rng, &|_, _| ());
    assert!(matches!(noise, Err(FederateError::NotBegun { .. })));
    let answer = town.federation.answer(&town.budget, &foreign, &[], &town.members[0], &mut MemoryStore::new());
    assert!(matches!(answer, Err(FederateError::NotBegun { .. })));
    for number in [0, 4] {
        let none = town.federation.begin(&town.budget, number, b"state", town.now);
        assert!(matches!(none, Err(FederateError::NoRound { rounds: 3 })));
    }
}

#[test]
fn each_member_alone_meets_the_price_and_the_release_carries_all() {
    let (_folder, mut town) = town_of(|t| t.entries = 3_000);
    let plan = town.federation.plan().clone();
    // One member's noise by the privacy map: L^2 / (2 sigma^2).
    let rho = (100.0 / plan.sigma).powi(2) / 2.0;
    assert!((rho / 0.5 - 1.0).abs() < 1e-6 && plan.each <= "0.5".parse::<Rho>().unwrap());
    let round = town.begin(1);
    let zero = town.federation.gathered(vec![0; 3_000], 0).unwrap();
    let mut uploads: Vec<Upload> = [0, 1].map(|s| town.contribute(&round, s, &zero)).into();
    uploads.extend([0, 1, 2].map(|m| town.noise(&round, m)));
    let release = town.release(&round, &uploads, &[0, 1]);
    let squares: f64 = release.numbers().iter().map(|n| (*n as f64).powi(2)).sum();
    let ratio = squares / 3_000.0 / (3.0 * plan.sigma.powi(2));
    assert!((0.85..1.15).contains(&ratio), "{ratio}");
    assert!(release.numbers().iter().all(|n| n.unsigned_abs() <= plan.largest_noise));
    assert_eq!(
        town.budget.spent().unwrap().unwrap(),
        Cost::Concentrated { rho: plan.each, delta: mediveil_dp::Delta::ZERO }
    );
}

/// Three sites at the largest sums that the plan allows, of either sign, and members that contribute nothing: exact.
#[test]
fn sums_at_the_declared_maxima_are_exact_before_noise() {
    for sign in [1i64, -1] {
        let folder = tempfile::tempdir().unwrap();
        let mut town = Town::new(folder.path(), |t| {
            (t.unit, t.entries) = (Unit::Site, 100);
            t.grid = Grid::new(1.0, 32_767).unwrap();
        });
        let round = town.begin(1);
        let mut uploads = Vec::new();
        let largest = i64::try_from(town.federation.plan().largest_site).unwrap() * sign;
        for site in 0..3u32 {
            let identity = &town.sites[usize::try_from(site).unwrap()];
            let upload = bare_upload(
                &town.federation,
                &round,
                Contributor::Site(site),
                &[largest; 100],
                identity,
                &mut town.rng,
            );
            uploads.push(upload);
        }
        // The noise at its bound, on top of the sums.
        let noise = i64::try_from(town.federation.plan().largest_noise).unwrap() * sign;
        for (member, noise) in [(1, noise), (2, 0)] {
            let identity = &town.members[member - 1];
            let member = Contributor::Member(u32::try_from(member).unwrap());
            uploads.push(bare_upload(&town.federation, &round, member, &[noise; 100], identity, &mut town.rng));
        }
        for upload in &uploads {
            town.federation.commit(town.log(), &round, &upload.contribution, town.now).unwrap();
        }
        let release = town.release(&round, &uploads, &[0, 2]);
        assert_eq!(release.numbers(), vec![3 * largest + noise; 100]);
    }
}

#[test]
fn every_wire_type_is_frozen() {
    let folder = tempfile::tempdir().unwrap();
    let mut town = Town::new(folder.path(), |t| {
        t.members.truncate(1);
        t.needed = 1;
    });
    let round = town.begin(1);
    let sum = town.federation.gather([[1.0, -2.0, 3.0, 4.0]]).unwrap();
    let upload = town.contribute(&round, 0, &sum);
    check_wire(town.federation.terms(), include_str!("snapshots/terms.hex"));
    check_wire(&round, include_str!("snapshots/round.hex"));
    check_wire(&upload.contribution, include_str!("snapshots/contribution.hex"));
    let counted = vec![(Contributor::Site(0), upload.contribution.digest()), (Contributor::Member(1), [2; 32])];
    check_wire(&bare_closing(&round, &counted), include_str!("snapshots/closing.hex"));
    let closing = bare_closing(&round, &counted[..1]);
    let all = contributions(&[upload]);
    let member = &town.members[0];
    let answer = bare_answer(&town.federation, &closing, &round, &all, member);
    check_wire(&answer, include_str!("snapshots/member_sum.hex"));
    let release = bare_release(&round, &closing, vec![-1, 0, 1, 1 << 40]);
    check_wire(&release, include_str!("snapshots/release.hex"));
}

#[test]
fn the_finest_equal_part_fits_all_rounds() {
    let cap: Rho = "1.5".parse().unwrap();
    assert_eq!(Terms::equal_part(cap, 3).units() * 3, cap.units());
    for rounds in [1, 7, 10_000, u32::MAX] {
        let part = Terms::equal_part(cap, rounds).units();
        let (rounds, next) = (u64::from(rounds), part + 1);
        assert!(part * rounds <= cap.units() && next * rounds > cap.units());
    }
    assert_eq!(Terms::equal_part(cap, 0), cap);
    let little = Rho::from_units(2).unwrap();
    assert_eq!(Terms::equal_part(little, 3), little);
}

#[test]
fn handing_in_is_files_and_entry_or_neither() {
    let (folder, town) = town_of(|t| t.least_sites = 1);
    let (layout, round) = (Layout::new(folder.path()), town.begin(1));
    let site = Contributor::Site(0);
    let paths = [layout.vector(1, site), layout.contribution(1, site)];
    let mut rng = mediveil_rng::SeededRng::from_u64(7);
    let mut make = |who: usize| {
        let sum = of(&town, [1.0; 4]);
        town.federation.contribute(&round, &sum, &town.sites[who], &mut rng).unwrap()
    };
    let hand_in = |upload: &Upload| town.federation.hand_in(&layout, town.log(), &round, upload, town.now);
    let committed = |who| town.federation.committed(town.log(), &round, who).unwrap();
    let (first, other) = (make(0), make(0));
    // A vector that is not the one that was signed.
    let exchanged = Upload { contribution: first.contribution.clone(), vector: other.vector.clone() };
    assert!(matches!(hand_in(&exchanged), Err(FederateError::Damaged { contributor }) if contributor == site));
    // A folder that cannot be made: the log has nothing either, and the path is told.
    std::fs::write(layout.round(1).parent().unwrap(), b"").unwrap();
    let refused = hand_in(&first).unwrap_err();
    assert!(matches!(refused, FederateError::Io(_)) && refused.to_string().contains("rounds"), "{refused}");
    std::fs::remove_file(layout.round(1).parent().unwrap()).unwrap();
    // The second of the two files cannot be written: the first goes as well.
    std::fs::create_dir_all(&paths[1]).unwrap();
    assert!(matches!(hand_in(&first), Err(FederateError::Io(_))));
    assert!(committed(site).is_none() && !paths[0].exists());
    std::fs::remove_dir(&paths[1]).unwrap();

    let bytes = hand_in(&first).unwrap();
    let written = || paths.each_ref().map(|p| std::fs::read(p).unwrap());
    let kept = written();
    assert_eq!(bytes, kept[0].len() + kept[1].len());
    assert_eq!(kept, [first.vector.encode(), first.contribution.encode()]);
    assert_eq!(committed(site).unwrap(), first.contribution.digest());
    // Another of the same contributor changes nothing; the same again is served, and heals what was lost.
    assert!(matches!(hand_in(&other), Err(FederateError::Twice { .. })));
    assert_eq!(written(), kept);
    std::fs::remove_file(&paths[0]).unwrap();
    std::fs::write(&paths[1], b"damaged").unwrap();
    assert_eq!(hand_in(&first).unwrap(), bytes);
    assert_eq!(written(), kept);
    // After the closing nothing is taken, and nothing of it stays; what was counted stays.
    let late = make(1);
    for member in 0..2 {
        let identity = &town.members[member];
        let mut rng = mediveil_rng::SeededRng::from_u64(8);
        hand_in(&town.federation.noise(&town.budget, &round, identity, &mut rng, &|_, _| ()).unwrap()).unwrap();
    }
    let found = town.federation.terms().contributors().filter_map(|who| {
        let bytes = std::fs::read(layout.contribution(1, who)).ok()?;
        Some(Contribution::decode(&bytes).unwrap())
    });
    let found: Vec<Contribution> = found.collect();
    town.federation.close(town.log(), &round, &found, town.now).unwrap();
    assert!(matches!(hand_in(&late), Err(FederateError::Closed)));
    assert!(!layout.vector(1, Contributor::Site(1)).exists() && !layout.contribution(1, Contributor::Site(1)).exists());
    assert_eq!(hand_in(&first).unwrap(), bytes);
    assert_eq!(written(), kept);
}
