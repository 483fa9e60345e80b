//! How consumers and the thread that keeps them reach each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::terms::Terms;
use crate::time::Signal;

/// Wakes the thread that keeps the consumers of one queue, and has what holds for the queue.
pub(super) struct Upkeep {
    signal: Signal,
    /// Whether the thread rests until it is woken, for there is nothing to tell.
    rests: AtomicBool,
    /// What holds for the queue, as far as is known.
    terms: Mutex<Terms>,
}

impl Upkeep {
    pub(super) fn new(terms: Terms) -> Self {
        let (signal, rests) = (Signal::default(), AtomicBool::new(false));
        Self { signal, rests, terms: Mutex::new(terms) }
    }

    /// Says that there is something to tell.
    pub(super) fn wake(&self) {
        if self.rests.swap(false, Ordering::AcqRel) {
            self.signal.raise();
        }
    }

    /// Says that it must not wait until there is more to tell.
    pub(super) fn hurry(&self) {
        self.signal.raise();
    }

    pub(super) fn terms(&self) -> Terms {
        *self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_terms(&self, terms: Terms) {
        *self.terms.lock().unwrap_or_else(PoisonError::into_inner) = terms;
    }

    /// Whether the thread has nothing to do before it is woken.
    pub(super) fn rest(&self, rests: bool) {
        self.rests.store(rests, Ordering::Release);
    }

    /// Waits to be woken, at most for `time`.
    pub(super) fn block(&self, time: Duration) {
        self.signal.block(time);
    }
}
