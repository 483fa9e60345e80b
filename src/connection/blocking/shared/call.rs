//! A call on a shared connection, and how its caller waits.

use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use redis::Value;

use super::slot::{Leaving, Received, Slot};
use crate::connection::connector::Connector;
use crate::connection::transport_error::TransportError;
use crate::lock::Lock;

/// A call that waits to be sent, or for the rest of its replies.
pub(super) struct Call<L> {
    pub(super) caller: Arc<Caller<L>>,
    /// Its commands, until they are sent.
    pub(super) packed: Vec<u8>,
    /// How many replies are still to come.
    lacks: usize,
    replies: Replies,
}

/// The replies to one command or several.
#[derive(Debug, PartialEq)]
pub(crate) enum Replies {
    One(Value),
    Several(Vec<Value>),
}

/// The replies of a call, and the connection on which they came.
#[derive(Debug)]
pub(crate) struct Exchanged {
    pub(crate) replies: Replies,
    pub(crate) connection: ConnectionKind,
}

/// What is known of the connection of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionKind {
    /// Whether it was made for this call, or for those sent with it.
    pub(crate) fresh: bool,
    pub(crate) generation: usize,
}

/// The failure of a call.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) fault: TransportError,
    /// Whether the connection was used before.
    pub(crate) is_stale: bool,
}

pub(super) type Outcome = Result<Exchanged, Failed>;

/// A thread that waits for the outcome of a call, or for the lead `L`.
pub(super) struct Caller<L> {
    thread: Thread,
    since: Instant,
    slot: Lock<Slot<Outcome, L>>,
}

impl<L> Call<L> {
    /// A call of this thread with this many replies, at least one.
    pub(super) fn new(packed: Vec<u8>, expected: usize) -> Self {
        let replies = match expected {
            1 => Replies::One(Value::Nil),
            several => Replies::Several(Vec::with_capacity(several.min(ROOM_FOR_REPLIES))),
        };
        let (thread, since) = (thread::current(), Instant::now());
        let caller = Caller { thread, since, slot: Lock::new(Slot::new()) };
        Self { caller: Arc::new(caller), packed, lacks: expected, replies }
    }

    /// Adds a reply. Returns whether it is the last.
    pub(super) fn add(&mut self, reply: Value) -> bool {
        match &mut self.replies {
            Replies::One(one) => *one = reply,
            Replies::Several(several) => several.push(reply),
        }
        self.lacks = self.lacks.saturating_sub(1);
        self.lacks == 0
    }

    /// Concludes a call that has all replies.
    pub(super) fn succeed(self, connection: ConnectionKind) {
        self.caller.conclude(Ok(Exchanged { replies: self.replies, connection }));
    }

    pub(super) fn fail(&self, fault: TransportError, is_stale: bool) {
        self.caller.conclude(Err(Failed { fault, is_stale }));
    }
}

impl<L> Caller<L> {
    /// Returns whether the call may be sent: its caller is still there.
    pub(super) fn send(&self) -> bool {
        self.slot.lock().send()
    }

    /// Offers the lead. Returns it if the caller has left.
    pub(super) fn offer(&self, lead: L) -> Result<(), L> {
        self.slot.lock().offer(lead)?;
        self.thread.unpark();
        Ok(())
    }

    /// The fault of a call whose time is over before it could be sent.
    pub(super) fn exhausted(&self, connector: &Connector) -> TransportError {
        let (address, waited) = (connector.address.clone(), self.since.elapsed());
        TransportError::Exhausted { address, waited }
    }

    pub(super) fn take(&self) -> Option<Received<Outcome, L>> {
        self.slot.lock().take()
    }

    /// Leaves without an outcome, unless something was received.
    pub(super) fn leave(&self) -> Option<Leaving> {
        self.slot.lock().leave()
    }

    /// Sleeps until something was received, at most for `time`. May wake early.
    pub(super) fn sleep(&self, time: Duration) {
        thread::park_timeout(time);
    }

    fn conclude(&self, outcome: Outcome) {
        if self.slot.lock().conclude(outcome) && self.thread.id() != thread::current().id() {
            self.thread.unpark();
        }
    }
}

impl Replies {
    pub(crate) fn as_slice(&self) -> &[Value] {
        match self {
            Replies::One(one) => std::slice::from_ref(one),
            Replies::Several(several) => several,
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Value> {
        match self {
            Replies::One(one) => vec![one],
            Replies::Several(several) => several,
        }
    }

    /// The last reply.
    pub(crate) fn into_last(self) -> Value {
        match self {
            Replies::One(one) => one,
            Replies::Several(mut several) => several.pop().unwrap_or(Value::Nil),
        }
    }
}

/// More replies make room as they arrive.
const ROOM_FOR_REPLIES: usize = 4096;
