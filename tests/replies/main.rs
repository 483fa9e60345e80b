//! Every operation turns replies that its commands never give into an error that says so, whatever
//! the reply, and never into a value or a panic.

mod server;

use std::time::{Duration, Instant, UNIX_EPOCH};

use redis_collections::{
    AsyncClient, CacheClient, CachePolicy, Client, Error, HashCacheClient, RedisDict,
    RedisHashDict, RedisList, RedisSet, Result, WorkQueue,
};
use server::Scripted;

/// Replies, and their names in the tables below.
const REPLIES: [(&str, &str); 21] = [
    ("ok", "+OK\r\n"),
    ("queued", "+QUEUED\r\n"),
    ("status", "+7\r\n"),
    ("nil", "$-1\r\n"),
    ("minus", ":-1\r\n"),
    ("zero", ":0\r\n"),
    ("one", ":1\r\n"),
    ("seven", ":7\r\n"),
    ("text", "$1\r\n7\r\n"),
    ("error", "-ERR no\r\n"),
    ("empty", "*0\r\n"),
    ("errors", "*2\r\n-ERR no\r\n-ERR no\r\n"),
    ("single", "*1\r\n$1\r\n7\r\n"),
    ("double", "*2\r\n$1\r\n7\r\n$1\r\n7\r\n"),
    ("triple", "*3\r\n$1\r\n7\r\n$1\r\n7\r\n$1\r\n7\r\n"),
    ("numbers", "*1\r\n:1\r\n"),
    ("nested", "*1\r\n*1\r\n:1\r\n"),
    ("map", "%1\r\n$1\r\n7\r\n$1\r\n7\r\n"),
    ("set", "~1\r\n$1\r\n7\r\n"),
    ("float", ",7\r\n"),
    ("boolean", "#t\r\n"),
];

const SECOND: Duration = Duration::from_secs(1);

/// Whether an operation accepted a reply.
fn takes<T>(outcome: Result<T>) -> bool {
    match outcome {
        // That others changed a value at each try is no matter of shapes.
        Ok(_) | Err(Error::Contended { .. }) => true,
        Err(Error::UnexpectedReply { .. } | Error::Server { .. }) => false,
        Err(error) => panic!("{error:?}"),
    }
}

/// Runs each operation once for each reply, and compares which of them it takes.
macro_rules! takes_only {
    ($server:expr, $right:expr; $($operation:expr => [$($reply:ident)*];)+) => {$(
        let mut taken = Vec::new();
        for (name, reply) in REPLIES {
            $server.say(&$right, reply);
            if takes($operation) {
                taken.push(name);
            }
        }
        let expected: &[&str] = &[$(stringify!($reply)),*];
        assert_eq!(taken, expected, "{}", stringify!($operation));
    )+};
}

fn connect() -> (Scripted, Client) {
    let server = Scripted::start();
    let client = Client::open(server.url()).expect("a connection");
    (server, client)
}

#[test]
fn a_dict_accepts_only_replies_of_its_commands() {
    let (server, client) = connect();
    let ages: RedisDict<String, u32> = RedisDict::new(&client, "ages");
    let floats: RedisDict<String, f64> = RedisDict::new(&client, "floats");
    let sums: RedisDict<String, i64> = RedisDict::new(&client, "sums");
    takes_only! { server, [];
        ages.get("ann") => [nil text];
        ages.get_many(["ann"]) => [single];
        ages.get_many(["ann", "bob"]) => [double];
        ages.contains_key("ann") => [zero one];
        ages.insert("ann", &36) => [ok];
        ages.insert_many([("ann", &36), ("bob", &9)]) => [ok];
        ages.extend([("ann", &36)]) => [ok];
        ages.replace("ann", &37) => [nil text];
        ages.set_if_absent("ann", &36) => [ok nil];
        ages.set_if_present("ann", &36) => [ok nil];
        ages.get_or_insert("ann", &36) => [text];
        sums.increment("ann", 1) => [minus zero one seven text float];
        floats.increment("ann", 0.5) => [minus zero one seven text float];
        ages.remove("ann") => [zero one];
        ages.remove_many(["ann", "bob"]) => [zero one];
        ages.take("ann") => [nil text];
        ages.insert_with_ttl("ann", &36, SECOND) => [ok];
        ages.get_and_expire("ann", SECOND) => [nil text];
        ages.expire("ann", SECOND) => [zero one];
        ages.expire_at("ann", UNIX_EPOCH + SECOND) => [zero one];
        ages.persist("ann") => [zero one];
        ages.ttl("ann") => [minus zero one seven];
        ages.database_len() => [zero one seven];
        // These begin with a page of keys.
        ages.len() => [];
        ages.is_empty() => [];
        ages.clear() => [];
        ages.clear_database() => [];
        ages.to_map() => [];
        ages.keys().collect::<Result<Vec<_>>>() => [];
        ages.replace_all([("ann", &36)]) => [];
        ages.get_or_insert_with("ann", || 36_u32) => [text];
        ages.update("ann", |_| Some(36)) => [];
    }
    takes_only! { server, [("SCAN", "*2\r\n$1\r\n0\r\n*1\r\n$8\r\nages:ann\r\n")];
        ages.clear() => [zero one];
        ages.pop() => [nil text];
        ages.to_map() => [single];
        ages.iter().collect::<Result<Vec<_>>>() => [single];
        ages.values().collect::<Result<Vec<_>>>() => [single];
        ages.replace_all([("ann", &36)]) => [one];
    }
    takes_only! { server, [("GET", "$1\r\n7\r\n")];
        ages.update("ann", |_| Some(36)) => [zero one];
    }
}

