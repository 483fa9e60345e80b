//! Detection of the changes of every program, by the keyspace notifications that a server has.
#![cfg(all(feature = "near-cache", feature = "keyword"))]

mod older;
use std::time::Instant;

use older::Older;
use redis_collections::keyword;
use redis_collections::{
    CachedDict, ChangeFormat, Event, LocalServer, NearCacheSettings, RedisDict, RedisHashDict,
    RedisList, RedisSet,
};
use support::contract::{ok, on_both_kinds, settle};
use support::events::{collect_events, events_with};
use support::eventually;
use support::kinds::Kind;
use support::servers::{PATIENCE, query, run};

on_both_kinds! {
    a_server_is_asked_for_the_kinds_of_notifications_that_it_knows,
    a_setting_that_another_program_made_is_kept_on_an_older_server,
    a_near_cache_follows_every_program_on_an_older_server,
    a_missing_key_that_becomes_one_of_any_type_is_seen,
    missing_notifications_are_reported,
    tracking_needs_no_notifications,
}

async fn connect<C: Kind>(url: &str) -> C {
    C::build(C::builder(url)).await.expect("a connection")
}

fn older() -> (LocalServer, Older) {
    let server = LocalServer::start().expect("a server");
    let older = Older::before(server.port()).expect("a proxy");
    (server, older)
}

fn setting(server: &LocalServer) -> String {
    let (_, kinds): (String, String) =
        query(server.url(), "CONFIG GET notify-keyspace-events").expect("a setting");
    kinds
}

async fn a_server_is_asked_for_the_kinds_of_notifications_that_it_knows<C: Kind>() {
    let (server, older) = older();
    let client: C = connect(older.url()).await;
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
    let mut events = ok!(dict.subscribe("*"));
    assert!(events.sees_foreign_writes());
    assert_eq!(setting(&server), "AK", "all kinds but `n`");
    let () = query(server.url(), "SET d:a 1").expect("a foreign write");
    let () = query(server.url(), "SET d:a 2 PX 20").expect("a foreign write");
    // New keys are reported as changed ones.
    let a = || "a".to_owned();
    for expected in [Event::Updated(a()), Event::Updated(a()), Event::Expired(a())] {
        assert_eq!(C::event(&mut events).await.expect("a key"), expected);
    }
    let hash: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, "h");
    assert!(ok!(hash.subscribe("*")).sees_foreign_writes());
    let list: RedisList<String, C> = RedisList::new(&client, "l");
    assert!(ok!(list.subscribe()).sees_foreign_writes());
    let set: RedisSet<String, C> = RedisSet::new(&client, "s");
    assert!(ok!(set.subscribe("*")).sees_foreign_writes());
}

async fn a_setting_that_another_program_made_is_kept_on_an_older_server<C: Kind>() {
    for (before, kept) in [("KEA", "AKE"), ("Elm", "AKEm"), ("K$gxe", "AK")] {
        let (server, older) = older();
        let set = format!("CONFIG SET notify-keyspace-events {before}");
        let () = query(server.url(), &set).expect("a setting");
        let client: C = connect(older.url()).await;
        let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
        let events = ok!(dict.subscribe("*"));
        assert!(events.sees_foreign_writes(), "{before}");
        let kinds = setting(&server);
        assert!(kept.chars().all(|kind| kinds.contains(kind)), "{before} became {kinds}");
    }
}

async fn a_near_cache_follows_every_program_on_an_older_server<C: Kind>() {
    let (server, older) = older();
    let client: C = connect(older.url()).await;
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
    let cached = ok!(dict.cached(NearCacheSettings::writer_messages()));
    assert!(cached.sees_foreign_writes());
    for number in [1, 2, 3] {
        let () = query(server.url(), &format!("SET d:a {number}")).expect("a foreign write");
        assert!(follows(&cached, number).await, "{:?}", cached.stats());
        assert!(eventually(|| cached.stats().is_certain));
    }
}

