//! Buffers change events until a monitor takes them.

mod echo;
mod standing;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::buffer::echo::{Echo, Part};
use super::buffer::standing::Standing;
use crate::connection::Push;
use crate::error::{Error, Result};
use crate::keyword::client::fresh;
use crate::keyword::message::News;
use crate::keyword::names::{KeywordName, ServiceName};
use crate::keyword::reading::{Reading, Status};
use crate::listen::{FeedHandler, FeedInfo};
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
    state: Mutex<State>,
}

/// Everything that a feed and a monitor exchange, and the states delivered last.
#[derive(Default)]
struct State {
    session: u64,
    tells_keys: bool,
    #[cfg_attr(not(feature = "async"), allow(dead_code))]
    has_ended: bool,
    echo: Echo,
    news: VecDeque<(KeywordName, News)>,
    /// The size of the values and errors in `news`.
    bytes: usize,
    standing: Standing,
    /// Whether a dispatcher has started or ended since the last check.
    is_renewed: bool,
    /// The keywords to read.
    stale: BTreeSet<KeywordName>,
    is_unlisted: bool,
    /// Readings that were not taken yet.
    read: VecDeque<Result<Reading>>,
    told: HashMap<KeywordName, KeywordUpdate>,
    /// The keywords to read again with the next heartbeat: the server has lost the state that was
    /// delivered.
    held: HashSet<KeywordName>,
    /// The number of heartbeats in this session.
    beats: u32,
}

/// The last state of a keyword that was delivered.
struct KeywordUpdate {
    /// When its dispatcher changed anything of it, if known.
    at: Option<u64>,
    /// `None` after an error.
    reading: Option<Reading>,
    /// Whether its type may have changed. The next change event is then replaced by a read.
    is_in_doubt: bool,
    /// Whether it was delivered in another session, perhaps from another server.
    is_of_before: bool,
}

/// The next action of a monitor.
pub(crate) enum Next {
    Tell(Result<Reading>),
    FindOut(Unknown),
    /// Wait for the signal, for at most this time.
    Wait(Duration),
}

