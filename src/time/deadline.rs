//! Deadlines, and the backoff between retries.

use std::time::{Duration, Instant};

use super::wait::Wait;

/// A moment at which waiting ends, if ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) fn after(wait: Wait) -> Self {
        match wait {
            Wait::For(time) => Self(Instant::now().checked_add(time)),
            Wait::Forever => Self(None),
        }
    }

    /// The earlier of this deadline and the end of `time` from now.
    pub(crate) fn within(self, time: Duration) -> Self {
        self.earlier(Self::after(Wait::For(time)))
    }

    /// The earlier of two deadlines.
    pub(crate) fn earlier(self, other: Self) -> Self {
        Self(match (self.0, other.0) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        })
    }

    /// The deadline moved back by `time`.
    pub(crate) fn later_by(self, time: Duration) -> Self {
        Self(self.0.and_then(|end| end.checked_add(time)))
    }

    pub(crate) fn left(&self) -> Duration {
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }

    /// How much time was left at `now`, for a caller that has just read the clock.
    pub(crate) fn left_at(&self, now: Instant) -> Duration {
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(now))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    /// Returns whether it has been over for at least `time`.
    pub(crate) fn is_over_for(&self, time: Duration) -> bool {
        self.0.is_some_and(|end| Instant::now().saturating_duration_since(end) >= time)
    }
}

/// An exponential backoff.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pauses(Duration);

impl Pauses {
    pub(crate) fn new() -> Self {
        Self(SHORTEST_PAUSE)
    }

    /// The next pause, twice as long as the previous one, up to a limit.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_near_the_end_of_time_is_none() {
        for time in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_millis(u64::MAX)]
        {
            let never = Deadline::after(Wait::For(time));
            assert!(!never.is_over() && never.left() > Duration::from_secs(1 << 32));
            assert!(never.within(Duration::from_secs(9)).left() <= Duration::from_secs(9));
            let soon = Deadline::after(Wait::For(Duration::ZERO));
            assert!(soon.is_over() && soon.within(time).is_over());
            assert!(!soon.later_by(time).is_over() && !never.later_by(time).is_over());
        }
        assert!(Deadline::after(Wait::Forever).within(Duration::ZERO).is_over());
    }
}
