//! Waits for loads: those that a call leads, and those that it joins.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::commands::Mode;
use super::entry_location::{EntryIds, EntryLocation};
use super::lookup::Lookup;
use super::nesting::{NestedAccess, Nesting, WaitGuard};
use super::pending_load::PendingLoad;
use super::single_flight::{FlightId, Joined, LoadOutcome, LoadRole};
use super::state::{Engine, SharedValue};
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::error::LoadError;
use crate::error::{Error, Result};
use crate::read_through::stats::{raise, raise_by};
use crate::time::Completion;

/// A value that must be loaded.
pub(crate) struct Missing<V> {
    pub(crate) place: usize,
    pub(crate) location: EntryLocation,
    pub(crate) seen: Lookup<V>,
}

/// A load that a caller waits for.
struct Awaited<V> {
    missing: Missing<V>,
    completion: Arc<Completion<LoadOutcome<V>>>,
    /// `None` for the leader.
    joined: Option<Joined>,
    _waiting: WaitGuard,
}

/// The outcome of a load for one caller.
pub(crate) enum Arrival<V> {
    Found(Option<Arc<V>>),
    Failed(Error),
    /// No value: look it up again.
    Again,
    /// No value in time.
    Late,
}

/// A value that had to be loaded, with the outcome.
type Arrived<V> = (Missing<V>, Arrival<V>);

/// A load to wait for, which must be launched first if this caller leads it. The value is returned
/// as an error if waiting for it would never end.
type StartedLoad<V> = std::result::Result<(Option<PendingLoad<V>>, Awaited<V>), Missing<V>>;

impl<I, V, E, A> Engine<I, V, E, A>
where
    I: EntryIds,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    /// Loads missing values, or waits for loads in flight: a few values at a time, so that other
    /// callers need not wait for all of them.
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
            missing.into_iter().partition(|missing| sought.insert(missing.location.clone()));
        let mut missing = missing.into_iter().peekable();
        while missing.peek().is_some() {
            let (mut pending, mut led) = (Vec::new(), Vec::new());
            while pending.len() < self.claimed_at_once()
                && let Some(missing) = missing.next()
            {
                match nesting.access(self.id(), &missing.location) {
                    NestedAccess::Free => match self.begin(missing, &nesting) {
                        Ok((Some(flight), awaited)) => {
                            pending.push(flight);
                            led.push(awaited);
                        }
                        Ok((None, awaited)) => joined.push(awaited),
                        Err(missing) => arrivals.push((missing, Arrival::Late)),
                    },
                    NestedAccess::Alone => arrivals.push((missing, Arrival::Late)),
                    NestedAccess::Never => {
                        let failed = self.after_failure(&missing, LoadError::recursive());
                        arrivals.push((missing, failed));
                    }
                }
            }
            if !pending.is_empty() {
                let loads = self.clone().run_loads(pending, args.clone(), nesting.clone());
                self.executor.launch(loads).await;
            }
            self.arrive(led, &mut arrivals).await;
        }
        self.arrive(joined, &mut arrivals).await;
        self.repeat(repeated, &mut arrivals);
        arrivals
    }

    /// Copies the outcomes to the repeated requests for the same values.
    fn repeat(&self, repeated: Vec<Missing<V::Owned>>, arrivals: &mut Vec<Arrived<V::Owned>>) {
        raise_by(&self.counts.joined, repeated.len() as u64);
        let found = arrivals.iter().filter_map(|(missing, arrival)| match arrival {
            Arrival::Found(value) => Some((missing.location.clone(), value.clone())),
            _ => None,
        });
        let found: HashMap<_, _> = found.collect();
        arrivals.extend(repeated.into_iter().map(|missing| {
            let found = found.get(&missing.location).cloned();
            (missing, found.map_or(Arrival::Again, Arrival::Found))
        }));
    }

    /// Leads or joins a load. Fails if that load waits for the loader that runs this.
    fn begin(&self, missing: Missing<V::Owned>, nesting: &Nesting) -> StartedLoad<V::Owned> {
        let (flight, completion, joined) = match self.flights.begin(&missing.location) {
            LoadRole::Follower(completion, joined) => (None, completion, Some(joined)),
            LoadRole::Leader(leader) => {
                let (completion, is_unavailable) =
                    (leader.completion(), matches!(missing.seen, Lookup::Unavailable));
                let mode = match missing.seen {
                    Lookup::Missing(mode) => mode,
                    Lookup::Found(..) | Lookup::Unavailable => Mode::Unfit,
                };
                (
                    Some(PendingLoad { is_unavailable, ..PendingLoad::new(leader, mode) }),
                    completion,
                    None,
                )
            }
        };
        let Some(waiting) = nesting.wait_for(FlightId::of(&completion)) else {
            return Err(missing);
        };
        if joined.is_some() {
            raise(&self.counts.joined);
        }
        Ok((flight, Awaited { missing, completion, joined, _waiting: waiting }))
    }

    /// Waits for the loads in turn.
    async fn arrive(&self, awaited: Vec<Awaited<V::Owned>>, arrivals: &mut Vec<Arrived<V::Owned>>) {
        for Awaited { missing, completion, joined, .. } in awaited {
            let arrival = self.arrival(&missing, joined, &completion).await;
            arrivals.push((missing, arrival));
        }
    }

    /// Waits for a load, and returns its outcome for a leader or a follower.
    pub(crate) async fn arrival(
        &self,
        missing: &Missing<V::Owned>,
        joined: Option<Joined>,
        completion: &Completion<LoadOutcome<V::Owned>>,
    ) -> Arrival<V::Owned> {
        // The leader waits only for the loader, or has waited for other programs already.
        let limit = joined.map_or(Duration::MAX, |_| self.wait_limit());
        match self.executor.wait(completion.outcome(), limit).await {
            Some(LoadOutcome::Found(value, seal)) if joined.is_none_or(|it| it.is_before(seal)) => {
                Arrival::Found(value)
            }
            Some(LoadOutcome::Failed(error)) => self.after_failure(missing, error),
            Some(LoadOutcome::Broken(error)) => {
                error.lock().take().map_or(Arrival::Again, Arrival::Failed)
            }
            Some(LoadOutcome::Found(..) | LoadOutcome::Lost) => Arrival::Again,
            None => Arrival::Late,
        }
    }

    /// Returns the stale value after a failed load, or else the error.
    fn after_failure(&self, missing: &Missing<V::Owned>, error: LoadError) -> Arrival<V::Owned> {
        match &missing.seen {
            Lookup::Found(value, _) => {
                raise(&self.counts.stale);
                Arrival::Found(value.clone())
            }
            _ => Arrival::Failed(self.failed(&missing.location, error)),
        }
    }

    /// Loads a value without storing it, because loads elsewhere take too long.
    pub(crate) async fn load_alone(
        &self,
        location: &EntryLocation,
        args: &A,
    ) -> Result<SharedValue<V>> {
        let nesting = Nesting::current();
        let loaded = self.load_now(std::slice::from_ref(location), args.clone(), &nesting).await?;
        let mut loaded = loaded.map_err(|error| self.failed(location, error))?;
        Ok(loaded.pop().and_then(|loaded| loaded.value).map(Arc::new))
    }

    pub(crate) fn failed(&self, location: &EntryLocation, source: LoadError) -> Error {
        Error::Load { attempt: Box::new(self.attempt(location)), source }
    }
}
