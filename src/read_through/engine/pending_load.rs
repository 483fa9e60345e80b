use super::commands::{Mode, Since};
use super::single_flight::Leader;

/// A load under way.
pub(crate) struct PendingLoad<V> {
    pub(crate) lead: Leader<V>,
    pub(crate) mode: Mode,
    /// Whether Redis cannot be used.
    pub(crate) is_away: bool,
    /// From when on it waits for another program.
    pub(crate) since: Since,
}

impl<V> PendingLoad<V> {
    pub(crate) fn new(lead: Leader<V>, mode: Mode) -> Self {
        Self { lead, mode, is_away: false, since: Since::default() }
    }
}
