use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeBounds;
use std::sync::Arc;

use redis::Value;

use super::key::RedisKey;
use super::lend::Lend;
use super::list_range::{first_and_last, part};
use super::name::Name;
use crate::changes::{ChangeFormat, ChangePublishing, Structure};
use crate::client::{Client, Deferred, Executor};
use crate::codec::{Canonical, Codec, Lenient};
use crate::error::Result;
use crate::keys::Gather;
use crate::reply::{self, Reply};
use crate::request::Request;
use crate::request::Script;

/// A list in one Redis list, which also serves as a queue between programs.
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let client = redis_collections::Client::open(server.url())?;
/// use std::time::Duration;
///
/// use redis_collections::RedisList;
///
/// let jobs: RedisList<String> = RedisList::new(&client, "jobs");
/// jobs.push_back("first")?; // RPUSH jobs first
/// jobs.push_back("second")?;
/// assert_eq!(jobs.wait_pop_front(Duration::from_secs(5))?, Some("first".to_owned()));
/// assert_eq!(jobs.len()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Delivery guarantees of a pop
///
/// A popped item is delivered at most once: if the program dies or the connection breaks right
/// after the server removed the item, it is gone. A waiting pop keeps its connection to a server
/// that is frozen or paused. If only that connection is silent, the server may have popped an item
/// for it: the error is [`Error::Timeout`](crate::Error::Timeout), which may have been applied. The
/// same is true of [`Error::ConnectionLost`](crate::Error::ConnectionLost) for a reply that was cut
/// off. A connection that ends before any of the reply arrived is replaced without an error, since
/// a server sends what it popped before it closes. A proxy or a crash at that moment can still lose
/// an item. [`pop_front_to`](Self::pop_front_to) and its waiting form move the item to another list
/// in the same step, so that it is always in one of the two.
pub struct RedisList<T, E = Client> {
    pub(super) executor: E,
    pub(super) name: Name,
    pub(super) publishing: Option<Arc<ChangePublishing>>,
    codec: PhantomData<fn() -> T>,
}

impl<T: Codec> RedisList<T, Deferred> {
    /// Defines the list stored under `name`, without a client.
    pub const fn named(name: &'static str) -> Self {
        let name = Name::constant(name);
        Self { executor: Deferred, name, publishing: None, codec: PhantomData }
    }
}

impl<T: Codec, E: Executor> RedisList<T, E> {
    /// The list stored under `name`.
    pub fn new(executor: &E, name: impl Into<Name>) -> Self {
        Self::over(executor, name.into(), None)
    }

    fn over(executor: &E, name: Name, publishing: Option<Arc<ChangePublishing>>) -> Self {
        Self { executor: executor.clone(), name, publishing, codec: PhantomData }
    }

    /// The client that runs its operations, or [`Deferred`].
    pub fn client(&self) -> &E {
        &self.executor
    }

    /// The same list, with its operations run by `executor`.
    pub fn on<F: Executor>(&self, executor: &F) -> RedisList<T, F> {
        RedisList::over(executor, self.name.clone(), self.publishing.clone())
    }

    /// The same list, whose operations return [`Command`](crate::Command)s.
    pub fn deferred(&self) -> RedisList<T, Deferred> {
        self.on(&Deferred)
    }

    /// The same list, which returns undecodable items as they are stored.
    pub fn lenient(&self) -> RedisList<Lenient<T>, E> {
        self.typed()
    }

    /// The same list with another codec. Stored bytes are not converted.
    pub fn typed<U: Codec>(&self) -> RedisList<U, E> {
        RedisList::over(&self.executor, self.name.clone(), self.publishing.clone())
    }

