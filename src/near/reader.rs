//! Reads through a near cache.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::cache::{Cache, ReadOutcome};
use super::fill::{FillLeader, FillRole};
use super::key::{EntryKey, KeyRef};
use super::source::{EntrySource, Fetched, Lifetime};
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::command::Command;
use crate::command::Part;
use crate::error::{Error, Result};
use crate::limits::ENTRIES_PER_COMMAND;
use crate::reply::decode_bytes;
use crate::request::Request;
use crate::time::Completion;
use crate::time::clock;
use crate::topology::{RouteVersion, Topology};

/// Reads entries from a cache, or else from the server.
pub(crate) struct NearReader<S, V: Codec, E> {
    executor: E,
    cache: Arc<Cache<V::Owned>>,
    source: Arc<S>,
    /// Whether a read fails while the cache cannot be certain.
    refuses: bool,
    codec: PhantomData<fn() -> V>,
}

/// A decoded entry, or `None` if there is none.
pub(crate) type CachedValue<V> = Option<Arc<<V as Codec>::Owned>>;

/// One of the requested entries.
enum RequestedEntry<V: Codec<Owned: Sync>> {
    Found(CachedValue<V>),
    /// The index of the entry among those that the server is asked for.
    Asked(usize),
    Joined(EntryKey, Arc<Completion<ReadOutcome<V::Owned>>>),
}

impl<S: EntrySource, V: Codec<Owned: Sync>, E: RoundTrips> NearReader<S, V, E> {
    pub(crate) fn new(
        executor: E,
        cache: Arc<Cache<V::Owned>>,
        source: Arc<S>,
        refuses: bool,
    ) -> Self {
        Self { executor, cache, source, refuses, codec: PhantomData }
    }

    pub(crate) fn cache(&self) -> &Cache<V::Owned> {
        &self.cache
    }

