//! The rules for how long values may be served.

use crate::mutants::Mutants;

/// The time until which cached values may be served: a limit within this program, not a lease on
/// the server. It follows from how far the cache is known to have received all changes. Times are
/// in milliseconds.
///
/// Each epoch is a period in which nothing was missed. A value of one epoch is never served in
/// another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CacheLease {
    /// The maximum staleness of a served value.
    bound: u64,
    /// The maximum staleness of values that may outlast a disconnection, detected or not; 0 for
    /// none.
    grace: u64,
    epoch: u64,
    session: Option<u64>,
    /// All changes before this moment are known.
    watermark: u64,
    pub(crate) mutants: Mutants<LeaseMutant>,
}

/// Mutants, each of which breaks one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LeaseMutant {
    /// Continues after the connection was lost.
    GoesOnWhenLost,
    /// Serves values of the previous connection after a reconnect.
    ConnectsInTheSameEpoch,
    /// Accepts a watermark of another connection.
    RaisesWatermarkOfAnother,
}

impl CacheLease {
    pub(crate) fn new(bound: u64, grace: u64) -> Self {
        Self { bound, grace, epoch: 0, session: None, watermark: 0, mutants: Mutants::default() }
    }

    /// Begins a new epoch with a new session.
    pub(crate) fn connected(&mut self, session: u64, watermark: u64) {
        self.epoch += u64::from(!self.mutants.has(LeaseMutant::ConnectsInTheSameEpoch));
        self.session = Some(session);
        self.watermark = watermark;
    }

    /// Raises the watermark, if it comes from the current session.
    pub(crate) fn raise_watermark(&mut self, session: u64, watermark: u64) {
        if self.session == Some(session) || self.mutants.has(LeaseMutant::RaisesWatermarkOfAnother)
        {
            self.watermark = self.watermark.max(watermark);
        }
    }

    /// Records that changes may be missed from now on. Returns whether that is new.
    pub(crate) fn disconnected(&mut self, session: u64) -> bool {
        let is_new = self.session == Some(session);
        if is_new && !self.mutants.has(LeaseMutant::GoesOnWhenLost) {
            self.session = None;
        }
        is_new
    }

    /// Records that everything may have changed.
    pub(crate) fn cleared(&mut self) {
        self.epoch += 1;
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Until when new values may be cached, and cached values are certain.
    pub(crate) fn certain_until(&self) -> u64 {
        self.session.map_or(0, |_| self.watermark + self.bound)
    }

    /// Until when cached values are served.
    pub(crate) fn served_until(&self) -> u64 {
        match self.session {
            Some(_) => self.watermark + self.bound.max(self.grace),
            None if self.grace > 0 => self.watermark + self.grace,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_served_for_as_long_as_they_are_proven_to_be_no_older_than_the_bound() {
        let mut lease = CacheLease::new(100, 0);
        assert_eq!((lease.epoch(), lease.served_until()), (0, 0));
        lease.connected(1, 1000);
        assert_eq!((lease.epoch(), lease.served_until(), lease.certain_until()), (1, 1100, 1100));
        lease.raise_watermark(1, 1050);
        lease.raise_watermark(1, 1010);
        lease.raise_watermark(7, 2000);
        assert_eq!(lease.served_until(), 1150);
        assert!(!lease.disconnected(7) && lease.disconnected(1) && !lease.disconnected(1));
        lease.raise_watermark(1, 3000);
        assert_eq!((lease.epoch(), lease.served_until(), lease.certain_until()), (1, 0, 0));
        lease.connected(2, 4000);
        lease.cleared();
        assert_eq!((lease.epoch(), lease.served_until()), (3, 4100));
    }

    #[test]
    fn a_grace_lets_older_values_be_served_but_not_kept() {
        let mut lease = CacheLease::new(100, 5000);
        lease.connected(1, 1000);
        assert_eq!((lease.served_until(), lease.certain_until()), (6000, 1100));
        lease.disconnected(1);
        assert_eq!((lease.served_until(), lease.certain_until()), (6000, 0));
    }
}
