//! Repairs, honest and not, from inside: every message is forged where its maker could forge it.

use super::*;
use crate::testing::{Held, hold};
use mediveil_rng::SeededRng;

fn id(n: u16) -> MemberId {
    MemberId::new(n).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000).unwrap()
}

/// Five members of whom three are needed; member 2 has lost its share, and 1, 4 and 5 help.
struct Scene {
    held: Held,
    lost: Lost,
    request: Signed<Request>,
    rng: SeededRng,
}

const HELPERS: [u16; 3] = [1, 4, 5];

fn scene(seed: u64) -> Scene {
    let mut rng = SeededRng::from_u64(seed);
    let held = hold(5, 3, &mut rng);
    let helpers = HELPERS.map(id);
    let (lost, request) = Lost::request(&held.set, &held.people[1], &helpers, now(), &mut rng).unwrap();
    Scene { held, lost, request, rng }
}

impl Held {
    fn helper(&self, n: u16) -> (&Identity, &KeyShare) {
        let at = usize::from(n) - 1;
        (&self.people[at], &self.shares[at])
    }
}

fn all_splits(held: &Held, repair: &Repair<'_>, rng: &mut SeededRng) -> Vec<Signed<Split>> {
    HELPERS.iter().map(|n| repair.split(held.helper(*n).0, held.helper(*n).1, rng).unwrap()).collect()
}

fn all_sums(held: &Held, splits: &Splits<'_>, rng: &mut SeededRng) -> Vec<Signed<Sum>> {
    HELPERS.iter().map(|n| splits.sum(held.helper(*n).0, held.helper(*n).1, rng).unwrap()).collect()
}

#[test]
fn helpers_repair_a_share_and_the_transcript_proves_it() {
    let mut s = scene(1);
    let repair = Repair::new(&s.held.set, &s.request).unwrap();
    assert_eq!((repair.member(), repair.helpers()), (id(2), &HELPERS.map(id)[..]));
    let splits = all_splits(&s.held, &repair, &mut s.rng);
    assert_eq!(repair.splits(&splits[..2]).unwrap_err(), ProtocolError::Missing(Culprit::Helper(id(5))));
    let settled = repair.splits(&splits).unwrap();
    let sums = all_sums(&s.held, &settled, &mut s.rng);
    assert!(sums.iter().all(|sum| sum.content().accused().is_empty()));
    let missing = settled.finish(&s.lost, &s.held.people[1], &sums[1..], now(), &mut s.rng).unwrap_err();
    assert_eq!(missing, ProtocolError::Missing(Culprit::Helper(id(1))));
    let saved = Lost::decode(&s.lost.encode_secret()).unwrap();
    let (share, closing) = settled.finish(&saved, &s.held.people[1], &sums, now(), &mut s.rng).unwrap();
    assert_eq!(share.unwrap().encode(), s.held.shares[1].encode());
    assert!(closing.content().is_repaired());
    let transcript = Transcript::new(&s.request, &splits, &sums, Some(&closing));
    let transcript = Transcript::decode(&transcript.encode()).unwrap();
    assert_eq!(transcript.audit(&s.held.set).unwrap(), Verdict { repaired: true, accusations: vec![] });
    // Without its end it proves no repair, and with other messages nothing.
    let open = Transcript::new(&s.request, &splits, &sums, None);
    assert_eq!(open.audit(&s.held.set).unwrap(), Verdict { repaired: false, accusations: vec![] });
    let again = all_splits(&s.held, &repair, &mut s.rng);
    let other = Transcript::new(&s.request, &again, &sums, Some(&closing));
    assert_eq!(other.audit(&s.held.set).unwrap_err(), ProtocolError::OtherBoard(Culprit::Helper(id(1))));
    let resummed = all_sums(&s.held, &settled, &mut s.rng);
    let other = Transcript::new(&s.request, &splits, &resummed, Some(&closing));
    assert_eq!(other.audit(&s.held.set).unwrap_err(), ProtocolError::OtherBoard(Culprit::Receiver(id(2))));
    assert!(Transcript::new(&s.request, &splits[..2], &sums, None).audit(&s.held.set).is_err());
}

