//! An address moves to the promoted replica, while the demoted master keeps the connections it has.

use std::thread;
use std::time::{Duration, Instant};

use redis_collections::{
    AsyncClient, CachePolicy, ChangeFormat, Client, Event, LocalServer, NearCacheSettings,
    RedisDict, RedisList, WorkQueue,
};
use support::servers::proxy::Proxy;
use support::servers::query;
use support::{ask, eventually};

const LONG: Duration = Duration::from_secs(30);

/// A master, its replica, and the address of the master.
struct Pair {
    old: LocalServer,
    new: LocalServer,
    address: Proxy,
}

impl Pair {
    fn start() -> Self {
        let at_once = ["--repl-diskless-sync-delay", "0"];
        let old = LocalServer::start_with(&at_once).unwrap();
        let port = old.port().to_string();
        let new = LocalServer::start_with(&["--replicaof", "127.0.0.1", &port]).unwrap();
        assert!(eventually(|| info(&new).contains("master_link_status:up")));
        let address = Proxy::to(old.port()).unwrap();
        Self { old, new, address }
    }

    /// The old master follows the new one, so that it passes on even messages published there.
    fn fail_over(&self) {
        let offset = |server, field: &str| {
            let info = info(server);
            info.lines().find_map(|line| Some(line.strip_prefix(field)?.to_owned()))
        };
        let has_all =
            || offset(&self.new, "slave_repl_offset:") == offset(&self.old, "master_repl_offset:");
        assert!(eventually(has_all), "the replica lacks what was acknowledged");
        assert_eq!(ask(self.new.port(), "REPLICAOF NO ONE").unwrap(), "+OK\r\n");
        self.address.lead_to(self.new.port());
        let follow = format!("REPLICAOF 127.0.0.1 {}", self.new.port());
        assert_eq!(ask(self.old.port(), &follow).unwrap(), "+OK\r\n");
    }
}

fn info(server: &LocalServer) -> String {
    query(server.url(), "INFO replication").unwrap()
}

#[test]
fn writes_go_to_the_new_master_at_once() {
    let pair = Pair::start();
    let client = Client::open(&pair.address.url()).unwrap();
    let dict: RedisDict<String, u64> = RedisDict::new(&client, "d");
    let list: RedisList<u64> = RedisList::new(&client, "l");
    thread::scope(|scope| {
        (0..3).for_each(|_| drop(scope.spawn(|| dict.insert("n", &1).unwrap())));
    });
    assert_eq!(list.wait_pop_front(Duration::ZERO).unwrap(), None);
    pair.fail_over();
    assert_eq!(dict.increment("n", 1).unwrap(), 2, "once");
    assert_eq!(list.push_back(&7).unwrap(), 1);
    assert_eq!(list.wait_pop_front(LONG).unwrap(), Some(7));
    let (first, second) =
        client.transaction((list.deferred().push_back(&1), list.deferred().push_back(&2))).unwrap();
    assert_eq!((first, second), (1, 2));
    let n: u64 = query(pair.new.url(), "GET d:n").unwrap();
    assert_eq!((n, dict.get("n").unwrap()), (2, Some(2)));
}

