//! A hash of a million fields and a dictionary of a million keys are iterated in constant memory:
//! the peak memory of this process is shown before and after. Linux only.

use std::time::Instant;

use redis_collections::{Client, LocalServer, RedisDict, RedisHashDict, Result};

const ENTRIES: u64 = 1_000_000;

fn main() {
    let server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a client");
    let dict: RedisDict<u64, String> = RedisDict::new(&client, "dict");
    let hash: RedisHashDict<u64, String> = RedisHashDict::new(&client, "hash");
    let value = "x".repeat(100);
    for start in (0..ENTRIES).step_by(1000) {
        let chunk: Vec<u64> = (start..start + 1000).collect();
        dict.extend(chunk.iter().map(|key| (key, &value))).expect("ok");
        hash.extend(chunk.iter().map(|key| (key, &value))).expect("ok");
    }

    println!("{:34} {:>12} {:>8}", "iterated", "entries", "seconds");
    let before = peak_kib();
    show("RedisHashDict::iter", hash.iter());
    show("RedisDict::iter", dict.iter());
    let after = peak_kib();
    println!("peak memory: {before} KiB before, {after} KiB after, {} KiB more", after - before);
}

fn show(name: &str, entries: impl Iterator<Item = Result<(u64, String)>>) {
    let started = Instant::now();
    let (mut count, mut sum) = (0, 0);
    for entry in entries {
        let (key, _) = entry.expect("an entry");
        (count, sum) = (count + 1, sum + key);
    }
    assert_eq!((count, sum), (ENTRIES, ENTRIES * (ENTRIES - 1) / 2), "every entry once");
    println!("{name:34} {count:>12} {:>8.2}", started.elapsed().as_secs_f64());
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}
