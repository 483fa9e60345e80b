//! The queues of a database, and the consumers of a queue, as `WorkQueue` reports them.

use std::time::{Duration, Instant};

use redis_collections::{ConsumerState, QueueSettings, RedisList, WorkQueue};
use support::contract::{contract, contract_on_clusters, ok};
use support::kinds::{CLUSTER, Kind, SERVER};
use support::{LATE, POLL_INTERVAL};

contract! {
    a_queue_is_listed_by_any_key_beside_its_list,
    keys_of_other_collections_name_no_queue,
    a_queue_exists_while_any_of_its_keys_does,
    consumers_are_reported_with_their_jobs,
    a_job_that_runs_is_reported_as_begun,
    a_consumer_without_its_lease_is_not_alive,
    as_many_jobs_are_reported_as_requested,
}

mod clusters {
    use super::the_queues_of_every_node_are_listed;

    super::contract_on_clusters! {
        the_queues_of_every_node_are_listed,
    }
}

type Queue<C> = WorkQueue<String, C>;

fn queue<C: Kind>(client: &C, name: &str) -> Queue<C> {
    WorkQueue::new(client, format!("{{{name}}}"))
}

const AT_ONCE: Duration = Duration::ZERO;
const HOUR: Duration = Duration::from_secs(3600);
/// Longer than a busy machine keeps a thread waiting.
const LEASE: Duration = Duration::from_secs(3);

async fn is_listed<C: Kind>(client: &C, name: &str) -> bool {
    ok!(Queue::<C>::names(client)).contains(&format!("{{{name}}}").into_bytes())
}

/// The first consumers that are as they should be.
async fn until<C: Kind>(
    queue: &Queue<C>,
    are_as_they_should: impl Fn(&[ConsumerState<String>]) -> bool,
) -> Vec<ConsumerState<String>> {
    let deadline = Instant::now() + LATE;
    loop {
        let consumers = ok!(queue.consumers(usize::MAX));
        if are_as_they_should(&consumers) {
            return consumers;
        }
        assert!(Instant::now() < deadline, "{consumers:?}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

fn names(consumer: &ConsumerState<String>) -> Vec<String> {
    consumer.jobs.iter().map(|job| job.value.clone().expect("a string")).collect()
}

/// Runs a command where the keys of a queue are.
fn on_its_server(name: &str, command: &[&str]) {
    let is_clustered = name.contains("cluster");
    let urls = if is_clustered { CLUSTER.urls() } else { vec![SERVER.url().to_owned()] };
    let mut sent = redis::cmd(command[0]);
    sent.arg(&command[1..]);
    let runs = |url: &String| support::servers::run::<redis::Value>(url, &sent).is_ok();
    assert!(urls.iter().any(runs), "{command:?}");
}

async fn a_queue_is_listed_by_any_key_beside_its_list<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    let list: RedisList<String, C> = RedisList::new(&client, format!("{{{name}}}"));
    ok!(list.push_back("a"));
    assert!(!is_listed(&client, name).await, "it is a list like any other");
    ok!(queue.pause());
    assert!(is_listed(&client, name).await);
    ok!(queue.resume());
    assert!(!is_listed(&client, name).await);
    on_its_server(name, &["RPUSH", &format!("{{{name}}}~rc:claimed:lost"), "a"]);
    assert!(is_listed(&client, name).await);
    let names = ok!(Queue::<C>::names(&client));
    assert!(names.is_sorted_by(|one, other| one < other), "each once: {names:?}");
}

async fn keys_of_other_collections_name_no_queue<C: Kind>(client: C, name: &'static str) {
    for kind in ["load", "sequences", "times", "deadly", ""] {
        on_its_server(name, &["SET", &format!("{{{name}}}~rc:{kind}"), "x"]);
    }
    assert!(!is_listed(&client, name).await);
}

async fn the_queues_of_every_node_are_listed<C: Kind>(client: C, name: &'static str) {
    // Of a hundred tags each node has some.
    let expected: Vec<_> = (0..100).map(|number| format!("{name}-{number:02}")).collect();
    for name in &expected {
        ok!(queue(&client, name).pause());
    }
    let begin = format!("{{{name}-");
    let names = ok!(Queue::<C>::names(&client));
    let names: Vec<_> = names.into_iter().map(|name| String::from_utf8(name).unwrap()).collect();
    let found: Vec<_> = names.iter().filter(|name| name.starts_with(&begin)).collect();
    let expected: Vec<_> = expected.iter().map(|name| format!("{{{name}}}")).collect();
    assert_eq!(found, expected.iter().collect::<Vec<_>>());
}

async fn a_queue_exists_while_any_of_its_keys_does<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    assert!(!ok!(queue.exists()));
    ok!(queue.stats());
    assert!(!ok!(queue.exists()), "statistics bring nothing into being");
    ok!(queue.push("a"));
    assert!(ok!(queue.exists()));
    ok!(queue.purge());
    assert!(!ok!(queue.exists()));
    for kind in [
        "consumers",
        "delayed",
        "dead",
        "paused",
        "gone",
        "held",
        "counts",
        "entered",
        "unique",
        "settings",
    ] {
        let key = format!("{{{name}}}~rc:{kind}");
        on_its_server(name, &["SET", &key, "x"]);
        assert!(ok!(queue.exists()), "{kind}");
        on_its_server(name, &["DEL", &key]);
    }
    assert!(!ok!(queue.exists()));
}

async fn consumers_are_reported_with_their_jobs<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    assert!(ok!(queue.consumers(9)).is_empty());
    ok!(queue.push_many(["a", "b", "c", "d"]));
    let (mut one, mut other) = (queue.consumer().batch(3), queue.consumer());
    let claimed = C::settle_within(one.next_batch(AT_ONCE)).await.expect("a connection");
    let idle = C::settle_within(other.next(AT_ONCE)).await.expect("a connection");
    let consumers = ok!(queue.consumers(9));
    let mut jobs: Vec<_> = consumers.iter().map(names).collect();
    jobs.sort();
    assert_eq!(jobs, [vec!["a", "b", "c"], vec!["d"]]);
    for consumer in &consumers {
        assert!(consumer.is_alive && consumer.heartbeat < HOUR, "{consumer:?}");
        assert!(consumer.jobs.iter().all(|job| job.deliveries == 0), "{consumer:?}");
    }
    let mut claimed = claimed.into_iter();
    let (first, second) = (claimed.next().unwrap(), claimed.next().unwrap());
    ok!(second.done_now());
    until(&queue, |all| all.iter().any(|consumer| names(consumer) == ["a", "c"])).await;
    ok!(first.done_now());
    until(&queue, |all| all.iter().any(|consumer| names(consumer) == ["c"])).await;
    drop((claimed, idle));
    ok!(one.close());
    ok!(other.close());
    until(&queue, <[_]>::is_empty).await;
}