/// What `needed - 1` helpers hold together, all they opened included, fits every share of the third and every lost share:
/// the part that the third keeps to itself is free.
#[test]
fn helpers_learn_nothing() {
    let mut s = scene(2);
    let repair = Repair::new(&s.held.set, &s.request).unwrap();
    let secret = Secret(repair.weights[0] * s.held.shares[0].secret.0);
    let parts = split(&secret, 3, &mut s.rng);
    assert_eq!(parts.iter().map(|part| part.0).sum::<Scalar>(), secret.0);
    // Helpers 4 and 5 see the parts for them. For each candidate there is exactly one first part that makes it the secret.
    for candidate in (0..20).map(|_| Secret::random(&mut s.rng)) {
        let first = candidate.0 - parts[1].0 - parts[2].0;
        assert_eq!(first + parts[1].0 + parts[2].0, candidate.0);
    }
    // Parts are fresh each time, all but one of them independent of the secret: the same secret, other parts.
    let again = split(&secret, 3, &mut s.rng);
    assert!(parts.iter().zip(&again).all(|(a, b)| a.0 != b.0));
    // And a part opens to the helper that it is for, alone.
    let message = repair.split(&s.held.people[0], &s.held.shares[0], &mut s.rng).unwrap();
    let splits = all_splits(&s.held, &repair, &mut s.rng);
    let settled = repair.splits(&[vec![message.clone()], splits[1..].to_vec()].concat()).unwrap();
    for receiver in HELPERS {
        for opener in HELPERS {
            let shared = mul(&message.content().ephemeral.point, &s.held.helper(opener).1.secret.0);
            let opened = settled.part(message.content(), id(receiver), &shared);
            assert_eq!(opened.is_some(), receiver == opener);
        }
    }
    // A sum opens with the member's fresh key, and with no helper's share.
    let sums = all_sums(&s.held, &settled, &mut s.rng);
    let (sums, _) = settled.judge_sums(&sums).unwrap();
    let sum = sums.sums[0].as_ref().unwrap();
    assert!(settled.opened_sum(0, sum, &s.lost.key.shared(&sum.0.point)).is_some());
    for helper in 1..=5 {
        let shared = mul(&sum.0.point, &s.held.helper(helper).1.secret.0);
        assert!(settled.opened_sum(0, sum, &shared).is_none());
    }
}

#[test]
fn exactly_as_many_other_members_help_as_are_needed() {
    let mut s = scene(3);
    let refused = ProtocolError::Helpers { needed: 3 };
    for helpers in [&[1, 3][..], &[1, 3, 4, 5], &[1, 2, 3], &[1, 1, 3], &[1, 3, 6], &[]] {
        let helpers: Vec<_> = helpers.iter().map(|n| id(*n)).collect();
        let error = Lost::request(&s.held.set, &s.held.people[1], &helpers, now(), &mut s.rng).unwrap_err();
        assert_eq!(error, refused, "{helpers:?}");
        // Round the door: signed all the same.
        let forged = Signed::new(Request { helpers, ..s.request.content().clone() }, &s.held.people[1]);
        assert_eq!(Repair::new(&s.held.set, &forged).unwrap_err(), refused);
    }
    // In another order it is another encoding of the same; there is one.
    let backwards = HELPERS.map(id).into_iter().rev().collect();
    let forged = Signed::new(Request { helpers: backwards, ..s.request.content().clone() }, &s.held.people[1]);
    assert_eq!(Repair::new(&s.held.set, &forged).unwrap_err(), refused);
    let stranger = crate::testing::people(1, &mut s.rng);
    let error = Lost::request(&s.held.set, &stranger[0], &HELPERS.map(id), now(), &mut s.rng).unwrap_err();
    assert_eq!(error, ProtocolError::NotAMember);
}

