//! The rules for handing out jobs, and for recording their starts on the server before.
//!
//! A lost consumer loses its whole list, though only some of the jobs had begun, and at most a few
//! of them can have been the cause. A job counts as delivered only if the server knew that it had
//! begun. The server is notified of a job that runs for long. A job that a lost consumer once held
//! is recorded before it is handed out, so a job that crashes every program counts from the second
//! time on.
//!
//! Handlers that run at the same time are lost together. So a job that a loss would now bury runs
//! alone, as far as its consumer is affected.

use std::time::Instant;

use super::Ledger;
use super::jobs::Fate;
use super::jobs::{Jobs, Record};
use super::mutant::LedgerMutant;
use super::requests::{LedgerRequest, RequestBlocked};

impl Ledger {
    /// Returns a poll that records that some of the next `most` jobs are about to begin, if the
    /// server must know first.
    pub(crate) fn record(&mut self, most: usize) -> Result<LedgerRequest, RequestBlocked> {
        if self.jobs.unrecorded(most).next().is_none() {
            return Err(RequestBlocked::Nothing);
        }
        self.may_settle()?;
        let settlement = self.jobs.settlement(Record::Next(most)).ok_or(RequestBlocked::Nothing)?;
        Ok(self.poll(Some(settlement), false))
    }

    /// Takes the next job, which is running from now on, unless the server must know first.
    /// `begins` says whether a handler begins immediately, or will report it.
    pub(crate) fn take(&mut self, begins: bool, now: Instant) -> Option<(u64, Vec<u8>)> {
        let waits = self.jobs.unrecorded(1).next().is_some();
        if waits && !self.mutants.has(LedgerMutant::HandsOutWhatWasLostUnrecorded) {
            return None;
        }
        let ready = self.jobs.ready.pop_front()?;
        self.jobs.turn(ready.number, Fate::Running, now);
        if begins {
            self.jobs.begin(ready.number);
        }
        Some((ready.number, ready.item))
    }
}

impl Jobs {
    /// Records that a handler begins with a job.
    pub(crate) fn begin(&mut self, number: u64) {
        let index = self.position(number);
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
            entry.begun = true;
        }
    }

    /// Returns how many of the next jobs may be handed out together: at most `most`. Jobs that a
    /// lost consumer once held must be among the first `free`, which begin immediately. A job that
    /// a loss would bury is handed out alone, while no others are `running`.
    pub(crate) fn portion(
        &self,
        most: usize,
        (free, running): (usize, usize),
        max_deliveries: u32,
    ) -> usize {
        let is_last = |place: usize| self.is_last(place, max_deliveries);
        if is_last(0) {
            return usize::from(running == 0 && most > 0);
        }
        let may_follow = |place: &usize| {
            let was_lost = self.ready.get(*place).is_some_and(|ready| ready.was_lost);
            !is_last(*place) && (!was_lost || *place < free)
        };
        (0..self.ready.len().min(most)).take_while(may_follow).count()
    }

    /// Returns whether the next job would be buried if a consumer were lost while holding it once
    /// more.
    pub(crate) fn next_must_run_alone(&self, max_deliveries: u32) -> bool {
        self.is_last(0, max_deliveries)
    }

    /// Returns whether the job at this place among the next ones would be buried by one more loss.
    fn is_last(&self, place: usize, max_deliveries: u32) -> bool {
        let ready = self.ready.get(place).filter(|ready| ready.was_lost);
        ready.is_some_and(|ready| ready.deliveries.saturating_add(1) >= max_deliveries)
    }

    /// Those of the next `most` jobs that the server must know of before they begin.
    pub(crate) fn unrecorded(&self, most: usize) -> impl Iterator<Item = u64> {
        let lost = self.ready.iter().take(most).filter(|ready| ready.was_lost);
        let is_recorded = |number| {
            let entry = self.position(number).and_then(|index| self.entries.get(index));
            entry.is_some_and(|entry| entry.recorded)
        };
        lost.map(|ready| ready.number).filter(move |number| !is_recorded(*number))
    }
}
