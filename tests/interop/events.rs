//! Events of the libraries, sent and heard by the plain driver.

use redis_collections::{LocalServer, MessagePack, RedisDict};
use serde_json::json;

use crate::peer::{PATIENCE, Peer, assert_done, start};
use crate::support::kinds::{Kind, ok, on_both_kinds};
use crate::support::servers::run;

/// Closes what is listened to.
const END: &str = "end";

on_both_kinds!(a_cache_of_python_follows_what_rust_writes);

#[test]
fn redis_pubsub_dict_tells_of_updates_and_deletions() {
    let server = LocalServer::start().expect("a server");
    let heard = events(&server, || {
        assert_done(&Peer::run(&server, ["pubsub-write", "app", "k1=1", "two words=2"]));
        assert_done(&Peer::run(&server, ["pubsub-delete", "app", "k1", "never there"]));
        assert_done(&Peer::run(&server, ["dict-write", "app", "quiet=1"]));
    });
    assert_heard(
        &heard,
        &[
            ("app/update", "k1"),
            ("app/update", "two words"),
            ("app/delete", "k1"),
            ("app/delete", "never there"),
        ],
    );
}

#[test]
fn a_cache_of_python_tells_of_what_it_writes() {
    let server = LocalServer::start().expect("a server");
    let heard = events(&server, || {
        assert_done(&Peer::run(&server, ["pubsub-cache-write", "app", "k=1"]));
        assert_done(&Peer::run(&server, ["pubsub-cache-delete", "app", "k"]));
    });
    assert_heard(&heard, &[("app/update", "k"), ("app/delete", "k")]);
}

#[test]
fn redis_pydict_tells_of_single_updates_only() {
    let server = LocalServer::start().expect("a server");
    let heard = events(&server, || {
        assert_done(&Peer::run(&server, ["pydict-write", "ns", "k1=0"]));
        assert_done(&Peer::run(&server, ["pydict-write", "ns", "k1=1", "k2=2", "--notify=me"]));
        assert_done(&Peer::run(&server, ["pydict-delete", "ns", "k1", "--notify=me"]));
        assert_done(&Peer::run(&server, ["pydict-update", "ns", "k1=2", "--notify=me"]));
        assert_done(&Peer::run(&server, ["pydict-write", "ns", "k2=1", "--notify="]));
    });
    assert_heard(&heard, &[("event_ns&&k1", "me"), ("event_ns&&k2", "me"), ("event_ns&&k2", "")]);
}

#[test]
fn redis_pubsub_dict_hears_what_is_published() {
    let server = LocalServer::start().expect("a server");
    let listener = Peer::start(&server, ["pubsub-listen", "app"]);
    listener.expect_ready();
    for (action, key) in [("update", "k1"), ("delete", "two words")] {
        publish(&server, &format!("app/{action}"), key);
        let message = json!({"op": "message", "action": action, "key": key});
        listener.expect_line(action, |line| *line == message);
    }
}

async fn a_cache_of_python_follows_what_rust_writes<C: Kind>() {
    let (server, client) = start::<C>().await;
    let dict: RedisDict<String, MessagePack<i64>, C> = RedisDict::with_prefix(&client, "app/");
    ok!(dict.insert("old", &1));

    let watch = Peer::start(&server, ["pubsub-cache-watch", "app", "old", "new"]);
    let cache = &watch.expect_ready()["cache"];
    assert_eq!(*cache, json!({"old": {"t": "int", "v": "1"}, "new": {"t": "NoneKey"}}));

    for (key, value) in [("old", 2), ("new", 3)] {
        ok!(dict.insert(key, &value));
        publish(&server, "app/update", key);
        let value = json!({"t": "int", "v": value.to_string()});
        watch.expect_line(key, |line| line["cache"][key] == value);
    }
    ok!(dict.remove("old"));
    publish(&server, "app/delete", "old");
    let left = watch.expect_line("deletion", |line| line["cache"].get("old").is_none());
    assert_eq!(left["subscriber_alive"], true);
}

/// The channels and messages of all that is published while something is done.
fn events(server: &LocalServer, act: impl FnOnce()) -> Vec<(String, String)> {
    let client = redis::Client::open(server.url()).expect("a URL");
    let mut connection = client.get_connection().expect("a connection");
    let mut subscription = connection.as_pubsub();
    subscription.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    subscription.psubscribe("*").expect("a subscription");
    act();
    publish(server, END, "");
    let mut heard = Vec::new();
    loop {
        let message = subscription.get_message().expect("a message");
        if message.get_channel_name() == END {
            return heard;
        }
        heard.push((message.get_channel_name().into(), message.get_payload().expect("text")));
    }
}

fn assert_heard(heard: &[(String, String)], expected: &[(&str, &str)]) {
    let heard: Vec<_> =
        heard.iter().map(|(channel, message)| (channel.as_str(), message.as_str())).collect();
    assert_eq!(heard, expected);
}

fn publish(server: &LocalServer, channel: &str, message: &str) {
    let () = run(server.url(), redis::cmd("PUBLISH").arg(channel).arg(message)).expect("a reply");
}
