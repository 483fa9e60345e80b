//! The state of a cache that its clones share, and its lookups without loading.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::commands::{Commands, LookupFields, Mode, StoredEntry};
use super::entry_location::{EntryIds, EntryLocation};
use super::lookup::Lookup;
use super::nesting::CacheId;
use super::single_flight::SingleFlight;
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::episode::Episode;
use crate::error::{Attempt, Error, Result};
use crate::keys::name_of;
use crate::limits::ENTRIES_PER_COMMAND;
use crate::logs;
use crate::read_through::freshness::{Age, Freshness};
use crate::read_through::loader::Loaders;
use crate::read_through::policy::CachePolicy;
use crate::read_through::stats::{ReadThroughCounters, raise, raise_by};

/// A value, or its absence.
pub(crate) type SharedValue<V> = Option<Arc<<V as Codec>::Owned>>;

/// The state of a cache that its clones share.
pub(crate) struct Engine<I: EntryIds, V: Codec<Owned: Sync>, E: RoundTrips, A> {
    pub(crate) executor: E,
    pub(crate) prefix: Vec<u8>,
    pub(crate) policy: CachePolicy,
    pub(crate) freshness: Freshness,
    pub(crate) commands: Commands,
    pub(crate) loaders: Loaders<I::Owned, V::Owned, A>,
    pub(crate) flights: Arc<SingleFlight<V::Owned>>,
    pub(crate) counts: ReadThroughCounters,
    /// Whether it loads without Redis.
    pub(crate) outage: Episode,
    /// The number of background loads.
    pub(crate) refreshing: Arc<AtomicUsize>,
    #[cfg(feature = "near-cache")]
    pub(crate) near: Option<crate::read_through::near::NearLayer<V, E>>,
}

impl<I, V, E, A> Engine<I, V, E, A>
where
    I: EntryIds,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    /// Looks up `locations` in the near cache, if there is one, and on the server.
    pub(crate) async fn lookup(
        &self,
        locations: &[EntryLocation],
    ) -> Result<Vec<Lookup<V::Owned>>> {
        #[cfg(feature = "near-cache")]
        if let Some(near) = &self.near
            && let Some(mut seen) = near.lookup(locations, |left| self.age(left)).await?
        {
            // The near cache has no values that are due for a refresh, though they may still be
            // served.
            if self.freshness.matters() {
                let missing = |seen: &Lookup<_>| matches!(seen, Lookup::Missing(_));
                let (places, locations): (Vec<_>, Vec<_>) = (0..)
                    .zip(locations.iter().cloned())
                    .filter(|(at, _)| missing(&seen[*at]))
                    .unzip();
                for (place, found) in places.into_iter().zip(self.ask(&locations).await?) {
                    seen[place] = found;
                }
            }
            return Ok(seen);
        }
        self.ask(locations).await
    }

    /// Looks up `locations` on the server.
    async fn ask(&self, locations: &[EntryLocation]) -> Result<Vec<Lookup<V::Owned>>> {
        let wanted =
            LookupFields { left: self.freshness.matters(), absence: self.policy.absence.is_some() };
        let mut seen = Vec::with_capacity(locations.len());
        for locations in locations.chunks(ENTRIES_PER_COMMAND) {
            let replies = self.executor.send_all(self.commands.lookup(locations, wanted)).await?;
            self.outage.ends();
            let stored = self.commands.looked_up(locations.len(), wanted, replies)?;
            seen.extend(stored.into_iter().map(|stored| self.seen(stored)));
        }
        let is_unfit = |seen: &&Lookup<_>| matches!(seen, Lookup::Missing(Mode::Unfit));
        raise_by(&self.counts.undecodable, seen.iter().filter(is_unfit).count() as u64);
        Ok(seen)
    }

    /// Decides how a value on the server is used.
    pub(crate) fn seen(&self, stored: StoredEntry) -> Lookup<V::Owned> {
        let Some(bytes) = stored.bytes else {
            return if stored.is_absent {
                Lookup::Found(None, Age::Fresh)
            } else {
                Lookup::Missing(Mode::Missing)
            };
        };
        match V::decode_owned(bytes) {
            Ok(value) => Lookup::Found(Some(Arc::new(value)), self.age(stored.left)),
            Err(_) => Lookup::Missing(Mode::Unfit),
        }
    }

    /// Returns the age of a value that the server drops after `left` milliseconds.
    fn age(&self, left: i64) -> Age {
        self.freshness.age(left, self.counts.load_time(), 1.0 - fastrand::f64())
    }

    /// Counts and logs that Redis is unavailable. Returns an error of any other kind, or if the
    /// policy does not allow that.
    pub(crate) fn tolerate_outage(&self, error: Error) -> Result<()> {
        let is_unavailable = error.is_transient() || matches!(error, Error::Connect { .. });
        if self.policy.fails_without_redis || !is_unavailable {
            return Err(error);
        }
        raise(&self.counts.without_redis);
        if self.outage.begins() {
            logs::loads_without_redis(name_of(&self.prefix), &error);
        }
        Ok(())
    }

    /// Identifies this cache while it exists.
    pub(crate) fn id(&self) -> CacheId {
        CacheId(Arc::as_ptr(&self.flights).addr())
    }

    pub(crate) fn attempt(&self, location: &EntryLocation) -> Attempt {
        let (key, field) = (Some(location.key.clone()), location.field.clone());
        Attempt { command: "load", key, field, writes: false, in_part: false, halfway: false }
    }

    /// Returns how long a caller waits for loads elsewhere.
    pub(crate) fn wait_limit(&self) -> Duration {
        self.policy.lease * LEASES_WAITED
    }

    /// Reports the statistics to the `metrics` facade.
    pub(crate) fn report(&self) {
        #[cfg(feature = "metrics")]
        self.counts.report(&String::from_utf8_lossy(name_of(&self.prefix)));
    }
}

/// One lease for a load that dies, one for the load after it, and one as a margin.
const LEASES_WAITED: u32 = 3;
