//! Reading through a cache: the way of a call that wants values.

use std::sync::Arc;

use super::await_loads::{Arrival, Missing};
use super::commands::Mode;
use super::entry_location::{Ids, Spot};
use super::lookup::Seen;
use super::nesting::{Nesting, Turn};
use super::pending_load::Flying;
use super::state::{Engine, Found};
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::error::LoadError;
use crate::error::Result;
use crate::read_through::freshness::Age;
use crate::read_through::stats::{raise, raise_by};

impl<I, V, E, A> Engine<I, V, E, A>
where
    I: Ids,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    /// The values of `spots`, of which those that are missing are loaded.
    pub(crate) async fn get(self: Arc<Self>, spots: Vec<Spot>, args: A) -> Result<Vec<Found<V>>> {
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

    /// Loads one value anew and stores it, whatever others do.
    pub(crate) async fn set(self: Arc<Self>, spot: Spot, args: A) -> Result<Found<V>> {
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
    pub(crate) async fn peek(self: Arc<Self>, spot: Spot) -> Result<Found<V>> {
        match self.see(std::slice::from_ref(&spot)).await?.pop() {
            Some(Seen::Found(value, age)) if age.is_served() => Ok(value),
            _ => Ok(None),
        }
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
}

/// How often a caller looks anew for what others deleted or set while it was loaded.
const MOST_ROUNDS: usize = 4;
