use super::commands::{LeaseToken, Mode, Since};
use super::entry_location::EntryLocation;
use super::single_flight::LoadLeader;

/// A load in flight.
pub(crate) struct PendingLoad<V> {
    pub(crate) leader: LoadLeader<V>,
    pub(crate) mode: Mode,
    /// Whether Redis is unavailable.
    pub(crate) is_unavailable: bool,
    /// Since when it has waited for another program.
    pub(crate) since: Since,
}

impl<V> PendingLoad<V> {
    pub(crate) fn new(leader: LoadLeader<V>, mode: Mode) -> Self {
        Self { leader, mode, is_unavailable: false, since: Since::default() }
    }
}

/// A load that this program performs.
pub(crate) struct LeasedLoad<V> {
    pub(crate) leader: LoadLeader<V>,
    /// `None` if its result cannot be stored.
    pub(crate) lease: Option<LeaseToken>,
}

/// Returns the leases of the loads whose results can be stored.
pub(crate) fn leases<V>(batch: &[LeasedLoad<V>]) -> Vec<(&EntryLocation, &LeaseToken)> {
    let leased =
        batch.iter().filter_map(|LeasedLoad { leader, lease }| Some((leader, lease.as_ref()?)));
    leased.map(|(leader, lease)| (&leader.location, lease)).collect()
}
