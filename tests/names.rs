//! Collections of names that look like parts of each other keep out of each other's way.

use std::time::Duration;

use redis_collections::{
    Applied, CacheClient, CachePolicy, ChangeFormat, Error, Event, HashCacheClient, Loaded,
    NearCacheSettings, RedisDict, RedisHashDict, RedisList, RedisSet, Result, WorkQueue,
};
use support::contract::{contract, ok, ok_within, settle, sorted};
use support::kinds::{Kind, enable_all_notifications};

contract! {
    a_queue_named_like_a_part_of_another_is_one_of_its_own,
    a_unique_job_of_any_key_is_only_that,
    a_dict_of_a_queues_name_leaves_the_queue_alone,
    a_dict_leaves_keys_beside_nested_collections_alone,
    caches_and_dicts_of_one_name_share_nothing,
    a_cache_with_a_prefix_has_the_keys_of_a_dict,
    a_load_publishes_nothing_about_its_lease,
    every_collection_of_an_awkward_name_works,
    names_of_keys_beside_collections_are_refused,
    a_collection_with_keys_beside_it_has_no_empty_name,
}

const MINUTE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);

type Queue<C> = WorkQueue<String, C>;
type Dict<C> = RedisDict<String, String, C>;

/// Names of parts of a queue.
const PARTS: [&str; 12] = [
    "dead",
    "delayed",
    "paused",
    "consumers",
    "counts",
    "entered",
    "gone",
    "held",
    "u",
    "p",
    "unique",
    "claimed",
];

/// The jobs that a queue gives, which are done.
async fn jobs<C: Kind>(queue: &Queue<C>) -> Vec<String> {
    let mut consumer = queue.consumer();
    let mut jobs = Vec::new();
    while let Some(job) = ok_within!(consumer.next(SHORT)) {
        jobs.push(job.to_string());
        job.done();
    }
    ok!(consumer.close());
    jobs
}

async fn a_queue_named_like_a_part_of_another_is_one_of_its_own<C: Kind>(client: C, name: &str) {
    let mail: Queue<C> = WorkQueue::new(&client, format!("{{{name}}}"));
    ok!(mail.push("bad"));
    let mut consumer = mail.consumer();
    ok_within!(consumer.next(MINUTE)).unwrap().bury("it is bad");
    ok!(consumer.close());
    for part in PARTS {
        let other: Queue<C> = WorkQueue::new(&client, format!("{{{name}}}:{part}"));
        ok!(other.push(part));
        ok!(other.push_in("soon", Duration::from_millis(1)));
        ok!(mail.push_in("later", MINUTE));
        ok!(mail.push("now"));
        assert_eq!(jobs(&mail).await, ["now"], "{part}");
        assert_eq!(jobs(&other).await.len(), 2, "{part}");
    }
    let stats = ok!(mail.stats());
    assert_eq!((stats.dead, stats.delayed), (1, PARTS.len()));
}

async fn a_unique_job_of_any_key_is_only_that<C: Kind>(client: C, name: &str) {
    let jobs_u: Queue<C> = WorkQueue::new(&client, format!("{{{name}}}:u"));
    let queue: Queue<C> = WorkQueue::new(&client, format!("{{{name}}}"));
    for key in PARTS.into_iter().chain(["~rc:paused", ":u:paused", ""]) {
        assert!(ok!(queue.push_unique(key, "x", MINUTE)).is_some(), "{key}");
        assert!(ok!(queue.push_unique(key, "x", MINUTE)).is_none(), "{key}");
        assert!(!ok!(jobs_u.is_paused()) && !ok!(queue.is_paused()), "{key}");
    }
    assert_eq!((ok!(queue.stats()).delayed, ok!(jobs_u.len())), (0, 0));
    assert_eq!(ok!(queue.len()), PARTS.len() + 3);
}

