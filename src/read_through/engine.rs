//! Reading through a cache: the way of a call that wants values.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::commands::{Commands, Mode, Stored, Wanted};
use super::flights::{Flights, Lead};
use super::freshness::{Age, Freshness};
use super::load::Flying;
use super::loader::Loaders;
use super::nesting::{CacheId, Nesting, Turn};
use super::policy::CachePolicy;
use super::shared::AT_ONCE;
use super::spot::{Ids, Spot};
use super::stats::{Counts, raise, raise_by};
use super::waiting::Arrival;
use crate::codec::Codec;
use crate::error::{Attempt, Error, Result};
use crate::executor::RoundTrips;
use crate::load_error::LoadError;
use crate::side_key::name_of;

/// A value, or that there is none.
pub(super) type Found<V> = Option<Arc<<V as Codec>::Owned>>;

/// What all clones of a cache share.
pub(super) struct Engine<I: Ids, V: Codec<Owned: Sync>, E: RoundTrips, A> {
    pub(super) executor: E,
    pub(super) prefix: Vec<u8>,
    pub(super) policy: CachePolicy,
    pub(super) freshness: Freshness,
    pub(super) commands: Commands,
    pub(super) loaders: Loaders<I::Owned, V::Owned, A>,
    pub(super) flights: Arc<Flights<V::Owned>>,
    pub(super) counts: Counts,
    /// How many loads are done in the background.
    pub(super) refreshing: Arc<AtomicUsize>,
    #[cfg(feature = "near-cache")]
    pub(super) near: Option<super::near::Near<V, E>>,
}

/// What is seen of a value before anybody loads it.
pub(super) enum Seen<V> {
    Found(Option<Arc<V>>, Age),
    Missing(Mode),
    /// Redis cannot be used.
    Away,
}

/// A value that has to be loaded.
pub(super) struct Missing<V> {
    pub(super) place: usize,
    pub(super) spot: Spot,
    pub(super) seen: Seen<V>,
}

