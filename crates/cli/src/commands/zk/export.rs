//! `mediveil zk export-solidity` and `export-snarkjs`.

use super::{MAX_KEY, StatementArg, for_statement, keep, key_failure, read_file, write_file};
use crate::failure::{Failure, Kind};
use crate::global::Global;
use clap::Args;
use mediveil_codec::{ObjectType, Wire, peek_type};
use mediveil_zk::{ContractName, KeyInfo, ProofFile, Statement, Trust, VerifyingKey};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// `export-solidity`.
///
/// The contract holds no state: whoever calls it keeps the nullifiers, and makes the public inputs itself.
#[derive(Debug, Args)]
pub(crate) struct ExportSolidity {
    /// The verifying key
    key: PathBuf,
    /// Where the contract goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// The contract's name
    #[arg(long, value_name = "NAME", default_value = "Verifier")]
    name: String,
    /// Take a development key: for trying things out
    #[arg(long)]
    allow_development: bool,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
}

/// `export-snarkjs`.
#[derive(Debug, Args)]
pub(crate) struct ExportSnarkjs {
    /// A proof or a verifying key
    file: PathBuf,
    /// Where proof.json or `verification_key.json` goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Where a proof's public.json goes
    #[arg(long, value_name = "FILE")]
    public: Option<PathBuf>,
    /// Replace existing files
    #[arg(long)]
    force: bool,
}

/// A verifying key's statement.
fn statement_of(bytes: &[u8], path: &Path) -> Result<StatementArg, Failure> {
    let info = KeyInfo::read(bytes).map_err(|e| Failure::from(e).at(path))?;
    if info.proving {
        return Err(Failure::new(Kind::Damaged, "is a proving key; the verifying key is needed").at(path));
    }
    StatementArg::of(&info.statement).map_err(|e| e.at(path))
}

impl ExportSolidity {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let name = ContractName::new(&self.name)
            .ok_or_else(|| Failure::usage("a contract's name is a letter and up to 63 letters and digits"))?;
        keep(&[&self.out], self.force)?;
        let bytes = read_file(&self.key, MAX_KEY)?;
        let statement = statement_of(&bytes, &self.key)?;
        let (source, id) = for_statement!(statement, S => (self.source::<S>(&bytes, &name)?, S::ID));
        write_file(&self.out, source.as_bytes(), false, self.force)?;
        let out = self.out.display().to_string();
        let json = json!({ "file": out, "contract": self.name, "statement": id.as_str() });
        global.report(false, &json, &format!("{out}: contract {} for {id}", self.name));
        Ok(())
    }

    fn source<S: Statement>(&self, bytes: &[u8], name: &ContractName) -> Result<String, Failure> {
        let trust = if self.allow_development { Trust::Development } else { Trust::CeremonyOnly };
        let key = VerifyingKey::<S>::decode_wire(bytes, trust).map_err(|e| key_failure(e).at(&self.key))?;
        Ok(key.to_solidity(name))
    }
}

impl ExportSnarkjs {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let mut outputs: Vec<&Path> = vec![&self.out];
        outputs.extend(self.public.as_deref());
        keep(&outputs, self.force)?;
        let bytes = read_file(&self.file, MAX_KEY)?;
        let at = |e| Failure::from(e).at(&self.file);
        let (main, public): (Value, Option<Value>) = if peek_type(&bytes) == Some(ObjectType::ZkProof) {
            let (proof, public) = ProofFile::decode(&bytes).map_err(at)?.to_snarkjs();
            (proof, Some(public))
        } else {
            let statement = statement_of(&bytes, &self.file)?;
            // Who made a key is for whoever verifies under it to ask.
            let json = for_statement!(statement, S => VerifyingKey::<S>::decode_wire(&bytes, Trust::Development)
                .map_err(|e| Failure::from(e).at(&self.file))?
                .to_snarkjs());
            (json, None)
        };
        match (&self.public, public) {
            (Some(path), Some(public)) => write_file(path, format!("{public:#}\n").as_bytes(), false, self.force)?,
            (None, Some(_)) => return Err(Failure::usage("a proof needs --public FILE for its public inputs")),
            (Some(_), None) => return Err(Failure::usage("a verifying key has no public inputs: leave out --public")),
            (None, None) => {}
        }
        write_file(&self.out, format!("{main:#}\n").as_bytes(), false, self.force)?;
        let files: Vec<String> = outputs.iter().map(|path| path.display().to_string()).collect();
        global.report(false, &json!({ "files": files }), &format!("{}: JSON for snarkjs", files.join(", ")));
        Ok(())
    }
}
