//! `mediveil inspect`.

use crate::commands::recover::Delay;
use crate::failure::Failure;
use crate::global::Global;
use clap::Args;
use mediveil_abe::PolicyDoor;
use mediveil_codec::Wire;
use mediveil_seal::{DoorInfo, DoorKind};
use mediveil_threshold::guardians::Door;
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs::File;
use std::path::PathBuf;

/// `inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The sealed file
    file: PathBuf,
}

/// What a door shows of itself beside its kind and size.
fn details(door: &DoorInfo) -> Option<String> {
    if door.kind == DoorKind::PASSPHRASE {
        let count = door.body.get(16..20)?;
        return Some(format!("{} iterations", u32::from_be_bytes(count.try_into().ok()?)));
    }
    if (door.kind == DoorKind::HPKE_P256 || door.kind == DoorKind::HPKE_XWING) && door.body.first() == Some(&1) {
        let hint: String = door.body.get(1..9)?.iter().map(|b| format!("{b:02x}")).collect();
        return Some(format!("hint {hint}"));
    }
    if door.kind == DoorKind::COMMITTEE {
        let terms = Door::decode(&door.body).ok()?.terms().clone();
        let veto = if terms.has_owner() { "its owner can veto" } else { "nobody can veto" };
        return Some(format!("guardians wait {}, {veto}", Delay(terms.delay())));
    }
    policy_door(door).map(|policy| {
        let epoch = match policy.sealed() {
            Some(epoch) => format!("keys that expired before epoch {epoch} are shut out"),
            None => "expired keys are let in".into(),
        };
        format!("policy {}, authority {}, {epoch}", policy.policy(), policy.authority())
    })
}

/// The policy, of a door that has one and is not damaged.
fn policy_door(door: &DoorInfo) -> Option<PolicyDoor> {
    if door.kind == DoorKind::POLICY { PolicyDoor::decode(&door.body).ok() } else { None }
}

fn door_json(index: usize, door: &DoorInfo) -> Value {
    let mut json = json!({ "index": index, "kind": door.kind.as_str(), "bytes": door.len, "details": details(door) });
    if let (Some(policy), Some(json)) = (policy_door(door), json.as_object_mut()) {
        json.insert("policy".into(), policy.policy().to_string().into());
        json.insert("authority".into(), policy.authority().to_string().into());
        json.insert("epoch".into(), policy.sealed().into());
    }
    json
}

impl Inspect {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Failure> {
        let mut file = File::open(&self.file).map_err(|e| Failure::from(e).at(&self.file))?;
        let seen = mediveil_seal::inspect(&mut file).map_err(|e| Failure::from(e).at(&self.file))?;
        let context = String::from_utf8_lossy(&seen.context);
        let doors: Vec<Value> = seen.doors.iter().enumerate().map(|(i, d)| door_json(i, d)).collect();
        let json = json!({
            "suite": seen.suite.name(),
            "signed": seen.signed,
            "context": context,
            "doors": doors,
            "plaintext_bytes": seen.plaintext_len,
            "segments": seen.segments,
            "head_bytes": seen.head_len,
            "sealed_bytes": seen.sealed_len,
            "authenticated": false,
        });
        let mut text = String::new();
        let content = match seen.plaintext_len {
            Some(len) => format!("{len} bytes in {} segments", seen.segments),
            None => "of an impossible length: the file was cut or extended".into(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "suite      {}", seen.suite.name());
        let _ = writeln!(text, "content    {content}");
        let _ = writeln!(text, "signed     {}", if seen.signed { "yes" } else { "no" });
        if !seen.context.is_empty() {
            let _ = writeln!(text, "context    {}", context.escape_debug());
        }
        for (i, door) in seen.doors.iter().enumerate() {
            let details = details(door).map(|d| format!(", {d}")).unwrap_or_default();
            let _ = writeln!(text, "door {i:<5} {}, {} bytes{details}", door.kind, door.len);
        }
        let _ = writeln!(text, "(anybody can see this, and nothing of it is verified without a key)");
        global.answer(&json, &text);
        Ok(())
    }
}
