//! Federated sums and training, over the files of one directory, which the command and others share.

mod messages;
mod values;
mod vectors;

pub use messages::{FederatedAnswer, FederatedRound, FederatedUpload, SiteSum};
pub use values::{FederatedModel, FederatedTask};

use crate::budget::Budget;
use crate::data::{at, hex};
use crate::fail::{fail, raise};
use crate::files::{Raised, updater};
use crate::identity::{Identity, PublicIdentity, publics};
use crate::log::{Handle, Log};
use crate::objects::{bytes_of, folder, object_of, put, write_file};
use crate::query::{cost, decimal};
use crate::threads::on_all_cores;
use crate::time::moment;
use mediveil_bridge::Kind;
use mediveil_codec::{Timestamp, Wire};
use mediveil_dp::accounting::Cost;
use mediveil_dp::{Budget as CoreBudget, Delta, Rho};
use mediveil_federate as core;
use mediveil_federate::{Contribution, FederateError, Grid, Layout, Model, Task, Terms, Unit};
use mediveil_fhe::opening::DirectoryStore;
use mediveil_ledger::Log as CoreLog;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Sums and models of many sites that show nobody what they add, over the files of one directory. In each round the sites
/// upload the sum of their patients' clipped vectors, and members of a committee noise, all of it encrypted; a quorum of the
/// members opens the noisy sum, and nothing else. Every round is paid for in the log before it begins. Nothing in the directory is
/// secret, the `mediveil federate` command reads and writes the same files, and a Federation is pickled as its path.
///
/// One round: `begin`; `contribute` at each site and `noise` at each member, both handed in by `submit`; `close`; `answer` at
/// each member of a quorum, handed in by `submit`; `combine`. `fit_together` does it with everybody in one process.
///
/// >>> import mediveil, os, tempfile
/// >>> north, south, operator, *members = (mediveil.Identity.generate(hybrid=False) for _ in range(5))
/// >>> home = tempfile.mkdtemp()
/// >>> federation = mediveil.Federation.init(os.path.join(home, "fed"), mediveil.FederatedTask.sum(), entries=3, clip=10,
/// ...     rho=50, sites=[north.public, south.public], members=[m.public for m in members], needed=2,
/// ...     operator=operator.public, max_patients=100)
/// >>> federation.begin()
/// <FederatedRound 1>
/// >>> federation.submit(federation.contribute([[1, 2, 3]] * 40, north))
/// >>> federation.submit(federation.contribute([[0, 4, -1]] * 50, south))
/// >>> for member in members:
/// ...     federation.submit(federation.noise(member))
/// >>> federation.close()
/// ['site-0', 'site-1', 'member-1', 'member-2']
/// >>> for n, member in enumerate(members):
/// ...     federation.submit(federation.answer(member, store=os.path.join(home, f"store-{n}")))
/// >>> release = federation.combine()
/// >>> [abs(found - true) < 6 * release.deviation for found, true in zip(release.values, [40, 280, 70])]
/// [True, True, True]
/// >>> federation.budget.spent.rho <= 50, federation.budget.remaining.rho < 1
/// (True, True)
///
/// Trust: a site is believed about its own vectors; the server sees ciphertexts; fewer members than needed learn nothing, a
/// quorum could open any upload; one honest member's noise is enough for the price. Nothing here has been audited.
#[pyclass(frozen, module = "mediveil")]
#[derive(Debug)]
pub struct Federation {
    layout: Layout,
    federation: core::Federation,
}

fn not_begun() -> PyErr {
    raise(Kind::State, "no round has begun: the operator begins one")
}

fn concentrated(rho: Rho) -> Cost {
    Cost::Concentrated { rho, delta: Delta::ZERO }
}

impl Federation {
    fn of(directory: PathBuf) -> PyResult<Self> {
        let layout = Layout::new(directory);
        let terms: Terms = object_of(&layout.terms())?;
        Ok(Self { layout, federation: core::Federation::new(terms).map_err(fail)? })
    }

    fn terms(&self) -> &Terms {
        self.federation.terms()
    }

