//! What the processes agree on.

use std::fmt;
use std::time::Duration;

use redis_collections::{QueueSettings, RoundTrips, WorkQueue};

use super::support::kinds::Kind;
use super::support::servers::Outcome;

pub(crate) const QUEUE: &str = "jobs";
pub(crate) const LEASE: Duration = Duration::from_secs(1);
/// So many that a job that is not poison does not get there by faults.
pub(crate) const MAX_DELIVERIES: u32 = 12;
/// A handler is in the middle of a slow job for long enough to be hit there.
pub(crate) const SLOW: Duration = Duration::from_millis(300);

/// Who takes the jobs, and how.
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
}

/// How a worker process works.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Post {
    pub(crate) face: Face,
    pub(crate) batch: usize,
    pub(crate) handlers: usize,
}

pub(crate) const POSTS: [Post; 6] = [
    Post { face: Face::Worker, batch: 1, handlers: 1 },
    Post { face: Face::AsyncWorker, batch: 1, handlers: 4 },
    Post { face: Face::Consumer, batch: 16, handlers: 1 },
    Post { face: Face::AsyncConsumer, batch: 16, handlers: 1 },
    Post { face: Face::Worker, batch: 64, handlers: 4 },
    Post { face: Face::AsyncWorker, batch: 64, handlers: 8 },
];

pub(crate) const PRODUCERS: usize = 3;

impl Post {
    /// How many jobs it may have done at most without the server having heard of it.
    pub(crate) fn most_unheard(self) -> usize {
        self.batch + self.handlers
    }
}

/// What a job asks of its handler. A job is this and who pushed it: `slow 2-17`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Work {
    Quick,
    Slow,
    FailsFirst,
    Poison,
}

impl Work {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Slow => "slow",
            Self::FailsFirst => "fails-first",
            Self::Poison => "poison",
        }
    }

    pub(crate) fn of(job: &str) -> Self {
        let all = [Self::Slow, Self::FailsFirst, Self::Poison];
        let name = job.split(' ').next().unwrap_or_default();
        all.into_iter().find(|work| work.name() == name).unwrap_or(Self::Quick)
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

pub(crate) fn queue<C: RoundTrips>(client: &C) -> WorkQueue<String, C> {
    let settings = QueueSettings::new().lease(LEASE).max_deliveries(MAX_DELIVERIES);
    WorkQueue::new(client, QUEUE).with(settings.backoff(LEASE / 50, LEASE / 10))
}
