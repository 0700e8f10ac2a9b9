//! `mediveil policy`, and the options for a policy door that other commands share.

use crate::failure::Failure;
use crate::files::read_armored;
use crate::global::Global;
use clap::{Args, Subcommand};
use mediveil_abe::explain::{Report, explain};
use mediveil_abe::{Node, Policy, PolicyRecipient, PublicParameters, Schema, SchemaError};
use mediveil_codec::Timestamp;
use serde_json::json;
use std::path::PathBuf;

/// A door for everybody whose attributes satisfy a policy.
#[derive(Debug, Args)]
pub(crate) struct PolicyDoorArgs {
    /// Seal for every key that satisfies this policy, such as '(role:cardiologist and site:A) or role:emergency'. The
    /// policy stands in the clear in the file
    #[arg(long, value_name = "POLICY", requires = "authority")]
    policy: Option<Policy>,
    /// The public parameters of the authority whose keys open it
    #[arg(long, value_name = "PUB", requires = "policy")]
    authority: Option<PathBuf>,
    /// Let keys in that have expired, and keys that never do
    #[arg(long, requires = "policy")]
    no_expiry: bool,
}

impl PolicyDoorArgs {
    pub(crate) const fn is_asked(&self) -> bool {
        self.policy.is_some()
    }

    /// The recipient, if one is asked for.
    pub(crate) fn recipient(&self, now: Timestamp) -> Result<Option<PolicyRecipient>, Failure> {
        let (Some(policy), Some(path)) = (&self.policy, &self.authority) else { return Ok(None) };
        let parameters: PublicParameters = read_armored(path)?;
        let recipient = if self.no_expiry {
            PolicyRecipient::without_expiry(policy.clone(), &parameters)?
        } else {
            PolicyRecipient::new(policy.clone(), &parameters, now)?
        };
        Ok(Some(recipient))
    }
}

/// Policies.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Say what a policy means, what opens it and what it costs
    Explain(Explain),
}

/// `policy explain`.
///
/// Nobody can decide from this who has such attributes: that is the authority's word.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The policy, such as '(role:cardiologist and site:A) or role:emergency'
    policy: Policy,
    /// The public parameters of the authority to seal under. Without them the cost leaves expiry out and takes every
    /// integer as 32 bits wide
    #[arg(long, value_name = "PUB")]
    authority: Option<PathBuf>,
    /// Leave expiry out of the cost, as for `seal --no-expiry`
    #[arg(long)]
    no_expiry: bool,
}

impl PolicyCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        match self {
            Self::Explain(explain) => explain.run(global),
        }
    }
}

/// Declares every number of the policy, as wide as can be.
fn assumed(node: &Node, schema: Schema) -> Result<Schema, SchemaError> {
    match node {
        Node::Comparison(c) if schema.number_kind(c.name()).is_some() => Ok(schema),
        Node::Comparison(c) if c.is_date() => schema.date(c.name()),
        Node::Comparison(c) => schema.integer(c.name(), 32),
        Node::All(children) | Node::Any(children) | Node::AtLeast(_, children) => {
            children.iter().try_fold(schema, |schema, child| assumed(child, schema))
        }
        _ => Ok(schema),
    }
}

impl Explain {
    fn report(&self, global: &Global) -> Result<Report, Failure> {
        let Some(path) = &self.authority else {
            let schema = assumed(self.policy.root(), Schema::new()).map_err(|e| Failure::usage(e.to_string()))?;
            return Ok(explain(&self.policy, &schema, None)?);
        };
        let parameters: PublicParameters = read_armored(path)?;
        let granularity = parameters.granularity();
        let sealed = granularity.epoch(global.now()).map(|epoch| (granularity, epoch)).filter(|_| !self.no_expiry);
        Ok(explain(&self.policy, parameters.schema(), sealed)?)
    }

    fn run(&self, global: &Global) -> Result<(), Failure> {
        let report = self.report(global)?;
        let leaves = self.policy.root().terms();
        let opens: Vec<Vec<String>> =
            report.opens.iter().map(|set| set.iter().map(ToString::to_string).collect()).collect();
        let json = json!({
            "policy": report.canonical,
            "leaves": leaves,
            "opens": opens,
            "rows": report.rows,
            "repeats": report.repeats,
            "bytes": report.bytes,
        });
        global.answer(&json, &format!("{report}\nleaves  {leaves}"));
        Ok(())
    }
}
