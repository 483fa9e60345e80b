//! Failures of the connections of async clients, and recovery from them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use redis_collections::{
    Applied, AsyncClient, Error, Event, LocalServer, RedisDict, RedisList, Wait,
};
use support::kinds::{SERVER, client, in_runtime};
use support::servers::proxy::{Direction, Proxy};
use support::servers::query;
use support::servers::scripted::{Answer, Scripted};
use support::{IDLE, eventually, within, within_in_task};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::timeout;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(30);

type Dict = RedisDict<String, u64, AsyncClient>;

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The answer of a dictionary of `7`s to a command.
fn seven(command: &[Vec<u8>]) -> Answer {
    match &command[0][..] {
        b"PING" if command.len() == 1 => Answer::Say("+PONG\r\n"),
        b"GET" => Answer::Say("$1\r\n7\r\n"),
        _ => Answer::Say("+OK\r\n"),
    }
}

#[test]
fn no_call_outlives_its_connection() {
    const CALLERS: usize = 64;
    const CUTS: usize = 1500;
    let commands = AtomicUsize::new(0);
    let cuts = Arc::new(AtomicUsize::new(0));
    let count = cuts.clone();
    let server = Scripted::answering(move |_, command| {
        if command[0] != b"PING" && commands.fetch_add(1, Ordering::Relaxed) % 97 == 96 {
            count.fetch_add(1, Ordering::Relaxed);
            return Answer::Cut;
        }
        seven(command)
    });
    let server = server.unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        // So that a call that does not notice the end cannot be taken for a slow one.
        let client = AsyncClient::builder(&server.url()).response_timeout(LONG);
        let dict: Dict = RedisDict::new(&client.build().await.unwrap(), "d");
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let (dict, cuts) = (dict.clone(), cuts.clone());
            callers.spawn(async move {
                while cuts.load(Ordering::Relaxed) < CUTS {
                    let outcome = match caller % 2 {
                        0 => dict.insert("k", &7).await,
                        _ => dict.get("k").await.map(drop),
                    };
                    if let Err(error) = outcome {
                        assert!(error.is_connection_lost(), "{error}");
                    }
                }
            });
        }
        callers.join_all().await;
    });
}

#[test]
fn a_client_works_in_independent_runtimes() {
    let first = current_thread();
    let client = first.block_on(AsyncClient::open(SERVER.url())).unwrap();
    let dict: Dict = RedisDict::new(&client, "runtimes-apart");
    let list: RedisList<u64, AsyncClient> = RedisList::new(&client, "runtimes-apart-list");
    first.block_on(dict.insert("k", &0)).unwrap();
    let uses = |round: u64| {
        let (dict, list) = (dict.clone(), list.clone());
        async move {
            dict.insert("k", &round).await.unwrap();
            assert_eq!(dict.get("k").await.unwrap(), Some(round));
            list.push_back(&round).await.unwrap();
            assert_eq!(list.wait_pop_front(LONG).await.unwrap(), Some(round));
        }
    };
    let limited = |runtime: &Runtime, round| {
        runtime.block_on(async { timeout(LONG, uses(round)).await }).expect("nothing hangs");
    };
    let second = current_thread();
    limited(&second, 1);
    limited(&first, 2);
    drop(first);
    limited(&second, 3);
    std::thread::scope(|scope| {
        (4..12).for_each(|round| {
            let dict = dict.clone();
            scope.spawn(move || {
                current_thread().block_on(async {
                    for _ in 0..50 {
                        let key = round.to_string();
                        dict.insert(&key, &round).await.unwrap();
                        assert_eq!(dict.get(&key).await.unwrap(), Some(round));
                    }
                });
            });
        });
    });
}

