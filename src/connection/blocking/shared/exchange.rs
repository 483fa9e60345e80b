//! A call on a lane, from its caller's side.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::call::{Call, Exchanged, Failed};
use super::lane::{Lane, LaneCaller};
use super::lead::Lead;
use super::slot::{Leaving, Received};
use super::transport::Transport;
use crate::connection::connector::{Connector, timed_out};
use crate::connection::transport_error::TransportError;
use crate::time::Deadline;

impl<T: Transport> Lane<T> {
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
        caller: &Arc<LaneCaller<T>>,
        connector: &Connector,
        deadline: Deadline,
    ) -> Result<Exchanged, Failed> {
        let mut patience = None;
        let mut yields = 0;
        loop {
            match caller.take() {
                Some(Received::Outcome(outcome)) => return outcome,
                Some(Received::Lead(turn)) => {
                    Lead::new(self, connector, turn).run(caller, deadline);
                    continue;
                }
                None => {}
            }
            if yields < YIELDS {
                yields += 1;
                thread::yield_now();
                continue;
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
                    let fault = caller.exhausted(connector);
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
        Self { limit, progress: lane.progress().load(Ordering::Relaxed), since: Instant::now() }
    }

    fn is_over<T: Transport>(&mut self, lane: &Lane<T>) -> bool {
        let progress = lane.progress().load(Ordering::Relaxed);
        if progress != self.progress {
            (self.progress, self.since) = (progress, Instant::now());
        }
        self.left().is_zero()
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.since.elapsed())
    }
}

/// How often a caller lets other threads run before it sleeps. While there are many, its outcome has
/// come by then, and neither sleeping nor waking takes a system call of the leader.
const YIELDS: u32 = 4;
