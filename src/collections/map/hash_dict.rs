use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use redis::Value;

use super::increment::Increment;
use crate::changes::{ChangeFormat, ChangePublishing, Structure};
use crate::client::{Client, Deferred, Executor};
use crate::codec::{Codec, Lenient};
use crate::collections::key::RedisKey;
use crate::collections::lend::Lend;
use crate::collections::name::Name;
use crate::keys::Gather;
use crate::reply;
use crate::request::Request;
use crate::request::Script;

/// A dictionary in one Redis hash: its entries are the fields of the hash `name`.
///
/// It is compact, can be counted and removed in one step, and adds only one key to the database. In
/// a cluster one hash lives on one node.
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let client = redis_collections::Client::open(server.url())?;
/// use redis_collections::RedisHashDict;
///
/// let ages: RedisHashDict<String, u32> = RedisHashDict::new(&client, "ages");
/// ages.insert("ann", &36)?; // HSET ages ann 36
/// assert_eq!(ages.get("ann")?, Some(36));
/// assert_eq!(ages.get_many(["ann", "bob"])?, [Some(36), None]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RedisHashDict<K, V, E = Client> {
    pub(crate) executor: E,
    pub(crate) name: Name,
    pub(crate) publishing: Option<Arc<ChangePublishing>>,
    codecs: PhantomData<fn() -> (K, V)>,
}

impl<K: Codec, V: Codec> RedisHashDict<K, V, Deferred> {
    /// Defines the dictionary stored under `name`, without a client.
    ///
    /// ```
    /// # let server = redis_collections::LocalServer::start()?;
    /// # let client = redis_collections::Client::open(server.url())?;
    /// use redis_collections::{Deferred, RedisHashDict};
    ///
    /// const AGES: RedisHashDict<String, u32, Deferred> = RedisHashDict::named("ages");
    ///
    /// AGES.on(&client).insert("ann", &36)?;
    /// let (ann, len) = client.pipeline((AGES.get("ann"), AGES.len()))?;
    /// assert_eq!((ann?, len?), (Some(36), 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn named(name: &'static str) -> Self {
        let name = Name::constant(name);
        Self { executor: Deferred, name, publishing: None, codecs: PhantomData }
    }
}

impl<K: Codec, V: Codec, E: Executor> RedisHashDict<K, V, E> {
    /// The dictionary stored under `name`.
    pub fn new(executor: &E, name: impl Into<Name>) -> Self {
        Self::over(executor, name.into(), None)
    }

    fn over(executor: &E, name: Name, publishing: Option<Arc<ChangePublishing>>) -> Self {
        Self { executor: executor.clone(), name, publishing, codecs: PhantomData }
    }

    /// The client that runs its operations, or [`Deferred`].
    pub fn client(&self) -> &E {
        &self.executor
    }

    /// The same dictionary, with its operations run by `executor`.
    pub fn on<F: Executor>(&self, executor: &F) -> RedisHashDict<K, V, F> {
        RedisHashDict::over(executor, self.name.clone(), self.publishing.clone())
    }

    /// The same dictionary, whose operations return [`Command`](crate::Command)s.
    pub fn deferred(&self) -> RedisHashDict<K, V, Deferred> {
        self.on(&Deferred)
    }

    /// The same dictionary, which returns undecodable values as they are stored.
    pub fn lenient(&self) -> RedisHashDict<K, Lenient<V>, E> {
        self.typed()
    }

    /// The same dictionary with other codecs of key and value. Stored bytes are not converted.
    pub fn typed<L: Codec, W: Codec>(&self) -> RedisHashDict<L, W, E> {
        RedisHashDict::over(&self.executor, self.name.clone(), self.publishing.clone())
    }

    /// The same dictionary, whose writes publish their changes in one more `format`. Wraps each
    /// command in a script, O(changes) on top of it.
    pub fn publishing(&self, format: ChangeFormat) -> Self {
        let others = self.publishing.as_deref();
        let publishing =
            ChangePublishing::adding(others, Structure::Hash, self.name.as_bytes(), format);
        Self { publishing: Some(Arc::new(publishing)), ..self.clone() }
    }

