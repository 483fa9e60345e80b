//! Read-through caches: values that are loaded by the user's function unless Redis has them.
//!
//! `engine` is the way of a call, `waiting` where it waits, `load` the way of a load; `commands` and the
//! Lua beside it are what the server does, and `sending` repeats what was lost; `flights` are loads that
//! callers share, `failures` those that failed, `nesting` those that wait for each other; `freshness` says
//! what may be served.

mod cache_client;
mod commands;
mod engine;
mod failures;
mod flights;
mod flying;
mod freshness;
mod get;
mod hash_cache_client;
mod load;
mod loader;
#[cfg(feature = "near-cache")]
mod near;
mod nesting;
mod policy;
mod pyredis;
#[cfg(feature = "metrics")]
mod report;
mod seen;
mod sending;
mod shared;
mod spot;
mod stats;
mod waiting;

pub use cache_client::CacheClient;
pub use hash_cache_client::HashCacheClient;
pub use loader::{Loaded, LoadedMany};
pub use policy::CachePolicy;
#[cfg(test)]
pub(crate) use pyredis::read_id;
pub use stats::ReadThroughStats;

/// The keys of one id in a cache of this name and kind, if there can be any.
#[cfg(test)]
pub(crate) fn keys_of(name: &[u8], kind: &str, id: &[u8]) -> Vec<Vec<u8>> {
    let Ok(prefix) = cache_client::own_prefix(&name.into(), kind) else { return Vec::new() };
    let spot = spot::Names::Own.string(&prefix, id.to_vec());
    spot.map_or(Vec::new(), |spot| vec![spot.aside(), spot.key])
}

/// A name that nobody has had: of those who may store what they load.
fn generation() -> String {
    format!("{:032x}", fastrand::u128(..))
}
