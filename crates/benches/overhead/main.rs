//! What this crate costs over the same thing written by hand on the redis crate: the same commands
//! and codecs, and a pool.
//!
//! A table shows the times of both, the ratio, and the allocations of one call. More than two
//! allocations over those by hand are an error.

mod operations;
mod pair;
mod setting;

use std::process::ExitCode;

use redis_collections::LocalServer;
use redis_collections_benches::{Cell, Section, Table};

use operations::{Data, all};
use setting::Setting;

fn main() -> ExitCode {
    let server = LocalServer::start().unwrap();
    let (setting, data) = (Setting::on(server.url()), Data::new());
    let mut section = Section::new("single-operations", "Single operations", METHOD);
    let title = "Microseconds for a call, and how often it allocates";
    let heads = ["operation", OURS, BY_HAND, "ratio", "allocations: `Client`", "by hand"];
    let mut table = Table::new(title, heads);
    let mut outcome = ExitCode::SUCCESS;
    for pair in all(&setting, &data) {
        let [ours, by_hand] = pair.times();
        let [count, count_by_hand] = pair.allocations();
        section.compare(pair.name, OURS, BY_HAND, &by_hand.over(&ours));
        table.rows.push(vec![
            pair.name.into(),
            Cell::measured(&ours, 1),
            Cell::measured(&by_hand, 1),
            Cell::measured(&ours.over(&by_hand), 3),
            Cell::figure(count as f64, 0),
            Cell::figure(count_by_hand as f64, 0),
        ]);
        if count > count_by_hand + MOST_ALLOCATIONS_MORE {
            eprintln!("{} allocates too often", pair.name);
            outcome = ExitCode::FAILURE;
        }
    }
    section.tables.push(table);
    section.finish();
    outcome
}

const METHOD: &str = "One thread calls each operation of a `Client` without settings, and sends the \
    same commands with the same codec, written by hand on the `redis` crate with a pool of `r2d2`. \
    Both take turns in small batches. A batch is a round. The last two operations publish each \
    change, and are compared with a transaction that does.";
const OURS: &str = "`Client`";
const BY_HAND: &str = "redis, by hand";
const MOST_ALLOCATIONS_MORE: u64 = 2;
