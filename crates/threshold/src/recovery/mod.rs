//! Recovery: guardians open a door for an identity that is not the one the file was sealed for.
//!
//! | step | who | statement |
//! |---|---|---|
//! | ask | the new identity | [`Request`] |
//! | see it, tell the owner, start to wait | each guardian | [`Notice`] |
//! | object | the owner, with the old identity | [`Veto`] |
//! | help, when the delay is over and nobody objects | each guardian | [`Approval`] |
//! | open the file | the new identity | [`Completion`] |
//!
//! ```text
//! file, key --request--> Request --Recovery::new--> Recovery --notice--> ... --approve--> ... --finish--> CommitteeOpener
//! ```
//!
//! The delay and the owner come from the door itself, where they are bound into the ciphertext: a request that shows other
//! [`Terms`] does not check. The delay counts from each guardian's own notice by that guardian's own clock, so a
//! request cannot be dated back. A guardian answers with its decryption share, sealed for the new identity: no guardian sees
//! another's share, and none sees the content key.
//!
//! # What it promises, and to whom
//! To the owner: as long as fewer than `needed` guardians are dishonest, and the owner's veto reaches the others within
//! the delay, nobody opens the door against the owner's will. To who recovers: `needed` honest guardians suffice. To
//! auditors: [`Dossier::verify`] finds from the files alone who said what when by its own clock, and names guardians who
//! signed approvals too early or against a veto.
//!
//! Whether the new identity belongs to the person it claims is for the guardians to find out: they compare the fingerprint
//! over another channel before they approve. Whoever holds the old identity can veto; one that is stolen and not just lost
//! can keep its owner out, but could open the file anyway. The number of vetoes is not limited, nor that of requests.

mod dossier;
mod statements;

pub use dossier::{Dossier, State, Verdict};
pub use statements::{Approval, Completion, Event, Notice, Request, Statement, Veto};

use crate::guardians::{CommitteeOpener, Door, Terms};
use crate::tdh2::{CheckedCiphertext, DecryptionShare};
use crate::{KeyShare, MemberId, PublicKey, PublicKeySet, Signed};
use mediveil_codec::{Timestamp, Wire};
use mediveil_seal::identity::{Identity, PublicIdentity};
use mediveil_seal::{Context, Sealer, Stanza, open};
use rand_core::CryptoRng;

/// Why a step of a recovery is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// The file has no door of this committee.
    #[error("the file has no door of this committee")]
    NoDoor,
    /// The request is for another committee's key.
    #[error("the request is for another committee's key")]
    OtherKey,
    /// The door in the request, or its terms, were changed, or the door is of another file.
    #[error("the door or the terms in the request were changed: do not help")]
    Door,
    /// The signature of a statement does not verify, or it is not by who should have said it.
    #[error("the signature of the {0} does not verify")]
    Signature(&'static str),
    /// A statement belongs to another request.
    #[error("the {0} belongs to another request")]
    OtherRequest(&'static str),
    /// This identity cannot veto.
    #[error("this identity is not the owner that the door names, so it cannot veto")]
    NotTheOwner,
    /// This identity is not a guardian, or the share is another member's.
    #[error("this identity and share are not those of one member of the committee")]
    NotAGuardian,
    /// This identity is not the one that asked.
    #[error("this identity is not the one that asked for the recovery")]
    NotTheReader,
    /// The share is of another key or epoch.
    #[error("this share belongs to another key or epoch")]
    OtherShare,
    /// The waiting time is not over.
    #[error("the owner can veto until {until}: approve after that")]
    TooEarly {
        /// When approving becomes possible, by the guardian's clock.
        until: Timestamp,
    },
    /// The owner has vetoed.
    #[error("the owner vetoed this request at {at}")]
    Vetoed {
        /// When, by the owner's clock.
        at: Timestamp,
    },
    /// The share could not be sealed for the new identity.
    #[error("the share cannot be sealed for the new identity")]
    Sealing,
    /// Not enough right approvals under one key set.
    #[error("too few guardians have approved rightly, {found} of the {needed} that are needed{}", blame(.wrong))]
    TooFew {
        /// How many right ones there are.
        found: usize,
        /// How many there must be.
        needed: u16,
        /// Whose approvals are wrong: signed, and without a right share for the new identity.
        wrong: Vec<MemberId>,
    },
}

fn blame(wrong: &[MemberId]) -> String {
    let names: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("; the approvals of guardians {} are wrong", names.join(", "))
    }
}

