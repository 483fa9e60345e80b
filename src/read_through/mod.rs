//! Read-through caches: values that are loaded by the user's function unless Redis has them.

mod cache_client;
mod engine;
mod hash_cache_client;
mod policy;
mod shared;

pub use self::cache_client::CacheClient;
#[cfg(test)]
pub(crate) use self::engine::read_id;
pub use self::engine::{Loaded, LoadedMany, ReadThroughStats};
pub use self::hash_cache_client::HashCacheClient;
pub use self::policy::CachePolicy;

/// The keys of one id in a cache of this name and kind, if there can be any.
#[cfg(test)]
pub(crate) fn keys_of(name: &[u8], kind: &str, id: &[u8]) -> Vec<Vec<u8>> {
    let Ok(prefix) = cache_client::own_prefix(&name.into(), kind) else { return Vec::new() };
    let spot = engine::Names::Own.string(&prefix, id.to_vec());
    spot.map_or(Vec::new(), |spot| vec![spot.aside(), spot.key])
}
