//! Members who cheat, from inside: every message is forged where its maker could forge it, and signed by its maker.

use super::round2::Complaint;
use super::*;
use crate::algebra::Secret;
use crate::algebra::point::tests::torsion;
use crate::envelope::Disclosure;
use crate::{Accusation, Committee, CommitteeError, Culprit, KeyShare, MemberId, Misdeed, ProtocolError, Signed};
use blstrs::{G1Affine, G1Projective, G2Affine, G2Projective, Scalar};
use group::Group;
use group::prime::PrimeCurveAffine;
use mediveil_codec::{Timestamp, Wire};
use mediveil_rng::{Rng, SeededRng};
use mediveil_seal::identity::{Identity, IdentityKind};

type Round0 = Signed<round0::Package>;
type Round1 = Signed<round1::Package>;
type Round2 = Signed<round2::Package>;

fn id(n: u16) -> MemberId {
    MemberId::new(n).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000).unwrap()
}

fn people(n: usize, rng: &mut SeededRng) -> Vec<Identity> {
    (0..n).map(|_| Identity::generate(IdentityKind::P256, rng).unwrap()).collect()
}

fn committee(people: &[Identity], needed: u16, rng: &mut SeededRng) -> Committee {
    let members = people.iter().map(|p| p.public().clone()).collect();
    Committee::new("test", needed, members, *people[0].public().verifying_key(), rng).unwrap()
}

/// A run up to the end of round 0.
struct Stage {
    people: Vec<Identity>,
    plan: Plan,
    states: Vec<Enrolled>,
    messages: Vec<Round0>,
    enrolments: Enrolments,
    rng: SeededRng,
}

fn stage(n: usize, needed: u16, seed: u64) -> Stage {
    let mut rng = SeededRng::from_u64(seed);
    let people = people(n, &mut rng);
    let plan = Plan::generate(committee(&people, needed, &mut rng));
    let (states, messages): (Vec<_>, Vec<_>) =
        people.iter().map(|p| Enrolled::start(&plan, p, &mut rng).unwrap()).unzip();
    let cut_off = CutOff::close(&plan, &messages, now(), &people[0]).unwrap();
    let enrolments = plan.enrolments(&Board::new(&cut_off, &messages)).unwrap();
    Stage { people, plan, states, messages, enrolments, rng }
}

/// How the run ended: for everybody the same, and the shares of those who have one.
struct End {
    outcome: Outcome,
    shares: Vec<(MemberId, KeyShare)>,
}

impl Stage {
    fn honest(&mut self) -> Vec<Round1> {
        self.people.iter().map(|p| self.enrolments.deal(p, None, &mut self.rng).unwrap()).collect()
    }

    /// Everybody's second round without a complaint, whatever was dealt.
    fn silent(&self, dealings: &Dealings) -> Vec<Round2> {
        let members = (1..).map(id).zip(&self.people);
        members.map(|(member, p)| Signed::new(round2::Package::forged(dealings, member, Vec::new()), p)).collect()
    }

    /// Replaces a dealer's message by a changed one under the dealer's signature.
    fn forge(&self, messages: &mut [Round1], dealer: u16, change: impl FnOnce(&mut round1::Package)) {
        let at = usize::from(dealer) - 1;
        let mut package = messages[at].content().clone();
        change(&mut package);
        messages[at] = Signed::new(package, &self.people[at]);
    }

    fn dealings(&self, messages: &[Round1]) -> Result<Dealings, ProtocolError> {
        let cut_off = CutOff::close(&self.plan, messages, now(), &self.people[0]).unwrap();
        self.enrolments.dealings(&Board::new(&cut_off, messages))
    }

    /// Rounds 1 and 2 with honest receivers.
    fn finish(&mut self, messages: &[Round1]) -> End {
        let dealings = self.dealings(messages).unwrap();
        self.finish_with(&dealings, Vec::new())
    }

    /// Round 2, with these messages in the place of those of their authors.
    fn finish_with(&mut self, dealings: &Dealings, forged: Vec<Round2>) -> End {
        use crate::Content;
        let mut checked = Vec::new();
        let mut messages = Vec::new();
        for (state, person) in self.states.iter().zip(&self.people) {
            let (shares, message) = dealings.check(state, person, &mut self.rng).unwrap();
            checked.push((state.member(), shares));
            if !forged.iter().any(|f| f.content().author() == state.member().get()) {
                messages.push(message);
            }
        }
        messages.extend(forged);
        let cut_off = CutOff::close(&self.plan, &messages, now(), &self.people[0]).unwrap();
        let outcome = dealings.outcome(&Board::new(&cut_off, &messages)).unwrap();
        let shares =
            checked.into_iter().filter_map(|(id, c)| Some((id, outcome.key_share(c).ok()?))).collect::<Vec<_>>();
        assert!(shares.iter().all(|(_, share)| share.belongs_to(&outcome.set)));
        End { outcome, shares }
    }

