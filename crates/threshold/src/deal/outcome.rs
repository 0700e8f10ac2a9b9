//! The end: who counts, the key set, and each member's share.

use super::{Board, Dealings, Enrolled, Session, round2};
use crate::algebra::{Commitment, Secret, lagrange, linear_combination, to_affine};
use crate::keys::{SetParts, pairing_equal};
use crate::proof::Fields;
use crate::{Accusation, Culprit, KeyShare, MemberId, Misdeed, ProtocolError, PublicKey, PublicKeySet};
use blstrs::{G1Affine, G1Projective, G2Affine, G2Projective, Scalar};
use ff::Field;
use group::Group;
use group::prime::PrimeCurveAffine;
use rand_core::CryptoRng;
use std::fmt;

/// A member's opened shares, between round 2 and the end. There is no need to save it: [`Outcome::recover`] makes it again
/// from [`Enrolled`].
pub struct Checked {
    pub(super) session: Session,
    pub(super) member: MemberId,
    /// By dealer, where it is right.
    pub(super) shares: Vec<Option<Secret>>,
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checked")
    }
}

/// What everybody comes to who holds the same cut-offs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The key with the commitments of the new epoch.
    pub set: PublicKeySet,
    /// Who misbehaved in which round, in the order of discovery. They are left out as dealers.
    pub accusations: Vec<Accusation>,
    session: Session,
    /// The dealers who count, with the coefficients of their parts.
    dealers: Vec<(MemberId, Scalar)>,
}

/// The sum of the parts that count.
struct Sum {
    commitment: Vec<G1Affine>,
    constant2: Option<G2Affine>,
}

impl Dealings {
    /// Ends the protocol.
    ///
    /// # Errors
    /// [`ProtocolError`] for a board that is not this round's, and if too few dealers are left.
    pub fn outcome(&self, board: &Board<'_, round2::Package>) -> Result<Outcome, ProtocolError> {
        let settled = board.settle(self.plan())?;
        let mut accusations = self.accusations.clone();
        accusations.extend(settled.accusations);
        for message in settled.messages.into_iter().flatten() {
            for (culprit, misdeed) in self.judge(message.content()) {
                let accusation = Accusation { culprit, misdeed };
                if !accusations.contains(&accusation) {
                    accusations.push(accusation);
                }
            }
        }
        let guilty = |accusations: &[Accusation], id| accusations.iter().any(|a| a.culprit == Culprit::Dealer(id));
        loop {
            let qualified: Vec<MemberId> =
                self.packages.iter().flatten().map(|p| p.dealer).filter(|id| !guilty(&accusations, *id)).collect();
            self.enough(qualified.len(), &accusations)?;
            let dealers = self.coefficients(&qualified).ok_or(ProtocolError::Degenerate)?;
            let sum = self.sum(&dealers);
            if self.is_sound(&sum) {
                let set = self.key_set(sum, &dealers, settled.digest).ok_or(ProtocolError::Degenerate)?;
                return Ok(Outcome { set, accusations, session: self.plan().session(), dealers });
            }
            let before = accusations.len();
            for (id, _) in &dealers {
                if let Some(misdeed) = self.hidden_fault(*id) {
                    accusations.push(Accusation { culprit: Culprit::Dealer(*id), misdeed });
                }
            }
            if accusations.len() == before {
                return Err(ProtocolError::Degenerate);
            }
        }
    }

    /// A new key is the sum of all parts. An old one is interpolated from the first dealers that suffice.
    fn coefficients(&self, qualified: &[MemberId]) -> Option<Vec<(MemberId, Scalar)>> {
        match self.plan().from() {
            None => Some(qualified.iter().map(|id| (*id, Scalar::ONE)).collect()),
            Some(set) => {
                let chosen = qualified.get(..usize::from(set.committee().needed()))?;
                Some(chosen.iter().copied().zip(lagrange(chosen, 0)?).collect())
            }
        }
    }

    fn sum(&self, dealers: &[(MemberId, Scalar)]) -> Sum {
        let mut commitment = Vec::new();
        let mut constant2 = G2Projective::identity();
        let parts: Vec<_> = dealers
            .iter()
            .filter_map(|(id, coefficient)| Some((self.packages.get(id.index())?.as_ref()?, *coefficient)))
            .collect();
        let fresh = self.plan().from().is_none();
        for k in 0..usize::from(self.plan().committee().needed()) {
            let points = parts.iter().filter_map(|(package, c)| Some((*package.commitment.0.get(k)?, *c)));
            commitment.push(if fresh {
                points.fold(G1Projective::identity(), |sum, (point, _)| sum + point)
            } else {
                linear_combination(&Scalar::ZERO, &points.collect::<Vec<_>>())
            });
        }
        parts.iter().filter_map(|(package, _)| package.constant2).for_each(|p| constant2 += p);
        Sum { commitment: to_affine(&commitment), constant2: fresh.then(|| constant2.into()) }
    }

