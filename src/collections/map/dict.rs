use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use redis::Value;

use super::increment::Increment;
use super::prefix::Prefix;
use crate::changes::{ChangeFormat, ChangePublishing, Structure};
use crate::client::{Client, Deferred, Executor};
use crate::codec::{Codec, Lenient};
use crate::collections::lend::Lend;
use crate::collections::name::Name;
use crate::keys::Gather;
use crate::reply;
use crate::request::Request;
use crate::request::Script;

/// A dictionary over Redis strings: the entry of `key` is the string `name:key`.
///
/// Each entry can expire by itself, and in a cluster the entries spread over the nodes. For a
/// dictionary under one key use [`RedisHashDict`](crate::RedisHashDict).
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let client = redis_collections::Client::open(server.url())?;
/// use redis_collections::RedisDict;
///
/// let ages: RedisDict<String, u32> = RedisDict::new(&client, "ages");
/// ages.insert("ann", &36)?; // SET ages:ann 36
/// assert_eq!(ages.get("ann")?, Some(36));
/// assert_eq!(ages.get_many(["ann", "bob"])?, [Some(36), None]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Ownership of keys
///
/// All strings whose keys begin with `name:` are entries, whichever client wrote them, and no other
/// key is ever listed, counted or removed. The keys that this crate keeps beside collections
/// contain `~rc:` and are no entries. A name, a prefix or the key of an entry that contains it is
/// refused when the command runs.
///
/// Dictionaries nest where their names do: `a` does not see the entries of `ab`, but those of `a:b`
/// are also entries of `a`, with keys that begin with `b:`, and [`clear`](Self::clear) of `a`
/// removes them. The same is true of [`with_prefix`](Self::with_prefix) where one prefix begins
/// another. Names of which none begins another with a colon after it share no key.
pub struct RedisDict<K, V, E = Client> {
    pub(crate) executor: E,
    pub(crate) prefix: Prefix,
    pub(crate) publishing: Option<Arc<ChangePublishing>>,
    codecs: PhantomData<fn() -> (K, V)>,
}

impl<K: Codec, V: Codec> RedisDict<K, V, Deferred> {
    /// Defines the dictionary `name`, without a client.
    pub const fn named(name: &'static str) -> Self {
        let prefix = Prefix::Named(Name::constant(name));
        Self { executor: Deferred, prefix, publishing: None, codecs: PhantomData }
    }
}

impl<K: Codec, V: Codec, E: Executor> RedisDict<K, V, E> {
    /// The dictionary `name`, whose keys begin with `name:`.
    pub fn new(executor: &E, name: impl Into<Name>) -> Self {
        Self::over(executor, Prefix::Named(name.into()), None)
    }

    /// The dictionary whose keys begin with exactly `prefix`, such as `users&&`. A prefix that
    /// contains `~rc:` is refused when the first command runs.
    pub fn with_prefix(executor: &E, prefix: impl Into<Name>) -> Self {
        Self::over(executor, Prefix::Literal(prefix.into()), None)
    }

    /// The dictionary of all strings of the database but those that this crate keeps beside
    /// collections. It can be counted and cleared only by the methods that say so in their names.
    pub fn whole_database(executor: &E) -> Self {
        Self::over(executor, Prefix::Literal(Name::constant("")), None)
    }

    /// The values of a read-through cache, whose keys begin with `prefix`.
    #[cfg(feature = "near-cache")]
    pub(crate) fn of_cache(executor: &E, prefix: &[u8]) -> Self {
        Self::over(executor, Prefix::Cache(prefix.into()), None)
    }

    fn over(executor: &E, prefix: Prefix, publishing: Option<Arc<ChangePublishing>>) -> Self {
        Self { executor: executor.clone(), prefix, publishing, codecs: PhantomData }
    }

    /// The client that runs its operations, or [`Deferred`].
    pub fn client(&self) -> &E {
        &self.executor
    }

    /// The same dictionary, with its operations run by `executor`.
    pub fn on<F: Executor>(&self, executor: &F) -> RedisDict<K, V, F> {
        RedisDict::over(executor, self.prefix.clone(), self.publishing.clone())
    }

    /// The same dictionary, whose operations return [`Command`](crate::Command)s.
    pub fn deferred(&self) -> RedisDict<K, V, Deferred> {
        self.on(&Deferred)
    }

