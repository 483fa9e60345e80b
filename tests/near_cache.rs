//! Near caches: their answers, and the changes that they detect.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use redis_collections::{
    AsyncClient, CachedDict, CachedHashDict, ChangeFormat, Client, Codec, Error, Json, LocalServer,
    NearCacheSettings, RedisDict, RedisHashDict,
};
use support::contract::{contract, ok, settle};
use support::kinds::{Kind, enable_all_notifications};
use support::servers::proxy::{Direction, Proxy};
use support::servers::query;
use support::{LATE, eventually, wait_until};

contract! {
    a_value_is_asked_for_once,
    a_change_by_another_program_is_noticed,
    own_writes_are_read_at_once,
    only_missing_keys_are_requested,
    a_field_of_a_hash_is_cached,
    fields_of_a_hash_are_asked_for_together,
    an_entry_expires_here_too,
    a_field_expires_here_too,
    everything_can_be_preloaded,
    the_contents_of_a_cache_are_listed,
    a_value_that_cannot_be_decoded_is_not_kept,
    the_capacity_is_a_bound,
    keys_of_other_types_are_cached,
    texts_that_look_like_numbers_are_cached,
    a_hit_allocates_nothing,
    a_writer_message_removes_only_its_field,
    any_change_of_a_tracked_hash_removes_all_its_fields,
    a_key_can_be_forgotten_by_all_caches,
}

/// The sources of changes.
fn ways() -> [NearCacheSettings; 2] {
    enable_all_notifications();
    [NearCacheSettings::tracking(), NearCacheSettings::writer_messages()]
}

/// The same dictionary for another program.
fn foreign<C: Kind>(dict: &RedisDict<String, u64, C>, client: &C) -> RedisDict<String, u64, C> {
    dict.on(client)
}

/// Reads until the cache has `expected`, which no message on its way takes from it again.
macro_rules! kept {
    ($cached:expr, $key:expr, $expected:expr) => {
        wait_until!(
            {
                let is_kept = $cached.peek($key) == Some($expected);
                if !is_kept {
                    ok!($cached.get($key));
                }
                is_kept
            },
            "{:?}",
            $cached.peek($key)
        );
    };
}

/// Reads until the cached value is `expected`.
async fn becomes<C: Kind>(cached: &CachedDict<String, u64, C>, key: &str, expected: Option<u64>) {
    wait_until!(ok!(cached.get(key)).as_deref().copied() == expected);
}

async fn a_value_is_asked_for_once<C: Kind>(client: C, name: &'static str) {
    for (way, name) in
        ways().into_iter().zip([format!("{name}-tracking"), format!("{name}-messages")])
    {
        let name = name.as_str();
        let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, name);
        let cached = ok!(dict.cached(way.max_staleness(LATE)));
        ok!(foreign(&dict, &client).insert("a", &1));
        becomes(&cached, "a", Some(1)).await;
        let misses = cached.stats().misses;
        for _ in 0..10 {
            assert_eq!(ok!(cached.get("a")).as_deref(), Some(&1));
            assert!(ok!(cached.contains_key("a")));
        }
        assert!(cached.stats().misses <= misses + 1, "{:?}", cached.stats());
        for _ in 0..10 {
            assert_eq!((ok!(cached.get("b")), ok!(cached.contains_key("b"))), (None, false));
        }
        assert_eq!(cached.peek("b"), Some(None));
        assert_eq!(cached.peek("c"), None);
        wait_until!(
            ok!(cached.get("a")).is_some() && cached.get_if_present("a").as_deref() == Some(&1)
        );
        assert_eq!(cached.get_if_present("b"), None);
        assert_eq!(cached.get_if_present("c"), None);
        let stats = cached.stats();
        assert!(stats.hits >= 37 && stats.misses <= misses + 2 && stats.is_certain, "{stats:?}");
    }
}

