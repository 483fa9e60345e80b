use std::fmt;

use crate::writer::Writer;
use crate::{Cached, Result};

/// A way to read through a cache, with the write of the same value.
#[derive(Clone, Copy, Debug)]
pub enum Path {
    Get,
    GetMany,
    HashGet,
    HashGetMany,
}

/// The target of writes and reads: a key, or a field of a hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) key: usize,
    pub(crate) hash: usize,
}

impl Path {
    pub const ALL: [Self; 4] = [Self::Get, Self::GetMany, Self::HashGet, Self::HashGetMany];

    pub(crate) async fn read(self, cache: &impl Cached, entry: Entry) -> Result<Option<u64>> {
        let key = entry.key.to_string();
        let both = match self {
            Self::Get => return cache.get(&key).await,
            Self::HashGet => return cache.hash_get(entry.hash, &key).await,
            Self::GetMany => cache.get_many(&[&key, NEIGHBOUR]).await?,
            Self::HashGetMany => cache.hash_get_many(entry.hash, &[&key, NEIGHBOUR]).await?,
        };
        both.first().copied().ok_or_else(|| "there were no values".into())
    }

    pub(crate) async fn write(self, writer: &Writer, entry: Entry, value: u64) -> Result<()> {
        let key = entry.key.to_string();
        if self.is_of_hashes() {
            writer.hash_set(entry.hash, &key, value).await
        } else {
            writer.set(&key, value).await
        }
    }

    pub(crate) fn is_of_hashes(self) -> bool {
        matches!(self, Self::HashGet | Self::HashGetMany)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Get => "GET",
            Self::GetMany => "MGET",
            Self::HashGet => "HGET",
            Self::HashGetMany => "HMGET",
        })
    }
}

/// It is never written, so that a read of several is answered partly from the cache.
const NEIGHBOUR: &str = "neighbour";
