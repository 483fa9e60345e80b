//! pyredis-cache and read-through caches at the same time, with sources that wait.

use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redis_collections::{
    CacheClient, CachePolicy, HashCacheClient, Loaded, LocalServer, PyJson, ReadThroughStats,
};

use crate::cache::{cache as python, hit};
use crate::peer::{PATIENCE, Peer, start, value};
use crate::values::text;
use support::contract::{ok, on_both_kinds};
use support::eventually;
use support::kinds::Kind;
use support::servers::{query, run};

const KEY: &str = "000STUDENT#0000000012";
const HASH: &str = "--hash=Class:3";

on_both_kinds!(
    simultaneous_misses_leave_one_value,
    a_value_set_by_python_during_a_load_is_kept,
    a_value_set_by_python_during_a_refresh_is_kept,
    a_value_deleted_by_python_during_a_refresh_stays_deleted,
    a_value_that_expires_during_a_refresh_is_replaced,
    set_yields_to_a_concurrent_write_by_python,
);

async fn simultaneous_misses_leave_one_value<C: Kind>() {
    let (server, client) = start::<C>().await;
    for python_is_first in [true, false] {
        let (students, source) = students(&client, policies()[0].clone());
        let arguments = ["cache", "get", "Student", "12", "--source='thé'", "--hold=go"];
        let peer = Peer::start(&server, arguments);
        peer.expect_line("asking", |line| line["op"] == "asking");
        let caller = get(&students);
        source.expect_asking();
        let give = |peer: Peer| {
            let () = query(server.url(), "LPUSH go 1").expect("a pushed item");
            assert_eq!(value(&peer.lines()[0]), text("thé"));
        };
        if python_is_first {
            give(peer);
            source.give("né");
            assert_eq!(caller.join().expect("a value"), "né");
        } else {
            source.give("né");
            assert_eq!(caller.join().expect("a value"), "né");
            give(peer);
        }
        assert_eq!(stored(&server), [(KEY.into(), r#""th\u00e9""#.into())]);
        assert_eq!(students.stats().outdated, u64::from(python_is_first));
        assert_eq!(ok!(students.get(&12)).as_deref().map(String::as_str), Some("thé"));
        assert!(ok!(students.delete(&12)));
    }
}

async fn a_value_set_by_python_during_a_load_is_kept<C: Kind>() {
    let (server, client) = start::<C>().await;
    for policy in policies() {
        let (students, source) = students(&client, policy);
        let caller = get(&students);
        source.expect_asking();
        python(&server, "set", &["--data='thé'"]);
        source.give("né");
        assert_eq!(caller.join().expect("a value"), "né");
        assert_eq!(ok!(students.get(&12)).as_deref().map(String::as_str), Some("thé"));
        assert_eq!(hit(&server, &[]), text("thé"));
        assert!(ok!(students.delete(&12)));
    }
    let (class, source) = class(&client);
    ok!(class.refresh(&3, &12));
    source.expect_asking();
    python(&server, "set", &[HASH, "--data='thé'"]);
    source.give("né");
    assert!(is_outdated(|| class.stats()));
    assert_eq!(hit(&server, &[HASH]), text("thé"));
}

async fn a_value_set_by_python_during_a_refresh_is_kept<C: Kind>() {
    let (server, client) = start::<C>().await;
    for policy in policies() {
        let (students, source) = students(&client, policy);
        ok!(students.set_value(&12, &"old".to_owned()));
        ok!(students.refresh(&12));
        source.expect_asking();
        python(&server, "set", &["--data='thé'", "--ttl=60"]);
        source.give("né");
        assert!(is_outdated(|| students.stats()));
        assert_eq!(hit(&server, &[]), text("thé"));
    }
    let (class, source) = class(&client);
    ok!(class.set_value(&3, &12, &"old".to_owned()));
    ok!(class.refresh(&3, &12));
    source.expect_asking();
    python(&server, "set", &[HASH, "--data='thé'"]);
    source.give("né");
    assert!(is_outdated(|| class.stats()));
    assert_eq!(hit(&server, &[HASH]), text("thé"));
}

async fn a_value_deleted_by_python_during_a_refresh_stays_deleted<C: Kind>() {
    let (server, client) = start::<C>().await;
    for policy in policies() {
        let (students, source) = students(&client, policy);
        python(&server, "set", &["--data='old'"]);
        ok!(students.refresh(&12));
        source.expect_asking();
        python(&server, "delete", &[]);
        source.give("né");
        assert!(is_outdated(|| students.stats()));
        assert_eq!(stored(&server), []);
    }
    for method in ["delete", "delete_hash"] {
        let (class, source) = class(&client);
        python(&server, "set", &[HASH, "--data='old'"]);
        ok!(class.refresh(&3, &12));
        source.expect_asking();
        python(&server, method, &[HASH]);
        source.give("né");
        assert!(is_outdated(|| class.stats()), "{method}");
        assert_eq!(stored(&server), [], "{method}");
    }
}

async fn a_value_that_expires_during_a_refresh_is_replaced<C: Kind>() {
    let (server, client) = start::<C>().await;
    let (students, source) = students(&client, policies()[0].clone());
    python(&server, "set", &["--data='old'", "--ttl=1"]);
    ok!(students.refresh(&12));
    source.expect_asking();
    let is_gone = || query::<i64>(server.url(), &format!("EXISTS {KEY}")).expect("a reply") == 0;
    assert!(eventually(is_gone));
    source.give("né");
    assert!(eventually(|| !is_gone()));
    assert_eq!(hit(&server, &[]), text("né"));
    assert_eq!(students.stats().outdated, 0);
}

async fn set_yields_to_a_concurrent_write_by_python<C: Kind>() {
    let (server, client) = start::<C>().await;
    let (students, source) = students(&client, policies()[0].clone());
    let cache = students.clone();
    let caller = thread::spawn(|| C::finish(async move { ok!(cache.set(&12)) }));
    source.expect_asking();
    python(&server, "set", &["--data='thé'"]);
    source.give("né");
    caller.join().expect("a value");
    assert_eq!(hit(&server, &[]), text("thé"));
}

type Students<C> = CacheClient<i64, PyJson<String>, C>;
type Class<C> = HashCacheClient<i64, i64, PyJson<String>, C>;

/// The source that a loader asks and waits for.
struct Source {
    asked: Receiver<()>,
    answers: Sender<&'static str>,
}

impl Source {
    fn expect_asking(&self) {
        self.asked.recv_timeout(PATIENCE).expect("a loader that asks");
    }

    fn give(&self, answer: &'static str) {
        self.answers.send(answer).expect("a loader that waits");
    }
}

/// A source, and the function that asks it.
fn source() -> (Source, impl Fn() -> String + Send + Sync + 'static) {
    let (ask, asked) = mpsc::channel();
    let (answers, answer) = mpsc::channel();
    let answer = Mutex::new(answer);
    let load = move || {
        ask.send(()).expect("a test");
        let wait = || answer.lock().expect("one caller").recv_timeout(PATIENCE);
        let answer: &str = tokio::task::block_in_place(wait).expect("an answer");
        answer.to_owned()
    };
    (Source { asked, answers }, load)
}

fn students<C: Kind>(client: &C, policy: CachePolicy) -> (Students<C>, Source) {
    let (source, load) = source();
    let load = move |_: i64, ()| C::loading(Ok(Loaded::new(load())));
    (CacheClient::pyredis_cache(client, "Student", policy, load).expect("a cache"), source)
}

fn class<C: Kind>(client: &C) -> (Class<C>, Source) {
    let (source, load) = source();
    let load = move |_: i64, _: i64, ()| C::loading(Ok(Loaded::new(load())));
    let policy = CachePolicy::without_expiry();
    let class = HashCacheClient::pyredis_cache(client, "Class", "Student", policy, load);
    (class.expect("a cache"), source)
}

fn policies() -> [CachePolicy; 2] {
    [CachePolicy::time_to_live(Duration::from_secs(60)), CachePolicy::without_expiry()]
}

/// Gets the value on a thread of its own.
fn get<C: Kind>(students: &Students<C>) -> JoinHandle<String> {
    let students = students.clone();
    thread::spawn(|| {
        C::finish(async move { ok!(students.get(&12)).expect("a value").as_str().to_owned() })
    })
}

fn is_outdated(stats: impl Fn() -> ReadThroughStats) -> bool {
    eventually(|| stats().outdated == 1)
}

/// All strings of the server, when there is nothing else.
fn stored(server: &LocalServer) -> Vec<(String, String)> {
    let keys: Vec<String> = query(server.url(), "KEYS *").expect("keys");
    let value = |key: &String| run(server.url(), redis::cmd("GET").arg(key)).expect("a string");
    keys.iter().map(|key| (key.clone(), value(key))).collect()
}
