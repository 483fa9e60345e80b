//! New values of a keyword in the order in which the server got them, whatever the order of its replies.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::accepted::{Accepted, moment};
use super::inbox::MOST_BYTES;
use crate::keyword::Change;
use crate::keyword::names::KeywordName;

/// What is still to be told of changes. Each new value comes once, after all that the server got before it.
pub(super) struct Changes {
    name: KeywordName,
    is_wanted: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The value before the next change.
    last: Option<Accepted>,
    /// The sets whose replies have not come.
    under_way: BTreeSet<u64>,
    next: u64,
    /// Values by their times. Each waits for all sets before a number, any of which may be older.
    landed: BTreeMap<u64, (u64, Accepted)>,
    /// Changes, with their times and how many bytes their values have.
    ready: VecDeque<(u64, usize, Change)>,
    bytes: usize,
    is_told: bool,
}

/// A set on its way to the server, until it is dropped.
pub(super) struct Setting<'a> {
    changes: &'a Changes,
    number: u64,
}

impl Changes {
    /// Those of a keyword, which are kept only if they are wanted.
    pub(super) fn new(name: KeywordName, is_wanted: bool) -> Self {
        Self { name, is_wanted, state: Mutex::default() }
    }

    /// The value that the first change follows.
    pub(super) fn start_with(&self, value: Accepted) {
        self.state().last = Some(value);
    }

    pub(super) fn set(&self) -> Setting<'_> {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.under_way.insert(number);
        Setting { changes: self, number }
    }

    /// A value that was found on the server, where it has been since `at`.
    pub(super) fn found(&self, value: Accepted, at: u64) {
        let mut state = self.state();
        state.land(value, at);
        self.settle(&mut state);
    }

    /// Begins to tell what there is. Says whether another does not tell already, who then goes on with it.
    pub(super) fn begin_to_tell(&self) -> bool {
        !mem::replace(&mut self.state().is_told, true)
    }

    /// What is next to be told, up to the value of this time; after the last, another may begin.
    pub(super) fn next(&self, until: u64) -> Option<Change> {
        let mut state = self.state();
        let next = match state.ready.front() {
            Some((at, ..)) if *at <= until => state.pop(),
            _ => None,
        };
        state.is_told = next.is_some();
        next
    }

    /// Whether there is something that no one tells.
    pub(super) fn has_untold(&self) -> bool {
        let state = self.state();
        !state.is_told && !state.ready.is_empty()
    }

    /// Makes ready what nothing on its way can come before.
    fn settle(&self, state: &mut State) {
        let oldest = state.under_way.first().copied().unwrap_or(state.next);
        while let Some(first) = state.landed.first_key_value()
            && (first.1.0 <= oldest || state.landed.len() > MOST_UNTOLD)
            && let Some((at, (_, accepted))) = state.landed.pop_first()
        {
            let is_new = state.last.as_ref().is_none_or(|last| last.text != accepted.text);
            if self.is_wanted && is_new {
                state.push(self.name.to_string(), accepted, at);
            }
        }
        let is_behind = |it: &State| {
            it.ready.len() > MOST_UNTOLD || it.bytes > MOST_BYTES && it.ready.len() > 1
        };
        if is_behind(state) {
            log::warn!("{}: what is told of changes is too slow, and misses some", self.name);
        }
        while is_behind(state) {
            state.pop();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Setting<'_> {
    /// The server has the value since `at`.
    pub(super) fn land(self, value: Accepted, at: u64) {
        self.changes.state().land(value, at);
    }
}

impl Drop for Setting<'_> {
    fn drop(&mut self) {
        let mut state = self.changes.state();
        state.under_way.remove(&self.number);
        self.changes.settle(&mut state);
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

    fn land(&mut self, value: Accepted, at: u64) {
        self.landed.insert(at, (self.next, value));
    }
}

/// How many changes may wait for the function that is told of them.
const MOST_UNTOLD: usize = 10_000;

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

    fn told(changes: &Changes) -> Vec<(Option<i64>, i64)> {
        assert!(changes.begin_to_tell());
        let number = |value: &Value| value.as_i64().unwrap();
        let next = || {
            let change = changes.next(u64::MAX)?;
            Some((change.before.as_ref().map(number), number(&change.value)))
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn a_change_waits_for_those_that_may_be_older() {
        let changes = changes();
        changes.start_with(accepted(0));
        let [first, second] = [changes.set(), changes.set()];
        second.land(accepted(2), 20);
        assert_eq!(told(&changes), []);
        first.land(accepted(1), 10);
        let third = changes.set();
        assert_eq!(told(&changes), [(Some(0), 1), (Some(1), 2)], "the third is younger");
        let fourth = changes.set();
        third.land(accepted(2), 30);
        drop(fourth);
        assert_eq!(told(&changes), [], "it is no new value");
        let lost = changes.set();
        changes.found(accepted(5), 50);
        assert_eq!(told(&changes), []);
        drop(lost);
        assert_eq!(told(&changes), [(Some(2), 5)]);
    }

    #[test]
    fn one_tells_at_a_time_and_not_beyond_its_own() {
        let changes = changes();
        for number in 1..=3 {
            changes.set().land(accepted(number), number as u64);
        }
        assert!(changes.has_untold() && changes.begin_to_tell());
        assert!(!changes.begin_to_tell() && !changes.has_untold());
        for number in 1..=2 {
            assert_eq!(changes.next(2).map(|it| it.value), Some(Value::Integer(number)));
        }
        assert!(changes.next(2).is_none() && changes.has_untold());
        assert_eq!(told(&changes), [(Some(2), 3)]);
        assert!(!changes.has_untold());
    }

    #[test]
    fn who_is_slow_has_a_bounded_backlog() {
        let changes = changes();
        for number in 1..=MOST_UNTOLD as i64 + 2 {
            changes.set().land(accepted(number), number as u64);
        }
        let told = told(&changes);
        assert_eq!((told.len(), told[0]), (MOST_UNTOLD, (Some(2), 3)));
    }
}
