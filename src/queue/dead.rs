use std::fmt;
use std::time::SystemTime;

use super::item::{DeadItem, Item};
use super::peek::first;
use super::scripts::REQUEUE;
use super::stats::since_1970;
use super::work_queue::WorkQueue;
use crate::client::{Client, RoundTrips};
use crate::codec::{Codec, Undecodable};
use crate::error::Result;
use crate::limits::ENTRIES_PER_COMMAND;
use crate::reply::{self, Reply};
use crate::request::Request;

/// The dead-letter queue of a [`WorkQueue`](crate::WorkQueue): the latest jobs that are not
/// delivered any more.
pub struct DeadLetters<T: Codec, E: RoundTrips = Client> {
    queue: WorkQueue<T, E>,
}

/// A job in the dead-letter queue.
#[non_exhaustive]
pub struct DeadJob<T: Codec> {
    /// The pushed value, or bytes that cannot be decoded.
    pub value: std::result::Result<T::Owned, Undecodable>,
    /// The job's id in the queue.
    pub id: Option<String>,
    /// Counts deliveries that ended without `done`, including the last: failed, dropped, buried, or
    /// lost after the job had begun. It was 0 at the first delivery.
    pub deliveries: u32,
    /// Why the job is here.
    pub reason: String,
    /// When the job was buried, by the server's clock.
    pub since: SystemTime,
}

impl<T: Codec, E: RoundTrips> WorkQueue<T, E> {
    /// The jobs that failed too often, were buried, or cannot be decoded.
    pub fn dead(&self) -> DeadLetters<T, E> {
        DeadLetters::new(self)
    }
}

impl<T: Codec, E: RoundTrips> DeadLetters<T, E> {
    pub(super) fn new(queue: &WorkQueue<T, E>) -> Self {
        Self { queue: queue.clone() }
    }

    /// The number of dead jobs. `LLEN`, O(1).
    pub fn len(&self) -> E::Reply<usize> {
        self.queue.run(self.request("LLEN").returns(reply::count))
    }

    /// Returns whether there are no dead jobs. `LLEN`, O(1).
    pub fn is_empty(&self) -> E::Reply<bool> {
        let request = self.request("LLEN");
        self.queue.run(request.returns(|reply| Ok(reply::count(reply)? == 0)))
    }

    /// Up to `most` dead jobs, the oldest ones first. `LRANGE`, O(most).
    pub fn list(&self, most: usize) -> E::Reply<Vec<DeadJob<T>>> {
        self.queue.run(first(&self.queue.keys().dead, most).returns(read::<T>))
    }

    /// Moves up to `most` jobs, the oldest ones first, to the end of the queue, as if they had
    /// never been delivered, and returns how many there were. `LLEN`, then a script for every
    /// thousand, O(jobs moved).
    ///
    /// Jobs that become dead meanwhile stay here.
    pub fn requeue(&self, most: usize) -> E::Reply<usize> {
        let (queue, length) = (self.queue.clone(), self.request("LLEN").returns(reply::count));
        self.queue.client().converse(async move {
            queue.check()?;
            let most = queue.client().send(length).await?.min(most);
            let mut requeued = 0;
            while requeued < most {
                let keys = queue.keys();
                let number = (most - requeued).min(ENTRIES_PER_COMMAND);
                let request = Request::script(&REQUEUE, 2).key(&keys.dead).key(keys.queue());
                let request = request.number(number).returns(reply::count);
                let attempt = request.request.attempt();
                let found = queue.client().send(request).await;
                let found = found.map_err(|error| error.after_steps(requeued > 0, || attempt))?;
                requeued += found;
                if found < number {
                    break;
                }
            }
            Ok(requeued)
        })
    }

    /// Removes all of them, and returns whether there were any. `UNLINK`, O(1) for the caller.
    pub fn purge(&self) -> E::Reply<bool> {
        let request = Request::write("UNLINK").key(&self.queue.keys().dead);
        self.queue.run(request.returns(reply::flag))
    }

    fn request(&self, command: &'static str) -> Request {
        Request::read(command).key(&self.queue.keys().dead)
    }
}

/// Reads items of the dead-letter queue.
fn read<T: Codec>(reply: Reply<'_>) -> Result<Vec<DeadJob<T>>> {
    let dead = |bytes: Vec<u8>| {
        let dead = DeadItem::parse(&bytes);
        let item = Item::parse(dead.item);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        DeadJob {
            value: T::decode_owned(item.payload.to_vec()),
            id: item.id.map(text),
            deliveries: item.deliveries,
            reason: text(dead.reason),
            since: since_1970(dead.buried_at),
        }
    };
    Ok(reply::many::<Vec<u8>>(reply)?.into_iter().map(dead).collect())
}

impl<T: Codec, E: RoundTrips> fmt::Debug for DeadLetters<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("queue", &self.queue).finish()
    }
}

/// Shows no value.
impl<T: Codec> fmt::Debug for DeadJob<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DeadJob");
        shown.field("id", &self.id).field("deliveries", &self.deliveries);
        shown.field("reason", &self.reason).field("since", &self.since).finish_non_exhaustive()
    }
}
