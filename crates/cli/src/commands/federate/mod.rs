//! `mediveil federate`: sums and models of many sites, over the files of one directory ([`Layout`]).
//!
//! Nothing in the directory is secret. Sites, server and members may be different machines that share or synchronise it;
//! identities, tables and stores stay where their owners keep them.

mod found;
mod round;
mod show;
mod simulate;

use crate::commands::study::{Folder, open_log};
use crate::failure::{Failure, Kind};
use crate::global::Global;
use clap::Subcommand;
use mediveil_dp::Budget;
use mediveil_federate::{
    Contribution, FederateError, Federation, Layout, Model, PlanError, Release, Round, Task, Terms, VectorRefused,
};
use mediveil_ledger::Log;
use std::path::Path;

/// Federations.
#[derive(Debug, Subcommand)]
pub(crate) enum FederateCommand {
    /// Agree on a federation: task, sites, committee, clip, rounds, budget; makes its directory and its log
    Init(found::Init),
    /// Begin the next round as the operator: pays for it, and puts it in the log with the model's state
    Begin(round::Begin),
    /// Contribute a site's table or vectors to the round: clipped, added up, encrypted
    Contribute(round::Contribute),
    /// Contribute noise to the round as a member
    Noise(round::Noise),
    /// Close the round over what has come; what comes later is never counted
    Close(round::Close),
    /// Answer for the closed round as a member, once
    Open(round::Open),
    /// Add up the members' answers and release the noisy sum
    Combine(round::Combine),
    /// Show where the federation stands
    Status(show::Status),
    /// Show what was released, and how well the models predict a table of your own
    Report(show::Report),
    /// Try a federation out with every role in this process, beside the pooled fit
    Simulate(simulate::Simulate),
}

impl FederateCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Init(c) => c.run(global),
            Self::Begin(c) => c.run(global),
            Self::Contribute(c) => c.run(global),
            Self::Noise(c) => c.run(global),
            Self::Close(c) => c.run(global),
            Self::Open(c) => c.run(global),
            Self::Combine(c) => c.run(global),
            Self::Status(c) => c.run(global),
            Self::Report(c) => c.run(global),
            Self::Simulate(c) => c.run(global),
        }
    }
}

impl From<PlanError> for Failure {
    fn from(e: PlanError) -> Self {
        let kind = if matches!(e, PlanError::Task(_)) { Kind::Damaged } else { Kind::Refused };
        Self::new(kind, e.to_string())
    }
}

impl From<VectorRefused> for Failure {
    fn from(e: VectorRefused) -> Self {
        let kind = if e == VectorRefused::Clip { Kind::Refused } else { Kind::Damaged };
        Self::new(kind, e.to_string())
    }
}

impl From<FederateError> for Failure {
    fn from(e: FederateError) -> Self {
        let kind = match e {
            FederateError::Plan(inner) => return inner.into(),
            FederateError::Vector(inner) => return inner.into(),
            FederateError::Log(inner) => return inner.into(),
            FederateError::Budget(inner) => return inner.into(),
            FederateError::Io(_) => Kind::Failed,
            FederateError::Damaged { .. }
            | FederateError::Decode(_)
            | FederateError::Part { .. }
            | FederateError::StoreDamaged
            | FederateError::Signature { .. }
            | FederateError::Model(_) => Kind::Damaged,
            _ => Kind::Refused,
        };
        Self::new(kind, e.to_string())
    }
}

/// The directory of a federation.
pub(crate) struct Place {
    layout: Layout,
    pub(crate) federation: Federation,
    pub(crate) budget: Budget,
}

impl Place {
    pub(crate) fn open(directory: &Path, writing: bool) -> Result<Self, Failure> {
        let layout = Layout::new(directory);
        let federation = Federation::new(Folder::read::<Terms>(&layout.terms())?)?;
        let budget = federation.open_budget(&open_log(&layout.log(), writing)?)?;
        Ok(Self { layout, federation, budget })
    }

    fn log(&self) -> &Log {
        self.budget.log()
    }

    /// The round that began last.
    pub(crate) fn last(&self) -> Result<Option<Round>, Failure> {
        Ok(self.federation.last_round(self.log())?)
    }

    /// The round that began last, which there must be.
    fn current(&self) -> Result<Round, Failure> {
        self.last()?.ok_or_else(|| Failure::new(Kind::Refused, "no round has begun: the operator begins one"))
    }

    fn release(&self, round: &Round) -> Result<Option<Release>, Failure> {
        Ok(self.federation.released(&self.budget, round)?)
    }

    /// The state of a round's model, seen to be the one in the log; `None` for plain sums.
    fn model(&self, round: &Round) -> Result<Option<Model>, Failure> {
        if matches!(self.federation.terms().task, Task::Sum {}) {
            return Ok(None);
        }
        let path = self.layout.state(round.number());
        let bytes = std::fs::read(&path).map_err(|e| Failure::from(e).at(&path))?;
        if Round::digest_of(&bytes) != *round.state() {
            return Err(Failure::new(Kind::Damaged, "is not the state that the log has of this round").at(&path));
        }
        Ok(Some(Model::from_bytes(&bytes)?))
    }

    /// The state after a released round.
    pub(crate) fn after(&self, round: &Round, release: &Release) -> Result<Option<Model>, Failure> {
        let Some(model) = self.model(round)? else { return Ok(None) };
        Ok(Some(self.federation.after(&model, release)?))
    }

    /// The contributions to a round that are here.
    fn contributions(&self, round: &Round) -> Result<Vec<Contribution>, Failure> {
        let mut found = Vec::new();
        for contributor in self.federation.terms().contributors() {
            let path = self.layout.contribution(round.number(), contributor);
            if path.exists() {
                found.push(Folder::read(&path)?);
            }
        }
        Ok(found)
    }
}