    /// The same list, whose writes publish their changes in one more `format`. Wraps each command
    /// in a script, O(changes) on top of it.
    ///
    /// Blocking pops publish nothing, since they cannot run in a script: neither the item that was
    /// taken nor, for `wait_pop_front_to`, its destination.
    pub fn publishing(&self, format: ChangeFormat) -> Self {
        let others = self.publishing.as_deref();
        let publishing =
            ChangePublishing::adding(others, Structure::List, self.name.as_bytes(), format);
        Self { publishing: Some(Arc::new(publishing)), ..self.clone() }
    }

    /// The key of the list, which can expire as a whole.
    pub fn key(&self) -> RedisKey<E> {
        RedisKey::new(&self.executor, &self.name, &self.publishing)
    }
}

impl<T: Codec, E: Executor> RedisList<T, E> {
    /// Appends `item` and returns the new length. `RPUSH`, O(1).
    pub fn push_back(&self, item: &T::Borrowed) -> E::Reply<usize> {
        self.executor.run(self.writing("RPUSH").encode::<T>(item).returns(reply::count))
    }

    /// Prepends `item` and returns the new length. `LPUSH`, O(1).
    pub fn push_front(&self, item: &T::Borrowed) -> E::Reply<usize> {
        self.executor.run(self.writing("LPUSH").encode::<T>(item).returns(reply::count))
    }

    /// Appends all `items` and returns the new length; 0 if there are no items. `RPUSH`, O(items).
    /// Atomic up to [`ENTRIES_PER_COMMAND`](crate::ENTRIES_PER_COMMAND): beyond it, items of another
    /// client may come in between.
    pub fn push_many<Q, const OWNED: bool>(
        &self,
        items: impl IntoIterator<Item = Q>,
    ) -> E::Reply<usize>
    where
        Q: Lend<T, OWNED>,
    {
        self.executor.run(self.appending(items).returns(reply::count))
    }

    /// Appends all `items`, like [`push_many`](Self::push_many). `RPUSH`, O(items).
    pub fn extend<Q, const OWNED: bool>(&self, items: impl IntoIterator<Item = Q>) -> E::Reply<()>
    where
        Q: Lend<T, OWNED>,
    {
        self.executor.run(self.appending(items).returns(|reply| reply::count(reply).map(drop)))
    }

    /// Appends `item` unless the list would exceed `capacity`. Returns the new length, or `None` if
    /// the list is full. A script, O(1).
    pub fn try_push_back(&self, item: &T::Borrowed, capacity: usize) -> E::Reply<Option<usize>> {
        let request = self.scripted(&TRY_PUSH).number(capacity).encode::<T>(item);
        self.executor.run(request.returns(reply::positive))
    }

    /// Appends `item`, removes items from the front until the list is within `capacity`, and
    /// returns the new length. A script, O(removed).
    pub fn push_back_evicting(&self, item: &T::Borrowed, capacity: usize) -> E::Reply<usize> {
        let request = self.scripted(&PUSH_EVICTING).number(capacity).encode::<T>(item);
        self.executor.run(request.returns(reply::count))
    }

    /// Removes and returns the first item. `LPOP`, O(1).
    ///
    /// An item that cannot be decoded is removed as well; the error carries it
    /// ([`Error::undecoded`](crate::Error::undecoded)).
    pub fn pop_front(&self) -> E::Reply<Option<T::Owned>> {
        self.executor.run(self.writing("LPOP").returns(reply::optional::<T>))
    }

    /// Removes and returns the last item. `RPOP`, O(1). For an item that cannot be decoded see
    /// [`pop_front`](Self::pop_front).
    pub fn pop_back(&self) -> E::Reply<Option<T::Owned>> {
        self.executor.run(self.writing("RPOP").returns(reply::optional::<T>))
    }

    /// Removes and returns up to `items` from the front atomically. `LPOP`, O(items).
    ///
    /// Each is a result of its own, since all are gone from the list: one that cannot be decoded
    /// does not take the others with it.
    pub fn pop_many(&self, items: usize) -> E::Reply<Vec<Result<T::Owned>>> {
        let request = self.writing("LPOP").amount(items);
        let request = if items == 0 { request.answered(Value::Nil) } else { request };
        self.executor.run(request.returns(reply::each_or_none::<T>))
    }

