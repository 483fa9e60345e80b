//! Users without all rights that an operation needs: it has no effect, or its error does not deny
//! that it may have had one.

use std::time::Duration;

use redis_collections::{
    Applied, CacheClient, CachePolicy, ChangeFormat, Client, ClientBuilder, Error, HashCacheClient,
    Loaded, LocalServer, NearCacheSettings, RedisDict, RedisHashDict, RedisList, RedisSet, Ttl,
    WorkQueue,
};
use support::contract::{ok, on_both_kinds, settle};
use support::kinds::{Kind, SourceDown};
use support::servers::query;

on_both_kinds!(
    an_operation_has_no_effect_or_its_error_reports_one,
    a_key_of_another_type_is_not_replaced,
    a_time_beyond_the_calendar_of_fields_changes_nothing,
    an_insert_refused_by_an_undecodable_value_is_not_applied,
    a_renamed_command_of_a_script_is_named,
    rights_to_a_prefix_are_enough,
    read_through_caches_need_no_other_commands,
    a_command_that_is_not_allowed_is_an_error,
    a_refused_script_is_noperm_and_names_its_commands_and_keys,
);

const LONG: Duration = Duration::from_secs(1000);

/// The collections of a client.
struct Collections<C: Kind> {
    dict: RedisDict<String, u64, C>,
    hash: RedisHashDict<String, u64, C>,
    list: RedisList<u64, C>,
    cache: HashCacheClient<u64, u64, u64, C>,
}

impl<C: Kind> Collections<C> {
    fn of(client: &C, is_publishing: bool) -> Self {
        let (dict, hash) = (RedisDict::new(client, "dict"), RedisHashDict::new(client, "hash"));
        let list = RedisList::new(client, "list");
        let load = |_, _, ()| C::loading(Ok(Loaded::from(7)));
        let policy = CachePolicy::time_to_live(LONG).fail_without_redis();
        let cache = HashCacheClient::new(client, "cache", policy, load).unwrap();
        let own = || ChangeFormat::Own;
        match is_publishing {
            false => Self { dict, hash, list, cache },
            true => Self {
                dict: dict.publishing(own()),
                hash: hash.publishing(own()),
                list: list.publishing(own()),
                cache,
            },
        }
    }

    async fn run(&self, operation: &str) -> Result<(), Error> {
        match operation {
            "dict replace_all" => settle!(self.dict.replace_all([("b", &7), ("c", &8)])),
            "hash replace_all" => settle!(self.hash.replace_all([("b", &7), ("c", &8)])),
            "hash replace_all of none" => settle!(self.hash.replace_all([("", &0); 0])),
            "push_back_evicting" => settle!(self.list.push_back_evicting(&7, 2)).map(drop),
            "insert_with_ttl" => settle!(self.hash.insert_with_ttl("a", &7, LONG)).map(drop),
            "cache set_value" => settle!(self.cache.set_value(&1, &2, &7)),
            "cache set_value_with_ttl" => {
                settle!(self.cache.set_value_with_ttl(&1, &2, &7, LONG / 2))
            }
            "cache set" => settle!(self.cache.set(&1, &2)).map(drop),
            "dict update" => C::settle_within(self.dict.update("a", |_| Some(9))).await.map(drop),
            other => panic!("{other}"),
        }
    }
}

const OPERATIONS: [&str; 9] = [
    "dict replace_all",
    "hash replace_all",
    "hash replace_all of none",
    "push_back_evicting",
    "insert_with_ttl",
    "dict update",
    "cache set_value",
    "cache set_value_with_ttl",
    "cache set",
];

/// The commands that these operations send, also as their first step.
const COMMANDS: [&str; 20] = [
    "mset", "set", "unlink", "setrange", "hset", "hdel", "hkeys", "hexists", "pttl", "persist",
    "llen", "ltrim", "rpush", "hpttl", "hpexpire", "publish", "hincrby", "exists", "time", "hget",
];

