//! The program that owns the cache: the shipped rules, combined as in `cache.rs`.

use super::CacheMutant;
use crate::mutants::Mutants;
use crate::near::lease::CacheLease;
use crate::near::shard::{BegunRead, Shard, Store};

/// A cache of one key, in steps as large as locks and atomics make them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CachingProgram {
    shard: Shard<(), u64>,
    pub(super) lease: CacheLease,
    kept: Option<ModelEntry>,
    epoch: u64,
    served_until: u64,
    certain_until: u64,
    last_token: u64,
    mutant: CacheMutant,
}

/// A value in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ModelEntry {
    pub(super) value: usize,
    epoch: u64,
}

/// The result of the first half of a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Glimpse {
    ServedUntil(u64),
    /// Of a mutant, which reads the value first.
    Kept(Option<(usize, u64)>),
}

/// The remaining steps of a change that affects everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Work {
    /// The lock of `reception` is held.
    Show,
    ClearReads,
    ClearValues,
}

/// How a reader gets its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum ReadTask {
    Asks,
    Leads { token: u64, epoch: u64 },
    Joins { token: u64 },
}

impl CachingProgram {
    pub(super) fn new(bound: u64, grace: u64, mutant: CacheMutant) -> Self {
        let (mut shard, mut lease) = (Shard::new(), CacheLease::new(bound, grace));
        match mutant {
            CacheMutant::Shard(mutant) => shard.mutants = Mutants::of(mutant),
            CacheMutant::Lease(mutant) => lease.mutants = Mutants::of(mutant),
            _ => {}
        }
        lease.connected(1, 0);
        let (epoch, served_until) = (lease.epoch(), lease.served_until());
        let certain_until = lease.certain_until();
        Self { shard, lease, kept: None, epoch, served_until, certain_until, last_token: 0, mutant }
    }

    /// The first half of a lookup.
    pub(super) fn glimpse(&self) -> Glimpse {
        match self.mutant {
            CacheMutant::ReadsTheValueFirst => {
                Glimpse::Kept(self.kept.map(|kept| (kept.value, kept.epoch)))
            }
            _ => Glimpse::ServedUntil(self.served_until),
        }
    }

    /// The second half of a lookup: the value, if it may be served.
    pub(super) fn lookup(&self, glimpse: Glimpse, now: u64) -> Option<usize> {
        let (kept, until) = match glimpse {
            Glimpse::ServedUntil(until) => (self.kept, until),
            Glimpse::Kept(kept) => {
                (kept.map(|(value, epoch)| ModelEntry { value, epoch }), self.served_until)
            }
        };
        let kept = kept.filter(|kept| self.is_of_this_epoch(kept) && now < until);
        kept.map(|kept| kept.value)
    }

    fn is_of_this_epoch(&self, kept: &ModelEntry) -> bool {
        kept.epoch == self.epoch || self.mutant == CacheMutant::ServesAnotherEpoch
    }

    /// Begins to read a value that is not cached.
    pub(super) fn begin(&mut self, now: u64) -> ReadTask {
        if now >= self.certain_until && self.mutant != CacheMutant::LeadsWhenUncertain {
            return ReadTask::Asks;
        }
        self.last_token += 1;
        let (token, epoch) = (self.last_token, self.epoch);
        match self.shard.begin(&(), token, epoch, token) {
            BegunRead::Leads => ReadTask::Leads { token, epoch },
            BegunRead::Joins(token) => ReadTask::Joins { token },
        }
    }

    /// Ends a read that found a value or failed. Returns whether the value entered the cache.
    pub(super) fn end(&mut self, task: ReadTask, found: Option<usize>) -> bool {
        match task {
            ReadTask::Leads { token, epoch } => {
                let kept = found.map(|value| ModelEntry { value, epoch });
                self.shard.end(&(), token, self.epoch, kept, &mut self.kept)
            }
            ReadTask::Asks
                if found.is_some() && self.mutant != CacheMutant::AsksAndForgetsNothing =>
            {
                self.changed();
                false
            }
            ReadTask::Asks | ReadTask::Joins { .. } => false,
        }
    }

    /// Invalidates the key.
    pub(super) fn changed(&mut self) {
        self.shard.changed(&(), &mut self.kept);
    }

    /// The first step of a change of the lease.
    pub(super) fn update(&mut self, change: impl FnOnce(&mut CacheLease)) {
        change(&mut self.lease);
        match self.mutant {
            CacheMutant::ShowsTheEpochLast => self.show_times(),
            _ => self.epoch = self.lease.epoch(),
        }
    }

    /// One more step. Returns the remaining ones.
    pub(super) fn work(&mut self, work: Work) -> Option<Work> {
        match work {
            Work::Show => {
                self.epoch = self.lease.epoch();
                self.show_times();
                Some(Work::ClearReads)
            }
            Work::ClearReads => {
                self.shard.clear();
                Some(Work::ClearValues)
            }
            Work::ClearValues => {
                self.kept = None;
                None
            }
        }
    }

    /// Publishes the lease's times.
    pub(super) fn show_times(&mut self) {
        self.served_until = self.lease.served_until();
        self.certain_until = self.lease.certain_until();
    }
}

impl Store<(), ModelEntry> for Option<ModelEntry> {
    fn insert(&mut self, (): (), kept: ModelEntry) {
        *self = Some(kept);
    }

    fn remove(&mut self, (): &()) {
        *self = None;
    }
}
