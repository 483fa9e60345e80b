//! What is heard of new values, until somebody takes it.

mod echo;
mod standing;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::echo::{Echo, Part};
use self::standing::Standing;
use super::look::fresh;
use super::message::News;
use super::names::{KeywordName, ServiceName};
use super::reading::Reading;
use crate::error::{Error, Result};
use crate::executor::{Audience, Signal, Situation, Speech};

/// The new values of some keywords, or of all of a service.
///
/// A dispatcher tells of a value and a status right before it sets them, so that the server's notifications that
/// come next are known to be the echo. Another one is of somebody who tells nothing: the keyword is read.
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
    echo: Echo,
    news: VecDeque<(KeywordName, News)>,
    /// How many bytes the values and errors of the news are.
    bytes: usize,
    standing: Standing,
    /// What is to be read.
    stale: BTreeSet<KeywordName>,
    is_unlisted: bool,
    /// What was read and not yet taken.
    read: VecDeque<Result<Reading>>,
    told: HashMap<KeywordName, Told>,
}

/// The last that was told of a keyword.
struct Told {
    /// When its dispatcher changed anything of it, if it says so.
    at: Option<u64>,
    /// `None` after an error.
    reading: Option<Reading>,
    /// Whether it may have another type by now: what comes is read instead.
    is_in_doubt: bool,
}

/// What is to be done next.
pub(super) enum Next {
    Tell(Result<Reading>),
    /// To find out what keywords there are.
    List,
    /// To read these, of this session.
    Read(u64, Vec<KeywordName>),
    /// To find out whether the service is served.
    Attend,
    /// To wait for the signal, for so long.
    Wait(Duration),
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

    pub(super) fn next(&self) -> Next {
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
        let time = state.standing.is_due_in();
        if time.is_zero() {
            return Next::Attend;
        }
        if mem::take(&mut state.is_unlisted) {
            return Next::List;
        }
        let page: Vec<_> =
            std::iter::from_fn(|| state.stale.pop_first()).take(MOST_AT_ONCE).collect();
        match page.is_empty() {
            true => Next::Wait(time),
            false => Next::Read(state.session, page),
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

    /// Takes in whether the service is served, and for how long that is certain. If that has changed, it is so for
    /// each keyword.
    pub(super) fn have_attended(&self, is_served: bool, time: Option<Duration>) {
        let mut state = self.state();
        if state.standing.have_looked(is_served, time) {
            state.read_all(&self.only);
        }
    }

    /// Whether it is served cannot be found out.
    pub(super) fn attend_no_more(&self) {
        self.state().standing.look_no_more();
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
    /// The reading that news make, if they are new.
    fn take_in(&mut self, keyword: KeywordName, news: News) -> Option<Reading> {
        let known = self.told.get_mut(&keyword);
        let text = news.text.map(String::from_utf8).transpose();
        let (Some(Told { at, reading: Some(known), is_in_doubt }), Ok(text)) = (known, text) else {
            self.stale.insert(keyword);
            return None;
        };
        if at.is_some_and(|at| news.at <= at) {
            return None;
        }
        let is_of_kind = |text: &String| known.kind.parse(text, &[]).is_ok();
        if *is_in_doubt || !text.as_ref().is_none_or(is_of_kind) {
            self.stale.insert(keyword);
            return None;
        }
        *at = Some(news.at);
        let value = match text {
            Some(text) if text != known.text => fresh(&keyword, known.kind, text, news.at),
            _ => known.clone(),
        };
        let (status, error, changed) = (news.status, news.error, Some(news.at));
        let reading = Reading { status, error, changed, is_served: true, ..value };
        let is_known = reading.says_the_same_as(known);
        *known = reading.clone();
        (!is_known).then_some(reading)
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
                at: reading.changed,
                reading: Some(reading.clone()),
                // It was heard of after it was read.
                is_in_doubt: self.stale.contains(&keyword),
            },
            Err(Error::UnknownKeyword { .. } | Error::Refused { .. }) if is_one_of_all => {
                self.told.remove(&keyword);
                return None;
            }
            Err(_) => Told { at: None, reading: None, is_in_doubt: true },
        };
        let is_old = before.is_some_and(|before| before.at > told.at && told.at.is_some());
        let is_known = before.is_some_and(|before| match (&before.reading, &told.reading) {
            (Some(before), Some(told)) => before.says_the_same_as(told),
            (before, told) => before.is_none() && told.is_none(),
        });
        if is_old {
            return None;
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

    /// Everything is to be read.
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

    /// Whoever is slow is told the latest value of each keyword.
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

impl Audience for Hearing {
    fn hear(&self, _server: usize, speech: Speech<'_>) {
        let Speech::Message { channel, payload } = speech else { return };
        let mut state = self.state();
        if let Some(keyword) = channel.strip_prefix(&self.changes[..]) {
            state.echo = Echo::default();
            if keyword.is_empty() {
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
            if payload == b"expire" || state.echo.is_of(&keyword, part) || !self.wants(&keyword) {
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
        state.echo = Echo::default();
        state.news.clear();
        state.bytes = 0;
        state.standing.look_now();
        // The server may be another one, with another clock, and what has another type was not heard.
        state.told.values_mut().for_each(|told| (told.at, told.is_in_doubt) = (None, true));
        state.read_all(&self.only);
        drop(state);
        self.signal.raise();
    }

    fn proven(&self, _session: u64, _proof: u64, _lag: Duration) {}

    fn lost(&self, _session: u64) {}
}

#[cfg(test)]
mod tests;

/// How many keywords are read in one round trip.
const MOST_AT_ONCE: usize = 1000;
/// How many news may wait to be taken.
const MOST_WAITING: usize = 10_000;
/// How many bytes their values and errors may be.
const MOST_BYTES: usize = 64 << 20;