fn fill(server: &LocalServer) {
    query::<()>(server.url(), "FLUSHALL").unwrap();
    let all = Collections::of(&Client::open(server.url()).unwrap(), false);
    all.dict.insert_many([("a", &1), ("b", &2)]).unwrap();
    all.hash.insert_many([("a", &1), ("b", &2)]).unwrap();
    // One that is refused the command at all.
    let _ = all.hash.expire("a", Duration::from_secs(500));
    query::<()>(server.url(), "PEXPIRE hash 1000000").unwrap();
    all.list.push_many([&1, &2]).unwrap();
    query::<()>(server.url(), &format!("HSET {CACHED} 2 1")).unwrap();
}

/// The key of a cache's values.
const CACHED: &str = "cache~rc:hash-cache:1";

/// The stored data, by which later states differ.
fn stored(server: &LocalServer) -> String {
    let all = Collections::of(&Client::open(server.url()).unwrap(), false);
    let sorted = |map: std::collections::HashMap<String, u64>| {
        map.into_iter().collect::<std::collections::BTreeMap<_, _>>()
    };
    let (dict, hash) = (sorted(all.dict.to_map().unwrap()), sorted(all.hash.to_map().unwrap()));
    let expires: i64 = query(server.url(), "PTTL hash").unwrap();
    let is_as_filled = |ttl| matches!(ttl, Ttl::Left(left) if left < Duration::from_secs(600));
    let ttl = all.hash.ttl("a").ok().map(is_as_filled);
    let list = all.list.range(..).unwrap();
    let cached: Option<u64> = query(server.url(), &format!("HGET {CACHED} 2")).unwrap();
    format!("{dict:?} {hash:?} {list:?} {ttl:?} {} {cached:?}", expires > 0)
}

async fn an_operation_has_no_effect_or_its_error_reports_one<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let mut refused = 0;
    for (command, is_publishing) in COMMANDS.into_iter().flat_map(|it| [(it, false), (it, true)]) {
        let user = format!("ACL SETUSER ann reset on >pw ~* &* +@all -{command}");
        if query::<()>(server.url(), &user).is_err() {
            continue; // A server without the command.
        }
        let builder = C::builder(server.url()).user("ann").password("pw");
        let collections = Collections::of(&C::build(builder).await.unwrap(), is_publishing);
        for operation in OPERATIONS {
            fill(&server);
            let before = stored(&server);
            let Err(error) = collections.run(operation).await else { continue };
            let after = stored(&server);
            let what =
                format!("{operation} without {command}, publishing: {is_publishing}: {error}");
            // Nothing proves that these are allowed but they themselves.
            let is_proven = match operation {
                "cache set" => false,
                _ if operation.starts_with("cache") => !matches!(command, "hdel" | "time"),
                _ => !is_publishing && !matches!(command, "rpush" | "persist"),
            };
            match before == after {
                true if is_proven => assert_eq!(error.applied(), Applied::No, "{what}"),
                true => assert_ne!(error.applied(), Applied::Yes, "{what}"),
                false => {
                    assert!(!is_proven, "{what}: {before} became {after}");
                    assert_eq!(error.applied(), Applied::Perhaps, "{what}: {after}");
                }
            }
            if matches!(error, Error::Unsupported { .. }) {
                assert_eq!(error.applied(), Applied::No, "{what}");
            } else {
                assert_eq!(error.code(), Some("NOPERM"), "{what}");
                refused += 1;
            }
        }
    }
    assert!(refused > 20, "only {refused} were refused");
}

