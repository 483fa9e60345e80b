//! The jobs of a consumer's list and their fates.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::queue::item::Item;

/// The jobs that a consumer holds, in the order of its list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Jobs {
    pub(crate) entries: VecDeque<JobEntry>,
    pub(crate) ready: VecDeque<ReadyJob>,
    next: u64,
    closing: bool,
    /// The number of the first job since all jobs were last forgotten. Jobs with lower numbers were
    /// forgotten, not settled, unless they were settled before.
    first_kept: u64,
}

/// A job in the list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct JobEntry {
    pub(crate) number: u64,
    since: Instant,
    pub(crate) fate: Fate,
    /// Whether its handler has begun.
    pub(crate) begun: bool,
    /// Whether the server knows that it has begun, or is about to.
    pub(crate) recorded: bool,
}

/// A job that has not been handed out yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ReadyJob {
    pub(crate) number: u64,
    pub(crate) item: Vec<u8>,
    pub(crate) deliveries: u32,
    /// Whether a consumer was lost while it held this job.
    pub(crate) was_lost: bool,
}

/// The fate of a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    /// It has not been handed out yet.
    Ready,
    Running,
    Done,
    /// It failed, and is due again after some time.
    Retry(Duration, String),
    /// It goes to the dead-letter queue.
    Bury(String),
    /// It returns to the head of the queue, and counts as a failed delivery.
    GivenBack,
    /// It returns to the head of the queue without having begun, and counts as no delivery.
    Released,
    /// It returns to the head of the queue from a list that the ledger does not know. It counts as
    /// a failed delivery if the server knows that it had begun.
    Lost,
}

/// The part of a poll that settles jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Settlement {
    /// How many of the first entries are trimmed, and how many of them are done.
    pub(crate) trimmed: usize,
    pub(crate) done: usize,
    /// By index and number, in their order. For running jobs, the server records that they have
    /// begun.
    pub(crate) fates: Vec<(usize, u64, Fate)>,
}

/// Which jobs a poll records as begun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Record {
    Nothing,
    /// Those whose handlers have begun.
    Begun,
    /// Those of so many next jobs that a lost consumer once held.
    Next(usize),
}

impl Jobs {
    /// Appends claimed items.
    pub(crate) fn append(&mut self, items: Vec<Vec<u8>>, now: Instant) {
        for item in items {
            let number = self.push(if self.closing { Fate::Released } else { Fate::Ready }, now);
            if !self.closing {
                let parsed = Item::parse(&item);
                let (deliveries, was_lost) = (parsed.deliveries, parsed.was_lost());
                self.ready.push_back(ReadyJob { number, item, deliveries, was_lost });
            }
        }
    }

    /// Appends a job that is not to be handed out.
    pub(crate) fn append_decided(&mut self, fate: Fate, now: Instant) {
        self.push(fate, now);
    }

    fn push(&mut self, fate: Fate, since: Instant) -> u64 {
        let number = self.next;
        self.next += 1;
        self.entries.push_back(JobEntry { number, since, fate, begun: false, recorded: false });
        number
    }

    /// Decides the fate of a running job, and returns whether that can still be settled.
    pub(crate) fn decide(&mut self, number: u64, fate: Fate, now: Instant) -> bool {
        let entry = self.position(number).and_then(|index| self.entries.get(index));
        let runs = entry.is_some_and(|entry| entry.fate == Fate::Running);
        if runs {
            self.turn(number, fate, now);
        }
        runs
    }

    /// Gives back all running jobs, each of which counts as a failed delivery.
    pub(crate) fn give_back(&mut self, now: Instant) {
        let running = self.entries.iter_mut().filter(|entry| entry.fate == Fate::Running);
        running.for_each(|entry| (entry.fate, entry.since) = (Fate::GivenBack, now));
    }

