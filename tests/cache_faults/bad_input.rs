//! Values and times that are too much, and ids that look like something else.

use std::collections::HashMap;
use std::time::Duration;

use redis_collections::{
    CacheClient, CachePolicy, Error, HashCacheClient, Json, Loaded, LocalServer, Result,
};

use super::source::{Loads, call};
use super::{MINUTE, all_expire, keys, minute};
use support::concurrent::on_threads_and_tasks;
use support::servers::Outcome;

on_threads_and_tasks![
    a_huge_value_is_kept,
    a_value_that_cannot_be_encoded_is_not_kept,
    many_ids_are_loaded_at_once,
    times_that_cannot_be_kept_are_refused_before_anything_is_stored,
    policies_whose_times_add_up_to_too_much_are_refused,
    ids_with_separators_do_not_meet,
];

/// Many times what a client reads at once.
const HUGE: usize = 8 << 20;

fn a_huge_value_is_kept<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    let [one, other] = [(); 2].map(|()| {
        let client = C::connect(C::builder(server.url()).response_timeout(MINUTE));
        let load = |byte: u8, ()| C::work(async move { Ok(Loaded::new(vec![byte; HUGE])) });
        CacheClient::<u8, Vec<u8>, C>::new(&client, "c", minute(), load).expect("a cache")
    });
    let is_huge = |found: &[u8]| found.len() == HUGE && found.iter().all(|byte| *byte == 3);
    for cache in [&one, &other] {
        assert!(call!(cache.get(&3))?.is_some_and(|found| is_huge(&found)));
    }
    assert_eq!((one.stats().loads, other.stats().hits), (1, 1));
    call!(one.set_value(&4, &vec![3; HUGE]))?;
    assert!(call!(other.get(&4))?.is_some_and(|found| is_huge(&found)));
    all_expire(&server)
}

fn a_value_that_cannot_be_encoded_is_not_kept<C: Loads>() -> Outcome {
    // JSON has no such keys.
    type Bad = HashMap<(u8, u8), u8>;
    let bad = || Bad::from([((1, 2), 3)]);
    let server = LocalServer::start()?;
    let client = C::connect(C::builder(server.url()));
    let load = move |_: u8, ()| C::work(async move { Ok(Loaded::new(bad())) });
    let cache: CacheClient<u8, Json<Bad>, C> = CacheClient::new(&client, "c", minute(), load)?;
    let results: [Result<()>; 4] = [
        call!(cache.get(&1)).map(drop),
        call!(cache.get_many(&[1, 2])).map(drop),
        call!(cache.set(&1)).map(drop),
        call!(cache.set_value(&1, &bad())),
    ];
    for result in results {
        let error = result.expect_err("it is kept");
        assert!(matches!(error, Error::Encode { .. }), "{error}");
    }
    assert_eq!(keys(&server, "*")?, [""; 0]);
    Ok(())
}

fn many_ids_are_loaded_at_once<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    let client = C::connect(C::builder(server.url()).response_timeout(MINUTE));
    let load = |id: u64, ()| C::work(async move { Ok(Loaded::new(id + 1)) });
    let policy = minute().lease(MINUTE);
    let cache: CacheClient<u64, u64, C> = CacheClient::new(&client, "c", policy, load)?;
    // More than two pages.
    let ids: Vec<u64> = (0..2500).collect();
    for loads in [ids.len() as u64; 2] {
        let found = call!(cache.get_many(&ids))?;
        let is_right = |(id, value): (&u64, &u64)| *value == id + 1;
        assert!(ids.iter().zip(found.iter().flatten().map(|found| &**found)).all(is_right));
        assert_eq!((found.len(), cache.stats().loads), (ids.len(), loads));
    }
    assert_eq!(keys(&server, "*~rc:load*")?, [""; 0]);
    all_expire(&server)
}

