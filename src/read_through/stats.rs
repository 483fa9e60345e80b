use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[cfg(feature = "serde")]
use crate::figures::microseconds;
use crate::figures::{Shown, write_figures};
#[cfg(feature = "metrics")]
use crate::time::clock;

/// The statistics of a read-through cache in this program.
///
/// `Display` writes one line of `name=value`. Serde (feature `serde`) has the same names, and the
/// `load_time` as `load_time_us` in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct ReadThroughStats {
    /// Values that were served without loading them, including absent ones.
    pub hits: u64,
    /// Values that had to be loaded, by this program or another one.
    pub misses: u64,
    /// Misses that joined a load of this program.
    pub joined: u64,
    /// Misses that waited for a load of another program.
    pub waited: u64,
    /// Values that loaders were called for, including background loads.
    pub loads: u64,
    /// Values that loaders failed to return.
    pub load_errors: u64,
    /// Background loads that were started.
    pub refreshes: u64,
    /// Old values that were served because loading failed or had only begun.
    pub stale: u64,
    /// Loaded values that were not stored because they were deleted or set meanwhile.
    pub outdated: u64,
    /// Stored bytes that could not be decoded, and were replaced.
    pub undecodable: u64,
    /// Times that Redis was unavailable.
    pub without_redis: u64,
    /// The mean time of the loads; later ones count more.
    #[cfg_attr(feature = "serde", serde(rename = "load_time_us", with = "microseconds"))]
    pub load_time: Duration,
}

impl fmt::Display for ReadThroughStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_figures(
            f,
            &[
                ("hits", &self.hits),
                ("misses", &self.misses),
                ("joined", &self.joined),
                ("waited", &self.waited),
                ("loads", &self.loads),
                ("load_errors", &self.load_errors),
                ("refreshes", &self.refreshes),
                ("stale", &self.stale),
                ("outdated", &self.outdated),
                ("undecodable", &self.undecodable),
                ("without_redis", &self.without_redis),
                ("load_time", &Shown::from(self.load_time)),
            ],
        )
    }
}

/// The counters behind [`ReadThroughStats`], shared by the clones of a cache.
#[derive(Default)]
pub(crate) struct ReadThroughCounters {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) joined: AtomicU64,
    pub(crate) waited: AtomicU64,
    pub(crate) loads: AtomicU64,
    pub(crate) load_errors: AtomicU64,
    pub(crate) refreshes: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) outdated: AtomicU64,
    pub(crate) undecodable: AtomicU64,
    pub(crate) without_redis: AtomicU64,
    /// In microseconds.
    load_time: AtomicU64,
    #[cfg(feature = "metrics")]
    pub(crate) reported: AtomicU64,
}

impl ReadThroughCounters {
    pub(crate) fn stats(&self) -> ReadThroughStats {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ReadThroughStats {
            hits: load(&self.hits),
            misses: load(&self.misses),
            joined: load(&self.joined),
            waited: load(&self.waited),
            loads: load(&self.loads),
            load_errors: load(&self.load_errors),
            refreshes: load(&self.refreshes),
            stale: load(&self.stale),
            outdated: load(&self.outdated),
            undecodable: load(&self.undecodable),
            without_redis: load(&self.without_redis),
            load_time: Duration::from_micros(load(&self.load_time)),
        }
    }

    /// Counts loaded values, and updates the mean load time.
    pub(crate) fn loaded(&self, values: usize, time: Duration) {
        raise_by(&self.loads, values as u64);
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX) / values.max(1) as u64;
        // Of two loads that end at the same time, one may not count.
        let mean = match self.load_time.load(Ordering::Relaxed) {
            0 => time,
            mean => mean - mean / 8 + time / 8,
        };
        self.load_time.store(mean.max(1), Ordering::Relaxed);
    }

    /// Returns the mean load time in milliseconds.
    pub(crate) fn load_time(&self) -> i64 {
        (self.load_time.load(Ordering::Relaxed) / 1000) as i64
    }
}

pub(crate) fn raise(count: &AtomicU64) {
    raise_by(count, 1);
}

pub(crate) fn raise_by(count: &AtomicU64, by: u64) {
    count.fetch_add(by, Ordering::Relaxed);
}

/// Returns whether the last time was more than a second ago; if so, sets it to now.
#[cfg(feature = "metrics")]
pub(crate) fn is_due(last: &AtomicU64) -> bool {
    let (now, last_time) = (clock::now(), last.load(Ordering::Relaxed));
    let is_over = last_time == 0 || now.saturating_sub(last_time) >= 1000;
    let swap = || last.compare_exchange(last_time, now, Ordering::Relaxed, Ordering::Relaxed);
    is_over && swap().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats() -> ReadThroughStats {
        let load_time = Duration::from_micros(1500);
        ReadThroughStats { loads: 2, load_time, ..ReadThroughStats::default() }
    }

    #[test]
    fn statistics_are_one_line_of_names_and_values() {
        assert_eq!(
            stats().to_string(),
            "hits=0 misses=0 joined=0 waited=0 loads=2 load_errors=0 refreshes=0 stale=0 \
             outdated=0 undecodable=0 without_redis=0 load_time=1.5ms"
        );
    }

    #[cfg(feature = "json")]
    #[test]
    fn statistics_are_serialized_with_the_load_time_in_microseconds() {
        let json = serde_json::to_value(stats()).unwrap();
        assert_eq!((&json["loads"], &json["load_time_us"]), (&2.into(), &1500.into()));
        assert_eq!(serde_json::from_value::<ReadThroughStats>(json).unwrap(), stats());
    }
}
