//! The ledger of a consumer: its jobs, as they stand in its list on the server. No I/O.
//!
//! The list is as long as the ledger, and in the same order: claims append to it, polls settle jobs
//! in place and trim the first ones once they are settled. At most one poll is in flight at a time,
//! and a wait beside it. If the outcome of either is unknown, the ledger is in doubt until the list
//! was given to a new id (`recover.lua`), whose reply carries the content of the list.
//!
//! A server that has come back without its last writes is recognized by the number of the last
//! poll, and by a list that is too short if a wait was the last to append to it: hence another poll
//! before the next wait. The jobs of its list go back.
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
pub(crate) use self::requests::{Leave, PollBlocked, PollRequest, Recovery, RequestOutcome};
use crate::mutants::Mutants;
use crate::queue::keys::{ConsumerId, ConsumerIds};

/// The jobs and ids of one consumer, and the requests in flight. Owned by its session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    pub(crate) jobs: Jobs,
    ids: ConsumerIds,
    consumer: ConsumerId,
    /// Whether the server knows the consumer, so that it can report its loss.
    known: bool,
    /// Former ids that the next recovery takes over, since the server may still know them.
    former: Vec<ConsumerId>,
    in_doubt: bool,
    /// Whether a wait is in doubt, which no server refuses when it arrives late.
    wait_in_doubt: bool,
    /// The poll whose outcome is unknown.
    doubted: Option<PollRequest>,
    /// Whether the server's list certainly differs.
    diverged: bool,
    /// Whether a poll is in flight.
    polls: bool,
    /// Whether a claim or a wait is in flight.
    claims: bool,
    /// Whether it has waited since its last claim.
    waited: bool,
    /// The wait that its caller has dropped, and when. Its outcome will be reported.
    dropped_wait: Option<(PollRequest, Instant)>,
    /// The number of the last poll.
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
    pub(crate) fn claim(&mut self) -> Result<PollRequest, PollBlocked> {
        self.may_claim()?;
        self.may_settle()?;
        Ok(self.poll(self.jobs.settlement(Record::Nothing), true))
    }

    /// Returns a wait for one job, once the server knows whose list it would go to, unless there is
    /// a job.
    pub(crate) fn wait(&mut self) -> Result<PollRequest, PollBlocked> {
        self.may_claim()?;
        let is_unknown = !self.known && !self.mutants.has(LedgerMutant::WaitsUnknown);
        let has_waited = self.waited && !self.mutants.has(LedgerMutant::WaitsAgain);
        if is_unknown || has_waited || self.jobs.has_ready() {
            return Err(PollBlocked::Nothing);
        }
        (self.claims, self.waited) = (true, true);
        Ok(PollRequest { claims: true, waits: true, ..self.next_poll() })
    }

    /// Returns a poll that only settles, if there is something to settle, and records begun jobs.
    pub(crate) fn settle_now(&mut self) -> Result<PollRequest, PollBlocked> {
        self.may_settle()?;
        let settlement = self.jobs.settlement(Record::Begun).ok_or(PollBlocked::Nothing)?;
        Ok(self.poll(Some(settlement), false))
    }

    /// Returns whether a claim may be sent now.
    pub(crate) fn may_claim(&self) -> Result<(), PollBlocked> {
        if self.in_doubt {
            return Err(PollBlocked::Doubt);
        }
        if self.claims && !self.mutants.has(LedgerMutant::ClaimsTwiceAtATime) {
            return Err(PollBlocked::Busy);
        }
        Ok(())
    }

    /// Returns whether a poll that settles may be sent now.
    pub(crate) fn may_settle(&self) -> Result<(), PollBlocked> {
        if self.in_doubt && !self.mutants.has(LedgerMutant::SettlesInDoubt) {
            return Err(PollBlocked::Doubt);
        }
        if self.polls && !self.mutants.has(LedgerMutant::PollsTwiceAtATime) {
            return Err(PollBlocked::Busy);
        }
        Ok(())
    }

    fn poll(&mut self, settlement: Option<Settlement>, claims: bool) -> PollRequest {
        self.polls = true;
        self.claims |= claims;
        PollRequest { settlement, claims, ..self.next_poll() }
    }

    /// The next poll, without a settlement and a claim.
    fn next_poll(&self) -> PollRequest {
        PollRequest {
            consumer: self.consumer.clone(),
            known: self.known.then_some(self.sequence),
            held: self.jobs.len(),
            sequence: self.sequence % MAX_SEQUENCE + 1,
            settlement: None,
            claims: false,
            waits: false,
        }
    }

    /// Ends a poll. Returns whether its claims count, if it was applied.
    pub(crate) fn finish(
        &mut self,
        poll: &PollRequest,
        outcome: RequestOutcome,
        sent: Instant,
    ) -> bool {
        self.claims &= !poll.claims;
        self.polls &= poll.waits;
        if poll.consumer != self.consumer {
            // The poll may have brought a job after its list was examined.
            if poll.waits && !self.mutants.has(LedgerMutant::ForgetsLateWaits) {
                self.retired.push(poll.consumer.clone());
            }
            return false;
        }
        match outcome {
            RequestOutcome::Unknown if self.mutants.has(LedgerMutant::KeepsItsId) => {}
            RequestOutcome::Unknown => {
                self.in_doubt = true;
                self.wait_in_doubt |= poll.waits;
                if !poll.waits {
                    self.doubted = Some(poll.clone());
                }
            }
            RequestOutcome::NotSent => {}
            RequestOutcome::Applied if poll.waits => {}
            RequestOutcome::Applied => {
                self.known = true;
                self.waited &= !poll.claims;
                self.renewed = self.renewed.max(sent);
                self.apply(poll);
            }
        }
        outcome == RequestOutcome::Applied
    }

    /// Applies a poll that the server has applied.
    fn apply(&mut self, poll: &PollRequest) {
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

    /// Closes the ledger: jobs that were not handed out go back.
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

/// Poll numbers fit into the fraction of a time in milliseconds. A server that has received no poll
/// reports zero.
const MAX_SEQUENCE: u16 = 2047;
