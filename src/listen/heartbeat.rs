//! Heartbeats, from which the watermark is derived: the moment before which all writes are known.

use crate::mutants::Mutants;

/// The heartbeats through one server. They are sent as commands and arrive on the connection that
/// listens, after everything that the server sent there before.
///
/// A heartbeat may arrive before the messages of writes that ran in the same turn of the server's
/// event loop. So its arrival proves that every write before the *previous* heartbeat was sent is
/// known, if it was sent after that one arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Heartbeat {
    number: u64,
    sent: Option<u64>,
    before: Option<u64>,
    is_received: bool,
    pub(crate) mutants: Mutants<HeartbeatMutant>,
}

/// Mutants, each of which breaks one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum HeartbeatMutant {
    /// A heartbeat by itself proves that writes before it was sent are known.
    ProvenByOne,
    /// A heartbeat is sent before the previous one arrives.
    SendsMany,
}

impl Heartbeat {
    /// Returns the number of a heartbeat to send now, unless one is in flight.
    pub(crate) fn send(&mut self, now: u64) -> Option<u64> {
        let is_under_way = self.sent.is_some() && !self.is_received;
        if is_under_way && !self.mutants.has(HeartbeatMutant::SendsMany) {
            return None;
        }
        self.number += 1;
        self.before = self.sent.replace(now);
        self.is_received = false;
        Some(self.number)
    }

    /// The number of the last heartbeat.
    pub(crate) fn latest(&self) -> u64 {
        self.number
    }

    /// Records that a heartbeat arrived. Returns the new watermark, if one is proven.
    pub(crate) fn receive(&mut self, number: u64) -> Option<u64> {
        if number != self.number || self.is_received {
            return None;
        }
        self.is_received = true;
        if self.mutants.has(HeartbeatMutant::ProvenByOne) { self.sent } else { self.before }
    }

    /// Forgets heartbeats that may be lost.
    pub(crate) fn restart(&mut self) {
        let number = self.number + 1;
        *self = Self { number, mutants: self.mutants, ..Self::default() };
    }

    /// Since when a heartbeat is in flight.
    pub(crate) fn under_way_since(&self) -> Option<u64> {
        self.sent.filter(|_| !self.is_received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arrival_of_a_heartbeat_proves_the_writes_before_the_previous_one() {
        let mut heartbeat = Heartbeat::default();
        assert_eq!(heartbeat.send(10), Some(1));
        assert_eq!(heartbeat.send(11), None, "one at a time");
        assert_eq!(heartbeat.receive(1), None, "the first one proves nothing");
        assert_eq!(heartbeat.send(20), Some(2));
        assert_eq!(heartbeat.receive(1), None, "an old one");
        assert_eq!(heartbeat.receive(2), Some(10));
        assert_eq!(heartbeat.receive(2), None, "twice");
        assert_eq!(heartbeat.send(30), Some(3));
        heartbeat.restart();
        assert_eq!((heartbeat.receive(3), heartbeat.send(40)), (None, Some(5)));
        assert_eq!(
            (heartbeat.receive(5), heartbeat.send(50), heartbeat.receive(6)),
            (None, Some(6), Some(40))
        );
    }
}
