//! A monotonic clock in milliseconds.

use std::time::Duration;

/// Milliseconds since some moment in the past. It may lag behind by [`LAG`], but never runs ahead.
#[cfg(feature = "near-cache")]
#[inline]
pub(crate) fn now() -> u64 {
    let ticks = coarsetime::Instant::now_without_cache_update().as_ticks();
    coarsetime::Duration::from_ticks(ticks).as_millis()
}

/// Milliseconds since some moment before the first call.
#[cfg(not(feature = "near-cache"))]
pub(crate) fn now() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;

    static BEGAN: OnceLock<Instant> = OnceLock::new();
    1 + u64::try_from(BEGAN.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(0)
}

/// How far the clock may lag behind: a tick of a system with a hundred ticks per second.
#[cfg(feature = "near-cache")]
pub(crate) const LAG: u64 = 10;

/// The moment when `time` will have passed.
pub(crate) fn after(time: Duration) -> u64 {
    later(now(), time)
}

/// The moment `time` after `moment`, or the last representable one.
pub(crate) fn later(moment: u64, time: Duration) -> u64 {
    moment.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_beyond_the_last_moment() {
        for time in
            [Duration::MAX, Duration::from_millis(u64::MAX), Duration::from_millis(u64::MAX / 2)]
        {
            assert!(after(time) >= u64::MAX / 2, "{time:?}");
        }
        assert_eq!(later(7, Duration::from_micros(2500)), 9);
    }
}
