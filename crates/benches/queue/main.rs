//! Work queues from end to end: one producer and two consumers, beside other libraries.
//!
//! In every run it is checked that each job was handled once. An argument, `speed`, `waiting` or
//! `delay`, asks for one of the parts.

mod delay;
mod floor;
mod line;
mod ours;
mod rivals;
mod speed;
mod tally;
mod waiting;

use redis_collections_benches::{Cell, Samples, in_turns};
use tokio::runtime::Runtime;

use line::{Kind, Line, Speed};

fn main() {
    let runtime = Runtime::new().unwrap();
    let parts: [(&str, Part); 3] =
        [("speed", speed::measure), ("waiting", waiting::measure), ("delay", delay::measure)];
    let asked: Vec<_> = std::env::args().collect();
    let is_asked = |name: &str| asked.iter().any(|argument| argument == name);
    let all = !parts.iter().any(|(name, _)| is_asked(name));
    for (_, measure) in parts.into_iter().filter(|(name, _)| all || is_asked(name)) {
        measure(&runtime);
    }
}

fn lines(batch: usize, runtime: &Runtime) -> Vec<Line> {
    let lines = [floor::line(batch)].into_iter().chain(rivals::lines(batch, runtime));
    lines.chain(ours::lines(batch, runtime)).collect()
}

/// The jobs a second of each line, and the microseconds that its program and its server work for a
/// job. They are no numbers where a run did not end.
fn speeds(lines: &mut [Line], batch: usize, rounds: usize, runtime: &Runtime) -> Vec<[Samples; 3]> {
    in_turns(lines, rounds, |line| {
        let Speed { rate, program, server } = line.run(jobs(line, batch), batch, runtime);
        [rate, program, server]
    })
}

/// How many jobs a run has: more for those that would be through before all threads have begun.
fn jobs(line: &Line, batch: usize) -> usize {
    if line.kind == Kind::Rival || batch == 1 { FEW_JOBS } else { MANY_JOBS }
}

fn ends(rates: &Samples) -> bool {
    !rates.quantile(1.0).is_nan()
}

fn rate(rates: &Samples) -> Cell {
    if ends(rates) { Cell::measured(rates, 0) } else { "does not end".into() }
}

type Part = fn(&Runtime);

const QUEUE: &str = "jobs";
/// Fewer than apalis-redis can have waiting.
const FEW_JOBS: usize = 7000;
const MANY_JOBS: usize = 70_000;
