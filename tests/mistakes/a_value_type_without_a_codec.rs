//~ `User` is not a codec
//~ `Uuid` is one with the feature `uuid` of this crate, the types of jiff with `jiff`
//~ for a serde type that owns its data name a format, as in `Json<_>` or `MessagePack<_>`
use redis_collections::{Client, RedisDict};

pub struct User {
    pub age: u32,
}

pub fn users(client: &Client) -> RedisDict<String, User> {
    RedisDict::new(client, "users")
}
