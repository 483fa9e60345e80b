//! Threads that count, each under a key of its own, while servers fail.

use super::contract::settle;
use super::kinds::Kind;
use super::servers::PATIENCE;
use super::within;
use redis_collections::{Applied, RedisDict};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

const WORKERS: usize = 6;
const KEYS: &str = "counters";
/// How many writes of a worker show that it goes on.
const SOME: u64 = 50;

pub struct Counters<C: Kind> {
    counters: RedisDict<usize, u64, C>,
    acknowledged: [Arc<AtomicU64>; WORKERS],
    end: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Counted>>,
}

impl<C: Kind> Counters<C> {
    pub fn start(client: &C) -> Self {
        let counters = RedisDict::new(client, KEYS);
        let acknowledged: [_; WORKERS] = Default::default();
        let end = Arc::default();
        let workers = acknowledged.iter().enumerate().map(|(worker, acknowledged)| {
            let (counters, client) = (RedisDict::clone(&counters), client.clone());
            let (acknowledged, end) = (Arc::clone(acknowledged), Arc::clone(&end));
            thread::spawn(move || C::finish(count(worker, client, counters, acknowledged, end)))
        });
        let workers = workers.collect();
        let this = Self { counters, acknowledged, end, workers };
        this.wait_until_it_goes_on();
        this
    }

    /// Waits until some more writes of each worker are acknowledged.
    pub fn wait_until_it_goes_on(&self) {
        for acknowledged in &self.acknowledged {
            let before = acknowledged.load(Relaxed);
            let goes_on = || acknowledged.load(Relaxed) >= before + SOME;
            assert!(within(PATIENCE, goes_on), "no writes are acknowledged");
        }
    }

    /// The key of one of the counters.
    pub fn key(&self) -> String {
        format!("{KEYS}:0")
    }

    /// Ends it and compares the acknowledged values with the stored ones.
    pub async fn finish(self) -> Tally {
        self.end.store(true, Relaxed);
        let mut tally = Tally::default();
        for (worker, counted) in self.workers.into_iter().enumerate() {
            let counted = counted.join().expect("a worker that has not panicked");
            let stored = settle!(self.counters.get(&worker)).expect("a count").unwrap_or(0);
            assert!(stored <= counted.acknowledged + counted.perhaps, "doubled: {counted:?}");
            assert!(stored >= counted.last, "lost long after the failover: {counted:?}");
            tally.lost += counted.acknowledged.saturating_sub(stored);
            tally.acknowledged += counted.acknowledged;
            tally.perhaps += counted.perhaps;
            for (error, times) in counted.errors {
                *tally.errors.entry(error).or_default() += times;
            }
        }
        tally
    }
}

/// The fates of the writes of a workload.
#[derive(Default)]
pub struct Tally {
    pub acknowledged: u64,
    pub lost: u64,
    pub perhaps: u64,
    errors: BTreeMap<String, u64>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, lost, perhaps, errors } = self;
        write!(f, "{acknowledged} acknowledged, {lost} lost, {perhaps} perhaps, errors: {errors:?}")
    }
}

/// The counts of one worker.
#[derive(Debug, Default)]
struct Counted {
    acknowledged: u64,
    perhaps: u64,
    errors: BTreeMap<String, u64>,
    /// The last acknowledged value.
    last: u64,
}

async fn count<C: Kind>(
    worker: usize,
    client: C,
    counters: RedisDict<usize, u64, C>,
    acknowledged: Arc<AtomicU64>,
    end: Arc<AtomicBool>,
) -> Counted {
    let mut counted = Counted::default();
    let (mut unknown, mut setbacks) = (0, 0);
    while !end.load(Relaxed) {
        let command = counters.deferred().increment(&worker, 1);
        let outcome = match worker % 3 {
            0 => settle!(counters.increment(&worker, 1)),
            1 => client.pipeline((command,)).await.and_then(|(value,)| value),
            _ => client.transaction((command,)).await.map(|(value,)| value),
        };
        match outcome {
            Ok(value) => {
                assert!(value <= counted.last + 1 + unknown, "{value} doubled after {counted:?}");
                setbacks += u32::from(value <= counted.last);
                assert!(setbacks <= 1, "writes are lost again after a failover");
                (counted.last, unknown) = (value, 0);
                counted.acknowledged += 1;
                acknowledged.fetch_add(1, Relaxed);
            }
            Err(error) => {
                assert_eq!(error.applied(), Applied::Perhaps, "{error}");
                let kind = format!("{error:?}");
                let kind = kind.split([' ', '(']).next().unwrap_or_default();
                *counted.errors.entry(kind.to_owned()).or_default() += 1;
                counted.perhaps += 1;
                unknown += 1;
            }
        }
    }
    counted
}
