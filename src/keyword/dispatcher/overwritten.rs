//! Values that a keyword had before its dispatcher learned of them: the replies were lost, or have
//! yet to arrive.

use crate::error::Result;
use crate::reply;
use crate::reply::Reply;

/// The reply of `update.lua`.
pub(crate) struct Updated {
    /// When the value was set; 0 if it was not.
    pub(crate) at: u64,
    /// The earlier values, which the dispatcher may not know.
    pub(crate) before: Vec<u8>,
}

/// Parses the reply of `update.lua`; `None` if another dispatcher holds the lease.
pub(crate) fn updated(reply: Reply<'_>) -> Result<Option<Updated>> {
    if reply.value == redis::Value::Nil {
        return Ok(None);
    }
    let [at, before] = reply::parts(reply)?;
    let at = reply::optional_number(at)?.unwrap_or_default();
    Ok(Some(Updated { at, before: reply::raw(before)?.unwrap_or_default() }))
}

/// Parses times and values as `overwritten.lua` keeps them, the oldest first.
pub(crate) fn values(mut kept: &[u8]) -> Vec<(u64, String)> {
    let mut values = Vec::new();
    while let Some((at, value, rest)) = first(kept) {
        values.extend(String::from_utf8(value.to_vec()).ok().map(|value| (at, value)));
        kept = rest;
    }
    values
}

fn first(kept: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let mut parts = kept.splitn(3, |byte| *byte == b' ');
    let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<u64>().ok();
    let (at, length) = (number()?, usize::try_from(number()?).ok()?);
    let (value, rest) = parts.next()?.split_at_checked(length)?;
    Some((at, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_up_to_the_first_malformed_entry() {
        for (kept, expected) in [
            (&b""[..], &[][..]),
            (b"17 3 a b18 0 19 1 c", &[(17, "a b"), (18, ""), (19, "c")]),
            (b"17 1 \xff18 1 b", &[(18, "b")]),
            (b"17 1 a18 9 b", &[(17, "a")]),
            (b"17 99999999999999999999 a", &[]),
            (b"x 1 a", &[]),
            (b"17", &[]),
        ] {
            let expected: Vec<_> = expected.iter().map(|(at, it)| (*at, it.to_string())).collect();
            assert_eq!(values(kept), expected, "{}", kept.escape_ascii());
        }
    }
}
