//! What the operations work with.

use redis::{Cmd, FromRedisValue, IntoConnectionInfo};
use redis_collections::{ChangeFormat, Client, Json, RedisDict, RedisHashDict, RedisList};
use serde::{Deserialize, Serialize};

/// Both ways on one server: the collections, and a pool for what is written by hand.
pub(crate) struct Setting {
    pool: r2d2::Pool<redis::Client>,
    pub(crate) hash_of_numbers: RedisHashDict<String, u64>,
    pub(crate) hash_of_texts: RedisHashDict<String, String>,
    pub(crate) hash_of_users: RedisHashDict<String, Json<User>>,
    pub(crate) numbers: RedisDict<String, u64>,
    pub(crate) published: RedisDict<String, u64>,
    pub(crate) texts: RedisDict<String, String>,
    pub(crate) published_texts: RedisDict<String, String>,
    pub(crate) users: RedisDict<String, Json<User>>,
    pub(crate) list_of_texts: RedisList<String>,
    pub(crate) list_of_users: RedisList<Json<User>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    name: String,
    age: u32,
    tags: Vec<String>,
}

impl User {
    pub(crate) fn aged(age: u32) -> Self {
        let tags = vec!["admin".to_owned(), "staff".to_owned()];
        Self { name: format!("Ann the {age}th"), age, tags }
    }
}

impl Setting {
    pub(crate) fn on(url: &str) -> Self {
        let client = Client::open(url).unwrap();
        Self {
            pool: pool(url),
            hash_of_numbers: RedisHashDict::new(&client, "hash of numbers"),
            hash_of_texts: RedisHashDict::new(&client, "hash of texts"),
            hash_of_users: RedisHashDict::new(&client, "hash of users"),
            numbers: RedisDict::new(&client, "numbers"),
            published: RedisDict::new(&client, "published").publishing(ChangeFormat::Own),
            texts: RedisDict::new(&client, "texts"),
            published_texts: RedisDict::new(&client, "published texts")
                .publishing(ChangeFormat::Own),
            users: RedisDict::new(&client, "users"),
            list_of_texts: RedisList::new(&client, "list of texts"),
            list_of_users: RedisList::new(&client, "list of users"),
        }
    }

    /// Sets strings and publishes each, in a transaction that was written by hand.
    pub(crate) fn publish_by_hand<'a>(
        &self,
        prefix: &str,
        entries: impl Iterator<Item = (&'a str, &'a str)>,
    ) {
        let mut transaction = redis::pipe();
        transaction.atomic();
        for (key, value) in entries {
            transaction.cmd("PUBLISH").arg(format!("{prefix}update")).arg(key).ignore();
            transaction.cmd("SET").arg(format!("{prefix}{key}")).arg(value).ignore();
        }
        transaction.exec(&mut *self.pool.get().unwrap()).unwrap();
    }

    /// Runs a command that was written by hand.
    pub(crate) fn query<T: FromRedisValue>(&self, command: &Cmd) -> T {
        command.query(&mut *self.pool.get().unwrap()).unwrap()
    }
}

/// A pool at its best: no probe at each use, and no delay of small packets.
fn pool(url: &str) -> r2d2::Pool<redis::Client> {
    let information = url.into_connection_info().unwrap();
    let tcp = information.tcp_settings().clone().set_nodelay(true);
    let client = redis::Client::open(information.set_tcp_settings(tcp)).unwrap();
    let pool = r2d2::Pool::builder().max_size(POOL_SIZE).test_on_check_out(false);
    pool.build(client).unwrap()
}

const POOL_SIZE: u32 = 10;
