//! What becomes of a ledger when it is not certain, or not true any more, what the list sessions.

use std::time::{Duration, Instant};

use super::jobs::Fate;
use super::mutant::Breach;
use super::steps::{Obstacle, Outcome, Recovery, Step};
use super::{Ledger, tombstone};
use crate::queue::keys::ConsumerId;

impl Ledger {
    /// The caller of a wait has dropped it. It is on its way until its outcome is reported.
    pub(crate) fn abandon(&mut self, wait: Step, now: Instant) {
        self.abandoned = Some((wait, now));
    }

    /// The outcome of an abandoned wait. Says whether what it has brought counts.
    pub(crate) fn reported(&mut self, wait: &Step, outcome: Outcome, sent: Instant) -> bool {
        let is_expected = self.abandoned.take_if(|(abandoned, _)| abandoned == wait).is_some();
        if is_expected || self.breaches.has(Breach::BelievesLateReports) {
            return self.finish(wait, outcome, sent);
        }
        // It may have brought something after its list was given to another id.
        self.orphaned.push(wait.consumer.clone());
        false
    }

    /// Waits no longer for a report that is late: the outcome is unknown.
    pub(crate) fn give_up(&mut self, now: Instant) {
        let is_late = |(_, since): &mut (Step, Instant)| now.duration_since(*since) >= FOR_A_REPORT;
        if let Some((wait, _)) = self.abandoned.take_if(is_late) {
            self.finish(&wait, Outcome::Unknown, now);
        }
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.is_some()
    }

    /// Takes the list of an id in doubt over, unless something is on its way.
    pub(crate) fn recover(&mut self) -> Result<Recovery, Obstacle> {
        let hurries = self.breaches.has(Breach::AdoptsWhileSomethingIsOnItsWay);
        match () {
            () if !self.in_doubt => Err(Obstacle::Nothing),
            () if !self.is_idle() && !hurries => Err(Obstacle::Busy),
            () => {
                (self.claims, self.steps) = (true, true);
                let mut former = self.former.clone();
                former.push(self.consumer.clone());
                // A step or an recovery that is late is refused where the server knew its consumer.
                let leaves = self.wait_in_doubt || !self.known;
                let leaves = leaves && !self.breaches.has(Breach::LeavesNothingBehind);
                Ok(Recovery { consumer: self.ids.next(), former, known: self.known, leaves })
            }
        }
    }

    /// An recovery failed. If it may have been applied, the next one has to look there too.
    pub(crate) fn not_recovered(&mut self, recovery: Recovery, outcome: Outcome) {
        (self.claims, self.steps) = (false, false);
        if outcome != Outcome::NotSent
            && recovery.former.last() == Some(&self.consumer)
            && !self.breaches.has(Breach::ForgetsFormerIds)
        {
            self.former = recovery.former;
            self.consumer = recovery.consumer;
        }
    }

    /// An recovery brought `items`. `mark` is the last step that was applied, or `None` if the server
    /// did not know the consumer.
    pub(crate) fn recovered(
        &mut self,
        recovery: Recovery,
        mark: Option<u16>,
        items: Vec<Vec<u8>>,
        sent: Instant,
    ) {
        (self.claims, self.steps) = (false, false);
        if self.known && mark.is_none() {
            // What a wait in doubt brings may come after the server has forgotten them all.
            self.orphaned.extend(recovery.former);
            return self.leave_behind();
        }
        (self.consumer, self.known) = (recovery.consumer, true);
        (self.in_doubt, self.wait_in_doubt, self.waited) = (false, false, false);
        self.former.clear();
        self.heard = sent;
        let mark = mark.unwrap_or_default();
        if let Some(step) = self.doubted.take().filter(|step| self.was_applied(step, mark)) {
            self.apply(&step);
        }
        let has_all = self.is_as(mark, items.len());
        self.mark = mark;
        let trusts = self.breaches.has(Breach::AdoptsWhateverThereIs);
        if (std::mem::take(&mut self.diverged) || !has_all) && !trusts {
            self.jobs.forget();
            let counts = self.breaches.has(Breach::CountsWhatComesBack);
            let fate = if counts { Fate::Back } else { Fate::Lost };
            return items.iter().for_each(|_| self.jobs.append_decided(fate.clone(), sent));
        }
        let tombstone = tombstone(&self.consumer);
        for item in items.into_iter().skip(self.jobs.len()) {
            match item == tombstone {
                true => self.jobs.append_decided(Fate::Unseen, sent),
                false => self.jobs.append(vec![item], sent),
            }
        }
    }

    /// Whether a list of some length may be the consumer's, after a step.
    pub(crate) fn is_as(&self, mark: u16, length: usize) -> bool {
        self.mark == mark && length >= self.jobs.len()
    }

    fn was_applied(&self, step: &Step, mark: u16) -> bool {
        let trusts = self.breaches.has(Breach::TrustsAnyMark);
        trusts || (mark == step.mark && !self.breaches.has(Breach::IgnoresTheMark))
    }

    /// The server has come back without its last writes, so that its list is not as the ledger is.
    pub(crate) fn diverged(&mut self, consumer: &ConsumerId) {
        if *consumer == self.consumer {
            self.former.push(std::mem::replace(&mut self.consumer, self.ids.next()));
            (self.in_doubt, self.diverged) = (true, true);
        }
    }

    /// The server does not know the consumer any more: others have got its jobs. If it is in doubt, that
    /// may be for its recovery.
    pub(crate) fn lost(&mut self, consumer: &ConsumerId) {
        if *consumer == self.consumer
            && !self.in_doubt
            && !self.breaches.has(Breach::GoesOnWhenLost)
        {
            self.orphaned.push(self.consumer.clone());
            self.leave_behind();
        }
    }

    pub(crate) fn leave_behind(&mut self) {
        self.consumer = self.ids.next();
        (self.known, self.in_doubt, self.diverged) = (false, false, false);
        self.wait_in_doubt = false;
        self.mark = 0;
        self.former.clear();
        self.doubted = None;
        self.jobs.forget();
    }
}

/// How long the report of an abandoned wait may take, during which its consumer cannot claim.
pub(crate) const FOR_A_REPORT: Duration = Duration::from_secs(1);
