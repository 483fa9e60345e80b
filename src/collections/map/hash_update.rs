//! Updates of a [`RedisHashDict`] that depend on the stored value.

use std::borrow::Borrow;

use super::hash_dict::RedisHashDict;
use super::hash_scan::decode_key;
use super::update::{Entry, MAX_TRIES, get_or_insert_with, optimistically};
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::error::Error;
use crate::reply;
use crate::request::Script;

impl<K: Codec, V: Codec, E: RoundTrips> RedisHashDict<K, V, E> {
    /// Returns the value of `key`; if there is none, stores one made by `make`. `HGET`, and if
    /// there is none a script, O(1).
    ///
    /// If several callers make a value at the same time, all get the one that was stored first.
    pub fn get_or_insert_with<'a, T: Borrow<V::Borrowed>>(
        &'a self,
        key: &'a K::Borrowed,
        make: impl FnOnce() -> T + Send + 'a,
    ) -> E::ReplyWithin<'a, V::Owned>
    where
        K::Borrowed: Sync,
    {
        let (get, insert) = (self.deferred().get(key), self.deferred());
        let insert = move || insert.get_or_insert(key, make().borrow());
        get_or_insert_with(&self.executor, get, insert)
    }

    /// Replaces the value of `key` by the result of `change`, and returns the new one. `None` is no
    /// value. Any expiration of the entry is removed.
    ///
    /// `HGET` and a script that stores the value if no other client changed it meanwhile; otherwise
    /// `change` is called again, up to 1,000 times. No lock is held.
    pub fn update<'a>(
        &self,
        key: &K::Borrowed,
        change: impl FnMut(Option<V::Owned>) -> Option<V::Owned> + Send + 'a,
    ) -> E::ReplyWithin<'a, Option<V::Owned>> {
        let read = self.reading("HGET").field::<K>(key);
        let write = self.scripted(&COMPARE_AND_SET).field::<K>(key);
        optimistically::<V, E>(&self.executor, read, write, change)
    }
}

impl<K: Codec, V: Codec, E: RoundTrips> RedisHashDict<K, V, E> {
    /// Removes and returns an arbitrary entry. `HRANDFIELD` and a script, O(1).
    ///
    /// No two calls get the same entry; if another client removes it first, another one is tried,
    /// up to 1,000 times. An entry whose key cannot be decoded stays and is an error. A value that
    /// cannot be decoded is in the error ([`Error::undecoded`](crate::Error::undecoded)).
    pub fn pop(&self) -> E::Reply<Option<Entry<K, V>>> {
        let (executor, name) = (self.executor.clone(), self.name.clone());
        let stored = self.typed::<Vec<u8>, V>().deferred();
        self.executor.converse(async move {
            let some = stored.reading("HRANDFIELD");
            for _ in 0..MAX_TRIES {
                let found = executor.send(some.clone().returns(reply::raw)).await?;
                let Some(key) = found else { return Ok(None) };
                let popped = decode_key::<K>(&name, key.clone())?;
                if let Some(value) = executor.send(stored.take(&key)).await? {
                    return Ok(Some((popped, value)));
                }
            }
            Err(Error::Contended { attempt: Box::new(some.attempt()), tries: MAX_TRIES })
        })
    }
}

static COMPARE_AND_SET: Script = Script::of_one_write(
    "update",
    "local value = redis.call('HGET', KEYS[1], ARGV[1])
     local expected = ARGV[2] == '1' and ARGV[3]
     if value ~= expected then return 0 end
     if ARGV[4] == '1' then redis.call('HSET', KEYS[1], ARGV[1], ARGV[5])
     else redis.call('HDEL', KEYS[1], ARGV[1]) end
     return 1",
);
