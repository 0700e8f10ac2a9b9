//! Guardians: a key that five people make and none holds, and the way back in for a patient who lost everything.

use crate::failure::Failure;
use crate::tour::{Figures, Step, World, broken, read, require, write};
use mediveil_codec::{Timestamp, Wire};
use mediveil_seal::identity::{Identity, IdentityKind};
use mediveil_seal::{AtomicFile, OpenError, RefusalReason, Rewrap, Sealer, open, read_doors};
use mediveil_threshold::deal::{Board, CutOff, Enrolled, Outcome, Plan};
use mediveil_threshold::guardians::{CommitteeRecipient, Door};
use mediveil_threshold::recovery::{Approval, Dossier, Notice, Recovery, RecoveryError, State, request};
use mediveil_threshold::rehearsal::Call;
use mediveil_threshold::repair::{Lost, Repair, Transcript};
use mediveil_threshold::{Accusation, Committee, Culprit, KeyShare, MemberId, Misdeed, PublicKeySet, Signed};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const NEEDED: u16 = 3;
const DELAY: Duration = Duration::from_secs(72 * 3600);

/// The guardians, with one in reserve who is none at first.
pub(crate) struct Council {
    people: Vec<Identity>,
    set: PublicKeySet,
    shares: Vec<KeyShare>,
}

pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "make a key among guardians",
        claim: "five guardians make a key that none of them holds; one of them cheats, is named with proof and left out",
        run: generate,
    },
    Step {
        name: "seal for guardians",
        claim: "each bundle gets a door for three of the five, with a waiting time in which the patient can object",
        run: seal_all,
    },
    Step {
        name: "recover a lost key",
        claim: "the patient's key is lost: two guardians cannot help, none does before the time, three open it for a new one",
        run: recover,
    },
    Step {
        name: "veto a recovery",
        claim: "a patient who still has the key stops a stranger's request, and its files prove it",
        run: veto,
    },
    Step {
        name: "replace a guardian",
        claim: "a guardian leaves and another comes; the key stays, and old and new shares do not combine",
        run: replace,
    },
    Step {
        name: "repair a share",
        claim: "a guardian who lost its share gets it again from three others, and a rehearsal proves that it works",
        run: repair,
    },
];

fn say(error: impl std::fmt::Display) -> Failure {
    broken(error.to_string())
}

fn council(world: &World) -> Result<&Council, Failure> {
    world.council.as_ref().ok_or_else(|| broken("no guardians"))
}

fn id(number: u16) -> Result<MemberId, Failure> {
    MemberId::new(number).ok_or_else(|| broken("not a member's number"))
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// A dealer, its share of the old key if there is one, and whether it deals twice.
struct Dealer<'a> {
    identity: &'a Identity,
    share: Option<&'a KeyShare>,
    cheats: bool,
}

