//! The recovery of a ledger in doubt: a new id takes over the list of the old one.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::consumer_session::ConsumerSession;
use super::ledger::{Recovery, RequestBlocked, RequestOutcome};
use super::pending_poll::outcome;
use super::wire::recover_command;
use crate::client::RoundTrips;
use crate::error::Result;
use crate::logs;

impl ConsumerSession {
    /// Resolves a doubt: a new id takes over the server's list of the old one. Returns whether no
    /// request is in its way.
    pub(super) async fn resolve_doubt<X: RoundTrips>(&self, executor: &X) -> Result<bool> {
        let recovery = self.ledger().recover();
        match recovery {
            Ok(recovery) => self.recover(executor, recovery).await.map(|()| true),
            Err(blocked) => Ok(blocked != RequestBlocked::Busy),
        }
    }

    /// Takes over the lists of former ids, and records the outcome.
    async fn recover<X: RoundTrips>(&self, executor: &X, recovery: Recovery) -> Result<()> {
        let command = recover_command(&self.keys, &recovery);
        let mut pending = PendingRecovery { session: self, recovery: Some(recovery) };
        let sent = Instant::now();
        let result = executor.send(command).await;
        let Some(recovery) = pending.recovery.take() else { return Ok(()) };
        match result {
            Ok((sequence, items)) => {
                self.left_to_maintenance.store(false, Ordering::Release);
                let former = recovery.former.last().cloned();
                let lost = self.ledger().recovered(recovery, sequence, items, sent);
                if let (Some(jobs), Some(former)) = (lost, former) {
                    logs::lease_lost(self.keys.queue(), &former, jobs);
                }
                Ok(())
            }
            Err(error) => {
                self.ledger().not_recovered(recovery, outcome(&error));
                Err(error)
            }
        }
    }
}

/// A recovery in flight.
struct PendingRecovery<'a> {
    session: &'a ConsumerSession,
    recovery: Option<Recovery>,
}

impl Drop for PendingRecovery<'_> {
    fn drop(&mut self) {
        if let Some(recovery) = self.recovery.take() {
            self.session.ledger().not_recovered(recovery, RequestOutcome::Unknown);
            self.session.leave_to_maintenance();
        }
    }
}
