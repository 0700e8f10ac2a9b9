//! Studies on encrypted records, over the files of one directory, which the command and others share.

mod ceremony;
mod rows;
mod values;

pub use ceremony::{StudyCeremony, StudyShare};
pub use rows::_rows;
pub use values::{StudyPlan, StudyQuery, StudySchema};

use crate::budget::{Budget, cap};
use crate::data::{at, hex};
use crate::fail::{fail, raise};
use crate::files::{Raised, Watched, updater};
use crate::identity::{Identity, PublicIdentity, publics};
use crate::log::{Handle, Log};
use crate::objects::{folder, object_of as object, public_object, put, write_file};
use crate::query::cost;
use crate::threads::on_all_cores;
use crate::time::moment;
use mediveil_bridge::Kind;
use mediveil_codec::{Timestamp, Wire};
use mediveil_dp::Budget as CoreBudget;
use mediveil_fhe::CommitteeKey;
use mediveil_fhe::ceremony::CeremonyMessage;
use mediveil_fhe::opening::{DirectoryStore, PartialDecryption};
use mediveil_ledger::{Actor, Log as CoreLog};
use mediveil_seal::AtomicFile;
use mediveil_seal::identity::Identity as CoreIdentity;
use mediveil_study as core;
use mediveil_study::{
    Asked, Commitment, EncryptedAnswer, Evaluation, Layout, Manifest, Partial, Terms, Upload, UploadError, Uploads,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Blocks between two looks at signals and the progress callback, for each core.
const SLICE: u64 = 4;

public_object! {
    /// A released answer with everything it rests on: the question, the released integers, the parts of the quorum with their
    /// signatures, the debit and the question in the log with their proofs. Believe nothing in it before `verify`, which needs
    /// the study's terms and key and nothing else. Made by `Study.release`, which shows an example.
    ///
    /// >>> import mediveil
    /// >>> mediveil.StudyCertificate.from_bytes(b"none")
    /// Traceback (most recent call last):
    ///     ...
    /// mediveil.DamagedError: ...
    StudyCertificate(core::Certificate) {
        /// The question it says it answers, with its price.
        #[getter]
        fn query(&self) -> PyResult<StudyQuery> {
            core::Query::from_json(self.0.query()).map(StudyQuery).map_err(fail)
        }

        /// Checks everything it says, and returns the answer as `Released`. study: a Study, of which only the files `terms` and
        /// `key` are read. Raises UnverifiedError, DamagedError.
        fn verify<'py>(&self, py: Python<'py>, study: &Study) -> PyResult<Bound<'py, PyAny>> {
            let known = study.keyed()?;
            let verified = py.detach(|| on_all_cores(|| self.0.verify(known)))?.map_err(fail)?;
            let rows: Vec<_> = verified
                .estimates
                .into_iter()
                .map(|e| (e.group.into_iter().chain([e.label]).collect::<Vec<_>>(), e.value, e.low, e.high))
                .collect();
            let results = py.import("mediveil._results")?;
            let answer = results.getattr("Answer")?.call_method1("_of", (rows, py.None()))?;
            let paid = cost(py, &verified.debit.cost)?;
            let spent = cost(py, &verified.debit.total)?;
            let (debit, place) = verified.places;
            let log = verified.head.log().to_string();
            let query = StudyQuery(verified.plan.query().clone());
            let values = (answer, query, paid, spent, PyTuple::new(py, verified.quorum)?, debit, place, log);
            results.getattr("Released")?.call1(values)
        }

        fn __repr__(&self) -> String {
            format!("<StudyCertificate of {} numbers, not verified here>", self.0.numbers().len())
        }

        fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
            let html = py.import("mediveil._results")?.getattr("certificate_html")?;
            html.call1((self.0.query(), self.0.numbers().len()))?.extract()
        }
    }
}

