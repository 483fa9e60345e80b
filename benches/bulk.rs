//! Bulk reads and writes of 100,000 entries of 100 bytes, compared with `redis-benchmark` pipelined
//! on the same server. Its best result of several settings is the yardstick.

use std::process::Command;
use std::time::Instant;

use redis_collections::{Client, LocalServer, RedisDict, RedisHashDict, RedisList};

const ENTRIES: usize = 100_000;
const BYTES: usize = 100;
const ROUNDS: usize = 5;
/// How many elements a page of an iteration has.
const PAGE: usize = 1000;

fn main() {
    let server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a client");
    let keys: Vec<String> = (0..ENTRIES).map(|key| format!("key:{key:012}")).collect();
    let value = "x".repeat(BYTES);
    let entries = || keys.iter().map(|key| (key, &value));
    let dict: RedisDict<String, String> = RedisDict::new(&client, "dict");
    let hash: RedisHashDict<String, String> = RedisHashDict::new(&client, "hash");
    let list: RedisList<String> = RedisList::new(&client, "list");

    let (set, get) = (yardstick(server.port(), "set"), yardstick(server.port(), "get"));
    println!("{:36} {:>12} {:>16}", "operation", "entries/s", "of redis-benchmark");
    let print = |name: &str, rate: f64, yardstick: Option<f64>| {
        let share = yardstick.map_or("-".into(), |yardstick| format!("{:.2}", rate / yardstick));
        println!("{name:36} {rate:>12.0} {share:>16}");
    };
    for (name, rate) in [("redis-benchmark set", set), ("redis-benchmark get", get)] {
        rate.into_iter().for_each(|rate| print(name, rate, Some(rate)));
    }
    let writes = |name: &str, write: &dyn Fn()| print(name, best_rate(write), set);
    let reads = |name: &str, read: &dyn Fn() -> usize| {
        print(name, best_rate(&|| assert_eq!(read(), ENTRIES)), get);
    };
    writes("RedisDict::extend", &|| dict.extend(entries()).expect("ok"));
    writes("RedisHashDict::extend", &|| hash.extend(entries()).expect("ok"));
    for by in [1000, 10_000] {
        let entries = |chunk| <[String]>::iter(chunk).map(|key| (key, &value));
        writes(&format!("RedisDict::insert_many by {by}"), &|| {
            keys.chunks(by).for_each(|chunk| dict.insert_many(entries(chunk)).expect("ok"));
        });
        writes(&format!("RedisHashDict::insert_many by {by}"), &|| {
            keys.chunks(by).for_each(|chunk| _ = hash.insert_many(entries(chunk)).expect("ok"));
        });
        writes(&format!("RedisList::push_many by {by}"), &|| {
            list.clear().expect("ok");
            for chunk in keys.chunks(by) {
                list.push_many(chunk.iter().map(|_| &value)).expect("ok");
            }
        });
    }
    for by in [1000, 10_000] {
        reads(&format!("RedisDict::get_many by {by}"), &|| {
            let read = |chunk: &[String]| dict.get_many(chunk).expect("ok");
            keys.chunks(by).map(|chunk| read(chunk).into_iter().flatten().count()).sum()
        });
        reads(&format!("RedisHashDict::get_many by {by}"), &|| {
            let read = |chunk: &[String]| hash.get_many(chunk).expect("ok");
            keys.chunks(by).map(|chunk| read(chunk).into_iter().flatten().count()).sum()
        });
        reads(&format!("RedisList::range by {by}"), &|| {
            let read =
                |start: usize| list.range(start as isize..(start + by) as isize).expect("ok");
            (0..ENTRIES).step_by(by).map(|start| read(start).len()).sum()
        });
    }
    reads("RedisList::iter", &|| list.iter().filter(Result::is_ok).count());
    reads("RedisHashDict::iter", &|| hash.iter().filter(Result::is_ok).count());
    reads("HSCAN by hand", &|| hscan_by_hand(server.url()));
    list.clear().expect("ok");
    hash.clear().expect("ok");
    reads("RedisDict::iter", &|| dict.iter().filter(Result::is_ok).count());
    reads("SCAN and MGET by hand", &|| scan_by_hand(server.url()));
}

/// What the driver and the server allow an iteration over a hash.
fn hscan_by_hand(url: &str) -> usize {
    let mut connection = connect(url);
    let (mut cursor, mut count) = (0u64, 0);
    loop {
        let mut command = redis::cmd("HSCAN");
        command.arg("hash").arg(cursor).arg("COUNT").arg(PAGE);
        let (next, found): (u64, Vec<(String, String)>) =
            command.query(&mut connection).expect("a page");
        (cursor, count) = (next, count + found.len());
        if cursor == 0 {
            return count;
        }
    }
}

/// What the driver and the server allow an iteration over strings.
fn scan_by_hand(url: &str) -> usize {
    let mut connection = connect(url);
    let (mut cursor, mut count) = (0u64, 0);
    loop {
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg("dict:*").arg("COUNT").arg(PAGE);
        let (next, keys): (u64, Vec<String>) = command.query(&mut connection).expect("a page");
        if !keys.is_empty() {
            let values: Vec<Option<String>> =
                redis::cmd("MGET").arg(keys).query(&mut connection).expect("values");
            count += values.into_iter().flatten().count();
        }
        cursor = next;
        if cursor == 0 {
            return count;
        }
    }
}

fn connect(url: &str) -> redis::Connection {
    redis::Client::open(url).and_then(|client| client.get_connection()).expect("a connection")
}

/// The best of several rounds: what else the machine does can only slow it down.
fn best_rate(run: &dyn Fn()) -> f64 {
    let rate = |_| {
        let started = Instant::now();
        run();
        ENTRIES as f64 / started.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(rate).fold(0.0, f64::max)
}

/// The best that redis-benchmark reaches, if it is installed. It has a database of its own, so that
/// its keys are not in the way of a dictionary's iteration.
fn yardstick(port: u16, test: &str) -> Option<f64> {
    let run = |(clients, depth): (&str, &str)| {
        let port = port.to_string();
        let output = Command::new("redis-benchmark")
            .args(["-p", &port, "-t", test, "-d", "100", "-n", "500000", "-r", "100000"])
            .args(["-c", clients, "-P", depth, "--dbnum", "1", "--csv"])
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().last()?.split(',').nth(1)?.trim_matches('"').parse::<f64>().ok()
    };
    let settings = [("1", "1000"), ("1", "100"), ("50", "100"), ("50", "1000"), ("10", "1000")];
    let best = settings.into_iter().filter_map(run).fold(0.0, f64::max);
    if best == 0.0 {
        println!("redis-benchmark is not installed, so nothing is compared with {test}");
    }
    (best > 0.0).then_some(best)
}
