use std::time::{Duration, SystemTime};

use crate::keyword::Value;

/// A value that passed all checks, and its text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Accepted {
    pub(super) value: Value,
    pub(super) text: String,
}

/// A time of the server's clock.
pub(super) fn moment(microseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(microseconds)
}
