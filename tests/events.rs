//! Events of collections.

use std::time::Duration;

use redis_collections::{
    ChangeFormat, Client, Event, LocalServer, NearCacheSettings, RedisDict, RedisHashDict,
    RedisList, RedisSet,
};
use support::contract::{contract, ok, ok_within, on_both_kinds};
use support::kinds::{Kind, enable_all_notifications, server_without_notifications};
use support::servers::query;

contract! {
    writers_publish_their_changes,
    the_server_notifies_of_other_writers,
    fields_members_and_items_have_events,
    a_pattern_selects_keys,
    expirations_are_reported,
    formats_of_python_are_understood,
    a_near_cache_that_connects_is_no_event,
}

on_both_kinds! {
    the_server_notifies_of_other_writers_in_either_protocol,
    a_subscriber_needs_no_right_to_write,
}

macro_rules! events {
    ($events:expr, $expected:expr) => {
        for expected in $expected {
            let event = C::event(&mut $events).await.expect("a key");
            assert_eq!(event, expected);
        }
    };
}

async fn writers_publish_their_changes<C: Kind>(client: C, name: &'static str) {
    enable_all_notifications();
    // All on one server: messages of several servers have no order.
    let dict: RedisDict<String, u64, C> =
        RedisDict::with_prefix(&client, format!("{{{name}}}")).publishing(ChangeFormat::Own);
    let mut events = ok!(dict.subscribe("*"));
    ok!(dict.insert("a", &1));
    ok!(dict.insert("a", &2));
    ok!(dict.insert_many([("a", &3)]));
    ok!(dict.increment("b", 1));
    ok!(dict.expire("b", Duration::from_secs(100)));
    assert!(ok!(dict.remove("a")));
    assert!(!ok!(dict.remove("a")));
    assert!(!ok!(dict.set_if_present("a", &7)));
    ok_within!(dict.update("b", |number| number.map(|number| number + 1)));
    assert_eq!(ok!(dict.clear()), 1);
    events!(
        events,
        [
            Event::Inserted("a".to_owned()),
            Event::Updated("a".to_owned()),
            Event::Updated("a".to_owned()),
            Event::Inserted("b".to_owned()),
            Event::Removed("a".to_owned()),
            Event::Updated("b".to_owned()),
            Event::Removed("b".to_owned()),
        ]
    );
}

async fn the_server_notifies_of_other_writers<C: Kind>(client: C, name: &'static str) {
    enable_all_notifications();
    let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, name);
    let mut events = ok!(dict.subscribe("*"));
    assert!(events.sees_foreign_writes());
    ok!(dict.insert("a", &1));
    ok!(dict.insert("a", &2));
    ok!(dict.increment("a", 1));
    ok!(dict.remove("a"));
    ok!(dict.insert("a", &1));
    let a = || "a".to_owned();
    events!(
        events,
        [
            Event::Inserted(a()),
            Event::Updated(a()),
            Event::Updated(a()),
            Event::Removed(a()),
            Event::Inserted(a()),
        ]
    );
}

async fn a_near_cache_that_connects_is_no_event<C: Kind>(client: C, name: &'static str) {
    enable_all_notifications();
    let dict: RedisDict<u64, u64, C> = RedisDict::with_prefix(&client, name);
    let mut events = ok!(dict.subscribe("*"));
    let cached = ok!(dict.clone().cached(NearCacheSettings::tracking()));
    ok!(dict.insert(&1, &1));
    events!(events, [Event::Inserted(1)]);
    drop(cached);
}

