//! The replies that nearly every command has: one line, a bulk string, or arrays of these.

use redis::Value;

/// Reads the line or bulk string at the beginning of `bytes`, with its length. `None` means that it
/// is incomplete, or another reply.
///
/// What is accepted here has the same value in the driver's parser.
pub(super) fn read_simple(bytes: &[u8]) -> Option<(Value, usize)> {
    let (kind, line, rest) = read_line(bytes)?;
    let header = bytes.len() - rest.len();
    let reply = match kind {
        b'$' => match number(line)? {
            -1 => Value::Nil,
            length => {
                let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                let is_ended = rest.starts_with(b"\r\n");
                let length = header + payload.len() + END;
                return is_ended.then(|| (Value::BulkString(payload.to_vec()), length));
            }
        },
        b':' => Value::Int(number(line)?),
        b'_' if line.is_empty() => Value::Nil,
        b'+' if line == b"OK" => Value::Okay,
        b'+' if !line.contains(&b'\r') => {
            Value::SimpleString(std::str::from_utf8(line).ok()?.to_owned())
        }
        _ => return None,
    };
    Some((reply, header))
}

/// Reads a reply that consists of all `bytes`; `None` if it is another one than those above and
/// arrays of them.
pub(super) fn read_whole(bytes: &[u8]) -> Option<Value> {
    let mut rest = bytes;
    read_value(&mut rest, 0).filter(|_| rest.is_empty())
}

/// Reads a value within so many arrays.
fn read_value(bytes: &mut &[u8], depth: usize) -> Option<Value> {
    if !bytes.starts_with(b"*") {
        let (value, length) = read_simple(bytes)?;
        *bytes = &bytes[length..];
        return Some(value);
    }
    let (_, line, rest) = read_line(bytes)?;
    *bytes = rest;
    let length = match number(line)? {
        -1 => return Some(Value::Nil),
        length => usize::try_from(length).ok().filter(|_| depth < DEEPEST)?,
    };
    // What is announced may not be there.
    let mut values = Vec::with_capacity(length.min(bytes.len() / SHORTEST));
    for _ in 0..length {
        values.push(read_value(bytes, depth + 1)?);
    }
    Some(Value::Array(values))
}

/// Returns the kind of a line, what it says, and what follows.
fn read_line(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let kind = bytes.first().filter(|kind| b"$:+_*".contains(kind))?;
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at(end + 1);
    let [_, line @ .., b'\r', b'\n'] = line else { return None };
    Some((*kind, line, rest))
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
/// The shortest value: `_` and the end of its line.
const SHORTEST: usize = 3;
/// Arrays are nested less deeply in the replies of all commands.
const DEEPEST: usize = 8;

/// Returns the usual reply that consists of all `bytes`.
#[cfg(test)]
pub(crate) fn usual_reply(bytes: &[u8]) -> Option<Value> {
    read_whole(bytes)
}