/// A run of the key protocol. What a cheating dealer shows to the second member in private is another dealing than the one
/// it posts.
fn hold(
    plan: &Plan,
    members: &[&Identity],
    dealers: &[Dealer<'_>],
    now: Timestamp,
) -> Result<(Outcome, Vec<KeyShare>), Failure> {
    let mut rng = mediveil_rng::system();
    let convenor = *members.first().ok_or_else(|| broken("no members"))?;
    let (mut states, mut enrolled) = (Vec::new(), Vec::new());
    for member in members {
        let (state, message) = Enrolled::start(plan, member, &mut rng).map_err(say)?;
        states.push(state);
        enrolled.push(message);
    }
    let cut_off = CutOff::close(plan, &enrolled, now, convenor).map_err(say)?;
    let enrolments = plan.enrolments(&Board::new(&cut_off, &enrolled)).map_err(say)?;
    let (mut dealt, mut shown) = (Vec::new(), Vec::new());
    for dealer in dealers {
        let message = enrolments.deal(dealer.identity, dealer.share, &mut rng).map_err(say)?;
        if dealer.cheats {
            let other = enrolments.deal(dealer.identity, dealer.share, &mut rng).map_err(say)?;
            shown.push((message.clone(), other));
        }
        dealt.push(message);
    }
    let cut_off = CutOff::close(plan, &dealt, now, convenor).map_err(say)?;
    let dealings = enrolments.dealings(&Board::new(&cut_off, &dealt)).map_err(say)?;
    let (mut opened, mut said) = (Vec::new(), Vec::new());
    for (n, (member, state)) in members.iter().zip(&states).enumerate() {
        let seen = if n == 1 { &shown[..] } else { &[] };
        let (shares, message) = dealings.check_against(state, member, seen, &mut rng).map_err(say)?;
        opened.push(shares);
        said.push(message);
    }
    let cut_off = CutOff::close(plan, &said, now, convenor).map_err(say)?;
    let outcome = dealings.outcome(&Board::new(&cut_off, &said)).map_err(say)?;
    let shares = opened.into_iter().map(|shares| outcome.key_share(shares).map_err(say)).collect::<Result<_, _>>()?;
    Ok((outcome, shares))
}

fn committee(members: &[&Identity]) -> Result<Committee, Failure> {
    let convenor = *members.first().ok_or_else(|| broken("no members"))?.public().verifying_key();
    let publics = members.iter().map(|p| p.public().clone()).collect();
    Committee::new("the tour's guardians", NEEDED, publics, convenor, &mut mediveil_rng::system()).map_err(say)
}

fn generate(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let mut rng = mediveil_rng::system();
    let people = (0..6).map(|_| Identity::generate(IdentityKind::P256, &mut rng)).collect::<Result<Vec<_>, _>>()?;
    let members: Vec<&Identity> = people.iter().take(5).collect();
    let plan = Plan::generate(committee(&members)?);
    let cheat = id(4)?;
    let start = Instant::now();
    let dealers: Vec<Dealer<'_>> = members
        .iter()
        .zip(1u16..)
        .map(|(identity, n)| Dealer { identity, share: None, cheats: n == cheat.get() })
        .collect();
    let (outcome, shares) = hold(&plan, &members, &dealers, world.now)?;
    let dkg_ms = milliseconds(start);
    let expected = Accusation { culprit: Culprit::Dealer(cheat), misdeed: Misdeed::Equivocation };
    require(outcome.accusations == [expected], "another guardian than the one who cheated is accused, or none")?;
    require(!outcome.dealers().contains(&cheat) && outcome.dealers().len() == 4, "the cheat's part counts")?;
    require(shares.iter().all(|share| share.belongs_to(&outcome.set)), "a guardian has no right share")?;
    let folder = world.out.join("guarded");
    std::fs::create_dir_all(&folder).map_err(|e| Failure::from(e).at(&folder))?;
    write(&folder.join("key-set"), mediveil_codec::armor::encode(&outcome.set).as_bytes())?;
    figures.set("dkg_all_members_ms", dkg_ms);
    figures.set("key_set_bytes", outcome.set.encode().len());
    figures.set("public_key_bytes", outcome.set.key().encode().len());
    world.council = Some(Council { people, set: outcome.set, shares });
    Ok(format!("3 of 5, {dkg_ms:.0} ms for all of them; dealer {cheat} signed two dealings and is out"))
}

fn path(world: &World, name: &str) -> PathBuf {
    world.out.join("guarded").join(format!("{name}.sealed"))
}

fn seal_all(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let council = council(world)?;
    let mut door_bytes = 0;
    for patient in &world.patients {
        let path = path(world, &patient.name);
        let guardians = CommitteeRecipient::new(council.set.key()).owner(patient.identity.public(), DELAY);
        let sealer = Sealer::new().context(b"mediveil tour")?.to(patient.identity.public()).to(&guardians);
        let mut file = AtomicFile::create(&path).map_err(|e| Failure::from(e).at(&path))?;
        sealer.copy(&mut patient.bundle.as_slice(), &mut file, &mut mediveil_rng::system())?;
        file.commit()?;
        let seen = mediveil_seal::inspect(&mut std::fs::File::open(&path)?)?;
        let door = seen.doors.iter().find(|d| d.kind.as_str() == "committee").ok_or_else(|| broken("no such door"))?;
        let door = Door::decode(&door.body).map_err(say)?;
        require(door.terms().has_owner() && door.terms().delay() == DELAY, "the door has other terms")?;
        door_bytes = door.encode().len();
    }
    figures.set("files", world.patients.len());
    figures.set("door_bytes", door_bytes);
    Ok(format!("{} files, a guardians' door of {door_bytes} bytes", world.patients.len()))
}

/// The notices and approvals of guardians.
type Said = (Vec<Signed<Notice>>, Vec<Signed<Approval>>);

/// What these guardians say when they see a request, and when the time is over.
fn approvals(recovery: &Recovery<'_>, helpers: &[(&Identity, &KeyShare)], now: Timestamp) -> Result<Said, Failure> {
    let mut rng = mediveil_rng::system();
    let (mut notices, mut said) = (Vec::new(), Vec::new());
    for (guardian, share) in helpers {
        let notice = recovery.notice(guardian, now).map_err(say)?;
        let hour = now.plus(Duration::from_secs(3600));
        let early = recovery.approve(share, guardian, &notice, &[], hour, &mut rng);
        require(matches!(early, Err(RecoveryError::TooEarly { .. })), "a guardian helped before the time was over")?;
        said.push(recovery.approve(share, guardian, &notice, &[], now.plus(DELAY), &mut rng).map_err(say)?);
        notices.push(notice);
    }
    Ok((notices, said))
}

fn recover(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let council = council(world)?;
    let patient = world.patients.first().ok_or_else(|| broken("no patients"))?;
    // What the patient has from here on: the sealed file, and a new identity.
    let renewed = Identity::generate(IdentityKind::Hybrid, &mut mediveil_rng::system())?;
    let sealed = read(&path(world, &patient.name))?;
    require(matches!(open(&sealed, &[&renewed]), Err(OpenError::NoDoor { .. })), "the new identity needs no guardian")?;
    let start = Instant::now();
    let (context, stanzas) = read_doors(&mut sealed.as_slice())?;
    let wish = request(council.set.key(), &context, &stanzas, &renewed, world.now).map_err(say)?;
    let recovery = Recovery::new(&council.set, &wish).map_err(say)?;
    let helpers: Vec<_> = council.people.iter().zip(&council.shares).skip(1).take(3).collect();
    let (notices, said) = approvals(&recovery, &helpers, world.now)?;
    let two = said.get(..2).unwrap_or_default();
    let short = recovery.finish(two, &renewed);
    require(matches!(short, Err(RecoveryError::TooFew { found: 2, needed: 3, .. })), "two guardians suffice")?;
    let opener = recovery.finish(&said, &renewed).map_err(say)?;
    let opened = open(&sealed, &[&opener])?;
    require(*opened.plaintext == patient.bundle, "the opened bundle is not the one that was sealed")?;
    // From now on the file has a door for the new identity.
    let mut with_door = Vec::new();
    Rewrap::new().to(renewed.public()).run(
        &mut sealed.as_slice(),
        &mut with_door,
        &[&opener],
        &mut mediveil_rng::system(),
    )?;
    require(*open(&with_door, &[&renewed])?.plaintext == patient.bundle, "the new door does not open")?;
    let recover_ms = milliseconds(start);
    let completion = recovery.complete(&said, &renewed, world.now.plus(DELAY)).map_err(say)?;
    let statements = said.len().saturating_add(notices.len()).saturating_add(2);
    let dossier =
        Dossier { request: wish.clone(), notices, vetoes: Vec::new(), approvals: said, completion: Some(completion) };
    let verdict = dossier.verify(&council.set).map_err(say)?;
    require(
        verdict.state == State::Completed && verdict.early.is_empty() && verdict.approved_by.len() == 3,
        "the statements do not tell what happened",
    )?;
    write(&path(world, &format!("{}-recovered", patient.name)), &with_door)?;
    figures.set("recover_ms", recover_ms);
    figures.set("statements", statements);
    Ok(format!("three guardians open it after 72 hours ({recover_ms:.0} ms of work), two do not"))
}

fn veto(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let council = council(world)?;
    let patient = world.patients.last().ok_or_else(|| broken("no patients"))?;
    let mut rng = mediveil_rng::system();
    let stranger = Identity::generate(IdentityKind::P256, &mut rng)?;
    let sealed = read(&path(world, &patient.name))?;
    let (context, stanzas) = read_doors(&mut sealed.as_slice())?;
    let wish = request(council.set.key(), &context, &stanzas, &stranger, world.now).map_err(say)?;
    let recovery = Recovery::new(&council.set, &wish).map_err(say)?;
    require(
        matches!(recovery.veto(&stranger, world.now), Err(RecoveryError::NotTheOwner)),
        "somebody else than the owner can veto",
    )?;
    let day = world.now.plus(Duration::from_secs(86_400));
    let objection = recovery.veto(&patient.identity, day).map_err(say)?;
    let mut refused = 0u32;
    let mut notices = Vec::new();
    for (guardian, share) in council.people.iter().zip(&council.shares) {
        let notice = recovery.notice(guardian, world.now).map_err(say)?;
        let vetoes = std::slice::from_ref(&objection);
        let answer = recovery.approve(share, guardian, &notice, vetoes, world.now.plus(DELAY), &mut rng);
        require(matches!(answer, Err(RecoveryError::Vetoed { at }) if at == day), "a guardian helps against a veto")?;
        refused = refused.saturating_add(1);
        notices.push(notice);
    }
    let dossier =
        Dossier { request: wish.clone(), notices, vetoes: vec![objection], approvals: Vec::new(), completion: None };
    require(dossier.verify(&council.set).map_err(say)?.state == State::Vetoed, "the statements do not show the veto")?;
    let shut = open(&sealed, &[&stranger]);
    require(matches!(shut, Err(OpenError::NoDoor { .. })), "the stranger opens the file")?;
    figures.set("attempts_refused", refused);
    Ok(format!("{refused} guardians refuse after the owner's veto"))
}

fn replace(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let council = council(world)?;
    let start = Instant::now();
    // The fifth leaves, the sixth comes.
    let members: Vec<&Identity> = council.people.iter().take(4).chain(council.people.get(5)).collect();
    require(
        Plan::reshare(&council.set, 2, committee(&members)?).is_err(),
        "shares are dealt on under another threshold than the key's",
    )?;
    let plan = Plan::reshare(&council.set, NEEDED, committee(&members)?).map_err(say)?;
    let dealers: Vec<Dealer<'_>> = council
        .people
        .iter()
        .zip(&council.shares)
        .take(4)
        .map(|(identity, share)| Dealer { identity, share: Some(share), cheats: false })
        .collect();
    let (outcome, shares) = hold(&plan, &members, &dealers, world.now)?;
    let reshare_ms = milliseconds(start);
    require(outcome.set.key() == council.set.key() && outcome.set.epoch() == 1, "the key changed")?;
    require(outcome.accusations.is_empty(), "somebody honest is accused")?;

    // One new guardian and two old ones, who kept what they should have destroyed.
    let patient = world.patients.last().ok_or_else(|| broken("no patients"))?;
    let sealed = read(&path(world, &patient.name))?;
    let renewed = Identity::generate(IdentityKind::P256, &mut mediveil_rng::system())?;
    let (context, stanzas) = read_doors(&mut sealed.as_slice())?;
    let wish = request(outcome.set.key(), &context, &stanzas, &renewed, world.now).map_err(say)?;
    let (old, new) =
        (Recovery::new(&council.set, &wish).map_err(say)?, Recovery::new(&outcome.set, &wish).map_err(say)?);
    let kept: Vec<_> = council.people.iter().zip(&council.shares).take(2).collect();
    let fresh: Vec<_> = members.iter().copied().zip(&shares).skip(2).collect();
    let mut said = approvals(&old, &kept, world.now)?.1;
    let fresh = approvals(&new, &fresh, world.now)?.1;
    said.extend(fresh.iter().take(1).cloned());
    let mixed = [new.finish(&said, &renewed), old.finish(&said, &renewed)];
    let [Err(RecoveryError::TooFew { found: 1, .. }), Err(RecoveryError::TooFew { found: 2, .. })] = &mixed else {
        return Err(broken("old and new shares combine"));
    };
    // Three of the new ones, the newcomer among them, open what was sealed before it came.
    let opener = new.finish(&fresh, &renewed).map_err(say)?;
    require(*open(&sealed, &[&opener])?.plaintext == patient.bundle, "the new guardians do not open an older file")?;
    let alone = open(&sealed, &[&renewed]);
    let refused = matches!(&alone, Err(OpenError::NoDoor { refusals, .. })
        if refusals.iter().all(|r| r.reason != RefusalReason::TooFewShares));
    require(refused, "the file opens without guardians")?;
    figures.set("reshare_all_members_ms", reshare_ms);
    if let Some(council) = &mut world.council {
        council.people.swap(4, 5);
        council.set = outcome.set;
        council.shares = shares;
    }
    Ok(format!("{reshare_ms:.0} ms for all of them; one new and two old shares open nothing, three new ones do"))
}

fn repair(world: &mut World, figures: &mut Figures) -> Result<String, Failure> {
    let council = council(world)?;
    let mut rng = mediveil_rng::system();
    let member = id(2)?;
    let helpers = [id(1)?, id(4)?, id(5)?];
    let person = |id: MemberId| {
        let at = usize::from(id.get()).saturating_sub(1);
        council.people.get(at).zip(council.shares.get(at)).ok_or_else(|| broken("no such guardian"))
    };
    let (loser, _) = person(member)?;
    let start = Instant::now();
    let (lost, wish) = Lost::request(&council.set, loser, &helpers, world.now, &mut rng).map_err(say)?;
    let case = Repair::new(&council.set, &wish).map_err(say)?;
    let mut parts = Vec::new();
    for helper in helpers {
        let (identity, share) = person(helper)?;
        parts.push(case.split(identity, share, &mut rng).map_err(say)?);
    }
    let splits = case.splits(&parts).map_err(say)?;
    let mut sums = Vec::new();
    for helper in helpers {
        let (identity, share) = person(helper)?;
        sums.push(splits.sum(identity, share, &mut rng).map_err(say)?);
    }
    let (share, closing) = splits.finish(&lost, loser, &sums, world.now, &mut rng).map_err(say)?;
    let share = share.ok_or_else(|| broken("the share was not repaired"))?;
    let repair_ms = milliseconds(start);
    require(share.belongs_to(&council.set), "the repaired share is another")?;
    let verdict = Transcript::new(&wish, &parts, &sums, Some(&closing)).audit(&council.set).map_err(say)?;
    require(verdict.repaired && verdict.accusations.is_empty(), "the messages do not show the repair")?;

    let call = Call::new(&council.set, world.now, &mut rng);
    let mut answers = vec![share.rehearse(&council.set, &call, &mut rng).map_err(say)?];
    for helper in [id(1)?, id(3)?] {
        answers.push(person(helper)?.1.rehearse(&council.set, &call, &mut rng).map_err(say)?);
    }
    let two = answers.get(..2).unwrap_or_default();
    require(call.conclude(&council.set, two).is_err(), "two shares pass for three")?;
    let end = call.conclude(&council.set, &answers).map_err(say)?;
    require(end.proof.verify(council.set.key()) && end.wrong.is_empty(), "the rehearsal does not prove it")?;
    require(end.working.contains(&member), "the repaired share does not work")?;
    figures.set("repair_ms", repair_ms);
    figures.set("rehearsal_proof_bytes", end.proof.encode().len());
    Ok(format!("{repair_ms:.0} ms; the repaired share and two others answer a rehearsal"))
}
