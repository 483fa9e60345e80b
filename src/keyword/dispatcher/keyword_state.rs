//! A keyword in its dispatcher: its definition, a local copy of its value, and its pending
//! requests.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use super::accepted::{Accepted, moment};
use super::changes::Changes;
use super::inbox::{MAX_BYTES, WriteCommand};
use super::overwritten;
use crate::client::RoundTrips;
use crate::episode::Episode;
use crate::keyword::definition::Keyword;
use crate::keyword::description::Access;
use crate::keyword::hook::Change;
use crate::keyword::kind::Kind;
use crate::keyword::names::KeywordName;
use crate::keyword::value::Value;
use crate::lock::Lock;
use crate::logs;

/// The state of one keyword, shared by the worker, the hooks and the program.
pub(crate) struct KeywordState<E> {
    pub(crate) name: KeywordName,
    pub(crate) keyword: Keyword<E>,
    /// The value to start with.
    pub(crate) initial: Option<Accepted>,
    /// Since when its status in Redis must show that it is being written, by the server's clock; 0
    /// if it is not.
    pub(crate) written_since: AtomicU64,
    /// Whether its read hook is running.
    pub(crate) is_read: AtomicBool,
    /// Whether its periodic reading fails.
    pub(crate) is_unreadable: Episode,
    /// Whether the present value is uncertain: the write hook has run, or the outcome of a set is
    /// unknown. The next write calls the hook even for an equal value.
    pub(crate) is_in_doubt: AtomicBool,
    /// The changes that its change hook has yet to receive.
    pub(crate) changes: Changes,
    known: Lock<Known>,
    turns: Lock<Turns>,
}

/// When a request is processed.
pub(crate) enum Turn {
    Now(WriteCommand),
    Later,
    Never(WriteCommand),
}

/// The local copy of the value and of the last values.
#[derive(Default)]
struct Known {
    value: Option<Accepted>,
    at: u64,
    history: VecDeque<(u64, Value)>,
}

/// The queue of requests of a keyword with hooks, of which one runs at a time.
#[derive(Default)]
struct Turns {
    /// The request that is running, without its value.
    running: Option<WriteCommand>,
    waiting: VecDeque<WriteCommand>,
    bytes: usize,
}

impl<E: RoundTrips> KeywordState<E> {
    pub(crate) fn new(mut keyword: Keyword<E>) -> Result<Self, String> {
        let name = keyword.check_to_serve()?;
        keyword.description.name = name.to_string();
        // JSON has no infinite numbers.
        let finite = |end: f64| end.clamp(f64::MIN, f64::MAX);
        keyword.description.range = keyword.description.range.map(|range| range.map(finite));
        let wanted = keyword.initial.take();
        let (written_since, is_read, is_unreadable, is_in_doubt) = Default::default();
        let changes = Changes::new(name.clone(), keyword.hooks.changed.is_some());
        let (initial, known, turns) = Default::default();
        let mut state = Self {
            name,
            keyword,
            initial,
            written_since,
            is_read,
            is_unreadable,
            is_in_doubt,
            changes,
            known,
            turns,
        };
        let accept = |value: Value| state.accept(&value.to_string());
        let initial = wanted.map(accept).transpose();
        state.initial = initial.map_err(|reason| format!("{}: {reason}", state.name))?;
        Ok(state)
    }

    /// Returns whether it has a value that clients may read.
    pub(crate) fn has_value(&self) -> bool {
        self.keyword.description.access != Access::WriteOnly
    }

    /// Returns the value that results from setting `text`, or the reason for a refusal.
    pub(crate) fn accept(&self, text: &str) -> Result<Accepted, String> {
        let (description, hooks) = (&self.keyword.description, &self.keyword.hooks);
        // A mask without any of its bits is shown as an empty text.
        let has_no_bits = description.kind == Kind::Mask && text.trim().is_empty();
        let mut value = description.parse(if has_no_bits { "0" } else { text })?;
        if let Some(check) = &hooks.check {
            contained(|| check(&value))?;
        }
        if let Some(translate) = &hooks.translate {
            let translated = contained(|| translate(value))?;
            value = description.parse(&translated.to_string())?;
        }
        Ok(Accepted { text: value.to_string(), value })
    }

    pub(crate) fn value(&self) -> Option<Accepted> {
        self.known().value.clone()
    }

    /// Returns the value and when it was set.
    pub(crate) fn set_at(&self) -> Option<(Accepted, u64)> {
        let known = self.known();
        Some((known.value.clone()?, known.at))
    }

    /// Returns when the value was set; 0 if there is none.
    pub(crate) fn at(&self) -> u64 {
        self.known().at
    }

    /// Returns whether this is certainly its present value.
    pub(crate) fn has(&self, accepted: &Accepted) -> bool {
        !self.is_in_doubt.load(Ordering::Acquire)
            && self.known().value.as_ref().is_some_and(|own| own.text == accepted.text)
    }

    pub(crate) fn history(&self) -> Vec<(SystemTime, Value)> {
        self.known().history.iter().map(|(at, value)| (moment(*at), value.clone())).collect()
    }

    /// Records a value that it has had in Redis since `at`, and the earlier ones in `before`, which
    /// may be unknown here.
    pub(crate) fn learn(&self, accepted: Accepted, at: u64, before: &[u8]) {
        for (at, text) in overwritten::values(before) {
            if let Ok(value) = self.keyword.description.parse(&text) {
                self.learn_one(Accepted { value, text }, at);
            }
        }
        self.learn_one(accepted, at);
    }

