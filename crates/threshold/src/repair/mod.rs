//! Repair: `needed` helpers give a member its lost share again and learn nothing (Laing and Stinson, *A Survey and
//! Refinement of Repairable Threshold Schemes*, J. Math. Cryptol. 2018, the "enrollment protocol"), with every step checked
//! against the key set.
//!
//! | round | message | what is said |
//! |---|---|---|
//! | 0 | [`Request`] | the member: these helpers, and a fresh key that the result is to be encrypted to |
//! | 1 | [`Split`] | each helper i: `l_i s_i`, its weighted share, as a sum of random parts, one for each helper j, encrypted, with commitments |
//! | 2 | [`Sum`] | each helper j: the sum of the parts it received, encrypted to the member |
//! | 3 | [`Closing`] | the member: the sum of sums is the share |
//!
//! Commitments of a split must add up to the helper's public share, weighted; a sum must fit the commitments. Whoever sends
//! something else is named by a complaint that discloses one Diffie-Hellman value, as in [`deal`](crate::deal), and the
//! repair starts again with other helpers: it needs all of the helpers it names.
//!
//! Helpers keep no state: parts are encrypted to a helper's public share `s_j G`, whose secret is the share itself, so that a
//! member who lost its epoch key and was repaired can help others. A disclosure `s_j R` says nothing more about the share,
//! because the maker of R proves that it knows r, and could compute r `(s_j G)` itself.
//!
//! # What it promises, and to whom
//! Against up to `needed - 1` malicious members, the one who asks among them: they learn nothing of the share of an honest
//! helper, nor, if the member is honest, of the lost share. For each honest helper at least one part stays unknown to
//! them (its own); if the member is malicious it knows the sums, of two honest helpers' parts at least. Who asks is known by
//! its signature: **whoever holds a member's identity can have its share**, as the member itself could.

mod messages;
#[cfg(test)]
mod tests;

pub use messages::{Closing, Request, Split, Sum, Transcript, Verdict};
use messages::{Complaint, Said};

use crate::algebra::{Secret, base_mul, lagrange, linear_combination, mul};
use crate::envelope::{EpochKey, OwnedPoint, Route, SealedScalar};
use crate::proof::Fields;
use crate::{
    Accusation, Content, Culprit, Equivocation, KeyShare, MemberId, Misdeed, ProtocolError, PublicKeySet, Signed,
};
use blstrs::{G1Affine, G1Projective, Scalar};
use ff::Field;
use group::Group;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType, Timestamp, Wire};
use mediveil_seal::identity::Identity;
use rand_core::CryptoRng;
use std::fmt;

/// The secret state of a member whose share is being repaired. Wiped on drop; destroy it with the end of the repair.
pub struct Lost {
    repair: [u8; 32],
    key: EpochKey,
}

fn request_context(set: &[u8; 32], member: MemberId) -> Fields {
    Fields::new("mediveil/threshold/repair/key/v1").add(set).add(&member.get().to_be_bytes())
}

fn ephemeral_context(repair: &[u8; 32], round: &str, helper: MemberId) -> Fields {
    Fields::new("mediveil/threshold/repair/ephemeral/v1")
        .add(repair)
        .add(round.as_bytes())
        .add(&helper.get().to_be_bytes())
}

impl Lost {
    /// Asks these members, exactly as many as are needed, to repair the share of `identity`.
    ///
    /// # Errors
    /// [`ProtocolError::NotAMember`] if the identity is not in the committee; [`ProtocolError::Helpers`] if the helpers are
    /// not `needed` other members.
    pub fn request(
        set: &PublicKeySet,
        identity: &Identity,
        helpers: &[MemberId],
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Signed<Request>), ProtocolError> {
        let member = set.committee().find(identity.public()).ok_or(ProtocolError::NotAMember)?;
        let mut helpers = helpers.to_vec();
        helpers.sort_unstable();
        let digest = set.digest();
        let key = EpochKey::generate(rng);
        let owned = OwnedPoint::new(&request_context(&digest, member), &key.secret, rng);
        let request = Signed::new(Request { set: digest, member, helpers, key: owned, at: now }, identity);
        Repair::new(set, &request)?;
        Ok((Self { repair: *request.digest(), key }, request))
    }
}

impl fmt::Debug for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lost")
    }
}

/// A secret: write it with [`encode_secret`](Wire::encode_secret), into a sealed file.
impl Wire for Lost {
    const TYPE: ObjectType = ObjectType::RepairState;
    const MAX_BODY: usize = 96;

