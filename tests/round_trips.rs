//! How many round trips each operation takes, counted on the wire.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis_collections::{
    CacheClient, CachePolicy, Client, Error, HashCacheClient, Loaded, LoadedMany, LocalServer,
    NearCacheSettings, RedisDict, RedisHashDict, RedisList, RedisSet,
};
use support::kinds::SERVER;
use support::servers::proxy::Proxy;

/// A client whose round trips are counted.
struct Counted {
    proxy: Proxy,
    client: Client,
}

impl Counted {
    fn new() -> Self {
        Self::of(&SERVER)
    }

    fn of(server: &LocalServer) -> Self {
        let proxy = Proxy::to(server.port()).unwrap();
        let client = Client::open(&proxy.url()).unwrap();
        Self { proxy, client }
    }

    /// The round trips of `operation`: the fewest of three tries, since a script takes one more
    /// until the server knows it.
    fn round_trips<T>(&self, operation: impl Fn() -> T) -> usize {
        let counted = |_| {
            self.client.check().unwrap();
            self.proxy.reset();
            operation();
            self.proxy.round_trips()
        };
        (0..3).map(counted).min().unwrap()
    }
}

macro_rules! round_trips {
    ($counted:ident: $($operation:expr => $expected:expr;)+) => {$(
        let counted = $counted.round_trips(|| $operation.unwrap());
        assert_eq!(counted, $expected, "{}", stringify!($operation));
    )+};
}

const SOON: Duration = Duration::from_millis(20);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn every_single_operation_is_one_round_trip() {
    let counted = Counted::new();
    let client = &counted.client;
    let dict: RedisDict<String, u64> = RedisDict::new(client, "trips");
    let hash: RedisHashDict<String, u64> = RedisHashDict::new(client, "trips-hash");
    let list: RedisList<u64> = RedisList::new(client, "trips-list");
    let other: RedisList<u64> = RedisList::new(client, "trips-other");
    let set: RedisSet<u64> = RedisSet::new(client, "trips-set");
    round_trips! { counted:
        dict.insert("a", &1) => 1;
        dict.get("a") => 1;
        dict.get_many(["a", "b"]) => 1;
        dict.contains_key("a") => 1;
        dict.insert_many([("a", &1), ("b", &2)]) => 1;
        dict.replace("a", &2) => 1;
        dict.set_if_absent("a", &2) => 1;
        dict.set_if_present("a", &2) => 1;
        dict.get_or_insert("a", &2) => 1;
        dict.increment("a", 1) => 1;
        dict.remove("a") => 1;
        dict.remove_many(["a", "b"]) => 1;
        dict.take("a") => 1;
        dict.insert_with_ttl("a", &1, HOUR) => 1;
        dict.get_and_expire("a", HOUR) => 1;
        dict.expire("a", HOUR) => 1;
        dict.persist("a") => 1;
        dict.ttl("a") => 1;
        dict.database_len() => 1;
        hash.insert("a", &1) => 1;
        hash.get("a") => 1;
        hash.get_many(["a", "b"]) => 1;
        hash.contains_key("a") => 1;
        hash.insert_many([("a", &1), ("b", &2)]) => 1;
        hash.replace("a", &2) => 1;
        hash.set_if_absent("a", &2) => 1;
        hash.set_if_present("a", &2) => 1;
        hash.get_or_insert("a", &2) => 1;
        hash.increment("a", 1) => 1;
        hash.len() => 1;
        hash.is_empty() => 1;
        hash.take("a") => 1;
        hash.pop() => 1;
        hash.remove("a") => 1;
        hash.remove_many(["a", "b"]) => 1;
        hash.replace_all([("a", &1)]) => 1;
        hash.key().ttl() => 1;
        hash.clear() => 1;
        list.push_back(&1) => 1;
        list.push_front(&1) => 1;
        list.push_many(&[1, 2, 3, 4, 5, 6, 7, 8, 9]) => 1;
        list.try_push_back(&1, 99) => 1;
        list.push_back_evicting(&1, 99) => 1;
        list.pop_front() => 1;
        list.pop_back() => 1;
        list.pop_many(2) => 1;
        list.pop_front_to(&other) => 1;
        list.len() => 1;
        list.get(0) => 1;
        list.set(0, &1) => 1;
        list.range(..) => 1;
        list.trim(..9) => 1;
        list.position(&1) => 1;
        list.insert_before(&1, &0) => 1;
        list.remove_first(&0) => 1;
        list.remove(&0) => 1;
        list.clear() => 1;
        set.insert(&1) => 1;
        set.insert_many(&[1, 2, 3]) => 1;
        set.contains(&1) => 1;
        set.contains_many(&[1, 9]) => 1;
        set.random() => 1;
        set.random_many(2) => 1;
        set.len() => 1;
        set.union(&[]) => 1;
        set.union_into(&[], &set) => 1;
        set.remove(&1) => 1;
        set.remove_many(&[1, 2]) => 1;
        set.pop() => 1;
        set.pop_many(2) => 1;
        set.clear() => 1;
        client.pipeline((dict.deferred().get("a"), hash.deferred().replace("a", &1))) => 1;
        client.transaction((dict.deferred().get("a"), hash.deferred().replace("a", &1))) => 1;
    }
}

