use std::fmt;
use std::time::Duration;

use super::engine::SharedValue;
use super::engine::{EntryLocation, HashAndId, NameResult, Names};
use super::loader::{Loaded, LoadedMany, Loaders};
use super::policy::CachePolicy;
use super::prefix::{encoded, literal_prefix, own_prefix};
use super::pyredis;
use super::shared::EngineHandle;
use super::stats::ReadThroughStats;
use crate::client::{Client, RoundTrips};
use crate::codec::Codec;
use crate::collections::{Lend, Name, Ttl};
use crate::error::Result;
use crate::handler_result::HandlerResult;
use crate::keys::name_of;

/// A read-through cache over hashes: the value of an id is in the field `id` of the hash
/// `name~rc:hash-cache:hash_id`, or else it is loaded by a user-defined function and stored there.
///
/// Values of one hash, such as the students of a class, can be removed at once. Otherwise it is
/// like a [`CacheClient`](crate::CacheClient), but without a near cache.
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let client = redis_collections::Client::open(server.url())?;
/// use redis_collections::{CachePolicy, HashCacheClient};
///
/// let marks: HashCacheClient<u32, String, String> = HashCacheClient::new(
///     &client,
///     "marks",
///     CachePolicy::without_expiry(),
///     |class: u32, student: String, ()| Ok::<_, std::io::Error>(format!("{student} of {class}")),
/// )?;
/// assert_eq!(marks.get(&3, "ann")?.as_deref().map(String::as_str), Some("ann of 3")); // loads
/// assert!(marks.delete_hash(&3)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Expiry
///
/// Fields expire by themselves on Redis 7.4 or later and Valkey 9 or later. Elsewhere a cache whose
/// policy has a time to live returns [`Error::Unsupported`](crate::Error::Unsupported) before it
/// loads anything, and only [`CachePolicy::without_expiry`] can be used.
pub struct HashCacheClient<H, K, V, E = Client, A = ()>
where
    H: Codec,
    K: Codec,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
{
    shared: EngineHandle<HashAndId<H, K>, V, E, A>,
    names: Names,
}