/// Research on encrypted rows, over the files of one directory: sites encrypt, a server computes, and a quorum of a committee
/// opens one noisy answer at a time, each paid for in the log. Nothing in the directory is secret, the `mediveil study`
/// command reads and writes the same files, and a Study is pickled as its path.
///
/// >>> import mediveil, os, tempfile
/// >>> site, operator, *members = (mediveil.Identity.generate(hybrid=False) for _ in range(4))
/// >>> schema = mediveil.StudySchema("id", {"hba1c": {"low": 3, "high": 20, "scale": 1, "required": True}}, max_rows=1000)
/// >>> home = tempfile.mkdtemp()
/// >>> study = mediveil.Study.init(os.path.join(home, "study"), schema, sites=[site.public], needed=2, depth=0, epsilon=2,
/// ...     members=[m.public for m in members], operator=operator.public)
/// >>> shares = mediveil.make_study_key(study, members)
/// >>> rows = {"id": [str(n) for n in range(400)], "hba1c": [5 + n % 30 / 10 for n in range(400)]}
/// >>> study.encrypt(rows, site, os.path.join(home, "rows"))["rows"]
/// 400
/// >>> study.submit(os.path.join(home, "rows"))
/// >>> plan = study.plan(mediveil.StudyQuery.mean("hba1c"), epsilon="1.5")
/// >>> study.evaluate(plan, quorum=[1, 2])
/// >>> for n, (share, member) in enumerate(zip(shares, members)):
/// ...     _ = study.approve(plan, member, share, store=os.path.join(home, f"store-{n}"))
/// >>> certificate = study.release(plan, operator)
/// >>> released = certificate.verify(study)
/// >>> [e.group for e in released.answer], released.quorum, str(released.cost)
/// ([('mean',), ('count',)], (1, 2), 'epsilon 1.5')
///
/// Trust: sites are believed about their values; the server sees nothing; fewer members than needed learn nothing, a quorum
/// could open everything; nobody can be named for a wrong part. Nothing here has been audited.
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Study {
    layout: Layout,
    pub(crate) terms: Terms,
    known: OnceLock<core::Study>,
    uploads: OnceLock<Uploads>,
}

impl Study {
    fn of(directory: PathBuf) -> PyResult<Self> {
        let layout = Layout::new(directory);
        let terms = object(&layout.terms())?;
        Ok(Self { layout, terms, known: OnceLock::new(), uploads: OnceLock::new() })
    }

    /// The study with its key.
    fn keyed(&self) -> PyResult<&core::Study> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        if !self.layout.key().exists() {
            return Err(raise(Kind::State, "the study has no key yet: its members have not finished their ceremony"));
        }
        let key: CommitteeKey = object(&self.layout.key())?;
        let known = core::Study::new(self.terms.clone(), key).map_err(fail)?;
        Ok(self.known.get_or_init(|| known))
    }

    fn log(&self, writing: bool) -> PyResult<CoreLog> {
        let path = self.layout.log();
        let log = if writing { CoreLog::open(&path) } else { CoreLog::open_read_only(&path) };
        log.map_err(fail)
    }

    /// The study whose key all members have confirmed, with its budget in its log.
    fn ready(&self, writing: bool) -> PyResult<(&core::Study, CoreBudget)> {
        let (study, log) = (self.keyed()?, self.log(writing)?);
        study.check_key(&log).map_err(fail)?;
        let actor = Actor::of(self.terms.operator.verifying_key());
        let budget = CoreBudget::open(&log, &study.id(), actor).map_err(fail)?;
        Ok((study, budget))
    }

    /// What all sites have submitted.
    fn submitted(&self, study: &core::Study, log: &CoreLog) -> PyResult<&Uploads> {
        if let Some(known) = self.uploads.get() {
            return Ok(known);
        }
        let mut all = Vec::new();
        for site in (0u32..).take(self.terms.sites.len()) {
            let path = self.layout.upload(site);
            if !path.exists() {
                return Err(raise(Kind::Refused, format!("site {site} has not submitted its rows yet")));
            }
            all.push(Upload::in_file(object(&Layout::manifest(&path))?, path));
        }
        let uploads = study.accept(log, all).map_err(fail)?;
        Ok(self.uploads.get_or_init(|| uploads))
    }

    pub(crate) fn take_key(&self, key: CommitteeKey, member: &CoreIdentity, now: Timestamp) -> PyResult<()> {
        let study = core::Study::new(self.terms.clone(), key).map_err(fail)?;
        put(&self.layout.key(), study.key())?;
        study.confirm(&self.log(true)?, member, now).map_err(fail)?;
        Ok(())
    }

    /// Evaluates blocks slice by slice: after each the callback is told and signals are looked at.
    fn compute(
        &self,
        py: Python<'_>,
        study: &core::Study,
        plan: &core::Plan,
        uploads: &Uploads,
        blocks: std::ops::Range<u64>,
        progress: Option<&Py<PyAny>>,
    ) -> PyResult<Partial> {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
        let (mut done, mut sum): (u64, Option<Partial>) = (blocks.start, None);
        loop {
            let next = done.saturating_add(SLICE.saturating_mul(cores)).min(blocks.end);
            let slice = py.detach(|| {
                on_all_cores(|| {
                    let slice = study.evaluate_blocks(plan, uploads, done..next, &|_, _| ())?;
                    match sum.take() {
                        Some(sum) => sum.merge(&slice, study),
                        None => Ok(slice),
                    }
                })
            })?;
            let slice = slice.map_err(fail)?;
            py.check_signals()?;
            if let Some(progress) = progress {
                progress.call1(py, (next.saturating_sub(done),))?;
            }
            done = next;
            if done >= blocks.end {
                return Ok(slice);
            }
            sum = Some(slice);
        }
    }
}

