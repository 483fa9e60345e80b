//! Rust's ranges as the server's, whose last index is inclusive.

use std::ops::{Bound, RangeBounds};

use redis::Value;

use crate::request::Request;

/// The first and the last index of `range`, -1 for the end of the list; `None` if it is empty.
pub(super) fn first_and_last(range: impl RangeBounds<usize>) -> Option<(i64, i64)> {
    let index = |index: usize| i64::try_from(index).unwrap_or(i64::MAX);
    let first = match range.start_bound() {
        Bound::Included(&first) => index(first),
        Bound::Excluded(&before) => index(before).saturating_add(1),
        Bound::Unbounded => 0,
    };
    let last = match range.end_bound() {
        Bound::Included(&last) => index(last),
        Bound::Excluded(&end) => index(end) - 1,
        Bound::Unbounded => return Some((first, -1)),
    };
    (first <= last).then_some((first, last))
}

/// A command on part of a list, which is not sent for an empty part.
pub(super) fn part(request: Request, range: Option<(i64, i64)>, empty: Value) -> Request {
    match range {
        Some((first, last)) => request.number(first).number(last),
        None => request.answered(empty),
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound::{Excluded, Included};

    use super::*;

    #[test]
    fn a_range_of_rust_is_translated() {
        type Case = ((Bound<usize>, Bound<usize>), Option<(i64, i64)>);
        let cases: [Case; 9] = [
            ((Bound::Unbounded, Bound::Unbounded), Some((0, -1))),
            ((Included(2), Bound::Unbounded), Some((2, -1))),
            ((Bound::Unbounded, Excluded(3)), Some((0, 2))),
            ((Bound::Unbounded, Included(3)), Some((0, 3))),
            ((Included(1), Excluded(2)), Some((1, 1))),
            ((Excluded(1), Included(2)), Some((2, 2))),
            ((Bound::Unbounded, Excluded(0)), None),
            ((Included(2), Excluded(2)), None),
            ((Included(5), Excluded(2)), None),
        ];
        for (range, expected) in cases {
            assert_eq!(first_and_last(range), expected, "{range:?}");
        }
        assert_eq!(first_and_last(..usize::MAX), Some((0, i64::MAX - 1)));
    }
}
