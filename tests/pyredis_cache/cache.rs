//! The two kinds of caches as one.

use std::sync::{Arc, Mutex};

use redis_collections::{CacheClient, CachePolicy, Codec, HashCacheClient, Loaded, Result};
use serde_json::Value as Case;

use support::contract::settle;
use support::kinds::Kind;
use support::python::Python;

/// A cache of either kind, at the ids of a case, with a source that remembers how it was asked.
pub(crate) struct Cache<V: Codec<Owned: Sync>, C: Kind> {
    at: At<V, C>,
    calls: Arc<Mutex<Vec<Vec<i64>>>>,
}

enum At<V: Codec<Owned: Sync>, C: Kind> {
    Key(CacheClient<i64, V, C, Vec<i64>>, i64),
    Field(HashCacheClient<i64, i64, V, C, Vec<i64>>, i64, i64),
}

impl<V: Codec<Borrowed = Python, Owned = Python>, C: Kind> Cache<V, C> {
    pub(crate) fn new(
        client: &C,
        case: &Case,
        policy: CachePolicy,
        loaded: Option<Python>,
    ) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = calls.clone();
        let load = move |args: Vec<i64>| {
            seen.lock().unwrap().push(args);
            C::loading(Ok(Loaded::from(loaded.clone())))
        };
        let args = &case["args"];
        let id = args["identity"]["v"].as_str().map(|id| id.parse().unwrap());
        let id = id.or_else(|| args["identity"].as_i64()).unwrap_or(12);
        let at = if case["class"] == "HashCacheClient" {
            let load = move |_: i64, _: i64, args| load(args);
            let cache = HashCacheClient::pyredis_cache(client, "Class", "Student", policy, load);
            At::Field(cache.unwrap(), args["hash_id"].as_i64().unwrap(), id)
        } else {
            let load = move |_: i64, args| load(args);
            At::Key(CacheClient::pyredis_cache(client, "Student", policy, load).unwrap(), id)
        };
        Self { at, calls }
    }

    pub(crate) async fn get(&self, args: Vec<i64>) -> Result<Option<Python>> {
        let found = match &self.at {
            At::Key(cache, id) => settle!(cache.get_with(id, args)),
            At::Field(cache, hash, id) => settle!(cache.get_with(hash, id, args)),
        };
        found.map(|value| value.as_deref().cloned())
    }

    pub(crate) async fn set(&self, args: Vec<i64>) -> Result<Option<Python>> {
        let loaded = match &self.at {
            At::Key(cache, id) => settle!(cache.set_with(id, args)),
            At::Field(cache, hash, id) => settle!(cache.set_with(hash, id, args)),
        };
        loaded.map(|value| value.as_deref().cloned())
    }

    pub(crate) async fn set_value(&self, value: &Python) -> Result<()> {
        match &self.at {
            At::Key(cache, id) => settle!(cache.set_value(id, value)),
            At::Field(cache, hash, id) => settle!(cache.set_value(hash, id, value)),
        }
    }

    pub(crate) async fn delete(&self) -> Result<bool> {
        match &self.at {
            At::Key(cache, id) => settle!(cache.delete(id)),
            At::Field(cache, hash, id) => settle!(cache.delete(hash, id)),
        }
    }

    pub(crate) async fn delete_hash(&self) -> Result<bool> {
        match &self.at {
            At::Key(..) => panic!("it is no hash"),
            At::Field(cache, hash, _) => settle!(cache.delete_hash(hash)),
        }
    }

    pub(crate) fn calls(&self) -> Vec<Vec<i64>> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn undecodable(&self) -> u64 {
        match &self.at {
            At::Key(cache, _) => cache.stats().undecodable,
            At::Field(cache, ..) => cache.stats().undecodable,
        }
    }
}
