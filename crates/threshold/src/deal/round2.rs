//! Round 2: receivers check their shares and complain of those that are wrong.

use super::cut_off::{Message, scope};
use super::outcome::Checked;
use super::{Dealings, Enrolled, Plan, Session};
use crate::algebra::{linear_combination, weight};
use crate::envelope::Disclosure;
use crate::{Committee, Content, Culprit, Equivocation, MAX_MEMBERS, MemberId, Misdeed, ProtocolError, Signed};
use blstrs::{G1Affine, Scalar};
use ff::Field;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType};
use mediveil_seal::identity::Identity;
use rand_core::CryptoRng;

/// A complaint of one dealer, with what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    /// The share is wrong: here is the point that opens it.
    Share { dealer: MemberId, disclosure: Disclosure },
    /// The dealer signed another dealing as well.
    Equivocation(Box<Equivocation>),
}

/// A member's complaints; usually none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    session: Session,
    member: MemberId,
    /// The cut-off of round 1 that this answers.
    dealings: [u8; 32],
    complaints: Vec<Complaint>,
}

impl Package {
    /// The dealers complained of.
    #[must_use]
    pub fn accused(&self) -> Vec<MemberId> {
        self.complaints
            .iter()
            .map(|c| match c {
                Complaint::Share { dealer, .. } => *dealer,
                Complaint::Equivocation(proof) => proof.author,
            })
            .collect()
    }
}

impl Content for Package {
    const TYPE: ObjectType = ObjectType::Complaints;
    const MAX: usize = 256 + MAX_MEMBERS as usize * 240;
    const PURPOSE: &'static str = "threshold/complaints/v1";

    fn scope(&self) -> [u8; 32] {
        scope(&self.session, Self::ROUND)
    }

    fn author(&self) -> u16 {
        self.member.get()
    }

    fn write(&self, e: &mut Encoder<'_>) {
        e.array(4).bytes(self.session.as_bytes());
        self.member.encode(e);
        e.bytes(&self.dealings);
        e.list(&self.complaints, |e, complaint| match complaint {
            Complaint::Share { dealer, disclosure } => {
                e.array(3).u8(0);
                dealer.encode(e);
                disclosure.encode(e);
            }
            Complaint::Equivocation(proof) => {
                e.array(2).u8(1);
                proof.encode(e);
            }
        });
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(4)?;
        let session = Session::from_bytes(d.byte_array()?);
        let member = MemberId::decode(d)?;
        let dealings = d.byte_array()?;
        let complaints = d.list(usize::from(MAX_MEMBERS), |d| {
            let len = d.array(3)?;
            match (len, d.u8()?) {
                (3, 0) => Ok(Complaint::Share { dealer: MemberId::decode(d)?, disclosure: Disclosure::decode(d)? }),
                (2, 1) => Ok(Complaint::Equivocation(Box::new(Equivocation::decode(d)?))),
                _ => Err(d.invalid("not a complaint")),
            }
        })?;
        Ok(Self { session, member, dealings, complaints })
    }
}

impl Message for Package {
    const ROUND: u8 = 2;

    fn session(&self) -> &Session {
        &self.session
    }

    fn authors(plan: &Plan) -> &Committee {
        plan.committee()
    }

    fn culprit(id: MemberId) -> Culprit {
        Culprit::Receiver(id)
    }
}

impl Dealings {
    /// Opens and checks this member's shares: the shares to keep for the end, and the complaints to post. Nothing is
    /// posted of a share that is right.
    ///
    /// # Errors
    /// [`ProtocolError::OtherSession`] and [`ProtocolError::NotEnrolled`] for a state that is not of this run or whose
    /// member is not among those who enrolled; [`ProtocolError::NotAMember`] if the identity is another.
    pub fn check(
        &self,
        state: &Enrolled,
        identity: &Identity,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Checked, Signed<Package>), ProtocolError> {
        self.check_against(state, identity, &[], rng)
    }

