//! Proving and verifying keys of the three statements.

use crate::data::{Data, exactly, hex};
use crate::fail::{fail, raise};
use crate::objects::{read_file, write_file};
use crate::threads::on_all_cores;
use mediveil_bridge::Kind;
use mediveil_circuits::identity::Identity;
use mediveil_circuits::record::RecordAuthenticity;
use mediveil_circuits::statistics::Statistics;
use mediveil_zk::{self as core, ContractName, KeyInfo, Origin, Proof, Statement, Trust, hash_of};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyType};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;

/// The longest key file.
const MAX_KEY: usize = (1 << 30) + 64;

/// A key of one of the statements.
#[derive(Debug)]
pub enum Proving {
    Identity(core::ProvingKey<Identity>),
    Record(core::ProvingKey<RecordAuthenticity>),
    Statistics(core::ProvingKey<Statistics>),
}

/// A key of one of the statements.
#[derive(Clone, Debug)]
pub enum Verifying {
    Identity(core::VerifyingKey<Identity>),
    Record(core::VerifyingKey<RecordAuthenticity>),
    Statistics(core::VerifyingKey<Statistics>),
}

/// The statement's name for users.
#[derive(Clone, Copy)]
enum Which {
    Identity,
    Record,
    Statistics,
}

impl Which {
    fn named(name: &str) -> PyResult<Self> {
        match name {
            "identity" => Ok(Self::Identity),
            "record" => Ok(Self::Record),
            "statistics" => Ok(Self::Statistics),
            _ => Err(raise(Kind::Invalid, format!("{name}: the statements are identity, record and statistics"))),
        }
    }

    fn of_key(file: &[u8], proving: bool) -> PyResult<Self> {
        let info = KeyInfo::read(file).map_err(fail)?;
        if info.proving != proving {
            let (is, needed) = if proving { ("verifying", "proving") } else { ("proving", "verifying") };
            return Err(raise(Kind::Damaged, format!("this is a {is} key; the {needed} key is needed")));
        }
        let ids = [
            (Identity::ID, Self::Identity),
            (RecordAuthenticity::ID, Self::Record),
            (Statistics::ID, Self::Statistics),
        ];
        let found = ids.into_iter().find(|(id, _)| id.as_str() == info.statement);
        let unknown = || raise(Kind::Damaged, "this key is for a statement that this version lacks");
        found.map(|(_, which)| which).ok_or_else(unknown)
    }
}

macro_rules! each {
    ($any:expr, $enum:ident, $key:ident => $body:expr) => {
        match $any {
            $enum::Identity($key) => $body,
            $enum::Record($key) => $body,
            $enum::Statistics($key) => $body,
        }
    };
}

fn origin(origin: Origin) -> String {
    match origin {
        Origin::Development => "development".into(),
        Origin::Ceremony(transcript) => format!("ceremony {}", hex(&transcript)),
    }
}

const fn trust(allow_development: bool) -> Trust {
    if allow_development { Trust::Development } else { Trust::CeremonyOnly }
}

/// JSON as Python has it.
pub fn to_python(py: Python<'_>, value: &Value) -> PyResult<Py<PyAny>> {
    Ok(py.import("json")?.getattr("loads")?.call1((value.to_string(),))?.unbind())
}

fn from_json(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let text: String = value.py().import("json")?.getattr("dumps")?.call1((value,))?.extract()?;
    serde_json::from_str(&text).map_err(|e| raise(Kind::Damaged, e.to_string()))
}

/// The key that proves one of the statements: "identity", "record" or "statistics".
///
/// `development` makes one at once, alone: whoever does can forge proofs, so verifiers refuse such keys by default. Real keys
/// come from a ceremony (`mediveil zk setup` and what follows it) and are loaded.
///
/// >>> import mediveil
/// >>> key = mediveil.ProvingKey.development("identity")
/// >>> key.statement, key.origin
/// ('identity', 'development')
/// >>> key.verifying()
/// Traceback (most recent call last):
///     ...
/// mediveil.RefusedError: this is a development key: ...
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct ProvingKey(pub Arc<Proving>);

