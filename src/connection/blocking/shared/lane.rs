//! One shared connection, and the calls that take turns on it.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::call::{Call, Caller, Exchanged, Failed};
use super::lead::{Lead, Turn};
use super::slot::{Leaving, Received};
use super::transport::Transport;
use super::turns::{LeadNumber, Next, Turns};
use crate::connection::connector::{Connector, timed_out};
use crate::connection::transport_error::TransportError;
use crate::lock::Lock;
use crate::time::Deadline;

/// A connection that callers share. The first caller *leads*: it sends the commands of all, receives
/// their replies, and passes the lead on to one that waits.
pub(super) struct Lane<T: Transport> {
    turns: Lock<LaneTurns<T>>,
    /// Whether a caller leads, for a look without the lock.
    is_led: AtomicBool,
    /// Counts what arrives.
    progress: Arc<AtomicU64>,
}

type LaneTurns<T> = Turns<Call<T>, Option<Box<Turn<T>>>>;

impl<T: Transport> Lane<T> {
    pub(super) fn new() -> Self {
        Self {
            turns: Lock::new(Turns::new()),
            is_led: AtomicBool::new(false),
            progress: Arc::default(),
        }
    }

    pub(super) fn is_led(&self) -> bool {
        self.is_led.load(Ordering::Relaxed)
    }

    /// Sends `packed`, and returns this many replies.
    pub(super) fn exchange(
        &self,
        connector: &Connector,
        packed: Vec<u8>,
        expected: usize,
        deadline: Deadline,
    ) -> Result<Exchanged, Failed> {
        let call = Call::new(packed, expected);
        let caller = call.caller.clone();
        if let Some(turn) = self.enter(call) {
            Lead::new(self, connector, turn).run(&caller, deadline);
        }
        self.outcome(&caller, connector, deadline)
    }

    /// Like `exchange`, unless another caller leads.
    pub(super) fn exchange_if_free(
        &self,
        connector: &Connector,
        packed: &mut Vec<u8>,
        expected: usize,
        deadline: Deadline,
    ) -> Option<Result<Exchanged, Failed>> {
        let mut turn = self.lead_if_free()?;
        let call = Call::new(mem::take(packed), expected);
        let caller = call.caller.clone();
        turn.first = Some(call);
        Lead::new(self, connector, turn).run(&caller, deadline);
        Some(self.outcome(&caller, connector, deadline))
    }

    /// Waits for the outcome of a call, and leads if it gets the lead.
    fn outcome(
        &self,
        caller: &Arc<Caller<T>>,
        connector: &Connector,
        deadline: Deadline,
    ) -> Result<Exchanged, Failed> {
        let mut patience = None;
        loop {
            match caller.take() {
                Some(Received::Outcome(outcome)) => return outcome,
                Some(Received::Lead(turn)) => {
                    Lead::new(self, connector, turn).run(caller, deadline);
                    continue;
                }
                None => {}
            }
            let patience = patience.get_or_insert_with(|| Patience::new(self, connector));
            let is_over = deadline.is_over();
            if !is_over && patience.is_over(self) {
                if let Some(turn) = self.revoke(caller) {
                    Lead::new(self, connector, turn).run(caller, deadline);
                    continue;
                }
            } else if !is_over {
                caller.sleep(deadline.left().min(patience.left()));
                continue;
            }
            match caller.leave() {
                Some(Leaving::Unsent) => {
                    let fault = TransportError::connect(&connector.address, timed_out());
                    return Err(Failed { fault, is_stale: false });
                }
                Some(Leaving::Sent) => {
                    let fault = TransportError::Broken(timed_out());
                    return Err(Failed { fault, is_stale: false });
                }
                None => {}
            }
        }
    }

