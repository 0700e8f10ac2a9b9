//! `mediveil log export`.

use super::open;
use crate::failure::Failure;
use crate::files::Output;
use crate::global::Global;
use clap::Args;
use mediveil_ledger::fhir::{Device, Site};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;

/// `log export`.
///
/// A FHIR Bundle of audit events (IHE Basic Audit Log Patterns), provenance and consents. It says no more about a patient than
/// the log does, and proves nothing by itself: each resource names the entry that does.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The log
    log: PathBuf,
    /// A URI of your organisation, under which identifiers are made
    #[arg(long, value_name = "URI")]
    namespace: String,
    /// The identifier of your organisation
    #[arg(long, value_name = "ID")]
    organization: String,
    /// The application that acts for its users, with its network address
    #[arg(long, value_name = "NAME=ADDRESS")]
    client: DeviceArg,
    /// The system that keeps the records and the log, with its network address
    #[arg(long, value_name = "NAME=ADDRESS")]
    server: DeviceArg,
    /// Begin with this entry; entries count from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// End before this entry
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Where the Bundle goes; stdout if it is - or missing
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Debug)]
struct DeviceArg(Device);

impl FromStr for DeviceArg {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, address)) if !name.is_empty() && !address.is_empty() => {
                Ok(Self(Device { name: name.to_owned(), address: address.to_owned() }))
            }
            _ => Err("expected a name and an address, such as portal=10.0.0.7"),
        }
    }
}

impl Export {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let log = open(&self.log)?;
        let at = |e: mediveil_ledger::LogError| Failure::from(e).at(&self.log);
        let size = log.size().map_err(at)?;
        let to = self.to.unwrap_or(size).min(size);
        let records = log.entries(self.from..to).collect::<Result<Vec<_>, _>>().map_err(at)?;
        let site = Site {
            namespace: self.namespace.trim_end_matches('/').to_owned(),
            organization: self.organization.clone(),
            client: self.client.0.clone(),
            server: self.server.0.clone(),
        };
        let bundle = site.bundle(log.id(), &records, global.now()).map_err(|e| Failure::from(e).at(&self.log))?;
        let resources = bundle.get("entry").and_then(|e| e.as_array()).map_or(0, Vec::len);
        let mut out = Output::create(self.out.as_deref(), false)?;
        let stdout = out.is_stdout();
        writeln!(out, "{bundle:#}")?;
        out.commit()?;
        let to = self.out.as_ref().map_or_else(|| "stdout".into(), |p| p.display().to_string());
        let text = format!("{to}: {resources} resources of {} entries", records.len());
        global.report(
            stdout,
            &json!({ "entries": records.len(), "resources": resources }),
            if stdout { "" } else { &text },
        );
        Ok(())
    }
}
