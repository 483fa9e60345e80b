//! Expiration of the entries of a [`RedisDict`].

use std::time::{Duration, SystemTime};

use super::dict::RedisDict;
use super::ttl;
use super::ttl::Ttl;
use crate::client::Executor;
use crate::codec::Codec;
use crate::reply;

impl<K: Codec, V: Codec, E: Executor> RedisDict<K, V, E> {
    /// Sets the value of `key` and removes it after `time`. `SET … PX`, O(1).
    ///
    /// The server counts in milliseconds: less than one is rounded up to one; zero is refused.
    pub fn insert_with_ttl(
        &self,
        key: &K::Borrowed,
        value: &V::Borrowed,
        time: Duration,
    ) -> E::Reply<()> {
        let request = self.writing("SET", key).encode::<V>(value).arg("PX").milliseconds(time);
        self.executor.run(request.returns(reply::ok))
    }

    /// Returns the value of `key`, which then expires after `time`. `GETEX … PX`, O(1).
    pub fn get_and_expire(&self, key: &K::Borrowed, time: Duration) -> E::Reply<Option<V::Owned>> {
        let request = self.writing("GETEX", key).arg("PX").milliseconds(time);
        self.executor.run(request.returns(reply::optional::<V>))
    }

    /// Removes `key` after `time` and returns whether it existed. `PEXPIRE`, O(1).
    pub fn expire(&self, key: &K::Borrowed, time: Duration) -> E::Reply<bool> {
        self.executor.run(self.writing("PEXPIRE", key).milliseconds(time).returns(reply::flag))
    }

    /// Removes `key` at `time` and returns whether it existed. `PEXPIREAT`, O(1).
    pub fn expire_at(&self, key: &K::Borrowed, time: SystemTime) -> E::Reply<bool> {
        self.executor.run(self.writing("PEXPIREAT", key).instant(time).returns(reply::flag))
    }

    /// Removes the expiration of `key` and returns whether there was one. `PERSIST`, O(1).
    pub fn persist(&self, key: &K::Borrowed) -> E::Reply<bool> {
        self.executor.run(self.writing("PERSIST", key).returns(reply::flag))
    }

    /// The remaining time to live of `key`. `PTTL`, O(1).
    pub fn ttl(&self, key: &K::Borrowed) -> E::Reply<Ttl> {
        self.executor.run(self.reading("PTTL", key).returns(ttl::ttl))
    }
}
