use std::fmt;
use std::time::Duration;

use super::engine::SharedValue;
use super::engine::{EntryLocation, NameResult, Names, OneId};
use super::loader::{Loaded, LoadedMany, Loaders};
use super::policy::CachePolicy;
use super::prefix::{encoded, literal_prefix, own_prefix};
use super::pyredis;
use super::shared::EngineHandle;
use super::stats::ReadThroughStats;
use crate::client::{Client, RoundTrips};
use crate::codec::Codec;
#[cfg(feature = "near-cache")]
use crate::collections::NearCacheSettings;
use crate::collections::{Lend, Name, Ttl};
use crate::error::Result;
use crate::handler_result::HandlerResult;
use crate::keys::name_of;
#[cfg(feature = "near-cache")]
use crate::near::NearCacheStats;

/// A read-through cache: the value of an id is in the string `name~rc:cache:id`, or else it is
/// loaded by a user-defined function and stored there.
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
/// # Single-flight loads
///
/// Callers in one program that miss the same value share one load. Other programs wait for it and
/// receive its outcome: the value, its absence, or the failure of the loader. Only the message of
/// an error reaches them, through Redis ([`LoadError::is_remote`](crate::LoadError::is_remote)).
/// The program that loads holds a lease, in a key beside the value. If it dies, another one takes
/// over when the [lease](CachePolicy::lease) has expired. A load never overwrites a value that was
/// set or deleted meanwhile, and callers that arrive after that never receive its result. Programs
/// that write the key by other means are detected too, except one that deletes a key that does not
/// exist yet.
///
/// On an `AsyncClient` the loader returns a future, which runs in a task of its own: dropping a
/// caller does not stop it.
///
/// # Loaders that use caches
///
/// A loader may read through other caches, and through its own for other ids. If it requests the
/// value that it is loading, directly or through the loader of another cache, that call fails with
/// a [`LoadError`] that [is recursive](crate::LoadError::is_recursive). A deadlock between loads on
/// two threads is detected, and one of them loads the value that it needs by itself. A request that
/// a loader makes on a thread or in a task of its own cannot be attributed to it, and waits for up
/// to three leases instead.
///
/// [`LoadError`]: crate::LoadError
///
/// # Without Redis
///
/// When Redis is unavailable, the loader is called and nothing is stored. This is counted and
/// logged. With [`CachePolicy::fail_without_redis`] the error is returned instead. Callers that
/// arrive while the loader is running share the next load, since a deletion in between would go
/// unnoticed. Stored bytes that cannot be decoded are loaded again and replaced. A loader's error
/// is [`Error::Load`](crate::Error::Load).
///
/// Redis is unavailable while it cannot be reached, does not answer in time, or refuses temporarily
/// (`LOADING`, `READONLY`, `OOM` and the like): any [transient](crate::Error::is_transient) error,
/// and any failure to connect. All other refusals are always errors, such as `NOPERM` and
/// `WRONGTYPE`.
///
/// # Rights
///
/// A user needs the keys that begin with the name, and `EVAL`, `EVALSHA`, `TIME`, `GET`, `MGET`,
/// `SET`, `UNLINK`, `PTTL`, `PEXPIRE`, `HGET`, `HSET`, `HDEL`, `HLEN` and `HRANDFIELD`, and for
/// clearing `SCAN` and `INFO`. A [`HashCacheClient`](crate::HashCacheClient) needs `HMGET` too, and
/// `HPTTL`, `HPEXPIRE` and `SETRANGE` if its values expire.
///
/// # Arguments
///
/// `A` is the loader's input besides the id, such as a session, and is passed by
/// [`get_with`](Self::get_with). Callers that share a load share the arguments of the first, and
/// the stored value does not depend on them.
pub struct CacheClient<K, V, E = Client, A = ()>
where
    K: Codec,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
{
    shared: EngineHandle<OneId<K>, V, E, A>,
    names: Names,
}

