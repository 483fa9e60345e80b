//! Reports of caches to the `metrics` facade.
#![cfg(feature = "metrics")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use redis_collections::{
    CacheClient, CachePolicy, Client, LocalServer, NearCacheSettings, RedisDict,
};
use support::eventually;

static NUMBERS: LazyLock<Mutex<HashMap<String, Arc<AtomicU64>>>> = LazyLock::new(Mutex::default);

/// Remembers each counter and gauge by its name and labels.
struct Remembering;

fn number(key: &Key) -> Arc<AtomicU64> {
    let labels: Vec<_> = key.labels().map(|label| label.value()).collect();
    let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    numbers.entry(format!("{} {}", key.name(), labels.join(" "))).or_default().clone()
}

impl Recorder for Remembering {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(number(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(number(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn record() {
    static RECORDER: LazyLock<()> = LazyLock::new(|| {
        metrics::set_global_recorder(Remembering).expect("the only recorder");
    });
    LazyLock::force(&RECORDER);
}

/// The number reported under a name.
fn reported(name: &str) -> Option<u64> {
    let numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    numbers.get(name).map(|number| number.load(Ordering::Relaxed))
}

#[test]
fn a_read_through_cache_reports_its_metrics() {
    record();
    let server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a connection");
    let policy = CachePolicy::time_to_live(Duration::from_secs(60));
    let load = |id: u64, ()| Ok::<_, std::io::Error>(id);
    let cache: CacheClient<u64, u64> =
        CacheClient::new(&client, "squares", policy, load).expect("a cache");
    let count = |name: &str| reported(&format!("redis_collections_read_through_{name} squares"));
    assert!(eventually(|| {
        cache.get(&3).expect("a value");
        count("hits") > Some(1)
    }));
    assert_eq!((count("misses"), count("loads")), (Some(1), Some(1)));
    assert!(count("load_seconds").map(f64::from_bits) > Some(0.0));
}

#[test]
fn a_near_cache_reports_its_metrics() {
    record();
    let server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a connection");
    let ages: RedisDict<String, u64> = RedisDict::new(&client, "ages");
    let settings = NearCacheSettings::tracking().max_staleness(Duration::from_secs(2));
    let cached = ages.cached(settings).expect("a cache");
    for _ in 0..10 {
        cached.get("ann").expect("an answer");
    }
    let stats = cached.stats();
    let count = |name: &str| reported(&format!("redis_collections_cache_{name} ages:"));
    let one = Some(1_f64.to_bits());
    let expected = [
        ("hits", Some(stats.hits)),
        ("misses", Some(stats.misses)),
        ("gaps", Some(0)),
        ("entries", one),
        ("is_certain", one),
    ];
    let reported = || expected.map(|(name, _)| (name, count(name)));
    assert!(eventually(|| reported() == expected), "{:?}", reported());
    drop(server);
    assert!(eventually(|| count("is_certain") == Some(0_f64.to_bits())), "during an outage");
}

#[test]
fn a_read_through_cache_reports_the_errors_of_its_loader() {
    record();
    let server = LocalServer::start().expect("a server");
    let client = Client::open(server.url()).expect("a connection");
    let load = |_: u64, ()| Err::<u64, _>(std::io::Error::other("the source is down"));
    let policy = CachePolicy::without_expiry();
    let cache: CacheClient<u64, u64> =
        CacheClient::new(&client, "broken", policy, load).expect("a cache");
    assert!(eventually(|| {
        cache.get(&3).expect_err("no value");
        reported("redis_collections_read_through_load_errors broken") > Some(1)
    }));
}
