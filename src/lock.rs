//! Locks that survive a panic of their holder.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex without poisoning. Its value is consistent whenever the lock is free, and no holder does
/// I/O. A `Mutex` stays where a `Condvar` needs one, and a `RwLock` where many read at once.
#[derive(Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
