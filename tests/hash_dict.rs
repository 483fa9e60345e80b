//! The contract of `RedisHashDict`.

use std::collections::HashMap;

use redis_collections::{Applied, Codec, Error, Json, Name, RedisHashDict, RedisList, Ttl};
use support::contract::{contract, ok, settle, sorted};
use support::kinds::Kind;
use support::maps::map_scenarios;

contract! {
    an_entry_is_inserted_read_and_removed,
    numbers_are_added_up_by_the_server,
    an_entry_that_cannot_be_decoded_does_not_hide_the_others,
    a_dict_can_be_read_with_other_codecs,
    the_whole_dict_can_expire,
    entries_expire_where_the_server_can_do_it,
    a_key_of_another_type_is_an_error,
}

type Dict<C> = RedisHashDict<String, u64, C>;

fn open<K: Codec, V: Codec, C: Kind>(client: &C, name: impl Into<Name>) -> RedisHashDict<K, V, C> {
    RedisHashDict::new(client, name)
}

mod as_a_map {
    use super::*;

    map_scenarios!(open);
}

async fn an_entry_is_inserted_read_and_removed<C: Kind>(client: C, name: &'static str) {
    let dict: Dict<C> = RedisHashDict::new(&client, name);
    assert_eq!(ok!(dict.get("a")), None);
    assert!(ok!(dict.is_empty()));
    ok!(dict.insert("a", &1));
    ok!(dict.insert("a", &2));
    assert_eq!(ok!(dict.get("a")), Some(2));
    assert_eq!((ok!(dict.contains_key("a")), ok!(dict.contains_key("b"))), (true, false));
    assert_eq!((ok!(dict.len()), ok!(dict.is_empty())), (1, false));
    assert_eq!((ok!(dict.remove("a")), ok!(dict.remove("a"))), (true, false));
    assert_eq!(ok!(dict.len()), 0);
    assert_eq!(ok!(dict.insert_many([("a", &1), ("b", &2)])), 2);
    assert_eq!(ok!(dict.insert_many([("b", &3), ("c", &4)])), 1, "one key is new");
    assert_eq!((ok!(dict.clear()), ok!(dict.clear())), (true, false));
}

async fn numbers_are_added_up_by_the_server<C: Kind>(client: C, name: &'static str) {
    let dict: Dict<C> = RedisHashDict::new(&client, name);
    assert_eq!((ok!(dict.increment("a", 5)), ok!(dict.increment("a", -2))), (5, 3));
    let floats: RedisHashDict<String, f64, C> = dict.typed();
    assert_eq!((ok!(floats.increment("f", 0.5)), ok!(floats.increment("f", 1e3))), (0.5, 1000.5));
    assert_eq!(settle!(dict.increment("f", 1)).unwrap_err().code(), Some("ERR"));
}

async fn an_entry_that_cannot_be_decoded_does_not_hide_the_others<C: Kind>(
    client: C,
    name: &'static str,
) {
    let texts: RedisHashDict<String, String, C> = RedisHashDict::new(&client, name);
    ok!(texts.insert_many([("a", "1"), ("b", "not a number"), ("c", "3")]));
    let dict: Dict<C> = texts.typed();

    let error = settle!(dict.get_many(["a", "b", "c"])).unwrap_err();
    assert!(matches!(&error, Error::Decode { .. }), "{error}");
    let attempt = error.attempt().unwrap();
    assert_eq!((attempt.key(), attempt.field()), (Some(name.as_bytes()), Some(&b"b"[..])));
    assert_eq!(error.undecoded(), Some(&b"not a number"[..]));
    assert!(!error.may_have_been_applied());

    let lenient = ok!(dict.lenient().get_many(["a", "b", "c"]));
    assert_eq!((&lenient[0], &lenient[2]), (&Some(Ok(1)), &Some(Ok(3))));
    let undecodable = lenient[1].as_ref().unwrap().as_ref().unwrap_err();
    assert_eq!(undecodable.bytes(), b"not a number");

    let found = C::collect(dict.iter()).await;
    assert_eq!(found.iter().filter(|entry| entry.is_ok()).count(), 2);
    let error = found.into_iter().find_map(Result::err).unwrap();
    assert_eq!(error.attempt().unwrap().field(), Some(&b"b"[..]));
    assert_eq!(ok!(texts.get("b")).as_deref(), Some("not a number"), "it is left in place");
}

