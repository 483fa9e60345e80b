use std::num::NonZeroUsize;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::caching::CacheConfig;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, cmd};

use crate::{Cached, Result};

/// A shared connection of the redis crate with its own client-side cache.
pub type DriverCache = Driver<true>;

/// The same connection without the cache: its values are never stale.
pub type DriverPlain = Driver<false>;

#[derive(Clone, Debug)]
pub struct Driver<const CACHE: bool>(MultiplexedConnection);

impl<const CACHE: bool> Driver<CACHE> {
    async fn query<T: FromRedisValue>(&self, command: &mut Cmd) -> Result<T> {
        Ok(command.query_async(&mut self.0.clone()).await?)
    }
}

/// By default the driver gives up after half a second, which a busy machine may take.
pub(crate) fn patient() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE))
}

impl<const CACHE: bool> Cached for Driver<CACHE> {
    fn name() -> String {
        if CACHE { "redis, cache-aio" } else { "redis, no cache" }.into()
    }

    async fn connect(url: &str, capacity: usize) -> Result<Self> {
        let client = Client::open(format!("{url}?protocol=resp3"))?;
        let mut config = patient();
        if CACHE {
            let size = NonZeroUsize::new(capacity).ok_or("no capacity")?;
            config = config.set_cache_config(CacheConfig::new().set_size(size));
        }
        Ok(Self(client.get_multiplexed_async_connection_with_config(&config).await?))
    }

    async fn get(&self, key: &str) -> Result<Option<u64>> {
        self.query(cmd("GET").arg(format!("key:{key}"))).await
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<u64>>> {
        let mut command = cmd("MGET");
        keys.iter().for_each(|key| _ = command.arg(format!("key:{key}")));
        self.query(&mut command).await
    }

    async fn hash_get(&self, hash: usize, field: &str) -> Result<Option<u64>> {
        self.query(cmd("HGET").arg(format!("hash:{hash}")).arg(field)).await
    }

    async fn hash_get_many(&self, hash: usize, fields: &[&str]) -> Result<Vec<Option<u64>>> {
        self.query(cmd("HMGET").arg(format!("hash:{hash}")).arg(fields)).await
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
