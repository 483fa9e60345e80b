//! The servers and all processes of a soak.

use std::fs;
use std::path::{Display, PathBuf};
use std::time::{Duration, Instant};
use std::{env, io, process};

use redis_collections::{Client, RedisList};

use super::process::Process;
use super::records::{Event, Record, count};
use super::servers::Servers;
use super::terms::{ITEMS, Mode, POSTS, PRODUCERS, QUEUE, Work, queue};
use support::program::build_library;
use support::servers::proxy::Proxy;
use support::servers::{Outcome, query};

pub(crate) struct Crew {
    // Dropped in this order: the processes end before their servers.
    pub(crate) workers: Vec<Process>,
    pub(crate) producers: Vec<Process>,
    pub(crate) servers: Servers,
    pub(crate) mode: Mode,
    /// The directory of the records of the processes, and of the library that interrupts them.
    records: PathBuf,
    hired: usize,
    /// Of those that crash their process.
    pushed: usize,
}

impl Crew {
    pub(crate) fn gather(mode: Mode, seed: u64) -> Outcome<Self> {
        let servers = Servers::start()?;
        let records = env::temp_dir().join(format!("redis-collections-soak-{}", process::id()));
        if records.exists() {
            // Of a process with the same id, which has failed.
            fs::remove_dir_all(&records)?;
        }
        fs::create_dir_all(&records)?;
        let (workers, producers) = (Vec::new(), Vec::new());
        let mut crew = Self { workers, producers, servers, mode, records, hired: 0, pushed: 0 };
        let interrupts = match cfg!(target_os = "linux") {
            true => Some(build_library("signal_timer.c", &crew.records)?),
            false => None,
        };
        for (number, post) in POSTS.iter().enumerate() {
            let (record, proxy) = (crew.new_record("worker"), Proxy::to(crew.servers.port())?);
            let arguments = ["worker", &number.to_string(), &mode.to_string()];
            let interrupts = interrupts.clone().filter(|_| post.interrupted);
            crew.workers.push(Process::start(&arguments, proxy, record, interrupts)?);
        }
        for number in 0..PRODUCERS {
            let (record, proxy) = (crew.new_record("producer"), Proxy::to(crew.servers.port())?);
            let interrupts = interrupts.clone().filter(|_| number == 0);
            let (number, seed) = (number.to_string(), seed.to_string());
            let arguments = ["producer", &number, &seed, &mode.to_string()];
            crew.producers.push(Process::start(&arguments, proxy, record, interrupts)?);
        }
        Ok(crew)
    }

    /// Kills a worker, and hires another one.
    pub(crate) fn replace(&mut self, worker: usize) -> io::Result<()> {
        let record = self.new_record("worker");
        let arguments = ["worker", &worker.to_string(), &self.mode.to_string()];
        self.workers[worker].replace(&arguments, record)
    }

    /// Of the workers, then of the producers.
    pub(crate) fn process(&self, number: usize) -> &Process {
        let producer = || &self.producers[number - self.workers.len()];
        self.workers.get(number).unwrap_or_else(producer)
    }

    /// That all processes are alive, apart from workers that a job has crashed. They are replaced.
    pub(crate) fn replace_crashed(&mut self) -> Outcome<Vec<usize>> {
        let mut crashed = Vec::new();
        for (number, process) in self.workers.iter_mut().chain(&mut self.producers).enumerate() {
            let Some(status) = process.ended()? else { continue };
            if count(&process.record, Event::Begun, Some(Work::Crash))? == 0 {
                let record = process.record.display();
                return Err(format!("the process of {record} ended with {status}").into());
            }
            crashed.push(number);
        }
        crashed.iter().try_for_each(|worker| self.replace(*worker))?;
        Ok(crashed)
    }

    /// Pushes a job that crashes each process that begins it, in front of good ones.
    pub(crate) fn push_crashing(&mut self) -> Outcome {
        self.pushed += 1;
        let jobs = (0..GOOD_ONES)
            .map(|good| format!("{} crew-{}-{good}", Work::Quick.name(), self.pushed));
        let crash = format!("{} crew-{}", Work::Crash.name(), self.pushed);
        let jobs: Vec<_> = [crash].into_iter().chain(jobs).collect();
        let record = Record::open(self.records.join("crew"))?;
        record.note(Event::Sent, &jobs);
        queue(&Client::open(self.servers.url())?).push_many(&jobs)?;
        record.note(Event::Confirmed, &jobs);
        Ok(())
    }

    /// Makes the replica the master. Connections to the old one stay, and new ones lead to the new
    /// one.
    pub(crate) fn exchange_servers(&mut self) -> Outcome {
        self.servers.exchange()?;
        let port = self.servers.port();
        self.workers.iter().chain(&self.producers).for_each(|process| process.proxy.lead_to(port));
        Ok(())
    }

    pub(crate) fn stop_producers(&mut self) -> Outcome {
        stop(&mut self.producers)?;
        self.producers.clear();
        Ok(())
    }

    pub(crate) fn stop_workers(&mut self) -> Outcome {
        stop(&mut self.workers)
    }

    /// Whether all jobs were done, all items popped, and no consumer, be it lost or gone, has any
    /// left. Workers that have crashed meanwhile are replaced.
    pub(crate) fn drain(
        &mut self,
        mut meanwhile: impl FnMut(&mut Self) -> Outcome,
    ) -> Outcome<bool> {
        let client = Client::open(self.servers.url())?;
        let (queue, items) = (queue(&client), RedisList::<String>::new(&client, ITEMS));
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            meanwhile(self)?;
            let is_drained = queue.drain(BRIEFLY)?
                && items.is_empty()?
                && self.keys(&format!("{QUEUE}~rc:claimed:*"))?.is_empty()
                && queue.drain(BRIEFLY)?;
            if is_drained {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) fn keys(&self, pattern: &str) -> Outcome<Vec<String>> {
        Ok(query(self.servers.url(), &format!("KEYS {pattern}"))?)
    }

    pub(crate) fn server_version(&self) -> Outcome<String> {
        let info: String = query(self.servers.url(), "INFO server")?;
        let line = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
        let valkey = line("valkey_version:").map(|version| format!("Valkey {version}"));
        let redis = || format!("Redis {}", line("redis_version:").unwrap_or_default());
        Ok(valkey.unwrap_or_else(redis))
    }

    /// The records of all processes, also of those that were killed.
    pub(crate) fn records(&self) -> io::Result<Vec<PathBuf>> {
        let all = fs::read_dir(&self.records)?.map(|entry| Ok(entry?.path()));
        all.filter(|path| !path.as_ref().is_ok_and(|path| path.extension().is_some())).collect()
    }

    /// They need not be looked at.
    pub(crate) fn remove_records(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.records)
    }

    pub(crate) fn directory(&self) -> Display<'_> {
        self.records.display()
    }

    fn new_record(&mut self, name: &str) -> PathBuf {
        self.hired += 1;
        self.records.join(format!("{name}-{}", self.hired))
    }
}

fn stop(processes: &mut [Process]) -> Outcome {
    processes.iter_mut().for_each(Process::request_stop);
    for process in processes {
        if !process.stops(PATIENCE) {
            let record = process.record.display();
            return Err(format!("the process of {record} did not stop well").into());
        }
    }
    Ok(())
}

/// Longer than it takes until each crashing job is given up.
const PATIENCE: Duration = Duration::from_secs(60);
const BRIEFLY: Duration = Duration::from_millis(100);
/// More than any worker claims at once.
const GOOD_ONES: usize = 64;
