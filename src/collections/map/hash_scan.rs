//! Iteration over all entries of a [`RedisHashDict`], a page at a time.

use std::collections::HashMap;
use std::hash::Hash;

use super::hash_dict::RedisHashDict;
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::collections::iteration::{Cursor, Page, Scan, gather};
use crate::collections::name::Name;
use crate::error::Result;
use crate::reply;
use crate::request::Request;

impl<K: Codec, V: Codec, E: RoundTrips> RedisHashDict<K, V, E> {
    /// Iterates over all keys, in no order. `HSCAN`, O(n) in all. The values are transferred too.
    pub fn keys(&self) -> Scan<K::Owned, E> {
        self.scan(b"*", |name, key, _| decode_key::<K>(name, key))
    }

    /// Iterates over all values, in no order. `HSCAN`, O(n) in all.
    pub fn values(&self) -> Scan<V::Owned, E> {
        self.scan(b"*", |name, key, value| decode_value::<V>(name, &key, value))
    }

    /// Iterates over all entries, in no order. `HSCAN`, O(n) in all.
    pub fn iter(&self) -> Scan<(K::Owned, V::Owned), E> {
        self.iter_matching(b"*")
    }

    /// Iterates over the entries whose stored keys match a Redis `glob`, in no order. `HSCAN`, O(n)
    /// in all.
    pub fn iter_matching(&self, glob: impl AsRef<[u8]>) -> Scan<(K::Owned, V::Owned), E> {
        self.scan(glob.as_ref(), decode_entry::<K, V>)
    }

    /// All entries as a standard map. `HSCAN`, O(n).
    pub fn to_map(&self) -> E::Reply<HashMap<K::Owned, V::Owned>>
    where
        K::Owned: Eq + Hash,
    {
        gather(&self.executor, &self.name, |executor, name, glob, cursor| {
            decoded(executor, name, glob, cursor, decode_entry::<K, V>)
        })
    }

    /// Iterates over the entries whose fields match `glob`, each decoded by `decode`.
    fn scan<T: Send + 'static>(
        &self,
        glob: &[u8],
        decode: fn(&Name, Vec<u8>, Vec<u8>) -> Result<T>,
    ) -> Scan<T, E> {
        Scan::over(&self.executor, &self.name, glob, move |executor, name, glob, cursor| {
            decoded(executor, name, glob, cursor, decode)
        })
    }
}

/// Fetches the next entries, each decoded by itself.
async fn decoded<T, E: RoundTrips>(
    executor: E,
    name: Name,
    glob: Vec<u8>,
    cursor: Cursor,
    decode: fn(&Name, Vec<u8>, Vec<u8>) -> Result<T>,
) -> Result<Page<T>> {
    let (cursor, entries) = page(&executor, &name, &glob, cursor).await?;
    let decode = |(key, value)| decode(&name, key, value);
    Ok((cursor, entries.into_iter().map(decode).collect()))
}

/// Fetches the next stored fields that match `glob`, with their values.
pub(crate) async fn page<E: RoundTrips>(
    executor: &E,
    name: &Name,
    glob: &[u8],
    mut cursor: Cursor,
) -> Result<(Cursor, Vec<(Vec<u8>, Vec<u8>)>)> {
    let mut found = cursor.page(executor, name.refusal(), "HSCAN", name, glob).await?.into_iter();
    let mut entries = Vec::with_capacity(found.len() / 2);
    while let (Some(key), Some(value)) = (found.next(), found.next()) {
        if cursor.is_new(&key) {
            entries.push((key, value));
        }
    }
    Ok((cursor, entries))
}

fn decode_entry<K: Codec, V: Codec>(
    name: &Name,
    key: Vec<u8>,
    value: Vec<u8>,
) -> Result<(K::Owned, V::Owned)> {
    let value = decode_value::<V>(name, &key, value);
    Ok((decode_key::<K>(name, key)?, value?))
}

pub(crate) fn decode_key<K: Codec>(name: &Name, key: Vec<u8>) -> Result<K::Owned> {
    reply::decode_key::<K>(key, |key| scan_attempt(name, key))
}

fn decode_value<V: Codec>(name: &Name, key: &[u8], value: Vec<u8>) -> Result<V::Owned> {
    reply::decode_bytes::<V>(value, || scan_attempt(name, key))
}

/// The attempt that an error of decoding an entry reports.
fn scan_attempt(name: &Name, key: &[u8]) -> crate::error::Attempt {
    let request = Request::read("HSCAN").named(name.as_bytes());
    request.field::<Vec<u8>>(key).attempt()
}
