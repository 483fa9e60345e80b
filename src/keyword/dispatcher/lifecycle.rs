use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::time::Completion;
use crate::time::Signal;

/// Whether a dispatcher serves, and what is under way in it.
pub(crate) struct Lifecycle {
    state: Mutex<State>,
    /// Notified when something under way has ended, unless it serves.
    ended: Condvar,
    /// Wakes the worker.
    pub(crate) signal: Arc<Signal>,
    /// Tells that the worker has ended.
    pub(crate) end: Completion<()>,
    /// Why it could not give the name back.
    failure: Mutex<Option<Error>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// Hooks that run may go on until then.
    Closing(Instant),
    Closed,
    /// Another dispatcher has the lease.
    Lost,
}

struct State {
    phase: Phase,
    /// Whether the name was given back before the worker has ended.
    has_parted: bool,
    hooks: usize,
    calls: usize,
}

/// Something under way, until it is dropped.
pub(crate) struct UnderWay {
    life: Arc<Lifecycle>,
    count: fn(&mut State) -> &mut usize,
}

impl Lifecycle {
    pub(crate) fn new() -> Arc<Self> {
        let state = State { phase: Phase::Serving, has_parted: false, hooks: 0, calls: 0 };
        let (state, ended) = (Mutex::new(state), Condvar::new());
        let (signal, end, failure) = (Arc::default(), Completion::new(), Mutex::default());
        Arc::new(Self { state, ended, signal, end, failure })
    }

    pub(crate) fn fail(&self, error: Error) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().phase
    }

    /// Takes nothing new, and ends when the hooks that run have ended, or after `grace`.
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

    pub(crate) fn lose(&self) {
        let mut state = self.state();
        if state.phase != Phase::Closed {
            state.phase = Phase::Lost;
        }
        drop(state);
        self.signal.raise();
    }

    /// Lets nothing more be sent, unless there is still something to wait for. Says whether it does
    /// so.
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

    /// When it no longer waits for hooks, if it is about to end.
    pub(crate) fn closes_at(&self) -> Option<Instant> {
        match self.phase() {
            Phase::Closing(until) => Some(until),
            _ => None,
        }
    }

    /// Whether it waits for nothing any more.
    pub(crate) fn has_no_time(&self) -> bool {
        self.closes_at().is_some_and(|until| Instant::now() >= until)
    }

    pub(crate) fn has_calls(&self) -> bool {
        self.state().calls > 0
    }

    /// Blocks until nothing runs and nothing is on its way, lets nothing more be sent that needs
    /// the name, and waits for what was: for hooks at most so long, and for calls.
    pub(crate) fn part(&self, for_hooks: Duration, for_calls: Duration) {
        // Whether that was in time makes no difference.
        let is_busy = |state: &mut State| state.hooks > 0;
        let _ = self.ended.wait_timeout_while(self.state(), for_hooks, is_busy);
        self.state().has_parted = true;
        let is_busy = |state: &mut State| state.calls > 0;
        let _ = self.ended.wait_timeout_while(self.state(), for_calls, is_busy);
    }

    /// A hook begins.
    pub(crate) fn hook(self: &Arc<Self>) -> UnderWay {
        self.state().hooks += 1;
        UnderWay { life: self.clone(), count: |state| &mut state.hooks }
    }

    /// Something is sent to the server, if that is still allowed.
    pub(crate) fn call(self: &Arc<Self>) -> Result<UnderWay, Phase> {
        self.permit(true)
    }

    /// A refusal is sent to the server, which needs no name.
    pub(crate) fn refusal(self: &Arc<Self>) -> Result<UnderWay, Phase> {
        self.permit(false)
    }

    fn permit(self: &Arc<Self>, needs_name: bool) -> Result<UnderWay, Phase> {
        let mut state = self.state();
        match state.phase {
            Phase::Closing(_) if state.has_parted && needs_name => return Err(Phase::Closed),
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
