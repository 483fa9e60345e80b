//! The names that pyredis-cache gives, and those of caches that share its values.

use redis_collections::{
    CacheClient, CachePolicy, Codec, Error, HashCacheClient, Loaded, LocalServer,
};

use crate::peer::{Peer, raised, start, value};
use crate::values::text;
use support::contract::{ok, on_both_kinds};
use support::kinds::Kind;
use support::servers::{query, run};

on_both_kinds!(names_are_those_that_python_makes);

async fn names_are_those_that_python_makes<C: Kind>() {
    let (server, client) = start::<C>().await;
    let operations = [
        "Student",
        "abc",
        "000abc",
        "tenletters",
        "averyverylongname",
        "a b#c:{d}",
        "straße",
        "ßﬁŉ",
        "ıii",
        "ǆungla",
        "ὀδύς",
        "\u{1f600}ab",
        "-abc",
        "+abc",
        "--abc",
        "-+a",
        "ab-",
    ];
    let ids = [
        "0",
        "12",
        "-12",
        "-0.5",
        "12.9",
        "-12.9",
        "1e22",
        "1234567890",
        "-1234567890",
        "12345678901",
        "-12345678901",
        "1180591620717411303424",
    ];
    let pairs: Vec<_> = operations.iter().flat_map(|name| ids.map(|id| (*name, id))).collect();
    let asked: Vec<_> = pairs.iter().map(|(name, id)| format!("{name}={id}")).collect();
    let made =
        Peer::run(&server, ["cache-names", "--"].into_iter().chain(asked.iter().map(|s| &**s)));
    assert_eq!(made.len(), pairs.len());
    for (line, (name, id)) in made.iter().zip(pairs) {
        let expected = value(line);
        assert_eq!(text(&key::<String, C>(&server, &client, name, id).await), expected);
        if let Ok(id) = id.parse::<i128>() {
            assert_eq!(text(&key::<i128, C>(&server, &client, name, &id).await), expected);
        } else if let Ok(id) = id.parse::<f64>() {
            assert_eq!(text(&key::<f64, C>(&server, &client, name, &id).await), expected);
        }
    }
    for line in Peer::run(&server, ["cache-names", "ab=1", "é=1"]) {
        assert!(raised(&line).starts_with("LengthError"), "{line}");
    }
    for name in ["ab", "é", ""] {
        let load = |_: i64, ()| C::loading(Ok(Loaded::new(0)));
        let made = CacheClient::<i64, i64, C>::pyredis_cache(&client, name, lasting(), load);
        assert!(matches!(made.unwrap_err(), Error::Configuration(_)), "{name}");
    }
}

/// The one key that is there when a value has been set; as a hash and a field it is the same.
async fn key<K: Codec, C: Kind>(
    server: &LocalServer,
    client: &C,
    name: &str,
    id: &K::Borrowed,
) -> String {
    let only = |keys: Vec<String>| <[String; 1]>::try_from(keys).expect("one key")[0].clone();
    let load = |_: K::Owned, ()| C::loading(Ok(Loaded::new(0)));
    let cache = CacheClient::<K, i64, C>::pyredis_cache(client, name, lasting(), load).expect(name);
    ok!(cache.set_value(id, &1));
    let key = only(query(server.url(), "KEYS *").expect("keys"));
    assert_eq!(ok!(cache.clear()), 1);

    let load = |_: K::Owned, _: K::Owned, ()| C::loading(Ok(Loaded::new(0)));
    let cache = HashCacheClient::<K, K, i64, C>::pyredis_cache(client, name, name, lasting(), load);
    let cache = cache.expect(name);
    ok!(cache.set_value(id, id, &1));
    assert_eq!(only(query(server.url(), "KEYS *").expect("keys")), key);
    let fields = run(server.url(), redis::cmd("HKEYS").arg(&key)).expect("fields");
    assert_eq!(only(fields), key);
    assert_eq!(ok!(cache.clear()), 1);
    key
}

fn lasting() -> CachePolicy {
    CachePolicy::without_expiry()
}
