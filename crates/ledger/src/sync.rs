//! Locks and waits between the threads of one process, in one place: the crate's own unit tests put a scheduler's beneath
//! them, which tries the orders in which threads can meet (see `store::interleavings`).

#[cfg(test)]
pub(crate) use shuttle::{
    sync::atomic::AtomicUsize,
    sync::{Condvar, Mutex, MutexGuard},
    thread::ThreadId,
};
#[cfg(not(test))]
pub(crate) use std::{
    sync::atomic::AtomicUsize,
    sync::{Condvar, Mutex, MutexGuard},
    thread::ThreadId,
};

pub(crate) fn current_thread() -> ThreadId {
    #[cfg(test)]
    return shuttle::thread::current().id();
    #[cfg(not(test))]
    std::thread::current().id()
}
