//! Beats: how it is known that nothing said before some moment is still unheard.

use crate::mutants::Mutants;

/// The beats through one server: they go out as commands and are heard on the connection that
/// listens, after everything that the server said there before.
///
/// A beat may be heard before the messages of writes that ran in the same turn of the server's
/// event loop. So hearing one proves that everything was heard that was written before the beat
/// *before* it was sent, if it was sent after that one was heard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Heartbeat {
    number: u64,
    sent: Option<u64>,
    before: Option<u64>,
    is_heard: bool,
    pub(crate) breaches: Mutants<Breach>,
}

/// What breaks its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Breach {
    /// A beat proves by itself that what was written before it was sent is known.
    ProvenByOne,
    /// A beat is sent before the one before it is heard.
    SendsMany,
}

impl Heartbeat {
    /// The number of a beat that is sent now, unless one is under way.
    pub(crate) fn send(&mut self, now: u64) -> Option<u64> {
        let is_under_way = self.sent.is_some() && !self.is_heard;
        if is_under_way && !self.breaches.has(Breach::SendsMany) {
            return None;
        }
        self.number += 1;
        self.before = self.sent.replace(now);
        self.is_heard = false;
        Some(self.number)
    }

    /// The number of the last beat.
    pub(crate) fn latest(&self) -> u64 {
        self.number
    }

    /// Takes in that a beat was heard. Gives the moment before which all writes are known, if that
    /// is proven.
    pub(crate) fn hear(&mut self, number: u64) -> Option<u64> {
        if number != self.number || self.is_heard {
            return None;
        }
        self.is_heard = true;
        if self.breaches.has(Breach::ProvenByOne) { self.sent } else { self.before }
    }

    /// Forgets beats that may be lost.
    pub(crate) fn restart(&mut self) {
        let number = self.number + 1;
        *self = Self { number, breaches: self.breaches, ..Self::default() };
    }

    /// Since when a beat is under way.
    pub(crate) fn under_way_since(&self) -> Option<u64> {
        self.sent.filter(|_| !self.is_heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hearing_a_beat_proves_what_was_written_before_the_one_before_it() {
        let mut heartbeat = Heartbeat::default();
        assert_eq!(heartbeat.send(10), Some(1));
        assert_eq!(heartbeat.send(11), None, "one at a time");
        assert_eq!(heartbeat.hear(1), None, "the first one proves nothing");
        assert_eq!(heartbeat.send(20), Some(2));
        assert_eq!(heartbeat.hear(1), None, "an old one");
        assert_eq!(heartbeat.hear(2), Some(10));
        assert_eq!(heartbeat.hear(2), None, "twice");
        assert_eq!(heartbeat.send(30), Some(3));
        heartbeat.restart();
        assert_eq!((heartbeat.hear(3), heartbeat.send(40)), (None, Some(5)));
        assert_eq!(
            (heartbeat.hear(5), heartbeat.send(50), heartbeat.hear(6)),
            (None, Some(6), Some(40))
        );
    }
}