    /// Whether the sum lies in its groups, and for a new key is the same in both.
    fn is_sound(&self, sum: &Sum) -> bool {
        let in_group = sum.commitment.iter().all(|p| bool::from(p.is_torsion_free()));
        in_group
            && match (&sum.constant2, sum.commitment.first()) {
                (Some(constant2), Some(constant)) => {
                    bool::from(constant2.is_torsion_free())
                        && pairing_equal(&G1Affine::generator(), constant2, constant)
                }
                (None, Some(_)) => self.plan().from().is_some(),
                _ => false,
            }
    }

    /// What is wrong with a dealing that shows only in the sum.
    fn hidden_fault(&self, dealer: MemberId) -> Option<Misdeed> {
        let package = self.packages.get(dealer.index())?.as_ref()?;
        if package.commitment.0.iter().any(|p| !bool::from(p.is_torsion_free())) {
            return Some(Misdeed::OutsideGroup);
        }
        let constant2 = package.constant2.as_ref()?;
        if !bool::from(constant2.is_torsion_free()) {
            return Some(Misdeed::OutsideGroup);
        }
        let equal = pairing_equal(&G1Affine::generator(), constant2, package.commitment.constant()?);
        (!equal).then_some(Misdeed::UnequalConstants)
    }

    fn key_set(&self, sum: Sum, dealers: &[(MemberId, Scalar)], complaints: [u8; 32]) -> Option<PublicKeySet> {
        let plan = self.plan();
        let (key, epoch) = match (plan.from(), sum.constant2) {
            (Some(set), _) => (set.key().clone(), set.epoch().checked_add(1)?),
            (None, Some(constant2)) => {
                (PublicKey::new(*sum.commitment.first()?, constant2, plan.committee().purpose())?, 0)
            }
            (None, None) => return None,
        };
        let fields = Fields::new("mediveil/threshold/transcript/v1")
            .add(plan.session().as_bytes())
            .add(&self.enrolments.digest)
            .add(&self.digest)
            .add(&complaints);
        let fields = dealers.iter().fold(fields, |fields, (id, _)| fields.add(&id.get().to_be_bytes()));
        let fields = sum.commitment.iter().fold(fields, Fields::point);
        PublicKeySet::new(SetParts {
            committee: plan.committee().clone(),
            epoch,
            key,
            commitment: Commitment(sum.commitment),
            encryption: self.enrolments.keys.clone(),
            session: plan.session(),
            transcript: fields.finish(),
        })
    }
}

impl Outcome {
    /// The dealers whose parts make up the key.
    #[must_use]
    pub fn dealers(&self) -> Vec<MemberId> {
        self.dealers.iter().map(|(id, _)| *id).collect()
    }

    /// A member's share of the new epoch, compared with the key set. With it, destroy the share of the old epoch and, as
    /// soon as its recovery is no longer wanted, the epoch key.
    ///
    /// # Errors
    /// [`ProtocolError::OtherSession`] for shares of another run; [`ProtocolError::Uncomplained`] if a dealer's share is
    /// wrong and the member did not complain in time.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the opened shares are used up: they are wiped at the end of this"
    )]
    pub fn key_share(&self, checked: Checked) -> Result<KeyShare, ProtocolError> {
        if checked.session != self.session {
            return Err(ProtocolError::OtherSession);
        }
        let mut sum = Secret(Scalar::ZERO);
        for (dealer, coefficient) in &self.dealers {
            let share = checked.shares.get(dealer.index()).and_then(Option::as_ref);
            sum.0 += *coefficient * share.ok_or(ProtocolError::Uncomplained(*dealer))?.0;
        }
        KeyShare::new(&self.set, checked.member, sum).ok_or(ProtocolError::OtherShare)
    }

    /// The same from the saved state alone, at any time within the epoch.
    ///
    /// # Errors
    /// As [`key_share`](Self::key_share), and [`ProtocolError::NotEnrolled`] for a member without a share.
    pub fn recover(
        &self,
        dealings: &Dealings,
        state: &Enrolled,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<KeyShare, ProtocolError> {
        let (checked, _) = dealings.open_shares(state, rng)?;
        self.key_share(checked)
    }
}
