//! The `cached` crate: a function whose results it keeps in Redis.

use std::io;
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use cached::RedisCache;
use cached::macros::concurrent_cached;

use super::worker::{Loader, ReadThrough};
use crate::Result;

/// The function and its cache are static, and there is one of them.
pub(super) struct Memoized;

impl ReadThrough for Memoized {
    fn connect(url: &str, loader: Loader) -> Result<Self> {
        SOURCE.set((url.into(), loader)).map_err(|_| "connected twice")?;
        LazyLock::force(&VALUE);
        Ok(Self)
    }

    fn get(&self, id: u64) -> Result<Option<String>> {
        Ok(Some(value(id)?))
    }
}

#[concurrent_cached(
    ty = "RedisCache<u64, String>",
    create = "{ create() }",
    map_error = "|error| io::Error::other(error)"
)]
fn value(_id: u64) -> io::Result<String> {
    let (_, loader) = SOURCE.wait();
    loader.load()
}

fn create() -> RedisCache<u64, String> {
    let (url, _) = SOURCE.wait();
    RedisCache::new("stampede", TIME_TO_LIVE).connection_string(url).build().expect("a cache")
}

static SOURCE: OnceLock<(String, Loader)> = OnceLock::new();
const TIME_TO_LIVE: Duration = Duration::from_secs(60);
