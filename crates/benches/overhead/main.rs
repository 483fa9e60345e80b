//! What this crate costs over the same thing written by hand on the redis crate: the same commands,
//! the same codecs, the same kind of pool.
//!
//! Criterion measures each; after that both are measured in turns, in small batches, so that
//! whatever else the machine does meets both alike, and a table shows the ratio of the medians and
//! the allocations of one call. More than two allocations over those by hand are an error.

mod operations;
mod pair;
mod setting;

use std::process::ExitCode;
use std::time::Duration;

use criterion::Criterion;
use redis_collections::LocalServer;

use operations::{Data, all};
use pair::Pair;
use setting::Setting;

fn main() -> ExitCode {
    let server = LocalServer::start().unwrap();
    let (setting, data) = (Setting::on(server.url()), Data::new());
    let pairs = all(&setting, &data);

    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    for pair in &pairs {
        let mut group = criterion.benchmark_group(pair.name);
        for (side, call) in pair.sides() {
            group.bench_function(side, |bencher| {
                bencher.iter_custom(|calls| pair.time(call, u32::try_from(calls).unwrap()));
            });
        }
        group.finish();
    }
    show(&pairs)
}

/// Prints the table. It is an error if an operation allocates too often.
fn show(pairs: &[Pair<'_>]) -> ExitCode {
    println!("operation              |     ours |  by hand |  ratio | allocations ours | by hand");
    let mut outcome = ExitCode::SUCCESS;
    for pair in pairs {
        let [ours, by_hand] = pair.medians();
        let ratio = ours.as_secs_f64() / by_hand.as_secs_f64();
        let [count, count_by_hand] = pair.allocations();
        print!("{:24} | {ours:>8.1?} | {by_hand:>8.1?} | {ratio:>6.3}", pair.name);
        print!(" | {count:>16} | {count_by_hand:>7}");
        if ratio > HIGHEST_RATIO {
            print!(" slow");
        }
        if count > count_by_hand + MOST_ALLOCATIONS_MORE {
            print!(" allocates too often");
            outcome = ExitCode::FAILURE;
        }
        println!();
    }
    outcome
}

/// What the ratio should not exceed. It is marked and no error, for times depend on the machine.
const HIGHEST_RATIO: f64 = 1.05;
const MOST_ALLOCATIONS_MORE: u64 = 2;
