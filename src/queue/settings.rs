use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::shared_settings::{MIN_LEASE, SharedSettings, StoredSettings};
#[cfg(feature = "serde")]
use crate::figures::milliseconds;
use crate::figures::{Shown, write_figures};

/// Settings of a [`WorkQueue`](crate::WorkQueue) for its jobs.
///
/// The lease, the number of deliveries and the capacity of the dead-letter queue belong to the
/// queue. Explicit settings are stored beside it when the program's first consumer begins, and
/// replace those of other programs. They apply to all programs, including running ones within a
/// third of a lease. Defaults never replace stored settings. A program that replaces the settings
/// of another logs a warning, and so does the other;
/// [`QueueStats::settings_replaced`](crate::QueueStats::settings_replaced) counts how often that
/// happened. While a lease is being shortened some jobs may be delivered twice.
///
/// `Display` writes one line of `name=value`. Serde (feature `serde`) has the names of the methods,
/// `longest_backoff` for the second argument of `backoff`, and `_ms` after those of times, in
/// milliseconds. Names that are left out have their defaults, and unknown ones are refused.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[must_use = "settings do nothing before a queue is made `with` them"]
pub struct QueueSettings {
    #[cfg_attr(feature = "serde", serde(rename = "lease_ms", with = "milliseconds"))]
    lease: Option<Duration>,
    max_deliveries: Option<u32>,
    dead_capacity: Option<usize>,
    #[cfg_attr(feature = "serde", serde(rename = "backoff_ms", with = "milliseconds"))]
    pub(super) backoff: Duration,
    #[cfg_attr(feature = "serde", serde(rename = "longest_backoff_ms", with = "milliseconds"))]
    pub(super) longest_backoff: Duration,
    #[cfg_attr(feature = "serde", serde(rename = "bury_undecodable"))]
    pub(super) buries_undecodable: bool,
}

impl QueueSettings {
    /// The default settings.
    pub fn new() -> Self {
        Self {
            lease: None,
            max_deliveries: None,
            dead_capacity: None,
            backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_secs(600),
            buries_undecodable: false,
        }
    }

    /// Sets how long a consumer may go without a heartbeat before its jobs go to others. Defaults
    /// to 30 seconds; at least half a second.
    ///
    /// A thread renews the lease every third of this time, for as long as the program lives. The
    /// lease does not limit how long a job may take.
    pub fn lease(mut self, time: Duration) -> Self {
        self.lease = Some(time);
        self
    }

    /// Sets how often a job is delivered before it goes to the dead-letter queue. Defaults to 5.
    /// [`Job::deliveries`](crate::Job::deliveries) counts deliveries that ended without `done`; it
    /// is 0 at the first, and one less than this at the last.
    ///
    /// If a consumer is lost, with a program that crashes or is killed, a delivery counts if the
    /// server knew that the job had begun. It knows that of a job that has run for a tenth of a
    /// second, and of every job that a lost consumer once held. So a job that crashes its program
    /// immediately is delivered once more than this, and no other job of its batch goes to the
    /// dead-letter queue. A worker runs a job alone if its next loss would be its last.
    pub fn max_deliveries(mut self, times: u32) -> Self {
        self.max_deliveries = Some(times);
        self
    }

    /// Sets how many dead jobs are kept, the latest ones. Defaults to 10,000.
    pub fn dead_capacity(mut self, jobs: usize) -> Self {
        self.dead_capacity = Some(jobs);
        self
    }

    /// Sets how long a job that failed in a worker waits for its next delivery: about `first`, then
    /// twice as long each time, up to `longest`. Defaults to 1 second and 10 minutes. The consumer
    /// that had the job checks when it is due. Others check once a second, which is how late it may
    /// be where that consumer is busy or has ended.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        (self.backoff, self.longest_backoff) = (first, longest);
        self
    }

    /// Sends bytes that cannot be decoded to the dead-letter queue immediately. By default they are
    /// retried like a job that failed, since a newer program may be able to decode them.
    pub fn bury_undecodable(mut self) -> Self {
        self.buries_undecodable = true;
        self
    }

    /// The settings that apply if nothing else is stored beside the queue.
    pub(super) fn shared(&self) -> SharedSettings {
        SharedSettings {
            lease: self.lease.unwrap_or(DEFAULT_LEASE),
            max_deliveries: self.max_deliveries.unwrap_or(5),
            dead_capacity: self.explicit_dead_capacity().unwrap_or(10_000),
        }
    }

    /// The settings that apply: these, unless others are stored.
    pub(super) fn effective(&self, [lease, deliveries, dead]: StoredSettings) -> SharedSettings {
        let own = self.shared();
        let deliveries = deliveries.and_then(|number| u32::try_from(number).ok());
        SharedSettings {
            lease: lease.map_or(own.lease, Duration::from_millis).max(MIN_LEASE),
            max_deliveries: deliveries.unwrap_or(own.max_deliveries),
            dead_capacity: dead
                .and_then(|number| number.try_into().ok())
                .unwrap_or(own.dead_capacity),
        }
    }

    /// The explicit ones among the settings that programs share.
    pub(super) fn stored(&self) -> StoredSettings {
        let lease = self.lease.and_then(|lease| u64::try_from(lease.as_millis()).ok());
        let dead = self.explicit_dead_capacity().and_then(|jobs| u64::try_from(jobs).ok());
        [lease, self.max_deliveries.map(u64::from), dead]
    }

    /// The capacity of the dead-letter queue, if it is explicit.
    fn explicit_dead_capacity(&self) -> Option<usize> {
        self.dead_capacity.map(|jobs| jobs.min(MAX_DEAD_CAPACITY))
    }

    /// The reason why these settings cannot be used, if there is one.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let SharedSettings { lease, max_deliveries, dead_capacity } = self.shared();
        if lease < MIN_LEASE {
            Some("the lease of a work queue is at least half a second")
        } else if lease > MAX_TIME || self.longest_backoff > MAX_TIME {
            Some("the lease and the backoff of a work queue are at most 100 days")
        } else if max_deliveries == 0 || dead_capacity == 0 {
            Some("max_deliveries and dead_capacity must be greater than zero")
        } else if self.backoff.is_zero() || self.backoff > self.longest_backoff {
            Some("the backoff of a work queue is more than zero and no more than its longest")
        } else {
            None
        }
    }

    /// Returns the backoff after so many failures: between three quarters and five quarters of the
    /// average, so that jobs that failed together do not come back together.
    pub(super) fn pause(&self, deliveries: u32) -> Duration {
        let doubled = self.backoff.saturating_mul(1 << deliveries.min(30));
        doubled.min(self.longest_backoff).mul_f64(spread(0.25))
    }
}