impl<I, V, E, A> Engine<I, V, E, A>
where
    I: Ids,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    /// The values of `spots`, of which those that are missing are loaded.
    pub(super) async fn get(self: Arc<Self>, spots: Vec<Spot>, args: A) -> Result<Vec<Found<V>>> {
        let mut found = vec![None; spots.len()];
        let mut sought: Vec<_> = spots.into_iter().enumerate().collect();
        for round in 1.. {
            let asked = sought.len();
            let missing = self.look(sought, &mut found, &args).await?;
            if round == 1 {
                raise_by(&self.counts.hits, (asked - missing.len()) as u64);
                raise_by(&self.counts.misses, missing.len() as u64);
            }
            if missing.is_empty() {
                break;
            }
            sought = Vec::new();
            for (missing, arrival) in self.load(missing, &args).await {
                match arrival {
                    Arrival::Found(value) => found[missing.place] = value,
                    Arrival::Failed(error) => return Err(error),
                    Arrival::Again if round < MOST_ROUNDS => {
                        sought.push((missing.place, missing.spot));
                    }
                    Arrival::Again | Arrival::Late => {
                        found[missing.place] = self.load_alone(&missing.spot, &args).await?;
                    }
                }
            }
        }
        self.report();
        Ok(found)
    }

    /// Loads one value anew and stores it, whoever else loads it.
    pub(super) async fn set(self: Arc<Self>, spot: Spot, args: A) -> Result<Found<V>> {
        let nesting = Nesting::current();
        if nesting.turn(self.id(), &spot) == Turn::Never {
            return Err(self.failed(&spot, LoadError::recursive()));
        }
        let lead = self.flights.begin_anew(&spot);
        let landing = lead.landing();
        let _waiting = nesting.wait_for(lead.id());
        let flying = vec![Flying::new(lead, Mode::Force)];
        self.executor.launch(self.clone().fly(flying, args.clone(), nesting)).await;
        let missing = Missing { place: 0, spot, seen: Seen::Missing(Mode::Force) };
        match self.arrival(&missing, None, &landing).await {
            Arrival::Found(value) => Ok(value),
            Arrival::Failed(error) => Err(error),
            Arrival::Again | Arrival::Late => self.load_alone(&missing.spot, &args).await,
        }
    }

    /// What the cache has, without loading.
    pub(super) async fn peek(self: Arc<Self>, spot: Spot) -> Result<Found<V>> {
        match self.see(std::slice::from_ref(&spot)).await?.pop() {
            Some(Seen::Found(value, age)) if age.is_served() => Ok(value),
            _ => Ok(None),
        }
    }

    /// Loads a value in the background, unless somebody does.
    pub(super) fn refresh(self: &Arc<Self>, spots: Vec<Spot>, args: A) {
        let mut queued: Vec<_> = spots.iter().filter_map(|spot| self.flights.queue(spot)).collect();
        if queued.is_empty() {
            return;
        }
        let Some(turn) = self.turn() else { return };
        raise_by(&self.counts.refreshes, queued.len() as u64);
        let engine = self.clone();
        self.executor.background(async move {
            while !queued.is_empty() {
                let rest = queued.split_off(queued.len().min(engine.claimed_at_once()));
                let next = std::mem::replace(&mut queued, rest).into_iter().filter(Lead::start);
                let flying = next.map(|lead| Flying::new(lead, Mode::Refresh)).collect();
                engine.clone().fly(flying, args.clone(), Nesting::default()).await;
            }
            drop(turn);
        });
    }

    /// Puts what can be served into its place, and gives what cannot.
    async fn look(
        self: &Arc<Self>,
        sought: Vec<(usize, Spot)>,
        found: &mut [Found<V>],
        args: &A,
    ) -> Result<Vec<Missing<V::Owned>>> {
        let (places, spots): (Vec<_>, Vec<_>) = sought.into_iter().unzip();
        let seen = match self.see(&spots).await {
            Ok(seen) => seen,
            Err(error) => {
                self.bear(error)?;
                spots.iter().map(|_| Seen::Away).collect()
            }
        };
        let mut missing = Vec::new();
        let mut due = Vec::new();
        for ((place, spot), seen) in places.into_iter().zip(spots).zip(seen) {
            match seen {
                Seen::Found(value, age) if age.is_served() => {
                    found[place] = value;
                    if age == Age::Old {
                        raise(&self.counts.stale);
                    }
                    if age != Age::Fresh {
                        due.push(spot);
                    }
                }
                seen => missing.push(Missing { place, spot, seen }),
            }
        }
        if !due.is_empty() {
            self.refresh(due, args.clone());
        }
        Ok(missing)
    }

    /// What the cache has of `spots`.
    async fn see(&self, spots: &[Spot]) -> Result<Vec<Seen<V::Owned>>> {
        #[cfg(feature = "near-cache")]
        if let Some(near) = &self.near
            && let Some(mut seen) = near.see(spots, |left| self.age(left)).await?
        {
            // It has no values that are to be loaded anew, though they may still be served.
            if self.freshness.matters() {
                let missing = |seen: &Seen<_>| matches!(seen, Seen::Missing(_));
                let (places, spots): (Vec<_>, Vec<_>) =
                    (0..).zip(spots.iter().cloned()).filter(|(at, _)| missing(&seen[*at])).unzip();
                for (place, found) in places.into_iter().zip(self.ask(&spots).await?) {
                    seen[place] = found;
                }
            }
            return Ok(seen);
        }
        self.ask(spots).await
    }

    /// What the server has of `spots`.
    async fn ask(&self, spots: &[Spot]) -> Result<Vec<Seen<V::Owned>>> {
        let wanted =
            Wanted { left: self.freshness.matters(), absence: self.policy.absence.is_some() };
        let mut seen = Vec::with_capacity(spots.len());
        for spots in spots.chunks(AT_ONCE) {
            let replies = self.executor.send_all(self.commands.look(spots, wanted)).await?;
            let stored = self.commands.looked(spots.len(), wanted, replies)?;
            seen.extend(stored.into_iter().map(|stored| self.seen(stored)));
        }
        let is_unfit = |seen: &&Seen<_>| matches!(seen, Seen::Missing(Mode::Unfit));
        raise_by(&self.counts.undecodable, seen.iter().filter(is_unfit).count() as u64);
        Ok(seen)
    }

    /// What there is to do with a value as the server has it.
    pub(super) fn seen(&self, stored: Stored) -> Seen<V::Owned> {
        let Some(bytes) = stored.bytes else {
            return match stored.is_absent {
                true => Seen::Found(None, Age::Fresh),
                false => Seen::Missing(Mode::Missing),
            };
        };
        match V::decode_owned(bytes) {
            Ok(value) => Seen::Found(Some(Arc::new(value)), self.age(stored.left)),
            Err(_) => Seen::Missing(Mode::Unfit),
        }
    }

    /// The age of a value that the server drops after `left` milliseconds.
    fn age(&self, left: i64) -> Age {
        self.freshness.age(left, self.counts.load_time(), 1.0 - fastrand::f64())
    }

    /// Takes it that Redis cannot be used, if that is what the error says and the policy allows it.
    pub(super) fn bear(&self, error: Error) -> Result<()> {
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
    pub(super) fn id(&self) -> CacheId {
        CacheId(Arc::as_ptr(&self.flights).addr())
    }

    pub(super) fn attempt(&self, spot: &Spot) -> Attempt {
        let (key, field) = (Some(spot.key.clone()), spot.field.clone());
        Attempt { command: "load", key, field, writes: false, in_part: false, halfway: false }
    }

    /// How long a caller relies on others.
    pub(super) fn patience(&self) -> Duration {
        self.policy.lease * LEASES_WAITED
    }

    pub(super) fn report(&self) {
        #[cfg(feature = "metrics")]
        self.counts.report(&String::from_utf8_lossy(name_of(&self.prefix)));
    }
}

/// How often a caller looks anew for what others deleted or set while it was loaded.
const MOST_ROUNDS: usize = 4;

/// One lease for a load that dies, one for the load after it, and one to be sure.
const LEASES_WAITED: u32 = 3;
