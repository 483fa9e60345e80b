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
    /// The channel of its heartbeats.
    pub(crate) channel: Vec<u8>,
    /// A reserved key in one of the server's slots that does not exist.
    pub(crate) key: Vec<u8>,
    /// The channel of keyspace notifications for it.
    pub(crate) echo: Vec<u8>,
    handler: Arc<dyn FeedHandler>,
    signal: Arc<Signal>,
    heartbeat: Lock<Heartbeat>,
    /// When the last heartbeat was sent.
    sent: Lock<Instant>,
    /// The handler's session to which it belongs.
    session: u64,
    /// The watermark of each server of the session; 0 if unknown.
    watermarks: Arc<[AtomicU64]>,
    /// Its index among them.
    place: usize,
    canary_reported: AtomicBool,
    ended: AtomicBool,
    retired: AtomicBool,
    is_demoted: AtomicBool,
}

impl Link {
    pub(crate) fn new(
        (session, watermarks, place): (u64, Arc<[AtomicU64]>, usize),
        server: usize,
        [channel, key, echo]: [Vec<u8>; 3],
        handler: Arc<dyn FeedHandler>,
        signal: Arc<Signal>,
    ) -> Self {
        Self {
            server,
            channel,
            key,
            echo,
            handler,
            signal,
            heartbeat: Lock::default(),
            sent: Lock::new(Instant::now()),
            session,
            watermarks,
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
        self.watermarks[self.place].load(Ordering::Acquire) > 0
    }

    /// The watermark of all servers together.
    pub(crate) fn watermark(&self) -> Option<u64> {
        let watermarks = self.watermarks.iter().map(|watermark| watermark.load(Ordering::Acquire));
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
        if *channel != *self.channel {
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
            self.watermarks[self.place].store(watermark, Ordering::Release);
            if let Some(watermark) = self.watermark() {
                self.handler.on_watermark(self.session, watermark, lag);
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
            Push::Changed(key) if *key == *self.key => self.on_canary(),
            Push::Message { channel, payload } if *channel == *self.echo => {
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
                self.handler.on_disconnected(self.session);
                self.signal.raise();
            }
            push => self.handler.on_push(self.server, push),
        }
        true
    }
}
