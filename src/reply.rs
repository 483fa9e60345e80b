//! From the driver's values to typed values. Each function fits
//! [`Request::returns`](crate::request::Request::returns).

mod refusal;

use redis::Value;

pub(crate) use self::refusal::{code_and_details, server_error};
use crate::codec::Codec;
use crate::error::{Attempt, Error, Result};
use crate::request::Request;

/// What the server answered, and to which request.
pub(crate) struct Reply<'a> {
    pub(crate) value: Value,
    pub(crate) request: &'a Request,
}

/// Any reply that is not an error.
pub(crate) fn done(reply: Reply<'_>) -> Result<()> {
    reply.checked().map(drop)
}

/// Any reply that is not an error, as it is.
pub(crate) fn any(reply: Reply<'_>) -> Result<Value> {
    reply.checked()
}

/// An integer.
pub(crate) fn integer(reply: Reply<'_>) -> Result<i64> {
    let request = reply.request;
    match reply.checked()? {
        Value::Int(integer) => Ok(integer),
        value => Err(unexpected(request, "an integer", &value)),
    }
}

/// A sequence of one integer.
pub(crate) fn one_integer(reply: Reply<'_>) -> Result<i64> {
    let request = reply.request;
    let value = sequence(reply)?.pop().unwrap_or(Value::Nil);
    integer(Reply { value, request })
}

/// An integer that counts something.
pub(crate) fn count(reply: Reply<'_>) -> Result<usize> {
    let request = reply.request;
    let integer = integer(reply)?;
    usize::try_from(integer).map_err(|_| unexpected(request, "a count", &Value::Int(integer)))
}

/// An integer that counts something, where zero or less says that nothing could be done.
pub(crate) fn positive(reply: Reply<'_>) -> Result<Option<usize>> {
    Ok(usize::try_from(integer(reply)?).ok().filter(|&count| count > 0))
}

/// Zero or one.
pub(crate) fn flag(reply: Reply<'_>) -> Result<bool> {
    integer(reply).map(|integer| integer != 0)
}

/// Zeros and ones.
pub(crate) fn flags(reply: Reply<'_>) -> Result<Vec<bool>> {
    let request = reply.request;
    let read = |value| flag(Reply { value, request });
    sequence(reply)?.into_iter().map(read).collect()
}

/// `OK`, or nil where a condition was not met.
pub(crate) fn accepted(reply: Reply<'_>) -> Result<bool> {
    reply.checked().map(|value| value != Value::Nil)
}

/// One value.
pub(crate) fn one<C: Codec>(reply: Reply<'_>) -> Result<C::Owned> {
    let request = reply.request;
    decode::<C>(reply.checked()?, request, 0)
}

/// One value, or nil.
pub(crate) fn optional<C: Codec>(reply: Reply<'_>) -> Result<Option<C::Owned>> {
    let request = reply.request;
    decode_optional::<C>(reply.checked()?, request, 0)
}

/// One value or nil for each key or field asked for.
pub(crate) fn optional_each<C: Codec>(reply: Reply<'_>) -> Result<Vec<Option<C::Owned>>> {
    let request = reply.request;
    let values = sequence(reply)?.into_iter().enumerate();
    values.map(|(position, value)| decode_optional::<C>(value, request, position)).collect()
}

/// Values. The first one that cannot be decoded fails the reply.
pub(crate) fn many<C: Codec>(reply: Reply<'_>) -> Result<Vec<C::Owned>> {
    let request = reply.request;
    sequence(reply)?.into_iter().map(|value| decode::<C>(value, request, 0)).collect()
}

/// Values, or nil for none at all. Each is decoded by itself.
pub(crate) fn each<C: Codec>(reply: Reply<'_>) -> Result<Vec<Result<C::Owned>>> {
    let request = reply.request;
    Ok(sequence(reply)?.into_iter().map(|value| decode::<C>(value, request, 0)).collect())
}

