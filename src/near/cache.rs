use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use super::key::{CacheKey, EntryKey, KeyRef};
use super::lease::CacheLease;
use super::shard::{Shard, Store};
use super::stats::NearCacheStats;
use super::striped_counter::StripedCounter;
use crate::listen::FeedInfo;
use crate::lock::Lock;
use crate::time::Completion;
use crate::time::clock;
use crate::topology::Topology;

/// The limits of a cache.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    pub(crate) capacity: Capacity,
    /// The maximum time that a value is kept.
    pub(crate) time_to_live: Duration,
    /// The maximum staleness of a served value.
    pub(crate) staleness: Duration,
    /// Its maximum staleness while the cache is disconnected.
    pub(crate) grace: Duration,
}

/// The limit of a cache: a number of entries or of bytes.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub(crate) enum Capacity {
    Entries(u64),
    Bytes(u64),
}

/// The cached values, each served only while it is known to match the server.
pub(crate) struct Cache<V> {
    pub(super) values: ValueStore<V>,
    shards: Box<[Lock<Reads<V>>]>,
    hasher: RandomState,
    reception: Lock<Reception>,
    /// Copies of the lease's times in `reception`, for readers that take no lock.
    pub(super) epoch: AtomicU64,
    served_until: AtomicU64,
    certain_until: AtomicU64,
    /// Whether changes by programs that publish none stay undetected.
    is_blind: AtomicBool,
    pub(super) last_token: AtomicU64,
    bounds: Bounds,
    hits: StripedCounter,
    pub(super) counts: CacheCounters,
}

/// The outcome of a read.
pub(crate) enum ReadOutcome<V> {
    /// The value, or `None` if there is none.
    Found(Option<Arc<V>>),
    /// It failed or was given up.
    Lost,
}

impl<V> Clone for ReadOutcome<V> {
    fn clone(&self) -> Self {
        match self {
            ReadOutcome::Found(found) => ReadOutcome::Found(found.clone()),
            ReadOutcome::Lost => ReadOutcome::Lost,
        }
    }
}

/// The concurrent cache of the values.
type ValueStore<V> = quick_cache::sync::Cache<CacheKey, CachedEntry<V>, Weigh>;
/// The reads in flight of one shard of the keys.
type Reads<V> = Shard<EntryKey, Arc<Completion<ReadOutcome<V>>>>;

/// How far the cache has received changes, and from which servers.
struct Reception {
    lease: CacheLease,
    topology: Option<Arc<Topology>>,
    channel: Option<Arc<[u8]>>,
}

/// The counters of a cache that are not frequent enough for stripes.
#[derive(Default)]
pub(super) struct CacheCounters {
    pub(super) misses: AtomicU64,
    pub(super) joined: AtomicU64,
    pub(super) refused: AtomicU64,
    invalidations: AtomicU64,
    gaps: AtomicU64,
    lag: AtomicU64,
}

/// A cached value, or `None` if there is none.
pub(crate) struct CachedEntry<V> {
    pub(crate) value: Option<Arc<V>>,
    pub(crate) until: u64,
    /// When the server removes it, if ever.
    pub(super) expires: Option<u64>,
    pub(crate) size: u64,
    pub(super) epoch: u64,
}

impl<V> Clone for CachedEntry<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), ..*self }
    }
}

