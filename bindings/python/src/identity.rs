//! Identities and passphrases.

use crate::data::{decode, hex, read_key_file, text_or_bytes, write_key_file};
use crate::fail::{fail, not_pickled};
use mediveil_codec::{Wire, armor};
use mediveil_seal::Passphrase as CorePassphrase;
use mediveil_seal::identity as core;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyType};
use std::path::PathBuf;
use std::sync::Arc;

/// A passphrase: seals a file for whoever knows it, and opens it again.
///
/// It is stretched by PBKDF2-HMAC-SHA256, 600,000 times unless `iterations` (100,000 to 10,000,000) says otherwise: about a
/// quarter of a second. It is compared in Unicode's form NFC and wiped from memory when dropped; the `str` that it was made
/// of is Python's and is not.
///
/// >>> import mediveil
/// >>> paper = mediveil.Passphrase("seven quiet llamas hum at dawn", iterations=100_000)
/// >>> mediveil.open(mediveil.seal(b"HbA1c 6.4 %", to=paper), keys=paper)
/// b'HbA1c 6.4 %'
///
/// Raises InvalidError for a number of iterations out of range.
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Passphrase(pub Arc<CorePassphrase>);

#[pymethods]
impl Passphrase {
    #[new]
    #[pyo3(signature = (text, /, *, iterations = None))]
    fn new(text: &str, iterations: Option<u32>) -> PyResult<Self> {
        let phrase = CorePassphrase::new(text);
        let phrase = match iterations {
            Some(n) => phrase.with_iterations(n).map_err(fail)?,
            None => phrase,
        };
        Ok(Self(Arc::new(phrase)))
    }

    fn __repr__(&self) -> &'static str {
        "Passphrase(...)"
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("a passphrase"))
    }
}

/// The secret half of an identity: a P-256 signing key, a P-256 sealing key and, when hybrid, an X-Wing sealing key
/// (X25519 with ML-KEM-768), so that what is sealed for it stays sealed before a quantum computer.
///
/// Made by `Identity.generate` or read by `Identity.load`. It is wiped when dropped, shows nothing of itself, and is not
/// pickled.
///
/// >>> import mediveil
/// >>> patient = mediveil.Identity.generate()
/// >>> patient.hybrid, len(patient.public.id)
/// (True, 32)
/// >>> mediveil.open(mediveil.seal(b"record", to=patient.public), keys=patient)
/// b'record'
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Identity(pub Arc<core::Identity>);

#[pymethods]
impl Identity {
    /// A new identity; `hybrid=False` leaves the post-quantum key out.
    #[staticmethod]
    #[pyo3(signature = (*, hybrid = true))]
    fn generate(py: Python<'_>, hybrid: bool) -> PyResult<Self> {
        let kind = if hybrid { core::IdentityKind::Hybrid } else { core::IdentityKind::P256 };
        let identity = py.detach(|| core::Identity::generate(kind, &mut mediveil_rng::system())).map_err(fail)?;
        Ok(Self(Arc::new(identity)))
    }

    /// Reads a key file, as this or `mediveil identity new` writes it. Raises NoKeyError without its passphrase or with a
    /// wrong one, DamagedError for anything that is no identity.
    #[staticmethod]
    #[pyo3(signature = (path, *, passphrase = None))]
    fn load(py: Python<'_>, path: PathBuf, passphrase: Option<&Passphrase>) -> PyResult<Self> {
        let text = read_key_file(&path)?;
        Self::parse(py, &text, passphrase)
    }

    /// Reads the text of a key file.
    #[staticmethod]
    #[pyo3(signature = (text, *, passphrase = None))]
    fn from_key_file(py: Python<'_>, text: &Bound<'_, PyAny>, passphrase: Option<&Passphrase>) -> PyResult<Self> {
        Self::parse(py, &text_or_bytes(text)?, passphrase)
    }

