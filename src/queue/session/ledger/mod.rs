//! The ledger of a consumer: its jobs, as they stand in its list on the server. No I/O.
//!
//! The list is as long as the ledger, and in the same order: claims append to it, polls settle jobs
//! in place and trim the first ones once they are settled. At most one poll is in flight at a time,
//! and a wait beside it. If the outcome of either is unknown, the ledger is in doubt until
//! `recover.lua` has moved the list to a new id and returned its content.
//!
//! A server that came back without its last writes is recognized by the sequence number of the last
//! poll. If only a wait's job is missing, it is recognized by a list shorter than the ledger; so a
//! poll must come between two waits. Jobs still in such a list go back to the queue.
//!
//! `model` explores everything that can happen to two ledgers.

mod doubt;
mod hand_out;
mod jobs;
mod mutant;
mod requests;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

#[cfg(test)]
pub(crate) use self::doubt::REPORT_TIMEOUT;
pub(crate) use self::jobs::{Fate, Settlement};
use self::jobs::{Jobs, Record};
pub(crate) use self::mutant::LedgerMutant;
pub(crate) use self::requests::{Leave, LedgerRequest, Recovery, RequestBlocked, RequestOutcome};
use crate::mutants::Mutants;
use crate::queue::keys::{ConsumerId, ConsumerIds};

/// The jobs and ids of one consumer, and the requests in flight. Owned by its session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    pub(crate) jobs: Jobs,
    ids: ConsumerIds,
    consumer: ConsumerId,
    /// Whether the consumer is registered on the server: only then does the server report that it
    /// was lost.
    known: bool,
    /// Former ids that the next recovery takes over, since the server may still know them.
    former: Vec<ConsumerId>,
    in_doubt: bool,
    /// Whether a wait is in doubt, which no server refuses when it arrives late.
    wait_in_doubt: bool,
    /// The poll whose outcome is unknown.
    doubted: Option<LedgerRequest>,
    /// Whether the server's list certainly differs.
    diverged: bool,
    /// Whether a poll is in flight.
    polls: bool,
    /// Whether a claim or a wait is in flight.
    claims: bool,
    /// Whether it has waited since the last claim or recovery. Another wait begins only after one.
    waited: bool,
    /// The wait that its caller has dropped, and when. Its outcome will be reported.
    dropped_wait: Option<(LedgerRequest, Instant)>,
    /// The sequence number of the last poll.
    sequence: u16,
    /// A lower bound of when the server last renewed the lease.
    renewed: Instant,
    /// Retired ids to reap: the server does not know them any more, though their lists may still
    /// get jobs.
    pub(crate) retired: Vec<ConsumerId>,
    pub(crate) mutants: Mutants<LedgerMutant>,
}

impl Ledger {
    pub(crate) fn new(mut ids: ConsumerIds, now: Instant) -> Self {
        Self {
            jobs: Jobs::default(),
            consumer: ids.next(),
            ids,
            known: false,
            former: Vec::new(),
            in_doubt: false,
            wait_in_doubt: false,
            doubted: None,
            diverged: false,
            polls: false,
            claims: false,
            waited: false,
            dropped_wait: None,
            sequence: 0,
            renewed: now,
            retired: Vec::new(),
            mutants: Mutants::default(),
        }
    }

    /// Returns a poll that claims, and settles decided jobs.
    pub(crate) fn claim(&mut self) -> Result<LedgerRequest, RequestBlocked> {
        self.may_claim()?;
        self.may_settle()?;
        Ok(self.poll(self.jobs.settlement(Record::Nothing), true))
    }

    /// Returns a wait for one job, once the server knows whose list it would go to, unless there is
    /// a job.
    pub(crate) fn wait(&mut self) -> Result<LedgerRequest, RequestBlocked> {
        self.may_claim()?;
        let is_unknown = !self.known && !self.mutants.has(LedgerMutant::WaitsUnknown);
        let has_waited = self.waited && !self.mutants.has(LedgerMutant::WaitsAgain);
        if is_unknown || has_waited || self.jobs.has_ready() {
            return Err(RequestBlocked::Nothing);
        }
        (self.claims, self.waited) = (true, true);
        Ok(LedgerRequest { claims: true, waits: true, ..self.next_request() })
    }

    /// Returns a poll that only settles, if there is something to settle, and records begun jobs.
    pub(crate) fn settle_now(&mut self) -> Result<LedgerRequest, RequestBlocked> {
        self.may_settle()?;
        let settlement = self.jobs.settlement(Record::Begun).ok_or(RequestBlocked::Nothing)?;
        Ok(self.poll(Some(settlement), false))
    }

    /// Returns whether a claim may be sent now.
    pub(crate) fn may_claim(&self) -> Result<(), RequestBlocked> {
        if self.in_doubt {
            return Err(RequestBlocked::Doubt);
        }
        if self.claims && !self.mutants.has(LedgerMutant::ClaimsTwiceAtATime) {
            return Err(RequestBlocked::Busy);
        }
        Ok(())
    }

