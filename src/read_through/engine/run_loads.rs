//! Runs loads: claims the right to load, calls the loader, and stores the result.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::claim_loads::ClaimOutcome;
use super::commands::Mode;
use super::entry_location::{EntryIds, EntryLocation};
use super::nesting::Nesting;
use super::pending_load::{LeasedLoad, PendingLoad, leases};
use super::single_flight::{FlightId, LoadLeader};
use super::state::Engine;
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::error::LoadError;
use crate::error::{Error, Result};
use crate::read_through::loader::Loaded;
use crate::read_through::stats::raise_by;
use crate::time::Deadline;
use crate::time::Wait;

impl<I, V, E, A> Engine<I, V, E, A>
where
    I: EntryIds,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    /// Completes all loads, for which the loaders of `nesting` wait.
    pub(crate) async fn run_loads(
        self: Arc<Self>,
        mut pending: Vec<PendingLoad<V::Owned>>,
        args: A,
        nesting: Nesting,
    ) {
        let flights = pending.iter().map(|flight| flight.leader.id()).collect();
        let nesting = nesting.with_flights(flights);
        let deadline = Deadline::after(Wait::For(self.wait_limit()));
        let mut pause = SHORTEST_PAUSE;
        let mut waits = false;
        while !pending.is_empty() {
            let is_late = deadline.is_over();
            let ClaimOutcome { claimed, busy, due } = self.claim(pending, is_late).await;
            if !due.is_empty() {
                self.refresh(due, args.clone());
            }
            self.load_claimed(claimed, &args, deadline, &nesting).await;
            pending = busy;
            if !pending.is_empty() {
                if !std::mem::replace(&mut waits, true) {
                    raise_by(&self.counts.waited, pending.len() as u64);
                }
                self.executor.pause(pause.min(deadline.left())).await;
                pause = (pause * 3 / 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Loads values in the background, unless they are being loaded.
    pub(crate) fn refresh(self: &Arc<Self>, locations: Vec<EntryLocation>, args: A) {
        let mut queued: Vec<_> =
            locations.iter().filter_map(|location| self.flights.queue(location)).collect();
        if queued.is_empty() {
            return;
        }
        let Some(permit) = self.refresh_permit() else { return };
        raise_by(&self.counts.refreshes, queued.len() as u64);
        let engine = self.clone();
        self.executor.background(async move {
            while !queued.is_empty() {
                let rest = queued.split_off(queued.len().min(engine.claimed_at_once()));
                let next =
                    std::mem::replace(&mut queued, rest).into_iter().filter(LoadLeader::start);
                let pending = next.map(|leader| PendingLoad::new(leader, Mode::Refresh)).collect();
                engine.clone().run_loads(pending, args.clone(), Nesting::default()).await;
            }
            drop(permit);
        });
    }

    /// Returns how many values are claimed before they are loaded. So another program waits for at
    /// most this many loads of a batch.
    pub(crate) fn claimed_at_once(&self) -> usize {
        if self.loaders.has_bulk() { MAX_BULK } else { MAX_SINGLE_LOADS }
    }

    /// Calls the loader. The outer error is of ids that cannot be decoded for it.
    pub(crate) async fn load_now(
        &self,
        locations: &[EntryLocation],
        args: A,
        nesting: &Nesting,
    ) -> Result<std::result::Result<Vec<Loaded<V::Owned>>, LoadError>> {
        let id = |location: &EntryLocation| {
            let attempt = || Box::new(self.attempt(location));
            I::decode(location).map_err(|source| Error::Encode { attempt: attempt(), source })
        };
        let ids = locations.iter().map(id).collect::<Result<Vec<_>>>()?;
        let began = Instant::now();
        let nesting = nesting.with_loader(self.id(), locations);
        let loaded = nesting.around(self.loaders.load(ids, args)).await;
        self.counts.loaded(locations.len(), began.elapsed());
        if loaded.is_err() {
            raise_by(&self.counts.load_errors, locations.len() as u64);
        }
        Ok(loaded)
    }

    /// Loads, stores and completes values. Waits for other loads of the same values at most until
    /// `deadline`.
    async fn load_claimed(
        &self,
        mut claimed: Vec<LeasedLoad<V::Owned>>,
        args: &A,
        deadline: Deadline,
        nesting: &Nesting,
    ) {
        let at_once = if self.loaders.has_bulk() { self.claimed_at_once() } else { 1 };
        while !claimed.is_empty() {
            let rest = claimed.split_off(claimed.len().min(at_once));
            let batch = std::mem::replace(&mut claimed, rest);
            let locations: Vec<_> =
                batch.iter().map(|claimed| claimed.leader.location.clone()).collect();
            self.depart(&batch, deadline, nesting).await;
            match self.load_now(&locations, args.clone(), nesting).await {
                Ok(Ok(loaded)) => self.keep(batch, loaded).await,
                Ok(Err(error)) => {
                    self.release(&leases(&batch), Some(&error)).await;
                    let errors = self.policy.errors;
                    batch.into_iter().for_each(|LeasedLoad { leader, .. }| {
                        leader.fail(error.clone(), errors);
                    });
                }
                Err(error) => {
                    self.release(&leases(&batch), None).await;
                    if let Some(LeasedLoad { leader, .. }) = batch.into_iter().next() {
                        leader.break_off(error);
                    }
                }
            }
        }
    }

    /// Ensures that callers that arrive after the start of the loader do not receive the result of
    /// a load without a lease, and that there is one such load of a value at a time.
    async fn depart(&self, batch: &[LeasedLoad<V::Owned>], deadline: Deadline, nesting: &Nesting) {
        for LeasedLoad { leader, .. } in batch.iter().filter(|claimed| claimed.lease.is_none()) {
            if let Some(before) = &leader.before
                && let Some(_waiting) = nesting.wait_for(FlightId::of(before))
            {
                self.executor.wait(before.outcome(), deadline.left()).await;
            }
            leader.depart();
        }
    }

    /// Returns a slot for a background load, if one is free.
    pub(crate) fn refresh_permit(&self) -> Option<RefreshPermit> {
        let before = self.refreshing.fetch_add(1, Ordering::Relaxed);
        Some(RefreshPermit(self.refreshing.clone())).filter(|_| before < MAX_REFRESHING)
    }
}

/// A slot for a background load, occupied until it is dropped.
pub(crate) struct RefreshPermit(Arc<AtomicUsize>);

impl Drop for RefreshPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How often the server is polled for a load elsewhere: after a third of the time so far.
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// The largest number of ids for a bulk loader.
const MAX_BULK: usize = 1000;

/// How many values are claimed together that are loaded one after the other.
const MAX_SINGLE_LOADS: usize = 8;

/// The largest number of background loads.
const MAX_REFRESHING: usize = 16;
