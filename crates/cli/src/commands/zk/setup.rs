//! `mediveil zk powers`, `setup`, `contribute`, `finalise` and `verify-setup`.

use super::{Busy, MAX_KEY, StatementArg, for_statement, hex32, keep, origin_words, read_file, write_file};
use crate::failure::{Failure, Kind};
use crate::global::Global;
use crate::text::hex;
use clap::Args;
use mediveil_zk::ceremony::{Beacon, Ceremony, CeremonyError, CeremonyInfo, Ptau};
use mediveil_zk::{ProvingKey, Statement, Trust, VerifyingKey, development_setup, hash_of};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// `powers`.
///
/// Whoever runs this could keep tau and forge under every key made from the file. For real keys take a published file, such
/// as those of the Perpetual Powers of Tau, and compare its SHA-256 with the published one.
#[derive(Debug, Args)]
pub(crate) struct Powers {
    /// The binary logarithm of how many powers: 12 for identity, 14 for record, 16 for statistics
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=18))]
    power: u32,
    /// Where the file goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

impl Powers {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        keep(&[&self.out], false)?;
        let busy = Busy::new(global, "making powers of tau");
        let file = Ptau::generate_small(self.power, &mut mediveil_rng::system());
        write_file(&self.out, &file, false, false)?;
        drop(busy);
        let sha256 = hex(&hash_of(&file));
        let out = self.out.display().to_string();
        let text = format!(
            "{out}: 2^{} powers of a tau that was known here: for trying out only\nsha256 {sha256}",
            self.power
        );
        global.report(false, &json!({ "file": out, "power": self.power, "sha256": sha256 }), &text);
        Ok(())
    }
}

/// Powers of tau.
#[derive(Debug, Args)]
struct PtauArg {
    /// Powers of tau: a .ptau file, as snarkjs uses them
    #[arg(long, value_name = "FILE")]
    ptau: PathBuf,
}

/// A .ptau file is as long as memory allows.
const MAX_PTAU: usize = usize::MAX >> 1;

fn read_ptau(path: &Path, global: &Global) -> Result<Ptau, Failure> {
    let _busy = Busy::new(global, "reading and checking the powers of tau");
    let bytes = read_file(path, MAX_PTAU)?;
    Ptau::read(&bytes, &mut mediveil_rng::system()).map_err(|e| Failure::from(e).at(path))
}

/// NAME.pk and NAME.vk.
struct KeyPaths {
    proving: PathBuf,
    verifying: PathBuf,
}

impl KeyPaths {
    fn of(name: &Path) -> Self {
        let with = |extension: &str| {
            let mut path = name.as_os_str().to_owned();
            path.push(extension);
            PathBuf::from(path)
        };
        Self { proving: with(".pk"), verifying: with(".vk") }
    }

    fn write<S: Statement>(&self, key: &ProvingKey<S>, force: bool) -> Result<(Value, String), Failure> {
        let (proving, verifying) = (key.encode_wire(), key.verifying().encode_wire());
        write_file(&self.proving, &proving, false, force)?;
        write_file(&self.verifying, &verifying, false, force)?;
        let hashes = [&proving, &verifying].map(|file| hex(&hash_of(file)));
        let [pk, vk] = &hashes;
        let origin = origin_words(key.verifying().origin());
        let (p, v) = (self.proving.display().to_string(), self.verifying.display().to_string());
        let text = format!("{p}: proving key, sha256 {pk}\n{v}: verifying key, sha256 {vk}\norigin {origin}");
        let json = json!({
            "statement": S::ID.as_str(), "origin": origin,
            "proving_key": { "file": p, "sha256": pk }, "verifying_key": { "file": v, "sha256": vk },
        });
        Ok((json, text))
    }
}

/// `setup`.
///
/// With --ptau this begins a ceremony: the transcript then goes from one contributor to the next, and --finalise ends it.
/// Proofs under its keys are sound if one of its contributors, and one of those to the powers of tau, was honest.
#[derive(Debug, Args)]
pub(crate) struct Setup {
    /// The statement
    statement: StatementArg,
    /// Make keys at once, alone: whoever does can forge proofs, so verifiers refuse such keys by default
    #[arg(long, conflicts_with = "ptau", required_unless_present = "ptau")]
    development: bool,
    /// Begin a ceremony over these powers of tau
    #[arg(long, value_name = "FILE")]
    ptau: Option<PathBuf>,
    /// Where the transcript goes; for development keys the name to which .pk and .vk are added
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Replace existing files
    #[arg(long)]
    force: bool,
}

