//! Callers that write and read all the time, and report every violation.

use super::concurrent::{Concurrent, Running};
use super::contract::settle;
use super::servers::{Outcome, wait_for};
use crate::servers::cluster::{MASTERS, SLOTS};
use redis_collections::{Applied, Error, RedisDict, Result};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const CALLERS: usize = 6;
const KEYS: usize = 50;
const KEYS_AT_A_TIME: usize = 20;

/// Callers that run until they are stopped. Each is the only writer of its keys.
pub struct Workload {
    name: String,
    slots: Vec<u16>,
    progress: Arc<Progress>,
    callers: Vec<Running<Report>>,
}

#[derive(Default)]
struct Progress {
    stopped: AtomicBool,
    /// How often each caller has gone through its keys without an error.
    rounds: [AtomicUsize; CALLERS],
}

impl Workload {
    /// Starts the callers of a workload whose name no other has.
    pub fn start<C: Concurrent>(client: &C, name: &str) -> Self {
        let progress = Arc::new(Progress::default());
        let callers: Vec<_> =
            (0..CALLERS).map(|number| Caller::new(client, name, number)).collect();
        let slots = callers.iter().flat_map(|caller| &caller.counters).map(|cell| cell.slot);
        let slots = slots.collect();
        let start =
            |(number, caller): (_, Caller<C>)| C::start(caller.run(progress.clone(), number));
        let callers = callers.into_iter().enumerate().map(start).collect();
        Self { name: name.to_owned(), slots, callers, progress }
    }

    /// Some slots in which the callers have keys.
    pub fn some_slots(&self) -> impl Iterator<Item = u16> {
        self.slots.iter().step_by(CALLERS * KEYS / 12).copied()
    }

    /// Waits until each caller has gone through all its keys from now on, without an error.
    pub fn wait_for_a_round(&self) -> Outcome {
        let rounds = || self.progress.rounds.iter().map(|rounds| rounds.load(Ordering::Relaxed));
        let before: Vec<_> = rounds().collect();
        wait_for("a round without an error", || {
            Ok(rounds().zip(&before).all(|(rounds, before)| rounds >= before + 2))
        })
    }

    /// Stops the callers and reads all that they wrote with `client`.
    pub fn stop<C: Concurrent>(mut self, client: &C) -> Result<Report> {
        self.progress.stopped.store(true, Ordering::Relaxed);
        let mut total = Report::default();
        for caller in self.callers.drain(..) {
            let report = caller();
            total.cells.extend(report.cells);
            total.failures.extend(report.failures);
        }
        let values = RedisDict::<String, u64, C>::new(client, &self.name);
        for cell in &mut total.cells {
            let value = C::finish(async { settle!(values.get(&cell.key)) })?;
            cell.observe(value.unwrap_or(0));
        }
        Ok(total)
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        self.progress.stopped.store(true, Ordering::Relaxed);
    }
}

/// The value of a key, as its only writer knows it. It begins with 0.
struct Cell {
    key: String,
    slot: u16,
    acknowledged: u64,
    perhaps: u64,
    /// The value is none below this, and none above the next, unless something went wrong.
    least: u64,
    most: u64,
    lost: u64,
    losses: u64,
    doubled: u64,
}

impl Cell {
    fn new(name: &str, key: String) -> Self {
        let slot = key_slot(&format!("{name}:{key}"));
        let (acknowledged, perhaps, least, most) = (0, 0, 0, 0);
        let (lost, losses, doubled) = (0, 0, 0);
        Self { key, slot, acknowledged, perhaps, least, most, lost, losses, doubled }
    }

    /// Takes note that 1 was added, or perhaps.
    fn incremented(&mut self, outcome: &Result<u64>) {
        self.count(outcome);
        match outcome {
            Ok(sum) => {
                self.least += 1;
                self.most += 1;
                self.observe(*sum);
            }
            Err(error) => self.most += u64::from(error.may_have_been_applied()),
        }
    }

    /// Takes note that the value was set to one more than `most`, or perhaps.
    fn set(&mut self, outcome: &Result<()>) {
        self.count(outcome);
        self.most += 1;
        if outcome.is_ok() {
            self.least = self.most;
        }
    }

    fn count<T>(&mut self, outcome: &Result<T>) {
        match outcome {
            Ok(_) => self.acknowledged += 1,
            Err(error) => self.perhaps += u64::from(error.may_have_been_applied()),
        }
    }

    fn observe(&mut self, value: u64) {
        let lost = self.least.saturating_sub(value);
        self.lost += lost;
        self.losses += u64::from(lost > 0);
        self.least -= lost;
        self.most -= lost;
        self.doubled = self.doubled.max(value.saturating_sub(self.most));
    }
}

/// One of the callers that write and read at the same time.
struct Caller<C> {
    values: RedisDict<String, u64, C>,
    counters: Vec<Cell>,
    settings: Vec<Cell>,
    failures: Vec<Failure>,
}