#[test]
fn a_silent_server_is_detected_in_every_runtime() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let [first, second] = [current_thread(), current_thread()];
    let open = AsyncClient::builder(&proxy.url()).response_timeout(SHORT).connect_timeout(SHORT);
    let client = first.block_on(open.build()).unwrap();
    let dict: Dict = RedisDict::new(&client, "silent-runtimes");
    second.block_on(dict.insert("k", &1)).unwrap();
    drop(first);
    proxy.hold(Direction::Replies);
    for _ in 0..2 {
        let outcome = second.block_on(async { timeout(LONG, dict.insert("k", &2)).await });
        assert!(outcome.expect("it does not hang").unwrap_err().is_transient());
    }
    let third = current_thread();
    let outcome = third.block_on(async { timeout(LONG, dict.insert("k", &2)).await });
    let error = outcome.expect("it does not hang").unwrap_err();
    assert!(matches!(&error, Error::Connect { .. }), "nothing can have been sent: {error}");
}

#[test]
fn a_runtime_that_ends_while_it_connects_blocks_no_other_caller() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = in_runtime(AsyncClient::builder(&proxy.url()).lazy().build()).unwrap();
    let dict: Dict = RedisDict::new(&client, "ends-connecting");
    proxy.hold(Direction::Replies);
    let first = Runtime::new().unwrap();
    first.spawn(dict.get("k"));
    assert!(eventually(|| proxy.connections() == 1));
    drop(first);
    proxy.release();
    in_runtime(async { timeout(LONG, dict.insert("k", &1)).await.unwrap().unwrap() });
}

#[test]
fn progress_counts_as_an_answer_and_a_whole_call_has_a_limit_of_its_own() {
    const LIMIT: Duration = Duration::from_secs(1);
    let proxy = Proxy::to(SERVER.port()).unwrap();
    in_runtime(async {
        let direct: RedisDict<String, String> = RedisDict::new(&client(), "slow");
        let large = "x".repeat(3_000_000);
        direct.insert("large", &large).unwrap();
        let builder = AsyncClient::builder(&proxy.url()).response_timeout(LIMIT);
        let slow = builder.clone().build().await.unwrap();
        let hurried = builder.call_timeout(LIMIT).build().await.unwrap();
        let get = |client: &AsyncClient| {
            let dict: RedisDict<String, String, AsyncClient> = RedisDict::new(client, "slow");
            async move { dict.get("large").await }
        };
        let list: RedisList<String> = RedisList::new(&support::kinds::client(), "slow-list");
        // At most 64 kB at a time.
        proxy.delay_replies(LIMIT / 20);
        let started = Instant::now();
        assert_eq!(get(&slow).await.unwrap().as_ref(), Some(&large));
        assert!(started.elapsed() > 2 * LIMIT, "it took longer than the server may be silent");
        let error = get(&hurried).await.unwrap_err();
        assert!(error.is_timeout(), "{error}");
        list.push_back(&large).unwrap();
        let waiting: RedisList<String, AsyncClient> = RedisList::new(&slow, "slow-list");
        assert_eq!(waiting.wait_pop_front(Duration::from_millis(10)).await.unwrap(), Some(large));
    });
}

#[test]
fn a_connection_is_checked_behind_a_large_reply() {
    const LIMIT: Duration = Duration::from_secs(1);
    let proxy = Proxy::to(SERVER.port()).unwrap();
    in_runtime(async {
        let large = "x".repeat(3_000_000);
        let direct: RedisDict<String, String> = RedisDict::new(&client(), "behind");
        direct.insert("large", &large).unwrap();
        let slow = AsyncClient::builder(&proxy.url()).response_timeout(LIMIT);
        let dict: RedisDict<String, String, AsyncClient> =
            RedisDict::new(&slow.build().await.unwrap(), "behind");
        proxy.delay_replies(LIMIT / 20);
        let first = dict.clone();
        let first = tokio::spawn(async move { first.get("large").await });
        tokio::time::sleep(IDLE).await;
        assert!(!first.is_finished());
        assert_eq!(dict.get("none").await.unwrap(), None);
        assert_eq!(first.await.unwrap().unwrap(), Some(large));
        assert_eq!(proxy.connections(), 1, "a connection that is slow is not dead");
    });
}