    /// The same dictionary, which returns undecodable values as they are stored.
    pub fn lenient(&self) -> RedisDict<K, Lenient<V>, E> {
        self.typed()
    }

    /// The same dictionary with other codecs of key and value. Stored bytes are not converted.
    pub fn typed<L: Codec, W: Codec>(&self) -> RedisDict<L, W, E> {
        RedisDict::over(&self.executor, self.prefix.clone(), self.publishing.clone())
    }

    /// The same dictionary, whose writes publish their changes in one more `format`. Wraps each
    /// command in a script, O(changes) on top of it.
    ///
    /// The formats of the Python libraries need a prefix that ends as theirs do; any other is
    /// refused when the first command runs.
    pub fn publishing(&self, format: ChangeFormat) -> Self {
        let others = self.publishing.as_deref();
        let publishing =
            ChangePublishing::adding(others, Structure::Dict, self.prefix.bytes(), format);
        Self { publishing: Some(Arc::new(publishing)), ..self.clone() }
    }
}

impl<K: Codec, V: Codec, E: Executor> RedisDict<K, V, E> {
    /// The value of `key`. `GET`, O(1).
    pub fn get(&self, key: &K::Borrowed) -> E::Reply<Option<V::Owned>> {
        self.executor.run(self.reading("GET", key).returns(reply::optional::<V>))
    }

    /// The values of `keys`, in their order. `MGET`, O(keys). Read atomically up to
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
        let request = Request::read("MGET").divisible(Gather::InOrder);
        let request = self.for_keys(request, keys, Value::Array(Vec::new()));
        self.executor.run(request.returns(reply::optional_each::<V>))
    }

    /// Returns whether `key` has a value. `EXISTS`, O(1).
    pub fn contains_key(&self, key: &K::Borrowed) -> E::Reply<bool> {
        self.executor.run(self.reading("EXISTS", key).returns(reply::flag))
    }

    /// Sets the value of `key` and removes any expiration. `SET`, O(1). To know whether there was a
    /// value before, use [`replace`](Self::replace).
    pub fn insert(&self, key: &K::Borrowed, value: &V::Borrowed) -> E::Reply<()> {
        self.executor.run(self.writing("SET", key).encode::<V>(value).returns(reply::ok))
    }

    /// Sets the values of all `entries`. `MSET`, O(entries). Atomic up to
    /// [`ENTRIES_PER_COMMAND`](crate::ENTRIES_PER_COMMAND).
    ///
    /// Keys and values are references or owned.
    pub fn insert_many<Q, R, const A: bool, const B: bool>(
        &self,
        entries: impl IntoIterator<Item = (Q, R)>,
    ) -> E::Reply<()>
    where
        Q: Lend<K, A>,
        R: Lend<V, B>,
    {
        let pair = |request: &mut Request, (key, value): (Q, R)| {
            request.push_prefixed_key::<K>(self.prefix.parts(), key.lend());
            request.push_encoded::<V>(value.lend());
        };
        let request = self.start(Request::write("MSET")).divisible(Gather::Done);
        let request = request.each(entries, pair, Value::Okay);
        self.executor.run(request.returns(reply::ok))
    }

    /// The same as [`insert_many`](Self::insert_many), by the name that it has in std.
    pub fn extend<Q, R, const A: bool, const B: bool>(
        &self,
        entries: impl IntoIterator<Item = (Q, R)>,
    ) -> E::Reply<()>
    where
        Q: Lend<K, A>,
        R: Lend<V, B>,
    {
        self.insert_many(entries)
    }

    /// Sets the value of `key` and returns the previous one. `SET … GET`, O(1).
    pub fn replace(&self, key: &K::Borrowed, value: &V::Borrowed) -> E::Reply<Option<V::Owned>> {
        let request = self.writing("SET", key).encode::<V>(value).arg("GET");
        self.executor.run(request.returns(reply::optional::<V>))
    }

    /// Sets the value of `key` unless it has one, and returns whether it did. `SET … NX`, O(1).
    pub fn set_if_absent(&self, key: &K::Borrowed, value: &V::Borrowed) -> E::Reply<bool> {
        let request = self.writing("SET", key).encode::<V>(value).arg("NX");
        self.executor.run(request.returns(reply::accepted))
    }

    /// Sets the value of `key` only if it has one, and returns whether it did. `SET … XX`, O(1).
    pub fn set_if_present(&self, key: &K::Borrowed, value: &V::Borrowed) -> E::Reply<bool> {
        let request = self.writing("SET", key).encode::<V>(value).arg("XX");
        self.executor.run(request.returns(reply::accepted))
    }

    /// Returns the value of `key`, after setting it to `value` if it had none. A script, O(1).
    pub fn get_or_insert(&self, key: &K::Borrowed, value: &V::Borrowed) -> E::Reply<V::Owned> {
        let request = self.scripted(&GET_OR_INSERT, key).encode::<V>(value);
        self.executor.run(request.returns(reply::kept_or_written::<V>))
    }

    /// Adds `by` to the number at `key`, 0 if there is none, and returns the sum. `INCRBY` or
    /// `INCRBYFLOAT`, O(1).
    pub fn increment(&self, key: &K::Borrowed, by: V::By) -> E::Reply<V::Owned>
    where
        V: Increment,
    {
        let command = if V::IS_FLOAT { "INCRBYFLOAT" } else { "INCRBY" };
        self.executor.run(self.writing(command, key).number(by).returns(reply::sum::<V>))
    }

    /// Removes `key` and returns whether it existed. `UNLINK`, O(1).
    pub fn remove(&self, key: &K::Borrowed) -> E::Reply<bool> {
        self.executor.run(self.writing("UNLINK", key).returns(reply::flag))
    }

    /// Removes all of `keys` and returns how many existed. `UNLINK`, O(keys).
    pub fn remove_many<Q, const OWNED: bool>(
        &self,
        keys: impl IntoIterator<Item = Q>,
    ) -> E::Reply<usize>
    where
        Q: Lend<K, OWNED>,
    {
        let request = Request::write("UNLINK").divisible(Gather::Sum);
        let request = self.for_keys(request, keys, Value::Int(0));
        self.executor.run(request.returns(reply::at_most_asked))
    }

    /// Removes `key` and returns its value. `GETDEL`, O(1).
    pub fn take(&self, key: &K::Borrowed) -> E::Reply<Option<V::Owned>> {
        self.executor.run(self.writing("GETDEL", key).returns(reply::optional::<V>))
    }
}