#[pymethods]
impl Study {
    /// Agrees on a study and makes its directory with its log and budget. sites, members: public identities, in order; members
    /// are numbered from 1. needed: how many of them open an answer. operator: who keeps the log. evaluators: whose evaluation a
    /// member may trust instead of its own. The budget for life is `epsilon` or `rho`. depth: how deep columns may be
    /// multiplied; 0 for statistics of whole columns, 2 for a filter over three conditions and a value. The terms never change.
    ///
    /// Raises ExistsError if there is a study in the directory, InvalidError.
    #[staticmethod]
    #[pyo3(signature = (directory, schema, *, sites, members, needed, operator, evaluators = None, epsilon = None, rho = None,
                        depth = 2, title = "study", now = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn init(
        py: Python<'_>,
        directory: PathBuf,
        schema: &StudySchema,
        sites: &Bound<'_, PyAny>,
        members: &Bound<'_, PyAny>,
        needed: u32,
        operator: &PublicIdentity,
        evaluators: Option<&Bound<'_, PyAny>>,
        epsilon: Option<&Bound<'_, PyAny>>,
        rho: Option<&Bound<'_, PyAny>>,
        depth: u32,
        title: &str,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (schema, now, cap) = (schema.0.clone(), moment(now)?, cap(epsilon, rho, None)?);
        let (sites, members) = (publics(sites)?, publics(members)?);
        let evaluators = evaluators.map(publics).transpose()?.unwrap_or_default();
        let size = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let (operator, title) = (operator.0.as_ref().clone(), title.to_owned());
        py.detach(|| {
            let parameters = Terms::parameters_for(&schema, size, needed, depth).map_err(fail)?;
            let layout = Layout::new(folder(directory.clone())?);
            if layout.terms().exists() {
                return Err(raise(Kind::Exists, format!("{}: holds a study already", directory.display())));
            }
            let log = CoreLog::create(layout.log(), &mut mediveil_rng::system()).map_err(fail)?;
            let id = log.id();
            let terms =
                Terms { title, schema, sites, members, needed, depth, cap, operator, evaluators, log: id, parameters };
            let made = terms.check().map_err(fail).and_then(|()| {
                let actor = Actor::of(terms.operator.verifying_key());
                CoreBudget::create(&log, terms.budget(), actor, now).map_err(fail)?;
                put(&layout.terms(), &terms)
            });
            if made.is_err() {
                drop(log);
                let _ = std::fs::remove_file(layout.log());
            }
            made
        })?;
        Self::of(directory)
    }

    /// Opens the study of a directory; for `StudyCertificate.verify` its files `terms` and `key` are enough. Raises NotFoundError.
    #[staticmethod]
    fn open(directory: PathBuf) -> PyResult<Self> {
        Self::of(directory)
    }

    /// The directory.
    #[getter]
    fn directory(&self) -> PathBuf {
        self.layout.directory().to_path_buf()
    }

    /// What it is called.
    #[getter]
    fn title(&self) -> &str {
        &self.terms.title
    }

