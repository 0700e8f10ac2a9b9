//! The files of a recovery together, verified by anybody, at any time.

use super::{Approval, Completion, Notice, Recovery, RecoveryError, Request, Veto};
use crate::{MemberId, PublicKeySet, Signed};
use mediveil_codec::Timestamp;
use mediveil_seal::identity::PublicIdentity;

/// Everything that was said in one recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dossier {
    /// The request.
    pub request: Signed<Request>,
    /// The guardians' notices.
    pub notices: Vec<Signed<Notice>>,
    /// Vetoes.
    pub vetoes: Vec<Signed<Veto>>,
    /// Approvals, all under the key set they are verified with.
    pub approvals: Vec<Signed<Approval>>,
    /// The end.
    pub completion: Option<Signed<Completion>>,
}

/// How far a recovery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Fewer guardians than are needed have approved.
    Waiting,
    /// The owner has objected, and fewer guardians than are needed have approved.
    Vetoed,
    /// Enough guardians have approved.
    Approved,
    /// The new identity says that the door is open.
    Completed,
}

/// What the statements of a recovery say together. All are genuine; times are by the clock of who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How far it is.
    pub state: State,
    /// The guardians who approved, in ascending order.
    pub approved_by: Vec<MemberId>,
    /// The guardians who approved before their delay was over. Their signatures prove it.
    pub early: Vec<MemberId>,
    /// The guardians who approved at or after the time that the first veto bears. Whether they had seen it is for the board
    /// to tell.
    pub against_veto: Vec<MemberId>,
    /// The time of the first veto.
    pub vetoed_at: Option<Timestamp>,
    /// The time of the completion.
    pub completed_at: Option<Timestamp>,
}

impl Dossier {
    /// Verifies every signature and every link, and compares the times.
    ///
    /// That the sealed share in an approval is right, only the new identity sees; its completion says so.
    ///
    /// # Errors
    /// As [`Recovery::new`]; [`RecoveryError::Signature`] and [`RecoveryError::OtherRequest`] name the kind of the first
    /// statement that is not genuine or does not belong here.
    pub fn verify(&self, set: &PublicKeySet) -> Result<Verdict, RecoveryError> {
        let recovery = Recovery::new(set, &self.request)?;
        for veto in &self.vetoes {
            if veto.content().request != *recovery.id() {
                return Err(RecoveryError::OtherRequest("veto"));
            }
            if !recovery.is_veto(veto) {
                return Err(RecoveryError::Signature("veto"));
            }
        }
        for notice in &self.notices {
            let guardian = self.guardian(set, notice).ok_or(RecoveryError::Signature("notice"))?;
            recovery.check_notice(notice, guardian)?;
        }
        let vetoed_at = self.vetoes.iter().map(|veto| veto.content().at).min();
        let (mut approved_by, mut early, mut against_veto) = (Vec::new(), Vec::new(), Vec::new());
        for approval in &self.approvals {
            recovery.check_approval(approval)?;
            let content = approval.content();
            let notice = self.notice_of(set, approval).ok_or(RecoveryError::OtherRequest("approval"))?;
            approved_by.push(content.guardian);
            if content.at < recovery.until(notice) {
                early.push(content.guardian);
            }
            if vetoed_at.is_some_and(|at| content.at >= at) {
                against_veto.push(content.guardian);
            }
        }
        for list in [&mut approved_by, &mut early, &mut against_veto] {
            list.sort_unstable();
            list.dedup();
        }
        let needed = usize::from(set.committee().needed());
        if let Some(completion) = &self.completion {
            self.check_completion(&recovery, completion, needed)?;
        }
        let state = if self.completion.is_some() {
            State::Completed
        } else if approved_by.len() >= needed {
            State::Approved
        } else if vetoed_at.is_some() {
            State::Vetoed
        } else {
            State::Waiting
        };
        let completed_at = self.completion.as_ref().map(|completion| completion.content().at);
        Ok(Verdict { state, approved_by, early, against_veto, vetoed_at, completed_at })
    }

    fn guardian<'a>(&self, set: &'a PublicKeySet, notice: &Signed<Notice>) -> Option<&'a PublicIdentity> {
        set.committee().members().map(|(_, member)| member).find(|member| member.id() == notice.content().guardian)
    }

    /// The notice that an approval names, if it is the same guardian's.
    fn notice_of(&self, set: &PublicKeySet, approval: &Signed<Approval>) -> Option<&Signed<Notice>> {
        let guardian = set.committee().member(approval.content().guardian)?.id();
        let notice = self.notices.iter().find(|notice| *notice.digest() == approval.content().notice)?;
        (notice.content().guardian == guardian).then_some(notice)
    }

    /// That the new identity signed it, over approvals of `needed` guardians that are all here.
    fn check_completion(
        &self,
        recovery: &Recovery<'_>,
        completion: &Signed<Completion>,
        needed: usize,
    ) -> Result<(), RecoveryError> {
        let content = completion.content();
        if content.request != *recovery.id() {
            return Err(RecoveryError::OtherRequest("completion"));
        }
        if !completion.verify(recovery.reader().verifying_key()) {
            return Err(RecoveryError::Signature("completion"));
        }
        let named = content.approvals.iter().map(|digest| {
            self.approvals.iter().find(|approval| approval.digest() == digest).map(|a| a.content().guardian)
        });
        let named: Option<std::collections::BTreeSet<MemberId>> = named.collect();
        match named {
            Some(guardians) if guardians.len() >= needed => Ok(()),
            _ => Err(RecoveryError::OtherRequest("completion")),
        }
    }
}
