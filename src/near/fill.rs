//! Reads that fill a cache, at most one of each key at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cache::{Cache, Kept, Key, Outcome};
use super::shard::Begun;
use crate::time::Completion;

/// What to do on a miss.
pub(crate) enum Role<V: Send + Sync + 'static> {
    /// Ask the server, and cache nothing.
    Alone,
    /// Ask the server, for followers too.
    Leader(Leader<V>),
    /// Wait for the leader.
    Follower(Arc<Completion<Outcome<V>>>),
}

impl<V: Send + Sync + 'static> Cache<V> {
    /// Begins to read a value that is not cached.
    pub(crate) fn begin(self: &Arc<Self>, key: Key) -> Role<V> {
        if !self.is_connected() {
            return Role::Alone;
        }
        let token = 1 + self.last_token.fetch_add(1, Ordering::Relaxed);
        let completion = Arc::new(Completion::new());
        let mut shard = self.shard(&key);
        let epoch = self.epoch.load(Ordering::Acquire);
        match shard.begin(&key, token, epoch, completion.clone()) {
            Begun::Joins(completion) => Role::Follower(completion),
            Begun::Leads => {
                drop(shard);
                Role::Leader(Leader {
                    cache: self.clone(),
                    key,
                    token,
                    epoch,
                    completion,
                    is_complete: false,
                })
            }
        }
    }
}

/// The reader that asks the server for a key. Followers are released at the latest when it is
/// dropped.
pub(crate) struct Leader<V: Send + Sync + 'static> {
    cache: Arc<Cache<V>>,
    pub(crate) key: Key,
    token: u64,
    epoch: u64,
    completion: Arc<Completion<Outcome<V>>>,
    is_complete: bool,
}

impl<V: Send + Sync + 'static> Leader<V> {
    /// Completes the followers with `value`. Caches `kept`, if given, unless the key was
    /// invalidated meanwhile.
    pub(crate) fn land(mut self, value: Option<Arc<V>>, kept: Option<Kept<V>>) {
        if !self.end(kept) {
            self.cache.counts.refused.fetch_add(1, Ordering::Relaxed);
        }
        self.completion.complete(Outcome::Found(value));
    }

    /// Ends the read. Returns whether the value is cached.
    fn end(&mut self, kept: Option<Kept<V>>) -> bool {
        self.is_complete = true;
        let kept = kept.map(|kept| Kept { epoch: self.epoch, ..kept });
        let cache = &self.cache;
        let mut shard = cache.shard(&self.key);
        let epoch = cache.epoch.load(Ordering::Acquire);
        shard.end(&self.key, self.token, epoch, kept, &mut &cache.values)
    }
}

/// Releases the followers of a read that failed or was given up.
impl<V: Send + Sync + 'static> Drop for Leader<V> {
    fn drop(&mut self) {
        if !self.is_complete {
            self.end(None);
            self.completion.complete(Outcome::Lost);
        }
    }
}