#[test]
fn a_request_is_the_members_own_with_a_key_of_its_own_and_for_one_epoch() {
    let mut s = scene(4);
    let content = s.request.content().clone();
    let stolen = Signed::new(content.clone(), &s.held.people[3]);
    assert_eq!(Repair::new(&s.held.set, &stolen).unwrap_err(), ProtocolError::Damaged(Culprit::Receiver(id(2))));
    // A key of somebody else, with that one's proof.
    let (_, other) = Lost::request(&s.held.set, &s.held.people[2], &HELPERS.map(id), now(), &mut s.rng).unwrap();
    let copied = Request { key: other.content().key.clone(), ..content.clone() };
    let copied = Signed::new(copied, &s.held.people[1]);
    let accusation = Accusation { culprit: Culprit::Receiver(id(2)), misdeed: Misdeed::UnprovenKey };
    assert_eq!(Repair::new(&s.held.set, &copied).unwrap_err(), ProtocolError::Misdeed(accusation));
    let elsewhere = Signed::new(Request { set: [7; 32], ..content }, &s.held.people[1]);
    assert_eq!(Repair::new(&s.held.set, &elsewhere).unwrap_err(), ProtocolError::OtherShare);

    let repair = Repair::new(&s.held.set, &s.request).unwrap();
    let (person, share) = (&s.held.people, &s.held.shares);
    // Not a helper, another member's share.
    assert_eq!(repair.split(&person[2], &share[2], &mut s.rng).unwrap_err(), ProtocolError::NotAMember);
    assert_eq!(repair.split(&person[0], &share[3], &mut s.rng).unwrap_err(), ProtocolError::OtherShare);
    // The state of another repair, and somebody else at the end.
    let splits = all_splits(&s.held, &repair, &mut s.rng);
    let settled = repair.splits(&splits).unwrap();
    let sums = all_sums(&s.held, &settled, &mut s.rng);
    let (other, _) = Lost::request(&s.held.set, &person[1], &HELPERS.map(id), now(), &mut s.rng).unwrap();
    let error = settled.finish(&other, &person[1], &sums, now(), &mut s.rng).unwrap_err();
    assert_eq!(error, ProtocolError::OtherSession);
    let (repair_id, key) = (s.lost.repair, &s.lost.key.secret);
    for mixed in [
        Lost { repair: other.repair, key: EpochKey { secret: key.clone() } },
        Lost { repair: repair_id, key: other.key },
    ] {
        let error = settled.finish(&mixed, &person[1], &sums, now(), &mut s.rng).unwrap_err();
        assert_eq!(error, ProtocolError::OtherSession);
    }
    let error = settled.finish(&s.lost, &person[2], &sums, now(), &mut s.rng).unwrap_err();
    assert_eq!(error, ProtocolError::NotAMember);
}