async fn a_dict_of_a_queues_name_leaves_the_queue_alone<C: Kind>(client: C, name: &str) {
    let name = format!("{{{name}}}");
    let queue: Queue<C> = WorkQueue::new(&client, name.clone());
    let dict: Dict<C> = RedisDict::new(&client, name.clone());
    for part in PARTS {
        ok!(dict.insert(part, "no"));
    }
    assert!(!ok!(queue.is_paused()));
    ok!(queue.pause());
    assert!(ok!(queue.push_unique("7", "x", MINUTE)).is_some());
    assert_eq!(ok!(dict.len()), PARTS.len());
    ok!(dict.replace_all([("paused", "no")]));
    assert_eq!(sorted!(dict.keys()), ["paused"]);
    assert_eq!(ok!(dict.clear()), 1);
    assert!(ok!(queue.is_paused()));
    assert!(ok!(queue.push_unique("7", "x", MINUTE)).is_none());
    // Any program may push to the list.
    let list: RedisList<String, C> = RedisList::new(&client, name);
    ok!(list.push_back("y"));
    ok!(queue.resume());
    assert_eq!(jobs(&queue).await, ["x", "y"]);
}

/// The queue `a:b` and the cache `a:b` lie within the keys of a dictionary `a` and of one with
/// the prefix `a`.
async fn a_dict_leaves_keys_beside_nested_collections_alone<C: Kind>(client: C, name: &str) {
    let queue: Queue<C> = WorkQueue::new(&client, format!("{{{name}}}:b"));
    let load = |id: String, ()| C::loading(Ok(Loaded::new(id)));
    let policy = CachePolicy::time_to_live(MINUTE);
    let cache: CacheClient<String, String, C> =
        CacheClient::new(&client, format!("{{{name}}}:b"), policy, load).unwrap();
    let dict: Dict<C> = RedisDict::new(&client, format!("{{{name}}}"));
    let literal: Dict<C> = RedisDict::with_prefix(&client, format!("{{{name}}}"));
    ok!(queue.pause());
    ok!(cache.get("1"));
    for dict in [&dict, &literal] {
        ok!(dict.insert("k", "v"));
        let cached = ok!(dict.cached(NearCacheSettings::tracking()));
        for part in ["b~rc:paused", ":b~rc:paused", "b~rc:cache:1", ":b~rc:cache:1"] {
            for refused in [
                settle!(dict.get(part)).map(drop),
                settle!(dict.insert(part, "x")),
                settle!(dict.remove(part)).map(drop),
                settle!(cached.get(part)).map(drop),
                settle!(dict.get_many([part])).map(drop),
            ] {
                assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{part}");
            }
        }
        assert_eq!(ok!(cached.preload()), ok!(dict.len()));
        ok!(dict.replace_all([("k", "w")]));
        assert_eq!(ok!(dict.clear()), 1, "{dict:?}");
    }
    assert!(ok!(queue.is_paused()));
    assert_eq!(ok!(cache.peek("1")).as_deref().map(String::as_str), Some("1"));
}

async fn caches_and_dicts_of_one_name_share_nothing<C: Kind>(client: C, name: &str) {
    let load = |id: String, ()| C::loading(Ok(Loaded::new(id)));
    let field = |hash: String, id: String, ()| C::loading(Ok(Loaded::new(hash + &id)));
    let policy = CachePolicy::without_expiry;
    let cache: CacheClient<String, String, C> =
        CacheClient::new(&client, name, policy(), load).unwrap();
    let nested: CacheClient<String, String, C> =
        CacheClient::new(&client, format!("{name}:a"), policy(), load).unwrap();
    let fields: HashCacheClient<String, String, String, C> =
        HashCacheClient::new(&client, name, policy(), field).unwrap();
    let dict: Dict<C> = RedisDict::new(&client, name);
    ok!(dict.insert("a", "mine"));
    for id in ["a", "a:b", ":a"] {
        assert_eq!(ok!(cache.get(id)).as_deref().map(String::as_str), Some(id));
    }
    ok!(nested.get("b"));
    ok!(fields.get("a", "b"));
    assert_eq!(sorted!(dict.iter()), [("a".to_owned(), "mine".to_owned())]);
    assert_eq!((ok!(cache.clear()), ok!(fields.clear()), ok!(nested.clear())), (3, 1, 1));
    assert_eq!(ok!(dict.get("a")).as_deref(), Some("mine"));
    ok!(cache.get("a"));
    assert_eq!((ok!(dict.clear()), ok!(cache.clear())), (1, 1));
}

