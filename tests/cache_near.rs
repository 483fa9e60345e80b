//! Read-through caches with a near cache in front.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use redis_collections::{
    CacheClient, CachePolicy, ChangeFormat, Error, Loaded, LoadedMany, NearCacheSettings,
    RedisDict, Ttl,
};
use support::contract::{contract, ok, settle};
use support::kinds::{Kind, SourceDown, enable_all_notifications, plain};
use support::wait_until;

contract! {
    a_value_is_found_without_asking,
    own_writes_are_seen_at_once,
    writes_of_other_programs_are_noticed,
    an_old_value_is_not_kept,
    an_old_value_is_served_if_its_loader_fails,
    a_bulk_loader_leaves_the_near_cache_in_front,
    a_value_is_refreshed_early_by_chance,
    absence_is_known_to_the_server,
    bytes_that_are_no_value_are_replaced,
    settings_that_cannot_be_kept_are_refused,
}

const MINUTE: Duration = Duration::from_secs(60);

type Squares<C> = CacheClient<u64, u64, C>;

/// The sources of changes.
fn ways() -> [NearCacheSettings; 2] {
    enable_all_notifications();
    [NearCacheSettings::tracking(), NearCacheSettings::writer_messages()]
}

/// A cache of the successor of an id, and the number of its loads.
fn source<C: Kind>(client: &C, name: &str, policy: CachePolicy) -> (Squares<C>, Arc<AtomicU64>) {
    let loads = Arc::new(AtomicU64::new(0));
    let counted = loads.clone();
    let load = move |id: u64, ()| {
        let before = counted.fetch_add(1, Ordering::SeqCst);
        C::loading(Ok(Loaded::from((id > 0).then_some(id + before))))
    };
    (CacheClient::with_prefix(client, format!("{name}:"), policy, load).unwrap(), loads)
}

fn stored<C: Kind>(client: &C, name: &str) -> RedisDict<u64, u64, C> {
    RedisDict::new(client, name).publishing(ChangeFormat::Own)
}

/// A name for each way.
fn names(name: &str) -> impl Iterator<Item = (NearCacheSettings, String)> {
    ways().into_iter().zip(0..).map(move |(way, number)| (way, format!("{}-{number}", plain(name))))
}

/// Reads until the near cache has the value, and returns it.
macro_rules! near {
    ($cache:expr, $id:expr) => {{
        let mut found;
        wait_until!(
            {
                let before = $cache.near_stats().unwrap().hits;
                found = ok!($cache.get($id)).as_deref().copied();
                $cache.near_stats().unwrap().hits > before
            },
            "{found:?} is not from the near cache"
        );
        found
    }};
}

/// Reads until there is another value, and returns it.
macro_rules! changed {
    ($cache:expr, $id:expr, $old:expr) => {{
        let mut found;
        wait_until!({
            found = ok!($cache.get($id)).as_deref().copied();
            found != Some($old)
        });
        found
    }};
}

async fn a_value_is_found_without_asking<C: Kind>(client: C, name: &str) {
    for (way, name) in names(name) {
        let (cache, loads) = source(&client, &name, CachePolicy::time_to_live(MINUTE));
        let cache = ok!(cache.near(way));
        assert_eq!(near!(cache, &3), Some(3));
        let misses = cache.near_stats().unwrap().misses;
        for _ in 0..100 {
            assert_eq!(ok!(cache.get(&3)).as_deref(), Some(&3));
        }
        assert_eq!(cache.near_stats().unwrap().misses, misses);
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        assert_eq!(cache.stats().misses, 1);
    }
}

async fn own_writes_are_seen_at_once<C: Kind>(client: C, name: &str) {
    for (way, name) in names(name) {
        let (cache, _) = source(&client, &name, CachePolicy::time_to_live(MINUTE));
        let cache = ok!(cache.near(way));
        for round in 0..100 {
            ok!(cache.set_value(&3, &round));
            assert_eq!(ok!(cache.get(&3)).as_deref(), Some(&round));
        }
        assert!(ok!(cache.delete(&3)));
        assert_eq!(ok!(cache.peek(&3)), None);
        let loaded = ok!(cache.get(&3));
        assert_eq!(near!(cache, &3), loaded.as_deref().copied());
        assert_ne!(ok!(cache.set(&3)), loaded);
        assert_ne!(ok!(cache.get(&3)), loaded);
        ok!(cache.clear());
        assert_eq!(ok!(cache.peek(&3)), None);
    }
}

async fn writes_of_other_programs_are_noticed<C: Kind>(client: C, name: &str) {
    for (way, name) in names(name) {
        let (plain, _) = source(&client, &name, CachePolicy::time_to_live(MINUTE));
        let cache = ok!(plain.near(way));
        assert_eq!(near!(cache, &3), Some(3));
        ok!(plain.set_value(&3, &7));
        assert_eq!(changed!(cache, &3, 3), Some(7));
        assert_eq!(near!(cache, &3), Some(7));
        ok!(stored(&client, &name).insert(&3, &8));
        assert_eq!(changed!(cache, &3, 7), Some(8));
        assert_eq!(near!(cache, &3), Some(8));
        assert!(ok!(plain.delete(&3)));
        assert_eq!(changed!(cache, &3, 8), Some(4));
    }
}