    /// Writes a key file, readable by its owner alone; with a passphrase, sealed under it. Raises ExistsError where a file
    /// is there already.
    #[pyo3(signature = (path, *, passphrase = None))]
    fn save(&self, py: Python<'_>, path: PathBuf, passphrase: Option<&Passphrase>) -> PyResult<()> {
        let phrase = passphrase.map(|p| p.0.as_ref());
        let text = py.detach(|| self.0.to_key_file(phrase, &mut mediveil_rng::system())).map_err(fail)?;
        write_key_file(&path, &text, true)
    }

    /// The public half.
    #[getter]
    fn public(&self) -> PublicIdentity {
        PublicIdentity(Arc::new(self.0.public().clone()))
    }

    /// Whether it has the post-quantum key.
    #[getter]
    fn hybrid(&self) -> bool {
        self.0.public().is_hybrid()
    }

    fn __repr__(&self) -> String {
        format!("<Identity {}, secret>", self.0.public().fingerprint())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("a secret identity"))
    }
}

impl Identity {
    fn parse(py: Python<'_>, text: &[u8], passphrase: Option<&Passphrase>) -> PyResult<Self> {
        let phrase = passphrase.map(|p| p.0.as_ref());
        let identity = py.detach(|| core::Identity::from_key_file(text, phrase)).map_err(fail)?;
        Ok(Self(Arc::new(identity)))
    }
}

/// The public half of an identity: what files are sealed for, and signatures checked with. May be pickled, compared and used
/// as a key of a dict.
///
/// >>> import mediveil, pickle
/// >>> public = mediveil.Identity.generate(hybrid=False).public
/// >>> pickle.loads(pickle.dumps(public)) == public
/// True
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct PublicIdentity(pub Arc<core::PublicIdentity>);

/// Several public identities, in their order.
pub fn publics(all: &Bound<'_, PyAny>) -> PyResult<Vec<core::PublicIdentity>> {
    let one = |it: PyResult<Bound<'_, PyAny>>| Ok(it?.cast::<PublicIdentity>()?.get().0.as_ref().clone());
    all.try_iter()?.map(one).collect()
}

#[pymethods]
impl PublicIdentity {
    /// Reads a public key file. Raises DamagedError for anything else, a secret one included.
    #[staticmethod]
    fn load(path: PathBuf) -> PyResult<Self> {
        let text = read_key_file(&path)?;
        Ok(Self(Arc::new(core::PublicIdentity::from_key_file(&text).map_err(fail)?)))
    }

    /// Reads the text of a public key file.
    #[staticmethod]
    fn from_key_file(text: &Bound<'_, PyAny>) -> PyResult<Self> {
        let text = text_or_bytes(text)?;
        Ok(Self(Arc::new(core::PublicIdentity::from_key_file(&text).map_err(fail)?)))
    }

    /// Reads the bytes that `to_bytes` wrote. Raises DamagedError.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(Arc::new(decode(data)?)))
    }

    /// The bytes of it.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.encode())
    }

    /// The text of its key file.
    fn to_key_file(&self) -> String {
        armor::encode(self.0.as_ref()).as_str().to_owned()
    }

    /// Writes its key file.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        write_key_file(&path, &self.0.to_key_file(), false)
    }

    /// 32 bytes that name it: a hash of its keys.
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.id())
    }

    /// The first half of `id` in hexadecimal, to compare by telephone.
    #[getter]
    fn fingerprint(&self) -> String {
        self.0.fingerprint()
    }

    /// Whether it has a post-quantum key.
    #[getter]
    fn hybrid(&self) -> bool {
        self.0.is_hybrid()
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }

    fn __hash__(&self) -> u64 {
        self.0.id().iter().take(8).fold(0, |all, byte| (all << 8) | u64::from(*byte))
    }

    fn __repr__(&self) -> String {
        format!("<PublicIdentity {}>", hex(self.0.id().get(..8).unwrap_or_default()))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let make = slf.get_type().getattr("from_bytes")?;
        Ok((make, (slf.get().to_bytes(slf.py()),)))
    }
}
