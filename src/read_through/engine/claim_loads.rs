//! Claims the right to load values.

use super::commands::{Claim, Mode, Since};
use super::entry_location::{EntryIds, EntryLocation};
use super::lookup::Lookup;
use super::pending_load::{LeasedLoad, PendingLoad};
use super::single_flight::LoadOutcome;
use super::state::Engine;
use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::random::unique_id;
use crate::read_through::freshness::Age;

/// The result of claims, apart from the loads that are complete.
pub(crate) struct ClaimOutcome<V> {
    pub(crate) claimed: Vec<LeasedLoad<V>>,
    /// The values that other programs are loading.
    pub(crate) busy: Vec<PendingLoad<V>>,
    /// The values of complete loads that must be refreshed.
    pub(crate) due: Vec<EntryLocation>,
}

impl<I, V, E, A> Engine<I, V, E, A>
where
    I: EntryIds,
    V: Codec<Owned: Sync>,
    E: RoundTrips,
    A: Clone + Send + Sync + 'static,
{
    /// Completes the loads whose values were found, and separates the remaining values from those
    /// that other programs are loading. After the deadline (`is_late`) it loads those too.
    pub(crate) async fn claim(
        &self,
        pending: Vec<PendingLoad<V::Owned>>,
        is_late: bool,
    ) -> ClaimOutcome<V::Owned> {
        let new = unique_id();
        let seals: Vec<_> = pending.iter().map(|flight| flight.leader.seal()).collect();
        let asked: Vec<_> = pending.iter().filter(|flight| !flight.is_unavailable).collect();
        let command = |at: usize| {
            let PendingLoad { leader, mode, since, .. } = asked[at];
            self.commands.claim(&leader.location, *mode, *since, &new)
        };
        let commands = (0..asked.len()).map(command).collect();
        let mut replies = self.send_each(commands, command).await.into_iter();
        let mut sorted = ClaimOutcome { claimed: Vec::new(), busy: Vec::new(), due: Vec::new() };
        let ClaimOutcome { claimed, busy, due } = &mut sorted;
        for (mut flight, seal) in pending.into_iter().zip(seals) {
            let claim = if flight.is_unavailable {
                None
            } else {
                match replies.next() {
                    Some(Ok(claim)) => claim,
                    Some(Err(error)) => {
                        flight.leader.break_off(error);
                        continue;
                    }
                    // One error for the whole round trip went to the first load; this one is
                    // given up.
                    None => continue,
                }
            };
            let PendingLoad { leader, mode, since, .. } = &mut flight;
            match claim {
                None => claimed.push(LeasedLoad { leader: flight.leader, lease: None }),
                Some(Claim::Leased(lease, stored)) => match self.seen(stored) {
                    Lookup::Found(value, Age::Fresh) if *mode == Mode::Unfit => {
                        self.release(&[(&leader.location, &lease)], None).await;
                        flight.leader.complete(LoadOutcome::Found(value, seal));
                    }
                    _ => claimed.push(LeasedLoad { leader: flight.leader, lease: Some(lease) }),
                },
                Some(Claim::Failed(error, age)) => {
                    flight.leader.fail(error, self.policy.errors.saturating_sub(age));
                }
                Some(Claim::Found(stored)) => match self.seen(stored) {
                    Lookup::Found(value, age) if age.is_served() => {
                        due.extend(Some(leader.location.clone()).filter(|_| age != Age::Fresh));
                        flight.leader.complete(LoadOutcome::Found(value, seal));
                    }
                    _ if is_late => {
                        leader.close();
                        claimed.push(LeasedLoad { leader: flight.leader, lease: None });
                    }
                    _ => {
                        *mode = Mode::Unfit;
                        busy.push(flight);
                    }
                },
                Some(Claim::Busy(stored, now)) => match self.seen(stored) {
                    Lookup::Found(value, age) if age.is_served() => {
                        flight.leader.complete(LoadOutcome::Found(value, seal));
                    }
                    _ if is_late => {
                        leader.close();
                        claimed.push(LeasedLoad { leader: flight.leader, lease: None });
                    }
                    _ => {
                        if *since == Since::default() {
                            *since = now;
                        }
                        busy.push(flight);
                    }
                },
            }
        }
        sorted
    }
}
