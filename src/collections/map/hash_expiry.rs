//! Expiration of the entries of a [`RedisHashDict`].

use std::time::{Duration, SystemTime};

use super::hash_dict::RedisHashDict;
use super::ttl;
use super::ttl::{FIELD_EXPIRY, Ttl};
use crate::client::Executor;
use crate::codec::Codec;
use crate::reply;
use crate::request::Script;

/// Entries expire by themselves on Redis 7.4 or later and Valkey 9 or later. Elsewhere these
/// methods return [`Error::Unsupported`](crate::Error::Unsupported) and change nothing.
impl<K: Codec, V: Codec, E: Executor> RedisHashDict<K, V, E> {
    /// Sets the value of `key`, removes it after `time`, and returns whether the key is new. A
    /// script of `HSET` and `HPEXPIRE`, O(1).
    ///
    /// The server counts in milliseconds: less than one is rounded up to one; zero is refused. A
    /// later [`insert`](Self::insert) removes the expiration.
    pub fn insert_with_ttl(
        &self,
        key: &K::Borrowed,
        value: &V::Borrowed,
        time: Duration,
    ) -> E::Reply<bool> {
        let request = self.scripted(&INSERT_WITH_TTL).needs(FIELD_EXPIRY).field::<K>(key);
        let request = request.encode::<V>(value).milliseconds(time);
        self.executor.run(request.returns(reply::flag))
    }

    /// Removes `key` after `time` and returns whether it existed. `HPEXPIRE`, O(1).
    pub fn expire(&self, key: &K::Borrowed, time: Duration) -> E::Reply<bool> {
        let request = self.writing("HPEXPIRE").milliseconds(time).expiring_field::<K>(key);
        self.executor.run(request.returns(ttl::field_changed))
    }

    /// Removes `key` at `time` and returns whether it existed. `HPEXPIREAT`, O(1).
    pub fn expire_at(&self, key: &K::Borrowed, time: SystemTime) -> E::Reply<bool> {
        let request = self.writing("HPEXPIREAT").instant(time).expiring_field::<K>(key);
        self.executor.run(request.returns(ttl::field_changed))
    }

    /// Removes the expiration of `key` and returns whether there was one. `HPERSIST`, O(1).
    pub fn persist(&self, key: &K::Borrowed) -> E::Reply<bool> {
        let request = self.writing("HPERSIST").expiring_field::<K>(key);
        self.executor.run(request.returns(ttl::field_changed))
    }

    /// The remaining time to live of `key`. `HPTTL`, O(1).
    pub fn ttl(&self, key: &K::Borrowed) -> E::Reply<Ttl> {
        let request = self.reading("HPTTL").expiring_field::<K>(key);
        self.executor.run(request.returns(ttl::field_ttl))
    }
}

static INSERT_WITH_TTL: Script = Script::new(
    "insert_with_ttl",
    concat!(
        include_str!("field_expiry.lua"),
        "local problem = obstacle(ARGV[1], ARGV[3])
         if problem then return problem end
         local new = redis.pcall('HSET', KEYS[1], ARGV[1], ARGV[2])
         if type(new) == 'table' then return new end
         redis.call('HPEXPIRE', KEYS[1], ARGV[3], 'FIELDS', 1, ARGV[1])
         return new",
    ),
);
