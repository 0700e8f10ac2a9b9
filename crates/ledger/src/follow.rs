//! Following a log as it grows, from whichever process.

use crate::log::Record;
use crate::{Log, LogError};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often to look for entries of other processes. Those of this process are announced.
const INTERVAL: Duration = Duration::from_millis(25);

/// The entries of a log from some place on, each exactly once and in order, as they are committed; see [`Log::follow`].
///
/// As an iterator it never ends: it waits for the next entry. Use [`wait`](Self::wait) to stop in between.
#[derive(Debug)]
pub struct Follow {
    log: Log,
    next: u64,
    page: VecDeque<Record>,
    /// Whether something was delivered: then the log has been at least as long as `next`.
    begun: bool,
}

impl Log {
    /// Follows the log from entry `from` on, which need not exist yet.
    #[must_use]
    pub fn follow(&self, from: u64) -> Follow {
        Follow { log: self.clone(), next: from, page: VecDeque::new(), begun: false }
    }
}

impl Follow {
    const PAGE: u64 = 256;

    /// The index of the entry that comes next: where to follow from after a restart.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.next
    }

    /// The next entry if there is one already.
    ///
    /// # Errors
    /// Those of [`Log::entry`]; and [`LogError::RolledBack`] if the log has become shorter than what was followed.
    pub fn poll(&mut self) -> Result<Option<Record>, LogError> {
        if self.page.is_empty() {
            let (size, page) = self.log.page(self.next, Self::PAGE)?;
            if self.begun && size < self.next {
                return Err(LogError::RolledBack { remembered: self.next, found: size });
            }
            self.page = page.into();
        }
        let record = self.page.pop_front();
        if record.is_some() {
            self.next = self.next.saturating_add(1);
            self.begun = true;
        }
        Ok(record)
    }

    /// The next entry, waiting for it for at most `at_most`.
    ///
    /// # Errors
    /// Those of [`poll`](Self::poll).
    pub fn wait(&mut self, at_most: Duration) -> Result<Option<Record>, LogError> {
        let start = Instant::now();
        loop {
            if let Some(record) = self.poll()? {
                return Ok(Some(record));
            }
            let left = at_most.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            match self.log.group() {
                Ok(group) => group.wait_beyond(self.next, left.min(INTERVAL)),
                Err(_) => std::thread::sleep(left.min(INTERVAL)),
            }
        }
    }
}

impl Iterator for Follow {
    type Item = Result<Record, LogError>;
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(next) = self.wait(Duration::from_secs(3600)).transpose() {
                return Some(next);
            }
        }
    }
}
