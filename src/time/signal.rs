use std::future::poll_fn;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// Wakes the one thread or task that waits for it.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

/// The state of a signal, and its waiting task.
#[derive(Debug, Default)]
struct State {
    raised: bool,
    closed: bool,
    waker: Option<Waker>,
}

impl Signal {
    /// Ends the current wait, or else the next one.
    pub(crate) fn raise(&self) {
        self.change(|state| state.raised = true);
    }

    /// Ends all waits from now on.
    pub(crate) fn close(&self) {
        self.change(|state| state.closed = true);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Blocks until it is raised or closed, at most for `time`. Returns whether it was.
    pub(crate) fn block(&self, time: Duration) -> bool {
        let deadline = Instant::now().checked_add(time);
        let mut state = self.lock();
        while !state.take() {
            let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => return false,
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        true
    }

    /// Waits until it is raised or closed.
    #[cfg_attr(not(feature = "async"), allow(dead_code))]
    pub(crate) async fn raised(&self) {
        poll_fn(|context| {
            let mut state = self.lock();
            if state.take() {
                return Poll::Ready(());
            }
            state.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.lock();
            change(&mut state);
            state.waker.take()
        };
        self.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self) -> bool {
        std::mem::take(&mut self.raised) || self.closed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_rest_ends_when_the_signal_is_raised_before_or_meanwhile() {
        let signal = Arc::new(Signal::default());
        assert!(!signal.block(Duration::ZERO));
        signal.raise();
        assert!(signal.block(Duration::MAX));
        let other = signal.clone();
        let resting = std::thread::spawn(move || other.block(Duration::MAX));
        signal.close();
        assert!(resting.join().unwrap() && signal.is_closed() && signal.block(Duration::ZERO));
    }
}
