//! Bulk reads and writes of 100,000 entries of 100 bytes, and iteration, beside `redis-benchmark`
//! pipelined on the same server and the same by hand.

use std::process::Command;
use std::time::Instant;

use redis_collections::{Client, LocalServer, RedisDict, RedisHashDict, RedisList};
use redis_collections_benches::{Cell, Section, Table, in_turns};

struct Work<'a> {
    name: String,
    /// The one that it is compared with, if it is measured.
    beside: &'static str,
    rate: Box<dyn Fn() -> f64 + 'a>,
}

fn main() {
    let server = LocalServer::start().unwrap();
    let client = Client::open(server.url()).unwrap();
    let keys: Vec<String> = (0..ENTRIES).map(|key| format!("key:{key:012}")).collect();
    let value = "x".repeat(BYTES);
    let dict: RedisDict<String, String> = RedisDict::new(&client, "dict");
    let hash: RedisHashDict<String, String> = RedisHashDict::new(&client, "hash");
    let list: RedisList<String> = RedisList::new(&client, "list");

    let mut works: Vec<Work<'_>> = Vec::new();
    for (name, test) in [(SETS, "set"), (GETS, "get")] {
        if let Some(rate) = redis_benchmark(server.port(), test) {
            works.push(Work { name: name.to_owned(), beside: "", rate: Box::new(rate) });
        }
    }
    let (dict, hash, list, keys, value) = (&dict, &hash, &list, &keys, &value);
    works.push(Work::writes("RedisDict::extend", || dict.extend(pairs(keys, value)).unwrap()));
    works.push(Work::writes("RedisHashDict::extend", || hash.extend(pairs(keys, value)).unwrap()));
    for by in BATCHES {
        let chunks = move || keys.chunks(by);
        let name = |operation| format!("{operation} by {by}");
        works.push(Work::writes(&name("RedisDict::insert_many"), move || {
            chunks().for_each(|chunk| dict.insert_many(pairs(chunk, value)).unwrap());
        }));
        works.push(Work::writes(&name("RedisHashDict::insert_many"), move || {
            chunks().for_each(|chunk| _ = hash.insert_many(pairs(chunk, value)).unwrap());
        }));
        works.push(Work::writes(&name("RedisList::push_many"), move || {
            list.clear().unwrap();
            for chunk in chunks() {
                list.push_many(chunk.iter().map(|_| value)).unwrap();
            }
        }));
    }
    for by in BATCHES {
        let chunks = move || keys.chunks(by);
        let name = |operation| format!("{operation} by {by}");
        let found = |values: Vec<Option<String>>| values.into_iter().flatten().count();
        works.push(Work::reads(&name("RedisDict::get_many"), GETS, move || {
            chunks().map(|chunk| found(dict.get_many(chunk).unwrap())).sum()
        }));
        works.push(Work::reads(&name("RedisHashDict::get_many"), GETS, move || {
            chunks().map(|chunk| found(hash.get_many(chunk).unwrap())).sum()
        }));
        works.push(Work::reads(&name("RedisList::range"), GETS, move || {
            let range = |start| list.range(start as isize..(start + by) as isize).unwrap();
            (0..ENTRIES).step_by(by).map(|start| range(start).len()).sum()
        }));
    }
    let url = server.url();
    works.push(Work::reads("RedisList::iter", GETS, || list.iter().filter(Result::is_ok).count()));
    works.push(Work::reads("RedisHashDict::iter", HSCAN, || {
        hash.iter().filter(Result::is_ok).count()
    }));
    works.push(Work::reads(HSCAN, GETS, || hscan_by_hand(url)));
    works.push(Work::reads("RedisDict::iter", SCAN, || dict.iter().filter(Result::is_ok).count()));
    works.push(Work::reads(SCAN, GETS, || scan_by_hand(url)));
    report(&works);
}

fn pairs<'a>(
    keys: &'a [String],
    value: &'a String,
) -> impl Iterator<Item = (&'a String, &'a String)> {
    keys.iter().map(move |key| (key, value))
}

impl<'a> Work<'a> {
    fn writes(name: &str, write: impl Fn() + 'a) -> Self {
        Self::new(name, SETS, write)
    }

