//! Replies that are values: strings, decoded or as they are, and lists of them.

use redis::Value;

use super::{Reply, parts, sequence, server_error, unexpected, unexpected_count};
use crate::codec::Codec;
use crate::error::{Attempt, Error, Result};
use crate::request::Request;

/// One value.
pub(crate) fn one<C: Codec>(reply: Reply<'_>) -> Result<C::Owned> {
    decode::<C>(reply.value, reply.request, 0)
}

/// The previous value, or else the last argument of the request, which was written.
///
/// If bytes other than the argument cannot be decoded, nothing was written.
pub(crate) fn kept_or_written<C: Codec>(reply: Reply<'_>) -> Result<C::Owned> {
    let request = reply.request;
    let stored = bytes(reply.value, request)?;
    let was_there = request.others().last().is_some_and(|written| *written != *stored);
    decode_bytes::<C>(stored, || {
        let attempt = request.attempt();
        Attempt { writes: attempt.writes && !was_there, ..attempt }
    })
}

/// One value, or nil.
pub(crate) fn optional<C: Codec>(reply: Reply<'_>) -> Result<Option<C::Owned>> {
    decode_optional::<C>(reply.value, reply.request, 0)
}

/// One value or nil for each requested key or field.
pub(crate) fn optional_each<C: Codec>(reply: Reply<'_>) -> Result<Vec<Option<C::Owned>>> {
    let request = reply.request;
    let values = as_many(request.asked(), reply)?.into_iter().enumerate();
    values.map(|(position, value)| decode_optional::<C>(value, request, position)).collect()
}

/// Values, no more than the request asks for. The first one that cannot be decoded fails the reply.
pub(crate) fn many<C: Codec>(reply: Reply<'_>) -> Result<Vec<C::Owned>> {
    let request = reply.request;
    up_to_limit(reply, false)?.into_iter().map(|value| decode::<C>(value, request, 0)).collect()
}

/// Like [`many`] for members of sets, which RESP3 returns as a set.
pub(crate) fn members<C: Codec>(reply: Reply<'_>) -> Result<Vec<C::Owned>> {
    let request = reply.request;
    up_to_limit(reply, true)?.into_iter().map(|value| decode::<C>(value, request, 0)).collect()
}

/// Values, no more than the request asks for. Each is decoded by itself.
pub(crate) fn each<C: Codec>(reply: Reply<'_>) -> Result<Vec<Result<C::Owned>>> {
    let request = reply.request;
    decoded_alone::<C>(up_to_limit(reply, false)?, request)
}

/// Like [`each`] for members of sets, which RESP3 returns as a set.
pub(crate) fn members_each<C: Codec>(reply: Reply<'_>) -> Result<Vec<Result<C::Owned>>> {
    let request = reply.request;
    decoded_alone::<C>(up_to_limit(reply, true)?, request)
}

/// Like [`each`], where nil means that there is no list.
pub(crate) fn each_or_none<C: Codec>(reply: Reply<'_>) -> Result<Vec<Result<C::Owned>>> {
    if reply.value == Value::Nil { Ok(Vec::new()) } else { each::<C>(reply) }
}

/// A key and the value popped from it, in the reply of `BLPOP`, or nil.
pub(crate) fn popped<C: Codec>(reply: Reply<'_>) -> Result<Option<(Vec<u8>, C::Owned)>> {
    if reply.value == Value::Nil {
        return Ok(None);
    }
    let request = reply.request;
    let [key, value] = parts(reply)?;
    let key = bytes(key.value, request)?;
    if !request.keys().any(|asked| *asked == *key) {
        let (expected, found) = ("a key that was asked for", "another one");
        let attempt = Box::new(request.attempt());
        return Err(Error::UnexpectedReply { attempt, expected, found });
    }
    Ok(Some((key, one::<C>(value)?)))
}

/// One step of a `SCAN`: the next cursor, zero at the end, and the elements.
pub(crate) fn scanned(reply: Reply<'_>) -> Result<(u64, Vec<Vec<u8>>)> {
    let [cursor, found] = parts(reply)?;
    let (digits, request) = (raw(cursor)?, found.request);
    let cursor = digits.and_then(|digits| std::str::from_utf8(&digits).ok()?.parse().ok());
    let cursor = cursor.ok_or_else(|| unexpected(request, "a cursor", &Value::Nil))?;
    Ok((cursor, raw_many(found)?))
}

