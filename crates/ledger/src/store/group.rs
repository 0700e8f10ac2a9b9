//! Group commit: many threads, one transaction, one fsync.
//!
//! Each job runs on the thread that brought it, under one lock, inside a savepoint of one open transaction. When it is
//! done and other threads are waiting for the lock, it leaves the transaction open for the next of them; the last one, or
//! the one that fills the group, commits for all. Every job returns only when the commit that holds it is done, so what a
//! caller was told is durable; and while one group is being written to disk, the next one gathers.
//!
//! A job that fails is undone alone. A commit that fails, fails for every job in it. Processes exclude each other by the
//! database's lock, which is taken at the beginning of the transaction (SQLite's `BEGIN IMMEDIATE`, an advisory lock of
//! PostgreSQL), so what a job reads is current until it commits.
//!
//! `interleavings` runs this very code under a scheduler that tries the orders in which threads can meet.

use super::db::{Db, Inner};
use crate::sync::{AtomicUsize, Condvar, Mutex, MutexGuard, ThreadId, current_thread};
use crate::tree::Frontier;
use crate::{LogError, store};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// The most jobs in one commit, so that the first of a group never waits for an endless queue.
const MAX_JOBS: u32 = 512;

/// Locks, whether or not a thread panicked while it held the lock: every change below is complete before anything that
/// could panic runs.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one writing connection of a log in this process.
pub(crate) struct Group {
    state: Mutex<State>,
    waiting: AtomicUsize,
    holder: Mutex<Option<ThreadId>>,
    guard: Guard,
    busy: Duration,
    committed: Mutex<u64>,
    grown: Condvar,
}

struct State {
    conn: Db,
    open: Option<Open>,
    /// The edge of the tree after the last commit that this process saw: what the log must go on from.
    seen: Frontier,
    /// Why the database may have undone the whole transaction.
    broken: Option<LogError>,
}

/// The transaction that is open.
struct Open {
    batch: Arc<Batch>,
    frontier: Frontier,
    jobs: u32,
}

/// How the commit ended, for all who wait for it.
#[derive(Default)]
struct Batch {
    outcome: Mutex<Option<Result<(), LogError>>>,
    done: Condvar,
}

impl Batch {
    fn publish(&self, outcome: Result<(), LogError>) {
        *lock(&self.outcome) = Some(outcome);
        self.done.notify_all();
    }