    /// Panics unless all entries are read.
    fn reads(name: &str, beside: &'static str, read: impl Fn() -> usize + 'a) -> Self {
        Self::new(name, beside, move || assert_eq!(read(), ENTRIES))
    }

    fn new(name: &str, beside: &'static str, run: impl Fn() + 'a) -> Self {
        let rate = move || {
            let started = Instant::now();
            run();
            ENTRIES as f64 / started.elapsed().as_secs_f64()
        };
        Self { name: name.to_owned(), beside, rate: Box::new(rate) }
    }
}

fn report(works: &[Work<'_>]) {
    let mut section = Section::new("bulk", "Bulk operations", METHOD);
    let mut table = Table::new("Entries a second", ["operation", "rate", "of", "ratio"]);
    let rates = in_turns(works, ROUNDS, |work| [(work.rate)()]);
    for (work, [rate]) in works.iter().zip(&rates) {
        let mut row = vec![(&*work.name).into(), Cell::measured(rate, 0)];
        let other = works.iter().position(|other| work.beside == other.name);
        match other {
            Some(other) => {
                let (name, ratio) = (&works[other].name, rate.over(&rates[other][0]));
                row.extend([(&**name).into(), Cell::measured(&ratio, 2)]);
                if work.name.starts_with("Redis") {
                    section.compare("100,000 entries", &work.name, name, &ratio);
                }
            }
            None => row.extend(["".into(), "".into()]),
        }
        table.rows.push(row);
    }
    section.tables.push(table);
    section.finish();
}

/// What the driver and the server allow an iteration over a hash.
fn hscan_by_hand(url: &str) -> usize {
    let mut connection = connect(url);
    let (mut cursor, mut count) = (0u64, 0);
    loop {
        let mut command = redis::cmd("HSCAN");
        command.arg("hash").arg(cursor).arg("COUNT").arg(PAGE);
        let (next, found): (u64, Vec<(String, String)>) = command.query(&mut connection).unwrap();
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
        let (next, keys): (u64, Vec<String>) = command.query(&mut connection).unwrap();
        if !keys.is_empty() {
            let values: Vec<Option<String>> =
                redis::cmd("MGET").arg(keys).query(&mut connection).unwrap();
            count += values.into_iter().flatten().count();
        }
        cursor = next;
        if cursor == 0 {
            return count;
        }
    }
}

fn connect(url: &str) -> redis::Connection {
    redis::Client::open(url).and_then(|client| client.get_connection()).unwrap()
}

/// Runs `redis-benchmark`, if it is installed, with the setting that is best here. It has a database
/// of its own, so that its keys are not in the way of a dictionary's iteration.
fn redis_benchmark(port: u16, test: &'static str) -> Option<impl Fn() -> f64> {
    let rate = move |(clients, depth): (&str, &str)| {
        let port = port.to_string();
        let output = Command::new("redis-benchmark")
            .args(["-p", &port, "-t", test, "-d", "100", "-n", "300000", "-r", "100000"])
            .args(["-c", clients, "-P", depth, "--dbnum", "1", "--csv"])
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().last()?.split(',').nth(1)?.trim_matches('"').parse::<f64>().ok()
    };
    let settings = [("1", "1000"), ("1", "100"), ("50", "100"), ("50", "1000"), ("10", "1000")];
    let rates = settings.into_iter().filter_map(|setting| Some((rate(setting)?, setting)));
    let (_, best) = rates.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    Some(move || rate(best).unwrap())
}

const METHOD: &str = "100,000 entries of 100 bytes are written and read. Writes and reads are \
    compared with `redis-benchmark -P`, if it is installed, at the best of five settings. \
    Iterations over dictionaries are compared with loops written by hand on the `redis` crate.";
const SETS: &str = "redis-benchmark set";
const GETS: &str = "redis-benchmark get";
const HSCAN: &str = "HSCAN by hand";
const SCAN: &str = "SCAN and MGET by hand";
const ENTRIES: usize = 100_000;
const BYTES: usize = 100;
const BATCHES: [usize; 2] = [1000, 10_000];
const ROUNDS: usize = 7;
/// How many elements a page of an iteration has.
const PAGE: usize = 1000;
