//! What the service keeps in Redis.

use std::time::Duration;

use redis_collections::{AsyncClient, Json, QueueSettings, RedisDict, WorkQueue};
use serde::{Deserialize, Serialize};

/// A job: an image that needs a thumbnail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub image: u64,
    pub user: String,
}

pub type Jobs = WorkQueue<Json<Order>, AsyncClient>;
pub type Images = RedisDict<u64, Vec<u8>, AsyncClient>;

#[derive(Debug, Clone)]
pub struct Store {
    pub jobs: Jobs,
    pub originals: Images,
    pub thumbnails: Images,
    pub counters: RedisDict<String, u64, AsyncClient>,
}

impl Store {
    /// Images are kept for a day.
    pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

    pub fn new(client: &AsyncClient, prefix: &str) -> Self {
        let name = |kind: &str| format!("{prefix}:{kind}");
        let settings = QueueSettings::new().max_deliveries(3);
        Self {
            jobs: WorkQueue::new(client, name("jobs")).with(settings),
            originals: RedisDict::new(client, name("originals")),
            thumbnails: RedisDict::new(client, name("thumbnails")),
            counters: RedisDict::new(client, name("counters")),
        }
    }
}
