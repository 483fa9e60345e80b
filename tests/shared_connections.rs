//! Connections that the threads of a program share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis_collections::{
    Applied, Client, Error, LocalServer, RedisDict, RedisHashDict, RedisList, Result,
};
use support::kinds::{CLUSTER, SERVER};
use support::servers::Outcome;
use support::servers::proxy::{Direction, Proxy};
use support::servers::scripted::{Answer, Scripted};
use support::{LATE, eventually, send_signal, within};

const SHORT: Duration = Duration::from_millis(200);
const THREADS: usize = 64;

#[test]
fn a_program_with_one_thread_opens_one_connection() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = Client::open(&proxy.url()).unwrap();
    let dict: RedisDict<u64, u64> = RedisDict::new(&client, "alone");
    let hash: RedisHashDict<u64, u64> = RedisHashDict::new(&client, "alone-hash");
    for number in 0..50 {
        dict.insert(&number, &number).unwrap();
        let commands = (dict.deferred().get(&number), hash.deferred().insert(&number, &1));
        let (value, inserted) = client.pipeline(commands).unwrap();
        assert_eq!((value.unwrap(), inserted.unwrap()), (Some(number), ()));
        client.transaction((hash.deferred().len(), dict.deferred().get(&number))).unwrap();
    }
    assert_eq!((hash.to_map().unwrap().len(), dict.len().unwrap()), (50, 50));
    assert_eq!(hash.iter().count(), 50);
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn calls_of_many_threads_travel_together() {
    const CALLS: u64 = 20;
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = Client::builder(&proxy.url()).shared_connections(1).build().unwrap();
    let dict: RedisDict<u64, u64> = RedisDict::new(&client, "together");
    proxy.reset();
    // While one batch is on its way, the other threads make their next calls.
    proxy.delay_replies(Duration::from_millis(10));
    thread::scope(|scope| {
        for thread in 0..THREADS as u64 {
            let dict = &dict;
            scope.spawn(move || {
                (0..CALLS).for_each(|call| dict.insert(&(thread * CALLS + call), &call).unwrap());
            });
        }
    });
    let (calls, trips) = (THREADS * CALLS as usize, proxy.round_trips());
    assert!(trips <= calls / 8, "{trips} round trips for {calls} calls");
    assert_eq!((proxy.connections(), dict.len().unwrap()), (0, calls), "no other connection");
}

/// The answers of a server that is silent about lists.
fn silent_about_lists(command: &[Vec<u8>]) -> Answer {
    match &command[0][..] {
        b"PING" if command.len() == 1 => Answer::Say("+PONG\r\n"),
        b"GET" => Answer::Say("$1\r\n7\r\n"),
        b"LRANGE" | b"RPUSH" | b"LLEN" => Answer::Nothing,
        _ => Answer::Say("+OK\r\n"),
    }
}

#[test]
fn a_large_reply_delays_no_other_call() {
    let server = Scripted::answering(|_, command| silent_about_lists(command)).unwrap();
    let client = Client::builder(&server.url()).response_timeout(LATE).build().unwrap();
    let dict: RedisDict<u64, u64> = RedisDict::new(&client, "d");
    let list: RedisList<u64> = RedisList::new(&client, "l");
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| list.range(..).unwrap_err());
        }
        assert!(eventually(|| server.connections() >= 5), "each has a connection");
        let callers: Vec<_> = (0..THREADS as u64)
            .map(|key| {
                scope.spawn({
                    let dict = &dict;
                    move || dict.get(&key)
                })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.join().unwrap().unwrap(), Some(7));
        }
        drop(server);
    });
}

