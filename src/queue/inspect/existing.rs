use std::collections::BTreeSet;

use crate::client::RoundTrips;
use crate::codec::Codec;
use crate::collections::Cursor;
use crate::queue::keys::queue_of;
use crate::queue::work_queue::WorkQueue;
use crate::reply;
use crate::request::Request;

impl<T: Codec, E: RoundTrips> WorkQueue<T, E> {
    /// The names of the work queues of the database, in order, whatever their jobs are. `SCAN` page
    /// by page, O(keys of the database); in a cluster on every master.
    ///
    /// A queue is found by the keys beside its list. It has some once a consumer has claimed a job,
    /// and keeps them, and it has some while it is paused or has delayed, unique or dead jobs. A
    /// list to which jobs were only pushed has none.
    pub fn names(executor: &E) -> E::Reply<Vec<Vec<u8>>> {
        let server = executor.clone();
        executor.converse(async move {
            let mut names = BTreeSet::new();
            let mut cursor = Cursor::default();
            while !cursor.is_done() {
                let keys = cursor.keys(&server, None, ANY_SIDE_KEY, None).await?;
                names.extend(keys.iter().filter_map(|key| queue_of(key)).map(<[u8]>::to_vec));
            }
            Ok(names.into_iter().collect())
        })
    }

    /// Returns whether the queue exists: its list, or any key beside it. `EXISTS`, O(1).
    pub fn exists(&self) -> E::Reply<bool> {
        let keys = self.keys();
        let request = Request::read("EXISTS").key(keys.queue());
        let request = keys.beside().into_iter().fold(request, Request::key);
        self.run(request.returns(|reply| Ok(reply::at_most_asked(reply)? > 0)))
    }
}

/// The pattern of the keys beside collections.
const ANY_SIDE_KEY: &[u8] = b"*~rc:*";
