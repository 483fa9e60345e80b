//! What each operation sends, without a server.

use std::time::{Duration, UNIX_EPOCH};

use redis_collections::{Command, Deferred, RedisDict, RedisHashDict, RedisList, RedisSet};

const AGES: RedisDict<String, u32, Deferred> = RedisDict::named("ages");
const USERS: RedisHashDict<String, String, Deferred> = RedisHashDict::named("users");
const VISITS: RedisHashDict<u64, i64, Deferred> = RedisHashDict::named("visits");
const JOBS: RedisList<String, Deferred> = RedisList::named("jobs");
const DONE: RedisList<String, Deferred> = RedisList::named("done");
const SEEN: RedisSet<String, Deferred> = RedisSet::named("seen");
const OLD: RedisSet<String, Deferred> = RedisSet::named("old");

const SECOND: Duration = Duration::from_secs(1);

/// The command as `redis-cli` takes it, with the hash of a script left out.
fn line<T>(command: Command<T>) -> String {
    let words: Vec<_> = command.arguments().map(String::from_utf8_lossy).collect();
    match words.split_first() {
        Some((name, rest)) if name == "EVALSHA" => format!("EVALSHA … {}", rest[1..].join(" ")),
        _ => words.join(" "),
    }
}

fn names() -> Vec<String> {
    vec!["ann".into(), "bob".into()]
}

macro_rules! commands {
    ($(fn $test:ident { $($operation:expr => $expected:expr;)+ })+) => {$(
        #[test]
        fn $test() {
            $(assert_eq!(line($operation), $expected, "{}", stringify!($operation));)+
        }
    )+};
}

