use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
#[cfg(feature = "serde")]
use crate::figures::milliseconds;
use crate::figures::{Shown, write_figures};
use crate::near::{Bounds, Cache, Capacity};

/// Settings of a near cache, for [`RedisDict::cached`](crate::RedisDict::cached) and
/// [`RedisHashDict::cached`](crate::RedisHashDict::cached).
///
/// `Display` writes one line of `name=value`. Serde (feature `serde`) has the names of the methods,
/// and `_ms` after those of times, in milliseconds. `changes` is `tracking`, its default, or
/// `writer_messages`; the `capacity` is an object with `entries` or `bytes`. Names that are left
/// out have their defaults, and unknown ones are refused.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default = "NearCacheSettings::tracking", deny_unknown_fields))]
#[must_use = "nothing is cached before a collection is `cached` by these settings"]
pub struct NearCacheSettings {
    pub(crate) changes: ChangeSource,
    capacity: Capacity,
    #[cfg_attr(feature = "serde", serde(rename = "time_to_live_ms", with = "milliseconds"))]
    time_to_live: Duration,
    #[cfg_attr(feature = "serde", serde(rename = "max_staleness_ms", with = "milliseconds"))]
    staleness: Duration,
    on_disconnect: OnDisconnect,
}

/// The source from which a near cache receives changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum ChangeSource {
    #[cfg_attr(feature = "serde", serde(rename = "tracking"))]
    Server,
    #[cfg_attr(feature = "serde", serde(rename = "writer_messages"))]
    Writers,
}

/// The behavior of a near cache while it may miss changes, because the connection that delivers
/// them is lost or was silent for too long.
///
/// Serde (feature `serde`) writes `ask_server`, `fail`, and `serve_ms` with the milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum OnDisconnect {
    /// Asks the server for everything.
    AskServer,
    /// Serves entries up to this age, and asks the server for the rest.
    #[cfg_attr(feature = "serde", serde(rename = "serve_ms"))]
    Serve(#[cfg_attr(feature = "serde", serde(with = "milliseconds"))] Duration),
    /// Fails reads with [`Error::Disconnected`](crate::Error::Disconnected).
    Fail,
}

impl NearCacheSettings {
    /// The server itself reports changes by any client, including keys that expire, are evicted or
    /// flushed. `CLIENT TRACKING` with `BCAST`.
    pub fn tracking() -> Self {
        Self::receiving(ChangeSource::Server)
    }

    /// The writers publish their changes: those of this crate whose collection is
    /// [`publishing`](crate::RedisDict::publishing), including the cached one itself, and those of
    /// Python whose format the collection has.
    ///
    /// A change of a hash field removes only that field from the cache, where
    /// [`tracking`](Self::tracking) removes all of them. Other writers, and entries that expire or
    /// are evicted, are detected by keyspace notifications if the server has them on or this
    /// program may turn them on; for a hash they remove all fields from the cache. Otherwise their
    /// changes stay undetected for up to the [`time_to_live`](Self::time_to_live). Then a warning
    /// is logged, [`sees_foreign_writes`](crate::Cached::sees_foreign_writes) is `false`, and so is
    /// [`is_certain`](crate::NearCacheStats::is_certain).
    pub fn writer_messages() -> Self {
        Self::receiving(ChangeSource::Writers)
    }

    /// The default settings for this source of changes.
    fn receiving(changes: ChangeSource) -> Self {
        Self {
            changes,
            capacity: Capacity::Entries(10_000),
            time_to_live: Duration::from_secs(600),
            staleness: Duration::from_secs(3),
            on_disconnect: OnDisconnect::AskServer,
        }
    }

    /// Sets the maximum number of entries, including keys known to have no value. Defaults to
    /// 10,000.
    pub fn capacity(mut self, entries: u64) -> Self {
        self.capacity = Capacity::Entries(entries);
        self
    }

    /// Sets the approximate maximum size of keys and stored values in bytes, instead of a number of
    /// entries.
    pub fn capacity_in_bytes(mut self, bytes: u64) -> Self {
        self.capacity = Capacity::Bytes(bytes);
        self
    }

    /// Sets how long a value is kept at most. Defaults to 10 minutes. A value whose key expires
    /// sooner is kept as long as its key.
    pub fn time_to_live(mut self, time: Duration) -> Self {
        self.time_to_live = time;
        self
    }

    /// Sets how stale a served value may be, whatever happens to the connection. Defaults to 3
    /// seconds; at least 200 milliseconds.
    ///
    /// In normal operation a change arrives in about a round trip. This is how long a dead
    /// connection may go undetected. Four times in this period the cache verifies by a small
    /// transaction that it still receives the server's messages.
    pub fn max_staleness(mut self, time: Duration) -> Self {
        self.staleness = time;
        self
    }

    /// Sets the behavior while the cache is disconnected. Defaults to [`OnDisconnect::AskServer`].
    pub fn on_disconnect(mut self, policy: OnDisconnect) -> Self {
        self.on_disconnect = policy;
        self
    }