#[test]
fn a_hash_dict_accepts_only_replies_of_its_commands() {
    let (server, client) = connect();
    let users: RedisHashDict<String, u32> = RedisHashDict::new(&client, "users");
    let sums: RedisHashDict<String, i64> = RedisHashDict::new(&client, "sums");
    takes_only! { server, [];
        users.get("ann") => [nil text];
        users.get_many(["ann"]) => [single];
        users.get_many(["ann", "bob"]) => [double];
        users.contains_key("ann") => [zero one];
        users.len() => [zero one seven];
        users.is_empty() => [zero one seven];
        users.insert("ann", &1) => [zero one];
        users.insert_many([("ann", &1), ("bob", &2)]) => [zero one];
        users.extend([("ann", &1), ("bob", &2)]) => [zero one];
        users.replace("ann", &1) => [nil text];
        users.set_if_absent("ann", &1) => [zero one];
        users.set_if_present("ann", &1) => [zero one];
        users.get_or_insert("ann", &1) => [text];
        sums.increment("ann", 1) => [minus zero one seven text float];
        users.remove("ann") => [zero one];
        users.remove_many(["ann", "bob"]) => [zero one];
        users.take("ann") => [nil text];
        users.clear() => [zero one];
        users.replace_all([("ann", &1)]) => [one];
        users.insert_with_ttl("ann", &1, SECOND) => [zero one];
        users.expire("ann", SECOND) => [numbers];
        users.expire_at("ann", UNIX_EPOCH + SECOND) => [numbers];
        users.persist("ann") => [numbers];
        users.ttl("ann") => [numbers];
        users.pop() => [nil text];
        users.to_map() => [];
        users.iter().collect::<Result<Vec<_>>>() => [];
        users.get_or_insert_with("ann", || 36_u32) => [text];
        users.update("ann", |_| Some(36)) => [];
    }
    takes_only! { server, [("HSCAN", "*2\r\n$1\r\n0\r\n*1\r\n$3\r\nann\r\n")];
        users.to_map() => [];
        users.keys().collect::<Result<Vec<_>>>() => [];
    }
    takes_only! { server, [("HGET", "$1\r\n7\r\n")];
        users.update("ann", |_| Some(36)) => [zero one];
    }
    takes_only! { server, [("HRANDFIELD", "$3\r\nann\r\n")];
        users.pop() => [nil text];
    }
}

#[test]
fn a_list_accepts_only_replies_of_its_commands() {
    let (server, client) = connect();
    let jobs: RedisList<String> = RedisList::new(&client, "jobs");
    let done: RedisList<String> = RedisList::new(&client, "7");
    takes_only! { server, [];
        jobs.push_back("a") => [zero one seven];
        jobs.push_front("a") => [zero one seven];
        jobs.push_many(["a", "b"]) => [zero one seven];
        jobs.try_push_back("a", 9) => [zero one seven];
        jobs.push_back_evicting("a", 9) => [zero one seven];
        jobs.pop_front() => [nil text];
        jobs.pop_back() => [nil text];
        jobs.pop_many(2) => [nil empty single double];
        jobs.pop_front_to(&done) => [nil text];
        jobs.len() => [zero one seven];
        jobs.is_empty() => [zero one seven];
        jobs.get(-1) => [nil text];
        jobs.set(0, "a") => [ok];
        jobs.range(..) => [empty single double triple];
        jobs.range(1..3) => [empty single double];
        jobs.iter().collect::<Result<Vec<_>>>() => [empty single double triple];
        jobs.trim(..100) => [ok];
        jobs.trim(..0) => [ok];
        jobs.clear() => [zero one];
        jobs.remove("a") => [zero one seven];
        jobs.remove_first("a") => [zero one];
        jobs.position("a") => [nil zero one seven];
        jobs.insert_before("b", "a") => [minus zero one seven];
        jobs.insert_after("a", "b") => [minus zero one seven];
        jobs.wait_pop_front(Duration::ZERO) => [nil];
        jobs.wait_pop_back(Duration::ZERO) => [nil];
        jobs.wait_pop_front_to(&done, Duration::ZERO) => [nil text];
        jobs.wait_pop_any(&[&done], Duration::ZERO) => [nil double];
    }
}

