//! The arguments of handlers, and the meaning of their results for a job.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use redis_collections::{
    AsyncClient, DeadJob, Job, QueueSettings, RedisList, Result, StopHandle, WorkQueue,
};
use support::contract::{contract, ok};
use support::kinds::{Kind, SERVER, client, in_runtime};
use support::{LATE, within};

contract! {
    a_value_that_is_taken_from_a_job_of_a_consumer_is_done,
    the_last_attempt_is_known_before_it_fails,
}

const LETTERS: [&str; 4] = ["1", "two", "3", "40"];

/// A queue of [`LETTERS`], each delivered once.
fn letters(name: &str) -> WorkQueue<String> {
    let settings = QueueSettings::new().max_deliveries(1);
    let queue = WorkQueue::new(&client(), name).with(settings);
    queue.push_many(LETTERS).unwrap();
    queue
}

/// Waits until all [`LETTERS`] are settled, stops the worker and returns the reasons of failures.
fn reasons(queue: &WorkQueue<String>, stop: &StopHandle) -> Vec<String> {
    let is_settled = |dead: usize, done: u64| dead + done as usize == LETTERS.len();
    let settled = within(LATE, || {
        let stats = queue.stats().unwrap();
        is_settled(stats.dead, stats.done)
    });
    stop.stop();
    assert!(settled, "{:?}", queue.stats());
    let dead = queue.dead().list(9).unwrap();
    let mut reasons: Vec<_> = dead.into_iter().map(|job: DeadJob<_>| job.reason).collect();
    reasons.sort();
    reasons
}

/// The failures of a text that is no number, and of a number that is too large.
const FAILURES: [&str; 2] = ["40 is too large", "invalid digit found in string"];

#[derive(Clone)]
struct State {
    limit: u32,
    sum: Arc<AtomicU32>,
}

fn state() -> State {
    State { limit: 9, sum: Arc::default() }
}

#[test]
fn handlers_on_threads_share_state_and_fail_with_any_error() {
    let (queue, stop, state) = (letters("threads"), StopHandle::new(), state());
    let worker = queue.worker_with(state.clone(), |job, state| {
        let number: u32 = job.parse()?;
        if number > state.limit {
            return Err(format!("{number} is too large").into());
        }
        state.sum.fetch_add(number, Ordering::Relaxed);
        Ok(())
    });
    let failures = thread::scope(|scope| {
        scope.spawn(|| worker.concurrency(3).run(&stop).unwrap());
        reasons(&queue, &stop)
    });
    assert_eq!(failures, FAILURES);
    assert_eq!(state.sum.load(Ordering::Relaxed), 4);
}

#[test]
fn handlers_in_tasks_share_state_and_fail_with_any_error() {
    let (queue, stop, state) = (letters("tasks"), StopHandle::new(), state());
    in_runtime(async {
        let client = AsyncClient::open(SERVER.url()).await.unwrap();
        let numbers: RedisList<u32, AsyncClient> = RedisList::new(&client, "numbers of tasks");
        let tasks: WorkQueue<String, AsyncClient> = WorkQueue::new(&client, "tasks");
        let tasks = tasks.with(QueueSettings::new().max_deliveries(1));
        let shared = (state.clone(), numbers.clone());
        let worker = tasks.worker_with(shared, async |job, (state, numbers)| {
            let number: u32 = job.parse()?;
            if number > state.limit {
                Err(format!("{number} is too large"))?;
            }
            numbers.push_back(&number).await?;
            state.sum.fetch_add(number, Ordering::Relaxed);
            Ok(())
        });
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { worker.concurrency(3).run(&stop).await }
        });
        let watched = tokio::task::spawn_blocking(move || reasons(&queue, &stop));
        assert_eq!(watched.await.unwrap(), FAILURES);
        assert_eq!(running.await.unwrap().unwrap(), 0);
        assert_eq!(numbers.len().await.unwrap(), 2);
    });
    assert_eq!(state.sum.load(Ordering::Relaxed), 4);
}

#[test]
fn a_value_that_a_handler_takes_leaves_the_outcome_to_its_result() {
    let (queue, stop) = (letters("taken"), StopHandle::new());
    let worker = queue.worker(|job: Job<String>| match job.into_inner().parse::<u32>() {
        Ok(40) => Err("40 is too large".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    });
    let failures = thread::scope(|scope| {
        scope.spawn(|| worker.run(&stop).unwrap());
        reasons(&queue, &stop)
    });
    assert_eq!(failures, FAILURES);
}

async fn next<C: Kind>(queue: &WorkQueue<String, C>) -> Result<String> {
    let mut consumer = queue.consumer();
    let job = C::settle_within(consumer.next(LATE)).await?.expect("a job");
    let value = job.into_inner();
    C::settle(consumer.close()).await?;
    Ok(value)
}

async fn a_value_that_is_taken_from_a_job_of_a_consumer_is_done<C: Kind>(
    client: C,
    name: &'static str,
) {
    let queue: WorkQueue<String, C> = WorkQueue::new(&client, format!("{{{name}}}"));
    ok!(queue.push_many(["to ann", "to bob"]));
    assert_eq!(next(&queue).await.unwrap(), "to ann");
    assert_eq!(next(&queue).await.unwrap(), "to bob");
    let stats = ok!(queue.stats());
    assert_eq!((stats.done, stats.pending, stats.in_flight), (2, 0, 0));
}

async fn the_last_attempt_is_known_before_it_fails<C: Kind>(client: C, name: &'static str) {
    let settings = QueueSettings::new().max_deliveries(3);
    let queue: WorkQueue<String, C> = WorkQueue::new(&client, format!("{{{name}}}"));
    let queue = queue.with(settings);
    ok!(queue.push("to ann"));
    let mut consumer = queue.consumer();
    for is_last in [false, false, true] {
        assert_eq!(ok!(queue.dead().len()), 0);
        let job = C::settle_within(consumer.next(LATE)).await.unwrap().expect("a job");
        assert_eq!(job.is_last_attempt(), is_last, "{job:?}");
        job.retry(Duration::ZERO);
    }
    assert!(C::settle_within(consumer.next(Duration::ZERO)).await.unwrap().is_none());
    ok!(consumer.close());
    assert_eq!(ok!(queue.dead().len()), 1);
}
