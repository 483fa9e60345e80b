//! Users who may not do all that an operation takes: it has no effect, or its error does not deny that it may
//! have had one.

mod support;

use std::time::Duration;

use redis_collections::{
    Applied, Client, Error, LocalServer, NoticeFormat, RedisDict, RedisHashDict, RedisList, Ttl,
};
use support::kinds::{Kind, on_both_kinds, settle};
use support::servers::query;

on_both_kinds!(
    an_operation_has_no_effect_or_its_error_says_so,
    a_key_of_another_type_is_not_replaced,
    a_time_beyond_the_calendar_of_fields_changes_nothing,
);

/// The collections of a client.
struct Collections<C: Kind> {
    dict: RedisDict<String, u64, C>,
    hash: RedisHashDict<String, u64, C>,
    list: RedisList<u64, C>,
}

impl<C: Kind> Collections<C> {
    fn of(client: &C, told: bool) -> Self {
        let (dict, hash) = (RedisDict::new(client, "dict"), RedisHashDict::new(client, "hash"));
        let list = RedisList::new(client, "list");
        let own = || NoticeFormat::Own;
        match told {
            false => Self { dict, hash, list },
            true => Self {
                dict: dict.notifying(own()),
                hash: hash.notifying(own()),
                list: list.notifying(own()),
            },
        }
    }

    async fn run(&self, operation: &str) -> Result<(), Error> {
        let long = Duration::from_secs(1000);
        match operation {
            "dict replace_all" => settle!(self.dict.replace_all([("b", &7), ("c", &8)])),
            "hash replace_all" => settle!(self.hash.replace_all([("b", &7), ("c", &8)])),
            "hash replace_all of none" => settle!(self.hash.replace_all([("", &0); 0])),
            "push_back_evicting" => settle!(self.list.push_back_evicting(&7, 2)).map(drop),
            "insert_with_ttl" => settle!(self.hash.insert_with_ttl("a", &7, long)).map(drop),
            "dict update" => C::settle_within(self.dict.update("a", |_| Some(9))).await.map(drop),
            other => panic!("{other}"),
        }
    }
}

const OPERATIONS: [&str; 6] = [
    "dict replace_all",
    "hash replace_all",
    "hash replace_all of none",
    "push_back_evicting",
    "insert_with_ttl",
    "dict update",
];

/// Everything that these operations do, and what they do first.
const COMMANDS: [&str; 18] = [
    "mset", "set", "unlink", "setrange", "hset", "hdel", "hkeys", "hexists", "pttl", "persist",
    "llen", "ltrim", "rpush", "hpttl", "hpexpire", "publish", "hincrby", "exists",
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
}

/// What is stored, as it would be told apart later.
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
    format!("{dict:?} {hash:?} {list:?} {ttl:?} {}", expires > 0)
}

async fn an_operation_has_no_effect_or_its_error_says_so<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let mut refused = 0;
    for (command, told) in COMMANDS.into_iter().flat_map(|it| [(it, false), (it, true)]) {
        let user = format!("ACL SETUSER ann reset on >pw ~* &* +@all -{command}");
        if query::<()>(server.url(), &user).is_err() {
            continue; // A server without the command.
        }
        let builder = C::builder(server.url()).user("ann").password("pw");
        let collections = Collections::of(&C::build(builder).await.unwrap(), told);
        for operation in OPERATIONS {
            fill(&server);
            let before = stored(&server);
            let Err(error) = collections.run(operation).await else { continue };
            let after = stored(&server);
            let what = format!("{operation} without {command}, told: {told}: {error}");
            // Nothing proves that these are allowed but they themselves.
            let is_proven = !told && !matches!(command, "rpush" | "persist");
            match before == after {
                true if is_proven => assert_eq!(error.applied(), Applied::No, "{what}"),
                true => assert_ne!(error.applied(), Applied::Yes, "{what}"),
                false => {
                    assert!(!is_proven, "{what}: {before} became {after}");
                    assert_eq!(error.applied(), Applied::Perhaps, "{what}: {after}");
                }
            }
            if !matches!(error, Error::Unsupported { .. }) {
                assert_eq!(error.code(), Some("NOPERM"), "{what}");
                refused += 1;
            }
        }
    }
    assert!(refused > 20, "only {refused} were refused");
}

async fn a_key_of_another_type_is_not_replaced<C: Kind>() {
    let server = LocalServer::start().unwrap();
    for told in [false, true] {
        let client = C::build(C::builder(server.url())).await.unwrap();
        let collections = Collections::of(&client, told);
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
