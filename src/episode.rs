//! Episodes: how long something is out of order, and whether to report that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::lock::Lock;

/// Something that is out of order from time to time. Each episode is reported once, and at most one
/// begins per second, so that what fails and recovers all the time is no flood.
#[derive(Default)]
pub(crate) struct Episode {
    is_on: AtomicBool,
    /// When the last reported one began.
    begun: Lock<Option<Instant>>,
}

impl Episode {
    /// Records that something is out of order. Returns whether to report that.
    pub(crate) fn begins(&self) -> bool {
        if self.is_on() {
            return false;
        }
        let mut begun = self.begun.lock();
        let is_early = begun.is_some_and(|begun| begun.elapsed() < MIN_INTERVAL);
        if is_early || self.is_on.swap(true, Ordering::Relaxed) {
            return false;
        }
        *begun = Some(Instant::now());
        true
    }

    /// Records that all is in order. If a reported episode ends, returns how long it was.
    pub(crate) fn ends(&self) -> Option<Duration> {
        if !self.is_on() {
            return None;
        }
        let begun = self.begun.lock();
        let was_on = self.is_on.swap(false, Ordering::Relaxed);
        begun.filter(|_| was_on).map(|begun| begun.elapsed())
    }

    /// Returns whether a reported episode lasts. One relaxed load.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }
}

const MIN_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_is_reported_once_and_the_next_one_a_second_later() {
        let episode = Episode::default();
        assert_eq!(episode.ends(), None);
        assert_eq!([episode.begins(), episode.begins()], [true, false]);
        assert!(episode.ends().is_some() && episode.ends().is_none());
        assert!(!episode.begins() && episode.ends().is_none(), "it is too early for another");
        *episode.begun.lock() = Instant::now().checked_sub(MIN_INTERVAL);
        assert!(episode.begins() && episode.is_on());
    }
}
