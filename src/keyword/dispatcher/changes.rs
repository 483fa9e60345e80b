//! New values of a keyword in the order in which the server received them, regardless of the order
//! of its replies.

use std::collections::VecDeque;
use std::mem;
use std::sync::MutexGuard;

use super::accepted::{Accepted, moment};
use super::inbox::MAX_BYTES;
use crate::episode::Episode;
use crate::keyword::Change;
use crate::keyword::names::KeywordName;
use crate::lock::Lock;
use crate::logs;

/// The changes of a keyword that its hook has yet to receive. Each new value is delivered once,
/// after all that the server received before it.
pub(super) struct Changes {
    name: KeywordName,
    is_wanted: bool,
    state: Lock<State>,
    /// Whether the hook misses changes.
    is_behind: Episode,
}

/// Pending changes, and the value that precedes them.
#[derive(Default)]
struct State {
    /// The value before the next change.
    last: Option<Accepted>,
    /// The time up to which all values are known.
    known: u64,
    /// Pending changes, with their times and the size of their values.
    ready: VecDeque<(u64, usize, Change)>,
    bytes: usize,
    is_delivering: bool,
}

impl Changes {
    /// Creates the changes of a keyword, which are kept only if `is_wanted`.
    pub(super) fn new(name: KeywordName, is_wanted: bool) -> Self {
        Self { name, is_wanted, state: Lock::default(), is_behind: Episode::default() }
    }

    /// Sets the value that precedes the first change, if there is one.
    pub(super) fn start_with(&self, value: Option<Accepted>, at: u64) {
        let mut state = self.state();
        (state.last, state.known) = (value, at);
    }

    /// Returns the time up to which all values are known.
    pub(super) fn known(&self) -> u64 {
        self.state().known
    }

    /// Adds a value that the server has had since `at`. All earlier values must have been added.
    pub(super) fn land(&self, value: Accepted, at: u64) {
        let mut state = self.state();
        if at <= state.known {
            return;
        }
        state.known = at;
        if !self.is_wanted || state.last.as_ref().is_some_and(|last| last.text == value.text) {
            return;
        }
        state.push(self.name.to_string(), value, at);
        let is_behind =
            |it: &State| it.ready.len() > MAX_PENDING || it.bytes > MAX_BYTES && it.ready.len() > 1;
        let is_late = is_behind(&state);
        while is_behind(&state) {
            state.pop();
        }
        drop(state);
        if is_late && self.is_behind.begins() {
            logs::changes_missed(&self.name);
        } else if !is_late {
            self.is_behind.ends();
        }
    }

    /// Starts delivery, unless another caller is delivering, which then continues with these
    /// changes. Returns whether it started.
    pub(super) fn begin_delivery(&self) -> bool {
        !mem::replace(&mut self.state().is_delivering, true)
    }

    /// Takes the next change up to this time. After the last one, another caller may start.
    pub(super) fn next(&self, until: u64) -> Option<Change> {
        let mut state = self.state();
        let next = match state.ready.front() {
            Some((at, ..)) if *at <= until => state.pop(),
            _ => None,
        };
        state.is_delivering = next.is_some();
        next
    }

    /// Returns whether changes are pending that no caller is delivering.
    pub(super) fn has_undelivered(&self) -> bool {
        let state = self.state();
        !state.is_delivering && !state.ready.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn push(&mut self, keyword: String, accepted: Accepted, at: u64) {
        let (bytes, value) = (accepted.text.len(), accepted.value.clone());
        let before = self.last.replace(accepted).map(|last| last.value);
        self.bytes += bytes;
        self.ready.push_back((at, bytes, Change { keyword, before, value, at: moment(at) }));
    }

    fn pop(&mut self) -> Option<Change> {
        let (_, bytes, change) = self.ready.pop_front()?;
        self.bytes -= bytes;
        Some(change)
    }
}

/// How many changes may wait for the hook.
const MAX_PENDING: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyword::Value;

    fn changes() -> Changes {
        Changes::new(KeywordName::new("N").unwrap(), true)
    }

    fn accepted(number: i64) -> Accepted {
        Accepted { value: number.into(), text: number.to_string() }
    }

    fn delivered(changes: &Changes) -> Vec<(Option<i64>, i64)> {
        assert!(changes.begin_delivery());
        let number = |value: &Value| value.as_i64().unwrap();
        let next = || {
            let change = changes.next(u64::MAX)?;
            Some((change.before.as_ref().map(number), number(&change.value)))
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn each_value_is_delivered_once_and_in_the_order_of_the_server() {
        let changes = changes();
        changes.start_with(Some(accepted(0)), 5);
        // Of three sets, the reply to the second arrives first and includes the first value.
        for (number, at) in [(9, 5), (1, 10), (2, 20), (1, 10), (2, 20), (2, 25)] {
            changes.land(accepted(number), at);
        }
        assert_eq!(delivered(&changes), [(Some(0), 1), (Some(1), 2)]);
        assert_eq!(changes.known(), 25);
        changes.land(accepted(3), 30);
        assert_eq!(delivered(&changes), [(Some(2), 3)]);
    }

    #[test]
    fn one_caller_delivers_at_a_time_and_not_beyond_its_own_change() {
        let changes = changes();
        for number in 1..=3 {
            changes.land(accepted(number), number as u64);
        }
        assert!(changes.has_undelivered() && changes.begin_delivery());
        assert!(!changes.begin_delivery() && !changes.has_undelivered());
        for number in 1..=2 {
            assert_eq!(changes.next(2).map(|it| it.value), Some(Value::Integer(number)));
        }
        assert!(changes.next(2).is_none() && changes.has_undelivered());
        assert_eq!(delivered(&changes), [(Some(2), 3)]);
        assert!(!changes.has_undelivered());
    }

    #[test]
    fn a_slow_hook_has_a_bounded_backlog() {
        let changes = changes();
        for number in 1..=MAX_PENDING as i64 + 2 {
            changes.land(accepted(number), number as u64);
        }
        let delivered = delivered(&changes);
        assert_eq!((delivered.len(), delivered[0]), (MAX_PENDING, (Some(2), 3)));
    }
}
