//! Reads that fill a cache.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cache::{Cache, Kept, Key, Outcome};
use super::shard::Begun;
use crate::time::Completion;

/// What a reader is to do who has not found a value.
pub(crate) enum Role<V: Send + Sync + 'static> {
    /// Ask the server, and keep nothing.
    Alone,
    /// Ask the server, for others too.
    Leader(Leader<V>),
    /// Wait for another reader.
    Follower(Arc<Completion<Outcome<V>>>),
}

impl<V: Send + Sync + 'static> Cache<V> {
    /// Begins to read a value that is not kept.
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

/// The one who asks the server for a key.
pub(crate) struct Leader<V: Send + Sync + 'static> {
    cache: Arc<Cache<V>>,
    pub(crate) key: Key,
    token: u64,
    epoch: u64,
    completion: Arc<Completion<Outcome<V>>>,
    is_complete: bool,
}

impl<V: Send + Sync + 'static> Leader<V> {
    /// Gives what was found to those who wait, and keeps it if it may be kept and nothing became known
    /// meanwhile.
    pub(crate) fn land(mut self, value: Option<Arc<V>>, kept: Option<Kept<V>>) {
        if !self.end(kept) {
            self.cache.counts.refused.fetch_add(1, Ordering::Relaxed);
        }
        self.completion.complete(Outcome::Found(value));
    }

    /// Says whether it is kept.
    fn end(&mut self, kept: Option<Kept<V>>) -> bool {
        self.is_complete = true;
        let kept = kept.map(|kept| Kept { epoch: self.epoch, ..kept });
        let cache = &self.cache;
        let mut shard = cache.shard(&self.key);
        let epoch = cache.epoch.load(Ordering::Acquire);
        shard.end(&self.key, self.token, epoch, kept, &mut &cache.values)
    }
}

/// A read that failed or was given up keeps nobody waiting.
impl<V: Send + Sync + 'static> Drop for Leader<V> {
    fn drop(&mut self) {
        if !self.is_complete {
            self.end(None);
            self.completion.complete(Outcome::Lost);
        }
    }
}
