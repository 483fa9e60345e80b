//! pyredis-cache, and `CacheClient` and `HashCacheClient` under its names: each finds the
//! values that the other has loaded.

use std::fmt::Debug;
use std::time::Duration;

use redis_collections::{
    CacheClient, CachePolicy, Codec, HashCacheClient, Json, Loaded, LocalServer, Pickle, PyJson,
    Ttl,
};
use serde::{Deserialize, Serialize};

use crate::cache::{cache as python, hit};
use crate::peer::start;
use crate::values::text;
use support::contract::{ok, on_both_kinds, settle};
use support::kinds::Kind;
use support::python::Python::{self, Bytes, Dict, Int, None as Null, Tuple};

const HOUR: Duration = Duration::from_secs(3600);
const HASH: &str = "--hash=Class:3";

on_both_kinds!(
    values_loaded_or_set_by_python_are_found_without_loading,
    python_finds_values_loaded_or_set_by_rust,
    fields_are_found_by_both,
    a_value_deleted_by_one_side_is_loaded_anew_by_the_other,
    the_expire_time_of_python_is_the_time_to_live,
    python_sees_how_long_values_are_kept,
    a_value_that_python_would_keep_for_ever_expires,
    undecodable_bytes_are_loaded_anew_for_both,
);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Student {
    name: String,
    mark: f64,
}

async fn values_loaded_or_set_by_python_are_found_without_loading<C: Kind>() {
    let (server, client) = start::<C>().await;
    found::<i64, C>(&server, &client, "raw", "-5", -5).await;
    found::<f64, C>(&server, &client, "raw", "1e16", 1e16).await;
    found::<String, C>(&server, &client, "raw", "Ann ü", "Ann ü".into()).await;
    found::<Vec<u8>, C>(&server, &client, "raw", "b'\\x00\\xff'", vec![0, 0xff]).await;
    let source = "{'name': 'Ann ü', 'mark': 1.0}";
    found::<Json<Student>, C>(&server, &client, "json", source, ann()).await;
    found::<PyJson<Student>, C>(&server, &client, "json", source, ann()).await;
    found::<Pickle<Student>, C>(&server, &client, "pickle4", source, ann()).await;
    found::<PyJson<Option<i64>>, C>(&server, &client, "json", "None", None).await;
}

/// A value that Python loads from this source, or sets, is `expected` here.
async fn found<V, C: Kind>(
    server: &LocalServer,
    client: &C,
    codec: &str,
    source: &str,
    expected: V::Owned,
) where
    V: Codec<Owned: Clone + Debug + PartialEq + Sync>,
{
    let codec = format!("--codec={codec}");
    for (method, option) in [("get", "--source"), ("set", "--data")] {
        python(server, method, &[&codec, &format!("{option}={source}")]);
        let students = students::<V, C>(client, minute(), expected.clone());
        assert_eq!(ok!(students.get(&12)).as_deref(), Some(&expected), "{method} {source}");
        assert_eq!(students.stats().loads, 0, "{method} {source}");
        assert!(ok!(students.delete(&12)));
        if source == "None" {
            return;
        }
    }
}

async fn python_finds_values_loaded_or_set_by_rust<C: Kind>() {
    let (server, client) = start::<C>().await;
    let fields = Dict(vec![(text("name"), text("Ann ü")), (text("mark"), Python::Float(1.0))]);
    finds::<i64, C>(&server, &client, "raw", -5, Bytes(b"-5".to_vec())).await;
    finds::<f64, C>(&server, &client, "raw", 1e16, Bytes(b"1e+16".to_vec())).await;
    finds::<Vec<u8>, C>(&server, &client, "raw", vec![0, 0xff], Bytes(vec![0, 0xff])).await;
    finds::<Json<Student>, C>(&server, &client, "json", ann(), fields.clone()).await;
    finds::<PyJson<Student>, C>(&server, &client, "json", ann(), fields.clone()).await;
    finds::<Pickle<Student>, C>(&server, &client, "pickle4", ann(), fields).await;
    let pair = Tuple(vec![text("Ann"), Bytes(vec![0])]);
    finds::<Pickle<Python>, C>(&server, &client, "pickle4", pair.clone(), pair).await;
    finds::<PyJson<Option<i64>>, C>(&server, &client, "json", None, Null).await;
}

