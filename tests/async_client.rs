//! Properties of the async client alone: one shared connection, and futures that may be dropped.

use std::collections::HashMap;
use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt};
use redis_collections::{
    AsyncClient, Client, Error, LocalServer, RedisDict, RedisHashDict, RedisList, Wait,
};
use support::kinds::{SERVER, client, in_runtime};
use support::servers::proxy::{Direction, Proxy};
use support::servers::query;
use support::{IDLE, within_in_task};
use tokio::task::JoinSet;
use tokio::time::timeout;

const SHORT: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(30);

async fn open(url: &str) -> AsyncClient {
    AsyncClient::open(url).await.unwrap()
}

/// Waits for a condition that other tasks make true.
async fn eventually(condition: impl FnMut() -> bool) -> bool {
    within_in_task(LONG, condition).await
}

fn waiting_clients(server: &LocalServer) -> usize {
    let info: String = query(server.url(), "INFO clients").unwrap();
    let line = info.lines().find(|line| line.starts_with("blocked_clients:")).unwrap();
    line.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn all_calls_share_one_connection() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    in_runtime(async {
        let client = open(&proxy.url()).await;
        let dict: RedisHashDict<u64, u64, AsyncClient> = RedisHashDict::new(&client, "shared");
        let mut calls = JoinSet::new();
        for key in 0..200 {
            let dict = dict.clone();
            calls.spawn(async move {
                dict.insert(&key, &key).await.unwrap();
                assert_eq!(dict.get(&key).await.unwrap(), Some(key));
            });
        }
        calls.join_all().await;
        assert_eq!((proxy.connections(), dict.len().await.unwrap()), (1, 200));
    });
}

#[test]
fn a_future_sends_nothing_until_it_is_polled() {
    in_runtime(async {
        let dict: RedisDict<u64, u64, AsyncClient> =
            RedisDict::new(&open(SERVER.url()).await, "unpolled");
        drop(dict.insert(&1, &1));
        let later = dict.insert(&2, &2);
        assert_eq!(dict.len().await.unwrap(), 0);
        later.await.unwrap();
        assert_eq!(dict.len().await.unwrap(), 1);
    });
}

#[test]
fn an_iteration_is_a_stream() {
    in_runtime(async {
        let client = open(SERVER.url()).await;
        let hash: RedisHashDict<u64, u64, AsyncClient> = RedisHashDict::new(&client, "stream");
        let numbers: Vec<u64> = (0..5000).collect();
        hash.extend(numbers.iter().zip(&numbers)).await.unwrap();
        let found: HashMap<u64, u64> = hash.iter().page_size(700).try_collect().await.unwrap();
        assert_eq!(found, numbers.iter().map(|&number| (number, number)).collect());
        let sum = hash.values().try_fold(0, |sum, number| async move { Ok(sum + number) });
        assert_eq!(sum.await.unwrap(), numbers.iter().sum::<u64>());
        let texts: RedisHashDict<u64, String, AsyncClient> = hash.typed();
        texts.insert(&0, "no number").await.unwrap();
        let results: Vec<_> = hash.iter().collect().await;
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
        assert_eq!(results.len(), 5000, "it goes on after what it cannot decode");
    });
}

#[test]
fn a_pipeline_and_a_transaction_are_one_round_trip_each() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    in_runtime(async {
        let client = open(&proxy.url()).await;
        let dict: RedisHashDict<u64, u64, AsyncClient> = RedisHashDict::new(&client, "trips");
        let inserts = || (0..20).map(|key| dict.deferred().replace(&key, &key)).collect::<Vec<_>>();
        for transaction in [false, true] {
            client.check().await.unwrap();
            proxy.reset();
            match transaction {
                false => assert_eq!(client.pipeline(inserts()).await.unwrap().len(), 20),
                true => assert_eq!(client.transaction(inserts()).await.unwrap().len(), 20),
            }
            assert_eq!(proxy.round_trips(), 1);
        }
    });
}

#[test]
fn a_waiting_pop_never_delays_other_calls() {
    const WAITING: usize = 100;
    let server = LocalServer::start().unwrap();
    in_runtime(async {
        let client = open(server.url()).await;
        let list: RedisList<u64, AsyncClient> = RedisList::new(&client, "never-delays");
        let mut waiting = JoinSet::new();
        for _ in 0..WAITING {
            let list = list.clone();
            waiting.spawn(async move { list.wait_pop_front(Wait::Forever).await.unwrap() });
        }
        assert!(eventually(|| waiting_clients(&server) == WAITING).await);
        let others = async {
            for _ in 0..100 {
                assert_eq!(list.len().await.unwrap(), 0);
            }
        };
        timeout(LONG, others).await.expect("no call waits for the waiting ones");
        list.push_many(&(0..WAITING as u64).collect::<Vec<_>>()).await.unwrap();
        let mut taken: Vec<u64> = waiting.join_all().await.into_iter().flatten().collect();
        taken.sort();
        assert_eq!(taken, (0..WAITING as u64).collect::<Vec<_>>());
    });
}

