//! Pipelines, transactions, and updates with the user's own function.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use redis_collections::{
    Applied, Client, Command, Deferred, Error, LocalServer, RedisDict, RedisHashDict, RedisList,
    RedisSet, Result, Ttl,
};
use support::contract::{contract, ok, ok_within, on_both_kinds};
use support::kinds::{CLUSTER, Kind, SERVER, client};
use support::servers::proxy::{Direction, Proxy};

contract! {
    a_pipeline_gives_each_command_its_own_result,
    a_pipeline_can_be_of_any_length,
    scripts_run_in_pipelines_and_transactions_though_the_server_forgot_them,
    a_transaction_with_a_command_that_cannot_be_sent_does_nothing,
    a_transaction_error_reports_whether_other_commands_were_applied,
    an_update_can_insert_remove_or_leave_alone_and_keeps_the_time_to_live,
    an_update_that_others_always_overtake_gives_up,
    a_missing_value_is_made_from_a_function,
}

on_both_kinds! {
    a_script_that_is_refused_does_not_keep_the_next_from_running,
    a_reply_stays_when_scripts_that_go_again_are_lost,
}

async fn a_pipeline_gives_each_command_its_own_result<C: Kind>(client: C, name: &'static str) {
    let dict: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, name);
    let list: RedisList<String, C> = RedisList::new(&client, format!("{name}-list"));
    ok!(list.push_back("x"));
    let (done, failed, refused, sum, pushed) = client
        .pipeline((
            dict.deferred().insert("a", &1),
            RedisHashDict::<String, u64, _>::new(&Deferred, format!("{name}-list")).get("a"),
            RedisDict::<String, u64, _>::new(&Deferred, "a~rc:b").get("c"),
            dict.deferred().increment("a", 41),
            list.deferred().push_back("y"),
        ))
        .await
        .unwrap();
    assert_eq!((done.unwrap(), sum.unwrap(), pushed.unwrap()), ((), 42, 2));
    let failed = failed.unwrap_err();
    assert_eq!(failed.code(), Some("WRONGTYPE"));
    assert_eq!(failed.attempt().unwrap().key(), Some(format!("{name}-list").as_bytes()));
    assert!(matches!(refused.unwrap_err(), Error::InvalidArgument { .. }));
}

async fn a_pipeline_can_be_of_any_length<C: Kind>(client: C, name: &'static str) {
    let dict: RedisDict<u64, u64, C> = RedisDict::with_prefix(&client, name);
    for length in [0, 1, 5000] {
        let inserts = (0..length).map(|key| dict.deferred().insert(&key, &key)).collect::<Vec<_>>();
        assert_eq!(client.pipeline(inserts).await.unwrap().len(), length as usize);
        let reads = (0..length).map(|key| dict.deferred().get(&key)).collect::<Vec<_>>();
        let read: Result<Vec<_>> = client.pipeline(reads).await.unwrap().into_iter().collect();
        assert_eq!(read.unwrap(), (0..length).map(Some).collect::<Vec<_>>());
    }
    let keys: Vec<u64> = (0..5000).collect();
    let (all, some) = (dict.deferred().get_many(&keys), dict.deferred().get_many(&[3, 9999]));
    let (all, some) = client.pipeline((all, some)).await.unwrap();
    assert_eq!(all.unwrap(), keys.into_iter().map(Some).collect::<Vec<_>>());
    assert_eq!(some.unwrap(), [Some(3), None]);
}

async fn scripts_run_in_pipelines_and_transactions_though_the_server_forgot_them<C: Kind>(
    client: C,
    name: &'static str,
) {
    let dict: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, name);
    let forget = || {
        let cluster = CLUSTER.nodes().iter().map(|node| node.port());
        for port in cluster.chain([SERVER.port()]) {
            assert!(support::ask(port, "SCRIPT FLUSH").is_ok());
        }
    };
    forget();
    assert_eq!(ok!(dict.replace("a", &1)), None);
    forget();
    let replaces = || (2..5).map(|value| dict.deferred().replace("a", &value)).collect::<Vec<_>>();
    let old: Result<Vec<_>> = client.pipeline(replaces()).await.unwrap().into_iter().collect();
    assert_eq!(old.unwrap(), [Some(1), Some(2), Some(3)]);
    forget();
    assert_eq!(client.transaction(replaces()).await.unwrap(), [Some(4), Some(2), Some(3)]);
}

