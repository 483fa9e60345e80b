use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::item::Pushed;
use super::keys::Keys;
use super::maintenance::MaintenanceThread;
use super::scripts::{COUNT, PURGE, PUSH_BOUNDED, PUSH_LATER, PUSH_UNIQUE, STATS};
use super::session::ConsumerSession;
use super::settings::QueueSettings;
use super::stats::{QueueStats, ids, read};
use crate::client::{Client, RoundTrips};
use crate::codec::Codec;
use crate::collections::{Lend, Name, RedisList};
use crate::command::Command;
use crate::error::{Error, Result};
use crate::keys::Gather;
use crate::limits::ENTRIES_PER_COMMAND;
use crate::random::unique_id;
use crate::reply;
use crate::request::Request;
use crate::request::Script;
use crate::time::Deadline;
use crate::time::Wait;

/// A work queue on a Redis list, which delivers each job at least once.
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
/// queue.push_in("to bob", Duration::from_secs(3600))?;
///
/// let mut consumer = queue.consumer();
/// let job = consumer.next(Duration::from_secs(5))?.expect("the first one is due");
/// assert_eq!(*job, "to ann");
/// job.done();
/// consumer.close()?;
/// assert_eq!(queue.stats()?.delayed, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Guarantees
///
/// Each job that the server has confirmed and still holds is delivered at least once, in the order
/// of the queue except for retries and redeliveries. It is as durable as the server's own data. A
/// job is delivered once more if its consumer dies, or cannot reach the server for as long as the
/// [lease](QueueSettings::lease), before the server is notified that it is done. All times are the
/// server's.
///
/// # In other languages
///
/// The queue is a plain list under its own name: `RPUSH mail 'to bob'` is a job for any consumer
/// that can decode it. Bytes that cannot be decoded are retried like a job that failed, and end in
/// the [dead-letter queue](Self::dead). Bytes that begin like the header of a delivered job
/// (`0x1e`, `q1;`) must be pushed by other programs after `0x1e`, `q1;0;;`, as this crate does.
///
/// # Keys
///
/// All data of the queue `mail` lies beside its list, under keys that begin with `mail~rc:`; a name
/// that is empty or contains `~rc:` is refused when the first command runs. In a cluster all of them
/// must be in one slot, so the name needs a hash tag, such as `{mail}`.
pub struct WorkQueue<T: Codec, E: RoundTrips = Client> {
    executor: E,
    keys: Arc<Keys>,
    settings: QueueSettings,
    maintenance: Arc<MaintenanceThread>,
    codec: PhantomData<fn() -> T>,
}

impl<T: Codec, E: RoundTrips> WorkQueue<T, E> {
    /// The queue on the list `name`.
    pub fn new(executor: &E, name: impl Into<Name>) -> Self {
        Self::over(executor, Arc::new(Keys::new(name.into())), QueueSettings::new())
    }

    fn over(executor: &E, keys: Arc<Keys>, settings: QueueSettings) -> Self {
        let maintenance = Arc::new(MaintenanceThread::new(keys.clone(), settings.clone()));
        Self { executor: executor.clone(), keys, settings, maintenance, codec: PhantomData }
    }

    /// The same queue with other settings. Invalid settings are reported by the first call.
    pub fn with(&self, settings: QueueSettings) -> Self {
        Self::over(&self.executor, self.keys.clone(), settings)
    }

    /// The client that runs its operations.
    pub fn client(&self) -> &E {
        &self.executor
    }

    /// The list of pending jobs. An item that is taken from it directly is no longer protected by
    /// the queue.
    pub fn list(&self) -> RedisList<T, E> {
        RedisList::new(&self.executor, &self.keys.queue)
    }
}

/// Producing.
impl<T: Codec, E: RoundTrips> WorkQueue<T, E> {
    /// Appends a job and returns how many are pending. `RPUSH`, O(1).
    pub fn push(&self, job: &T::Borrowed) -> E::Reply<usize> {
        self.run(self.pushing().encode::<Pushed<T>>(job).returns(reply::count))
    }

    /// Appends all `jobs` and returns how many are pending; 0 if `jobs` is empty. `RPUSH`, O(jobs).
    /// Atomic up to [`ENTRIES_PER_COMMAND`](crate::ENTRIES_PER_COMMAND).
    pub fn push_many<Q, const OWNED: bool>(
        &self,
        jobs: impl IntoIterator<Item = Q>,
    ) -> E::Reply<usize>
    where
        Q: Lend<T, OWNED>,
    {
        let job = |request: &mut Request, job: Q| request.push_encoded::<Pushed<T>>(job.lend());
        let push = self.pushing().divisible(Gather::Last).each(jobs, job, Value::Int(0));
        self.run(push.returns(reply::count))
    }

