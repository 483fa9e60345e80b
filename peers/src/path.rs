use std::fmt;

use redis::{Cmd, cmd};

use crate::{Cached, Result};

/// A way to read through a cache, with the plain commands that write and read the same value.
#[derive(Clone, Copy, Debug)]
pub enum Path {
    Get,
    GetMany,
    HashGet,
}

impl Path {
    pub const ALL: [Self; 3] = [Self::Get, Self::GetMany, Self::HashGet];

    pub(crate) async fn read(self, cache: &impl Cached, key: &str) -> Result<Option<u64>> {
        match self {
            Self::Get => cache.get(key).await,
            Self::GetMany => {
                let values = cache.get_many(&[key, NEIGHBOUR]).await?;
                values.first().copied().ok_or_else(|| "MGET gave no values".into())
            }
            Self::HashGet => cache.hash_get(key, FIELD).await,
        }
    }

    pub(crate) fn set(self, key: &str, value: u64) -> Cmd {
        let mut command = match self {
            Self::Get | Self::GetMany => cmd("SET").arg(key).take(),
            Self::HashGet => cmd("HSET").arg(key).arg(FIELD).take(),
        };
        command.arg(value).take()
    }

    pub(crate) fn get(self, key: &str) -> Cmd {
        match self {
            Self::Get | Self::GetMany => cmd("GET").arg(key).take(),
            Self::HashGet => cmd("HGET").arg(key).arg(FIELD).take(),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Get => "GET",
            Self::GetMany => "MGET",
            Self::HashGet => "HGET",
        })
    }
}

/// Nobody writes it, so that an `MGET` is answered partly from the cache.
const NEIGHBOUR: &str = "neighbour";
const FIELD: &str = "field";