    /// [`check`](Self::check), with other dealings that reached this member by other ways. Those that differ from the ones
    /// on the board, for the same session and with the dealer's signature, become complaints.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_against(
        &self,
        state: &Enrolled,
        identity: &Identity,
        seen: &[(Signed<super::round1::Package>, Signed<super::round1::Package>)],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Checked, Signed<Package>), ProtocolError> {
        let plan = self.plan();
        if plan.committee().find(identity.public()) != Some(state.member) {
            return Err(ProtocolError::NotAMember);
        }
        let (checked, wrong) = self.open_shares(state, rng)?;
        let key = self.receiver_key(state)?;
        let mut complaints: Vec<_> = wrong
            .into_iter()
            .filter_map(|dealer| {
                let package = self.packages.get(dealer.index())?.as_ref()?;
                let disclosure = package.route(state.member, &key).disclose(&state.key.secret, rng);
                Some(Complaint::Share { dealer, disclosure })
            })
            .collect();
        for (a, b) in seen {
            if let Some(proof) = Equivocation::between(a, b)
                && self.is_equivocation(&proof)
            {
                complaints.push(Complaint::Equivocation(Box::new(proof)));
            }
        }
        let package = Package { session: plan.session(), member: state.member, dealings: self.digest, complaints };
        Ok((checked, Signed::new(package, identity)))
    }

    pub(super) fn receiver_key(&self, state: &Enrolled) -> Result<G1Affine, ProtocolError> {
        if state.session != self.plan().session() {
            return Err(ProtocolError::OtherSession);
        }
        let key = self.enrolments.keys.get(state.member.index()).copied().flatten();
        let key = key.ok_or(ProtocolError::NotEnrolled)?;
        if key == state.key.public() { Ok(key) } else { Err(ProtocolError::OtherSession) }
    }

    /// The shares for a member, and the dealers whose share is wrong.
    ///
    /// Shares are compared with the commitments in one weighted sum, and one by one only if that fails. With parts of a
    /// commitment outside G1 the sum may be right by chance; that is no harm, because what counts in the end is compared
    /// again with the key set.
    pub(super) fn open_shares(
        &self,
        state: &Enrolled,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Checked, Vec<MemberId>), ProtocolError> {
        let key = self.receiver_key(state)?;
        let mut shares = Vec::with_capacity(self.packages.len());
        let mut wrong = Vec::new();
        let mut terms = Vec::new();
        let mut total = Scalar::ZERO;
        let mut evaluations = Vec::new();
        for ((id, _), package) in self.plan().dealers().members().zip(&self.packages) {
            let share = package.as_ref().and_then(|package| {
                let sealed = package.shares.get(state.member.index())?.as_ref()?;
                let opened =
                    package.route(state.member, &key).open(sealed, &state.key.shared(&package.ephemeral.point));
                match opened {
                    Some(share) => {
                        let weight = weight(rng);
                        total += weight * share.0;
                        evaluations.push((id, package.commitment.at(state.member), share.0));
                        terms.push(weight);
                        Some(share)
                    }
                    None => {
                        wrong.push(id);
                        None
                    }
                }
            });
            shares.push(share);
        }
        let points: Vec<_> = evaluations.iter().map(|(_, point, _)| *point).collect();
        let terms: Vec<_> = crate::algebra::to_affine(&points).into_iter().map(|p| -p).zip(terms).collect();
        let right = bool::from(group::Group::is_identity(&linear_combination(&total, &terms)));
        if !right {
            for (id, point, share) in evaluations {
                if G1Affine::from(point) != crate::algebra::base_mul(&share) {
                    wrong.push(id);
                    if let Some(slot) = shares.get_mut(id.index()) {
                        *slot = None;
                    }
                }
            }
            wrong.sort_unstable();
        }
        Ok((Checked { session: state.session, member: state.member, shares }, wrong))
    }

    pub(super) fn is_equivocation(&self, proof: &Equivocation) -> bool {
        let plan = self.plan();
        let scope = scope(&plan.session(), super::round1::Package::ROUND);
        plan.dealers()
            .member(proof.author)
            .is_some_and(|author| proof.verify::<super::round1::Package>(&scope, author.verifying_key()))
    }

    /// Decides a member's complaints: who is guilty, the dealers or the one who complains.
    pub(super) fn judge(&self, message: &Package) -> Vec<(Culprit, Misdeed)> {
        let receiver = message.member;
        if message.dealings != self.digest {
            return vec![(Culprit::Receiver(receiver), Misdeed::OtherCutOff)];
        }
        let mut verdicts = Vec::new();
        for complaint in &message.complaints {
            verdicts.push(match complaint {
                Complaint::Share { dealer, disclosure } => {
                    if self.is_wrong_share(*dealer, receiver, disclosure) {
                        (Culprit::Dealer(*dealer), Misdeed::WrongShare { receiver })
                    } else {
                        (Culprit::Receiver(receiver), Misdeed::FalseComplaint { dealer: *dealer })
                    }
                }
                Complaint::Equivocation(proof) if self.is_equivocation(proof) => {
                    (Culprit::Dealer(proof.author), Misdeed::Equivocation)
                }
                Complaint::Equivocation(proof) => {
                    (Culprit::Receiver(receiver), Misdeed::FalseComplaint { dealer: proof.author })
                }
            });
        }
        verdicts
    }

    /// Whether the disclosure is genuine and opens a share that is wrong.
    fn is_wrong_share(&self, dealer: MemberId, receiver: MemberId, disclosure: &Disclosure) -> bool {
        let package = self.packages.get(dealer.index()).and_then(Option::as_ref);
        let key = self.enrolments.keys.get(receiver.index()).and_then(Option::as_ref);
        let (Some(package), Some(key)) = (package, key) else { return false };
        package.route(receiver, key).is_disclosed_by(disclosure)
            && package.open(receiver, key, &disclosure.shared).is_none()
    }
}

#[cfg(test)]
impl Package {
    /// Complaints of one's choice.
    pub(super) fn forged(dealings: &Dealings, member: MemberId, complaints: Vec<Complaint>) -> Self {
        Self { session: dealings.plan().session(), member, dealings: dealings.digest, complaints }
    }
}