    /// Appends a job after `delay`. A script, O(log delayed).
    ///
    /// Consumers check for due jobs once a second. Such a job is then appended behind all others.
    pub fn push_in(&self, job: &T::Borrowed, delay: Duration) -> E::Reply<()> {
        let delay = delay.max(Duration::from_millis(1));
        let request = Request::script(&PUSH_LATER, 1).key(&self.keys.delayed).milliseconds(delay);
        let request = request.arg(unique_id()).encode::<Pushed<T>>(job);
        self.run(request.returns(reply::applied))
    }

    /// Appends a job unless one was pushed under the same `key` within `time`, even if that is done
    /// by now. Returns how many jobs are pending, or `None`. A script, O(log keys).
    pub fn push_unique(
        &self,
        key: impl AsRef<[u8]>,
        job: &T::Borrowed,
        time: Duration,
    ) -> E::Reply<Option<usize>> {
        let request = self.scripted(&PUSH_UNIQUE, 2).key(&self.keys.unique).milliseconds(time);
        let request = request.arg(key.as_ref());
        self.run(request.encode::<Pushed<T>>(job).returns(reply::positive))
    }

    /// Appends a job unless `capacity` jobs are pending. Returns how many are, or `None` if the
    /// queue is full. A script, O(1).
    pub fn try_push(&self, job: &T::Borrowed, capacity: usize) -> E::Reply<Option<usize>> {
        let request = self.scripted(&PUSH_BOUNDED, 1).number(capacity);
        self.run(request.encode::<Pushed<T>>(job).returns(reply::positive))
    }

    /// The command that appends jobs, without any.
    fn pushing(&self) -> Request {
        Request::write("RPUSH").key(self.keys.queue())
    }
}

/// Administration.
impl<T: Codec, E: RoundTrips> WorkQueue<T, E> {
    /// The number of pending jobs, without those that are claimed or delayed. `LLEN`, O(1).
    pub fn len(&self) -> E::Reply<usize> {
        self.run(Request::read("LLEN").key(self.keys.queue()).returns(reply::count))
    }

    /// Returns whether no job is pending. `LLEN`, O(1).
    pub fn is_empty(&self) -> E::Reply<bool> {
        let request = Request::read("LLEN").key(self.keys.queue());
        self.run(request.returns(|reply| Ok(reply::count(reply)? == 0)))
    }

    /// Stops all consumers from claiming, until [`resume`](Self::resume). `SET`, O(1).
    ///
    /// A consumer that is waiting for a job right now, which it does for a second at a time, may
    /// still get one.
    pub fn pause(&self) -> E::Reply<()> {
        self.run(Request::write("SET").key(&self.keys.paused).arg("1").returns(reply::ok))
    }

    /// Lets consumers claim again, and returns whether the queue was paused. `UNLINK`, O(1).
    pub fn resume(&self) -> E::Reply<bool> {
        self.run(Request::write("UNLINK").key(&self.keys.paused).returns(reply::flag))
    }

    /// Returns whether the queue is paused. `EXISTS`, O(1).
    pub fn is_paused(&self) -> E::Reply<bool> {
        self.run(Request::read("EXISTS").key(&self.keys.paused).returns(reply::flag))
    }

    /// Removes the pending and the delayed jobs, and returns how many there were. A script of
    /// `LLEN`, `ZCARD` and `UNLINK`, O(1): the server frees the memory in the background.
    ///
    /// All keys of [unique](Self::push_unique) jobs are free again, including those of jobs that
    /// are not purged.
    pub fn purge(&self) -> E::Reply<usize> {
        let request = self.scripted(&PURGE, 3).key(&self.keys.delayed).key(&self.keys.unique);
        self.run(request.returns(reply::count))
    }

    /// Waits until the queue is drained: at one moment no job is pending, claimed, or delayed.
    /// Returns whether that moment came. Checks every 50 milliseconds, each time by `ZRANGE` and a
    /// script that counts as [`stats`](Self::stats) does: two round trips, O(consumers).
    ///
    /// Once no job is found, it checks again, including the consumers that died recently.
    pub fn drain(&self, wait: impl Into<Wait>) -> E::Reply<bool> {
        let (queue, wait) = (self.clone(), wait.into());
        self.executor.converse(async move {
            let deadline = Deadline::after(wait);
            loop {
                // Retired ids are many, and their lists are seldom filled.
                if queue.is_drained(false).await? && queue.is_drained(true).await? {
                    return Ok(true);
                }
                if deadline.is_over() {
                    return Ok(false);
                }
                queue.executor.pause(DRAIN_CHECK_INTERVAL.min(deadline.left())).await;
            }
        })
    }

    /// Returns whether no job was pending, claimed or delayed at one moment.
    async fn is_drained(&self, with_retired: bool) -> Result<bool> {
        let (stats, is_exact) = self.read_stats(with_retired).await?;
        Ok(is_exact && stats.pending + stats.in_flight + stats.delayed == 0)
    }