/// The key that had a value and the value, as `BLPOP` answers, or nil.
pub(crate) fn popped<C: Codec>(reply: Reply<'_>) -> Result<Option<(Vec<u8>, C::Owned)>> {
    let request = reply.request;
    if reply.value == Value::Nil {
        return Ok(None);
    }
    match <[Value; 2]>::try_from(sequence(reply)?) {
        Ok([key, value]) => Ok(Some((bytes(key, request)?, decode::<C>(value, request, 0)?))),
        Err(values) => Err(unexpected(request, "a key and a value", &Value::Array(values))),
    }
}

/// One step of a `SCAN`: the next cursor, zero at the end, and what was found.
pub(crate) fn scanned(reply: Reply<'_>) -> Result<(u64, Vec<Vec<u8>>)> {
    let request = reply.request;
    let [cursor, found] = <[Value; 2]>::try_from(sequence(reply)?)
        .map_err(|values| unexpected(request, "a cursor and a page", &Value::Array(values)))?;
    let cursor = decode::<u64>(cursor, request, 0)?;
    let found = sequence(Reply { value: found, request })?;
    Ok((cursor, found.into_iter().map(|value| bytes(value, request)).collect::<Result<_>>()?))
}

/// Bulk strings or nil, as they are.
pub(crate) fn raw_each(reply: Reply<'_>) -> Result<Vec<Option<Vec<u8>>>> {
    let request = reply.request;
    let optional = |value| match value {
        Value::Nil => Ok(None),
        value => bytes(value, request).map(Some),
    };
    sequence(reply)?.into_iter().map(optional).collect()
}

/// A bulk string or nil, as it is.
pub(crate) fn raw(reply: Reply<'_>) -> Result<Option<Vec<u8>>> {
    let request = reply.request;
    match reply.checked()? {
        Value::Nil => Ok(None),
        value => bytes(value, request).map(Some),
    }
}

/// A sequence, where nil is an empty one and a map its keys and values in turn, as in RESP2.
pub(crate) fn sequence(reply: Reply<'_>) -> Result<Vec<Value>> {
    let request = reply.request;
    match reply.checked()? {
        Value::Array(values) | Value::Set(values) => Ok(values),
        Value::Map(entries) => Ok(entries.into_iter().flat_map(<[Value; 2]>::from).collect()),
        Value::Nil => Ok(Vec::new()),
        value => Err(unexpected(request, "a sequence", &value)),
    }
}

/// Decodes bytes that a reply brought, as the value of what `attempt` names.
pub(crate) fn decode_bytes<C: Codec>(
    bytes: Vec<u8>,
    attempt: impl FnOnce() -> Attempt,
) -> Result<C::Owned> {
    let attempt = |source| Error::Decode { attempt: Box::new(attempt()), source };
    C::decode_owned(bytes).map_err(attempt)
}

impl Reply<'_> {
    /// The value, if it is not an error of the server.
    fn checked(self) -> Result<Value> {
        match self.value {
            Value::ServerError(error) => Err(server_error(self.request, &error)),
            value => Ok(value),
        }
    }
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

fn bytes(value: Value, request: &Request) -> Result<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Ok(text.into_bytes()),
        Value::Okay => Ok(b"OK".to_vec()),
        Value::Int(integer) => Ok(integer.to_string().into_bytes()),
        Value::Double(double) => Ok(double.to_string().into_bytes()),
        Value::ServerError(error) => Err(server_error(request, &error)),
        value => Err(unexpected(request, "a string", &value)),
    }
}

