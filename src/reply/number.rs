//! Integer replies.

use redis::Value;

use super::values::bytes;
use super::{Reply, decode_bytes, parts, sequence, unexpected, unexpected_count};
use crate::codec::Codec;
use crate::error::Result;

/// An integer.
pub(crate) fn integer(reply: Reply<'_>) -> Result<i64> {
    match reply.checked()? {
        (Value::Int(integer), _) => Ok(integer),
        (value, request) => Err(unexpected(request, "an integer", &value)),
    }
}

/// A list with one integer.
pub(crate) fn one_integer(reply: Reply<'_>) -> Result<i64> {
    let [integer_alone] = parts(reply)?;
    integer(integer_alone)
}

/// A time to live in milliseconds: -1 means for ever, and -2 that nothing is there.
pub(crate) fn time_left(reply: Reply<'_>) -> Result<i64> {
    within(reply, -2..=i64::MAX, "a time to live")
}

/// An integer that counts something.
pub(crate) fn count(reply: Reply<'_>) -> Result<usize> {
    let request = reply.request;
    let integer = integer(reply)?;
    usize::try_from(integer).map_err(|_| unexpected_number(request, "a count"))
}

/// A count of the keys, fields or members that the request names.
pub(crate) fn at_most_asked(reply: Reply<'_>) -> Result<usize> {
    let request = reply.request;
    let count = count(reply)?;
    if count <= request.asked() {
        Ok(count)
    } else {
        Err(unexpected_number(request, "a count of what was named"))
    }
}

/// A count that must equal the number of values to be stored.
pub(crate) fn exactly(reply: Reply<'_>, expected: usize) -> Result<()> {
    let request = reply.request;
    if count(reply)? == expected {
        Ok(())
    } else {
        Err(unexpected_number(request, "the number of what was sent"))
    }
}

/// A new length, or zero if nothing could be done.
pub(crate) fn positive(reply: Reply<'_>) -> Result<Option<usize>> {
    Ok(Some(count(reply)?).filter(|&count| count > 0))
}

/// The reply of `LINSERT`: a new length, zero if there is no list, and -1 if there is no such item.
pub(crate) fn inserted(reply: Reply<'_>) -> Result<Option<usize>> {
    let length = within(reply, -1..=i64::MAX, "a length or -1")?;
    Ok(usize::try_from(length).ok().filter(|&length| length > 0))
}

/// Zero or one.
pub(crate) fn flag(reply: Reply<'_>) -> Result<bool> {
    within(reply, 0..=1, "0 or 1").map(|integer| integer == 1)
}

/// One, the reply of scripts that have done their work.
pub(crate) fn applied(reply: Reply<'_>) -> Result<()> {
    within(reply, 1..=1, "1").map(drop)
}

/// Zeros and ones, one for each key, field or member that the request names.
pub(crate) fn flags(reply: Reply<'_>) -> Result<Vec<bool>> {
    let asked = reply.request.asked();
    flags_of(reply, asked)
}

/// A given number of zeros and ones.
pub(crate) fn flags_of(reply: Reply<'_>, asked: usize) -> Result<Vec<bool>> {
    let request = reply.request;
    let flags = sequence(reply)?.map(|value| flag(Reply { value, request }));
    let flags = flags.collect::<Result<Vec<_>>>()?;
    if flags.len() == asked { Ok(flags) } else { Err(unexpected_count(request)) }
}

/// Zero or one, or nil.
#[cfg(any(test, feature = "keyword"))]
pub(crate) fn optional_flag(reply: Reply<'_>) -> Result<Option<bool>> {
    if reply.value == Value::Nil { Ok(None) } else { flag(reply).map(Some) }
}

/// A 64-bit number, as an integer or, since Lua's have 53 bits, in digits; or nil.
#[cfg(any(test, feature = "keyword"))]
pub(crate) fn optional_number(reply: Reply<'_>) -> Result<Option<u64>> {
    let (value, request) = reply.checked()?;
    let number = match &value {
        Value::Nil => return Ok(None),
        Value::Int(integer) => u64::try_from(*integer).ok(),
        Value::BulkString(digits) => {
            std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok())
        }
        _ => None,
    };
    number.map(Some).ok_or_else(|| unexpected(request, "a number", &value))
}

/// A sum: an integer, a double, or either as a string.
pub(crate) fn sum<C: Codec>(reply: Reply<'_>) -> Result<C::Owned> {
    let (value, request) = reply.checked()?;
    let digits = match value {
        Value::Int(integer) => integer.to_string().into_bytes(),
        Value::Double(double) => double.to_string().into_bytes(),
        value => bytes(value, request)?,
    };
    decode_bytes::<C>(digits, || request.attempt())
}

/// An integer within `range`.
fn within(
    reply: Reply<'_>,
    range: std::ops::RangeInclusive<i64>,
    expected: &'static str,
) -> Result<i64> {
    let request = reply.request;
    let integer = integer(reply)?;
    if range.contains(&integer) { Ok(integer) } else { Err(unexpected_number(request, expected)) }
}

fn unexpected_number(request: &crate::request::Request, expected: &'static str) -> crate::Error {
    let (attempt, found) = (Box::new(request.attempt()), "another integer");
    crate::Error::UnexpectedReply { attempt, expected, found }
}
