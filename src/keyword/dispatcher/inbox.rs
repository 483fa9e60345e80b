//! Requests of clients, until the worker takes them.

use std::collections::VecDeque;
use std::sync::MutexGuard;

use crate::episode::Episode;
use crate::keyword::message::RequestMessage;
use crate::keyword::names::KeywordName;
use crate::lock::Lock;
use crate::logs;

/// A client's request to set a keyword.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WriteCommand {
    pub(super) keyword: KeywordName,
    /// The value, unless there was no room for it.
    pub(super) text: Option<Vec<u8>>,
    /// The list for the outcome, and the milliseconds for which it is kept. A Cauldron client reads
    /// the status instead, and a client that does not wait reads nothing.
    pub(super) outcome: Option<(String, u64)>,
    /// When the outcome is no longer awaited, in microseconds of the server's clock; 0 if unknown.
    pub(super) until: u64,
    /// Whether the hook is called even if the keyword already has the value.
    pub(super) is_forced: bool,
    /// It came over a Cauldron channel, on which dispatchers of all databases receive it.
    pub(super) reaches_all_databases: bool,
}

/// A bounded queue of requests, filled by the feed and emptied by the worker.
#[derive(Default)]
pub(super) struct Inbox {
    state: Lock<State>,
    /// Whether requests are dropped.
    is_full: Episode,
}

/// Queued requests, and the size of their values.
#[derive(Default)]
struct State {
    requests: VecDeque<WriteCommand>,
    bytes: usize,
}

impl WriteCommand {
    /// Parses a request; `None` if it is not one.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let sent = RequestMessage::read(message).filter(|sent| sent.id.len() <= LONGEST_ID)?;
        let keyword = KeywordName::new(sent.keyword).ok()?;
        if sent.id.is_empty() {
            let request = Self::of_cauldron(keyword, sent.text);
            return Some(Self { is_forced: sent.is_forced, ..request });
        }
        let milliseconds = sent.milliseconds.clamp(1, MAX_OUTCOME_TIME);
        let until = sent.at.map_or(0, |at| at.saturating_add(milliseconds * 1000));
        let outcome = Some((sent.id.to_owned(), milliseconds));
        let (text, is_forced) = (Some(sent.text.to_vec()), sent.is_forced);
        Some(Self { keyword, text, outcome, until, is_forced, reaches_all_databases: false })
    }

    /// Creates a request as Cauldron clients make them, which names no list for the outcome.
    pub(super) fn of_cauldron(keyword: KeywordName, text: &[u8]) -> Self {
        let (text, is_forced) = (Some(text.to_vec()), false);
        Self { keyword, text, outcome: None, until: 0, is_forced, reaches_all_databases: false }
    }

    /// Returns a copy without the value, which can only be refused.
    pub(super) fn without_text(&self) -> Self {
        let (keyword, outcome) = (self.keyword.clone(), self.outcome.clone());
        Self { keyword, text: None, outcome, ..*self }
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.as_ref().map_or(0, Vec::len)
    }
}

impl Inbox {
    /// Queues a request. Beyond the limit it is kept only to be refused; far beyond, it is dropped.
    pub(super) fn push(&self, mut request: WriteCommand) {
        let mut state = self.state();
        let waiting = state.requests.len();
        if waiting >= MAX_REQUESTS || state.bytes + request.bytes() > MAX_BYTES {
            request.text = None;
        }
        if waiting >= MAX_REFUSALS {
            drop(state);
            if self.is_full.begins() {
                logs::request_dropped(&request.keyword);
            }
            return;
        }
        self.is_full.ends();
        state.bytes += request.bytes();
        state.requests.push_back(request);
    }

    pub(super) fn pop(&self) -> Option<WriteCommand> {
        let mut state = self.state();
        let request = state.requests.pop_front()?;
        state.bytes -= request.bytes();
        Some(request)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().requests.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

const MAX_REQUESTS: usize = 10_000;
pub(super) const MAX_BYTES: usize = 64 << 20;
const MAX_REFUSALS: usize = 100_000;
/// Twice the length of this crate's ids.
const LONGEST_ID: usize = 64;
const MAX_OUTCOME_TIME: u64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &[u8]) -> WriteCommand {
        WriteCommand::of_cauldron(KeywordName::new("AZ").unwrap(), text)
    }

    #[test]
    fn names_of_requests_are_short() {
        for (length, is_read) in [(1, true), (LONGEST_ID, true), (LONGEST_ID + 1, false)] {
            let message = format!("{}\n60000\nAZ\n1", "x".repeat(length));
            assert_eq!(WriteCommand::read(message.as_bytes()).is_some(), is_read, "{length}");
        }
    }

    #[test]
    fn requests_beyond_capacity_are_kept_to_be_refused() {
        let inbox = Inbox::default();
        for _ in 0..MAX_REQUESTS {
            inbox.push(request(b"1"));
        }
        for _ in 0..MAX_REFUSALS {
            inbox.push(request(b"2"));
        }
        let all: Vec<_> = std::iter::from_fn(|| inbox.pop()).collect();
        let taken = all.iter().filter(|request| request.text.is_some()).count();
        assert_eq!((all.len(), taken), (MAX_REFUSALS, MAX_REQUESTS));
    }

    #[test]
    fn values_that_are_too_many_bytes_have_no_room() {
        let inbox = Inbox::default();
        for text in [vec![b'x'; MAX_BYTES], b"1".to_vec(), Vec::new()] {
            inbox.push(request(&text));
        }
        let has_text = |request: WriteCommand| request.text.is_some();
        assert_eq!(
            [inbox.pop(), inbox.pop(), inbox.pop()].map(|it| it.map(has_text)),
            [Some(true), Some(false), Some(true)]
        );
        inbox.push(request(b"1"));
        assert!(inbox.pop().is_some_and(has_text));
    }
}