    /// Moves calls that wait, with at most this many bytes, behind `calls`.
    pub(super) fn take_waiting(
        &self,
        lead: LeadNumber,
        mut room: usize,
        calls: &mut VecDeque<Call<T>>,
    ) {
        let mut turns = self.turns.lock();
        calls.extend(turns.take(lead, |call| {
            let fits = call.packed.len() <= room;
            room = room.saturating_sub(call.packed.len());
            fits
        }));
    }

    /// Passes the lead on: to a caller whose call is in flight, or else to the one that has waited
    /// longest. Without any, the connection rests.
    pub(super) fn pass_on(&self, mut turn: Box<Turn<T>>, connector: &Connector) {
        while !turn.calls.is_empty() {
            let callers: Vec<_> = turn.calls.iter().map(|call| call.caller.clone()).collect();
            for caller in callers {
                match caller.offer(turn) {
                    Ok(()) => return,
                    Err(declined) => turn = declined,
                }
            }
            turn.break_off(connector, abandoned());
        }
        loop {
            let next = {
                let mut turns = self.turns.lock();
                let next = turns.pass_on(turn.number, Some(turn));
                self.is_led.store(turns.is_led(), Ordering::Relaxed);
                next
            };
            match next {
                Next::Offer(call, Some(mut offered)) => {
                    let caller = call.caller.clone();
                    offered.first = Some(call);
                    match caller.offer(offered) {
                        Ok(()) => return,
                        Err(declined) => turn = declined,
                    }
                    turn.first = None;
                }
                Next::Offer(_, None) | Next::Rest | Next::Revoked(_) => return,
            }
        }
    }

    /// How many calls wait for the leader.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.turns.lock().waiting()
    }

    pub(super) fn progress(&self) -> &Arc<AtomicU64> {
        &self.progress
    }

    pub(super) fn count_progress(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the turn of a call that leads, or lets it wait.
    fn enter(&self, call: Call<T>) -> Option<Box<Turn<T>>> {
        let mut turns = self.turns.lock();
        match self.lead(&mut turns) {
            Some(mut turn) => {
                turn.first = Some(call);
                Some(turn)
            }
            None => {
                turns.wait(call);
                None
            }
        }
    }

    fn lead_if_free(&self) -> Option<Box<Turn<T>>> {
        self.lead(&mut self.turns.lock())
    }

    fn lead(&self, turns: &mut LaneTurns<T>) -> Option<Box<Turn<T>>> {
        let (number, turn) = turns.enter()?;
        self.is_led.store(true, Ordering::Relaxed);
        let mut turn = turn.unwrap_or_else(Turn::new);
        turn.number = number;
        Some(turn)
    }

    /// Takes the lead from a caller that makes no progress, if the call of `caller` still waits.
    fn revoke(&self, caller: &Arc<Caller<T>>) -> Option<Box<Turn<T>>> {
        let is_own = |call: &Call<T>| Arc::ptr_eq(&call.caller, caller);
        let (number, call) = self.turns.lock().revoke(is_own)?;
        let mut turn = Turn::new();
        (turn.number, turn.first) = (number, Some(call));
        Some(turn)
    }
}

/// How long a caller waits for a leader that makes no progress: longer than any of its steps takes.
struct Patience {
    limit: Duration,
    progress: u64,
    since: Instant,
}

impl Patience {
    fn new<T: Transport>(lane: &Lane<T>, connector: &Connector) -> Self {
        let limit = connector.connect_timeout + 2 * connector.response_timeout;
        Self { limit, progress: lane.progress.load(Ordering::Relaxed), since: Instant::now() }
    }

    fn is_over<T: Transport>(&mut self, lane: &Lane<T>) -> bool {
        let progress = lane.progress.load(Ordering::Relaxed);
        if progress != self.progress {
            (self.progress, self.since) = (progress, Instant::now());
        }
        self.left().is_zero()
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.since.elapsed())
    }
}

fn abandoned() -> redis::RedisError {
    io::Error::new(io::ErrorKind::ConnectionAborted, "every call on the connection was given up")
        .into()
}