/// Asks for a recovery: for the door of the committee with this key in the file with this head (see
/// [`read_doors`](mediveil_seal::read_doors)), to be opened for `new`.
///
/// # Errors
/// [`RecoveryError::NoDoor`] if the file has none.
pub fn request(
    key: &PublicKey,
    context: &Context,
    stanzas: &[Stanza],
    new: &Identity,
    now: Timestamp,
) -> Result<Signed<Request>, RecoveryError> {
    let door = stanzas.iter().filter_map(Door::read).find(|door| door.check(key, context).is_ok());
    let door = door.ok_or(RecoveryError::NoDoor)?;
    let request = Request {
        key: key.id(),
        file: *context.core_digest(),
        terms: door.terms,
        ciphertext: door.ciphertext,
        reader: new.public().clone(),
        at: now,
    };
    Ok(Signed::new(request, new))
}

/// A request that was checked: the door, its terms and the signature are genuine.
#[derive(Clone, Debug)]
pub struct Recovery<'a> {
    set: &'a PublicKeySet,
    request: &'a Signed<Request>,
    checked: CheckedCiphertext,
}

impl<'a> Recovery<'a> {
    /// Checks a request for this committee.
    ///
    /// # Errors
    /// [`RecoveryError::OtherKey`], [`RecoveryError::Door`] and [`RecoveryError::Signature`].
    pub fn new(set: &'a PublicKeySet, request: &'a Signed<Request>) -> Result<Self, RecoveryError> {
        let content = request.content();
        if content.key != set.key().id() {
            return Err(RecoveryError::OtherKey);
        }
        if !request.verify(content.reader.verifying_key()) {
            return Err(RecoveryError::Signature("request"));
        }
        let associated = content.terms.bind(&content.file);
        let checked = content.ciphertext.check(set.key(), &associated).map_err(|_| RecoveryError::Door)?;
        Ok(Self { set, request, checked })
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> &Signed<Request> {
        self.request
    }

    /// The digest of the request: the name of this recovery.
    #[must_use]
    pub const fn id(&self) -> &[u8; 32] {
        self.request.digest()
    }

    /// The door's terms.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.request.content().terms
    }

    /// For whom the door shall be opened.
    #[must_use]
    pub const fn reader(&self) -> &PublicIdentity {
        &self.request.content().reader
    }

    /// The owner's veto.
    ///
    /// # Errors
    /// [`RecoveryError::NotTheOwner`] for anybody else.
    pub fn veto(&self, owner: &Identity, now: Timestamp) -> Result<Signed<Veto>, RecoveryError> {
        if !self.terms().is_owner(owner.public()) {
            return Err(RecoveryError::NotTheOwner);
        }
        Ok(Signed::new(Veto { request: *self.id(), owner: owner.public().clone(), at: now }, owner))
    }

    /// A guardian's word that it has seen the request: to be kept and posted, and the owner to be told by every way there
    /// is. The guardian can approve when the delay has passed since.
    ///
    /// # Errors
    /// [`RecoveryError::NotAGuardian`] if the identity is not in the committee.
    pub fn notice(&self, guardian: &Identity, now: Timestamp) -> Result<Signed<Notice>, RecoveryError> {
        self.set.committee().find(guardian.public()).ok_or(RecoveryError::NotAGuardian)?;
        Ok(Signed::new(Notice { request: *self.id(), guardian: guardian.public().id(), at: now }, guardian))
    }

    /// From when on a guardian with this notice approves.
    #[must_use]
    pub fn until(&self, notice: &Signed<Notice>) -> Timestamp {
        notice.content().at.plus(self.terms().delay())
    }

    /// Whether this is the owner's veto of this request.
    #[must_use]
    pub fn is_veto(&self, veto: &Signed<Veto>) -> bool {
        let content = veto.content();
        content.request == *self.id()
            && self.terms().is_owner(&content.owner)
            && veto.verify(content.owner.verifying_key())
    }

