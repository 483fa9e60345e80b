//! The rules for which reads may fill the cache.
//!
//! A value may enter only if no change of its key became known since it was asked for.

use std::collections::BTreeMap;

use crate::mutants::Mutants;

/// The storage of the values.
pub(crate) trait Store<K, V> {
    fn insert(&mut self, key: K, value: V);
    fn remove(&mut self, key: &K);
}

/// The reads in flight, for a part of the keys. It must be used together with its store in one
/// critical section.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shard<K, W> {
    reads: BTreeMap<K, InFlightRead<W>>,
    pub(crate) mutants: Mutants<ShardMutant>,
}

/// A read in flight.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct InFlightRead<W> {
    token: u64,
    epoch: u64,
    waiters: W,
}

/// The role of a caller that missed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum BegunRead<W> {
    /// Ask the server.
    Leads,
    /// Wait for the leader.
    Joins(W),
}

/// Mutants, each of which breaks one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ShardMutant {
    /// Joins a read although everything may have changed since it was begun.
    JoinsAnotherEpoch,
    /// Lets a value enter although another read was begun later.
    EntersForAnother,
    /// Lets a value enter although its key changed since it was asked for.
    EntersDirty,
    /// Removes the value on a change, but not the read in flight.
    ForgetsReads,
    /// Leaves the cached value in place when a read may not enter.
    KeepsOlder,
}

impl<K: Ord + Clone, W: Clone> Shard<K, W> {
    pub(crate) fn new() -> Self {
        Self { reads: BTreeMap::new(), mutants: Mutants::default() }
    }

    /// Begins a read, unless one that was begun in the same epoch is in flight.
    pub(crate) fn begin(&mut self, key: &K, token: u64, epoch: u64, waiters: W) -> BegunRead<W> {
        let joins_any = self.mutants.has(ShardMutant::JoinsAnotherEpoch);
        match self.reads.get(key) {
            Some(read) if read.epoch == epoch || joins_any => {
                BegunRead::Joins(read.waiters.clone())
            }
            _ => {
                self.reads.insert(key.clone(), InFlightRead { token, epoch, waiters });
                BegunRead::Leads
            }
        }
    }

    /// Ends a read. A value that may be cached at all enters the store if the key was not
    /// invalidated meanwhile. Otherwise the store removes the key: its value may be older than the
    /// one that this reader is about to see. Returns whether the value entered.
    pub(crate) fn end<V>(
        &mut self,
        key: &K,
        token: u64,
        epoch: u64,
        found: Option<V>,
        store: &mut impl Store<K, V>,
    ) -> bool {
        let read = self.reads.get(key);
        let enters_any = self.mutants.has(ShardMutant::EntersForAnother);
        let read = read.filter(|read| read.token == token || enters_any);
        let is_clean = match read {
            Some(read) => read.epoch == epoch,
            None => self.mutants.has(ShardMutant::EntersDirty),
        };
        if let Some(found) = found.filter(|_| is_clean) {
            self.reads.remove(key);
            store.insert(key.clone(), found);
            return true;
        }
        if !self.mutants.has(ShardMutant::KeepsOlder) {
            self.changed(key, store);
        }
        false
    }

    /// Records that a key changed or may have changed.
    pub(crate) fn changed<V>(&mut self, key: &K, store: &mut impl Store<K, V>) {
        if !self.mutants.has(ShardMutant::ForgetsReads) {
            self.reads.remove(key);
        }
        store.remove(key);
    }

    /// Records that everything may have changed.
    pub(crate) fn clear(&mut self) {
        self.reads.clear();
    }
}
