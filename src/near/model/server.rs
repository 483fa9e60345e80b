//! The server, and the connection that receives its messages.

use std::collections::VecDeque;

use crate::listen::heartbeat::Heartbeat;

/// One key, whose value is the number of times that it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct OneKeyServer {
    /// When each value was replaced by the next one.
    pub(super) replaced: Vec<u64>,
    /// Whether the key changed in this turn of the event loop.
    has_changed: bool,
    /// Messages of this turn, before the changes.
    queued: Vec<Message>,
}

/// A message on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Message {
    Changed,
    Flushed,
    Heartbeat(u64),
}

/// Whether the server sends changes on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum FeedState {
    Begins,
    Lasts,
    IsLost,
}

/// One connection that receives messages.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FeedLink {
    pub(super) session: u64,
    pub(super) feed: FeedState,
    pub(super) is_connected: bool,
    pub(super) messages: VecDeque<Message>,
    pub(super) heartbeat: Heartbeat,
    /// Heartbeats on their way to the server.
    pub(super) heartbeats: VecDeque<u64>,
    pub(super) watermark: Option<u64>,
}

impl OneKeyServer {
    pub(super) fn value(&self) -> usize {
        self.replaced.len()
    }

    pub(super) fn write(&mut self, now: u64, link: Option<&FeedLink>) {
        self.replaced.push(now);
        self.has_changed |= is_sent(link);
    }

    pub(super) fn flush(&mut self, now: u64, link: Option<&FeedLink>) {
        self.replaced.push(now);
        self.queue(Message::Flushed, link);
    }

    /// Queues a message of this turn.
    pub(super) fn queue(&mut self, message: Message, link: Option<&FeedLink>) {
        if is_sent(link) {
            self.queued.push(message);
        }
    }

    pub(super) fn has_messages(&self) -> bool {
        self.has_changed || !self.queued.is_empty()
    }

    /// Ends a turn of the event loop. The clients' messages are sent, the merged changes last.
    pub(super) fn end_turn(&mut self, link: Option<&mut FeedLink>) {
        if let Some(link) = link.filter(|link| link.feed == FeedState::Lasts) {
            link.messages.extend(self.queued.drain(..));
            link.messages.extend(self.has_changed.then_some(Message::Changed));
        }
        self.drop_messages();
    }

    pub(super) fn drop_messages(&mut self) {
        (self.has_changed, self.queued) = (false, Vec::new());
    }
}

impl FeedLink {
    pub(super) fn new(session: u64, heartbeat: Heartbeat) -> Self {
        Self {
            session,
            feed: FeedState::Begins,
            is_connected: false,
            messages: VecDeque::new(),
            heartbeat,
            heartbeats: VecDeque::new(),
            watermark: None,
        }
    }
}

/// Whether the server sends changes to the client of `link`.
fn is_sent(link: Option<&FeedLink>) -> bool {
    link.is_some_and(|link| link.feed == FeedState::Lasts)
}