#[test]
fn an_idle_connection_whose_answer_comes_slowly_is_kept() {
    const LIMIT: Duration = Duration::from_secs(2);
    let proxy = Proxy::to(SERVER.port()).unwrap();
    in_runtime(async {
        let slow = AsyncClient::builder(&proxy.url()).response_timeout(LIMIT);
        let slow = slow.build().await.unwrap();
        let dict: Dict = RedisDict::new(&slow, "drips");
        let list: RedisList<u64, AsyncClient> = RedisList::new(&slow, "drips-list");
        dict.insert("k", &1).await.unwrap();
        assert_eq!(list.wait_pop_front(Duration::from_millis(1)).await.unwrap(), None);
        let connections = proxy.connections();
        tokio::time::sleep(IDLE).await;
        proxy.drip_replies(LIMIT / 35);
        let started = Instant::now();
        assert_eq!(dict.get("k").await.unwrap(), Some(1));
        assert!(started.elapsed() > LIMIT / 2, "longer than it may be silent");
        assert_eq!(list.wait_pop_front(Duration::from_millis(1)).await.unwrap(), None);
        assert_eq!(proxy.connections(), connections);
    });
}

#[test]
fn a_connection_whose_reply_has_just_arrived_is_not_idle() {
    let probes = Arc::new(AtomicUsize::new(0));
    let count = probes.clone();
    let server = Scripted::answering(move |_, command| {
        match &command[0][..] {
            b"PING" if command.len() == 2 => drop(count.fetch_add(1, Ordering::Relaxed)),
            // A distant server, whose replies take longer than a connection may be idle.
            b"GET" => std::thread::sleep(IDLE),
            _ => {}
        }
        seven(command)
    });
    let server = server.unwrap();
    in_runtime(async {
        let client = AsyncClient::builder(&server.url()).build().await.unwrap();
        let dict: Dict = RedisDict::new(&client, "d");
        for _ in 0..4 {
            assert_eq!(dict.get("k").await.unwrap(), Some(7));
        }
        assert_eq!(probes.load(Ordering::Relaxed), 0);
        tokio::time::sleep(IDLE).await;
        assert!(dict.get("k").await.is_ok());
        assert!(probes.load(Ordering::Relaxed) > 0, "a connection that was idle is probed");
    });
}

#[test]
fn a_refusal_at_the_accept_concerns_the_connection() {
    for (says, quoted) in [
        ("-ERR max number of clients reached\r\n", "max number of clients"),
        ("-DENIED Redis is running in protected mode\r\n", "protected mode"),
        ("", ""),
    ] {
        let server = Scripted::refusing(says).unwrap();
        in_runtime(async {
            let client = AsyncClient::builder(&server.url()).lazy().build().await.unwrap();
            let dict: Dict = RedisDict::new(&client, "d");
            let list: RedisList<u64, AsyncClient> = RedisList::new(&client, "l");
            for error in [
                dict.insert("k", &1).await.unwrap_err(),
                dict.get("k").await.unwrap_err(),
                list.wait_pop_front(Duration::ZERO).await.unwrap_err(),
            ] {
                assert!(matches!(&error, Error::Connect { .. }), "{error}");
                assert_eq!(error.applied(), Applied::No);
                let source = std::error::Error::source(&error).unwrap().to_string();
                assert!(source.contains(quoted), "{source}");
            }
            assert!(dict.subscribe("*").await.is_err());
        });
    }
}

#[test]
fn a_server_that_cannot_answer_for_the_moment_has_accepted() {
    for code in ["LOADING", "NOAUTH", "NOPERM", "MASTERDOWN", "BUSY", "MISCONF"] {
        let refusal: &'static str = format!("-{code} for the moment\r\n").leak();
        let server = Scripted::answering(move |_, command| match &command[0][..] {
            b"PING" => Answer::Say(refusal),
            _ => seven(command),
        });
        let server = server.unwrap();
        in_runtime(async {
            let client = AsyncClient::builder(&server.url()).lazy().build().await.unwrap();
            let dict: Dict = RedisDict::new(&client, "d");
            assert_eq!(dict.get("k").await.unwrap(), Some(7), "{code}");
        });
    }
}