#[test]
fn a_helper_who_splits_something_else_is_named() {
    let mut s = scene(5);
    let repair = Repair::new(&s.held.set, &s.request).unwrap();
    let honest = all_splits(&s.held, &repair, &mut s.rng);
    let secret = Secret(repair.weights[1] * s.held.shares[3].secret.0);
    let person = &s.held.people[3];
    let other = split(&Secret::random(&mut s.rng), 3, &mut s.rng);
    let fewer = split(&secret, 2, &mut s.rng);
    let copied = Split { ephemeral: honest[0].content().ephemeral.clone(), ..honest[1].content().clone() };
    let cases = [
        (repair.split_of(id(4), &other, &mut s.rng), Misdeed::NotItsShare),
        (repair.split_of(id(4), &fewer, &mut s.rng), Misdeed::WrongReceivers),
        (copied, Misdeed::UnprovenKey),
    ];
    for (forged, misdeed) in cases {
        let mut splits = honest.clone();
        splits[1] = Signed::new(forged, person);
        let accusation = Accusation { culprit: Culprit::Helper(id(4)), misdeed };
        assert_eq!(repair.splits(&splits).unwrap_err(), ProtocolError::Misdeed(accusation.clone()));
        let verdict = Transcript::new(&s.request, &splits, &[], None).audit(&s.held.set).unwrap();
        assert_eq!(verdict, Verdict { repaired: false, accusations: vec![accusation] });
    }
    // Two splits of one helper; the same one twice is one.
    let mut twice = honest.clone();
    twice.push(honest[2].clone());
    assert!(repair.splits(&twice).is_ok());
    twice.push(repair.split(&s.held.people[4], &s.held.shares[4], &mut s.rng).unwrap());
    let accusation = Accusation { culprit: Culprit::Helper(id(5)), misdeed: Misdeed::Equivocation };
    assert_eq!(repair.splits(&twice).unwrap_err(), ProtocolError::Misdeed(accusation));
    // The split for another repair of the same member is not one for this.
    let (_, again) = Lost::request(&s.held.set, &s.held.people[1], &HELPERS.map(id), now(), &mut s.rng).unwrap();
    let elsewhere = all_splits(&s.held, &Repair::new(&s.held.set, &again).unwrap(), &mut s.rng);
    let replayed = [&elsewhere[..1], &honest[1..]].concat();
    assert_eq!(repair.splits(&replayed).unwrap_err(), ProtocolError::Missing(Culprit::Helper(id(1))));
    // Signed by another, it is not there at all.
    let mut unsigned = honest;
    unsigned[1] = Signed::new(unsigned[1].content().clone(), &s.held.people[0]);
    assert_eq!(repair.splits(&unsigned).unwrap_err(), ProtocolError::Missing(Culprit::Helper(id(4))));
}

#[test]
fn a_wrong_part_is_complained_of_and_a_false_complaint_falls_back() {
    let mut s = scene(6);
    let repair = Repair::new(&s.held.set, &s.request).unwrap();
    let mut splits = all_splits(&s.held, &repair, &mut s.rng);
    let mut forged = splits[0].content().clone();
    forged.parts[2][3] ^= 1;
    splits[0] = Signed::new(forged, &s.held.people[0]);
    let settled = repair.splits(&splits).unwrap();
    let sums = all_sums(&s.held, &settled, &mut s.rng);
    assert_eq!(sums[2].content().accused(), [id(1)]);
    mediveil_codec::testing::check_decoding::<Signed<Sum>>(&sums[2].encode());
    let (share, closing) = settled.finish(&s.lost, &s.held.people[1], &sums, now(), &mut s.rng).unwrap();
    assert!(share.is_none() && !closing.content().is_repaired());
    let verdict = Transcript::new(&s.request, &splits, &sums, Some(&closing)).audit(&s.held.set).unwrap();
    let wrong = Accusation { culprit: Culprit::Helper(id(1)), misdeed: Misdeed::WrongShare { receiver: id(5) } };
    assert_eq!(verdict, Verdict { repaired: false, accusations: vec![wrong] });

    // A part that decrypts, to another value than the commitment says.
    let mut splits = all_splits(&s.held, &repair, &mut s.rng);
    let parts = split(&Secret(repair.weights[0] * s.held.shares[0].secret.0), 3, &mut s.rng);
    let mut wrong_parts = parts.clone();
    wrong_parts[2] = Secret::random(&mut s.rng);
    let commitments = parts.iter().map(|part| base_mul(&part.0)).collect();
    let forged = Split { commitments, ..repair.split_of(id(1), &wrong_parts, &mut s.rng) };
    splits[0] = Signed::new(forged, &s.held.people[0]);
    let settled = repair.splits(&splits).unwrap();
    let sums = all_sums(&s.held, &settled, &mut s.rng);
    let verdict = Transcript::new(&s.request, &splits, &sums, None).audit(&s.held.set).unwrap();
    let wrong = Accusation { culprit: Culprit::Helper(id(1)), misdeed: Misdeed::WrongShare { receiver: id(5) } };
    assert_eq!(verdict, Verdict { repaired: false, accusations: vec![wrong] });

    // A right part complained of; a disclosure with another key; a complaint of nobody; complaints without any.
    let splits = all_splits(&s.held, &repair, &mut s.rng);
    let settled = repair.splits(&splits).unwrap();
    let route = repair.route(splits[0].content(), id(5)).unwrap();
    let genuine = route.disclose(&s.held.shares[4].secret, &mut s.rng);
    let other = route.disclose(&Secret::random(&mut s.rng), &mut s.rng);
    let cases = [(id(1), genuine.clone()), (id(1), other), (id(3), genuine)];
    for (of, disclosure) in cases {
        let mut sums = all_sums(&s.held, &settled, &mut s.rng);
        let said = Said::Complaints(vec![Complaint { of, disclosure }]);
        sums[2] = Signed::new(Sum { said, ..sums[2].content().clone() }, &s.held.people[4]);
        let verdict = Transcript::new(&s.request, &splits, &sums, None).audit(&s.held.set).unwrap();
        let false_complaint =
            Accusation { culprit: Culprit::Helper(id(5)), misdeed: Misdeed::FalseComplaint { dealer: of } };
        assert_eq!(verdict.accusations, [false_complaint]);
    }
    let mut sums = all_sums(&s.held, &settled, &mut s.rng);
    sums[2] = Signed::new(Sum { said: Said::Complaints(vec![]), ..sums[2].content().clone() }, &s.held.people[4]);
    let (share, _) = settled.finish(&s.lost, &s.held.people[1], &sums, now(), &mut s.rng).unwrap();
    assert!(share.is_none());
    let verdict = Transcript::new(&s.request, &splits, &sums, None).audit(&s.held.set).unwrap();
    assert_eq!(verdict.accusations[0].culprit, Culprit::Helper(id(5)));
}

