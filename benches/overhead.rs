//! What this crate costs over the same thing written by hand on the redis crate: the same commands,
//! the same codec, the same kind of pool.
//!
//! Criterion measures each; after that both are measured in turns, in small batches, so that whatever
//! else the machine does meets both alike, and a table shows the ratio of the medians and the
//! allocations of one call. More than two allocations over those by hand are an error.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use redis::IntoConnectionInfo;
use redis_collections::{Client, Json, LocalServer, RedisHashDict, RedisList};
use serde::{Deserialize, Serialize};

type Pool = r2d2::Pool<redis::Client>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    age: u32,
    tags: Vec<String>,
}

/// One operation in both ways.
struct Pair<'a> {
    name: &'static str,
    ours: Box<dyn Fn() + 'a>,
    by_hand: Box<dyn Fn() + 'a>,
}

fn main() {
    let server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a client");
    let pool = pool(server.url());
    let pairs = pairs(&client, &pool);

    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    for pair in &pairs {
        let mut group = criterion.benchmark_group(pair.name);
        group.bench_function("ours", |bencher| bencher.iter(|| (pair.ours)()));
        group.bench_function("by hand", |bencher| bencher.iter(|| (pair.by_hand)()));
        group.finish();
    }

    println!(
        "{:16} {:>9} {:>9} {:>6} {:>12}",
        "operation", "ours", "by hand", "ratio", "allocations"
    );
    let mut too_many = false;
    for pair in &pairs {
        let (ours, by_hand) = in_turns(pair);
        let ratio = ours.as_secs_f64() / by_hand.as_secs_f64();
        let (count, count_by_hand) = (allocations(&pair.ours), allocations(&pair.by_hand));
        too_many |= count > count_by_hand + 2;
        let allocations = format!("{count} / {count_by_hand}");
        println!("{:16} {ours:>9.1?} {by_hand:>9.1?} {ratio:>6.3} {allocations:>12}", pair.name);
    }
    if too_many {
        eprintln!("error: more than two allocations over those by hand");
        std::process::exit(1);
    }
}

fn pool(url: &str) -> Pool {
    let information = url.into_connection_info().expect("a URL");
    let tcp = information.tcp_settings().clone().set_nodelay(true);
    let client = redis::Client::open(information.set_tcp_settings(tcp)).expect("a URL");
    r2d2::Pool::builder().test_on_check_out(false).build(client).expect("a pool")
}

fn pairs<'a>(client: &'a Client, pool: &'a Pool) -> Vec<Pair<'a>> {
    let user = User { name: "Ann".into(), age: 36, tags: vec!["admin".into(), "staff".into()] };
    let numbers: RedisHashDict<String, u64> = RedisHashDict::new(client, "numbers");
    let users: RedisHashDict<String, Json<User>> = RedisHashDict::new(client, "users");
    let jobs: RedisList<String> = RedisList::new(client, "jobs");
    let large: RedisHashDict<String, String> = RedisHashDict::new(client, "large");
    numbers.insert("ann", &36).expect("an insert");
    users.insert("ann", &user).expect("an insert");

    let entries: Vec<(String, String)> =
        (0..1000).map(|key| (format!("key {key}"), format!("value {key:020}"))).collect();
    let keys: Vec<String> = entries.iter().map(|(key, _)| key.clone()).collect();
    large.extend(entries.iter().map(|(key, value)| (key, value))).expect("an insert");

    let (users_too, user_too) = (users.clone(), user.clone());
    let (large_too, entries_too, keys_too) = (large.clone(), entries.clone(), keys.clone());
    vec![
        Pair {
            name: "get raw",
            ours: Box::new(move || _ = black_box(numbers.get("ann").expect("a value"))),
            by_hand: Box::new(|| {
                let mut connection = pool.get().expect("a connection");
                let command = &mut redis::cmd("HGET");
                let value: Option<u64> =
                    command.arg("numbers").arg("ann").query(&mut *connection).expect("a value");
                black_box(value);
            }),
        },
        Pair {
            name: "get JSON",
            ours: Box::new(move || drop(black_box(users.get("ann").expect("a value")))),
            by_hand: Box::new(|| {
                let mut connection = pool.get().expect("a connection");
                let command = &mut redis::cmd("HGET");
                let bytes: Option<Vec<u8>> =
                    command.arg("users").arg("ann").query(&mut *connection).expect("a value");
                let user: Option<User> =
                    bytes.map(|bytes| serde_json::from_slice(&bytes).expect("a user"));
                black_box(user);
            }),
        },
        Pair {
            name: "insert JSON",
            ours: Box::new(move || {
                _ = black_box(users_too.insert("bob", &user_too).expect("ok"));
            }),
            by_hand: Box::new(move || {
                let mut connection = pool.get().expect("a connection");
                let bytes = serde_json::to_vec(&user).expect("JSON");
                let command = &mut redis::cmd("HSET");
                let command = command.arg("users").arg("bob").arg(bytes);
                black_box(command.query::<bool>(&mut *connection).expect("ok"));
            }),
        },
        Pair {
            name: "push and pop",
            ours: Box::new(move || {
                jobs.push_back("a job").expect("ok");
                drop(black_box(jobs.pop_front().expect("ok")));
            }),
            by_hand: Box::new(|| {
                let mut connection = pool.get().expect("a connection");
                let command = &mut redis::cmd("RPUSH");
                let length = command.arg("jobs").arg("a job").query::<usize>(&mut *connection);
                black_box(length.expect("ok"));
                drop(connection);
                let mut connection = pool.get().expect("a connection");
                let command = &mut redis::cmd("LPOP");
                black_box(
                    command.arg("jobs").query::<Option<String>>(&mut *connection).expect("ok"),
                );
            }),
        },
        Pair {
            name: "insert 1,000",
            ours: Box::new(move || {
                let entries = entries.iter().map(|(key, value)| (key, value));
                black_box(large.insert_many(entries).expect("ok"));
            }),
            by_hand: Box::new(move || {
                let mut connection = pool.get().expect("a connection");
                let command = &mut redis::cmd("HSET");
                command.arg("large").arg(&entries_too);
                black_box(command.query::<usize>(&mut *connection).expect("ok"));
            }),
        },
        Pair {
            name: "get 1,000",
            ours: Box::new(move || drop(black_box(large_too.get_many(&keys).expect("ok")))),
            by_hand: Box::new(move || {
                let mut connection = pool.get().expect("a connection");
                let command = &mut redis::cmd("HMGET");
                command.arg("large").arg(&keys_too);
                black_box(command.query::<Vec<Option<String>>>(&mut *connection).expect("ok"));
            }),
        },
    ]
}

/// The medians of many batches of each, taken in turns.
fn in_turns(pair: &Pair<'_>) -> (Duration, Duration) {
    const ROUNDS: usize = 120;
    let calls = if pair.name.contains(',') { 4 } else { 150 };
    let batch = |operation: &dyn Fn()| {
        let started = Instant::now();
        (0..calls).for_each(|_| operation());
        started.elapsed() / calls
    };
    let mut times = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        if round % 2 == 0 {
            times.0.push(batch(&pair.ours));
            times.1.push(batch(&pair.by_hand));
        } else {
            times.1.push(batch(&pair.by_hand));
            times.0.push(batch(&pair.ours));
        }
    }
    times.0.sort();
    times.1.sort();
    (times.0[ROUNDS / 2], times.1[ROUNDS / 2])
}

/// How often one call allocates, when all is warm.
fn allocations(operation: &dyn Fn()) -> u64 {
    let counted = (0..20).map(|_| allocation_counter::measure(operation).count_total);
    counted.min().unwrap_or_default()
}