    fn open_budget(&self, writing: bool) -> PyResult<CoreBudget> {
        let path = self.layout.log();
        let log = if writing { CoreLog::open(&path) } else { CoreLog::open_read_only(&path) };
        self.federation.open_budget(&log.map_err(fail)?).map_err(fail)
    }

    fn last(&self, budget: &CoreBudget) -> PyResult<Option<core::Round>> {
        self.federation.last_round(budget.log()).map_err(fail)
    }

    fn current(&self, budget: &CoreBudget) -> PyResult<core::Round> {
        self.last(budget)?.ok_or_else(not_begun)
    }

    fn is_sum(&self) -> bool {
        matches!(self.terms().task, Task::Sum {})
    }

    /// The state of a round, seen to be the one that the log has.
    fn state(&self, round: &core::Round) -> PyResult<Vec<u8>> {
        let path = self.layout.state(round.number());
        let state = bytes_of(&path)?;
        if core::Round::digest_of(&state) != *round.state() {
            let why = format!("{}: is not the state that the log has of this round", path.display());
            return Err(raise(Kind::Damaged, why));
        }
        Ok(state)
    }

    fn model_of(&self, round: &core::Round) -> PyResult<Model> {
        Model::from_bytes(&self.state(round)?).map_err(fail)
    }

    /// The state after a released round.
    fn after(&self, round: &core::Round, release: &core::Release) -> PyResult<Model> {
        if self.is_sum() {
            return Ok(self.terms().task.start());
        }
        self.federation.after(&self.model_of(round)?, release).map_err(fail)
    }

    /// The round given, or the one that began last.
    fn round_or(&self, round: Option<&FederatedRound>) -> PyResult<FederatedRound> {
        if let Some(round) = round {
            return Ok(round.clone());
        }
        let round = self.current(&self.open_budget(false)?)?;
        Ok(FederatedRound { state: self.state(&round)?, round })
    }

    /// The contributions to a round that are here and in the log.
    fn contributions(&self, budget: &CoreBudget, round: &core::Round) -> PyResult<Vec<Contribution>> {
        let mut found = Vec::new();
        for contributor in self.terms().contributors() {
            let path = self.layout.contribution(round.number(), contributor);
            if !path.exists() {
                continue;
            }
            let contribution: Contribution = object_of(&path)?;
            match self.federation.check_committed(budget.log(), &contribution) {
                Ok(()) => found.push(contribution),
                Err(FederateError::Uncommitted { .. }) => {}
                Err(other) => return Err(fail(other)),
            }
        }
        Ok(found)
    }

    fn sum(&self, data: &Bound<'_, PyAny>, round: &FederatedRound) -> PyResult<SiteSum> {
        let py = data.py();
        let terms = self.terms();
        if self.is_sum() {
            let (sum, cut) = vectors::gather(data, &self.federation)?;
            return Ok(SiteSum { sum, cut, grid: terms.grid, of: (self.federation.id(), None) });
        }
        let model = Model::from_bytes(&round.state).map_err(fail)?;
        let csv = values::rows(data, &terms.task, true)?;
        let bytes = csv.as_slice();
        let sum = py.detach(|| {
            let examples = terms.task.examples(bytes)?;
            let vectors = terms.task.vectors(&model, &examples, terms.grid.clip())?;
            self.federation.gather(vectors).map_err(FederateError::from)
        });
        let sum = sum.map_err(fail)?;
        let (cut, id) = (sum.cut(), round.round.id());
        Ok(SiteSum { sum, cut, grid: terms.grid, of: (self.federation.id(), Some(id)) })
    }

    fn take_upload(&self, upload: &core::Upload, now: Timestamp) -> PyResult<()> {
        let budget = self.open_budget(true)?;
        let round = self.current(&budget)?;
        self.federation.hand_in(&self.layout, budget.log(), &round, upload, now).map(drop).map_err(fail)
    }

    fn shown<'py>(&self, py: Python<'py>, number: u32, release: &core::Release) -> PyResult<Bound<'py, PyAny>> {
        let values = values::doubles(py, &release.values(&self.federation))?;
        let wrong = PyTuple::new(py, release.wrong())?;
        let deviation = release.deviation(&self.federation);
        let make = py.import("mediveil._results")?.getattr("FederatedRelease")?;
        make.call1((number, values, deviation, release.sites(), release.noises(), wrong))
    }
}

