//! Hits.

use std::hint::black_box;
use std::sync::Arc;

use quick_cache::sync::Cache;
use redis_collections::{AsyncClient, Client, NearCacheSettings, RedisDict};
use redis_collections_peers::{Cached, DriverCache};
use tokio::runtime::Runtime;

use crate::contestant::Contestant;

pub(crate) fn contestants(url: &str, runtime: &Runtime) -> Vec<Contestant> {
    let handle = runtime.handle();
    let texts: Arc<[String]> = (0..KEYS).map(|key| format!("some key {key}")).collect();
    let numbers: Vec<u64> = (0..KEYS as u64).collect();
    let keys = move |call: usize| call % KEYS;

    let client = Client::open(url).unwrap();
    let dict: RedisDict<String, u64> = RedisDict::new(&client, "key");
    dict.insert_many(texts.iter().zip(&numbers)).unwrap();
    let of_numbers: RedisDict<u64, u64> = RedisDict::new(&client, "number");
    of_numbers.insert_many(numbers.iter().zip(&numbers)).unwrap();

    let bare: Cache<Box<[u8]>, Arc<u64>> = Cache::new(CAPACITY as usize);
    let bare_of_numbers: Cache<u64, Arc<u64>> = Cache::new(CAPACITY as usize);
    let near = dict.cached(NearCacheSettings::tracking().capacity(CAPACITY)).unwrap();
    near.get_many(texts.iter()).unwrap();
    let near_of_numbers =
        of_numbers.cached(NearCacheSettings::tracking().capacity(CAPACITY)).unwrap();
    near_of_numbers.get_many(&numbers).unwrap();
    let async_client = handle.block_on(AsyncClient::open(url)).unwrap();
    let async_dict = dict.on(&async_client);
    let async_near = handle
        .block_on(async_dict.cached(NearCacheSettings::tracking().capacity(CAPACITY)))
        .unwrap();
    handle.block_on(async_near.get_many(texts.iter())).unwrap();
    let driver = handle.block_on(DriverCache::connect(url, CAPACITY as usize)).unwrap();
    for (key, &number) in texts.iter().zip(&numbers) {
        bare.insert(key.as_bytes().into(), Arc::new(number));
        bare_of_numbers.insert(number, Arc::new(number));
        handle.block_on(driver.get(key)).unwrap();
    }

    let mut all = Vec::new();
    let mut add = |contestant| all.push(contestant);
    add(Contestant::new(BARE, HITS, {
        let texts = texts.clone();
        move |calls| {
            for call in 0..calls {
                assert!(black_box(bare.get(texts[keys(call)].as_bytes())).is_some());
            }
        }
    }));
    add(Contestant::new(BARE_OF_NUMBERS, HITS, move |calls| {
        for call in 0..calls {
            assert!(black_box(bare_of_numbers.get(&(keys(call) as u64))).is_some());
        }
    }));
    add(Contestant::new("CachedDict, get", HITS, {
        let (texts, near) = (texts.clone(), near.clone());
        move |calls| {
            for call in 0..calls {
                assert!(black_box(near.get(&texts[keys(call)]).unwrap()).is_some());
            }
        }
    }));
    add(Contestant::new("CachedDict, get_if_present", HITS, {
        let (texts, near) = (texts.clone(), near.clone());
        move |calls| {
            for call in 0..calls {
                assert!(black_box(near.get_if_present(&texts[keys(call)])).is_some());
            }
        }
    }));
    add(Contestant::new("CachedDict, get by a number", HITS, move |calls| {
        for call in 0..calls {
            assert!(black_box(near_of_numbers.get(&(keys(call) as u64)).unwrap()).is_some());
        }
    }));
    add(Contestant::new("CachedDict, get_many of 100, each", HITS / 100, {
        let texts = texts.clone();
        move |calls| {
            for call in 0..calls {
                let first = 100 * call % KEYS;
                black_box(near.get_many(&texts[first..first + 100]).unwrap());
            }
        }
    })
    .of_many(100));
    add(Contestant::new("CachedDict async, get", HITS, {
        let (texts, near, handle) = (texts.clone(), async_near.clone(), handle.clone());
        move |calls| {
            handle.block_on(async {
                for call in 0..calls {
                    assert!(black_box(near.get(&texts[keys(call)]).await.unwrap()).is_some());
                }
            });
        }
    }));
    add(Contestant::new("CachedDict async, get_if_present", HITS, {
        let (texts, near) = (texts.clone(), async_near.clone());
        move |calls| {
            for call in 0..calls {
                assert!(black_box(near.get_if_present(&texts[keys(call)])).is_some());
            }
        }
    }));
    add(Contestant::new("CachedDict async, get_many of 100, each", HITS / 100, {
        let (texts, handle) = (texts.clone(), handle.clone());
        move |calls| {
            handle.block_on(async {
                for call in 0..calls {
                    let first = 100 * call % KEYS;
                    black_box(async_near.get_many(&texts[first..first + 100]).await.unwrap());
                }
            });
        }
    })
    .of_many(100));
    add(Contestant::new("redis, cache-aio, get", HITS / 10, {
        let (texts, handle) = (texts.clone(), handle.clone());
        move |calls| {
            handle.block_on(async {
                for call in 0..calls {
                    assert!(black_box(driver.get(&texts[keys(call)]).await.unwrap()).is_some());
                }
            });
        }
    }));
    add(Contestant::new("RedisDict, get", MISSES, {
        let texts = texts.clone();
        move |calls| {
            for call in 0..calls {
                assert!(black_box(dict.get(&texts[keys(call)]).unwrap()).is_some());
            }
        }
    }));
    let handle = handle.clone();
    add(Contestant::new("RedisDict async, get", MISSES, move |calls| {
        handle.block_on(async {
            for call in 0..calls {
                assert!(black_box(async_dict.get(&texts[keys(call)]).await.unwrap()).is_some());
            }
        });
    }));
    all
}

pub(crate) const BARE: &str = "quick_cache, get";
pub(crate) const BARE_OF_NUMBERS: &str = "quick_cache, get by a number";
const KEYS: usize = 1000;
const CAPACITY: u64 = 10_000;
const HITS: usize = 100_000;
const MISSES: usize = 200;
