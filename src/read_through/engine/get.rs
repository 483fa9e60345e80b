//! Reads values through a cache.

use std::sync::Arc;

use super::await_loads::{Arrival, Missing};
use super::commands::Mode;
use super::entry_location::{EntryIds, EntryLocation};
use super::lookup::Lookup;
use super::nesting::{NestedAccess, Nesting};
use super::pending_load::PendingLoad;
use super::state::{Engine, SharedValue};
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::error::LoadError;
use crate::error::Result;
use crate::read_through::freshness::Age;
use crate::read_through::stats::{raise, raise_by};

impl<I, V, E, A> Engine<I, V, E, A>
where
    I: EntryIds,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    /// Returns the values of `locations`, and loads the missing ones.
    pub(crate) async fn get(
        self: Arc<Self>,
        locations: Vec<EntryLocation>,
        args: A,
    ) -> Result<Vec<SharedValue<V>>> {
        let found = self.find(locations, args).await;
        self.report();
        found
    }

    /// Like [`get`](Self::get), without a report of the statistics.
    async fn find(
        self: &Arc<Self>,
        locations: Vec<EntryLocation>,
        args: A,
    ) -> Result<Vec<SharedValue<V>>> {
        let mut found = vec![None; locations.len()];
        let mut sought: Vec<_> = locations.into_iter().enumerate().collect();
        for round in 1.. {
            let asked = sought.len();
            let missing = self.serve_found(sought, &mut found, &args).await?;
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
                    Arrival::Again if round < MAX_ROUNDS => {
                        sought.push((missing.place, missing.location));
                    }
                    Arrival::Again | Arrival::Late => {
                        found[missing.place] = self.load_alone(&missing.location, &args).await?;
                    }
                }
            }
        }
        Ok(found)
    }

    /// Loads one value again and stores it, regardless of other loads.
    pub(crate) async fn set(
        self: Arc<Self>,
        location: EntryLocation,
        args: A,
    ) -> Result<SharedValue<V>> {
        let nesting = Nesting::current();
        if nesting.access(self.id(), &location) == NestedAccess::Never {
            return Err(self.failed(&location, LoadError::recursive()));
        }
        let leader = self.flights.begin_anew(&location);
        let completion = leader.completion();
        let _waiting = nesting.wait_for(leader.id());
        let pending = vec![PendingLoad::new(leader, Mode::Force)];
        self.executor.launch(self.clone().run_loads(pending, args.clone(), nesting)).await;
        let missing = Missing { place: 0, location, seen: Lookup::Missing(Mode::Force) };
        match self.arrival(&missing, None, &completion).await {
            Arrival::Found(value) => Ok(value),
            Arrival::Failed(error) => Err(error),
            Arrival::Again | Arrival::Late => self.load_alone(&missing.location, &args).await,
        }
    }

    /// Returns the cached value, without loading it.
    pub(crate) async fn peek(self: Arc<Self>, location: EntryLocation) -> Result<SharedValue<V>> {
        match self.lookup(std::slice::from_ref(&location)).await?.pop() {
            Some(Lookup::Found(value, age)) if age.is_served() => Ok(value),
            _ => Ok(None),
        }
    }

    /// Puts the values that can be served into their places, and returns the others.
    async fn serve_found(
        self: &Arc<Self>,
        sought: Vec<(usize, EntryLocation)>,
        found: &mut [SharedValue<V>],
        args: &A,
    ) -> Result<Vec<Missing<V::Owned>>> {
        let (places, locations): (Vec<_>, Vec<_>) = sought.into_iter().unzip();
        let seen = match self.lookup(&locations).await {
            Ok(seen) => seen,
            Err(error) => {
                self.tolerate_outage(error)?;
                locations.iter().map(|_| Lookup::Unavailable).collect()
            }
        };
        let mut missing = Vec::new();
        let mut due = Vec::new();
        for ((place, location), seen) in places.into_iter().zip(locations).zip(seen) {
            match seen {
                Lookup::Found(value, age) if age.is_served() => {
                    found[place] = value;
                    if age == Age::StaleWhileRevalidate {
                        raise(&self.counts.stale);
                    }
                    if age != Age::Fresh {
                        due.push(location);
                    }
                }
                seen => missing.push(Missing { place, location, seen }),
            }
        }
        if !due.is_empty() {
            self.refresh(due, args.clone());
        }
        Ok(missing)
    }
}

/// How often a caller repeats the lookup after a value was deleted or set during its load.
const MAX_ROUNDS: usize = 4;
