//! What docs/going-to-production.md says of servers: eviction, rights and the names of figures.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::thread;
use std::time::Duration;

use redis_collections::testing::FaultProxy;
use redis_collections::{
    Client, Job, LocalServer, QueueSettings, RedisDict, StopHandle, WorkQueue,
};
use support::LATE;
use support::servers::{query, run, wait_for};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A server with this policy, which has room for a little more than `JOBS` jobs.
fn server_with(policy: &str) -> Outcome<(LocalServer, Client)> {
    let server = LocalServer::start_with(&["--maxmemory-policy", policy])?;
    let client = Client::open(server.url())?;
    jobs(&client).push_many(&vec!["x".repeat(100); JOBS])?;
    let used: String = query(server.url(), "INFO memory")?;
    let used = used.lines().find_map(|line| line.strip_prefix("used_memory:"));
    let limit = used.ok_or("no figure")?.trim().parse::<usize>()? + ROOM;
    query::<()>(server.url(), &format!("CONFIG SET maxmemory {limit}"))?;
    Ok((server, client))
}

fn jobs(client: &Client) -> WorkQueue<String> {
    WorkQueue::new(client, "jobs")
}

/// Writes more than there is room for, and returns the code of the refusal, if any was refused.
fn fill(client: &Client) -> Option<String> {
    let others: RedisDict<u32, String> = RedisDict::new(client, "others");
    let value = "x".repeat(ROOM / 8);
    let mut refusals = (0..64).filter_map(|key| others.insert(&key, &value).err());
    refusals.next().and_then(|error| error.code().map(str::to_owned))
}

#[test]
fn allkeys_policies_evict_a_whole_queue_without_an_error() -> Outcome {
    for policy in ["allkeys-lru", "allkeys-random"] {
        let (_server, client) = server_with(policy)?;
        let is_gone =
            || Ok::<_, Box<dyn Error>>(fill(&client).is_none() && jobs(&client).is_empty()?);
        let mut rounds = 0;
        while !is_gone()? {
            rounds += 1;
            assert!(rounds < 50, "{policy} keeps the queue");
        }
        assert!(jobs(&client).consumer().next(Duration::ZERO)?.is_none(), "{policy}");
        assert_eq!(jobs(&client).stats()?.buried, 0, "{policy}");
    }
    Ok(())
}

#[test]
fn other_policies_refuse_writes_and_keep_what_has_no_time_to_live() -> Outcome {
    for policy in ["noeviction", "volatile-lru", "volatile-ttl"] {
        let (_server, client) = server_with(policy)?;
        let brief: RedisDict<u32, String> = RedisDict::new(&client, "brief");
        brief.insert_with_ttl(&1, &"x".repeat(100), LATE)?;
        assert_eq!(fill(&client).as_deref(), Some("OOM"), "{policy}");
        assert_eq!(jobs(&client).len()?, JOBS, "{policy}");
        assert_eq!(brief.get(&1)?.is_some(), policy == "noeviction", "{policy}");
    }
    Ok(())
}

#[test]
fn a_worker_has_one_connection_to_wait_and_one_for_its_leases_beside_the_pool() -> Outcome {
    let server = LocalServer::start()?;
    let client = Client::builder(server.url()).name("billing").pooled(1).build()?;
    let (stop, handle) = (StopHandle::new(), |_: Job<String>| Ok::<(), String>(()));
    let [orders, letters] = ["orders", "letters"].map(|name| WorkQueue::new(&client, name));
    let workers = [orders.worker(handle).concurrency(8), letters.worker(handle).concurrency(8)];
    let connections = || -> Outcome<_> {
        let clients: String = query(server.url(), "CLIENT LIST")?;
        Ok(clients.lines().filter(|client| client.contains(" name=billing ")).count())
    };
    thread::scope(|scope| -> Outcome {
        let stop = &stop;
        let running = workers.each_ref().map(|worker| scope.spawn(move || worker.run(stop)));
        let all_wait = wait_for("the connections", || Ok(connections()? == 5));
        orders.push_many(vec!["x".to_owned(); JOBS])?;
        let most = wait_for("the queue", || Ok(orders.is_empty()? && connections()? == 5));
        stop.stop();
        for worker in running {
            worker.join().map_err(|_| "a worker panicked")??;
        }
        all_wait.and(most)
    })
}

/// What a user of a queue does, given a URL.
type Use = fn(&str) -> Outcome;

