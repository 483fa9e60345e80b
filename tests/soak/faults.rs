//! Faults of the processes and their server, in an order that the seed determines.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::crew::Crew;
use super::random::Random;
use super::records::{Event, count, is_in_the_middle};
use super::terms::{LARGEST_PUSH, LEASE, Mode, POSTS, PRODUCERS};
use support::servers::proxy::Direction;
use support::servers::{Outcome, query};

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
    /// How often the master and its replica were exchanged.
    pub(crate) demotions: usize,
    /// How often a process was stopped and continued within its lease.
    pub(crate) pauses: usize,
    /// Jobs that crash their process.
    pub(crate) crashing: usize,
    pub(crate) crashes: usize,
    /// How many jobs may have been done once more than needed: for each fault the jobs that the
    /// workers it hit may have done without a confirmation, so at most `(kills + crashes +
    /// freezes + cuts + half-open + (server kills + demotions) × workers) × batch`.
    pub(crate) bound: usize,
    /// How many pops may have taken an item without bringing it.
    pub(crate) pops_hit: usize,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Kill,
    Freeze,
    Cut,
    HalfOpen,
    Flush,
    ServerKill,
    Demote,
    Pauses,
    Crash,
}

impl Fault {
    /// Whether it also means something where jobs are popped.
    fn is_for(self, mode: Mode) -> bool {
        mode == Mode::Leases || !matches!(self, Self::Demote | Self::Crash)
    }

    fn is_among(self, names: Option<&str>) -> bool {
        let is_own = |name: &str| name.eq_ignore_ascii_case(&format!("{self:?}"));
        names.is_none_or(|names| names.split(',').any(is_own))
    }
}

/// Each of them once, from the last to the first, but for the last in any order; afterwards those
/// that take little time more often.
const FIRST: [Fault; 9] = [
    Fault::Kill,
    Fault::Freeze,
    Fault::Cut,
    Fault::HalfOpen,
    Fault::Flush,
    Fault::ServerKill,
    Fault::Demote,
    Fault::Pauses,
    // It takes as long as all others.
    Fault::Crash,
];
const LATER: [Fault; 17] = [
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
    Fault::Demote,
    Fault::Pauses,
    Fault::Pauses,
    Fault::Crash,
];

impl Faults {
    /// All kinds, or `only` those that are named.
    pub(crate) fn inflict(
        crew: &mut Crew,
        seed: u64,
        time: Duration,
        only: Option<&str>,
    ) -> Outcome<Self> {
        let end = Instant::now() + time;
        let mut random = Random::new(seed);
        let mut first = FIRST.to_vec();
        random.shuffle(&mut first[..FIRST.len() - 1]);
        let mut later = LATER.to_vec();
        for kinds in [&mut first, &mut later] {
            kinds.retain(|fault| fault.is_for(crew.mode) && fault.is_among(only));
        }
        if later.is_empty() {
            return Err(format!("no faults of {FIRST:?}").into());
        }
        let mut storm = Storm { crew, random, faults: Self::default(), repairs: Vec::new() };
        while Instant::now() < end || !first.is_empty() {
            let later = later[storm.random.index(later.len())];
            storm.inflict(first.pop().unwrap_or(later))?;
            // The seed determines when faults happen, whatever the processes do.
            thread::sleep(storm.random.milliseconds(20..400));
            storm.tend()?;
        }
        while let Some((time, _)) = storm.repairs.first() {
            // Repairs are due at times that were drawn.
            thread::sleep(time.saturating_duration_since(Instant::now()));
            storm.tend()?;
        }
        Ok(storm.faults)
    }

