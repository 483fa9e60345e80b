//! The contract of `RedisDict`.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use redis_collections::{
    Applied, Client, Codec, Error, Json, LocalServer, Name, RedisDict, RedisList, Ttl,
};
use support::contract::{contract, ok, settle, sorted};
use support::kinds::{Kind, plain};
use support::maps::map_scenarios;

contract! {
    an_entry_is_inserted_read_and_removed,
    numbers_are_added_up_by_the_server,
    entries_expire,
    a_time_to_live_that_cannot_be_kept_is_refused,
    an_entry_that_cannot_be_decoded_does_not_hide_the_others,
    a_key_of_another_type_is_an_error,
    a_dict_sees_its_own_prefix_only,
    a_name_of_keys_beside_collections_is_refused,
    any_bytes_are_a_name_and_a_key,
}

type Dict<C> = RedisDict<String, u64, C>;

fn open<K: Codec, V: Codec, C: Kind>(client: &C, name: impl Into<Name>) -> RedisDict<K, V, C> {
    RedisDict::with_prefix(client, name)
}

mod as_a_map {
    use super::*;

    map_scenarios!(open);
}

const HOUR: Duration = Duration::from_secs(3600);

async fn an_entry_is_inserted_read_and_removed<C: Kind>(client: C, name: &'static str) {
    let dict: Dict<C> = RedisDict::with_prefix(&client, name);
    assert_eq!((ok!(dict.get("a")), ok!(dict.is_empty())), (None, true));
    ok!(dict.insert("a", &1));
    ok!(dict.insert("a", &2));
    assert_eq!(ok!(dict.get("a")), Some(2));
    assert_eq!((ok!(dict.contains_key("a")), ok!(dict.contains_key("b"))), (true, false));
    assert_eq!((ok!(dict.len()), ok!(dict.is_empty())), (1, false));
    assert_eq!((ok!(dict.remove("a")), ok!(dict.remove("a"))), (true, false));
    assert_eq!(ok!(dict.len()), 0);
    ok!(dict.insert_many([("a", &1), ("b", &2)]));
    assert_eq!((ok!(dict.clear()), ok!(dict.clear())), (2, 0));
}

async fn numbers_are_added_up_by_the_server<C: Kind>(client: C, name: &'static str) {
    let dict: Dict<C> = RedisDict::with_prefix(&client, name);
    assert_eq!((ok!(dict.increment("a", 5)), ok!(dict.increment("a", -2))), (5, 3));
    let floats: RedisDict<String, f64, C> = dict.typed();
    assert_eq!((ok!(floats.increment("f", 0.5)), ok!(floats.increment("f", 1e3))), (0.5, 1000.5));
    assert_eq!(settle!(dict.increment("f", 1)).unwrap_err().code(), Some("ERR"));
    assert_eq!(ok!(floats.increment("f", 0.5)), 1001.0);
    let texts: RedisDict<String, String, C> = dict.typed();
    assert_eq!(ok!(texts.get("f")).as_deref(), Some("1001"), "as the server writes it");
    ok!(dict.insert("large", &(i64::MAX as u64 + 1)));
    let error = settle!(dict.increment("large", 1)).unwrap_err();
    assert_eq!((error.code(), error.applied()), (Some("ERR"), Applied::No), "{error}");
    let error = settle!(dict.increment("b", -1)).unwrap_err();
    assert!(matches!(&error, Error::Decode { .. }), "no u64: {error}");
    assert!(error.may_have_been_applied());
}

