//! Remembered load errors.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::entry_location::EntryLocation;

/// Failed loads, bounded in number and size. The oldest is dropped first.
pub(crate) struct Failures<T> {
    failures: HashMap<Arc<EntryLocation>, RecentFailure<T>>,
    /// In the order of arrival. Entries may have been removed or replaced since.
    order: VecDeque<QueuedFailure>,
    /// The size of all entries in `order`.
    bytes: usize,
    number: u64,
}

/// An entry in the order of arrival.
struct QueuedFailure {
    location: Arc<EntryLocation>,
    number: u64,
    bytes: usize,
}

/// A failed load, kept until its time is over.
struct RecentFailure<T> {
    what: T,
    until: Instant,
    number: u64,
}

impl<T> Failures<T> {
    pub(crate) fn new() -> Self {
        Self { failures: HashMap::new(), order: VecDeque::new(), bytes: 0, number: 0 }
    }

    /// Returns the failure of a load, if it is still remembered.
    pub(crate) fn get(&mut self, location: &EntryLocation, now: Instant) -> Option<&T> {
        self.drop_old(now);
        let failure = self.failures.get(location).filter(|failure| now < failure.until)?;
        Some(&failure.what)
    }

    /// Adds a failure, which has this many `bytes`.
    pub(super) fn insert(
        &mut self,
        location: EntryLocation,
        (what, bytes): (T, usize),
        now: Instant,
        until: Instant,
    ) {
        self.number += 1;
        let (location, number) = (Arc::new(location), self.number);
        // The key must be the one in `order`: that of an older failure is removed with it.
        self.failures.remove(&location);
        self.failures.insert(location.clone(), RecentFailure { what, until, number });
        let bytes = location.bytes().saturating_add(bytes).saturating_add(OVERHEAD);
        self.bytes = self.bytes.saturating_add(bytes);
        self.order.push_back(QueuedFailure { location, number, bytes });
        self.drop_old(now);
    }

    pub(crate) fn remove(&mut self, location: &EntryLocation) {
        self.failures.remove(location);
    }

    /// Drops the failures of all other locations.
    pub(crate) fn retain(&mut self, kept: impl Fn(&EntryLocation) -> bool) {
        self.failures.retain(|location, _| kept(location));
    }

    /// Drops expired entries at the front, and the oldest ones beyond the limits.
    fn drop_old(&mut self, now: Instant) {
        while let Some(QueuedFailure { location, number, bytes }) = self.order.front() {
            let own = self.failures.get(location).filter(|failure| failure.number == *number);
            let is_too_much = self.order.len() > MAX_FAILURES || self.bytes > MAX_BYTES;
            if own.is_some_and(|failure| now < failure.until) && !is_too_much {
                return;
            }
            if own.is_some() {
                self.failures.remove(location);
            }
            self.bytes = self.bytes.saturating_sub(*bytes);
            self.order.pop_front();
        }
        // Frees the memory of a table that is empty now.
        *self = Self { number: self.number, ..Self::new() };
    }
}

const MAX_FAILURES: usize = 100_000;
const MAX_BYTES: usize = 32 << 20;

/// The approximate size of an entry besides its id and its error.
const OVERHEAD: usize = 300;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::entry_location::Names;
    use super::*;

    fn location(id: usize, length: usize) -> EntryLocation {
        Names::Own.string(b"c:", format!("{id:0length$}").into()).unwrap()
    }

    #[test]
    fn the_oldest_failures_are_evicted_first() {
        for (length, bytes, fit) in [
            (8, 0, MAX_FAILURES),
            (20_000, 0, MAX_BYTES / (40_002 + OVERHEAD)),
            (8, 100_000, MAX_BYTES / (100_018 + OVERHEAD)),
        ] {
            let (mut failures, now) = (Failures::new(), Instant::now());
            let until = now + Duration::from_secs(1);
            for id in 0..fit + 10 {
                failures.insert(location(id, length), (id, bytes), now, until);
            }
            for (id, found) in [(0, false), (9, false), (10, true), (fit + 9, true)] {
                assert_eq!(
                    failures.get(&location(id, length), now).copied(),
                    Some(id).filter(|_| found)
                );
            }
            assert_eq!((failures.failures.len(), failures.order.len()), (fit, fit));
        }
    }

    #[test]
    fn expired_failures_are_dropped() {
        let (mut failures, now) = (Failures::new(), Instant::now());
        let (soon, later) = (now + Duration::from_millis(50), now + Duration::from_secs(60));
        for id in 0..1000 {
            failures.insert(location(id, 8), (id, 0), now, soon);
        }
        failures.insert(location(0, 8), (1, 0), now, later);
        assert_eq!(failures.get(&location(1, 8), now), Some(&1));
        assert_eq!(failures.get(&location(1, 8), soon), None);
        assert_eq!(failures.get(&location(0, 8), soon), Some(&1), "it failed again");
        assert_eq!((failures.failures.len(), failures.order.len()), (1, 1));
        assert_eq!(failures.get(&location(0, 8), later), None);
        assert_eq!((failures.bytes, failures.failures.capacity()), (0, 0));
    }

    #[test]
    fn removed_failures_are_not_returned() {
        let (mut failures, now) = (Failures::new(), Instant::now());
        let later = now + Duration::from_secs(60);
        for id in 0..3 {
            failures.insert(location(id, 8), (id, 0), now, later);
        }
        failures.remove(&location(0, 8));
        failures.retain(|kept| *kept != location(1, 8));
        let found = [0, 1, 2].map(|id| failures.get(&location(id, 8), now).is_some());
        assert_eq!(found, [false, false, true]);
    }
}
