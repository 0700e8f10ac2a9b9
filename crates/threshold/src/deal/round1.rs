//! Round 1: dealers commit to polynomials and send their values.

use super::cut_off::{Message, scope};
use super::{Board, Enrolments, Plan, Session};
use crate::algebra::point::is_compressed;
use crate::algebra::{Commitment, Polynomial, Secret, decode_wide_point, encode_wide_point};
use crate::envelope::{OwnedPoint, Route, SealedScalar};
use crate::proof::{Fields, Proof};
use crate::{Accusation, Committee, Content, Culprit, KeyShare, MAX_MEMBERS, MemberId, Misdeed, ProtocolError, Signed};
use blstrs::{G1Affine, G2Affine, G2Projective};
use group::Group;
use group::prime::PrimeCurveAffine;
use mediveil_codec::{DecodeError, Decoder, Encoder, ObjectType};
use mediveil_seal::identity::Identity;
use rand_core::CryptoRng;

/// The use of the envelopes of this round.
pub(super) const LABEL: &str = "mediveil/threshold/deal/v1";

/// A dealer's part: commitments to the coefficients of its polynomial, the proof that it knows the constant one, and the
/// values for the members who enrolled, encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    pub(super) session: Session,
    pub(super) dealer: MemberId,
    /// The cut-off of round 0 that this answers.
    pub(super) enrolments: [u8; 32],
    /// Points of the curve, uncompressed on the wire: a member reads `needed` of them from each dealer. See the module's
    /// words on points outside the group.
    pub(super) commitment: Commitment,
    /// The constant in G2: for a new key only.
    pub(super) constant2: Option<G2Affine>,
    pub(super) constant_proof: Proof,
    pub(super) ephemeral: OwnedPoint,
    /// By receiver, where it enrolled.
    pub(super) shares: Vec<Option<SealedScalar>>,
}

fn constant_context(session: &Session, dealer: MemberId) -> Fields {
    Fields::new("mediveil/threshold/constant/v1").add(session.as_bytes()).add(&dealer.get().to_be_bytes())
}

fn ephemeral_context(session: &Session, dealer: MemberId) -> Fields {
    Fields::new("mediveil/threshold/ephemeral/v1").add(session.as_bytes()).add(&dealer.get().to_be_bytes())
}

impl Content for Package {
    const TYPE: ObjectType = ObjectType::Dealing;
    const MAX: usize = 1024 + MAX_MEMBERS as usize * 152;
    const PURPOSE: &'static str = "threshold/dealing/v1";

    fn scope(&self) -> [u8; 32] {
        scope(&self.session, Self::ROUND)
    }

    fn author(&self) -> u16 {
        self.dealer.get()
    }

    fn write(&self, e: &mut Encoder<'_>) {
        e.array(8).bytes(self.session.as_bytes());
        self.dealer.encode(e);
        e.bytes(&self.enrolments);
        e.list(&self.commitment.0, encode_wide_point);
        e.option(self.constant2.as_ref(), |e, point| {
            e.bytes(&point.to_uncompressed());
        });
        e.array(2);
        self.constant_proof.encode(e);
        self.ephemeral.encode(e);
        e.list(&self.shares, |e, share| {
            e.option(share.as_ref(), |e, share| {
                e.bytes(share);
            });
        });
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        d.tuple(8)?;
        let session = Session::from_bytes(d.byte_array()?);
        let dealer = MemberId::decode(d)?;
        let enrolments = d.byte_array()?;
        let commitment = Commitment(d.list(usize::from(MAX_MEMBERS), decode_wide_point)?);
        // The constant is used by itself, so it is looked at by itself.
        match commitment.constant() {
            Some(constant) if bool::from(constant.is_torsion_free()) => {}
            Some(_) => return Err(d.invalid("a point outside the group G1")),
            None => return Err(d.invalid("an empty commitment")),
        }
        let constant2 = d.option(|d| {
            let bytes = d.byte_array::<192>()?;
            let point: Option<G2Affine> = G2Affine::from_uncompressed_unchecked(&bytes).into();
            point
                .filter(|p| !is_compressed(&bytes) && !bool::from(p.is_identity()))
                .ok_or_else(|| d.invalid("not a point of the twist"))
        })?;
        d.tuple(2)?;
        let constant_proof = Proof::decode(d)?;
        let ephemeral = OwnedPoint::decode(d)?;
        let shares = d.list(usize::from(MAX_MEMBERS), |d| d.option(Decoder::byte_array))?;
        Ok(Self { session, dealer, enrolments, commitment, constant2, constant_proof, ephemeral, shares })
    }
}

impl Message for Package {
    const ROUND: u8 = 1;

    fn session(&self) -> &Session {
        &self.session
    }

    fn authors(plan: &Plan) -> &Committee {
        plan.dealers()
    }

    fn culprit(id: MemberId) -> Culprit {
        Culprit::Dealer(id)
    }
}

impl Package {
    /// The route of the share for a receiver with this key.
    pub(super) fn route<'a>(&'a self, receiver: MemberId, to: &'a G1Affine) -> Route<'a> {
        Route {
            label: LABEL,
            session: self.session.as_bytes(),
            sender: self.dealer.get(),
            receiver: receiver.get(),
            ephemeral: &self.ephemeral.point,
            to,
        }
    }

    /// The share for a receiver, with the point it shares with the dealer: `None` if it does not decrypt or does not fit.
    pub(super) fn open(&self, receiver: MemberId, to: &G1Affine, shared: &G1Affine) -> Option<Secret> {
        let sealed = self.shares.get(receiver.index())?.as_ref()?;
        let share = self.route(receiver, to).open(sealed, shared)?;
        (self.commitment.at(receiver) == G1Affine::from(blstrs::G1Projective::generator() * share.0).into())
            .then_some(share)
    }