    fn wait(&self) -> Result<(), LogError> {
        let mut outcome = lock(&self.outcome);
        loop {
            if let Some(outcome) = outcome.as_ref() {
                return outcome.clone();
            }
            outcome = self.done.wait(outcome).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Keeps SQL of callers away from the log's tables and from the transaction itself.
#[derive(Clone)]
pub(crate) struct Guard(Arc<AtomicBool>);

impl Guard {
    /// Runs the log's own statements.
    pub(crate) fn own<T>(&self, run: impl FnOnce() -> T) -> T {
        let before = self.0.swap(true, Ordering::Relaxed);
        let value = run();
        self.0.store(before, Ordering::Relaxed);
        value
    }

    /// Whether the log's own statements run.
    #[cfg(feature = "postgres")]
    pub(super) fn is_own(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn judge(&self, context: &AuthContext<'_>) -> Authorization {
        let ours = |name: &str| name.get(..7).is_some_and(|p| p.eq_ignore_ascii_case("ledger_"));
        let denied = match context.action {
            AuthAction::Insert { table_name }
            | AuthAction::Delete { table_name }
            | AuthAction::Update { table_name, .. }
            | AuthAction::CreateTable { table_name }
            | AuthAction::DropTable { table_name }
            | AuthAction::AlterTable { table_name, .. }
            | AuthAction::CreateIndex { table_name, .. }
            | AuthAction::DropIndex { table_name, .. }
            | AuthAction::CreateTrigger { table_name, .. }
            | AuthAction::DropTrigger { table_name, .. }
            | AuthAction::CreateTempTable { table_name }
            | AuthAction::CreateTempTrigger { table_name, .. } => ours(table_name),
            AuthAction::CreateView { view_name } | AuthAction::CreateTempView { view_name } => ours(view_name),
            AuthAction::Savepoint { savepoint_name, .. } => ours(savepoint_name),
            AuthAction::Transaction { .. } | AuthAction::Attach { .. } | AuthAction::Detach { .. } => true,
            // How durable a commit is may be asked, not changed.
            AuthAction::Pragma { pragma_name, pragma_value } => {
                pragma_value.is_some() || !["journal_mode", "synchronous"].contains(&pragma_name)
            }
            _ => false,
        };
        if denied && !self.0.load(Ordering::Relaxed) { Authorization::Deny } else { Authorization::Allow }
    }
}

/// What a job works with.
pub(crate) struct Job<'a> {
    pub(crate) conn: &'a Db,
    pub(crate) frontier: &'a mut Frontier,
    pub(crate) guard: &'a Guard,
    /// Set when the job broke on the log's own tables: it is undone, whatever it returns.
    pub(crate) broken: Option<LogError>,
}

impl Group {
    pub(crate) fn new(mut conn: Db, busy: Duration) -> Result<Self, LogError> {
        let guard = Guard(Arc::new(AtomicBool::new(true)));
        let seen = conn.snapshot(|db| store::frontier(db, store::size(db)?))?;
        match &mut conn.inner {
            Inner::Sqlite(conn) => {
                let judge = guard.clone();
                // From here on `begin` waits for the lock, and nothing else has to.
                conn.busy_timeout(Duration::ZERO)?;
                conn.authorizer(Some(move |context: AuthContext<'_>| judge.judge(&context)))?;
            }
            #[cfg(feature = "postgres")]
            Inner::Postgres(_) => conn.guard(&guard),
        }
        Ok(Self {
            committed: Mutex::new(seen.size()),
            state: Mutex::new(State { conn, open: None, seen, broken: None }),
            waiting: AtomicUsize::new(0),
            holder: Mutex::new(None),
            guard,
            busy,
            grown: Condvar::new(),
        })
    }

    /// Runs a job in a transaction and returns when it is durable. The job runs at most once.
    pub(crate) fn run<T, E: From<LogError>>(&self, job: impl FnOnce(&mut Job<'_>) -> Result<T, E>) -> Result<T, E> {
        let me = current_thread();
        if *lock(&self.holder) == Some(me) {
            return Err(LogError::Nested.into());
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut state = lock(&self.state);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        *lock(&self.holder) = Some(me);
        let ran = catch_unwind(AssertUnwindSafe(|| self.run_locked(&mut state, job)));
        self.settle(&mut state, ran.is_err());
        *lock(&self.holder) = None;
        drop(state);
        match ran {
            Ok(Ok((value, batch))) => {
                batch.wait()?;
                Ok(value)
            }
            Ok(Err(error)) => Err(error),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Opens a transaction if none is open, and runs the job in a savepoint of it.
    fn run_locked<T, E: From<LogError>>(
        &self,
        state: &mut State,
        job: impl FnOnce(&mut Job<'_>) -> Result<T, E>,
    ) -> Result<(T, Arc<Batch>), E> {
        let State { conn, open, seen, broken: why } = state;
        let open = match open {
            Some(open) => open,
            None => {
                conn.begin(self.busy)?;
                let frontier = continued(conn, seen).inspect_err(|_| conn.roll_back())?;
                open.insert(Open { batch: Arc::default(), frontier, jobs: 0 })
            }
        };
        open.jobs = open.jobs.saturating_add(1);
        let before = open.frontier.clone();
        conn.savepoint("SAVEPOINT ledger_job")?;
        let (result, broken) = {
            let mut job_view = Job { conn, frontier: &mut open.frontier, guard: &self.guard, broken: None };
            self.guard.0.store(false, Ordering::Relaxed);
            let result = catch_unwind(AssertUnwindSafe(|| job(&mut job_view)));
            self.guard.0.store(true, Ordering::Relaxed);
            (result, job_view.broken)
        };
        why.clone_from(&broken);
        let undo = || -> Result<(), LogError> {
            conn.savepoint("ROLLBACK TO ledger_job")?;
            conn.savepoint("RELEASE ledger_job")
        };
        let done = match (result, broken) {
            (Ok(Ok(value)), None) => conn.savepoint("RELEASE ledger_job").map(|()| value).map_err(E::from),
            (Ok(Ok(_)), Some(error)) => Err(error.into()),
            (Ok(Err(error)), _) => Err(error),
            (Err(panic), _) => {
                open.frontier = before;
                if undo().is_err() {
                    conn.roll_back();
                }
                resume_unwind(panic)
            }
        };
        match done {
            Ok(value) => Ok((value, open.batch.clone())),
            Err(error) => {
                open.frontier = before;
                if undo().is_err() {
                    conn.roll_back();
                }
                Err(error)
            }
        }
    }

    /// Ends the transaction, unless another thread is about to go on with it.
    fn settle(&self, state: &mut State, panicked: bool) {
        let Some(open) = &state.open else { return };
        // Some failures undo the whole transaction: with it goes every job that shared it.
        let lost = !state.conn.in_transaction();
        if !lost && !panicked && open.jobs < MAX_JOBS && self.waiting.load(Ordering::SeqCst) > 0 {
            return;
        }
        let Some(open) = state.open.take() else { return };
        if lost {
            let unknown = || LogError::Storage("the transaction that shared this commit broke it".into());
            open.batch.publish(Err(state.broken.take().unwrap_or_else(unknown)));
            return;
        }
        let outcome = state.conn.commit();
        if outcome.is_ok() {
            let size = open.frontier.size();
            state.seen = open.frontier;
            *lock(&self.committed) = size;
            self.grown.notify_all();
        }
        open.batch.publish(outcome);
    }

    /// Waits until this process has committed beyond `size` entries, or for `at_most`.
    pub(crate) fn wait_beyond(&self, size: u64, at_most: Duration) {
        let committed = lock(&self.committed);
        let _ = self.grown.wait_timeout_while(committed, at_most, |committed| *committed <= size);
    }
}

/// The edge to go on from, once the log is seen to extend what this process saw last.
fn continued(conn: &Db, seen: &Frontier) -> Result<Frontier, LogError> {
    let size = store::size(conn)?;
    if size < seen.size() {
        return Err(LogError::RolledBack { remembered: seen.size(), found: size });
    }
    if store::frontier(conn, seen.size())? != *seen {
        return Err(LogError::Rewritten { size: seen.size() });
    }
    store::frontier(conn, size)
}