async fn a_cache_with_a_prefix_has_the_keys_of_a_dict<C: Kind>(client: C, name: &str) {
    let load = |id: u64, ()| C::loading(Ok(Loaded::new(id + 1)));
    let policy = CachePolicy::time_to_live(MINUTE);
    let cache: CacheClient<u64, u64, C> =
        CacheClient::with_prefix(&client, format!("{name}:"), policy, load).unwrap();
    let dict: RedisDict<u64, u64, C> = RedisDict::new(&client, name);
    ok!(cache.get(&1));
    assert_eq!(ok!(dict.get(&1)), Some(2));
    assert!(ok!(dict.remove(&1)));
    assert_eq!(ok!(cache.peek(&1)), None);
    let field = |hash: u64, id: u64, ()| C::loading(Ok(Loaded::new(hash + id)));
    let policy = CachePolicy::without_expiry();
    let fields: HashCacheClient<u64, u64, u64, C> =
        HashCacheClient::with_prefix(&client, format!("{name}/"), policy, field).unwrap();
    ok!(fields.get(&3, &4));
    let hash: RedisHashDict<u64, u64, C> = RedisHashDict::new(&client, format!("{name}/3"));
    assert_eq!((ok!(hash.get(&4)), ok!(fields.clear())), (Some(7), 1));
}

async fn every_collection_of_an_awkward_name_works<C: Kind>(client: C, name: &str) {
    let ends = [
        "", ":", ":a:b", " ", "/x.y-z", "~", "~r", "~rc", "rc:", "{", "}{", "*?[a]\\", "\n\0",
        "ü%s",
    ];
    for end in ends {
        let name = format!("{{{name}}}{end}");
        let queue: Queue<C> = WorkQueue::new(&client, format!("{name}1"));
        ok!(queue.push("x"));
        assert_eq!(jobs(&queue).await, ["x"], "{end}");
        let dict: Dict<C> = RedisDict::new(&client, format!("{name}2"));
        ok!(dict.insert_many([(":", "1"), ("", "2"), ("~", "3")]));
        assert_eq!((ok!(dict.len()), ok!(dict.clear())), (3, 3), "{end}");
        let hash: RedisHashDict<String, String, C> =
            RedisHashDict::new(&client, format!("{name}3"));
        ok!(hash.insert("~rc:", "a field may be anything"));
        assert_eq!(sorted!(hash.keys()), ["~rc:"], "{end}");
        let set: RedisSet<String, C> = RedisSet::new(&client, format!("{name}4"));
        assert!(ok!(set.insert("~rc:")), "{end}");
        let load = |id: String, ()| C::loading(Ok(Loaded::new(id)));
        let policy = CachePolicy::time_to_live(MINUTE);
        let cache: CacheClient<String, String, C> =
            CacheClient::new(&client, format!("{name}5"), policy, load).unwrap();
        ok!(cache.get(":"));
        assert_eq!(ok!(cache.clear()), 1, "{end}");
    }
}

async fn a_collection_with_keys_beside_it_has_no_empty_name<C: Kind>(client: C, _: &str) {
    assert_eq!(ok!(RedisList::<String, C>::new(&client, "").len()), 0);
    assert_eq!(ok!(RedisSet::<String, C>::new(&client, "").len()), 0);
    assert_eq!(ok!(RedisHashDict::<String, String, C>::new(&client, "").len()), 0);
    let queue: Queue<C> = WorkQueue::new(&client, "");
    let dict: Dict<C> = RedisDict::new(&client, "");
    for refusal in [
        settle!(queue.push("x")).map(drop),
        settle!(queue.len()).map(drop),
        settle!(queue.stats()).map(drop),
        C::settle_within(queue.consumer().next(SHORT)).await.map(drop),
        settle!(dict.insert("x", "y")),
    ] {
        let error = refusal.unwrap_err();
        assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
        assert!(error.to_string().contains(" is empty"), "{error}");
    }
}