    /// The accusation against a dealer, whose dealing then does not count, while everybody gets a share.
    fn accused(&mut self, messages: &[Round1], dealer: u16, misdeed: Misdeed) {
        let end = self.finish(messages);
        assert_eq!(end.outcome.accusations, [Accusation { culprit: Culprit::Dealer(id(dealer)), misdeed }]);
        assert!(!end.outcome.dealers().contains(&id(dealer)));
        assert_eq!(end.shares.len(), self.people.len());
    }
}

#[test]
fn ids_zero_and_out_of_range_do_not_exist_and_members_cannot_share_a_key() {
    assert!(MemberId::new(0).is_none() && MemberId::new(1025).is_none() && MemberId::new(1024).is_some());
    let mut rng = SeededRng::from_u64(1);
    let people = people(3, &mut rng);
    let members = |picks: &[usize]| picks.iter().map(|i| people[*i].public().clone()).collect::<Vec<_>>();
    let convenor = *people[0].public().verifying_key();
    let mut new = |needed, picks: &[usize]| Committee::new("x", needed, members(picks), convenor, &mut rng);
    assert_eq!(new(2, &[0, 1, 0]).unwrap_err(), CommitteeError::Duplicate(id(1), id(3)));
    assert_eq!(new(1, &[0, 1, 2]).unwrap_err(), CommitteeError::NeededTooSmall { needed: 1 });
    assert_eq!(new(0, &[0, 1, 2]).unwrap_err(), CommitteeError::NeededTooSmall { needed: 0 });
    assert_eq!(new(2, &[0, 1]).unwrap_err(), CommitteeError::TooFewMembers { needed: 2, members: 2, least: 3 });
    assert!(new(2, &[0, 1, 2]).is_ok());
}

#[test]
fn a_commitment_of_wrong_degree_is_named() {
    let mut stage = stage(5, 3, 2);
    for (needed, found) in [(2, 2), (4, 4)] {
        let mut messages = stage.honest();
        let package =
            stage.enrolments.package(id(4), &Secret::random(&mut stage.rng), needed, &mut SeededRng::from_u64(9));
        messages[3] = Signed::new(package, &stage.people[3]);
        stage.accused(&messages, 4, Misdeed::WrongDegree { found, needed: 3 });
    }
}

#[test]
fn empty_commitments_and_identity_points_do_not_decode() {
    let mut stage = stage(3, 2, 3);
    let messages = stage.honest();
    let bytes = messages[0].encode();
    assert!(Round1::decode(&bytes).is_ok());
    for at in 0..2 {
        let mut forged = messages.clone();
        stage.forge(&mut forged, 1, |p| p.commitment.0[at] = G1Affine::identity());
        assert!(Round1::decode(&forged[0].encode()).unwrap_err().to_string().contains("the identity"));
    }
    let mut forged = messages.clone();
    stage.forge(&mut forged, 1, |p| p.commitment.0.clear());
    assert!(Round1::decode(&forged[0].encode()).unwrap_err().to_string().contains("an empty commitment"));
    let [three, _] = torsion();
    let mut forged = messages;
    stage.forge(&mut forged, 1, |p| p.commitment.0[0] = (G1Projective::from(p.commitment.0[0]) + three).into());
    assert!(Round1::decode(&forged[0].encode()).unwrap_err().to_string().contains("outside the group"));
}

#[test]
fn points_outside_the_group_are_named_or_cancel() {
    let mut stage = stage(5, 2, 4);
    for point in torsion() {
        // In the last coefficient: receivers see it, unless the order divides their number; then the sum shows it.
        let mut messages = stage.honest();
        stage.forge(&mut messages, 2, |p| p.commitment.0[1] = (G1Projective::from(p.commitment.0[1]) + point).into());
        let decoded = Round1::decode(&messages[1].encode()).unwrap();
        assert_eq!(decoded, messages[1]);
        let end = stage.finish(&messages);
        assert!(end.outcome.accusations.iter().all(|a| a.culprit == Culprit::Dealer(id(2))));
        assert!(!end.outcome.dealers().contains(&id(2)) && end.shares.len() == 5);

        // Nobody complains, as if all receivers were blind: the sum alone finds it.
        let dealings = stage.dealings(&messages).unwrap();
        let silent = stage.silent(&dealings);
        let end = stage.finish_with(&dealings, silent);
        assert_eq!(
            end.outcome.accusations,
            [Accusation { culprit: Culprit::Dealer(id(2)), misdeed: Misdeed::OutsideGroup }]
        );

        // Two dealers whose parts cancel, and nobody complains: the sum is right, and so are all shares in the group.
        let mut messages = stage.honest();
        stage.forge(&mut messages, 2, |p| p.commitment.0[1] = (G1Projective::from(p.commitment.0[1]) + point).into());
        stage.forge(&mut messages, 3, |p| p.commitment.0[1] = (G1Projective::from(p.commitment.0[1]) - point).into());
        let dealings = stage.dealings(&messages).unwrap();
        let silent = stage.silent(&dealings);
        let cut_off = CutOff::close(&stage.plan, &silent, now(), &stage.people[0]).unwrap();
        let outcome = dealings.outcome(&Board::new(&cut_off, &silent)).unwrap();
        assert_eq!(outcome.accusations, []);
        assert!(outcome.set.commitment.0.iter().all(|p| bool::from(p.is_torsion_free())));
    }
}