async fn fields_members_and_items_have_events<C: Kind>(client: C, name: &'static str) {
    enable_all_notifications();
    let hash: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, format!("{name}-hash"));
    let set: RedisSet<String, C> = RedisSet::new(&client, format!("{name}-set"));
    let list: RedisList<String, C> = RedisList::new(&client, format!("{name}-list"));
    let mut of_hash = ok!(hash.subscribe("*"));
    let mut of_set = ok!(set.subscribe("*"));
    let mut of_list = ok!(list.subscribe());
    let (own_hash, own_set) =
        (hash.publishing(ChangeFormat::Own), set.publishing(ChangeFormat::Own));
    let own_list = list.publishing(ChangeFormat::Own);
    let a = || "a".to_owned();

    ok!(own_hash.insert("a", &1));
    ok!(own_hash.insert("a", &2));
    ok!(own_hash.remove("a"));
    ok!(hash.insert("b", &1));
    ok!(own_hash.insert("a", &1));
    ok!(own_hash.key().remove());
    // With its last field the hash itself is gone.
    let mine = [Event::Inserted(a()), Event::Updated(a()), Event::Removed(a()), Event::Cleared];
    events!(of_hash, mine);
    events!(of_hash, [Event::Gap, Event::Inserted(a()), Event::Cleared]);

    ok!(own_set.insert("a"));
    ok!(own_set.insert("a"));
    ok!(set.insert("b"));
    ok!(own_set.remove("a"));
    events!(of_set, [Event::Inserted(a()), Event::Gap, Event::Removed(a())]);

    ok!(own_list.push_many(["a", "b", "c"]));
    ok!(own_list.pop_front());
    ok!(own_list.set(0, "x"));
    ok!(list.push_back("d"));
    ok!(own_list.clear());
    events!(of_list, [Event::Inserted(3), Event::Removed(1), Event::Updated(1)]);
    events!(of_list, [Event::Gap, Event::Cleared]);
}

async fn a_pattern_selects_keys<C: Kind>(client: C, name: &'static str) {
    enable_all_notifications();
    // The prefix is no pattern.
    let prefix = format!("{name}[*]");
    let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, prefix);
    let other: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, format!("{name}*"));
    let mut events = ok!(dict.subscribe("user:?"));
    for dict in [&other, &dict, &dict.publishing(ChangeFormat::Own)] {
        ok!(dict.insert("user:", &1));
        ok!(dict.insert("user:1", &1));
        ok!(dict.insert("user:12", &1));
    }
    let key = || "user:1".to_owned();
    events!(events, [Event::Inserted(key()), Event::Updated(key())]);
}

async fn expirations_are_reported<C: Kind>(client: C, name: &'static str) {
    enable_all_notifications();
    let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, name);
    let mut events = ok!(dict.subscribe("*"));
    ok!(dict.insert_with_ttl("a", &1, Duration::from_millis(50)));
    events!(events, [Event::Inserted("a".to_owned()), Event::Expired("a".to_owned())]);
}

async fn formats_of_python_are_understood<C: Kind>(client: C, name: &'static str) {
    enable_all_notifications();
    let app: RedisDict<String, u64, C> =
        RedisDict::with_prefix(&client, format!("{name}/")).publishing(ChangeFormat::PubSubDict);
    let mut events = ok!(app.subscribe("*"));
    ok!(app.insert("a", &1));
    events!(events, [Event::Updated("a".to_owned()), Event::Inserted("a".to_owned())]);
    let ns: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, format!("{name}&&"))
        .publishing(ChangeFormat::PyDict("7".to_owned()));
    let mut events = ok!(ns.subscribe("*"));
    ok!(ns.insert("a", &1));
    let notified = Event::Notified { key: "a".to_owned(), id: "7".to_owned() };
    events!(events, [notified, Event::Inserted("a".to_owned())]);
}

async fn the_server_notifies_of_other_writers_in_either_protocol<C: Kind>() {
    for protocol in ["resp2", "resp3"] {
        let server = LocalServer::start().expect("a server");
        let url = format!("redis://127.0.0.1:{}/?protocol={protocol}", server.port());
        let client = C::build(C::builder(&url)).await.expect("a connection");
        let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "ages");
        let mut events = ok!(dict.subscribe("*"));
        assert!(events.sees_foreign_writes(), "{protocol}");
        let () = query(server.url(), "SET ages:a 1").expect("a foreign write");
        ok!(dict.publishing(ChangeFormat::Own).insert("b", &1));
        ok!(dict.remove("a"));
        events!(
            events,
            [
                Event::Inserted("a".to_owned()),
                Event::Inserted("b".to_owned()),
                Event::Removed("a".to_owned()),
            ]
        );
    }
}

