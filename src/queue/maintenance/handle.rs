//! How consumers and the thread that keeps them reach each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::queue::shared_settings::SharedSettings;
use crate::time::Signal;

/// Wakes the thread that keeps the consumers of one queue, and has what sessions for the queue.
pub(crate) struct MaintenanceHandle {
    signal: Signal,
    /// Whether the thread rests until it is woken, for there is nothing to tell.
    rests: AtomicBool,
    /// What sessions for the queue, as far as is known.
    terms: Mutex<SharedSettings>,
}

impl MaintenanceHandle {
    pub(crate) fn new(terms: SharedSettings) -> Self {
        let (signal, rests) = (Signal::default(), AtomicBool::new(false));
        Self { signal, rests, terms: Mutex::new(terms) }
    }

    /// Says that there is something to tell.
    pub(crate) fn wake(&self) {
        if self.rests.swap(false, Ordering::AcqRel) {
            self.signal.raise();
        }
    }

    /// Says that it must not wait until there is more to tell.
    pub(crate) fn wake_now(&self) {
        self.signal.raise();
    }

    pub(crate) fn terms(&self) -> SharedSettings {
        *self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_terms(&self, terms: SharedSettings) {
        *self.terms.lock().unwrap_or_else(PoisonError::into_inner) = terms;
    }

    /// Whether the thread has nothing to do before it is woken.
    pub(crate) fn rest(&self, rests: bool) {
        self.rests.store(rests, Ordering::Release);
    }

    /// Waits to be woken, at most for `time`.
    pub(crate) fn block(&self, time: Duration) {
        self.signal.block(time);
    }
}