    /// 32 bytes that name it: a digest of its terms.
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.terms.id())
    }

    /// What every site declares.
    #[getter]
    fn schema(&self) -> StudySchema {
        StudySchema(self.terms.schema.clone())
    }

    /// How many members there are and how many open an answer.
    #[getter]
    fn committee(&self) -> (usize, u32) {
        (self.terms.members.len(), self.terms.needed)
    }

    /// Begins the key ceremony as a member. Raises RefusedError for anybody else.
    fn ceremony(slf: Bound<'_, Self>, identity: &Identity) -> PyResult<StudyCeremony> {
        let py = slf.py();
        StudyCeremony::begin(py, slf.unbind(), Arc::clone(&identity.0))
    }

    /// Takes part in the key ceremony over the study's directory, as `mediveil study join` does: all members do this at the
    /// same time, on whatever machines. Waits at most `wait` seconds for the others in each round, and returns the share;
    /// save it. Nothing of a ceremony can be taken up again. Raises StateError if somebody does not come, ExistsError if this
    /// member began one before: remove the folder `ceremony`, and let all begin again.
    #[pyo3(signature = (identity, *, wait = 600.0, now = None))]
    fn join(
        slf: Bound<'_, Self>,
        identity: &Identity,
        wait: f64,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<StudyShare> {
        let (py, now) = (slf.py(), moment(now)?);
        let wait = Duration::try_from_secs_f64(wait).map_err(|e| raise(Kind::Invalid, e.to_string()))?;
        let size = u32::try_from(slf.get().terms.members.len()).unwrap_or(u32::MAX);
        let layout = slf.get().layout.clone();
        folder(layout.ceremony())?;
        let ceremony = StudyCeremony::begin(py, slf.unbind(), Arc::clone(&identity.0))?;
        while let Some(bytes) = ceremony.sent()? {
            let message = CeremonyMessage::decode(&bytes).map_err(fail)?;
            let round = message.round();
            write_file(&layout.message(round, message.sender()), &bytes, false, true)?;
            let start = Instant::now();
            loop {
                let missing: Vec<u32> = (1..=size).filter(|m| !layout.message(round, *m).exists()).collect();
                if missing.is_empty() {
                    break;
                }
                if start.elapsed() > wait {
                    let why = format!("members {missing:?} did not send round {round}; all begin again");
                    return Err(raise(Kind::State, why));
                }
                py.detach(|| std::thread::sleep(Duration::from_millis(50)));
                py.check_signals()?;
            }
            let paths: Vec<PathBuf> = (1..=size).map(|m| layout.message(round, m)).collect();
            ceremony.hear(py, ceremony::read_messages(&paths)?)?;
        }
        ceremony.end(py, now)
    }

    /// Encrypts a site's rows and commits to them in the log. data: a pandas or polars DataFrame, an Arrow table, a dict of
    /// columns, a path to a CSV, Parquet or Feather file (the latter two by pyarrow), CSV text as bytes, or a list of FHIR
    /// bundles, one for each patient (`Record`, bytes or str). None, NaN and empty cells are missing values. Columns of numbers,
    /// flags and categories are read from the memory of numpy, pandas, polars, Arrow and `array.array`; everything else becomes
    /// text, which takes longer and means the same. out: the path where the ciphertexts go; the manifest goes to the same name
    /// with `.manifest`. Keep both until all sites have committed, then `submit`. progress: told how many blocks are done.
    /// Returns `rows`, `blocks`, `bytes` and `entry`, the place of the commitment in the log.
    ///
    /// Raises InvalidError with row and column for a value outside of the schema; ExistsError if the site has committed.
    #[pyo3(signature = (data, site, out, *, progress = None, now = None))]
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        site: &Identity,
        out: PathBuf,
        progress: Option<&Bound<'py, PyAny>>,
        now: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (now, progress) = (moment(now)?, updater(progress)?);
        let (study, budget) = self.ready(true)?;
        let number = self.terms.site(site.0.public()).ok_or_else(|| fail(UploadError::NotASite))?;
        let committed = match study.committed(budget.log()) {
            Err(UploadError::Uncommitted { sites }) => !sites.contains(&number),
            other => other.map(|_| true).map_err(fail)?,
        };
        if committed {
            return Err(fail(UploadError::Duplicate { site: number }));
        }
        let table = rows::table(data, &self.terms.schema)?;
        if out.exists() {
            return Err(raise(Kind::Exists, format!("{}: is there already", out.display())));
        }
        let raised = Raised::default();
        let file = AtomicFile::options().keep_existing(true).create(&out).map_err(|e| at(&out, e))?;
        let mut sink = Watched { inner: file, raised: raised.clone() };
        let mut tell = |_: u64, _: u64| {
            if let Some(progress) = &progress {
                raised.tell(progress, 1);
            }
        };
        let manifest = py
            .detach(|| {
                on_all_cores(|| study.encrypt(&table, &site.0, &mut sink, &mut mediveil_rng::system(), &mut tell))
            })?
            .map_err(|e| raised.or(|| fail(e)))?;
        raised.check()?;
        // The files first: what the log promises must exist.
        put(&Layout::manifest(&out), &manifest)?;
        sink.inner.commit().map_err(|e| at(&out, e))?;
        let commitment = Commitment::new(&manifest, &site.0);
        let entry = py.detach(|| study.commit(budget.log(), &commitment, now)).map_err(fail)?;
        let dict = PyDict::new(py);
        dict.set_item("rows", table.rows())?;
        dict.set_item("blocks", manifest.blocks())?;
        dict.set_item("bytes", manifest.bytes())?;
        dict.set_item("entry", entry)?;
        Ok(dict)
    }

    /// Shows a site's encrypted rows: copies the files of `encrypt` into the directory. Raises RefusedError before every site
    /// has committed, UnverifiedError for anything but what the site committed to, ExistsError.
    fn submit(&self, py: Python<'_>, upload: PathBuf) -> PyResult<()> {
        py.detach(|| {
            let (study, budget) = self.ready(false)?;
            let manifest: Manifest = object(&Layout::manifest(&upload))?;
            study.admit(budget.log(), &manifest).map_err(fail)?;
            let target = self.layout.upload(manifest.site());
            if let Some(parent) = target.parent() {
                folder(parent.to_path_buf())?;
            }
            if target.exists() {
                return Err(raise(Kind::Exists, "the site has submitted already"));
            }
            let mut source = std::fs::File::open(&upload).map_err(|e| at(&upload, e))?;
            let options = AtomicFile::options().keep_existing(true);
            let mut file = options.create(&target).map_err(|e| at(&target, e))?;
            std::io::copy(&mut source, &mut file).map_err(|e| at(&target, e))?;
            put(&Layout::manifest(&target), &manifest)?;
            file.commit().map_err(|e| at(&target, e))
        })
    }

    /// Plans a question at a price, exactly one of epsilon and rho unless the question has its own: proves what one patient can
    /// change, how large the noise is, and that nothing overflows or is too noisy to open. Touches no data, spends nothing.
    ///
    /// Raises InvalidError with the figure that fails.
    #[pyo3(signature = (query, *, epsilon = None, rho = None))]
    fn plan(
        &self,
        query: &StudyQuery,
        epsilon: Option<&Bound<'_, PyAny>>,
        rho: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<StudyPlan> {
        let mut query = query.0.clone();
        if epsilon.is_some() || rho.is_some() {
            query.epsilon = epsilon.map(crate::query::decimal).transpose()?;
            query.rho = rho.map(crate::query::decimal).transpose()?;
        }
        let plan = self.keyed()?.plan(&query).map_err(fail)?;
        let regime = self.terms.cap.regime();
        let cost = plan.charge().cost(regime).map_err(fail)?;
        let cost = cost.ok_or_else(|| raise(Kind::Invalid, "the price is of another kind than the study's budget"))?;
        Ok(StudyPlan { plan, cost })
    }

    /// What a plan would cost now, and whether it would be refused, as `Budget.preview` says it. Nothing is touched.
    fn preview<'py>(&self, py: Python<'py>, plan: &StudyPlan) -> PyResult<Bound<'py, PyAny>> {
        let (_, budget) = self.ready(false)?;
        let found = py.detach(|| budget.preview(plan.plan.charge())).map_err(fail)?;
        let remaining = found.remaining.as_ref().map(|left| cost(py, left)).transpose()?;
        let refusal = found.refusal.as_ref().map(ToString::to_string);
        let make = py.import("mediveil._results")?.getattr("Preview")?;
        make.call1((cost(py, &found.cost)?, remaining, refusal, found.errors))
    }

    /// Pays for a plan and names its quorum in the log, for good: what a member of it does not open is spent. Again with the
    /// same quorum it changes nothing. Returns the certificate of a question that was answered before, at no cost, else None.
    ///
    /// Raises BudgetError, and nothing is spent; RefusedError for another quorum.
    #[pyo3(signature = (plan, quorum, *, now = None))]
    fn register(
        &self,
        py: Python<'_>,
        plan: &StudyPlan,
        quorum: Vec<u32>,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<StudyCertificate>> {
        let now = moment(now)?;
        py.detach(|| {
            let (study, budget) = self.ready(true)?;
            let uploads = self.submitted(study, budget.log())?;
            match study.register(&budget, &plan.plan, uploads, &quorum, now).map_err(fail)? {
                Asked::Registered(_) => Ok(None),
                Asked::Answered(certificate) => Ok(Some(StudyCertificate(Arc::from(certificate)))),
            }
        })
    }

    /// How many blocks of encrypted rows there are, over all sites.
    #[getter]
    fn blocks(&self, py: Python<'_>) -> PyResult<u64> {
        py.detach(|| {
            let (study, budget) = self.ready(false)?;
            Ok(self.submitted(study, budget.log())?.blocks())
        })
    }

    /// Evaluates a registered plan over the blocks from `start` up to `stop`: a shard, which `evaluate` adds to others. Shards
    /// may be made anywhere the directory is. progress: told how many blocks are done. Ctrl-C stops it.
    ///
    /// Raises RefusedError for what was not paid for.
    #[pyo3(signature = (plan, start, stop, *, progress = None))]
    fn shard<'py>(
        &self,
        py: Python<'py>,
        plan: &StudyPlan,
        start: u64,
        stop: u64,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let progress = updater(progress)?;
        let (study, budget) = self.ready(false)?;
        let uploads = py.detach(|| self.submitted(study, budget.log()))?;
        // Its permit stays in the log: this only sees that there is one.
        let _ = study.registered(&budget, &plan.plan, uploads).map_err(fail)?;
        let partial = self.compute(py, study, &plan.plan, uploads, start..stop, progress.as_ref())?;
        Ok(PyBytes::new(py, &partial.encode()))
    }

    /// Adds shards up to one. Raises InvalidError if they are of different questions or share a block.
    fn merge<'py>(&self, py: Python<'py>, shards: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.merged(py, shards)?.encode()))
    }

    /// Registers a plan with its quorum, as `register` does, computes the encrypted answer, or adds it up from `shards` that
    /// hold all blocks, and writes it into the directory. sign: an evaluator that the study names. Returns the certificate of a
    /// question that was answered before, else None.
    #[pyo3(signature = (plan, *, quorum, shards = None, sign = None, progress = None, now = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        plan: &StudyPlan,
        quorum: Vec<u32>,
        shards: Option<&Bound<'py, PyAny>>,
        sign: Option<&Identity>,
        progress: Option<&Bound<'py, PyAny>>,
        now: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<StudyCertificate>> {
        let progress = updater(progress)?;
        if let Some(certificate) = self.register(py, plan, quorum, now)? {
            put(&folder(self.layout.query(&plan.plan))?.join("certificate"), certificate.0.as_ref())?;
            return Ok(Some(certificate));
        }
        let (study, budget) = self.ready(false)?;
        let uploads = self.submitted(study, budget.log())?;
        let partial = match shards {
            Some(shards) => self.merged(py, shards)?,
            None => self.compute(py, study, &plan.plan, uploads, 0..uploads.blocks(), progress.as_ref())?,
        };
        let mut answer = study.complete(&plan.plan, uploads, &partial).map_err(fail)?;
        if let Some(evaluator) = sign {
            answer = answer.sign(study, &evaluator.0).map_err(fail)?;
        }
        folder(self.layout.query(&plan.plan))?;
        write_file(&self.layout.answer(&plan.plan), &answer.encode(), false, false)?;
        Ok(None)
    }

    /// Answers a registered plan as a member of its quorum: checks log and uploads, evaluates again and compares with what the
    /// directory has, or takes that on an evaluator's signature with `trust_evaluator`, adds the member's noise, and writes its
    /// part, which it returns. store: the member's own directory of answers given, which makes it answer once; never restore it
    /// from a backup. Again it gives the same bytes.
    ///
    /// Raises RefusedError for what was not paid for and for members of another quorum, UnverifiedError for another answer.
    #[pyo3(signature = (plan, identity, share, *, store, trust_evaluator = false))]
    fn approve<'py>(
        &self,
        py: Python<'py>,
        plan: &StudyPlan,
        identity: &Identity,
        share: &StudyShare,
        store: PathBuf,
        trust_evaluator: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let part = py.detach(|| -> PyResult<PartialDecryption> {
            let (study, budget) = self.ready(false)?;
            let uploads = self.submitted(study, budget.log())?;
            let path = self.layout.answer(&plan.plan);
            let shown: Option<EncryptedAnswer> = if path.exists() { Some(object(&path)?) } else { None };
            let how = match (&shown, trust_evaluator) {
                (Some(answer), true) => Evaluation::Trusted(answer),
                (None, true) => {
                    return Err(raise(Kind::State, "there is no answer that an evaluator could have signed"));
                }
                (shown, false) => Evaluation::Own { shown: shown.as_ref(), progress: &|_, _| () },
            };
            let mut kept = DirectoryStore::open(&store).map_err(|e| at(&store, e))?;
            let mut rng = mediveil_rng::system();
            let part = on_all_cores(|| {
                study.approve(&budget, &plan.plan, uploads, how, &share.0, &identity.0, &mut kept, &mut rng)
            })?
            .map_err(fail)?;
            folder(self.layout.query(&plan.plan))?;
            write_file(&self.layout.part(&plan.plan, part.member()), &part.encode(), false, false)?;
            Ok(part)
        })?;
        Ok(PyBytes::new(py, &part.encode()))
    }

    /// Adds up the quorum's parts into a certificate, writes it into the directory and names it in the log. operator: who signs
    /// the log's head. Raises StateError if a part is missing: nothing is released, and nobody can stand in.
    #[pyo3(signature = (plan, operator, *, now = None))]
    fn release(
        &self,
        py: Python<'_>,
        plan: &StudyPlan,
        operator: &Identity,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<StudyCertificate> {
        let now = moment(now)?;
        py.detach(|| {
            let (study, budget) = self.ready(true)?;
            let uploads = self.submitted(study, budget.log())?;
            let answer: EncryptedAnswer = object(&self.layout.answer(&plan.plan))?;
            let mut parts: Vec<PartialDecryption> = Vec::new();
            for member in 1..=study.key().terms().size() {
                let path = self.layout.part(&plan.plan, member);
                if path.exists() {
                    parts.push(object(&path)?);
                }
            }
            let certificate =
                study.release(&budget, &plan.plan, uploads, &answer, &parts, &operator.0, now).map_err(fail)?;
            put(&self.layout.certificate(&plan.plan), &certificate)?;
            Ok(StudyCertificate(Arc::new(certificate)))
        })
    }

    /// The study's budget: what is left, and its audit.
    #[getter]
    fn budget(&self) -> PyResult<Budget> {
        let actor = Actor::of(self.terms.operator.verifying_key());
        CoreBudget::open(&self.log(false)?, &self.terms.id(), actor).map(Budget::of).map_err(fail)
    }

    /// The study's log, to read.
    #[getter]
    fn log_file(&self) -> PyResult<Log> {
        Ok(Log(Handle::of(self.log(false)?)))
    }

    fn __repr__(&self) -> String {
        let (members, needed) = self.committee();
        format!("<Study {:?}, {} sites, {needed} of {members} open>", self.terms.title, self.terms.sites.len())
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let html = py.import("mediveil._results")?.getattr("study_html")?;
        let (members, needed) = self.committee();
        let title = (&self.terms.title, hex(&self.terms.id()));
        html.call1((title.0, title.1, self.terms.sites.len(), members, needed, self.terms.cap.to_string()))?.extract()
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.terms == other.terms && self.layout == other.layout
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        PyBytes::new(slf.py(), &slf.get().terms.id()).hash()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (PathBuf,))> {
        Ok((slf.get_type().getattr("open")?, (slf.get().directory(),)))
    }
}

impl Study {
    fn merged(&self, py: Python<'_>, shards: &Bound<'_, PyAny>) -> PyResult<Partial> {
        if shards.is_instance_of::<PyBytes>() {
            return Err(PyTypeError::new_err("expected several shards, got one"));
        }
        let study = self.keyed()?;
        let mut sum: Option<Partial> = None;
        for shard in shards.try_iter()? {
            let next: Partial = crate::objects::decode_object(&shard?)?;
            sum = Some(match sum {
                Some(sum) => py.detach(|| sum.merge(&next, study)).map_err(fail)?,
                None => next,
            });
        }
        sum.ok_or_else(|| raise(Kind::Invalid, "no shards were given"))
    }
}
