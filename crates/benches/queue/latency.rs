//! How soon a consumer that waits gets a job.

use std::time::{Duration, Instant};

use redis::{Connection, cmd};
use tokio::runtime::Runtime;

use crate::QUEUE;
use crate::floor::connect;
use crate::line::Line;
use crate::tally::payload;

/// The times from before a push until the job is handled, in order.
pub(crate) fn latencies(line: &Line, runtime: &Runtime) -> Vec<Duration> {
    let mut connection = connect(line.url());
    let (tally, consumer) = line.consumer(runtime);
    let latency = |number: usize| {
        wait_for_a_waiting_consumer(&mut connection);
        tally.aim(number + 1);
        let job = payload(number);
        let pushed = Instant::now();
        cmd("RPUSH").arg(QUEUE).arg(job).exec(&mut connection).unwrap();
        tally.reached().unwrap() - pushed
    };
    let mut latencies: Vec<_> = (0..PUSHES).map(latency).collect();
    tally.stop().stop();
    consumer();
    latencies.sort();
    latencies
}

fn wait_for_a_waiting_consumer(connection: &mut Connection) {
    let blocked = |connection: &mut Connection| {
        let clients: String = cmd("INFO").arg("clients").query(connection).unwrap();
        clients.contains("blocked_clients:1")
    };
    while !blocked(connection) {
        std::thread::yield_now();
    }
}

const PUSHES: usize = 1000;