    /// The contents and counters of the queue. Three round trips, O(consumers), including those
    /// that died recently; one more for every thousand of these.
    pub fn stats(&self) -> E::Reply<QueueStats> {
        let queue = self.clone();
        self.executor.converse(async move {
            let of_retired = queue.in_flight_of_retired().await?;
            let mut stats = queue.read_stats(false).await?.0;
            stats.in_flight += of_retired;
            Ok(stats)
        })
    }

    /// Counts the jobs that were given to retired ids.
    async fn in_flight_of_retired(&self) -> Result<usize> {
        self.check()?;
        let retired = Request::read("ZRANGE").key(&self.keys.gone).number(0).number(-1);
        let retired: Vec<_> = self.executor.send(retired.returns(ids)).await?.into_iter().collect();
        let mut number = 0;
        for retired in retired.chunks(ENTRIES_PER_COMMAND) {
            let request = Request::script(&COUNT, retired.len());
            let lists = retired.iter().map(|id| self.keys.claimed(id));
            let request = lists.fold(request, |request, list| request.key(&list));
            number += self.executor.send(request.returns(reply::count)).await?;
        }
        Ok(number)
    }

    /// Reads the statistics. Returns also whether the lists of all consumers were counted at the
    /// same moment: a job may go from one to the other.
    async fn read_stats(&self, with_retired: bool) -> Result<(QueueStats, bool)> {
        self.check()?;
        let keys = &self.keys;
        let known = Request::read("ZRANGE").key(&keys.consumers).number(0).number(-1);
        let mut holders = self.executor.send(known.returns(ids)).await?;
        let mut reads = 0;
        loop {
            let request = self.scripted(&STATS, 10 + holders.len()).key(&keys.delayed);
            let request = request.key(&keys.dead).key(&keys.paused).key(&keys.consumers);
            let request = request.key(&keys.held).key(&keys.counts).key(&keys.entered);
            let lists = holders.iter().map(|holder| keys.claimed(holder));
            let request = request.key(&keys.gone).key(&keys.settings);
            let request = lists.fold(request, |request, list| request.key(&list));
            let request = request.number(u8::from(with_retired));
            let (stats, holders_now) = self.executor.send(request.returns(read)).await?;
            let is_exact = holders_now.is_subset(&holders);
            reads += 1;
            if is_exact || reads == MAX_STATS_READS {
                return Ok((stats, is_exact));
            }
            holders = holders_now;
        }
    }
}

impl<T: Codec, E: RoundTrips> WorkQueue<T, E> {
    pub(super) fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    pub(super) fn settings(&self) -> &QueueSettings {
        &self.settings
    }

    /// The session of a new consumer.
    pub(super) fn session(&self) -> ConsumerSession {
        ConsumerSession::new(
            self.keys.clone(),
            self.settings.clone(),
            self.maintenance.handle().clone(),
        )
    }

    /// Registers a consumer for lease renewal.
    pub(super) fn keep(&self, session: &Arc<ConsumerSession>) -> io::Result<()> {
        self.maintenance.keep(session.clone(), || self.executor.to_blocking())
    }

    /// Returns an error if the queue cannot be used.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(problem) = self.settings.problem() {
            return Err(Error::Configuration(problem.into()));
        }
        let lacks_tag = self.executor.is_cluster() && !self.keys.are_together();
        let reason = self.keys.refusal().or(lacks_tag.then_some(MISSING_HASH_TAG));
        reason.map_or(Ok(()), |reason| {
            let attempt = Box::new(self.pushing().attempt());
            Err(Error::InvalidArgument { attempt, reason: reason.into() })
        })
    }

    /// Runs a command, unless the queue cannot be used.
    pub(super) fn run<R: Send + 'static>(&self, command: Command<R>) -> E::Reply<R> {
        match self.check() {
            Ok(()) => self.executor.run(command),
            Err(error) => self.executor.ready(Err(error)),
        }
    }

    /// A script whose first key is the queue's own.
    pub(super) fn scripted(&self, script: &'static Script, keys: usize) -> Request {
        Request::script(script, keys).key(self.keys.queue())
    }
}

/// Clones share one thread that renews their consumers' leases.
impl<T: Codec, E: RoundTrips> Clone for WorkQueue<T, E> {
    fn clone(&self) -> Self {
        let (executor, keys) = (self.executor.clone(), self.keys.clone());
        let (settings, maintenance) = (self.settings.clone(), self.maintenance.clone());
        Self { executor, keys, settings, maintenance, codec: PhantomData }
    }
}

impl<T: Codec, E: RoundTrips> fmt::Debug for WorkQueue<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkQueue({:?})", self.keys.queue)
    }
}

/// The reason for refusing a name in a cluster.
const MISSING_HASH_TAG: &str = "in a cluster the name of a work queue needs a hash tag, which \
    keeps its keys together: {jobs} rather than jobs";

/// The maximum number of attempts to count the lists of all consumers at the same moment.
const MAX_STATS_READS: usize = 4;
/// The interval between checks of `drain`.
const DRAIN_CHECK_INTERVAL: Duration = Duration::from_millis(50);