#[test]
fn a_constant_with_another_value_in_g2_is_named() {
    let mut stage = stage(3, 2, 5);
    let mut messages = stage.honest();
    stage.forge(&mut messages, 3, |p| p.constant2 = Some(G2Affine::generator()));
    stage.accused(&messages, 3, Misdeed::UnequalConstants);
    let mut messages = stage.honest();
    stage.forge(&mut messages, 3, |p| p.constant2 = None);
    stage.accused(&messages, 3, Misdeed::UnequalConstants);
}

#[test]
fn a_rogue_key_is_named() {
    let mut stage = stage(3, 2, 6);
    let mut messages = stage.honest();
    // A constant made of the others' so that the sum is one's own key; the old proof cannot fit it.
    let others = G1Projective::from(messages[0].content().commitment.0[0]) + messages[1].content().commitment.0[0];
    stage.forge(&mut messages, 3, |p| p.commitment.0[0] = (G1Projective::generator() - others).into());
    stage.accused(&messages, 3, Misdeed::UnprovenConstant);
    // Another dealer's constant with that dealer's own proof: the proof binds its dealer.
    let mut messages = stage.honest();
    let copied = messages[0].content().clone();
    stage.forge(&mut messages, 3, |p| {
        p.commitment.0[0] = copied.commitment.0[0];
        p.constant2 = copied.constant2;
        p.constant_proof = copied.constant_proof;
    });
    stage.accused(&messages, 3, Misdeed::UnprovenConstant);
}

#[test]
fn a_copied_ephemeral_key_is_named_before_anybody_complains() {
    let mut stage = stage(3, 2, 7);
    let mut messages = stage.honest();
    let copied = messages[0].content().ephemeral.clone();
    stage.forge(&mut messages, 2, |p| p.ephemeral = copied);
    stage.accused(&messages, 2, Misdeed::UnprovenKey);
}

#[test]
fn wrong_shares_lead_to_complaints_that_everybody_can_decide() {
    let mut stage = stage(5, 3, 8);
    // A ciphertext that does not authenticate, one that holds another member's value, and shares to too few.
    let mut messages = stage.honest();
    stage.forge(&mut messages, 2, |p| p.shares[3].as_mut().unwrap()[0] ^= 1);
    stage.accused(&messages, 2, Misdeed::WrongShare { receiver: id(4) });

    let mut messages = stage.honest();
    let key = stage.enrolments.keys[3].unwrap();
    let r = Secret::random(&mut stage.rng);
    let dealer = id(2);
    let mut package = stage.enrolments.package(dealer, &Secret::random(&mut stage.rng), 3, &mut stage.rng);
    // With the ephemeral secret in hand, the dealer encrypts a wrong value properly.
    let session = stage.plan.session();
    package.ephemeral = crate::envelope::OwnedPoint::new(
        &crate::proof::Fields::new("mediveil/threshold/ephemeral/v1").add(session.as_bytes()).add(&[0, 2]),
        &r,
        &mut stage.rng,
    );
    let sealed: Vec<_> = (1..=5_u16)
        .map(|i| {
            let to = stage.enrolments.keys[usize::from(i) - 1].unwrap();
            Some(package.route(id(i), &to).seal(&Secret(Scalar::from(7)), &r))
        })
        .collect();
    package.shares = sealed;
    assert!(package.open(id(4), &key, &stage.states[3].key.shared(&package.ephemeral.point)).is_none());
    messages[1] = Signed::new(package, &stage.people[1]);
    let end = stage.finish(&messages);
    assert_eq!(end.outcome.accusations.len(), 5);
    assert!(end.outcome.accusations.iter().all(|a| a.culprit == Culprit::Dealer(dealer)));
    assert_eq!((end.outcome.dealers().len(), end.shares.len()), (4, 5));

    let mut messages = stage.honest();
    stage.forge(&mut messages, 2, |p| p.shares[3] = None);
    stage.accused(&messages, 2, Misdeed::WrongReceivers);
}