#[test]
fn an_idle_connection_with_a_wrong_answer_to_its_probe_is_replaced() {
    for reply in ["+QUEUED\r\n", "$1\r\n7\r\n", "+PONG\r\n", "-ERR something else\r\n"] {
        let server = Scripted::answering(move |number, command| match &command[0][..] {
            b"PING" if command.len() == 2 && number == 0 => Answer::Say(reply),
            _ => seven(command),
        });
        let server = server.unwrap();
        in_runtime(async {
            let client = AsyncClient::open(&server.url()).await.unwrap();
            let dict: Dict = RedisDict::new(&client, "d");
            tokio::time::sleep(IDLE).await;
            dict.insert("k", &1).await.unwrap();
            assert_eq!(server.connections(), 2, "{reply}");
        });
    }
}

#[test]
fn a_call_after_a_pause_takes_its_limit_once_and_nothing_is_sent() {
    const LIMIT: Duration = Duration::from_secs(4);
    let proxy = Proxy::to(SERVER.port()).unwrap();
    in_runtime(async {
        let client = AsyncClient::builder(&proxy.url()).response_timeout(LIMIT).build();
        let dict: Dict = RedisDict::new(&client.await.unwrap(), "after-a-pause");
        dict.insert("k", &1).await.unwrap();
        tokio::time::sleep(IDLE).await;
        proxy.hold(Direction::Replies);
        let started = Instant::now();
        let error = dict.insert("k", &2).await.unwrap_err();
        assert!(started.elapsed() < 2 * LIMIT, "{:?}", started.elapsed());
        assert!(matches!(&error, Error::Connect { .. }), "{error}");
        proxy.release();
        let direct: RedisDict<String, u64> =
            RedisDict::new(&support::kinds::client(), "after-a-pause");
        assert_eq!(direct.get("k").unwrap(), Some(1));
    });
}

#[test]
fn a_silently_dead_idle_connection_is_replaced() {
    let server = Scripted::answering(|number, command| match &command[0][..] {
        b"PING" if command.len() == 2 && number == 0 => Answer::Nothing,
        _ => seven(command),
    });
    let server = server.unwrap();
    in_runtime(async {
        let client = AsyncClient::builder(&server.url()).response_timeout(SHORT).build();
        let dict: Dict = RedisDict::new(&client.await.unwrap(), "d");
        tokio::time::sleep(IDLE).await;
        dict.insert("k", &1).await.unwrap();
        assert_eq!(server.connections(), 2);
    });
}

#[test]
fn an_item_taken_by_a_wait_goes_back_when_its_runtime_ends() {
    const WAITING: u64 = 20;
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let direct: RedisList<u64> = RedisList::new(&client(), "runtime-ends");
    let numbers: Vec<u64> = (0..WAITING).collect();
    for lasts in [false, true] {
        let runtime = Runtime::new().unwrap();
        let url = proxy.url();
        let open = AsyncClient::open(&url);
        let list: RedisList<u64, AsyncClient> =
            RedisList::new(&runtime.block_on(open).unwrap(), "runtime-ends");
        for _ in 0..WAITING {
            runtime.spawn(list.wait_pop_front(Wait::Forever));
        }
        let blocked = || {
            let clients: String = query(SERVER.url(), "CLIENT LIST").unwrap();
            let is_blocked = |it: &&str| it.contains(" flags=b ") && it.contains(" cmd=blpop ");
            clients.lines().filter(is_blocked).count()
        };
        loop {
            assert!(eventually(|| blocked() == WAITING as usize));
            proxy.hold(Direction::Replies);
            direct.push_many(&numbers).unwrap();
            assert!(eventually(|| blocked() == 0), "each pops for its connection");
            if direct.len().unwrap() < numbers.len() {
                break;
            }
            // All waits were about to begin their next slices.
            direct.clear().unwrap();
            proxy.release();
        }
        // The owner of the client does not matter.
        let list = lasts.then_some(list);
        runtime.shutdown_background();
        proxy.release();
        assert!(eventually(|| direct.len().unwrap() == numbers.len()), "{:?}", direct.len());
        let mut back = direct.range(..).unwrap();
        direct.clear().unwrap();
        back.sort();
        assert_eq!(back, numbers);
        drop(list);
    }
}

