//! The events that the crate logs: what they say, and that each comes once.

mod caches;
mod connections;
mod failovers;
#[cfg(feature = "keyword")]
mod keywords;
mod queues;
mod table;

use std::time::{Duration, Instant};

use support::events::events_with;
use support::eventually;

/// Longer than the shortest time between two episodes that are logged.
const OUTAGE: Duration = Duration::from_millis(1500);

/// The events that contain `text`, once the last of them begins with `last`.
fn events_until(text: &str, last: &str) -> Vec<String> {
    let is_there = || events_with(text).last().is_some_and(|event| event.starts_with(last));
    assert!(eventually(is_there), "{last:?} is not the last of {:#?}", events_with(text));
    events_with(text)
}

/// Checks that there are these events, each by its beginning, and no others.
#[track_caller]
fn assert_events(events: &[String], expected: &[&str]) {
    let are_these = events.len() == expected.len()
        && events.iter().zip(expected).all(|(event, expected)| event.starts_with(expected));
    assert!(are_these, "{events:#?}, not {expected:#?}");
}

/// Calls again and again for `time`, at least twenty times.
async fn call_for(time: Duration, mut call: impl AsyncFnMut()) {
    let (began, mut calls) = (Instant::now(), 0);
    while began.elapsed() < time || calls < 20 {
        call().await;
        calls += 1;
    }
}
