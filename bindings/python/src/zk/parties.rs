//! Holders, issuers, providers and keepers of tables, and what they hand each other.

use super::{day, element_bytes, form, short};
use crate::fail::{fail, not_pickled, raise};
use crate::objects::{public_object, read_object, secret_object, write_file};
use crate::record::Record;
use crate::threads::on_all_cores;
use mediveil_bridge::Kind;
use mediveil_circuits::Scope;
use mediveil_circuits::forms as core;
use mediveil_circuits::gadgets::eddsa;
use mediveil_circuits::identity as id;
use mediveil_circuits::statistics::{COLUMNS, Row};
use mediveil_codec::Wire;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

secret_object! {
    /// A person's secret behind all their proofs. It is kept for life: another one has other nullifiers.
    ///
    /// >>> import mediveil
    /// >>> me = mediveil.HolderSecret.generate()
    /// >>> me.nullifier("vote/2026") == me.nullifier("vote/2026"), me.nullifier("vote/2026") == me.nullifier("vote/2027")
    /// (True, False)
    HolderSecret(id::HolderSecret), "a holder's secret" {
        /// A fresh secret.
        #[staticmethod]
        fn generate() -> Self {
            Self(Arc::new(id::HolderSecret::generate(&mut mediveil_rng::system())))
        }

        /// What issuers and providers see of it.
        #[getter]
        fn holder(&self) -> Holder {
            Holder(Arc::new(self.0.holder()))
        }

        /// The nullifier in a scope, 32 bytes: the same whenever this person proves in it, and unlike that in any other.
        fn nullifier<'py>(&self, py: Python<'py>, scope: &str) -> Bound<'py, PyBytes> {
            PyBytes::new(py, &element_bytes(&self.0.nullifier(Scope::new(scope))))
        }
    }
}

public_object! {
    /// A holder as issuers and providers know them: the hash of a secret.
    ///
    /// >>> import mediveil
    /// >>> holder = mediveil.HolderSecret.generate().holder
    /// >>> mediveil.Holder.from_bytes(holder.to_bytes()) == holder
    /// True
    Holder(id::Holder) {
        fn __repr__(&self) -> String {
            format!("<Holder {}>", short(&self.0.element()))
        }
    }
}

/// An issuer's list of persons and their credentials: personal data, which stays with the issuer. `publish()` makes what
/// others see. One person has one credential, for the same holder at each renewal.
///
/// >>> import mediveil
/// >>> register = mediveil.IssuerRegister("St. Anna", roles=["patient", "physician"])
/// >>> me = mediveil.HolderSecret.generate()
/// >>> mine = register.issue("P-1", me.holder, born="1980-02-29", role="physician", expires="2027-01-31")
/// >>> register.publish().credentials
/// 1
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct IssuerRegister(Mutex<core::IssuerRegister>);

impl IssuerRegister {
    fn with<T>(&self, work: impl FnOnce(&mut core::IssuerRegister) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[pymethods]
impl IssuerRegister {
    /// An empty register. roles: 1 to 64 names, whose order never changes. Raises InvalidError for names that cannot be.
    #[new]
    #[pyo3(signature = (name, *, roles))]
    fn new(name: &str, roles: Vec<String>) -> PyResult<Self> {
        core::IssuerRegister::new(name, roles).map(|it| Self(Mutex::new(it))).map_err(form)
    }

    /// Issues a person's credential, or renews it. person: your name or number for them. born, expires: days, the last one
    /// included. new_secret: the person lost the secret, so that what may be done once can be done once more.
    ///
    /// Raises InvalidError for an unknown role or a credential that expires before the birth, RefusedError for another
    /// person's holder, or another secret than before.
    #[pyo3(signature = (person, holder, *, born, role, expires, new_secret = false))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn issue(
        &self,
        py: Python<'_>,
        person: &str,
        holder: &Holder,
        born: &Bound<'_, PyAny>,
        role: &str,
        expires: &Bound<'_, PyAny>,
        new_secret: bool,
    ) -> PyResult<Credential> {
        let (born, expires, holder) = (day(born)?, day(expires)?, *holder.0);
        if born > expires {
            return Err(raise(Kind::Invalid, "the credential would expire before the person's birth"));
        }
        let secret = if new_secret { core::NewSecret::AfterLoss } else { core::NewSecret::Refuse };
        let issued = py.detach(|| self.with(|all| all.issue(person, holder, born, role, expires, secret)));
        issued.map(|(credential, _)| Credential(Arc::new(credential))).map_err(form)
    }

    /// Takes a person's credential out of the registry. Raises NotFoundError.
    fn revoke(&self, person: &str) -> PyResult<()> {
        self.with(|all| all.revoke(person)).map_err(form)
    }

    /// What is published: to be published anew after every change.
    fn publish(&self, py: Python<'_>) -> PyResult<CredentialRegistry> {
        let published = py.detach(|| on_all_cores(|| self.with(|all| all.publish())))?;
        published.map(|it| CredentialRegistry(Arc::new(it))).map_err(form)
    }

    /// How many credentials are in force, and how many were revoked.
    #[getter]
    fn counts(&self) -> (usize, usize) {
        self.with(|all| all.counts())
    }

    /// Reads a register, as this or `mediveil zk issuer` writes it.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        py.detach(|| on_all_cores(|| read_object(&path)))?.map(|it| Self(Mutex::new(it)))
    }