    /// Changes the fate of a job, if it is still in the list.
    pub(crate) fn turn(&mut self, number: u64, fate: Fate, now: Instant) {
        let index = self.position(number);
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
            (entry.fate, entry.since) = (fate, now);
        }
    }

    /// Returns whether a job is in the list: it is neither settled nor forgotten.
    pub(crate) fn contains(&self, number: u64) -> bool {
        self.position(number).is_some()
    }

    /// The index of a job in the list.
    pub(crate) fn position(&self, number: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&number, |entry| entry.number).ok()
    }

    /// Returns whether a job that was held recently was forgotten before it was settled: all jobs
    /// were forgotten since it was claimed.
    pub(crate) fn was_forgotten(&self, number: u64) -> bool {
        number < self.first_kept
    }

    /// The number of running jobs.
    pub(crate) fn running(&self) -> usize {
        self.all_running().count()
    }

    /// How long the oldest running job has run, and how long the oldest job that no handler has
    /// begun was held.
    pub(crate) fn longest(&self, now: Instant) -> [Option<Duration>; 2] {
        let longest = |runs: bool| {
            let held = self.entries.iter().filter(|entry| !entry.fate.is_decided());
            held.filter(|entry| entry.begun == runs).map(|entry| entry.lasts(now)).max()
        };
        [longest(true), longest(false)]
    }

    fn all_running(&self) -> impl Iterator<Item = &JobEntry> {
        self.entries.iter().filter(|entry| entry.fate == Fate::Running)
    }

    /// How long something could have been settled, or recorded.
    pub(crate) fn settleable_for(&self, now: Instant) -> Option<Duration> {
        let settleable =
            self.entries.iter().filter(|entry| entry.fate.is_decided() || entry.is_unrecorded());
        settleable.map(|entry| entry.lasts(now)).max()
    }

    /// Returns whether any job is decided.
    #[cfg(test)]
    pub(crate) fn has_decided(&self) -> bool {
        self.entries.iter().any(|entry| entry.fate.is_decided())
    }

    /// Returns the decided jobs to settle, a limited number of them one by one.
    pub(crate) fn settlement(&self, record: Record) -> Option<Settlement> {
        let decided = || self.entries.iter().take_while(|entry| entry.fate.is_decided());
        let mut individual = decided().enumerate().filter(|(_, entry)| entry.fate.needs_settling());
        let trimmed =
            individual.nth(MAX_FATES).map_or_else(|| decided().count(), |(index, _)| index);
        let done = decided().take(trimmed).filter(|entry| entry.fate == Fate::Done).count();
        let next: Vec<u64> = match record {
            Record::Next(most) => self.unrecorded(most).collect(),
            Record::Nothing | Record::Begun => Vec::new(),
        };
        let is_recorded = |entry: &JobEntry| {
            (record == Record::Begun && entry.is_unrecorded()) || next.contains(&entry.number)
        };
        let fates = self.entries.iter().enumerate().filter_map(|(index, entry)| {
            let is_late = entry.fate == Fate::Done && index >= trimmed;
            let fate = if entry.fate.needs_settling() || is_late {
                entry.fate.clone()
            } else {
                is_recorded(entry).then_some(Fate::Running)?
            };
            Some((index, entry.number, fate))
        });
        let fates: Vec<_> = fates.take(MAX_FATES).collect();
        let settles = trimmed > 0 || !fates.is_empty();
        settles.then_some(Settlement { trimmed, done, fates })
    }

    /// Removes the settled jobs.
    pub(crate) fn apply(&mut self, settlement: &Settlement) {
        let mut fates = settlement.fates.iter().peekable();
        let mut left = settlement.trimmed;
        self.entries.retain_mut(|entry| {
            let fate = fates.next_if(|(_, number, _)| *number == entry.number);
            let is_recorded = fate.is_some_and(|(.., fate)| *fate == Fate::Running);
            entry.recorded |= is_recorded;
            let is_settled = fate.is_some() && !is_recorded;
            let is_trimmed = left > 0;
            left -= usize::from(is_trimmed);
            !is_settled && !is_trimmed
        });
    }

    /// Forgets all jobs, which now belong to others. Returns how many there were.
    pub(crate) fn forget(&mut self) -> usize {
        self.first_kept = self.next;
        self.ready.clear();
        std::mem::take(&mut self.entries).len()
    }

    /// Closes the list, and releases the jobs that were not handed out.
    pub(crate) fn close(&mut self, now: Instant) {
        self.closing = true;
        for ready in std::mem::take(&mut self.ready) {
            self.turn(ready.number, Fate::Released, now);
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns whether a job has not been handed out yet.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().map(|entry| entry.number)
    }
}

impl JobEntry {
    /// Returns whether the server must be notified that it has begun.
    fn is_unrecorded(&self) -> bool {
        self.fate == Fate::Running && self.begun && !self.recorded
    }

    /// How long the job has had its current fate.
    fn lasts(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

impl Fate {
    /// The same fate with a reason of bounded length.
    pub(crate) fn bounded(mut self) -> Self {
        if let Self::Retry(_, reason) | Self::Bury(reason) = &mut self
            && reason.len() > MAX_REASON_LENGTH
        {
            let end = (0..=MAX_REASON_LENGTH).rfind(|end| reason.is_char_boundary(*end));
            reason.truncate(end.unwrap_or_default());
            reason.push('…');
        }
        self
    }

    /// Returns whether the delivery failed.
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Fate::Retry(..) | Fate::Bury(_) | Fate::GivenBack)
    }

    fn is_decided(&self) -> bool {
        !matches!(self, Fate::Ready | Fate::Running)
    }

    /// Returns whether the server must do more than trim.
    fn needs_settling(&self) -> bool {
        self.is_decided() && *self != Fate::Done
    }
}

/// The maximum length in bytes of the reason why a job failed.
const MAX_REASON_LENGTH: usize = 4096;
/// The maximum number of jobs that a poll settles one by one.
const MAX_FATES: usize = 1000;
