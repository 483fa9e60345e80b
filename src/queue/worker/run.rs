use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::handler_guard::HandlerGuard;
use super::waiting_jobs::WaitingJobs;
#[cfg(feature = "async")]
use crate::client::AsyncClient;
use crate::client::{Client, RoundTrips};
use crate::codec::Codec;
use crate::error::{Error, Result, reason};
use crate::queue::consumer::{Consumer, HandlerCapacity, MAX_BATCH};
use crate::queue::job::Job;
use crate::queue::work_queue::WorkQueue;
use crate::time::Wait;
use crate::time::{Pauses, finish};

/// Runs the jobs of a [`WorkQueue`](crate::WorkQueue) through a handler, which receives the [`Job`]
/// and returns a `Result`.
///
/// `Ok` means that the job is done. A job whose handler returns an error, or panics, is delivered
/// again after a [backoff](crate::QueueSettings::backoff), and goes to the dead-letter queue with
/// the error after its last delivery. A handler may also decide by itself, with [`Job::retry`] and
/// the like.
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let client = redis_collections::Client::open(server.url())?;
/// use redis_collections::{StopHandle, WorkQueue};
///
/// let queue: WorkQueue<u32> = WorkQueue::new(&client, "numbers");
/// queue.push_many(&[1, 2, 3])?;
///
/// let stop = StopHandle::new();
/// let worker = queue.worker(|number| {
///     println!("{}", *number);
///     Ok::<(), String>(())
/// });
/// std::thread::scope(|scope| {
///     let running = scope.spawn(|| worker.concurrency(4).run(&stop));
///     while queue.stats()?.done < 3 {}
///     stop.stop();
///     running.join().expect("a worker does not panic")
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a worker does nothing before it is `run`"]
pub struct Worker<T: Codec, E: RoundTrips, F> {
    queue: WorkQueue<T, E>,
    handler: Arc<F>,
    concurrency: usize,
    batch: usize,
    grace: Duration,
}

/// Stops workers. Clones stop the same workers.
#[derive(Debug, Clone, Default)]
pub struct StopHandle(Arc<Stop>);

/// Whether workers are to stop, and who waits for that.
#[derive(Debug, Default)]
struct Stop {
    is_stopped: AtomicBool,
    #[cfg(feature = "async")]
    stopped: tokio::sync::Notify,
}

impl StopHandle {
    /// A handle that lets workers run until [`stop`](Self::stop) is called.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the workers to stop. They claim nothing more, and end when their handlers have.
    ///
    /// Takes a lock with the feature `async`, so it is for the thread or task that receives signals,
    /// such as that of the crates `ctrlc` and tokio, and not for a raw signal handler.
    pub fn stop(&self) {
        self.0.is_stopped.store(true, Ordering::Release);
        #[cfg(feature = "async")]
        self.0.stopped.notify_waiters();
    }

    /// Returns whether the workers were asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped.load(Ordering::Acquire)
    }

    /// Completes when the workers are asked to stop, at once if they were. It may be dropped, and
    /// works on any executor, for example as the signal of a server's graceful shutdown.
    #[cfg(feature = "async")]
    pub async fn stopped(&self) {
        let stopped = self.0.stopped.notified();
        // A call of `stop` after this wakes `stopped`, even before it is polled.
        if !self.is_stopped() {
            stopped.await;
        }
    }
}

impl<T: Codec, E: RoundTrips, F> Worker<T, E, F> {
    pub(super) fn new(queue: &WorkQueue<T, E>, handler: F) -> Self {
        let (queue, handler) = (queue.clone(), Arc::new(handler));
        Self { queue, handler, concurrency: 1, batch: 1, grace: Duration::from_secs(30) }
    }

    /// Sets how many handlers run at the same time. Defaults to one.
    pub fn concurrency(mut self, handlers: usize) -> Self {
        self.concurrency = handlers.max(1);
        self
    }

    /// Sets how many jobs one claim asks for, one to 1,000; it asks for more if more handlers are
    /// free. Defaults to one. Larger batches are faster for short jobs; in a batch of long jobs
    /// they wait for each other.
    pub fn batch(mut self, jobs: usize) -> Self {
        self.batch = jobs.clamp(1, MAX_BATCH);
        self
    }

