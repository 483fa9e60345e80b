//! One way to reach the server, and how it is measured.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use redis_collections_benches::Samples;

use crate::FIELDS;

#[derive(Clone, Copy)]
pub(crate) enum Operation {
    Get,
    Insert,
}

pub(crate) const OPERATIONS: [Operation; 2] = [Operation::Get, Operation::Insert];

impl Operation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Insert => "insert",
        }
    }
}

pub(crate) struct Contestant<'a> {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    start: Box<Start<'a>>,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// As the client is without settings.
    Ours,
    OursOtherwise,
    Other,
}

type Start<'a> = dyn Fn(Operation, usize, &Arc<Traffic>) -> Callers + 'a;

/// Waits until all callers have returned.
pub(crate) type Callers = Box<dyn FnOnce()>;

impl<'a> Contestant<'a> {
    /// Where `start` starts so many callers, which call as long as the traffic lasts.
    pub(crate) fn new(
        name: &'static str,
        kind: Kind,
        start: impl Fn(Operation, usize, &Arc<Traffic>) -> Callers + 'a,
    ) -> Self {
        Self { name, kind, start: Box::new(start) }
    }

    /// How many operations all callers together finish in a second.
    pub(crate) fn rate(&self, operation: Operation, callers: usize) -> [f64; 1] {
        let during = |traffic: &Traffic| {
            let (calls, started) = (traffic.calls.load(Ordering::Relaxed), Instant::now());
            thread::sleep(TIME);
            let calls = traffic.calls.load(Ordering::Relaxed) - calls;
            calls as f64 / started.elapsed().as_secs_f64()
        };
        [self.run(operation, callers, during).0]
    }

    /// After how many microseconds half of the calls have returned, and 99 % of them.
    pub(crate) fn latencies(&self, operation: Operation, callers: usize) -> [f64; 2] {
        let during = |traffic: &Traffic| {
            traffic.is_timed.store(true, Ordering::Relaxed);
            thread::sleep(TIME);
        };
        let ((), traffic) = self.run(operation, callers, during);
        let times = std::mem::take(&mut *traffic.times.lock().unwrap());
        let times: Samples = times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
        [times.median(), times.quantile(0.99)]
    }

    fn run<T>(
        &self,
        operation: Operation,
        callers: usize,
        during: impl Fn(&Traffic) -> T,
    ) -> (T, Arc<Traffic>) {
        let traffic = Arc::new(Traffic::default());
        let join = (self.start)(operation, callers, &traffic);
        thread::sleep(WARM_UP);
        let result = during(&traffic);
        traffic.is_over.store(true, Ordering::Relaxed);
        join();
        (result, traffic)
    }
}

/// What the callers of one measurement have in common.
#[derive(Default)]
pub(crate) struct Traffic {
    calls: AtomicU64,
    is_timed: AtomicBool,
    is_over: AtomicBool,
    times: Mutex<Vec<Duration>>,
}

/// What one caller does: it reads no clock unless calls are timed.
pub(crate) struct Caller {
    traffic: Arc<Traffic>,
    begun: Option<Instant>,
    times: Vec<Duration>,
}

impl Caller {
    pub(crate) fn of(traffic: &Arc<Traffic>) -> Self {
        Self { traffic: Arc::clone(traffic), begun: None, times: Vec::new() }
    }

    /// Begins a call, unless the traffic is over.
    pub(crate) fn begin(&mut self) -> bool {
        self.begun = self.traffic.is_timed.load(Ordering::Relaxed).then(Instant::now);
        !self.traffic.is_over.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&mut self) {
        self.times.extend(self.begun.map(|begun| begun.elapsed()));
        self.traffic.calls.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.traffic.times.lock().unwrap().append(&mut self.times);
    }
}

/// Pseudo-random fields of the hash, others for each caller.
pub(crate) fn fields(caller: usize) -> impl Iterator<Item = u64> + Send {
    let next = |state: &u64| Some(state.wrapping_mul(MULTIPLIER).wrapping_add(1));
    std::iter::successors(next(&(caller as u64)), next).map(|state| (state >> 33) % FIELDS)
}

const WARM_UP: Duration = Duration::from_millis(60);
const TIME: Duration = Duration::from_millis(200);
const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
