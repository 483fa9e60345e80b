//! Subscriptions to the changes of a collection.

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

/// Change events of the entries.
impl<K: Codec, V: Codec, E: RoundTrips> RedisDict<K, V, E> {
    /// Subscribes to changes of the entries whose stored keys match a Redis `pattern`; `*` for all
    /// of them.
    ///
    /// Writers publish their changes in the dictionary's formats
    /// ([`publishing`](Self::publishing)); messages in this crate's own format are always received.
    /// For other writers and for entries that expire the server itself sends keyspace
    /// notifications, if they are on (`notify-keyspace-events`). Missing classes of them are turned
    /// on if the user may do so, and none is turned off.
    pub fn subscribe(&self, pattern: impl AsRef<[u8]>) -> E::Reply<Subscription<K::Owned, E>> {
        subscribe(
            &self.executor,
            self.change_publishing(),
            self.base(),
            pattern.as_ref(),
            decode_key::<K>,
        )
    }

    /// The formats and channels in which its changes are published.
    pub(super) fn change_publishing(&self) -> ChangePublishing {
        ChangePublishing::of(self.publishing.as_deref(), Structure::Dict, self.prefix.bytes())
    }

    /// The prefix of its keys, and the slot that they have in common.
    pub(super) fn base(&self) -> (Vec<u8>, Option<u16>) {
        let prefix = self.prefix.bytes();
        let slot = prefix_slot(&prefix);
        (prefix, slot)
    }
}

/// Change events of the entries.
impl<K: Codec, V: Codec, E: RoundTrips> RedisHashDict<K, V, E> {
    /// Subscribes to changes of the entries whose stored keys match a Redis `pattern`; `*` for all
    /// of them.
    ///
    /// Like [`RedisDict::subscribe`], but for other writers the server reports only that the hash
    /// changed: that is a [`Gap`](crate::Event::Gap).
    pub fn subscribe(&self, pattern: impl AsRef<[u8]>) -> E::Reply<Subscription<K::Owned, E>> {
        subscribe(
            &self.executor,
            self.change_publishing(),
            self.base(),
            pattern.as_ref(),
            decode_key::<K>,
        )
    }

    /// The formats and channels in which its changes are published.
    pub(super) fn change_publishing(&self) -> ChangePublishing {
        ChangePublishing::of(self.publishing.as_deref(), Structure::Hash, self.name.as_bytes())
    }

    /// Its key and its slot.
    pub(super) fn base(&self) -> (Vec<u8>, Option<u16>) {
        (self.name.as_bytes().to_vec(), Some(key_slot(self.name.as_bytes())))
    }
}

/// Change events of the members.
impl<T: Codec, E: RoundTrips> RedisSet<T, E> {
    /// Subscribes to changes of the members whose stored form matches a Redis `pattern`; `*` for
    /// all of them.
    ///
    /// Like [`RedisDict::subscribe`], but for other writers the server reports only that the set
    /// changed: that is a [`Gap`](crate::Event::Gap).
    pub fn subscribe(&self, pattern: impl AsRef<[u8]>) -> E::Reply<Subscription<T::Owned, E>> {
        let name = self.name.as_bytes();
        let publishing = ChangePublishing::of(self.publishing.as_deref(), Structure::Set, name);
        let base = (name.to_vec(), Some(key_slot(name)));
        subscribe(&self.executor, publishing, base, pattern.as_ref(), decode_key::<T>)
    }
}

/// Change events of the items.
impl<T: Codec, E: RoundTrips> RedisList<T, E> {
    /// Subscribes to the numbers of items inserted, removed and replaced.
    ///
    /// Like [`RedisDict::subscribe`], but for other writers the server reports only that the list
    /// changed: that is a [`Gap`](crate::Event::Gap). A waiting pop publishes no change.
    pub fn subscribe(&self) -> E::Reply<Subscription<usize, E>> {
        let name = self.name.as_bytes();
        let publishing = ChangePublishing::of(self.publishing.as_deref(), Structure::List, name);
        let base = (name.to_vec(), Some(key_slot(name)));
        subscribe(&self.executor, publishing, base, b"*", decode_key::<usize>)
    }
}

/// Opens a subscription to the changes published as in `publishing`.
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