impl<K: Codec, V: Codec, E: Executor> RedisDict<K, V, E> {
    /// Prepares a command on all entries, for which the dictionary needs a prefix of its own.
    pub(crate) fn start(&self, request: Request) -> Request {
        request.refuse_if(self.prefix.refusal()).publishes(&self.publishing)
    }

    pub(crate) fn reading(&self, command: &'static str, key: &K::Borrowed) -> Request {
        self.start(Request::read(command)).prefixed_key::<K>(self.prefix.parts(), key)
    }

    pub(crate) fn writing(&self, command: &'static str, key: &K::Borrowed) -> Request {
        self.start(Request::write(command)).prefixed_key::<K>(self.prefix.parts(), key)
    }

    /// Appends the server's keys of `keys`. If there are none, the command is not sent: its reply
    /// is `empty`.
    fn for_keys<Q, const OWNED: bool>(
        &self,
        request: Request,
        keys: impl IntoIterator<Item = Q>,
        empty: Value,
    ) -> Request
    where
        Q: Lend<K, OWNED>,
    {
        let key = |request: &mut Request, key: Q| {
            request.push_prefixed_key::<K>(self.prefix.parts(), key.lend());
        };
        self.start(request).each(keys, key, empty)
    }

    pub(crate) fn scripted(&self, script: &'static Script, key: &K::Borrowed) -> Request {
        self.start(Request::script(script, 1)).prefixed_key::<K>(self.prefix.parts(), key)
    }
}

static GET_OR_INSERT: Script = Script::of_one_write(
    "get_or_insert",
    "local value = redis.call('GET', KEYS[1])
     if value then return value end
     redis.call('SET', KEYS[1], ARGV[1])
     return ARGV[1]",
);

impl<K, V, E: Clone> Clone for RedisDict<K, V, E> {
    fn clone(&self) -> Self {
        let (executor, prefix) = (self.executor.clone(), self.prefix.clone());
        Self { executor, prefix, publishing: self.publishing.clone(), codecs: PhantomData }
    }
}

impl<K, V, E> fmt::Debug for RedisDict<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.prefix.bytes();
        write!(f, "RedisDict(\"{}\")", prefix.escape_ascii())
    }
}
