//! Waits until queues are empty.

use std::thread;
use std::time::{Duration, Instant};

use redis_collections::Wait;
use serde_json::json;

use crate::arguments::Arguments;
use crate::opened::Opened;
use redis_collections_cli::failure::Failure;
use redis_collections_cli::program::complain;

/// Waits until the queue is empty, for at most `timeout`. Within this time an outage of the server
/// is waited out too.
pub(crate) fn drain(opened: &Opened, timeout: Option<Duration>) -> Result<(), Failure> {
    let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let left = || end.map(|end| end.saturating_duration_since(Instant::now()));
    let mut has_complained = false;
    let drained = loop {
        match opened.queue.drain(left().map_or(Wait::Forever, Wait::For)) {
            Ok(drained) => break drained,
            Err(error) if error.is_transient() => {
                if !has_complained {
                    complain::<Arguments>(&error.to_string());
                    has_complained = true;
                }
            }
            Err(error) => return Err(error.into()),
        }
        if left().is_some_and(|left| left.is_zero()) {
            break false;
        }
        thread::sleep(left().unwrap_or(RETRY_INTERVAL).min(RETRY_INTERVAL));
    };
    let name = opened.shown_name();
    let said = if drained || opened.json {
        opened.say(json!({ "drained": drained }), &format!("drained {name}"))
    } else {
        Ok(())
    };
    if drained { said } else { Err(Failure::new(LATE, format!("{name} was not drained in time"))) }
}

/// The time between attempts to reach the server.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// The exit code if a queue was not drained in time.
const LATE: u8 = 3;