#[pymethods]
impl Federation {
    /// Agrees on a federation and makes its directory with its log and budget. The terms never change.
    ///
    /// sites, members: public identities, in order; sites are numbered from 0, members from 1. needed: how many members open a
    /// sum, more than half of them. operator: who keeps the log. rho: what all rounds may cost, under zero-concentrated
    /// differential privacy; rho_round: what each costs, an equal part if None. clip: the greatest Euclidean length of one
    /// vector; longer ones are cut. entries: of each vector, for sums; models say it themselves. bits: of an entry of one site's
    /// sum. steps: of the grid to the clip; as fine as the bits hold if None. max_patients: the most of one site.
    /// least_sites: the fewest that a round is closed over. unit: "patient", each of whom has one vector, or "site", which has
    /// one in all and is protected as a whole.
    ///
    /// Raises ExistsError if there is a federation in the directory; BudgetError if the rounds cost more than there is;
    /// InvalidError with the figure that fails.
    #[staticmethod]
    #[pyo3(signature = (directory, task, *, sites, members, needed, operator, rho, rho_round = None, rounds = 1, clip = 1.0,
                        entries = None, bits = 32, steps = None, max_patients = 1000, least_sites = 1, unit = "patient",
                        title = "federation", now = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn init(
        py: Python<'_>,
        directory: PathBuf,
        task: &FederatedTask,
        sites: &Bound<'_, PyAny>,
        members: &Bound<'_, PyAny>,
        needed: u32,
        operator: &PublicIdentity,
        rho: &Bound<'_, PyAny>,
        rho_round: Option<&Bound<'_, PyAny>>,
        rounds: u32,
        clip: f64,
        entries: Option<u32>,
        bits: u32,
        steps: Option<u32>,
        max_patients: u32,
        least_sites: u32,
        unit: &str,
        title: &str,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let now = moment(now)?;
        let (sites, members, task) = (publics(sites)?, publics(members)?, task.0.clone());
        let cap = Rho::cap_from_decimal(&decimal(rho)?).map_err(fail)?;
        let rho = match rho_round {
            Some(rho) => Rho::cap_from_decimal(&decimal(rho)?).map_err(fail)?,
            None => Terms::equal_part(cap, rounds),
        };
        let unit = match unit {
            "patient" => Unit::Patient,
            "site" => Unit::Site,
            _ => return Err(raise(Kind::Invalid, "the unit is \"patient\" or \"site\"")),
        };
        let vectors = if unit == Unit::Patient { max_patients } else { 1 };
        let grid = steps.map_or_else(|| Grid::finest(clip, bits, vectors), |steps| Grid::new(clip, steps));
        let grid = grid.ok_or_else(|| raise(Kind::Invalid, "the clip is a length above 0, of 1 to 2^30 steps"))?;
        let entries = match (task.entries(), entries) {
            (Some(entries), None) | (None, Some(entries)) => entries,
            (Some(own), Some(entries)) if own == entries => entries,
            (Some(own), Some(_)) => return Err(raise(Kind::Invalid, format!("the task takes {own} entries"))),
            (None, None) => return Err(raise(Kind::Invalid, "plain sums need entries")),
        };
        let (operator, title, layout) = (operator.0.as_ref().clone(), title.to_owned(), Layout::new(&directory));
        py.detach(|| {
            if layout.terms().exists() {
                return Err(raise(Kind::Exists, format!("{}: holds a federation already", directory.display())));
            }
            let new = !directory.exists();
            folder(directory.clone())?;
            let log = CoreLog::create(layout.log(), &mut mediveil_rng::system()).map_err(fail)?;
            let terms = Terms {
                title,
                task,
                sites,
                members,
                needed,
                least_sites,
                operator,
                log: log.id(),
                unit,
                entries,
                grid,
                bits,
                max_patients,
                rounds,
                rho,
                cap,
                degree: Terms::DEGREE,
            };
            let made = core::Federation::new(terms).map_err(fail).and_then(|federation| {
                federation.create_budget(&log, now).map_err(fail)?;
                put(&layout.terms(), federation.terms())
            });
            if made.is_err() {
                drop(log);
                let _ = std::fs::remove_file(layout.log());
                if new {
                    let _ = std::fs::remove_dir_all(&directory);
                }
            }
            made
        })?;
        Self::of(directory)
    }

