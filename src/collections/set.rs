use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use redis::Value;

use super::key::RedisKey;
use super::lend::Lend;
use super::name::Name;
use crate::changes::{ChangeFormat, ChangePublishing, Structure};
use crate::client::{Client, Deferred, Executor};
use crate::codec::{Canonical, Codec, Lenient};
use crate::error::Result;
use crate::keys::Gather;
use crate::reply;
use crate::request::Request;

/// A set in one Redis set.
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let client = redis_collections::Client::open(server.url())?;
/// use redis_collections::RedisSet;
///
/// let seen: RedisSet<String> = RedisSet::new(&client, "seen");
/// assert!(seen.insert("ann")?); // SADD seen ann
/// assert!(!seen.insert("ann")?);
/// assert!(seen.contains("ann")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The server compares members by their bytes. A codec that may encode equal values as different
/// bytes, such as `Pickle`, has [`contains_equal`](Self::contains_equal) and
/// [`remove_equal`](Self::remove_equal) in place of [`contains`](Self::contains) and
/// [`remove`](Self::remove).
pub struct RedisSet<T, E = Client> {
    pub(super) executor: E,
    pub(super) name: Name,
    pub(super) publishing: Option<Arc<ChangePublishing>>,
    codec: PhantomData<fn() -> T>,
}

impl<T: Codec> RedisSet<T, Deferred> {
    /// Defines the set stored under `name`, without a client.
    pub const fn named(name: &'static str) -> Self {
        let name = Name::constant(name);
        Self { executor: Deferred, name, publishing: None, codec: PhantomData }
    }
}

impl<T: Codec, E: Executor> RedisSet<T, E> {
    /// The set stored under `name`.
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

    /// The same set, with its operations run by `executor`.
    pub fn on<F: Executor>(&self, executor: &F) -> RedisSet<T, F> {
        RedisSet::over(executor, self.name.clone(), self.publishing.clone())
    }

    /// The same set, whose operations return [`Command`](crate::Command)s.
    pub fn deferred(&self) -> RedisSet<T, Deferred> {
        self.on(&Deferred)
    }

    /// The same set, which returns undecodable members as they are stored.
    pub fn lenient(&self) -> RedisSet<Lenient<T>, E> {
        self.typed()
    }

    /// The same set with another codec. Stored bytes are not converted.
    pub fn typed<U: Codec>(&self) -> RedisSet<U, E> {
        RedisSet::over(&self.executor, self.name.clone(), self.publishing.clone())
    }

    /// The same set, whose writes publish their changes in one more `format`. Wraps each command in
    /// a script, O(changes) on top of it.
    pub fn publishing(&self, format: ChangeFormat) -> Self {
        let others = self.publishing.as_deref();
        let publishing =
            ChangePublishing::adding(others, Structure::Set, self.name.as_bytes(), format);
        Self { publishing: Some(Arc::new(publishing)), ..self.clone() }
    }

    /// The key of the set, which can expire as a whole.
    pub fn key(&self) -> RedisKey<E> {
        RedisKey::new(&self.executor, &self.name, &self.publishing)
    }
}

impl<T: Codec, E: Executor> RedisSet<T, E> {
    /// Adds `member` and returns whether it is new. `SADD`, O(1).
    pub fn insert(&self, member: &T::Borrowed) -> E::Reply<bool> {
        self.executor.run(self.writing("SADD").encode::<T>(member).returns(reply::flag))
    }

    /// Adds all `members` and returns how many are new. `SADD`, O(members).
    pub fn insert_many<Q, const OWNED: bool>(
        &self,
        members: impl IntoIterator<Item = Q>,
    ) -> E::Reply<usize>
    where
        Q: Lend<T, OWNED>,
    {
        self.executor.run(self.adding(members).returns(reply::at_most_asked))
    }

    /// Adds all `members`, like [`insert_many`](Self::insert_many). `SADD`, O(members).
    pub fn extend<Q, const OWNED: bool>(&self, members: impl IntoIterator<Item = Q>) -> E::Reply<()>
    where
        Q: Lend<T, OWNED>,
    {
        let added = |reply: reply::Reply<'_>| reply::at_most_asked(reply).map(drop);
        self.executor.run(self.adding(members).returns(added))
    }