    /// Builds an empty cache with these limits, or reports a setting that cannot be used.
    pub(crate) fn cache<V: Send + Sync + 'static>(&self) -> Result<Arc<Cache<V>>> {
        let grace = match self.on_disconnect {
            OnDisconnect::Serve(time) => time,
            OnDisconnect::AskServer | OnDisconnect::Fail => Duration::ZERO,
        };
        let capacity = match self.capacity {
            Capacity::Entries(count) | Capacity::Bytes(count) => count,
        };
        let problem = if self.staleness < SHORTEST_STALENESS {
            "the staleness of a near cache is at least 200 milliseconds"
        } else if capacity == 0 || self.time_to_live.is_zero() {
            "the capacity and the time to live of a near cache are more than zero"
        } else {
            let bounds = Bounds {
                capacity: self.capacity,
                time_to_live: self.time_to_live,
                staleness: self.staleness,
                grace,
            };
            return Ok(Arc::new(Cache::new(bounds)));
        };
        Err(Error::Configuration(problem.into()))
    }

    /// Whether reads fail while the cache is disconnected.
    pub(crate) fn refuses(&self) -> bool {
        self.on_disconnect == OnDisconnect::Fail
    }

    /// How long the feed's servers may be silent.
    pub(crate) fn silence(&self) -> Duration {
        self.staleness
    }

    /// Two heartbeats and their round trips must fit into the time.
    pub(crate) fn beat(&self) -> Duration {
        self.staleness / 4
    }
}

impl fmt::Display for NearCacheSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes = match self.changes {
            ChangeSource::Server => "tracking",
            ChangeSource::Writers => "writer_messages",
        };
        let (capacity, limit) = match self.capacity {
            Capacity::Entries(entries) => ("capacity", entries),
            Capacity::Bytes(bytes) => ("capacity_in_bytes", bytes),
        };
        write_figures(
            f,
            &[
                ("changes", &changes),
                (capacity, &limit),
                ("time_to_live", &Shown::from(self.time_to_live)),
                ("max_staleness", &Shown::from(self.staleness)),
                ("on_disconnect", &self.on_disconnect),
            ],
        )
    }
}

impl fmt::Display for OnDisconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OnDisconnect::AskServer => f.write_str("ask_server"),
            OnDisconnect::Serve(time) => write!(f, "serve({})", Shown::from(*time)),
            OnDisconnect::Fail => f.write_str("fail"),
        }
    }
}

/// The clock of the cache is coarse.
const SHORTEST_STALENESS: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_cache_has_its_defaults() {
        for cache in [NearCacheSettings::tracking(), NearCacheSettings::writer_messages()] {
            assert_eq!(cache.staleness, Duration::from_secs(3));
            assert_eq!(cache.beat(), cache.staleness / 4);
            assert_eq!(cache.time_to_live, Duration::from_secs(600));
            assert_eq!(cache.on_disconnect, OnDisconnect::AskServer);
        }
    }

    #[test]
    fn settings_are_one_line_of_names_and_values() {
        let second = Duration::from_secs(1);
        let own = NearCacheSettings::writer_messages()
            .capacity_in_bytes(7)
            .on_disconnect(OnDisconnect::Serve(second));
        for (settings, line) in [
            (
                NearCacheSettings::tracking().on_disconnect(OnDisconnect::Fail),
                "changes=tracking capacity=10000 time_to_live=600s max_staleness=3s \
                 on_disconnect=fail",
            ),
            (
                own,
                "changes=writer_messages capacity_in_bytes=7 time_to_live=600s max_staleness=3s \
                 on_disconnect=serve(1s)",
            ),
        ] {
            assert_eq!(settings.to_string(), line);
        }
    }

    #[cfg(feature = "json")]
    #[test]
    fn settings_are_read_from_the_names_of_their_methods() {
        let second = Duration::from_secs(1);
        let settings = NearCacheSettings::writer_messages()
            .capacity_in_bytes(7)
            .time_to_live(second * 2)
            .max_staleness(second * 3)
            .on_disconnect(OnDisconnect::Serve(second));
        let json = r#"{"changes":"writer_messages","capacity":{"bytes":7},
            "time_to_live_ms":2000,"max_staleness_ms":3000,"on_disconnect":{"serve_ms":1000}}"#;
        let read = |json: &str| serde_json::from_str::<NearCacheSettings>(json);
        assert_eq!(format!("{:?}", read(json).unwrap()), format!("{settings:?}"));
        let written = serde_json::to_string(&settings).unwrap();
        assert_eq!(format!("{:?}", read(&written).unwrap()), format!("{settings:?}"));
        let defaults = NearCacheSettings::tracking();
        assert_eq!(format!("{:?}", read("{}").unwrap()), format!("{defaults:?}"));
        assert!(read(r#"{"staleness": 1}"#).is_err(), "no such name");
    }
}
