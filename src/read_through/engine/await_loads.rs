//! Waiting for loads: those that a call begins, and those that it joins.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::commands::Mode;
use super::entry_location::{Ids, Spot};
use super::lookup::Seen;
use super::nesting::{Nesting, Turn, Waiting};
use super::pending_load::Flying;
use super::single_flight::{FlightId, Joined, Outcome, Start};
use super::state::{Engine, Found};
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::error::LoadError;
use crate::error::{Error, Result};
use crate::read_through::stats::{raise, raise_by};
use crate::time::Landing;

/// A value that has to be loaded.
pub(crate) struct Missing<V> {
    pub(crate) place: usize,
    pub(crate) spot: Spot,
    pub(crate) seen: Seen<V>,
}

/// A load that a caller waits for.
struct Awaited<V> {
    missing: Missing<V>,
    landing: Arc<Landing<Outcome<V>>>,
    /// None if it leads it.
    joined: Option<Joined>,
    _waiting: Waiting,
}

/// What a caller gets of a load.
pub(crate) enum Arrival<V> {
    Found(Option<Arc<V>>),
    Failed(Error),
    /// Nothing; it is to look again.
    Again,
    /// Nothing in time.
    Late,
}

/// What became of a value that had to be loaded.
type Arrived<V> = (Missing<V>, Arrival<V>);

/// A load that is to be waited for, and has to be launched first if it was begun. The value comes back if
/// waiting for it would never end.
type Begun<V> = std::result::Result<(Option<Flying<V>>, Awaited<V>), Missing<V>>;

impl<I, V, E, A> Engine<I, V, E, A>
where
    I: Ids,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    /// Loads what is missing, or waits for those who do: a few values at a time, so that others who want
    /// one of them need not wait for all.
    pub(crate) async fn load(
        self: &Arc<Self>,
        missing: Vec<Missing<V::Owned>>,
        args: &A,
    ) -> Vec<Arrived<V::Owned>> {
        let nesting = Nesting::current();
        let mut arrivals = Vec::with_capacity(missing.len());
        let mut joined = Vec::new();
        let mut sought = HashSet::new();
        let (missing, repeated): (Vec<_>, Vec<_>) =
            missing.into_iter().partition(|missing| sought.insert(missing.spot.clone()));
        let mut missing = missing.into_iter().peekable();
        while missing.peek().is_some() {
            let (mut flying, mut led) = (Vec::new(), Vec::new());
            while flying.len() < self.claimed_at_once()
                && let Some(missing) = missing.next()
            {
                match nesting.turn(self.id(), &missing.spot) {
                    Turn::Free => match self.begin(missing, &nesting) {
                        Ok((Some(flight), awaited)) => {
                            flying.push(flight);
                            led.push(awaited);
                        }
                        Ok((None, awaited)) => joined.push(awaited),
                        Err(missing) => arrivals.push((missing, Arrival::Late)),
                    },
                    Turn::Alone => arrivals.push((missing, Arrival::Late)),
                    Turn::Never => {
                        let failed = self.after_failure(&missing, LoadError::recursive());
                        arrivals.push((missing, failed));
                    }
                }
            }
            if !flying.is_empty() {
                let flown = self.clone().fly(flying, args.clone(), nesting.clone());
                self.executor.launch(flown).await;
            }
            self.arrive(led, &mut arrivals).await;
        }
        self.arrive(joined, &mut arrivals).await;
        self.repeat(repeated, &mut arrivals);
        arrivals
    }

    /// Lets those who ask for a value again have what came of it.
    fn repeat(&self, repeated: Vec<Missing<V::Owned>>, arrivals: &mut Vec<Arrived<V::Owned>>) {
        raise_by(&self.counts.joined, repeated.len() as u64);
        let found = arrivals.iter().filter_map(|(missing, arrival)| match arrival {
            Arrival::Found(value) => Some((missing.spot.clone(), value.clone())),
            _ => None,
        });
        let found: HashMap<_, _> = found.collect();
        arrivals.extend(repeated.into_iter().map(|missing| {
            let found = found.get(&missing.spot).cloned();
            (missing, found.map_or(Arrival::Again, Arrival::Found))
        }));
    }

    /// Begins a load, or joins one. Nothing if that waits for the loader that this is in.
    fn begin(&self, missing: Missing<V::Owned>, nesting: &Nesting) -> Begun<V::Owned> {
        let (flight, landing, joined) = match self.flights.begin(&missing.spot) {
            Start::Joins(landing, joined) => (None, landing, Some(joined)),
            Start::Leads(lead) => {
                let (landing, is_away) = (lead.landing(), matches!(missing.seen, Seen::Away));
                let mode = match missing.seen {
                    Seen::Missing(mode) => mode,
                    Seen::Found(..) | Seen::Away => Mode::Unfit,
                };
                (Some(Flying { is_away, ..Flying::new(lead, mode) }), landing, None)
            }
        };
        let Some(waiting) = nesting.wait_for(FlightId::of(&landing)) else { return Err(missing) };
        if joined.is_some() {
            raise(&self.counts.joined);
        }
        Ok((flight, Awaited { missing, landing, joined, _waiting: waiting }))
    }

    /// Waits for loads.
    async fn arrive(&self, awaited: Vec<Awaited<V::Owned>>, arrivals: &mut Vec<Arrived<V::Owned>>) {
        for Awaited { missing, landing, joined, .. } in awaited {
            let arrival = self.arrival(&missing, joined, &landing).await;
            arrivals.push((missing, arrival));
        }
    }

    /// What a caller gets of a load that it leads, or has joined.
    pub(crate) async fn arrival(
        &self,
        missing: &Missing<V::Owned>,
        joined: Option<Joined>,
        landing: &Landing<Outcome<V::Owned>>,
    ) -> Arrival<V::Owned> {
        // Who leads waits for the loader alone, or has waited for others already.
        let patience = joined.map_or(Duration::MAX, |_| self.patience());
        match self.executor.wait(landing.outcome(), patience).await {
            Some(Outcome::Found(value, seal)) if joined.is_none_or(|it| it.is_before(seal)) => {
                Arrival::Found(value)
            }
            Some(Outcome::Failed(error)) => self.after_failure(missing, error),
            Some(Outcome::Broken(error)) => {
                let error = error.lock().map(|mut error| error.take());
                error.ok().flatten().map_or(Arrival::Again, Arrival::Failed)
            }
            Some(Outcome::Found(..) | Outcome::Lost) => Arrival::Again,
            None => Arrival::Late,
        }
    }

    /// What there is instead of a value that could not be loaded.
    fn after_failure(&self, missing: &Missing<V::Owned>, error: LoadError) -> Arrival<V::Owned> {
        match &missing.seen {
            Seen::Found(value, _) => {
                raise(&self.counts.stale);
                Arrival::Found(value.clone())
            }
            _ => Arrival::Failed(self.failed(&missing.spot, error)),
        }
    }

    /// A value that is not stored, for others load it too slowly.
    pub(crate) async fn load_alone(&self, spot: &Spot, args: &A) -> Result<Found<V>> {
        let nesting = Nesting::current();
        let loaded = self.load_now(std::slice::from_ref(spot), args.clone(), &nesting).await?;
        let mut loaded = loaded.map_err(|error| self.failed(spot, error))?;
        Ok(loaded.pop().and_then(|loaded| loaded.value).map(Arc::new))
    }

    pub(crate) fn failed(&self, spot: &Spot, source: LoadError) -> Error {
        Error::Load { attempt: Box::new(self.attempt(spot)), source }
    }
}