async fn a_change_by_another_program_is_noticed<C: Kind>(client: C, name: &'static str) {
    for (way, name) in
        ways().into_iter().zip([format!("{name}-tracking"), format!("{name}-messages")])
    {
        let name = name.as_str();
        let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, name);
        let other = foreign(&dict, &client);
        let cached = ok!(dict.cached(way.clone()));
        assert_eq!(ok!(cached.get("a")), None);
        ok!(other.insert("a", &1));
        becomes(&cached, "a", Some(1)).await;
        ok!(other.insert_many([("a", &2), ("b", &2)]));
        becomes(&cached, "a", Some(2)).await;
        becomes(&cached, "b", Some(2)).await;
        ok!(other.remove("a"));
        becomes(&cached, "a", None).await;
    }
}

async fn own_writes_are_read_at_once<C: Kind>(client: C, name: &'static str) {
    for (way, name) in
        ways().into_iter().zip([format!("{name}-tracking"), format!("{name}-messages")])
    {
        let name = name.as_str();
        let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, name);
        let cached = ok!(dict.cached(way.clone()));
        for round in 0..200 {
            ok!(cached.insert("a", &round));
            assert_eq!(ok!(cached.get("a")).as_deref(), Some(&round));
            ok!(cached.increment("a", 1));
            assert_eq!(ok!(cached.get_many(["a"])), [Some((round + 1).into())]);
            ok!(cached.extend([("a", &7), ("b", &round)]));
            assert_eq!(ok!(cached.get("b")).as_deref(), Some(&round));
            let insert = cached.deferred().insert("a", &round);
            let (inserted,) = cached.client().pipeline((insert,)).await.expect("a pipeline");
            inserted.expect("inserted");
            assert_eq!(ok!(cached.get("a")).as_deref(), Some(&round));
            assert!(ok!(cached.remove("a")));
            assert_eq!(ok!(cached.get("a")), None);
        }
    }
}

async fn only_missing_keys_are_requested<C: Kind>(client: C, name: &'static str) {
    for (way, name) in
        ways().into_iter().zip([format!("{name}-tracking"), format!("{name}-messages")])
    {
        let name = name.as_str();
        let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, name);
        ok!(dict.insert_many([("a", &1), ("b", &2), ("c", &3)]));
        let cached = ok!(dict.cached(way.clone()));
        assert_eq!(ok!(cached.get_many(["a", "x"])), [Some(1.into()), None]);
        let expected = [Some(3.into()), None, Some(1.into()), Some(2.into()), Some(3.into())];
        assert_eq!(ok!(cached.get_many(["c", "x", "a", "b", "c"])), expected);
        assert_eq!(cached.stats().misses, 4);
        let none: [&str; 0] = [];
        assert_eq!(ok!(cached.get_many(none)), []);
        let keys: Vec<String> = (0..2500).map(|key| key.to_string()).collect();
        assert_eq!(ok!(cached.get_many(&keys)), vec![None; 2500]);
        assert_eq!(ok!(cached.get_many(&keys)), vec![None; 2500]);
        assert_eq!(cached.stats().misses, 2504);
    }
}

async fn a_field_of_a_hash_is_cached<C: Kind>(client: C, name: &'static str) {
    for (way, name) in
        ways().into_iter().zip([format!("{name}-tracking"), format!("{name}-messages")])
    {
        let name = name.as_str();
        let dict: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, name);
        let cached: CachedHashDict<_, _, C> = ok!(dict.cached(way.clone()));
        assert_eq!(ok!(cached.get("a")), None);
        ok!(dict.insert("a", &1));
        kept!(cached, "a", Some(1.into()));
        ok!(cached.insert_many([("a", &2), ("b", &3)]));
        assert_eq!((cached.peek("a"), cached.peek("b")), (None, None));
        assert_eq!(ok!(cached.get("a")).as_deref(), Some(&2));
        assert_eq!(ok!(cached.get("b")).as_deref(), Some(&3));
        ok!(dict.key().remove());
        kept!(cached, "a", None);
        kept!(cached, "b", None);
    }
}

