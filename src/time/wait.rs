use std::time::Duration;

/// How long a call may wait for something to arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wait {
    /// At most this time. Zero asks once and does not wait.
    For(Duration),
    /// Until something arrives.
    Forever,
}

impl From<Duration> for Wait {
    fn from(time: Duration) -> Self {
        Wait::For(time)
    }
}
