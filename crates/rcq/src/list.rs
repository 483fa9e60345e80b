//! Lists the queues of a database.

use std::io::{self, Write};

use redis_collections::{QueueStats, WorkQueue};

use crate::arguments::Arguments;
use crate::opened::Bytes;
use crate::{connect, stats};
use redis_collections_cli::failure::Failure;
use redis_collections_cli::program::print_object;
use redis_collections_cli::shown;

/// Prints the queues with their contents. A queue that cannot be read is reported after the others.
pub(crate) fn list(arguments: &Arguments) -> Result<(), Failure> {
    let client = connect::client(arguments)?;
    let mut rows = vec![HEADS.map(String::from)];
    let mut failures = Vec::new();
    for name in Bytes::names(&client)? {
        let queue: Bytes = WorkQueue::new(&client, name.clone());
        match queue.stats() {
            Ok(stats) if arguments.options.json => print_object(&stats::object(&name, &stats))?,
            Ok(stats) => rows.push(row(&name, &stats)),
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => failures.push(Failure::from(error)),
        }
    }
    if rows.len() > 1 {
        write!(io::stdout(), "{}", shown::table(&rows))?;
    }
    let messages: Vec<_> = failures.into_iter().flat_map(Failure::into_messages).collect();
    if messages.is_empty() {
        Ok(())
    } else {
        Err(Failure::Reported { code: Failure::FAILED, messages })
    }
}

fn row(name: &[u8], stats: &QueueStats) -> [String; 7] {
    [
        shown::text(name),
        stats.pending.to_string(),
        stats.in_flight.to_string(),
        stats.delayed.to_string(),
        stats.dead.to_string(),
        stats.consumers.to_string(),
        if stats.paused { "yes" } else { "no" }.into(),
    ]
}

const HEADS: [&str; 7] =
    ["QUEUE", "PENDING", "IN FLIGHT", "DELAYED", "DEAD", "CONSUMERS", "PAUSED"];
