//! Changes of a [`RedisHashDict`] that depend on what a function makes of the old value.

use std::borrow::Borrow;

use super::hash_dict::RedisHashDict;
use super::update::optimistically;
use crate::codec::Codec;
use crate::command::Command;
use crate::error::Result;
use crate::executor::finish;
use crate::reply;
use crate::script::Script;

impl<K: Codec, V: Codec> RedisHashDict<K, V> {
    /// The value of `key`, made by `make` and stored if there is none. `HGET`, and if there is none
    /// a script, O(1).
    ///
    /// Where others make a value at the same time, all get the one that was stored first.
    pub fn get_or_insert_with<T: Borrow<V::Borrowed>>(
        &self,
        key: &K::Borrowed,
        make: impl FnOnce() -> T,
    ) -> Result<V::Owned> {
        match self.get(key)? {
            Some(value) => Ok(value),
            None => self.get_or_insert(key, make().borrow()),
        }
    }

    /// Replaces the value of `key` by what `change` makes of it, and gives the new one. `None` is
    /// no value. A time to live of the entry ends with it.
    ///
    /// `HGET` and a script that stores the value if nobody changed it meanwhile; otherwise `change`
    /// is called again, up to 1,000 times. No lock is held.
    pub fn update(
        &self,
        key: &K::Borrowed,
        change: impl FnMut(Option<V::Owned>) -> Option<V::Owned>,
    ) -> Result<Option<V::Owned>> {
        let read = || self.reading("HGET").field::<K>(key).returns(reply::raw);
        let write = |old: Option<&[u8]>, new: Option<&V::Borrowed>| -> Command<bool> {
            let request = self.scripted(&COMPARE_AND_SET).field::<K>(key);
            request.optional(old).optional_value::<V>(new).returns(reply::flag)
        };
        finish(optimistically::<V, _>(&self.executor, read, write, change))
    }
}

static COMPARE_AND_SET: Script = Script::new(
    "update",
    "local value = redis.call('HGET', KEYS[1], ARGV[1])
     local expected = ARGV[2] == '1' and ARGV[3]
     if value ~= expected then return 0 end
     if ARGV[4] == '1' then redis.call('HSET', KEYS[1], ARGV[1], ARGV[5])
     else redis.call('HDEL', KEYS[1], ARGV[1]) end
     return 1",
);
