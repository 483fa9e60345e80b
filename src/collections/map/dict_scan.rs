//! Iteration over all entries of a [`RedisDict`], a page at a time.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use redis::Value;

use super::dict::RedisDict;
use super::prefix::Prefix;
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::collections::iteration::{Cursor, Page, Scan, gather};
use crate::collections::lend::Lend;
use crate::error::Result;
use crate::keys::Gather;
use crate::keys::side_key_of_slot;
use crate::reply;
use crate::reply::Reply;
use crate::request::Request;
use crate::request::Script;

impl<K: Codec, V: Codec, E: RoundTrips> RedisDict<K, V, E> {
    /// Iterates over all keys, in no order. `SCAN`, O(keys of the database) in all.
    pub fn keys(&self) -> Scan<K::Owned, E> {
        Scan::over(&self.executor, &self.prefix, b"*", async |executor, prefix, glob, cursor| {
            let (cursor, keys) = key_page(&executor, &prefix, &glob, cursor).await?;
            let decode = |key| decode_key::<K>(&prefix, key);
            Ok((cursor, keys.into_iter().map(decode).collect()))
        })
    }

    /// Iterates over all values, in no order. `SCAN` and `MGET`, O(keys of the database) in all.
    /// The values of a page are read in one round trip with the keys of the next.
    pub fn values(&self) -> Scan<V::Owned, E> {
        Scan::over(&self.executor, &self.prefix, b"*", async |executor, prefix, glob, cursor| {
            let (cursor, entries) = entry_page(&executor, &prefix, &glob, cursor).await?;
            let decode = |(key, value): (Vec<u8>, _)| decode_value::<V>(&key, value);
            Ok((cursor, entries.into_iter().map(decode).collect()))
        })
    }

    /// Iterates over all entries, in no order. `SCAN` and `MGET`, O(keys of the database) in all.
    /// The values of a page are read in one round trip with the keys of the next.
    pub fn iter(&self) -> Scan<(K::Owned, V::Owned), E> {
        self.iter_matching(b"*")
    }

    /// Iterates over the entries whose stored keys match a Redis `glob`, in no order. `SCAN` and
    /// `MGET`, O(keys of the database) in all.
    pub fn iter_matching(&self, glob: impl AsRef<[u8]>) -> Scan<(K::Owned, V::Owned), E> {
        Scan::over(&self.executor, &self.prefix, glob.as_ref(), entries::<K, V, E>)
    }

    /// All entries as a standard map. `SCAN` and `MGET`, O(keys of the database).
    pub fn to_map(&self) -> E::Reply<HashMap<K::Owned, V::Owned>>
    where
        K::Owned: Eq + Hash,
    {
        gather(&self.executor, &self.prefix, entries::<K, V, E>)
    }

    /// The number of entries. `SCAN`, O(keys of the database): Redis keeps no count.
    pub fn len(&self) -> E::Reply<usize> {
        let (executor, prefix) = (self.executor.clone(), self.prefix.clone());
        self.executor.converse(async move {
            refuse(&executor, prefix.refusal_of_all()).await?;
            let mut length = 0;
            let mut cursor = Cursor::default();
            while !cursor.is_done() {
                let (next, keys) = key_page(&executor, &prefix, b"*", cursor).await?;
                cursor = next;
                length = if cursor.counts_anew() { 0 } else { length + keys.len() };
            }
            Ok(length)
        })
    }

    /// Returns whether there are no entries. `SCAN` until one is found, at most O(keys of the
    /// database).
    pub fn is_empty(&self) -> E::Reply<bool> {
        let (executor, prefix) = (self.executor.clone(), self.prefix.clone());
        self.executor.converse(async move {
            let mut cursor = Cursor::default();
            while !cursor.is_done() {
                let (next, keys) = key_page(&executor, &prefix, b"*", cursor).await?;
                if !keys.is_empty() {
                    return Ok(false);
                }
                cursor = next;
            }
            Ok(true)
        })
    }

    /// Removes all entries, a page at a time, and returns how many there were. `SCAN` and `UNLINK`,
    /// O(keys of the database). Not atomic: entries that other clients add meanwhile may stay.
    pub fn clear(&self) -> E::Reply<usize> {
        let refusal = self.prefix.refusal_of_all();
        self.remove_all(refusal)
    }

    /// Removes every string of the database, whichever client wrote it, for a dictionary without a
    /// prefix. Strings that this crate keeps beside collections and keys of other types stay.
    /// `SCAN` and `UNLINK`, O(keys of the database).
    pub fn clear_database(&self) -> E::Reply<usize> {
        self.remove_all(None)
    }

