use std::time::{Duration, SystemTime};

use crate::keyword::Value;

/// A value that passed all checks, with its text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Accepted {
    pub(super) value: Value,
    pub(super) text: String,
}

/// Converts a time on the server's clock.
pub(super) fn moment(microseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(microseconds)
}
