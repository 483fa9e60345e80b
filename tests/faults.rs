//! Faults outside of the client: each is a clear error and loses nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis_collections::keyword::{self, Dispatcher, Keyword};
use redis_collections::{
    Applied, AsyncClient, CacheClient, CachePolicy, Client, ClientBuilder, Error, Loaded,
    LocalServer, NearCacheSettings, OnDisconnect, QueueSettings, RedisDict, RedisHashDict,
    RedisList, RedisSet, Wait, WorkQueue,
};
use support::contract::{ok, ok_within, on_both_kinds, settle};
use support::kinds::{Kind, SERVER, client, in_runtime};
use support::servers::proxy::{Direction, Proxy};
use support::{IDLE, ask, eventually, send_signal, wait_until};

const SHORT: Duration = Duration::from_millis(700);
const LONG: Duration = Duration::from_secs(30);

/// A server of its own with a client and a dictionary that holds `a`.
fn fixture(arguments: &[&str]) -> (LocalServer, Client, RedisDict<String, String>) {
    let server = LocalServer::start_with(arguments).unwrap();
    let client = Client::builder(server.url()).response_timeout(LONG).build().unwrap();
    let dict = RedisDict::new(&client, "d");
    dict.insert("a", "value").unwrap();
    (server, client, dict)
}

fn signal(server: &LocalServer, signal: &str) {
    let id = server.process_id().to_string();
    assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
}

#[test]
fn a_server_that_is_down_is_an_error_at_once() {
    let (mut server, _client, dict) = fixture(&[]);
    server.stop().unwrap();
    let error = dict.get("a").unwrap_err();
    assert!(error.is_connection_lost(), "{error}");
    let started = Instant::now();
    let error = dict.insert("a", "other").unwrap_err();
    assert!(matches!(&error, Error::Connect { .. }), "{error}");
    assert_eq!(error.applied(), Applied::No);
    assert!(started.elapsed() < Duration::from_secs(4), "it did not wait for the server");
}

#[test]
fn a_server_restarted_between_two_calls_is_not_noticed() {
    let (mut server, client, dict) = fixture(&["--appendonly", "yes", "--appendfsync", "always"]);
    let list: RedisList<String> = RedisList::new(&client, "l");
    list.wait_pop_front(Duration::ZERO).unwrap();
    server.restart().unwrap();
    assert_eq!(dict.get("a").unwrap().as_deref(), Some("value"), "a read is repeated");
    for _ in 0..2 {
        server.restart().unwrap();
        thread::sleep(IDLE);
        dict.insert("a", "new").expect("the idle connection was found dead before it was used");
    }
    server.restart().unwrap();
    thread::sleep(IDLE);
    list.push_back("x").unwrap();
    assert_eq!(list.wait_pop_front(Duration::ZERO).unwrap().as_deref(), Some("x"));
}

#[test]
fn a_waiting_pop_goes_on_when_the_server_is_restarted() {
    let (mut server, client, _dict) = fixture(&[]);
    let list: RedisList<String> = RedisList::new(&client, "l");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| list.wait_pop_front(LONG));
        let blocked = |server: &LocalServer| {
            ask(server.port(), "INFO clients").unwrap();
            client_list(server).contains("cmd=blpop")
        };
        assert!(eventually(|| blocked(&server)));
        server.restart().unwrap();
        assert!(eventually(|| blocked(&server)), "it waits on the new server");
        list.push_back("x").unwrap();
        assert_eq!(waiting.join().unwrap().unwrap().as_deref(), Some("x"));
    });
}

#[test]
fn a_waiting_pop_ends_with_an_error_when_the_server_stays_away() {
    let (mut server, client, _dict) = fixture(&[]);
    let list: RedisList<String> = RedisList::new(&client, "l");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| list.wait_pop_front(3 * SHORT));
        assert!(eventually(|| client_list(&server).contains("cmd=blpop")));
        server.stop().unwrap();
        assert!(waiting.join().unwrap().unwrap_err().is_connection_lost());
    });
    let error = list.wait_pop_front(SHORT).unwrap_err();
    assert!(matches!(&error, Error::Connect { .. }), "it was away from the start: {error}");
}

