//! Leftovers of read-through caches. Alone in its program, so that it can count threads.
#![cfg(target_os = "linux")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis_collections::{CacheClient, CachePolicy, Codec, CodecError, Loaded, LocalServer};
use support::concurrent::{Concurrent, on_threads_and_tasks};
use support::contract::settle;
use support::eventually;
use support::kinds::SourceDown;
use support::leftovers::{tasks, threads};
use support::servers::{Outcome, query};

on_threads_and_tasks![
    no_key_is_left_of_loads_that_ended,
    leftovers_of_a_load_that_died_expire,
    nothing_is_left_of_refreshes,
    a_refresh_that_panics_takes_no_place,
];

/// Longer than a busy machine keeps a thread waiting.
const LEASE: Duration = Duration::from_millis(1500);
const MINUTE: Duration = Duration::from_secs(60);

/// More than are refreshed at a time.
const MANY: u64 = 40;

/// The behaviour of a loader.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Finds,
    FindsNone,
    Fails,
    Panics,
}

const WAYS: [Way; 4] = [Way::Finds, Way::FindsNone, Way::Fails, Way::Panics];

/// A cache that counts its loads, before they end as their argument says.
fn cache<C: Concurrent>(
    server: &LocalServer,
    loads: &Arc<AtomicU64>,
) -> Outcome<CacheClient<u64, u64, C, Load>> {
    let policy = CachePolicy::time_to_live(MINUTE).lease(LEASE);
    let loads = loads.clone();
    let client = C::connect(C::builder(server.url()));
    Ok(CacheClient::new(&client, "c", policy, move |id: u64, Load(way)| {
        loads.fetch_add(1, Ordering::SeqCst);
        C::loading(match way {
            Way::Finds => Ok(Loaded::new(id)),
            Way::FindsNone => Ok(Loaded::absent()),
            Way::Fails => Err(SourceDown),
            Way::Panics => panic!("a panic that the test wants"),
        })
    })?)
}

#[derive(Clone, Copy)]
struct Load(Way);

fn no_key_is_left_of_loads_that_ended<C: Concurrent>() -> Outcome {
    let _turn = turn();
    let server = LocalServer::start()?;
    let cache = cache::<C>(&server, &Arc::default())?;
    for way in WAYS {
        C::finish(async {
            // Whether it gives a value does not matter here.
            let _ = settle!(cache.get_with(&1, Load(way)));
            let _ = settle!(cache.get_many_with(&[2, 3, 2], Load(way)));
            let _ = settle!(cache.set_with(&4, Load(way)));
        });
        assert_eq!(aside(&server)?, [""; 0], "{way:?}");
    }
    Ok(())
}

/// As when its program is killed: it ends by itself, when no load could be stored any more.
fn leftovers_of_a_load_that_died_expire<C: Concurrent>() -> Outcome {
    let _turn = turn();
    let server = LocalServer::start()?;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (port, all) = (server.url().to_owned(), seen.clone());
    let client = C::connect(C::builder(server.url()));
    let policy = CachePolicy::time_to_live(MINUTE).lease(LEASE);
    let cache: CacheClient<u64, u64, C> = CacheClient::new(&client, "c", policy, move |id, ()| {
        for key in query::<Vec<String>>(&port, "KEYS *").expect("keys") {
            let left: i64 = query(&port, &format!("PTTL {key}")).expect("a time");
            all.lock().unwrap_or_else(PoisonError::into_inner).push((key, left));
        }
        C::loading(Ok(Loaded::new(id)))
    })?;
    C::finish(async { settle!(cache.get(&1)) })?;
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let [(key, left)] = &seen[..] else { return Err(format!("not one key: {seen:?}").into()) };
    assert!(key.starts_with("c~rc:cache:1~rc:load"), "{key}");
    assert!((1..=61 * LEASE.as_millis() as i64).contains(left), "{left}");
    Ok(())
}

fn nothing_is_left_of_refreshes<C: Concurrent>() -> Outcome {
    let _turn = turn();
    let (server, loads) = (LocalServer::start()?, Arc::default());
    let cache = cache::<C>(&server, &loads)?;
    C::finish(async { settle!(cache.peek(&0)) })?;
    let idle = running();
    for way in WAYS {
        for id in 0..MANY {
            C::finish(async { settle!(cache.refresh_with(&id, Load(way))) })?;
        }
        let begun = || loads.load(Ordering::SeqCst) == cache.stats().refreshes;
        assert!(eventually(begun), "{way:?}: {:?}", cache.stats());
        assert!(eventually(|| running() == idle), "{way:?}: {} run", running());
        assert!(eventually(|| aside(&server).is_ok_and(|keys| keys.is_empty())), "{way:?}");
    }
    Ok(())
}

fn a_refresh_that_panics_takes_no_place<C: Concurrent>() -> Outcome {
    let _turn = turn();
    let server = LocalServer::start()?;
    let (client, policy) = (C::connect(C::builder(server.url())), CachePolicy::without_expiry());
    let load = |id, ()| C::loading(Ok(Loaded::new(id)));
    let cache: CacheClient<u64, Unwritable, C> = CacheClient::new(&client, "c", policy, load)?;
    for id in 0..MANY {
        C::finish(async { settle!(cache.refresh(&id)) })?;
        assert!(eventually(|| cache.stats().loads == id + 1), "{:?}", cache.stats());
    }
    Ok(())
}

/// A codec with a fault: it panics, and not the loader.
struct Unwritable;

impl Codec for Unwritable {
    type Borrowed = u64;
    type Owned = u64;

    fn encode(_: &u64, _: &mut Vec<u8>) -> Result<(), CodecError> {
        panic!("a panic that the test wants")
    }

    fn decode(_: &[u8]) -> Result<u64, CodecError> {
        Ok(0)
    }
}

/// One test after the other.
fn turn() -> impl Drop {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn aside(server: &LocalServer) -> Outcome<Vec<String>> {
    Ok(query(server.url(), "KEYS *~rc:load*")?)
}

/// How many threads of the crate and tasks there are.
fn running() -> usize {
    threads() + tasks()
}
