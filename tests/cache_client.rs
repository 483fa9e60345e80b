//! Read-through caches: loading, storing and returning values.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis_collections::{
    CacheClient, CachePolicy, Codec, Error, HashCacheClient, Loaded, LoadedMany, RedisDict,
    RedisHashDict, Ttl,
};
use support::contract::{contract, ok, settle};
use support::eventually;
use support::kinds::{Kind, SourceDown, plain};
use support::servers::PATIENCE;

contract! {
    a_value_is_loaded_once_and_found_by_others,
    a_value_that_its_loader_calls_absent_is_none,
    absence_is_remembered_if_asked_for,
    a_loader_may_say_how_long_a_value_is_kept,
    arguments_reach_the_loader,
    several_values_are_loaded_where_they_are_missing,
    a_bulk_loader_receives_only_the_missing_ids,
    a_bulk_loader_that_miscounts_is_an_error,
    set_loads_anew,
    a_value_can_be_set,
    deleted_values_are_loaded_anew,
    peek_never_loads,
    an_error_of_the_loader_is_typed_and_not_kept,
    errors_are_remembered_if_asked_for,
    a_panic_of_the_loader_is_an_error,
    bytes_that_are_no_value_are_replaced,
    clear_removes_all_values_and_nothing_else,
    refresh_loads_in_the_background,
    an_old_value_is_served_while_it_is_loaded_anew,
    an_old_value_is_served_if_its_loader_fails,
    a_value_is_refreshed_ahead,
    a_value_is_refreshed_early_by_chance,
    jitter_shortens_the_time_to_live,
    ids_of_any_bytes_have_values_of_their_own,
    times_that_cannot_be_kept_are_refused,
    a_field_is_loaded_once,
    a_hash_is_deleted_with_its_fields,
    fields_are_loaded_in_bulk,
    fields_expire_where_the_server_can,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The source of values: an id becomes its square, plus the number of earlier loads of it.
#[derive(Clone, Default)]
struct Source {
    loads: Arc<AtomicU64>,
    is_down: Arc<AtomicBool>,
}

impl Source {
    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    fn load(&self, id: u64) -> Result<u64, SourceDown> {
        let before = self.loads.fetch_add(1, Ordering::SeqCst);
        match self.is_down.load(Ordering::SeqCst) {
            true => Err(SourceDown),
            false => Ok(id * id + before),
        }
    }

    fn cache<C: Kind>(&self, client: &C, name: &str, policy: CachePolicy) -> Squares<C> {
        let source = self.clone();
        let name = plain(name);
        CacheClient::with_prefix(client, format!("{name}:"), policy, move |id: u64, ()| {
            C::loading(source.load(id).map(Loaded::new))
        })
        .unwrap()
    }
}

type Squares<C> = CacheClient<u64, u64, C>;

fn minute() -> CachePolicy {
    CachePolicy::time_to_live(MINUTE)
}

/// The strings that the cache `name` keeps.
fn stored<V: Codec, C: Kind>(client: &C, name: &str) -> RedisDict<u64, V, C> {
    RedisDict::new(client, plain(name))
}

macro_rules! value {
    ($call:expr) => {
        ok!($call).as_deref().copied()
    };
}

async fn a_value_is_loaded_once_and_found_by_others<C: Kind>(client: C, name: &str) {
    let source = Source::default();
    let (one, other) =
        (source.cache(&client, name, minute()), source.cache(&client, name, minute()));
    assert_eq!(value!(one.get(&3)), Some(9));
    assert_eq!(value!(one.get(&3)), Some(9));
    assert_eq!(value!(other.get(&3)), Some(9));
    assert_eq!(source.loads(), 1);
    let (one, other) = (one.stats(), other.stats());
    assert_eq!((one.hits, one.misses, one.loads), (1, 1, 1));
    assert_eq!((other.hits, other.misses, other.loads), (1, 0, 0));
    assert_eq!(ok!(stored::<u64, C>(&client, name).get(&3)), Some(9));
    let Ttl::Left(left) = ok!(source.cache(&client, name, minute()).ttl(&3)) else {
        panic!("it expires");
    };
    assert!(left <= MINUTE && left > MINUTE / 2, "{left:?}");
}

async fn a_value_that_its_loader_calls_absent_is_none<C: Kind>(client: C, name: &str) {
    let loads = Arc::new(AtomicU64::new(0));
    let counted = loads.clone();
    let name = plain(name);
    let cache: Squares<C> =
        CacheClient::with_prefix(&client, format!("{name}:"), minute(), move |_: u64, ()| {
            counted.fetch_add(1, Ordering::SeqCst);
            C::loading(Ok(Loaded::absent()))
        })
        .unwrap();
    assert_eq!(value!(cache.get(&3)), None);
    assert_eq!(value!(cache.get(&3)), None);
    assert_eq!(loads.load(Ordering::SeqCst), 2);
    ok!(stored::<u64, C>(&client, &name).insert(&4, &4));
    assert_eq!(value!(cache.set(&4)), None);
    assert!(!ok!(stored::<u64, C>(&client, &name).contains_key(&4)));
}

async fn absence_is_remembered_if_asked_for<C: Kind>(client: C, name: &str) {
    let loads = Arc::new(AtomicU64::new(0));
    let counted = loads.clone();
    let name = plain(name);
    let policy = minute().remember_absence(Duration::from_secs(1));
    let cache: Squares<C> =
        CacheClient::with_prefix(&client, format!("{name}:"), policy, move |_: u64, ()| {
            counted.fetch_add(1, Ordering::SeqCst);
            C::loading(Ok(Loaded::absent()))
        })
        .unwrap();
    assert_eq!(value!(cache.get(&3)), None);
    assert_eq!(value!(cache.get(&3)), None);
    assert_eq!(ok!(cache.get_many(&[3, 3])), [None, None]);
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    // Until it ends, or a value is set.
    let deadline = Instant::now() + PATIENCE;
    while loads.load(Ordering::SeqCst) == 1 {
        assert!(Instant::now() < deadline, "it never ends");
        ok!(cache.get(&3));
    }
    ok!(cache.set_value(&3, &10));
    assert_eq!(value!(cache.get(&3)), Some(10));
}

async fn a_loader_may_say_how_long_a_value_is_kept<C: Kind>(client: C, name: &str) {
    let name = plain(name);
    let cache: Squares<C> =
        CacheClient::with_prefix(&client, format!("{name}:"), minute(), move |id: u64, ()| {
            C::loading(Ok(match id {
                0 => Loaded::absent().with_ttl(HOUR),
                id => Loaded::new(id).with_ttl(HOUR),
            }))
        })
        .unwrap();
    ok!(cache.get_many(&[0, 1]));
    let Ttl::Left(left) = ok!(cache.ttl(&1)) else { panic!("it expires") };
    assert!(left > MINUTE, "{left:?}");
    assert_eq!(ok!(cache.ttl(&0)), Ttl::Missing);
    let again = cache.stats().loads;
    assert_eq!(value!(cache.get(&0)), None);
    assert_eq!(cache.stats().loads, again);
}

async fn arguments_reach_the_loader<C: Kind>(client: C, name: &str) {
    let name = plain(name);
    let cache: CacheClient<u64, String, C, (&'static str, u8)> = CacheClient::with_prefix(
        &client,
        format!("{name}:"),
        minute(),
        |id: u64, (word, times): (&'static str, u8)| {
            C::loading(Ok(Loaded::new(format!("{id}{}", str::repeat(word, times.into())))))
        },
    )
    .unwrap();
    assert_eq!(ok!(cache.get_with(&3, ("x", 2))).as_deref().map(String::as_str), Some("3xx"));
    assert_eq!(ok!(cache.get_with(&3, ("y", 2))).as_deref().map(String::as_str), Some("3xx"));
    assert_eq!(ok!(cache.set_with(&3, ("y", 1))).as_deref().map(String::as_str), Some("3y"));
    let all = ok!(cache.get_many_with(&[3, 4], ("z", 1)));
    assert_eq!(all, [Some(Arc::new("3y".to_owned())), Some(Arc::new("4z".to_owned()))]);
}

async fn several_values_are_loaded_where_they_are_missing<C: Kind>(client: C, name: &str) {
    let source = Source::default();
    let cache = source.cache(&client, name, minute());
    ok!(stored::<u64, C>(&client, name).insert_many([(&1, &100), (&3, &300)]));
    let all = ok!(cache.get_many([1, 2, 3, 2]));
    let all: Vec<_> = all.into_iter().map(|value| *value.unwrap()).collect();
    assert_eq!(all, [100, 4, 300, 4]);
    assert_eq!(source.loads(), 1);
    assert_eq!(ok!(cache.get_many(&[0; 0])), []);
}

async fn a_bulk_loader_receives_only_the_missing_ids<C: Kind>(client: C, name: &str) {
    let name = plain(name);
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = asked.clone();
    let cache: Squares<C> =
        CacheClient::with_prefix(&client, format!("{name}:"), minute(), |id: u64, ()| {
            C::loading(Ok(Loaded::new(id)))
        })
        .unwrap()
        .with_bulk_loader(move |ids: Vec<u64>, ()| {
            seen.lock().unwrap().push(ids.clone());
            let found = |id: u64| if id == 5 { None } else { Some(id * 10) };
            let found: Vec<_> = ids.into_iter().map(found).collect();
            C::loading(Ok(LoadedMany::from(found)))
        });
    ok!(cache.set_value(&2, &7));
    let all = ok!(cache.get_many(&[1, 2, 3, 5]));
    let all: Vec<_> = all.into_iter().map(|value| value.as_deref().copied()).collect();
    assert_eq!(all, [Some(10), Some(7), Some(30), None]);
    assert_eq!(*asked.lock().unwrap(), [vec![1, 3, 5]]);
    assert_eq!(value!(cache.get(&3)), Some(30));
}

async fn a_bulk_loader_that_miscounts_is_an_error<C: Kind>(client: C, name: &str) {
    let name = plain(name);
    let cache: Squares<C> =
        CacheClient::with_prefix(&client, format!("{name}:"), minute(), |id: u64, ()| {
            C::loading(Ok(Loaded::new(id)))
        })
        .unwrap()
        .with_bulk_loader(|_: Vec<u64>, ()| C::loading(Ok(LoadedMany::from(vec![1]))));
    let error = settle!(cache.get_many(&[1, 2])).unwrap_err();
    assert!(error.to_string().ends_with("it gave 1 values for 2 ids"), "{error}");
    assert!(!ok!(stored::<u64, C>(&client, &name).contains_key(&1)));
}

async fn set_loads_anew<C: Kind>(client: C, name: &str) {
    let source = Source::default();
    let cache = source.cache(&client, name, minute());
    assert_eq!(value!(cache.get(&3)), Some(9));
    assert_eq!(value!(cache.set(&3)), Some(10));
    assert_eq!(value!(cache.get(&3)), Some(10));
}

async fn a_value_can_be_set<C: Kind>(client: C, name: &str) {
    let source = Source::default();
    let cache = source.cache(&client, name, minute());
    ok!(cache.set_value(&3, &1));
    assert_eq!(value!(cache.get(&3)), Some(1));
    ok!(cache.set_value_with_ttl(&3, &2, HOUR));
    let Ttl::Left(left) = ok!(cache.ttl(&3)) else { panic!("it expires") };
    assert!(left > MINUTE, "{left:?}");
    let lasting = source.cache(&client, name, CachePolicy::without_expiry());
    ok!(lasting.set_value(&3, &3));
    assert_eq!(ok!(lasting.ttl(&3)), Ttl::Never);
    assert_eq!(source.loads(), 0);
}

async fn deleted_values_are_loaded_anew<C: Kind>(client: C, name: &str) {
    let source = Source::default();
    let cache = source.cache(&client, name, minute());
    ok!(cache.get_many(&[1, 2, 3]));
    assert!(ok!(cache.delete(&1)));
    assert!(!ok!(cache.delete(&1)));
    assert_eq!(ok!(cache.delete_many(1..=4)), 2);
    assert_eq!(ok!(cache.delete_many(&[0; 0])), 0);
    assert_eq!(value!(cache.get(&1)), Some(4));
}

async fn peek_never_loads<C: Kind>(client: C, name: &str) {
    let source = Source::default();
    let cache = source.cache(&client, name, minute());
    assert_eq!(value!(cache.peek(&3)), None);
    ok!(cache.set_value(&3, &1));
    assert_eq!(value!(cache.peek(&3)), Some(1));
    ok!(stored::<String, C>(&client, name).insert(&3, "no number"));
    assert_eq!(value!(cache.peek(&3)), None);
    assert_eq!(source.loads(), 0);
}

async fn an_error_of_the_loader_is_typed_and_not_kept<C: Kind>(client: C, name: &str) {
    let source = Source::default();
    let cache = source.cache(&client, name, minute());
    source.is_down.store(true, Ordering::SeqCst);
    for result in [settle!(cache.get(&3)), settle!(cache.set(&3))] {
        let error = result.unwrap_err();
        assert_eq!(error.load_error::<SourceDown>(), Some(&SourceDown));
        assert!(!error.may_have_been_applied());
        let expected =
            format!(r#"load "{}:3": the loader failed: the source is down"#, plain(name));
        assert_eq!(error.to_string(), expected);
    }
    source.is_down.store(false, Ordering::SeqCst);
    assert_eq!(value!(cache.get(&3)), Some(11));
    assert_eq!((cache.stats().loads, cache.stats().load_errors), (3, 2));
}

async fn errors_are_remembered_if_asked_for<C: Kind>(client: C, name: &str) {
    let source = Source::default();
    let cache = source.cache(&client, name, minute().remember_errors(HOUR));
    source.is_down.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let error = settle!(cache.get(&3)).unwrap_err();
        assert_eq!(error.load_error::<SourceDown>(), Some(&SourceDown));
    }
    assert_eq!(source.loads(), 1);
    // A value that is set ends it.
    ok!(cache.set_value(&3, &1));
    ok!(cache.delete(&3));
    source.is_down.store(false, Ordering::SeqCst);
    assert_eq!(value!(cache.get(&3)), Some(10));
}

async fn a_panic_of_the_loader_is_an_error<C: Kind>(client: C, name: &str) {
    let name = plain(name);
    let panics = Arc::new(AtomicBool::new(true));
    let may_panic = panics.clone();
    let cache: Squares<C> =
        CacheClient::with_prefix(&client, format!("{name}:"), minute(), move |id: u64, ()| {
            assert!(!may_panic.load(Ordering::SeqCst), "a panic that the test wants");
            C::loading(Ok(Loaded::new(id)))
        })
        .unwrap();
    let error = settle!(cache.get(&3)).unwrap_err();
    assert!(matches!(&error, Error::Load { source, .. } if source.is_panic()), "{error}");
    panics.store(false, Ordering::SeqCst);
    // Its lease was given back.
    assert_eq!(value!(cache.get(&3)), Some(3));
    assert_eq!(cache.stats().waited, 0);
}

async fn bytes_that_are_no_value_are_replaced<C: Kind>(client: C, name: &str) {
    let source = Source::default();
    let cache = source.cache(&client, name, minute());
    ok!(stored::<String, C>(&client, name).insert(&3, "no number"));
    assert_eq!(value!(cache.get(&3)), Some(9));
    assert_eq!(value!(cache.get(&3)), Some(9));
    assert_eq!((cache.stats().undecodable, source.loads()), (1, 1));
}

async fn clear_removes_all_values_and_nothing_else<C: Kind>(client: C, name: &str) {
    let source = Source::default();
    let cache = source.cache(&client, name, minute());
    let other = source.cache(&client, &format!("{name}*"), minute());
    ok!(cache.get_many(&[1, 2, 3]));
    ok!(other.get_many(&[1, 2]));
    assert_eq!(ok!(other.clear()), 2);
    assert_eq!(ok!(cache.clear()), 3);
    assert_eq!(ok!(cache.clear()), 0);
    assert_eq!(value!(cache.peek(&1)), None);
}

async fn refresh_loads_in_the_background<C: Kind>(client: C, name: &str) {
    let source = Source::default();
    let cache = source.cache(&client, name, minute());
    ok!(cache.get(&3));
    ok!(cache.refresh(&3));
    assert!(eventually(|| source.loads() == 2));
    let stored = stored::<u64, C>(&client, name);
    for round in 0.. {
        if ok!(stored.get(&3)) == Some(10) {
            break;
        }
        assert!(round < 10_000);
    }
    assert_eq!(cache.stats().refreshes, 1);
}

async fn an_old_value_is_served_while_it_is_loaded_anew<C: Kind>(client: C, name: &str) {
    let source = Source::default();
    let policy = minute().stale_while_revalidate(MINUTE);
    let cache = source.cache(&client, name, policy);
    assert_eq!(value!(cache.get(&3)), Some(9));
    let Ttl::Left(left) = ok!(cache.ttl(&3)) else { panic!("it expires") };
    assert!(left <= MINUTE, "{left:?}");
    // Half of its second minute is over.
    let stored = stored::<u64, C>(&client, name);
    assert!(ok!(stored.expire(&3, MINUTE / 2)));
    assert_eq!(ok!(cache.ttl(&3)), Ttl::Left(Duration::ZERO));
    assert_eq!(value!(cache.get(&3)), Some(9));
    assert!(eventually(|| source.loads() == 2));
    for round in 0.. {
        if value!(cache.get(&3)) == Some(10) {
            break;
        }
        assert!(round < 10_000);
    }
    assert_eq!(cache.stats().misses, 1);
    assert!(cache.stats().stale > 0);
}

async fn an_old_value_is_served_if_its_loader_fails<C: Kind>(client: C, name: &str) {
    let source = Source::default();
    let cache = source.cache(&client, name, minute().stale_if_error(MINUTE));
    assert_eq!(value!(cache.get(&3)), Some(9));
    let stored = stored::<u64, C>(&client, name);
    assert!(ok!(stored.expire(&3, MINUTE / 2)));
    source.is_down.store(true, Ordering::SeqCst);
    assert_eq!(value!(cache.get(&3)), Some(9));
    assert_eq!((cache.stats().stale, source.loads()), (1, 2));
    source.is_down.store(false, Ordering::SeqCst);
    assert_eq!(value!(cache.get(&3)), Some(11));
}

async fn a_value_is_refreshed_ahead<C: Kind>(client: C, name: &str) {
    let source = Source::default();
    let cache = source.cache(&client, name, minute().refresh_ahead(MINUTE / 2));
    assert_eq!(value!(cache.get(&3)), Some(9));
    assert_eq!(value!(cache.get(&3)), Some(9));
    assert_eq!(source.loads(), 1);
    assert!(ok!(stored::<u64, C>(&client, name).expire(&3, MINUTE / 3)));
    assert_eq!(value!(cache.get(&3)), Some(9));
    assert!(eventually(|| source.loads() == 2));
}

async fn a_value_is_refreshed_early_by_chance<C: Kind>(client: C, name: &str) {
    let name = plain(name);
    let load = |id: u64, ()| {
        // The chance of a refresh grows with the time that a load takes.
        std::thread::sleep(Duration::from_millis(5));
        C::loading(Ok(Loaded::new(id)))
    };
    // The chance is so small, or so great, that it can be relied on.
    for (beta, is_refreshed) in [(1e-9, false), (1e12, true)] {
        let cache: Squares<C> = CacheClient::with_prefix(
            &client,
            format!("{name}:"),
            minute().early_refresh(beta),
            load,
        )
        .unwrap();
        ok!(cache.delete(&3));
        ok!(cache.get(&3));
        ok!(cache.get(&3));
        assert_eq!(cache.stats().refreshes, u64::from(is_refreshed));
    }
}

async fn jitter_shortens_the_time_to_live<C: Kind>(client: C, name: &str) {
    let source = Source::default();
    let cache = source.cache(&client, name, minute().jitter(0.5));
    let ids: Vec<u64> = (0..50).collect();
    ok!(cache.get_many(&ids));
    let mut times = Vec::new();
    for id in &ids {
        let Ttl::Left(left) = ok!(cache.ttl(id)) else { panic!("it expires") };
        times.push(left);
    }
    times.sort();
    assert!(times[0] > MINUTE / 2 - Duration::from_secs(15) && times[49] <= MINUTE, "{times:?}");
    assert!(times[49] - times[0] > Duration::from_secs(5), "{times:?}");
}

async fn ids_of_any_bytes_have_values_of_their_own<C: Kind>(client: C, name: &str) {
    let name = plain(name);
    let cache: CacheClient<Vec<u8>, Vec<u8>, C> =
        CacheClient::with_prefix(&client, format!("{name}:"), minute(), |id: Vec<u8>, ()| {
            C::loading(Ok(Loaded::new(id)))
        })
        .unwrap();
    let ids: [&[u8]; 9] =
        [b"", b":", b"a:b", b"{a}b", b"}{", b"{}", b"a\0b", b"*?[x]", b"\xff\r\n"];
    for id in ids {
        assert_eq!(ok!(cache.get(id)).as_deref().map(Vec::as_slice), Some(id));
        assert_eq!(ok!(cache.peek(id)).as_deref().map(Vec::as_slice), Some(id));
    }
    assert_eq!(ok!(cache.clear()), ids.len());
}

async fn times_that_cannot_be_kept_are_refused<C: Kind>(client: C, name: &str) {
    let name = plain(name);
    let cache: CacheClient<u64, u64, C, Duration> =
        CacheClient::with_prefix(&client, format!("{name}:"), minute(), |id: u64, time| {
            C::loading(Ok(Loaded::new(id).with_ttl(time)))
        })
        .unwrap();
    for time in [Duration::ZERO, Duration::MAX] {
        let loaded = settle!(cache.get_with(&3, time)).unwrap_err();
        assert!(matches!(loaded, Error::InvalidArgument { .. }), "{loaded}");
        let set = settle!(cache.set_value_with_ttl(&3, &3, time)).unwrap_err();
        assert!(matches!(set, Error::InvalidArgument { .. }), "{set}");
        assert!(!ok!(stored::<u64, C>(&client, &name).contains_key(&3)));
    }
    assert_eq!(ok!(cache.get_with(&3, HOUR)).as_deref(), Some(&3));
    assert_eq!(cache.stats().waited, 0);
    let refused = |policy| {
        let load = |id: u64, ()| C::loading(Ok(Loaded::new(id)));
        Squares::<C>::new(&client, &name, policy, load).unwrap_err()
    };
    for policy in [Duration::ZERO, Duration::MAX].map(CachePolicy::time_to_live) {
        assert!(matches!(refused(policy), Error::Configuration(_)));
    }
}

/// Fields whose source counts its loads.
fn fields<C: Kind>(
    client: &C,
    name: &str,
    policy: CachePolicy,
) -> (HashCacheClient<u64, String, u64, C>, Arc<AtomicU64>) {
    let loads = Arc::new(AtomicU64::new(0));
    let counted = loads.clone();
    let load = move |hash: u64, id: String, ()| {
        counted.fetch_add(1, Ordering::SeqCst);
        C::loading(Ok(Loaded::new(hash * 100 + id.len() as u64)))
    };
    (
        HashCacheClient::with_prefix(client, format!("{}:", plain(name)), policy, load).unwrap(),
        loads,
    )
}

async fn a_field_is_loaded_once<C: Kind>(client: C, name: &str) {
    let (cache, loads) = fields(&client, name, CachePolicy::without_expiry());
    assert_eq!(value!(cache.get(&3, "ann")), Some(303));
    assert_eq!(value!(cache.get(&3, "ann")), Some(303));
    assert_eq!(value!(cache.get(&4, "ann")), Some(403));
    assert_eq!(value!(cache.peek(&4, "bob")), None);
    assert_eq!(loads.load(Ordering::SeqCst), 2);
    let hash: RedisHashDict<String, u64, C> =
        RedisHashDict::new(&client, format!("{}:3", plain(name)));
    assert_eq!(ok!(hash.get("ann")), Some(303));
    ok!(cache.set_value(&3, "bob", &1));
    assert_eq!(value!(cache.get(&3, "bob")), Some(1));
    assert_eq!(value!(cache.set(&3, "bob")), Some(303));
    assert!(ok!(cache.delete(&3, "bob")));
    assert_eq!(ok!(cache.delete_many(&3, ["ann", "bob"])), 1);
    assert_eq!(ok!(cache.clear()), 1);
}

async fn a_hash_is_deleted_with_its_fields<C: Kind>(client: C, name: &str) {
    let (cache, loads) = fields(&client, name, CachePolicy::without_expiry());
    ok!(cache.get_many(&3, ["ann", "bobby"]));
    ok!(cache.get(&4, "ann"));
    assert!(ok!(cache.delete_hash(&3)));
    assert!(!ok!(cache.delete_hash(&3)));
    assert_eq!(value!(cache.peek(&3, "ann")), None);
    assert_eq!(value!(cache.peek(&4, "ann")), Some(403));
    assert_eq!(loads.load(Ordering::SeqCst), 3);
}

async fn fields_are_loaded_in_bulk<C: Kind>(client: C, name: &str) {
    let (cache, loads) = fields(&client, name, CachePolicy::without_expiry());
    let cache = cache.with_bulk_loader(|ids: Vec<(u64, String)>, ()| {
        let found: Vec<_> = ids.iter().map(|(hash, id)| hash + id.len() as u64).collect();
        C::loading(Ok(LoadedMany::from(found)))
    });
    ok!(cache.set_value(&3, "a", &1));
    let all = ok!(cache.get_many(&3, ["a", "bob", "c"]));
    assert_eq!(all.into_iter().map(|value| *value.unwrap()).collect::<Vec<_>>(), [1, 6, 4]);
    assert_eq!(loads.load(Ordering::SeqCst), 0);
}

async fn fields_expire_where_the_server_can<C: Kind>(client: C, name: &str) {
    let (cache, loads) = fields(&client, name, minute());
    match settle!(cache.get(&3, "ann")) {
        Ok(value) => {
            assert_eq!(value.as_deref(), Some(&303));
            let Ttl::Left(left) = ok!(cache.ttl(&3, "ann")) else { panic!("it expires") };
            assert!(left <= MINUTE && left > MINUTE / 2, "{left:?}");
            ok!(cache.set_value_with_ttl(&3, "bob", &1, HOUR));
            let Ttl::Left(left) = ok!(cache.ttl(&3, "bob")) else { panic!("it expires") };
            assert!(left > MINUTE, "{left:?}");
        }
        Err(error) => {
            assert!(matches!(error, Error::Unsupported { .. }), "{error}");
            let set = settle!(cache.set_value(&3, "ann", &1)).unwrap_err();
            assert!(matches!(set, Error::Unsupported { .. }), "{set}");
            assert_eq!(loads.load(Ordering::SeqCst), 0);
            assert_eq!(ok!(cache.clear()), 0);
        }
    }
}
