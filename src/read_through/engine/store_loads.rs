//! Stores loaded values, or gives up the right to.

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Duration;

use super::commands::LeaseToken;
use super::entry_location::{EntryIds, EntryLocation};
use super::pending_load::LeasedLoad;
use super::single_flight::{LoadOutcome, Seal};
use super::state::Engine;
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::command::Command;
use crate::error::LoadError;
use crate::read_through::loader::Loaded;
use crate::read_through::stats::raise;

impl<I, V, E, A> Engine<I, V, E, A>
where
    I: EntryIds,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    /// Stores the loaded values, and completes the loads.
    pub(crate) async fn keep(
        &self,
        batch: Vec<LeasedLoad<V::Owned>>,
        loaded: Vec<Loaded<V::Owned>>,
    ) {
        let mut leased = Vec::with_capacity(batch.len());
        let mut commands = Vec::with_capacity(batch.len());
        for (LeasedLoad { leader, lease }, loaded) in batch.into_iter().zip(loaded) {
            let Some(lease) = lease else {
                leader.complete(LoadOutcome::Found(loaded.value.map(Arc::new), Seal::ALL));
                continue;
            };
            let command = self.storing(&leader.location, &lease, &loaded);
            if let Some(error) = command.request.refusal() {
                self.release(&[(&leader.location, &lease)], None).await;
                leader.break_off(error);
                continue;
            }
            leader.close();
            commands.push(command);
            leased.push((leader, lease, loaded));
        }
        let again = |at: usize| {
            let (leader, lease, loaded) = &leased[at];
            self.storing(&leader.location, lease, loaded)
        };
        let mut replies = self.send_each(commands, again).await.into_iter();
        for (leader, _, loaded) in leased {
            let value = loaded.value.map(Arc::new);
            match replies.next() {
                Some(Ok(Some(true))) => leader.complete(LoadOutcome::Found(value, Seal::ALL)),
                Some(Ok(Some(false))) => {
                    raise(&self.counts.outdated);
                    leader.complete(LoadOutcome::Found(value, Seal::NONE));
                }
                Some(Err(error)) => leader.break_off(error),
                // It is unknown whether the value was still the newest when the last follower
                // joined.
                Some(Ok(None)) | None => leader.complete(LoadOutcome::Found(value, Seal::NONE)),
            }
        }
    }

    /// Builds the command that stores a loaded value.
    fn storing(
        &self,
        location: &EntryLocation,
        lease: &LeaseToken,
        loaded: &Loaded<V::Owned>,
    ) -> Command<bool> {
        let value = loaded.value.as_ref().map(Borrow::borrow);
        let time = match (&loaded.value, loaded.time_to_live) {
            (Some(_), None) => self.lasting(),
            (Some(_), Some(time)) if time.is_zero() => Some(time),
            (Some(_), Some(time)) => Some(time.saturating_add(self.policy.reserve())),
            (None, time) => time.or(self.policy.absence),
        };
        self.commands.store::<V>(location, lease, value, time)
    }

    /// Returns how long the server keeps a value whose loader sets no time.
    pub(crate) fn lasting(&self) -> Option<Duration> {
        let time = self.policy.time_to_live?;
        let jittered = time.mul_f64(1.0 - self.policy.jitter * fastrand::f64());
        Some(jittered.saturating_add(self.policy.reserve()))
    }

    /// Lets other programs load, or passes the error on to them. If that fails, the leases expire.
    pub(crate) async fn release(
        &self,
        leases: &[(&EntryLocation, &LeaseToken)],
        error: Option<&LoadError>,
    ) {
        let command = |at: usize| {
            let (location, lease) = leases[at];
            self.commands.release(location, lease, error)
        };
        self.send_each((0..leases.len()).map(command).collect(), command).await;
    }
}