async fn a_job_that_runs_is_reported_as_begun<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name).with(QueueSettings::new().lease(LEASE));
    ok!(queue.push_many(["a", "b"]));
    let mut consumer = queue.consumer().batch(2);
    let job = C::settle_within(consumer.next(AT_ONCE)).await.expect("a connection");
    let has_begun = |all: &[ConsumerState<String>]| all[0].jobs[0].has_begun;
    let known = until(&queue, has_begun).await.remove(0);
    assert_eq!(names(&known), ["a", "b"]);
    assert!(!known.jobs[1].has_begun && known.jobs[0].id.is_some(), "{known:?}");
    let is_timed = |all: &[ConsumerState<String>]| {
        all[0].longest_running.is_some() && all[0].longest_unstarted.is_some()
    };
    until(&queue, is_timed).await;
    job.expect("a job").done();
    ok!(consumer.close());
}

async fn a_consumer_without_its_lease_is_not_alive<C: Kind>(client: C, name: &'static str) {
    // No consumer of this queue is there to take the job back.
    let queue = queue(&client, name);
    let key = |kind: &str| format!("{{{name}}}~rc:{kind}");
    // After the job there is the mark of one that its consumer has settled.
    on_its_server(name, &["RPUSH", &key("claimed:lost"), "a", "\x1eq1;-lost"]);
    on_its_server(name, &["ZADD", &key("consumers"), "1000", "lost"]);
    let lost = ok!(queue.consumers(9)).remove(0);
    assert_eq!((lost.id.as_str(), lost.is_alive), ("lost", false));
    assert!(lost.heartbeat > HOUR && lost.longest_running.is_none(), "{lost:?}");
    assert_eq!(names(&lost), ["a"]);
    // The lease that is stored beside the queue precedes that of this program.
    on_its_server(name, &["HSET", &key("settings"), "lease", "9000000000000"]);
    assert!(ok!(queue.consumers(9))[0].is_alive);
}

async fn as_many_jobs_are_reported_as_requested<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    ok!(queue.push_many(["s3cret", "b", "c"]));
    let mut consumer = queue.consumer().batch(3);
    let jobs = C::settle_within(consumer.next_batch(AT_ONCE)).await.expect("a connection");
    for (most, expected) in [(0, 0), (2, 2), (3, 3), (usize::MAX, 3)] {
        assert_eq!(ok!(queue.consumers(most))[0].jobs.len(), expected);
    }
    let numbers: WorkQueue<u32, C> = WorkQueue::new(&client, format!("{{{name}}}"));
    let seen = ok!(numbers.consumers(1));
    assert_eq!(seen[0].jobs[0].value.clone().unwrap_err().bytes(), b"s3cret");
    assert!(!format!("{seen:?}").contains("s3cret"));
    drop(jobs);
}