    /// Replaces workers that a job has crashed. That another process has ended is an error.
    pub(crate) fn supervise(&mut self, crew: &mut Crew) -> Outcome {
        for worker in crew.replace_crashed()? {
            self.crashes += 1;
            self.bound += POSTS[worker].most_unconfirmed();
        }
        Ok(())
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
    /// Held bytes come late.
    Release(usize),
    /// It never comes.
    Disconnect(usize),
}

impl Storm<'_> {
    fn inflict(&mut self, fault: Fault) -> Outcome {
        let (worker, process) = (self.worker(), self.random.index(PROCESSES));
        let direction = [Direction::Requests, Direction::Replies][self.random.index(2)];
        let (bytes, time) = (self.random.index(600), self.random.milliseconds(8..3000));
        match fault {
            Fault::Kill => {
                self.faults.kills += 1;
                self.faults.kills_in_the_middle += usize::from(self.catch(worker)?);
                self.crew.replace(worker)?;
                self.hits(worker);
            }
            Fault::Freeze if self.frozen().count() < POSTS.len() / 2 => {
                self.faults.freezes_in_the_middle += usize::from(self.catch(worker)?);
                self.faults.freezes += 1;
                self.hits(worker);
                let past_its_lease = LEASE * 2 + time / 3;
                self.repairs.push((Instant::now() + past_its_lease, Repair::Thaw(worker)));
            }
            Fault::Freeze => {}
            Fault::Cut => {
                self.crew.process(process).proxy.cut_after(bytes, direction);
                self.faults.cuts += 1;
                self.hits(process);
            }
            Fault::HalfOpen => {
                self.crew.process(process).proxy.hold(direction);
                self.faults.half_open += 1;
                self.hits(process);
                let repair = match bytes % 2 {
                    0 => Repair::Release(process),
                    _ => Repair::Disconnect(process),
                };
                self.repairs.push((Instant::now() + time, repair));
            }
            Fault::Flush => {
                query::<()>(self.crew.servers.url(), "SCRIPT FLUSH")?;
                self.faults.flushes += 1;
            }
            Fault::ServerKill => {
                self.crew.servers.kill_master()?;
                // How long the server is away is drawn too.
                thread::sleep(time / 8);
                self.crew.servers.restart_master()?;
                self.faults.server_kills += 1;
                (0..POSTS.len()).for_each(|worker| self.hits(worker));
            }
            Fault::Demote => {
                self.crew.exchange_servers()?;
                self.faults.demotions += 1;
                (0..POSTS.len()).for_each(|worker| self.hits(worker));
                self.wait_until_all_go_on()?;
            }
            Fault::Pauses => (0..1 + bytes % 9).try_for_each(|_| self.pause(process))?,
            Fault::Crash => {
                self.crew.push_crashing()?;
                self.faults.crashing += 1;
            }
        }
        Ok(())
    }

    /// Stops and continues a process, unless it is frozen.
    fn pause(&mut self, process: usize) -> Outcome {
        if self.frozen().any(|frozen| frozen == process) {
            return Ok(());
        }
        let (stopped, running) = (self.random.milliseconds(1..60), self.random.milliseconds(1..30));
        let begin = Instant::now();
        // Both times are drawn: a stopped process shows nothing to wait for.
        self.crew.process(process).signal("STOP")?;
        thread::sleep(stopped);
        self.crew.process(process).signal("CONT")?;
        if begin.elapsed() > LEASE / 2 {
            // This machine has made a freeze of it.
            self.hits(process);
        }
        self.faults.pauses += 1;
        thread::sleep(running);
        Ok(())
    }

    /// Waits until each process has made progress that needs the present master.
    fn wait_until_all_go_on(&mut self) -> Outcome {
        let begun: Vec<_> = (0..PROCESSES).map(|process| self.progress(process)).collect();
        let deadline = Instant::now() + UNTIL_ALL_GO_ON;
        for (process, begun) in begun.into_iter().enumerate() {
            let (record, number) = begun?;
            loop {
                self.tend()?;
                let (present, now) = self.progress(process)?;
                let before = if present == record { number } else { 0 };
                if now > before + most_on_its_own(process) {
                    break;
                }
                if Instant::now() > deadline {
                    let record = present.display();
                    return Err(format!("the process of {record} does not go on").into());
                }
                thread::sleep(BETWEEN_GLANCES);
            }
        }
        Ok(())
    }

