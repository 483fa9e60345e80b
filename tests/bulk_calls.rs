//! Calls with many entries: the commands into which they are divided, and what holds across these.

use std::collections::BTreeMap;

use redis_collections::{
    Applied, BYTES_PER_COMMAND, ChangeFormat, ENTRIES_PER_COMMAND, Error, Event, LocalServer,
    RedisDict, RedisHashDict, RedisList, RedisSet, WorkQueue,
};
use support::contract::{contract, ok, on_both_kinds, settle};
use support::kinds::Kind;
use support::servers::query;

contract! {
    calls_of_any_size_do_what_one_command_does,
    the_changes_of_a_divided_call_are_all_published,
    a_stored_set_of_many_members_is_reported_as_a_gap,
}

on_both_kinds! {
    no_command_has_more_entries_or_bytes_than_documented,
    a_transaction_divides_nothing,
    a_call_that_fails_half_way_says_so_and_stops,
    a_call_may_have_more_entries_than_a_command_has_room_for,
}

/// More than travel together.
const MANY: usize = 20 * ENTRIES_PER_COMMAND + 7;

async fn calls_of_any_size_do_what_one_command_does<C: Kind>(client: C, name: &'static str) {
    let numbers: Vec<u64> = (0..MANY as u64).collect();
    let doubled = || numbers.iter().map(|number| (number, 2 * number));
    let mixed: Vec<u64> = numbers.iter().map(|number| 2 * number).collect();
    let expected: Vec<_> =
        mixed.iter().map(|key| (*key < MANY as u64).then_some(2 * key)).collect();
    let is_old = |key: &u64| *key < MANY as u64;
    let half = MANY.div_ceil(2);

    let dict: RedisDict<u64, u64, C> = RedisDict::new(&client, name);
    ok!(dict.insert_many(doubled()));
    assert_eq!(ok!(dict.get_many(&mixed)), expected);
    assert_eq!(ok!(dict.remove_many(&mixed)), half);
    assert_eq!(ok!(dict.remove_many(&numbers)), MANY - half);

    let hash: RedisHashDict<u64, u64, C> = RedisHashDict::new(&client, format!("{name}-hash"));
    assert_eq!(ok!(hash.insert_many(doubled())), MANY);
    assert_eq!(ok!(hash.insert_many(mixed.iter().zip(&mixed))), MANY - half);
    ok!(hash.extend(doubled()));
    assert_eq!(ok!(hash.len()), 2 * MANY - half);
    assert_eq!(ok!(hash.get_many(&numbers)).len(), MANY);
    assert_eq!(ok!(hash.get_many(&mixed))[..half], expected[..half]);
    assert_eq!(ok!(hash.remove_many(&numbers)), MANY);
    assert_eq!(ok!(hash.remove_many(&mixed)), MANY - half);

    let set: RedisSet<u64, C> = RedisSet::new(&client, format!("{name}-set"));
    assert_eq!(ok!(set.insert_many(&numbers)), MANY);
    let are_there = ok!(set.contains_many(&mixed));
    assert_eq!(are_there, mixed.iter().map(is_old).collect::<Vec<_>>());
    assert_eq!(ok!(set.remove_many(&mixed)), half);
    ok!(set.extend(&numbers));
    assert_eq!(ok!(set.len()), MANY);

    let list: RedisList<u64, C> = RedisList::new(&client, format!("{name}-list"));
    ok!(list.push_back(&7));
    assert_eq!(ok!(list.push_many(&numbers)), MANY + 1);
    ok!(list.extend(&mixed));
    let items = ok!(list.range(..));
    assert_eq!(items[1..], [&numbers[..], &mixed].concat());
    for key in [hash.key(), set.key(), list.key()] {
        ok!(key.remove());
    }
}

async fn the_changes_of_a_divided_call_are_all_published<C: Kind>(client: C, name: &'static str) {
    const SOME: usize = 2 * ENTRIES_PER_COMMAND + 7;
    let numbers: Vec<u64> = (0..SOME as u64).collect();
    let hash: RedisHashDict<u64, u64, C> = RedisHashDict::new(&client, name);
    let hash = hash.publishing(ChangeFormat::Own);
    let mut events = ok!(hash.subscribe("*"));
    ok!(hash.insert(&3, &3));
    assert_eq!(ok!(hash.insert_many(numbers.iter().zip(&numbers))), SOME - 1);
    assert_eq!(ok!(hash.remove_many(&numbers)), SOME);
    let mut seen = BTreeMap::<u64, Vec<&str>>::new();
    for _ in 0..2 * SOME + 1 {
        match C::event(&mut events).await.expect("a key") {
            Event::Inserted(key) => seen.entry(key).or_default().push("inserted"),
            Event::Updated(key) => seen.entry(key).or_default().push("updated"),
            Event::Removed(key) => seen.entry(key).or_default().push("removed"),
            event => panic!("{event:?}"),
        }
    }
    for (key, changes) in seen {
        let expected: &[_] =
            if key == 3 { &["inserted", "updated", "removed"] } else { &["inserted", "removed"] };
        assert_eq!(changes, expected, "{key}");
    }
}