    /// The key of the hash, which can expire as a whole.
    pub fn key(&self) -> RedisKey<E> {
        RedisKey::new(&self.executor, &self.name, &self.publishing)
    }
}

impl<K: Codec, V: Codec, E: Executor> RedisHashDict<K, V, E> {
    /// The value of `key`. `HGET`, O(1).
    pub fn get(&self, key: &K::Borrowed) -> E::Reply<Option<V::Owned>> {
        self.executor.run(self.reading("HGET").field::<K>(key).returns(reply::optional::<V>))
    }

    /// The values of `keys`, in their order. `HMGET`, O(keys). Read atomically up to
    /// [`ENTRIES_PER_COMMAND`](crate::ENTRIES_PER_COMMAND).
    ///
    /// A value that cannot be decoded fails the call; [`lenient`](Self::lenient) returns the
    /// others.
    pub fn get_many<Q, const OWNED: bool>(
        &self,
        keys: impl IntoIterator<Item = Q>,
    ) -> E::Reply<Vec<Option<V::Owned>>>
    where
        Q: Lend<K, OWNED>,
    {
        let field = |request: &mut Request, key: Q| request.push_field::<K>(key.lend());
        let request = self.reading("HMGET").divisible(Gather::InOrder).each(
            keys,
            field,
            Value::Array(Vec::new()),
        );
        self.executor.run(request.returns(reply::optional_each::<V>))
    }

    /// Returns whether `key` has a value. `HEXISTS`, O(1).
    pub fn contains_key(&self, key: &K::Borrowed) -> E::Reply<bool> {
        self.executor.run(self.reading("HEXISTS").field::<K>(key).returns(reply::flag))
    }

    /// The number of entries. `HLEN`, O(1).
    pub fn len(&self) -> E::Reply<usize> {
        self.executor.run(self.reading("HLEN").returns(reply::count))
    }

    /// Returns whether there are no entries. `HLEN`, O(1).
    pub fn is_empty(&self) -> E::Reply<bool> {
        self.executor.run(self.reading("HLEN").returns(|reply| Ok(reply::count(reply)? == 0)))
    }

    /// Sets the value of `key`. `HSET`, O(1). To know whether there was a value before, use
    /// [`replace`](Self::replace).
    pub fn insert(&self, key: &K::Borrowed, value: &V::Borrowed) -> E::Reply<()> {
        let request = self.writing("HSET").field::<K>(key).encode::<V>(value);
        self.executor.run(request.returns(|reply| reply::flag(reply).map(drop)))
    }

    /// Sets the values of all `entries` and returns how many keys are new. `HSET`, O(entries).
    /// Atomic up to [`ENTRIES_PER_COMMAND`](crate::ENTRIES_PER_COMMAND).
    ///
    /// Keys and values are references or owned.
    pub fn insert_many<Q, R, const A: bool, const B: bool>(
        &self,
        entries: impl IntoIterator<Item = (Q, R)>,
    ) -> E::Reply<usize>
    where
        Q: Lend<K, A>,
        R: Lend<V, B>,
    {
        self.executor.run(self.setting(entries).returns(reply::at_most_asked))
    }

    /// Sets the values of all `entries`, like [`insert_many`](Self::insert_many). `HSET`,
    /// O(entries).
    pub fn extend<Q, R, const A: bool, const B: bool>(
        &self,
        entries: impl IntoIterator<Item = (Q, R)>,
    ) -> E::Reply<()>
    where
        Q: Lend<K, A>,
        R: Lend<V, B>,
    {
        let set = |reply: reply::Reply<'_>| reply::at_most_asked(reply).map(drop);
        self.executor.run(self.setting(entries).returns(set))
    }

    /// Sets the value of `key` and returns the previous one. A script, O(1).
    pub fn replace(&self, key: &K::Borrowed, value: &V::Borrowed) -> E::Reply<Option<V::Owned>> {
        let request = self.scripted(&REPLACE).field::<K>(key).encode::<V>(value);
        self.executor.run(request.returns(reply::optional::<V>))
    }

