//! Publishes the keywords of a dispatcher, and restores those that the server has lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::accepted::Accepted;
use super::core::DispatcherCore;
use super::keyword_state::KeywordState;
use super::scripts::PAGE;
use crate::client::RoundTrips;
use crate::error::Result;
use crate::keys::escape;
use crate::keyword::names::REGISTRY;
use crate::limits;
use crate::listen::{FeedOptions, OF_STRINGS};
use crate::logs;
use crate::reply;
use crate::reply::Reply;
use crate::request::Request;

impl<E: RoundTrips> DispatcherCore<E> {
    /// Subscribes to the requests of clients.
    pub(crate) async fn listen(self: &Arc<Self>) -> Result<()> {
        let requests = Request::read("SUBSCRIBE").arg(self.names.requests(&self.id));
        let modify = Request::read("PSUBSCRIBE").arg(self.pattern());
        let options = FeedOptions {
            commands: vec![requests, modify],
            keyspace: Some(OF_STRINGS),
            needs_rights: true,
            ..FeedOptions::new(self.names.base())
        };
        let feed = self.executor.feed(options, self.clone()).await?;
        *self.feed.lock() = Some(feed);
        Ok(())
    }

    /// Gives all keywords their initial values.
    pub(crate) async fn initialize(&self) -> Result<()> {
        for page in self.pages() {
            let values = self.found(&page).await?;
            let initial: Vec<_> =
                page.iter().zip(values).map(|(state, it)| initial_value(state, it)).collect();
            let written = self.write(&page, &initial).await?;
            for ((state, initial), Written { at, .. }) in page.iter().zip(initial).zip(written) {
                let value = match initial {
                    InitialValue::Put(accepted) | InitialValue::Keep(Some(accepted)) => {
                        Some(accepted)
                    }
                    _ => None,
                };
                state.changes.start_with(value.clone(), at);
                if let Some(accepted) = value {
                    state.copied(accepted, at);
                }
            }
        }
        Ok(())
    }