impl<C: Concurrent> Caller<C> {
    fn new(client: &C, name: &str, number: usize) -> Self {
        // The first three have all their keys on one master each, as those are at first, so that
        // the loss of another one does not stop them.
        let is_home = |cell: &Cell| {
            number >= MASTERS || usize::from(cell.slot) * MASTERS / usize::from(SLOTS) == number
        };
        let cells = |kind| {
            let cells = (0..).map(|key| Cell::new(name, format!("{kind}-{number}-{key}")));
            cells.filter(is_home).take(KEYS).collect()
        };
        let values = RedisDict::new(client, name);
        Self { values, counters: cells("counter"), settings: cells("setting"), failures: vec![] }
    }

    async fn run(mut self, progress: Arc<Progress>, number: usize) -> Report {
        while !progress.stopped.load(Ordering::Relaxed) {
            let failures = self.failures.len();
            for turn in 0..KEYS {
                self.increment(turn).await;
                self.set(turn).await;
                self.get(turn).await;
                if turn % 10 == 0 {
                    self.get_many(turn).await;
                }
            }
            if self.failures.len() == failures {
                progress.rounds[number].fetch_add(1, Ordering::Relaxed);
            }
        }
        self.counters.append(&mut self.settings);
        Report { cells: self.counters, failures: self.failures }
    }

    async fn increment(&mut self, turn: usize) {
        let cell = &mut self.counters[turn];
        let outcome = settle!(self.values.increment(&cell.key, 1));
        cell.incremented(&outcome);
        self.failures.extend(outcome.err().map(|error| Failure::new(&error, Some(cell.slot))));
    }

    async fn set(&mut self, turn: usize) {
        let cell = &mut self.settings[turn];
        let outcome = settle!(self.values.insert(&cell.key, &(cell.most + 1)));
        cell.set(&outcome);
        self.failures.extend(outcome.err().map(|error| Failure::new(&error, Some(cell.slot))));
    }

    async fn get(&mut self, turn: usize) {
        let cell = &mut self.settings[turn];
        match settle!(self.values.get(&cell.key)) {
            Ok(value) => cell.observe(value.unwrap_or(0)),
            Err(error) => self.failures.push(Failure::new(&error, Some(cell.slot))),
        }
    }

    async fn get_many(&mut self, turn: usize) {
        let first = turn.min(KEYS - KEYS_AT_A_TIME);
        let cells = &mut self.counters[first..first + KEYS_AT_A_TIME];
        let keys: Vec<_> = cells.iter().map(|cell| cell.key.clone()).collect();
        match settle!(self.values.get_many(&keys)) {
            Ok(values) => cells
                .iter_mut()
                .zip(values)
                .for_each(|(cell, value)| cell.observe(value.unwrap_or(0))),
            Err(error) => self.failures.push(Failure::new(&error, None)),
        }
    }
}

/// A call that failed, about a key of `slot` or about several.
#[derive(Debug)]
pub struct Failure {
    pub what: String,
    pub slot: Option<u16>,
    pub applied: Applied,
}

impl Failure {
    fn new(error: &Error, slot: Option<u16>) -> Self {
        let variant = format!("{error:?}");
        let variant = variant.split(|letter: char| !letter.is_alphanumeric()).next();
        let command = error.attempt().map_or("a call", |attempt| attempt.command());
        let name = error.code().or(variant).unwrap_or_default();
        Self { what: format!("{command} {name}"), slot, applied: error.applied() }
    }
}

/// The findings of the callers of a workload. `Display` prints all that is worth a line.
#[derive(Default)]
pub struct Report {
    cells: Vec<Cell>,
    pub failures: Vec<Failure>,
}

impl Report {
    pub fn doubled(&self) -> u64 {
        self.cells.iter().map(|cell| cell.doubled).sum()
    }

    /// How many acknowledged writes to keys outside of `slots` are lost.
    pub fn lost_outside(&self, slots: &HashSet<u16>) -> u64 {
        let outside = self.cells.iter().filter(|cell| !slots.contains(&cell.slot));
        outside.map(|cell| cell.lost).sum()
    }

    /// How often a value was lost that had been seen or acknowledged, for the key that lost the
    /// most.
    pub fn most_losses(&self) -> u64 {
        self.cells.iter().map(|cell| cell.losses).max().unwrap_or(0)
    }

    fn sum(&self, number: impl Fn(&Cell) -> u64) -> u64 {
        self.cells.iter().map(number).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut errors = BTreeMap::<_, usize>::new();
        for failure in &self.failures {
            *errors.entry(format!("{}, {:?}", failure.what, failure.applied)).or_default() += 1;
        }
        let acknowledged = self.sum(|cell| cell.acknowledged);
        let [lost, perhaps] = [self.sum(|cell| cell.lost), self.sum(|cell| cell.perhaps)];
        write!(f, "{acknowledged} acknowledged, {lost} lost, {perhaps} perhaps, errors: {errors:?}")
    }
}

fn key_slot(key: &str) -> u16 {
    let crc = key.bytes().fold(0, |crc: u16, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % SLOTS
}