#[test]
fn false_complaints_fall_back_on_who_makes_them() {
    let mut stage = stage(5, 3, 9);
    let messages = stage.honest();
    let dealings = stage.dealings(&messages).unwrap();
    let package = messages[1].content();
    let key = stage.enrolments.keys[4].unwrap();
    // A right disclosure of a right share, a disclosure with another key, and one for a dealer who is not there.
    let genuine = package.route(id(5), &key).disclose(&stage.states[4].key.secret, &mut stage.rng);
    let forged = package.route(id(5), &key).disclose(&Secret::random(&mut stage.rng), &mut stage.rng);
    for (dealer, disclosure) in [(id(2), genuine.clone()), (id(2), forged), (id(99), genuine)] {
        let complaints = vec![Complaint::Share { dealer, disclosure }];
        let message = Signed::new(round2::Package::forged(&dealings, id(5), complaints), &stage.people[4]);
        let end = stage.finish_with(&dealings, vec![message]);
        let misdeed = Misdeed::FalseComplaint { dealer };
        assert_eq!(end.outcome.accusations, [Accusation { culprit: Culprit::Receiver(id(5)), misdeed }]);
        assert_eq!(end.outcome.dealers().len(), 5);
    }
}

#[test]
fn a_disclosure_opens_one_share_and_no_other() {
    let mut stage = stage(3, 2, 10);
    let messages = stage.honest();
    let (first, second) = (messages[0].content(), messages[1].content());
    let key = stage.enrolments.keys[2].unwrap();
    let shown: Disclosure = first.route(id(3), &key).disclose(&stage.states[2].key.secret, &mut stage.rng);
    assert!(first.route(id(3), &key).is_disclosed_by(&shown));
    assert!(first.open(id(3), &key, &shown.shared).is_some());
    assert!(!second.route(id(3), &key).is_disclosed_by(&shown));
    assert!(second.open(id(3), &key, &shown.shared).is_none());
    let other = stage.enrolments.keys[1].unwrap();
    assert!(first.open(id(2), &other, &shown.shared).is_none());
}

#[test]
fn a_dealer_who_signs_two_dealings_is_out_by_the_cut_off_or_by_a_complaint() {
    let mut stage = stage(5, 3, 11);
    let messages = stage.honest();
    let second = stage.enrolments.deal(&stage.people[1], None, &mut stage.rng).unwrap();
    // Both on the board: the cut-off carries the proof.
    let both = [messages.clone(), vec![second.clone()]].concat();
    stage.accused(&both, 2, Misdeed::Equivocation);
    // One on the board, the other sent to member 4 alone.
    let dealings = stage.dealings(&messages).unwrap();
    let seen = [(messages[1].clone(), second)];
    let (_, complaint) = dealings.check_against(&stage.states[3], &stage.people[3], &seen, &mut stage.rng).unwrap();
    assert_eq!(complaint.content().accused(), [id(2)]);
    let end = stage.finish_with(&dealings, vec![complaint]);
    assert_eq!(
        end.outcome.accusations,
        [Accusation { culprit: Culprit::Dealer(id(2)), misdeed: Misdeed::Equivocation }]
    );
    assert_eq!((end.outcome.dealers().len(), end.shares.len()), (4, 5));
    // The proof with somebody else's signatures falls back on who brings it.
    let [one, two] = [&messages[2], &stage.enrolments.deal(&stage.people[2], None, &mut stage.rng).unwrap()]
        .map(|m| Signed::new(m.content().clone(), &stage.people[3]));
    let proof = crate::Equivocation::between(&one, &two).unwrap();
    let complaints = vec![Complaint::Equivocation(Box::new(proof))];
    let message = Signed::new(round2::Package::forged(&dealings, id(4), complaints), &stage.people[3]);
    let end = stage.finish_with(&dealings, vec![message]);
    let misdeed = Misdeed::FalseComplaint { dealer: id(3) };
    assert_eq!(end.outcome.accusations, [Accusation { culprit: Culprit::Receiver(id(4)), misdeed }]);
    // Two copies of one message are no equivocation.
    let copies = [messages.clone(), messages].concat();
    assert_eq!(stage.finish(&copies).outcome.accusations, []);
}

#[test]
fn silence_is_left_out_and_not_accused() {
    let mut stage = stage(5, 3, 12);
    let messages = stage.honest();
    let end = stage.finish(&messages[..3]);
    assert_eq!(end.outcome.accusations, []);
    assert_eq!(end.outcome.dealers(), [id(1), id(2), id(3)]);
    assert_eq!(end.shares.len(), 5);
    let error = stage.dealings(&messages[..2]).unwrap_err();
    assert_eq!(error, ProtocolError::TooFew { found: 2, needed: 3, accusations: vec![] });
}

#[test]
fn too_few_enrolments_end_the_run() {
    let stage = stage(3, 2, 19);
    let cut_off = CutOff::close(&stage.plan, &stage.messages[..1], now(), &stage.people[0]).unwrap();
    let error = stage.plan.enrolments(&Board::new(&cut_off, &stage.messages)).unwrap_err();
    assert_eq!(error, ProtocolError::TooFew { found: 1, needed: 2, accusations: vec![] });
}