    /// A guardian's approval. `vetoes` is what the guardian finds on the board: those that are not the owner's, or not of
    /// this request, are passed over.
    ///
    /// # Errors
    /// [`RecoveryError::NotAGuardian`] and [`RecoveryError::OtherShare`] if identity, share and set do not fit;
    /// [`RecoveryError::OtherRequest`] and [`RecoveryError::Signature`] for a notice that is not this guardian's of this
    /// request; [`RecoveryError::Vetoed`]; [`RecoveryError::TooEarly`]; [`RecoveryError::Sealing`].
    pub fn approve(
        &self,
        share: &KeyShare,
        guardian: &Identity,
        notice: &Signed<Notice>,
        vetoes: &[Signed<Veto>],
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Signed<Approval>, RecoveryError> {
        let member = self.set.committee().find(guardian.public()).ok_or(RecoveryError::NotAGuardian)?;
        if share.member() != member {
            return Err(RecoveryError::NotAGuardian);
        }
        self.check_notice(notice, guardian.public())?;
        if let Some(veto) = vetoes.iter().find(|veto| self.is_veto(veto)) {
            return Err(RecoveryError::Vetoed { at: veto.content().at });
        }
        let until = self.until(notice);
        if now < until {
            return Err(RecoveryError::TooEarly { until });
        }
        self.approval(share, guardian, notice, now, rng)
    }

    /// The approval without any of the checks.
    fn approval(
        &self,
        share: &KeyShare,
        guardian: &Identity,
        notice: &Signed<Notice>,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Signed<Approval>, RecoveryError> {
        let share = share.decrypt(self.set, &self.checked, rng).map_err(|_| RecoveryError::OtherShare)?;
        let answer = Sealer::new()
            .context(self.id())
            .map_err(|_| RecoveryError::Sealing)?
            .to(self.reader().preferred_sealing_key())
            .seal(&share.encode(), rng)
            .map_err(|_| RecoveryError::Sealing)?;
        let approval = Approval {
            request: *self.id(),
            notice: *notice.digest(),
            set: self.set.digest(),
            guardian: share.member(),
            at: now,
            answer,
        };
        Ok(Signed::new(approval, guardian))
    }

    fn check_notice(&self, notice: &Signed<Notice>, guardian: &PublicIdentity) -> Result<(), RecoveryError> {
        if notice.content().request != *self.id() {
            return Err(RecoveryError::OtherRequest("notice"));
        }
        if notice.content().guardian != guardian.id() || !notice.verify(guardian.verifying_key()) {
            return Err(RecoveryError::Signature("notice"));
        }
        Ok(())
    }

    /// Whether a guardian of this set signed this approval of this request.
    fn check_approval(&self, approval: &Signed<Approval>) -> Result<(), RecoveryError> {
        let content = approval.content();
        if content.request != *self.id() || content.set != self.set.digest() {
            return Err(RecoveryError::OtherRequest("approval"));
        }
        let guardian = self.set.committee().member(content.guardian);
        if !guardian.is_some_and(|guardian| approval.verify(guardian.verifying_key())) {
            return Err(RecoveryError::Signature("approval"));
        }
        Ok(())
    }

    /// The share in an approval.
    fn share(&self, approval: &Approval, new: &Identity) -> Option<DecryptionShare> {
        let opened = open(&approval.answer, &[new]).ok()?;
        if opened.context != self.id() {
            return None;
        }
        let share = DecryptionShare::decode(&opened.plaintext).ok()?;
        (share.member() == approval.guardian && share.verify(self.set, &self.checked)).then_some(share)
    }

    /// The approvals that count, one for each guardian and as many as are needed, with their shares.
    fn gather<'b>(
        &self,
        approvals: &'b [Signed<Approval>],
        new: &Identity,
    ) -> Result<Vec<(&'b Signed<Approval>, DecryptionShare)>, RecoveryError> {
        if new.public() != self.reader() {
            return Err(RecoveryError::NotTheReader);
        }
        let needed = self.set.committee().needed();
        let mut right: Vec<(&Signed<Approval>, DecryptionShare)> = Vec::new();
        let mut wrong = Vec::new();
        for approval in approvals {
            let guardian = approval.content().guardian;
            let known = right.iter().any(|(_, share)| share.member() == guardian);
            if known || right.len() == usize::from(needed) || self.check_approval(approval).is_err() {
                continue;
            }
            match self.share(approval.content(), new) {
                Some(share) => right.push((approval, share)),
                None => wrong.push(guardian),
            }
        }
        if right.len() < usize::from(needed) {
            return Err(RecoveryError::TooFew { found: right.len(), needed, wrong });
        }
        Ok(right)
    }

    /// Opens the shares in the approvals: what opens the door. Approvals of other requests or epochs, and those that no
    /// guardian signed, are passed over.
    ///
    /// # Errors
    /// [`RecoveryError::NotTheReader`] for another identity than the one that asked; [`RecoveryError::TooFew`], which
    /// names the guardians whose shares are wrong.
    pub fn finish(&self, approvals: &[Signed<Approval>], new: &Identity) -> Result<CommitteeOpener, RecoveryError> {
        let shares = self.gather(approvals, new)?.into_iter().map(|(_, share)| share).collect();
        Ok(CommitteeOpener { set: self.set.clone(), shares })
    }

    /// The word that the door is open, which ends the recovery.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn complete(
        &self,
        approvals: &[Signed<Approval>],
        new: &Identity,
        now: Timestamp,
    ) -> Result<Signed<Completion>, RecoveryError> {
        let approvals = self.gather(approvals, new)?.iter().map(|(approval, _)| *approval.digest()).collect();
        Ok(Signed::new(Completion { request: *self.id(), approvals, at: now }, new))
    }
}

#[cfg(test)]
mod tests;