fn times_that_cannot_be_kept_are_refused_before_anything_is_stored<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    let client = C::connect(C::builder(server.url()));
    let load = |id: u64, time: Duration| {
        let loaded = if id == 0 { Loaded::absent() } else { Loaded::new(id) };
        C::work(async move { Ok(loaded.with_ttl(time)) })
    };
    let policy = CachePolicy::without_expiry;
    let string: CacheClient<u64, u64, C, Duration> =
        CacheClient::new(&client, "c", policy(), load)?;
    let field: HashCacheClient<u64, u64, u64, C, Duration> =
        HashCacheClient::new(&client, "h", policy(), move |_: u64, id, time| load(id, time))?;
    let too_long = Duration::from_secs(1001 * 365 * 24 * 60 * 60);
    let overflowing = Duration::from_millis(i64::MAX as u64);
    for time in [Duration::ZERO, too_long, overflowing, Duration::MAX] {
        let results: [Result<()>; 8] = [
            call!(string.get_with(&0, time)).map(drop),
            call!(string.get_with(&1, time)).map(drop),
            call!(string.get_many_with(&[1, 2], time)).map(drop),
            call!(string.set_with(&1, time)).map(drop),
            call!(string.set_value_with_ttl(&1, &1, time)),
            call!(field.get_with(&1, &1, time)).map(drop),
            call!(field.set_with(&1, &1, time)).map(drop),
            call!(field.set_value_with_ttl(&1, &1, &1, time)),
        ];
        for (number, result) in results.into_iter().enumerate() {
            let error = result.expect_err("it is kept");
            assert!(matches!(error, Error::InvalidArgument { .. }), "{number}, {time:?}: {error}");
        }
        assert_eq!(keys(&server, "*")?, [""; 0], "{time:?}");
    }
    // The shortest there is.
    call!(string.set_value_with_ttl(&1, &1, Duration::from_nanos(1)))?;
    call!(string.get_with(&2, Duration::from_nanos(1)))?;
    all_expire(&server)
}

fn policies_whose_times_add_up_to_too_much_are_refused<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    let client = C::connect(C::builder(server.url()));
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    let (most, half) = (1000 * year, 500 * year);
    for (policy, is_accepted) in [
        (CachePolicy::time_to_live(most), true),
        (CachePolicy::time_to_live(half).stale_if_error(half), true),
        (CachePolicy::time_to_live(most).stale_if_error(half), false),
        (CachePolicy::time_to_live(most).stale_while_revalidate(half), false),
    ] {
        let load = |id: u64, ()| C::work(async move { Ok(Loaded::new(id)) });
        let cache = CacheClient::<u64, u64, C>::new(&client, "c", policy, load);
        assert_eq!(cache.is_ok(), is_accepted);
        if let Ok(cache) = cache {
            assert_eq!(call!(cache.get(&1))?.as_deref(), Some(&1));
        }
    }
    all_expire(&server)
}

/// The deleted value is another than the one that is being loaded.
fn ids_with_separators_do_not_meet<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    let client = C::connect(C::builder(server.url()));
    let policy = CachePolicy::without_expiry;
    let load = |id: String| C::work(async move { Ok(Loaded::new(id)) });
    let string: CacheClient<String, String, C> =
        CacheClient::new(&client, "c", policy(), move |id: String, ()| load(id))?;
    let field: HashCacheClient<String, String, String, C> =
        HashCacheClient::new(&client, "h", policy(), move |hash: String, id: String, ()| {
            load(format!("{hash}|{id}"))
        })?;
    let ids =
        ["", ":", "a", "a:", "a:b", "b", "{a}", "{a}:b", "}{", "*", "a\0b", "redis-collections"];
    for id in ids {
        call!(string.get(id))?;
        for hash in ids {
            call!(field.get(hash, id))?;
        }
    }
    for id in ids {
        assert_eq!(call!(string.peek(id))?.as_deref().map(String::as_str), Some(id));
        assert!(call!(string.delete(id))?);
        for hash in ids {
            let kept = call!(field.peek(hash, id))?;
            assert_eq!(kept.as_deref(), Some(&format!("{hash}|{id}")));
        }
    }
    assert!(call!(field.delete_hash("a"))?);
    assert_eq!(call!(field.clear())?, ids.len() - 1);
    assert_eq!(keys(&server, "*")?, [""; 0]);
    Ok(())
}
