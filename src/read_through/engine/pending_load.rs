use super::commands::{Mode, Since};
use super::single_flight::Lead;

/// A load under way.
pub(crate) struct Flying<V> {
    pub(crate) lead: Lead<V>,
    pub(crate) mode: Mode,
    /// Whether Redis cannot be used.
    pub(crate) is_away: bool,
    /// From when on it waits for another program.
    pub(crate) since: Since,
}

impl<V> Flying<V> {
    pub(crate) fn new(lead: Lead<V>, mode: Mode) -> Self {
        Self { lead, mode, is_away: false, since: Since::default() }
    }
}