    /// Sets how long running handlers may continue after the worker was stopped. Defaults to 30
    /// seconds.
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }

    fn consumer(&self) -> Consumer<T, E> {
        self.queue.consumer().batch(self.batch)
    }

    /// Entrusts a claimed job to a guard.
    fn guarded(&self, job: Job<T, E>) -> (Job<T, E>, HandlerGuard) {
        HandlerGuard::of(job, self.queue.settings().clone())
    }

    /// Returns how many jobs to take and the capacity for them, if a handler is free.
    fn wanted(&self, held: usize) -> Option<(usize, HandlerCapacity)> {
        let free = self.concurrency.checked_sub(held).filter(|free| *free > 0)?;
        let capacity = HandlerCapacity { free, running: held, begins: false };
        Some((free.min(MAX_BATCH).max(self.batch), capacity))
    }
}

impl<T, F, X> Worker<T, Client, F>
where
    T: Codec,
    F: Fn(Job<T>) -> std::result::Result<(), X> + Send + Sync + 'static,
    X: Display + 'static,
{
    /// Runs until it is stopped, with a thread for each handler. Jobs that no handler has begun are
    /// released: they return to the head of the queue, and count as not delivered. Returns how many
    /// handlers did not end within the grace period: their jobs were given back, which counts as a
    /// failed delivery, though they may still run.
    ///
    /// While the server cannot be reached it keeps trying. An error that is not transient is
    /// returned.
    pub fn run(&self, stop: &StopHandle) -> Result<usize> {
        let waiting = Arc::new(WaitingJobs::<(Job<T>, HandlerGuard)>::new());
        let _closing = ClosedOnDrop(&waiting);
        let (end, ends) = mpsc::channel::<()>();
        let held = Arc::new(AtomicUsize::new(0));
        for _ in 0..self.concurrency {
            let (waiting, end, held) = (waiting.clone(), end.clone(), held.clone());
            let (handler, stop) = (self.handler.clone(), stop.clone());
            let handle = move |job| handler(job).map_err(|error| reason(&error));
            let work = move || {
                while let Some((job, mut guard)) = waiting.wait_pop(|| stop.is_stopped()) {
                    guard.begin();
                    guard.conclude(catch_unwind(AssertUnwindSafe(|| handle(job))));
                    held.fetch_sub(1, Ordering::AcqRel);
                    // There is no receiver any more after the grace period.
                    let _ = end.send(());
                }
            };
            let thread = thread::Builder::new().name("redis-worker".into()).spawn(work);
            thread.map_err(|error| {
                Error::Configuration(format!("cannot start a worker thread: {error}"))
            })?;
        }
        let mut consumer = self.consumer();
        let mut backoff = WorkerBackoff::new();
        let mut outcome = Ok(());
        let mut runs_alone = false;
        while !stop.is_stopped() && outcome.is_ok() {
            while ends.try_recv().is_ok() {}
            let now_held = held.load(Ordering::Acquire);
            let is_alone = now_held > 0 && (runs_alone || consumer.next_must_run_alone());
            let Some((wanted, capacity)) = self.wanted(now_held).filter(|_| !is_alone) else {
                let _ = ends.recv_timeout(STOP_CHECK_INTERVAL);
                continue;
            };
            match finish(consumer.next_up_to(wanted, Wait::For(STOP_CHECK_INTERVAL), capacity)) {
                Ok(claimed) => {
                    backoff = WorkerBackoff::new();
                    let max_deliveries = consumer.max_deliveries();
                    runs_alone = claimed.first().is_some_and(|job| job.is_last(max_deliveries));
                    held.fetch_add(claimed.len(), Ordering::AcqRel);
                    waiting.extend(claimed.into_iter().map(|job| self.guarded(job)));
                }
                Err(error) => match backoff.after(error) {
                    Ok(pause) => thread::sleep(pause),
                    Err(error) => outcome = Err(error),
                },
            }
        }
        held.fetch_sub(waiting.close(), Ordering::AcqRel);
        let stopped = Instant::now();
        while held.load(Ordering::Acquire) > 0 && stopped.elapsed() < self.grace {
            let left = self.grace.saturating_sub(stopped.elapsed());
            let _ = ends.recv_timeout(left.min(STOP_CHECK_INTERVAL));
        }
        let overdue = held.load(Ordering::Acquire);
        consumer.give_back();
        let closed = consumer.close();
        outcome.and(closed).map(|()| overdue)
    }
}