    /// What everybody can see to be wrong with it.
    fn fault(&self, enrolments: &Enrolments) -> Option<Misdeed> {
        let plan = &enrolments.plan;
        let needed = plan.committee().needed();
        if self.enrolments != enrolments.digest {
            return Some(Misdeed::OtherCutOff);
        }
        let found = self.commitment.0.len();
        if found != usize::from(needed) {
            return Some(Misdeed::WrongDegree { found, needed });
        }
        let receivers = self.shares.len() == enrolments.keys.len()
            && self.shares.iter().zip(&enrolments.keys).all(|(share, key)| share.is_some() == key.is_some());
        if !receivers {
            return Some(Misdeed::WrongReceivers);
        }
        if !self.ephemeral.verify(&ephemeral_context(&self.session, self.dealer)) {
            return Some(Misdeed::UnprovenKey);
        }
        let constant = self.commitment.constant()?;
        if !self.constant_proof.verify_knowledge(&constant_context(&self.session, self.dealer), constant) {
            return Some(Misdeed::UnprovenConstant);
        }
        match plan.from() {
            None if self.constant2.is_none() => Some(Misdeed::UnequalConstants),
            Some(set) if set.verification(self.dealer) != Some(constant) || self.constant2.is_some() => {
                Some(Misdeed::NotItsShare)
            }
            _ => None,
        }
    }
}

impl Enrolments {
    /// Deals. For a new key, a fresh random value; in a refresh or resharing, the dealer's share of the old key. The dealer
    /// keeps nothing.
    ///
    /// # Errors
    /// [`ProtocolError::NotAMember`] if the identity is not among the dealers; [`ProtocolError::OtherShare`] if there is
    /// no share where one is needed, or it is not the dealer's in the plan's key set.
    pub fn deal(
        &self,
        identity: &Identity,
        share: Option<&KeyShare>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Signed<Package>, ProtocolError> {
        let dealer = self.plan.dealers().find(identity.public()).ok_or(ProtocolError::NotAMember)?;
        let constant = match (self.plan.from(), share) {
            (None, None) => Secret::random(rng),
            (Some(set), Some(share)) if share.member == dealer && share.belongs_to(set) => share.secret.clone(),
            _ => return Err(ProtocolError::OtherShare),
        };
        Ok(Signed::new(self.package(dealer, &constant, self.plan.committee().needed(), rng), identity))
    }

    /// The dealing of this constant with this many coefficients.
    pub(super) fn package(
        &self,
        dealer: MemberId,
        constant: &Secret,
        needed: u16,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Package {
        let session = self.plan.session();
        let constant2 = self.plan.from().is_none().then(|| G2Affine::from(G2Projective::generator() * constant.0));
        let polynomial = Polynomial::random(constant.clone(), needed, rng);
        let commitment = polynomial.commit();
        let public = commitment.constant().copied().unwrap_or_else(G1Affine::identity);
        let constant_proof = Proof::of_knowledge(&constant_context(&session, dealer), &public, constant, rng);
        let ephemeral_secret = Secret::random(rng);
        let ephemeral = OwnedPoint::new(&ephemeral_context(&session, dealer), &ephemeral_secret, rng);
        let mut package = Package {
            session,
            dealer,
            enrolments: self.digest,
            commitment,
            constant2,
            constant_proof,
            ephemeral,
            shares: Vec::new(),
        };
        package.shares = self
            .plan
            .committee()
            .members()
            .zip(&self.keys)
            .map(|((id, _), key)| {
                key.as_ref().map(|key| package.route(id, key).seal(&polynomial.at(id), &ephemeral_secret))
            })
            .collect();
        package
    }

    /// Ends round 1: the dealings in which nobody can see a fault, still to be checked by those they are for.
    ///
    /// # Errors
    /// [`ProtocolError`] for a board that is not this round's, and if too few dealings are left.
    pub fn dealings(&self, board: &Board<'_, Package>) -> Result<Dealings, ProtocolError> {
        let settled = board.settle(&self.plan)?;
        let mut accusations = self.accusations.clone();
        accusations.extend(settled.accusations);
        let mut packages = Vec::with_capacity(settled.messages.len());
        for ((id, _), message) in self.plan.dealers().members().zip(settled.messages) {
            packages.push(match message {
                None => None,
                Some(message) => match message.content().fault(self) {
                    None => Some(message.content().clone()),
                    Some(misdeed) => {
                        accusations.push(Accusation { culprit: Culprit::Dealer(id), misdeed });
                        None
                    }
                },
            });
        }
        let dealings = Dealings { enrolments: self.clone(), packages, digest: settled.digest, accusations };
        dealings.enough(dealings.packages.iter().flatten().count(), &dealings.accusations)?;
        Ok(dealings)
    }
}

/// The result of round 1: the dealings without visible fault.
#[derive(Clone, Debug)]
pub struct Dealings {
    pub(super) enrolments: Enrolments,
    /// By dealer.
    pub(super) packages: Vec<Option<Package>>,
    pub(super) digest: [u8; 32],
    /// Who misbehaved so far, in rounds 0 and 1.
    pub accusations: Vec<Accusation>,
}

impl Dealings {
    pub(super) fn plan(&self) -> &Plan {
        &self.enrolments.plan
    }

    /// As many dealers as are needed, so that one of them at least is honest; in a resharing, so that they hold the key.
    pub(super) fn enough(&self, found: usize, accusations: &[Accusation]) -> Result<(), ProtocolError> {
        let needed = self.plan().dealers().needed();
        if found < usize::from(needed) {
            return Err(ProtocolError::TooFew { found, needed, accusations: accusations.to_vec() });
        }
        Ok(())
    }
}
