//! Writes, each on a server of its own: what one of them makes a server do concerns no other.

use std::sync::Mutex;
use std::thread;

use redis::pipe;
use redis_collections::{ChangeFormat, Client, NearCacheSettings, RedisDict};

use crate::contestant::Contestant;

pub(crate) fn contestants(urls: &[&str; SERVERS]) -> Vec<Contestant> {
    let dict = |url, prefix: &str| -> RedisDict<String, u64> {
        RedisDict::with_prefix(&Client::open(url).unwrap(), prefix)
    };
    let [plain, tracked, own, pubsub, heard, cached, by_hand] = *urls;
    let insert = |name, dict: RedisDict<String, u64>| {
        Contestant::new(name, WRITES, move |calls| {
            (0..calls).for_each(|_| dict.insert("some key", &7).unwrap());
        })
    };
    let tracked = dict(tracked, "key/");
    let tracking = tracked.cached(NearCacheSettings::tracking()).unwrap();
    let heard_by_one = dict(heard, "key/").publishing(ChangeFormat::Own);
    listen(heard, CHANNEL);
    let cached = dict(cached, "key/").publishing(ChangeFormat::Own);
    let noticing = cached.cached(NearCacheSettings::writer_messages()).unwrap();
    let connection = redis::Client::open(by_hand).unwrap().get_connection().unwrap();
    let connection = Mutex::new(connection);
    vec![
        insert("insert", dict(plain, "key/")),
        Contestant::new("insert, received by a tracking cache", WRITES, move |calls| {
            assert!(tracking.stats().is_certain);
            (0..calls).for_each(|_| tracked.insert("some key", &7).unwrap());
        }),
        insert(HEARD_BY_NONE[0], dict(own, "key/").publishing(ChangeFormat::Own)),
        insert(HEARD_BY_NONE[1], dict(pubsub, "key/").publishing(ChangeFormat::PubSubDict)),
        insert("publishing insert, received by a subscriber", heard_by_one),
        Contestant::new("publishing insert, received by a cache", WRITES, move |calls| {
            assert!(noticing.stats().is_certain);
            (0..calls).for_each(|_| cached.insert("some key", &7).unwrap());
        }),
        Contestant::new(BY_HAND, WRITES, move |calls| {
            let mut connection = connection.lock().unwrap();
            for _ in 0..calls {
                let mut commands = pipe();
                commands.atomic().publish(CHANNEL, MESSAGE).ignore();
                commands.set("key/some key", 7).ignore();
                commands.exec(&mut *connection).unwrap();
            }
        }),
    ]
}

/// Writes of many entries at a time, which are there already.
pub(crate) fn of_many(urls: &[&str; SERVERS_OF_MANY]) -> Vec<Contestant> {
    let entries: Vec<(u64, u64)> = (0..MANY).map(|number| (number, number)).collect();
    let insert = |name, dict: RedisDict<u64, u64>| {
        let entries = entries.clone();
        let write = move |calls| {
            let entries = || entries.iter().map(|(key, value)| (key, value));
            (0..calls).for_each(|_| dict.insert_many(entries()).unwrap());
        };
        Contestant::new(name, WRITES_OF_MANY, write).of_many(MANY as usize)
    };
    let [plain, own] =
        urls.map(|url| RedisDict::<u64, u64>::with_prefix(&Client::open(url).unwrap(), "key/"));
    vec![
        insert("insert_many of 1,000", plain),
        insert("publishing insert_many of 1,000", own.publishing(ChangeFormat::Own)),
    ]
}

/// Takes what is published until the server ends.
fn listen(url: &str, channel: &'static str) {
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    thread::spawn(move || {
        let mut subscription = connection.as_pubsub();
        subscription.subscribe(channel).unwrap();
        while subscription.get_message().is_ok() {}
    });
}

/// Those that do the same work as `BY_HAND`.
pub(crate) const HEARD_BY_NONE: [&str; 2] = ["publishing insert", "publishing insert, PubSubDict"];
pub(crate) const BY_HAND: &str = "MULTI PUBLISH SET EXEC by hand";
pub(crate) const SERVERS: usize = 7;
pub(crate) const SERVERS_OF_MANY: usize = 2;
const WRITES: usize = 500;
const WRITES_OF_MANY: usize = 20;
const MANY: u64 = 1000;
const CHANNEL: &str = "key/~rc:changes:dict";
const MESSAGE: &str = "1 0123456789abcdef - 1000 U8:some key";
