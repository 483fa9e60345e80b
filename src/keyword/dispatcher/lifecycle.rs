use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::lock::Lock;
use crate::time::Completion;
use crate::time::Signal;

/// The phase of a dispatcher, and its running hooks and calls.
pub(crate) struct Lifecycle {
    state: Mutex<State>,
    /// Notified when a hook or a call has ended, unless the dispatcher is serving.
    ended: Condvar,
    /// Wakes the worker.
    pub(crate) signal: Arc<Signal>,
    /// Completes when the worker has ended.
    pub(crate) end: Completion<()>,
    /// Why the worker could not release the lease.
    failure: Lock<Option<Error>>,
}

/// How far a dispatcher is from its end. Never returns to an earlier phase.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// Running hooks may continue until then.
    Closing(Instant),
    Closed,
    /// Another dispatcher has the lease.
    Lost,
}

/// The phase, and the numbers of running hooks and calls.
struct State {
    phase: Phase,
    /// Whether calls that need the lease are forbidden, because it is released before the worker
    /// ends.
    forbids_leased_calls: bool,
    hooks: usize,
    calls: usize,
}

/// A running hook or call, counted until it is dropped.
pub(crate) struct UnderWay {
    life: Arc<Lifecycle>,
    count: fn(&mut State) -> &mut usize,
}

impl Lifecycle {
    pub(crate) fn new() -> Arc<Self> {
        let state =
            State { phase: Phase::Serving, forbids_leased_calls: false, hooks: 0, calls: 0 };
        let (state, ended) = (Mutex::new(state), Condvar::new());
        let (signal, end, failure) = (Arc::default(), Completion::new(), Lock::default());
        Arc::new(Self { state, ended, signal, end, failure })
    }

    pub(crate) fn fail(&self, error: Error) {
        *self.failure.lock() = Some(error);
    }

    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.failure.lock().take()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().phase
    }

    /// Accepts nothing new, and ends when the running hooks have ended, or after `grace`.
    pub(crate) fn close(&self, grace: Duration) {
        let mut state = self.state();
        let until = Instant::now() + grace;
        match state.phase {
            Phase::Serving => state.phase = Phase::Closing(until),
            Phase::Closing(before) => state.phase = Phase::Closing(before.min(until)),
            Phase::Closed | Phase::Lost => {}
        }
        drop(state);
        self.signal.raise();
    }

    /// Ends the dispatcher because another one has the lease.
    pub(crate) fn lose(&self) {
        let mut state = self.state();
        if state.phase != Phase::Closed {
            state.phase = Phase::Lost;
        }
        drop(state);
        self.signal.raise();
    }

    /// Permits no more calls, unless hooks must still be awaited. Returns whether the dispatcher
    /// has ended.
    pub(crate) fn may_end(&self) -> bool {
        let mut state = self.state();
        match state.phase {
            Phase::Serving => return false,
            Phase::Closing(until) if state.hooks > 0 && Instant::now() < until => return false,
            Phase::Closing(_) => state.phase = Phase::Closed,
            Phase::Closed | Phase::Lost => {}
        }
        true
    }

    /// Returns when it stops waiting for hooks, if it is about to end.
    pub(crate) fn closes_at(&self) -> Option<Instant> {
        match self.phase() {
            Phase::Closing(until) => Some(until),
            _ => None,
        }
    }

    /// Returns whether the grace period is over.
    pub(crate) fn has_no_time(&self) -> bool {
        self.closes_at().is_some_and(|until| Instant::now() >= until)
    }

    pub(crate) fn has_calls(&self) -> bool {
        self.state().calls > 0
    }

    /// Blocks until no hook and no call is running, and permits no more calls that need the lease.
    /// Waits at most `for_hooks` for the hooks, then `for_calls` for the calls.
    pub(crate) fn end_leased_calls(&self, for_hooks: Duration, for_calls: Duration) {
        // Whether that was in time makes no difference.
        let is_busy = |state: &mut State| state.hooks > 0;
        let _ = self.ended.wait_timeout_while(self.state(), for_hooks, is_busy);
        self.state().forbids_leased_calls = true;
        self.wait_for_calls(for_calls);
    }

    /// Blocks until no call is running, for at most `time`.
    pub(crate) fn wait_for_calls(&self, time: Duration) {
        let is_busy = |state: &mut State| state.calls > 0;
        let _ = self.ended.wait_timeout_while(self.state(), time, is_busy);
    }

    /// Counts a hook that begins.
    pub(crate) fn hook(self: &Arc<Self>) -> UnderWay {
        self.state().hooks += 1;
        UnderWay { life: self.clone(), count: |state| &mut state.hooks }
    }

    /// Counts as a call whatever the phase. Held while requests are taken from where they wait: the
    /// lease is not released before they have their outcome, or wait again.
    pub(crate) fn taking(self: &Arc<Self>) -> UnderWay {
        self.state().calls += 1;
        UnderWay { life: self.clone(), count: |state| &mut state.calls }
    }

    /// Counts a call to the server, if it is still permitted.
    pub(crate) fn call(self: &Arc<Self>) -> Result<UnderWay, Phase> {
        self.permit(true)
    }

    /// Counts the call of a refusal, which does not need the lease.
    pub(crate) fn refusal(self: &Arc<Self>) -> Result<UnderWay, Phase> {
        self.permit(false)
    }

    /// Counts a call, unless the phase forbids it, or it needs the lease, which was released.
    fn permit(self: &Arc<Self>, needs_lease: bool) -> Result<UnderWay, Phase> {
        let mut state = self.state();
        match state.phase {
            Phase::Closing(_) if state.forbids_leased_calls && needs_lease => {
                return Err(Phase::Closed);
            }
            Phase::Serving | Phase::Closing(_) => state.calls += 1,
            phase => return Err(phase),
        }
        drop(state);
        Ok(UnderWay { life: self.clone(), count: |state| &mut state.calls })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.life.state();
        *(self.count)(&mut state) -= 1;
        let serves = state.phase == Phase::Serving;
        drop(state);
        if !serves {
            self.life.ended.notify_all();
            self.life.signal.raise();
        }
    }
}
