//! The operations of both kinds of read-through caches, on values whose location is known.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::engine::Commands;
use super::engine::SingleFlight;
use super::engine::{Engine, SharedValue};
use super::engine::{EntryIds, EntryLocation, NameResult, is_lease_key};
use super::loader::{LoadedMany, Loaders};
use super::policy::CachePolicy;
use super::stats::{ReadThroughCounters, ReadThroughStats};
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::collections::{Cursor, Ttl};
use crate::command::Command;
use crate::episode::Episode;
use crate::error::{Attempt, Error, Result};
use crate::handler_result::HandlerResult;
use crate::keys::Gather;
use crate::keys::escape;
use crate::keys::is_side_key;
use crate::limits::ENTRIES_PER_COMMAND;
use crate::reply;
use crate::request::Request;

/// A handle to an engine.
pub(super) struct EngineHandle<I: EntryIds, V: Codec<Owned: Sync>, E: RoundTrips, A>(
    Arc<Engine<I, V, E, A>>,
);

impl<I, V, E, A> EngineHandle<I, V, E, A>
where
    I: EntryIds,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    pub(super) fn new(
        executor: &E,
        prefix: Vec<u8>,
        policy: CachePolicy,
        loaders: Loaders<I::Owned, V::Owned, A>,
    ) -> Result<Self> {
        policy.check()?;
        let freshness = policy.freshness();
        let expires = policy.time_to_live.is_some() || freshness.matters();
        let (lease, errors) = (policy.lease, policy.errors);
        let commands = Commands { expires, lease, errors, publishing: None };
        Ok(Self(Arc::new(Engine {
            executor: executor.clone(),
            prefix,
            policy,
            freshness,
            commands,
            loaders,
            flights: Arc::new(SingleFlight::new()),
            counts: ReadThroughCounters::default(),
            outage: Episode::default(),
            refreshing: Arc::default(),
            #[cfg(feature = "near-cache")]
            near: None,
        })))
    }

    pub(super) fn with_bulk_loader<F, R>(&self, load: F) -> Self
    where
        F: Fn(Vec<I::Owned>, A) -> R + Send + Sync + 'static,
        R: HandlerResult<LoadedMany<V::Owned>, E>,
    {
        let engine = &self.0;
        Self(Arc::new(engine.renewed(engine.loaders.with_bulk(load))))
    }

    /// Opens a near cache, and passes the combination to `made`.
    #[cfg(feature = "near-cache")]
    pub(super) fn near<C: Send + 'static>(
        &self,
        settings: crate::collections::NearCacheSettings,
        made: impl FnOnce(Self) -> C + Send + 'static,
    ) -> E::Reply<C> {
        let engine = self.0.clone();
        self.0.executor.converse(async move {
            let mut near = engine.renewed(engine.loaders.clone());
            let (executor, prefix) = (engine.executor.clone(), engine.prefix.clone());
            let opened =
                super::near::NearLayer::open(executor, prefix, engine.freshness.clone(), settings);
            let opened = opened.await?;
            near.executor = opened.cached().client().clone();
            near.commands.publishing = opened.cached().publishing().cloned();
            near.near = Some(opened);
            Ok(made(Self(Arc::new(near))))
        })
    }

    #[cfg(feature = "near-cache")]
    pub(super) fn near_stats(&self) -> Option<crate::near::NearCacheStats> {
        self.0.near.as_ref().map(super::near::NearLayer::stats)
    }

    pub(super) fn client(&self) -> &E {
        &self.0.executor
    }

    pub(super) fn stats(&self) -> ReadThroughStats {
        self.0.counts.stats()
    }

    pub(super) fn get(
        &self,
        location: NameResult<EntryLocation>,
        args: A,
    ) -> E::Reply<SharedValue<V>> {
        let engine = self.0.clone();
        self.with(location, |location| async move {
            Ok(engine.get(vec![location], args).await?.pop().flatten())
        })
    }

    pub(super) fn get_many(
        &self,
        locations: impl Iterator<Item = NameResult<EntryLocation>>,
        args: A,
    ) -> E::Reply<Vec<SharedValue<V>>> {
        let engine = self.0.clone();
        self.with(locations.collect(), |locations| engine.get(locations, args))
    }

    pub(super) fn peek(&self, location: NameResult<EntryLocation>) -> E::Reply<SharedValue<V>> {
        let engine = self.0.clone();
        self.with(location, |location| engine.peek(location))
    }

    pub(super) fn set(
        &self,
        location: NameResult<EntryLocation>,
        args: A,
    ) -> E::Reply<SharedValue<V>> {
        let engine = self.0.clone();
        self.with(location, |location| engine.set(location, args))
    }

    pub(super) fn set_value(
        &self,
        location: NameResult<EntryLocation>,
        value: &V::Borrowed,
        time: Option<Duration>,
    ) -> E::Reply<()> {
        let engine = self.0.clone();
        let time = match time {
            Some(time) if time.is_zero() => Some(time),
            Some(time) => Some(time.saturating_add(engine.policy.reserve())),
            None => engine.lasting(),
        };
        let command =
            location.map(|location| (engine.commands.put::<V>(&location, value, time), location));
        self.with(command, |(command, location)| async move {
            let set = engine.executor.send(command).await;
            engine.flights.forget_one(&location);
            set
        })
    }

    pub(super) fn refresh(&self, location: NameResult<EntryLocation>, args: A) -> E::Reply<()> {
        let engine = self.0.clone();
        self.with(location, |location| async move {
            engine.refresh(vec![location], args);
            Ok(())
        })
    }

    pub(super) fn delete(&self, location: NameResult<EntryLocation>) -> E::Reply<bool> {
        let engine = self.0.clone();
        self.with(location, |location| async move {
            let deleted = engine.executor.send(engine.commands.delete(&location)).await;
            engine.flights.forget_one(&location);
            deleted
        })
    }

    pub(super) fn delete_many(
        &self,
        locations: impl Iterator<Item = NameResult<EntryLocation>>,
    ) -> E::Reply<usize> {
        let engine = self.0.clone();
        self.with(locations.collect::<NameResult<Vec<_>>>(), |locations| async move {
            let mut deleted = 0;
            for locations in locations.chunks(ENTRIES_PER_COMMAND) {
                let commands = locations.iter().map(|location| engine.commands.delete(location));
                let replies = send_each(&engine.executor, commands.collect()).await;
                locations.iter().for_each(|location| engine.flights.forget_one(location));
                let replies = replies.unwrap_or_else(|error| vec![Err(error)]);
                let (done, failed): (Vec<_>, Vec<_>) = replies.into_iter().partition(Result::is_ok);
                deleted += done.into_iter().flatten().filter(|was_there| *was_there).count();
                if let Some(Err(error)) = failed.into_iter().next() {
                    return Err(error.after_steps(deleted > 0, || engine.removal()));
                }
            }
            Ok(deleted)
        })
    }

    pub(super) fn delete_hash(&self, key: NameResult<Vec<u8>>) -> E::Reply<bool> {
        let engine = self.0.clone();
        self.with(key, |key| async move {
            let deleted = engine.executor.send(engine.commands.delete_hash(&key)).await;
            engine.flights.forget(|location| location.key == key);
            deleted
        })
    }

    /// Returns how long a value stays fresh, without the time for which it is kept after that.
    pub(super) fn ttl(&self, location: NameResult<EntryLocation>) -> E::Reply<Ttl> {
        let engine = self.0.clone();
        self.with(location, |location| async move {
            let reserve = Duration::from_millis(engine.freshness.reserve().unsigned_abs());
            Ok(match engine.executor.send(engine.commands.ttl(&location)).await? {
                Ttl::Left(left) => Ttl::Left(left.saturating_sub(reserve)),
                ttl => ttl,
            })
        })
    }

    /// Removes all values, which are of this kind, and prevents all loads in flight from storing.
    pub(super) fn clear(&self, kind: &'static str) -> E::Reply<usize> {
        let engine = self.0.clone();
        self.0.executor.converse(async move {
            engine.flights.forget(|_| true);
            let prefix = &engine.prefix;
            // The hashes of loads go first, so that no load stores a value after the scan has
            // passed it.
            let lease_key = engine.remove("hash", |key| is_lease_key(key, prefix)).await?;
            let is_value = |key: &[u8]| key.starts_with(prefix) && !is_side_key(key, prefix.len());
            let removed = engine.remove(kind, is_value).await;
            removed.map_err(|error| error.after_steps(lease_key > 0, || engine.removal()))
        })
    }

    /// Continues with a location, or returns the error of naming it.
    fn with<T, U, F>(&self, named: NameResult<T>, go_on: impl FnOnce(T) -> F) -> E::Reply<U>
    where
        U: Send + 'static,
        F: Future<Output = Result<U>> + Send + 'static,
    {
        match named {
            Ok(named) => self.0.executor.converse(go_on(named)),
            Err(source) => {
                let key = Some(self.0.prefix.clone());
                let attempt = Attempt {
                    command: "load",
                    key,
                    field: None,
                    writes: false,
                    in_part: false,
                    halfway: false,
                };
                self.0.executor.ready(Err(Error::Encode { attempt: Box::new(attempt), source }))
            }
        }
    }
}

