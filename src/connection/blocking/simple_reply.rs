//! The replies that nearly every command has: one line, or one bulk string.

use redis::Value;

/// Reads the simple reply at the beginning of `bytes`, with its length. `Ok(None)` means that it is
/// incomplete, and an error that the reply is another one, which is left to the driver's parser.
///
/// What is accepted here has the same value there.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Value, usize)>, NotSimple> {
    let Some(kind) = bytes.first() else { return Ok(None) };
    if !b"$:+_".contains(kind) {
        return Err(NotSimple);
    }
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let [_, line @ .., b'\r', b'\n'] = &bytes[..=end] else { return Err(NotSimple) };
    let header = end + 1;
    let reply = match kind {
        b'$' => {
            return read_bulk(line, &bytes[header..])
                .map(|bulk| bulk.map(|(value, length)| (value, header + length)));
        }
        b':' => Value::Int(number(line).ok_or(NotSimple)?),
        b'_' if line.is_empty() => Value::Nil,
        b'+' if line == b"OK" => Value::Okay,
        b'+' if !line.contains(&b'\r') => {
            Value::SimpleString(std::str::from_utf8(line).map_err(|_| NotSimple)?.to_owned())
        }
        _ => return Err(NotSimple),
    };
    Ok(Some((reply, header)))
}

/// The reply is another one.
#[derive(Debug, PartialEq)]
pub(super) struct NotSimple;

/// Reads a bulk string behind its header.
fn read_bulk(digits: &[u8], bytes: &[u8]) -> Result<Option<(Value, usize)>, NotSimple> {
    let length = match number(digits) {
        Some(-1) => return Ok(Some((Value::Nil, 0))),
        length => length.and_then(|length| usize::try_from(length).ok()).ok_or(NotSimple)?,
    };
    let Some((payload, rest)) = bytes.split_at_checked(length) else { return Ok(None) };
    match rest {
        [b'\r', b'\n', ..] => Ok(Some((Value::BulkString(payload.to_vec()), length + END))),
        [] | [b'\r'] => Ok(None),
        _ => Err(NotSimple),
    }
}

/// Reads a number without blanks or a plus sign, so short that it is none too large.
fn number(line: &[u8]) -> Option<i64> {
    let (sign, digits) = match line {
        [b'-', digits @ ..] => (-1, digits),
        digits => (1, digits),
    };
    let is_number =
        matches!(digits.len(), 1..=MOST_DIGITS) && digits.iter().all(u8::is_ascii_digit);
    let add = |number: i64, digit: &u8| number * 10 + i64::from(digit - b'0');
    is_number.then(|| sign * digits.iter().fold(0, add))
}

/// The length of the end of a line.
const END: usize = 2;
const MOST_DIGITS: usize = 18;

/// Returns the simple reply at the beginning of `bytes`, if there is one.
#[cfg(test)]
pub(crate) fn simple_reply(bytes: &[u8]) -> Option<Value> {
    read(bytes).ok().flatten().map(|(reply, _)| reply)
}