    /// Writes the register, readable by its owner alone, over the one before.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        self.with(|all| write_file(&path, &all.encode_secret(), true, false))
    }

    fn __repr__(&self) -> String {
        let (active, revoked) = self.counts();
        format!("<IssuerRegister of {active} credentials, {revoked} revoked>")
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("a register of persons"))
    }
}

secret_object! {
    /// What an issuer attests of a person: birth date, role, expiry. With the holder's secret it makes proofs.
    ///
    /// >>> import mediveil
    /// >>> register = mediveil.IssuerRegister("St. Anna", roles=["patient"])
    /// >>> me = mediveil.HolderSecret.generate()
    /// >>> mine = register.issue("P-1", me.holder, born="1980-02-29", role="patient", expires="2027-01-31")
    /// >>> mine.holder == me.holder, mine.expires
    /// (True, '2027-01-31')
    Credential(id::Credential), "a credential" {
        /// Whose it is.
        #[getter]
        fn holder(&self) -> Holder {
            Holder(Arc::new(self.0.holder))
        }

        /// The last day on which it counts.
        #[getter]
        fn expires(&self) -> String {
            self.0.expiry.to_string()
        }
    }
}

public_object! {
    /// What an issuer publishes: names of roles, and a hash for each credential. Says nothing about persons. It is not
    /// signed: take it from whom you trust.
    ///
    /// >>> import mediveil
    /// >>> registry = mediveil.IssuerRegister("St. Anna", roles=["patient", "physician"]).publish()
    /// >>> registry.name, registry.roles, registry.credentials, len(registry.root)
    /// ('St. Anna', ['patient', 'physician'], 0, 32)
    CredentialRegistry(core::CredentialRegistry) {
        /// The issuer's name for itself.
        #[getter]
        fn name(&self) -> &str {
            self.0.name()
        }

        /// The names of the roles.
        #[getter]
        fn roles(&self) -> Vec<String> {
            self.0.roles().to_vec()
        }

        /// How many credentials are in it. A holder hides among these.
        #[getter]
        fn credentials(&self) -> usize {
            self.0.credentials()
        }

        /// The root, 32 bytes.
        #[getter]
        fn root<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
            PyBytes::new(py, &element_bytes(&self.0.root()))
        }

        fn __repr__(&self) -> String {
            format!("<CredentialRegistry of {:?}, {} credentials>", self.0.name(), self.0.credentials())
        }
    }
}

secret_object! {
    /// A provider's key for signing records: EdDSA over Baby Jubjub, which proofs can verify inside.
    ///
    /// >>> import mediveil
    /// >>> lab, me = mediveil.ProviderKey.generate(), mediveil.HolderSecret.generate()
    /// >>> record = mediveil.Record('{"resourceType": "Observation", "valueQuantity": {"value": 6.4}}')
    /// >>> held = lab.sign(record, me.holder)
    /// >>> held.resources
    /// 1
    ProviderKey(eddsa::SigningKey), "a provider's signing key" {
        /// A fresh key.
        #[staticmethod]
        fn generate() -> Self {
            Self(Arc::new(eddsa::SigningKey::generate(&mut mediveil_rng::system())))
        }

        /// The public half.
        #[getter]
        fn public(&self) -> ProviderPublicKey {
            ProviderPublicKey(Arc::new(self.0.public()))
        }

        /// Commits to a record and signs it for its holder.
        fn sign(&self, py: Python<'_>, record: &Record, holder: &Holder) -> PyResult<HeldRecord> {
            let signed = py.detach(|| {
                on_all_cores(|| {
                    core::HeldRecord::sign(&self.0, &record.0, *holder.0, &mut mediveil_rng::system())
                })
            })?;
            signed.map(|it| HeldRecord(Arc::new(it))).map_err(fail)
        }
    }
}

public_object! {
    /// The public half of a provider's key.
    ///
    /// >>> import mediveil
    /// >>> public = mediveil.ProviderKey.generate().public
    /// >>> mediveil.ProviderPublicKey.from_bytes(public.to_bytes()) == public
    /// True
    ProviderPublicKey(eddsa::PublicKey) {
        fn __repr__(&self) -> String {
            format!("<ProviderPublicKey {}>", short(&self.0.point().x))
        }
    }
}