impl<I, V, E, A> Engine<I, V, E, A>
where
    I: EntryIds,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    /// Creates an engine with other loaders, whose counts start at zero.
    fn renewed(&self, loaders: Loaders<I::Owned, V::Owned, A>) -> Self {
        Self {
            executor: self.executor.clone(),
            prefix: self.prefix.clone(),
            policy: self.policy.clone(),
            freshness: self.freshness.clone(),
            commands: self.commands.clone(),
            loaders,
            flights: Arc::new(SingleFlight::new()),
            counts: ReadThroughCounters::default(),
            outage: Episode::default(),
            refreshing: Arc::default(),
            #[cfg(feature = "near-cache")]
            near: self.near.clone(),
        }
    }

    /// Removes the keys of a kind that begin with the prefix and are `chosen`, and returns how
    /// many.
    async fn remove(&self, kind: &'static str, chosen: impl Fn(&[u8]) -> bool) -> Result<usize> {
        let pattern = [&escape(&self.prefix)[..], b"*"].concat();
        let mut removed = 0;
        let mut cursor = Cursor::default();
        while !cursor.is_done() {
            let after = |error: Error| error.after_steps(removed > 0, || self.removal());
            let keys = cursor.keys(&self.executor, None, &pattern, Some(kind)).await;
            let mut keys = keys.map_err(after)?;
            keys.retain(|key| chosen(key));
            let unlink = Request::write("UNLINK").divisible(Gather::Sum);
            let unlink = unlink.publishes(&self.commands.publishing);
            let unlink = unlink.each(&keys, |request, key| request.push_key(key), Value::Int(0));
            let unlinked = self.executor.send(unlink.returns(reply::at_most_asked)).await;
            removed += unlinked.map_err(after)?;
        }
        Ok(removed)
    }

    /// Describes the removal of several values, for errors.
    fn removal(&self) -> Attempt {
        Request::write("UNLINK").key(&self.prefix).attempt()
    }
}

impl<I: EntryIds, V: Codec<Owned: Sync>, E: RoundTrips, A> EngineHandle<I, V, E, A> {
    pub(super) fn prefix(&self) -> &[u8] {
        &self.0.prefix
    }
}

impl<I: EntryIds, V: Codec<Owned: Sync>, E: RoundTrips, A> Clone for EngineHandle<I, V, E, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Returns the reply to each command, in one round trip.
pub(super) async fn send_each<E: RoundTrips, T: Send + 'static>(
    executor: &E,
    commands: Vec<Command<T>>,
) -> Result<Vec<Result<T>>> {
    match <[_; 1]>::try_from(commands) {
        // A single script is sent by its hash.
        Ok([command]) => Ok(vec![executor.send(command).await]),
        Err(commands) => executor.send_all(commands).await,
    }
}