    /// Removes and returns an arbitrary member. `SPOP`, O(1).
    ///
    /// A member that cannot be decoded is removed as well; the error carries it
    /// ([`Error::undecoded`](crate::Error::undecoded)).
    pub fn pop(&self) -> E::Reply<Option<T::Owned>> {
        self.executor.run(self.writing("SPOP").returns(reply::optional::<T>))
    }

    /// Removes and returns up to `members` atomically. `SPOP`, O(members).
    ///
    /// Each is a result of its own, since all are gone from the set.
    pub fn pop_many(&self, members: usize) -> E::Reply<Vec<Result<T::Owned>>> {
        let request = self.writing("SPOP").amount(members);
        self.executor.run(request.returns(reply::members_each::<T>))
    }

    /// An arbitrary member, which stays in the set. `SRANDMEMBER`, O(1).
    pub fn random(&self) -> E::Reply<Option<T::Owned>> {
        self.executor.run(self.reading("SRANDMEMBER").returns(reply::optional::<T>))
    }

    /// Up to `members` different members, which stay in the set. `SRANDMEMBER`, O(members).
    pub fn random_many(&self, members: usize) -> E::Reply<Vec<T::Owned>> {
        self.executor.run(self.reading("SRANDMEMBER").amount(members).returns(reply::members::<T>))
    }

    /// The number of members. `SCARD`, O(1).
    pub fn len(&self) -> E::Reply<usize> {
        self.executor.run(self.reading("SCARD").returns(reply::count))
    }

    /// Returns whether there are no members. `SCARD`, O(1).
    pub fn is_empty(&self) -> E::Reply<bool> {
        self.executor.run(self.reading("SCARD").returns(|reply| Ok(reply::count(reply)? == 0)))
    }

    /// Removes all members and returns whether there were any. `UNLINK`, O(1) for the caller.
    pub fn clear(&self) -> E::Reply<bool> {
        self.executor.run(self.writing("UNLINK").returns(reply::flag))
    }
}

/// Operations that make the server compare members by their bytes.
impl<T: Codec, E: Executor> RedisSet<T, E> {
    /// Returns whether `member` is in the set. `SISMEMBER`, O(1).
    pub fn contains(&self, member: &T::Borrowed) -> E::Reply<bool>
    where
        T: Canonical,
    {
        self.executor.run(self.reading("SISMEMBER").encode::<T>(member).returns(reply::flag))
    }

    /// Returns whether each of `members` is in the set, in their order, read atomically.
    /// `SMISMEMBER`, O(members).
    pub fn contains_many<Q, const OWNED: bool>(
        &self,
        members: impl IntoIterator<Item = Q>,
    ) -> E::Reply<Vec<bool>>
    where
        T: Canonical,
        Q: Lend<T, OWNED>,
    {
        let request = with_members::<T, Q, OWNED>(
            self.reading("SMISMEMBER").divisible(Gather::InOrder),
            members,
            Value::Array(Vec::new()),
        );
        self.executor.run(request.returns(reply::flags))
    }

    /// Removes `member` and returns whether it existed. `SREM`, O(1).
    pub fn remove(&self, member: &T::Borrowed) -> E::Reply<bool>
    where
        T: Canonical,
    {
        self.executor.run(self.writing("SREM").encode::<T>(member).returns(reply::flag))
    }

    /// Removes all of `members` and returns how many existed. `SREM`, O(members).
    pub fn remove_many<Q, const OWNED: bool>(
        &self,
        members: impl IntoIterator<Item = Q>,
    ) -> E::Reply<usize>
    where
        T: Canonical,
        Q: Lend<T, OWNED>,
    {
        let request = with_members::<T, Q, OWNED>(
            self.writing("SREM").divisible(Gather::Sum),
            members,
            Value::Int(0),
        );
        self.executor.run(request.returns(reply::at_most_asked))
    }

    /// Moves `member` to `other` and returns whether it was in this set. `SMOVE`, O(1).
    pub fn move_to<F: Executor>(
        &self,
        other: &RedisSet<T, F>,
        member: &T::Borrowed,
    ) -> E::Reply<bool>
    where
        T: Canonical,
    {
        let request =
            self.writing("SMOVE").publishes(&other.publishing).named(other.name.as_bytes());
        self.executor.run(request.encode::<T>(member).returns(reply::flag))
    }
}