impl<V: Send + Sync + 'static> Cache<V> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let (weigh, capacity) = match bounds.capacity {
            Capacity::Entries(entries) => (Weigh::Entries, entries),
            Capacity::Bytes(bytes) => (Weigh::Bytes, bytes),
        };
        let typical = match bounds.capacity {
            Capacity::Entries(entries) => entries,
            Capacity::Bytes(bytes) => bytes / TYPICAL_SIZE,
        };
        let typical = usize::try_from(typical).unwrap_or(usize::MAX).clamp(1, MAX_PREPARED);
        let lease = CacheLease::new(milliseconds(bounds.staleness), milliseconds(bounds.grace));
        Self {
            values: ValueStore::with_weighter(typical, capacity, weigh),
            shards: (0..SHARDS).map(|_| Lock::new(Shard::new())).collect(),
            hasher: RandomState::new(),
            reception: Lock::new(Reception { lease, topology: None, channel: None }),
            epoch: AtomicU64::new(0),
            served_until: AtomicU64::new(0),
            certain_until: AtomicU64::new(0),
            is_blind: AtomicBool::new(false),
            last_token: AtomicU64::new(0),
            bounds,
            hits: StripedCounter::default(),
            counts: CacheCounters::default(),
        }
    }

    /// The cached value of `key`, if it may be served.
    #[inline]
    pub(crate) fn lookup(&self, key: KeyRef<'_>) -> Option<Option<Arc<V>>> {
        // The time must be read first: otherwise an invalidation could remove the value, and extend
        // the time, after the value was looked up.
        let served_until = self.served_until.load(Ordering::Acquire);
        let mut kept = self.values.get(&key);
        let kept = kept.as_mut()?;
        self.is_served(kept, served_until).then(|| {
            self.hits.raise();
            // The rest need not be moved.
            kept.value.take()
        })
    }

    /// The cached values of all keys that may be served.
    pub(crate) fn all(&self) -> Vec<(EntryKey, Option<Arc<V>>)> {
        let served_until = self.served_until.load(Ordering::Acquire);
        let kept = self.values.iter().filter(|(_, kept)| self.is_served(kept, served_until));
        kept.map(|(key, kept)| (key.into(), kept.value)).collect()
    }

    /// Returns whether a value may be served that was looked up after `served_until` was read.
    fn is_served(&self, kept: &CachedEntry<V>, served_until: u64) -> bool {
        let now = clock::now();
        kept.epoch == self.epoch.load(Ordering::Acquire) && now < kept.until && now < served_until
    }

    /// The number of milliseconds until the server removes the cached value of `key`, if one is
    /// cached and expires.
    pub(crate) fn left(&self, key: &[u8]) -> Option<u64> {
        let expires = self.values.peek(&KeyRef::bytes(key))?.expires?;
        Some(expires.saturating_sub(clock::now()))
    }

    /// Returns whether the cache knows of all changes that it can receive, up to its bound.
    pub(crate) fn is_connected(&self) -> bool {
        clock::now() < self.certain_until.load(Ordering::Acquire)
    }

    /// Returns whether it can receive the changes of every program.
    pub(crate) fn sees_foreign_writes(&self) -> bool {
        !self.is_blind.load(Ordering::Acquire)
    }

    /// The servers whose changes are received.
    pub(crate) fn topology(&self) -> Option<Arc<Topology>> {
        self.reception().topology.clone()
    }

    /// A channel with a subscriber on the server whose changes are received, and on no other.
    pub(crate) fn channel(&self) -> Option<Arc<[u8]>> {
        self.reception().channel.clone()
    }

    /// Invalidates a key that changed.
    pub(crate) fn changed(&self, key: &[u8]) {
        self.forget(&EntryKey::from(key));
        self.counts.invalidations.fetch_add(1, Ordering::Relaxed);
    }

    /// Invalidates `key`: a caller is about to see a value newer than the cached one, or than a
    /// read in flight may return.
    pub(crate) fn forget(&self, key: &EntryKey) {
        self.shard(key).changed(key, &mut &self.values);
    }

    /// Invalidates everything.
    pub(crate) fn cleared(&self) {
        self.update(|reception| reception.lease.cleared());
        self.forget_all();
    }

    /// Starts a new epoch, empty, with the servers of a new session.
    pub(crate) fn connected(&self, session: u64, info: FeedInfo, watermark: u64) {
        self.is_blind.store(info.is_blind, Ordering::Release);
        self.update(|reception| {
            reception.lease.connected(session, watermark);
            reception.topology = Some(info.topology);
            reception.channel = info.channel.map(Arc::from);
        });
        self.forget_all();
    }

    /// Raises the watermark of the session.
    pub(crate) fn raise_watermark(&self, session: u64, watermark: u64, lag: Duration) {
        self.update(|reception| reception.lease.raise_watermark(session, watermark));
        let lag = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        self.counts.lag.store(lag, Ordering::Relaxed);
    }

    /// Records that changes may be missed from now on. Returns whether that is new.
    pub(crate) fn disconnected(&self, session: u64) -> bool {
        let mut is_new = false;
        self.update(|reception| is_new = reception.lease.disconnected(session));
        if is_new {
            self.counts.gaps.fetch_add(1, Ordering::Relaxed);
        }
        is_new
    }

    /// Prepares a value for the cache: it was found by a read sent at `sent` and lives for
    /// `time_to_live` milliseconds, or for ever.
    pub(crate) fn kept(
        &self,
        value: Option<Arc<V>>,
        size: usize,
        sent: u64,
        time_to_live: Option<u64>,
    ) -> CachedEntry<V> {
        let longest = clock::now().saturating_add(milliseconds(self.bounds.time_to_live));
        let expires = time_to_live.map(|time| sent.saturating_add(time));
        let until = expires.map_or(longest, |expires| longest.min(expires));
        let until = until.saturating_sub(clock::LAG);
        CachedEntry { value, until, expires, size: size as u64, epoch: 0 }
    }

    pub(crate) fn stats(&self) -> NearCacheStats {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        NearCacheStats {
            hits: self.hits.count(),
            misses: load(&self.counts.misses),
            joined: load(&self.counts.joined),
            refused: load(&self.counts.refused),
            invalidations: load(&self.counts.invalidations),
            gaps: load(&self.counts.gaps),
            lag: Duration::from_micros(load(&self.counts.lag)),
            entries: self.values.len(),
            is_certain: self.is_connected() && self.sees_foreign_writes(),
        }
    }

    pub(super) fn counts(&self) -> &CacheCounters {
        &self.counts
    }

    /// Changes `reception`, and publishes its times to readers.
    fn update(&self, change: impl FnOnce(&mut Reception)) {
        let mut reception = self.reception();
        change(&mut reception);
        let lease = &reception.lease;
        self.epoch.store(lease.epoch(), Ordering::Release);
        let until = lease.served_until().saturating_sub(clock::LAG);
        self.served_until.store(until, Ordering::Release);
        let until = lease.certain_until().saturating_sub(clock::LAG);
        self.certain_until.store(until, Ordering::Release);
    }

    /// Values of another epoch are never served; removing them frees their memory.
    fn forget_all(&self) {
        for shard in &self.shards {
            shard.lock().clear();
        }
        self.values.clear();
    }

    fn reception(&self) -> MutexGuard<'_, Reception> {
        self.reception.lock()
    }

    /// The reads in flight of the shard of `key`.
    pub(super) fn shard(&self, key: &EntryKey) -> MutexGuard<'_, Reads<V>> {
        let shard = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[shard].lock()
    }
}

impl<V> Store<EntryKey, CachedEntry<V>> for &ValueStore<V> {
    fn insert(&mut self, key: EntryKey, value: CachedEntry<V>) {
        ValueStore::insert(self, key.into(), value);
    }

    fn remove(&mut self, key: &EntryKey) {
        ValueStore::remove(self, &KeyRef::bytes(key));
    }
}

/// The weight of an entry: one, or its approximate size.
#[derive(Clone)]
pub(super) enum Weigh {
    Entries,
    Bytes,
}

impl<V> quick_cache::Weighter<CacheKey, CachedEntry<V>> for Weigh {
    fn weight(&self, key: &CacheKey, kept: &CachedEntry<V>) -> u64 {
        match self {
            Weigh::Entries => 1,
            Weigh::Bytes => key.size() + kept.size + OVERHEAD,
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).min(u64::MAX / 4)
}

const SHARDS: usize = 64;

/// The approximate overhead of an entry, besides its key and value.
const OVERHEAD: u64 = 100;
const TYPICAL_SIZE: u64 = 300;
const MAX_PREPARED: usize = 100_000;
