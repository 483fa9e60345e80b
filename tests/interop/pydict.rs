//! redis-pydict: `RedisDict` with the codec `PyDict`.

use std::collections::HashMap;

use redis_collections::{PyDict, RedisDict};

use crate::peer::{Peer, assert_done, raised, start, value};
use crate::values::{beyond_json, common, entries, in_order, key, keys, text};
use support::contract::{ok, on_both_kinds, settle, sorted};
use support::kinds::Kind;
use support::python::Python::{self, Bool, Dict, Int, List, Set, Str};

/// Keys that mean something to `SCAN`, to the shell, or to no program.
const KEYS: [&str; 8] =
    ["a*", "a?c", "[abc]", "back\\slash", "two words", "a:b", "ü\u{1f600}", "&"];

on_both_kinds!(
    every_type_that_python_writes_is_read,
    every_type_that_rust_writes_is_read_by_python,
    an_undecodable_entry_is_an_error_of_its_own,
    any_key_is_the_same_on_both_sides,
    a_namespace_is_taken_literally,
    python_sees_changes_by_rust,
    rust_sees_changes_by_python,
);

async fn every_type_that_python_writes_is_read<C: Kind>() {
    let (server, client) = start::<C>().await;
    let dict = dict(&client, "ns");
    let numbers_as_keys = vec![(text("1"), text("a")), (text("null"), List(vec![Int(1)]))];
    let values = [
        common(),
        beyond_json(),
        vec![
            ("1267650600228229401496703205376", Int(1 << 100)),
            ("{2, 1}", Set(vec![Int(1), Int(2)])),
            ("{1: 'a', None: (1,)}", Dict(numbers_as_keys)),
        ],
    ]
    .concat();
    assert_done(&Peer::run_with(&server, ["pydict-write", "ns"], &entries(&values)));
    for (source, value) in &values {
        assert_eq!(ok!(dict.get(&key(source))), Some(value.as_read()), "{source}");
    }
}

async fn every_type_that_rust_writes_is_read_by_python<C: Kind>() {
    let (server, client) = start::<C>().await;
    let dict = dict(&client, "ns");
    let values = [common(), beyond_json(), vec![("2 ** 100", Int(1 << 100))]].concat();
    for (source, value) in &values {
        ok!(dict.insert(&key(source), value));
    }
    let lines = Peer::run_with(&server, ["pydict-read", "ns"], &keys(&values));
    assert_eq!(lines.len(), values.len());
    for (line, (source, expected)) in lines.iter().zip(&values) {
        assert_eq!(value(line), *expected, "{source}");
    }
}

async fn an_undecodable_entry_is_an_error_of_its_own<C: Kind>() {
    let (server, client) = start::<C>().await;
    let dict = dict(&client, "ns");
    assert_done(&Peer::run(&server, ["pydict-write", "ns", "bad=3j", "good=1"]));
    assert!(settle!(dict.get("bad")).is_err());
    assert_eq!(ok!(dict.get("good")), Some(Int(1)));
}

async fn any_key_is_the_same_on_both_sides<C: Kind>() {
    let (server, client) = start::<C>().await;
    let dict = dict(&client, "ns");
    let written = KEYS.map(|key| format!("{key}='python'"));
    assert_done(&Peer::run_with(&server, ["pydict-write", "ns"], &written));
    for key in KEYS {
        assert_eq!(ok!(dict.get(key)), Some(text("python")), "{key}");
        ok!(dict.insert(key, &text(key)));
    }
    for (line, key) in Peer::run_with(&server, ["pydict-read", "ns"], &KEYS).iter().zip(KEYS) {
        assert_eq!(value(line), text(key));
    }
    assert_eq!(sorted!(dict.keys()), sorted_keys());
    let iterated = Peer::call(&server, ["pydict-call", "ns", "iter"]);
    assert_eq!(iterated, List(sorted_keys().map(Str).to_vec()));
    for key in KEYS {
        assert!(ok!(dict.remove(key)), "{key}");
    }
    assert_eq!(Peer::call(&server, ["pydict-call", "ns", "len"]), Int(0));
}

/// Python looks for the keys of such a namespace in another one when it goes through them.
async fn a_namespace_is_taken_literally<C: Kind>() {
    let (server, client) = start::<C>().await;
    let (literal, matched) = (dict(&client, "n[s]"), dict(&client, "ns"));
    assert_done(&Peer::run(&server, ["pydict-write", "n[s]", "a=1", "b=2"]));
    ok!(matched.insert("c", &Int(3)));
    assert_eq!(sorted!(literal.keys()), ["a", "b"]);
    assert_eq!(Peer::call(&server, ["pydict-read", "n[s]", "a"]), Int(1));
    assert_eq!(ok!(literal.clear()), 2);
    assert_eq!(Peer::call(&server, ["pydict-read", "ns", "c"]), Int(3));
}

async fn python_sees_changes_by_rust<C: Kind>() {
    let (server, client) = start::<C>().await;
    let dict = dict(&client, "ns");
    ok!(dict.insert_many([("a", &Int(1)), ("b", &Int(2)), ("c", &Int(3))]));
    assert!(ok!(dict.remove("b")));
    ok!(dict.insert("c", &text("changed")));
    let left = vec![(text("a"), Int(1)), (text("c"), text("changed"))];
    assert_eq!(in_order(Peer::call(&server, ["pydict-read", "ns"])), Dict(left));
    let there = Peer::run(&server, ["pydict-contains", "ns", "a", "b", "c"]);
    assert_eq!(there.iter().map(value).collect::<Vec<_>>(), [true, false, true].map(Bool));
    assert_eq!(Peer::call(&server, ["pydict-call", "ns", "len"]), Int(2));
    assert_eq!(ok!(dict.clear()), 2);
    assert_eq!(Peer::call(&server, ["pydict-call", "ns", "len"]), Int(0));
    let missing = Peer::run(&server, ["pydict-delete", "ns", "a"]);
    assert!(raised(&missing[0]).starts_with("KeyError"), "{missing:?}");
}

async fn rust_sees_changes_by_python<C: Kind>() {
    let (server, client) = start::<C>().await;
    let dict = dict(&client, "ns");
    ok!(dict.insert("a", &Int(0)));
    assert_done(&Peer::run(&server, ["pydict-update", "ns", "a=1", "b=2", "c=[3]"]));
    assert_done(&Peer::run(&server, ["pydict-delete", "ns", "b"]));
    let left = [("a", Int(1)), ("c", List(vec![Int(3)]))].map(|(key, value)| (key.into(), value));
    assert_eq!(ok!(dict.to_map()), HashMap::from(left));
    assert_eq!(ok!(dict.len()), 2);
    assert!(ok!(dict.contains_key("a")) && !ok!(dict.contains_key("b")));
    assert_done(&Peer::run(&server, ["pydict-call", "ns", "clear"]));
    assert!(ok!(dict.is_empty()));
}

fn sorted_keys() -> [String; 8] {
    let mut keys = KEYS.map(String::from);
    keys.sort();
    keys
}

fn dict<C: Kind>(client: &C, namespace: &str) -> RedisDict<String, PyDict<Python>, C> {
    RedisDict::with_prefix(client, format!("{namespace}&&"))
}
