//! Servers that stop, hang, or lose their data.

use std::time::{Duration, Instant};

use redis_collections::{Client, LocalServer, RedisDict};

use super::Fixture;
use support::concurrent::{Concurrent, on_threads_and_tasks};
use support::contract::settle;
use support::servers::{Outcome, query};
use support::staleness::{MARGIN, WatchSource, opened};
use support::{eventually, send_signal};

on_threads_and_tasks![
    no_stale_value_is_served_after_a_restart_without_data,
    no_stale_value_is_served_while_the_server_is_down,
    no_stale_value_is_served_while_the_server_is_paused,
    no_stale_value_is_served_after_flushall,
    no_stale_value_is_served_after_flushdb,
    exchanged_databases_are_not_detected,
    an_old_master_is_believed_unless_it_needs_its_replica,
];

fn no_stale_value_is_served_after_a_restart_without_data<C: Concurrent>() -> Outcome {
    let mut fixture = Fixture::<C>::start()?;
    fixture.watches.lose_data(|| fixture.server.restart(), true)?;
    fixture.finish("a server restarted, and empty")
}

fn no_stale_value_is_served_while_the_server_is_down<C: Concurrent>() -> Outcome {
    let mut fixture = Fixture::<C>::start()?;
    let gaps = fixture.watches.gaps();
    fixture.watches.lose_data(|| fixture.server.stop(), false)?;
    fixture.watches.wait_until_cut_off();
    fixture.server.restart()?;
    fixture.watches.wait_for_traffic();
    assert!(fixture.watches.gaps() >= gaps + 3);
    fixture.finish("a server killed and started later")
}

fn no_stale_value_is_served_while_the_server_is_paused<C: Concurrent>() -> Outcome {
    let fixture = Fixture::<C>::start()?;
    let signal = |name| send_signal(name, fixture.server.process_id());
    assert!(signal("STOP")?);
    fixture.watches.wait_until_cut_off();
    assert!(signal("CONT")?);
    fixture.finish("a server paused")
}

fn no_stale_value_is_served_after_flushall<C: Concurrent>() -> Outcome {
    flushed::<C>("FLUSHALL")
}

fn no_stale_value_is_served_after_flushdb<C: Concurrent>() -> Outcome {
    flushed::<C>("FLUSHDB")
}

fn flushed<C: Concurrent>(command: &str) -> Outcome {
    let fixture = Fixture::<C>::start()?;
    for _ in 0..2 {
        let flush = || query::<()>(fixture.server.url(), command);
        fixture.watches.lose_data(flush, true)?;
        fixture.watches.wait_for_traffic();
    }
    fixture.finish(command)
}

/// A value stays for its time to live.
fn exchanged_databases_are_not_detected<C: Concurrent>() -> Outcome {
    let server = LocalServer::start()?;
    let plain: RedisDict<String, u64> = RedisDict::new(&Client::open(server.url())?, "d");
    let client = C::connect(C::builder(server.url()));
    for source in WatchSource::ALL {
        plain.insert("a", &1)?;
        let near_cache = source.near_cache().time_to_live(LIFE);
        let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
        let cached = opened::<C, _>(|| dict.cached(near_cache.clone()));
        let get = || C::finish(async { settle!(cached.get("a")) });
        assert_eq!(get()?.as_deref(), Some(&1));
        query::<()>(server.url(), "SWAPDB 0 1")?;
        let end = Instant::now() + LIFE;
        let is_gone = || {
            let began = Instant::now();
            let found = get().expect("an answer");
            assert!(found.is_none() || began <= end + MARGIN, "{source:?}");
            found.is_none()
        };
        assert!(eventually(is_gone), "{source:?}");
        query::<()>(server.url(), "FLUSHALL")?;
    }
    Ok(())
}

/// As after a failover that this program did not learn of.
fn an_old_master_is_believed_unless_it_needs_its_replica<C: Concurrent>() -> Outcome {
    let old = LocalServer::start_with(&["--repl-diskless-sync-delay", "0"])?;
    let port = old.port().to_string();
    let new = LocalServer::start_with(&["--replicaof", "127.0.0.1", &port])?;
    let (client, other) = (C::connect(C::builder(old.url())), Client::open(old.url())?);
    let caches = WatchSource::ALL.map(|source| {
        let dict: RedisDict<u64, u64, C> = RedisDict::new(&client, format!("{source:?}"));
        let writer = source.writer(&other, &format!("{source:?}:"));
        (opened::<C, _>(|| dict.cached(source.near_cache())), writer)
    });
    let write = |value: u64| caches.iter().map(move |(_, writer)| writer.insert(&1, &value));
    write(1).collect::<Result<Vec<()>, _>>()?;
    let copied = || query::<u64>(new.url(), "DBSIZE").is_ok_and(|keys| keys >= 3);
    assert!(eventually(copied));
    query::<()>(new.url(), "REPLICAOF NO ONE")?;
    query::<()>(new.url(), "SET Tracking:1 7")?;
    write(2).collect::<Result<Vec<()>, _>>()?;
    for (cached, _) in &caches {
        let get = || C::finish(async { settle!(cached.get(&1)) });
        let follows_the_old_one =
            || get().is_ok_and(|it| it.as_deref() == Some(&2)) && cached.peek(&1).is_some();
        assert!(eventually(follows_the_old_one) && eventually(|| cached.stats().is_certain));
    }
    query::<()>(old.url(), "CONFIG SET min-replicas-to-write 1")?;
    assert!(write(3).all(|it| it.is_err_and(|error| error.code() == Some("NOREPLICAS"))));
    for (cached, _) in &caches {
        assert!(eventually(|| !cached.stats().is_certain), "its heartbeats are refused");
    }
    Ok(())
}

const LIFE: Duration = Duration::from_millis(500);
