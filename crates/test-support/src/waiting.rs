//! Waiting for conditions, with limits that only a failure reaches.

use std::thread;
use std::time::{Duration, Instant};

/// How long a condition may take to come true.
pub const LATE: Duration = Duration::from_secs(30);

/// The pause between two evaluations of a condition.
pub const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// An idle time after which a client no longer trusts its connection. Where a test needs such a
/// connection, this time has to pass, since nothing else shows it.
pub const IDLE: Duration = Duration::from_millis(110);

/// Returns whether the condition comes true within [`LATE`].
#[must_use]
pub fn eventually(condition: impl FnMut() -> bool) -> bool {
    within(LATE, condition)
}

#[must_use]
pub fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(POLL_INTERVAL);
    }
    true
}

/// As [`within`], for a task: other tasks of its thread run meanwhile.
#[must_use]
pub async fn within_in_task(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    true
}

/// Waits until an expression that may contain `.await` is true. Panics with the expression, and
/// with a message as that of `assert`, if it is not within [`LATE`].
#[macro_export]
macro_rules! wait_until {
    ($condition:expr $(,)?) => {
        $crate::wait_until!($condition, "it is false")
    };
    ($condition:expr, $($message:tt)+) => {{
        let deadline = std::time::Instant::now() + $crate::LATE;
        while !$condition {
            if std::time::Instant::now() > deadline {
                let message = format!($($message)+);
                panic!("waited in vain for {}: {message}", stringify!($condition));
            }
            std::thread::sleep($crate::POLL_INTERVAL);
        }
    }};
}