#[test]
fn a_setting_of_the_server_is_added_to_and_never_overwritten() {
    for (before, has) in [("", ""), ("Elm", "Elm"), ("AKE", "AKE")] {
        let server = LocalServer::start().unwrap();
        let set: () = keyspace(&server, "SET", &[before]);
        let client = Client::open(server.url()).unwrap();
        let dict: RedisDict<String, u64> = RedisDict::new(&client, "ages");
        let events = dict.subscribe("*").unwrap();
        let now: Vec<String> = keyspace(&server, "GET", &[]);
        assert_eq!(((), true), (set, events.sees_foreign_writes()));
        for kind in "Kg$lszhtdxen".chars().chain(has.chars()) {
            // The server does not show `n` beside an `A`.
            assert!(now[1].contains(kind) || now[1].contains('A'), "{kind} is missing in {now:?}");
        }
        let mut events = events;
        dict.insert("a", &1).unwrap();
        assert_eq!(events.next().unwrap().unwrap(), Event::Inserted("a".to_owned()), "{before}");
    }
}

#[test]
fn a_setting_that_is_turned_off_is_turned_on_again() {
    let server = LocalServer::start().unwrap();
    let client = Client::open(server.url()).unwrap();
    let dict: RedisDict<String, u64> = RedisDict::new(&client, "ages");
    let mut events = dict.subscribe("*").unwrap();
    let () = keyspace(&server, "SET", &[""]);
    assert_eq!(events.next().unwrap().unwrap(), Event::Gap);
    dict.insert("a", &1).unwrap();
    assert_eq!(events.next().unwrap().unwrap(), Event::Inserted("a".to_owned()));
}

#[test]
fn a_user_without_the_right_to_configure_receives_writer_messages_only() {
    let (_server, client): (_, Client) = Client::finish(server_without_notifications());
    let dict: RedisDict<String, u64> = RedisDict::new(&client, "ages");
    let mut events = dict.subscribe("*").unwrap();
    assert!(!events.sees_foreign_writes());
    dict.insert("a", &1).unwrap();
    dict.publishing(ChangeFormat::Own).insert("b", &1).unwrap();
    assert_eq!(events.next().unwrap().unwrap(), Event::Inserted("b".to_owned()));
}

#[test]
fn a_gap_is_reported_after_the_connection_was_lost_or_a_message_is_missing() {
    let server = LocalServer::start().unwrap();
    let client = Client::open(server.url()).unwrap();
    let dict: RedisDict<String, u64> =
        RedisDict::new(&client, "ages").publishing(ChangeFormat::Own);
    let mut events = dict.subscribe("*").unwrap();
    let mut next =
        || events.next_within(support::servers::PATIENCE).expect("an event").expect("a key");
    dict.insert("a", &1).unwrap();
    assert_eq!(next(), Event::Inserted("a".to_owned()));
    let _: u64 = support::servers::query(server.url(), "CLIENT KILL TYPE pubsub").unwrap();
    assert_eq!(next(), Event::Gap);
    dict.insert("a", &2).unwrap();
    assert_eq!(next(), Event::Updated("a".to_owned()));
    let field = "ages:~rc:changes:dict";
    let skip = format!("HINCRBY ages:~rc:sequences:dict {field} 3");
    let _: u64 = support::servers::query(server.url(), &skip).unwrap();
    dict.insert("a", &3).unwrap();
    assert_eq!((next(), next()), (Event::Gap, Event::Updated("a".to_owned())));
    let () = support::servers::query(server.url(), "FLUSHALL").unwrap();
    assert_eq!(next(), Event::Cleared);
}