async fn a_key_of_another_type_is_not_replaced<C: Kind>() {
    let server = LocalServer::start().unwrap();
    for is_publishing in [false, true] {
        let client = C::build(C::builder(server.url())).await.unwrap();
        let collections = Collections::of(&client, is_publishing);
        for (key, operation) in [
            ("hash", "hash replace_all"),
            ("hash", "hash replace_all of none"),
            ("hash", "insert_with_ttl"),
            ("list", "push_back_evicting"),
        ] {
            query::<()>(server.url(), &format!("SET {key} other")).unwrap();
            let error = collections.run(operation).await.unwrap_err();
            let kept: String = query(server.url(), &format!("GET {key}")).unwrap();
            assert_eq!((&*kept, error.applied()), ("other", Applied::No), "{operation}: {error}");
            if !matches!(error, Error::Unsupported { .. }) {
                assert_eq!(error.code(), Some("WRONGTYPE"), "{operation}: {error}");
            }
        }
    }
}

async fn an_insert_refused_by_an_undecodable_value_is_not_applied<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client = C::build(C::builder(server.url())).await.unwrap();
    let collections = Collections::of(&client, false);
    query::<()>(server.url(), "SET dict:a other").unwrap();
    query::<()>(server.url(), "HSET hash a other").unwrap();
    for error in [
        settle!(collections.dict.get_or_insert("a", &7)).unwrap_err(),
        settle!(collections.hash.get_or_insert("a", &7)).unwrap_err(),
    ] {
        assert_eq!((error.undecoded(), error.applied()), (Some(&b"other"[..]), Applied::No));
    }
    let replaced = settle!(collections.hash.replace("a", &7)).unwrap_err();
    assert_eq!(replaced.applied(), Applied::Yes, "the old value was replaced");
}

async fn a_renamed_command_of_a_script_is_named<C: Kind>() {
    for command in ["TIME", "HDEL"] {
        let server = LocalServer::start_with(&["--rename-command", command, "x"]).unwrap();
        let client = C::build(C::builder(server.url())).await.unwrap();
        let load = |_, id: u64, ()| C::loading(Ok(Loaded::from(id)));
        let policy = CachePolicy::time_to_live(LONG);
        let cache: HashCacheClient<u64, u64, u64, C> =
            HashCacheClient::new(&client, "c", policy, load).unwrap();
        let error = settle!(cache.delete(&1, &2)).unwrap_err();
        assert!(!matches!(error, Error::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(command), "{error}");
        assert_eq!(error.code(), Some("ERR"), "{error}");
    }
}

/// Redis ends in the year 4199; Valkey goes on.
async fn a_time_beyond_the_calendar_of_fields_changes_nothing<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client = C::build(C::builder(server.url())).await.unwrap();
    let hash = Collections::of(&client, false).hash;
    fill(&server);
    let before = stored(&server);
    for days in [800_000, 900_000, 100_000_000_000] {
        let time = Duration::from_secs(days * 86_400);
        let Err(error) = settle!(hash.insert_with_ttl("a", &7, time)) else {
            fill(&server);
            continue;
        };
        assert_eq!((stored(&server), error.applied()), (before.clone(), Applied::No), "{error}");
    }
}

/// Rights to the keys and channels of one prefix.
const OF_A_PREFIX: &str = "~app* resetchannels &app* +@all -@dangerous";

fn user_of<C: Kind>(server: &LocalServer, rights: &str) -> ClientBuilder<C> {
    query::<()>(server.url(), &format!("ACL SETUSER ann reset on >pw {rights}")).unwrap();
    C::builder(server.url()).user("ann").password("pw")
}

