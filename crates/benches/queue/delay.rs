//! How soon a consumer that waits gets a job.

use std::time::{Duration, Instant};

use redis::{Connection, cmd};
use redis_collections_benches::{Cell, Samples, Section, Table, in_turns};
use tokio::runtime::Runtime;

use crate::floor::connect;
use crate::line::Line;
use crate::tally::payload;
use crate::{QUEUE, floor, ours};

pub(crate) fn measure(runtime: &Runtime) {
    let mut section = Section::new("queue-delay", "Work queues: delay of a job", METHOD);
    let heads = [String::new()].into_iter();
    let heads = heads.chain(SHARES.map(|share| format!("{} %", share * 100.0)));
    let title = "Microseconds from before a push until a consumer that waits has the job";
    let mut table = Table::new(title, heads);
    let lines: Vec<_> = [floor::line(1)].into_iter().chain(ours::lines(1, runtime)).collect();
    let mut pushed = 0;
    let delays = in_turns(&lines, ROUNDS, |line| {
        pushed += PUSHES;
        let delays = delays(line, pushed, runtime);
        SHARES.map(|share| delays.quantile(share))
    });
    for (line, delays) in lines.iter().zip(&delays) {
        let cells = delays.iter().map(|delay| Cell::measured(delay, 0));
        table.rows.push([line.name.into()].into_iter().chain(cells).collect());
    }
    section.tables.push(table);
    section.finish();
}

/// The microseconds of pushes with these numbers.
fn delays(line: &Line, first: usize, runtime: &Runtime) -> Samples {
    let mut connection = connect(line.url());
    let (tally, consumer) = line.consumer(runtime);
    let delay = |number: usize| {
        wait_for_a_waiting_consumer(&mut connection);
        tally.aim(number + 1);
        let job = payload(first + number);
        let pushed = Instant::now();
        cmd("RPUSH").arg(QUEUE).arg(job).exec(&mut connection).unwrap();
        tally.reached().unwrap() - pushed
    };
    let delays: Vec<Duration> = (0..PUSHES).map(delay).collect();
    tally.stop().stop();
    consumer();
    delays.iter().map(|delay| delay.as_secs_f64() * 1e6).collect()
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

const METHOD: &str = "One consumer waits, and gets one job after the other.";
const SHARES: [f64; 4] = [0.5, 0.9, 0.99, 1.0];
const PUSHES: usize = 300;
const ROUNDS: usize = 5;