#[test]
fn as_many_waiting_connections_are_kept_as_wait() {
    const WAITING: usize = 40;
    let proxy = Proxy::to(SERVER.port()).unwrap();
    in_runtime(async {
        let client = AsyncClient::open(&proxy.url()).await.unwrap();
        let list: RedisList<u64, AsyncClient> = RedisList::new(&client, "many-waits");
        let round = || async {
            let mut waits = JoinSet::new();
            (0..WAITING).for_each(|_| drop(waits.spawn(list.wait_pop_front(SHORT))));
            waits.join_all().await.into_iter().for_each(|popped| assert_eq!(popped.unwrap(), None));
        };
        round().await;
        assert_eq!(proxy.connections(), 1 + WAITING);
        for _ in 0..3 {
            round().await;
        }
        assert_eq!(proxy.connections(), 1 + WAITING);
    });
}

/// A master and its replica, behind an address that leads to the master.
fn behind_an_address() -> (LocalServer, LocalServer, Proxy) {
    let master = LocalServer::start().unwrap();
    let replica = LocalServer::start_with(&["--repl-diskless-sync-delay", "0"]).unwrap();
    let follow = format!("REPLICAOF 127.0.0.1 {}", master.port());
    query::<()>(replica.url(), &follow).unwrap();
    let is_up = || {
        let info: String = query(replica.url(), "INFO replication").unwrap();
        info.contains("master_link_status:up")
    };
    assert!(within(LONG, is_up));
    let address = Proxy::to(master.port()).unwrap();
    (master, replica, address)
}

/// The replica is promoted and the address leads to it, while the demoted master keeps its
/// connections.
fn promote(master: &LocalServer, replica: &LocalServer, address: &Proxy) {
    query::<()>(replica.url(), "REPLICAOF NO ONE").unwrap();
    address.lead_to(replica.port());
    let follow = format!("REPLICAOF 127.0.0.1 {}", replica.port());
    query::<()>(master.url(), &follow).unwrap();
}

#[test]
fn a_demoted_master_that_keeps_its_connections_is_left() {
    let (master, replica, address) = behind_an_address();
    in_runtime(async {
        let client = AsyncClient::open(&address.url()).await.unwrap();
        let dict: Dict = RedisDict::new(&client, "moved");
        let list: RedisList<u64, AsyncClient> = RedisList::new(&client, "moved-list");
        let mut events = dict.subscribe("*").await.unwrap();
        dict.insert("k", &1).await.unwrap();
        assert!(matches!(events.next().await, Ok(Event::Inserted(_))));
        let waiting = tokio::spawn(list.wait_pop_front(LONG));
        let waits = || {
            let clients: String = query(master.url(), "CLIENT LIST").unwrap();
            clients.contains("cmd=blpop")
        };
        assert!(within_in_task(LONG, waits).await);
        promote(&master, &replica, &address);
        dict.insert("k", &2).await.expect("nothing was applied, so that it is sent again");
        let on_new: Option<String> = query(replica.url(), "GET moved:k").unwrap();
        assert_eq!(on_new.as_deref(), Some("2"));
        list.push_back(&7).await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), Some(7), "it waits on the new master");
        // The subscription must report writes of others on the new master.
        let reported = async {
            for n in 0.. {
                query::<()>(replica.url(), &format!("SET moved:other {n}")).unwrap();
                while let Ok(event) = timeout(SHORT, events.next()).await {
                    if matches!(&event, Ok(Event::Inserted(k) | Event::Updated(k)) if k == "other")
                    {
                        return;
                    }
                }
            }
        };
        timeout(LONG, reported).await.expect("the subscription follows");
    });
}
