//! Reads that fill a cache, at most one of each key at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cache::{Cache, CachedEntry, ReadOutcome};
use super::key::EntryKey;
use super::shard::BegunRead;
use crate::time::Completion;

/// The role of a caller that missed.
pub(crate) enum FillRole<V: Send + Sync + 'static> {
    /// Ask the server, and cache nothing.
    Alone,
    /// Ask the server, for followers too.
    Leader(FillLeader<V>),
    /// Wait for the leader.
    Follower(Arc<Completion<ReadOutcome<V>>>),
}

impl<V: Send + Sync + 'static> Cache<V> {
    /// Begins to read a value that is not cached.
    pub(crate) fn begin(self: &Arc<Self>, key: EntryKey) -> FillRole<V> {
        if !self.is_connected() {
            return FillRole::Alone;
        }
        let token = 1 + self.last_token.fetch_add(1, Ordering::Relaxed);
        let completion = Arc::new(Completion::new());
        let mut shard = self.shard(&key);
        let epoch = self.epoch.load(Ordering::Acquire);
        match shard.begin(&key, token, epoch, completion.clone()) {
            BegunRead::Joins(completion) => FillRole::Follower(completion),
            BegunRead::Leads => {
                drop(shard);
                FillRole::Leader(FillLeader { cache: self.clone(), key, token, epoch, completion })
            }
        }
    }
}

/// The reader that asks the server for a key. Followers are released at the latest when it is
/// dropped.
pub(crate) struct FillLeader<V: Send + Sync + 'static> {
    cache: Arc<Cache<V>>,
    pub(crate) key: EntryKey,
    token: u64,
    epoch: u64,
    completion: Arc<Completion<ReadOutcome<V>>>,
}

impl<V: Send + Sync + 'static> FillLeader<V> {
    /// Completes the followers with `value`. Caches `kept`, if given, unless the key was
    /// invalidated meanwhile.
    pub(crate) fn complete(self, value: Option<Arc<V>>, kept: Option<CachedEntry<V>>) {
        if !self.end(kept) {
            self.cache.counts.refused.fetch_add(1, Ordering::Relaxed);
        }
        self.completion.complete(ReadOutcome::Found(value));
    }

    /// Ends the read. Returns whether the value is cached.
    fn end(&self, kept: Option<CachedEntry<V>>) -> bool {
        let kept = kept.map(|kept| CachedEntry { epoch: self.epoch, ..kept });
        let cache = &self.cache;
        let mut shard = cache.shard(&self.key);
        let epoch = cache.epoch.load(Ordering::Acquire);
        shard.end(&self.key, self.token, epoch, kept, &mut &cache.values)
    }
}

/// Releases the followers of a read that failed or was given up.
impl<V: Send + Sync + 'static> Drop for FillLeader<V> {
    fn drop(&mut self) {
        if !self.completion.is_complete() {
            self.end(None);
            self.completion.complete(ReadOutcome::Lost);
        }
    }
}
