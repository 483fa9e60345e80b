use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::job::{Job, take};
use super::session::ConsumerSession;
use super::work_queue::WorkQueue;
use crate::client::{Client, RoundTrips};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::time::Wait;
use crate::time::{Deadline, Pauses};

/// Takes jobs from a [`WorkQueue`](crate::WorkQueue), several at a time, and acknowledges them with
/// the next claim.
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let client = redis_collections::Client::open(server.url())?;
/// use std::time::Duration;
///
/// use redis_collections::WorkQueue;
///
/// let queue: WorkQueue<String> = WorkQueue::new(&client, "mail");
/// queue.push("to ann")?;
/// let mut consumer = queue.consumer().batch(16);
/// while let Some(job) = consumer.next(Duration::ZERO)? {
///     println!("{}", *job);
///     job.done();
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Dropping the consumer releases the claimed jobs that were not handed out. Jobs that were
/// handed out stay valid. Dropping the consumer or its last job, whichever is later, blocks for up
/// to one second until the server has received the outcomes of jobs. After that a background thread
/// continues. In a task call `done`, `retry` or `bury` on every job and then
/// [`close`](Self::close), which does not block.
#[must_use = "a consumer does nothing unless it is asked for the next job"]
pub struct Consumer<T: Codec, E: RoundTrips = Client> {
    queue: WorkQueue<T, E>,
    session: Arc<ConsumerSession>,
    batch: usize,
    /// Whether the maintenance thread renews its lease.
    is_kept: bool,
    /// When to check next for delayed jobs that are due.
    next_due_check: Instant,
    codec: PhantomData<fn() -> T>,
}

impl<T: Codec, E: RoundTrips> WorkQueue<T, E> {
    /// Creates a consumer of the queue. Nothing is sent before it is asked for a job.
    pub fn consumer(&self) -> Consumer<T, E> {
        Consumer::new(self)
    }
}

impl<T: Codec, E: RoundTrips> Consumer<T, E> {
    pub(super) fn new(queue: &WorkQueue<T, E>) -> Self {
        let session = Arc::new(queue.session());
        Self {
            queue: queue.clone(),
            session,
            batch: 1,
            is_kept: false,
            next_due_check: Instant::now(),
            codec: PhantomData,
        }
    }

    /// Sets the maximum number of jobs that one round trip claims: one to 1,000. Defaults to one. A
    /// job waits for those before it in the batch.
    pub fn batch(mut self, jobs: usize) -> Self {
        self.batch = jobs.clamp(1, MAX_BATCH);
        self
    }

