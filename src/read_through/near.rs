//! The near cache in front of a read-through cache.

use super::commands::Mode;
use super::engine::Seen;
use super::freshness::{Age, Freshness};
use super::spot::Spot;
use crate::codec::Codec;
use crate::collections::{Cached, NearCache, RedisDict};
use crate::error::{Error, Result};
use crate::executor::RoundTrips;
use crate::near::CacheStats;

/// A near cache of all values that are fresh.
pub(super) struct Near<V: Codec<Owned: Sync>, E: RoundTrips> {
    cached: Cached<RedisDict<Vec<u8>, V, E>>,
    prefix: usize,
}

impl<V: Codec<Owned: Sync>, E: RoundTrips> Near<V, E> {
    pub(super) async fn open(
        executor: E,
        prefix: Vec<u8>,
        freshness: Freshness,
        settings: NearCache,
    ) -> Result<Self> {
        let dict = RedisDict::of_cache(&executor, &prefix);
        let margin = u64::try_from(freshness.margin()).unwrap_or_default();
        let cached = Cached::open_with_margin(dict, settings, margin).await?;
        Ok(Self { cached, prefix: prefix.len() })
    }

    /// What it has of `spots`, or the server; nothing where that cannot be decoded.
    pub(super) async fn see(&self, spots: &[Spot]) -> Result<Option<Vec<Seen<V::Owned>>>> {
        let key = |spot: &Spot| spot.key[self.prefix..].into();
        match self.cached.read(spots.iter().map(key).collect()).await {
            Ok(found) => Ok(Some(found.into_iter().map(seen).collect())),
            Err(Error::Decode { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn cached(&self) -> &Cached<RedisDict<Vec<u8>, V, E>> {
        &self.cached
    }

    pub(super) fn stats(&self) -> CacheStats {
        self.cached.stats()
    }
}

impl<V: Codec<Owned: Sync>, E: RoundTrips> Clone for Near<V, E> {
    fn clone(&self) -> Self {
        Self { cached: self.cached.clone(), prefix: self.prefix }
    }
}

fn seen<T>(found: Option<std::sync::Arc<T>>) -> Seen<T> {
    match found {
        Some(value) => Seen::Found(Some(value), Age::Fresh),
        None => Seen::Missing(Mode::Missing),
    }
}