/// A value that is loaded or set here is `expected` in Python.
async fn finds<V, C: Kind>(
    server: &LocalServer,
    client: &C,
    codec: &str,
    loaded: V::Owned,
    expected: Python,
) where
    V: Codec<Owned: Clone + Sync>,
{
    let codec = format!("--codec={codec}");
    let students = students::<V, C>(client, minute(), loaded.clone());
    ok!(students.get(&12));
    assert_eq!(hit(server, &[&codec]), expected);
    assert!(ok!(students.delete(&12)));
    ok!(students.set_value(&12, std::borrow::Borrow::borrow(&loaded)));
    assert_eq!(hit(server, &[&codec]), expected);
    assert!(ok!(students.delete(&12)));
}

async fn fields_are_found_by_both<C: Kind>() {
    let (server, client) = start::<C>().await;
    let class = class(&client);
    for (method, data) in [("get", "--source='thé'"), ("set", "--data='thé'")] {
        python(&server, method, &[HASH, data]);
        assert_eq!(ok!(class.get(&3, &12)).as_deref().map(String::as_str), Some("thé"), "{method}");
        assert!(ok!(class.delete(&3, &12)));
    }
    assert_eq!(class.stats().loads, 0);
    ok!(class.get(&3, &12));
    assert_eq!(hit(&server, &[HASH]), text("né"));
    ok!(class.set_value(&3, &12, &"été".to_owned()));
    assert_eq!(hit(&server, &[HASH]), text("été"));
}

async fn a_value_deleted_by_one_side_is_loaded_anew_by_the_other<C: Kind>() {
    let (server, client) = start::<C>().await;
    let students = students::<PyJson<i64>, C>(&client, minute(), 7);
    let class = class(&client);
    for method in ["delete", "delete_hash"] {
        ok!(students.get(&12));
        ok!(class.get(&3, &12));
        ok!(class.get(&3, &13));
        if method == "delete" {
            assert_eq!(python(&server, method, &[]).0, Int(1));
            assert_eq!(ok!(students.peek(&12)), None);
        }
        assert_eq!(python(&server, method, &[HASH]).0, Int(1));
        assert_eq!(ok!(class.peek(&3, &12)), None, "{method}");
        assert_eq!(ok!(class.peek(&3, &13)).is_some(), method == "delete");
    }
    python(&server, "set", &["--data=1"]);
    python(&server, "set", &[HASH, "--data=1"]);
    assert!(ok!(students.delete(&12)));
    assert_eq!(python(&server, "get", &["--source=2"]), (Int(2), true));
    assert!(ok!(class.delete(&3, &12)));
    assert_eq!(python(&server, "get", &[HASH, "--source=2"]), (Int(2), true));
    assert!(ok!(class.delete_hash(&3)));
    assert_eq!(python(&server, "get", &[HASH, "--source=3"]), (Int(3), true));
}

async fn the_expire_time_of_python_is_the_time_to_live<C: Kind>() {
    let (server, client) = start::<C>().await;
    let students = students::<PyJson<i64>, C>(&client, minute(), 7);
    for method in ["set", "get"] {
        python(&server, method, &["--data=1", "--source=1", "--ttl=3600"]);
        let Ttl::Left(left) = ok!(students.ttl(&12)) else { panic!("it expires") };
        assert!(left <= HOUR && left > HOUR / 2, "{left:?}");
        ok!(students.delete(&12));
    }
    python(&server, "set", &["--data=1"]);
    assert_eq!(ok!(students.ttl(&12)), Ttl::Never);
    assert_eq!(students.stats().loads, 0);
}

async fn python_sees_how_long_values_are_kept<C: Kind>() {
    let (server, client) = start::<C>().await;
    let hour = CachePolicy::time_to_live(HOUR);
    let students = students::<PyJson<i64>, C>(&client, hour, 7);
    ok!(students.get(&12));
    expires_within(&server, HOUR);
    ok!(students.set_value_with_ttl(&12, &8, HOUR / 2));
    expires_within(&server, HOUR / 2);
    assert_eq!(hit(&server, &[]), Int(8));
    expires_within(&server, HOUR / 2);
    let lasting = self::students::<PyJson<i64>, C>(&client, CachePolicy::without_expiry(), 7);
    ok!(lasting.set(&12));
    assert_eq!(python(&server, "pttl", &[]).0, Int(-1));
}

