//! The states of keywords that are pending or were delivered, and which of them are new.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::mem;
use std::time::Duration;

use super::echo::Echo;
use super::served_status::ServedStatus;
use crate::error::{Error, KeywordError, Result};
use crate::keyword::client::fresh;
use crate::keyword::message::News;
use crate::keyword::names::KeywordName;
use crate::keyword::reading::{Reading, Status};

/// Everything that a feed and a monitor exchange, and the states delivered last.
#[derive(Default)]
pub(super) struct State {
    pub(super) session: u64,
    pub(super) reports_keys: bool,
    #[cfg_attr(not(feature = "async"), allow(dead_code))]
    pub(super) has_ended: bool,
    pub(super) echo: Echo,
    pub(super) news: VecDeque<(KeywordName, News)>,
    /// The size of the values and errors in `news`.
    pub(super) bytes: usize,
    pub(super) served_status: ServedStatus,
    /// Whether a dispatcher has started or ended since the last check.
    pub(super) is_renewed: bool,
    /// The keywords to read.
    pub(super) stale: BTreeSet<KeywordName>,
    pub(super) is_unlisted: bool,
    /// Readings that were not taken yet.
    pub(super) read: VecDeque<Result<Reading>>,
    pub(super) delivered: HashMap<KeywordName, KeywordUpdate>,
    /// The keywords to read again with the next heartbeat: the server has lost the state that was
    /// delivered.
    pub(super) held: HashSet<KeywordName>,
    /// The number of heartbeats in this session.
    pub(super) beats: u32,
}

/// The last state of a keyword that was delivered.
pub(super) struct KeywordUpdate {
    /// When its dispatcher changed anything of it, if known.
    pub(super) at: Option<u64>,
    /// `None` after an error.
    pub(super) reading: Option<Reading>,
    /// Whether its type may have changed. The next change event is then replaced by a read.
    pub(super) is_in_doubt: bool,
    /// Whether it was delivered in another session, perhaps from another server.
    pub(super) is_of_before: bool,
}

/// The next action of a monitor.
pub(crate) enum Next {
    Deliver(Result<Reading>),
    FindOut(Unknown),
    /// Wait for the signal, for at most this time.
    Wait(Duration),
}

/// Information that the buffer lacks.
pub(crate) enum Unknown {
    /// The list of keywords.
    List,
    /// Whether the service is served.
    ServedStatus,
    /// The states of these keywords, in this session.
    States(u64, Vec<KeywordName>),
}

impl KeywordUpdate {
    /// Returns whether it had a value in another session.
    pub(super) fn is_value_of_before(&self) -> bool {
        self.is_of_before && self.reading.is_some()
    }

    /// Returns whether a write is unfinished and no dispatcher is serving.
    pub(super) fn is_abandoned(&self) -> bool {
        let status = |it: &Reading| it.status == Status::Modify && !it.is_served;
        self.reading.as_ref().is_some_and(status)
    }

    /// Returns whether the value or anything else in `other` is older.
    pub(super) fn is_newer_than(&self, other: &Self) -> bool {
        let set_at = |it: &Self| it.reading.as_ref().and_then(|reading| reading.set_at);
        other.at.is_some() && self.at > other.at
            || set_at(other).is_some() && set_at(self) > set_at(other)
    }
}

/// Decides which changes are delivered, and which keywords are read.
impl State {
    pub(super) fn unknown(&mut self) -> Option<Unknown> {
        // First, so that readings are compared with later events.
        if self.served_status.is_due_in().is_zero() {
            return Some(Unknown::ServedStatus);
        }
        if mem::take(&mut self.is_unlisted) {
            return Some(Unknown::List);
        }
        let page: Vec<_> = std::iter::from_fn(|| self.stale.pop_first()).take(MAX_PAGE).collect();
        (!page.is_empty()).then_some(Unknown::States(self.session, page))
    }