#[test]
fn a_message_that_answers_another_cut_off_is_named() {
    let mut stage = stage(5, 3, 20);
    let mut messages = stage.honest();
    stage.forge(&mut messages, 2, |p| p.enrolments = [9; 32]);
    stage.accused(&messages, 2, Misdeed::OtherCutOff);
    // In round 2, it says nothing about these dealings.
    let messages = stage.honest();
    let dealings = stage.dealings(&messages).unwrap();
    let other = stage.dealings(&messages[..4]).unwrap();
    let message = Signed::new(round2::Package::forged(&other, id(4), Vec::new()), &stage.people[3]);
    let end = stage.finish_with(&dealings, vec![message]);
    let misdeed = Misdeed::OtherCutOff;
    assert_eq!(end.outcome.accusations, [Accusation { culprit: Culprit::Receiver(id(4)), misdeed }]);
}

#[test]
fn late_replayed_and_foreign_messages_do_not_count() {
    let mut stage = stage(3, 2, 13);
    let messages = stage.honest();
    let cut_off = CutOff::close(&stage.plan, &messages[..2], now(), &stage.people[0]).unwrap();
    // Late: on the board and not in the cut-off.
    let dealings = stage.enrolments.dealings(&Board::new(&cut_off, &messages)).unwrap();
    assert!(dealings.packages[2].is_none() && dealings.accusations.is_empty());
    // Of another run of the same members: the convenor passes it over.
    let mut rng = SeededRng::from_u64(14);
    let other_plan = Plan::generate(stage.plan.committee().renewed(&mut rng));
    let (states, round0): (Vec<_>, Vec<_>) =
        stage.people.iter().map(|p| Enrolled::start(&other_plan, p, &mut rng).unwrap()).unzip();
    let closed = CutOff::close(&stage.plan, &round0, now(), &stage.people[0]).unwrap();
    assert!(closed.content().entries().iter().all(|e| *e == Entry::Silent));
    assert_eq!(dealings.check(&states[0], &stage.people[0], &mut rng).unwrap_err(), ProtocolError::OtherSession);
    // And even a convenor who lists it, or closes another round or session, gets nowhere.
    let other = CutOff::close(&other_plan, &round0, now(), &stage.people[0]).unwrap();
    assert!(matches!(stage.plan.enrolments(&Board::new(&other, &round0)), Err(ProtocolError::CutOff(_))));
    let wrong_convenor = CutOff::close(&stage.plan, &messages, now(), &stage.people[1]);
    assert_eq!(wrong_convenor.unwrap_err(), ProtocolError::NotAMember);
    let missing = stage.enrolments.dealings(&Board::new(&cut_off, &messages[1..])).unwrap_err();
    assert_eq!(missing, ProtocolError::Missing(Culprit::Dealer(id(1))));
    let (_, message) = dealings.check(&stage.states[0], &stage.people[0], &mut rng).unwrap();
    assert!(message.verify(stage.people[0].public().verifying_key()));
    assert!(!message.verify(stage.people[1].public().verifying_key()));
}