async fn rights_to_a_prefix_are_enough<C: Kind>() {
    let server = LocalServer::start_with(&["--notify-keyspace-events", "KEA"]).unwrap();
    let client = C::build(user_of::<C>(&server, OF_A_PREFIX)).await.unwrap();
    for is_publishing in [false, true] {
        let own = ChangeFormat::Own;
        let mut dict: RedisDict<String, u64, C> = RedisDict::new(&client, "app-d");
        let mut hash: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, "app-h");
        let mut list: RedisList<u64, C> = RedisList::new(&client, "app-l");
        let mut set: RedisSet<u64, C> = RedisSet::new(&client, "app-s");
        if is_publishing {
            (dict, hash) = (dict.publishing(own.clone()), hash.publishing(own.clone()));
            (list, set) = (list.publishing(own.clone()), set.publishing(own));
        }
        ok!(dict.extend([("a", &1), ("b", &2)]));
        ok!(dict.get_or_insert("c", &3));
        ok!(dict.replace_all([("b", &2)]));
        assert_eq!((ok!(dict.len()), ok!(dict.clear())), (1, 1));
        ok!(hash.insert("a", &1));
        ok!(hash.replace("a", &2));
        ok!(hash.replace_all([("b", &2)]));
        assert_eq!((ok!(hash.to_map()).len(), ok!(hash.clear())), (1, true));
        ok!(list.push_many([&1, &2]));
        ok!(list.push_back_evicting(&3, 2));
        ok!(list.try_push_back(&3, 9));
        assert_eq!(ok!(list.pop_front_to(&list)), Some(2));
        assert_eq!(ok!(list.wait_pop_front(Duration::ZERO)), Some(3));
        ok!(list.clear());
        ok!(set.extend(&[1, 2]));
        ok!(set.pop());
        assert_eq!((ok!(set.to_set()).len(), ok!(set.clear())), (1, true));
    }
    let load = |id: u64, ()| C::loading(Ok(Loaded::from(id)));
    let policy = || CachePolicy::time_to_live(Duration::from_secs(60)).remember_absence(LONG);
    let cache: CacheClient<u64, u64, C> =
        CacheClient::new(&client, "app-c", policy(), load).unwrap();
    assert_eq!((ok!(cache.get(&1)), ok!(cache.get(&1))), (Some(1.into()), Some(1.into())));
    assert_eq!((ok!(cache.set_value(&2, &2)), ok!(cache.delete(&1))), ((), true));
    assert_eq!(ok!(cache.clear()), 1);
    let cache: HashCacheClient<u64, u64, u64, C> =
        HashCacheClient::new(&client, "app-hc", CachePolicy::without_expiry(), |_, id, ()| {
            C::loading(Ok(Loaded::from(id)))
        })
        .unwrap();
    assert_eq!((ok!(cache.get(&1, &2)), ok!(cache.delete(&1, &2))), (Some(2.into()), true));
    assert_eq!(ok!(cache.clear()), 0);
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "app-d");
    for near_cache in [NearCacheSettings::tracking(), NearCacheSettings::writer_messages()] {
        let cached = ok!(dict.cached(near_cache));
        ok!(cached.insert("a", &1));
        assert_eq!(ok!(cached.get("a")).as_deref(), Some(&1));
    }
    drop(ok!(dict.subscribe("*")));
    let queue: WorkQueue<u64, C> = WorkQueue::new(&client, "app-q");
    ok!(queue.push(&1));
    ok!(queue.push_in(&2, LONG));
    ok!(queue.push_unique("k", &3, LONG));
    assert_eq!((ok!(queue.stats()).pending, ok!(queue.purge())), (2, 3));
}

/// Those that the documentation of `CacheClient` names.
const OF_CACHES: &str = "~app* resetchannels -@all +eval +evalsha +time +get +mget +pttl +set \
                         +unlink +hget +hset +hdel +hlen +hrandfield +pexpire +scan +info";
const OF_HASH_CACHES: &str = "+hmget";
const OF_FIELDS_THAT_EXPIRE: &str = "+hpttl +hpexpire +setrange";