#[test]
fn a_set_accepts_only_replies_of_its_commands() {
    let (server, client) = connect();
    let seen: RedisSet<String> = RedisSet::new(&client, "seen");
    let old: RedisSet<String> = RedisSet::new(&client, "old");
    takes_only! { server, [];
        seen.insert("a") => [zero one];
        seen.insert_many(["a", "b"]) => [zero one];
        seen.extend(["a", "b"]) => [zero one];
        seen.pop() => [nil text];
        seen.pop_many(2) => [empty single double set];
        seen.random() => [nil text];
        seen.random_many(2) => [empty single double set];
        seen.len() => [zero one seven];
        seen.is_empty() => [zero one seven];
        seen.clear() => [zero one];
        seen.contains("a") => [zero one];
        seen.contains_many(["a"]) => [numbers];
        seen.contains_many(["a", "b"]) => [];
        seen.remove("a") => [zero one];
        seen.remove_many(["a", "b"]) => [zero one];
        seen.move_to(&old, "a") => [zero one];
        seen.union(&[&old]) => [empty single double triple set];
        seen.intersection(&[&old]) => [empty single double triple set];
        seen.difference(&[&old]) => [empty single double triple set];
        seen.union_into(&[&old], &old) => [zero one seven];
        seen.intersection_into(&[&old], &old) => [zero one seven];
        seen.difference_into(&[&old], &old) => [zero one seven];
        seen.to_set() => [];
        seen.iter().collect::<Result<Vec<_>>>() => [];
        seen.contains_equal("a") => [];
        seen.remove_equal("a") => [];
        seen.key().exists() => [zero one];
        seen.key().expire(SECOND) => [zero one];
        seen.key().expire_at(UNIX_EPOCH + SECOND) => [zero one];
        seen.key().persist() => [zero one];
        seen.key().ttl() => [minus zero one seven];
        seen.key().remove() => [zero one];
    }
    takes_only! { server, [("SSCAN", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n")];
        seen.remove_equal("a") => [zero one];
    }
}

#[test]
fn each_of_several_commands_accepts_only_its_own_replies() {
    let (server, client) = connect();
    let ages: RedisDict<String, u32> = RedisDict::new(&client, "ages");
    let ages = ages.deferred();
    let both = || (ages.insert("ann", &36), ages.get("ann"));
    takes_only! { server, [];
        client.pipeline(both()).and_then(|(inserted, _)| inserted) => [ok];
        client.pipeline(both()).and_then(|(_, found)| found) => [nil text];
        client.transaction(both()) => [];
        client.transaction((ages.get("ann"),)) => [];
    }
    let begun = [("MULTI", "+OK\r\n"), ("GET", "+QUEUED\r\n")];
    takes_only! { server, begun;
        client.transaction((ages.get("ann"),)) => [single];
        client.transaction((ages.get_many(["ann"]),)) => [];
    }
}

#[test]
fn a_work_queue_accepts_only_replies_of_its_commands() {
    let (server, client) = connect();
    let queue: WorkQueue<String> = WorkQueue::new(&client, "jobs");
    takes_only! { server, [];
        queue.push("a") => [zero one seven];
        queue.push_many(["a", "b"]) => [zero one seven];
        queue.push_in("a", SECOND) => [one];
        queue.push_unique("k", "a", SECOND) => [zero one seven];
        queue.try_push("a", 9) => [zero one seven];
        queue.len() => [zero one seven];
        queue.is_empty() => [zero one seven];
        queue.pause() => [ok];
        queue.resume() => [zero one];
        queue.is_paused() => [zero one];
        queue.purge() => [zero one seven];
        queue.exists() => [zero one seven];
        queue.consumers(2) => [empty];
        WorkQueue::<String>::names(&client) => [];
        queue.peek(2) => [empty single double];
        queue.dead().len() => [zero one seven];
        queue.dead().is_empty() => [zero one seven];
        queue.dead().list(2) => [empty single double];
        queue.dead().requeue(5) => [zero one seven];
        queue.dead().purge() => [zero one];
        queue.stats() => [];
        queue.drain(Duration::ZERO) => [];
    }
    takes_only! { server, [("ZRANGE", "*0\r\n")];
        queue.stats() => [];
        queue.drain(Duration::ZERO) => [];
    }
}

#[test]
fn a_consumer_accepts_only_replies_of_its_scripts() {
    // A consumer that ends waits for a while to leave.
    std::thread::scope(|scope| {
        for (name, reply) in REPLIES {
            scope.spawn(move || {
                let (server, client) = connect();
                let queue: WorkQueue<String> = WorkQueue::new(&client, "jobs");
                server.say(&[], reply);
                let mut consumer = queue.consumer();
                assert!(!takes(consumer.next(Duration::ZERO).map(drop)), "{name}");
            });
        }
    });
}

/// The reply of `load`, the script that begins a load, to a caller that may load.
const CLAIMED: &str = "*5\r\n$7\r\nclaimed\r\n$-1\r\n:-2\r\n$1\r\n1\r\n$4\r\nnone\r\n";

#[test]
fn a_read_through_cache_accepts_only_replies_of_its_commands() {
    let (server, client) = connect();
    let policy = CachePolicy::time_to_live(SECOND);
    let load = |id: u64, ()| Ok::<_, String>(id + 1);
    let squares: CacheClient<u64, u64> =
        CacheClient::new(&client, "squares", policy.clone(), load).expect("a cache");
    let load = |hash: String, id: u64, ()| Ok::<_, String>(id + hash.len() as u64);
    let fields: HashCacheClient<String, u64, u64> =
        HashCacheClient::new(&client, "fields", policy, load).expect("a cache");
    takes_only! { server, [];
        squares.get(&1) => [text];
        squares.get_many(&[1, 2]) => [double];
        squares.peek(&1) => [nil text];
        squares.set(&1) => [];
        squares.set_value(&1, &2) => [one];
        squares.delete(&1) => [zero one];
        squares.delete_many(&[1]) => [zero one];
        squares.ttl(&1) => [minus zero one seven];
        squares.clear() => [];
        fields.get("h", &1) => [text];
        fields.get_many("h", &[1, 2]) => [double];
        fields.peek("h", &1) => [nil text];
        fields.set("h", &1) => [];
        fields.set_value("h", &1, &2) => [one];
        fields.delete("h", &1) => [zero one];
        fields.delete_hash("h") => [zero one];
        fields.ttl("h", &1) => [numbers];
        fields.clear() => [];
    }
    takes_only! { server, [("GET", "$-1\r\n"), ("HGET", "$-1\r\n")];
        squares.get(&1) => [];
        fields.get("h", &1) => [];
    }
    let claimed = [("GET", "$-1\r\n"), ("HGET", "$-1\r\n"), ("miss", CLAIMED), ("force", CLAIMED)];
    takes_only! { server, claimed;
        squares.get(&1) => [zero one];
        squares.set(&1) => [zero one];
        fields.get("h", &1) => [zero one];
        fields.set("h", &1) => [zero one];
    }
}

#[cfg(feature = "keyword")]
#[test]
fn a_keyword_client_accepts_only_replies_of_its_commands() {
    use redis_collections::keyword;

    let (server, client) = connect();
    let services = keyword::Client::new(&client);
    let dome = services.service("dome");
    let write = || dome.write_within("N", 1, Duration::ZERO);
    takes_only! { server, [];
        services.services() => [];
        dome.keywords() => [];
        dome.describe("N") => [];
        dome.contains("N") => [];
        dome.read("N") => [];
        dome.heartbeat() => [];
        dome.is_served() => [];
        write() => [];
        dome.write_nowait("N", 1) => [];
    }
    let values = "*4\r\n$1\r\n7\r\n$5\r\nready\r\n$-1\r\n$-1\r\n";
    let time = ("TIME", "*2\r\n$1\r\n7\r\n$1\r\n7\r\n");
    let times = ("N:status", "*2\r\n$-1\r\n$-1\r\n");
    let (held, known) = (("EXISTS", ":1\r\n"), ("SISMEMBER", ":1\r\n"));
    let descriptions = ("HMGET", "*1\r\n$-1\r\n");
    let read = [times, descriptions, held, known, ("MGET", values)];
    takes_only! { server, read;
        dome.read("N") => [double];
    }
    let read = [times, descriptions, held, known, time];
    takes_only! { server, read;
        dome.read("N") => [];
    }
    let read = [times, held, known, ("MGET", values), time];
    takes_only! { server, read;
        dome.read("N") => [single];
    }
}

#[test]
fn an_async_client_reads_replies_in_the_same_way() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = Scripted::start();
    let client = runtime.block_on(AsyncClient::open(server.url())).expect("a connection");
    let ages: RedisDict<String, u32, _> = RedisDict::new(&client, "ages");
    takes_only! { server, [];
        runtime.block_on(ages.get("ann")) => [nil text];
        runtime.block_on(ages.get_many(["ann", "bob"])) => [double];
        runtime.block_on(ages.insert("ann", &36)) => [ok];
        runtime.block_on(ages.remove("ann")) => [zero one];
        runtime.block_on(ages.to_map()) => [];
    }
}

#[test]
fn a_surplus_reply_answers_no_later_call() {
    // One that comes sooner is a reply to the next call.
    const ROUND_TRIP: Duration = Duration::from_micros(100);
    for surplus in ["$1\r\na\r\n$1\r\nx\r\n", "$1\r\na\r\n|$1\r\nx\r\n", "$1\r\na\r\n|$1\r\n"] {
        let (server, client) = connect();
        let dict: RedisDict<String, String> = RedisDict::new(&client, "d");
        server.say(&[("d:a", surplus), ("d:b", "$1\r\nb\r\n")], "$1\r\nc\r\n");
        assert_eq!(dict.get("a").unwrap().as_deref(), Some("a"));
        let replied = Instant::now();
        while surplus.contains('|') && server.written() == 0 || replied.elapsed() < ROUND_TRIP {
            std::thread::yield_now();
        }
        assert_eq!(dict.get("b").unwrap().as_deref(), Some("b"), "after {surplus:?}");
        assert_eq!(dict.get("c").unwrap().as_deref(), Some("c"), "after {surplus:?}");
    }
}

#[test]
fn the_limits_of_a_call_hold_though_push_messages_keep_coming() {
    const LIMIT: Duration = Duration::from_millis(500);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = Scripted::start();
    let client = Client::builder(server.url()).call_timeout(LIMIT).build().expect("a connection");
    let building = AsyncClient::builder(server.url()).call_timeout(LIMIT).build();
    let async_client = runtime.block_on(building).expect("a connection");
    let list: RedisList<String> = RedisList::new(&client, "l");
    let async_list: RedisList<String, _> = RedisList::new(&async_client, "l");
    server.say(&[], ">1\r\n+x\r\n…");
    let began = Instant::now();
    for error in [
        list.len().unwrap_err(),
        list.wait_pop_front(LIMIT).unwrap_err(),
        runtime.block_on(async_list.len()).unwrap_err(),
        runtime.block_on(async_list.wait_pop_front(LIMIT)).unwrap_err(),
    ] {
        assert!(error.is_timeout(), "{error}");
    }
    assert!(began.elapsed() < 60 * LIMIT, "{:?}", began.elapsed());
}

#[test]
fn a_reply_without_an_end_is_given_up_before_it_fills_the_memory() {
    const MOST: usize = 64 * 1024 * 1024;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for reply in ["+…", "-ERR …", ":…", "$…", "*1\r\n+…", "$4294967296\r\n…"] {
        let (server, client) = connect();
        let ages: RedisDict<String, u32> = RedisDict::new(&client, "ages");
        let async_client = runtime.block_on(AsyncClient::open(server.url())).expect("a connection");
        let async_ages: RedisDict<String, u32, _> = RedisDict::new(&async_client, "ages");
        server.say(&[], reply);
        for error in [
            ages.insert("ann", &36).unwrap_err(),
            ages.get("ann").unwrap_err(),
            runtime.block_on(async_ages.insert("ann", &36)).unwrap_err(),
            runtime.block_on(async_ages.get("ann")).unwrap_err(),
        ] {
            assert!(matches!(&error, Error::ConnectionLost { .. }), "{reply:?}: {error}");
        }
        assert!(server.endless_bytes() < MOST, "{reply:?}: {}", server.endless_bytes());
        server.say(&[], ":1\r\n");
        assert!(ages.contains_key("ann").unwrap(), "on another connection");
    }
}