/// The convenor is trusted for progress only: whatever it signs, what does not fit is refused, and nobody is left out as
/// double-tongued without proof.
#[test]
fn a_cut_off_is_bound_to_session_round_members_and_their_signatures() {
    use crate::Equivocation;
    let mut stage = stage(3, 2, 21);
    let messages = stage.honest();
    let people = &stage.people;
    let good = CutOff::close(&stage.plan, &messages, now(), &people[0]).unwrap();
    let (session, entries) = (stage.plan.session(), good.content().entries().to_vec());
    let mut rng = SeededRng::from_u64(22);
    let other = Plan::generate(stage.plan.committee().renewed(&mut rng));
    let judge = |session, round, entries: &[Entry], messages: &[Round1], signer: usize| {
        let cut_off = Signed::new(CutOff::forged(session, round, now(), entries.to_vec()), &people[signer]);
        stage.enrolments.dealings(&Board::new(&cut_off, messages)).map(|dealings| dealings.accusations)
    };
    let refused = |why| Err(ProtocolError::CutOff(why));
    assert_eq!(judge(session, 1, &entries, &messages, 0), Ok(vec![]));
    assert_eq!(judge(other.session(), 1, &entries, &messages, 0), refused("it is for another session"));
    assert_eq!(judge(session, 0, &entries, &messages, 0), refused("it is for another round"));
    assert_eq!(judge(session, 1, &entries[..2], &messages, 0), refused("it has another number of members"));
    assert_eq!(judge(session, 1, &entries, &messages, 1), refused("the signature does not verify"));
    let why = "it lists a message of another member or session";
    let swapped = [entries[1].clone(), entries[0].clone(), entries[2].clone()];
    assert_eq!(judge(session, 1, &swapped, &messages, 0), refused(why));
    let mut foreign = messages[0].content().clone();
    foreign.session = other.session();
    let foreign = Signed::new(foreign, &people[0]);
    assert_eq!(Equivocation::between(&messages[0], &foreign), None, "one message in each of two runs");
    let listed = [Entry::Posted(*foreign.digest()), entries[1].clone(), entries[2].clone()];
    assert_eq!(judge(session, 1, &listed, &[&messages[1..], &[foreign]].concat(), 0), refused(why));
    // A message whose content is right and whose signature is not.
    let unsigned = Signed::new(messages[0].content().clone(), &people[1]);
    let damaged = Err(ProtocolError::Damaged(Culprit::Dealer(id(1))));
    let only = [std::slice::from_ref(&unsigned), &messages[1..]].concat();
    assert_eq!(judge(session, 1, &entries, &only, 0), damaged);
    // Whoever posts that beside the member's own, before or after it, hides nothing.
    for both in [
        [std::slice::from_ref(&unsigned), &messages[..]].concat(),
        [&messages[..], std::slice::from_ref(&unsigned)].concat(),
    ] {
        assert_eq!(judge(session, 1, &entries, &both, 0), Ok(vec![]));
    }
    // A proof against another member, and one that its maker signed in the member's name.
    let why = "it calls a member double-tongued without proof";
    let second = stage.enrolments.deal(&people[1], None, &mut rng).unwrap();
    let proof = Equivocation::between(&messages[1], &second).unwrap();
    let against = |proof: &Equivocation, at: usize| {
        let mut entries = entries.clone();
        entries[at] = Entry::Equivocated(Box::new(proof.clone()));
        judge(session, 1, &entries, &messages, 0)
    };
    let guilty = Accusation { culprit: Culprit::Dealer(id(2)), misdeed: Misdeed::Equivocation };
    assert_eq!(against(&proof, 1), Ok(vec![guilty]));
    assert_eq!(against(&proof, 0), refused(why));
    let [one, two] = [&messages[1], &second].map(|m| Signed::new(m.content().clone(), &people[0]));
    assert_eq!(against(&Equivocation::between(&one, &two).unwrap(), 1), refused(why));
    // One message twice is no proof, whoever puts it so.
    let mut same = proof;
    same.digests[1] = same.digests[0];
    same.signatures[1] = same.signatures[0];
    assert_eq!(against(&same, 1), refused(why));
}

#[test]
fn states_and_shares_of_other_members_and_runs_are_refused() {
    let mut stage = stage(3, 2, 23);
    let messages = stage.honest();
    let dealings = stage.dealings(&messages).unwrap();
    let error = dealings.check(&stage.states[0], &stage.people[1], &mut stage.rng).unwrap_err();
    assert_eq!(error, ProtocolError::NotAMember);
    let end = stage.finish(&messages);
    let mut other = self::stage(3, 2, 24);
    let messages = other.honest();
    let (checked, _) =
        other.dealings(&messages).unwrap().check(&other.states[0], &other.people[0], &mut other.rng).unwrap();
    assert_eq!(end.outcome.key_share(checked).unwrap_err(), ProtocolError::OtherSession);
}

/// Points of the twist outside G2.
#[test]
fn a_constant_outside_the_group_g2_is_named() {
    let mut stage = stage(3, 2, 25);
    let mut bytes = [0_u8; 96];
    bytes[0] = 0x80;
    let outside = (1..=255_u8)
        .find_map(|x| {
            bytes[95] = x;
            Option::<G2Affine>::from(G2Affine::from_compressed_unchecked(&bytes))
                .filter(|point| !bool::from(point.is_torsion_free()))
        })
        .unwrap();
    let mut messages = stage.honest();
    stage.forge(&mut messages, 3, |p| {
        p.constant2 = Some((G2Projective::from(p.constant2.unwrap()) + outside).into());
    });
    assert_eq!(Round1::decode(&messages[2].encode()).unwrap(), messages[2]);
    stage.accused(&messages, 3, Misdeed::OutsideGroup);
}

#[test]
fn an_enrolment_with_another_members_key_is_named() {
    let stage = stage(3, 2, 15);
    // The proof of one member's key under another's number and signature.
    let stolen = stage.messages[0].encode();
    let mut bytes = stolen;
    // Frame, two array heads, the session's head and bytes: then the member's number.
    let at = 12 + 1 + 1 + 2 + 32;
    assert_eq!(bytes[at], 1);
    bytes[at] = 2;
    let stolen = Round0::decode(&bytes).unwrap();
    let stolen = Signed::new(stolen.content().clone(), &stage.people[1]);
    let messages = vec![stage.messages[0].clone(), stolen, stage.messages[2].clone()];
    let cut_off = CutOff::close(&stage.plan, &messages, now(), &stage.people[0]).unwrap();
    let enrolments = stage.plan.enrolments(&Board::new(&cut_off, &messages)).unwrap();
    assert_eq!(
        enrolments.accusations,
        [Accusation { culprit: Culprit::Receiver(id(2)), misdeed: Misdeed::UnprovenKey }]
    );
    assert_eq!(enrolments.members(), [id(1), id(3)]);
}

