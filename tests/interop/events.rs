//! Events, published and received.

use redis_collections::{ChangeFormat, Client, Event, LocalServer, MessagePack, PyDict, RedisDict};
use serde_json::json;

use crate::peer::{PATIENCE, Peer, assert_done, start};
use support::contract::{ok, on_both_kinds};
use support::kinds::Kind;
use support::kinds::server_without_notifications;
use support::servers::run;

/// Closes the subscription.
const END: &str = "end";

on_both_kinds!(
    rust_receives_changes_published_by_python,
    python_receives_changes_published_by_rust
);

#[test]
fn redis_pubsub_dict_publishes_updates_and_deletions() {
    let server = LocalServer::start().expect("a server");
    let received = events(&server, || {
        assert_done(&Peer::run(&server, ["pubsub-write", "app", "k1=1", "two words=2"]));
        assert_done(&Peer::run(&server, ["pubsub-delete", "app", "k1", "never there"]));
        assert_done(&Peer::run(&server, ["dict-write", "app", "quiet=1"]));
    });
    assert_received(
        &received,
        &[
            ("app/update", "k1"),
            ("app/update", "two words"),
            ("app/delete", "k1"),
            ("app/delete", "never there"),
        ],
    );
}

#[test]
fn a_python_cache_publishes_its_writes() {
    let server = LocalServer::start().expect("a server");
    let received = events(&server, || {
        assert_done(&Peer::run(&server, ["pubsub-cache-write", "app", "k=1"]));
        assert_done(&Peer::run(&server, ["pubsub-cache-delete", "app", "k"]));
    });
    assert_received(&received, &[("app/update", "k"), ("app/delete", "k")]);
}

#[test]
fn redis_pydict_publishes_single_updates_only() {
    let server = LocalServer::start().expect("a server");
    let received = events(&server, || {
        assert_done(&Peer::run(&server, ["pydict-write", "ns", "k1=0"]));
        assert_done(&Peer::run(&server, ["pydict-write", "ns", "k1=1", "k2=2", "--notify=me"]));
        assert_done(&Peer::run(&server, ["pydict-delete", "ns", "k1", "--notify=me"]));
        assert_done(&Peer::run(&server, ["pydict-update", "ns", "k1=2", "--notify=me"]));
        assert_done(&Peer::run(&server, ["pydict-write", "ns", "k2=1", "--notify="]));
    });
    assert_received(
        &received,
        &[("event_ns&&k1", "me"), ("event_ns&&k2", "me"), ("event_ns&&k2", "")],
    );
}

#[test]
fn rust_publishes_the_messages_of_redis_pydict() {
    let server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a connection");
    let format = ChangeFormat::PyDict("me".to_owned());
    let dict: RedisDict<String, i64> = RedisDict::with_prefix(&client, "ns&&").publishing(format);
    let received = events(&server, || {
        dict.insert("k1", &1).expect("written");
        dict.remove("k1").expect("removed");
    });
    assert_received(&received, &[("event_ns&&k1", "me")]);
}

async fn python_receives_changes_published_by_rust<C: Kind>() {
    let (server, client) = start::<C>().await;
    let dict: RedisDict<String, MessagePack<i64>, C> =
        RedisDict::with_prefix(&client, "app/").publishing(ChangeFormat::PubSubDict);
    let listener = Peer::start(&server, ["pubsub-listen", "app"]);
    listener.expect_ready();
    let expect = |action: &str, key: &str| {
        let message = json!({"op": "message", "action": action, "key": key});
        listener.expect_line(action, |line| *line == message);
    };
    ok!(dict.insert("k1", &1));
    expect("update", "k1");
    ok!(dict.insert_many([("two words", &2), ("k1", &2)]));
    expect("update", "two words");
    expect("update", "k1");
    ok!(dict.remove("two words"));
    expect("delete", "two words");
}

async fn rust_receives_changes_published_by_python<C: Kind>() {
    let (server, client) = server_without_notifications::<C>().await;
    let app: RedisDict<String, MessagePack<i64>, C> =
        RedisDict::with_prefix(&client, "app/").publishing(ChangeFormat::PubSubDict);
    let ns: RedisDict<String, PyDict<i64>, C> =
        RedisDict::with_prefix(&client, "ns&&").publishing(ChangeFormat::PyDict("us".to_owned()));
    let (mut of_app, mut of_ns) = (ok!(app.subscribe("k*")), ok!(ns.subscribe("*")));
    assert!(!of_app.sees_foreign_writes());
    assert_done(&Peer::run(&server, ["pubsub-write", "app", "other=1", "k1=1"]));
    assert_done(&Peer::run(&server, ["pubsub-delete", "app", "k1"]));
    assert_done(&Peer::run(&server, ["pydict-write", "ns", "k2=1", "--notify=me"]));
    assert_done(&Peer::run(&server, ["pydict-write", "ns", "k2=2", "--notify="]));
    let k1 = || "k1".to_owned();
    for expected in [Event::Updated(k1()), Event::Removed(k1())] {
        assert_eq!(C::event(&mut of_app).await.expect("a key"), expected);
    }
    for id in ["me", ""] {
        let event = C::event(&mut of_ns).await.expect("a key");
        assert_eq!(event, Event::Notified { key: "k2".to_owned(), id: id.to_owned() });
    }
    assert_eq!(ok!(ns.get("k2")), Some(2));
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
    let mut received = Vec::new();
    loop {
        let message = subscription.get_message().expect("a message");
        if message.get_channel_name() == END {
            return received;
        }
        received.push((message.get_channel_name().into(), message.get_payload().expect("text")));
    }
}

fn assert_received(received: &[(String, String)], expected: &[(&str, &str)]) {
    let received: Vec<_> =
        received.iter().map(|(channel, message)| (channel.as_str(), message.as_str())).collect();
    assert_eq!(received, expected);
}

fn publish(server: &LocalServer, channel: &str, message: &str) {
    let () = run(server.url(), redis::cmd("PUBLISH").arg(channel).arg(message)).expect("a reply");
}
