//! Iteration over all members of a [`RedisSet`], a page at a time.

use std::collections::HashSet;
use std::hash::Hash;

use redis::Value;

use super::iteration::{Cursor, Page, Scan, gather};
use super::name::Name;
use super::set::RedisSet;
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::reply;
use crate::request::Request;

impl<T: Codec, E: RoundTrips> RedisSet<T, E> {
    /// Iterates over all members, in no order. `SSCAN`, O(n) in all.
    pub fn iter(&self) -> Scan<T::Owned, E> {
        self.iter_matching(b"*")
    }

    /// Iterates over the members whose stored form matches a Redis `glob`, in no order. `SSCAN`,
    /// O(n) in all.
    pub fn iter_matching(&self, glob: impl AsRef<[u8]>) -> Scan<T::Owned, E> {
        Scan::over(&self.executor, &self.name, glob.as_ref(), decoded::<T, E>)
    }

    /// All members as a standard set. `SSCAN`, O(n).
    pub fn to_set(&self) -> E::Reply<HashSet<T::Owned>>
    where
        T::Owned: Eq + Hash,
    {
        gather(&self.executor, &self.name, decoded::<T, E>)
    }

    /// Returns whether a member decodes to a value equal to `member`, whatever its bytes. `SSCAN`,
    /// O(n).
    pub fn contains_equal(&self, member: &T::Borrowed) -> E::Reply<bool>
    where
        T::Owned: PartialEq,
    {
        let (executor, name) = (self.executor.clone(), self.name.clone());
        let member = as_read_back::<T>(&name, member);
        self.executor.converse(async move {
            Ok(!equal_members::<T, E>(&executor, &name, member?).await?.is_empty())
        })
    }

    /// Removes every member that decodes to a value equal to `member`, whatever its bytes, and
    /// returns how many there were. `SSCAN`, then one `SREM`, O(n).
    ///
    /// All members found are removed atomically; one that another client adds meanwhile may stay.
    pub fn remove_equal(&self, member: &T::Borrowed) -> E::Reply<usize>
    where
        T::Owned: PartialEq,
    {
        let (executor, name) = (self.executor.clone(), self.name.clone());
        let (member, remove) = (as_read_back::<T>(&name, member), self.writing("SREM"));
        self.executor.converse(async move {
            let found = equal_members::<T, E>(&executor, &name, member?).await?;
            let remove = remove.each(found, Request::push, Value::Int(0));
            executor.send(remove.returns(reply::at_most_asked)).await
        })
    }
}

/// Returns `member` as it would be after encoding and decoding it.
fn as_read_back<T: Codec>(name: &Name, member: &T::Borrowed) -> Result<T::Owned> {
    let attempt = || Request::write("SREM").named(name.as_bytes()).attempt();
    let mut bytes = Vec::new();
    T::encode(member, &mut bytes)
        .map_err(|source| Error::Encode { attempt: Box::new(attempt()), source })?;
    reply::decode_bytes::<T>(bytes, attempt)
}

/// The stored members equal to `member`. One that cannot be decoded equals nothing.
async fn equal_members<T, E>(executor: &E, name: &Name, member: T::Owned) -> Result<Vec<Vec<u8>>>
where
    T: Codec,
    T::Owned: PartialEq,
    E: RoundTrips,
{
    let mut equal = Vec::new();
    let mut cursor = Cursor::default();
    while !cursor.is_done() {
        let (next, mut members) = page(executor, name, b"*", cursor).await?;
        members.retain(|stored| T::decode(stored).is_ok_and(|stored| stored == member));
        equal.append(&mut members);
        cursor = next;
    }
    Ok(equal)
}

/// Fetches the next members, each decoded by itself.
async fn decoded<T: Codec, E: RoundTrips>(
    executor: E,
    name: Name,
    glob: Vec<u8>,
    cursor: Cursor,
) -> Result<Page<T::Owned>> {
    let (cursor, members) = page(&executor, &name, &glob, cursor).await?;
    let decode = |member| decode::<T>(&name, member);
    Ok((cursor, members.into_iter().map(decode).collect()))
}

/// Fetches the next stored members that match `glob`.
async fn page<E: RoundTrips>(
    executor: &E,
    name: &Name,
    glob: &[u8],
    mut cursor: Cursor,
) -> Result<(Cursor, Vec<Vec<u8>>)> {
    let mut members = cursor.page(executor, name.refusal(), "SSCAN", name, glob).await?;
    members.retain(|member| cursor.is_new(member));
    Ok((cursor, members))
}

fn decode<T: Codec>(name: &Name, member: Vec<u8>) -> Result<T::Owned> {
    reply::decode_bytes::<T>(member, || Request::read("SSCAN").named(name.as_bytes()).attempt())
}