    /// Moves the first item to the end of `other` and returns it. `LMOVE`, O(1).
    pub fn pop_front_to<F: Executor>(&self, other: &RedisList<T, F>) -> E::Reply<Option<T::Owned>> {
        let request =
            self.writing("LMOVE").publishes(&other.publishing).named(other.name.as_bytes());
        let request = request.arg("LEFT").arg("RIGHT");
        self.executor.run(request.returns(reply::optional::<T>))
    }

    /// The number of items. `LLEN`, O(1).
    pub fn len(&self) -> E::Reply<usize> {
        self.executor.run(self.reading("LLEN").returns(reply::count))
    }

    /// Returns whether there are no items. `LLEN`, O(1).
    pub fn is_empty(&self) -> E::Reply<bool> {
        self.executor.run(self.reading("LLEN").returns(|reply| Ok(reply::count(reply)? == 0)))
    }

    /// The item at `index`; a negative one counts from the end. `LINDEX`, O(n) in the middle.
    pub fn get(&self, index: isize) -> E::Reply<Option<T::Owned>> {
        self.executor.run(self.reading("LINDEX").number(index).returns(reply::optional::<T>))
    }

    /// Replaces the item at `index`, where a negative one counts from the end, and returns whether
    /// there is one. `LSET`, O(n) in the middle.
    pub fn set(&self, index: isize, item: &T::Borrowed) -> E::Reply<bool> {
        let request = self.writing("LSET").number(index).encode::<T>(item);
        self.executor.run(request.returns(was_there))
    }

    /// The items of `range`, read atomically. `LRANGE`, O(start + items).
    ///
    /// A negative bound counts from the end: `-2..` are the last two items, `..-1` all but the
    /// last. Bounds beyond either end are no error. A range that is empty for every length of the
    /// list, such as `3..3`, sends nothing, even for a key of another type. For a long list
    /// [`iter`](Self::iter) needs less memory. An item that cannot be decoded fails the call;
    /// [`lenient`](Self::lenient) returns the others.
    pub fn range(&self, range: impl RangeBounds<isize>) -> E::Reply<Vec<T::Owned>> {
        let request = part(self.reading("LRANGE"), first_and_last(range), Value::Array(Vec::new()));
        self.executor.run(request.returns(reply::many::<T>))
    }

    /// Removes all items outside of `range`, whose negative bounds count from the end. `LTRIM`,
    /// O(removed).
    pub fn trim(&self, range: impl RangeBounds<isize>) -> E::Reply<()> {
        let (first, last) = first_and_last(range).unwrap_or(NO_ITEM);
        self.executor.run(self.writing("LTRIM").number(first).number(last).returns(reply::ok))
    }

    /// Removes all items and returns whether there were any. `UNLINK`, O(1) for the caller.
    pub fn clear(&self) -> E::Reply<bool> {
        self.executor.run(self.writing("UNLINK").returns(reply::flag))
    }
}

/// Operations that make the server compare items by their bytes.
impl<T: Codec, E: Executor> RedisList<T, E> {
    /// Removes every item equal to `item` and returns how many there were. `LREM`, O(n).
    pub fn remove(&self, item: &T::Borrowed) -> E::Reply<usize>
    where
        T: Canonical,
    {
        self.executor.run(self.writing("LREM").number(0).encode::<T>(item).returns(reply::count))
    }

    /// Removes the first item equal to `item` and returns whether there was one. `LREM`, O(n).
    pub fn remove_first(&self, item: &T::Borrowed) -> E::Reply<bool>
    where
        T: Canonical,
    {
        self.executor.run(self.writing("LREM").number(1).encode::<T>(item).returns(reply::flag))
    }

