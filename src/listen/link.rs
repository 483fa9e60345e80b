//! The messages of one server of a feed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use super::handler::FeedHandler;
use super::heartbeat::Heartbeat;
use crate::connection::{Push, PushHandler};
use crate::lock::Lock;
use crate::time::Signal;
use crate::time::clock;

/// Passes the messages of one server to the handler, and tracks its heartbeats.
pub(crate) struct Link {
    /// The index of the server.
    pub(crate) server: usize,
    pub(crate) names: LinkNames,
    handler: Arc<dyn FeedHandler>,
    signal: Arc<Signal>,
    heartbeat: Lock<Heartbeat>,
    /// When the last heartbeat was sent.
    sent: Lock<Instant>,
    place: SessionPlace,
    canary_reported: AtomicBool,
    ended: AtomicBool,
    retired: AtomicBool,
    is_demoted: AtomicBool,
}

/// The channels and the key of a link.
pub(crate) struct LinkNames {
    /// The channel of heartbeats.
    pub(crate) channel: Vec<u8>,
    /// The canary: a reserved key in one of the server's slots. It exists only while a canary is
    /// written.
    pub(crate) key: Vec<u8>,
    /// The channel of the keyspace notifications for that key.
    pub(crate) keyspace_channel: Vec<u8>,
}

/// The place of a link in the session that it belongs to.
pub(crate) struct SessionPlace {
    /// The number of the session, as its handler knows it.
    pub(crate) session: u64,
    /// The watermark of each server of the session; 0 if unknown.
    pub(crate) watermarks: Arc<[AtomicU64]>,
    /// The index of the link among them.
    pub(crate) index: usize,
}

impl Link {
    pub(crate) fn new(
        place: SessionPlace,
        server: usize,
        names: LinkNames,
        handler: Arc<dyn FeedHandler>,
        signal: Arc<Signal>,
    ) -> Self {
        Self {
            server,
            names,
            handler,
            signal,
            heartbeat: Lock::default(),
            sent: Lock::new(Instant::now()),
            place,
            canary_reported: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            is_demoted: AtomicBool::new(false),
        }
    }

    pub(crate) fn heartbeat(&self) -> MutexGuard<'_, Heartbeat> {
        self.heartbeat.lock()
    }

    /// Returns the number of a heartbeat to send now, unless one is in flight.
    pub(crate) fn send(&self) -> Option<u64> {
        let number = self.heartbeat().send(clock::now());
        if number.is_some() {
            *self.sent.lock() = Instant::now();
        }
        number
    }

    /// Returns whether the watermark of this server is known.
    pub(crate) fn has_watermark(&self) -> bool {
        self.place.watermarks[self.place.index].load(Ordering::Acquire) > 0
    }

    /// The watermark of all servers together.
    pub(crate) fn watermark(&self) -> Option<u64> {
        let watermarks =
            self.place.watermarks.iter().map(|watermark| watermark.load(Ordering::Acquire));
        watermarks.min().filter(|&watermark| watermark > 0)
    }

    /// Returns whether the server reported a change of the link's key, which proves that it reports
    /// changes of that kind.
    pub(crate) fn is_canary_reported(&self) -> bool {
        self.canary_reported.load(Ordering::Acquire)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Returns whether the server reported that it is not a master.
    pub(crate) fn is_demoted(&self) -> bool {
        self.is_demoted.load(Ordering::Acquire)
    }

    /// Stops passing messages on.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Records a change of the link's key.
    fn on_canary(&self) {
        self.canary_reported.store(true, Ordering::Release);
        self.signal.raise();
    }

    /// Handles a heartbeat. Returns whether the message is one.
    fn is_heartbeat(&self, channel: &[u8], payload: &[u8]) -> bool {
        if *channel != *self.names.channel {
            return false;
        }
        let number = std::str::from_utf8(payload).ok().and_then(|number| number.parse().ok());
        if let Some(number) = number {
            self.on_heartbeat(number);
        }
        true
    }

    /// Records a heartbeat, and reports the watermark if it rises.
    fn on_heartbeat(&self, number: u64) {
        let lag = self.sent.lock().elapsed();
        let watermark = self.heartbeat().receive(number);
        if let Some(watermark) = watermark {
            self.place.watermarks[self.place.index].store(watermark, Ordering::Release);
            if let Some(watermark) = self.watermark() {
                self.handler.on_watermark(self.place.session, watermark, lag);
            }
        }
        self.signal.raise();
    }
}

impl PushHandler for Link {
    fn on_push(&self, push: Push<'_>) -> bool {
        if self.retired.load(Ordering::Acquire) {
            return false;
        }
        match push {
            Push::Message { channel, payload } if self.is_heartbeat(channel, payload) => {}
            Push::Changed(key) if *key == *self.names.key => self.on_canary(),
            Push::Message { channel, payload } if *channel == *self.names.keyspace_channel => {
                if payload == b"set" {
                    self.on_canary();
                }
            }
            Push::Role { is_master: true } => {
                let latest = self.heartbeat().latest();
                self.on_heartbeat(latest);
            }
            Push::Role { is_master: false } | Push::Ended => {
                self.is_demoted.store(matches!(push, Push::Role { .. }), Ordering::Release);
                self.ended.store(true, Ordering::Release);
                self.handler.on_disconnected(self.place.session);
                self.signal.raise();
            }
            push => self.handler.on_push(self.server, push),
        }
        true
    }
}
