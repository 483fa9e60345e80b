//! Work queues from end to end: one producer and two consumers, beside other libraries.
//!
//! All are measured in turns, so that whatever else the machine does meets all alike, and tables
//! show the medians. In every run it is checked that each job was handled once. An argument,
//! `speed`, `curve` or `delay`, asks for some of the tables.

mod floor;
mod latency;
mod line;
mod ours;
mod rivals;
mod tally;

use tokio::runtime::Runtime;

use latency::latencies;
use line::{Kind, Line, Speed};

fn main() {
    let runtime = Runtime::new().unwrap();
    let tables: [(&str, Table); 3] = [("speed", speed), ("curve", curve), ("delay", delay)];
    let asked: Vec<_> = std::env::args().collect();
    let is_asked = |name: &str| asked.iter().any(|argument| argument == name);
    let all = !tables.iter().any(|(name, _)| is_asked(name));
    tables
        .into_iter()
        .filter(|(name, _)| all || is_asked(name))
        .for_each(|(_, table)| table(&runtime));
}

fn speed(runtime: &Runtime) {
    let (rates, work) = BATCHES
        .map(|batch| {
            let mut lines = lines(batch, runtime);
            let speeds =
                medians(&mut lines, ROUNDS, |line| line.run(jobs(line, batch), batch, runtime));
            let best = best_rival(&lines, &speeds);
            let rates = lines.iter().zip(&speeds).map(|(line, speed)| match (line.kind, speed) {
                (Kind::Ours, Some(speed)) => {
                    format!("{:.0} ({:.2})", speed.rate, speed.rate / best)
                }
                (_, speed) => rate(*speed),
            });
            let work = speeds.iter().map(|speed| match speed {
                Some(speed) => format!("{:.1} + {:.1}", speed.program, speed.server),
                None => NEVER.to_owned(),
            });
            (rates.collect::<Vec<_>>(), work.collect::<Vec<_>>())
        })
        .into_iter()
        .unzip::<_, _, Vec<_>, Vec<_>>();
    let names: Vec<_> = lines(1, runtime).iter().map(|line| line.name).collect();
    let header = BATCHES.map(|batch| format!("batch {batch}"));
    println!("Jobs of 100 bytes per second, one producer and two consumers, each so many at once;");
    println!("in brackets how often the best other one that loses no jobs\n");
    table(&header, &names, &rates);
    println!("Microseconds of processors for a job, the program's and the server's\n");
    table(&header, &names, &work);
    let (pushes, pops, source) = floor::bound();
    let both = 1.0 / (1.0 / pushes + 1.0 / pops);
    print!("The bare server ({source}, sixteen at once): {pushes:.0} LPUSH, {pops:.0} RPOP, ");
    println!("{both:.0} of both\n");
}

fn curve(runtime: &Runtime) {
    let columns = WAITING.map(|waiting| {
        let mut lines = lines(BATCH_OF_CURVE, runtime);
        lines.iter_mut().for_each(|line| line.fill(waiting, runtime));
        let run = |line: &mut Line| line.run(jobs(line, BATCH_OF_CURVE), BATCH_OF_CURVE, runtime);
        medians(&mut lines, ROUNDS_OF_CURVE, run).into_iter().map(rate).collect()
    });
    let names: Vec<_> = lines(1, runtime).iter().map(|line| line.name).collect();
    println!("Jobs per second, {BATCH_OF_CURVE} at once, while so many wait\n");
    table(&WAITING.map(|waiting| waiting.to_string()), &names, &columns);
}

fn delay(runtime: &Runtime) {
    let lines: Vec<_> = [floor::line(1)].into_iter().chain(ours::lines(1, runtime)).collect();
    let latencies: Vec<_> = lines.iter().map(|line| latencies(line, runtime)).collect();
    let columns = PERCENTILES.map(|percentile| {
        let at = |len: usize| ((len - 1) as f64 * percentile / 100.0) as usize;
        let cells = latencies.iter().map(|latencies| latencies[at(latencies.len())].as_micros());
        cells.map(|microseconds| microseconds.to_string()).collect()
    });
    let names: Vec<_> = lines.iter().map(|line| line.name).collect();
    println!("Microseconds from before a push until a consumer that waits has the job, of 1,000\n");
    table(&PERCENTILES.map(|percentile| format!("{percentile} %")), &names, &columns);
}

fn lines(batch: usize, runtime: &Runtime) -> Vec<Line> {
    let lines = [floor::line(batch)].into_iter().chain(rivals::lines(batch, runtime));
    lines.chain(ours::lines(batch, runtime)).collect()
}

/// How many jobs a run has: more for those that would be through before all threads have begun.
fn jobs(line: &Line, batch: usize) -> usize {
    if line.kind == Kind::Rival || batch == 1 { FEW_JOBS } else { MANY_JOBS }
}

/// The speed of each line, measured in turns; none of one that has failed.
fn medians(
    lines: &mut [Line],
    rounds: usize,
    mut run: impl FnMut(&mut Line) -> Option<Speed>,
) -> Vec<Option<Speed>> {
    let mut speeds = vec![Some(Vec::new()); lines.len()];
    for _ in 0..rounds {
        for (speeds, line) in speeds.iter_mut().zip(&mut *lines) {
            if let Some(so_far) = speeds {
                match run(line) {
                    Some(speed) => so_far.push(speed),
                    None => *speeds = None,
                }
            }
        }
    }
    speeds.into_iter().map(|speeds| speeds.map(|speeds| median(&speeds))).collect()
}

/// The median rate, and the mean work, which is counted in rough steps.
fn median(speeds: &[Speed]) -> Speed {
    let mut rates: Vec<_> = speeds.iter().map(|speed| speed.rate).collect();
    rates.sort_by(f64::total_cmp);
    let mean = |work: fn(&Speed) -> f64| speeds.iter().map(work).sum::<f64>() / speeds.len() as f64;
    let (program, server) = (mean(|speed| speed.program), mean(|speed| speed.server));
    Speed { rate: rates[rates.len() / 2], program, server }
}

fn best_rival(lines: &[Line], speeds: &[Option<Speed>]) -> f64 {
    let rivals = lines.iter().zip(speeds).filter(|(line, _)| line.kind == Kind::Rival);
    rivals.filter_map(|(_, speed)| Some((*speed)?.rate)).fold(0.0, f64::max)
}

fn rate(speed: Option<Speed>) -> String {
    speed.map_or(NEVER.to_owned(), |speed| format!("{:.0}", speed.rate))
}

/// Prints a table in Markdown.
fn table(header: &[String], names: &[&str], columns: &[Vec<String>]) {
    println!("| | {} |", header.join(" | "));
    println!("|---|{}", "---:|".repeat(header.len()));
    for (row, name) in names.iter().enumerate() {
        let cells: Vec<_> = columns.iter().map(|column| &*column[row]).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    println!();
}

type Table = fn(&Runtime);

const QUEUE: &str = "jobs";
const BATCHES: [usize; 3] = [1, 16, 64];
/// Fewer than apalis-redis can have waiting.
const FEW_JOBS: usize = 7000;
const MANY_JOBS: usize = 70_000;
const ROUNDS: usize = 9;
const WAITING: [usize; 4] = [0, 10_000, 100_000, 1_000_000];
const BATCH_OF_CURVE: usize = 16;
const ROUNDS_OF_CURVE: usize = 5;
const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 100.0];
const NEVER: &str = "never ends";
