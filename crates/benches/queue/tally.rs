//! Which jobs were handled, and how often.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use redis_collections::StopHandle;

pub(crate) struct Tally {
    /// How often each job was handled, by its number.
    times: Arc<[AtomicU8]>,
    handled: AtomicUsize,
    goal: AtomicUsize,
    /// When the goal was reached.
    reached: Mutex<Option<Instant>>,
    changed: Condvar,
    failed: AtomicBool,
    stop: StopHandle,
}

impl Tally {
    pub(crate) fn new(times: Arc<[AtomicU8]>) -> Arc<Self> {
        Arc::new(Self {
            times,
            handled: AtomicUsize::new(0),
            goal: AtomicUsize::new(usize::MAX),
            reached: Mutex::default(),
            changed: Condvar::new(),
            failed: AtomicBool::new(false),
            stop: StopHandle::new(),
        })
    }

    pub(crate) fn handle(&self, payload: &str) {
        assert_eq!(payload.len(), SIZE);
        let number: usize = payload[..DIGITS].parse().unwrap();
        self.times[number].fetch_add(1, Ordering::Relaxed);
        let handled = self.handled.fetch_add(1, Ordering::AcqRel) + 1;
        if handled == self.goal.load(Ordering::Acquire) {
            *self.reached.lock().unwrap() = Some(Instant::now());
            self.changed.notify_all();
        }
    }

    /// Sets the goal, that so many jobs are handled, before those jobs are pushed.
    pub(crate) fn aim(&self, goal: usize) {
        *self.reached.lock().unwrap() = None;
        self.goal.store(goal, Ordering::Release);
    }

    /// When the goal was reached, unless a worker failed or it takes too long.
    pub(crate) fn reached(&self) -> Option<Instant> {
        let reached = self.reached.lock().unwrap();
        let waits = |reached: &mut Option<Instant>| reached.is_none() && !self.has_failed();
        *self.changed.wait_timeout_while(reached, PATIENCE, waits).unwrap().0
    }

    /// Says that a consumer does not go on.
    pub(crate) fn fail(&self) {
        let _reached = self.reached.lock().unwrap();
        self.failed.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// What tells consumers to stop.
    pub(crate) fn stop(&self) -> &StopHandle {
        &self.stop
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stop.is_stopped()
    }

    /// How many jobs there are of which each was handled once, if none was handled again.
    pub(crate) fn once(&self) -> Option<usize> {
        let times = self.times.iter().map(|times| times.load(Ordering::Relaxed));
        let (mut once, mut again) = (0, 0);
        times.for_each(|times| match times {
            0 => {}
            1 => once += 1,
            _ => again += 1,
        });
        (again == 0).then_some(once)
    }
}

/// The job of a number: its digits, and what fills it up.
pub(crate) fn payload(number: usize) -> String {
    let mut payload = String::with_capacity(SIZE);
    write!(payload, "{number:0DIGITS$}").unwrap();
    payload.push_str(FILLING);
    payload
}

const SIZE: usize = 100;
const DIGITS: usize = 10;
const FILLING: &str = match str::from_utf8(&[b'x'; SIZE - DIGITS]) {
    Ok(filling) => filling,
    Err(_) => panic!("it is ASCII"),
};
const PATIENCE: Duration = Duration::from_secs(10);