#[test]
fn a_wait_may_be_longer_than_the_response_timeout() {
    in_runtime(async {
        let client = AsyncClient::builder(SERVER.url()).response_timeout(SHORT).build();
        let list: RedisList<u64, AsyncClient> = RedisList::new(&client.await.unwrap(), "longer");
        let started = Instant::now();
        assert_eq!(list.wait_pop_front(4 * SHORT).await.unwrap(), None);
        assert!(started.elapsed() >= 4 * SHORT);
    });
}

#[test]
fn a_dropped_wait_ends_on_the_server_and_takes_nothing() {
    let server = LocalServer::start().unwrap();
    in_runtime(async {
        let list: RedisList<u64, AsyncClient> =
            RedisList::new(&open(server.url()).await, "dropped");
        for round in 0..20 {
            let waiting = tokio::spawn(list.wait_pop_front(LONG));
            assert!(eventually(|| waiting_clients(&server) == 1).await);
            waiting.abort();
            assert!(waiting.await.unwrap_err().is_cancelled());
            assert!(eventually(|| waiting_clients(&server) == 0).await);
            list.push_back(&round).await.unwrap();
            assert_eq!(list.pop_front().await.unwrap(), Some(round));
        }
    });
}

/// Redis 7.0 crashes where `CLIENT UNBLOCK` names a client whose command is put off.
#[test]
fn a_wait_that_is_dropped_while_clients_are_paused_does_the_server_no_harm() {
    let server = LocalServer::start().unwrap();
    in_runtime(async {
        let client = open(server.url()).await;
        let list: RedisList<u64, AsyncClient> = RedisList::new(&client, "paused");
        let ask = |command: &str| support::servers::query::<redis::Value>(server.url(), command);
        ask("CLIENT PAUSE 1000 WRITE").unwrap();
        let waiting = tokio::spawn(list.wait_pop_front(LONG));
        let clients = || format!("{:?}", ask("CLIENT LIST").unwrap());
        assert!(eventually(|| clients().contains("cmd=blpop")).await);
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        // This is put off too.
        list.push_back(&1).await.unwrap();
        assert!(eventually(|| waiting_clients(&server) == 0).await);
        assert!(eventually(|| query_len(&server, "paused") == 1).await);
    });
}

fn query_len(server: &LocalServer, list: &str) -> usize {
    support::servers::query(server.url(), &format!("LLEN {list}")).unwrap()
}

/// The item arrives while the wait is given up: at any moment from before to after.
#[test]
fn an_item_that_comes_as_its_wait_is_dropped_is_taken_once_or_stays() {
    const ITEMS: u64 = 300;
    in_runtime(async {
        let client = open(SERVER.url()).await;
        let list: RedisList<u64, AsyncClient> = RedisList::new(&client, "race");
        let mut taken = Vec::new();
        for item in 0..ITEMS {
            let wait = list.wait_pop_front(LONG);
            let push = list.push_back(&item);
            let moment = Duration::from_micros(item * 3);
            let (popped, pushed) = tokio::join!(timeout(moment, wait), push);
            pushed.unwrap();
            taken.extend(popped.ok().map(|popped| popped.unwrap().unwrap()));
        }
        eventually_all(&list, &mut taken, ITEMS).await;
        taken.sort();
        assert_eq!(taken, (0..ITEMS).collect::<Vec<_>>(), "none lost, none twice");
    });
}

/// Takes the rest, some of which may still be on its way back.
async fn eventually_all(list: &RedisList<u64, AsyncClient>, taken: &mut Vec<u64>, items: u64) {
    let started = Instant::now();
    while taken.len() < items as usize {
        assert!(started.elapsed() < LONG, "only {} came", taken.len());
        taken.extend(list.wait_pop_front(SHORT).await.unwrap());
    }
}

#[test]
fn an_item_whose_reply_is_on_its_way_as_the_wait_is_dropped_goes_back() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    in_runtime(async {
        let direct: RedisList<u64> = RedisList::new(&client(), "goes-back");
        direct.push_many(&[1, 2]).unwrap();
        let list: RedisList<u64, AsyncClient> =
            RedisList::new(&open(&proxy.url()).await, "goes-back");
        for end in [true, false] {
            direct.push_back(&3).unwrap();
            assert_eq!(list.wait_pop_back(SHORT).await.unwrap(), Some(3), "it has a connection");
            proxy.hold(Direction::Replies);
            let wait = if end { list.wait_pop_front(LONG) } else { list.wait_pop_back(LONG) };
            let waiting = tokio::spawn(wait);
            assert!(eventually(|| direct.len().unwrap() == 1).await);
            waiting.abort();
            proxy.release();
            assert!(eventually(|| direct.range(..).unwrap() == [1, 2]).await);
        }
    });
}

