//! What the processes agree on.

use std::fmt;
use std::time::Duration;

use redis_collections::{QueueSettings, RoundTrips, WorkQueue};

use support::kinds::Kind;
use support::servers::Outcome;

pub(crate) const QUEUE: &str = "jobs";
/// A list of items that are popped: each is delivered at most once.
pub(crate) const ITEMS: &str = "items";
pub(crate) const LEASE: Duration = Duration::from_secs(1);
/// So many that a job that is not poison does not get there by faults.
pub(crate) const MAX_DELIVERIES: u32 = 10;
/// A handler is in the middle of a slow job for long enough to be hit there.
pub(crate) const SLOW: Duration = Duration::from_millis(300);

/// How jobs are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    Leases,
    /// By a blocking pop.
    Plain,
}

/// What a worker process takes jobs with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Face {
    Consumer,
    AsyncConsumer,
    Worker,
    AsyncWorker,
    /// Pops items instead of jobs.
    Popper,
    AsyncPopper,
}

/// How a worker process works.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Post {
    pub(crate) face: Face,
    pub(crate) batch: usize,
    pub(crate) handlers: usize,
    /// After how long a call of `next` is dropped that has brought nothing yet.
    pub(crate) tick: Option<Duration>,
    /// Whether signals interrupt its system calls.
    pub(crate) interrupted: bool,
}

/// No batch is of one job, so that there is a good job behind one that crashes its process.
pub(crate) const POSTS: [Post; 9] = [
    Post { handlers: 1, ..post(Face::Worker, 2) }.interrupted(),
    Post { handlers: 4, ..post(Face::AsyncWorker, 3) },
    post(Face::Consumer, 16).interrupted(),
    post(Face::AsyncConsumer, 16).interrupted(),
    Post { tick: Some(Duration::from_millis(5)), ..post(Face::AsyncConsumer, 16) },
    Post { handlers: 4, ..post(Face::Worker, 64) }.interrupted(),
    Post { handlers: 8, ..post(Face::AsyncWorker, 64) },
    post(Face::Popper, 1).interrupted(),
    post(Face::AsyncPopper, 1).interrupted(),
];

const fn post(face: Face, batch: usize) -> Post {
    Post { face, batch, handlers: 1, tick: None, interrupted: false }
}

pub(crate) const PRODUCERS: usize = 3;
/// How many jobs a producer pushes at once at most.
pub(crate) const LARGEST_PUSH: usize = 120;

impl Post {
    const fn interrupted(self) -> Self {
        Self { interrupted: true, ..self }
    }

    /// How many jobs it may have done at most unknown to the server.
    pub(crate) fn most_unconfirmed(self) -> usize {
        self.batch + self.handlers
    }

    /// Whether it takes jobs, so that it may be killed without an item being lost.
    pub(crate) fn takes_jobs(self) -> bool {
        !matches!(self.face, Face::Popper | Face::AsyncPopper)
    }
}

/// What a job asks of its handler. A job is this and its producer: `slow 2-17`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Work {
    Quick,
    Slow,
    FailsFirst,
    Poison,
    /// It aborts the process of its handler.
    Crash,
    /// No job, but an item of [`ITEMS`].
    Item,
}

impl Work {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Slow => "slow",
            Self::FailsFirst => "fails-first",
            Self::Poison => "poison",
            Self::Crash => "crash",
            Self::Item => "item",
        }
    }

    pub(crate) fn of(job: &str) -> Self {
        let all = [Self::Slow, Self::FailsFirst, Self::Poison, Self::Crash, Self::Item];
        let name = job.split(' ').next().unwrap_or_default();
        all.into_iter().find(|work| work.name() == name).unwrap_or(Self::Quick)
    }

    /// Whether it can never be done.
    pub(crate) fn is_poison(self) -> bool {
        matches!(self, Self::Poison | Self::Crash)
    }
}

impl Mode {
    pub(crate) fn parse(name: &str) -> Self {
        if name == "plain" { Self::Plain } else { Self::Leases }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Plain { "plain" } else { "leases" })
    }
}

/// Hurries, so that much happens in little time. It connects when it is used.
pub(crate) async fn client<C: Kind>(url: &str) -> Outcome<C> {
    let builder = C::builder(url).connect_timeout(LEASE).response_timeout(LEASE).lazy();
    Ok(C::build(builder).await?)
}

/// Has so much patience that only a fault that hits it lets a pop fail.
pub(crate) async fn patient_client<C: Kind>(url: &str) -> Outcome<C> {
    Ok(C::build(C::builder(url).response_timeout(LEASE * 20).lazy()).await?)
}

pub(crate) fn queue<C: RoundTrips>(client: &C) -> WorkQueue<String, C> {
    let settings = QueueSettings::new().lease(LEASE).max_deliveries(MAX_DELIVERIES);
    WorkQueue::new(client, QUEUE).with(settings.backoff(LEASE / 50, LEASE / 10))
}
