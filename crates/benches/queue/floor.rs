//! What a queue could cost at best: pops that lose jobs, and the bare server.

use std::collections::HashMap;
use std::ops::Range;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use redis::{Connection, IntoConnectionInfo, cmd, pipe};
use redis_collections::LocalServer;

use crate::QUEUE;
use crate::line::{Kind, Line, Role, Roles};
use crate::tally::{Tally, payload};

pub(crate) fn line(batch: usize) -> Line {
    Line::new("`BLPOP`, at most once", Kind::Floor, |url| Pops { url: url.to_owned(), batch })
}

struct Pops {
    url: String,
    batch: usize,
}

impl Roles for Pops {
    fn produce(&self, jobs: Range<usize>, at_once: usize) -> Role {
        let mut connection = connect(&self.url);
        Role::thread(move || {
            for start in jobs.clone().step_by(at_once) {
                let jobs: Vec<_> = (start..jobs.end.min(start + at_once)).map(payload).collect();
                cmd("RPUSH").arg(QUEUE).arg(jobs).exec(&mut connection).unwrap();
            }
        })
    }

    fn consume(&self, tally: Arc<Tally>) -> Role {
        let (mut connection, batch) = (connect(&self.url), self.batch);
        Role::thread(move || {
            let (mut several, mut one) = (cmd("LPOP"), cmd("BLPOP"));
            several.arg(QUEUE).arg(batch);
            one.arg(QUEUE).arg(0.25);
            while !tally.is_over() {
                if batch > 1 {
                    let jobs: Option<Vec<String>> = several.query(&mut connection).unwrap();
                    if let Some(jobs) = jobs {
                        jobs.iter().for_each(|job| tally.handle(job));
                        continue;
                    }
                }
                let job: Option<(String, String)> = one.query(&mut connection).unwrap();
                job.into_iter().for_each(|(_, job)| tally.handle(&job));
            }
        })
    }
}

/// How many jobs of this size a server takes and gives in a second, sixteen commands at once, and
/// who says so.
pub(crate) fn bound() -> (f64, f64, &'static str) {
    let server = LocalServer::start().unwrap();
    match by_redis_benchmark(server.url()) {
        Some((pushes, pops)) => (pushes, pops, "redis-benchmark"),
        None => {
            let (pushes, pops) = by_hand(server.url());
            (pushes, pops, "by hand")
        }
    }
}

fn by_redis_benchmark(url: &str) -> Option<(f64, f64)> {
    let port = url.rsplit(':').next()?.trim_end_matches('/');
    let mut command = Command::new("redis-benchmark");
    command.args(["-p", port, "-t", "lpush,rpop", "-d", "100", "-n", "200000", "-P", "16"]);
    let output = command.arg("--csv").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let rates: HashMap<_, f64> = text
        .lines()
        .filter_map(|line| {
            let mut cells = line.split(',').map(|cell| cell.trim_matches('"'));
            Some((cells.next()?, cells.next()?.parse().ok()?))
        })
        .collect();
    Some((*rates.get("LPUSH")?, *rates.get("RPOP")?))
}

fn by_hand(url: &str) -> (f64, f64) {
    const COMMANDS: usize = 200_000;
    let mut connection = connect(url);
    let mut rate = |command: redis::Cmd| {
        let mut commands = pipe();
        for _ in 0..16 {
            commands.add_command(command.clone()).ignore();
        }
        let started = Instant::now();
        (0..COMMANDS / 16).for_each(|_| commands.exec(&mut connection).unwrap());
        COMMANDS as f64 / started.elapsed().as_secs_f64()
    };
    let (mut push, mut pop) = (cmd("LPUSH"), cmd("RPOP"));
    push.arg(QUEUE).arg(payload(0));
    pop.arg(QUEUE);
    (rate(push), rate(pop))
}

pub(crate) fn connect(url: &str) -> Connection {
    without_delay(url).get_connection().unwrap()
}

/// The client of the redis crate, which by default lets the system delay small packets.
pub(crate) fn without_delay(url: &str) -> redis::Client {
    let information = url.into_connection_info().unwrap();
    let tcp = information.tcp_settings().clone().set_nodelay(true);
    redis::Client::open(information.set_tcp_settings(tcp)).unwrap()
}