impl ProvingKey {
    fn read(file: &[u8], sha256: Option<&[u8; 32]>) -> PyResult<Self> {
        // What a prover keeps secret does not depend on who made a key whose points are in their groups.
        fn key<S: Statement>(file: &[u8], sha256: Option<&[u8; 32]>) -> PyResult<core::ProvingKey<S>> {
            match sha256 {
                Some(hash) => core::ProvingKey::decode_pinned(file, hash, Trust::Development),
                None => core::ProvingKey::decode_wire(file, Trust::Development),
            }
            .map_err(fail)
        }
        Ok(Self(Arc::new(match Which::of_key(file, true)? {
            Which::Identity => Proving::Identity(key(file, sha256)?),
            Which::Record => Proving::Record(key(file, sha256)?),
            Which::Statistics => Proving::Statistics(key(file, sha256)?),
        })))
    }
}

#[pymethods]
impl ProvingKey {
    /// Makes a development key: under a second for an identity, and for the statistics up to a minute.
    #[staticmethod]
    fn development(py: Python<'_>, statement: &str) -> PyResult<Self> {
        let which = Which::named(statement)?;
        let made = py.detach(|| {
            on_all_cores(|| {
                let rng = &mut mediveil_rng::system();
                Ok::<_, core::ProveError>(match which {
                    Which::Identity => Proving::Identity(core::development_setup(rng)?),
                    Which::Record => Proving::Record(core::development_setup(rng)?),
                    Which::Statistics => Proving::Statistics(core::development_setup(rng)?),
                })
            })
        })?;
        made.map(|key| Self(Arc::new(key))).map_err(fail)
    }

    /// Reads a key file and checks every point, which takes most of the time; with `sha256`, its hash (32 bytes) from whom you
    /// trust, only that. Raises DamagedError, or UnverifiedError for another hash.
    #[staticmethod]
    #[pyo3(signature = (path, *, sha256 = None))]
    fn load(py: Python<'_>, path: PathBuf, sha256: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let sha256 = sha256.map(|hash| exactly::<32>(hash, "a SHA-256")).transpose()?;
        py.detach(|| on_all_cores(|| Self::read(&read_file(&path, MAX_KEY)?, sha256.as_ref())))?
    }

    /// Writes its file. Raises ExistsError where a file is there already.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| write_file(&path, &each!(self.0.as_ref(), Proving, key => key.encode_wire()), false, true))
    }

    /// The verifying key; a development key's only if it is asked for.
    #[pyo3(signature = (*, allow_development = false))]
    fn verifying(&self, allow_development: bool) -> PyResult<VerifyingKey> {
        let key = match self.0.as_ref() {
            Proving::Identity(key) => Verifying::Identity(key.verifying().clone()),
            Proving::Record(key) => Verifying::Record(key.verifying().clone()),
            Proving::Statistics(key) => Verifying::Statistics(key.verifying().clone()),
        };
        let development = each!(&key, Verifying, key => key.origin()) == Origin::Development;
        if development && !allow_development {
            return Err(fail(core::KeyError::Development));
        }
        Ok(VerifyingKey(Arc::new(key)))
    }

    /// What it proves: "identity", "record" or "statistics".
    #[getter]
    pub fn statement(&self) -> &'static str {
        match self.0.as_ref() {
            Proving::Identity(_) => "identity",
            Proving::Record(_) => "record",
            Proving::Statistics(_) => "statistics",
        }
    }

    /// "development", or "ceremony" and the SHA-256 of its transcript.
    #[getter]
    fn origin(&self) -> String {
        origin(each!(self.0.as_ref(), Proving, key => key.verifying().origin()))
    }

    fn __repr__(&self) -> String {
        format!("<ProvingKey of {}, {}>", self.statement(), self.origin())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(pyo3::exceptions::PyTypeError::new_err("a proving key is large and is not pickled: load it from its file"))
    }
}

/// The key that verifies proofs of one of the statements. A development key is refused wherever one is read, unless
/// `allow_development=True` asks for it.
///
/// >>> import mediveil
/// >>> key = mediveil.ProvingKey.development("identity").verifying(allow_development=True)
/// >>> mediveil.VerifyingKey.from_bytes(key.to_bytes())
/// Traceback (most recent call last):
///     ...
/// mediveil.RefusedError: this is a development key: ...
/// >>> len(key.sha256), key.to_snarkjs()["nPublic"]
/// (32, 5)
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct VerifyingKey(pub Arc<Verifying>);

