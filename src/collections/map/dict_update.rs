//! Updates of a [`RedisDict`] that depend on the stored value.

use std::borrow::Borrow;

use super::dict::RedisDict;
use super::dict_scan::{decode_key, key_page};
use super::update::{Entry, get_or_insert_with, optimistically};
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::collections::iteration::Cursor;
use crate::request::Script;

impl<K: Codec, V: Codec, E: RoundTrips> RedisDict<K, V, E> {
    /// Returns the value of `key`; if there is none, stores one made by `make`. `GET`, and if there
    /// is none a script, O(1).
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
    /// value. The remaining time to live is kept.
    ///
    /// `GET` and a script that stores the value if no other client changed it meanwhile; otherwise
    /// `change` is called again, up to 1,000 times. No lock is held.
    pub fn update<'a>(
        &self,
        key: &K::Borrowed,
        change: impl FnMut(Option<V::Owned>) -> Option<V::Owned> + Send + 'a,
    ) -> E::ReplyWithin<'a, Option<V::Owned>> {
        let read = self.reading("GET", key);
        let write = self.scripted(&COMPARE_AND_SET, key);
        optimistically::<V, E>(&self.executor, read, write, change)
    }
}

impl<K: Codec, V: Codec, E: RoundTrips> RedisDict<K, V, E> {
    /// Removes and returns an arbitrary entry. `SCAN` until there is one, then `GETDEL`: O(1) while
    /// there are many, O(keys of the database) for the last ones.
    ///
    /// No two calls get the same entry. An entry whose key cannot be decoded stays and is an error.
    /// A value that cannot be decoded is in the error
    /// ([`Error::undecoded`](crate::Error::undecoded)).
    pub fn pop(&self) -> E::Reply<Option<Entry<K, V>>> {
        let (executor, prefix) = (self.executor.clone(), self.prefix.clone());
        let stored = self.typed::<Vec<u8>, V>().deferred();
        self.executor.converse(async move {
            let mut cursor = Cursor::default();
            while !cursor.is_done() {
                let (next, keys) = key_page(&executor, &prefix, b"*", cursor).await?;
                for key in keys {
                    let popped = decode_key::<K>(&prefix, key.clone())?;
                    let take = stored.take(prefix.strip(&key).unwrap_or(&key));
                    if let Some(value) = executor.send(take).await? {
                        return Ok(Some((popped, value)));
                    }
                }
                cursor = next;
            }
            Ok(None)
        })
    }
}

static COMPARE_AND_SET: Script = Script::of_one_write(
    "update",
    "local value = redis.call('GET', KEYS[1])
     local expected = ARGV[1] == '1' and ARGV[2]
     if value ~= expected then return 0 end
     if ARGV[3] == '1' then redis.call('SET', KEYS[1], ARGV[4], 'KEEPTTL')
     else redis.call('UNLINK', KEYS[1]) end
     return 1",
);
