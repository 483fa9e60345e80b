//! Statistics for the `metrics` facade.

use metrics::{counter, gauge};

use super::stats::NearCacheStats;

/// Reports the counters of the cache `name` to the program's recorder, if there is one.
pub(super) fn report(name: &str, stats: &NearCacheStats) {
    for (metric, count) in [
        ("redis_collections_cache_hits", stats.hits),
        ("redis_collections_cache_misses", stats.misses),
        ("redis_collections_cache_joined", stats.joined),
        ("redis_collections_cache_refused", stats.refused),
        ("redis_collections_cache_invalidations", stats.invalidations),
        ("redis_collections_cache_gaps", stats.gaps),
    ] {
        counter!(metric, "cache" => name.to_owned()).absolute(count);
    }
    for (metric, value) in [
        ("redis_collections_cache_lag_seconds", stats.lag.as_secs_f64()),
        ("redis_collections_cache_entries", stats.entries as f64),
        ("redis_collections_cache_is_certain", f64::from(u8::from(stats.is_certain))),
    ] {
        gauge!(metric, "cache" => name.to_owned()).set(value);
    }
}
