//! Whether a lane has a connection, or failed to make one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What is known of a lane's connection, for a look without the lock.
pub(super) struct Reach {
    is_open: AtomicBool,
    since: Instant,
    /// For how many milliseconds after `since` no connection is to be made.
    closed_for: AtomicU64,
}

impl Reach {
    pub(super) fn new() -> Self {
        Self {
            is_open: AtomicBool::new(false),
            since: Instant::now(),
            closed_for: AtomicU64::new(0),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Records whether the lane has a connection.
    pub(super) fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Relaxed);
    }

    /// Records that no connection could be made.
    pub(super) fn fail(&self) {
        self.set_open(false);
        let until = self.since.elapsed() + PAUSE;
        let milliseconds = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.closed_for.store(milliseconds, Ordering::Relaxed);
    }

    /// Returns whether a connection could not be made a short time ago.
    pub(super) fn has_failed(&self) -> bool {
        let closed_for = Duration::from_millis(self.closed_for.load(Ordering::Relaxed));
        !closed_for.is_zero() && !self.is_open() && self.since.elapsed() < closed_for
    }
}

/// How long calls use the connections that there are before another one is tried again.
const PAUSE: Duration = Duration::from_secs(1);