    /// The index of the first item equal to `item`. `LPOS`, O(n).
    pub fn position(&self, item: &T::Borrowed) -> E::Reply<Option<usize>>
    where
        T: Canonical,
    {
        let request = self.reading("LPOS").encode::<T>(item);
        self.executor.run(request.returns(|reply| match reply.value {
            Value::Nil => Ok(None),
            _ => reply::count(reply).map(Some),
        }))
    }

    /// Inserts `item` before the first one equal to `next` and returns the new length, or `None` if
    /// there is none. `LINSERT`, O(n).
    pub fn insert_before(&self, next: &T::Borrowed, item: &T::Borrowed) -> E::Reply<Option<usize>>
    where
        T: Canonical,
    {
        let request = self.writing("LINSERT").arg("BEFORE").encode::<T>(next).encode::<T>(item);
        self.executor.run(request.returns(reply::inserted))
    }

    /// Inserts `item` after the first one equal to `previous`. Returns the new length, or `None` if
    /// there is no such item. `LINSERT`, O(n).
    pub fn insert_after(
        &self,
        previous: &T::Borrowed,
        item: &T::Borrowed,
    ) -> E::Reply<Option<usize>>
    where
        T: Canonical,
    {
        let request = self.writing("LINSERT").arg("AFTER").encode::<T>(previous).encode::<T>(item);
        self.executor.run(request.returns(reply::inserted))
    }
}

impl<T: Codec, E: Executor> RedisList<T, E> {
    pub(super) fn reading(&self, command: &'static str) -> Request {
        Request::read(command).publishes(&self.publishing).named(self.name.as_bytes())
    }

    /// A command that appends `items`.
    fn appending<Q, const OWNED: bool>(&self, items: impl IntoIterator<Item = Q>) -> Request
    where
        Q: Lend<T, OWNED>,
    {
        let item = |request: &mut Request, item: Q| request.push_encoded::<T>(item.lend());
        self.writing("RPUSH").divisible(Gather::Last).each(items, item, Value::Int(0))
    }

    pub(super) fn writing(&self, command: &'static str) -> Request {
        Request::write(command).publishes(&self.publishing).named(self.name.as_bytes())
    }

    fn scripted(&self, script: &'static Script) -> Request {
        Request::script(script, 1).publishes(&self.publishing).named(self.name.as_bytes())
    }
}

/// Reads the reply of `LSET`, which fails where there is no such item.
fn was_there(reply: Reply<'_>) -> Result<bool> {
    if let Value::ServerError(error) = &reply.value {
        let details = error.details().unwrap_or_default();
        if details == "index out of range" || details == "no such key" {
            return Ok(false);
        }
    }
    reply::ok(reply).map(|()| true)
}

/// An empty range, in the form that servers accept.
const NO_ITEM: (i64, i64) = (1, 0);

static TRY_PUSH: Script = Script::of_one_write(
    "try_push_back",
    "if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
     return redis.call('RPUSH', KEYS[1], ARGV[2])",
);

static PUSH_EVICTING: Script = Script::new(
    "push_back_evicting",
    "local length, most = redis.pcall('LLEN', KEYS[1]), tonumber(ARGV[1])
     if type(length) == 'table' then return length end
     if length < most then return redis.pcall('RPUSH', KEYS[1], ARGV[2]) end
     local trimmed = redis.pcall('LTRIM', KEYS[1], length - most + 1, -1)
     if trimmed.err then return trimmed end
     if most < 1 then return 0 end
     return redis.call('RPUSH', KEYS[1], ARGV[2])",
);

impl<T, E: Clone> Clone for RedisList<T, E> {
    fn clone(&self) -> Self {
        let (executor, name) = (self.executor.clone(), self.name.clone());
        Self { executor, name, publishing: self.publishing.clone(), codec: PhantomData }
    }
}

impl<T, E> fmt::Debug for RedisList<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisList({:?})", self.name)
    }
}