#[test]
fn a_wrong_sum_is_proven_by_the_member_and_a_right_one_cannot_be() {
    let mut s = scene(7);
    let repair = Repair::new(&s.held.set, &s.request).unwrap();
    let splits = all_splits(&s.held, &repair, &mut s.rng);
    let settled = repair.splits(&splits).unwrap();
    let honest = all_sums(&s.held, &settled, &mut s.rng);
    // Another value, encrypted properly, and a ciphertext that does not open.
    let other = settled.said(id(4), &Secret::random(&mut s.rng), &mut s.rng);
    let Said::Sum(sum) = &honest[1].content().said else { panic!() };
    let mut damaged = sum.clone();
    damaged.1[0] ^= 1;
    for said in [other, Said::Sum(damaged)] {
        let mut sums = honest.clone();
        sums[1] = Signed::new(Sum { said, ..honest[1].content().clone() }, &s.held.people[3]);
        let (share, closing) = settled.finish(&s.lost, &s.held.people[1], &sums, now(), &mut s.rng).unwrap();
        assert!(share.is_none());
        let verdict = Transcript::new(&s.request, &splits, &sums, Some(&closing)).audit(&s.held.set).unwrap();
        let wrong = Accusation { culprit: Culprit::Helper(id(4)), misdeed: Misdeed::WrongShare { receiver: id(2) } };
        assert_eq!(verdict, Verdict { repaired: false, accusations: vec![wrong] });
    }
    // Two sums of one helper.
    let second = settled.sum(&s.held.people[3], &s.held.shares[3], &mut s.rng).unwrap();
    let (_, closing) = settled.finish(&s.lost, &s.held.people[1], &honest, now(), &mut s.rng).unwrap();
    let both = [honest.clone(), vec![second]].concat();
    let verdict = Transcript::new(&s.request, &splits, &both, Some(&closing)).audit(&s.held.set).unwrap();
    let twice = Accusation { culprit: Culprit::Helper(id(4)), misdeed: Misdeed::Equivocation };
    assert_eq!(verdict, Verdict { repaired: false, accusations: vec![twice.clone()] });
    let error = settled.finish(&s.lost, &s.held.people[1], &both, now(), &mut s.rng).unwrap_err();
    assert_eq!(error, ProtocolError::Misdeed(twice));
    // The ephemeral of another helper's sum.
    let Said::Sum(first) = &honest[0].content().said else { panic!() };
    let copied = Said::Sum(Box::new((first.0.clone(), sum.1)));
    let mut sums = honest.clone();
    sums[1] = Signed::new(Sum { said: copied, ..honest[1].content().clone() }, &s.held.people[3]);
    let verdict = Transcript::new(&s.request, &splits, &sums, None).audit(&s.held.set).unwrap();
    let unproven = Accusation { culprit: Culprit::Helper(id(4)), misdeed: Misdeed::UnprovenKey };
    assert_eq!(verdict.accusations, [unproven]);
    // The member complains of a right sum, and so accuses itself.
    let (_, closing) = settled.finish(&s.lost, &s.held.people[1], &honest, now(), &mut s.rng).unwrap();
    // So it does with a point that is not the shared one, at which the sum does not open.
    let genuine = repair.sum_route(id(4), &sum.0.point).disclose(&s.lost.key.secret, &mut s.rng);
    let invented = repair.sum_route(id(4), &sum.0.point).disclose(&Secret::random(&mut s.rng), &mut s.rng);
    for disclosure in [genuine, invented] {
        let complaints = vec![Complaint { of: id(4), disclosure }];
        let forged = Signed::new(Closing { complaints, ..closing.content().clone() }, &s.held.people[1]);
        let verdict = Transcript::new(&s.request, &splits, &honest, Some(&forged)).audit(&s.held.set).unwrap();
        let misdeed = Misdeed::FalseComplaint { dealer: id(4) };
        let itself = Accusation { culprit: Culprit::Receiver(id(2)), misdeed };
        assert_eq!(verdict, Verdict { repaired: false, accusations: vec![itself] });
    }
    // A closing by somebody else, and of another repair.
    let stolen = Signed::new(closing.content().clone(), &s.held.people[0]);
    let error = Transcript::new(&s.request, &splits, &honest, Some(&stolen)).audit(&s.held.set).unwrap_err();
    assert_eq!(error, ProtocolError::Damaged(Culprit::Receiver(id(2))));
    let elsewhere = Signed::new(Closing { repair: [1; 32], ..closing.content().clone() }, &s.held.people[1]);
    let error = Transcript::new(&s.request, &splits, &honest, Some(&elsewhere)).audit(&s.held.set).unwrap_err();
    assert_eq!(error, ProtocolError::WrongSession);
}