    /// Returns the reading that an event results in, if it is new.
    pub(super) fn accept_news(&mut self, keyword: KeywordName, news: News) -> Option<Reading> {
        let known = self.delivered.get_mut(&keyword);
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
            self.served_status.was_served();
        }
        *known = reading.clone();
        (!is_known).then_some(reading)
    }

    /// Returns a reading, unless it or a newer one was delivered before.
    pub(super) fn accept_reading(
        &mut self,
        keyword: KeywordName,
        reading: Result<Reading>,
        is_one_of_all: bool,
    ) -> Option<Result<Reading>> {
        let before = self.delivered.get(&keyword);
        let error = reading.as_ref().err().and_then(Error::keyword_error);
        let is_lost = error == Some(&KeywordError::UnknownKeyword);
        if is_lost
            && before.is_some_and(KeywordUpdate::is_value_of_before)
            && self.beats < MAX_HELD_BEATS
        {
            self.held.insert(keyword);
            return None;
        }
        let update = match &reading {
            Ok(reading) => KeywordUpdate {
                at: reading.changed,
                reading: Some(reading.clone()),
                // A change event arrived after the read.
                is_in_doubt: self.stale.contains(&keyword),
                is_of_before: false,
            },
            Err(Error::Keyword {
                source: KeywordError::UnknownKeyword | KeywordError::Refused { .. },
                ..
            }) if is_one_of_all => {
                self.delivered.remove(&keyword);
                return None;
            }
            Err(_) => KeywordUpdate {
                at: before.and_then(|before| before.at),
                reading: None,
                is_in_doubt: true,
                is_of_before: before.is_some_and(|before| before.is_of_before),
            },
        };
        let is_old = before.is_some_and(|before| before.is_newer_than(&update));
        let is_known = before.is_some_and(|before| match (&before.reading, &update.reading) {
            (Some(before), Some(update)) => before.says_the_same_as(update),
            (before, update) => before.is_none() && update.is_none(),
        });
        let is_of_before = before.is_some_and(|before| before.is_of_before);
        match (is_old, is_of_before) {
            (true, true) if self.beats < MAX_HELD_BEATS => {
                self.held.insert(keyword);
                return None;
            }
            (true, false) => return None,
            _ => {}
        }
        if update.is_abandoned() {
            self.served_status.check_soon();
        }
        self.delivered.insert(keyword, update);
        (!is_known).then_some(reading)
    }

    /// Marks the writes that their dispatcher will not end any more as stale: their expiry is not
    /// announced.
    pub(super) fn read_abandoned(&mut self) {
        let abandoned = self.delivered.iter().filter(|(_, update)| update.is_abandoned());
        self.stale.extend(abandoned.map(|(keyword, _)| keyword.clone()));
    }

    /// Records that the type of a keyword may have changed.
    pub(super) fn doubt(&mut self, keyword: KeywordName) {
        if let Some(update) = self.delivered.get_mut(&keyword) {
            update.is_in_doubt = true;
        }
        self.stale.insert(keyword);
    }

    /// Marks everything as stale.
    pub(super) fn read_all(&mut self, only: &Option<HashSet<KeywordName>>) {
        match only {
            Some(only) => self.stale.extend(only.iter().cloned()),
            None => {
                let known: Vec<_> = self.delivered.keys().cloned().collect();
                self.stale.extend(known);
                self.is_unlisted = true;
            }
        }
    }

    /// Queues an event. If the monitor is too slow, the events are dropped and the latest state of
    /// each keyword is read instead.
    pub(super) fn push(&mut self, keyword: KeywordName, news: News) {
        let bytes = self.bytes + news.bytes();
        if self.news.len() < MAX_WAITING && bytes <= MAX_BYTES {
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

/// For how many heartbeats a dispatcher may take to restore the state that the server has lost.
/// Afterwards another dispatcher may serve, whose clock is behind.
pub(super) const MAX_HELD_BEATS: u32 = 10;
/// How many keywords are read in one round trip.
pub(super) const MAX_PAGE: usize = 1000;
/// How many events may wait.
pub(super) const MAX_WAITING: usize = 10_000;
/// How many bytes their values and errors may have.
pub(super) const MAX_BYTES: usize = 64 << 20;
