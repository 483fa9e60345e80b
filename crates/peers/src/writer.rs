use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Client, cmd};
use redis_collections::{AsyncClient, ChangeFormat, RedisDict, RedisHashDict};

use crate::Result;
use crate::driver::patient;

/// Another client, which writes the values that are read through a cache.
#[derive(Clone, Debug)]
pub(crate) enum Writer {
    Plain(MultiplexedConnection),
    /// It publishes its writes.
    Publishing {
        dict: RedisDict<String, u64, AsyncClient>,
        hashes: Hashes,
    },
}

type Hashes = Arc<[RedisHashDict<String, u64, AsyncClient>]>;

impl Writer {
    pub(crate) async fn plain(url: &str) -> Result<Self> {
        let client = Client::open(url)?;
        Ok(Self::Plain(client.get_multiplexed_async_connection_with_config(&patient()).await?))
    }

    pub(crate) async fn publishing(url: &str, hashes: usize) -> Result<Self> {
        let client = AsyncClient::open(url).await?;
        let hash = |hash| RedisHashDict::new(&client, format!("hash:{hash}"));
        let hashes = (0..hashes).map(|number| hash(number).publishing(ChangeFormat::Own)).collect();
        let dict = RedisDict::new(&client, "key").publishing(ChangeFormat::Own);
        Ok(Self::Publishing { dict, hashes })
    }

    pub(crate) async fn set(&self, key: &str, value: u64) -> Result<()> {
        match self {
            Self::Plain(connection) => {
                let mut command = cmd("SET");
                command.arg(format!("key:{key}")).arg(value);
                command.exec_async(&mut connection.clone()).await?;
            }
            Self::Publishing { dict, .. } => dict.insert(key, &value).await?,
        }
        Ok(())
    }

    pub(crate) async fn hash_set(&self, hash: usize, field: &str, value: u64) -> Result<()> {
        match self {
            Self::Plain(connection) => {
                let mut command = cmd("HSET");
                command.arg(format!("hash:{hash}")).arg(field).arg(value);
                command.exec_async(&mut connection.clone()).await?;
            }
            Self::Publishing { hashes, .. } => hashes[hash].insert(field, &value).await?,
        }
        Ok(())
    }
}
