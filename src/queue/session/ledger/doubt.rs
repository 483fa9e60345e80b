//! The rules of a ledger that may differ, or is known to differ, from the list on the server.

use std::time::{Duration, Instant};

use super::jobs::Fate;
use super::mutant::LedgerMutant;
use super::requests::{LedgerRequest, Recovery, RequestBlocked, RequestOutcome};
use super::{Ledger, tombstone};
use crate::queue::keys::ConsumerId;

impl Ledger {
    /// Records that a wait was dropped by its caller. It is in flight until its outcome is
    /// reported.
    pub(crate) fn wait_dropped(&mut self, wait: LedgerRequest, now: Instant) {
        self.dropped_wait = Some((wait, now));
    }

    /// Records the outcome of a dropped wait. Returns whether the job that it brought counts.
    pub(crate) fn reported(
        &mut self,
        wait: &LedgerRequest,
        outcome: RequestOutcome,
        sent: Instant,
    ) -> bool {
        let is_expected = self.dropped_wait.take_if(|(dropped, _)| dropped == wait).is_some();
        if is_expected || self.mutants.has(LedgerMutant::BelievesLateReports) {
            return self.finish(wait, outcome, sent);
        }
        // The wait may have brought a job after its list was given to another id.
        self.retired.push(wait.consumer.clone());
        false
    }

    /// Stops waiting for a late report: the outcome is unknown.
    pub(crate) fn give_up(&mut self, now: Instant) {
        let is_late = |(_, since): &mut (LedgerRequest, Instant)| {
            now.duration_since(*since) >= REPORT_TIMEOUT
        };
        if let Some((wait, _)) = self.dropped_wait.take_if(is_late) {
            self.finish(&wait, RequestOutcome::Unknown, now);
        }
    }

    pub(crate) fn has_dropped_wait(&self) -> bool {
        self.dropped_wait.is_some()
    }

    /// Begins the takeover of the list of an id in doubt, unless a request is in flight.
    pub(crate) fn recover(&mut self) -> Result<Recovery, RequestBlocked> {
        let hurries = self.mutants.has(LedgerMutant::RecoversWhileARequestIsInFlight);
        if !self.in_doubt {
            return Err(RequestBlocked::Nothing);
        }
        if !self.is_idle() && !hurries {
            return Err(RequestBlocked::Busy);
        }
        (self.claims, self.polls) = (true, true);
        let mut former = self.former.clone();
        former.push(self.consumer.clone());
        // A late poll or recovery is refused if the server knew its consumer.
        let leaves = self.wait_in_doubt || !self.known;
        let leaves = leaves && !self.mutants.has(LedgerMutant::LeavesNothingBehind);
        Ok(Recovery { consumer: self.ids.next(), former, known: self.known, leaves })
    }

    /// Records that a recovery failed. If it may have been applied, the next one must examine its
    /// id too.
    pub(crate) fn not_recovered(&mut self, recovery: Recovery, outcome: RequestOutcome) {
        (self.claims, self.polls) = (false, false);
        if outcome != RequestOutcome::NotSent
            && recovery.former.last() == Some(&self.consumer)
            && !self.mutants.has(LedgerMutant::ForgetsFormerIds)
        {
            self.former = recovery.former;
            self.consumer = recovery.consumer;
        }
    }

    /// Records that a recovery brought `items`. `sequence` is that of the last applied poll,
    /// or `None` if the server did not know the consumer. Returns how many jobs were lost, if the
    /// lease was.
    pub(crate) fn recovered(
        &mut self,
        recovery: Recovery,
        sequence: Option<u16>,
        items: Vec<Vec<u8>>,
        sent: Instant,
    ) -> Option<usize> {
        (self.claims, self.polls) = (false, false);
        if self.known && sequence.is_none() {
            // A job from a wait in doubt may arrive after the server has forgotten them all.
            self.retired.extend(recovery.former);
            return Some(self.start_over());
        }
        let was_known = self.known;
        (self.consumer, self.known) = (recovery.consumer, true);
        (self.in_doubt, self.wait_in_doubt, self.waited) = (false, false, false);
        self.former.clear();
        self.renewed = sent;
        let sequence = sequence.unwrap_or_default();
        if let Some(poll) = self.doubted.take().filter(|poll| self.was_applied(poll, sequence)) {
            self.apply(&poll);
        }
        let has_all = self.is_as(sequence, items.len());
        self.sequence = sequence;
        let trusts = self.mutants.has(LedgerMutant::RecoversWhateverThereIs);
        if (std::mem::take(&mut self.diverged) || !has_all) && !trusts {
            let lost = self.jobs.forget();
            let counts = self.mutants.has(LedgerMutant::CountsWhatComesBack);
            let fate = if counts { Fate::GivenBack } else { Fate::Lost };
            items.iter().for_each(|_| self.jobs.append_decided(fate.clone(), sent));
            return (was_known || lost > 0).then_some(lost);
        }
        let tombstone = tombstone(&self.consumer);
        for item in items.into_iter().skip(self.jobs.len()) {
            if item == tombstone {
                self.jobs.append_decided(Fate::Released, sent)
            } else {
                self.jobs.append(vec![item], sent)
            }
        }
        None
    }

    /// Returns whether a list of some length may be the consumer's, after a poll.
    pub(crate) fn is_as(&self, sequence: u16, length: usize) -> bool {
        self.sequence == sequence && length >= self.jobs.len()
    }

    /// Returns whether a poll in doubt was applied, by the server's sequence number.
    fn was_applied(&self, poll: &LedgerRequest, sequence: u16) -> bool {
        let trusts = self.mutants.has(LedgerMutant::TrustsAnySequence);
        trusts || (sequence == poll.sequence && !self.mutants.has(LedgerMutant::IgnoresTheSequence))
    }

    /// Records that the server has come back without its last writes, so that its list differs from
    /// the ledger.
    pub(crate) fn diverged(&mut self, consumer: &ConsumerId) {
        if *consumer == self.consumer {
            self.former.push(std::mem::replace(&mut self.consumer, self.ids.next()));
            (self.in_doubt, self.diverged) = (true, true);
        }
    }

    /// Records that the server does not know the consumer any more: others have got its jobs. If
    /// the ledger is in doubt, the cause may be its own recovery. Returns how many jobs were lost, if
    /// the lease was.
    pub(crate) fn lost(&mut self, consumer: &ConsumerId) -> Option<usize> {
        if *consumer == self.consumer
            && !self.in_doubt
            && !self.mutants.has(LedgerMutant::GoesOnWhenLost)
        {
            self.retired.push(self.consumer.clone());
            return Some(self.start_over());
        }
        None
    }

    /// Starts over with a new id and no jobs. Returns how many there were.
    pub(crate) fn start_over(&mut self) -> usize {
        self.consumer = self.ids.next();
        (self.known, self.in_doubt, self.diverged) = (false, false, false);
        self.wait_in_doubt = false;
        self.sequence = 0;
        self.former.clear();
        self.doubted = None;
        self.jobs.forget()
    }
}

/// How long the report of a dropped wait may take. Until then its consumer cannot claim.
pub(crate) const REPORT_TIMEOUT: Duration = Duration::from_secs(1);