#[test]
fn a_lost_reply_to_a_write_is_perhaps_and_a_read_is_repeated() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    in_runtime(async {
        let client = open(&proxy.url()).await;
        let dict: RedisDict<String, u64, AsyncClient> = RedisDict::new(&client, "lost");
        dict.insert("n", &1).await.unwrap();
        proxy.hold(Direction::Replies);
        let write = tokio::spawn(dict.increment("n", 1));
        let direct: RedisDict<String, u64> = RedisDict::new(&support::kinds::client(), "lost");
        assert!(eventually(|| direct.get("n").unwrap() == Some(2)).await);
        proxy.kill();
        let error = write.await.unwrap().unwrap_err();
        assert!(matches!(&error, Error::ConnectionLost { .. }), "{error}");
        assert!(error.may_have_been_applied());
        proxy.release();
        assert_eq!(dict.get("n").await.unwrap(), Some(2));
        proxy.kill();
        assert_eq!(dict.get("n").await.unwrap(), Some(2), "a read is repeated");
        let connections = proxy.connections();
        assert_eq!(dict.get("n").await.unwrap(), Some(2));
        assert_eq!(proxy.connections(), connections, "on the connection that was made anew");
    });
}

#[test]
fn a_server_that_answers_nothing_is_a_timeout_for_all_calls() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    in_runtime(async {
        let client = AsyncClient::builder(&proxy.url()).response_timeout(SHORT);
        let client = client.connect_timeout(SHORT).build().await.unwrap();
        let dict: RedisDict<u64, u64, AsyncClient> = RedisDict::new(&client, "silent");
        let list: RedisList<u64, AsyncClient> = RedisList::new(&client, "silent-list");
        dict.insert(&0, &0).await.unwrap();
        proxy.hold(Direction::Replies);
        let started = Instant::now();
        let mut calls = JoinSet::new();
        (1..50).for_each(|key| drop(calls.spawn(dict.insert(&key, &key))));
        for call in calls.join_all().await {
            let error = call.unwrap_err();
            assert!(error.is_timeout() && error.may_have_been_applied(), "{error}");
        }
        let pipeline = client.pipeline((dict.deferred().get(&1),)).await.unwrap_err();
        let waiting = list.wait_pop_front(SHORT).await.unwrap_err();
        assert!(pipeline.is_timeout() || pipeline.is_connection_lost(), "{pipeline}");
        assert!(waiting.is_timeout() || waiting.is_connection_lost(), "{waiting}");
        assert!(started.elapsed() < LONG);
        proxy.release();
        for key in 1..50 {
            assert_eq!(dict.get(&key).await.unwrap(), Some(key), "each reply is to its own call");
        }
    });
}

#[test]
fn a_server_that_is_down_is_an_error_at_once_for_all_calls() {
    let mut server = LocalServer::start().unwrap();
    in_runtime(async {
        let client = open(server.url()).await;
        let dict: RedisDict<u64, u64, AsyncClient> = RedisDict::new(&client, "down");
        dict.insert(&1, &1).await.unwrap();
        server.stop().unwrap();
        let started = Instant::now();
        let mut calls = JoinSet::new();
        (0..50).for_each(|key| drop(calls.spawn(dict.get(&key))));
        for call in calls.join_all().await {
            assert!(call.unwrap_err().is_connection_lost());
        }
        assert!(started.elapsed() < Duration::from_secs(4));
        server.restart().unwrap();
        dict.insert(&1, &2).await.expect("a new connection is made");
        assert_eq!(dict.get(&1).await.unwrap(), Some(2));
    });
}

#[test]
fn a_server_restarted_between_two_calls_is_not_noticed() {
    let mut server = LocalServer::start().unwrap();
    in_runtime(async {
        let dict: RedisDict<u64, u64, AsyncClient> =
            RedisDict::new(&open(server.url()).await, "restarted");
        for round in 0..3 {
            dict.insert(&round, &round).await.unwrap();
            server.restart().unwrap();
            tokio::time::sleep(IDLE).await;
        }
    });
}