#[test]
fn a_dealer_of_a_renewal_must_deal_its_share() {
    let mut stage = stage(3, 2, 16);
    let messages = stage.honest();
    let end = stage.finish(&messages);
    let mut rng = SeededRng::from_u64(17);
    let plan = Plan::refresh(&end.outcome.set, &mut rng);
    let (states, round0): (Vec<_>, Vec<_>) =
        stage.people.iter().map(|p| Enrolled::start(&plan, p, &mut rng).unwrap()).unzip();
    let cut_off = CutOff::close(&plan, &round0, now(), &stage.people[0]).unwrap();
    let enrolments = plan.enrolments(&Board::new(&cut_off, &round0)).unwrap();
    // Through the door it is refused; round it, everybody sees that the constant is not the share.
    assert_eq!(
        enrolments.deal(&stage.people[0], Some(&end.shares[1].1), &mut rng).unwrap_err(),
        ProtocolError::OtherShare
    );
    assert_eq!(enrolments.deal(&stage.people[0], None, &mut rng).unwrap_err(), ProtocolError::OtherShare);
    let mut round1: Vec<_> = stage
        .people
        .iter()
        .zip(&end.shares)
        .map(|(p, (_, share))| enrolments.deal(p, Some(share), &mut rng).unwrap())
        .collect();
    round1[0] = Signed::new(enrolments.package(id(1), &Secret::random(&mut rng), 2, &mut rng), &stage.people[0]);
    let mut next = Stage { people: stage.people, plan, states, messages: round0, enrolments, rng };
    next.accused(&round1, 1, Misdeed::NotItsShare);
}

/// What a member may do instead of being honest.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Vice {
    SilentInRound0,
    SilentInRound1,
    SilentInRound2,
    Replayed,
    TwoEnrolments,
    TwoDealings,
    WrongShare,
    WrongCommitment,
    WrongConstant,
    RogueKey,
    FalseComplaint,
}

impl Vice {
    const ALL: [Self; 11] = [
        Self::SilentInRound0,
        Self::SilentInRound1,
        Self::SilentInRound2,
        Self::Replayed,
        Self::TwoEnrolments,
        Self::TwoDealings,
        Self::WrongShare,
        Self::WrongCommitment,
        Self::WrongConstant,
        Self::RogueKey,
        Self::FalseComplaint,
    ];

    /// In which part it is found out. Silence is not; a message of another run is silence.
    fn culprit(self, who: MemberId) -> Option<Culprit> {
        match self {
            Self::SilentInRound0 | Self::SilentInRound1 | Self::SilentInRound2 | Self::Replayed => None,
            Self::TwoEnrolments | Self::FalseComplaint => Some(Culprit::Receiver(who)),
            _ => Some(Culprit::Dealer(who)),
        }
    }
}