on_both_kinds!(
    a_wait_begins_while_the_server_is_away,
    a_wait_goes_on_after_refusals_that_pass,
    a_move_waits_out_a_server_that_is_frozen,
    a_feed_is_not_opened_for_longer_than_calls_may_take,
    an_iteration_that_has_no_end_is_an_unexpected_reply,
    a_connection_that_the_server_closes_after_its_reply_is_not_used_again,
    a_connection_left_inside_a_transaction_is_not_used_again,
    no_time_is_too_long,
    a_wait_on_a_frozen_server_ends_with_the_calls_limit,
);

async fn a_wait_begins_while_the_server_is_away<C: Kind>() {
    let mut server = LocalServer::start().unwrap();
    let list: RedisList<String, C> = RedisList::new(&connect::<C>(&server).await, "l");
    server.stop().unwrap();
    let waiting = thread::spawn(move || C::finish(C::settle(list.wait_pop_front(Wait::Forever))));
    // A wait that goes on shows nothing to wait for.
    thread::sleep(SHORT);
    assert!(!waiting.is_finished(), "it waits for the server");
    server.restart().unwrap();
    ask(server.port(), "RPUSH l x").unwrap();
    assert_eq!(waiting.join().unwrap().unwrap().as_deref(), Some("x"));
}

async fn a_wait_goes_on_after_refusals_that_pass<C: Kind>() {
    for refusal in [
        "-TRYAGAIN x\r\n",
        "-CLUSTERDOWN x\r\n",
        "-LOADING x\r\n",
        "-MASTERDOWN x\r\n",
        "-READONLY x\r\n",
        "-NOREPLICAS x\r\n",
        "-UNBLOCKED x\r\n",
        "-BUSY x\r\n",
        "-MISCONF x\r\n",
        "-OOM x\r\n",
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let port = scripted(move |command| match command.to_ascii_uppercase().as_str() {
            command if command.starts_with("BLPOP") => {
                let first = asked.fetch_add(1, Ordering::SeqCst) < 3;
                if first { refusal.into() } else { "*2\r\n$1\r\nl\r\n$1\r\nx\r\n".into() }
            }
            command if command.starts_with("CLIENT ID") => ":1\r\n".into(),
            command => answer(command),
        });
        let client = C::build(C::builder(&format!("redis://127.0.0.1:{port}/"))).await.unwrap();
        let list: RedisList<String, C> = RedisList::new(&client, "l");
        assert_eq!(ok!(list.wait_pop_front(Wait::Forever)).as_deref(), Some("x"), "{refusal}");
    }
}

async fn a_move_waits_out_a_server_that_is_frozen<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client = connect::<C>(&server).await;
    let list: RedisList<String, C> = RedisList::new(&client, "l");
    let other: RedisList<String, C> = RedisList::new(&client, "o");
    let waiting = {
        let (list, other) = (list.clone(), other.clone());
        thread::spawn(move || C::finish(C::settle(list.wait_pop_front_to(&other, Wait::Forever))))
    };
    assert!(eventually(|| client_list(&server).contains("cmd=blmove")));
    signal(&server, "-STOP");
    // Longer than the five seconds after which a silent connection is given up. Nothing happens
    // meanwhile that could be waited for.
    thread::sleep(Duration::from_secs(6));
    signal(&server, "-CONT");
    assert!(!waiting.is_finished());
    ask(server.port(), "RPUSH l x").unwrap();
    assert_eq!(waiting.join().unwrap().unwrap().as_deref(), Some("x"));
    assert_eq!(ok!(other.len()), 1);
}