/// A client whose user may use the keys that begin with `mine`.
async fn restricted<C: Kind>(server: &LocalServer, port: u16) -> C {
    support::ask(server.port(), "ACL SETUSER ann on >pw ~mine* &* +@all").unwrap();
    let url = format!("redis://127.0.0.1:{port}/");
    C::build(C::builder(&url).user("ann").password("pw")).await.unwrap()
}

async fn a_script_that_is_refused_does_not_keep_the_next_from_running<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = restricted(&server, server.port()).await;
    let mine: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, "mine");
    let theirs: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, "theirs");
    let commands = [&theirs, &mine, &theirs, &mine].map(|dict| dict.deferred().replace("a", &1));
    let replies = client.pipeline(Vec::from(commands)).await.unwrap();
    let replies = replies.iter().map(|reply| reply.as_ref().map_err(Error::code));
    let refused = Err(Some("NOPERM"));
    assert_eq!(replies.collect::<Vec<_>>(), [refused, Ok(&None), refused, Ok(&Some(1))]);
}

async fn a_reply_stays_when_scripts_that_go_again_are_lost<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let client: C = restricted(&server, proxy.port()).await;
    let mine: RedisHashDict<String, String, C> = RedisHashDict::new(&client, "mine");
    let theirs: RedisHashDict<String, String, C> = RedisHashDict::new(&client, "theirs");
    let long = "x".repeat(10_000);
    let dicts = [&theirs].into_iter().chain([&mine; 100]);
    let commands: Vec<_> = dicts.map(|dict| dict.deferred().replace("a", &long)).collect();
    // Refusals have fewer bytes, old values have more.
    proxy.cut_after(500_000, Direction::Replies);
    let replies = client.pipeline(commands).await.unwrap();
    let mut errors = replies.into_iter().map(Result::unwrap_err);
    assert_eq!(errors.next().unwrap().code(), Some("NOPERM"));
    assert!(errors.all(|error| matches!(error, Error::ConnectionLost { .. })));
}

async fn a_transaction_with_a_command_that_cannot_be_sent_does_nothing<C: Kind>(
    client: C,
    name: &'static str,
) {
    let dict: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, name);
    let refused = RedisDict::<String, u64, _>::new(&Deferred, "a~rc:b");
    let transaction = client.transaction((dict.deferred().insert("a", &1), refused.get("c")));
    let error = transaction.await.unwrap_err();
    assert_eq!((error.applied(), ok!(dict.len())), (Applied::No, 0));
    assert!(client.transaction(Vec::<Command<u64>>::new()).await.unwrap().is_empty());
}

async fn a_transaction_error_reports_whether_other_commands_were_applied<C: Kind>(
    client: C,
    name: &'static str,
) {
    let dict: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, name);
    let list: RedisList<String, C> = RedisList::new(&client, name);
    let both = (dict.deferred().insert("a", &1), list.deferred().push_back("x"));
    let error = client.transaction(both).await.unwrap_err();
    assert_eq!((error.code(), error.applied()), (Some("WRONGTYPE"), Applied::Yes));
    assert_eq!(error.attempt().unwrap().command(), "RPUSH");
    assert_eq!(ok!(dict.len()), 1, "Redis has no rollback");
    let (set, read) = (RedisSet::<String, C>::new(&client, name), list.deferred().len());
    let pushed = || list.deferred().push_back("x");
    for error in [
        client.transaction((pushed(), set.deferred().insert("x"))).await.unwrap_err(),
        client.transaction((read, pushed())).await.unwrap_err(),
        client.transaction((dict.deferred().len(), pushed())).await.unwrap_err(),
    ] {
        assert_eq!((error.code(), error.applied()), (Some("WRONGTYPE"), Applied::No));
    }
}

async fn an_update_can_insert_remove_or_leave_alone_and_keeps_the_time_to_live<C: Kind>(
    client: C,
    name: &'static str,
) {
    let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, name);
    assert_eq!(ok_within!(dict.update("a", |old| old)), None);
    assert_eq!(ok_within!(dict.update("a", |old| old.or(Some(1)))), Some(1));
    assert!(ok!(dict.expire("a", Duration::from_secs(60))));
    assert_eq!(ok_within!(dict.update("a", |old| old.map(|n| n + 1))), Some(2));
    assert!(matches!(ok!(dict.ttl("a")), Ttl::Left(_)));
    assert_eq!(ok_within!(dict.update("a", |_| None)), None);
    assert!(!ok!(dict.contains_key("a")));
}