async fn fields_of_a_hash_are_asked_for_together<C: Kind>(client: C, name: &'static str) {
    for (way, name) in
        ways().into_iter().zip([format!("{name}-tracking"), format!("{name}-messages")])
    {
        let name = name.as_str();
        let dict: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, name);
        ok!(dict.insert_many([("a", &1), ("b", &2)]));
        let cached = ok!(dict.cached(way.clone()));
        for _ in 0..3 {
            assert_eq!(
                ok!(cached.get_many(["b", "x", "a"])),
                [Some(2.into()), None, Some(1.into())]
            );
        }
        assert_eq!(cached.stats().misses, 3);
    }
}

/// Long enough for a busy machine to read values that expire then.
const A_MOMENT: Duration = Duration::from_millis(1500);

async fn an_entry_expires_here_too<C: Kind>(client: C, name: &'static str) {
    for (way, name) in
        ways().into_iter().zip([format!("{name}-tracking"), format!("{name}-messages")])
    {
        let name = name.as_str();
        let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, name);
        let cached = ok!(dict.cached(way.clone()));
        ok!(dict.insert_with_ttl("a", &1, A_MOMENT));
        becomes(&cached, "a", Some(1)).await;
        becomes(&cached, "a", None).await;
    }
}

async fn a_field_expires_here_too<C: Kind>(client: C, name: &'static str) {
    for way in ways() {
        let dict: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, name);
        ok!(dict.insert("b", &1));
        let cached = ok!(dict.cached(way));
        match settle!(dict.insert_with_ttl("a", &1, A_MOMENT)) {
            Err(Error::Unsupported { .. }) => {}
            inserted => {
                assert!(inserted.expect("inserted"));
                kept!(cached, "a", Some(1.into()));
                kept!(cached, "a", None);
            }
        }
        kept!(cached, "b", Some(1.into()));
        // The whole hash.
        ok!(dict.key().expire(A_MOMENT));
        kept!(cached, "b", None);
    }
}

async fn everything_can_be_preloaded<C: Kind>(client: C, name: &'static str) {
    for (way, name) in
        ways().into_iter().zip([format!("{name}-tracking"), format!("{name}-messages")])
    {
        let name = name.as_str();
        let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, name);
        let hash: RedisHashDict<String, u64, C> =
            RedisHashDict::new(&client, format!("{name}-hash"));
        let entries: Vec<(String, u64)> = (0..3000).map(|key| (key.to_string(), key)).collect();
        ok!(dict.extend(entries.iter().map(|(key, value)| (key, value))));
        ok!(hash.extend(entries.iter().map(|(key, value)| (key, value))));
        let way = way.max_staleness(LATE);
        let dict = ok!(dict.cached(way.clone()));
        let hash = ok!(hash.cached(way));
        assert_eq!((ok!(dict.preload()), ok!(hash.preload())), (3000, 3000));
        for (key, value) in entries {
            let value = Some(Some(value.into()));
            assert_eq!((dict.peek(&key), hash.peek(&key)), (value.clone(), value), "{key}");
        }
        dict.forget();
        assert_eq!((dict.peek("1"), dict.stats().entries), (None, 0));
    }
}

