//! What all clones of a cache share, and what it finds without loading.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::commands::{Commands, Mode, Stored, Wanted};
use super::entry_location::{EntryLocation, Ids};
use super::lookup::Lookup;
use super::nesting::CacheId;
use super::single_flight::SingleFlight;
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::error::{Attempt, Error, Result};
use crate::keys::name_of;
use crate::limits::PAGE;
use crate::read_through::freshness::{Age, Freshness};
use crate::read_through::loader::Loaders;
use crate::read_through::policy::CachePolicy;
use crate::read_through::stats::{Counts, raise, raise_by};

/// A value, or that there is none.
pub(crate) type Found<V> = Option<Arc<<V as Codec>::Owned>>;

/// What all clones of a cache share.
pub(crate) struct Engine<I: Ids, V: Codec<Owned: Sync>, E: RoundTrips, A> {
    pub(crate) executor: E,
    pub(crate) prefix: Vec<u8>,
    pub(crate) policy: CachePolicy,
    pub(crate) freshness: Freshness,
    pub(crate) commands: Commands,
    pub(crate) loaders: Loaders<I::Owned, V::Owned, A>,
    pub(crate) flights: Arc<SingleFlight<V::Owned>>,
    pub(crate) counts: Counts,
    /// How many loads are done in the background.
    pub(crate) refreshing: Arc<AtomicUsize>,
    #[cfg(feature = "near-cache")]
    pub(crate) near: Option<crate::read_through::near::Near<V, E>>,
}

impl<I, V, E, A> Engine<I, V, E, A>
where
    I: Ids,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    /// What the cache has of `locations`.
    pub(crate) async fn see(&self, locations: &[EntryLocation]) -> Result<Vec<Lookup<V::Owned>>> {
        #[cfg(feature = "near-cache")]
        if let Some(near) = &self.near
            && let Some(mut seen) = near.see(locations, |left| self.age(left)).await?
        {
            // It has no values that are to be loaded anew, though they may still be served.
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

    /// What the server has of `locations`.
    async fn ask(&self, locations: &[EntryLocation]) -> Result<Vec<Lookup<V::Owned>>> {
        let wanted =
            Wanted { left: self.freshness.matters(), absence: self.policy.absence.is_some() };
        let mut seen = Vec::with_capacity(locations.len());
        for locations in locations.chunks(PAGE) {
            let replies = self.executor.send_all(self.commands.look(locations, wanted)).await?;
            let stored = self.commands.looked(locations.len(), wanted, replies)?;
            seen.extend(stored.into_iter().map(|stored| self.seen(stored)));
        }
        let is_unfit = |seen: &&Lookup<_>| matches!(seen, Lookup::Missing(Mode::Unfit));
        raise_by(&self.counts.undecodable, seen.iter().filter(is_unfit).count() as u64);
        Ok(seen)
    }

    /// What there is to do with a value as the server has it.
    pub(crate) fn seen(&self, stored: Stored) -> Lookup<V::Owned> {
        let Some(bytes) = stored.bytes else {
            return match stored.is_absent {
                true => Lookup::Found(None, Age::Fresh),
                false => Lookup::Missing(Mode::Missing),
            };
        };
        match V::decode_owned(bytes) {
            Ok(value) => Lookup::Found(Some(Arc::new(value)), self.age(stored.left)),
            Err(_) => Lookup::Missing(Mode::Unfit),
        }
    }

    /// The age of a value that the server drops after `left` milliseconds.
    fn age(&self, left: i64) -> Age {
        self.freshness.age(left, self.counts.load_time(), 1.0 - fastrand::f64())
    }

    /// Takes it that Redis cannot be used, if that is what the error says and the policy allows it.
    pub(crate) fn tolerate_outage(&self, error: Error) -> Result<()> {
        let is_away = error.is_transient() || matches!(error, Error::Connect { .. });
        if self.policy.fails_without_redis || !is_away {
            return Err(error);
        }
        raise(&self.counts.without_redis);
        if self.counts.may_warn() {
            let name = name_of(&self.prefix).escape_ascii();
            log::warn!("the cache {name} loads without Redis: {error}");
        }
        Ok(())
    }

    /// What this cache is known by while it exists.
    pub(crate) fn id(&self) -> CacheId {
        CacheId(Arc::as_ptr(&self.flights).addr())
    }

    pub(crate) fn attempt(&self, location: &EntryLocation) -> Attempt {
        let (key, field) = (Some(location.key.clone()), location.field.clone());
        Attempt { command: "load", key, field, writes: false, in_part: false, halfway: false }
    }

    /// How long a caller relies on others.
    pub(crate) fn patience(&self) -> Duration {
        self.policy.lease * LEASES_WAITED
    }

    pub(crate) fn report(&self) {
        #[cfg(feature = "metrics")]
        self.counts.report(&String::from_utf8_lossy(name_of(&self.prefix)));
    }
}

/// One lease for a load that dies, one for the load after it, and one to be sure.
const LEASES_WAITED: u32 = 3;
