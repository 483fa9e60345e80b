//! redis_pubsub_dict: `RedisDict` with the codec `MessagePack`.

use redis_collections::{MessagePack, RedisDict};

use crate::peer::{Peer, assert_done, raised, start, value};
use crate::values::{beyond_json, common, entries, in_order, key, keys, text};
use support::contract::{ok, on_both_kinds, sorted};
use support::kinds::Kind;
use support::python::Python::{self, Bool, Bytes, Dict, Int, List, Str};

on_both_kinds!(
    every_type_that_python_writes_is_read,
    every_type_that_rust_writes_is_read_by_python,
    a_prefix_is_taken_literally,
    python_sees_changes_by_rust,
    rust_sees_changes_by_python,
);

async fn every_type_that_python_writes_is_read<C: Kind>() {
    let (server, client) = start::<C>().await;
    let dict = dict(&client, "app");
    let values = [common(), beyond_json(), long_ones()].concat();
    assert_done(&Peer::run_with(&server, ["pubsub-write", "app"], &entries(&values)));
    for (source, value) in &values {
        assert_eq!(ok!(dict.get(&key(source))), Some(value.as_read()), "{source}");
    }
}

async fn every_type_that_rust_writes_is_read_by_python<C: Kind>() {
    let (server, client) = start::<C>().await;
    let dict = dict(&client, "app");
    let values = [common(), beyond_json(), long_ones()].concat();
    for (source, value) in &values {
        ok!(dict.insert(&key(source), value));
    }
    let lines = Peer::run_with(&server, ["pubsub-read", "app"], &keys(&values));
    assert_eq!(lines.len(), values.len());
    for (line, (source, expected)) in lines.iter().zip(&values) {
        assert_eq!(value(line), expected.as_read(), "{source}");
    }
}

/// Python looks for the keys of such a prefix in another one when it goes through them.
async fn a_prefix_is_taken_literally<C: Kind>() {
    let (server, client) = start::<C>().await;
    let (literal, matched) = (dict(&client, "p[1]"), dict(&client, "p1"));
    assert_done(&Peer::run(&server, ["pubsub-write", "p[1]", "a*=1", "two words=2"]));
    ok!(matched.insert("c", &Int(3)));
    assert_eq!(sorted!(literal.keys()), ["a*", "two words"]);
    assert_eq!(Peer::call(&server, ["pubsub-read", "p[1]", "two words"]), Int(2));
    assert_eq!(ok!(literal.clear()), 2);
    assert_eq!(Peer::call(&server, ["pubsub-read", "p1", "c"]), Int(3));
}

async fn python_sees_changes_by_rust<C: Kind>() {
    let (server, client) = start::<C>().await;
    let (dict, other) = (dict(&client, "app"), dict(&client, "other"));
    ok!(other.insert("k1", &Int(0)));
    ok!(dict.insert_many([("k1", &Int(1)), ("k 2", &Int(2)), ("k*", &Int(3))]));
    assert!(ok!(dict.remove("k*")));
    ok!(dict.insert("k 2", &text("changed")));
    let keys = List(vec![text("k 2"), text("k1")]);
    assert_eq!(Peer::call(&server, ["pubsub-call", "app", "keys"]), keys);
    assert_eq!(Peer::call(&server, ["pubsub-call", "app", "size"]), Int(2));
    let entries = vec![(text("k 2"), text("changed")), (text("k1"), Int(1))];
    assert_eq!(in_order(Peer::call(&server, ["pubsub-read", "app"])), Dict(entries));
    let there = Peer::run(&server, ["pubsub-contains", "app", "k1", "k*"]);
    assert_eq!(there.iter().map(value).collect::<Vec<_>>(), [true, false].map(Bool));
    assert_eq!(ok!(dict.clear()), 2);
    assert_eq!(Peer::call(&server, ["pubsub-call", "app", "size"]), Int(0));
    assert_eq!(Peer::call(&server, ["pubsub-call", "other", "size"]), Int(1));
    let missing = Peer::run(&server, ["pubsub-read", "app", "k1"]);
    assert!(raised(&missing[0]).starts_with("KeyError"), "{missing:?}");
}

async fn rust_sees_changes_by_python<C: Kind>() {
    let (server, client) = start::<C>().await;
    let (dict, other) = (dict(&client, "app"), dict(&client, "other"));
    ok!(other.insert("k1", &Int(0)));
    ok!(dict.insert("k1", &Int(0)));
    assert_done(&Peer::run(&server, ["dict-write", "app", "k1=1", "k2=None", "k3=3"]));
    assert_done(&Peer::run(&server, ["pubsub-delete", "app", "k3", "never there"]));
    assert_eq!(sorted!(dict.keys()), ["k1", "k2"]);
    let values = ok!(dict.get_many(["k1", "k2", "k3"]));
    assert_eq!(values, [Some(Int(1)), Some(Python::None), None]);
    assert_done(&Peer::run(&server, ["pubsub-call", "app", "clear"]));
    assert!(ok!(dict.is_empty()));
    assert_eq!(sorted!(other.keys()), ["k1"]);
}

/// Where the length takes another form.
fn long_ones() -> Vec<(&'static str, Python)> {
    let list = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]";
    vec![
        ("'0123456789012345678901234567890123456789'", Str("0123456789".repeat(4))),
        ("b'0123456789012345678901234567890123456789'", Bytes(b"0123456789".repeat(4))),
        (list, List((0..=16).map(Int).collect())),
    ]
}

fn dict<C: Kind>(client: &C, prefix: &str) -> RedisDict<String, MessagePack<Python>, C> {
    RedisDict::with_prefix(client, format!("{prefix}/"))
}
