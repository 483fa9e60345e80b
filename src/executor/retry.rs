//! How long and how often to try again.

use std::time::{Duration, Instant};

use crate::command::Wait;

/// When something ends, if ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) fn after(wait: Wait) -> Self {
        match wait {
            Wait::For(time) => Self(Instant::now().checked_add(time)),
            Wait::Forever => Self(None),
        }
    }

    /// The one that is over first.
    pub(crate) fn earlier(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(one), Some(two)) => Self(Some(one.min(two))),
            (one, two) => Self(one.or(two)),
        }
    }

    pub(crate) fn left(&self) -> Duration {
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    pub(crate) fn is_over_for(&self, time: Duration) -> bool {
        self.0.is_some_and(|end| Instant::now().saturating_duration_since(end) >= time)
    }
}

/// Pauses that become longer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pauses(Duration);

impl Pauses {
    pub(crate) fn new() -> Self {
        Self(SHORTEST_PAUSE)
    }

    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
