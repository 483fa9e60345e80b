//! Answers of a cache that may miss changes.

use std::time::Duration;

use redis_collections::{
    CachedDict, Client, Error, LocalServer, NearCacheSettings, OnDisconnect, RedisDict,
};

use support::concurrent::{Concurrent, on_threads_and_tasks};
use support::contract::settle;
use support::eventually;
use support::servers::Outcome;
use support::servers::proxy::Proxy;
use support::staleness::{BOUND, Watch, WatchSource, opened};

on_threads_and_tasks![
    a_cut_off_cache_asks_the_server_by_default,
    older_values_are_served_for_the_time_given,
    values_served_meanwhile_are_no_older_than_allowed,
    a_cut_off_cache_can_be_set_to_fail,
    a_cache_that_is_connected_again_is_empty,
];

const LONG: Duration = Duration::from_secs(60);

fn a_cut_off_cache_asks_the_server_by_default<C: Concurrent>() -> Outcome {
    for source in WatchSource::ALL {
        let (cut_off, cached) = CutOff::<C>::start(source, source.near_cache())?;
        assert_eq!((cached.peek("a"), cached.peek("b")), (None, None));
        assert_eq!((get(&cached, "a")?, get(&cached, "b")?), (Some(2), Some(2)), "{source:?}");
        assert_eq!(cached.peek("a"), None, "it is not kept");
        cut_off.end(&cached);
    }
    Ok(())
}

fn older_values_are_served_for_the_time_given<C: Concurrent>() -> Outcome {
    for source in WatchSource::ALL {
        let near_cache = source.near_cache().on_disconnect(OnDisconnect::Serve(LONG));
        let (cut_off, cached) = CutOff::<C>::start(source, near_cache)?;
        assert_eq!(get(&cached, "a")?, Some(1), "{source:?}");
        assert_eq!(
            get(&cached, "b")?,
            Some(2),
            "{source:?}: the server is asked for what is missing"
        );
        cut_off.end(&cached);
    }
    Ok(())
}

fn values_served_meanwhile_are_no_older_than_allowed<C: Concurrent>() -> Outcome {
    let server = LocalServer::start()?;
    let proxy = Proxy::to(server.port())?;
    let (reader, writer) = (C::connect(C::builder(&proxy.url())), Client::open(server.url())?);
    let grace = 2 * BOUND;
    let watches = WatchSource::ALL.map(|source| {
        let near_cache = source.near_cache().on_disconnect(OnDisconnect::Serve(grace));
        let prefix = format!("graced-{source:?}:");
        Watch::start_as(source, &reader, &writer, &prefix, (near_cache, grace))
    });
    let watches = super::Watches(watches.into());
    watches.wait_for_traffic();
    proxy.hold_listeners();
    watches.wait_until_cut_off();
    proxy.release();
    watches.finish("older values served");
    Ok(())
}

fn a_cut_off_cache_can_be_set_to_fail<C: Concurrent>() -> Outcome {
    for source in WatchSource::ALL {
        let near_cache = source.near_cache().on_disconnect(OnDisconnect::Fail);
        let (cut_off, cached) = CutOff::<C>::start(source, near_cache)?;
        for key in ["a", "b"] {
            let error = get(&cached, key).unwrap_err();
            assert!(matches!(&error, Error::Disconnected { .. }), "{source:?}: {error}");
            assert!(error.to_string().contains(&format!("d:{key}")), "{error}");
        }
        let dict = &*cached;
        let unasked = C::finish(async { settle!(dict.get("a")) })?;
        assert_eq!(unasked, Some(2), "the dictionary itself has no cache");
        cut_off.end(&cached);
    }
    Ok(())
}

/// Even if older values were served meanwhile.
fn a_cache_that_is_connected_again_is_empty<C: Concurrent>() -> Outcome {
    let server = LocalServer::start()?;
    let proxy = Proxy::to(server.port())?;
    let client = C::connect(C::builder(&proxy.url()));
    for source in WatchSource::ALL {
        let dict: RedisDict<String, u64, C> = RedisDict::new(&client, format!("{source:?}"));
        let near_cache = source.near_cache().on_disconnect(OnDisconnect::Serve(LONG));
        let cached = opened::<C, _>(|| dict.cached(near_cache.clone()));
        assert!(eventually(|| get(&cached, "a").is_ok() && cached.peek("a").is_some()));
        let gaps = cached.stats().gaps;
        proxy.kill();
        let is_connected_again = || {
            let stats = cached.stats();
            stats.gaps > gaps && stats.is_certain
        };
        assert!(eventually(is_connected_again), "{source:?}");
        assert_eq!(cached.peek("a"), None, "{source:?}");
    }
    Ok(())
}

/// A server on which `a` and `b` were 1 and are 2. A cache that had asked for `a` has missed it.
struct CutOff<C> {
    _client: C,
    proxy: Proxy,
    _server: LocalServer,
}

type Cached<C> = CachedDict<String, u64, C>;

impl<C: Concurrent> CutOff<C> {
    fn start(source: WatchSource, near_cache: NearCacheSettings) -> Outcome<(Self, Cached<C>)> {
        let server = LocalServer::start()?;
        let proxy = Proxy::to(server.port())?;
        let client = C::connect(C::builder(&proxy.url()));
        let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
        let writer = source.writer(&Client::open(server.url())?, "d:").typed::<String, u64>();
        writer.insert_many([("a", &1), ("b", &1)])?;
        let cached = opened::<C, _>(|| dict.cached(near_cache.clone()));
        assert!(eventually(|| get(&cached, "a").is_ok() && cached.peek("a").is_some()));
        proxy.hold_listeners();
        writer.insert_many([("a", &2), ("b", &2)])?;
        assert!(eventually(|| !cached.stats().is_certain), "{source:?}");
        Ok((Self { _client: client, proxy, _server: server }, cached))
    }

    /// It answers again, and does not ask.
    fn end(self, cached: &Cached<C>) {
        self.proxy.release();
        let answers = || {
            let found = get(cached, "a");
            found.is_ok_and(|found| found == Some(2)) && cached.peek("a") == Some(Some(2.into()))
        };
        assert!(eventually(answers), "{:?}", cached.stats());
    }
}

fn get<C: Concurrent>(
    cached: &CachedDict<String, u64, C>,
    key: &str,
) -> redis_collections::Result<Option<u64>> {
    Ok(C::finish(async { settle!(cached.get(key)) })?.as_deref().copied())
}