async fn read_through_caches_need_no_other_commands<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let policy = |policy: CachePolicy| {
        policy.remember_absence(LONG).remember_errors(LONG).fail_without_redis()
    };
    let load = |id: u64, ()| {
        C::loading(match id {
            0 => Err(SourceDown),
            1 => Ok(Loaded::absent()),
            id => Ok(Loaded::from(id)),
        })
    };
    let client = C::build(user_of::<C>(&server, OF_CACHES)).await.unwrap();
    for policy in [policy(CachePolicy::time_to_live(LONG)), policy(CachePolicy::without_expiry())] {
        let cache: CacheClient<u64, u64, C> =
            CacheClient::new(&client, "app", policy, load).unwrap();
        for _ in 0..2 {
            assert_eq!(ok!(cache.get_many(&[1, 2, 3])), [None, Some(2.into()), Some(3.into())]);
            assert!(matches!(settle!(cache.get(&0)), Err(Error::Load { .. })));
        }
        assert_eq!(ok!(cache.set(&2)), Some(2.into()));
        ok!(cache.set_value_with_ttl(&4, &5, LONG));
        assert_eq!(ok!(cache.peek(&4)), Some(5.into()));
        ok!(cache.ttl(&4));
        assert_eq!((ok!(cache.delete(&4)), ok!(cache.delete_many(&[2]))), (true, 1));
        assert_eq!(ok!(cache.clear()), 1);
    }
    let no_fields = format!("{OF_CACHES} {OF_HASH_CACHES}");
    let mut policies = vec![(no_fields.clone(), policy(CachePolicy::without_expiry()))];
    if query::<()>(server.url(), &format!("ACL SETUSER bob {OF_FIELDS_THAT_EXPIRE}")).is_ok() {
        let all = format!("{no_fields} {OF_FIELDS_THAT_EXPIRE}");
        policies.push((all, policy(CachePolicy::time_to_live(LONG))));
    }
    for (rights, policy) in policies {
        let client = C::build(user_of::<C>(&server, &rights)).await.unwrap();
        let cache: HashCacheClient<u64, u64, u64, C> =
            HashCacheClient::new(&client, "app", policy, move |_, id, ()| load(id, ())).unwrap();
        for _ in 0..2 {
            assert_eq!(ok!(cache.get_many(&1, &[1, 2, 3])), [None, Some(2.into()), Some(3.into())]);
        }
        assert_eq!(ok!(cache.set(&1, &2)), Some(2.into()));
        ok!(cache.set_value(&1, &4, &5));
        assert_eq!(ok!(cache.peek(&1, &4)), Some(5.into()));
        assert_eq!((ok!(cache.delete(&1, &4)), ok!(cache.delete_hash(&1))), (true, true));
    }
}

async fn a_command_that_is_not_allowed_is_an_error<C: Kind>() {
    let server = LocalServer::start().unwrap();
    for command in ["get", "time", "set"] {
        let client =
            C::build(user_of::<C>(&server, &format!("~* +@all -{command}"))).await.unwrap();
        let policy = CachePolicy::time_to_live(LONG);
        let load = |id: u64, ()| C::loading(Ok(Loaded::from(id)));
        let cache: CacheClient<u64, u64, C> =
            CacheClient::new(&client, "app", policy, load).unwrap();
        let error = settle!(cache.get(&1)).unwrap_err();
        assert_eq!(error.code(), Some("NOPERM"), "{command}: {error}");
    }
}

async fn a_refused_script_is_noperm_and_names_its_commands_and_keys<C: Kind>() {
    let server = LocalServer::start().unwrap();
    for (rights, names) in [
        ("~* &* +@all -hset", vec!["hset", "\"app-h\""]),
        ("~other* &* +@all", vec!["\"app-h\""]),
        ("~app-h* resetchannels &other +@all", vec!["\"app-h~rc:changes:hash\""]),
        ("~app-h &* +@all", vec!["\"app-h~rc:sequences:hash\""]),
    ] {
        let client = C::build(user_of::<C>(&server, rights)).await.unwrap();
        let hash: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, "app-h");
        let error = match names[0].contains('~') {
            true => settle!(hash.publishing(ChangeFormat::Own).insert("a", &1)).unwrap_err(),
            false => settle!(hash.replace("a", &1)).unwrap_err(),
        };
        assert_eq!(error.code(), Some("NOPERM"), "{rights}: {error}");
        for name in names {
            assert!(error.to_string().to_lowercase().contains(name), "{rights}: {error}");
        }
    }
}