impl fmt::Display for QueueSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SharedSettings { lease, max_deliveries, dead_capacity } = self.shared();
        write_figures(
            f,
            &[
                ("lease", &Shown::from(lease)),
                ("max_deliveries", &max_deliveries),
                ("dead_capacity", &dead_capacity),
                ("backoff", &Shown::from(self.backoff)),
                ("longest_backoff", &Shown::from(self.longest_backoff)),
                ("bury_undecodable", &self.buries_undecodable),
            ],
        )
    }
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns a random factor that differs from one by up to `width`.
pub(super) fn spread(width: f64) -> f64 {
    let random = RandomState::new().hash_one(0) >> 32;
    1.0 + width * (random as f64 / f64::from(u32::MAX) * 2.0 - 1.0)
}

/// The capacity to which larger ones are cut: scripts write much larger numbers in a form that no
/// command accepts.
const MAX_DEAD_CAPACITY: usize = u32::MAX as usize;
const DEFAULT_LEASE: Duration = Duration::from_secs(30);
/// The longest lease and backoff that settings may have.
const MAX_TIME: Duration = Duration::from_secs(100 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_settings_are_rejected() {
        let ms = Duration::from_millis;
        let settings = QueueSettings::new;
        assert_eq!(settings().problem(), None);
        assert_eq!(settings().lease(ms(500)).backoff(ms(1), ms(1)).problem(), None);
        for nonsense in [
            settings().lease(Duration::ZERO),
            settings().lease(Duration::MAX),
            settings().max_deliveries(0),
            settings().dead_capacity(0),
            settings().backoff(Duration::ZERO, ms(1)),
            settings().backoff(ms(2), ms(1)),
            settings().backoff(ms(2), Duration::MAX),
        ] {
            assert!(nonsense.problem().is_some(), "{nonsense:?}");
        }
    }

    #[test]
    fn a_queue_has_its_defaults() {
        let shared = QueueSettings::new().shared();
        assert_eq!((shared.lease, shared.max_deliveries), (Duration::from_secs(30), 5));
    }

    #[test]
    fn settings_are_one_line_of_names_and_values() {
        let settings = QueueSettings::new().lease(Duration::from_millis(1500)).bury_undecodable();
        assert_eq!(
            settings.to_string(),
            "lease=1.5s max_deliveries=5 dead_capacity=10000 backoff=1s longest_backoff=600s \
             bury_undecodable=true"
        );
    }

    #[cfg(feature = "json")]
    #[test]
    fn settings_are_read_from_the_names_of_their_methods() {
        let read = |json: &str| serde_json::from_str::<QueueSettings>(json);
        let settings = QueueSettings::new().lease(Duration::from_secs(5)).max_deliveries(2);
        assert_eq!(read(r#"{"lease_ms": 5000, "max_deliveries": 2}"#).unwrap(), settings);
        assert_eq!(read("{}").unwrap(), QueueSettings::new());
        assert!(read(r#"{"lease": 5000}"#).is_err(), "no such name");
        assert_eq!(read(&serde_json::to_string(&settings).unwrap()).unwrap(), settings);
        let large = read(r#"{"dead_capacity": 18446744073709551615}"#).unwrap();
        assert_eq!(large.stored()[2], Some(u32::MAX.into()), "cut like that of the method");
    }

    #[test]
    fn pauses_grow_up_to_the_longest_and_are_spread() {
        let settings = QueueSettings::new();
        for (deliveries, seconds) in [(0, 1.0), (1, 2.0), (5, 32.0), (10, 600.0), (u32::MAX, 600.0)]
        {
            let pauses: Vec<_> =
                (0..100).map(|_| settings.pause(deliveries).as_secs_f64()).collect();
            let bounds = seconds * 0.749..seconds * 1.251;
            assert!(pauses.iter().all(|pause| bounds.contains(pause)), "{deliveries} {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        }
    }
}
