use std::fmt;
use std::sync::Arc;

use redis_collections::{
    AsyncClient, CachedDict, CachedHashDict, Client, NearCacheSettings, RedisDict, RedisHashDict,
    RoundTrips,
};

use crate::{Cached, Result};

/// This crate's near cache, on either client, in one of its ways of receiving changes.
pub struct Near<E: Kind, W> {
    dict: CachedDict<String, u64, E>,
    hashes: Arc<[CachedHashDict<String, u64, E>]>,
    way: W,
}

/// The way in which a near cache receives changes.
pub trait Way: Copy + Default + Send + Sync + 'static {
    const NAME: &'static str;
    const PUBLISHES: bool;

    fn settings() -> NearCacheSettings;
}

/// From the server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracking;

/// From writers that publish.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriterMessages;

/// Through keyspace notifications, of writers that publish nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keyspace;

/// How to use a client without knowing whether it blocks.
pub trait Kind: RoundTrips {
    const NAME: &'static str;
    const BLOCKS: bool;

    fn open(url: &str) -> impl Future<Output = Result<Self>> + Send;

    /// Returns the outcome of a call.
    fn settle<T: Send + 'static>(
        reply: Self::Reply<T>,
    ) -> impl Future<Output = redis_collections::Result<T>> + Send;
}

impl<E: Kind, W: Way> Cached for Near<E, W> {
    const BLOCKS: bool = E::BLOCKS;
    const PUBLISHES: bool = W::PUBLISHES;
    const HASHES: Option<usize> = Some(HASHES);

    fn name() -> String {
        format!("ours, {}, {}", E::NAME, W::NAME)
    }

    async fn connect(url: &str, capacity: usize) -> Result<Self> {
        let client = E::open(url).await?;
        let settings = W::settings().capacity(capacity as u64);
        let dict: RedisDict<_, _, E> = RedisDict::new(&client, "key");
        let dict = E::settle(dict.cached(settings.clone())).await?;
        let mut hashes = Vec::new();
        for hash in 0..HASHES {
            let hash: RedisHashDict<_, _, E> = RedisHashDict::new(&client, format!("hash:{hash}"));
            hashes.push(E::settle(hash.cached(settings.clone())).await?);
        }
        Ok(Self { dict, hashes: hashes.into(), way: W::default() })
    }

    async fn get(&self, key: &str) -> Result<Option<u64>> {
        Ok(E::settle(self.dict.get(key)).await?.as_deref().copied())
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<u64>>> {
        Ok(plain(E::settle(self.dict.get_many(keys.iter().copied())).await?))
    }

    async fn hash_get(&self, hash: usize, field: &str) -> Result<Option<u64>> {
        Ok(E::settle(self.hashes[hash].get(field)).await?.as_deref().copied())
    }

    async fn hash_get_many(&self, hash: usize, fields: &[&str]) -> Result<Vec<Option<u64>>> {
        Ok(plain(E::settle(self.hashes[hash].get_many(fields.iter().copied())).await?))
    }

    fn refused(&self) -> Option<u64> {
        let hashes: u64 = self.hashes.iter().map(|hash| hash.stats().refused).sum();
        Some(self.dict.stats().refused + hashes)
    }
}

fn plain(values: Vec<Option<Arc<u64>>>) -> Vec<Option<u64>> {
    values.into_iter().map(|value| value.as_deref().copied()).collect()
}

impl Way for Tracking {
    const NAME: &'static str = "tracking";
    const PUBLISHES: bool = false;

    fn settings() -> NearCacheSettings {
        NearCacheSettings::tracking()
    }
}

impl Way for WriterMessages {
    const NAME: &'static str = "writer messages";
    const PUBLISHES: bool = true;

    fn settings() -> NearCacheSettings {
        NearCacheSettings::writer_messages()
    }
}

impl Way for Keyspace {
    const NAME: &'static str = "keyspace";
    const PUBLISHES: bool = false;

    fn settings() -> NearCacheSettings {
        NearCacheSettings::writer_messages()
    }
}

impl Kind for AsyncClient {
    const NAME: &'static str = "async";
    const BLOCKS: bool = false;

    async fn open(url: &str) -> Result<Self> {
        Ok(AsyncClient::open(url).await?)
    }

    async fn settle<T: Send + 'static>(reply: Self::Reply<T>) -> redis_collections::Result<T> {
        reply.await
    }
}

impl Kind for Client {
    const NAME: &'static str = "blocking";
    const BLOCKS: bool = true;

    async fn open(url: &str) -> Result<Self> {
        Ok(Client::builder(url).pool_size(CONNECTIONS).build()?)
    }

    async fn settle<T: Send + 'static>(reply: Self::Reply<T>) -> redis_collections::Result<T> {
        reply
    }
}

impl<E: Kind, W: Copy> Clone for Near<E, W> {
    fn clone(&self) -> Self {
        Self { dict: self.dict.clone(), hashes: self.hashes.clone(), way: self.way }
    }
}

impl<E: Kind, W> fmt::Debug for Near<E, W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Near({})", E::NAME)
    }
}

/// Each has a connection of its own on which it receives changes.
const HASHES: usize = 16;
/// No reader waits for another one's.
const CONNECTIONS: u32 = 64;
