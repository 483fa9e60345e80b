//! Users without some right that a cache would use.

use std::time::{Duration, Instant};

use redis::cmd;
use redis_collections::{ChangeFormat, Client, LocalServer, NearCacheSettings, RedisDict};

use support::concurrent::{Concurrent, on_threads_and_tasks};
use support::contract::settle;
use support::eventually;
use support::servers::{Outcome, query, run};
use support::staleness::{BOUND, MARGIN, Watch, WatchSource, opened};

on_threads_and_tasks![
    a_right_that_a_cache_lacks_is_named,
    rights_to_the_keys_and_channels_of_the_dict_are_enough,
    writer_messages_are_received_without_the_right_to_configure,
    an_undetected_change_is_served_no_longer_than_the_time_to_live,
];

fn a_right_that_a_cache_lacks_is_named<C: Concurrent>() -> Outcome {
    let server = LocalServer::start()?;
    let (tracking, messages) =
        (NearCacheSettings::tracking(), NearCacheSettings::writer_messages());
    for (near_cache, rights, refused) in [
        (&tracking, "~* &* +@all -client|tracking", "CLIENT"),
        (&tracking, "~* &* +@all -subscribe", "SUBSCRIBE"),
        (&tracking, "~* &* +@all -publish", "PUBLISH"),
        (&tracking, "~* &* +@all -unlink", "UNLINK"),
        (&tracking, "~* resetchannels &other +@all", "SUBSCRIBE"),
        (&tracking, "~other:* &* +@all", "SET"),
        (&messages, "~* &* +@all -subscribe", "SUBSCRIBE"),
        (&messages, "~* &* +@all -publish", "PUBLISH"),
        (&messages, "~* resetchannels &other:* +@all", "SUBSCRIBE"),
    ] {
        let client = client_with::<C>(&server, rights)?;
        let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
        let near_cache = near_cache.clone().max_staleness(BOUND);
        let cached = C::finish(async { settle!(dict.cached(near_cache)) });
        let error = cached.err().ok_or_else(|| format!("not refused: {rights}"))?;
        assert_eq!(error.code(), Some("NOPERM"), "{rights}: {error}");
        let command = error.attempt().map(|attempt| attempt.command().to_owned());
        assert_eq!(command.as_deref(), Some(refused), "{rights}: {error}");
        assert!(eventually(|| listeners(&server) == Some(0)), "{rights}: it goes on listening");
    }
    Ok(())
}

fn rights_to_the_keys_and_channels_of_the_dict_are_enough<C: Concurrent>() -> Outcome {
    let server = LocalServer::start()?;
    let client = client_with::<C>(&server, "~d:* resetchannels &d:* +@all")?;
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
    for near_cache in [NearCacheSettings::tracking(), NearCacheSettings::writer_messages()] {
        is_cached(&dict, near_cache)?;
    }
    let channels = "~d&&* resetchannels &d&&* &event_d&&* +@all";
    let client = client_with::<C>(&server, channels)?;
    let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, "d&&");
    is_cached(
        &dict.publishing(ChangeFormat::PyDict("id".into())),
        NearCacheSettings::writer_messages(),
    )
}

fn is_cached<C: Concurrent>(
    dict: &RedisDict<String, u64, C>,
    near_cache: NearCacheSettings,
) -> Outcome {
    let cached = C::finish(async { settle!(dict.cached(near_cache.max_staleness(BOUND))) })?;
    C::finish(async { settle!(dict.insert("a", &1)) })?;
    let found = || C::finish(async { settle!(cached.get("a")) });
    assert!(eventually(|| found().is_ok_and(|found| found.as_deref() == Some(&1))));
    Ok(())
}

fn writer_messages_are_received_without_the_right_to_configure<C: Concurrent>() -> Outcome {
    let server = LocalServer::start()?;
    let reader = client_with::<C>(&server, "~* &* +@all -config")?;
    let watch =
        Watch::start(WatchSource::Messages, &reader, &Client::open(server.url())?, "published:");
    let watches = super::Watches(vec![watch]);
    watches.wait_for_traffic();
    watches.outlast_the_bound();
    let _: u64 = query(server.url(), "CLIENT KILL TYPE pubsub")?;
    watches.finish("keyspace notifications refused");
    Ok(())
}

/// Without keyspace notifications other writers are not seen, nor is a flush without tracking.
fn an_undetected_change_is_served_no_longer_than_the_time_to_live<C: Concurrent>() -> Outcome {
    for (rights, change, changed) in [
        ("~* &* +@all -config", "SET d:a 2", Some(2)),
        ("~* &* +@all -client|tracking", "FLUSHALL", None),
    ] {
        let server = LocalServer::start()?;
        let dict: RedisDict<String, u64, C> = RedisDict::new(&client_with(&server, rights)?, "d");
        let near_cache = NearCacheSettings::writer_messages().time_to_live(LIFE);
        let cached = opened::<C, _>(|| dict.cached(near_cache.clone()));
        query::<()>(server.url(), "SET d:a 1")?;
        let get = || C::finish(async { settle!(cached.get("a")) });
        assert!(eventually(|| get().is_ok_and(|value| value.as_deref() == Some(&1))), "{rights}");
        query::<()>(server.url(), change)?;
        let end = Instant::now() + LIFE;
        let is_seen = || {
            let began = Instant::now();
            let found = get().expect("an answer").as_deref().copied();
            assert!(found == changed || began <= end + MARGIN, "{change}: {found:?}");
            found == changed
        };
        assert!(eventually(is_seen), "{change}");
    }
    Ok(())
}

const LIFE: Duration = Duration::from_millis(500);

fn client_with<C: Concurrent>(server: &LocalServer, rights: &str) -> Outcome<C> {
    let mut user = cmd("ACL");
    user.arg("SETUSER").arg("ann").arg("reset").arg("on").arg(">pw");
    user.arg(rights.split(' ').collect::<Vec<_>>());
    let () = run(server.url(), &user)?;
    Ok(C::connect(C::builder(server.url()).user("ann").password("pw")))
}

fn listeners(server: &LocalServer) -> Option<usize> {
    let clients: String = query(server.url(), "CLIENT LIST TYPE pubsub").ok()?;
    Some(clients.lines().count())
}