    fn encode_body(&self, e: &mut Encoder<'_>) {
        e.array(2).bytes(&self.repair).bytes(&*self.key.secret.to_bytes());
    }

    fn decode_body(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(2)?;
        Ok(Self { repair: d.byte_array()?, key: EpochKey { secret: Secret::decode(d)? } })
    }
}

/// A request that was checked.
#[derive(Clone, Debug)]
pub struct Repair<'a> {
    set: &'a PublicKeySet,
    request: &'a Signed<Request>,
    /// By helper: the weight of its share at the lost place.
    weights: Vec<Scalar>,
}

impl<'a> Repair<'a> {
    /// The key set whose share is made again.
    #[must_use]
    pub const fn set(&self) -> &'a PublicKeySet {
        self.set
    }

    /// Checks a request for this committee in this epoch.
    ///
    /// # Errors
    /// [`ProtocolError::OtherShare`] for another epoch; [`ProtocolError::Helpers`]; [`ProtocolError::Damaged`] if the
    /// member did not sign it; [`ProtocolError::Misdeed`] if the member does not prove that it knows its key.
    pub fn new(set: &'a PublicKeySet, request: &'a Signed<Request>) -> Result<Self, ProtocolError> {
        let content = request.content();
        let member = content.member;
        if content.set != set.digest() {
            return Err(ProtocolError::OtherShare);
        }
        let identity = set.committee().member(member).ok_or(ProtocolError::NotAMember)?;
        let needed = set.committee().needed();
        let helpers = &content.helpers;
        let fits = helpers.len() == usize::from(needed)
            && helpers.is_sorted_by(|a, b| a < b)
            && helpers.iter().all(|helper| *helper != member && set.committee().member(*helper).is_some());
        if !fits {
            return Err(ProtocolError::Helpers { needed });
        }
        if !request.verify(identity.verifying_key()) {
            return Err(ProtocolError::Damaged(Culprit::Receiver(member)));
        }
        if !content.key.verify(&request_context(&content.set, member)) {
            let accusation = Accusation { culprit: Culprit::Receiver(member), misdeed: Misdeed::UnprovenKey };
            return Err(ProtocolError::Misdeed(accusation));
        }
        let weights = lagrange(helpers, member.get()).ok_or(ProtocolError::Helpers { needed })?;
        Ok(Self { set, request, weights })
    }

    /// The name of this repair.
    #[must_use]
    pub const fn id(&self) -> &[u8; 32] {
        self.request.digest()
    }

    /// Whose share is lost.
    #[must_use]
    pub const fn member(&self) -> MemberId {
        self.request.content().member
    }

    /// Who helps, in ascending order.
    #[must_use]
    pub fn helpers(&self) -> &[MemberId] {
        &self.request.content().helpers
    }

    /// The place of this helper among the helpers.
    fn place(&self, helper: MemberId) -> Option<usize> {
        self.helpers().iter().position(|id| *id == helper)
    }

    /// A helper with its share: its place.
    fn helper(&self, identity: &Identity, share: &KeyShare) -> Result<usize, ProtocolError> {
        let helper = self.set.committee().find(identity.public()).ok_or(ProtocolError::NotAMember)?;
        let place = self.place(helper).ok_or(ProtocolError::NotAMember)?;
        if share.member != helper || !share.belongs_to(self.set) {
            return Err(ProtocolError::OtherShare);
        }
        Ok(place)
    }

    /// Round 1 of a helper.
    ///
    /// # Errors
    /// [`ProtocolError::NotAMember`] if the identity is not among the helpers; [`ProtocolError::OtherShare`] if the share
    /// is not its own in this epoch.
    pub fn split(
        &self,
        identity: &Identity,
        share: &KeyShare,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Signed<Split>, ProtocolError> {
        let place = self.helper(identity, share)?;
        let weight = self.weights.get(place).copied().ok_or(ProtocolError::NotAMember)?;
        let parts = split(&Secret(weight * share.secret.0), self.helpers().len(), rng);
        Ok(Signed::new(self.split_of(share.member, &parts, rng), identity))
    }

    /// The message that sends these parts.
    fn split_of(&self, helper: MemberId, parts: &[Secret], rng: &mut (impl CryptoRng + ?Sized)) -> Split {
        let secret = Secret::random(rng);
        let mut split = Split {
            repair: *self.id(),
            helper,
            commitments: parts.iter().map(|part| base_mul(&part.0)).collect(),
            ephemeral: OwnedPoint::new(&ephemeral_context(self.id(), "split", helper), &secret, rng),
            parts: Vec::new(),
        };
        split.parts = self
            .helpers()
            .iter()
            .zip(parts)
            .filter_map(|(receiver, part)| Some(self.route(&split, *receiver)?.seal(part, &secret)))
            .collect();
        split
    }

    /// The way of a part to a helper.
    fn route<'b>(&'b self, split: &'b Split, receiver: MemberId) -> Option<Route<'b>> {
        Some(Route {
            label: "mediveil/threshold/repair/split/v1",
            session: &split.repair,
            sender: split.helper.get(),
            receiver: receiver.get(),
            ephemeral: &split.ephemeral.point,
            to: self.set.verification(receiver)?,
        })
    }

    /// The way of a sum to the member.
    fn sum_route<'b>(&'b self, helper: MemberId, ephemeral: &'b G1Affine) -> Route<'b> {
        Route {
            label: "mediveil/threshold/repair/sum/v1",
            session: self.id(),
            sender: helper.get(),
            receiver: self.member().get(),
            ephemeral,
            to: &self.request.content().key.point,
        }
    }

    /// What everybody can see to be wrong with a split.
    fn fault(&self, split: &Split, place: usize) -> Option<Misdeed> {
        let needed = self.helpers().len();
        if split.commitments.len() != needed || split.parts.len() != needed {
            return Some(Misdeed::WrongReceivers);
        }
        if !split.ephemeral.verify(&ephemeral_context(self.id(), "split", split.helper)) {
            return Some(Misdeed::UnprovenKey);
        }
        let sum: G1Projective = split.commitments.iter().map(G1Projective::from).sum();
        let (public, weight) = (self.set.verification(split.helper)?, self.weights.get(place)?);
        let expected = linear_combination(&Scalar::ZERO, &[(*public, *weight)]);
        (sum != expected).then_some(Misdeed::NotItsShare)
    }

    /// The one message of each helper, in order.
    fn one_each<'b, T: Content>(
        &self,
        messages: &'b [Signed<T>],
        repair: impl Fn(&T) -> &[u8; 32],
    ) -> Result<Vec<&'b Signed<T>>, ProtocolError> {
        let mut chosen = Vec::with_capacity(self.helpers().len());
        for helper in self.helpers() {
            let culprit = Culprit::Helper(*helper);
            let identity = self.set.committee().member(*helper).ok_or(ProtocolError::NotAMember)?;
            let mut mine = messages.iter().filter(|m| {
                m.content().author() == helper.get()
                    && repair(m.content()) == self.id()
                    && m.verify(identity.verifying_key())
            });
            let first = mine.next().ok_or(ProtocolError::Missing(culprit))?;
            if mine.any(|other| Equivocation::between(first, other).is_some()) {
                return Err(ProtocolError::Misdeed(Accusation { culprit, misdeed: Misdeed::Equivocation }));
            }
            chosen.push(first);
        }
        Ok(chosen)
    }

    /// Ends round 1. Messages of other repairs and those that their helper did not sign are passed over.
    ///
    /// # Errors
    /// [`ProtocolError::Missing`] until all helpers have sent theirs; [`ProtocolError::Misdeed`] for a helper whose split
    /// is not of its share, or who signed two.
    pub fn splits(&self, messages: &[Signed<Split>]) -> Result<Splits<'a>, ProtocolError> {
        let chosen = self.one_each(messages, |split| &split.repair)?;
        for (place, message) in chosen.iter().enumerate() {
            if let Some(misdeed) = self.fault(message.content(), place) {
                let culprit = Culprit::Helper(message.content().helper);
                return Err(ProtocolError::Misdeed(Accusation { culprit, misdeed }));
            }
        }
        let digest = digest_of("splits", &chosen);
        let splits = chosen.into_iter().map(|message| message.content().clone()).collect();
        Ok(Splits { repair: self.clone(), splits, digest })
    }
}