    /// Records a value in the local copy and as a change.
    fn learn_one(&self, accepted: Accepted, at: u64) {
        self.copied(accepted.clone(), at);
        self.changes.land(accepted, at);
    }

    /// Updates the local copy to the value that Redis has had since `at`, 0 if that is unknown,
    /// unless a newer one is known.
    pub(crate) fn copied(&self, accepted: Accepted, at: u64) {
        let mut known = self.known();
        if at > 0 && self.keyword.history > 0 {
            known.note(&accepted.value, at);
            let excess = known.history.len().saturating_sub(self.keyword.history);
            known.history.drain(..excess);
        }
        if at >= known.at {
            known.at = at;
            known.value = Some(accepted);
        }
    }

    /// Delivers the changes up to this time, unless another caller is delivering them.
    pub(crate) fn deliver_changes(&self, until: u64) {
        if self.changes.begin_delivery() {
            while let Some(change) = self.changes.next(until) {
                self.call_change_hook(&change);
            }
        }
    }

    /// Calls the change hook, and logs its panics.
    fn call_change_hook(&self, change: &Change) {
        let Some(hook) = &self.keyword.hooks.changed else { return };
        if catch_unwind(AssertUnwindSafe(|| hook(change))).is_err() {
            logs::change_hook_panicked(&self.name);
        }
    }

    /// Queues a request, starts it if none is running, or returns it for refusal if the queue is
    /// full.
    pub(crate) fn line_up(&self, request: WriteCommand) -> Turn {
        let mut turns = self.turns();
        if turns.running.is_none() {
            turns.running = Some(request.without_text());
            return Turn::Now(request);
        }
        let bytes = turns.bytes + request.bytes();
        if turns.waiting.len() < MAX_WAITING && bytes <= MAX_BYTES {
            turns.bytes = bytes;
            turns.waiting.push_back(request);
            return Turn::Later;
        }
        Turn::Never(request.without_text())
    }

    /// Ends the running request and starts the next one, if there is any.
    pub(crate) fn next(&self) -> Option<WriteCommand> {
        let mut turns = self.turns();
        let next = turns.waiting.pop_front();
        turns.running = next.as_ref().map(WriteCommand::without_text);
        turns.bytes -= next.as_ref().map_or(0, WriteCommand::bytes);
        next
    }

    /// Returns the running request, without its value.
    pub(crate) fn running(&self) -> Option<WriteCommand> {
        self.turns().running.clone()
    }

    /// Removes the queued requests, which are not processed any more.
    pub(crate) fn take_waiting(&self) -> VecDeque<WriteCommand> {
        let mut turns = self.turns();
        turns.bytes = 0;
        mem::take(&mut turns.waiting)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock()
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock()
    }
}

impl Known {
    /// Adds a value to the history in the order of time, if it differs from the one before.
    fn note(&mut self, value: &Value, at: u64) {
        let place = self.history.partition_point(|(before, _)| *before < at);
        let former = match place.checked_sub(1) {
            Some(before) => Some(&self.history[before].1),
            None => self.value.as_ref().filter(|_| self.at < at).map(|own| &own.value),
        };
        if former == Some(value) {
            return;
        }
        match self.history.get_mut(place) {
            Some((since, next)) if next == value => *since = at,
            _ => self.history.insert(place, (at, value.clone())),
        }
    }
}

/// Sets a flag until it is dropped.
pub(crate) struct Flag<'a>(&'a AtomicBool);

impl<'a> Flag<'a> {
    /// Returns `None` if the flag is already set.
    pub(crate) fn raise(flag: &'a AtomicBool) -> Option<Self> {
        (!flag.swap(true, Ordering::AcqRel)).then(|| Self(flag))
    }
}

impl Drop for Flag<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Notes since when a keyword is being written, until this is dropped.
pub(crate) struct Writing<'a>(&'a AtomicU64);

impl<'a> Writing<'a> {
    pub(crate) fn since(time: &'a AtomicU64, begun: u64) -> Self {
        time.store(begun, Ordering::Release);
        Self(time)
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

/// Calls a hook of the program, and turns its panic into an error.
fn contained<T, X: fmt::Display>(hook: impl FnOnce() -> Result<T, X>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(hook)) {
        Ok(result) => result.map_err(|why| why.to_string()),
        Err(_) => Err("it panicked".into()),
    }
}

/// How many requests may wait for a hook.
const MAX_WAITING: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;

    #[test]
    fn requests_of_too_many_bytes_do_not_wait() {
        let state = KeywordState::<Client>::new(Keyword::string("N")).unwrap();
        let is_later = |bytes: usize| {
            let request = WriteCommand::of_cauldron(state.name.clone(), &vec![b'x'; bytes]);
            matches!(state.line_up(request), Turn::Later)
        };
        assert!(!is_later(MAX_BYTES));
        for (bytes, expected) in [(MAX_BYTES - 1, true), (1, true), (1, false), (0, true)] {
            assert_eq!(is_later(bytes), expected);
        }
        for _ in 0..2 {
            assert!(state.next().is_some());
        }
        assert!(is_later(MAX_BYTES) && !is_later(1));
    }
}
