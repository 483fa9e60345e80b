//! Conversion of the driver's values to typed values. Each function fits
//! [`Request::returns`](crate::request::Request::returns), and accepts exactly the replies of its
//! commands: any other shape is [`Error::UnexpectedReply`].

mod gather;
mod number;
mod refusal;
mod rights;
#[cfg(test)]
mod tests;
mod values;

use redis::Value;

pub(crate) use self::number::{
    applied, at_most_asked, count, exactly, flag, flags, flags_of, inserted, integer, one_integer,
    positive, sum, time_left,
};
#[cfg(any(test, feature = "keyword"))]
pub(crate) use self::number::{optional_flag, optional_number};
pub(crate) use self::refusal::{
    asks_to_reconnect, code_and_details, ends_connection, server_error,
};
pub(crate) use self::values::{
    as_bytes, as_many, decode_bytes, decode_key, each, each_or_none, kept_or_written, many,
    members, members_each, one, optional, optional_each, popped, raw, raw_each, raw_many, scanned,
    scanned_entries, time,
};
use crate::error::{Error, Result};
use crate::request::Request;

/// A server's reply, and the request that it answers.
pub(crate) struct Reply<'a> {
    pub(crate) value: Value,
    pub(crate) request: &'a Request,
}

/// Accepts `OK` and nothing else.
pub(crate) fn ok(reply: Reply<'_>) -> Result<()> {
    match reply.checked()? {
        (Value::Okay, _) => Ok(()),
        (value, request) => Err(unexpected(request, "OK", &value)),
    }
}

/// Accepts the reply of `PING`, from one server or combined from several.
pub(crate) fn pong(reply: Reply<'_>) -> Result<()> {
    match reply.checked()? {
        (Value::Okay, _) => Ok(()),
        (Value::SimpleString(text), _) if text == PONG => Ok(()),
        (value, request) => Err(unexpected(request, "PONG", &value)),
    }
}

/// Reads `OK`, or nil if a condition was not met.
pub(crate) fn accepted(reply: Reply<'_>) -> Result<bool> {
    match reply.checked()? {
        (Value::Okay, _) => Ok(true),
        (Value::Nil, _) => Ok(false),
        (value, request) => Err(unexpected(request, "OK or nil", &value)),
    }
}

/// Reads a list of exactly `N` replies.
pub(crate) fn parts<const N: usize>(reply: Reply<'_>) -> Result<[Reply<'_>; N]> {
    let request = reply.request;
    let parts = sequence(reply)?.map(|value| Reply { value, request });
    <[_; N]>::try_from(parts.collect::<Vec<_>>()).map_err(|_| unexpected_count(request))
}

/// The elements of a list.
pub(crate) fn sequence(reply: Reply<'_>) -> Result<std::vec::IntoIter<Value>> {
    match reply.checked()? {
        (Value::Array(values), _) => Ok(values.into_iter()),
        (value, request) => Err(unexpected(request, "a list", &value)),
    }
}

impl<'a> Reply<'a> {
    /// Returns the value, unless it is an error of the server.
    fn checked(self) -> Result<(Value, &'a Request)> {
        match self.value {
            Value::ServerError(error) => Err(server_error(self.request, &error)),
            value => Ok((value, self.request)),
        }
    }
}

/// The error for a list that is too short or too long.
pub(crate) fn unexpected_count(request: &Request) -> Error {
    let (expected, found) = ("as many values as were asked for", "another number of them");
    Error::UnexpectedReply { attempt: Box::new(request.attempt()), expected, found }
}

/// The error for a reply of another shape than `expected`.
pub(crate) fn unexpected(request: &Request, expected: &'static str, found: &Value) -> Error {
    let found = match found {
        Value::Nil => "nil",
        Value::Int(_) => "an integer",
        Value::BulkString(_) | Value::VerbatimString { .. } => "a string",
        Value::Array(_) | Value::Set(_) => "a list",
        Value::SimpleString(_) | Value::Okay => "a status",
        Value::Map(_) => "a map",
        Value::Double(_) => "a double",
        Value::Boolean(_) => "a boolean",
        Value::ServerError(_) => "an error",
        _ => "something else",
    };
    Error::UnexpectedReply { attempt: Box::new(request.attempt()), expected, found }
}

/// The reply of a server to `PING`.
pub(crate) const PONG: &str = "PONG";