async fn entries_expire<C: Kind>(client: C, name: &'static str) {
    let dict: Dict<C> = RedisDict::with_prefix(&client, name);
    assert_eq!((ok!(dict.ttl("a")), ok!(dict.expire("a", HOUR))), (Ttl::Missing, false));
    ok!(dict.insert_with_ttl("a", &1, HOUR));
    assert!(matches!(ok!(dict.ttl("a")), Ttl::Left(left) if left <= HOUR));
    ok!(dict.insert("a", &2));
    assert_eq!(ok!(dict.ttl("a")), Ttl::Never, "an insert makes it last");
    assert_eq!((ok!(dict.expire("a", HOUR)), ok!(dict.persist("a"))), (true, true));
    assert_eq!((ok!(dict.persist("a")), ok!(dict.get_and_expire("a", HOUR))), (false, Some(2)));
    assert!(matches!(ok!(dict.ttl("a")), Ttl::Left(left) if left <= HOUR));
    assert!(ok!(dict.expire_at("a", SystemTime::UNIX_EPOCH + HOUR)));
    assert_eq!(ok!(dict.get("a")), None, "long ago");
    ok!(dict.insert_with_ttl("b", &1, Duration::from_nanos(1)));
    let started = Instant::now();
    while ok!(dict.get("b")).is_some() {
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}

async fn a_time_to_live_that_cannot_be_kept_is_refused<C: Kind>(client: C, name: &'static str) {
    let dict: Dict<C> = RedisDict::with_prefix(&client, name);
    for error in [
        settle!(dict.insert_with_ttl("a", &1, Duration::ZERO)).unwrap_err(),
        settle!(dict.insert_with_ttl("a", &1, Duration::MAX)).unwrap_err(),
        settle!(dict.insert_with_ttl("a", &1, Duration::from_millis(u64::MAX))).unwrap_err(),
        settle!(dict.expire("a", Duration::ZERO)).unwrap_err(),
        settle!(dict.expire_at("a", SystemTime::UNIX_EPOCH - HOUR)).unwrap_err(),
    ] {
        assert!(matches!(&error, Error::InvalidArgument { .. }), "{error}");
    }
    assert_eq!(ok!(dict.get("a")), None, "nothing was stored");
}

async fn an_entry_that_cannot_be_decoded_does_not_hide_the_others<C: Kind>(
    client: C,
    name: &'static str,
) {
    let texts: RedisDict<String, String, C> = RedisDict::with_prefix(&client, name);
    ok!(texts.insert_many([("a", "1"), ("b", "not a number"), ("c", "3")]));
    let dict: Dict<C> = texts.typed();

    let error = settle!(dict.get_many(["a", "b", "c"])).unwrap_err();
    assert!(matches!(&error, Error::Decode { .. }), "{error}");
    assert_eq!(error.attempt().unwrap().key(), Some(format!("{name}b").as_bytes()));
    assert_eq!(error.undecoded(), Some(&b"not a number"[..]));

    let lenient = ok!(dict.lenient().get_many(["a", "b", "c"]));
    assert_eq!((&lenient[0], &lenient[2]), (&Some(Ok(1)), &Some(Ok(3))));
    let found = C::collect(dict.iter()).await;
    assert_eq!(found.iter().filter(|entry| entry.is_ok()).count(), 2);
    let error = found.into_iter().find_map(Result::err).unwrap();
    assert_eq!(error.attempt().unwrap().key(), Some(format!("{name}b").as_bytes()));

    let numbers: RedisDict<u64, String, C> = texts.typed();
    let error = C::collect(numbers.keys()).await.remove(0).unwrap_err();
    assert!(matches!(&error, Error::Decode { .. }), "a key that is no number: {error}");
    assert_eq!(ok!(texts.get("b")).as_deref(), Some("not a number"), "it is left in place");
}

async fn a_key_of_another_type_is_an_error<C: Kind>(client: C, name: &'static str) {
    let list: RedisList<String, C> = RedisList::new(&client, format!("{name}a"));
    ok!(list.push_back("x"));
    let dict: Dict<C> = RedisDict::with_prefix(&client, name);
    for error in [
        settle!(dict.get("a")).unwrap_err(),
        settle!(dict.replace("a", &1)).unwrap_err(),
        settle!(dict.get_or_insert("a", &1)).unwrap_err(),
        settle!(dict.increment("a", 1)).unwrap_err(),
    ] {
        assert_eq!(error.code(), Some("WRONGTYPE"), "{error}");
        assert!(!error.may_have_been_applied());
    }
    ok!(dict.insert("b", &1));
    assert_eq!(sorted!(dict.keys()), ["b"], "what is no string is no entry");
    assert_eq!((ok!(dict.len()), ok!(dict.clear()), ok!(list.len())), (1, 1, 1));
}

async fn a_dict_sees_its_own_prefix_only<C: Kind>(client: C, name: &'static str) {
    let tag = plain(name);
    let named = |suffix: &str| RedisDict::<String, u64, C>::new(&client, format!("{tag}{suffix}"));
    let (a, ab, glob, nested) = (named("a"), named("ab"), named("[a]*"), named("ab:c"));
    for (number, dict) in [&a, &ab, &glob, &nested].into_iter().enumerate() {
        ok!(dict.insert("k", &(number as u64)));
    }
    for (dict, keys) in [(&a, vec!["k"]), (&ab, vec!["c:k", "k"]), (&glob, vec!["k"])] {
        assert_eq!(sorted!(dict.keys()), keys, "{dict:?}");
        assert_eq!(ok!(dict.len()), keys.len());
    }
    assert_eq!((ok!(a.clear()), ok!(glob.clear())), (1, 1));
    assert_eq!((ok!(ab.get("k")), ok!(nested.get("k"))), (Some(1), Some(3)));
}

async fn a_name_of_keys_beside_collections_is_refused<C: Kind>(client: C, _: &'static str) {
    for name in ["", "a~rc:b", "a~rc"] {
        let dict: Dict<C> = RedisDict::new(&client, name);
        for error in [
            settle!(dict.insert("k", &1)).unwrap_err(),
            settle!(dict.len()).unwrap_err(),
            settle!(dict.clear()).unwrap_err(),
            settle!(dict.replace_all([("k", &1)])).unwrap_err(),
            C::collect(dict.keys()).await.remove(0).unwrap_err(),
        ] {
            assert!(matches!(&error, Error::InvalidArgument { .. }), "{error}");
        }
    }
    let all: Dict<C> = RedisDict::whole_database(&client);
    for error in [settle!(all.len()).unwrap_err(), settle!(all.clear()).unwrap_err()] {
        assert!(matches!(&error, Error::InvalidArgument { .. }), "{error}");
    }
    assert!(settle!(all.replace_all([("k", &1)])).is_err());
}

async fn any_bytes_are_a_name_and_a_key<C: Kind>(client: C, name: &'static str) {
    let tag = plain(name).into_bytes();
    let odd: [&[u8]; 9] =
        [b"", b" ", b"*", b"[a-z]?", b"\\", b"{x}\r\n", b"\0", b"\xff\xfe", "ü:".as_bytes()];
    for part in odd {
        let dict: RedisDict<Vec<u8>, Vec<u8>, C> =
            RedisDict::new(&client, [&tag[..], part].concat());
        ok!(dict.insert_many(odd.map(|bytes| (bytes, bytes))));
        let mut expected: Vec<_> = odd.map(|bytes| (bytes.to_vec(), bytes.to_vec())).to_vec();
        expected.sort();
        assert_eq!(sorted!(dict.iter()), expected, "{dict:?}");
        assert_eq!(ok!(dict.get(b"\0")).as_deref(), Some(&b"\0"[..]));
        assert_eq!((ok!(dict.clear()), ok!(dict.len())), (odd.len(), 0), "{dict:?}");
    }
}

#[test]
fn a_whole_database_is_counted_and_cleared_only_by_name() {
    let server = LocalServer::start().unwrap();
    let client = Client::open(server.url()).unwrap();
    let all: RedisDict<String, String> = RedisDict::whole_database(&client);
    let list: RedisList<String> = RedisList::new(&client, "list");
    all.insert_many([("a", "1"), ("b:c", "2")]).unwrap();
    list.push_back("x").unwrap();
    assert!(all.len().is_err() && all.clear().is_err() && all.replace_all([("d", "3")]).is_err());
    assert_eq!((all.database_len().unwrap(), all.to_map().unwrap().len()), (3, 2));
    assert_eq!((all.clear_database().unwrap(), list.len().unwrap()), (2, 1));
}
