//! The times to live of the entries of a [`RedisDict`].

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
    /// The server counts in milliseconds, so less than one is one; zero is refused.
    pub fn insert_with_ttl(
        &self,
        key: &K::Borrowed,
        value: &V::Borrowed,
        time: Duration,
    ) -> E::Reply<()> {
        let request = self.writing("SET", key).encode::<V>(value).arg("PX").milliseconds(time);
        self.executor.run(request.returns(reply::ok))
    }

    /// The value of `key`, which is removed after `time` from now on. `GETEX … PX`, O(1).
    pub fn get_and_expire(&self, key: &K::Borrowed, time: Duration) -> E::Reply<Option<V::Owned>> {
        let request = self.writing("GETEX", key).arg("PX").milliseconds(time);
        self.executor.run(request.returns(reply::optional::<V>))
    }

    /// Removes `key` after `time` and says whether it was there. `PEXPIRE`, O(1).
    pub fn expire(&self, key: &K::Borrowed, time: Duration) -> E::Reply<bool> {
        self.executor.run(self.writing("PEXPIRE", key).milliseconds(time).returns(reply::flag))
    }

    /// Removes `key` at `time` and says whether it was there. `PEXPIREAT`, O(1).
    pub fn expire_at(&self, key: &K::Borrowed, time: SystemTime) -> E::Reply<bool> {
        self.executor.run(self.writing("PEXPIREAT", key).instant(time).returns(reply::flag))
    }

    /// Keeps `key` for ever and says whether it would have expired. `PERSIST`, O(1).
    pub fn persist(&self, key: &K::Borrowed) -> E::Reply<bool> {
        self.executor.run(self.writing("PERSIST", key).returns(reply::flag))
    }

    /// How long `key` will live. `PTTL`, O(1).
    pub fn ttl(&self, key: &K::Borrowed) -> E::Reply<Ttl> {
        self.executor.run(self.reading("PTTL", key).returns(ttl::ttl))
    }
}
