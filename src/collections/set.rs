use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use redis::Value;

use super::key::RedisKey;
use super::name::Name;
use crate::codec::{Canonical, Codec, Lenient};
use crate::error::Result;
use crate::executor::{Client, Deferred, Executor};
use crate::notices::{NoticeFormat, Notices, Structure};
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
/// The server compares members by their bytes. A codec that may write equal values as different
/// bytes, such as `Pickle`, has [`contains_equal`](Self::contains_equal) and
/// [`remove_equal`](Self::remove_equal) in place of [`contains`](Self::contains) and
/// [`remove`](Self::remove).
pub struct RedisSet<T, E = Client> {
    pub(super) executor: E,
    pub(super) name: Name,
    pub(super) notices: Option<Arc<Notices>>,
    codec: PhantomData<fn() -> T>,
}

impl<T: Codec> RedisSet<T, Deferred> {
    /// The set stored under `name`, wherever it may be: a definition.
    pub const fn named(name: &'static str) -> Self {
        let name = Name::constant(name);
        Self { executor: Deferred, name, notices: None, codec: PhantomData }
    }
}

impl<T: Codec, E: Executor> RedisSet<T, E> {
    /// The set stored under `name`.
    pub fn new(executor: &E, name: impl Into<Name>) -> Self {
        Self::over(executor, name.into(), None)
    }

    fn over(executor: &E, name: Name, notices: Option<Arc<Notices>>) -> Self {
        Self { executor: executor.clone(), name, notices, codec: PhantomData }
    }

    /// The same set, as `executor` runs it.
    pub fn on<F: Executor>(&self, executor: &F) -> RedisSet<T, F> {
        RedisSet::over(executor, self.name.clone(), self.notices.clone())
    }

    /// The same set, whose operations give [`Command`](crate::Command)s.
    pub fn deferred(&self) -> RedisSet<T, Deferred> {
        self.on(&Deferred)
    }

    /// The same set, whose members that cannot be decoded come as they are.
    pub fn lenient(&self) -> RedisSet<Lenient<T>, E> {
        self.typed()
    }

    /// The same set with another codec.
    pub fn typed<U: Codec>(&self) -> RedisSet<U, E> {
        RedisSet::over(&self.executor, self.name.clone(), self.notices.clone())
    }

    /// The same set, whose writes tell of what they change, in one more `format`. A script around
    /// each command, O(changes) on top of it.
    pub fn notifying(&self, format: NoticeFormat) -> Self {
        let others = self.notices.as_deref();
        let notices = Notices::adding(others, Structure::Set, self.name.as_bytes(), format);
        Self { notices: Some(Arc::new(notices)), ..self.clone() }
    }

    /// The key of the set, which can expire as a whole.
    pub fn key(&self) -> RedisKey<E> {
        RedisKey::new(&self.executor, &self.name, &self.notices)
    }
}

impl<T: Codec, E: Executor> RedisSet<T, E> {
    /// Adds `member` and says whether it is new. `SADD`, O(1).
    pub fn insert(&self, member: &T::Borrowed) -> E::Reply<bool> {
        self.executor.run(self.writing("SADD").encode::<T>(member).returns(reply::flag))
    }

    /// Adds all `members` and says how many are new. `SADD`, O(members).
    pub fn insert_many<'a, Q>(&self, members: impl IntoIterator<Item = &'a Q>) -> E::Reply<usize>
    where
        Q: Borrow<T::Borrowed> + ?Sized + 'a,
    {
        let request = with_members::<T, Q>(self.writing("SADD"), members, Value::Int(0));
        self.executor.run(request.returns(reply::at_most_asked))
    }

    /// Takes some member. `SPOP`, O(1).
    ///
    /// A member that cannot be decoded is gone from the set; the error has it
    /// ([`Error::undecoded`](crate::Error::undecoded)).
    pub fn pop(&self) -> E::Reply<Option<T::Owned>> {
        self.executor.run(self.writing("SPOP").returns(reply::optional::<T>))
    }

    /// Takes up to `members` at one moment. `SPOP`, O(members).
    ///
    /// Each is a result of its own, since they are gone from the set.
    pub fn pop_many(&self, members: usize) -> E::Reply<Vec<Result<T::Owned>>> {
        let request = self.writing("SPOP").amount(members);
        self.executor.run(request.returns(reply::members_each::<T>))
    }

    /// Some member, which stays. `SRANDMEMBER`, O(1).
    pub fn random(&self) -> E::Reply<Option<T::Owned>> {
        self.executor.run(self.reading("SRANDMEMBER").returns(reply::optional::<T>))
    }

    /// Up to `members` different ones, which stay. `SRANDMEMBER`, O(members).
    pub fn random_many(&self, members: usize) -> E::Reply<Vec<T::Owned>> {
        self.executor.run(self.reading("SRANDMEMBER").amount(members).returns(reply::members::<T>))
    }

    /// How many members there are. `SCARD`, O(1).
    pub fn len(&self) -> E::Reply<usize> {
        self.executor.run(self.reading("SCARD").returns(reply::count))
    }

    /// Whether there are no members. `SCARD`, O(1).
    pub fn is_empty(&self) -> E::Reply<bool> {
        self.executor.run(self.reading("SCARD").returns(|reply| Ok(reply::count(reply)? == 0)))
    }

    /// Removes all members and says whether there were any. `UNLINK`, O(1) for the caller.
    pub fn clear(&self) -> E::Reply<bool> {
        self.executor.run(self.writing("UNLINK").returns(reply::flag))
    }
}