async fn names_of_keys_beside_collections_are_refused<C: Kind>(client: C, name: &str) {
    let beside = format!("{{{name}}}~rc:x");
    let queue: Queue<C> = WorkQueue::new(&client, beside.clone());
    let list: RedisList<String, C> = RedisList::new(&client, beside.clone());
    let fine: RedisList<String, C> = RedisList::new(&client, format!("{{{name}}}"));
    let set: RedisSet<String, C> = RedisSet::new(&client, beside.clone());
    let other: RedisSet<String, C> = RedisSet::new(&client, format!("{{{name}}}2"));
    let hash: RedisHashDict<String, String, C> = RedisHashDict::new(&client, beside.clone());
    let dict: Dict<C> = RedisDict::new(&client, beside.clone());
    let literal: Dict<C> = RedisDict::with_prefix(&client, beside.clone());
    let refusals: Vec<Result<()>> = vec![
        settle!(queue.push("x")).map(drop),
        C::settle_within(queue.consumer().next(SHORT)).await.map(drop),
        settle!(queue.dead().requeue(1)).map(drop),
        settle!(queue.stats()).map(drop),
        settle!(list.push_back("x")).map(drop),
        settle!(list.wait_pop_front(SHORT)).map(drop),
        settle!(fine.pop_front_to(&list)).map(drop),
        settle!(fine.wait_pop_any(&[&list], SHORT)).map(drop),
        C::collect(list.iter()).await.remove(0).map(drop),
        settle!(set.insert("x")).map(drop),
        settle!(other.union(&[&set])).map(drop),
        settle!(other.move_to(&set, "x")).map(drop),
        C::collect(set.iter()).await.remove(0).map(drop),
        settle!(hash.insert("x", "y")).map(drop),
        settle!(hash.key().expire(MINUTE)).map(drop),
        settle!(hash.cached(NearCacheSettings::tracking())).map(drop),
        C::collect(hash.iter()).await.remove(0).map(drop),
        settle!(dict.insert("x", "y")).map(drop),
        settle!(dict.clear()).map(drop),
        settle!(dict.cached(NearCacheSettings::writer_messages())).map(drop),
        settle!(literal.insert("x", "y")).map(drop),
        settle!(literal.clear()).map(drop),
        C::collect(literal.iter()).await.remove(0).map(drop),
    ];
    for (number, refusal) in refusals.into_iter().enumerate() {
        let error = refusal.expect_err(&number.to_string());
        assert!(matches!(error, Error::InvalidArgument { .. }), "{number}: {error}");
        assert_eq!(error.applied(), Applied::No, "{number}");
    }
    let load = |id: u64, ()| C::loading(Ok(Loaded::new(id)));
    for prefix in [&*beside, ""] {
        let policy = CachePolicy::without_expiry;
        for cache in [
            CacheClient::<u64, u64, C>::new(&client, prefix, policy(), load),
            CacheClient::with_prefix(&client, prefix, policy(), load),
        ] {
            assert!(matches!(cache.unwrap_err(), Error::Configuration(_)), "{prefix}");
        }
    }
}

/// A walk over a whole database shows only the user's keys.
#[test]
fn a_whole_database_hides_keys_beside_collections() {
    let server = redis_collections::LocalServer::start().unwrap();
    let client = redis_collections::Client::open(server.url()).unwrap();
    let all: RedisDict<String, String> = RedisDict::whole_database(&client);
    let queue: WorkQueue<String> = WorkQueue::new(&client, "mail");
    queue.pause().unwrap();
    all.insert("own", "1").unwrap();
    assert_eq!(all.keys().collect::<Result<Vec<_>>>().unwrap(), ["own"]);
    assert_eq!((all.clear_database().unwrap(), queue.is_paused().unwrap()), (1, true));
    assert!(all.insert("mail~rc:paused", "1").is_err());
}

/// The state of a load lies under a key that begins as that of the value does, and is no entry.
async fn a_load_publishes_nothing_about_its_lease<C: Kind>(client: C, name: &str) {
    enable_all_notifications();
    let load = |id: String, ()| C::loading(Ok(Loaded::new(id)));
    let policy = CachePolicy::time_to_live(MINUTE);
    let cache: CacheClient<String, String, C> =
        CacheClient::with_prefix(&client, format!("{{{name}}}:"), policy, load).unwrap();
    let cache = ok!(cache.near(NearCacheSettings::writer_messages()));
    let dict: Dict<C> =
        RedisDict::new(&client, format!("{{{name}}}")).publishing(ChangeFormat::Own);
    let mut events = ok!(dict.subscribe("*"));
    ok!(cache.get("1"));
    ok!(dict.insert("end", "x"));
    loop {
        match C::event(&mut events).await.expect("an event") {
            Event::Inserted(key) | Event::Updated(key) if key == "end" => break,
            Event::Inserted(key) | Event::Updated(key) => assert_eq!(key, "1"),
            Event::Gap => {}
            other => panic!("{other:?}"),
        }
    }
}