impl<K, V, E, A> CacheClient<K, V, E, A>
where
    K: Codec,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    /// Creates the cache `name`, whose keys begin with `name~rc:cache:`. It shares no key with a
    /// cache of another name, nor with any other collection.
    ///
    /// The loader returns a value, an `Option` of one, or a [`Loaded`] that specifies how long it
    /// is kept. Fails if the policy is invalid, or the name is empty or contains `~rc:`.
    pub fn new<R: HandlerResult<Loaded<V::Owned>, E>>(
        executor: &E,
        name: impl Into<Name>,
        policy: CachePolicy,
        load: impl Fn(K::Owned, A) -> R + Send + Sync + 'static,
    ) -> Result<Self> {
        let prefix = own_prefix(&name.into(), "cache")?;
        Self::over(executor, prefix, Names::Own, policy, Loaders::new(load))
    }

    /// Creates the cache whose keys begin with `prefix` as it is, such as `users:`, like those of a
    /// [`RedisDict`](crate::RedisDict): for values that other programs read or remove under such
    /// keys. The caller is responsible for other keys that begin with the prefix;
    /// [`clear`](Self::clear) removes every string among them.
    ///
    /// Fails if the policy is invalid, or the prefix is empty or contains `~rc:`.
    pub fn with_prefix<R: HandlerResult<Loaded<V::Owned>, E>>(
        executor: &E,
        prefix: impl Into<Name>,
        policy: CachePolicy,
        load: impl Fn(K::Owned, A) -> R + Send + Sync + 'static,
    ) -> Result<Self> {
        let prefix = literal_prefix(&prefix.into())?;
        Self::over(executor, prefix, Names::Own, policy, Loaders::new(load))
    }

    /// Creates the cache that the Python library pyredis-cache has under `operation`: the keys are
    /// `000STUDENT#0000000012`. An id must be a number.
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

    /// Creates a cache of the keys that begin with `prefix`, named by `names`.
    fn over(
        executor: &E,
        prefix: Vec<u8>,
        names: Names,
        policy: CachePolicy,
        loaders: Loaders<K::Owned, V::Owned, A>,
    ) -> Result<Self> {
        Ok(Self { shared: EngineHandle::new(executor, prefix, policy, loaders)?, names })
    }

    /// Adds a loader for several missing values at once: the function returns a value for each id,
    /// in their order, of at most a thousand ids. Must be called before the cache is used.
    pub fn with_bulk_loader<R: HandlerResult<LoadedMany<V::Owned>, E>>(
        self,
        load: impl Fn(Vec<K::Owned>, A) -> R + Send + Sync + 'static,
    ) -> Self {
        Self { shared: self.shared.with_bulk_loader(load), ..self }
    }

    /// Connects a near cache in front of this cache, and returns the combination. It keeps values
    /// while they are fresh, as described for [`CachedDict`](crate::CachedDict).
    #[cfg(feature = "near-cache")]
    pub fn near(&self, settings: NearCacheSettings) -> E::Reply<Self> {
        let names = self.names.clone();
        self.shared.near(settings, move |shared| Self { shared, names })
    }

    /// Returns the statistics of the near cache, if there is one.
    #[cfg(feature = "near-cache")]
    pub fn near_stats(&self) -> Option<NearCacheStats> {
        self.shared.near_stats()
    }

    /// Returns the value of `id`, or `None` if its loader reports that there is none. A hit takes
    /// one round trip of `GET`, O(1), a miss three: `GET`, a script that claims the load, and one
    /// that stores its value.
    ///
    /// A policy that depends on the age of values adds `PTTL` to the first round trip, and one that
    /// remembers absence adds `HGET` and `TIME`.
    pub fn get(&self, id: &K::Borrowed) -> E::Reply<SharedValue<V>>
    where
        A: Default,
    {
        self.get_with(id, A::default())
    }

    /// Returns the value of `id`, loaded with `args` if it is missing.
    pub fn get_with(&self, id: &K::Borrowed, args: A) -> E::Reply<SharedValue<V>> {
        self.shared.get(self.location(id), args)
    }

    /// Returns the values of `ids`, in their order. One round trip per thousand finds them. Missing
    /// ones are loaded one after the other, or together by the bulk loader.
    ///
    /// Eight at a time are claimed, or as many as the bulk loader takes, so that other callers wait
    /// for no more of them.
    pub fn get_many<Q, const OWNED: bool>(
        &self,
        ids: impl IntoIterator<Item = Q>,
    ) -> E::Reply<Vec<SharedValue<V>>>
    where
        Q: Lend<K, OWNED>,
        A: Default,
    {
        self.get_many_with(ids, A::default())
    }

    /// Returns the values of `ids`, loaded with `args` if they are missing.
    pub fn get_many_with<Q, const OWNED: bool>(
        &self,
        ids: impl IntoIterator<Item = Q>,
        args: A,
    ) -> E::Reply<Vec<SharedValue<V>>>
    where
        Q: Lend<K, OWNED>,
    {
        self.shared.get_many(ids.into_iter().map(|id| self.location(id.lend())), args)
    }

    /// Returns the cached value of `id`, without loading it. One round trip.
    pub fn peek(&self, id: &K::Borrowed) -> E::Reply<SharedValue<V>> {
        self.shared.peek(self.location(id))
    }

    /// Loads the value of `id` again, stores it and returns it. It takes precedence over loads that
    /// began before. Like any load, it never overwrites a value that is set or deleted meanwhile,
    /// and without Redis it returns the value unstored, unless the policy is to
    /// [fail](CachePolicy::fail_without_redis).
    pub fn set(&self, id: &K::Borrowed) -> E::Reply<SharedValue<V>>
    where
        A: Default,
    {
        self.set_with(id, A::default())
    }

    /// Loads the value of `id` with `args`, stores it and returns it.
    pub fn set_with(&self, id: &K::Borrowed, args: A) -> E::Reply<SharedValue<V>> {
        self.shared.set(self.location(id), args)
    }

    /// Stores `value` for `id`. It takes precedence over loads in flight. A script of `SET`, O(1).
    pub fn set_value(&self, id: &K::Borrowed, value: &V::Borrowed) -> E::Reply<()> {
        self.shared.set_value(self.location(id), value, None)
    }

    /// Stores `value` for `id`, and keeps it for `time`. A script of `SET`, O(1).
    pub fn set_value_with_ttl(
        &self,
        id: &K::Borrowed,
        value: &V::Borrowed,
        time: Duration,
    ) -> E::Reply<()> {
        self.shared.set_value(self.location(id), value, Some(time))
    }

    /// Starts to load the value of `id` in the background, unless it is being loaded.
    ///
    /// At most sixteen threads or tasks per cache do so at a time; further requests are ignored.
    /// Loads in flight when the cache is dropped are finished.
    pub fn refresh(&self, id: &K::Borrowed) -> E::Reply<()>
    where
        A: Default,
    {
        self.refresh_with(id, A::default())
    }

    /// Starts to load the value of `id` with `args` in the background.
    pub fn refresh_with(&self, id: &K::Borrowed, args: A) -> E::Reply<()> {
        self.shared.refresh(self.location(id), args)
    }

    /// Removes the value of `id`, even one that is being loaded, and returns whether it was stored.
    /// A script of `UNLINK`, O(1).
    pub fn delete(&self, id: &K::Borrowed) -> E::Reply<bool> {
        self.shared.delete(self.location(id))
    }

    /// Removes the values of `ids`, each as [`delete`](Self::delete) does, a thousand per round
    /// trip, and returns how many were stored.
    pub fn delete_many<Q, const OWNED: bool>(
        &self,
        ids: impl IntoIterator<Item = Q>,
    ) -> E::Reply<usize>
    where
        Q: Lend<K, OWNED>,
    {
        self.shared.delete_many(ids.into_iter().map(|id| self.location(id.lend())))
    }

    /// Removes all values, even those that are being loaded, and returns how many were stored.
    /// `SCAN` and `UNLINK`, O(keys of the database). Not atomic.
    pub fn clear(&self) -> E::Reply<usize> {
        self.shared.clear("string")
    }

    /// Returns how long the value of `id` stays fresh. `PTTL`, O(1).
    pub fn ttl(&self, id: &K::Borrowed) -> E::Reply<Ttl> {
        self.shared.ttl(self.location(id))
    }

    /// The client that runs its operations.
    pub fn client(&self) -> &E {
        self.shared.client()
    }

    /// Returns the statistics of the cache in this program; clones are counted together.
    pub fn stats(&self) -> ReadThroughStats {
        self.shared.stats()
    }

    fn location(&self, id: &K::Borrowed) -> NameResult<EntryLocation> {
        self.names.string(self.shared.prefix(), encoded::<K>(id)?)
    }
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
