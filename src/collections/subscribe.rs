//! Listening to what happens to a collection.

use super::list::RedisList;
use super::map::RedisDict;
use super::map::RedisHashDict;
use super::set::RedisSet;
use crate::changes::{ChangePublishing, Structure};
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::error::Result;
use crate::events::{Sources, Subscription, decode_key};
use crate::keys::{key_slot, prefix_slot};

/// Events of the entries.
impl<K: Codec, V: Codec, E: RoundTrips> RedisDict<K, V, E> {
    /// Listens to what happens to the entries whose keys, as they are stored, match a Redis
    /// `pattern`; `*` for all of them.
    ///
    /// Writers tell of their changes in the dictionary's formats
    /// ([`publishing`](Self::publishing)); those of this crate's own are always heard. Of other writers
    /// and of entries that expire the server itself tells, if its keyspace notifications are on
    /// (`notify-keyspace-events`). What is missing of them is turned on where the user may, and nothing
    /// is turned off.
    pub fn subscribe(&self, pattern: impl AsRef<[u8]>) -> E::Reply<Subscription<K::Owned, E>> {
        subscribe(&self.executor, self.told(), self.base(), pattern.as_ref(), decode_key::<K>)
    }

    /// What is told of it.
    pub(super) fn told(&self) -> ChangePublishing {
        ChangePublishing::of(self.publishing.as_deref(), Structure::Dict, self.prefix.bytes())
    }

    /// What its keys begin with, and the slot that they have in common.
    pub(super) fn base(&self) -> (Vec<u8>, Option<u16>) {
        let prefix = self.prefix.bytes();
        let slot = prefix_slot(&prefix);
        (prefix, slot)
    }
}

/// Events of the entries.
impl<K: Codec, V: Codec, E: RoundTrips> RedisHashDict<K, V, E> {
    /// Listens to what happens to the entries whose keys, as they are stored, match a Redis
    /// `pattern`; `*` for all of them.
    ///
    /// As [`RedisDict::subscribe`], but of what others do the server tells only that they changed the
    /// hash: that is a [`Gap`](crate::Event::Gap).
    pub fn subscribe(&self, pattern: impl AsRef<[u8]>) -> E::Reply<Subscription<K::Owned, E>> {
        subscribe(&self.executor, self.told(), self.base(), pattern.as_ref(), decode_key::<K>)
    }

    /// What is told of it.
    pub(super) fn told(&self) -> ChangePublishing {
        ChangePublishing::of(self.publishing.as_deref(), Structure::Hash, self.name.as_bytes())
    }

    /// Its key, and the slot of it.
    pub(super) fn base(&self) -> (Vec<u8>, Option<u16>) {
        (self.name.as_bytes().to_vec(), Some(key_slot(self.name.as_bytes())))
    }
}

/// Events of the members.
impl<T: Codec, E: RoundTrips> RedisSet<T, E> {
    /// Listens to what happens to the members that, as they are stored, match a Redis `pattern`; `*`
    /// for all of them.
    ///
    /// As [`RedisDict::subscribe`], but of what others do the server tells only that they changed the
    /// set: that is a [`Gap`](crate::Event::Gap).
    pub fn subscribe(&self, pattern: impl AsRef<[u8]>) -> E::Reply<Subscription<T::Owned, E>> {
        let name = self.name.as_bytes();
        let publishing = ChangePublishing::of(self.publishing.as_deref(), Structure::Set, name);
        let base = (name.to_vec(), Some(key_slot(name)));
        subscribe(&self.executor, publishing, base, pattern.as_ref(), decode_key::<T>)
    }
}

/// Events of the items.
impl<T: Codec, E: RoundTrips> RedisList<T, E> {
    /// Listens to how many items are inserted, removed and replaced.
    ///
    /// As [`RedisDict::subscribe`], but of what others do the server tells only that they changed the
    /// list: that is a [`Gap`](crate::Event::Gap). A waiting pop gives no notice.
    pub fn subscribe(&self) -> E::Reply<Subscription<usize, E>> {
        let name = self.name.as_bytes();
        let publishing = ChangePublishing::of(self.publishing.as_deref(), Structure::List, name);
        let base = (name.to_vec(), Some(key_slot(name)));
        subscribe(&self.executor, publishing, base, b"*", decode_key::<usize>)
    }
}

fn subscribe<K: Send + 'static, E: RoundTrips>(
    executor: &E,
    publishing: ChangePublishing,
    base: (Vec<u8>, Option<u16>),
    pattern: &[u8],
    decode: fn(&[u8]) -> Result<K>,
) -> E::Reply<Subscription<K, E>> {
    let sources = Sources::new(&publishing, executor.database());
    let (executor, pattern) = (executor.clone(), pattern.to_vec());
    let opened = Subscription::open(executor.clone(), sources, base, pattern, decode);
    executor.converse(opened)
}
