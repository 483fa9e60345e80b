//! Reads that fill a cache.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cache::{Cache, Kept, Key, Outcome};
use super::shard::Begun;
use crate::time::Landing;

/// What a reader is to do who has not found a value.
pub(crate) enum Start<V: Send + Sync + 'static> {
    /// Ask the server, and keep nothing.
    Asks,
    /// Ask the server, for others too.
    Leads(Lead<V>),
    /// Wait for another reader.
    Joins(Arc<Landing<Outcome<V>>>),
}

impl<V: Send + Sync + 'static> Cache<V> {
    /// Begins to read a value that is not kept.
    pub(crate) fn begin(self: &Arc<Self>, key: Key) -> Start<V> {
        if !self.is_connected() {
            return Start::Asks;
        }
        let token = 1 + self.last_token.fetch_add(1, Ordering::Relaxed);
        let landing = Arc::new(Landing::new());
        let mut shard = self.shard(&key);
        let epoch = self.epoch.load(Ordering::Acquire);
        match shard.begin(&key, token, epoch, landing.clone()) {
            Begun::Joins(landing) => Start::Joins(landing),
            Begun::Leads => {
                drop(shard);
                Start::Leads(Lead {
                    cache: self.clone(),
                    key,
                    token,
                    epoch,
                    landing,
                    has_landed: false,
                })
            }
        }
    }
}

/// The one who asks the server for a key.
pub(crate) struct Lead<V: Send + Sync + 'static> {
    cache: Arc<Cache<V>>,
    pub(crate) key: Key,
    token: u64,
    epoch: u64,
    landing: Arc<Landing<Outcome<V>>>,
    has_landed: bool,
}

impl<V: Send + Sync + 'static> Lead<V> {
    /// Gives what was found to those who wait, and keeps it if it may be kept and nothing became known
    /// meanwhile.
    pub(crate) fn land(mut self, value: Option<Arc<V>>, kept: Option<Kept<V>>) {
        if !self.end(kept) {
            self.cache.counts.refused.fetch_add(1, Ordering::Relaxed);
        }
        self.landing.tell(Outcome::Found(value));
    }

    /// Says whether it is kept.
    fn end(&mut self, kept: Option<Kept<V>>) -> bool {
        self.has_landed = true;
        let kept = kept.map(|kept| Kept { epoch: self.epoch, ..kept });
        let cache = &self.cache;
        let mut shard = cache.shard(&self.key);
        let epoch = cache.epoch.load(Ordering::Acquire);
        shard.end(&self.key, self.token, epoch, kept, &mut &cache.values)
    }
}

/// A read that failed or was given up keeps nobody waiting.
impl<V: Send + Sync + 'static> Drop for Lead<V> {
    fn drop(&mut self) {
        if !self.has_landed {
            self.end(None);
            self.landing.tell(Outcome::Lost);
        }
    }
}
