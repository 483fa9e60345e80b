//! Lists consumers and the jobs that they have claimed.

use std::io::{self, Write};
use std::time::Duration;

use redis_collections::{ClaimedJob, ConsumerState, Undecodable};
use serde_json::{Value, json};

use crate::base64;
use crate::opened::Opened;
use redis_collections_cli::failure::Failure;
use redis_collections_cli::program::print_object;
use redis_collections_cli::shown;

type State = ConsumerState<Vec<u8>>;

/// Prints the consumers, each with up to `count` jobs.
pub(crate) fn print(opened: &Opened, count: usize) -> Result<(), Failure> {
    let consumers = opened.queue.consumers(count)?;
    if opened.json {
        let print = |consumer| print_object(&object(&opened.name, consumer));
        return consumers.iter().try_for_each(print);
    }
    let rows: Vec<_> = consumers.iter().flat_map(rows).collect();
    if !rows.is_empty() {
        let table = [vec![HEADS.map(String::from)], rows].concat();
        write!(io::stdout(), "{}", shown::table(&table))?;
    }
    Ok(())
}

fn object(name: &[u8], consumer: &State) -> Value {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let job = |job: &ClaimedJob<Vec<u8>>| {
        json!({
            "job": base64::json(bytes(&job.value)),
            "id": job.id,
            "deliveries": job.deliveries,
            "begun": job.has_begun,
        })
    };
    json!({
        "queue": base64::json(name),
        "consumer": consumer.id,
        "alive": consumer.is_alive,
        "heartbeat_ms": milliseconds(consumer.heartbeat),
        "longest_running_ms": consumer.longest_running.map(milliseconds),
        "longest_unstarted_ms": consumer.longest_unstarted.map(milliseconds),
        "jobs": consumer.jobs.iter().map(job).collect::<Vec<_>>(),
    })
}

/// Returns a row for each job, the first one with the consumer, or one without a job.
fn rows(consumer: &State) -> Vec<[String; 8]> {
    let time = |time: Option<Duration>| time.map_or("-".into(), shown::time);
    let head = [
        shown::text(consumer.id.as_bytes()),
        yes_or_no(consumer.is_alive),
        shown::time(consumer.heartbeat),
        time(consumer.longest_running),
        time(consumer.longest_unstarted),
    ];
    let mut jobs: Vec<_> = consumer.jobs.iter().map(cells).collect();
    if jobs.is_empty() {
        jobs.push(["-"; 3].map(String::from));
    }
    let heads = std::iter::once(head).chain(std::iter::repeat_with(Default::default));
    heads.zip(jobs).map(|(head, job)| row(head, job)).collect()
}

fn row(head: [String; 5], job: [String; 3]) -> [String; 8] {
    let [id, alive, heartbeat, running, unstarted] = head;
    let [begun, deliveries, job] = job;
    [id, alive, heartbeat, running, unstarted, begun, deliveries, job]
}

fn cells(job: &ClaimedJob<Vec<u8>>) -> [String; 3] {
    [yes_or_no(job.has_begun), job.deliveries.to_string(), shown::text(bytes(&job.value))]
}

fn bytes(value: &Result<Vec<u8>, Undecodable>) -> &[u8] {
    value.as_ref().map_or_else(Undecodable::bytes, Vec::as_slice)
}

fn yes_or_no(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.into()
}

const HEADS: [&str; 8] =
    ["CONSUMER", "ALIVE", "HEARTBEAT", "RUNNING", "UNSTARTED", "BEGUN", "DELIVERIES", "JOB"];