    /// The number of keys of any type in the database. `DBSIZE`, O(1).
    pub fn database_len(&self) -> E::Reply<usize> {
        let request = Request::read("DBSIZE").everywhere(Gather::Sum);
        self.executor.run(request.returns(reply::count))
    }

    /// Makes `entries` the only ones; no client ever sees old and new ones mixed. `SCAN`, then one
    /// script, O(keys of the database).
    ///
    /// An entry that another client adds between the two stays. The script blocks the server for
    /// O(entries).
    pub fn replace_all<Q, R, const A: bool, const B: bool>(
        &self,
        entries: impl IntoIterator<Item = (Q, R)>,
    ) -> E::Reply<()>
    where
        Q: Lend<K, A>,
        R: Lend<V, B>,
    {
        let insert = self.deferred().insert_many(entries).request;
        let (executor, prefix) = (self.executor.clone(), self.prefix.clone());
        let publishing = self.publishing.clone();
        self.executor.converse(async move {
            if let Some(refusal) = insert.refusal() {
                return Err(refusal);
            }
            refuse(&executor, prefix.refusal_of_all()).await?;
            let new: Vec<&[u8]> = insert.arguments().skip(1).collect();
            let kept: HashSet<&[u8]> = new.iter().step_by(2).copied().collect();
            let mut stale = Vec::new();
            let mut cursor = Cursor::default();
            while !cursor.is_done() {
                let (next, mut keys) = key_page(&executor, &prefix, b"*", cursor).await?;
                keys.retain(|key| !kept.contains(&key[..]));
                stale.append(&mut keys);
                cursor = next;
            }
            let keys = new.len() / 2 + stale.len();
            let first = new.first().copied().or(stale.first().map(|key| &key[..]));
            let Some(first) = first else { return Ok(()) };
            let proof = side_key_of_slot(&prefix.bytes(), "proof", first);
            let mut request = Request::script(&REPLACE_ALL, keys + 1).publishes(&publishing);
            new.iter().step_by(2).for_each(|key| request.push_key(key));
            stale.iter().for_each(|key| request.push_key(key));
            request.push_key(&proof);
            new.iter().skip(1).step_by(2).for_each(|value| request.push(value));
            let stored = |reply: Reply<'_>| {
                let values = reply.request.others().count();
                reply::exactly(reply, values)
            };
            executor.send(request.returns(stored)).await
        })
    }

    /// Removes all entries, a page at a time, unless there is a `refusal`.
    fn remove_all(&self, refusal: Option<&'static str>) -> E::Reply<usize> {
        let (executor, prefix) = (self.executor.clone(), self.prefix.clone());
        let publishing = self.publishing.clone();
        self.executor.converse(async move {
            refuse(&executor, refusal).await?;
            let attempt = || Request::write("UNLINK").key(&prefix.bytes()).attempt();
            let mut removed = 0;
            let mut cursor = Cursor::default();
            while !cursor.is_done() {
                // A server that took over may still hold keys that were removed from its
                // predecessor.
                let keys = stored_keys(&executor, &prefix, b"*", &mut cursor).await;
                let keys = keys.map_err(|error| error.after_steps(removed > 0, attempt))?;
                let unlink = Request::write("UNLINK").divisible(Gather::Sum).publishes(&publishing);
                let unlink =
                    unlink.each(&keys, |request, key| request.push_key(key), Value::Int(0));
                let unlinked = executor.send(unlink.returns(reply::at_most_asked)).await;
                removed += unlinked.map_err(|error| error.after_steps(removed > 0, attempt))?;
            }
            Ok(removed)
        })
    }
}