fn digest_of<T: Content>(label: &str, messages: &[&Signed<T>]) -> [u8; 32] {
    let fields = Fields::new("mediveil/threshold/repair/round/v1").add(label.as_bytes());
    messages.iter().fold(fields, |fields, message| fields.add(message.digest())).finish()
}

/// Random parts that add up to a secret. Any of them but one are uniform and independent of it.
fn split(secret: &Secret, parts: usize, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<Secret> {
    let mut out: Vec<Secret> = (1..parts).map(|_| Secret::random(rng)).collect();
    let rest = out.iter().fold(secret.0, |rest, part| rest - part.0);
    out.push(Secret(rest));
    out
}

/// The end of round 1: a split of each helper, without visible fault.
#[derive(Clone, Debug)]
pub struct Splits<'a> {
    repair: Repair<'a>,
    /// In the order of the helpers.
    splits: Vec<Split>,
    digest: [u8; 32],
}

/// The sums of a repair, in the order of the helpers, and the digest of their messages.
pub(crate) struct Sums {
    sums: Vec<Option<(OwnedPoint, SealedScalar)>>,
    digest: [u8; 32],
}

impl Splits<'_> {
    /// The part in a split for a receiver, if it is right.
    fn part(&self, split: &Split, receiver: MemberId, shared: &G1Affine) -> Option<Secret> {
        let place = self.repair.place(receiver)?;
        let part = self.repair.route(split, receiver)?.open(split.parts.get(place)?, shared)?;
        (base_mul(&part.0) == *split.commitments.get(place)?).then_some(part)
    }

    /// Round 2 of a helper: the sum of what it received, or complaints.
    ///
    /// # Errors
    /// As [`Repair::split`].
    pub fn sum(
        &self,
        identity: &Identity,
        share: &KeyShare,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Signed<Sum>, ProtocolError> {
        self.repair.helper(identity, share)?;
        let helper = share.member;
        let mut sum = Secret(Scalar::ZERO);
        let mut complaints = Vec::new();
        for split in &self.splits {
            let shared = mul(&split.ephemeral.point, &share.secret.0);
            match self.part(split, helper, &shared) {
                Some(part) => sum.0 += part.0,
                None => {
                    let route = self.repair.route(split, helper).ok_or(ProtocolError::OtherShare)?;
                    complaints.push(Complaint { of: split.helper, disclosure: route.disclose(&share.secret, rng) });
                }
            }
        }
        let said = if complaints.is_empty() { self.said(helper, &sum, rng) } else { Said::Complaints(complaints) };
        let message = Sum { repair: *self.repair.id(), helper, splits: self.digest, said };
        Ok(Signed::new(message, identity))
    }

    /// A sum on its way to the member.
    fn said(&self, helper: MemberId, sum: &Secret, rng: &mut (impl CryptoRng + ?Sized)) -> Said {
        let secret = Secret::random(rng);
        let ephemeral = OwnedPoint::new(&ephemeral_context(self.repair.id(), "sum", helper), &secret, rng);
        let sealed = self.repair.sum_route(helper, &ephemeral.point).seal(sum, &secret);
        Said::Sum(Box::new((ephemeral, sealed)))
    }

    /// Whether a complaint of a part is justified.
    fn judge_part(&self, by: MemberId, complaint: &Complaint) -> Accusation {
        let split = self.splits.iter().find(|split| split.helper == complaint.of);
        let wrong = split.is_some_and(|split| {
            self.repair.route(split, by).is_some_and(|route| route.is_disclosed_by(&complaint.disclosure))
                && self.part(split, by, &complaint.disclosure.shared).is_none()
        });
        verdict(wrong, complaint.of, Culprit::Helper(by), by)
    }

    /// The sums, and who is guilty by round 2.
    pub(crate) fn judge_sums(&self, messages: &[Signed<Sum>]) -> Result<(Sums, Vec<Accusation>), ProtocolError> {
        let chosen = self.repair.one_each(messages, |sum| &sum.repair)?;
        let mut accusations = Vec::new();
        let mut sums = Vec::with_capacity(chosen.len());
        for message in &chosen {
            let content = message.content();
            let culprit = Culprit::Helper(content.helper);
            if content.splits != self.digest {
                return Err(ProtocolError::OtherBoard(culprit));
            }
            sums.push(match &content.said {
                Said::Complaints(complaints) if complaints.is_empty() => {
                    let misdeed = Misdeed::FalseComplaint { dealer: content.helper };
                    accusations.push(Accusation { culprit, misdeed });
                    None
                }
                Said::Complaints(complaints) => {
                    accusations.extend(complaints.iter().map(|c| self.judge_part(content.helper, c)));
                    None
                }
                Said::Sum(sum) if sum.0.verify(&ephemeral_context(self.repair.id(), "sum", content.helper)) => {
                    Some((**sum).clone())
                }
                Said::Sum(_) => {
                    accusations.push(Accusation { culprit, misdeed: Misdeed::UnprovenKey });
                    None
                }
            });
        }
        let digest = digest_of("sums", &chosen);
        Ok((Sums { sums, digest }, accusations))
    }

    /// The sum of a helper for the member, if it is right.
    fn opened_sum(&self, place: usize, sum: &(OwnedPoint, SealedScalar), shared: &G1Affine) -> Option<Secret> {
        let helper = *self.repair.helpers().get(place)?;
        let opened = self.repair.sum_route(helper, &sum.0.point).open(&sum.1, shared)?;
        let expected = self
            .splits
            .iter()
            .map(|split| split.commitments.get(place).map(G1Projective::from))
            .sum::<Option<G1Projective>>()?;
        (G1Projective::generator() * opened.0 == expected).then_some(opened)
    }

    /// Who is guilty by the member's closing.
    pub(crate) fn judge_closing(
        &self,
        closing: &Signed<Closing>,
        sums: &Sums,
    ) -> Result<Vec<Accusation>, ProtocolError> {
        let content = closing.content();
        let member = self.repair.member();
        let culprit = Culprit::Receiver(member);
        let identity = self.repair.set.committee().member(member).ok_or(ProtocolError::NotAMember)?;
        if content.repair != *self.repair.id() || content.member != member {
            return Err(ProtocolError::WrongSession);
        }
        if !closing.verify(identity.verifying_key()) {
            return Err(ProtocolError::Damaged(culprit));
        }
        if content.sums != sums.digest {
            return Err(ProtocolError::OtherBoard(culprit));
        }
        let judge = |complaint: &Complaint| {
            let place = self.repair.place(complaint.of);
            let sum = place.and_then(|place| Some((place, sums.sums.get(place)?.as_ref()?)));
            let wrong = sum.is_some_and(|(place, sum)| {
                self.repair.sum_route(complaint.of, &sum.0.point).is_disclosed_by(&complaint.disclosure)
                    && self.opened_sum(place, sum, &complaint.disclosure.shared).is_none()
            });
            verdict(wrong, complaint.of, culprit, member)
        };
        Ok(content.complaints.iter().map(judge).collect())
    }

    /// Ends the repair: the member's share if all went well, and the message that says so or proves who is to blame. If
    /// there is no share, ask again, with other helpers in the place of the
    /// [accused](Transcript::audit).
    ///
    /// # Errors
    /// [`ProtocolError::OtherSession`] for the state of another repair; [`ProtocolError::NotAMember`] if the identity is
    /// not the member's; [`ProtocolError::Missing`] until all helpers have sent their sums; [`ProtocolError::OtherBoard`]
    /// if a helper answered other splits than these; [`ProtocolError::Misdeed`] for a helper who signed two sums.
    pub fn finish(
        &self,
        lost: &Lost,
        identity: &Identity,
        messages: &[Signed<Sum>],
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Option<KeyShare>, Signed<Closing>), ProtocolError> {
        let member = self.repair.member();
        if self.repair.set.committee().find(identity.public()) != Some(member) {
            return Err(ProtocolError::NotAMember);
        }
        if lost.repair != *self.repair.id() || lost.key.public() != self.repair.request.content().key.point {
            return Err(ProtocolError::OtherSession);
        }
        let (sums, accusations) = self.judge_sums(messages)?;
        let mut complaints = Vec::new();
        let mut total = Secret(Scalar::ZERO);
        for (place, sum) in sums.sums.iter().enumerate() {
            let (Some(sum), Some(helper)) = (sum, self.repair.helpers().get(place)) else { continue };
            match self.opened_sum(place, sum, &lost.key.shared(&sum.0.point)) {
                Some(opened) => total.0 += opened.0,
                None => {
                    let disclosure = self.repair.sum_route(*helper, &sum.0.point).disclose(&lost.key.secret, rng);
                    complaints.push(Complaint { of: *helper, disclosure });
                }
            }
        }
        let complete = accusations.is_empty() && complaints.is_empty();
        let share = if complete { KeyShare::new(self.repair.set, member, total) } else { None };
        let closing = Closing {
            repair: *self.repair.id(),
            member,
            sums: sums.digest,
            repaired: share.is_some(),
            complaints,
            at: now,
        };
        Ok((share, Signed::new(closing, identity)))
    }
}

/// Of a complaint: the one complained of is guilty, or the one who complains.
fn verdict(wrong: bool, of: MemberId, by: Culprit, receiver: MemberId) -> Accusation {
    if wrong {
        Accusation { culprit: Culprit::Helper(of), misdeed: Misdeed::WrongShare { receiver } }
    } else {
        Accusation { culprit: by, misdeed: Misdeed::FalseComplaint { dealer: of } }
    }
}