/// Like [`scanned`], where fields and their values alternate.
pub(crate) fn scanned_entries(reply: Reply<'_>) -> Result<(u64, Vec<Vec<u8>>)> {
    let request = reply.request;
    let (cursor, found) = scanned(reply)?;
    if found.len().is_multiple_of(2) { Ok((cursor, found)) } else { Err(unexpected_count(request)) }
}

/// A raw string or nil for each requested key or field.
pub(crate) fn raw_each(reply: Reply<'_>) -> Result<Vec<Option<Vec<u8>>>> {
    let request = reply.request;
    let values = as_many(request.asked(), reply)?.into_iter();
    values.map(|value| raw(Reply { value, request })).collect()
}

/// Raw strings of any number.
pub(crate) fn raw_many(reply: Reply<'_>) -> Result<Vec<Vec<u8>>> {
    let request = reply.request;
    sequence(reply)?.map(|value| bytes(value, request)).collect()
}

/// A raw string or nil.
pub(crate) fn raw(reply: Reply<'_>) -> Result<Option<Vec<u8>>> {
    match reply.value {
        Value::Nil => Ok(None),
        value => bytes(value, reply.request).map(Some),
    }
}

/// The reply of `TIME`: seconds, and microseconds of the second.
pub(crate) fn time(reply: Reply<'_>) -> Result<[u64; 2]> {
    let [seconds, microseconds] = parts(reply)?;
    Ok([one::<u64>(seconds)?, one::<u64>(microseconds)?])
}

/// Decodes bytes of a reply. An error reports `attempt`.
pub(crate) fn decode_bytes<C: Codec>(
    bytes: Vec<u8>,
    attempt: impl FnOnce() -> Attempt,
) -> Result<C::Owned> {
    decode_key::<C>(bytes, |_| attempt())
}

/// Decodes a key or field. An error reports the `attempt` on it.
pub(crate) fn decode_key<C: Codec>(
    key: Vec<u8>,
    attempt: impl FnOnce(&[u8]) -> Attempt,
) -> Result<C::Owned> {
    C::decode_owned(key).map_err(|source| {
        let attempt = Box::new(attempt(source.bytes()));
        Error::Decode { attempt, source }
    })
}

/// The elements of a list of exactly `asked` elements.
pub(crate) fn as_many(asked: usize, reply: Reply<'_>) -> Result<Vec<Value>> {
    let request = reply.request;
    let values = sequence(reply)?.collect::<Vec<_>>();
    if values.len() == asked { Ok(values) } else { Err(unexpected_count(request)) }
}

/// The elements of a list, or of a set if `may_be_set`, unless there are more than the request asks
/// for.
fn up_to_limit(reply: Reply<'_>, may_be_set: bool) -> Result<Vec<Value>> {
    let request = reply.request;
    let values = match reply.value {
        Value::Set(members) if may_be_set => members,
        value => sequence(Reply { value, request })?.collect(),
    };
    if request.limit().is_some_and(|limit| values.len() > limit) {
        Err(unexpected_count(request))
    } else {
        Ok(values)
    }
}

/// Decodes each value by itself. One that is not a string fails the reply.
fn decoded_alone<C: Codec>(values: Vec<Value>, request: &Request) -> Result<Vec<Result<C::Owned>>> {
    let strings = values.into_iter().map(|value| bytes(value, request));
    let strings = strings.collect::<Result<Vec<_>>>()?.into_iter();
    Ok(strings.map(|bytes| decode_bytes::<C>(bytes, || request.attempt())).collect())
}

fn decode<C: Codec>(value: Value, request: &Request, position: usize) -> Result<C::Owned> {
    decode_bytes::<C>(bytes(value, request)?, || request.attempt_at(position))
}

fn decode_optional<C: Codec>(
    value: Value,
    request: &Request,
    position: usize,
) -> Result<Option<C::Owned>> {
    match value {
        Value::Nil => Ok(None),
        value => decode::<C>(value, request, position).map(Some),
    }
}

/// The bytes of a string or a status, which need not be the reply to a request.
pub(crate) fn as_bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

/// The bytes of a string.
pub(super) fn bytes(value: Value, request: &Request) -> Result<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::VerbatimString { text, .. } => Ok(text.into_bytes()),
        Value::ServerError(error) => Err(server_error(request, &error)),
        value => Err(unexpected(request, "a string", &value)),
    }
}
