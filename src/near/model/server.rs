//! The server, and the connection that receives its messages.

use std::collections::VecDeque;

use crate::listen::heartbeat::Heartbeat;

/// One key, whose value is the number of times that it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Server {
    /// When each value was replaced by the next one.
    pub(super) replaced: Vec<u64>,
    /// Whether the key changed in this turn of the event loop.
    has_changed: bool,
    /// Messages of this turn, before the changes.
    said: Vec<Word>,
}

/// A message on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Word {
    Changed,
    Flushed,
    Beat(u64),
}

/// Whether the server sends changes on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ServerChanges {
    Begins,
    Lasts,
    IsLost,
}

/// One connection that receives messages.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Link {
    pub(super) session: u64,
    pub(super) hearing: ServerChanges,
    pub(super) is_connected: bool,
    pub(super) words: VecDeque<Word>,
    pub(super) pulse: Heartbeat,
    /// Heartbeats on their way to the server.
    pub(super) beats: VecDeque<u64>,
    pub(super) watermark: Option<u64>,
}

impl Server {
    pub(super) fn value(&self) -> usize {
        self.replaced.len()
    }

    pub(super) fn write(&mut self, now: u64, link: Option<&Link>) {
        self.replaced.push(now);
        self.has_changed |= is_heard(link);
    }

    pub(super) fn flush(&mut self, now: u64, link: Option<&Link>) {
        self.replaced.push(now);
        self.say(Word::Flushed, link);
    }

    /// Queues a message of this turn.
    pub(super) fn say(&mut self, word: Word, link: Option<&Link>) {
        if is_heard(link) {
            self.said.push(word);
        }
    }

    pub(super) fn has_something_to_say(&self) -> bool {
        self.has_changed || !self.said.is_empty()
    }

    /// Ends a turn of the event loop. The clients' messages are sent, the merged changes last.
    pub(super) fn end_turn(&mut self, link: Option<&mut Link>) {
        if let Some(link) = link.filter(|link| link.hearing == ServerChanges::Lasts) {
            link.words.extend(self.said.drain(..));
            link.words.extend(self.has_changed.then_some(Word::Changed));
        }
        self.hang_up();
    }

    pub(super) fn hang_up(&mut self) {
        (self.has_changed, self.said) = (false, Vec::new());
    }
}

impl Link {
    pub(super) fn new(session: u64, pulse: Heartbeat) -> Self {
        Self {
            session,
            hearing: ServerChanges::Begins,
            is_connected: false,
            words: VecDeque::new(),
            pulse,
            beats: VecDeque::new(),
            watermark: None,
        }
    }
}

/// Whether the server sends changes to the client of `link`.
fn is_heard(link: Option<&Link>) -> bool {
    link.is_some_and(|link| link.hearing == ServerChanges::Lasts)
}
