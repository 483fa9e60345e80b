//! Servers that stop, hang, or lose their data.

use std::time::Duration;

use redis_collections::{Client, LocalServer, RedisDict};

use super::Fixture;
use super::support::concurrent::{Concurrent, on_both_kinds};
use super::support::kinds::settle;
use super::support::servers::{Outcome, query};
use super::support::staleness::Way;
use super::support::{eventually, send_signal};

on_both_kinds![
    a_server_is_restarted_without_its_data,
    a_server_is_killed_and_started_later,
    a_server_is_paused,
    all_keys_are_flushed,
    a_database_is_flushed,
    exchanged_databases_are_not_told_of,
];

fn a_server_is_restarted_without_its_data<C: Concurrent>() -> Outcome {
    let mut fixture = Fixture::<C>::start()?;
    fixture.watches.lose_data(|| fixture.server.restart(), true)?;
    fixture.finish("a server restarted, and empty")
}

fn a_server_is_killed_and_started_later<C: Concurrent>() -> Outcome {
    let mut fixture = Fixture::<C>::start()?;
    let gaps = fixture.watches.gaps();
    fixture.watches.lose_data(|| fixture.server.stop(), false)?;
    fixture.watches.are_cut_off();
    fixture.server.restart()?;
    fixture.watches.go_on();
    assert!(fixture.watches.gaps() >= gaps + 3);
    fixture.finish("a server killed and started later")
}

fn a_server_is_paused<C: Concurrent>() -> Outcome {
    let fixture = Fixture::<C>::start()?;
    let signal = |name| send_signal(name, fixture.server.process_id());
    assert!(signal("STOP")?);
    fixture.watches.are_cut_off();
    assert!(signal("CONT")?);
    fixture.finish("a server paused")
}

fn all_keys_are_flushed<C: Concurrent>() -> Outcome {
    flushed::<C>("FLUSHALL")
}

fn a_database_is_flushed<C: Concurrent>() -> Outcome {
    flushed::<C>("FLUSHDB")
}

fn flushed<C: Concurrent>(command: &str) -> Outcome {
    let fixture = Fixture::<C>::start()?;
    for _ in 0..2 {
        let flush = || query::<()>(fixture.server.url(), command);
        fixture.watches.lose_data(flush, true)?;
        fixture.watches.go_on();
    }
    fixture.finish(command)
}

/// A value stays for its time to live.
fn exchanged_databases_are_not_told_of<C: Concurrent>() -> Outcome {
    let server = LocalServer::start()?;
    let plain: RedisDict<String, u64> = RedisDict::new(&Client::open(server.url())?, "d");
    let client = C::connect(C::builder(server.url()));
    for way in Way::ALL {
        plain.insert("a", &1)?;
        let near_cache = way.near_cache().time_to_live(Duration::from_millis(500));
        let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
        let cached = C::finish(async { settle!(dict.cached(near_cache)) })?;
        let get = || C::finish(async { settle!(cached.get("a")) });
        assert_eq!(get()?.as_deref(), Some(&1));
        query::<()>(server.url(), "SWAPDB 0 1")?;
        assert!(eventually(|| get().is_ok_and(|value| value.is_none())), "{way:?}");
        query::<()>(server.url(), "FLUSHALL")?;
    }
    Ok(())
}
