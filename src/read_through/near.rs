//! The near cache in front of a read-through cache.

use super::engine::EntryLocation;
use super::engine::Lookup;
use super::engine::Mode;
use super::freshness::{Age, Freshness};
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::collections::{Cached, NearCacheSettings, RedisDict};
use crate::error::{Error, Result};
use crate::near::NearCacheStats;

/// A near cache of all values that are fresh.
pub(crate) struct NearLayer<V: Codec<Owned: Sync>, E: RoundTrips> {
    cached: Cached<RedisDict<Vec<u8>, V, E>>,
    prefix: usize,
    /// How long before the server drops them its values expire.
    margin: i64,
    /// Whether one of its values may be due for an early refresh.
    is_early: bool,
}

impl<V: Codec<Owned: Sync>, E: RoundTrips> NearLayer<V, E> {
    /// Opens a near cache whose values expire as soon as they may no longer be fresh.
    pub(crate) async fn open(
        executor: E,
        prefix: Vec<u8>,
        freshness: Freshness,
        settings: NearCacheSettings,
    ) -> Result<Self> {
        let dict = RedisDict::of_cache(&executor, &prefix);
        let (margin, is_early) = (freshness.margin(), freshness.early > 0.0);
        let most = u64::try_from(margin).unwrap_or_default();
        let cached = Cached::open_with_margin(dict, settings, most).await?;
        Ok(Self { cached, prefix: prefix.len(), margin, is_early })
    }

    /// Looks up `locations` in the near cache, and then on the server. `age` returns the age of a
    /// value that the server drops after this time. `None` if a value cannot be decoded.
    pub(crate) async fn lookup(
        &self,
        locations: &[EntryLocation],
        age: impl Fn(i64) -> Age,
    ) -> Result<Option<Vec<Lookup<V::Owned>>>> {
        let key = |location: &EntryLocation| self.key(location).into();
        let found = match self.cached.read(locations.iter().map(key).collect()).await {
            Ok(found) => found,
            Err(Error::Decode { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let seen = |(found, location)| match found {
            Some(value) if self.is_early => Lookup::Found(Some(value), age(self.left(location))),
            Some(value) => Lookup::Found(Some(value), Age::Fresh),
            None => Lookup::Missing(Mode::Missing),
        };
        Ok(Some(found.into_iter().zip(locations).map(seen).collect()))
    }

    /// Returns after how long the server drops a value; negative if never, or unknown.
    fn left(&self, location: &EntryLocation) -> i64 {
        let left = self.cached.left(self.key(location)).and_then(|left| i64::try_from(left).ok());
        left.map_or(-1, |left| left.saturating_add(self.margin))
    }

    fn key<'a>(&self, location: &'a EntryLocation) -> &'a [u8] {
        &location.key[self.prefix..]
    }

    pub(crate) fn cached(&self) -> &Cached<RedisDict<Vec<u8>, V, E>> {
        &self.cached
    }

    pub(crate) fn stats(&self) -> NearCacheStats {
        self.cached.stats()
    }
}

impl<V: Codec<Owned: Sync>, E: RoundTrips> Clone for NearLayer<V, E> {
    fn clone(&self) -> Self {
        Self { cached: self.cached.clone(), ..*self }
    }
}