/// Operations on several sets, whose members the server compares by their bytes.
impl<T: Codec, E: Executor> RedisSet<T, E> {
    /// The members of this set or any of `others`. `SUNION`, O(members).
    pub fn union(&self, others: &[&Self]) -> E::Reply<Vec<T::Owned>>
    where
        T: Canonical,
    {
        self.combined("SUNION", others)
    }

    /// The members of this set and all of `others`. `SINTER`, O(smallest set * sets).
    pub fn intersection(&self, others: &[&Self]) -> E::Reply<Vec<T::Owned>>
    where
        T: Canonical,
    {
        self.combined("SINTER", others)
    }

    /// The members of this set and none of `others`. `SDIFF`, O(members).
    pub fn difference(&self, others: &[&Self]) -> E::Reply<Vec<T::Owned>>
    where
        T: Canonical,
    {
        self.combined("SDIFF", others)
    }

    /// Sets `target` to the members of this set or any of `others` and returns their number.
    /// `SUNIONSTORE`, O(members).
    pub fn union_into(&self, others: &[&Self], target: &Self) -> E::Reply<usize>
    where
        T: Canonical,
    {
        self.stored("SUNIONSTORE", others, target)
    }

    /// Sets `target` to the members of this set and all of `others` and returns their number.
    /// `SINTERSTORE`, O(smallest set * sets).
    pub fn intersection_into(&self, others: &[&Self], target: &Self) -> E::Reply<usize>
    where
        T: Canonical,
    {
        self.stored("SINTERSTORE", others, target)
    }

    /// Sets `target` to the members of this set and none of `others` and returns their number.
    /// `SDIFFSTORE`, O(members).
    pub fn difference_into(&self, others: &[&Self], target: &Self) -> E::Reply<usize>
    where
        T: Canonical,
    {
        self.stored("SDIFFSTORE", others, target)
    }

    /// A command that computes a set from this one and `others`.
    fn combined(&self, command: &'static str, others: &[&Self]) -> E::Reply<Vec<T::Owned>> {
        let request = self.reading(command);
        self.executor.run(with_sets(request, others).returns(reply::members::<T>))
    }

    /// A command that stores in `target` a set computed from this one and `others`.
    fn stored(&self, command: &'static str, others: &[&Self], target: &Self) -> E::Reply<usize> {
        let request = target.writing(command).named(self.name.as_bytes());
        self.executor.run(with_sets(request, others).returns(reply::count))
    }
}

impl<T: Codec, E: Executor> RedisSet<T, E> {
    /// A command that adds `members`.
    fn adding<Q, const OWNED: bool>(&self, members: impl IntoIterator<Item = Q>) -> Request
    where
        Q: Lend<T, OWNED>,
    {
        let request = self.writing("SADD").divisible(Gather::Sum);
        with_members::<T, Q, OWNED>(request, members, Value::Int(0))
    }

    pub(super) fn reading(&self, command: &'static str) -> Request {
        Request::read(command).publishes(&self.publishing).named(self.name.as_bytes())
    }

    pub(super) fn writing(&self, command: &'static str) -> Request {
        Request::write(command).publishes(&self.publishing).named(self.name.as_bytes())
    }
}

/// Appends encoded members. If there are none, the command is not sent: its reply is `empty`.
fn with_members<T: Codec, Q: Lend<T, OWNED>, const OWNED: bool>(
    request: Request,
    members: impl IntoIterator<Item = Q>,
    empty: Value,
) -> Request {
    let member = |request: &mut Request, member: Q| request.push_encoded::<T>(member.lend());
    request.each(members, member, empty)
}

fn with_sets<T, E>(request: Request, sets: &[&RedisSet<T, E>]) -> Request {
    sets.iter().fold(request, |request, set| request.named(set.name.as_bytes()))
}

impl<T, E: Clone> Clone for RedisSet<T, E> {
    fn clone(&self) -> Self {
        let (executor, name) = (self.executor.clone(), self.name.clone());
        Self { executor, name, publishing: self.publishing.clone(), codec: PhantomData }
    }
}

impl<T, E> fmt::Debug for RedisSet<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisSet({:?})", self.name)
    }
}