#[test]
fn a_value_that_was_large_is_read_apart_from_then_on() {
    let value: &str = Box::leak(format!("$100000\r\n{}\r\n", "7".repeat(100_000)).into());
    let was_read = AtomicBool::new(false);
    let server = Scripted::answering(move |_, command| match &command[0][..] {
        b"GET" if command[1].ends_with(b"large") => {
            if was_read.swap(true, Ordering::SeqCst) {
                Answer::Nothing
            } else {
                Answer::Say(value)
            }
        }
        _ => silent_about_lists(command),
    });
    let server = server.unwrap();
    let client = Client::builder(&server.url()).response_timeout(LATE).build().unwrap();
    let dict: RedisDict<String, String> = RedisDict::new(&client, "d");
    assert_eq!(dict.get("large").unwrap().unwrap().len(), 100_000);
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| dict.get("large").unwrap_err());
        }
        assert!(eventually(|| server.connections() >= 5), "each has a connection");
        let small = || (0..20).for_each(|_| assert_eq!(dict.get("a").unwrap().unwrap(), "7"));
        let callers: Vec<_> = (0..THREADS).map(|_| scope.spawn(small)).collect();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        drop(server);
    });
}

#[test]
fn the_last_of_shared_and_pooled_connections_decides() {
    let server = Scripted::answering(|_, command| silent_about_lists(command)).unwrap();
    let builder = Client::builder(&server.url()).pooled(1).shared_connections(1);
    let client = builder.response_timeout(LATE).build().unwrap();
    let list: RedisList<u64> = RedisList::new(&client, "l");
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| list.range(..).unwrap_err());
        }
        assert!(eventually(|| server.connections() >= 5), "the pool has its default size");
        drop(server);
    });
}

#[test]
fn where_no_other_connection_can_be_made_all_share_those_that_there_are() {
    let server = LocalServer::start_with(&["--maxclients", "1"]).unwrap();
    let client = Client::open(server.url()).unwrap();
    let dict: RedisDict<u64, u64> = RedisDict::new(&client, "few");
    thread::scope(|scope| {
        for thread in 0..THREADS as u64 {
            let dict = &dict;
            scope.spawn(move || {
                for call in 0..50 {
                    dict.insert(&thread, &call).unwrap();
                    assert_eq!(dict.get(&thread).unwrap(), Some(call));
                }
            });
        }
    });
}

#[test]
fn calls_to_several_nodes_never_wait_for_the_pool() {
    const CALLS: u64 = 20;
    let builder = Client::cluster_builder(CLUSTER.urls()).pool_size(1);
    let client = builder.checkout_timeout(Duration::from_millis(1)).build().unwrap();
    let dict: RedisDict<u64, u64> = RedisDict::new(&client, "several-nodes");
    thread::scope(|scope| {
        for thread in 0..THREADS as u64 {
            let dict = &dict;
            scope.spawn(move || {
                let keys: Vec<u64> = (thread * 8..thread * 8 + 8).collect();
                for call in 0..CALLS {
                    let values: Vec<u64> = keys.iter().map(|key| key * CALLS + call).collect();
                    dict.insert_many(keys.iter().zip(&values)).unwrap();
                    let found = dict.get_many(&keys).unwrap();
                    assert_eq!(found, values.into_iter().map(Some).collect::<Vec<_>>());
                }
            });
        }
    });
}

#[test]
fn calls_on_a_silent_connection_fail_with_what_is_known_of_them() {
    let server = Scripted::answering(|_, command| silent_about_lists(command)).unwrap();
    let client = Client::builder(&server.url()).response_timeout(SHORT).shared_connections(1);
    let client = client.build().unwrap();
    let list: RedisList<u64> = RedisList::new(&client, "l");
    thread::scope(|scope| {
        let writes: Vec<_> = (0..8).map(|_| scope.spawn(|| list.push_back(&1))).collect();
        let reads: Vec<_> = (0..8).map(|_| scope.spawn(|| list.len())).collect();
        let failed = |outcome: Result<usize>| outcome.unwrap_err();
        for error in writes.into_iter().map(|write| failed(write.join().unwrap())) {
            // Those that waited behind a silent connection may never have been sent.
            let is_unsent = matches!(error, Error::Connect { .. } | Error::PoolExhausted { .. });
            let expected = if is_unsent { Applied::No } else { Applied::Perhaps };
            assert_eq!(error.applied(), expected, "{error}");
        }
        for error in reads.into_iter().map(|read| failed(read.join().unwrap())) {
            assert_eq!(error.applied(), Applied::No, "{error}");
        }
    });
    let dict: RedisDict<u64, u64> = RedisDict::new(&client, "d");
    assert_eq!(dict.get(&1).unwrap(), Some(7), "another connection serves it");
}