    /// Sets the value of `key` unless it has one, and returns whether it did. `HSETNX`, O(1).
    pub fn set_if_absent(&self, key: &K::Borrowed, value: &V::Borrowed) -> E::Reply<bool> {
        let request = self.writing("HSETNX").field::<K>(key).encode::<V>(value);
        self.executor.run(request.returns(reply::flag))
    }

    /// Sets the value of `key` only if it has one, and returns whether it did. A script, O(1).
    pub fn set_if_present(&self, key: &K::Borrowed, value: &V::Borrowed) -> E::Reply<bool> {
        let request = self.scripted(&SET_IF_PRESENT).field::<K>(key).encode::<V>(value);
        self.executor.run(request.returns(reply::flag))
    }

    /// Returns the value of `key`, after setting it to `value` if it had none. A script, O(1).
    pub fn get_or_insert(&self, key: &K::Borrowed, value: &V::Borrowed) -> E::Reply<V::Owned> {
        let request = self.scripted(&GET_OR_INSERT).field::<K>(key).encode::<V>(value);
        self.executor.run(request.returns(reply::kept_or_written::<V>))
    }

    /// Adds `by` to the number at `key`, 0 if there is none, and returns the sum. `HINCRBY` or
    /// `HINCRBYFLOAT`, O(1).
    pub fn increment(&self, key: &K::Borrowed, by: V::By) -> E::Reply<V::Owned>
    where
        V: Increment,
    {
        let command = if V::IS_FLOAT { "HINCRBYFLOAT" } else { "HINCRBY" };
        let request = self.writing(command).field::<K>(key).number(by);
        self.executor.run(request.returns(reply::sum::<V>))
    }

    /// Removes `key` and returns whether it existed. `HDEL`, O(1).
    pub fn remove(&self, key: &K::Borrowed) -> E::Reply<bool> {
        self.executor.run(self.writing("HDEL").field::<K>(key).returns(reply::flag))
    }

    /// Removes all of `keys` and returns how many existed. `HDEL`, O(keys).
    pub fn remove_many<Q, const OWNED: bool>(
        &self,
        keys: impl IntoIterator<Item = Q>,
    ) -> E::Reply<usize>
    where
        Q: Lend<K, OWNED>,
    {
        let field = |request: &mut Request, key: Q| request.push_field::<K>(key.lend());
        let request = self.writing("HDEL").divisible(Gather::Sum).each(keys, field, Value::Int(0));
        self.executor.run(request.returns(reply::at_most_asked))
    }

    /// Removes `key` and returns its value. A script, O(1).
    pub fn take(&self, key: &K::Borrowed) -> E::Reply<Option<V::Owned>> {
        let request = self.scripted(&TAKE).field::<K>(key);
        self.executor.run(request.returns(reply::optional::<V>))
    }

    /// Removes all entries and returns whether there were any. `UNLINK`, O(1) for the caller.
    pub fn clear(&self) -> E::Reply<bool> {
        self.executor.run(self.writing("UNLINK").returns(reply::flag))
    }

    /// Makes `entries` the only ones; no client ever sees old and new ones mixed. A script, O(old
    /// and new entries), which blocks the server for that time.
    pub fn replace_all<Q, R, const A: bool, const B: bool>(
        &self,
        entries: impl IntoIterator<Item = (Q, R)>,
    ) -> E::Reply<()>
    where
        Q: Lend<K, A>,
        R: Lend<V, B>,
    {
        let mut request = self.scripted(&REPLACE_ALL);
        entries.into_iter().for_each(|entry| Self::entry(&mut request, entry));
        self.executor.run(request.returns(|reply| {
            let entries = reply.request.field_count();
            reply::exactly(reply, entries)
        }))
    }
}