/// The blocking client gives a silent connection up.
#[test]
fn a_pop_waits_out_a_server_that_is_frozen_or_paused() {
    in_runtime(async {
        let server = LocalServer::start().unwrap();
        let client = connect::<AsyncClient>(&server).await;
        let list: RedisList<String, AsyncClient> = RedisList::new(&client, "l");
        for trouble in ["-STOP", "CLIENT PAUSE 3000 ALL", "CLIENT PAUSE 3000 WRITE"] {
            // The connection is there already, and the trouble ends by itself.
            assert_eq!(list.wait_pop_front(Duration::from_millis(1)).await.unwrap(), None);
            let end = match trouble {
                "-STOP" => {
                    signal(&server, trouble);
                    let id = server.process_id();
                    Some(thread::spawn(move || {
                        // Longer than the wait, which shows nothing while the server is frozen.
                        thread::sleep(Duration::from_secs(3));
                        send_signal("CONT", id)
                    }))
                }
                pause => {
                    assert_eq!(ask(server.port(), pause).unwrap(), "+OK\r\n");
                    None
                }
            };
            let waited = list.wait_pop_front(Duration::from_secs(1)).await;
            assert_eq!(waited.expect(trouble), None, "{trouble}");
            end.map(thread::JoinHandle::join);
        }
    });
}

async fn a_feed_is_not_opened_for_longer_than_calls_may_take<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let limited = |builder: ClientBuilder<C>| C::build(builder.connect_timeout(4 * SHORT));
    for (limit, builder) in [
        ("response", C::builder(&proxy.url()).response_timeout(2 * SHORT)),
        ("call", C::builder(&proxy.url()).call_timeout(2 * SHORT)),
    ] {
        let client = limited(builder).await.unwrap();
        let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
        proxy.hold_listeners();
        for (what, opened) in [
            ("subscription", settle!(dict.subscribe("*")).err()),
            ("near cache", settle!(dict.cached(NearCacheSettings::tracking())).err()),
            ("monitor", settle!(keyword::Client::new(&client).service("dome").monitor_all()).err()),
        ] {
            let started = Instant::now();
            let error = opened.unwrap();
            assert!(error.is_timeout() || error.is_connection_lost(), "{what}: {error}");
            assert!(started.elapsed() < Duration::from_secs(4), "{what}: the {limit} limit");
        }
        proxy.release();
    }
}

/// A client without a password gets a protocol error for a request with many arguments.
async fn a_connection_that_the_server_closes_after_its_reply_is_not_used_again<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client: C = connect(&server).await;
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
    ok!(dict.insert("a", &1));
    let mut admin = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    redis::cmd("CONFIG").arg("SET").arg(&["requirepass", "secret"]).exec(&mut admin).unwrap();
    redis::cmd("CLIENT").arg("KILL").arg(&["TYPE", "normal"]).exec(&mut admin).unwrap();
    wait_until!(settle!(dict.get("a")).is_err_and(|error| error.code() == Some("NOAUTH")));
    let keys: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    for _ in 0..50 {
        let both = (dict.deferred().insert("a", &1), dict.deferred().insert("b", &2));
        for error in [
            settle!(dict.insert_many(keys.iter().map(|key| (key, &1)))).unwrap_err(),
            settle!(dict.insert("a", &1)).unwrap_err(),
            client.transaction(both).await.unwrap_err(),
        ] {
            assert_eq!((error.code(), error.applied()), (Some("NOAUTH"), Applied::No), "{error}");
        }
    }
}

async fn a_connection_left_inside_a_transaction_is_not_used_again<C: Kind>() {
    let server = LocalServer::start_with(&["--rename-command", "EXEC", ""]).unwrap();
    let client: C = connect(&server).await;
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
    for number in 0..20 {
        let both = (dict.deferred().insert("a", &1), dict.deferred().insert("b", &2));
        let error = client.transaction(both).await.unwrap_err();
        assert_eq!(error.applied(), Applied::No, "{error}");
        ok!(dict.insert("c", &number));
        assert_eq!((ok!(dict.get("c")), ok!(dict.get("a"))), (Some(number), None));
    }
}

