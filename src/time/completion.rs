//! A one-shot broadcast: callers wait while one of them does the work for all.

use std::future::poll_fn;
use std::sync::MutexGuard;
use std::task::{Poll, Waker};

use crate::lock::Lock;

/// An outcome, and the callers that wait for it.
pub(crate) struct Completion<T> {
    state: Lock<State<T>>,
}

/// The outcome, once known, and the waiting tasks.
struct State<T> {
    outcome: Option<T>,
    waiting: Vec<Waker>,
}

impl<T> Completion<T> {
    pub(crate) fn new() -> Self {
        Self { state: Lock::new(State { outcome: None, waiting: Vec::new() }) }
    }

    /// Publishes the outcome to all waiting callers. The first outcome counts.
    pub(crate) fn complete(&self, outcome: T) {
        let waiting = {
            let mut state = self.lock();
            state.outcome.get_or_insert(outcome);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.lock().outcome.is_some()
    }

    /// Waits for the outcome.
    pub(crate) async fn outcome(&self) -> T
    where
        T: Clone,
    {
        poll_fn(|context| {
            let mut state = self.lock();
            match &state.outcome {
                Some(outcome) => Poll::Ready(outcome.clone()),
                None => {
                    if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                        state.waiting.push(context.waker().clone());
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock()
    }
}
