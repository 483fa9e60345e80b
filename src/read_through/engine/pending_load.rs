use super::commands::{Mode, Since};
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
