//! One way to reach the server, and how it is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

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
    name: &'static str,
    connections: usize,
    start: Box<Start<'a>>,
}

type Start<'a> = dyn Fn(Operation, usize, &Arc<Traffic>) -> Callers + 'a;

/// Waits until all callers have returned.
pub(crate) type Callers = Box<dyn FnOnce()>;

impl<'a> Contestant<'a> {
    /// Where `start` starts so many callers, which call as long as the traffic lasts.
    pub(crate) fn new(
        name: &'static str,
        connections: usize,
        start: impl Fn(Operation, usize, &Arc<Traffic>) -> Callers + 'a,
    ) -> Self {
        Self { name, connections, start: Box::new(start) }
    }

    pub(crate) fn title(&self) -> String {
        format!("{} ({})", self.name, self.connections)
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.name == OURS
    }

    /// How many operations all callers together finish in a second.
    pub(crate) fn rate(&self, operation: Operation, callers: usize) -> f64 {
        let traffic = Arc::new(Traffic::default());
        let join = (self.start)(operation, callers, &traffic);
        thread::sleep(WARM_UP);
        let (calls, started) = (traffic.calls(), Instant::now());
        thread::sleep(TIME);
        let rate = (traffic.calls() - calls) as f64 / started.elapsed().as_secs_f64();
        traffic.over.store(true, Ordering::Relaxed);
        join();
        rate
    }
}

/// What the callers of one measurement have in common.
#[derive(Default)]
pub(crate) struct Traffic {
    calls: AtomicU64,
    over: AtomicBool,
}

impl Traffic {
    pub(crate) fn lasts(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

/// Pseudo-random fields of the hash, others for each caller.
pub(crate) fn fields(caller: usize) -> impl Iterator<Item = u64> + Send {
    let next = |state: &u64| Some(state.wrapping_mul(MULTIPLIER).wrapping_add(1));
    std::iter::successors(next(&(caller as u64)), next).map(|state| (state >> 33) % FIELDS)
}

pub(crate) const OURS: &str = "ours";

const WARM_UP: Duration = Duration::from_millis(60);
const TIME: Duration = Duration::from_millis(200);
const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