/// Random schedules of up to seven members, of whom up to `needed - 1` have a vice each. All that hold the same board
/// come to the same end; whoever sent something wrong is accused, and nobody else; whoever enrolled once has a share; and
/// any `needed` shares are the one key.
#[test]
fn random_schedules_end_in_agreement_or_right_accusations() {
    for seed in 0..44_u16 {
        let mut rng = SeededRng::from_u64(1000 + u64::from(seed));
        let needed = 2 + u16::try_from(rng.next_u32() % 3).unwrap();
        let n = (2 * needed - 1 + u16::try_from(rng.next_u32() % 3).unwrap()).min(7);
        let mut stage = stage(usize::from(n), needed, 2000 + u64::from(seed));
        let mut villains = vec![(2 + seed % (n - 1), Vice::ALL[usize::from(seed) % 11])];
        while !rng.next_u32().is_multiple_of(3) && villains.len() + 1 < usize::from(needed) {
            // The convenor, member 1, stays honest: it is trusted for progress.
            let who = 2 + u16::try_from(rng.next_u32() % u32::from(n - 1)).unwrap();
            if villains.iter().all(|(villain, _)| *villain != who) {
                villains.push((who, Vice::ALL[rng.next_u32() as usize % 11]));
            }
        }
        let honest: Vec<u16> = (1..=n).filter(|who| villains.iter().all(|(villain, _)| villain != who)).collect();
        let with = |vice: Vice| villains.iter().filter(move |(_, v)| *v == vice).map(|(who, _)| *who);
        let person = |who: u16| usize::from(who) - 1;

        // Round 0.
        let mut round0 = stage.messages.clone();
        for who in with(Vice::TwoEnrolments) {
            round0.push(Enrolled::start(&stage.plan, &stage.people[person(who)], &mut rng).unwrap().1);
        }
        round0.retain(|m| with(Vice::SilentInRound0).all(|who| crate::Content::author(m.content()) != who));
        let cut0 = CutOff::close(&stage.plan, &round0, now(), &stage.people[0]).unwrap();
        stage.enrolments = stage.plan.enrolments(&Board::new(&cut0, &round0)).unwrap();

        // Round 1.
        let mut round1 = stage.honest();
        let copied = round1[0].content().clone();
        for (who, vice) in &villains {
            // A villain's victim is honest: one who is not need not complain.
            let victim = person(honest[rng.next_u32() as usize % honest.len()]);
            stage.forge(&mut round1, *who, |p| match vice {
                Vice::WrongShare => p.shares[victim].as_mut().unwrap()[5] ^= 4,
                Vice::WrongCommitment => {
                    p.commitment.0[1] = (G1Projective::generator() + p.commitment.0[1]).into();
                }
                Vice::WrongConstant => {
                    p.constant2 = Some((G2Projective::generator() + p.constant2.unwrap()).into());
                }
                Vice::RogueKey => {
                    p.commitment.0[0] = (G1Projective::from(p.commitment.0[0]) - copied.commitment.0[0]).into();
                }
                Vice::Replayed => p.session = Plan::generate(stage.plan.committee().renewed(&mut rng)).session(),
                _ => {}
            });
        }
        for who in with(Vice::TwoDealings) {
            round1.push(stage.enrolments.deal(&stage.people[person(who)], None, &mut rng).unwrap());
        }
        round1.retain(|m| with(Vice::SilentInRound1).all(|who| m.content().dealer.get() != who));
        let cut1 = CutOff::close(&stage.plan, &round1, now(), &stage.people[0]).unwrap();
        let dealings = stage.enrolments.dealings(&Board::new(&cut1, &round1)).unwrap();

        // Round 2.
        let (mut checked, mut round2) = (Vec::new(), Vec::new());
        for (who, (state, identity)) in (1..=n).zip(stage.states.iter().zip(&stage.people)) {
            match dealings.check(state, identity, &mut rng) {
                Err(ProtocolError::NotEnrolled) => continue,
                result => {
                    let (shares, message) = result.unwrap();
                    checked.push((id(who), shares));
                    if with(Vice::SilentInRound2).chain(with(Vice::FalseComplaint)).all(|villain| villain != who) {
                        round2.push(message);
                    }
                }
            }
        }
        for who in with(Vice::FalseComplaint) {
            let (key, package) = (stage.enrolments.keys[person(who)].unwrap(), dealings.packages[0].as_ref().unwrap());
            let secret = &stage.states[person(who)].key.secret;
            let disclosure = package.route(id(who), &key).disclose(secret, &mut rng);
            let complaints = vec![Complaint::Share { dealer: id(1), disclosure }];
            let package = round2::Package::forged(&dealings, id(who), complaints);
            round2.push(Signed::new(package, &stage.people[person(who)]));
        }
        let cut2 = CutOff::close(&stage.plan, &round2, now(), &stage.people[0]).unwrap();
        let outcome = dealings.outcome(&Board::new(&cut2, &round2)).unwrap();

        let boards = (Board::new(&cut0, &round0), Board::new(&cut1, &round1), Board::new(&cut2, &round2));
        let transcript = Transcript::new(&stage.plan, &boards.0, &boards.1, &boards.2);
        assert_eq!(transcript.audit().unwrap(), outcome, "seed {seed}");
        let mut accused: Vec<_> = outcome.accusations.iter().map(|a| a.culprit).collect();
        let mut guilty: Vec<_> = villains.iter().filter_map(|(who, vice)| vice.culprit(id(*who))).collect();
        accused.sort_unstable();
        accused.dedup();
        guilty.sort_unstable();
        assert_eq!(accused, guilty, "seed {seed}: {villains:?}");
        let shareless = with(Vice::SilentInRound0).chain(with(Vice::TwoEnrolments)).count();
        let shares: Vec<_> =
            checked.into_iter().map(|(who, shares)| (who, outcome.key_share(shares).unwrap())).collect();
        assert_eq!(shares.len(), usize::from(n) - shareless, "seed {seed}: {villains:?}");
        for chosen in [&shares[..usize::from(needed)], &shares[shares.len() - usize::from(needed)..]] {
            let places: Vec<_> = chosen.iter().map(|(id, _)| *id).collect();
            let coefficients = crate::algebra::lagrange(&places, 0).unwrap();
            let secret: Scalar = chosen.iter().zip(coefficients).map(|((_, share), l)| share.secret.0 * l).sum();
            assert_eq!(G1Affine::from(G1Projective::generator() * secret), outcome.set.key.point);
        }
    }
}

/// Spoils the share for member 1 in a dealing and has its dealer sign it.
pub(crate) fn damage(dealing: &mut Round1, dealer: &Identity) {
    let mut package = dealing.content().clone();
    package.shares[0].as_mut().unwrap()[0] ^= 1;
    *dealing = Signed::new(package, dealer);
}