    /// The record of a process, and how many of its events say that it is served.
    fn progress(&self, process: usize) -> Outcome<(PathBuf, usize)> {
        let event = match POSTS.get(process) {
            Some(post) if post.takes_jobs() => Event::Begun,
            Some(_) => Event::Done,
            None => Event::Confirmed,
        };
        let record = self.crew.process(process).record.clone();
        let events = count(&record, event, None)?;
        Ok((record, events))
    }

    /// Replaces crashed processes, and ends the faults that last until now.
    fn tend(&mut self) -> Outcome {
        self.faults.supervise(self.crew)?;
        self.repair(Instant::now())
    }

    /// Ends the faults that last until now.
    fn repair(&mut self, now: Instant) -> Outcome {
        let (due, others) = self.repairs.drain(..).partition(|(time, _)| *time <= now);
        self.repairs = others;
        let due: Vec<(Instant, Repair)> = due;
        for (_, repair) in due {
            match repair {
                Repair::Thaw(worker) => self.crew.workers[worker].signal("CONT")?,
                Repair::Release(process) => self.crew.process(process).proxy.release(),
                Repair::Disconnect(process) => {
                    self.crew.process(process).proxy.kill();
                    self.crew.process(process).proxy.release();
                }
            }
        }
        Ok(())
    }

    /// One that takes jobs and is not frozen.
    fn worker(&mut self) -> usize {
        let first = self.random.index(POSTS.len());
        let mut others = (first..first + POSTS.len()).map(|worker| worker % POSTS.len());
        let is_fit = |worker: &usize| {
            POSTS[*worker].takes_jobs() && self.frozen().all(|frozen| frozen != *worker)
        };
        others.find(is_fit).unwrap_or(0)
    }

    fn frozen(&self) -> impl Iterator<Item = usize> {
        self.repairs.iter().filter_map(|(_, repair)| match repair {
            Repair::Thaw(worker) => Some(*worker),
            _ => None,
        })
    }

    /// Stops a worker, in the middle of a job if it comes to one, and says whether it is.
    ///
    /// Faults due meanwhile are repaired, or a worker that is cut off would never come to a job.
    fn catch(&mut self, worker: usize) -> Outcome<bool> {
        let deadline = Instant::now() + FOR_A_SLOW_JOB;
        loop {
            let process = &self.crew.workers[worker];
            let is_late = Instant::now() > deadline;
            if is_late || is_in_the_middle(&process.record) {
                process.signal("STOP")?;
                let is_caught = is_in_the_middle(&process.record);
                let has_crashed = self.crew.workers[worker].ended()?.is_some();
                if (is_caught || is_late) && !has_crashed {
                    return Ok(is_caught);
                }
                self.crew.workers[worker].signal("CONT")?;
            }
            thread::sleep(BETWEEN_LOOKS);
            self.tend()?;
        }
    }

    /// Counts the calls whose outcome a process that was hit need not know.
    fn hits(&mut self, process: usize) {
        match POSTS.get(process) {
            Some(post) if post.takes_jobs() => self.faults.bound += post.most_unconfirmed(),
            Some(_) => self.faults.pops_hit += 1,
            None => {}
        }
    }
}

/// How many events of its progress a process may note without the present master.
fn most_on_its_own(process: usize) -> usize {
    POSTS.get(process).map_or(LARGEST_PUSH, |post| post.most_unconfirmed())
}

const PROCESSES: usize = POSTS.len() + PRODUCERS;
/// Only one that does not go on at all takes so long.
const UNTIL_ALL_GO_ON: Duration = Duration::from_secs(60);
const BETWEEN_GLANCES: Duration = Duration::from_millis(20);
/// Longer than any fault lasts.
const FOR_A_SLOW_JOB: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);