/// Python sets the value, and then its time in whole seconds, which the server may refuse.
async fn a_value_that_python_would_keep_for_ever_expires<C: Kind>() {
    let (server, client) = start::<C>().await;
    let odd = HOUR + Duration::from_millis(500);
    for time in ["--ttl=3600.5", "--ttl=9223372036854775808"] {
        assert_eq!(python(&server, "set", &["--data=1", time]).0, Int(0));
        assert_eq!(python(&server, "pttl", &[]).0, Int(-1), "{time}");
        let students = students::<PyJson<i64>, C>(&client, CachePolicy::time_to_live(odd), 7);
        for refused in [Duration::ZERO, Duration::MAX] {
            assert!(settle!(students.set_value_with_ttl(&12, &8, refused)).is_err());
        }
        assert_eq!(hit(&server, &[]), Int(1));
        ok!(students.set(&12));
        expires_within(&server, odd);
        assert!(ok!(students.delete(&12)));
        ok!(students.get(&12));
        expires_within(&server, odd);
    }
}

async fn undecodable_bytes_are_loaded_anew_for_both<C: Kind>() {
    let (server, client) = start::<C>().await;
    let (hour, raw) = (CachePolicy::time_to_live(HOUR), "--codec=raw");
    for written in [
        ["--codec=json", "--source=None"],
        ["--codec=json", "--source='seven'"],
        ["--codec=pickle2", "--source=7"],
        [raw, "--source="],
        [raw, "--source={\"broken\":"],
        [raw, "--source=b'\\xff'"],
    ] {
        let students = students::<PyJson<i64>, C>(&client, hour.clone(), 7);
        python(&server, "get", &written);
        assert_eq!(ok!(students.peek(&12)), None, "{written:?}");
        assert_eq!(ok!(students.get(&12)).as_deref(), Some(&7), "{written:?}");
        let stats = students.stats();
        assert_eq!((stats.loads, stats.undecodable, stats.outdated), (1, 2, 0), "{written:?}");
        assert_eq!(hit(&server, &[]), Int(7));
        expires_within(&server, HOUR);
        assert!(ok!(students.delete(&12)));

        let class = class(&client);
        python(&server, "get", &[&written[..], &[HASH]].concat());
        let is_value = written[1] == "--source='seven'";
        assert_eq!(ok!(class.get(&3, &12)).is_some_and(|name| *name == "né"), !is_value);
        assert_eq!(hit(&server, &[HASH]), text(if is_value { "seven" } else { "né" }));
        assert!(ok!(class.delete_hash(&3)));
    }
}

fn students<V: Codec<Owned: Clone + Sync>, C: Kind>(
    client: &C,
    policy: CachePolicy,
    loaded: V::Owned,
) -> CacheClient<i64, V, C> {
    let load = move |_: i64, ()| C::loading(Ok(Loaded::new(loaded.clone())));
    CacheClient::pyredis_cache(client, "Student", policy, load).expect("a cache")
}

fn class<C: Kind>(client: &C) -> HashCacheClient<i64, u64, PyJson<String>, C> {
    let load = |_: i64, _: u64, ()| C::loading(Ok(Loaded::new("né".to_owned())));
    let policy = CachePolicy::without_expiry();
    HashCacheClient::pyredis_cache(client, "Class", "Student", policy, load).expect("a cache")
}

fn expires_within(server: &LocalServer, time: Duration) {
    let Int(left) = python(server, "pttl", &[]).0 else { panic!("a number") };
    let most = time.as_millis() as i128;
    assert!(left <= most && left > most / 2, "{left}");
}

fn ann() -> Student {
    Student { name: "Ann ü".into(), mark: 1.0 }
}

fn minute() -> CachePolicy {
    CachePolicy::time_to_live(Duration::from_secs(60))
}
