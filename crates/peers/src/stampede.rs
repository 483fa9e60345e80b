mod memoized;
mod ours;
mod signals;
mod worker;

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::{Client, Connection, FromRedisValue, cmd};
use redis_collections::LocalServer;

use crate::Result;
use memoized::Memoized;
use ours::Ours;
use signals::{ANSWERS, GO, HALF_WAY, HANGS, LOADS, READY, VALUE};

/// Processes that ask a cache for the same missing key at the same moment, with many threads each.
///
/// All workers wait for each other in Redis, in the lists of `worker`, and the loaders count
/// themselves there.
#[derive(Clone, Copy, Debug)]
pub struct Stampede {
    pub subject: Subject,
    pub processes: usize,
    pub threads: usize,
    /// Whether the process whose load is the first is killed half-way through it.
    pub kills: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    PyredisCache,
    Memoized,
    Ours,
}

/// The outcome, without the replies that a killed process got.
#[derive(Clone, Debug)]
pub struct Stampeded {
    /// How many loads began, in all processes.
    pub loads: u64,
    /// How many threads got the value.
    pub right: usize,
    /// The answers that other threads got instead.
    pub wrong: Vec<String>,
    /// How many threads got no answer in time.
    pub missing: usize,
}

impl Stampede {
    /// Runs on a server of its own. The program is one that begins with [`run_as_worker`].
    pub fn run(self, program: &Path) -> Result<Stampeded> {
        let server = LocalServer::start()?;
        let mut herd = Herd::start(self, program, server.url())?;
        let mut connection = Client::open(server.url())?.get_connection()?;
        let everybody = vec![""; self.processes * self.threads];
        let deadline = Instant::now() + PATIENCE;
        for _ in &everybody {
            let ready: Option<String> = next(&mut connection, READY, deadline)?;
            ready.ok_or("not all processes got ready")?;
        }
        cmd("RPUSH").arg(GO).arg(everybody).exec(&mut connection)?;
        let deadline = Instant::now() + PATIENCE;
        if self.kills {
            let loading = next(&mut connection, HALF_WAY, deadline)?.ok_or("no process loads")?;
            herd.kill(loading)?;
        }
        let mut outcome = Stampeded { loads: 0, right: 0, wrong: Vec::new(), missing: 0 };
        let expected = herd.0.len() * self.threads;
        while outcome.right + outcome.wrong.len() < expected {
            let Some(answer) = next::<String>(&mut connection, ANSWERS, deadline)? else {
                outcome.missing = expected - outcome.right - outcome.wrong.len();
                break;
            };
            let (process, answer) = answer.split_once(' ').ok_or("an answer without a process")?;
            if !herd.has(process.parse()?) {
                continue;
            }
            match answer {
                VALUE => outcome.right += 1,
                _ => outcome.wrong.push(answer.into()),
            }
        }
        if !herd.ends(deadline)? && outcome.missing == 0 {
            return Err("a process does not end".into());
        }
        let loads: Option<u64> = cmd("GET").arg(LOADS).query(&mut connection)?;
        outcome.loads = loads.unwrap_or_default();
        Ok(outcome)
    }
}

impl Subject {
    pub const ALL: [Self; 3] = [Self::PyredisCache, Self::Memoized, Self::Ours];

    pub fn name(self) -> &'static str {
        match self {
            Self::PyredisCache => "pyredis-cache",
            Self::Memoized => "cached",
            Self::Ours => "ours",
        }
    }

    /// A process without its orders.
    fn command(self, program: &Path) -> Command {
        let mut command;
        if self == Self::PyredisCache {
            let package = Path::new(env!("CARGO_MANIFEST_DIR"));
            command = Command::new(package.join("../../target/interop/bin/python"));
            command.arg(package.join("src/stampede/worker.py"));
        } else {
            command = Command::new(program);
            command.args([OsStr::new(WORKER_ARGUMENT), OsStr::new(self.name())]);
        }
        command
    }
}

impl Stampeded {
    pub fn is_right(&self) -> bool {
        self.wrong.is_empty() && self.missing == 0
    }
}

/// Does the work of one of the processes if these arguments of a program request it.
pub fn run_as_worker(mut arguments: impl Iterator<Item = String>) -> Option<Result<()>> {
    let is_worker = arguments.next()? == WORKER_ARGUMENT;
    is_worker.then(|| {
        let name = arguments.next();
        let subject =
            Subject::ALL.into_iter().find(|subject| Some(subject.name()) == name.as_deref());
        match subject.ok_or("no such subject")? {
            Subject::Memoized => worker::work::<Memoized>(arguments),
            Subject::Ours => worker::work::<Ours>(arguments),
            Subject::PyredisCache => Err("this is no Python".into()),
        }
    })
}

/// The processes that live, which end with this value.
struct Herd(Vec<Child>);

impl Herd {
    fn start(stampede: Stampede, program: &Path, url: &str) -> Result<Self> {
        let mut herd = Self(Vec::new());
        for _ in 0..stampede.processes {
            let mut command = stampede.subject.command(program);
            command.arg(url).arg(stampede.threads.to_string());
            command.arg(if stampede.kills { HANGS } else { "" });
            herd.0.push(command.stdin(Stdio::null()).spawn()?);
        }
        Ok(herd)
    }

    fn has(&self, process: u32) -> bool {
        self.0.iter().any(|child| child.id() == process)
    }

    fn kill(&mut self, process: u32) -> Result<()> {
        let place = self.0.iter().position(|child| child.id() == process);
        let mut child = self.0.swap_remove(place.ok_or("a stranger loads")?);
        let killed = child.kill();
        child.wait()?;
        Ok(killed?)
    }

    /// Waits until all have ended by themselves, so that no load is still to come.
    fn ends(&mut self, deadline: Instant) -> Result<bool> {
        for child in &mut self.0 {
            while child.try_wait()?.is_none() {
                if Instant::now() > deadline {
                    return Ok(false);
                }
                sleep(PAUSE);
            }
        }
        Ok(true)
    }
}

impl Drop for Herd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It fails where the process has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Takes the first element of a list as soon as there is one, if there is one in time.
fn next<T: FromRedisValue>(
    connection: &mut Connection,
    list: &str,
    deadline: Instant,
) -> Result<Option<T>> {
    let left = deadline.saturating_duration_since(Instant::now()).max(PAUSE);
    let taken = cmd("BLPOP").arg(list).arg(left.as_secs_f64()).query(connection);
    let taken: Option<(String, T)> = taken?;
    Ok(taken.map(|(_, element)| element))
}

/// The first argument of a worker process.
const WORKER_ARGUMENT: &str = "--work";
/// How long the processes may take to start, and then to be answered.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(1);
