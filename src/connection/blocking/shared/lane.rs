//! One shared connection, and the calls that take turns on it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::call::{Call, Caller};
use super::reach::Reach;
use super::transport::Transport;
use super::turn::Turn;
use super::turns::{LeadNumber, Next, Turns};
use crate::connection::connector::Connector;
use crate::lock::Lock;

/// A connection that callers share. The first caller *leads*: it sends the commands of all, receives
/// their replies, and passes the lead on to one that waits.
pub(super) struct Lane<T: Transport> {
    turns: Lock<LaneTurns<T>>,
    /// Whether a caller leads, for a look without the lock.
    is_led: AtomicBool,
    pub(super) reach: Reach,
    /// Counts what arrives.
    progress: Arc<AtomicU64>,
}

type LaneTurns<T> = Turns<LaneCall<T>, Option<Box<Turn<T>>>>;
type LaneCall<T> = Call<Box<Turn<T>>>;
/// A thread with a call on a lane.
pub(super) type LaneCaller<T> = Caller<Box<Turn<T>>>;

impl<T: Transport> Lane<T> {
    pub(super) fn new() -> Self {
        Self {
            turns: Lock::new(Turns::new()),
            is_led: AtomicBool::new(false),
            reach: Reach::new(),
            progress: Arc::default(),
        }
    }

    pub(super) fn is_led(&self) -> bool {
        self.is_led.load(Ordering::Relaxed)
    }

    /// Moves calls that wait, with at most this many bytes, behind `calls`.
    pub(super) fn take_waiting(
        &self,
        lead: LeadNumber,
        mut room: usize,
        calls: &mut VecDeque<LaneCall<T>>,
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
        self.reach.set_open(turn.idle.is_some() || turn.busy.is_some());
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
    pub(super) fn enter(&self, call: LaneCall<T>) -> Option<Box<Turn<T>>> {
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

    pub(super) fn lead_if_free(&self) -> Option<Box<Turn<T>>> {
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
    pub(super) fn revoke(&self, caller: &Arc<LaneCaller<T>>) -> Option<Box<Turn<T>>> {
        let is_own = |call: &LaneCall<T>| Arc::ptr_eq(&call.caller, caller);
        let (number, call) = self.turns.lock().revoke(is_own)?;
        let mut turn = Turn::new();
        (turn.number, turn.first) = (number, Some(call));
        Some(turn)
    }
}

fn abandoned() -> redis::RedisError {
    io::Error::new(io::ErrorKind::ConnectionAborted, "every call on the connection was given up")
        .into()
}
