//! What becomes of a ledger when it is not certain, or not true any more, what the list holds.

use std::time::Instant;

use super::super::keys::ConsumerId;
use super::{Adoption, Breach, Fate, Ledger, Obstacle, Outcome, Step, tombstone};

impl Ledger {
    /// Takes the list of an id in doubt over, unless something is on its way.
    pub(in crate::queue) fn adopt(&mut self) -> Result<Adoption, Obstacle> {
        let hurries = self.breaches.has(Breach::AdoptsWhileSomethingIsOnItsWay);
        match () {
            () if !self.in_doubt => Err(Obstacle::Nothing),
            () if !self.is_idle() && !hurries => Err(Obstacle::Busy),
            () => {
                (self.claims, self.steps) = (true, true);
                let mut former = self.former.clone();
                former.push(self.consumer.clone());
                Ok(Adoption { consumer: self.ids.next(), former, known: self.known })
            }
        }
    }

    /// An adoption failed. If it may have been applied, the next one has to look there too.
    pub(in crate::queue) fn not_adopted(&mut self, adoption: Adoption, outcome: Outcome) {
        (self.claims, self.steps) = (false, false);
        if outcome != Outcome::NotSent
            && adoption.former.last() == Some(&self.consumer)
            && !self.breaches.has(Breach::ForgetsFormerIds)
        {
            self.former = adoption.former;
            self.consumer = adoption.consumer;
        }
    }

    /// An adoption brought `items`. `mark` is the last step that was applied, or `None` if the server
    /// did not know the consumer.
    pub(in crate::queue) fn adopted(
        &mut self,
        adoption: Adoption,
        mark: Option<u16>,
        items: Vec<Vec<u8>>,
        sent: Instant,
    ) {
        (self.claims, self.steps) = (false, false);
        if self.known && mark.is_none() {
            return self.leave_behind();
        }
        (self.consumer, self.known) = (adoption.consumer, true);
        (self.in_doubt, self.waited) = (false, false);
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
            return items.iter().for_each(|_| self.jobs.append_decided(Fate::Back, sent));
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
    pub(in crate::queue) fn is_as(&self, mark: u16, length: usize) -> bool {
        self.mark == mark && length >= self.jobs.len()
    }

    fn was_applied(&self, step: &Step, mark: u16) -> bool {
        let trusts = self.breaches.has(Breach::TrustsAnyMark);
        trusts || (mark == step.mark && !self.breaches.has(Breach::IgnoresTheMark))
    }

    /// The server has come back without its last writes, so that its list is not as the ledger is.
    pub(in crate::queue) fn diverged(&mut self, consumer: &ConsumerId) {
        if *consumer == self.consumer {
            self.former.push(std::mem::replace(&mut self.consumer, self.ids.next()));
            (self.in_doubt, self.diverged) = (true, true);
        }
    }

    /// The server does not know the consumer any more: others have got its jobs. If it is in doubt, that
    /// may be for its adoption.
    pub(in crate::queue) fn lost(&mut self, consumer: &ConsumerId) {
        if *consumer == self.consumer
            && !self.in_doubt
            && !self.breaches.has(Breach::GoesOnWhenLost)
        {
            self.orphaned.push(self.consumer.clone());
            self.leave_behind();
        }
    }

    pub(super) fn leave_behind(&mut self) {
        self.consumer = self.ids.next();
        (self.known, self.in_doubt, self.diverged) = (false, false, false);
        self.mark = 0;
        self.former.clear();
        self.doubted = None;
        self.jobs.forget();
    }
}
