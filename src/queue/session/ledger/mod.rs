//! The ledger of a consumer: its jobs, as they stand in its list on the server. No I/O.
//!
//! The list is as long as the ledger, and in the same order: claims append to it, steps settle jobs
//! in place and trim the first ones once they are settled. At most one step is in flight at a time,
//! and a wait beside it. If the outcome of either is unknown, the ledger is in doubt until the list
//! was given to a new id (`recover.lua`), whose reply carries the content of the list.
//!
//! A server that has come back without its last writes is recognized by the number of the last
//! step, and by a list that is too short if a wait was the last to append to it: hence another step
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
pub(crate) use self::doubt::FOR_A_REPORT;
pub(crate) use self::jobs::{Fate, Settlement};
use self::jobs::{Jobs, Record};
pub(crate) use self::mutant::Breach;
pub(crate) use self::requests::{Leave, Obstacle, Outcome, Recovery, Step};
use crate::mutants::Mutants;
use crate::queue::keys::{ConsumerId, Ids};

/// The jobs and ids of one consumer, and the requests in flight. Owned by its session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    pub(crate) jobs: Jobs,
    ids: Ids,
    consumer: ConsumerId,
    /// Whether the server knows the consumer, so that it can report its loss.
    known: bool,
    /// Former ids that the server may still know, and the claims and steps in doubt.
    former: Vec<ConsumerId>,
    in_doubt: bool,
    /// Whether a wait is in doubt, which no server refuses when it arrives late.
    wait_in_doubt: bool,
    /// The step whose outcome is unknown.
    doubted: Option<Step>,
    /// Whether the server's list certainly differs.
    diverged: bool,
    /// Whether a step is in flight.
    steps: bool,
    /// Whether a claim or a wait is in flight.
    claims: bool,
    /// Whether it has waited since its last claim.
    waited: bool,
    /// The wait that its caller has dropped, and when. Its outcome will be reported.
    abandoned: Option<(Step, Instant)>,
    /// The number of the last step.
    mark: u16,
    /// A lower bound of when the server last renewed the lease.
    heard: Instant,
    /// Ids that the server does not know any more, though their lists may still get jobs.
    pub(crate) orphaned: Vec<ConsumerId>,
    pub(crate) breaches: Mutants<Breach>,
}