async fn an_update_that_others_always_overtake_gives_up<C: Kind>(client: C, name: &'static str) {
    let dict: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, name);
    let others = if name.contains("cluster") {
        Client::cluster(CLUSTER.urls()).unwrap()
    } else {
        support::kinds::client()
    };
    let other = RedisHashDict::<String, u64>::new(&others, name);
    let update = dict.update("a", |old| {
        other.increment("a", 1).unwrap();
        old.or(Some(0))
    });
    let error = C::settle_within(update).await.unwrap_err();
    let count = ok!(dict.get("a")).unwrap();
    assert!(matches!(&error, Error::Contended { tries, .. } if *tries as u64 == count), "{error}");
    assert_eq!(error.applied(), Applied::No);
}

async fn a_missing_value_is_made_from_a_function<C: Kind>(client: C, name: &'static str) {
    let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, name);
    let hash: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, name);
    let mut made = 0;
    for _ in 0..2 {
        let mut make = || {
            made += 1;
            7
        };
        assert_eq!(ok_within!(dict.get_or_insert_with("a", &mut make)), 7);
        assert_eq!(ok_within!(hash.get_or_insert_with("a", &mut make)), 7);
    }
    assert_eq!(made, 2, "once for each");
}

#[test]
fn a_transaction_is_seen_whole_or_not_at_all() {
    const ROUNDS: u64 = 500;
    let client = client();
    let dict: RedisHashDict<String, u64> = RedisHashDict::new(&client, "whole");
    let other: RedisHashDict<String, u64> = RedisHashDict::new(&client, "whole-other");
    let read = || (dict.deferred().get("n"), other.deferred().get("n"));
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..ROUNDS {
                let write = (dict.deferred().insert("n", &n), other.deferred().insert("n", &n));
                client.transaction(write).unwrap();
            }
        });
        while dict.get("n").unwrap() != Some(ROUNDS - 1) {
            let (one, two) = client.transaction(read()).unwrap();
            assert_eq!(one, two);
        }
    });
}

#[test]
fn updates_of_many_threads_all_count() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 50;
    let client = client();
    let strings: RedisDict<String, u64> = RedisDict::new(&client, "updates");
    let hash: RedisHashDict<String, u64> = RedisHashDict::new(&client, "updates-hash");
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    strings.update("n", |n| Some(n.unwrap_or(0) + 1)).unwrap();
                    hash.update("n", |n| Some(n.unwrap_or(0) + 1)).unwrap();
                }
            });
        }
    });
    let expected = Some(THREADS * ROUNDS);
    assert_eq!((strings.get("n").unwrap(), hash.get("n").unwrap()), (expected, expected));
}

#[test]
fn a_missing_value_is_made_once_and_all_get_the_same() {
    let client = client();
    let dict: RedisDict<String, u64> = RedisDict::new(&client, "made");
    let hash: RedisHashDict<String, u64> = RedisHashDict::new(&client, "made-hash");
    let next = AtomicUsize::new(1);
    let make = || next.fetch_add(1, Ordering::Relaxed) as u64;
    let values: Vec<(u64, u64)> = thread::scope(|scope| {
        let get = || {
            let one = dict.get_or_insert_with("a", make).unwrap();
            (one, hash.get_or_insert_with("a", make).unwrap())
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(get)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
    let made = next.load(Ordering::Relaxed);
    dict.get_or_insert_with("a", || -> u64 { unreachable!("it is there") }).unwrap();
    assert_eq!(next.load(Ordering::Relaxed), made);
}

#[test]
fn readers_never_see_a_replacement_half_done() {
    let client = client();
    let dict: RedisDict<u64, u64> = RedisDict::new(&client, "replaced");
    let hash: RedisHashDict<u64, u64> = RedisHashDict::new(&client, "replaced-hash");
    let keys: Vec<u64> = (0..50).collect();
    let write = |round: u64| {
        let entries: Vec<_> = keys.iter().map(|key| (key, &round)).collect();
        dict.replace_all(entries.iter().copied()).unwrap();
        hash.replace_all(entries.iter().copied()).unwrap();
    };
    write(0);
    thread::scope(|scope| {
        let writer = scope.spawn(|| (1..200).for_each(write));
        while !writer.is_finished() {
            for values in [dict.get_many(&keys).unwrap(), hash.get_many(&keys).unwrap()] {
                assert!(values.iter().all(|value| value.is_some() && *value == values[0]));
            }
        }
    });
}