/// A repaired member helps others, though it lost its epoch key.
#[test]
fn a_repaired_member_can_help() {
    let mut s = scene(8);
    let repair = Repair::new(&s.held.set, &s.request).unwrap();
    let splits = all_splits(&s.held, &repair, &mut s.rng);
    let settled = repair.splits(&splits).unwrap();
    let sums = all_sums(&s.held, &settled, &mut s.rng);
    let (share, _) = settled.finish(&s.lost, &s.held.people[1], &sums, now(), &mut s.rng).unwrap();
    s.held.shares[1] = share.unwrap();
    let helpers = [1, 2, 3].map(id);
    let (lost, request) = Lost::request(&s.held.set, &s.held.people[4], &helpers, now(), &mut s.rng).unwrap();
    let repair = Repair::new(&s.held.set, &request).unwrap();
    let with = |n: usize| (&s.held.people[n], &s.held.shares[n]);
    let splits: Vec<_> = (0..3).map(|n| repair.split(with(n).0, with(n).1, &mut s.rng).unwrap()).collect();
    let settled = repair.splits(&splits).unwrap();
    let sums: Vec<_> = (0..3).map(|n| settled.sum(with(n).0, with(n).1, &mut s.rng).unwrap()).collect();
    let (share, _) = settled.finish(&lost, &s.held.people[4], &sums, now(), &mut s.rng).unwrap();
    assert_eq!(share.unwrap().encode(), s.held.shares[4].encode());
}