impl<K: Codec, V: Codec, E: Executor> RedisHashDict<K, V, E> {
    /// A command that sets the values of `entries`.
    fn setting<Q, R, const A: bool, const B: bool>(
        &self,
        entries: impl IntoIterator<Item = (Q, R)>,
    ) -> Request
    where
        Q: Lend<K, A>,
        R: Lend<V, B>,
    {
        self.writing("HSET").divisible(Gather::Sum).each(entries, Self::entry, Value::Int(0))
    }

    pub(crate) fn reading(&self, command: &'static str) -> Request {
        Request::read(command).publishes(&self.publishing).named(self.name.as_bytes())
    }

    pub(crate) fn writing(&self, command: &'static str) -> Request {
        Request::write(command).publishes(&self.publishing).named(self.name.as_bytes())
    }

    pub(crate) fn scripted(&self, script: &'static Script) -> Request {
        Request::script(script, 1).publishes(&self.publishing).named(self.name.as_bytes())
    }

    /// Appends a field and its value.
    fn entry<Q, R, const A: bool, const B: bool>(request: &mut Request, (key, value): (Q, R))
    where
        Q: Lend<K, A>,
        R: Lend<V, B>,
    {
        request.push_field::<K>(key.lend());
        request.push_encoded::<V>(value.lend());
    }
}

static REPLACE: Script = Script::of_one_write(
    "replace",
    "local value = redis.call('HGET', KEYS[1], ARGV[1])
     redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
     return value",
);

static SET_IF_PRESENT: Script = Script::of_one_write(
    "set_if_present",
    "if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
     redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
     return 1",
);

static GET_OR_INSERT: Script = Script::of_one_write(
    "get_or_insert",
    "if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 1 then return ARGV[2] end
     return redis.call('HGET', KEYS[1], ARGV[1])",
);

static TAKE: Script = Script::of_one_write(
    "take",
    "local value = redis.call('HGET', KEYS[1], ARGV[1])
     if value then redis.call('HDEL', KEYS[1], ARGV[1]) end
     return value",
);

/// The step without an effect comes first: it fails where later steps would. A server checks its
/// memory only at the first write of a script.
static REPLACE_ALL: Script = Script::new(
    "replace_all",
    "local key, old, left = KEYS[1], redis.pcall('HKEYS', KEYS[1]), redis.pcall('PTTL', KEYS[1])
     if old.err then return old end
     if type(left) == 'table' then return left end
     if #ARGV == 0 then
       local removed = redis.pcall('UNLINK', key)
       return type(removed) == 'table' and removed or 0
     end
     local is_new, is_old, stale = {}, {}, {}
     for i = 1, #ARGV, 2 do is_new[ARGV[i]] = true end
     for _, field in ipairs(old) do
       is_old[field] = true
       if not is_new[field] then stale[#stale + 1] = field end
     end
     local room = redis.pcall('SETRANGE', key, 0, '')
     if type(room) == 'table' and string.find(room.err, 'OOM', 1, true) then return room end
     if #stale > 0 then
       local absent = stale[1] .. '~'
       while is_old[absent] do absent = absent .. '~' end
       local proof = redis.pcall('HDEL', key, absent)
       if type(proof) == 'table' then return proof end
     end
     for first = 1, #ARGV, 2000 do
       local run = first == 1 and redis.pcall or redis.call
       local set = run('HSET', key, unpack(ARGV, first, math.min(first + 1999, #ARGV)))
       if type(set) == 'table' then return set end
     end
     for first = 1, #stale, 2000 do
       redis.call('HDEL', key, unpack(stale, first, math.min(first + 1999, #stale)))
     end
     if left >= 0 then redis.call('PERSIST', key) end
     return #ARGV / 2",
);

impl<K, V, E: Clone> Clone for RedisHashDict<K, V, E> {
    fn clone(&self) -> Self {
        let (executor, name) = (self.executor.clone(), self.name.clone());
        Self { executor, name, publishing: self.publishing.clone(), codecs: PhantomData }
    }
}

impl<K, V, E> fmt::Debug for RedisHashDict<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisHashDict({:?})", self.name)
    }
}
