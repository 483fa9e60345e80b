//! Caches here and in Python, each of which follows the writes of the other.

use redis_collections::{
    CachedDict, ChangeFormat, Codec, MessagePack, NearCacheSettings, PyDict, RedisDict,
};
use serde_json::json;

use crate::peer::{Peer, assert_done, start};
use support::contract::{ok, on_both_kinds};
use support::kinds::Kind;
use support::kinds::server_without_notifications;
use support::{LATE, wait_until};

on_both_kinds!(
    a_cache_in_python_follows_writes_by_rust,
    a_cache_follows_changes_that_python_publishes,
    a_cache_follows_writes_that_python_does_not_publish,
);

async fn a_cache_in_python_follows_writes_by_rust<C: Kind>() {
    let (server, client) = start::<C>().await;
    let dict: RedisDict<String, MessagePack<i64>, C> =
        RedisDict::with_prefix(&client, "app/").publishing(ChangeFormat::PubSubDict);
    ok!(dict.insert("old", &1));

    let watch = Peer::start(&server, ["pubsub-cache-watch", "app", "old", "new"]);
    let cache = &watch.expect_ready()["cache"];
    assert_eq!(*cache, json!({"old": {"t": "int", "v": "1"}, "new": {"t": "NoneKey"}}));

    for (key, value) in [("old", 2), ("new", 3)] {
        ok!(dict.insert(key, &value));
        let value = json!({"t": "int", "v": value.to_string()});
        watch.expect_line(key, |line| line["cache"][key] == value);
    }
    ok!(dict.remove("old"));
    let left = watch.expect_line("deletion", |line| line["cache"].get("old").is_none());
    assert_eq!(left["subscriber_alive"], true);
}

async fn a_cache_follows_changes_that_python_publishes<C: Kind>() {
    let (server, client) = server_without_notifications::<C>().await;
    let dict: RedisDict<String, MessagePack<i64>, C> =
        RedisDict::with_prefix(&client, "app/").publishing(ChangeFormat::PubSubDict);
    let way = NearCacheSettings::writer_messages().max_staleness(LATE);
    let cached = ok!(dict.cached(way));
    assert_eq!((ok!(cached.get("a")), ok!(cached.get("b"))), (None, None));
    assert_done(&Peer::run(&server, ["pubsub-write", "app", "a=1", "b=2"]));
    becomes(&cached, "a", Some(1)).await;
    becomes(&cached, "b", Some(2)).await;
    assert_done(&Peer::run(&server, ["pubsub-cache-write", "app", "a=3"]));
    becomes(&cached, "a", Some(3)).await;
    assert_done(&Peer::run(&server, ["pubsub-delete", "app", "b"]));
    becomes(&cached, "b", None).await;
    // An unpublished write goes unnoticed without the right to turn on the server's notifications.
    assert_done(&Peer::run(&server, ["dict-write", "app", "a=4"]));
    assert_eq!(cached.peek("a"), Some(Some(3.into())));
}

async fn a_cache_follows_writes_that_python_does_not_publish<C: Kind>() {
    let (server, client) = start::<C>().await;
    let app: RedisDict<String, MessagePack<i64>, C> = RedisDict::with_prefix(&client, "app/");
    let ns: RedisDict<String, PyDict<i64>, C> = RedisDict::with_prefix(&client, "ns&&");
    for way in [NearCacheSettings::tracking(), NearCacheSettings::writer_messages()] {
        let app = ok!(app.cached(way.clone()));
        assert_eq!(ok!(app.get("a")), None);
        assert_done(&Peer::run(&server, ["dict-write", "app", "a=1"]));
        becomes(&app, "a", Some(1)).await;
        ok!(app.clear());
        let ns = ok!(ns.cached(way));
        assert_eq!(ok!(ns.get("a")), None);
        assert_done(&Peer::run(&server, ["pydict-write", "ns", "a=1"]));
        becomes(&ns, "a", Some(1)).await;
        assert_done(&Peer::run(&server, ["pydict-delete", "ns", "a"]));
    }
}

/// Reads until the cached value is `expected`.
async fn becomes<V: Codec<Owned = i64>, C: Kind>(
    cached: &CachedDict<String, V, C>,
    key: &str,
    expected: Option<i64>,
) {
    wait_until!(ok!(cached.get(key)).as_deref().copied() == expected);
}
