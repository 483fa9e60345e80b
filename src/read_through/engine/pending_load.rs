use super::commands::{Mode, Since};
use super::single_flight::Leader;

/// A load in flight.
pub(crate) struct PendingLoad<V> {
    pub(crate) lead: Leader<V>,
    pub(crate) mode: Mode,
    /// Whether Redis is unavailable.
    pub(crate) is_away: bool,
    /// Since when it has waited for another program.
    pub(crate) since: Since,
}

impl<V> PendingLoad<V> {
    pub(crate) fn new(lead: Leader<V>, mode: Mode) -> Self {
        Self { lead, mode, is_away: false, since: Since::default() }
    }
}
