//! Connections that the threads of a program share. Each call of a thread that is alone costs what
//! it costs on a connection of its own; calls of many threads travel together.

mod call;
mod exchange;
mod lane;
mod lead;
#[cfg(test)]
mod model;
mod reach;
mod slot;
#[cfg(test)]
mod tests;
mod transport;
mod turn;
mod turns;

pub(crate) use self::call::{ConnectionKind, Exchanged, Failed, Replies};

use std::sync::atomic::{AtomicUsize, Ordering};

use self::lane::Lane;
use super::connection::Connection;
use crate::connection::connector::Connector;
use crate::time::Deadline;

/// The shared connections to one server.
pub(crate) struct SharedConnections {
    lanes: Box<[Lane<Box<Connection>>]>,
    /// The place of the lane that is used for a large request or reply, if any.
    large: AtomicUsize,
}

impl SharedConnections {
    /// At most this many connections, of which there is at least one.
    pub(crate) fn new(connections: u32) -> Self {
        let lanes = (0..connections.max(1)).map(|_| Lane::new()).collect();
        Self { lanes, large: AtomicUsize::new(NONE) }
    }

    /// Sends `packed`, and returns this many replies. The first connection that is free is used; if
    /// none is, threads are spread evenly. While there are connections, those that could not be made
    /// are left out for a while.
    pub(crate) fn exchange(
        &self,
        connector: &Connector,
        packed: Vec<u8>,
        expected: usize,
        deadline: Deadline,
    ) -> Result<Exchanged, Failed> {
        let large = self.large.load(Ordering::Relaxed);
        let has_open = self.has_open();
        let is_usable =
            |place: usize| place != large && !(has_open && self.lanes[place].reach.has_failed());
        let mut places = 0..self.lanes.len();
        let free = places.find(|place| is_usable(*place) && !self.lanes[*place].is_led());
        let place = free.unwrap_or_else(|| {
            let first = THREAD.with(|thread| *thread);
            let mut places = (first..).map(|place| place % self.lanes.len()).take(self.lanes.len());
            places.clone().find(|place| is_usable(*place)).or(places.next()).unwrap_or_default()
        });
        self.lanes[place].exchange(connector, packed, expected, deadline)
    }

    /// How many connections there may be.
    pub(crate) fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Returns whether there is a connection.
    pub(crate) fn has_open(&self) -> bool {
        self.lanes.iter().any(|lane| lane.reach.is_open())
    }

    /// Like `exchange`, for a large request or reply. It needs a connection that is free, and
    /// leaves another one to the other calls. Otherwise `packed` stays as it is.
    pub(crate) fn exchange_large(
        &self,
        connector: &Connector,
        packed: &mut Vec<u8>,
        expected: usize,
        deadline: Deadline,
    ) -> Option<Result<Exchanged, Failed>> {
        if self.lanes.len() == 1 {
            return None;
        }
        let order = Ordering::Relaxed;
        let is_only = self.large.compare_exchange(NONE, 0, order, order).is_ok();
        let _large = is_only.then(|| LargeCall(self))?;
        self.lanes.iter().enumerate().find_map(|(place, lane)| {
            self.large.store(place, Ordering::Relaxed);
            lane.exchange_if_free(connector, packed, expected, deadline)
        })
    }
}

/// The only large call on a shared connection, until it ends.
struct LargeCall<'a>(&'a SharedConnections);

impl Drop for LargeCall<'_> {
    fn drop(&mut self) {
        self.0.large.store(NONE, Ordering::Relaxed);
    }
}

const NONE: usize = usize::MAX;

thread_local! {
    static THREAD: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed)
    };
}