impl<H, K, V, E, A> HashCacheClient<H, K, V, E, A>
where
    H: Codec,
    K: Codec,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    /// Creates the cache `name`, whose hashes begin with `name~rc:hash-cache:`. It shares no key
    /// with a cache of another name, nor with any other collection.
    ///
    /// The loader receives the id of the hash, that of the value, and the arguments. Fails if the
    /// policy is invalid, or the name is empty or contains `~rc:`.
    pub fn new<R: HandlerResult<Loaded<V::Owned>, E>>(
        executor: &E,
        name: impl Into<Name>,
        policy: CachePolicy,
        load: impl Fn(H::Owned, K::Owned, A) -> R + Send + Sync + 'static,
    ) -> Result<Self> {
        let prefix = own_prefix(&name.into(), "hash-cache")?;
        Self::over(executor, prefix, Names::Own, policy, load)
    }

    /// Creates the cache whose hashes begin with `prefix` as it is, such as `classes:`. The caller
    /// is responsible for other keys that begin with it; [`clear`](Self::clear) removes every hash
    /// among them.
    ///
    /// Fails if the policy is invalid, or the prefix is empty or contains `~rc:`.
    pub fn with_prefix<R: HandlerResult<Loaded<V::Owned>, E>>(
        executor: &E,
        prefix: impl Into<Name>,
        policy: CachePolicy,
        load: impl Fn(H::Owned, K::Owned, A) -> R + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::over(executor, literal_prefix(&prefix.into())?, Names::Own, policy, load)
    }

    /// Creates the cache that the Python library pyredis-cache has under these operations: the
    /// hashes are `00000CLASS#0000000003`, their fields `000STUDENT#0000000012`. All ids must be
    /// numbers.
    pub fn pyredis_cache<R: HandlerResult<Loaded<V::Owned>, E>>(
        executor: &E,
        hash_operation: &str,
        operation: &str,
        policy: CachePolicy,
        load: impl Fn(H::Owned, K::Owned, A) -> R + Send + Sync + 'static,
    ) -> Result<Self> {
        let names = Names::PyRedisCache { field: pyredis::prefix(operation)? };
        Self::over(executor, pyredis::prefix(hash_operation)?, names, policy, load)
    }

    /// Creates a cache of the hashes whose keys begin with `prefix`, named by `names`.
    fn over<R: HandlerResult<Loaded<V::Owned>, E>>(
        executor: &E,
        prefix: Vec<u8>,
        names: Names,
        policy: CachePolicy,
        load: impl Fn(H::Owned, K::Owned, A) -> R + Send + Sync + 'static,
    ) -> Result<Self> {
        let loaders = Loaders::new(move |(hash, id), args| load(hash, id, args));
        Ok(Self { shared: EngineHandle::new(executor, prefix, policy, loaders)?, names })
    }

    /// Adds a loader for several missing values of a hash at once: the function returns a value for
    /// each pair of ids, in their order, of at most a thousand. Must be called before the cache is
    /// used.
    pub fn with_bulk_loader<R: HandlerResult<LoadedMany<V::Owned>, E>>(
        self,
        load: impl Fn(Vec<(H::Owned, K::Owned)>, A) -> R + Send + Sync + 'static,
    ) -> Self {
        Self { shared: self.shared.with_bulk_loader(load), ..self }
    }

    /// Returns the value of `id` in the hash of `hash_id`, or `None` if its loader reports that
    /// there is none. A hit takes one round trip of `HGET`, O(1), a miss three: `HGET`, a script
    /// that claims the load, and one that stores its value.
    ///
    /// A policy that depends on the age of values adds `HPTTL` to the first round trip, and one
    /// that remembers absence adds `HGET` and `TIME`.
    pub fn get(&self, hash_id: &H::Borrowed, id: &K::Borrowed) -> E::Reply<SharedValue<V>>
    where
        A: Default,
    {
        self.get_with(hash_id, id, A::default())
    }

    /// Returns the value of `id` in the hash of `hash_id`, loaded with `args` if it is missing.
    pub fn get_with(
        &self,
        hash_id: &H::Borrowed,
        id: &K::Borrowed,
        args: A,
    ) -> E::Reply<SharedValue<V>> {
        self.shared.get(self.location(hash_id, id), args)
    }

    /// Returns the values of `ids` in the hash of `hash_id`, in their order. One round trip per
    /// thousand finds them. Missing ones are loaded one after the other, or together by the bulk
    /// loader.
    pub fn get_many<Q, const OWNED: bool>(
        &self,
        hash_id: &H::Borrowed,
        ids: impl IntoIterator<Item = Q>,
    ) -> E::Reply<Vec<SharedValue<V>>>
    where
        Q: Lend<K, OWNED>,
        A: Default,
    {
        self.get_many_with(hash_id, ids, A::default())
    }

    /// Returns the values of `ids` in the hash of `hash_id`, loaded with `args` if they are
    /// missing.
    pub fn get_many_with<Q, const OWNED: bool>(
        &self,
        hash_id: &H::Borrowed,
        ids: impl IntoIterator<Item = Q>,
        args: A,
    ) -> E::Reply<Vec<SharedValue<V>>>
    where
        Q: Lend<K, OWNED>,
    {
        self.shared.get_many(ids.into_iter().map(|id| self.location(hash_id, id.lend())), args)
    }

    /// Returns the cached value of `id` in the hash of `hash_id`, without loading it. One round
    /// trip.
    pub fn peek(&self, hash_id: &H::Borrowed, id: &K::Borrowed) -> E::Reply<SharedValue<V>> {
        self.shared.peek(self.location(hash_id, id))
    }

    /// Loads a value again, stores it and returns it. It takes precedence over loads that began
    /// before. Like any load, it never overwrites a value that is set or deleted meanwhile, and
    /// without Redis it returns the value unstored, unless the policy is to
    /// [fail](CachePolicy::fail_without_redis).
    pub fn set(&self, hash_id: &H::Borrowed, id: &K::Borrowed) -> E::Reply<SharedValue<V>>
    where
        A: Default,
    {
        self.set_with(hash_id, id, A::default())
    }

    /// Loads a value with `args`, stores it and returns it.
    pub fn set_with(
        &self,
        hash_id: &H::Borrowed,
        id: &K::Borrowed,
        args: A,
    ) -> E::Reply<SharedValue<V>> {
        self.shared.set(self.location(hash_id, id), args)
    }

    /// Stores `value`. It takes precedence over loads in flight. A script of `HSET`, O(1).
    pub fn set_value(
        &self,
        hash_id: &H::Borrowed,
        id: &K::Borrowed,
        value: &V::Borrowed,
    ) -> E::Reply<()> {
        self.shared.set_value(self.location(hash_id, id), value, None)
    }

    /// Stores `value`, and keeps it for `time`. A script of `HSET` and `HPEXPIRE`, O(1).
    pub fn set_value_with_ttl(
        &self,
        hash_id: &H::Borrowed,
        id: &K::Borrowed,
        value: &V::Borrowed,
        time: Duration,
    ) -> E::Reply<()> {
        self.shared.set_value(self.location(hash_id, id), value, Some(time))
    }

    /// Starts to load a value in the background, unless it is being loaded, as
    /// [`CacheClient::refresh`](crate::CacheClient::refresh) does.
    pub fn refresh(&self, hash_id: &H::Borrowed, id: &K::Borrowed) -> E::Reply<()>
    where
        A: Default,
    {
        self.refresh_with(hash_id, id, A::default())
    }

    /// Starts to load a value with `args` in the background.
    pub fn refresh_with(&self, hash_id: &H::Borrowed, id: &K::Borrowed, args: A) -> E::Reply<()> {
        self.shared.refresh(self.location(hash_id, id), args)
    }

    /// Removes the value of `id`, even one that is being loaded, and returns whether it was stored.
    /// A script of `HDEL`, O(1).
    pub fn delete(&self, hash_id: &H::Borrowed, id: &K::Borrowed) -> E::Reply<bool> {
        self.shared.delete(self.location(hash_id, id))
    }

    /// Removes the values of `ids`, each as [`delete`](Self::delete) does, a thousand per round
    /// trip, and returns how many were stored.
    pub fn delete_many<Q, const OWNED: bool>(
        &self,
        hash_id: &H::Borrowed,
        ids: impl IntoIterator<Item = Q>,
    ) -> E::Reply<usize>
    where
        Q: Lend<K, OWNED>,
    {
        self.shared.delete_many(ids.into_iter().map(|id| self.location(hash_id, id.lend())))
    }

    /// Removes the hash of `hash_id` with all its values, even those that are being loaded, and
    /// returns whether there was one. A script of `UNLINK`, O(1).
    pub fn delete_hash(&self, hash_id: &H::Borrowed) -> E::Reply<bool> {
        let key = encoded::<H>(hash_id);
        self.shared.delete_hash(key.and_then(|id| self.names.name(self.shared.prefix(), &id)))
    }

    /// Removes all hashes, even values that are being loaded, and returns how many hashes there
    /// were. `SCAN` and `UNLINK`, O(keys of the database). Not atomic.
    pub fn clear(&self) -> E::Reply<usize> {
        self.shared.clear("hash")
    }

    /// Returns how long the value of `id` stays fresh. `HPTTL`, O(1);
    /// [`Error::Unsupported`](crate::Error::Unsupported) if fields cannot expire.
    pub fn ttl(&self, hash_id: &H::Borrowed, id: &K::Borrowed) -> E::Reply<Ttl> {
        self.shared.ttl(self.location(hash_id, id))
    }

    /// The client that runs its operations.
    pub fn client(&self) -> &E {
        self.shared.client()
    }

    /// Returns the statistics of the cache in this program; clones are counted together.
    pub fn stats(&self) -> ReadThroughStats {
        self.shared.stats()
    }

    fn location(&self, hash_id: &H::Borrowed, id: &K::Borrowed) -> NameResult<EntryLocation> {
        self.names.field(self.shared.prefix(), encoded::<H>(hash_id)?, encoded::<K>(id)?)
    }
}

impl<H, K, V, E, A> Clone for HashCacheClient<H, K, V, E, A>
where
    H: Codec,
    K: Codec,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
{
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), names: self.names.clone() }
    }
}

impl<H, K, V, E, A> fmt::Debug for HashCacheClient<H, K, V, E, A>
where
    H: Codec,
    K: Codec,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashCacheClient(\"{}\")", name_of(self.shared.prefix()).escape_ascii())
    }
}
