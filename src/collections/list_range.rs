//! Conversion of Rust's ranges to the server's, whose last index is inclusive.

use std::ops::{Bound, RangeBounds};

use redis::Value;

use crate::request::Request;

/// The first and the last index of `range`, where negative ones count from the end. `None` if it is
/// empty whatever the length of the list.
pub(super) fn first_and_last(range: impl RangeBounds<isize>) -> Option<(i64, i64)> {
    let index = |index: isize| i64::try_from(index).unwrap_or(i64::MAX);
    let first = match range.start_bound() {
        Bound::Included(&first) => index(first),
        Bound::Excluded(-1) => return None,
        Bound::Excluded(&before) => index(before).saturating_add(1),
        Bound::Unbounded => 0,
    };
    let last = match range.end_bound() {
        Bound::Included(&last) => index(last),
        Bound::Excluded(0) => return None,
        Bound::Excluded(&end) => index(end).saturating_sub(1),
        Bound::Unbounded => -1,
    };
    let is_empty = (first < 0) == (last < 0) && first > last;
    (!is_empty).then_some((first, last))
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
    use std::ops::Bound::{Excluded, Included, Unbounded};

    use super::*;

    #[test]
    fn a_range_of_rust_is_translated() {
        type Case = ((Bound<isize>, Bound<isize>), Option<(i64, i64)>);
        let cases: [Case; 19] = [
            ((Unbounded, Unbounded), Some((0, -1))),
            ((Included(2), Unbounded), Some((2, -1))),
            ((Included(-2), Unbounded), Some((-2, -1))),
            ((Unbounded, Excluded(3)), Some((0, 2))),
            ((Unbounded, Excluded(-1)), Some((0, -2))),
            ((Unbounded, Included(3)), Some((0, 3))),
            ((Unbounded, Included(-1)), Some((0, -1))),
            ((Included(1), Excluded(2)), Some((1, 1))),
            ((Included(1), Excluded(-1)), Some((1, -2))),
            ((Included(-3), Excluded(-1)), Some((-3, -2))),
            ((Included(-3), Excluded(2)), Some((-3, 1))),
            ((Excluded(1), Included(2)), Some((2, 2))),
            ((Excluded(-3), Included(-1)), Some((-2, -1))),
            ((Excluded(-1), Unbounded), None),
            ((Unbounded, Excluded(0)), None),
            ((Included(-2), Excluded(0)), None),
            ((Included(2), Excluded(2)), None),
            ((Included(-1), Excluded(-1)), None),
            ((Included(5), Excluded(2)), None),
        ];
        for (range, expected) in cases {
            assert_eq!(first_and_last(range), expected, "{range:?}");
        }
        assert_eq!(first_and_last(..isize::MAX), Some((0, i64::MAX - 1)));
        assert_eq!(first_and_last(..isize::MIN), Some((0, i64::MIN)));
    }
}