async fn an_iteration_that_has_no_end_is_an_unexpected_reply<C: Kind>() {
    for is_counting in [false, true] {
        let asked = Arc::new(AtomicUsize::new(0));
        let port = scripted(move |command| match command.to_ascii_uppercase().as_str() {
            command if command.contains("SCAN") => {
                let number = asked.fetch_add(1, Ordering::SeqCst);
                let cursor = if is_counting { number + 1 } else { 17 }.to_string();
                format!("*2\r\n${}\r\n{cursor}\r\n*0\r\n", cursor.len())
            }
            command => answer(command),
        });
        let client = C::build(C::builder(&format!("redis://127.0.0.1:{port}/"))).await.unwrap();
        let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
        let hash: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, "h");
        let set: RedisSet<u64, C> = RedisSet::new(&client, "s");
        for (what, error) in [
            ("len", settle!(dict.len()).err()),
            ("clear", settle!(dict.clear()).err()),
            ("to_map", settle!(dict.to_map()).err()),
            ("keys", C::collect(dict.keys()).await.pop().and_then(Result::err)),
            ("a hash", settle!(hash.to_map()).err()),
            ("a set", C::collect(set.iter()).await.pop().and_then(Result::err)),
        ] {
            assert!(matches!(error, Some(Error::UnexpectedReply { .. })), "{what}: {error:?}");
        }
    }
}

#[test]
fn a_server_that_answers_nothing_is_a_timeout() {
    let (server, _patient, dict) = fixture(&[]);
    let client = Client::builder(server.url()).response_timeout(SHORT).build().unwrap();
    let (dict, list) = (dict.on(&client), RedisList::<String>::new(&client, "l"));
    signal(&server, "-STOP");
    let started = Instant::now();
    let read = dict.get("a").unwrap_err();
    let write = dict.insert("a", "other").unwrap_err();
    let popped = list.wait_pop_front(SHORT).unwrap_err();
    let pipeline = client.pipeline((dict.deferred().insert("b", "c"),)).unwrap_err();
    assert!(started.elapsed() < LONG);
    signal(&server, "-CONT");
    assert!(read.is_timeout() && !read.may_have_been_applied(), "{read}");
    for error in [write, popped, pipeline] {
        assert!(error.is_timeout() || error.is_connection_lost(), "{error}");
    }
    let read = || dict.get("a").is_ok_and(|value| value.is_some_and(|value| value.len() == 5));
    assert!(eventually(read), "each reply to its call");
}

#[test]
fn a_write_whose_reply_is_lost_may_have_been_applied_and_is_not_repeated() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = Client::open(&proxy.url()).unwrap();
    let counter: RedisDict<String, u64> = RedisDict::new(&client, "lost-reply");
    let direct = counter.on(&support::kinds::client());
    for sum in 1..=5 {
        client.check().unwrap();
        proxy.cut_after(0, Direction::Replies);
        let error = counter.increment("n", 1).unwrap_err();
        assert_eq!(error.applied(), Applied::Perhaps, "{error}");
        assert!(eventually(|| direct.get("n").unwrap() == Some(sum)), "once, not twice");
    }
    client.check().unwrap();
    proxy.cut_after(0, Direction::Requests);
    let error = counter.increment("n", 1).unwrap_err();
    assert_eq!(error.applied(), Applied::Perhaps, "the client cannot know");
    assert_eq!(direct.get("n").unwrap(), Some(5));
}

#[test]
fn a_read_whose_connection_breaks_is_repeated_once() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = Client::open(&proxy.url()).unwrap();
    let dict: RedisHashDict<String, u64> = RedisHashDict::new(&client, "broken");
    dict.insert("a", &1).unwrap();
    for bytes in 0..4 {
        client.check().unwrap();
        proxy.cut_after(bytes, Direction::Replies);
        assert_eq!(dict.get("a").unwrap(), Some(1), "cut after {bytes} bytes");
    }
    client.check().unwrap();
    proxy.kill();
    proxy.refuse();
    assert!(dict.get("a").unwrap_err().is_connection_lost());
    proxy.accept().unwrap();
    assert_eq!(dict.get("a").unwrap(), Some(1));
}

