//! Read-through caches in races, while something goes wrong, and with input that is no good.

mod away;
mod bad_input;
mod cuts;
mod expiry;
mod leases;
mod nesting;
mod outcomes;
mod permanent;
mod planted;
mod races;
mod sharing;
mod source;
mod warnings;

use std::time::Duration;

use redis::cmd;
use redis_collections::{CachePolicy, LocalServer};
use support::servers::{Outcome, query, run};

/// Longer than any test takes.
const MINUTE: Duration = Duration::from_secs(60);

fn minute() -> CachePolicy {
    CachePolicy::time_to_live(MINUTE)
}

/// The keys of a server that are as `pattern` says.
fn keys(server: &LocalServer, pattern: &str) -> Outcome<Vec<String>> {
    Ok(query(server.url(), &format!("KEYS {pattern}"))?)
}

/// That no key stays for ever.
fn all_expire(server: &LocalServer) -> Outcome {
    for key in keys(server, "*")? {
        let left: i64 = query(server.url(), &format!("PTTL {key}"))?;
        assert_ne!(left, -1, "{key} has no end");
    }
    Ok(())
}

/// The key of the state of loads, of which there is one.
fn aside(server: &LocalServer) -> Outcome<String> {
    match &keys(server, "*~rc:load*")?[..] {
        [key] => Ok(key.clone()),
        keys => Err(format!("not one key: {keys:?}").into()),
    }
}

/// When the one lease ends that there is.
fn lease_end(server: &LocalServer) -> Outcome<u64> {
    let entry: String = run(server.url(), cmd("HGET").arg(aside(server)?).arg(""))?;
    Ok(entry.split(':').next().unwrap_or_default().parse()?)
}

/// The server's time in milliseconds.
fn time(server: &LocalServer) -> Outcome<u64> {
    let (seconds, micros): (u64, u64) = query(server.url(), "TIME")?;
    Ok(seconds * 1000 + micros / 1000)
}