#[test]
fn another_connection_is_tried_periodically_while_the_address_leads_to_a_replica() {
    let pair = Pair::start();
    let client = Client::open(&pair.address.url()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tasks = runtime.block_on(AsyncClient::open(&pair.address.url())).unwrap();
    let dict: RedisDict<String, u64> = RedisDict::new(&client, "d");
    let own: RedisDict<String, u64, AsyncClient> = RedisDict::new(&tasks, "d");
    dict.insert("n", &1).unwrap();
    let follow = format!("REPLICAOF 127.0.0.1 {}", pair.new.port());
    assert_eq!(ask(pair.old.port(), &follow).unwrap(), "+OK\r\n");
    pair.address.reset();
    let (began, mut refused) = (Instant::now(), 0);
    while refused < 200 {
        for refusal in [dict.insert("n", &2), runtime.block_on(own.insert("n", &2))] {
            assert_eq!(refusal.unwrap_err().code(), Some("READONLY"));
            refused += 1;
        }
    }
    let quarters = began.elapsed().as_millis() / 250;
    let (connections, most) = (pair.address.connections(), 2 * (quarters as usize + 2));
    assert!(connections <= most, "{connections} connections for {refused} refusals");
    assert_eq!(ask(pair.new.port(), "REPLICAOF NO ONE").unwrap(), "+OK\r\n");
    pair.address.lead_to(pair.new.port());
    assert!(eventually(|| dict.insert("n", &3).is_ok()));
    assert!(eventually(|| runtime.block_on(own.insert("n", &4)).is_ok()));
}

#[test]
fn a_transaction_or_a_pipeline_may_be_the_first_to_be_refused() {
    for transacted in [true, false] {
        let pair = Pair::start();
        let client = Client::open(&pair.address.url()).unwrap();
        let list: RedisList<u64> = RedisList::new(&client, "l");
        pair.fail_over();
        let commands = (list.deferred().push_back(&1), list.deferred().len());
        if transacted {
            assert_eq!(client.transaction(commands).unwrap(), (1, 1));
        } else {
            let (pushed, length) = client.pipeline(commands).unwrap();
            assert_eq!((pushed.unwrap(), length.unwrap()), (1, 1));
        }
        assert_eq!(query::<u64>(pair.new.url(), "LLEN l").unwrap(), 1);
    }
}

#[test]
fn a_worker_does_the_jobs_of_the_new_master() {
    let pair = Pair::start();
    let client = Client::open(&pair.address.url()).unwrap();
    let queue: WorkQueue<u64> = WorkQueue::new(&client, "jobs");
    let mut consumer = queue.consumer();
    queue.push(&1).unwrap();
    consumer.next(LONG).unwrap().expect("a job").done();
    pair.fail_over();
    let push = || query::<u64>(pair.new.url(), "RPUSH jobs 2").unwrap();
    assert_eq!(push(), 1);
    let job = (0..10).find_map(|_| consumer.next(LONG).ok().flatten()).expect("the job");
    assert_eq!(*job, 2);
    job.done();
    consumer.close().unwrap();
}

#[test]
fn a_read_through_cache_stores_on_the_new_master() {
    use redis_collections::CacheClient;
    let pair = Pair::start();
    let client = Client::open(&pair.address.url()).unwrap();
    let load = |id: u64, ()| Ok::<_, std::io::Error>(id);
    let cache: CacheClient<u64, u64> =
        CacheClient::new(&client, "c", CachePolicy::time_to_live(LONG), load).unwrap();
    cache.get(&1).unwrap();
    pair.fail_over();
    cache.get(&2).unwrap();
    assert_eq!(query::<u64>(pair.new.url(), "EXISTS c~rc:cache:2").unwrap(), 1);
}

#[test]
fn a_subscription_reports_a_gap_and_continues() {
    let pair = Pair::start();
    let client = Client::open(&pair.address.url()).unwrap();
    let dict: RedisDict<String, u64> = RedisDict::new(&client, "d").publishing(ChangeFormat::Own);
    let mut events = dict.subscribe("*").unwrap();
    dict.insert("a", &1).unwrap();
    let a = || "a".to_owned();
    assert_eq!(events.next_within(LONG).unwrap().unwrap(), Event::Inserted(a()));
    pair.fail_over();
    assert_eq!(events.next_within(LONG).unwrap().unwrap(), Event::Gap);
    let listeners = || query::<String>(pair.new.url(), "CLIENT LIST TYPE pubsub").unwrap();
    assert!(eventually(|| listeners().contains("addr=")), "it listens to the new master");
    assert!(eventually(|| {
        dict.insert("a", &2).unwrap();
        let event = events.next_within(Duration::from_millis(100));
        event.is_some_and(|event| event.unwrap() == Event::Updated(a()))
    }));
}

#[test]
fn a_first_subscription_after_the_move_succeeds() {
    let pair = Pair::start();
    let client = Client::open(&pair.address.url()).unwrap();
    let dict: RedisDict<String, u64> = RedisDict::new(&client, "d");
    dict.insert("a", &1).unwrap();
    pair.fail_over();
    let mut events = dict.subscribe("*").unwrap();
    dict.insert("a", &2).unwrap();
    assert!(events.next_within(LONG).unwrap().is_ok());
}

#[cfg(feature = "near-cache")]
#[test]
fn a_near_cache_follows_the_new_master() {
    let pair = Pair::start();
    let client = Client::open(&pair.address.url()).unwrap();
    let dict: RedisDict<String, u64> = RedisDict::new(&client, "d");
    dict.insert("a", &1).unwrap();
    let cached = dict.cached(NearCacheSettings::tracking()).unwrap();
    assert_eq!(cached.get("a").unwrap().as_deref(), Some(&1));
    pair.fail_over();
    query::<()>(pair.new.url(), "SET d:a 2").unwrap();
    assert!(eventually(|| cached.get("a").unwrap().as_deref() == Some(&2)));
    assert!(eventually(|| cached.stats().gaps > 0), "it was cut off for a moment");
    assert_eq!(ask(pair.old.port(), "REPLICAOF 127.0.0.1 1").unwrap(), "+OK\r\n");
    query::<()>(pair.new.url(), "SET d:a 3").unwrap();
    assert!(eventually(|| cached.get("a").unwrap().as_deref() == Some(&3)));
}
