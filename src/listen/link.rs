//! One server that is listened to.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::handler::Audience;
use super::heartbeat::Pulse;
use crate::connection::{Ears, Speech};
use crate::time::Signal;
use crate::time::clock;

/// What is heard from one server, on its way to the audience.
pub(crate) struct Link {
    /// Which of the servers it is.
    pub(crate) server: usize,
    /// Where its beats are published.
    pub(crate) channel: Vec<u8>,
    /// A key of one of the server's slots that nobody has.
    pub(crate) key: Vec<u8>,
    /// The channel of keyspace notifications about it.
    pub(crate) echo: Vec<u8>,
    audience: Arc<dyn Audience>,
    signal: Arc<Signal>,
    pulse: Mutex<Pulse>,
    /// When the last beat was sent.
    sent: Mutex<Instant>,
    /// Which of its audience's sessions it belongs to.
    session: u64,
    /// Before when all writes are known, for each server of the session. 0 where that is unknown.
    proofs: Arc<[AtomicU64]>,
    /// Its place among them.
    place: usize,
    canary_heard: AtomicBool,
    ended: AtomicBool,
    retired: AtomicBool,
    is_demoted: AtomicBool,
}

impl Link {
    pub(crate) fn new(
        (session, proofs, place): (u64, Arc<[AtomicU64]>, usize),
        server: usize,
        [channel, key, echo]: [Vec<u8>; 3],
        audience: Arc<dyn Audience>,
        signal: Arc<Signal>,
    ) -> Self {
        Self {
            server,
            channel,
            key,
            echo,
            audience,
            signal,
            pulse: Mutex::default(),
            sent: Mutex::new(Instant::now()),
            session,
            proofs,
            place,
            canary_heard: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            is_demoted: AtomicBool::new(false),
        }
    }

    pub(crate) fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a beat that is sent now, unless one is under way.
    pub(crate) fn send(&self) -> Option<u64> {
        let number = self.pulse().send(clock::now());
        if number.is_some() {
            *self.sent.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
        number
    }

    /// Whether it is known before when all of this server's writes are known.
    pub(crate) fn is_proven(&self) -> bool {
        self.proofs[self.place].load(Ordering::Acquire) > 0
    }

    /// Before when all writes of all servers are known.
    pub(crate) fn proof(&self) -> Option<u64> {
        let proofs = self.proofs.iter().map(|proof| proof.load(Ordering::Acquire));
        proofs.min().filter(|&proof| proof > 0)
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
        let heard = self.pulse().hear(number);
        if let Some(proof) = heard {
            self.proofs[self.place].store(proof, Ordering::Release);
            if let Some(proof) = self.proof() {
                self.audience.proven(self.session, proof, lag);
            }
        }
        self.signal.raise();
    }
}

impl Ears for Link {
    fn hear(&self, speech: Speech<'_>) -> bool {
        if self.retired.load(Ordering::Acquire) {
            return false;
        }
        match speech {
            Speech::Message { channel, payload } if self.is_beat(channel, payload) => {}
            Speech::Changed(key) if *key == *self.key => self.hear_canary(),
            Speech::Message { channel, payload } if *channel == *self.echo => {
                if payload == b"set" {
                    self.hear_canary();
                }
            }
            Speech::Role { is_master: true } => {
                let latest = self.pulse().latest();
                self.hear_beat(latest);
            }
            Speech::Role { is_master: false } | Speech::Ended => {
                self.is_demoted.store(matches!(speech, Speech::Role { .. }), Ordering::Release);
                self.ended.store(true, Ordering::Release);
                self.audience.lost(self.session);
                self.signal.raise();
            }
            speech => self.audience.hear(self.server, speech),
        }
        true
    }
}
