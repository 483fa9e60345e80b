//! One library's queue on a server of its own, from a producer to consumers.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::thread;
use std::time::{Duration, Instant};

use redis::{InfoDict, cmd};
use redis_collections::LocalServer;
use tokio::runtime::Runtime;

use crate::floor::connect;
use crate::tally::Tally;

pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    server: LocalServer,
    roles: Box<dyn Roles>,
    /// How often each job was handled, by its number.
    times: Arc<[AtomicU8]>,
    /// How many jobs were pushed and are to be handled.
    pushed: usize,
    has_failed: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Loses jobs.
    Floor,
    Rival,
    Ours,
}

/// What a library does in a line.
pub(crate) trait Roles {
    /// Pushes the jobs of these numbers, so many at once.
    fn produce(&self, jobs: Range<usize>, at_once: usize) -> Role;

    /// Handles jobs, so many at once, until the tally is over.
    fn consume(&self, tally: Arc<Tally>) -> Role;
}

/// What one participant does.
pub(crate) enum Role {
    Thread(Box<dyn FnOnce() + Send>),
    Task(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl Role {
    pub(crate) fn thread(run: impl FnOnce() + Send + 'static) -> Self {
        Self::Thread(Box::new(run))
    }

    pub(crate) fn task(run: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::Task(Box::pin(run))
    }

    /// Gives what waits for its end.
    pub(crate) fn start(self, runtime: &Runtime) -> Box<dyn FnOnce()> {
        match self {
            Self::Thread(run) => {
                let thread = thread::spawn(run);
                Box::new(|| thread.join().unwrap())
            }
            Self::Task(run) => {
                let (task, handle) = (runtime.spawn(run), runtime.handle().clone());
                Box::new(move || handle.block_on(task).unwrap())
            }
        }
    }
}

/// How many jobs get through in a second, and how many microseconds a processor works for one.
#[derive(Clone, Copy)]
pub(crate) struct Speed {
    pub(crate) rate: f64,
    pub(crate) program: f64,
    pub(crate) server: f64,
}

impl Line {
    /// With what `open` makes of the address of a server.
    pub(crate) fn new<R: Roles + 'static>(
        name: &'static str,
        kind: Kind,
        open: impl FnOnce(&str) -> R,
    ) -> Self {
        let server = LocalServer::start().unwrap();
        let roles = Box::new(open(server.url()));
        let times = (0..MOST_JOBS).map(|_| AtomicU8::new(0)).collect();
        Self { name, kind, server, roles, times, pushed: 0, has_failed: false }
    }

    pub(crate) fn url(&self) -> &str {
        self.server.url()
    }

    /// Starts a consumer.
    pub(crate) fn consumer(&self, runtime: &Runtime) -> (Arc<Tally>, Box<dyn FnOnce()>) {
        let tally = Tally::new(self.times.clone());
        let consumer = self.roles.consume(tally.clone()).start(runtime);
        (tally, consumer)
    }

    /// Has so many more jobs wait.
    pub(crate) fn fill(&mut self, jobs: usize, runtime: &Runtime) {
        self.roles.produce(self.pushed..self.pushed + jobs, WHILE_FILLING).start(runtime)();
        self.pushed += jobs;
    }

    /// How jobs get through while one producer pushes so many and two consumers handle as many. If
    /// they do not, no further run is tried.
    pub(crate) fn run(&mut self, jobs: usize, at_once: usize, runtime: &Runtime) -> Speed {
        if !self.has_failed
            && let Some(speed) = self.try_run(jobs, at_once, runtime)
        {
            return speed;
        }
        self.has_failed = true;
        Speed { rate: f64::NAN, program: f64::NAN, server: f64::NAN }
    }

    fn try_run(&mut self, jobs: usize, at_once: usize, runtime: &Runtime) -> Option<Speed> {
        let tally = Tally::new(self.times.clone());
        tally.aim(jobs);
        let numbers = self.pushed..self.pushed + jobs;
        let waiting = self.pushed - tally.once()?;
        self.pushed += jobs;
        let spent = [work_of_this_program(), self.work_of_the_server()];
        let started = Instant::now();
        let consume = |_| self.roles.consume(tally.clone()).start(runtime);
        let consumers: Vec<_> = (0..CONSUMERS).map(consume).collect();
        self.roles.produce(numbers, at_once).start(runtime)();
        let reached = tally.reached();
        let elapsed = started.elapsed();
        tally.stop().stop();
        consumers.into_iter().for_each(|consumer| consumer());
        reached?;
        let once = tally.once();
        let once = once.unwrap_or_else(|| panic!("{}: a job was handled again", self.name));
        let left = self.pushed - once;
        assert!(left <= waiting && (waiting > 0 || left == 0), "{}: {left} are left", self.name);
        let [program, server] = spent;
        let of_a_job = |time: Duration| time.as_secs_f64() * 1e6 / jobs as f64;
        Some(Speed {
            rate: jobs as f64 / elapsed.as_secs_f64(),
            program: of_a_job(work_of_this_program() - program),
            server: of_a_job(self.work_of_the_server() - server),
        })
    }

    fn work_of_the_server(&self) -> Duration {
        let mut connection = connect(self.url());
        let info: InfoDict = cmd("INFO").arg("cpu").query(&mut connection).unwrap();
        let seconds = ["used_cpu_user", "used_cpu_sys"].map(|part| info.get::<f64>(part).unwrap());
        Duration::from_secs_f64(seconds.iter().sum())
    }
}

/// How long processors have worked for this program, in hundredths of seconds.
fn work_of_this_program() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, after_name) = stat.rsplit_once(") ").unwrap();
    let ticks = after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap());
    Duration::from_millis(10 * ticks.sum::<u64>())
}

const CONSUMERS: usize = 2;
const WHILE_FILLING: usize = 1000;
const MOST_JOBS: usize = 500_000;