fn unexpected(request: &Request, expected: &'static str, found: &Value) -> Error {
    let found = match found {
        Value::Nil => "nil",
        Value::Int(_) => "an integer",
        Value::BulkString(_) => "a string",
        Value::Array(_) | Value::Set(_) => "a sequence",
        Value::SimpleString(_) | Value::Okay => "a status",
        Value::Map(_) => "a map",
        Value::Double(_) => "a double",
        Value::Boolean(_) => "a boolean",
        _ => "something else",
    };
    Error::UnexpectedReply { attempt: Box::new(request.attempt()), expected, found }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn read<T>(request: Request, value: Value, read: fn(Reply<'_>) -> Result<T>) -> Result<T> {
        request.returns(read).read(value)
    }

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn array(values: impl IntoIterator<Item = Value>) -> Value {
        Value::Array(values.into_iter().collect())
    }

    /// Reads a reply, and shows what came of it.
    fn shown<T: Debug>(value: Value, with: fn(Reply<'_>) -> Result<T>) -> String {
        let request = Request::write("X").key(b"k");
        match read(request, value, with) {
            Ok(read) => format!("{read:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn replies_become_values() {
        for (shown, expected) in [
            (shown(Value::Okay, done), "()"),
            (shown(Value::Int(1), flag), "true"),
            (shown(Value::Int(0), flag), "false"),
            (shown(array([Value::Int(1), Value::Int(0)]), flags), "[true, false]"),
            (shown(Value::Int(7), count), "7"),
            (shown(Value::Int(-1), positive), "None"),
            (shown(Value::Int(3), positive), "Some(3)"),
            (shown(Value::Okay, accepted), "true"),
            (shown(Value::Nil, accepted), "false"),
            (shown(bulk("7"), one::<u8>), "7"),
            (shown(Value::Int(7), one::<u8>), "7"),
            (shown(Value::Nil, optional::<u8>), "None"),
            (shown(bulk(""), optional::<String>), "Some(\"\")"),
            (shown(array([bulk("1"), Value::Nil]), optional_each::<u8>), "[Some(1), None]"),
            (shown(array([bulk("1"), bulk("2")]), many::<u8>), "[1, 2]"),
            (shown(Value::Set(vec![bulk("1")]), many::<u8>), "[1]"),
            (shown(Value::Map(vec![(bulk("1"), bulk("2"))]), many::<u8>), "[1, 2]"),
            (shown(Value::Nil, each::<u8>), "[]"),
            (shown(Value::Nil, popped::<u8>), "None"),
            (shown(array([bulk("k"), bulk("1")]), popped::<u8>), "Some(([107], 1))"),
            (shown(array([bulk("9"), array([bulk("a")])]), scanned), "(9, [[97]])"),
            (shown(array([Value::Int(-2)]), one_integer), "-2"),
        ] {
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn replies_of_another_shape_are_errors() {
        for (shown, expected) in [
            (shown(Value::Nil, count), "expected an integer, the server answered nil"),
            (shown(Value::Int(-1), count), "expected a count, the server answered an integer"),
            (
                shown(Value::Int(1), many::<u8>),
                "expected a sequence, the server answered an integer",
            ),
            (shown(array([]), one::<u8>), "expected a string, the server answered a sequence"),
            (
                shown(array([bulk("k")]), popped::<u8>),
                "expected a key and a value, the server answered a sequence",
            ),
            (
                shown(array([]), scanned),
                "expected a cursor and a page, the server answered a sequence",
            ),
        ] {
            assert_eq!(shown, format!("X \"k\": {expected}"));
        }
    }

    #[test]
    fn a_write_with_an_unexpected_reply_was_applied() {
        let error = read(Request::write("SADD").key(b"s"), bulk("secret"), count).unwrap_err();
        assert_eq!(error.applied(), crate::Applied::Yes);
        assert!(!format!("{error:?}").contains("secret"));
    }

    #[test]
    fn what_cannot_be_decoded_is_named_kept_and_not_shown() {
        let request = Request::read("MGET").key(b"a").key(b"b");
        let values = Value::Array(vec![bulk("1"), bulk("secret")]);
        let error = read(request, values, optional_each::<u64>).unwrap_err();
        let expected =
            r#"MGET "b": cannot decode 6 bytes as u64: not a decimal number that fits u64"#;
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.undecoded(), Some(&b"secret"[..]));
        assert!(!format!("{error:?}").contains("secret"));
    }
}
