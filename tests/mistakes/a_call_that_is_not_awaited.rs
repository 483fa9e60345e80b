//~ nothing is sent unless this is awaited
#![deny(unused_must_use)]

use redis_collections::{AsyncClient, RedisDict};

pub async fn grow(ages: &RedisDict<String, u32, AsyncClient>) {
    ages.insert("ann", &36);
}