async fn a_dict_can_be_read_with_other_codecs<C: Kind>(client: C, name: &'static str) {
    let dict: Dict<C> = RedisHashDict::new(&client, name);
    ok!(dict.insert("7", &8));
    assert_eq!(ok!(dict.typed::<u8, String>().get(&7)).as_deref(), Some("8"));
}

async fn the_whole_dict_can_expire<C: Kind>(client: C, name: &'static str) {
    let dict: Dict<C> = RedisHashDict::new(&client, name);
    let hour = std::time::Duration::from_secs(3600);
    assert_eq!((ok!(dict.key().ttl()), ok!(dict.key().expire(hour))), (Ttl::Missing, false));
    ok!(dict.insert("a", &1));
    assert_eq!((ok!(dict.key().ttl()), ok!(dict.key().expire(hour))), (Ttl::Never, true));
    assert!(matches!(ok!(dict.key().ttl()), Ttl::Left(left) if left <= hour));
    assert_eq!((ok!(dict.key().persist()), ok!(dict.key().exists())), (true, true));
    assert!(ok!(dict.key().expire_at(std::time::SystemTime::UNIX_EPOCH + hour)), "long ago");
    assert_eq!((ok!(dict.key().exists()), ok!(dict.key().remove())), (false, false));
}

/// On a server that lacks expiry per field: a clear error, and nothing is changed.
async fn entries_expire_where_the_server_can_do_it<C: Kind>(client: C, name: &'static str) {
    let dict: Dict<C> = RedisHashDict::new(&client, name);
    let hour = std::time::Duration::from_secs(3600);
    match settle!(dict.insert_with_ttl("a", &1, hour)) {
        Err(error) => {
            assert!(matches!(&error, Error::Unsupported { .. }), "{error}");
            assert!(error.to_string().contains("Redis 7.4 or Valkey 9"), "{error}");
            assert!(!error.may_have_been_applied());
            assert_eq!(ok!(dict.get("a")), None);
            for error in [
                settle!(dict.expire("a", hour)).unwrap_err(),
                settle!(dict.persist("a")).unwrap_err(),
                settle!(dict.ttl("a")).unwrap_err(),
            ] {
                assert!(matches!(&error, Error::Unsupported { .. }), "{error}");
            }
        }
        Ok(new) => {
            assert!(new);
            assert!(matches!(ok!(dict.ttl("a")), Ttl::Left(left) if left <= hour));
            assert_eq!((ok!(dict.persist("a")), ok!(dict.persist("a"))), (true, false));
            assert_eq!((ok!(dict.ttl("a")), ok!(dict.ttl("x"))), (Ttl::Never, Ttl::Missing));
            assert_eq!((ok!(dict.expire("a", hour)), ok!(dict.expire("x", hour))), (true, false));
            ok!(dict.insert("a", &2));
            assert_eq!(ok!(dict.ttl("a")), Ttl::Never, "an insert makes it last");
            assert!(ok!(dict.expire_at("a", std::time::SystemTime::UNIX_EPOCH + hour)));
            assert_eq!(ok!(dict.get("a")), None, "long ago");
        }
    }
}

async fn a_key_of_another_type_is_an_error<C: Kind>(client: C, name: &'static str) {
    let list: RedisList<String, C> = RedisList::new(&client, name);
    ok!(list.push_back("x"));
    let dict: Dict<C> = RedisHashDict::new(&client, name);
    for error in [
        settle!(dict.get("a")).unwrap_err(),
        settle!(dict.insert("a", &1)).unwrap_err(),
        settle!(dict.take("a")).unwrap_err(),
        C::collect(dict.iter()).await.remove(0).unwrap_err(),
    ] {
        assert_eq!(error.code(), Some("WRONGTYPE"), "{error}");
        assert!(!error.may_have_been_applied());
    }
    assert_eq!(ok!(list.len()), 1);
}