public_object! {
    /// The accredited providers, up to 1,024 by name. A proof shows that one of them signed, not which.
    ///
    /// >>> import mediveil
    /// >>> lab, hospital = mediveil.ProviderKey.generate(), mediveil.ProviderKey.generate()
    /// >>> registry = mediveil.ProviderRegistry({"lab": lab.public, "hospital": hospital.public})
    /// >>> registry.names
    /// ['lab', 'hospital']
    ///
    /// Raises InvalidError for a name or a key that is there twice.
    ProviderRegistry(core::ProviderRegistry) {
        #[new]
        #[pyo3(signature = (members, /))]
        fn new(members: &Bound<'_, PyDict>) -> PyResult<Self> {
            let member = |(name, key): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
                let key = key.cast::<ProviderPublicKey>().map_err(|_| {
                    PyTypeError::new_err("members map names to ProviderPublicKey")
                })?;
                Ok::<_, PyErr>((name.extract::<String>()?, *key.get().0))
            };
            let members = members.iter().map(member).collect::<PyResult<Vec<_>>>()?;
            core::ProviderRegistry::new(members).map(|it| Self(Arc::new(it))).map_err(form)
        }

        /// Their names, in their order.
        #[getter]
        fn names(&self) -> Vec<String> {
            self.0.members().iter().map(|(name, _)| name.clone()).collect()
        }

        /// The root over their keys, 32 bytes.
        #[getter]
        fn root<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
            Ok(PyBytes::new(py, &element_bytes(&self.0.tree().map_err(form)?.root())))
        }

        fn __repr__(&self) -> String {
            format!("<ProviderRegistry of {}>", self.0.members().len())
        }
    }
}

secret_object! {
    /// What a provider hands out with a record: a signed commitment to each of its resources, and the secret that opens
    /// them. Proofs need the holder's secret besides. Made by `ProviderKey.sign`.
    ///
    /// >>> import mediveil
    /// >>> lab, me = mediveil.ProviderKey.generate(), mediveil.HolderSecret.generate()
    /// >>> lab.sign(mediveil.Record('{"resourceType": "Patient", "gender": "female"}'), me.holder)
    /// <HeldRecord, secret>
    HeldRecord(core::HeldRecord), "a signed record's secret" {
        /// How many resources are signed.
        #[getter]
        fn resources(&self) -> usize {
            self.0.signed().len()
        }
    }
}

secret_object! {
    /// A table of whole numbers under a commitment, for statements about its totals: 1 to 4 columns, 1 to 4,096 rows, each
    /// cell from 0 to 2^32 - 1 or missing. Rows are persons' data; what is published is `commitment`, once.
    ///
    /// data: what `Table` takes as well: a DataFrame, an Arrow table, or a dict of columns. Scale other numbers first: 6.4
    /// as 64.
    ///
    /// >>> import mediveil
    /// >>> table = mediveil.StatisticsTable({"hba1c": [64, 71, None], "born": [1950, 1963, 1971]})
    /// >>> table.commitment
    /// <TableCommitment of 3 rows: hba1c, born>
    ///
    /// Raises InvalidError for cells, columns or numbers of rows that cannot be.
    StatisticsTable(core::NamedTable), "a table of persons' data" {
        #[new]
        #[pyo3(signature = (data, /, *, columns = None))]
        fn new(py: Python<'_>, data: &Bound<'_, PyAny>, columns: Option<Vec<String>>) -> PyResult<Self> {
            let read = py.import("mediveil._tables")?.getattr("to_integers")?.call1((data, columns))?;
            let (names, columns): (Vec<String>, Vec<Vec<Option<u32>>>) = read.extract()?;
            if columns.len() > COLUMNS {
                return Err(form(core::FormError::Columns));
            }
            let count = columns.first().map_or(0, Vec::len);
            let mut rows: Vec<Row> = vec![[None; COLUMNS]; count];
            for (at, column) in columns.iter().enumerate() {
                for (row, value) in rows.iter_mut().zip(column) {
                    if let Some(cell) = row.get_mut(at) {
                        *cell = *value;
                    }
                }
            }
            let made = py.detach(|| core::NamedTable::new(names, &rows, &mut mediveil_rng::system()));
            made.map(|it| Self(Arc::new(it))).map_err(|e| match e {
                core::FormError::Full => raise(Kind::Invalid, format!("a table has 1 to 4,096 rows, not {count}")),
                other => form(other),
            })
        }

        /// What is published of it.
        #[getter]
        fn commitment(&self) -> TableCommitment {
            TableCommitment(Arc::new(self.0.commitment()))
        }
    }
}

public_object! {
    /// What a table's keeper publishes once, before anything is asked: names of columns, number of rows, and a root.
    ///
    /// >>> import mediveil
    /// >>> commitment = mediveil.StatisticsTable({"hba1c": [64, 71]}).commitment
    /// >>> commitment.columns, commitment.rows, len(commitment.root)
    /// (['hba1c'], 2, 32)
    TableCommitment(core::TableCommitment) {
        /// The columns' names.
        #[getter]
        fn columns(&self) -> Vec<String> {
            self.0.columns().to_vec()
        }

        /// How many rows.
        #[getter]
        fn rows(&self) -> usize {
            self.0.rows()
        }

        /// The root, 32 bytes.
        #[getter]
        fn root<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
            PyBytes::new(py, &element_bytes(&self.0.root()))
        }

        fn __repr__(&self) -> String {
            format!("<TableCommitment of {} rows: {}>", self.0.rows(), self.0.columns().join(", "))
        }
    }
}