/// The last key is reserved: writing it has no effect, and fails where later steps would. A server
/// checks its memory only at the first write of a script.
static REPLACE_ALL: Script = Script::new(
    "replace_all",
    "local proof, stale = KEYS[#KEYS], #KEYS - 1 - #ARGV
     local room = redis.pcall('SETRANGE', proof, 0, '')
     if type(room) == 'table' and string.find(room.err, 'OOM', 1, true) then return room end
     local removed = stale > 0 and redis.pcall('UNLINK', proof)
     if type(removed) == 'table' then return removed end
     for first = 1, #ARGV, 1000 do
       local entries = {}
       for i = first, math.min(first + 999, #ARGV) do
         entries[#entries + 1], entries[#entries + 2] = KEYS[i], ARGV[i]
       end
       local set = (first == 1 and redis.pcall or redis.call)('MSET', unpack(entries))
       if set.err then return set end
     end
     for first = #ARGV + 1, #KEYS - 1, 1000 do
       redis.call('UNLINK', unpack(KEYS, first, math.min(first + 999, #KEYS - 1)))
     end
     return #ARGV",
);

/// Returns `reason` as an error, if there is one.
async fn refuse<E: RoundTrips>(executor: &E, reason: Option<&'static str>) -> Result<()> {
    match reason {
        Some(reason) => {
            executor.send(Request::read("SCAN").refuse(reason).returns(reply::ok)).await
        }
        None => Ok(()),
    }
}

/// Fetches the next stored keys that begin with `prefix` and whose rest matches `glob`, each once.
pub(crate) async fn key_page<E: RoundTrips>(
    executor: &E,
    prefix: &Prefix,
    glob: &[u8],
    mut cursor: Cursor,
) -> Result<(Cursor, Vec<Vec<u8>>)> {
    let mut keys = stored_keys(executor, prefix, glob, &mut cursor).await?;
    keys.retain(|key| cursor.is_new(key));
    Ok((cursor, keys))
}

/// Like [`key_page`], including keys that the server repeats.
async fn stored_keys<E: RoundTrips>(
    executor: &E,
    prefix: &Prefix,
    glob: &[u8],
    cursor: &mut Cursor,
) -> Result<Vec<Vec<u8>>> {
    let pattern = prefix.pattern(glob);
    let mut keys = cursor.keys(executor, prefix.refusal(), &pattern, Some("string")).await?;
    keys.retain(|key| prefix.strip(key).is_some());
    Ok(keys)
}

/// Fetches the values of keys that were found, and in the same round trip the next keys. Keys that
/// vanished in between are left out. The first page finds keys only.
async fn entry_page<E: RoundTrips>(
    executor: &E,
    prefix: &Prefix,
    glob: &[u8],
    mut cursor: Cursor,
) -> Result<(Cursor, Vec<(Vec<u8>, Vec<u8>)>)> {
    let (keys, is_due) = cursor.take_unread();
    let read = Request::read("MGET").divisible(Gather::InOrder);
    let read = read.each(&keys, |request, key| request.push_key(key), Value::Array(Vec::new()));
    let read = read.returns(reply::raw_each);
    let values = if is_due {
        let pattern = prefix.pattern(glob);
        let (refusal, kind) = (prefix.refusal(), Some("string"));
        let page = cursor.keys_beside(executor, refusal, &pattern, kind, read);
        let (mut found, values) = page.await?;
        found.retain(|key| prefix.strip(key).is_some() && cursor.is_new(key));
        cursor.keep_unread(found);
        values
    } else {
        executor.send(read).await?
    };
    cursor.weigh(values.len(), values.iter().flatten().map(Vec::len).sum());
    let entries = keys.into_iter().zip(values);
    Ok((cursor, entries.filter_map(|(key, value)| Some((key, value?))).collect()))
}

/// Fetches the next entries, each decoded by itself.
async fn entries<K: Codec, V: Codec, E: RoundTrips>(
    executor: E,
    prefix: Prefix,
    glob: Vec<u8>,
    cursor: Cursor,
) -> Result<Page<(K::Owned, V::Owned)>> {
    let (cursor, entries) = entry_page(&executor, &prefix, &glob, cursor).await?;
    let decode = |(key, value): (Vec<u8>, _)| {
        let value = decode_value::<V>(&key, value);
        Ok((decode_key::<K>(&prefix, key)?, value?))
    };
    Ok((cursor, entries.into_iter().map(decode).collect()))
}

/// Decodes the part of a server's key after the prefix. An error reports the whole key.
pub(crate) fn decode_key<K: Codec>(prefix: &Prefix, mut key: Vec<u8>) -> Result<K::Owned> {
    let rest = prefix.strip(&key).map_or(key.len(), <[u8]>::len);
    let stripped = key.len() - rest;
    key.drain(..stripped);
    reply::decode_key::<K>(key, |rest| {
        let prefix = if stripped > 0 { prefix.bytes() } else { Vec::new() };
        Request::read("SCAN").key(&[&prefix, rest].concat()).attempt()
    })
}

/// Decodes a value. An error reports its key.
fn decode_value<V: Codec>(key: &[u8], value: Vec<u8>) -> Result<V::Owned> {
    reply::decode_bytes::<V>(value, || Request::read("MGET").key(key).attempt())
}