impl Ledger {
    pub(crate) fn new(mut ids: Ids, now: Instant) -> Self {
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
            steps: false,
            claims: false,
            waited: false,
            abandoned: None,
            mark: 0,
            heard: now,
            orphaned: Vec::new(),
            breaches: Mutants::default(),
        }
    }

    /// Returns a step that claims, and settles decided jobs.
    pub(crate) fn claim(&mut self) -> Result<Step, Obstacle> {
        self.may_claim()?;
        self.may_settle()?;
        Ok(self.step(self.jobs.settlement(Record::Nothing), true))
    }

    /// Returns a wait for one job, once the server knows whose list it would go to, unless there is
    /// a job.
    pub(crate) fn wait(&mut self) -> Result<Step, Obstacle> {
        self.may_claim()?;
        match () {
            () if !self.known && !self.breaches.has(Breach::WaitsUnknown) => Err(Obstacle::Nothing),
            () if self.jobs.has_ready() => Err(Obstacle::Nothing),
            () if self.waited && !self.breaches.has(Breach::WaitsAgain) => Err(Obstacle::Nothing),
            () => {
                (self.claims, self.waited) = (true, true);
                Ok(Step { claims: true, waits: true, ..self.next_step() })
            }
        }
    }

    /// Returns a step that only settles, if there is something to settle, and records begun jobs.
    pub(crate) fn settle_now(&mut self) -> Result<Step, Obstacle> {
        self.may_settle()?;
        let settlement = self.jobs.settlement(Record::Begun).ok_or(Obstacle::Nothing)?;
        Ok(self.step(Some(settlement), false))
    }

    /// Returns whether a claim may be sent now.
    pub(crate) fn may_claim(&self) -> Result<(), Obstacle> {
        match () {
            () if self.in_doubt => Err(Obstacle::Doubt),
            () if self.claims && !self.breaches.has(Breach::ClaimsTwiceAtATime) => {
                Err(Obstacle::Busy)
            }
            () => Ok(()),
        }
    }

    /// Returns whether a step that settles may be sent now.
    pub(crate) fn may_settle(&self) -> Result<(), Obstacle> {
        match () {
            () if self.in_doubt && !self.breaches.has(Breach::SettlesInDoubt) => {
                Err(Obstacle::Doubt)
            }
            () if self.steps && !self.breaches.has(Breach::StepsTwiceAtATime) => {
                Err(Obstacle::Busy)
            }
            () => Ok(()),
        }
    }

    fn step(&mut self, settlement: Option<Settlement>, claims: bool) -> Step {
        self.steps = true;
        self.claims |= claims;
        Step { settlement, claims, ..self.next_step() }
    }

    /// The next step, without a settlement and a claim.
    fn next_step(&self) -> Step {
        Step {
            consumer: self.consumer.clone(),
            known: self.known.then_some(self.mark),
            held: self.jobs.len(),
            mark: self.mark % LAST_MARK + 1,
            settlement: None,
            claims: false,
            waits: false,
        }
    }

    /// Ends a step. Returns whether its claims count, if it was applied.
    pub(crate) fn finish(&mut self, step: &Step, outcome: Outcome, sent: Instant) -> bool {
        self.claims &= !step.claims;
        self.steps &= step.waits;
        if step.consumer != self.consumer {
            // The step may have brought a job after its list was examined.
            if step.waits && !self.breaches.has(Breach::ForgetsLateWaits) {
                self.orphaned.push(step.consumer.clone());
            }
            return false;
        }
        match outcome {
            Outcome::Unknown if self.breaches.has(Breach::KeepsItsId) => {}
            Outcome::Unknown => {
                self.in_doubt = true;
                self.wait_in_doubt |= step.waits;
                if !step.waits {
                    self.doubted = Some(step.clone());
                }
            }
            Outcome::NotSent => {}
            Outcome::Applied if step.waits => {}
            Outcome::Applied => {
                self.known = true;
                self.waited &= !step.claims;
                self.heard = self.heard.max(sent);
                self.apply(step);
            }
        }
        outcome == Outcome::Applied
    }

    /// Applies a step that the server has applied.
    fn apply(&mut self, step: &Step) {
        self.mark = step.mark;
        if let Some(settlement) = &step.settlement {
            self.jobs.apply(settlement);
        }
    }

    /// Takes the ids that are still to be reaped.
    pub(crate) fn orphaned(&mut self) -> Vec<ConsumerId> {
        std::mem::take(&mut self.orphaned)
    }

    /// The heartbeat of the consumer: its id, how long the oldest running job has run, and how long
    /// the oldest job that no handler has begun was held.
    pub(crate) fn pulse(&self, now: Instant) -> Option<(ConsumerId, [Option<Duration>; 2])> {
        let beats = self.known && !self.in_doubt;
        beats.then(|| (self.consumer.clone(), self.jobs.longest(now)))
    }

    /// Records that the server has renewed the lease.
    pub(crate) fn heard(&mut self, consumer: &ConsumerId, sent: Instant) {
        if *consumer == self.consumer {
            self.heard = self.heard.max(sent);
        }
    }

    /// How long the server may have gone without a heartbeat of the consumer.
    pub(crate) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }

    /// Closes the ledger: jobs that were not handed out go back.
    pub(crate) fn close(&mut self, now: Instant) {
        self.jobs.close(now);
    }

    /// The remaining work for a closed consumer.
    pub(crate) fn leave(&self) -> Leave {
        match () {
            () if !self.jobs.is_closing() || self.jobs.running() > 0 => Leave::NotYet,
            () if !self.is_idle() => Leave::NotYet,
            () if self.in_doubt || !self.jobs.is_empty() => Leave::AfterSettling,
            () if self.known => Leave::Now(self.consumer.clone()),
            () => Leave::Nothing,
        }
    }

    /// Records that the server has forgotten the consumer, as requested.
    pub(crate) fn left(&mut self, consumer: &ConsumerId) {
        if *consumer == self.consumer {
            self.leave_behind();
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
        !self.claims && !self.steps
    }
}

/// Replaces a settled job in the list. No other program can have pushed it.
pub(crate) fn tombstone(consumer: &ConsumerId) -> Vec<u8> {
    [b"\x1eq1;-", consumer.as_bytes()].concat()
}

/// Step numbers fit into the fraction of a time in milliseconds. A server that has received no step
/// reports zero.
const LAST_MARK: u16 = 2047;