#[test]
fn a_reply_cut_at_any_byte_is_never_mistaken_for_another() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = Client::open(&proxy.url()).unwrap();
    let dict: RedisHashDict<String, String> = RedisHashDict::new(&client, "cut");
    dict.insert_many([("a", "first"), ("b", "second")]).unwrap();
    let replies = b":1\r\n$5\r\nfirst\r\n$6\r\nsecond\r\n".len();
    for bytes in 0..replies {
        dict.remove("c").unwrap();
        proxy.cut_after(bytes, Direction::Replies);
        let commands = dict.deferred();
        let cut =
            client.pipeline((commands.insert("c", "d"), commands.get("a"), commands.get("b")));
        assert_eq!(cut.unwrap_err().applied(), Applied::Perhaps, "cut after {bytes} bytes");
        assert_eq!(dict.get("b").unwrap().as_deref(), Some("second"), "cut after {bytes} bytes");
    }
}

#[test]
fn a_server_out_of_memory_refuses_writes_and_answers_reads() {
    let (server, client, dict) = fixture(&[]);
    let hash: RedisHashDict<String, String> = RedisHashDict::new(&client, "h");
    hash.insert("a", "old").unwrap();
    ask(server.port(), "CONFIG SET maxmemory 1").unwrap();
    for error in [
        dict.insert("a", "other").unwrap_err(),
        dict.replace_all([("b", "x")]).unwrap_err(),
        hash.insert("a", "new").unwrap_err(),
        hash.replace("a", "new").unwrap_err(),
        client
            .transaction((dict.deferred().insert("a", "x"), hash.deferred().insert("a", "x")))
            .unwrap_err(),
    ] {
        assert_eq!((error.code(), error.applied()), (Some("OOM"), Applied::No), "{error}");
    }
    assert_eq!(dict.to_map().unwrap().len(), 1);
    assert_eq!(hash.get("a").unwrap().as_deref(), Some("old"));
    assert!(hash.remove("a").unwrap(), "what frees memory is allowed");
}

#[test]
fn a_read_only_replica_refuses_writes_and_answers_reads() {
    let (server, client, dict) = fixture(&[]);
    assert_eq!(ask(server.port(), "REPLICAOF 127.0.0.1 1").unwrap(), "+OK\r\n");
    let list: RedisList<String> = RedisList::new(&client, "l");
    for error in [
        dict.insert("a", "other").unwrap_err(),
        dict.get_or_insert("b", "other").unwrap_err(),
        list.push_back("x").unwrap_err(),
        list.wait_pop_front(SHORT).unwrap_err(),
    ] {
        assert_eq!((error.code(), error.applied()), (Some("READONLY"), Applied::No), "{error}");
    }
    assert_eq!(dict.get("a").unwrap().as_deref(), Some("value"));
}

#[test]
fn empty_values_and_values_of_64_megabytes_round_trip() {
    let client = client();
    let large = vec![b'\xff'; 64 * 1024 * 1024];
    for value in [&large[..], b""] {
        let dict: RedisDict<Vec<u8>, Vec<u8>> = RedisDict::new(&client, "large");
        dict.insert(b"", value).unwrap();
        assert!(dict.get(b"").unwrap().as_deref() == Some(value));
        assert!(dict.take(b"").unwrap().as_deref() == Some(value));
        let hash: RedisHashDict<Vec<u8>, Vec<u8>> = RedisHashDict::new(&client, "large-hash");
        assert_eq!(hash.replace(b"", value).unwrap(), None);
        assert!(hash.take(b"").unwrap().as_deref() == Some(value));
        let list: RedisList<Vec<u8>> = RedisList::new(&client, "large-list");
        list.push_back(value).unwrap();
        assert!(list.wait_pop_front(LONG).unwrap().as_deref() == Some(value));
        let set: RedisSet<Vec<u8>> = RedisSet::new(&client, "large-set");
        assert!(set.insert(value).unwrap() && set.contains(value).unwrap());
        assert!(set.pop().unwrap().as_deref() == Some(value));
    }
}

#[test]
fn a_value_larger_than_the_server_takes_is_an_error_and_the_client_goes_on() {
    let (_server, _client, dict) = fixture(&["--proto-max-bulk-len", "1mb"]);
    let error = dict.insert("a", &"x".repeat(2 << 20)).unwrap_err();
    assert!(error.is_connection_lost() || error.code() == Some("ERR"), "{error}");
    assert_eq!(dict.get("a").unwrap().as_deref(), Some("value"));
}