async fn a_missing_key_that_becomes_one_of_any_type_is_seen<C: Kind>() {
    for create in ["XADD key * a 1", "RPUSH key 1", "SADD key 1", "ZADD key 1 a"] {
        let server = LocalServer::start().expect("a server");
        let client: C = connect(server.url()).await;
        let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, "k");
        let hash: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, "key");
        let dict = ok!(dict.cached(NearCacheSettings::writer_messages()));
        let hash = ok!(hash.cached(NearCacheSettings::writer_messages()));
        assert!(dict.sees_foreign_writes() && hash.sees_foreign_writes());
        assert_eq!((ok!(dict.get("ey")), ok!(hash.get("a"))), (None, None));
        let () = query(server.url(), create).expect("a foreign write");
        let began = Instant::now();
        while settle!(dict.get("ey")).is_ok() || settle!(hash.get("a")).is_ok() {
            assert!(began.elapsed() < PATIENCE, "{create}: {:?}", dict.stats());
        }
    }
}

/// Whether the cache comes to have a value.
async fn follows<C: Kind>(cached: &CachedDict<String, u64, C>, number: u64) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if ok!(cached.get("a")).as_deref() == Some(&number) {
            return true;
        }
    }
    false
}

/// A server that does not let a client turn notifications on, or receive them.
enum Blind {
    ConfigRenamed,
    ConfigForbidden,
    ChannelForbidden,
}

impl Blind {
    async fn start<C: Kind>(self) -> (LocalServer, C) {
        let hidden: &[&str] = match self {
            Self::ConfigRenamed => &["--rename-command", "CONFIG", ""],
            _ => &[],
        };
        let server = LocalServer::start_with(hidden).expect("a server");
        let rights: &[&str] = match self {
            Self::ConfigRenamed => &["~*", "&*", "+@all"],
            Self::ConfigForbidden => &["~*", "&*", "+@all", "-config"],
            Self::ChannelForbidden => {
                &["~*", "resetchannels", "&redis-collections:*", "&d:*", "&Cauldron*", "+@all"]
            }
        };
        let mut user = redis::cmd("ACL");
        user.arg(&["SETUSER", "ann", "reset", "on", ">pw"]).arg(rights);
        let () = run(server.url(), &user).expect("a user");
        let builder = C::builder(server.url()).user("ann").password("pw");
        (server, C::build(builder).await.expect("a connection"))
    }
}

async fn missing_notifications_are_reported<C: Kind>() {
    collect_events();
    for blind in [Blind::ConfigRenamed, Blind::ConfigForbidden, Blind::ChannelForbidden] {
        let (server, client): (_, C) = blind.start().await;
        let kind = std::any::type_name::<C>().rsplit(':').next().unwrap_or_default();
        let name = format!("d:{kind}:{}:", server.port());
        let warnings = || {
            let unseen = "changes that no writer publishes are unseen";
            let events = events_with(&format!("{unseen} collection={name}"));
            events.len()
        };
        let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, &*name);
        let mut events = ok!(dict.subscribe("*"));
        assert!(!events.sees_foreign_writes());
        assert_eq!(warnings(), 1);
        let cached = ok!(dict.cached(NearCacheSettings::writer_messages()));
        assert!(!cached.sees_foreign_writes());
        assert!(!cached.stats().is_certain, "{:?}", cached.stats());
        assert_eq!(warnings(), 2);

        // Programs that publish their changes are followed all the same.
        for number in [1, 2] {
            ok!(dict.publishing(ChangeFormat::Own).insert("a", &number));
            C::event(&mut events).await.expect("a key");
            assert!(follows(&cached, number).await, "{:?}", cached.stats());
        }
        // The last message may still take the value from the cache.
        let began = Instant::now();
        while cached.stats().hits == 0 {
            assert_eq!(ok!(cached.get("a")).as_deref(), Some(&2));
            assert!(began.elapsed() < PATIENCE, "{:?}", cached.stats());
        }
        assert!(!cached.stats().is_certain, "{:?}", cached.stats());

        // It is said once, however often the connection is lost.
        let _: u64 = query(server.url(), "CLIENT KILL TYPE pubsub").expect("connections");
        assert_eq!(C::event(&mut events).await.expect("a key"), Event::Gap);
        assert!(eventually(|| cached.stats().gaps > 0));
        assert_eq!(warnings(), 2);
        assert!(!events.sees_foreign_writes());

        let monitor = ok!(keyword::Client::new(&client).service("dome").monitor(["N"]));
        assert!(!monitor.sees_foreign_writes());
    }
}

async fn tracking_needs_no_notifications<C: Kind>() {
    let (_server, client): (_, C) = Blind::ConfigRenamed.start().await;
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
    let cached = ok!(dict.cached(NearCacheSettings::tracking()));
    assert!(cached.sees_foreign_writes());
    assert!(cached.stats().is_certain, "{:?}", cached.stats());
}