/// What each user does in the test of their rights.
fn uses() -> [(&'static str, Use); 4] {
    [("health check", check), ("producer", produce), ("worker", work), ("operator", operate)]
}

fn check(url: &str) -> Outcome {
    Ok(Client::open(url)?.check()?)
}

fn produce(url: &str) -> Outcome {
    let client = Client::open(url)?;
    jobs(&client).push("a")?;
    jobs(&client).push_many(["b", "c"])?;
    Ok(())
}

/// Does, retries and buries jobs, takes over those of a lost consumer, and comes back as one.
fn work(url: &str) -> Outcome {
    let settings = || QueueSettings::new().lease(LEASE).max_deliveries(2);
    let client = Client::open(url)?;
    let queue = jobs(&client).with(settings());
    queue.push_many(["a", "b", "c"])?;
    let mut consumer = queue.consumer();
    while let Some(job) = consumer.next(SOON)? {
        match (job.as_str(), job.deliveries()) {
            ("a", _) => job.done_now()?,
            ("b", 0) => job.retry(SOON / 2),
            _ => job.bury("why not"),
        }
    }
    let proxy = FaultProxy::to(url)?;
    let shaky = Client::builder(proxy.url()).response_timeout(LEASE / 4).build()?;
    let mut lost = jobs(&shaky).with(settings()).consumer();
    queue.push_many(["d", "e"])?;
    lost.next(SOON)?.ok_or("a job")?.done();
    proxy.swallow_replies();
    let unanswered = lost.next(SOON);
    assert!(unanswered.is_err());
    proxy.forward();
    let _held = lost.next(SOON)?.ok_or("a job of an unknown reply")?;
    proxy.cut();
    consumer.next(LEASE * 4)?.ok_or("the job of a lost consumer")?.done_now()?;
    proxy.forward();
    queue.push("f")?;
    lost.next(LATE)?.ok_or("a job after the outage")?.done_now()?;
    lost.close()?;
    Ok(consumer.close()?)
}

fn operate(url: &str) -> Outcome {
    let client = Client::open(url)?;
    let queue = jobs(&client);
    queue.push_in("d", LATE)?;
    queue.push_unique("e", "e", LATE)?;
    queue.try_push("f", 1000)?;
    queue.peek(10)?;
    queue.stats()?;
    queue.pause()?;
    queue.resume()?;
    queue.dead().list(10)?;
    queue.dead().requeue(10)?;
    queue.dead().purge()?;
    queue.purge()?;
    queue.drain(LATE)?;
    queue.exists()?;
    WorkQueue::<String>::names(&client)?;
    Ok(())
}

/// The commands that the guide grants to each user of a queue.
fn granted(role: &str) -> Vec<String> {
    let row = read(GUIDE).lines().find_map(|line| {
        let rest = line.strip_prefix(&format!("| {role} | `"))?;
        Some(rest.split('`').next()?.to_owned())
    });
    let row = row.unwrap_or_else(|| panic!("{GUIDE} has no row for the {role}"));
    row.split(' ').map(str::to_owned).collect()
}

/// Grants rights to a user, and returns the URL.
fn user(server: &LocalServer, rights: &[String]) -> Outcome<String> {
    let words = ["ann", "reset", "on", ">pw", "~jobs*"].map(str::to_owned);
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg(&words[..]).arg(rights);
    run::<()>(server.url(), &command)?;
    Ok(server.url().replace("redis://", "redis://ann:pw@"))
}

#[test]
fn the_rights_of_the_guide_are_enough_and_each_is_needed() -> Outcome {
    for (role, use_it) in uses() {
        let rights = granted(role);
        let works = |rights: &[String]| -> Outcome<Outcome> {
            let server = LocalServer::start()?;
            Ok(use_it(&user(&server, rights)?))
        };
        if let Err(error) = works(&rights)? {
            panic!("{role}: {error}");
        }
        for (index, right) in rights.iter().enumerate() {
            let others = [&rights[..index], &rights[index + 1..]].concat();
            assert!(works(&others)?.is_err(), "the {role} does not need {right}");
        }
    }
    Ok(())
}

#[test]
fn the_guides_name_the_metrics_that_are_reported() {
    let of_near = metrics("src/near/report.rs", '"');
    let of_read_through = metrics("src/read_through/report.rs", '"');
    assert_eq!(metrics("docs/near-cache.md", '`'), of_near);
    assert_eq!(metrics("docs/read-through.md", '`'), of_read_through);
    let alarms = metrics(GUIDE, '`');
    let unknown: Vec<_> = alarms.iter().filter(|name| !of_near.contains(*name)).collect();
    assert!(unknown.iter().all(|name| of_read_through.contains(*name)), "{unknown:?}");
    assert!(alarms.len() > 3 && of_near.len() > 3 && of_read_through.len() > 3);
}

/// The metrics that a file names between a pair of `quote`.
fn metrics(path: &str, quote: char) -> BTreeSet<String> {
    let text = read(path);
    let quoted = text.split(quote).skip(1).step_by(2);
    quoted.filter(|word| word.starts_with("redis_collections_")).map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

const GUIDE: &str = "docs/going-to-production.md";
const JOBS: usize = 1000;
const ROOM: usize = 400_000;
const SOON: Duration = Duration::from_millis(50);
const LEASE: Duration = Duration::from_secs(1);