    /// Returns the next job, waiting for one if there is none; `None` when the time is up. One
    /// round trip a batch, two if the queue is empty at first.
    ///
    /// Bytes that cannot be decoded are retried later, as if a handler had failed, and go to the
    /// dead-letter queue after the last delivery. If there are many, the call may take a second
    /// longer. A job that did not arrive because a connection was lost is returned by a later call,
    /// and so is one that arrives while the call is dropped. After an error it can be called again.
    pub fn next(&mut self, wait: impl Into<Wait>) -> E::ReplyWithin<'_, Option<Job<T, E>>> {
        let (executor, wait) = (self.queue.client().clone(), wait.into());
        executor.converse_within(async move {
            let capacity = HandlerCapacity::default();
            Ok(self.next_up_to(1, wait, capacity).await?.pop())
        })
    }

    /// Returns a whole batch, waiting for its first job if there is none; empty when the time is
    /// up.
    pub fn next_batch(&mut self, wait: impl Into<Wait>) -> E::ReplyWithin<'_, Vec<Job<T, E>>> {
        let (executor, wait) = (self.queue.client().clone(), wait.into());
        executor.converse_within(async move {
            let batch = self.batch;
            self.next_up_to(batch, wait, HandlerCapacity::default()).await
        })
    }

    /// Sends the outcomes of jobs that are done, retried or buried, releases the claimed jobs that
    /// were not handed out, and unregisters the consumer. A released job returns to the head of the
    /// queue, and counts as not delivered.
    ///
    /// Jobs that still run are kept until they have an outcome. After an error a thread retries. If
    /// the server refuses for as long as a lease, the jobs are redelivered like those of a lost
    /// consumer.
    pub fn close(mut self) -> E::Reply<()> {
        let (executor, session) = (self.queue.client().clone(), self.session.clone());
        self.is_kept = false;
        drop(self);
        executor.clone().converse(async move { session.finish(&executor).await })
    }

    /// Returns up to `most` jobs, as far as `capacity` permits; none when the time is up, or if the
    /// next one is held back.
    pub(super) async fn next_up_to(
        &mut self,
        most: usize,
        wait: Wait,
        capacity: HandlerCapacity,
    ) -> Result<Vec<Job<T, E>>> {
        let deadline = Deadline::after(wait);
        let wanted = most.max(self.batch);
        let mut is_over = false;
        loop {
            match self.take(most, capacity).await? {
                Some(jobs) if jobs.is_empty() && !is_over => {
                    is_over = !self.fill(wanted, deadline).await?;
                }
                jobs => return Ok(jobs.unwrap_or_default()),
            }
        }
    }

    /// Returns whether the next job must run alone, because one more loss would bury it.
    pub(super) fn next_must_run_alone(&self) -> bool {
        self.session.ledger().jobs.next_must_run_alone(self.max_deliveries())
    }

    /// The maximum number of deliveries in force for the queue.
    pub(super) fn max_deliveries(&self) -> u32 {
        self.session.shared_settings().max_deliveries
    }

    /// Gives back all running jobs, each of which counts as a failed delivery.
    pub(super) fn give_back(&self) {
        self.session.give_back();
    }

    /// Hands out claimed jobs; `None` if the next job is held back. First records on the server the
    /// start of those that a lost consumer once held.
    async fn take(&self, most: usize, capacity: HandlerCapacity) -> Result<Option<Vec<Job<T, E>>>> {
        loop {
            let handlers = (capacity.free, capacity.running);
            let (portion, is_ready) = {
                // Both under one lock, since a dropped wait may bring a job at any time.
                let jobs = &self.session.ledger().jobs;
                (
                    jobs.portion(most, handlers, self.session.shared_settings().max_deliveries),
                    jobs.has_ready(),
                )
            };
            if portion == 0 {
                return Ok((!is_ready).then(Vec::new));
            }
            self.session.record(self.queue.client(), portion).await?;
            let take = |_| take(&self.session, self.queue.client(), capacity.begins);
            let jobs: Vec<_> = (0..portion).filter_map(take).flatten().collect();
            if !jobs.is_empty() {
                return Ok(Some(jobs));
            }
        }
    }

    /// Claims jobs, waiting for the first. Returns whether the caller may claim again if no claimed
    /// job can be decoded; `false` also if none was claimed.
    async fn fill(&mut self, wanted: usize, deadline: Deadline) -> Result<bool> {
        let executor = self.queue.client().clone();
        self.queue.check()?;
        if !self.is_kept {
            let kept = self.queue.keep(&self.session);
            kept.map_err(|error| Error::Configuration(format!("no thread for leases: {error}")))?;
            self.is_kept = true;
        }
        let mut pauses = Pauses::new();
        loop {
            let is_last = deadline.is_over();
            let checks_due = Instant::now() >= self.next_due_check;
            let polled = match self.session.claim(&executor, wanted, checks_due).await {
                Err(error) if error.is_transient() && !is_last => {
                    executor.pause(pauses.next().min(deadline.left())).await;
                    continue;
                }
                claimed => claimed?,
            };
            if polled.checked_due {
                let due = polled.due.unwrap_or(DUE_CHECK_INTERVAL);
                self.next_due_check = Instant::now() + due.min(DUE_CHECK_INTERVAL);
            }
            // A job from an earlier wait is there without a claim.
            let has_some = polled.claimed || self.session.ledger().jobs.has_ready();
            if has_some || is_last {
                return Ok(has_some && !deadline.is_over_for(UNDECODABLE_TIMEOUT));
            }
            let until_check = self.next_due_check.saturating_duration_since(Instant::now());
            let longest = until_check.min(self.session.shared_settings().lease / 2);
            let time = deadline.left().min(longest);
            if polled.paused || time < MIN_WAIT {
                executor.pause(time.min(CLAIM_RETRY_INTERVAL)).await;
                continue;
            }
            match self.session.wait(&executor, time).await {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                // A server that is full or busy accepts no new jobs, but may deliver those that it
                // has.
                Err(error) if error.is_transient() => {
                    let longest =
                        if error.code().is_some() { CLAIM_RETRY_INTERVAL } else { Duration::MAX };
                    executor.pause(pauses.next().min(longest).min(deadline.left())).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl<T: Codec, E: RoundTrips> Drop for Consumer<T, E> {
    fn drop(&mut self) {
        self.session.close();
        if self.is_kept {
            self.session.await_leaving();
        }
    }
}

impl<T: Codec, E: RoundTrips> fmt::Debug for Consumer<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// The capacity of the caller for jobs.
#[derive(Clone, Copy)]
pub(super) struct HandlerCapacity {
    /// How many jobs begin immediately.
    pub(super) free: usize,
    /// How many jobs of this consumer are running.
    pub(super) running: usize,
    /// Whether jobs begin as soon as they are taken, or when their handlers report it.
    pub(super) begins: bool,
}

impl Default for HandlerCapacity {
    fn default() -> Self {
        Self { free: usize::MAX, running: 0, begins: true }
    }
}

/// The interval between checks for delayed jobs that are due.
const DUE_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Servers are late for shorter waits, or treat them as endless.
const MIN_WAIT: Duration = Duration::from_millis(5);
/// The maximum pause before the next claim while the queue is paused, while the time left is too
/// short for a wait, and after a server that is full or busy has refused a wait.
const CLAIM_RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// How much longer a call may search for a decodable job after its time is up.
const UNDECODABLE_TIMEOUT: Duration = Duration::from_secs(1);
/// The maximum number of jobs that one claim asks for.
pub(super) const MAX_BATCH: usize = 1000;
