//! Changes of a [`RedisHashDict`] that depend on what a function makes of the old value.

use std::borrow::Borrow;

use super::hash_dict::RedisHashDict;
use super::update::{get_or_insert_with, optimistically};
use crate::codec::Codec;
use crate::executor::RoundTrips;
use crate::script::Script;

impl<K: Codec, V: Codec, E: RoundTrips> RedisHashDict<K, V, E> {
    /// The value of `key`, made by `make` and stored if there is none. `HGET`, and if there is none
    /// a script, O(1).
    ///
    /// Where others make a value at the same time, all get the one that was stored first.
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
        self.executor.converse_within(get_or_insert_with(self.executor.clone(), get, insert))
    }

    /// Replaces the value of `key` by what `change` makes of it, and gives the new one. `None` is
    /// no value. A time to live of the entry ends with it.
    ///
    /// `HGET` and a script that stores the value if nobody changed it meanwhile; otherwise `change`
    /// is called again, up to 1,000 times. No lock is held.
    pub fn update<'a>(
        &self,
        key: &K::Borrowed,
        change: impl FnMut(Option<V::Owned>) -> Option<V::Owned> + Send + 'a,
    ) -> E::ReplyWithin<'a, Option<V::Owned>> {
        let read = self.reading("HGET").field::<K>(key);
        let write = self.scripted(&COMPARE_AND_SET).field::<K>(key);
        let executor = self.executor.clone();
        self.executor.converse_within(optimistically::<V, E>(executor, read, write, change))
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
