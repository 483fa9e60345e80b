//! The link between consumers and their maintenance thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::lock::Lock;
use crate::queue::shared_settings::SharedSettings;
use crate::time::Signal;

/// Wakes the maintenance thread of one `WorkQueue` value, and shares the settings in force.
pub(crate) struct MaintenanceHandle {
    signal: Signal,
    /// Whether the thread sleeps until it is woken, because there is nothing to send.
    rests: AtomicBool,
    /// The settings in force, as far as known.
    shared_settings: Lock<SharedSettings>,
}

impl MaintenanceHandle {
    pub(crate) fn new(shared_settings: SharedSettings) -> Self {
        let (signal, rests) = (Signal::default(), AtomicBool::new(false));
        Self { signal, rests, shared_settings: Lock::new(shared_settings) }
    }

    /// Wakes the thread, because there is something to send.
    pub(crate) fn wake(&self) {
        if self.rests.swap(false, Ordering::AcqRel) {
            self.signal.raise();
        }
    }

    /// Wakes the thread, and makes it act without waiting for more to send.
    pub(crate) fn wake_now(&self) {
        self.signal.raise();
    }

    pub(crate) fn shared_settings(&self) -> SharedSettings {
        *self.shared_settings.lock()
    }

    pub(crate) fn set_shared_settings(&self, shared_settings: SharedSettings) {
        *self.shared_settings.lock() = shared_settings;
    }

    /// Sets whether the thread has nothing to do before it is woken.
    pub(crate) fn rest(&self, rests: bool) {
        self.rests.store(rests, Ordering::Release);
    }

    /// Waits to be woken, at most for `time`.
    pub(crate) fn block(&self, time: Duration) {
        self.signal.block(time);
    }
}