impl Setup {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        for_statement!(self.statement, S => match &self.ptau {
            None => self.develop::<S>(global),
            Some(ptau) => self.begin::<S>(ptau, global),
        })
    }

    fn develop<S: Statement>(&self, global: &Global) -> Result<(), Failure> {
        let paths = KeyPaths::of(&self.out);
        keep(&[&paths.proving, &paths.verifying], self.force)?;
        let busy = Busy::new(global, "making development keys");
        let key = development_setup::<S>(&mut mediveil_rng::system())?;
        let (json, text) = paths.write(&key, self.force)?;
        drop(busy);
        global.report(false, &json, &text);
        Ok(())
    }

    fn begin<S: Statement>(&self, ptau: &Path, global: &Global) -> Result<(), Failure> {
        keep(&[&self.out], self.force)?;
        let ptau = read_ptau(ptau, global)?;
        let busy = Busy::new(global, "computing the start");
        let ceremony = Ceremony::<S>::start(&ptau)?;
        write_file(&self.out, &ceremony.encode_wire(), false, self.force)?;
        drop(busy);
        let (out, hash) = (self.out.display().to_string(), hex(&ceremony.transcript()));
        let text = format!("{out}: a ceremony for {}, without contributions\ntranscript {hash}", S::ID);
        let json = json!({
            "file": out, "statement": S::ID.as_str(), "transcript": hash, "ptau_sha256": hex(&ptau.sha256()),
        });
        global.report(false, &json, &text);
        Ok(())
    }
}

/// `contribute`.
///
/// Draws a secret, multiplies the key by it, and forgets it. Publish the transcript's hash that is printed: it is how you
/// will find your contribution in the finished ceremony.
#[derive(Debug, Args)]
pub(crate) struct Contribute {
    /// The statement
    statement: StatementArg,
    /// The transcript so far
    ceremony: PathBuf,
    /// What you call yourself, up to 64 bytes
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Verify all earlier steps first; takes as long as verify-setup
    #[arg(long, value_name = "FILE")]
    ptau: Option<PathBuf>,
    /// Where the transcript with your contribution goes
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

impl Contribute {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        for_statement!(self.statement, S => self.contribute::<S>(global))
    }

    fn contribute<S: Statement>(&self, global: &Global) -> Result<(), Failure> {
        keep(&[&self.out], false)?;
        let at = |e| Failure::from(e).at(&self.ceremony);
        let file = read_file(&self.ceremony, MAX_KEY)?;
        if let Some(ptau) = &self.ptau {
            let ptau = read_ptau(ptau, global)?;
            let _busy = Busy::new(global, "verifying the steps so far");
            Ceremony::<S>::decode_wire(&file, &ptau).and_then(|c| c.verify(&mut mediveil_rng::system())).map_err(at)?;
        }
        let busy = Busy::new(global, "contributing");
        let next = Ceremony::<S>::append(&file, &self.name, &mut mediveil_rng::system()).map_err(at)?;
        write_file(&self.out, &next, false, false)?;
        drop(busy);
        let (out, hash) = (self.out.display().to_string(), hex(&hash_of(&next)));
        let text = format!("{out}: contribution of {} added\nsha256 {hash}", self.name);
        let verified = self.ptau.is_some();
        let json = json!({ "file": out, "name": self.name, "sha256": hash, "earlier_steps_verified": verified });
        global.report(false, &json, &text);
        Ok(())
    }
}

/// A public beacon.
#[derive(Clone, Debug, Args)]
struct BeaconArgs {
    /// A public value that nobody could foresee before the last contribution was published: 64 hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = hex32)]
    beacon: [u8; 32],
    /// Hash it 2^N times
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=40))]
    beacon_rounds: u8,
}

impl BeaconArgs {
    const fn beacon(&self) -> Beacon {
        Beacon { value: self.beacon, rounds_log2: self.beacon_rounds }
    }
}

/// `finalise`.
#[derive(Debug, Args)]
pub(crate) struct Finalise {
    /// The statement
    statement: StatementArg,
    /// The transcript with all contributions
    ceremony: PathBuf,
    #[command(flatten)]
    ptau: PtauArg,
    #[command(flatten)]
    beacon: BeaconArgs,
    /// The name to which .pk, .vk and .ceremony are added
    #[arg(long, short, value_name = "NAME")]
    out: PathBuf,
    /// Replace existing files
    #[arg(long)]
    force: bool,
}