#[test]
fn a_waiting_pop_is_one_round_trip_if_its_wait_is_short() {
    let counted = Counted::new();
    let list: RedisList<u64> = RedisList::new(&counted.client, "trips-wait");
    let other: RedisList<u64> = RedisList::new(&counted.client, "trips-wait-other");
    assert_eq!(list.wait_pop_front(SOON).unwrap(), None, "the first wait makes its connection");
    round_trips! { counted:
        list.wait_pop_front(SOON) => 1;
        list.wait_pop_back(SOON) => 1;
        list.wait_pop_front_to(&other, SOON) => 1;
        list.wait_pop_any(&[&other], SOON) => 1;
    }
}

#[test]
fn an_operation_over_all_entries_is_one_or_two_round_trips_a_page() {
    let counted = Counted::new();
    let hash: RedisHashDict<u64, u64> = RedisHashDict::new(&counted.client, "trips-pages");
    let list: RedisList<u64> = RedisList::new(&counted.client, "trips-pages-list");
    let set: RedisSet<u64> = RedisSet::new(&counted.client, "trips-pages-set");
    let dict: RedisDict<u64, u64> = RedisDict::new(&counted.client, "trips-pages");
    let few: Vec<u64> = (0..20).collect();
    let many: Vec<u64> = (0..3000).collect();
    list.push_many(&many).unwrap();
    set.extend(&many).unwrap();
    hash.extend(few.iter().zip(&few)).unwrap();
    dict.extend(few.iter().zip(&few)).unwrap();
    let listed = |page| list.iter().page_size(page).collect::<redis_collections::Result<Vec<_>>>();
    round_trips! { counted:
        hash.to_map() => 1;
        listed(10_000) => 1;
        listed(1000) => 4;
        listed(999) => 4;
        hash.update(&0, |old| old.map(|n| n + 1)) => 2;
        hash.get_or_insert_with(&0, || 0) => 1;
        hash.remove(&99).and_then(|_| hash.get_or_insert_with(&99, || 0)) => 3;
        set.clear().and_then(|_| set.extend(&few)).and_then(|_| set.contains_equal(&1)) => 3;
    }
}

#[test]
fn a_read_through_hit_is_one_round_trip_and_a_miss_three() {
    let counted = Counted::new();
    let known = CachePolicy::time_to_live(HOUR);
    let policies = [
        known.clone(),
        known.clone().stale_if_error(HOUR).refresh_ahead(SOON),
        known.remember_absence(HOUR).early_refresh(1.0).stale_while_revalidate(HOUR),
    ];
    for (number, policy) in policies.into_iter().enumerate() {
        let load = |id: u64, ()| Ok::<_, Error>(if id == 0 { None } else { Some(id) });
        let name = format!("trips-cache-{number}");
        let cache: CacheClient<u64, u64> =
            CacheClient::new(&counted.client, name, policy, load).unwrap();
        let bulk = cache.clone().with_bulk_loader(|ids: Vec<u64>, ()| {
            Ok::<_, Error>(LoadedMany::from(ids.into_iter().map(Loaded::new).collect::<Vec<_>>()))
        });
        let many: Vec<u64> = (100..150).collect();
        let new = AtomicU64::new(1000);
        let next = || new.fetch_add(1, Ordering::Relaxed);
        let next_many = || (0..50).map(|_| next()).collect::<Vec<_>>();
        cache.get(&1).unwrap();
        bulk.get_many(&many).unwrap();
        round_trips! { counted:
            cache.get(&1) => 1;
            cache.get(&next()) => 3;
            cache.get_many(&many) => 1;
            bulk.get_many(&next_many()) => 3;
            cache.peek(&1) => 1;
            cache.ttl(&1) => 1;
            cache.set(&1) => 2;
            cache.set_value(&1, &1) => 1;
            cache.delete(&1) => 1;
            cache.delete_many(&many) => 1;
        }
        let absent = counted.round_trips(|| cache.get(&0).unwrap());
        assert_eq!(absent, if number == 2 { 1 } else { 3 });
    }
}

