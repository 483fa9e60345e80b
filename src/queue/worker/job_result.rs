//! Handlers of jobs: their return values, and the workers that run them.

use std::error::Error as StdError;
use std::fmt::Display;

use super::run::Worker;
use crate::client::{Client, RoundTrips};
use crate::codec::Codec;
use crate::queue::job::Job;
use crate::queue::work_queue::WorkQueue;

/// The return value of a worker's handler on `E`: a `Result` on a [`Client`], a future of one on an
/// `AsyncClient`.
///
/// `Ok` means that the job is done. An error becomes the reason of the failure, as its `Display`
/// shows it (`{:#}`). One in a `Box<dyn Error>`, as in [`WorkQueue::worker_with`], is followed by its
/// sources: `a: b: c`.
#[diagnostic::on_unimplemented(
    message = "a handler of jobs on `{E}` cannot return `{Self}`",
    label = "the return type of this handler is not a result of a job",
    note = "on a `Client` a handler returns a `Result`; one without a failure ends with `Ok(())`",
    note = "an async handler needs a queue on an `AsyncClient`, and there every handler is async"
)]
pub trait JobResult<E> {
    /// The type of the error.
    type Error;
}

impl<X> JobResult<Client> for Result<(), X> {
    type Error = X;
}

#[cfg(feature = "async")]
impl<F, X> JobResult<crate::client::AsyncClient> for F
where
    F: Future<Output = Result<(), X>> + Send + 'static,
{
    type Error = X;
}

impl<T: Codec, E: RoundTrips> WorkQueue<T, E> {
    /// Creates a worker that runs `handler` on the jobs, several at a time, until it is stopped.
    pub fn worker<F, R>(&self, handler: F) -> Worker<T, E, F>
    where
        F: Fn(Job<T, E>) -> R + Send + Sync + 'static,
        R: JobResult<E, Error: Display + 'static>,
    {
        Worker::new(self, handler)
    }

    /// Creates a worker whose handler receives a clone of `state` with each job, and may use `?` on
    /// any error.
    ///
    /// All handlers share the state: clients, collections, an `Arc` of settings. An async closure
    /// then captures nothing. One that captures something lends it to its future, and cannot run
    /// several times at once.
    ///
    /// ```
    /// # #[cfg(feature = "async")]
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// # let server = redis_collections::LocalServer::start()?;
    /// use redis_collections::{AsyncClient, RedisHashDict, StopHandle, WorkQueue};
    ///
    /// let client = AsyncClient::open(server.url()).await?;
    /// let queue: WorkQueue<String, AsyncClient> = WorkQueue::new(&client, "numbers");
    /// let sums: RedisHashDict<String, i64, AsyncClient> = RedisHashDict::new(&client, "sums");
    /// queue.push_many(["1", "2", "3"]).await?;
    ///
    /// let stop = StopHandle::new();
    /// let worker = queue.worker_with((sums, stop.clone()), async |job, (sums, stop)| {
    ///     let number: i64 = job.parse()?;
    ///     if sums.increment("all", number).await? == 6 {
    ///         stop.stop();
    ///     }
    ///     Ok(())
    /// });
    /// worker.concurrency(4).run(&stop).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A function with an error type of its own is called in such a closure:
    /// `async |job, state| Ok(bill(job, state).await?)`.
    pub fn worker_with<S, F, R>(
        &self,
        state: S,
        handler: F,
    ) -> Worker<T, E, impl Fn(Job<T, E>) -> R + Send + Sync + 'static + use<T, E, S, F, R>>
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(Job<T, E>, S) -> R + Send + Sync + 'static,
        R: JobResult<E, Error = Box<dyn StdError + Send + Sync>>,
    {
        Worker::new(self, move |job| handler(job, state.clone()))
    }
}