    /// Opens the federation of a directory. A site that contributes to rounds it is sent needs the file `terms` alone. Raises
    /// NotFoundError.
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
        &self.terms().title
    }

    /// 32 bytes that name it: a digest of its terms.
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.federation.id())
    }

    /// What it computes.
    #[getter]
    fn task(&self) -> FederatedTask {
        FederatedTask(self.terms().task.clone())
    }

    /// How many members there are and how many open a sum.
    #[getter]
    fn committee(&self) -> (usize, u32) {
        (self.terms().members.len(), self.terms().needed)
    }

    /// How many sites there are.
    #[getter]
    fn sites(&self) -> usize {
        self.terms().sites.len()
    }

    /// How many rounds there are, at most.
    #[getter]
    fn rounds(&self) -> u32 {
        self.terms().rounds
    }

    /// The number of a site, from 0; None for anybody else.
    fn site_number(&self, identity: &PublicIdentity) -> Option<u32> {
        self.terms().site(&identity.0)
    }

    /// The number of a member, from 1; None for anybody else.
    fn member_number(&self, identity: &PublicIdentity) -> Option<u32> {
        self.terms().member(&identity.0)
    }

    /// What the terms prove, as a dict: `cost` of a round and `total` of all; `entries`; `clip` and `step` of the grid;
    /// `deviation`, the standard deviation of each member's noise at each entry, in the unit of the vectors; `largest_site` and
    /// `largest_noise` of an entry, in steps; `upload_bytes` and their `ratio` to the vector at its declared bits.
    #[getter]
    fn figures<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (terms, plan) = (self.terms(), self.federation.plan());
        let dict = PyDict::new(py);
        dict.set_item("cost", cost(py, &concentrated(plan.each))?)?;
        dict.set_item("total", cost(py, &concentrated(plan.total))?)?;
        dict.set_item("entries", terms.entries)?;
        dict.set_item("clip", terms.grid.clip())?;
        dict.set_item("step", terms.grid.step())?;
        dict.set_item("deviation", plan.sigma * terms.grid.step())?;
        dict.set_item("largest_site", plan.largest_site)?;
        dict.set_item("largest_noise", plan.largest_noise)?;
        dict.set_item("upload_bytes", plan.upload_bytes)?;
        dict.set_item("ratio", plan.ratio())?;
        Ok(dict)
    }

    /// Pays for the next round and begins it, with the state of the model that the last one left. A round that has begun and is
    /// not released yet is begun again at no cost. Raises RefusedError after the last round, BudgetError, and nothing is spent.
    #[pyo3(signature = (*, now = None))]
    fn begin(&self, py: Python<'_>, now: Option<&Bound<'_, PyAny>>) -> PyResult<FederatedRound> {
        let now = moment(now)?;
        py.detach(|| {
            let budget = self.open_budget(true)?;
            let (number, state) = match self.last(&budget)? {
                None => (1, self.terms().task.start().to_bytes()),
                Some(last) => match self.federation.released(&budget, &last).map_err(fail)? {
                    Some(release) => (last.number().saturating_add(1), self.after(&last, &release)?.to_bytes()),
                    None => (last.number(), self.state(&last)?),
                },
            };
            let round = self.federation.begin(&budget, number, &state, now).map_err(fail)?;
            folder(self.layout.round(number))?;
            write_file(&self.layout.state(number), &state, false, false)?;
            Ok(FederatedRound { round, state })
        })
    }

    /// The round that began last; None before the first.
    #[getter]
    fn round(&self, py: Python<'_>) -> PyResult<Option<FederatedRound>> {
        py.detach(|| {
            let Some(round) = self.last(&self.open_budget(false)?)? else { return Ok(None) };
            Ok(Some(FederatedRound { state: self.state(&round)?, round }))
        })
    }

    /// Where the round that began last stands, as a dict: its number `round` (None before the first), `state` ("open", "closed"
    /// or "released"), who has `contributed`, and who is `counted` once it is closed.
    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = py.detach(|| -> PyResult<_> {
            let budget = self.open_budget(false)?;
            let Some(round) = self.last(&budget)? else { return Ok(None) };
            let closing = self.federation.closing(budget.log(), &round).map_err(fail)?;
            let released = self.federation.released(&budget, &round).map_err(fail)?.is_some();
            let state = if released {
                "released"
            } else if closing.is_some() {
                "closed"
            } else {
                "open"
            };
            let here = self.contributions(&budget, &round)?;
            let here: Vec<String> = here.iter().map(|c| c.contributor().name()).collect();
            let counted = closing.map(|c| c.counted().map(core::Contributor::name).collect::<Vec<_>>());
            Ok(Some((round.number(), state, here, counted)))
        })?;
        let dict = PyDict::new(py);
        let (round, state, contributed, counted) = match found {
            Some((round, state, here, counted)) => (Some(round), Some(state), here, counted),
            None => (None, None, Vec::new(), None),
        };
        dict.set_item("round", round)?;
        dict.set_item("state", state)?;
        dict.set_item("contributed", contributed)?;
        dict.set_item("counted", counted)?;
        Ok(dict)
    }

    /// Clips a site's vectors and adds them up, before anything is encrypted: to see how many had to be cut. data, round: as for
    /// `contribute`. Raises InvalidError for more vectors than declared, another length, and numbers that are none.
    #[pyo3(signature = (data, *, round = None))]
    fn gather(&self, data: &Bound<'_, PyAny>, round: Option<&FederatedRound>) -> PyResult<SiteSum> {
        let round = data.py().detach(|| self.round_or(round))?;
        self.sum(data, &round)
    }

    /// A site's contribution to a round, encrypted; hand it in by `submit`.
    ///
    /// data, for models: a pandas or polars DataFrame, an Arrow table, a dict of columns, a path to a CSV, Parquet or Feather
    /// file, CSV text as bytes, or a pair of an array with the features in their order, shape (patients, features), and an array of
    /// the target, shape (patients,). For sums: an array of numbers, shape (patients, entries), or (entries,) for one vector, or
    /// an iterable of vectors, which are taken one by one. Or what `gather` made. round: a round that was sent; the one that
    /// began last if None.
    ///
    /// Raises RefusedError for anybody but a site, InvalidError as `gather` does, UnverifiedError for a round of another
    /// federation.
    #[pyo3(signature = (data, site, *, round = None))]
    fn contribute(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        site: &Identity,
        round: Option<&FederatedRound>,
    ) -> PyResult<FederatedUpload> {
        if self.terms().site(site.0.public()).is_none() {
            return Err(fail(FederateError::NotOne("a site")));
        }
        let round = py.detach(|| self.round_or(round))?;
        let upload = |sum: &core::SiteSum| {
            let made = py.detach(|| {
                on_all_cores(|| self.federation.contribute(&round.round, sum, &site.0, &mut mediveil_rng::system()))
            })?;
            made.map(|upload| FederatedUpload(Arc::new(upload))).map_err(fail)
        };
        if let Ok(gathered) = data.cast::<SiteSum>() {
            let (id, of) = gathered.get().of;
            if id != self.federation.id() || of.is_some_and(|of| of != round.round.id()) {
                return Err(raise(Kind::State, "the sum was gathered for another round or federation"));
            }
            return upload(&gathered.get().sum);
        }
        upload(&self.sum(data, &round)?.sum)
    }

    /// A member's noise for the round that began last: all of the planned noise, so that one honest member is enough; hand it in
    /// by `submit`. progress: told how many entries have theirs. What Ctrl-C or the callback raises comes when it is drawn.
    ///
    /// Raises RefusedError for anybody but a member, StateError for a round that is not paid for or released.
    #[pyo3(signature = (member, *, progress = None))]
    fn noise(
        &self,
        py: Python<'_>,
        member: &Identity,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<FederatedUpload> {
        let (progress, raised, told) = (updater(progress)?, Raised::default(), AtomicU64::new(0));
        let tell = |done: u64, _: u64| {
            let before = told.fetch_max(done, Ordering::Relaxed);
            if let Some(progress) = progress.as_ref().filter(|_| done > before) {
                raised.tell(progress, done.saturating_sub(before));
            }
        };
        let upload = py.detach(|| {
            let budget = self.open_budget(false)?;
            let round = self.current(&budget)?;
            let mut rng = mediveil_rng::system();
            on_all_cores(|| self.federation.noise(&budget, &round, &member.0, &mut rng, &tell))?.map_err(fail)
        })?;
        raised.check()?;
        py.check_signals()?;
        Ok(FederatedUpload(Arc::new(upload)))
    }

    /// Takes in what a site or a member sent: an upload, which it commits to in the log, or an answer. Only who can write the
    /// log can do this. The same upload again changes nothing.
    ///
    /// Raises ExistsError for a second upload of the same contributor; StateError if the round is closed; UnverifiedError for
    /// what is not signed by who it names, or belongs elsewhere; DamagedError for another vector than was signed.
    #[pyo3(signature = (message, *, now = None))]
    fn submit(&self, py: Python<'_>, message: &Bound<'_, PyAny>, now: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let now = moment(now)?;
        if let Ok(upload) = message.cast::<FederatedUpload>() {
            let upload = Arc::clone(&upload.get().0);
            return py.detach(|| on_all_cores(|| self.take_upload(&upload, now)))?;
        }
        let Ok(answer) = message.cast::<FederatedAnswer>() else {
            return Err(PyTypeError::new_err("expected a FederatedUpload or a FederatedAnswer"));
        };
        let answer = Arc::clone(&answer.get().0);
        py.detach(|| {
            let round = self.current(&self.open_budget(false)?)?;
            let member = answer.member();
            if member == 0 || usize::try_from(member).is_ok_and(|m| m > self.terms().members.len()) {
                return Err(fail(FederateError::Part { member }));
            }
            write_file(&self.layout.answer(round.number(), member), &answer.encode(), false, false)
        })
    }

    /// Closes the round that began last over what has come, and returns who is counted: one entry of the log, and never another.
    /// without: contributors to leave out, such as "site-2", whose shares a member could not open.
    ///
    /// Raises StateError with fewer sites or noises than the terms ask for, RefusedError if it is closed over others.
    #[pyo3(signature = (*, without = None, now = None))]
    fn close(
        &self,
        py: Python<'_>,
        without: Option<Vec<String>>,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<String>> {
        let (now, without) = (moment(now)?, without.unwrap_or_default());
        py.detach(|| {
            let budget = self.open_budget(true)?;
            let round = self.current(&budget)?;
            let mut found = self.contributions(&budget, &round)?;
            found.retain(|c| !without.contains(&c.contributor().name()));
            let closing = self.federation.close(budget.log(), &round, &found, now).map_err(fail)?;
            Ok(closing.counted().map(core::Contributor::name).collect())
        })
    }

    /// A member's answer for the closed round, once; hand it in by `submit`. store: the member's own directory of answers given,
    /// which makes it answer once; never restore it from a backup. Again it gives the same answer.
    ///
    /// Raises StateError before the round is closed, RefusedError for anybody but a member and for another set than the member
    /// has answered for, UnverifiedError for a contributor whose share does not fit: close without it.
    #[pyo3(signature = (member, *, store))]
    fn answer(&self, py: Python<'_>, member: &Identity, store: PathBuf) -> PyResult<FederatedAnswer> {
        py.detach(|| {
            let budget = self.open_budget(false)?;
            let round = self.current(&budget)?;
            let found = self.contributions(&budget, &round)?;
            let mut kept = DirectoryStore::open(&store).map_err(|e| at(&store, e))?;
            let answer = self.federation.answer(&budget, &round, &found, &member.0, &mut kept).map_err(fail)?;
            Ok(FederatedAnswer(Arc::new(answer)))
        })
    }

    /// Adds up the uploads that are counted, opens the sum with the members' answers, and releases it: a `FederatedRelease`.
    /// Needs no secret. Again it gives the same release.
    ///
    /// Raises RefusedError with too few answers and UnverifiedError for wrong ones; nothing is released then.
    #[pyo3(signature = (*, now = None))]
    fn combine<'py>(&self, py: Python<'py>, now: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let now = moment(now)?;
        let (number, release) = py.detach(|| -> PyResult<_> {
            let budget = self.open_budget(true)?;
            let (federation, round) = (&self.federation, self.current(&budget)?);
            let closing = federation.closing(budget.log(), &round).map_err(fail)?;
            let closing = closing.ok_or_else(|| fail(FederateError::NotClosed))?;
            let mut tally = federation.tally(&budget, &round).map_err(fail)?;
            for contribution in self.contributions(&budget, &round)? {
                let contributor = contribution.contributor();
                if closing.counted().any(|c| c == contributor) {
                    let path = self.layout.vector(round.number(), contributor);
                    let vector = federation.read_vector(&contribution, &bytes_of(&path)?).map_err(fail)?;
                    tally.add(&core::Upload { contribution, vector }).map_err(fail)?;
                }
            }
            let mut answers = Vec::new();
            for member in (1u32..).take(self.terms().members.len()) {
                let path = self.layout.answer(round.number(), member);
                if path.exists() {
                    answers.push(object_of(&path)?);
                }
            }
            let combine = || federation.combine(&budget, &round, &tally, &answers, now);
            let release = on_all_cores(combine)?.map_err(fail)?;
            put(&self.layout.release(round.number()), &release)?;
            Ok((round.number(), release))
        })?;
        self.shown(py, number, &release)
    }

    /// The release of a round by its number, from the budget in the log; None if it is not released.
    fn released<'py>(&self, py: Python<'py>, round: u32) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = py.detach(|| {
            let budget = self.open_budget(false)?;
            match self.federation.round(budget.log(), round) {
                Ok(round) => self.federation.released(&budget, &round).map_err(fail),
                Err(FederateError::NotBegun { .. }) => Ok(None),
                Err(other) => Err(fail(other)),
            }
        })?;
        found.map(|release| self.shown(py, round, &release)).transpose()
    }

    /// The model after the last released round, or after a given one; before the first all its weights are 0. None for sums.
    ///
    /// Raises StateError if that round is not released, InvalidError where the noise leaves nothing to solve.
    #[pyo3(signature = (*, after = None))]
    fn model(&self, py: Python<'_>, after: Option<u32>) -> PyResult<Option<FederatedModel>> {
        if self.is_sum() {
            return Ok(None);
        }
        let model = py.detach(|| -> PyResult<Model> {
            let budget = self.open_budget(false)?;
            let (last, start) = (self.last(&budget)?, self.terms().task.start());
            match (after, last) {
                (Some(0), _) | (None, None) => Ok(start),
                (None, Some(last)) => match self.federation.released(&budget, &last).map_err(fail)? {
                    Some(release) => self.after(&last, &release),
                    None => self.model_of(&last),
                },
                (Some(number), _) => {
                    let round = self.federation.round(budget.log(), number).map_err(fail)?;
                    let release = self.federation.released(&budget, &round).map_err(fail)?;
                    let release = release.ok_or_else(|| raise(Kind::State, "the round is not released yet"))?;
                    self.after(&round, &release)
                }
            }
        })?;
        Ok(Some(FederatedModel { task: self.terms().task.clone(), model }))
    }

    /// The federation's budget: what is left, and its audit.
    #[getter]
    fn budget(&self) -> PyResult<Budget> {
        self.open_budget(false).map(Budget::of)
    }

    /// The federation's log, to read.
    #[getter]
    fn log_file(&self) -> PyResult<Log> {
        Ok(Log(Handle::of(self.open_budget(false)?.log().clone())))
    }

    fn __repr__(&self) -> String {
        let (members, needed) = self.committee();
        format!("<Federation {:?}, {} sites, {needed} of {members} open>", self.terms().title, self.sites())
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let html = py.import("mediveil._federate")?.getattr("federation_html")?;
        let title = (&self.terms().title, hex(&self.federation.id()), self.task().__repr__());
        let counts = (self.sites(), self.committee(), self.rounds());
        html.call1((title, counts, self.terms().cap.to_string(), self.figures(py)?))?.extract()
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.terms() == other.terms() && self.layout == other.layout
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        slf.get().id(slf.py()).hash()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (PathBuf,))> {
        Ok((slf.get_type().getattr("open")?, (slf.get().directory(),)))
    }
}
