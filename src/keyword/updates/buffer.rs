//! Buffers change events until a monitor takes them.

mod echo;
mod served_status;
mod state;

use std::collections::HashSet;
use std::mem;
use std::sync::MutexGuard;
use std::time::Duration;

use self::echo::{Echo, Part};
use self::state::State;
pub(crate) use self::state::{Next, Unknown};
use crate::connection::Push;
use crate::error::Result;
use crate::keyword::message::News;
use crate::keyword::names::{KeywordName, ServiceName};
use crate::keyword::reading::Reading;
use crate::listen::{FeedHandler, FeedInfo};
use crate::lock::Lock;
use crate::time::Signal;

/// The pending changes of some keywords, or of all of a service. Shared by a feed and a monitor.
///
/// A dispatcher publishes a value and a status right before it sets them. The server's
/// notifications that follow are therefore known to be the echo. Any other notification comes from
/// a program that publishes nothing: the keyword is read.
pub(crate) struct UpdateBuffer {
    pub(crate) service: ServiceName,
    pub(crate) signal: Signal,
    /// The keywords; `None` for all of the service.
    only: Option<HashSet<KeywordName>>,
    changes: Vec<u8>,
    keyspace: Vec<u8>,
    state: Lock<State>,
}

impl UpdateBuffer {
    pub(crate) fn new(
        service: ServiceName,
        only: Option<HashSet<KeywordName>>,
        database: i64,
    ) -> Self {
        let changes = service.all_changes();
        let keyspace = format!("__keyspace@{database}__:").into_bytes();
        let (signal, state) = Default::default();
        Self { service, signal, only, changes, keyspace, state }
    }

    pub(crate) fn sees_foreign_writes(&self) -> bool {
        self.state().reports_keys
    }

    /// Returns whether the feed has ended.
    #[cfg(feature = "async")]
    pub(crate) fn has_ended(&self) -> bool {
        self.state().has_ended
    }

    /// Takes the next reading, or returns the action that is necessary first.
    pub(crate) fn next(&self) -> Next {
        let mut state = self.state();
        if let Some(reading) = state.read.pop_front() {
            return Next::Deliver(reading);
        }
        while let Some((keyword, news)) = state.news.pop_front() {
            state.bytes -= news.bytes();
            if let Some(reading) = state.accept_news(keyword, news) {
                return Next::Deliver(Ok(reading));
            }
        }
        match state.unknown() {
            Some(unknown) => Next::FindOut(unknown),
            None => Next::Wait(state.served_status.is_due_in()),
        }
    }

    /// Returns the next read that is necessary before all present states are known, regardless of
    /// pending readings.
    pub(crate) fn unseen(&self) -> Option<Unknown> {
        let mut state = self.state();
        let is_unseen = |keyword| !state.delivered.contains_key(keyword);
        if state.is_unlisted || state.stale.iter().any(is_unseen) { state.unknown() } else { None }
    }

    /// Marks keywords as stale.
    pub(crate) fn mark_stale(&self, keywords: impl IntoIterator<Item = KeywordName>) {
        self.state().stale.extend(keywords);
    }

    /// Requests another listing of the keywords.
    pub(crate) fn list_again(&self) {
        self.state().is_unlisted = true;
    }

    /// Records whether the service is served, and for how long that is certain. If that has
    /// changed, or a dispatcher has started or ended, the keywords are read again. New ones are
    /// announced.
    pub(crate) fn have_attended(&self, is_served: bool, time: Option<Duration>) {
        let mut state = self.state();
        let has_changed = state.served_status.record_check(is_served, time);
        if mem::take(&mut state.is_renewed) || has_changed {
            let known: Vec<_> = state.delivered.keys().cloned().collect();
            state.stale.extend(known);
        } else {
            state.read_abandoned();
        }
    }

    /// Records that it cannot be determined whether the service is served.
    pub(crate) fn attend_no_more(&self) {
        let mut state = self.state();
        state.served_status.stop_checks();
        state.read_abandoned();
    }

    /// Records the readings of a session. Those from before a reconnection are read again.
    pub(crate) fn have_read(
        &self,
        session: u64,
        keywords: Vec<KeywordName>,
        readings: Vec<Result<Reading>>,
    ) {
        let mut state = self.state();
        if state.session != session {
            return;
        }
        for (keyword, reading) in keywords.into_iter().zip(readings) {
            if let Some(reading) = state.accept_reading(keyword, reading, self.only.is_none()) {
                state.read.push_back(reading);
            }
        }
    }

    fn wants(&self, keyword: &KeywordName) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(keyword))
    }

    fn changed(&self, name: &[u8]) -> Option<KeywordName> {
        KeywordName::new(std::str::from_utf8(name).ok()?).ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl FeedHandler for UpdateBuffer {
    fn on_push(&self, _server: usize, push: Push<'_>) {
        let Push::Message { channel, payload } = push else { return };
        let mut state = self.state();
        if let Some(keyword) = channel.strip_prefix(&self.changes[..]) {
            state.echo = Echo::default();
            if keyword.is_empty() {
                state.is_renewed = true;
                state.served_status.check_now();
            } else {
                let Some(keyword) = self.changed(keyword).filter(|name| self.wants(name)) else {
                    return;
                };
                match News::read(payload) {
                    Some(news) => {
                        if state.reports_keys {
                            state.echo = Echo::of(&keyword, news.text.is_some());
                        }
                        state.push(keyword, news);
                    }
                    None => state.doubt(keyword),
                }
            }
        } else {
            let key = channel.strip_prefix(&self.keyspace[..]);
            let Some((key, part)) = key.map(Part::of) else { return };
            let Some(keyword) = self.service.keyword(key) else { return };
            // Some users may not ask whether the server notifies of changes.
            state.reports_keys |= payload == b"set";
            if payload == b"expire" || state.echo.is_of(&keyword, part) || !self.wants(&keyword) {
                return;
            }
            state.stale.insert(keyword);
        }
        drop(state);
        self.signal.raise();
    }

    fn on_connected(&self, session: u64, info: FeedInfo, _watermark: u64) {
        let mut state = self.state();
        (state.session, state.reports_keys) = (session, info.reports_keys);
        state.echo = Echo::default();
        state.news.clear();
        state.bytes = 0;
        state.served_status.check_now();
        (state.held, state.beats) = Default::default();
        // A change of the type was missed.
        let updates = state.delivered.values_mut();
        updates.for_each(|update| (update.is_of_before, update.is_in_doubt) = (true, true));
        state.read_all(&self.only);
        drop(state);
        self.signal.raise();
    }

    fn on_watermark(&self, session: u64, _watermark: u64, _lag: Duration) {
        let mut state = self.state();
        if state.session != session {
            return;
        }
        state.beats = state.beats.saturating_add(1);
        let held = mem::take(&mut state.held);
        if !held.is_empty() {
            state.stale.extend(held);
            drop(state);
            self.signal.raise();
        }
    }

    fn on_end(&self) {
        self.state().has_ended = true;
        self.signal.raise();
    }
}

#[cfg(test)]
mod tests;