#[test]
fn more_arguments_than_a_script_can_have_are_refused() {
    let hash: RedisHashDict<u32, u32> = RedisHashDict::new(&client(), "arguments");
    let numbers: Vec<u32> = (0..500_001).collect();
    let error = hash.replace_all(numbers.iter().zip(&numbers)).unwrap_err();
    assert!(matches!(&error, Error::InvalidArgument { .. }), "{error}");
    assert!(hash.is_empty().unwrap());
    hash.extend(numbers.iter().zip(&numbers)).unwrap();
    assert_eq!(hash.len().unwrap(), numbers.len());
}

#[test]
fn connections_killed_by_the_server_cost_no_value() {
    let (server, client, dict) = fixture(&[]);
    let list: RedisList<u32> = RedisList::new(&client, "l");
    thread::scope(|scope| {
        let killer = scope.spawn(|| {
            for _ in 0..20 {
                ask(server.port(), "CLIENT KILL TYPE normal SKIPME yes").unwrap();
                thread::yield_now();
            }
        });
        let mut pushed = (0, 0);
        while !killer.is_finished() || pushed.0 < 100 {
            match list.push_back(&1) {
                Ok(_) => pushed.0 += 1,
                Err(error) if error.may_have_been_applied() => pushed.1 += 1,
                Err(_) => {}
            }
            assert_eq!(dict.get("a").ok().flatten().unwrap_or("value".into()), "value");
        }
        let length = list.len().or_else(|_| list.len()).unwrap();
        assert!((pushed.0..=pushed.0 + pushed.1).contains(&length), "{length} of {pushed:?}");
    });
}

fn client_list(server: &LocalServer) -> String {
    let connection = redis::Client::open(server.url()).unwrap().get_connection();
    let mut command = redis::cmd("CLIENT");
    connection.and_then(|mut connection| command.arg("LIST").query(&mut connection)).unwrap()
}

async fn a_wait_on_a_frozen_server_ends_with_the_calls_limit<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let limited = C::builder(server.url()).response_timeout(SHORT / 2).call_timeout(2 * SHORT);
    let client = C::build(limited).await.unwrap();
    let list: RedisList<String, C> = RedisList::new(&client, "l");
    assert_eq!(ok!(list.wait_pop_front(Duration::from_millis(1))), None);
    signal(&server, "-STOP");
    let began = Instant::now();
    let error = settle!(list.wait_pop_front(SHORT)).unwrap_err();
    // Without the limit it would be a minute.
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
    assert!(error.is_timeout() && error.applied() == Applied::Perhaps, "{error:?}");
    signal(&server, "-CONT");
}