#[cfg(feature = "async")]
impl<T, F, R, X> Worker<T, AsyncClient, F>
where
    T: Codec,
    F: Fn(Job<T, AsyncClient>) -> R + Send + Sync + 'static,
    R: Future<Output = std::result::Result<(), X>> + Send + 'static,
    X: Display + 'static,
{
    /// Runs until it is stopped, with as many tasks as handlers may run at the same time. Jobs that
    /// no handler has begun are released: they return to the head of the queue, and count as not
    /// delivered. Returns how many handlers did not end within the grace period: they were dropped,
    /// and their jobs given back, which counts as a failed delivery.
    ///
    /// While the server cannot be reached it keeps trying. An error that is not transient is
    /// returned. Dropping the future drops the handlers and gives back their jobs.
    pub async fn run(&self, stop: &StopHandle) -> Result<usize> {
        use futures_util::FutureExt;
        use tokio::task::{JoinSet, consume_budget};
        use tokio::time::{sleep, timeout};

        let mut consumer = self.consumer();
        let waiting = Arc::new(WaitingJobs::<(Job<T, AsyncClient>, HandlerGuard)>::new());
        let work = || {
            let (handler, stop) = (self.handler.clone(), stop.clone());
            // The waiting jobs are released once only tasks that are about to end own them.
            let waiting = Arc::downgrade(&waiting);
            let next = move || {
                if stop.is_stopped() {
                    None
                } else {
                    waiting.upgrade().and_then(|waiting| waiting.pop())
                }
            };
            async move {
                while let Some((job, mut guard)) = next() {
                    guard.begin();
                    let handle = async { handler(job).await.map_err(|error| reason(&error)) };
                    guard.conclude(AssertUnwindSafe(handle).catch_unwind().await);
                    consume_budget().await;
                }
            }
        };
        let mut tasks = JoinSet::new();
        let mut backoff = WorkerBackoff::new();
        let mut outcome = Ok(());
        let mut runs_alone = false;
        while !stop.is_stopped() && outcome.is_ok() {
            while tasks.try_join_next().is_some() {}
            let (jobs, free) = (waiting.len(), self.concurrency - tasks.len());
            let begun = jobs.min(free);
            (0..begun).for_each(|_| drop(tasks.spawn(work())));
            let now_held = tasks.len() + jobs - begun;
            let is_alone = now_held > 0 && (runs_alone || consumer.next_must_run_alone());
            let Some((wanted, capacity)) = self.wanted(now_held).filter(|_| !is_alone) else {
                let _ = timeout(STOP_CHECK_INTERVAL, tasks.join_next()).await;
                continue;
            };
            match consumer.next_up_to(wanted, Wait::For(STOP_CHECK_INTERVAL), capacity).await {
                Ok(claimed) => {
                    backoff = WorkerBackoff::new();
                    let max_deliveries = consumer.max_deliveries();
                    runs_alone = claimed.first().is_some_and(|job| job.is_last(max_deliveries));
                    waiting.extend(claimed.into_iter().map(|job| self.guarded(job)));
                }
                Err(error) => match backoff.after(error) {
                    Ok(pause) => sleep(pause).await,
                    Err(error) => outcome = Err(error),
                },
            }
        }
        drop(waiting);
        let all = async { while tasks.join_next().await.is_some() {} };
        let _ = timeout(self.grace, all).await;
        let overdue = tasks.len();
        // A task that blocks its thread cannot be dropped.
        let _ = timeout(SHUTDOWN_TIMEOUT, tasks.shutdown()).await;
        consumer.give_back();
        let closed = consumer.close().await;
        outcome.and(closed).map(|()| overdue)
    }
}

/// The backoff of a worker after transient errors.
struct WorkerBackoff(Pauses);

impl WorkerBackoff {
    fn new() -> Self {
        Self(Pauses::new())
    }

    /// Returns how long to pause after an error, or the error if it is not transient.
    fn after(&mut self, error: Error) -> Result<Duration> {
        let passes = error.is_transient() || matches!(error, Error::LeaseLost { .. });
        if passes { Ok(self.0.next()) } else { Err(error) }
    }
}

impl<T: Codec, E: RoundTrips, F> fmt::Debug for Worker<T, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Worker");
        shown.field("queue", &self.queue).field("concurrency", &self.concurrency);
        shown.finish_non_exhaustive()
    }
}

/// Ends the threads that wait for jobs, however the run of the worker ends.
struct ClosedOnDrop<'a, J>(&'a WaitingJobs<J>);

impl<J> Drop for ClosedOnDrop<'_, J> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The interval between checks of the stop handle.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// How long the drop of the tasks may take after the grace period.
#[cfg(feature = "async")]
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