    /// Reads the entries of `keys`, asking the server for those that are not cached.
    pub(crate) async fn read(self, keys: Vec<EntryKey>) -> Result<Vec<CachedValue<V>>> {
        let route_version = self.executor.route_version();
        let mut asked: Vec<(EntryKey, Option<FillLeader<V::Owned>>)> = Vec::new();
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            entries.push(match self.cache.lookup(KeyRef::bytes(&key)) {
                Some(found) => RequestedEntry::Found(found),
                None => match self.cache.begin(key.clone()) {
                    FillRole::Alone if self.refuses => return Err(self.disconnected(&key)),
                    FillRole::Follower(completion) => RequestedEntry::Joined(key, completion),
                    FillRole::Alone => {
                        asked.push((key, None));
                        RequestedEntry::Asked(asked.len() - 1)
                    }
                    FillRole::Leader(leader) => {
                        asked.push((key, Some(leader)));
                        RequestedEntry::Asked(asked.len() - 1)
                    }
                },
            });
        }
        let mut found = Vec::with_capacity(asked.len());
        while !asked.is_empty() {
            let rest = asked.split_off(asked.len().min(ENTRIES_PER_COMMAND));
            found.extend(self.ask(std::mem::replace(&mut asked, rest), &route_version).await?);
        }
        self.gather(entries, found, &route_version).await
    }

    /// Assembles the entries in order, waiting for those that other readers load.
    async fn gather(
        &self,
        entries: Vec<RequestedEntry<V>>,
        found: Vec<CachedValue<V>>,
        route_version: &RouteVersion,
    ) -> Result<Vec<CachedValue<V>>> {
        let mut all = Vec::with_capacity(entries.len());
        for entry in entries {
            all.push(match entry {
                RequestedEntry::Found(found) => found,
                RequestedEntry::Asked(place) => found.get(place).cloned().flatten(),
                RequestedEntry::Joined(key, completion) => {
                    self.cache.counts().joined.fetch_add(1, Ordering::Relaxed);
                    match self.executor.wait(completion.outcome(), FOLLOWER_TIMEOUT).await {
                        Some(ReadOutcome::Found(found)) => found,
                        // The reader that failed may have had less time than this one, and the
                        // future that asks may not be polled any more.
                        Some(ReadOutcome::Lost) | None => {
                            self.ask(vec![(key, None)], route_version).await?.pop().flatten()
                        }
                    }
                }
            });
        }
        Ok(all)
    }

    /// Asks the server for entries, and caches those that it may.
    async fn ask(
        &self,
        asked: Vec<(EntryKey, Option<FillLeader<V::Owned>>)>,
        route_version: &RouteVersion,
    ) -> Result<Vec<CachedValue<V>>> {
        let (keys, leaders): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
        self.cache.counts().misses.fetch_add(keys.len() as u64, Ordering::Relaxed);
        let sent = clock::now();
        let mut commands = self.source.commands(&keys);
        let channel = self.cache.channel().filter(|_| leaders.iter().any(Option::is_some));
        commands.extend(channel.as_deref().map(listeners));
        let mut replies = self.executor.send_all(commands).await?;
        let listeners = replies.pop_if(|_| channel.is_some());
        let is_answered_by_other = listeners.map_or(Ok(false), has_none)?;
        let fetched = self.source.fetched(replies)?;
        let is_observed = !is_answered_by_other && self.is_observed(route_version);
        let mut all = Vec::with_capacity(keys.len());
        for ((key, leader), fetched) in keys.iter().zip(leaders).zip(fetched) {
            let (size, lifetime) = (fetched.bytes.as_ref().map_or(0, Vec::len), fetched.lifetime);
            let value = self.decode(key, fetched)?;
            let Some(leader) = leader else {
                self.cache.forget(key);
                all.push(value);
                continue;
            };
            let time_to_live = match lifetime {
                Lifetime::Milliseconds(time) => Some(time),
                Lifetime::Over | Lifetime::Unlimited => None,
            };
            let may_be_kept = is_observed && lifetime != Lifetime::Over;
            let kept = self.cache.kept(value.clone(), size, sent, time_to_live);
            leader.complete(value.clone(), may_be_kept.then_some(kept));
            all.push(value);
        }
        Ok(all)
    }

    fn decode(&self, key: &EntryKey, fetched: Fetched) -> Result<CachedValue<V>> {
        let decode = |bytes| decode_bytes::<V>(bytes, || self.source.attempt(key)).map(Arc::new);
        fetched.bytes.map(decode).transpose()
    }

    /// Returns whether the servers that were asked since `route_version` are those whose changes
    /// are received.
    fn is_observed(&self, route_version: &RouteVersion) -> bool {
        let is_same = |topology: Arc<Topology>| *topology == *route_version.topology;
        self.executor.route_version() == *route_version
            && self.cache.topology().is_some_and(is_same)
    }

    /// The error of a read while the cache is disconnected.
    fn disconnected(&self, key: &EntryKey) -> Error {
        Error::Disconnected { attempt: Box::new(self.source.attempt(key)) }
    }
}

impl<S, V: Codec, E: Clone> Clone for NearReader<S, V, E> {
    fn clone(&self) -> Self {
        let (executor, cache) = (self.executor.clone(), self.cache.clone());
        let (source, refuses) = (self.source.clone(), self.refuses);
        Self { executor, cache, source, refuses, codec: PhantomData }
    }
}

/// Counts the subscribers of a channel on the server that answers. A name or address may lead to
/// another server than it did when the cache subscribed.
fn listeners(channel: &[u8]) -> Command<Part> {
    Request::read("PUBSUB").arg("NUMSUB").arg(channel).listeners_part()
}

/// Returns whether there are no subscribers. If the server refuses to answer, or its answer is
/// lost, it is taken for the right one. A reply of another shape is an error.
fn has_none(reply: Result<Part>) -> Result<bool> {
    match reply {
        Ok(counts) => Ok(counts.integers() == [0]),
        Err(error @ Error::UnexpectedReply { .. }) => Err(error),
        Err(_) => Ok(false),
    }
}

/// How long a follower waits for its leader.
const FOLLOWER_TIMEOUT: Duration = Duration::from_secs(1);
