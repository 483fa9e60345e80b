use super::commands::{Mode, Since};
use super::flights::Lead;

/// A load under way.
pub(super) struct Flying<V> {
    pub(super) lead: Lead<V>,
    pub(super) mode: Mode,
    /// Whether Redis cannot be used.
    pub(super) is_away: bool,
    /// From when on it waits for another program.
    pub(super) since: Since,
}

impl<V> Flying<V> {
    pub(super) fn new(lead: Lead<V>, mode: Mode) -> Self {
        Self { lead, mode, is_away: false, since: Since::default() }
    }
}
