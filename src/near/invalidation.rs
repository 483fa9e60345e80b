//! The invalidations of a near cache: by the servers, and by the writes of its own program.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use super::cache::Cache;
use super::source::{Affected, EntrySource};
use crate::client::WriteObserver;
use crate::connection::Push;
use crate::episode::Episode;
use crate::events::{ChangeEvent, Interpreter};
use crate::listen::{FeedHandler, FeedInfo};
use crate::lock::Lock;
use crate::logs;
use crate::request::Request;

/// Invalidates entries that the servers report as changed.
pub(crate) struct ServerChanges<S, V> {
    pub(crate) cache: Arc<Cache<V>>,
    pub(crate) source: Arc<S>,
    /// Translates the messages of writers.
    pub(crate) interpreter: Lock<Interpreter>,
    /// The channel that asks all caches to start empty.
    pub(crate) forget: Vec<u8>,
    /// Whether the cache is disconnected.
    pub(crate) outage: Episode,
    /// The name of the cache in statistics and in logs.
    pub(crate) name: String,
}

impl<S, V> ServerChanges<S, V> {
    fn interpreter(&self) -> MutexGuard<'_, Interpreter> {
        self.interpreter.lock()
    }
}

impl<S: EntrySource, V: Send + Sync + 'static> FeedHandler for ServerChanges<S, V> {
    fn on_push(&self, server: usize, push: Push<'_>) {
        match push {
            Push::Changed(key) => forget(&self.cache, self.source.affected(key)),
            Push::Flushed => self.cache.cleared(),
            Push::Message { channel, .. } if *channel == *self.forget => self.cache.cleared(),
            Push::Message { channel, payload } => {
                // Before the cache is connected there is nothing to invalidate.
                let Some(topology) = self.cache.topology() else { return };
                let mut apply =
                    |event: ChangeEvent<'_>| forget(&self.cache, self.source.affected_by(event));
                self.interpreter().translate((server, &topology), (channel, payload), &mut apply);
            }
            Push::Role { .. } | Push::Ended => {}
        }
    }

    fn on_connected(&self, session: u64, info: FeedInfo, watermark: u64) {
        self.interpreter().restart(info.reports_keys);
        self.cache.connected(session, info, watermark);
        if let Some(outage) = self.outage.ends() {
            logs::near_cache_restored(&self.name, outage);
        }
    }

    fn on_watermark(&self, session: u64, watermark: u64, lag: Duration) {
        self.cache.raise_watermark(session, watermark, lag);
    }

    fn on_disconnected(&self, session: u64) {
        if self.cache.disconnected(session) && self.outage.begins() {
            logs::near_cache_disconnected(&self.name);
        }
        #[cfg(feature = "metrics")]
        self.on_tick();
    }

    #[cfg(feature = "metrics")]
    fn on_tick(&self) {
        super::report::report(&self.name, &self.cache.stats());
    }
}

/// Invalidates entries that the program itself wrote, so that it never reads older values
/// afterwards.
pub(crate) struct OwnWrites<S, V> {
    pub(crate) cache: Arc<Cache<V>>,
    pub(crate) source: Arc<S>,
}

impl<S: EntrySource, V: Send + Sync + 'static> WriteObserver for OwnWrites<S, V> {
    fn on_write(&self, write: &Request) {
        self.source.written(write).into_iter().for_each(|affected| forget(&self.cache, affected));
    }
}

/// Applies a change to the cache.
fn forget<V: Send + Sync + 'static>(cache: &Cache<V>, affected: Affected<'_>) {
    match affected {
        Affected::Nothing => {}
        Affected::Entry(key) => cache.changed(key),
        Affected::All => cache.cleared(),
    }
}
