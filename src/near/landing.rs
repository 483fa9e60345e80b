//! Readers that wait for the one who asks the server.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// What one reader found, for those who wait.
pub(crate) struct Landing<V> {
    state: Mutex<State<V>>,
}

struct State<V> {
    outcome: Option<Outcome<V>>,
    waiting: Vec<Waker>,
}

/// What came of a read.
pub(crate) enum Outcome<V> {
    /// The value, or that there is none.
    Found(Option<Arc<V>>),
    /// It failed or was given up.
    Lost,
}

impl<V> Landing<V> {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { outcome: None, waiting: Vec::new() }) }
    }

    /// Tells those who wait. The first outcome counts.
    pub(crate) fn tell(&self, outcome: Outcome<V>) {
        let waiting = {
            let mut state = self.lock();
            state.outcome.get_or_insert(outcome);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits for what is told.
    pub(crate) async fn outcome(&self) -> Outcome<V> {
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

    fn lock(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Clone for Outcome<V> {
    fn clone(&self) -> Self {
        match self {
            Outcome::Found(found) => Outcome::Found(found.clone()),
            Outcome::Lost => Outcome::Lost,
        }
    }
}