async fn an_old_value_is_not_kept<C: Kind>(client: C, name: &str) {
    for (way, name) in names(name) {
        let policy = CachePolicy::time_to_live(MINUTE).stale_if_error(MINUTE);
        let (plain, loads) = source(&client, &name, policy);
        let cache = ok!(plain.near(way));
        assert_eq!(near!(cache, &3), Some(3));
        // It is old from now on.
        assert!(ok!(stored(&client, &name).expire(&3, MINUTE)));
        assert_eq!(changed!(cache, &3, 3), Some(4));
        assert_eq!(loads.load(Ordering::SeqCst), 2);
        let Ttl::Left(left) = ok!(cache.ttl(&3)) else { panic!("it expires") };
        assert!(left > MINUTE / 2, "{left:?}");
    }
}

async fn an_old_value_is_served_if_its_loader_fails<C: Kind>(client: C, name: &str) {
    for (way, name) in names(name) {
        let is_down = Arc::new(AtomicBool::new(false));
        let load = {
            let is_down = is_down.clone();
            move |id: u64, ()| {
                let is_down = is_down.load(Ordering::SeqCst);
                C::loading(if is_down { Err(SourceDown) } else { Ok(Loaded::new(id)) })
            }
        };
        let policy = CachePolicy::time_to_live(MINUTE).stale_if_error(MINUTE);
        let cache: Squares<C> =
            CacheClient::with_prefix(&client, format!("{name}:"), policy, load).unwrap();
        let cache = ok!(cache.near(way));
        assert_eq!(near!(cache, &3), Some(3));
        is_down.store(true, Ordering::SeqCst);
        assert!(ok!(stored(&client, &name).expire(&3, MINUTE)));
        wait_until!({
            assert_eq!(ok!(cache.get(&3)).as_deref(), Some(&3));
            cache.stats().stale > 0
        });
    }
}

async fn a_bulk_loader_leaves_the_near_cache_in_front<C: Kind>(client: C, name: &str) {
    for (way, name) in names(name) {
        let (cache, _) = source(&client, &name, CachePolicy::time_to_live(MINUTE));
        let cache = ok!(cache.near(way));
        let cache =
            cache.with_bulk_loader(|ids: Vec<u64>, ()| C::loading(Ok(LoadedMany::from(ids))));
        assert_eq!(near!(cache, &3), Some(3));
    }
}

async fn absence_is_known_to_the_server<C: Kind>(client: C, name: &str) {
    for (way, name) in names(name) {
        let policy = CachePolicy::time_to_live(MINUTE).remember_absence(MINUTE);
        let (cache, loads) = source(&client, &name, policy);
        let cache = ok!(cache.near(way));
        for _ in 0..10 {
            assert_eq!(ok!(cache.get(&0)), None);
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }
}

async fn bytes_that_are_no_value_are_replaced<C: Kind>(client: C, name: &str) {
    for (way, name) in names(name) {
        let (cache, loads) = source(&client, &name, CachePolicy::time_to_live(MINUTE));
        let cache = ok!(cache.near(way));
        ok!(stored(&client, &name).typed::<u64, String>().insert(&3, "no number"));
        assert_eq!(ok!(cache.get(&3)).as_deref(), Some(&3));
        assert_eq!((cache.stats().undecodable, loads.load(Ordering::SeqCst)), (1, 1));
    }
}

async fn settings_that_cannot_be_kept_are_refused<C: Kind>(client: C, name: &str) {
    let name = plain(name);
    let (cache, _) = source(&client, &name, CachePolicy::time_to_live(MINUTE));
    let refused = settle!(cache.near(NearCacheSettings::tracking().capacity(0))).unwrap_err();
    assert!(matches!(refused, Error::Configuration(_)), "{refused}");
    assert!(cache.near_stats().is_none());
}

/// In the background, by callers that find it in the near cache.
async fn a_value_is_refreshed_early_by_chance<C: Kind>(client: C, name: &str) {
    for (near_cache, name) in names(name) {
        // The chance is so small, or so great, that it can be relied on.
        for (beta, is_refreshed) in [(1e-9, false), (1e12, true)] {
            let policy = CachePolicy::time_to_live(MINUTE).early_refresh(beta);
            let load = |id: u64, ()| {
                // The chance of a refresh grows with the time that a load takes.
                std::thread::sleep(Duration::from_millis(5));
                C::loading(Ok(Loaded::new(id)))
            };
            let prefix = format!("{name}:");
            let cache: Squares<C> =
                CacheClient::with_prefix(&client, prefix, policy, load).unwrap();
            let cache = ok!(cache.near(near_cache.clone()));
            assert_eq!(near!(cache, &3), Some(3));
            assert_eq!(cache.stats().refreshes > 0, is_refreshed, "{beta} {:?}", cache.stats());
            ok!(cache.delete(&3));
        }
    }
}