commands! {
    fn a_bulk_call_accepts_owned_items_and_references {
        AGES.get_many(names()) => "MGET ages:ann ages:bob";
        AGES.get_many(&names()) => "MGET ages:ann ages:bob";
        AGES.get_many(names().iter().map(String::as_str)) => "MGET ages:ann ages:bob";
        AGES.remove_many(names()) => "UNLINK ages:ann ages:bob";
        AGES.typed::<u8, u8>().get_many([1, 2]) => "MGET ages:1 ages:2";
        AGES.typed::<u8, u8>().get_many(&[1, 2]) => "MGET ages:1 ages:2";
        USERS.get_many(names()) => "HMGET users ann bob";
        USERS.remove_many(names()) => "HDEL users ann bob";
        VISITS.remove_many(7..9) => "HDEL visits 7 8";
        JOBS.push_many(names()) => "RPUSH jobs ann bob";
        JOBS.push_many(names().into_iter().filter(|name| name == "bob")) => "RPUSH jobs bob";
        JOBS.push_many(&names()) => "RPUSH jobs ann bob";
        JOBS.typed::<Vec<u8>>().push_many([b"a".to_vec()]) => "RPUSH jobs a";
        JOBS.typed::<Vec<u8>>().push_many([b"a"]) => "RPUSH jobs a";
        SEEN.insert_many(names()) => "SADD seen ann bob";
        SEEN.contains_many(names()) => "SMISMEMBER seen ann bob";
        SEEN.remove_many(names()) => "SREM seen ann bob";
    }

    fn a_dict_is_strings_under_a_prefix {
        AGES.get("ann") => "GET ages:ann";
        AGES.get_many(["ann", "bob"]) => "MGET ages:ann ages:bob";
        AGES.contains_key("ann") => "EXISTS ages:ann";
        AGES.insert("ann", &36) => "SET ages:ann 36";
        AGES.insert_many([("ann", &36), ("bob", &9)]) => "MSET ages:ann 36 ages:bob 9";
        AGES.replace("ann", &37) => "SET ages:ann 37 GET";
        AGES.set_if_absent("ann", &36) => "SET ages:ann 36 NX";
        AGES.set_if_present("ann", &36) => "SET ages:ann 36 XX";
        AGES.get_or_insert("ann", &36) => "EVALSHA … 1 ages:ann 36";
        AGES.increment("ann", -1) => "INCRBY ages:ann -1";
        AGES.typed::<u8, f64>().increment(&7, 0.5) => "INCRBYFLOAT ages:7 0.5";
        AGES.remove("ann") => "UNLINK ages:ann";
        AGES.remove_many(["ann", "bob"]) => "UNLINK ages:ann ages:bob";
        AGES.take("ann") => "GETDEL ages:ann";
        AGES.insert_with_ttl("ann", &36, SECOND) => "SET ages:ann 36 PX 1000";
        AGES.get_and_expire("ann", SECOND) => "GETEX ages:ann PX 1000";
        AGES.expire("ann", SECOND) => "PEXPIRE ages:ann 1000";
        AGES.expire_at("ann", UNIX_EPOCH + SECOND) => "PEXPIREAT ages:ann 1000";
        AGES.persist("ann") => "PERSIST ages:ann";
        AGES.ttl("ann") => "PTTL ages:ann";
        RedisDict::<String, u32, _>::with_prefix(&Deferred, "a&&").get("b") => "GET a&&b";
        RedisDict::<String, u32, _>::whole_database(&Deferred).get("b") => "GET b";
    }

    fn a_hash_dict_is_one_hash {
        USERS.get("ann") => "HGET users ann";
        USERS.get_many(["ann", "bob"]) => "HMGET users ann bob";
        USERS.contains_key("ann") => "HEXISTS users ann";
        USERS.len() => "HLEN users";
        USERS.is_empty() => "HLEN users";
        USERS.insert("ann", "x") => "HSET users ann x";
        USERS.insert_many([("ann", "x"), ("bob", "y")]) => "HSET users ann x bob y";
        USERS.replace("ann", "x") => "EVALSHA … 1 users ann x";
        USERS.set_if_absent("ann", "x") => "HSETNX users ann x";
        USERS.set_if_present("ann", "x") => "EVALSHA … 1 users ann x";
        USERS.get_or_insert("ann", "x") => "EVALSHA … 1 users ann x";
        VISITS.increment(&7, 2) => "HINCRBY visits 7 2";
        VISITS.typed::<u64, f64>().increment(&7, 2.5) => "HINCRBYFLOAT visits 7 2.5";
        USERS.remove("ann") => "HDEL users ann";
        USERS.remove_many(["ann", "bob"]) => "HDEL users ann bob";
        USERS.take("ann") => "EVALSHA … 1 users ann";
        USERS.clear() => "UNLINK users";
        USERS.replace_all([("ann", "x")]) => "EVALSHA … 1 users ann x";
        USERS.insert_with_ttl("ann", "x", SECOND) => "EVALSHA … 1 users ann x 1000";
        USERS.expire("ann", SECOND) => "HPEXPIRE users 1000 FIELDS 1 ann";
        USERS.expire_at("ann", UNIX_EPOCH + SECOND) => "HPEXPIREAT users 1000 FIELDS 1 ann";
        USERS.persist("ann") => "HPERSIST users FIELDS 1 ann";
        USERS.ttl("ann") => "HPTTL users FIELDS 1 ann";
    }

    fn a_list_is_one_list {
        JOBS.push_back("a") => "RPUSH jobs a";
        JOBS.push_front("a") => "LPUSH jobs a";
        JOBS.push_many(["a", "b"]) => "RPUSH jobs a b";
        JOBS.try_push_back("a", 9) => "EVALSHA … 1 jobs 9 a";
        JOBS.push_back_evicting("a", 9) => "EVALSHA … 1 jobs 9 a";
        JOBS.pop_front() => "LPOP jobs";
        JOBS.pop_back() => "RPOP jobs";
        JOBS.pop_many(2) => "LPOP jobs 2";
        JOBS.pop_front_to(&DONE) => "LMOVE jobs done LEFT RIGHT";
        JOBS.len() => "LLEN jobs";
        JOBS.is_empty() => "LLEN jobs";
        JOBS.get(-1) => "LINDEX jobs -1";
        JOBS.set(0, "a") => "LSET jobs 0 a";
        JOBS.range(..) => "LRANGE jobs 0 -1";
        JOBS.range(1..3) => "LRANGE jobs 1 2";
        JOBS.range(-2..) => "LRANGE jobs -2 -1";
        JOBS.range(..-1) => "LRANGE jobs 0 -2";
        JOBS.trim(..100) => "LTRIM jobs 0 99";
        JOBS.trim(..0) => "LTRIM jobs 1 0";
        JOBS.clear() => "UNLINK jobs";
        JOBS.remove("a") => "LREM jobs 0 a";
        JOBS.remove_first("a") => "LREM jobs 1 a";
        JOBS.position("a") => "LPOS jobs a";
        JOBS.insert_before("b", "a") => "LINSERT jobs BEFORE b a";
        JOBS.insert_after("a", "b") => "LINSERT jobs AFTER a b";
    }

    fn a_set_is_one_set {
        SEEN.insert("a") => "SADD seen a";
        SEEN.insert_many(["a", "b"]) => "SADD seen a b";
        SEEN.pop() => "SPOP seen";
        SEEN.pop_many(2) => "SPOP seen 2";
        SEEN.random() => "SRANDMEMBER seen";
        SEEN.random_many(2) => "SRANDMEMBER seen 2";
        SEEN.len() => "SCARD seen";
        SEEN.is_empty() => "SCARD seen";
        SEEN.clear() => "UNLINK seen";
        SEEN.contains("a") => "SISMEMBER seen a";
        SEEN.contains_many(["a", "b"]) => "SMISMEMBER seen a b";
        SEEN.remove("a") => "SREM seen a";
        SEEN.remove_many(["a", "b"]) => "SREM seen a b";
        SEEN.move_to(&OLD, "a") => "SMOVE seen old a";
        SEEN.union(&[&OLD]) => "SUNION seen old";
        SEEN.intersection(&[&OLD]) => "SINTER seen old";
        SEEN.difference(&[&OLD]) => "SDIFF seen old";
        SEEN.union_into(&[&OLD], &OLD) => "SUNIONSTORE old seen old";
        SEEN.intersection_into(&[&OLD], &OLD) => "SINTERSTORE old seen old";
        SEEN.difference_into(&[&OLD], &OLD) => "SDIFFSTORE old seen old";
    }

    fn a_hash_list_or_set_expires_as_a_whole_by_its_key {
        USERS.key().exists() => "EXISTS users";
        JOBS.key().expire(SECOND) => "PEXPIRE jobs 1000";
        SEEN.key().expire_at(UNIX_EPOCH + SECOND) => "PEXPIREAT seen 1000";
        SEEN.key().persist() => "PERSIST seen";
        SEEN.key().ttl() => "PTTL seen";
        SEEN.key().remove() => "UNLINK seen";
    }
}

#[test]
fn names_and_keys_are_any_bytes() {
    let odd = b"* [x]\n\0\xff";
    let dict: RedisDict<Vec<u8>, Vec<u8>, _> = RedisDict::new(&Deferred, &odd[..]);
    let command = dict.insert(odd, b"");
    let arguments: Vec<_> = command.arguments().collect();
    assert_eq!(arguments, [&b"SET"[..], &[&odd[..], b":", odd].concat(), b""]);
}

#[test]
fn a_command_shows_its_key_and_no_value() {
    assert_eq!(format!("{:?}", USERS.insert("ann", "secret")), r#"Command(HSET "users" "ann")"#);
}