/// Limits and times near the end of their range act as the longest do, or are refused.
async fn no_time_is_too_long<C: Kind>() {
    let server = LocalServer::start().unwrap();
    for time in [
        Duration::MAX,
        Duration::from_secs(u64::MAX / 2),
        Duration::from_millis(u64::MAX),
        Duration::from_millis(i64::MAX as u64),
    ] {
        let builder = C::builder(server.url()).connect_timeout(time).response_timeout(time);
        let client = C::build(builder.call_timeout(time).failover_timeout(time)).await.unwrap();
        let list: RedisList<String, C> = RedisList::new(&client, "l");
        let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
        let hash: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, "h");
        ok!(list.key().remove());
        ok!(list.push_many(["a", "b", "c"]));
        assert_eq!(ok!(list.wait_pop_front(time)).as_deref(), Some("a"));
        assert_eq!(ok!(list.wait_pop_any(&[], time)), Some((0, "b".to_owned())));
        assert_eq!(ok!(list.wait_pop_front_to(&list, time)).as_deref(), Some("c"));
        ok!(dict.insert("a", &1));
        ok!(hash.insert("a", &1));
        for refused in [
            settle!(list.key().expire(time)).err(),
            settle!(dict.expire("a", time)).err(),
            settle!(dict.get_and_expire("a", time)).err(),
        ] {
            // A server may know such a time.
            assert!(refused.is_none_or(|error| error.applied() == Applied::No), "{time:?}");
        }
        let _ = settle!(hash.expire("a", time));
        ok!(dict.insert("a", &1));
        let near = NearCacheSettings::tracking().time_to_live(time).max_staleness(time);
        let cached = ok!(dict.cached(near.on_disconnect(OnDisconnect::Serve(time))));
        assert_eq!(ok!(cached.get("a")).as_deref(), Some(&1));
        drop(cached);
        let mut events = ok!(dict.subscribe("*"));
        ok!(dict.insert("a", &2));
        C::event(&mut events).await.unwrap();

        for policy in [
            CachePolicy::time_to_live(time),
            CachePolicy::without_expiry().remember_absence(time),
            CachePolicy::without_expiry().remember_errors(time).lease(time),
            CachePolicy::without_expiry().refresh_ahead(time).stale_if_error(time),
            CachePolicy::without_expiry().stale_while_revalidate(time),
        ] {
            let load = |_: u64, ()| C::loading(Ok(Loaded::from(7)));
            let cache = CacheClient::<u64, u64, C>::new(&client, "through", policy, load);
            assert!(cache.is_err(), "more than a thousand years");
        }

        let queue: WorkQueue<String, C> = WorkQueue::new(&client, "q");
        for settings in [
            QueueSettings::new().lease(time),
            QueueSettings::new().backoff(time, time),
            QueueSettings::new().backoff(SHORT, time),
        ] {
            assert!(settle!(queue.with(settings).push("a")).is_err());
        }
        ok!(queue.push("a"));
        let delayed = settle!(queue.push_in("b", time));
        assert!(delayed.is_err() || ok!(queue.stats()).delayed == 1, "{time:?}");
        let mut consumer = queue.consumer();
        let job = ok_within!(consumer.next(time)).unwrap();
        job.retry(time);
        ok!(consumer.close());
        ok!(queue.purge());
        assert!(ok!(queue.drain(time)));

        let az = Keyword::double("AZ").initial(0.0).every(time).on_read(|| az::<C>());
        let dispatcher = Dispatcher::builder("dome").lease(time).grace(time).keyword(az);
        let dispatcher = ok!(dispatcher.serve(&client));
        let dome = keyword::Client::new(&client).service("dome");
        ok!(dome.wait_for("AZ", |az| az.value.as_f64().is_some(), time));
        ok!(dispatcher.shutdown());
    }
}

fn az<C: Kind>() -> C::Loading<keyword::Value> {
    C::loading(Ok(keyword::Value::from(1.0)))
}

async fn connect<C: Kind>(server: &LocalServer) -> C {
    let builder = C::builder(server.url()).response_timeout(SHORT).connect_timeout(LONG);
    C::build(builder).await.unwrap()
}

/// The port of a server that gives each command the reply of a test, for as long as the program
/// runs.
fn scripted(reply: impl Fn(&str) -> String + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let reply = Arc::new(reply);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (reply, stream) = (reply.clone(), stream.unwrap());
            thread::spawn(move || serve(stream, &*reply));
        }
    });
    port
}

fn serve(stream: TcpStream, reply: &dyn Fn(&str) -> String) -> std::io::Result<()> {
    let mut requests = BufReader::new(stream.try_clone()?);
    let number = |requests: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        requests.read_line(&mut line)?;
        line.get(1..)
            .and_then(|line| line.trim().parse::<usize>().ok())
            .ok_or_else(|| std::io::Error::other("no more requests"))
    };
    loop {
        let mut words = Vec::new();
        for _ in 0..number(&mut requests)? {
            let mut word = vec![0; number(&mut requests)? + 2];
            requests.read_exact(&mut word)?;
            words.push(String::from_utf8_lossy(&word[..word.len() - 2]).into_owned());
        }
        (&stream).write_all(reply(&words.join(" ")).as_bytes())?;
    }
}

/// The reply of a server to commands that are not the subject of a test.
fn answer(command: &str) -> String {
    match command {
        command if command.starts_with("PING") => "+PONG\r\n".into(),
        command if command.starts_with("ECHO ") => {
            format!("${}\r\n{}\r\n", command.len() - 5, &command[5..])
        }
        _ => "+OK\r\n".into(),
    }
}