async fn the_contents_of_a_cache_are_listed<C: Kind>(client: C, name: &'static str) {
    let dict: RedisDict<u64, u64, C> = RedisDict::with_prefix(&client, name);
    ok!(dict.insert_many([(&1, &10), (&2, &20), (&3, &30)]));
    ok!(dict.typed::<String, u64>().insert("no number", &40));
    for way in ways() {
        let cached = ok!(dict.cached(way.max_staleness(LATE)));
        assert_eq!(cached.peek_all(), []);
        ok!(cached.get_many(&[1, 2, 9]));
        ok!(cached.preload());
        let held = || {
            let mut held = cached.peek_all();
            held.sort();
            held.into_iter()
                .map(|(key, value)| (key, value.as_deref().copied()))
                .collect::<Vec<_>>()
        };
        kept!(cached, &9, None);
        kept!(cached, &3, Some(30.into()));
        assert_eq!(held().len(), 4, "{:?}", held());
        assert_eq!(held(), [(1, Some(10)), (2, Some(20)), (3, Some(30)), (9, None)]);
        ok!(dict.insert_with_ttl(&3, &31, A_MOMENT));
        kept!(cached, &3, Some(31.into()));
        assert!(eventually(|| cached.peek(&3).is_none()));
        assert!(!held().iter().any(|(key, _)| *key == 3), "nothing is listed that is not served");
        ok!(dict.insert(&3, &30));
        cached.forget();
        assert_eq!(held(), []);
    }
}

async fn a_value_that_cannot_be_decoded_is_not_kept<C: Kind>(client: C, name: &'static str) {
    for (way, name) in
        ways().into_iter().zip([format!("{name}-tracking"), format!("{name}-messages")])
    {
        let name = name.as_str();
        let text: RedisDict<String, String, C> = RedisDict::with_prefix(&client, name);
        ok!(text.insert("a", "no number"));
        let cached = ok!(text.typed::<String, u64>().cached(way.clone()));
        for _ in 0..2 {
            let error = settle!(cached.get("a")).unwrap_err();
            assert_eq!(error.undecoded(), Some(&b"no number"[..]), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        assert_eq!(cached.peek("a"), None);
    }
}

async fn the_capacity_is_a_bound<C: Kind>(client: C, name: &'static str) {
    let dict: RedisDict<u64, String, C> = RedisDict::with_prefix(&client, name);
    let large = "x".repeat(1000);
    let keys: Vec<u64> = (0..1000).collect();
    ok!(dict.insert_many(keys.iter().map(|key| (key, large.as_str()))));
    let by_entries = ok!(dict.cached(NearCacheSettings::tracking().capacity(100)));
    let by_bytes = ok!(dict.cached(NearCacheSettings::tracking().capacity_in_bytes(100_000)));
    for cached in [by_entries, by_bytes] {
        assert_eq!(ok!(cached.get_many(&keys)).into_iter().flatten().count(), 1000);
        let entries = cached.stats().entries;
        assert!((10..=100).contains(&entries), "{entries}");
    }
}

async fn keys_of_other_types_are_cached<C: Kind>(client: C, name: &'static str) {
    let dict: RedisDict<i64, Json<Vec<u8>>, C> = RedisDict::with_prefix(&client, name);
    ok!(dict.insert(&-7, &vec![1, 2]));
    let cached = ok!(dict.cached(NearCacheSettings::tracking().max_staleness(LATE)));
    assert_eq!(ok!(cached.get(&-7)).as_deref(), Some(&vec![1, 2]));
    assert_eq!(cached.peek(&-7), Some(Some(vec![1, 2].into())));
    assert_eq!(cached.peek(&7), None);
}

async fn texts_that_look_like_numbers_are_cached<C: Kind>(client: C, name: &'static str) {
    let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, name);
    let texts = ["0", "00", "7", "07", "+7", "-7", "7.0", "7a", "18446744073709551616"];
    let values = (1..).zip(texts);
    ok!(dict.insert_many(values.clone().map(|(value, text)| (text, value))));
    for way in ways() {
        let cached = ok!(dict.cached(way.clone().max_staleness(LATE)));
        let of_numbers = ok!(dict.typed::<u64, u64>().cached(way.max_staleness(LATE)));
        ok!(cached.preload());
        for (value, text) in values.clone() {
            kept!(cached, text, Some(value.into()));
        }
        kept!(of_numbers, &7, Some(3.into()));
        let mut held: Vec<_> = cached.peek_all().into_iter().map(|(key, _)| key).collect();
        held.sort();
        let mut expected = texts;
        expected.sort();
        assert_eq!(held, expected);
        ok!(dict.insert("7", &70));
        wait_until!(ok!(of_numbers.get(&7)).as_deref() == Some(&70));
        becomes(&cached, "7", Some(70)).await;
        ok!(dict.insert("7", &3));
        becomes(&cached, "7", Some(3)).await;
    }
}

async fn a_hit_allocates_nothing<C: Kind>(client: C, name: &'static str) {
    let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, name);
    hits_allocate_nothing(&dict, "ann").await;
    hits_allocate_nothing(&dict.typed::<Vec<u8>, u64>(), b"bytes").await;
    hits_allocate_nothing(&dict.typed::<u64, u64>(), &u64::MAX).await;
    hits_allocate_nothing(&dict.typed::<i64, u64>(), &-7).await;
    hits_allocate_nothing(&dict.typed::<Json<bool>, u64>(), &true).await;
}

