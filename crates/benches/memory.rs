//! A hash of a million fields and a dictionary of a million keys are iterated in constant memory:
//! the peak memory of this process is shown before and after. Linux only.

use std::time::Instant;

use redis_collections::{Client, LocalServer, RedisDict, RedisHashDict, Result};
use redis_collections_benches::{Cell, Section, Table};

const ENTRIES: u64 = 1_000_000;

fn main() {
    let server = LocalServer::start().unwrap();
    let client = Client::open(server.url()).unwrap();
    let dict: RedisDict<u64, String> = RedisDict::new(&client, "dict");
    let hash: RedisHashDict<u64, String> = RedisHashDict::new(&client, "hash");
    let value = "x".repeat(100);
    for start in (0..ENTRIES).step_by(1000) {
        let chunk: Vec<u64> = (start..start + 1000).collect();
        dict.extend(chunk.iter().map(|key| (key, &value))).unwrap();
        hash.extend(chunk.iter().map(|key| (key, &value))).unwrap();
    }

    let mut section = Section::new("memory", "Memory of an iteration", METHOD);
    let before = peak_kib();
    let mut times = Table::new("Seconds for an iteration", ["", "entries", "seconds"]);
    times.rows.push(row("RedisHashDict::iter", hash.iter()));
    times.rows.push(row("RedisDict::iter", dict.iter()));
    let after = peak_kib();
    let title = "Peak memory of the process in KiB";
    let mut memory = Table::new(title, ["", "before", "after both", "more"]);
    let figures = [before, after, after - before].map(|kib| Cell::figure(kib as f64, 0));
    memory.rows.push(["KiB".into()].into_iter().chain(figures).collect());
    section.tables.extend([times, memory]);
    section.finish();
}

fn row(name: &str, entries: impl Iterator<Item = Result<(u64, String)>>) -> Vec<Cell> {
    let started = Instant::now();
    let (mut count, mut sum) = (0, 0);
    for entry in entries {
        let (key, _) = entry.unwrap();
        (count, sum) = (count + 1, sum + key);
    }
    assert_eq!((count, sum), (ENTRIES, ENTRIES * (ENTRIES - 1) / 2), "every entry once");
    let seconds = started.elapsed().as_secs_f64();
    vec![name.into(), Cell::figure(count as f64, 0), Cell::figure(seconds, 2)]
}

const METHOD: &str = "A hash of a million fields and a dictionary of a million keys are iterated \
    one after the other, once.";

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}
