//! Lists the queues of a database.

use std::io::{self, Write};

use redis_collections::{QueueStats, WorkQueue};
use serde_json::json;

use crate::arguments::Arguments;
use crate::opened::Bytes;
use crate::{base64, connect, stats};
use redis_collections_cli::failure::Failure;
use redis_collections_cli::program::print_object;
use redis_collections_cli::shown;

/// Prints the queues with their contents, or with the reason why they cannot be read.
pub(crate) fn list(arguments: &Arguments) -> Result<(), Failure> {
    let client = connect::client(arguments)?;
    let mut rows = vec![HEADS.map(String::from)];
    for name in Bytes::names(&client)? {
        let queue: Bytes = WorkQueue::new(&client, name.clone());
        match queue.stats() {
            Ok(stats) if arguments.options.json => print_object(&stats::object(&name, &stats))?,
            Ok(stats) => rows.push(row(&name, &stats)),
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => {
                let problem = Failure::from(error).into_messages().join("; ");
                if arguments.options.json {
                    let queue = base64::json(&name);
                    print_object(&json!({ "queue": queue, "error": problem }))?;
                } else {
                    rows.push(unreadable(&name, &problem));
                }
            }
        }
    }
    if rows.len() > 1 {
        write!(io::stdout(), "{}", shown::table(&rows))?;
    }
    Ok(())
}

fn row(name: &[u8], stats: &QueueStats) -> [String; 8] {
    [
        shown::shortened(shown::text(name), WIDEST),
        stats.pending.to_string(),
        stats.in_flight.to_string(),
        stats.delayed.to_string(),
        stats.dead.to_string(),
        stats.consumers.to_string(),
        if stats.paused { "yes" } else { "no" }.into(),
        String::new(),
    ]
}

/// Returns the row of a queue that cannot be read.
fn unreadable(name: &[u8], problem: &str) -> [String; 8] {
    let mut row = ["-"; 8].map(String::from);
    row[0] = shown::shortened(shown::text(name), WIDEST);
    row[7] = shown::text(problem.as_bytes());
    row
}

/// The last column, without a head, has what is wrong with a queue.
const HEADS: [&str; 8] =
    ["QUEUE", "PENDING", "IN FLIGHT", "DELAYED", "DEAD", "CONSUMERS", "PAUSED", ""];
/// The greatest width of a name.
const WIDEST: usize = 60;