async fn hits_allocate_nothing<K, C>(dict: &RedisDict<K, u64, C>, key: &K::Borrowed)
where
    K: Codec,
    C: Kind,
{
    ok!(dict.insert(key, &36));
    let cached = ok!(dict.cached(NearCacheSettings::tracking().max_staleness(LATE)));
    kept!(cached, key, Some(36.into()));
    let counted = (0..5).map(|_| {
        let mut found = None;
        let counts = allocation_counter::measure(|| {
            found = C::settle(cached.get(key)).now_or_never();
        });
        assert_eq!(found.expect("a reply at once").expect("a value").as_deref(), Some(&36));
        counts.count_total
    });
    // The first may prepare what its thread keeps.
    assert_eq!(counted.min(), Some(0));
}

async fn a_writer_message_removes_only_its_field<C: Kind>(client: C, name: &'static str) {
    enable_all_notifications();
    let plain: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, name);
    let publishing = plain.publishing(ChangeFormat::Own);
    ok!(plain.insert_many([("a", &1), ("b", &1), ("c", &1)]));
    let cached = ok!(plain.cached(NearCacheSettings::writer_messages().max_staleness(LATE)));
    let all = [Some(1.into()), Some(1.into()), Some(1.into())];
    assert_eq!(ok!(cached.get_many(["a", "b", "c"])), all);
    ok!(publishing.insert("a", &2));
    kept!(cached, "a", Some(2.into()));
    ok!(publishing.increment("b", 4));
    kept!(cached, "b", Some(5.into()));
    assert_eq!((cached.peek("a"), cached.peek("c")), (Some(Some(2.into())), Some(Some(1.into()))));
    // A writer that publishes nothing.
    ok!(plain.insert("a", &3));
    kept!(cached, "a", Some(3.into()));
    assert_eq!((cached.peek("b"), cached.peek("c")), (None, None));
}

async fn any_change_of_a_tracked_hash_removes_all_its_fields<C: Kind>(
    client: C,
    name: &'static str,
) {
    let dict: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, name);
    ok!(dict.insert_many([("a", &1), ("b", &1)]));
    let cached = ok!(dict.clone().cached(NearCacheSettings::tracking()));
    kept!(cached, "a", Some(1.into()));
    kept!(cached, "b", Some(1.into()));
    ok!(dict.insert("a", &2));
    kept!(cached, "a", Some(2.into()));
    assert_eq!(cached.peek("b"), None);
}

async fn a_key_can_be_forgotten_by_all_caches<C: Kind>(client: C, name: &'static str) {
    for way in ways() {
        let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, name);
        let (one, other) = (ok!(dict.cached(way.clone())), ok!(dict.cached(way)));
        ok!(dict.insert("a", &1));
        kept!(one, "a", Some(1.into()));
        kept!(other, "a", Some(1.into()));
        ok!(one.forget_everywhere());
        assert_eq!(one.peek("a"), None);
        assert!(eventually(|| other.peek("a").is_none()));
        ok!(dict.clear());
    }
}