/// What the server finds by the bytes of a member.
impl<T: Codec, E: Executor> RedisSet<T, E> {
    /// Whether `member` is in the set. `SISMEMBER`, O(1).
    pub fn contains(&self, member: &T::Borrowed) -> E::Reply<bool>
    where
        T: Canonical,
    {
        self.executor.run(self.reading("SISMEMBER").encode::<T>(member).returns(reply::flag))
    }

    /// Whether each of `members` is in the set, in their order, at one moment. `SMISMEMBER`,
    /// O(members).
    pub fn contains_many<'a, Q>(
        &self,
        members: impl IntoIterator<Item = &'a Q>,
    ) -> E::Reply<Vec<bool>>
    where
        T: Canonical,
        Q: Borrow<T::Borrowed> + ?Sized + 'a,
    {
        let request =
            with_members::<T, Q>(self.reading("SMISMEMBER"), members, Value::Array(Vec::new()));
        self.executor.run(request.returns(reply::flags))
    }

    /// Removes `member` and says whether it was there. `SREM`, O(1).
    pub fn remove(&self, member: &T::Borrowed) -> E::Reply<bool>
    where
        T: Canonical,
    {
        self.executor.run(self.writing("SREM").encode::<T>(member).returns(reply::flag))
    }

    /// Removes all of `members` and says how many were there. `SREM`, O(members).
    pub fn remove_many<'a, Q>(&self, members: impl IntoIterator<Item = &'a Q>) -> E::Reply<usize>
    where
        T: Canonical,
        Q: Borrow<T::Borrowed> + ?Sized + 'a,
    {
        let request = with_members::<T, Q>(self.writing("SREM"), members, Value::Int(0));
        self.executor.run(request.returns(reply::at_most_asked))
    }

    /// Moves `member` to `other` and says whether it was here. `SMOVE`, O(1).
    pub fn move_to<F: Executor>(
        &self,
        other: &RedisSet<T, F>,
        member: &T::Borrowed,
    ) -> E::Reply<bool>
    where
        T: Canonical,
    {
        let request = self.writing("SMOVE").telling(&other.notices).named(other.name.as_bytes());
        self.executor.run(request.encode::<T>(member).returns(reply::flag))
    }
}

/// What the server makes of several sets, which it compares by the bytes of their members.
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

    /// Makes `target` the members of this set or any of `others` and says how many they are.
    /// `SUNIONSTORE`, O(members).
    pub fn union_into(&self, others: &[&Self], target: &Self) -> E::Reply<usize>
    where
        T: Canonical,
    {
        self.stored("SUNIONSTORE", others, target)
    }

    /// Makes `target` the members of this set and all of `others` and says how many they are.
    /// `SINTERSTORE`, O(smallest set * sets).
    pub fn intersection_into(&self, others: &[&Self], target: &Self) -> E::Reply<usize>
    where
        T: Canonical,
    {
        self.stored("SINTERSTORE", others, target)
    }

    /// Makes `target` the members of this set and none of `others` and says how many they are.
    /// `SDIFFSTORE`, O(members).
    pub fn difference_into(&self, others: &[&Self], target: &Self) -> E::Reply<usize>
    where
        T: Canonical,
    {
        self.stored("SDIFFSTORE", others, target)
    }

    fn combined(&self, command: &'static str, others: &[&Self]) -> E::Reply<Vec<T::Owned>> {
        let request = self.reading(command);
        self.executor.run(with_sets(request, others).returns(reply::members::<T>))
    }

    fn stored(&self, command: &'static str, others: &[&Self], target: &Self) -> E::Reply<usize> {
        let request = target.writing(command).named(self.name.as_bytes());
        self.executor.run(with_sets(request, others).returns(reply::count))
    }
}

impl<T: Codec, E: Executor> RedisSet<T, E> {
    pub(super) fn reading(&self, command: &'static str) -> Request {
        Request::read(command).telling(&self.notices).named(self.name.as_bytes())
    }

    pub(super) fn writing(&self, command: &'static str) -> Request {
        Request::write(command).telling(&self.notices).named(self.name.as_bytes())
    }
}

fn with_members<'a, T: Codec, Q>(
    request: Request,
    members: impl IntoIterator<Item = &'a Q>,
    empty: Value,
) -> Request
where
    Q: Borrow<T::Borrowed> + ?Sized + 'a,
{
    let member = |request: &mut Request, member: &Q| request.push_encoded::<T>(member.borrow());
    request.each(members, member, empty)
}

fn with_sets<T, E>(request: Request, sets: &[&RedisSet<T, E>]) -> Request {
    sets.iter().fold(request, |request, set| request.named(set.name.as_bytes()))
}

impl<T, E: Clone> Clone for RedisSet<T, E> {
    fn clone(&self) -> Self {
        let (executor, name) = (self.executor.clone(), self.name.clone());
        Self { executor, name, notices: self.notices.clone(), codec: PhantomData }
    }
}

impl<T, E> fmt::Debug for RedisSet<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisSet({:?})", self.name)
    }
}
