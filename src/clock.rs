//! A monotonic clock in milliseconds.

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

/// How far the clock may lag behind: a tick of a system that has a hundred in a second.
#[cfg(feature = "near-cache")]
pub(crate) const LAG: u64 = 10;
