//! Keys whose last reply was large. No request says how large its reply will be.

use std::array;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use redis::Value;

use crate::protocol::Line;

/// For how many more calls with each command a key counts as one with large replies. Keys that share
/// a place count as one.
pub(crate) struct LargeKeys {
    places: [AtomicU8; PLACES],
    /// How many places are not zero.
    marked: AtomicUsize,
}

impl LargeKeys {
    pub(crate) fn new() -> Self {
        Self { places: array::from_fn(|_| AtomicU8::new(0)), marked: AtomicUsize::new(0) }
    }

    /// Returns whether the last replies to such a command were large.
    pub(crate) fn contains(&self, line: &Line<'_>) -> bool {
        self.marked.load(Ordering::Relaxed) > 0 && self.place(line).load(Ordering::Relaxed) > 0
    }

    /// Records how large a reply is.
    pub(crate) fn record(&self, line: &Line<'_>, reply: &Value) {
        let is_large = is_larger(reply, LARGEST);
        if !is_large && self.marked.load(Ordering::Relaxed) == 0 || line.has_large_reply() {
            return;
        }
        let (place, order) = (self.place(line), Ordering::Relaxed);
        if is_large {
            if place.swap(CALLS, order) == 0 {
                self.marked.fetch_add(1, order);
            }
        } else if place.fetch_update(order, order, |calls| calls.checked_sub(1)) == Ok(1) {
            self.marked.fetch_sub(1, order);
        }
    }

    fn place(&self, line: &Line<'_>) -> &AtomicU8 {
        let mut hasher = DefaultHasher::new();
        (line.request.name(), line.request.keys().next()).hash(&mut hasher);
        &self.places[hasher.finish() as usize % PLACES]
    }
}

/// Returns whether a reply has more bytes than this.
fn is_larger(reply: &Value, limit: usize) -> bool {
    fn rest(reply: &Value, left: usize) -> Option<usize> {
        match reply {
            Value::BulkString(bytes) => left.checked_sub(bytes.len()),
            Value::Array(values) => values.iter().try_fold(left, |left, value| rest(value, left)),
            _ => Some(left),
        }
    }
    rest(reply, limit).is_none()
}

const PLACES: usize = 1024;

/// How many small replies outweigh a large one.
const CALLS: u8 = 16;

/// Larger replies delay others for too long.
pub(super) const LARGEST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Form;
    use crate::request::Request;

    fn get(key: &str) -> Request {
        Request::read("GET").key(key.as_bytes())
    }

    #[test]
    fn a_key_is_large_until_its_replies_were_small_for_a_while() {
        let keys = LargeKeys::new();
        let (large, small) = (Value::BulkString(vec![0; LARGEST + 1]), Value::Nil);
        let [a, b] = [get("a"), get("b")];
        let [a, b] = [&a, &b].map(|request| Line::new(request, Form::AsIs));
        keys.record(&a, &Value::BulkString(vec![0; LARGEST]));
        assert!(!keys.contains(&a), "not larger than the limit");
        keys.record(&a, &large);
        assert!(keys.contains(&a) && !keys.contains(&b));
        for _ in 1..CALLS {
            keys.record(&a, &small);
            keys.record(&b, &small);
        }
        assert!(keys.contains(&a));
        keys.record(&a, &small);
        keys.record(&a, &small);
        assert!(!keys.contains(&a));
        assert_eq!(keys.marked.into_inner(), 0);
    }

    #[test]
    fn what_is_large_in_any_case_says_nothing_about_other_commands() {
        let keys = LargeKeys::new();
        let large = Value::Array(vec![Value::BulkString(vec![0; LARGEST]); 2]);
        let all = Request::read("HGETALL").key(b"h");
        let one = Request::read("HGET").key(b"h").field::<Vec<u8>>(b"f");
        keys.record(&Line::new(&all, Form::AsIs), &large);
        assert!(!keys.contains(&Line::new(&all, Form::AsIs)));
        keys.record(&Line::new(&one, Form::AsIs), &large);
        assert!(keys.contains(&Line::new(&one, Form::AsIs)));
        let other = Request::read("HMGET").key(b"h").field::<Vec<u8>>(b"f");
        assert!(!keys.contains(&Line::new(&other, Form::AsIs)));
    }
}