#[test]
fn a_reply_of_another_server_under_the_same_address_is_not_kept() {
    let (old, new) = (LocalServer::start().unwrap(), LocalServer::start().unwrap());
    let proxy = Proxy::to(old.port()).unwrap();
    let client = Client::open(&proxy.url()).unwrap();
    let ages: RedisDict<String, u64> = RedisDict::new(&client, "ages");
    let cached = ages.cached(NearCacheSettings::tracking()).unwrap();
    ages.insert("ann", &1).unwrap();
    assert!(eventually(|| {
        cached.get("ann").unwrap();
        cached.peek("ann").is_some()
    }));
    // The connection that listens stays where it is.
    proxy.lead_to(new.port());
    let _: u64 = query(old.url(), "CLIENT KILL TYPE normal SKIPME yes").unwrap();
    assert_eq!((cached.get("bob").unwrap(), cached.peek("bob")), (None, None));
    let stats = cached.stats();
    assert!(stats.refused >= 1 || !stats.is_certain, "{stats:?}");
    assert!(eventually(|| {
        cached.get("ann").unwrap();
        cached.peek("ann") == Some(None)
    }));
}

#[test]
fn settings_that_cannot_be_kept_are_refused() {
    let server = LocalServer::start().unwrap();
    let client = Client::open(server.url()).unwrap();
    let ages: RedisDict<String, u64> = RedisDict::new(&client, "ages");
    let way = NearCacheSettings::tracking;
    for settings in [
        way().max_staleness(Duration::from_millis(199)),
        way().max_staleness(Duration::ZERO),
        way().capacity(0),
        way().capacity_in_bytes(0),
        way().time_to_live(Duration::ZERO),
    ] {
        let error = ages.cached(settings).unwrap_err();
        assert!(matches!(error, Error::Configuration(_)), "{error}");
    }
    for settings in [way().time_to_live(Duration::MAX), way().max_staleness(Duration::MAX)] {
        let cached = ages.cached(settings).unwrap();
        cached.insert("ann", &36).unwrap();
        assert_eq!(cached.get("ann").unwrap().as_deref(), Some(&36));
    }
    let refused: RedisDict<String, u64> = RedisDict::new(&client, "a~rc:b");
    assert!(matches!(refused.cached(way()).unwrap_err(), Error::InvalidArgument { .. }));
}

#[test]
fn many_threads_that_miss_the_same_key_ask_once() {
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let client = Client::open(&proxy.url()).unwrap();
    let ages: RedisDict<String, u64> = RedisDict::new(&client, "ages");
    ages.insert("ann", &36).unwrap();
    let cached = ages.cached(NearCacheSettings::tracking()).unwrap();
    proxy.hold(Direction::Replies);
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| assert_eq!(cached.get("ann").unwrap().as_deref(), Some(&36)));
        }
        assert!(eventually(|| cached.stats().joined == 49));
        proxy.release();
    });
    assert_eq!(cached.stats().misses, 1);
}

#[test]
fn no_read_waits_for_one_that_is_not_polled() {
    support::kinds::RUNTIME.block_on(async {
        let server = LocalServer::start().unwrap();
        let proxy = Proxy::to(server.port()).unwrap();
        let client = AsyncClient::open(&proxy.url()).await.unwrap();
        let ages: RedisDict<String, u64, AsyncClient> = RedisDict::new(&client, "ages");
        ages.insert("ann", &36).await.unwrap();
        let cached = ages.cached(NearCacheSettings::tracking()).await.unwrap();
        proxy.hold(Direction::Replies);
        let mut left = Box::pin(cached.get("ann"));
        let polled = poll_fn(|context| Poll::Ready(left.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        proxy.release();
        assert_eq!(cached.get("ann").await.unwrap().as_deref(), Some(&36));
        assert_eq!(left.await.unwrap().as_deref(), Some(&36));
    });
}
