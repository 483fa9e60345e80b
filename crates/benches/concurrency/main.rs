//! Many concurrent callers, each of which reads or writes one field of a hash at a time: this crate
//! beside its peers, tasks and threads apart.
//!
//! All send the same commands and decode the values to numbers. They are measured in turns, so that
//! whatever else the machine does meets all alike, and a table shows the medians.

mod contestant;
mod ours;
mod tasks;
mod threads;

use redis_collections::{Client, LocalServer, RedisHashDict};
use tokio::runtime::Runtime;

use contestant::{Contestant, OPERATIONS, Operation};

fn main() {
    let server = LocalServer::start().unwrap();
    let dict: RedisHashDict<u64, u64> =
        RedisHashDict::new(&Client::open(server.url()).unwrap(), HASH);
    let entries: Vec<u64> = (0..FIELDS).collect();
    dict.extend(entries.iter().map(|number| (number, number))).unwrap();

    let runtime = Runtime::new().unwrap();
    let workers = runtime.metrics().num_workers();
    let title = format!("tasks on {workers} worker threads");
    compare(&title, &tasks::contestants(server.url(), &runtime));
    compare("threads", &threads::contestants(server.url()));
}

/// Prints the table of one kind of callers.
fn compare(kind: &str, contestants: &[Contestant<'_>]) {
    println!("Callers are {kind}; operations per second (number of connections)");
    print!("callers | operation");
    contestants.iter().for_each(|contestant| print!(" | {:>WIDTH$}", contestant.title()));
    println!(" | ours / best other");
    for operation in OPERATIONS {
        for callers in CALLERS {
            print!("{callers:>7} | {:9}", operation.name());
            let rates = medians(contestants, operation, callers);
            rates.iter().for_each(|rate| print!(" | {rate:>WIDTH$.0}"));
            let of = |ours| {
                let sides = contestants.iter().zip(&rates);
                let side = sides.filter(move |(contestant, _)| contestant.is_ours() == ours);
                side.map(|(_, rate)| *rate).reduce(f64::max)
            };
            match of(true).zip(of(false)) {
                Some((ours, other)) => println!(" | {:>17.3}", ours / other),
                None => println!(" | {:>17}", "-"),
            }
        }
    }
    println!();
}

/// The median rate of each contestant, measured in turns.
fn medians(contestants: &[Contestant<'_>], operation: Operation, callers: usize) -> Vec<f64> {
    let mut rates = vec![Vec::new(); contestants.len()];
    for _ in 0..ROUNDS {
        for (rates, contestant) in rates.iter_mut().zip(contestants) {
            rates.push(contestant.rate(operation, callers));
        }
    }
    let median = |mut rates: Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[ROUNDS / 2]
    };
    rates.into_iter().map(median).collect()
}

const HASH: &str = "numbers";
/// Each field holds its own number.
const FIELDS: u64 = 1000;
const CALLERS: [usize; 4] = [1, 8, 64, 256];
const ROUNDS: usize = 9;
const WIDTH: usize = 15;
