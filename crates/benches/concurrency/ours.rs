//! This crate's client for tasks.

use redis_collections::{AsyncClient, RedisHashDict};
use tokio::runtime::Runtime;

use crate::HASH;
use crate::contestant::{Contestant, Kind};
use crate::tasks::{Peer, contestant};

pub(crate) async fn ours<'a>(url: &str, runtime: &'a Runtime) -> Contestant<'a> {
    let client = AsyncClient::open(url).await.unwrap();
    contestant(runtime, "AsyncClient (1)", Kind::Ours, RedisHashDict::new(&client, HASH))
}

impl Peer for RedisHashDict<u64, u64, AsyncClient> {
    async fn get(&mut self, field: u64) -> Option<u64> {
        RedisHashDict::get(self, &field).await.unwrap()
    }

    async fn insert(&mut self, field: u64, value: u64) {
        RedisHashDict::insert(self, &field, &value).await.unwrap()
    }
}
