//! What is heard of new values, until somebody takes it.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::kind::Kind;
use super::look::fresh;
use super::message::Update;
use super::names::{KeywordName, ServiceName};
use super::reading::Reading;
use crate::error::{Error, Result};
use crate::executor::{Audience, Signal, Situation, Speech};

/// The new values of some keywords, or of all of a service.
///
/// A dispatcher tells of a value right before it sets it, so that the server's notification that comes
/// next is known to be the echo. Another one is of somebody who tells nothing: the value is read.
pub(super) struct Hearing {
    pub(super) service: ServiceName,
    pub(super) signal: Signal,
    /// The keywords; all if none are named.
    only: Option<HashSet<KeywordName>>,
    changes: Vec<u8>,
    keyspace: Vec<u8>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    session: u64,
    tells_keys: bool,
    #[cfg_attr(not(feature = "async"), allow(dead_code))]
    has_ended: bool,
    /// The keyword that was just told of.
    echo: Option<KeywordName>,
    updates: VecDeque<(KeywordName, Update)>,
    /// How many bytes the values of the updates are.
    bytes: usize,
    /// What is to be read.
    stale: BTreeSet<KeywordName>,
    is_unlisted: bool,
    /// What was read and not yet taken.
    read: VecDeque<Result<Reading>>,
    told: HashMap<KeywordName, Told>,
    /// What is to be read again with the next beat: the server has lost what was told.
    held: HashSet<KeywordName>,
    /// How many beats there were in this session.
    beats: u32,
}

/// The last that was told of a keyword.
struct Told {
    /// When it was set, if its dispatcher says so.
    at: Option<u64>,
    kind: Kind,
    /// Its value; `None` after an error.
    text: Option<String>,
    /// Whether it may have another type by now: what comes is read instead.
    is_in_doubt: bool,
    /// Whether it was told in another session, perhaps of another server.
    is_of_before: bool,
}

/// What is to be done next.
pub(super) enum Next {
    Tell(Result<Reading>),
    FindOut(Unknown),
    /// To wait for the signal.
    Wait,
}

/// What is to be found out.
pub(super) enum Unknown {
    /// What keywords there are.
    List,
    /// The values of these, in this session.
    Values(u64, Vec<KeywordName>),
}

impl Hearing {
    pub(super) fn new(
        service: ServiceName,
        only: Option<HashSet<KeywordName>>,
        database: i64,
    ) -> Self {
        let changes = service.all_changes();
        let keyspace = format!("__keyspace@{database}__:").into_bytes();
        let (signal, state) = Default::default();
        Self { service, signal, only, changes, keyspace, state }
    }

    pub(super) fn hears_everybody(&self) -> bool {
        self.state().tells_keys
    }

    /// Whether nothing is heard any more.
    #[cfg(feature = "async")]
    pub(super) fn has_ended(&self) -> bool {
        self.state().has_ended
    }

    pub(super) fn next(&self) -> Next {
        let mut state = self.state();
        if let Some(reading) = state.read.pop_front() {
            return Next::Tell(reading);
        }
        while let Some((keyword, update)) = state.updates.pop_front() {
            state.bytes -= update.text.len();
            if let Some(reading) = state.take_in(keyword, update) {
                return Next::Tell(Ok(reading));
            }
        }
        state.unknown().map_or(Next::Wait, Next::FindOut)
    }

    /// What is to be found out of keywords that were not looked at yet, whatever there is to tell.
    pub(super) fn unseen(&self) -> Option<Unknown> {
        let mut state = self.state();
        let is_unseen = |keyword| !state.told.contains_key(keyword);
        match state.is_unlisted || state.stale.iter().any(is_unseen) {
            true => state.unknown(),
            false => None,
        }
    }

    /// These keywords are to be read.
    pub(super) fn soil(&self, keywords: impl IntoIterator<Item = KeywordName>) {
        self.state().stale.extend(keywords);
    }

    /// What keywords there are is to be found out.
    pub(super) fn list_again(&self) {
        self.state().is_unlisted = true;
    }

