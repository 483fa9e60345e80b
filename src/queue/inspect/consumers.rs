use std::fmt;
use std::time::Duration;

use crate::client::RoundTrips;
use crate::codec::{Codec, Undecodable};
use crate::error::Result;
use crate::queue::item::Item;
use crate::queue::keys::ConsumerId;
use crate::queue::peek::first;
use crate::queue::scripts::CONSUMERS;
use crate::queue::session::tombstone;
use crate::queue::stats::age;
use crate::queue::work_queue::WorkQueue;
use crate::reply::{self, Reply};
use crate::request::Request;

/// A consumer of a [`WorkQueue`](crate::WorkQueue), and the jobs that it has claimed.
#[non_exhaustive]
pub struct ConsumerState<T: Codec> {
    /// The present id of the consumer. It gets another one after a lost connection.
    pub id: String,
    /// Whether the consumer holds its lease. If not, its jobs go back to the queue.
    pub is_alive: bool,
    /// The time since its last heartbeat.
    pub heartbeat: Duration,
    /// The running time of the job that has run longest, as of the last heartbeat.
    pub longest_running: Option<Duration>,
    /// The holding time of the job that was held longest before its handler began, as of the last
    /// heartbeat.
    pub longest_unstarted: Option<Duration>,
    /// The first jobs that it has claimed, in the order of the claims. A job that is done stays
    /// until the server is notified.
    pub jobs: Vec<ClaimedJob<T>>,
}

/// A job that a consumer of a [`WorkQueue`](crate::WorkQueue) has claimed.
#[non_exhaustive]
pub struct ClaimedJob<T: Codec> {
    /// The pushed value, or bytes that cannot be decoded.
    pub value: std::result::Result<T::Owned, Undecodable>,
    /// The job's id in the queue, if it has needed one.
    pub id: Option<String>,
    /// Counts earlier deliveries that ended without `done`: failed, dropped, or lost after the job
    /// had begun. It is 0 at the first delivery.
    pub deliveries: u32,
    /// Whether the server knows that the job has begun. It is notified of a job that has run for a
    /// tenth of a second, and beforehand of one whose earlier consumer was lost.
    pub has_begun: bool,
}

impl<T: Codec, E: RoundTrips> WorkQueue<T, E> {
    /// The consumers that hold a lease, and those that lost theirs, until another one takes over
    /// their jobs: each with up to `most` of the jobs that it has claimed. A script, O(consumers),
    /// and `LRANGE` for each consumer, O(most).
    ///
    /// Consumers and jobs are not read at one moment: a job may be missing, or appear twice.
    pub fn consumers(&self, most: usize) -> E::Reply<Vec<ConsumerState<T>>> {
        let queue = self.clone();
        self.client().converse(async move {
            queue.check()?;
            let keys = queue.keys();
            let request = Request::script(&CONSUMERS, 3).key(&keys.consumers).key(&keys.held);
            let request = request.key(&keys.settings);
            let request = request.number(queue.settings().shared().lease.as_millis());
            let mut consumers = queue.client().send(request.returns(read::<T>)).await?;
            for consumer in &mut consumers {
                let id = ConsumerId::parse(consumer.id.as_bytes());
                let items = first(&keys.claimed(&id), most).returns(reply::many::<Vec<u8>>);
                let mut items = queue.client().send(items).await?;
                let settled = tombstone(&id);
                items.retain(|item| *item != settled);
                consumer.jobs = items.iter().map(|item| claimed(item)).collect();
            }
            Ok(consumers)
        })
    }
}

/// Reads the reply of `consumers.lua`.
fn read<T: Codec>(reply: Reply<'_>) -> Result<Vec<ConsumerState<T>>> {
    let request = reply.request;
    reply::sequence(reply)?.map(|value| consumer(Reply { value, request })).collect()
}

/// Reads a consumer, without its jobs.
fn consumer<T: Codec>(reply: Reply<'_>) -> Result<ConsumerState<T>> {
    let [id, is_alive, heartbeat, runs, idles] = reply::parts(reply)?;
    Ok(ConsumerState {
        id: String::from_utf8_lossy(&reply::one::<Vec<u8>>(id)?).into_owned(),
        is_alive: reply::flag(is_alive)?,
        heartbeat: Duration::from_millis(reply::count(heartbeat)? as u64),
        longest_running: age(runs)?,
        longest_unstarted: age(idles)?,
        jobs: Vec::new(),
    })
}

/// Reads an item of the list of a consumer.
fn claimed<T: Codec>(bytes: &[u8]) -> ClaimedJob<T> {
    let item = Item::parse(bytes);
    ClaimedJob {
        value: T::decode_owned(item.payload.to_vec()),
        id: item.id.map(|id| String::from_utf8_lossy(id).into_owned()),
        deliveries: item.deliveries,
        has_begun: item.has_begun(),
    }
}

/// Shows no value.
impl<T: Codec> fmt::Debug for ConsumerState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ConsumerState");
        shown.field("id", &self.id).field("is_alive", &self.is_alive);
        shown.field("heartbeat", &self.heartbeat).field("longest_running", &self.longest_running);
        shown.field("longest_unstarted", &self.longest_unstarted).field("jobs", &self.jobs).finish()
    }
}

/// Shows no value.
impl<T: Codec> fmt::Debug for ClaimedJob<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ClaimedJob");
        shown.field("id", &self.id).field("deliveries", &self.deliveries);
        shown.field("has_begun", &self.has_begun).finish_non_exhaustive()
    }
}
