//! The jobs of a worker that no handler has begun.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Jobs that wait for a handler. Those that are left at the end are dropped from the last to the
/// first: each goes to the head of the queue, perhaps in a round trip of its own, and so they keep
/// their order.
pub(super) struct WaitingJobs<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
}

/// The jobs, in the order of the queue.
struct State<J> {
    jobs: VecDeque<J>,
    is_closed: bool,
}

impl<J> WaitingJobs<J> {
    pub(super) fn new() -> Self {
        let state = State { jobs: VecDeque::new(), is_closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    #[cfg(feature = "async")]
    pub(super) fn len(&self) -> usize {
        self.state().jobs.len()
    }

    pub(super) fn extend(&self, jobs: impl IntoIterator<Item = J>) {
        self.state().jobs.extend(jobs);
        self.changed.notify_all();
    }

    /// Takes the first job.
    #[cfg(feature = "async")]
    pub(super) fn pop(&self) -> Option<J> {
        self.state().jobs.pop_front()
    }

    /// Takes the first job, for which it waits until [`close`](Self::close). Takes none any more
    /// once `is_stopped`.
    pub(super) fn wait_pop(&self, is_stopped: impl Fn() -> bool) -> Option<J> {
        let mut state = self.state();
        loop {
            if state.is_closed || is_stopped() {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends all waits, and drops the jobs that are left. Returns their number.
    pub(super) fn close(&self) -> usize {
        let mut state = self.state();
        state.is_closed = true;
        let mut left = std::mem::take(&mut state.jobs);
        drop(state);
        self.changed.notify_all();
        let count = left.len();
        while left.pop_back().is_some() {}
        count
    }

    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> Drop for WaitingJobs<J> {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::thread;

    use super::WaitingJobs;

    /// Records when it is dropped.
    struct Dropped<'a>(u32, &'a RefCell<Vec<u32>>);

    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.1.borrow_mut().push(self.0);
        }
    }

    #[test]
    fn jobs_that_are_left_are_dropped_from_the_last_to_the_first() {
        for closes in [true, false] {
            let order = RefCell::default();
            let waiting = WaitingJobs::new();
            waiting.extend((0..4).map(|number| Dropped(number, &order)));
            drop(waiting.wait_pop(|| false));
            assert!(waiting.wait_pop(|| true).is_none(), "a stopped worker begins nothing");
            if closes {
                assert_eq!(waiting.close(), 3);
            }
            drop(waiting);
            assert_eq!(order.into_inner(), [0, 3, 2, 1]);
        }
    }

    #[test]
    fn a_wait_ends_when_the_jobs_are_closed() {
        let waiting = Arc::new(WaitingJobs::<u32>::new());
        let waits = waiting.clone();
        let wait = thread::spawn(move || waits.wait_pop(|| false));
        waiting.close();
        assert_eq!(wait.join().expect("no panic"), None);
    }
}
