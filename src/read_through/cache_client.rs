use std::borrow::Borrow;
use std::fmt;
use std::time::Duration;

use super::engine::Found;
use super::engine::{EntryLocation, Named, Names, One};
use super::loader::{Loaded, LoadedMany, Loaders};
use super::policy::CachePolicy;
use super::pyredis;
use super::shared::Shared;
use super::stats::ReadThroughStats;
use crate::answer::HandlerResult;
use crate::client::{Client, RoundTrips};
use crate::codec::Codec;
#[cfg(feature = "near-cache")]
use crate::collections::NearCache;
use crate::collections::{Name, Ttl};
use crate::error::{Error, Result};
use crate::keys;
use crate::keys::{name_of, side_key_of};
#[cfg(feature = "near-cache")]
use crate::near::CacheStats;

/// A read-through cache: the value of an id is in the string `name~rc:cache:id`, or else it is
/// loaded by a function of yours and stored there.
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let client = redis_collections::Client::open(server.url())?;
/// use std::time::Duration;
///
/// use redis_collections::{CacheClient, CachePolicy};
///
/// let policy = CachePolicy::time_to_live(Duration::from_secs(60));
/// let squares: CacheClient<u64, u64> =
///     CacheClient::new(&client, "squares", policy, |id: u64, ()| {
///         id.checked_mul(id).ok_or("too large") // a `Result` with any error
///     })?;
/// assert_eq!(squares.get(&12)?.as_deref(), Some(&144)); // loads
/// assert_eq!(squares.get(&12)?.as_deref(), Some(&144)); // GET
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # One load at a time
///
/// Callers in one program that miss the same value share one load. Other programs wait for it and
/// learn what comes of it: the value, that there is none, or that the loader failed. Of an error
/// only the message reaches them, through Redis
/// ([`LoadError::is_remote`](crate::LoadError::is_remote)). Who loads has a lease, in a key beside
/// the value. If it dies, another takes over when the [lease](CachePolicy::lease) has run out. A
/// value that somebody deletes or sets meanwhile is not stored, nor given to anyone who asked for
/// it afterwards. Programs that write the key by other means are noticed too, but not one that
/// deletes a key that is not there yet.
///
/// On an `AsyncClient` the loader gives a future, which runs in a task of its own: a caller that is
/// dropped does not stop it.
///
/// # Loaders that use caches
///
/// A loader may read through other caches, and its own for other ids. If it asks for the value that
/// it is to load, directly or through the loader of another cache, that call fails with a
/// [`LoadError`] that [is recursive](crate::LoadError::is_recursive). Loads on two threads that
/// wait for each other are noticed, and one of them loads what it needs by itself. A loader that
/// asks on a thread or in a task of its own is not known to be one, and waits for up to three
/// leases instead.
///
/// [`LoadError`]: crate::LoadError
///
/// # Without Redis
///
/// When Redis cannot be used the loader is called and nothing is stored; this is counted and
/// logged. [`CachePolicy::fail_without_redis`] gives the error instead. Callers that come while the
/// loader runs share the next load, since nothing would show them a deletion in between. Bytes that
/// are not a value are loaded anew and replaced. A loader's error is [`Error::Load`].
///
/// Redis cannot be used while it is not reached, does not answer in time, or refuses for the moment
/// (`LOADING`, `READONLY`, `OOM` and the like): what is [transient](crate::Error::is_transient),
/// and any failure to connect. All else it refuses is an error in any case, such as `NOPERM` and
/// `WRONGTYPE`.
///
/// # Rights
///
/// A user needs the keys that begin with the name, and `EVAL`, `EVALSHA`, `TIME`, `GET`, `MGET`,
/// `SET`, `UNLINK`, `PTTL`, `PEXPIRE`, `HGET`, `HSET`, `HDEL`, `HLEN` and `HRANDFIELD`; to clear
/// also `SCAN` and `INFO`. A [`HashCacheClient`](crate::HashCacheClient) needs `HMGET` too, and
/// `HPTTL`, `HPEXPIRE` and `SETRANGE` where its values expire.
///
/// # Arguments
///
/// `A` is what a loader needs besides the id, such as a session: [`get_with`](Self::get_with) hands
/// it over. Callers that share a load share the arguments of the first, and what is stored does not
/// depend on them.
pub struct CacheClient<K, V, E = Client, A = ()>
where
    K: Codec,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
{
    shared: Shared<One<K>, V, E, A>,
    names: Names,
}