/// Beside the heartbeats of the near cache.
#[test]
fn a_hit_in_front_of_a_read_through_cache_is_no_round_trip() {
    let counted = Counted::new();
    for near_cache in [NearCacheSettings::tracking(), NearCacheSettings::writer_messages()] {
        let load = |id: u64, ()| Ok::<_, Error>(Some(id));
        let policy = CachePolicy::time_to_live(HOUR);
        let cache: CacheClient<u64, u64> =
            CacheClient::new(&counted.client, "trips-near", policy, load).unwrap();
        let cache = cache.near(near_cache).unwrap();
        let is_kept = || {
            let before = cache.near_stats().unwrap().hits;
            cache.get(&1).unwrap();
            cache.near_stats().unwrap().hits > before
        };
        assert!(support::eventually(is_kept));
        round_trips! { counted: cache.get(&1) => 0; }
    }
}

#[test]
fn a_read_through_hit_in_a_hash_is_one_round_trip_and_a_miss_three() {
    let counted = Counted::new();
    let load = |hash: u64, id: u64, ()| Ok::<_, Error>(Some(hash * id).filter(|_| id > 0));
    let policy = CachePolicy::without_expiry().remember_absence(HOUR);
    let cache: HashCacheClient<u64, u64, u64> =
        HashCacheClient::new(&counted.client, "trips-cache-hash", policy, load).unwrap();
    let new = AtomicU64::new(1000);
    cache.get_many(&1, &[0, 1, 2]).unwrap();
    round_trips! { counted:
        cache.get(&1, &1) => 1;
        cache.get(&1, &0) => 1;
        cache.get(&1, &new.fetch_add(1, Ordering::Relaxed)) => 3;
        cache.get_many(&1, &[0, 1, 2]) => 1;
        cache.set_value(&1, &1, &1) => 1;
        cache.delete(&1, &1) => 1;
        cache.delete_hash(&1) => 1;
    }
}

#[test]
fn nothing_is_sent_where_the_answer_is_known() {
    let counted = Counted::new();
    let dict: RedisDict<String, u64> = RedisDict::new(&counted.client, "trips-none");
    let list: RedisList<u64> = RedisList::new(&counted.client, "trips-none");
    round_trips! { counted:
        dict.insert_many([("", &0); 0]) => 0;
        dict.get_many([""; 0]) => 0;
        list.push_many(&[0; 0]) => 0;
        list.range(..0) => 0;
        list.pop_many(0) => 0;
        counted.client.pipeline(vec![dict.deferred().get_many([""; 0])]) => 0;
    }
    let refused: RedisDict<String, u64> = RedisDict::new(&counted.client, "a~rc:b");
    assert_eq!(counted.round_trips(|| refused.get("a").unwrap_err()), 0);
}

#[test]
fn a_script_takes_one_more_round_trip_until_the_server_knows_it() {
    // The others rely on scripts that their server knows.
    let server = LocalServer::start().unwrap();
    let counted = Counted::of(&server);
    let hash: RedisHashDict<String, u64> = RedisHashDict::new(&counted.client, "trips-script");
    let forget = || support::ask(server.port(), "SCRIPT FLUSH").unwrap();
    let after_forgetting = || {
        forget();
        hash.take("a").unwrap()
    };
    assert_eq!(counted.round_trips(after_forgetting), 2);
    assert_eq!(counted.round_trips(|| hash.take("a").unwrap()), 1);
}