#[test]
fn a_key_that_another_type_overwrites_is_noticed() {
    let server = LocalServer::start().unwrap();
    let client = Client::open(server.url()).unwrap();
    let run = |command: &str| drop(support::servers::query::<redis::Value>(server.url(), command));
    let (patience, name) = (support::servers::PATIENCE, "overwritten");
    for overwrite in ["SUNIONSTORE {} src", "SORT src STORE {}", "ZUNIONSTORE {} 1 src", "SET {} x"]
    {
        for structure in ["dict", "hash", "list", "set"] {
            run("FLUSHALL");
            run("SADD src 1 2");
            let key = if structure == "dict" { format!("{name}:a") } else { name.to_owned() };
            let overwrite = overwrite.replace("{}", &key);
            let what = format!("{structure}: {overwrite}");
            let cached = match structure {
                "dict" => {
                    let dict: RedisDict<String, u64> = RedisDict::new(&client, name);
                    let mut events = dict.subscribe("*").unwrap();
                    let cached = dict.cached(NearCacheSettings::writer_messages()).unwrap();
                    cached.insert("a", &7).unwrap();
                    assert!(events.next_within(patience).is_some(), "{what}");
                    let is_cached = || cached.get("a").is_ok() && cached.peek("a").is_some();
                    assert!(support::eventually(is_cached), "{what}");
                    run(&overwrite);
                    let event = events.next_within(patience).expect(&what).unwrap();
                    assert_eq!(event, Event::Updated("a".to_owned()), "{what}");
                    support::eventually(|| cached.peek("a").is_none())
                }
                "hash" => {
                    let hash: RedisHashDict<String, u64> = RedisHashDict::new(&client, name);
                    let mut events = hash.subscribe("*").unwrap();
                    let cached = hash.cached(NearCacheSettings::writer_messages()).unwrap();
                    cached.insert("a", &7).unwrap();
                    assert!(events.next_within(patience).is_some(), "{what}");
                    let is_cached = || cached.get("a").is_ok() && cached.peek("a").is_some();
                    assert!(support::eventually(is_cached), "{what}");
                    run(&overwrite);
                    let event = events.next_within(patience).expect(&what).unwrap();
                    assert!(matches!(event, Event::Gap | Event::Cleared), "{what}: {event:?}");
                    support::eventually(|| cached.peek("a").is_none())
                }
                "list" => {
                    let list: RedisList<u64> = RedisList::new(&client, name);
                    let mut events = list.subscribe().unwrap();
                    run(&overwrite);
                    events.next_within(patience).is_some()
                }
                _ => {
                    let set: RedisSet<u64> = RedisSet::new(&client, name);
                    let mut events = set.subscribe("*").unwrap();
                    run(&overwrite);
                    events.next_within(patience).is_some()
                }
            };
            assert!(cached, "{what} was not noticed");
        }
    }
}

#[test]
fn a_key_that_cannot_be_decoded_is_an_error_in_its_place() {
    let server = LocalServer::start().unwrap();
    let client = Client::open(server.url()).unwrap();
    let text: RedisDict<String, u64> = RedisDict::new(&client, "ages");
    let numbers: RedisDict<u32, u64> = text.typed();
    let mut events = numbers.subscribe("*").unwrap();
    text.insert("no number", &1).unwrap();
    text.insert("7", &1).unwrap();
    let error = events.next().unwrap().unwrap_err();
    assert_eq!(error.undecoded(), Some(&b"no number"[..]));
    assert_eq!(events.next().unwrap().unwrap(), Event::Inserted(7));
}

/// The server's reply about its setting.
fn keyspace<T: redis::FromRedisValue>(server: &LocalServer, verb: &str, value: &[&str]) -> T {
    let mut command = redis::cmd("CONFIG");
    command.arg(verb).arg("notify-keyspace-events").arg(value);
    support::servers::run(server.url(), &command).expect("a setting")
}

async fn a_subscriber_needs_no_right_to_write<C: Kind>() {
    let server = LocalServer::start_with(&["--notify-keyspace-events", "KEA"]).unwrap();
    let () = query(server.url(), "ACL SETUSER ann on >pw ~* &* +@all -@write -publish").unwrap();
    let writer = C::build(C::builder(server.url())).await.unwrap();
    let reader = C::build(C::builder(server.url()).user("ann").password("pw")).await.unwrap();
    let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&reader, "d/");
    let mut events = ok!(dict.subscribe("*"));
    let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&writer, "d/");
    ok!(dict.insert("a", &1));
    events!(events, [Event::Inserted("a".to_owned())]);
}

#[cfg(feature = "async")]
#[test]
fn a_subscription_ends_with_its_runtime() {
    let server = LocalServer::start().unwrap();
    let [own, other] = [(); 2].map(|()| tokio::runtime::Runtime::new().unwrap());
    let mut events = own.block_on(async {
        let client = redis_collections::AsyncClient::open(server.url()).await.unwrap();
        let dict: RedisDict<String, u64, _> = RedisDict::with_prefix(&client, "d/");
        dict.subscribe("*").await.unwrap()
    });
    let waiting = other.spawn(async move { (events.next().await, events.next().await) });
    own.shutdown_background();
    let (first, second) = other.block_on(async {
        tokio::time::timeout(support::servers::PATIENCE, waiting).await.expect("an end").unwrap()
    });
    for ended in [first, second] {
        assert!(matches!(ended, Err(redis_collections::Error::Configuration(_))), "{ended:?}");
    }
}