impl VerifyingKey {
    fn read(file: &[u8], allow_development: bool) -> PyResult<Self> {
        let trust = trust(allow_development);
        Ok(Self(Arc::new(match Which::of_key(file, false)? {
            Which::Identity => Verifying::Identity(core::VerifyingKey::decode_wire(file, trust).map_err(fail)?),
            Which::Record => Verifying::Record(core::VerifyingKey::decode_wire(file, trust).map_err(fail)?),
            Which::Statistics => Verifying::Statistics(core::VerifyingKey::decode_wire(file, trust).map_err(fail)?),
        })))
    }
}

fn verify_json<S: Statement>(key: &core::VerifyingKey<S>, proof: &Value, public: &Value) -> PyResult<()> {
    let inputs = core::VerifyingKey::<S>::inputs_from_snarkjs(public).map_err(fail)?;
    key.verify_inputs(&inputs, &Proof::from_snarkjs(proof).map_err(fail)?).map_err(fail)
}

#[pymethods]
impl VerifyingKey {
    /// Reads a key file. Raises RefusedError for a development key unless it is asked for, DamagedError for anything else.
    #[staticmethod]
    #[pyo3(signature = (path, *, allow_development = false))]
    fn load(py: Python<'_>, path: PathBuf, allow_development: bool) -> PyResult<Self> {
        py.detach(|| on_all_cores(|| Self::read(&read_file(&path, MAX_KEY)?, allow_development)))?
    }

    /// Writes its file, over what is there.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        write_file(&path, &each!(self.0.as_ref(), Verifying, key => key.encode_wire()), false, false)
    }

    /// Reads the bytes of a key file.
    #[classmethod]
    #[pyo3(signature = (data, *, allow_development = false))]
    fn from_bytes(class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>, allow_development: bool) -> PyResult<Self> {
        let (py, data) = (class.py(), Data::of(data)?);
        let bytes = data.as_slice();
        py.detach(|| on_all_cores(|| Self::read(bytes, allow_development)))?
    }

    /// The bytes of its file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &each!(self.0.as_ref(), Verifying, key => key.encode_wire()))
    }

    /// SHA-256 of its file, 32 bytes: to be published, and compared.
    #[getter]
    fn sha256<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &hash_of(&each!(self.0.as_ref(), Verifying, key => key.encode_wire())))
    }

    /// What it verifies: "identity", "record" or "statistics".
    #[getter]
    pub fn statement(&self) -> &'static str {
        match self.0.as_ref() {
            Verifying::Identity(_) => "identity",
            Verifying::Record(_) => "record",
            Verifying::Statistics(_) => "statistics",
        }
    }

    /// "development", or "ceremony" and the SHA-256 of its transcript.
    #[getter]
    fn origin(&self) -> String {
        origin(each!(self.0.as_ref(), Verifying, key => key.origin()))
    }

    /// The key as snarkjs has it in `verification_key.json`: a dict.
    fn to_snarkjs(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        to_python(py, &each!(self.0.as_ref(), Verifying, key => key.to_snarkjs()))
    }

    /// Verifies a proof and its public inputs as snarkjs has them in `proof.json` and `public.json`: a dict and a list. That
    /// the inputs are those you mean is for you to see. Raises UnverifiedError, or DamagedError for another form.
    fn verify_snarkjs(&self, py: Python<'_>, proof: &Bound<'_, PyAny>, public: &Bound<'_, PyAny>) -> PyResult<()> {
        let (proof, public) = (from_json(proof)?, from_json(public)?);
        py.detach(|| on_all_cores(|| each!(self.0.as_ref(), Verifying, key => verify_json(key, &proof, &public))))?
    }

    /// The source of a Solidity contract that verifies under this key. It holds no state: whoever calls it keeps nullifiers.
    #[pyo3(signature = (name = "Verifier"))]
    fn to_solidity(&self, name: &str) -> PyResult<String> {
        let name = ContractName::new(name)
            .ok_or_else(|| raise(Kind::Invalid, "a contract's name is a letter and up to 63 letters and digits"))?;
        Ok(each!(self.0.as_ref(), Verifying, key => key.to_solidity(&name)))
    }

    fn __repr__(&self) -> String {
        format!("<VerifyingKey of {}, {}>", self.statement(), self.origin())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        // Whoever loads a pickle trusts it with more than this.
        let load = slf.py().import("mediveil._results")?.getattr("load_verifying_key")?;
        Ok((load, (slf.get().to_bytes(slf.py()),)))
    }
}
