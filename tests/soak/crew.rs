//! The server and all processes of a soak.

use std::fs;
use std::path::{Display, PathBuf};
use std::time::Duration;
use std::{env, io, process};

use redis_collections::{Client, LocalServer};

use super::process::Process;
use super::support::proxy::Proxy;
use super::support::servers::{Outcome, query};
use super::support::within;
use super::terms::{Mode, POSTS, PRODUCERS, QUEUE, queue};

pub(crate) struct Crew {
    // Dropped in this order: the processes end before their server.
    pub(crate) workers: Vec<Process>,
    pub(crate) producers: Vec<Process>,
    pub(crate) server: LocalServer,
    mode: Mode,
    /// The directory of what the processes write.
    records: PathBuf,
    hired: usize,
}

impl Crew {
    pub(crate) fn gather(mode: Mode, seed: u64) -> Outcome<Self> {
        let server = LocalServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"])?;
        let records = env::temp_dir().join(format!("redis-collections-soak-{}", process::id()));
        fs::create_dir_all(&records)?;
        let (workers, producers) = (Vec::new(), Vec::new());
        let mut crew = Self { workers, producers, server, mode, records, hired: 0 };
        for number in 0..POSTS.len() {
            let (record, proxy) = (crew.new_record("worker"), Proxy::to(crew.server.port())?);
            let arguments = ["worker", &number.to_string(), &mode.to_string()];
            crew.workers.push(Process::start(&arguments, proxy, record)?);
        }
        for number in 0..PRODUCERS {
            let (record, proxy) = (crew.new_record("producer"), Proxy::to(crew.server.port())?);
            let (number, seed) = (number.to_string(), seed.to_string());
            let arguments = ["producer", &number, &seed, &mode.to_string()];
            crew.producers.push(Process::start(&arguments, proxy, record)?);
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
    pub(crate) fn proxy_of(&self, process: usize) -> &Proxy {
        let producer = || &self.producers[process - self.workers.len()];
        &self.workers.get(process).unwrap_or_else(producer).proxy
    }

    /// That all processes are alive.
    pub(crate) fn check(&mut self) -> Outcome {
        for process in self.workers.iter_mut().chain(&mut self.producers) {
            if let Some(status) = process.ended()? {
                let record = process.record.display();
                return Err(format!("the process of {record} ended with {status}").into());
            }
        }
        Ok(())
    }

    pub(crate) fn stop_producers(&mut self) -> Outcome {
        stop(&mut self.producers)
    }

    pub(crate) fn stop_workers(&mut self) -> Outcome {
        stop(&mut self.workers)
    }

    /// Whether all jobs were done, and no consumer, be it lost or gone, has any left.
    pub(crate) fn drain(&self) -> Outcome<bool> {
        let queue = queue(&Client::open(self.server.url())?);
        let is_idle = || self.keys("~rc:claimed:*").is_ok_and(|lists| lists.is_empty());
        Ok(queue.drain(PATIENCE)? && within(PATIENCE, is_idle) && queue.drain(PATIENCE)?)
    }

    /// The keys of the queue that end like the pattern.
    pub(crate) fn keys(&self, pattern: &str) -> Outcome<Vec<String>> {
        Ok(query(self.server.url(), &format!("KEYS {QUEUE}{pattern}"))?)
    }

    pub(crate) fn server_version(&self) -> Outcome<String> {
        let info: String = query(self.server.url(), "INFO server")?;
        let line = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
        let valkey = line("valkey_version:").map(|version| format!("Valkey {version}"));
        let redis = || format!("Redis {}", line("redis_version:").unwrap_or_default());
        Ok(valkey.unwrap_or_else(redis))
    }

    /// What all processes have written, also those that were killed.
    pub(crate) fn records(&self) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(&self.records)?.map(|entry| Ok(entry?.path())).collect()
    }

    /// Nobody has to look at them.
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
    processes.iter_mut().for_each(Process::tell_to_stop);
    for process in processes {
        if !process.stops(PATIENCE) {
            let record = process.record.display();
            return Err(format!("the process of {record} did not stop well").into());
        }
    }
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(60);
