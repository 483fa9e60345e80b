//! One server that is listened to.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::handler::FeedHandler;
use super::heartbeat::Heartbeat;
use crate::connection::{Push, PushHandler};
use crate::time::Signal;
use crate::time::clock;

/// What is heard from one server, on its way to the handler.
pub(crate) struct Link {
    /// Which of the servers it is.
    pub(crate) server: usize,
    /// Where its beats are published.
    pub(crate) channel: Vec<u8>,
    /// A key of one of the server's slots that nobody has.
    pub(crate) key: Vec<u8>,
    /// The channel of keyspace notifications about it.
    pub(crate) echo: Vec<u8>,
    handler: Arc<dyn FeedHandler>,
    signal: Arc<Signal>,
    heartbeat: Mutex<Heartbeat>,
    /// When the last beat was sent.
    sent: Mutex<Instant>,
    /// Which of its handler's sessions it belongs to.
    session: u64,
    /// Before when all writes are known, for each server of the session. 0 where that is unknown.
    watermarks: Arc<[AtomicU64]>,
    /// Its place among them.
    place: usize,
    canary_heard: AtomicBool,
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
            heartbeat: Mutex::default(),
            sent: Mutex::new(Instant::now()),
            session,
            watermarks,
            place,
            canary_heard: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            is_demoted: AtomicBool::new(false),
        }
    }

    pub(crate) fn heartbeat(&self) -> MutexGuard<'_, Heartbeat> {
        self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a beat that is sent now, unless one is under way.
    pub(crate) fn send(&self) -> Option<u64> {
        let number = self.heartbeat().send(clock::now());
        if number.is_some() {
            *self.sent.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
        number
    }

    /// Whether it is known before when all of this server's writes are known.
    pub(crate) fn has_watermark(&self) -> bool {
        self.watermarks[self.place].load(Ordering::Acquire) > 0
    }

    /// Before when all writes of all servers are known.
    pub(crate) fn watermark(&self) -> Option<u64> {
        let watermarks = self.watermarks.iter().map(|watermark| watermark.load(Ordering::Acquire));
        watermarks.min().filter(|&watermark| watermark > 0)
    }

    /// Whether the server told of a change of the link's key, which proves that it tells of changes of
    /// that kind.
    pub(crate) fn is_canary_heard(&self) -> bool {
        self.canary_heard.load(Ordering::Acquire)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Whether the server said that it is no master.
    pub(crate) fn is_demoted(&self) -> bool {
        self.is_demoted.load(Ordering::Acquire)
    }

    /// Nobody is interested any more in what the server says.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    fn hear_canary(&self) {
        self.canary_heard.store(true, Ordering::Release);
        self.signal.raise();
    }

    fn is_beat(&self, channel: &[u8], payload: &[u8]) -> bool {
        if *channel != *self.channel {
            return false;
        }
        let number = std::str::from_utf8(payload).ok().and_then(|number| number.parse().ok());
        if let Some(number) = number {
            self.hear_beat(number);
        }
        true
    }

    fn hear_beat(&self, number: u64) {
        let lag = self.sent.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        let heard = self.heartbeat().hear(number);
        if let Some(watermark) = heard {
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
            Push::Message { channel, payload } if self.is_beat(channel, payload) => {}
            Push::Changed(key) if *key == *self.key => self.hear_canary(),
            Push::Message { channel, payload } if *channel == *self.echo => {
                if payload == b"set" {
                    self.hear_canary();
                }
            }
            Push::Role { is_master: true } => {
                let latest = self.heartbeat().latest();
                self.hear_beat(latest);
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
