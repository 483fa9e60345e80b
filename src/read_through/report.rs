//! Statistics for the `metrics` facade.

use metrics::{counter, gauge};

use super::stats::{ReadThroughCounters, ReadThroughStats, is_due};

impl ReadThroughCounters {
    /// Reports to the `metrics` facade, at most once per second.
    pub(crate) fn report(&self, name: &str) {
        if is_due(&self.reported) {
            report(name, &self.stats());
        }
    }
}

/// Passes the totals of the cache `name` to the program's recorder, if it has one.
fn report(name: &str, stats: &ReadThroughStats) {
    for (metric, count) in [
        ("redis_collections_read_through_hits", stats.hits),
        ("redis_collections_read_through_misses", stats.misses),
        ("redis_collections_read_through_joined", stats.joined),
        ("redis_collections_read_through_waited", stats.waited),
        ("redis_collections_read_through_loads", stats.loads),
        ("redis_collections_read_through_load_errors", stats.load_errors),
        ("redis_collections_read_through_refreshes", stats.refreshes),
        ("redis_collections_read_through_stale", stats.stale),
        ("redis_collections_read_through_outdated", stats.outdated),
        ("redis_collections_read_through_undecodable", stats.undecodable),
        ("redis_collections_read_through_without_redis", stats.without_redis),
    ] {
        counter!(metric, "cache" => name.to_owned()).absolute(count);
    }
    gauge!("redis_collections_read_through_load_seconds", "cache" => name.to_owned())
        .set(stats.load_time.as_secs_f64());
}
