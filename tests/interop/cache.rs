//! pyredis-cache: what it keeps, as plain entries of a `RedisDict` or a `RedisHashDict`.

use std::time::Duration;

use redis_collections::{LocalServer, Pickle, PyJson, RedisDict, RedisHashDict, Ttl};

use crate::peer::{Peer, start, value};
use crate::values::text;
use support::contract::{ok, on_both_kinds};
use support::kinds::Kind;
use support::python::Python::{self, Bytes, Dict, Int, List, None, Tuple};

/// What the library makes of the name `Student` and the identity 12.
const PREFIX: &str = "000STUDENT#";
const ID: &str = "0000000012";

const HOUR: Duration = Duration::from_secs(3600);

on_both_kinds!(
    json_is_shared,
    pickles_of_every_protocol_are_shared,
    raw_values_are_shared,
    values_filled_in_by_python_are_read,
    times_to_live_are_shared,
    hashes_are_shared,
);

async fn json_is_shared<C: Kind>() {
    let (server, client) = start::<C>().await;
    let students: RedisDict<String, PyJson<Python>, C> = RedisDict::with_prefix(&client, PREFIX);
    let codec = "--codec=json";
    let data = "--data={'name': 'Ann ü', 'marks': [1, 2.5, None]}";
    cache(&server, "set", &[codec, data]);
    let ann = Dict(vec![
        (text("name"), text("Ann ü")),
        (text("marks"), List(vec![Int(1), Python::Float(2.5), None])),
    ]);
    assert_eq!(ok!(students.get(ID)), Some(ann.clone()));
    ok!(students.insert(ID, &List(vec![ann.clone()])));
    assert_eq!(hit(&server, &[codec]), List(vec![ann]));
    cache(&server, "delete", &[codec]);
    assert!(!ok!(students.contains_key(ID)));
}

async fn pickles_of_every_protocol_are_shared<C: Kind>() {
    let (server, client) = start::<C>().await;
    let students: RedisDict<String, Pickle<Python>, C> = RedisDict::with_prefix(&client, PREFIX);
    let pair = Tuple(vec![text("Ann ü"), Bytes(vec![0, 0xff])]);
    for protocol in 0..=5 {
        let codec = format!("--codec=pickle{protocol}");
        cache(&server, "set", &[&codec, "--data=('Ann ü', b'\\x00\\xff')"]);
        assert_eq!(ok!(students.get(ID)), Some(pair.as_read()), "{codec}");
        ok!(students.insert(ID, &pair));
        assert_eq!(hit(&server, &[&codec]), pair, "{codec}");
    }
}

async fn raw_values_are_shared<C: Kind>() {
    let (server, client) = start::<C>().await;
    let students: RedisDict<String, Vec<u8>, C> = RedisDict::with_prefix(&client, PREFIX);
    let names = students.typed::<String, String>();
    let numbers = students.typed::<String, f64>();
    let codec = "--codec=raw";
    cache(&server, "set", &[codec, "--data=b'\\x00\\xff'"]);
    assert_eq!(ok!(students.get(ID)), Some(vec![0, 0xff]));
    cache(&server, "set", &[codec, "--data=Ann ü"]);
    assert_eq!(ok!(names.get(ID)), Some("Ann ü".into()));
    cache(&server, "set", &[codec, "--data=1e16"]);
    assert_eq!(ok!(numbers.get(ID)), Some(1e16));
    ok!(students.insert(ID, b"\0\xfe"));
    assert_eq!(hit(&server, &[codec]), Bytes(vec![0, 0xfe]));
}

async fn values_filled_in_by_python_are_read<C: Kind>() {
    let (server, client) = start::<C>().await;
    let students: RedisDict<String, PyJson<Python>, C> = RedisDict::with_prefix(&client, PREFIX);
    assert_eq!(ok!(students.get(ID)), Option::None);
    let (filled, asked) = cache(&server, "get", &["--source=[1]"]);
    assert_eq!((filled, asked), (List(vec![Int(1)]), true));
    assert_eq!(ok!(students.get(ID)), Some(List(vec![Int(1)])));
}

async fn times_to_live_are_shared<C: Kind>() {
    let (server, client) = start::<C>().await;
    let students: RedisDict<String, PyJson<Python>, C> = RedisDict::with_prefix(&client, PREFIX);
    cache(&server, "set", &["--data=1", "--ttl=3600"]);
    assert!(matches!(ok!(students.ttl(ID)), Ttl::Left(left) if left <= HOUR));
    cache(&server, "set", &["--data=2"]);
    assert_eq!(ok!(students.ttl(ID)), Ttl::Never);
    ok!(students.insert_with_ttl(ID, &Int(3), HOUR));
    assert_eq!(hit(&server, &[]), Int(3));
    assert!(matches!(ok!(students.ttl(ID)), Ttl::Left(left) if left <= HOUR));
}

async fn hashes_are_shared<C: Kind>() {
    let (server, client) = start::<C>().await;
    let class: RedisHashDict<String, PyJson<Python>, C> =
        RedisHashDict::new(&client, "00000CLASS#0000000003");
    let field = [PREFIX, ID].concat();
    let hash = "--hash=Class:3";
    cache(&server, "set", &[hash, "--data='Ann'"]);
    assert_eq!(ok!(class.get(&field)), Some(text("Ann")));
    ok!(class.insert(&field, &text("Bob")));
    assert_eq!(hit(&server, &[hash]), text("Bob"));
    cache(&server, "delete", &[hash]);
    assert!(ok!(class.is_empty()));
}

/// What is in Python's cache, without its source.
pub(crate) fn hit(server: &LocalServer, options: &[&str]) -> Python {
    let (found, asked) = cache(server, "get", options);
    assert!(!asked, "a miss, instead of which there is {found:?}");
    found
}

/// What Python's cache gives for the student 12, and whether it asked its source.
pub(crate) fn cache(server: &LocalServer, method: &str, options: &[&str]) -> (Python, bool) {
    let lines = Peer::run_with(server, ["cache", method], &[&["Student", "12"], options].concat());
    (value(&lines[0]), lines[1]["asked"] == true)
}