impl<K, V, E, A> CacheClient<K, V, E, A>
where
    K: Codec,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    /// The cache `name`, whose keys begin with `name~rc:cache:`. It shares no key with a cache of
    /// another name, nor with any other collection.
    ///
    /// The loader gives a value, an `Option` of one, or a [`Loaded`] that says how long it is to be
    /// kept. An error if the policy cannot be kept or the name is empty or holds `~rc:`.
    pub fn new<R: HandlerResult<Loaded<V::Owned>, E>>(
        executor: &E,
        name: impl Into<Name>,
        policy: CachePolicy,
        load: impl Fn(K::Owned, A) -> R + Send + Sync + 'static,
    ) -> Result<Self> {
        let prefix = own_prefix(&name.into(), "cache")?;
        Self::over(executor, prefix, Names::Own, policy, Loaders::new(load))
    }

    /// The cache whose keys begin with `prefix` as it is, such as `users:`, as those of a
    /// [`RedisDict`](crate::RedisDict): for values that others read or remove under such keys. What
    /// else has keys that begin with the prefix is up to you; [`clear`](Self::clear) removes every
    /// string among them.
    ///
    /// An error if the policy cannot be kept or the prefix is empty or holds `~rc:`.
    pub fn with_prefix<R: HandlerResult<Loaded<V::Owned>, E>>(
        executor: &E,
        prefix: impl Into<Name>,
        policy: CachePolicy,
        load: impl Fn(K::Owned, A) -> R + Send + Sync + 'static,
    ) -> Result<Self> {
        let prefix = literal_prefix(&prefix.into())?;
        Self::over(executor, prefix, Names::Own, policy, Loaders::new(load))
    }

    /// The cache that the Python library pyredis-cache has under `operation`: the keys are
    /// `000STUDENT#0000000012`. An id has to be a number.
    ///
    /// Names that differ only in case or in leading zeros are the same to it.
    pub fn pyredis_cache<R: HandlerResult<Loaded<V::Owned>, E>>(
        executor: &E,
        operation: &str,
        policy: CachePolicy,
        load: impl Fn(K::Owned, A) -> R + Send + Sync + 'static,
    ) -> Result<Self> {
        let names = Names::PyRedisCache { field: Vec::new() };
        Self::over(executor, pyredis::prefix(operation)?, names, policy, Loaders::new(load))
    }

    fn over(
        executor: &E,
        prefix: Vec<u8>,
        names: Names,
        policy: CachePolicy,
        loaders: Loaders<K::Owned, V::Owned, A>,
    ) -> Result<Self> {
        Ok(Self { shared: Shared::new(executor, prefix, policy, loaders)?, names })
    }

    /// The same cache, which loads several missing values at once: the function gives one for each
    /// id, in their order, of at most a thousand ids. To be called before the cache is used.
    pub fn with_bulk_loader<R: HandlerResult<LoadedMany<V::Owned>, E>>(
        self,
        load: impl Fn(Vec<K::Owned>, A) -> R + Send + Sync + 'static,
    ) -> Self {
        Self { shared: self.shared.with_bulk_loader(load), ..self }
    }

    /// The same cache with a near cache in front, which this connects. It keeps values while they
    /// are fresh, and what was said of [`CachedDict`](crate::CachedDict) holds for it.
    #[cfg(feature = "near-cache")]
    pub fn near(&self, settings: NearCache) -> E::Reply<Self> {
        let names = self.names.clone();
        self.shared.near(settings, move |shared| Self { shared, names })
    }

    /// What the near cache has done so far, if there is one.
    #[cfg(feature = "near-cache")]
    pub fn near_stats(&self) -> Option<CacheStats> {
        self.shared.near_stats()
    }

    /// The value of `id`, or `None` if its loader says that there is none. A hit takes one round
    /// trip, a miss three with its load in the middle.
    pub fn get(&self, id: &K::Borrowed) -> E::Reply<Found<V>>
    where
        A: Default,
    {
        self.get_with(id, A::default())
    }

    /// The value of `id`, loaded with `args` if it is missing.
    pub fn get_with(&self, id: &K::Borrowed, args: A) -> E::Reply<Found<V>> {
        self.shared.get(self.location(id), args)
    }

    /// The values of `ids`, in their order. One round trip finds a thousand of them; those that are
    /// missing are loaded one after the other, or by the bulk loader together.
    ///
    /// Eight at a time are claimed, or as many as the bulk loader takes, so that other callers wait
    /// for no more of them.
    pub fn get_many<'a, Q>(&self, ids: impl IntoIterator<Item = &'a Q>) -> E::Reply<Vec<Found<V>>>
    where
        Q: Borrow<K::Borrowed> + ?Sized + 'a,
        A: Default,
    {
        self.get_many_with(ids, A::default())
    }

    /// The values of `ids`, loaded with `args` if they are missing.
    pub fn get_many_with<'a, Q>(
        &self,
        ids: impl IntoIterator<Item = &'a Q>,
        args: A,
    ) -> E::Reply<Vec<Found<V>>>
    where
        Q: Borrow<K::Borrowed> + ?Sized + 'a,
    {
        self.shared.get_many(ids.into_iter().map(|id| self.location(id.borrow())), args)
    }

    /// What the cache has of `id`, without loading it. One round trip.
    pub fn peek(&self, id: &K::Borrowed) -> E::Reply<Found<V>> {
        self.shared.peek(self.location(id))
    }

    /// Loads the value of `id` anew, stores it and gives it. It wins over loads that began before,
    /// and gives way to what is set or deleted meanwhile, as any load does.
    pub fn set(&self, id: &K::Borrowed) -> E::Reply<Found<V>>
    where
        A: Default,
    {
        self.set_with(id, A::default())
    }

    /// Loads the value of `id` with `args`, stores it and gives it.
    pub fn set_with(&self, id: &K::Borrowed, args: A) -> E::Reply<Found<V>> {
        self.shared.set(self.location(id), args)
    }

    /// Stores `value` for `id`. It wins over loads under way. A script of `SET`, O(1).
    pub fn set_value(&self, id: &K::Borrowed, value: &V::Borrowed) -> E::Reply<()> {
        self.shared.set_value(self.location(id), value, None)
    }

    /// Stores `value` for `id`, to be kept for `time`. A script of `SET`, O(1).
    pub fn set_value_with_ttl(
        &self,
        id: &K::Borrowed,
        value: &V::Borrowed,
        time: Duration,
    ) -> E::Reply<()> {
        self.shared.set_value(self.location(id), value, Some(time))
    }

    /// Begins to load the value of `id` in the background, unless it is being loaded.
    ///
    /// At most sixteen threads or tasks of a cache do so at a time; more is not begun. What is
    /// under way when the cache is dropped is finished.
    pub fn refresh(&self, id: &K::Borrowed) -> E::Reply<()>
    where
        A: Default,
    {
        self.refresh_with(id, A::default())
    }

    /// Begins to load the value of `id` with `args` in the background.
    pub fn refresh_with(&self, id: &K::Borrowed, args: A) -> E::Reply<()> {
        self.shared.refresh(self.location(id), args)
    }

    /// Removes the value of `id`, also one that is being loaded, and says whether it was stored. A
    /// script of `UNLINK`, O(1).
    pub fn delete(&self, id: &K::Borrowed) -> E::Reply<bool> {
        self.shared.delete(self.location(id))
    }

    /// Removes the values of `ids`, each as [`delete`](Self::delete) does, a thousand in a round
    /// trip, and says how many were stored.
    pub fn delete_many<'a, Q>(&self, ids: impl IntoIterator<Item = &'a Q>) -> E::Reply<usize>
    where
        Q: Borrow<K::Borrowed> + ?Sized + 'a,
    {
        self.shared.delete_many(ids.into_iter().map(|id| self.location(id.borrow())))
    }

    /// Removes all values, also those that are being loaded, and says how many were stored. `SCAN`
    /// and `UNLINK`, O(keys of the database). Not atomic.
    pub fn clear(&self) -> E::Reply<usize> {
        self.shared.clear("string")
    }

    /// How long the value of `id` is still fresh. `PTTL`, O(1).
    pub fn ttl(&self, id: &K::Borrowed) -> E::Reply<Ttl> {
        self.shared.ttl(self.location(id))
    }

    /// What the cache has done in this program so far; clones are counted together.
    pub fn stats(&self) -> ReadThroughStats {
        self.shared.stats()
    }

    fn location(&self, id: &K::Borrowed) -> Named<EntryLocation> {
        self.names.string(self.shared.prefix(), encoded::<K>(id)?)
    }
}

/// What the keys of the cache `name` of this kind begin with.
pub(super) fn own_prefix(name: &Name, kind: &str) -> Result<Vec<u8>> {
    Ok(side_key_of(&literal_prefix(name)?, kind, b""))
}

/// A prefix that a cache may have, or the name of one.
pub(super) fn literal_prefix(prefix: &Name) -> Result<Vec<u8>> {
    let prefix = prefix.as_bytes();
    let problem = match keys::refusal(prefix) {
        None if !prefix.is_empty() => return Ok(prefix.to_vec()),
        None => "the name or prefix of a cache is empty",
        Some(problem) => problem,
    };
    Err(Error::Configuration(problem.into()))
}

pub(super) fn encoded<K: Codec>(id: &K::Borrowed) -> Named<Vec<u8>> {
    let mut bytes = Vec::new();
    K::encode(id, &mut bytes)?;
    Ok(bytes)
}

impl<K, V, E, A> Clone for CacheClient<K, V, E, A>
where
    K: Codec,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
{
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), names: self.names.clone() }
    }
}

impl<K, V, E, A> fmt::Debug for CacheClient<K, V, E, A>
where
    K: Codec,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheClient(\"{}\")", name_of(self.shared.prefix()).escape_ascii())
    }
}
