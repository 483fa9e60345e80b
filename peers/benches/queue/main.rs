//! Work queues from end to end: one producer and two consumers, beside other libraries.
//!
//! All are measured in turns, so that whatever else the machine does meets all alike, and tables show
//! the medians. In every run it is checked that each job was handled once.

mod floor;
mod latency;
mod line;
mod ours;
mod rivals;
mod tally;

use tokio::runtime::Runtime;

use latency::latencies;
use line::{Kind, Line};

fn main() {
    let runtime = Runtime::new().unwrap();
    speed(&runtime);
    curve(&runtime);
    delay(&runtime);
}

fn speed(runtime: &Runtime) {
    println!(
        "Jobs of 100 bytes per second, one producer and two consumers, each that many at once;"
    );
    println!("in brackets how often the best other one that loses no jobs\n");
    let columns = BATCHES.map(|batch| {
        let mut lines = lines(batch, runtime);
        let rates = medians(&mut lines, ROUNDS, |line| line.rate(JOBS, batch, runtime));
        let best = best(&lines, &rates, Kind::Rival);
        let cells = lines.iter().zip(rates).map(|(line, rate)| match (line.kind, rate) {
            (Kind::Ours, Some(rate)) => format!("{rate:.0} ({:.2})", rate / best),
            (_, Some(rate)) => format!("{rate:.0}"),
            (_, None) => NEVER.to_owned(),
        });
        cells.collect::<Vec<_>>()
    });
    let header = BATCHES.map(|batch| format!("batch {batch}"));
    let names = lines(1, runtime).into_iter().map(|line| line.name);
    table(
        "",
        &header,
        names
            .enumerate()
            .map(|(row, name)| (name, columns.each_ref().map(|column| column[row].clone()))),
    );
    let (pushes, pops, source) = floor::bound();
    let both = 1.0 / (1.0 / pushes + 1.0 / pops);
    println!(
        "The bare server ({source}, sixteen at once): {pushes:.0} LPUSH, {pops:.0} RPOP, {both:.0} of both\n"
    );
}

fn curve(runtime: &Runtime) {
    println!("The same, {BATCH_OF_CURVE} at once, while so many jobs wait\n");
    let columns = WAITING.map(|waiting| {
        let mut lines = lines(BATCH_OF_CURVE, runtime);
        lines.iter_mut().for_each(|line| line.fill(waiting, runtime));
        let rates =
            medians(&mut lines, ROUNDS_OF_CURVE, |line| line.rate(JOBS, BATCH_OF_CURVE, runtime));
        rates
            .into_iter()
            .map(|rate| rate.map_or(NEVER.to_owned(), |rate| format!("{rate:.0}")))
            .collect::<Vec<_>>()
    });
    let names = lines(1, runtime).into_iter().map(|line| line.name);
    table(
        "",
        &WAITING.map(|waiting| waiting.to_string()),
        names
            .enumerate()
            .map(|(row, name)| (name, columns.each_ref().map(|column| column[row].clone()))),
    );
}

fn delay(runtime: &Runtime) {
    println!("Microseconds from a push to a consumer that waits, of a thousand\n");
    let lines: Vec<_> = [floor::line(1)].into_iter().chain(ours::lines(1, runtime)).collect();
    let header = PERCENTILES.map(|percentile| format!("{percentile} %"));
    table(
        "",
        &header,
        lines.iter().map(|line| {
            let latencies = latencies(line, runtime);
            let at = |percentile: f64| {
                latencies[((latencies.len() - 1) as f64 * percentile / 100.0) as usize]
            };
            (line.name, PERCENTILES.map(|percentile| at(percentile).as_micros().to_string()))
        }),
    );
}

fn lines(batch: usize, runtime: &Runtime) -> Vec<Line> {
    let lines = [floor::line(batch)].into_iter().chain(rivals::lines(batch, runtime));
    lines.chain(ours::lines(batch, runtime)).collect()
}

/// The median of each line, measured in turns; none of one that has failed.
fn medians(
    lines: &mut [Line],
    rounds: usize,
    mut measure: impl FnMut(&mut Line) -> Option<f64>,
) -> Vec<Option<f64>> {
    let mut rates = vec![Some(Vec::new()); lines.len()];
    for _ in 0..rounds {
        for (rates, line) in rates.iter_mut().zip(&mut *lines) {
            if let Some(so_far) = rates {
                match measure(line) {
                    Some(rate) => so_far.push(rate),
                    None => *rates = None,
                }
            }
        }
    }
    let median = |mut rates: Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rounds / 2]
    };
    rates.into_iter().map(|rates| rates.map(median)).collect()
}

fn best(lines: &[Line], rates: &[Option<f64>], kind: Kind) -> f64 {
    let rates = lines.iter().zip(rates).filter(|(line, _)| line.kind == kind);
    rates.filter_map(|(_, rate)| *rate).fold(0.0, f64::max)
}

fn table<const N: usize>(
    title: &str,
    header: &[String; N],
    rows: impl Iterator<Item = (&'static str, [String; N])>,
) {
    println!("| {title} | {} |", header.join(" | "));
    println!("|---|{}", "---:|".repeat(N));
    rows.for_each(|(name, cells)| println!("| {name} | {} |", cells.join(" | ")));
    println!();
}

const QUEUE: &str = "jobs";
const BATCHES: [usize; 3] = [1, 16, 64];
/// Fewer than apalis-redis can have waiting.
const JOBS: usize = 7000;
const ROUNDS: usize = 9;
const WAITING: [usize; 4] = [0, 10_000, 100_000, 1_000_000];
const BATCH_OF_CURVE: usize = 16;
const ROUNDS_OF_CURVE: usize = 5;
const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 100.0];
const NEVER: &str = "never ends";