async fn a_stored_set_of_many_members_is_reported_as_a_gap<C: Kind>(client: C, name: &'static str) {
    let set = |kind: &str| RedisSet::<u64, C>::new(&client, format!("{{{name}}}{kind}"));
    let (source, other) = (set("source"), set("other"));
    let target = set("target").publishing(ChangeFormat::Own);
    let mut events = ok!(target.subscribe("*"));
    let numbers: Vec<u64> = (0..ENTRIES_PER_COMMAND as u64).collect();
    ok!(other.insert(&7));
    for (members, expected) in [
        (&numbers[..1], vec![Event::Inserted(0), Event::Inserted(7)]),
        (&numbers[..], vec![Event::Gap]),
    ] {
        ok!(source.insert_many(members));
        ok!(source.union_into(&[&other], &target));
        for expected in expected {
            assert_eq!(C::event(&mut events).await.unwrap(), expected);
        }
    }
    ok!(target.remove(&3));
    assert_eq!(C::event(&mut events).await.unwrap(), Event::Removed(3));
}

async fn no_command_has_more_entries_or_bytes_than_documented<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client = C::connected(C::builder(server.url())).await;
    let numbers: Vec<u64> = (0..2 * ENTRIES_PER_COMMAND as u64 + 1).collect();
    let pairs = || numbers.iter().zip(&numbers);
    let dict: RedisDict<u64, u64, C> = RedisDict::new(&client, "dict");
    let hash: RedisHashDict<u64, u64, C> = RedisHashDict::new(&client, "hash");
    let set: RedisSet<u64, C> = RedisSet::new(&client, "set");
    let list: RedisList<u64, C> = RedisList::new(&client, "list");
    ok!(dict.insert_many(pairs()));
    ok!(dict.get_many(&numbers));
    ok!(dict.remove_many(&numbers));
    ok!(hash.insert_many(pairs()));
    ok!(hash.get_many(&numbers));
    ok!(hash.remove_many(&numbers));
    ok!(set.insert_many(&numbers));
    ok!(set.contains_many(&numbers));
    ok!(set.remove_many(&numbers));
    ok!(list.push_many(&numbers));
    for command in
        ["mset", "mget", "unlink", "hset", "hmget", "hdel", "sadd", "smismember", "srem", "rpush"]
    {
        assert_eq!(calls(&server, command), 3, "{command}");
    }
    let queue: WorkQueue<u64, C> = WorkQueue::new(&client, "queue");
    ok!(queue.push_many(&numbers));
    assert_eq!(calls(&server, "rpush"), 3 + 3);
    let long: RedisList<Vec<u8>, C> = RedisList::new(&client, "long");
    let sizes = [BYTES_PER_COMMAND / 2, BYTES_PER_COMMAND / 2, 1, 2 * BYTES_PER_COMMAND, 1];
    let items: Vec<_> = sizes.map(|size| vec![b'x'; size]).into();
    ok!(long.push_many(&items));
    assert_eq!(calls(&server, "rpush"), 3 + 3 + 4);
    assert_eq!(ok!(long.range(..)), items);
}

async fn a_transaction_divides_nothing<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client = C::connected(C::builder(server.url())).await;
    let numbers: Vec<u64> = (0..2 * ENTRIES_PER_COMMAND as u64).collect();
    let dict: RedisDict<u64, u64, C> = RedisDict::new(&client, "dict");
    let insert = dict.deferred().insert_many(numbers.iter().zip(&numbers));
    client.transaction((insert,)).await.unwrap();
    assert_eq!(calls(&server, "mset"), 1);
}

async fn a_call_that_fails_half_way_says_so_and_stops<C: Kind>() {
    const PARTS: usize = 200;
    let server = LocalServer::start().unwrap();
    let client = C::connected(C::builder(server.url())).await;
    let list: RedisList<String, C> = RedisList::new(&client, "list");
    let items = vec!["x".repeat(200); PARTS * ENTRIES_PER_COMMAND];
    let () = query(server.url(), "CONFIG SET maxmemory 12mb").unwrap();
    let error: Error = settle!(list.push_many(&items)).unwrap_err();
    assert_eq!((error.code(), error.applied()), (Some("OOM"), Applied::Yes), "{error}");
    let pushed = ok!(list.len());
    assert!(pushed > 0 && pushed.is_multiple_of(ENTRIES_PER_COMMAND), "{pushed}");
    let refused = figure(&server, "rpush", "rejected_calls");
    assert!((1..=16).contains(&refused), "{refused}");
}

async fn a_call_may_have_more_entries_than_a_command_has_room_for<C: Kind>() {
    const ENTRIES: u64 = 1_100_000;
    let server = LocalServer::start().unwrap();
    let client = C::connected(C::builder(server.url())).await;
    let list: RedisList<u64, C> = RedisList::new(&client, "list");
    let numbers: Vec<u64> = (0..ENTRIES).collect();
    let push = list.deferred().push_many(&numbers);
    let error = client.transaction((push,)).await.unwrap_err();
    assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
    assert_eq!(ok!(list.push_many(&numbers)), ENTRIES as usize);
    assert_eq!(ok!(list.get(-1)), Some(ENTRIES - 1));
}

/// How often the server has run `command`.
fn calls(server: &LocalServer, command: &str) -> usize {
    figure(server, command, "calls")
}

/// A figure that the server has of `command`; 0 if it has not run it.
fn figure(server: &LocalServer, command: &str, name: &str) -> usize {
    let statistics: String = query(server.url(), "INFO commandstats").unwrap();
    let lines = statistics.lines();
    let of_command = lines.filter_map(|line| line.strip_prefix(&format!("cmdstat_{command}:")));
    let figures = of_command.flat_map(|line| line.split(','));
    let mut figure = figures.filter_map(|figure| figure.strip_prefix(&format!("{name}=")));
    figure.next().map_or(0, |figure| figure.parse().unwrap())
}
