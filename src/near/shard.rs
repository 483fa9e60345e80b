//! Which reads may fill the cache.
//!
//! A value may enter only if no change of its key became known since it was asked for.

use std::collections::BTreeMap;

use crate::mutants::Mutants;

/// What holds the values.
pub(crate) trait Store<K, V> {
    fn insert(&mut self, key: K, value: V);
    fn remove(&mut self, key: &K);
}

/// The reads that are under way, of a part of the keys. Whoever uses it with a store does so in one
/// step of a lock.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shard<K, W> {
    reads: BTreeMap<K, Read<W>>,
    pub(crate) breaches: Mutants<Breach>,
}

/// A read under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Read<W> {
    token: u64,
    epoch: u64,
    waiters: W,
}

/// What a reader is to do who has not found a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Begun<W> {
    /// Ask the server.
    Leads,
    /// Wait for the reader who asks.
    Joins(W),
}

/// What breaks its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Breach {
    /// A read is joined although everything may have changed since it was begun.
    JoinsAnotherEpoch,
    /// A value enters for which another read was begun later.
    LandsForAnother,
    /// A value enters although its key changed since it was asked for.
    LandsDirty,
    /// A change removes the value, but not the read under way.
    ForgetsReads,
    /// A read that may not enter leaves what others found.
    KeepsOlder,
}

impl<K: Ord + Clone, W: Clone> Shard<K, W> {
    pub(crate) fn new() -> Self {
        Self { reads: BTreeMap::new(), breaches: Mutants::default() }
    }

    /// Begins a read, unless one is under way that was begun in the same epoch.
    pub(crate) fn begin(&mut self, key: &K, token: u64, epoch: u64, waiters: W) -> Begun<W> {
        let joins_any = self.breaches.has(Breach::JoinsAnotherEpoch);
        match self.reads.get(key) {
            Some(read) if read.epoch == epoch || joins_any => Begun::Joins(read.waiters.clone()),
            _ => {
                self.reads.insert(key.clone(), Read { token, epoch, waiters });
                Begun::Leads
            }
        }
    }

    /// Ends a read. What it found, if it may be kept at all, enters the store if nothing became known
    /// meanwhile. Otherwise the store forgets the key: what it has may be older than what this
    /// reader is about to see. Says whether it entered.
    pub(crate) fn end<V>(
        &mut self,
        key: &K,
        token: u64,
        epoch: u64,
        found: Option<V>,
        store: &mut impl Store<K, V>,
    ) -> bool {
        let read = self.reads.get(key);
        let lands_any = self.breaches.has(Breach::LandsForAnother);
        let read = read.filter(|read| read.token == token || lands_any);
        let is_clean = match read {
            Some(read) => read.epoch == epoch,
            None => self.breaches.has(Breach::LandsDirty),
        };
        if let Some(found) = found.filter(|_| is_clean) {
            self.reads.remove(key);
            store.insert(key.clone(), found);
            return true;
        }
        if !self.breaches.has(Breach::KeepsOlder) {
            self.changed(key, store);
        }
        false
    }

    /// Takes in that a key changed or may have changed.
    pub(crate) fn changed<V>(&mut self, key: &K, store: &mut impl Store<K, V>) {
        if !self.breaches.has(Breach::ForgetsReads) {
            self.reads.remove(key);
        }
        store.remove(key);
    }

    /// Takes in that everything may have changed.
    pub(crate) fn clear(&mut self) {
        self.reads.clear();
    }
}
