//! Read-through caches: values that a user-defined function loads unless Redis has them.

mod cache_client;
mod engine;
mod freshness;
mod hash_cache_client;
mod loader;
#[cfg(feature = "near-cache")]
mod near;
mod policy;
mod prefix;
mod pyredis;
#[cfg(feature = "metrics")]
mod report;
mod shared;
mod stats;

pub use self::cache_client::CacheClient;
pub use self::hash_cache_client::HashCacheClient;
pub use self::loader::{Loaded, LoadedMany};
pub use self::policy::CachePolicy;
#[cfg(test)]
pub(crate) use self::pyredis::read_id;
pub use self::stats::ReadThroughStats;

/// Returns the keys of one id in a cache of this name and kind, if there can be any.
#[cfg(test)]
pub(crate) fn keys_of(name: &[u8], kind: &str, id: &[u8]) -> Vec<Vec<u8>> {
    let Ok(prefix) = prefix::own_prefix(&name.into(), kind) else { return Vec::new() };
    let location = engine::Names::Own.string(&prefix, id.to_vec());
    location.map_or(Vec::new(), |location| vec![location.lease_key(), location.key])
}