    /// Writes again the values that the server has lost, and adopts newer ones.
    pub(crate) async fn restore(&self) -> Result<()> {
        for page in self.pages() {
            let again = |(accepted, at)| InitialValue::PutAgain(accepted, at);
            let values = page.iter().map(|state| state.set_at().map_or(InitialValue::Leave, again));
            let values: Vec<_> = values.collect();
            let written = self.write(&page, &values).await?;
            for ((state, value), written) in page.iter().zip(values).zip(written) {
                let Written { at, newer, before } = written;
                match (value, newer) {
                    (_, Some(text)) => self.adopt(state, (text, at), &before),
                    (InitialValue::PutAgain(accepted, _), None) => state.learn(accepted, at, &[]),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Returns whether every keyword has its value and its type on the server.
    pub(crate) async fn is_all_there(&self) -> Result<bool> {
        for page in self.pages() {
            let exists = page.iter().fold(Request::read("EXISTS"), |request, state| {
                request.key(&self.names.value(&state.name)).key(&self.names.kind(&state.name))
            });
            if self.executor.send(exists.returns(reply::count)).await? < 2 * page.len() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adopts a value that another dispatcher set, or this one without receiving the reply.
    fn adopt(&self, state: &Arc<KeywordState<E>>, (text, at): (Vec<u8>, u64), before: &[u8]) {
        if !state.has_value() {
            return;
        }
        let Ok(text) = String::from_utf8(text) else { return };
        if let Ok(value) = state.keyword.description.parse(&text) {
            state.learn(Accepted { value, text }, at, before);
            self.deliver_in_background(state);
        }
    }

    /// Returns the keywords in pages of the size of one script.
    fn pages(&self) -> Vec<Vec<&Arc<KeywordState<E>>>> {
        let keywords: Vec<_> = self.keywords.values().collect();
        keywords.chunks(limits::ENTRIES_PER_COMMAND).map(<[_]>::to_vec).collect()
    }

    /// Reads the values and statuses in Redis.
    async fn found(&self, page: &[&Arc<KeywordState<E>>]) -> Result<Vec<Found>> {
        let keys = page.iter().fold(Request::read("MGET"), |request, state| {
            request.key(&self.names.value(&state.name)).key(&self.names.status(&state.name))
        });
        let found = self.executor.send(keys.returns(reply::raw_each)).await?;
        let mut found = found.into_iter();
        Ok(page.iter().map(|_| (found.next().flatten(), found.next().flatten())).collect())
    }

    /// Runs `page.lua` for a page of keywords.
    async fn write(
        &self,
        page: &[&Arc<KeywordState<E>>],
        initial: &[InitialValue],
    ) -> Result<Vec<Written>> {
        let names = &self.names;
        let request = Request::script(&PAGE, KEYS_OF_ONE * page.len() + KEYS_OF_ALL);
        let request = page.iter().fold(request, |request, state| {
            let request = request.key(&names.value(&state.name)).key(&names.status(&state.name));
            request.key(&names.error(&state.name)).key(&names.kind(&state.name))
        });
        let request = request.key(REGISTRY.as_bytes()).key(&names.descriptions());
        let request = self.leased(request.key(&names.times())).arg(names.as_str());
        let request = page.iter().zip(initial).fold(request, |request, (state, initial)| {
            let description = &state.keyword.description;
            let described = serde_json::to_string(description).unwrap_or_default();
            let (rule, text, at) = initial.rule();
            let request = request.arg(state.name.as_str()).arg(described);
            let request = request.arg(description.kind.as_str()).arg(names.changes(&state.name));
            let begun = state.written_since.load(Ordering::Acquire);
            request.arg(rule).arg(text).number(at).number(begun)
        });
        self.send(request, written, self.lease).await
    }

    /// Returns the pattern of the channels of Cauldron requests.
    pub(crate) fn pattern(&self) -> Vec<u8> {
        [&escape(&self.names.values())[..], b"*"].concat()
    }
}

/// A value and a status.
type Found = (Option<Vec<u8>>, Option<Vec<u8>>);

/// The result of `page.lua` for one keyword.
struct Written {
    /// When its value was set.
    at: u64,
    /// The value, if it is newer than the known one, and the values before it.
    newer: Option<Vec<u8>>,
    before: Vec<u8>,
}

/// The value with which a keyword starts, or continues after the server has lost it.
enum InitialValue {
    /// This value.
    Put(Accepted),
    /// The value in Redis, which is this one if it is valid.
    Keep(Option<Accepted>),
    /// No value.
    Clear,
    /// No value, and the reason why the value in Redis is invalid.
    Drop(String),
    /// This value, set at this time, if Redis has none or an older one.
    PutAgain(Accepted, u64),
    /// No value, if Redis has none.
    Leave,
}

impl InitialValue {
    /// Returns the rule, the text and the time that `page.lua` expects.
    fn rule(&self) -> (&'static str, &str, u64) {
        match self {
            Self::Put(accepted) => ("put", &accepted.text, 0),
            Self::PutAgain(accepted, at) => ("put again", &accepted.text, *at),
            Self::Keep(_) => ("keep", "", 0),
            Self::Clear => ("clear", "", 0),
            Self::Drop(why) => ("drop", why, 0),
            Self::Leave => ("leave", "", 0),
        }
    }
}

/// Decides the initial value of a keyword from its definition and its state in Redis.
fn initial_value<E: RoundTrips>(state: &KeywordState<E>, (value, status): Found) -> InitialValue {
    if let Some(initial) = &state.initial {
        return InitialValue::Put(initial.clone());
    }
    let Some(text) = value.and_then(|value| String::from_utf8(value).ok()) else {
        return InitialValue::Clear;
    };
    if text.is_empty() && (!state.has_value() || status.as_deref() == Some(b"init")) {
        return InitialValue::Keep(None);
    }
    match state.keyword.description.parse(&text) {
        Ok(value) if state.has_value() => InitialValue::Keep(Some(Accepted { value, text })),
        // It was dropped before.
        Err(_) if text.is_empty() && status.as_deref() == Some(b"error") => {
            InitialValue::Keep(None)
        }
        Err(why) if state.has_value() && !text.is_empty() => {
            logs::value_dropped(&state.name);
            InitialValue::Drop(format!("the previous value was dropped: {why}"))
        }
        _ => InitialValue::Clear,
    }
}

/// Parses the reply of `page.lua`: for each keyword a time, a value or nil, and the values before
/// it or nil; nil alone if another dispatcher holds the lease.
fn written(reply: Reply<'_>) -> Result<Option<Vec<Written>>> {
    if reply.value == redis::Value::Nil {
        return Ok(None);
    }
    let request = reply.request;
    let keywords = (request.key_count() - KEYS_OF_ALL) / KEYS_OF_ONE;
    let mut parts = reply::sequence(reply)?.map(|value| Reply { value, request });
    if parts.len() != PARTS * keywords {
        return Err(reply::unexpected_count(request));
    }
    let mut written = Vec::with_capacity(keywords);
    while let (Some(at), Some(newer), Some(before)) = (parts.next(), parts.next(), parts.next()) {
        // A text that is not a time was written by another program.
        let at = String::from_utf8(reply::one::<Vec<u8>>(at)?).ok();
        let at = at.and_then(|at| at.parse().ok()).unwrap_or(0);
        let (newer, before) = (reply::raw(newer)?, reply::raw(before)?.unwrap_or_default());
        written.push(Written { at, newer, before });
    }
    Ok(Some(written))
}

/// How many keys `page.lua` takes for each keyword, and for all of them.
const KEYS_OF_ONE: usize = 4;
const KEYS_OF_ALL: usize = 4;
/// How many parts its reply has for each keyword.
const PARTS: usize = 3;
