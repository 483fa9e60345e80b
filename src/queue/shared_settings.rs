//! The settings on which all programs of a queue must agree.

use std::time::Duration;

use super::keys::Keys;
use crate::logs;

/// The settings in force for a queue: explicit ones of any program, or else the defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SharedSettings {
    pub(crate) lease: Duration,
    pub(crate) max_deliveries: u32,
    pub(crate) dead_capacity: usize,
}

/// The settings as stored beside the queue: a lease in milliseconds, deliveries and dead jobs, or
/// nothing.
pub(crate) type StoredSettings = [Option<u64>; 3];

/// Logs differences from the settings of another program: in `before`, which this program
/// replaces as it begins, or in `now`.
pub(crate) fn report(
    keys: &Keys,
    own: StoredSettings,
    before: Option<StoredSettings>,
    now: StoredSettings,
) {
    for (place, name) in NAMES.into_iter().enumerate() {
        let Some(own) = own[place] else { continue };
        if let Some(other) = before.and_then(|before| before[place]).filter(|it| *it != own) {
            logs::setting_replaced(keys.queue(), name, other, own);
        } else if let Some(other) = now[place].filter(|it| *it != own) {
            logs::setting_overruled(keys.queue(), name, own, other);
        }
    }
}

/// The names of stored settings in logs.
const NAMES: [&str; 3] = ["lease_ms", "max_deliveries", "dead_capacity"];

/// The shortest lease that settings may have.
pub(crate) const MIN_LEASE: Duration = Duration::from_millis(500);