    /// Returns whether a poll that settles may be sent now.
    pub(crate) fn may_settle(&self) -> Result<(), RequestBlocked> {
        if self.in_doubt && !self.mutants.has(LedgerMutant::SettlesInDoubt) {
            return Err(RequestBlocked::Doubt);
        }
        if self.polls && !self.mutants.has(LedgerMutant::PollsTwiceAtATime) {
            return Err(RequestBlocked::Busy);
        }
        Ok(())
    }

    /// Begins a poll.
    fn poll(&mut self, settlement: Option<Settlement>, claims: bool) -> LedgerRequest {
        self.polls = true;
        self.claims |= claims;
        LedgerRequest { settlement, claims, ..self.next_request() }
    }

    /// The next request, without a settlement and a claim.
    fn next_request(&self) -> LedgerRequest {
        LedgerRequest {
            consumer: self.consumer.clone(),
            last_sequence: self.known.then_some(self.sequence),
            held: self.jobs.len(),
            sequence: self.sequence % MAX_SEQUENCE + 1,
            settlement: None,
            claims: false,
            waits: false,
        }
    }

    /// Ends a poll or a wait. Returns whether its claims count, if it was applied.
    pub(crate) fn finish(
        &mut self,
        request: &LedgerRequest,
        outcome: RequestOutcome,
        sent: Instant,
    ) -> bool {
        self.claims &= !request.claims;
        self.polls &= request.waits;
        if request.consumer != self.consumer {
            // The wait may have brought a job after its list was examined.
            if request.waits && !self.mutants.has(LedgerMutant::ForgetsLateWaits) {
                self.retired.push(request.consumer.clone());
            }
            return false;
        }
        match outcome {
            RequestOutcome::Unknown if self.mutants.has(LedgerMutant::KeepsItsId) => {}
            RequestOutcome::Unknown => {
                self.in_doubt = true;
                self.wait_in_doubt |= request.waits;
                if !request.waits {
                    self.doubted = Some(request.clone());
                }
            }
            RequestOutcome::NotSent => {}
            RequestOutcome::Applied if request.waits => {}
            RequestOutcome::Applied => {
                self.known = true;
                self.waited &= !request.claims;
                self.renewed = self.renewed.max(sent);
                self.apply(request);
            }
        }
        outcome == RequestOutcome::Applied
    }

    /// Applies a poll that the server has applied.
    fn apply(&mut self, poll: &LedgerRequest) {
        self.sequence = poll.sequence;
        if let Some(settlement) = &poll.settlement {
            self.jobs.apply(settlement);
        }
    }

    /// Takes the ids that are still to be reaped.
    pub(crate) fn take_retired(&mut self) -> Vec<ConsumerId> {
        std::mem::take(&mut self.retired)
    }

    /// The heartbeat of the consumer: its id, how long the oldest running job has run, and how long
    /// the oldest job that no handler has begun was held.
    pub(crate) fn heartbeat(&self, now: Instant) -> Option<(ConsumerId, [Option<Duration>; 2])> {
        let beats = self.known && !self.in_doubt;
        beats.then(|| (self.consumer.clone(), self.jobs.longest(now)))
    }

    /// Records that the server has renewed the lease.
    pub(crate) fn renewed(&mut self, consumer: &ConsumerId, sent: Instant) {
        if *consumer == self.consumer {
            self.renewed = self.renewed.max(sent);
        }
    }

    /// How long the server may have gone without a heartbeat of the consumer.
    pub(crate) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.renewed)
    }

    /// Closes the ledger, and releases the jobs that were not handed out.
    pub(crate) fn close(&mut self, now: Instant) {
        self.jobs.close(now);
    }

    /// The remaining work for a closed consumer.
    pub(crate) fn leave(&self) -> Leave {
        if !self.jobs.is_closing() || self.jobs.running() > 0 || !self.is_idle() {
            Leave::NotYet
        } else if self.in_doubt || !self.jobs.is_empty() {
            Leave::AfterSettling
        } else if self.known {
            Leave::Now(self.consumer.clone())
        } else {
            Leave::Nothing
        }
    }

    /// Records that the server has forgotten the consumer, as requested.
    pub(crate) fn left(&mut self, consumer: &ConsumerId) {
        if *consumer == self.consumer {
            self.start_over();
        }
    }

    pub(crate) fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// The ids under which the server may know the consumer.
    #[cfg(test)]
    pub(crate) fn ids(&self) -> impl Iterator<Item = &ConsumerId> {
        self.former.iter().chain([&self.consumer])
    }

    /// Returns whether no request is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        !self.claims && !self.polls
    }
}

/// Replaces a settled job in the list. No other program can have pushed it.
pub(crate) fn tombstone(consumer: &ConsumerId) -> Vec<u8> {
    [b"\x1eq1;-", consumer.as_bytes()].concat()
}

/// The maximum sequence number: all fit into the fraction of a time in milliseconds. A server that
/// has received no poll reports zero.
const MAX_SEQUENCE: u16 = 2047;
