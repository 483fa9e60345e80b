//! What is done to the processes and their server, in an order that the seed says.

use std::thread;
use std::time::{Duration, Instant};

use super::crew::Crew;
use super::random::Random;
use super::records::is_in_the_middle;
use super::support::proxy::Direction;
use super::support::servers::{Outcome, query};
use super::terms::{LEASE, POSTS, PRODUCERS};

/// How many there were.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) kills: usize,
    /// Those of them in the middle of a job.
    pub(crate) kills_in_the_middle: usize,
    pub(crate) freezes: usize,
    pub(crate) freezes_in_the_middle: usize,
    pub(crate) cuts: usize,
    pub(crate) half_open: usize,
    pub(crate) flushes: usize,
    pub(crate) server_kills: usize,
    /// How many jobs may have been done once more than needed: for each fault what the workers that it
    /// hit may have done without the server having heard of it, so at most
    /// `(kills + freezes + cuts + half-open + server kills × workers) × batch`.
    pub(crate) bound: usize,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill,
    Freeze,
    Cut,
    HalfOpen,
    Flush,
    ServerKill,
}

/// Each of them once; afterwards those that take little time more often.
const FIRST: [Fault; 6] =
    [Fault::Kill, Fault::Freeze, Fault::Cut, Fault::HalfOpen, Fault::Flush, Fault::ServerKill];
const LATER: [Fault; 13] = [
    Fault::Kill,
    Fault::Kill,
    Fault::Kill,
    Fault::Freeze,
    Fault::Freeze,
    Fault::Cut,
    Fault::Cut,
    Fault::Cut,
    Fault::HalfOpen,
    Fault::HalfOpen,
    Fault::HalfOpen,
    Fault::Flush,
    Fault::ServerKill,
];

impl Faults {
    pub(crate) fn inflict(crew: &mut Crew, seed: u64, time: Duration) -> Outcome<Self> {
        let end = Instant::now() + time;
        let (random, faults) = (Random::new(seed), Self::default());
        let mut storm = Storm { crew, random, faults, repairs: Vec::new() };
        let mut first = FIRST.to_vec();
        storm.random.shuffle(&mut first);
        while Instant::now() < end || !first.is_empty() {
            let later = LATER[storm.random.index(LATER.len())];
            storm.inflict(first.pop().unwrap_or(later))?;
            thread::sleep(storm.random.milliseconds(20..400));
            storm.repair(Instant::now())?;
            storm.crew.check()?;
        }
        while let Some((time, _)) = storm.repairs.first() {
            thread::sleep(time.saturating_duration_since(Instant::now()));
            storm.repair(Instant::now())?;
        }
        Ok(storm.faults)
    }
}

struct Storm<'a> {
    crew: &'a mut Crew,
    random: Random,
    faults: Faults,
    repairs: Vec<(Instant, Repair)>,
}

#[derive(Debug, Clone, Copy)]
enum Repair {
    Thaw(usize),
    /// What was held comes late.
    Release(usize),
    /// It never comes.
    Disconnect(usize),
}

impl Storm<'_> {
    fn inflict(&mut self, fault: Fault) -> Outcome {
        let (worker, process) = (self.worker(), self.random.index(POSTS.len() + PRODUCERS));
        let direction = [Direction::Requests, Direction::Replies][self.random.index(2)];
        let (bytes, time) = (self.random.index(600), self.random.milliseconds(8..3000));
        match fault {
            Fault::Kill => {
                self.faults.kills += 1;
                self.faults.kills_in_the_middle += usize::from(self.catch(worker)?);
                self.crew.replace(worker)?;
                self.may_repeat(worker);
            }
            Fault::Freeze if self.frozen().count() < POSTS.len() / 2 => {
                self.faults.freezes_in_the_middle += usize::from(self.catch(worker)?);
                self.faults.freezes += 1;
                self.may_repeat(worker);
                let past_its_lease = LEASE * 2 + time / 3;
                self.repairs.push((Instant::now() + past_its_lease, Repair::Thaw(worker)));
            }
            Fault::Freeze => {}
            Fault::Cut => {
                self.crew.proxy_of(process).cut_after(bytes, direction);
                self.faults.cuts += 1;
                self.may_repeat(process);
            }
            Fault::HalfOpen => {
                self.crew.proxy_of(process).hold(direction);
                self.faults.half_open += 1;
                self.may_repeat(process);
                let repair = match bytes % 2 {
                    0 => Repair::Release(process),
                    _ => Repair::Disconnect(process),
                };
                self.repairs.push((Instant::now() + time, repair));
            }
            Fault::Flush => {
                query::<()>(self.crew.server.url(), "SCRIPT FLUSH")?;
                self.faults.flushes += 1;
            }
            Fault::ServerKill => {
                self.crew.server.stop()?;
                thread::sleep(time / 8);
                self.crew.server.restart()?;
                self.faults.server_kills += 1;
                (0..POSTS.len()).for_each(|worker| self.may_repeat(worker));
            }
        }
        Ok(())
    }

    /// Ends the faults that last until now.
    fn repair(&mut self, now: Instant) -> Outcome {
        let (due, others) = self.repairs.drain(..).partition(|(time, _)| *time <= now);
        self.repairs = others;
        let due: Vec<(Instant, Repair)> = due;
        for (_, repair) in due {
            match repair {
                Repair::Thaw(worker) => self.crew.workers[worker].signal("CONT")?,
                Repair::Release(process) => self.crew.proxy_of(process).release(),
                Repair::Disconnect(process) => {
                    self.crew.proxy_of(process).kill();
                    self.crew.proxy_of(process).release();
                }
            }
        }
        Ok(())
    }

    /// One that is not frozen.
    fn worker(&mut self) -> usize {
        let first = self.random.index(POSTS.len());
        let mut others = (first..first + POSTS.len()).map(|worker| worker % POSTS.len());
        others.find(|worker| self.frozen().all(|frozen| frozen != *worker)).unwrap_or(first)
    }

    fn frozen(&self) -> impl Iterator<Item = usize> {
        self.repairs.iter().filter_map(|(_, repair)| match repair {
            Repair::Thaw(worker) => Some(*worker),
            _ => None,
        })
    }

    /// Stops a worker, in the middle of a job if it comes to one, and says whether it is.
    ///
    /// What is due meanwhile is repaired, or a worker that is cut off would never come to a job.
    fn catch(&mut self, worker: usize) -> Outcome<bool> {
        let deadline = Instant::now() + FOR_A_SLOW_JOB;
        loop {
            let process = &self.crew.workers[worker];
            let is_late = Instant::now() > deadline;
            if is_late || is_in_the_middle(&process.record) {
                process.signal("STOP")?;
                let is_caught = is_in_the_middle(&process.record);
                if is_caught || is_late {
                    return Ok(is_caught);
                }
                process.signal("CONT")?;
            }
            thread::sleep(BETWEEN_LOOKS);
            self.repair(Instant::now())?;
        }
    }

    fn may_repeat(&mut self, process: usize) {
        self.faults.bound += POSTS.get(process).map_or(0, |post| post.most_unheard());
    }
}

/// Longer than any fault lasts.
const FOR_A_SLOW_JOB: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);
