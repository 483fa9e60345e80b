use std::fmt;

use redis::Value;

use super::item::Item;
use super::work_queue::WorkQueue;
use crate::client::RoundTrips;
use crate::codec::{Codec, Undecodable};
use crate::error::Result;
use crate::reply;
use crate::reply::Reply;
use crate::request::Request;

/// A pending job of a [`WorkQueue`](crate::WorkQueue).
#[non_exhaustive]
pub struct PendingJob<T: Codec> {
    /// The pushed value, or bytes that cannot be decoded.
    pub value: std::result::Result<T::Owned, Undecodable>,
    /// The job's id in the queue, if it has needed one.
    pub id: Option<String>,
    /// Counts deliveries that ended without `done`: failed, dropped, or lost after the job had
    /// begun. It is 0 up to the first delivery.
    pub deliveries: u32,
}

impl<T: Codec, E: RoundTrips> WorkQueue<T, E> {
    /// Up to `most` pending jobs from the head of the queue, which stay there. `LRANGE`, O(most).
    pub fn peek(&self, most: usize) -> E::Reply<Vec<PendingJob<T>>> {
        self.run(first(self.keys().queue(), most).returns(read::<T>))
    }
}

/// Reads the first `most` items of a list.
pub(crate) fn first(list: &[u8], most: usize) -> Request {
    let last = i64::try_from(most).unwrap_or(i64::MAX) - 1;
    let request = Request::read("LRANGE").key(list).number(0).number(last.max(0));
    match most {
        0 => request.answered(Value::Array(Vec::new())),
        _ => request,
    }
}

/// Reads pending jobs.
fn read<T: Codec>(reply: Reply<'_>) -> Result<Vec<PendingJob<T>>> {
    let waiting = |bytes: Vec<u8>| {
        let item = Item::parse(&bytes);
        PendingJob {
            value: T::decode_owned(item.payload.to_vec()),
            id: item.id.map(|id| String::from_utf8_lossy(id).into_owned()),
            deliveries: item.deliveries,
        }
    };
    Ok(reply::many::<Vec<u8>>(reply)?.into_iter().map(waiting).collect())
}

/// Shows no value.
impl<T: Codec> fmt::Debug for PendingJob<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PendingJob");
        shown.field("id", &self.id).field("deliveries", &self.deliveries).finish_non_exhaustive()
    }
}