impl Finalise {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        for_statement!(self.statement, S => self.finalise::<S>(global))
    }

    fn finalise<S: Statement>(&self, global: &Global) -> Result<(), Failure> {
        let paths = KeyPaths::of(&self.out);
        let mut transcript = self.out.as_os_str().to_owned();
        transcript.push(".ceremony");
        let transcript = PathBuf::from(transcript);
        keep(&[&paths.proving, &paths.verifying, &transcript], self.force)?;
        let at = |e: CeremonyError| Failure::from(e).at(&self.ceremony);
        let file = read_file(&self.ceremony, MAX_KEY)?;
        // What can be seen at once is said before the work begins.
        let info = CeremonyInfo::read(&file).map_err(|e| at(e.into()))?;
        match info.beacon {
            Some(_) => return Err(at(CeremonyError::Finished)),
            None if info.contributors.is_empty() => return Err(at(CeremonyError::TooFew)),
            None => {}
        }
        let ptau = read_ptau(&self.ptau.ptau, global)?;
        let busy = Busy::new(global, "verifying every step, and ending with the beacon");
        let mut ceremony = Ceremony::<S>::decode_wire(&file, &ptau).map_err(at)?;
        ceremony.finalise(self.beacon.beacon()).map_err(at)?;
        let finished = ceremony.encode_wire();
        let contributors: Vec<String> = ceremony.contributors().map(str::to_owned).collect();
        let key = ceremony.into_key(&self.beacon.beacon(), &mut mediveil_rng::system()).map_err(at)?;
        write_file(&transcript, &finished, false, self.force)?;
        let (mut json, text) = paths.write(&key, self.force)?;
        drop(busy);
        if let Some(json) = json.as_object_mut() {
            json.insert("contributors".into(), contributors.clone().into());
            json.insert("transcript_file".into(), transcript.display().to_string().into());
        }
        let text = format!("{}: every step verified: {}\n{text}", transcript.display(), contributors.join(", "));
        global.report(false, &json, &text);
        Ok(())
    }
}

/// `verify-setup`.
///
/// Makes the start anew from the powers of tau and checks every step. Needs nothing of the contributors but the file.
#[derive(Debug, Args)]
pub(crate) struct VerifySetup {
    /// The statement
    statement: StatementArg,
    /// The transcript
    ceremony: PathBuf,
    #[command(flatten)]
    ptau: PtauArg,
    /// The beacon that was announced: 64 hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = hex32)]
    beacon: Option<[u8; 32]>,
    /// It is hashed 2^N times
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=40))]
    beacon_rounds: u8,
    /// Also check that this verifying key comes from the ceremony
    #[arg(long, value_name = "VK", requires = "beacon")]
    key: Option<PathBuf>,
}

impl VerifySetup {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        for_statement!(self.statement, S => self.verify::<S>(global))
    }

    fn verify<S: Statement>(&self, global: &Global) -> Result<(), Failure> {
        let file = read_file(&self.ceremony, MAX_KEY)?;
        let claimed = self.key.as_deref().map(|path| read_file(path, MAX_KEY)).transpose()?;
        let ptau = read_ptau(&self.ptau.ptau, global)?;
        let busy = Busy::new(global, "verifying every step");
        let at = |e| Failure::from(e).at(&self.ceremony);
        let ceremony = Ceremony::<S>::decode_wire(&file, &ptau).map_err(at)?;
        ceremony.verify(&mut mediveil_rng::system()).map_err(at)?;
        let contributors: Vec<String> = ceremony.contributors().map(str::to_owned).collect();
        let transcript = hex(&ceremony.transcript());
        let mut finished = false;
        if let Some(value) = self.beacon {
            let beacon = Beacon { value, rounds_log2: self.beacon_rounds };
            let key = ceremony.into_key(&beacon, &mut mediveil_rng::system()).map_err(at)?;
            finished = true;
            if let (Some(path), Some(claimed)) = (&self.key, claimed) {
                VerifyingKey::<S>::decode_wire(&claimed, Trust::Development).map_err(|e| Failure::from(e).at(path))?;
                if *claimed != key.verifying().encode_wire() {
                    return Err(Failure::new(Kind::Refused, "is not the key of this ceremony").at(path));
                }
            }
        }
        drop(busy);
        let json = json!({
            "statement": S::ID.as_str(), "contributors": contributors, "transcript": transcript,
            "beacon_checked": finished, "key_checked": self.key.is_some(), "ptau_sha256": hex(&ptau.sha256()),
        });
        let list = if contributors.is_empty() { "nobody yet".into() } else { contributors.join(", ") };
        let end = match (finished, &self.key) {
            (true, Some(key)) => format!("finished with the announced beacon; {} is its key", key.display()),
            (true, None) => "finished with the announced beacon".into(),
            (false, _) => "the beacon was not checked: give --beacon for a finished ceremony".into(),
        };
        let text = format!("every step verified: {list}\n{end}\ntranscript {transcript}");
        global.answer(&json, &text);
        Ok(())
    }
}
