use std::fmt;
use std::time::Duration;

#[cfg(feature = "serde")]
use crate::figures::microseconds;
use crate::figures::{Shown, write_figures};

/// The counters of a near cache since it was built.
///
/// `Display` writes one line of `name=value`. Serde (feature `serde`) has the same names, and the
/// `lag` as `lag_us` in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct NearCacheStats {
    /// Reads answered from the cache.
    pub hits: u64,
    /// Reads that asked the server.
    pub misses: u64,
    /// Reads that waited for another one of the same key.
    pub joined: u64,
    /// Values that were not cached, since their key may have changed while they were in flight.
    pub refused: u64,
    /// Keys that were removed because they changed.
    pub invalidations: u64,
    /// How often the cache was emptied because changes may have been missed.
    pub gaps: u64,
    /// The last measured time of a message from this program through the server and back. A change
    /// takes about half of it to arrive.
    #[cfg_attr(feature = "serde", serde(rename = "lag_us", with = "microseconds"))]
    pub lag: Duration,
    /// The number of values, including keys known to have none.
    pub entries: usize,
    /// Whether every served value is known to match the server, up to the bound. `false` while the
    /// cache is disconnected, and if it cannot receive every program's changes
    /// ([`sees_foreign_writes`](crate::Cached::sees_foreign_writes)): then it serves values that
    /// may be outdated.
    pub is_certain: bool,
}

impl fmt::Display for NearCacheStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_figures(
            f,
            &[
                ("hits", &self.hits),
                ("misses", &self.misses),
                ("joined", &self.joined),
                ("refused", &self.refused),
                ("invalidations", &self.invalidations),
                ("gaps", &self.gaps),
                ("lag", &Shown::from(self.lag)),
                ("entries", &self.entries),
                ("is_certain", &self.is_certain),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats() -> NearCacheStats {
        NearCacheStats { hits: 9, lag: Duration::from_micros(250), ..NearCacheStats::default() }
    }

    #[test]
    fn statistics_are_one_line_of_names_and_values() {
        assert_eq!(
            stats().to_string(),
            "hits=9 misses=0 joined=0 refused=0 invalidations=0 gaps=0 lag=250µs entries=0 \
             is_certain=false"
        );
    }

    #[cfg(feature = "json")]
    #[test]
    fn statistics_are_serialized_with_the_lag_in_microseconds() {
        let json = serde_json::to_value(stats()).unwrap();
        assert_eq!((&json["hits"], &json["lag_us"]), (&9.into(), &250.into()));
        assert_eq!(serde_json::from_value::<NearCacheStats>(json).unwrap(), stats());
    }
}