#[test]
fn what_was_not_sent_in_time_was_not_applied() {
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let client = Client::builder(&proxy.url()).shared_connections(1);
    let client = client.response_timeout(LATE).call_timeout(SHORT).build().unwrap();
    let list: RedisList<u64> = RedisList::new(&client, "l");
    proxy.hold(Direction::Requests);
    let outcomes: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> = (0..16)
            .map(|id| {
                scope.spawn({
                    let list = &list;
                    move || (id, list.push_back(&id))
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    proxy.release();
    let direct: RedisList<u64> = RedisList::new(&Client::open(server.url()).unwrap(), "l");
    // What was sent arrives before a later request on the same connection would.
    list.len().unwrap();
    let stored = direct.range(..).unwrap();
    let is_unsent = |outcome: &(u64, Result<usize>)| {
        outcome.1.as_ref().is_err_and(|error| error.applied() == Applied::No)
    };
    assert!(outcomes.iter().any(is_unsent), "all were sent");
    for (id, outcome) in outcomes {
        let error = outcome.unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert!(error.applied() == Applied::Perhaps || !stored.contains(&id), "{error}");
    }
}

/// What one thread knows of the numbers that it pushed to a list of its own.
#[derive(Default)]
struct Pushed {
    fates: BTreeMap<u64, Applied>,
    errors: BTreeMap<String, usize>,
}

impl Pushed {
    fn record(&mut self, number: u64, outcome: Result<()>) {
        let fate = match &outcome {
            Ok(()) => Applied::Yes,
            Err(error) => error.applied(),
        };
        self.fates.insert(number, fate);
        self.note(outcome);
    }

    fn note<T>(&mut self, outcome: Result<T>) -> Option<T> {
        let note = |error: Error| {
            let kind = format!("{error:?}");
            let kind = kind.split([' ', '{']).next().unwrap_or_default();
            *self.errors.entry(kind.to_owned()).or_default() += 1;
        };
        outcome.map_err(note).ok()
    }
}

/// Pushes, writes and reads under names of its own until the end, and checks every reply.
fn work(client: &Client, thread: u64, end: &AtomicBool, done: &AtomicUsize) -> Pushed {
    let list: RedisList<u64> = RedisList::new(client, format!("list-{thread}"));
    let dict: RedisDict<u64, String> = RedisDict::new(client, "values");
    let is_own = |value: &Option<String>| {
        value.as_ref().is_none_or(|value| value.starts_with(&format!("{thread}:")))
    };
    let mut pushed = Pushed::default();
    for number in (thread << 32).. {
        if end.load(Ordering::Relaxed) {
            return pushed;
        }
        match fastrand::u8(0..8) {
            0..=2 => pushed.record(number, list.push_back(&number).map(drop)),
            3 => {
                let commands = (dict.deferred().get(&thread), list.deferred().push_back(&number));
                let outcome = client.pipeline(commands).and_then(|(value, length)| {
                    assert!(value.as_ref().is_ok_and(is_own) || value.is_err(), "{value:?}");
                    length
                });
                pushed.record(number, outcome.map(drop));
            }
            4 => {
                let commands = (list.deferred().push_back(&number), dict.deferred().get(&thread));
                let outcome = client.transaction(commands);
                let outcome = outcome.map(|(_, value)| assert!(is_own(&value), "{value:?}"));
                pushed.record(number, outcome);
            }
            5 => {
                let value = format!("{thread}:{number}");
                pushed.note(dict.insert(&thread, &value));
            }
            6 => {
                let value = pushed.note(dict.get(&thread)).flatten();
                assert!(is_own(&value), "thread {thread} got {value:?}");
            }
            _ => {
                let numbers = pushed.note(list.range(-20..)).unwrap_or_default();
                let is_own = |number: &u64| number >> 32 == thread;
                assert!(numbers.iter().all(is_own), "thread {thread} got {numbers:?}");
            }
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    pushed
}

/// Makes one fault after the other.
fn afflict(server: &mut LocalServer, proxy: &Proxy, pause: Duration) -> Outcome {
    match fastrand::u8(0..6) {
        0 => proxy.kill(),
        1 => proxy.cut_after(fastrand::usize(0..20_000), Direction::Requests),
        2 => proxy.cut_after(fastrand::usize(0..20_000), Direction::Replies),
        3 => {
            proxy.hold(Direction::Replies);
            thread::sleep(pause);
            // What was held is never delivered, or late.
            if fastrand::bool() {
                proxy.kill();
            }
            proxy.release();
        }
        4 => {
            send_signal("STOP", server.process_id())?;
            thread::sleep(pause);
            send_signal("CONT", server.process_id())?;
        }
        _ => server.restart()?,
    }
    Ok(())
}

/// For ten minutes: `SHARED_SECONDS=600 cargo test --all-features --test shared_connections`.
#[test]
fn no_reply_reaches_another_caller_and_no_write_is_applied_twice() -> Outcome {
    let seconds = std::env::var("SHARED_SECONDS").ok().and_then(|text| text.parse().ok());
    let limit = Duration::from_secs(seconds.unwrap_or(15));
    let mut server = LocalServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"])?;
    let proxy = Proxy::to(server.port())?;
    let builder = Client::builder(&proxy.url());
    let client = builder
        .response_timeout(SHORT)
        .connect_timeout(SHORT)
        .call_timeout(SHORT * 3 / 2)
        .build()?;
    let (end, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let threads: Vec<_> = (0..THREADS as u64)
        .map(|thread| {
            let (client, end, done) = (client.clone(), end.clone(), done.clone());
            thread::spawn(move || work(&client, thread, &end, &done))
        })
        .collect();
    let began = Instant::now();
    let mut faults = 0;
    while began.elapsed() < limit {
        let before = done.load(Ordering::Relaxed);
        let goes_on = || done.load(Ordering::Relaxed) > before + 10 * THREADS;
        assert!(within(LATE, goes_on), "nothing goes on after {faults} faults");
        afflict(&mut server, &proxy, 2 * SHORT)?;
        faults += 1;
    }
    end.store(true, Ordering::Relaxed);
    let pushed: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let direct = Client::open(server.url())?;
    let mut errors = BTreeMap::<String, usize>::new();
    let mut fates = BTreeMap::<String, usize>::new();
    for (thread, pushed) in pushed.into_iter().enumerate() {
        let stored = RedisList::<u64>::new(&direct, format!("list-{thread}")).range(..)?;
        let stored_once: BTreeSet<_> = stored.iter().copied().collect();
        assert_eq!(stored_once.len(), stored.len(), "some are doubled: {stored:?}");
        for number in &stored {
            let fate = pushed.fates.get(number);
            assert!(fate.is_some_and(|fate| *fate != Applied::No), "{number}: {fate:?}");
        }
        for (number, fate) in &pushed.fates {
            let is_lost = *fate == Applied::Yes && !stored_once.contains(number);
            assert!(!is_lost, "thread {thread} lost {number}");
            *fates.entry(format!("{fate:?}")).or_default() += 1;
        }
        for (kind, times) in pushed.errors {
            *errors.entry(kind).or_default() += times;
        }
    }
    println!(
        "{faults} faults, {} calls, pushes {fates:?}, errors {errors:?}",
        done.load(Ordering::Relaxed)
    );
    assert!(faults > 3, "the test saw {faults} faults");
    Ok(())
}