/// Information that the buffer lacks.
pub(crate) enum Unknown {
    /// The list of keywords.
    List,
    /// Whether the service is served.
    Standing,
    /// The states of these keywords, in this session.
    States(u64, Vec<KeywordName>),
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
        self.state().tells_keys
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
            return Next::Tell(reading);
        }
        while let Some((keyword, news)) = state.news.pop_front() {
            state.bytes -= news.bytes();
            if let Some(reading) = state.take_in(keyword, news) {
                return Next::Tell(Ok(reading));
            }
        }
        match state.unknown() {
            Some(unknown) => Next::FindOut(unknown),
            None => Next::Wait(state.standing.is_due_in()),
        }
    }

    /// Returns the next read that is necessary before all present states are known, regardless of
    /// pending readings.
    pub(crate) fn unseen(&self) -> Option<Unknown> {
        let mut state = self.state();
        let is_unseen = |keyword| !state.told.contains_key(keyword);
        match state.is_unlisted || state.stale.iter().any(is_unseen) {
            true => state.unknown(),
            false => None,
        }
    }

    /// Marks keywords as stale.
    pub(crate) fn soil(&self, keywords: impl IntoIterator<Item = KeywordName>) {
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
        let has_changed = state.standing.have_looked(is_served, time);
        match mem::take(&mut state.is_renewed) || has_changed {
            true => {
                let known: Vec<_> = state.told.keys().cloned().collect();
                state.stale.extend(known);
            }
            false => state.read_abandoned(),
        }
    }

    /// Records that it cannot be determined whether the service is served.
    pub(crate) fn attend_no_more(&self) {
        let mut state = self.state();
        state.standing.look_no_more();
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
            if let Some(reading) = state.sift(keyword, reading, self.only.is_none()) {
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeywordUpdate {
    /// Returns whether it had a value in another session.
    fn is_value_of_before(&self) -> bool {
        self.is_of_before && self.reading.is_some()
    }

    /// Returns whether a write is unfinished and no dispatcher is serving.
    fn is_abandoned(&self) -> bool {
        let status = |it: &Reading| it.status == Status::Modify && !it.is_served;
        self.reading.as_ref().is_some_and(status)
    }

    /// Returns whether the value or anything else in `other` is older.
    fn is_newer_than(&self, other: &Self) -> bool {
        let set_at = |it: &Self| it.reading.as_ref().and_then(|reading| reading.set_at);
        other.at.is_some() && self.at > other.at
            || set_at(other).is_some() && set_at(self) > set_at(other)
    }
}

/// Decides which changes are delivered, and which keywords are read.
impl State {
    fn unknown(&mut self) -> Option<Unknown> {
        // First, so that readings are compared with later events.
        if self.standing.is_due_in().is_zero() {
            return Some(Unknown::Standing);
        }
        if mem::take(&mut self.is_unlisted) {
            return Some(Unknown::List);
        }
        let page: Vec<_> =
            std::iter::from_fn(|| self.stale.pop_first()).take(MOST_AT_ONCE).collect();
        (!page.is_empty()).then_some(Unknown::States(self.session, page))
    }

    /// Returns the reading that an event results in, if it is new.
    fn take_in(&mut self, keyword: KeywordName, news: News) -> Option<Reading> {
        let known = self.told.get_mut(&keyword);
        let text = news.text.map(String::from_utf8).transpose();
        let (Some(KeywordUpdate { at, reading: Some(known), is_in_doubt, is_of_before }), Ok(text)) =
            (known, text)
        else {
            self.stale.insert(keyword);
            return None;
        };
        if at.is_some_and(|at| news.at <= at) {
            if *is_of_before {
                self.held.insert(keyword);
            }
            return None;
        }
        let is_of_kind = |text: &String| known.kind.parse(text, &[]).is_ok();
        if *is_in_doubt || !text.as_ref().is_none_or(is_of_kind) {
            self.stale.insert(keyword);
            return None;
        }
        (*at, *is_of_before) = (Some(news.at), false);
        let value = match text {
            Some(text) if text != known.text => fresh(&keyword, known.kind, text, news.at),
            _ => known.clone(),
        };
        let (status, error, changed) = (news.status, news.error, Some(news.at));
        let reading = Reading { status, error, changed, is_served: true, ..value };
        let is_known = reading.says_the_same_as(known);
        if !known.is_served {
            // Its dispatcher may have ended by now.
            self.standing.was_served();
        }
        *known = reading.clone();
        (!is_known).then_some(reading)
    }

    /// Returns a reading, unless it or a newer one was delivered before.
    fn sift(
        &mut self,
        keyword: KeywordName,
        reading: Result<Reading>,
        is_one_of_all: bool,
    ) -> Option<Result<Reading>> {
        let before = self.told.get(&keyword);
        let is_lost = matches!(reading, Err(Error::UnknownKeyword { .. }));
        if is_lost && before.is_some_and(KeywordUpdate::is_value_of_before) && self.beats < PATIENCE
        {
            self.held.insert(keyword);
            return None;
        }
        let told = match &reading {
            Ok(reading) => KeywordUpdate {
                at: reading.changed,
                reading: Some(reading.clone()),
                // A change event arrived after the read.
                is_in_doubt: self.stale.contains(&keyword),
                is_of_before: false,
            },
            Err(Error::UnknownKeyword { .. } | Error::Refused { .. }) if is_one_of_all => {
                self.told.remove(&keyword);
                return None;
            }
            Err(_) => KeywordUpdate {
                at: before.and_then(|before| before.at),
                reading: None,
                is_in_doubt: true,
                is_of_before: before.is_some_and(|before| before.is_of_before),
            },
        };
        let is_old = before.is_some_and(|before| before.is_newer_than(&told));
        let is_known = before.is_some_and(|before| match (&before.reading, &told.reading) {
            (Some(before), Some(told)) => before.says_the_same_as(told),
            (before, told) => before.is_none() && told.is_none(),
        });
        let is_of_before = before.is_some_and(|before| before.is_of_before);
        match (is_old, is_of_before) {
            (true, true) if self.beats < PATIENCE => {
                self.held.insert(keyword);
                return None;
            }
            (true, false) => return None,
            _ => {}
        }
        if told.is_abandoned() {
            self.standing.look_soon();
        }
        self.told.insert(keyword, told);
        (!is_known).then_some(reading)
    }

    /// Marks the writes that their dispatcher will not end any more as stale: their expiry is not
    /// announced.
    fn read_abandoned(&mut self) {
        let abandoned = self.told.iter().filter(|(_, told)| told.is_abandoned());
        self.stale.extend(abandoned.map(|(keyword, _)| keyword.clone()));
    }

    /// Records that the type of a keyword may have changed.
    fn doubt(&mut self, keyword: KeywordName) {
        if let Some(told) = self.told.get_mut(&keyword) {
            told.is_in_doubt = true;
        }
        self.stale.insert(keyword);
    }

    /// Marks everything as stale.
    fn read_all(&mut self, only: &Option<HashSet<KeywordName>>) {
        match only {
            Some(only) => self.stale.extend(only.iter().cloned()),
            None => {
                let known: Vec<_> = self.told.keys().cloned().collect();
                self.stale.extend(known);
                self.is_unlisted = true;
            }
        }
    }

    /// Queues an event. If the monitor is too slow, the events are dropped and the latest state of
    /// each keyword is read instead.
    fn push(&mut self, keyword: KeywordName, news: News) {
        let bytes = self.bytes + news.bytes();
        if self.news.len() < MOST_WAITING && bytes <= MOST_BYTES {
            self.bytes = bytes;
            self.news.push_back((keyword, news));
            return;
        }
        let news = mem::take(&mut self.news);
        self.bytes = 0;
        self.stale.extend(news.into_iter().map(|(keyword, _)| keyword));
        self.stale.insert(keyword);
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
                state.standing.look_now();
            } else {
                let Some(keyword) = self.changed(keyword).filter(|name| self.wants(name)) else {
                    return;
                };
                match News::read(payload) {
                    Some(news) => {
                        if state.tells_keys {
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
            state.tells_keys |= payload == b"set";
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
        (state.session, state.tells_keys) = (session, info.tells_keys);
        state.echo = Echo::default();
        state.news.clear();
        state.bytes = 0;
        state.standing.look_now();
        (state.held, state.beats) = Default::default();
        // A change of the type was missed.
        let told = state.told.values_mut();
        told.for_each(|told| (told.is_of_before, told.is_in_doubt) = (true, true));
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

    fn on_disconnected(&self, _session: u64) {}

    fn on_end(&self) {
        self.state().has_ended = true;
        self.signal.raise();
    }
}

#[cfg(test)]
mod tests;

/// For how many heartbeats a dispatcher may take to restore the state that the server has lost.
/// Afterwards another dispatcher may serve, whose clock is behind.
const PATIENCE: u32 = 10;
/// How many keywords are read in one round trip.
const MOST_AT_ONCE: usize = 1000;
/// How many events may wait.
const MOST_WAITING: usize = 10_000;
/// How many bytes their values and errors may have.
const MOST_BYTES: usize = 64 << 20;
