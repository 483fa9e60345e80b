//! The cache of this crate.

use std::time::Duration;

use redis_collections::{CacheClient, CachePolicy, Client};

use super::worker::{Loader, ReadThrough};
use crate::Result;

pub(super) struct Ours(CacheClient<u64, String>);

impl ReadThrough for Ours {
    fn connect(url: &str, loader: Loader) -> Result<Self> {
        let client = Client::open(url)?;
        let policy = CachePolicy::time_to_live(TIME_TO_LIVE).lease(LEASE);
        let load = move |_id: u64, ()| loader.load();
        Ok(Self(CacheClient::new(&client, "stampede", policy, load)?))
    }

    fn get(&self, id: u64) -> Result<Option<String>> {
        Ok(self.0.get(&id)?.map(|value| value.as_ref().clone()))
    }
}

const TIME_TO_LIVE: Duration = Duration::from_secs(60);
/// A loader that dies is noticed after this time. Callers wait three times as long, on a busy
/// machine too, before they load by themselves.
const LEASE: Duration = Duration::from_secs(5);
