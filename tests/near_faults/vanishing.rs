//! Entries that end without a command: by expiry, eviction and the like.

use std::time::{Duration, Instant};

use redis::FromRedisValue;
use redis_collections::{
    CachedDict, CachedHashDict, Client, LocalServer, RedisDict, RedisHashDict,
};

use support::concurrent::{Concurrent, on_threads_and_tasks};
use support::contract::settle;
use support::eventually;
use support::servers::{Outcome, query};
use support::staleness::{MARGIN, WatchSource, opened};

on_threads_and_tasks![
    a_key_that_expires_is_served_no_longer,
    a_key_that_expires_is_served_no_longer_where_the_server_does_not_look,
    keys_that_are_evicted_are_served_no_longer,
];

fn a_key_that_expires_is_served_no_longer<C: Concurrent>() -> Outcome {
    expiring::<C>(&LocalServer::start()?)
}

/// The server reports an expired key when it is accessed.
fn a_key_that_expires_is_served_no_longer_where_the_server_does_not_look<C: Concurrent>() -> Outcome
{
    let server = LocalServer::start_with(&["--enable-debug-command", "yes"])?;
    query::<()>(server.url(), "DEBUG SET-ACTIVE-EXPIRE 0")?;
    expiring::<C>(&server)
}

fn expiring<C: Concurrent>(server: &LocalServer) -> Outcome {
    let client = C::connect(C::builder(server.url()));
    for (source, expire) in WatchSource::ALL.into_iter().flat_map(|source| {
        let ends = ["SET d:a 1 PX 300", "PEXPIRE d:b 300", "PEXPIRE h 300", "GETEX d:c PX 300"];
        ends.map(|end| (source, end))
    }) {
        let commands = ["FLUSHALL", "SET d:b 1", "SET d:c 1", "HSET h f 1", "SET d:a 1"];
        commands.iter().try_for_each(|command| ask::<()>(server, command))?;
        let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
        let hash: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, "h");
        let dict = opened::<C, CachedDict<_, _, C>>(|| dict.cached(source.near_cache()));
        let hash = opened::<C, CachedHashDict<_, _, C>>(|| hash.cached(source.near_cache()));
        let get = || match expire.split([' ', ':']).nth(2).filter(|_| expire.contains("d:")) {
            Some(key) => C::finish(async { settle!(dict.get(key)) }),
            None => C::finish(async { settle!(hash.get("f")) }),
        };
        assert_eq!(get()?.as_deref(), Some(&1));
        ask::<()>(server, expire)?;
        let end = Instant::now() + LIFE;
        let is_gone = || {
            let began = Instant::now();
            let found = get().expect("an answer");
            assert!(found.is_none() || began <= end + MARGIN, "{source:?}, {expire}");
            found.is_none()
        };
        assert!(eventually(is_gone), "{source:?}, {expire}");
    }
    Ok(())
}

fn keys_that_are_evicted_are_served_no_longer<C: Concurrent>() -> Outcome {
    for source in WatchSource::ALL {
        let server = LocalServer::start_with(&["--maxmemory-policy", "allkeys-lru"])?;
        let writer = source.writer(&Client::open(server.url())?, "d:");
        let client = C::connect(C::builder(server.url()));
        let dict: RedisDict<u64, u64, C> = RedisDict::new(&client, "d");
        let cached = opened::<C, _>(|| dict.cached(source.near_cache()));
        (0..KEYS).try_for_each(|key| writer.insert(&key, &key))?;
        let known = || (0..KEYS).filter(|key| matches!(cached.peek(key), Some(Some(_)))).count();
        let all: Vec<u64> = (0..KEYS).collect();
        let read_all = || C::finish(async { settle!(cached.get_many(&all)) });
        assert!(eventually(|| read_all().is_ok() && known() == all.len()));
        let used: String = query(server.url(), "INFO memory")?;
        let used = used.lines().find_map(|line| line.strip_prefix("used_memory:"));
        let limit = used.ok_or("no figure")?.trim().parse::<u64>()? + SOME_MEMORY;
        query::<()>(server.url(), &format!("CONFIG SET maxmemory {limit}"))?;
        let large = "x".repeat(SOME_MEMORY as usize / 8);
        let evicted = || {
            let stats: String = query(server.url(), "INFO stats").unwrap_or_default();
            !stats.contains("evicted_keys:0\r\n")
        };
        for other in 0..64 {
            ask::<()>(&server, &format!("SET other:{other} {large}"))?;
        }
        assert!(evicted(), "the memory is enough");
        let is_same = || {
            let stored = writer.get_many(&all).expect("values");
            let kept = all.iter().map(|key| cached.peek(key));
            let mut both = stored.into_iter().zip(kept);
            both.all(|(stored, kept)| kept.is_none_or(|kept| kept.as_deref().copied() == stored))
        };
        assert!(eventually(is_same), "{source:?}");
        assert!(known() < all.len(), "{source:?}");
    }
    Ok(())
}

fn ask<T: FromRedisValue>(server: &LocalServer, command: &str) -> Outcome<T> {
    Ok(query(server.url(), command)?)
}

const KEYS: u64 = 50;
const LIFE: Duration = Duration::from_millis(300);
const SOME_MEMORY: u64 = 200_000;