    /// Takes in what was read in a session. What was read before a reconnection is read again.
    pub(super) fn have_read(
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

impl State {
    fn unknown(&mut self) -> Option<Unknown> {
        if mem::take(&mut self.is_unlisted) {
            return Some(Unknown::List);
        }
        let page: Vec<_> =
            std::iter::from_fn(|| self.stale.pop_first()).take(MOST_AT_ONCE).collect();
        (!page.is_empty()).then_some(Unknown::Values(self.session, page))
    }

    /// The reading that an update is, if it is new.
    fn take_in(&mut self, keyword: KeywordName, update: Update) -> Option<Reading> {
        let known = self.told.get_mut(&keyword);
        let text = String::from_utf8(update.text);
        let (Some(told), Ok(text)) = (known, text) else {
            self.stale.insert(keyword);
            return None;
        };
        if told.at.is_some_and(|at| update.at <= at) {
            if told.is_of_before {
                self.held.insert(keyword);
            }
            return None;
        }
        if told.is_in_doubt || told.kind.parse(&text, &[]).is_err() {
            self.stale.insert(keyword);
            return None;
        }
        (told.at, told.is_of_before) = (Some(update.at), false);
        if told.text.as_deref() == Some(&text) {
            return None;
        }
        told.text = Some(text.clone());
        Some(fresh(&keyword, told.kind, text, update.at))
    }

    /// What was read, unless it was told before or something newer was.
    fn sift(
        &mut self,
        keyword: KeywordName,
        reading: Result<Reading>,
        is_one_of_all: bool,
    ) -> Option<Result<Reading>> {
        let before = self.told.get(&keyword);
        let told = match &reading {
            Ok(reading) => Told {
                at: reading.set_at.and_then(microseconds),
                kind: reading.kind,
                text: Some(reading.text.clone()),
                // It was heard of after it was read.
                is_in_doubt: self.stale.contains(&keyword),
                is_of_before: false,
            },
            Err(Error::UnknownKeyword { .. } | Error::Refused { .. }) if is_one_of_all => {
                self.told.remove(&keyword);
                return None;
            }
            Err(_) => Told {
                at: before.and_then(|before| before.at),
                kind: Kind::default(),
                text: None,
                is_in_doubt: true,
                is_of_before: before.is_some_and(|before| before.is_of_before),
            },
        };
        let is_old = before.is_some_and(|before| before.at > told.at && told.at.is_some());
        let is_known =
            before.is_some_and(|before| (before.kind, &before.text) == (told.kind, &told.text));
        let is_of_before = before.is_some_and(|before| before.is_of_before);
        match (is_old, is_of_before) {
            (true, true) if self.beats < PATIENCE => {
                self.held.insert(keyword);
                return None;
            }
            (true, false) => return None,
            _ => {}
        }
        self.told.insert(keyword, told);
        (!is_known).then_some(reading)
    }

    /// A keyword may have another type.
    fn doubt(&mut self, keyword: KeywordName) {
        if let Some(told) = self.told.get_mut(&keyword) {
            told.is_in_doubt = true;
        }
        self.stale.insert(keyword);
    }

    /// Whoever is slow is told the latest value of each keyword.
    fn push(&mut self, keyword: KeywordName, update: Update) {
        let bytes = self.bytes + update.text.len();
        if self.updates.len() < MOST_WAITING && bytes <= MOST_BYTES {
            self.bytes = bytes;
            self.updates.push_back((keyword, update));
            return;
        }
        let updates = mem::take(&mut self.updates);
        self.bytes = 0;
        self.stale.extend(updates.into_iter().map(|(keyword, _)| keyword));
        self.stale.insert(keyword);
    }
}

impl Audience for Hearing {
    fn hear(&self, _server: usize, speech: Speech<'_>) {
        let Speech::Message { channel, payload } = speech else { return };
        let mut state = self.state();
        let echo = state.echo.take();
        if let Some(keyword) = channel.strip_prefix(&self.changes[..]) {
            let Some(keyword) = self.changed(keyword).filter(|name| self.wants(name)) else {
                return;
            };
            match Update::read(payload) {
                Some(update) => {
                    state.echo = Some(keyword.clone()).filter(|_| state.tells_keys);
                    state.push(keyword, update);
                }
                None => state.doubt(keyword),
            }
        } else {
            let key = channel.strip_prefix(&self.keyspace[..]);
            let keyword = key.and_then(|key| self.service.keyword(key));
            let Some(keyword) = keyword.filter(|name| self.wants(name)) else { return };
            // Some may not ask whether the server notifies of changes.
            state.tells_keys |= payload == b"set";
            if echo.as_ref() == Some(&keyword) || payload == b"expire" {
                return;
            }
            state.stale.insert(keyword);
        }
        drop(state);
        self.signal.raise();
    }

    fn connected(&self, session: u64, situation: Situation, _proof: u64) {
        let mut state = self.state();
        (state.session, state.tells_keys) = (session, situation.tells_keys);
        state.echo = None;
        state.updates.clear();
        state.bytes = 0;
        (state.held, state.beats) = Default::default();
        // What has another type was not heard.
        state
            .told
            .values_mut()
            .for_each(|told| (told.is_of_before, told.is_in_doubt) = (true, true));
        match &self.only {
            Some(only) => state.stale.extend(only.iter().cloned()),
            None => {
                let known: Vec<_> = state.told.keys().cloned().collect();
                state.stale.extend(known);
                state.is_unlisted = true;
            }
        }
        drop(state);
        self.signal.raise();
    }

    fn proven(&self, session: u64, _proof: u64, _lag: Duration) {
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

    fn lost(&self, _session: u64) {}

    fn ended(&self) {
        self.state().has_ended = true;
        self.signal.raise();
    }
}

fn microseconds(moment: SystemTime) -> Option<u64> {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_micros()).ok()
}

#[cfg(test)]
mod tests;

/// For how many beats a dispatcher may take to write again what the server has lost. After them there may be
/// another dispatcher, whose clock is behind.
const PATIENCE: u32 = 10;
/// How many keywords are read in one round trip.
const MOST_AT_ONCE: usize = 1000;
/// How many updates may wait to be taken.
const MOST_WAITING: usize = 10_000;
/// How many bytes their values may be.
const MOST_BYTES: usize = 64 << 20;