#[test]
fn writes_at_once_are_not_lost_with_a_connection_that_died_while_idle() {
    let ends: [fn(&Proxy); 2] = [Proxy::kill, |proxy| proxy.cut_after(1, Direction::Requests)];
    for (case, end) in ["closed", "closed at the first use"].into_iter().zip(ends) {
        let proxy = Proxy::to(SERVER.port()).unwrap();
        in_runtime(async {
            let dict: RedisDict<u64, u64, AsyncClient> =
                RedisDict::new(&open(&proxy.url()).await, "idle");
            dict.insert(&0, &0).await.unwrap();
            tokio::time::sleep(IDLE).await;
            end(&proxy);
            let written = tokio::join!(dict.insert(&1, &1), dict.insert(&2, &2));
            assert!(matches!(written, (Ok(_), Ok(_))), "{case}: {written:?}");
            assert_eq!(proxy.connections(), 2, "{case}: they share the new connection");
        });
    }
}

#[test]
fn a_waiting_pop_goes_on_when_the_server_is_restarted() {
    let mut server = LocalServer::start().unwrap();
    in_runtime(async {
        let list: RedisList<u64, AsyncClient> =
            RedisList::new(&open(server.url()).await, "goes-on");
        let waiting = tokio::spawn(list.wait_pop_front(LONG));
        assert!(eventually(|| waiting_clients(&server) == 1).await);
        server.restart().unwrap();
        assert!(eventually(|| waiting_clients(&server) == 1).await);
        list.push_back(&7).await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), Some(7));
    });
}

#[test]
fn a_client_works_in_one_runtime_after_another() {
    let client = in_runtime(open(SERVER.url()));
    let dict: RedisDict<u64, u64, AsyncClient> = RedisDict::new(&client, "runtimes");
    for round in 0..3 {
        in_runtime(async {
            assert_eq!(dict.get(&round).await.unwrap(), None, "a read is repeated");
            dict.insert(&round, &round).await.unwrap();
        });
    }
}

#[test]
fn outside_of_a_runtime_a_call_is_an_error() {
    let lazy = in_runtime(AsyncClient::builder(SERVER.url()).lazy().build()).unwrap();
    let dict: RedisDict<u64, u64, AsyncClient> = RedisDict::new(&lazy, "outside");
    let call = std::pin::pin!(dict.get(&1));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = call.poll(&mut context) else { panic!("not ready") };
    assert!(error.to_string().contains("tokio"), "{error}");
}

#[test]
fn a_runtime_without_timers_is_an_error() {
    let without_io = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let error = without_io.block_on(AsyncClient::open(SERVER.url())).unwrap_err();
    assert!(matches!(&error, Error::Connect { .. }), "{error}");
    let bare = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let without_time =
        || tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    for runtime in [bare(), without_time()] {
        let opened = runtime.block_on(AsyncClient::open(SERVER.url()));
        let of_cluster = runtime.block_on(AsyncClient::cluster([SERVER.url()]));
        let lazy = in_runtime(AsyncClient::builder(SERVER.url()).lazy().build()).unwrap();
        let list: RedisList<u64, AsyncClient> = RedisList::new(&lazy, "no time");
        let waited = runtime.block_on(list.wait_pop_front(Duration::ZERO));
        let read = runtime.block_on(list.len());
        for error in [opened.err(), of_cluster.err(), waited.err(), read.err()] {
            let error = error.expect("an error");
            assert!(matches!(&error, Error::Connect { .. }), "{error}");
            assert!(error.to_string().contains("enable_all"), "{error}");
        }
    }
}

#[test]
fn nothing_is_left_open_when_a_client_ends() {
    let server = LocalServer::start().unwrap();
    let connections = || {
        let clients: String = query(server.url(), "INFO clients").unwrap();
        clients.contains("connected_clients:1\r")
    };
    in_runtime(async {
        let client = open(server.url()).await;
        let list: RedisList<u64, AsyncClient> = RedisList::new(&client, "ends");
        list.wait_pop_front(Duration::ZERO).await.unwrap();
        drop(list.iter());
        assert!(!connections());
        drop((list, client));
        assert!(eventually(connections).await);
    });
}

#[test]
fn threads_and_tasks_see_each_others_changes() {
    in_runtime(async {
        let shared: RedisHashDict<String, u64, AsyncClient> =
            RedisHashDict::new(&open(SERVER.url()).await, "both");
        let blocking: RedisHashDict<String, u64> = shared.on::<Client>(&client());
        let thread = std::thread::spawn(move || {
            for _ in 0..200 {
                blocking.increment("n", 1).unwrap();
            }
        });
        let mut updates = JoinSet::new();
        for _ in 0..8 {
            let shared = shared.clone();
            updates.spawn(async move {
                for _ in 0..25 {
                    shared.update("n", |n| Some(n.unwrap_or(0) + 1)).await.unwrap();
                }
            });
        }
        updates.join_all().await;
        thread.join().unwrap();
        assert_eq!(shared.get("n").await.unwrap(), Some(400));
    });
}
