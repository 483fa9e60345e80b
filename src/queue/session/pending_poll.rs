//! A consumer's request in flight, and its outcome if the reply does not arrive.

use std::time::Instant;

use super::ledger::{Ledger, LedgerRequest, RequestOutcome};
use crate::error::Error;
use crate::error::code::refuses_whole_script;
use crate::lock::Lock;
use crate::queue::keys::ConsumerId;

/// A poll in flight. If it is dropped, its outcome is unknown.
pub(crate) struct PendingPoll<'a> {
    ledger: &'a Lock<Ledger>,
    poll: Option<LedgerRequest>,
    sent: Instant,
}

impl<'a> PendingPoll<'a> {
    pub(crate) fn new(ledger: &'a Lock<Ledger>, poll: LedgerRequest) -> Self {
        Self { ledger, poll: Some(poll), sent: Instant::now() }
    }

    /// Records the outcome of the poll.
    pub(crate) fn end(mut self, outcome: RequestOutcome) {
        if let Some(poll) = self.poll.take() {
            self.ledger.lock().finish(&poll, outcome, self.sent);
        }
    }

    /// Records that the poll was applied, and brought `items`. Returns whether there are any that
    /// count.
    pub(crate) fn complete(mut self, items: Vec<Vec<u8>>) -> bool {
        let Some(poll) = self.poll.take() else { return false };
        let mut ledger = self.ledger.lock();
        let counts = ledger.finish(&poll, RequestOutcome::Applied, self.sent) && !items.is_empty();
        if counts {
            ledger.jobs.append(items, self.sent);
        }
        counts
    }

    /// Records that the poll was refused, since the server does not know the consumer, or not as it
    /// should. Returns the consumer that has lost its lease, if it has, and how many jobs it lost.
    pub(crate) fn refused(mut self, is_known: bool) -> Option<(ConsumerId, usize)> {
        let poll = self.poll.take()?;
        let mut ledger = self.ledger.lock();
        ledger.finish(&poll, RequestOutcome::NotSent, self.sent);
        if is_known {
            ledger.diverged(&poll.consumer);
            return None;
        }
        let jobs = ledger.lost(&poll.consumer)?;
        Some((poll.consumer, jobs))
    }
}

impl Drop for PendingPoll<'_> {
    fn drop(&mut self) {
        if let Some(poll) = self.poll.take() {
            self.ledger.lock().finish(&poll, RequestOutcome::Unknown, self.sent);
        }
    }
}

/// Derives the outcome of a script from its error. Writes that a script made before it failed are
/// kept.
pub(crate) fn outcome(error: &Error) -> RequestOutcome {
    match error {
        Error::Configuration(_)
        | Error::Connect { .. }
        | Error::PoolExhausted { .. }
        | Error::InvalidArgument { .. }
        | Error::Encode { .. } => RequestOutcome::NotSent,
        Error::Unsupported { attempt, .. } if !attempt.halfway => RequestOutcome::NotSent,
        Error::Server { attempt, code, .. } if refuses_whole_script(code) && !attempt.halfway => {
            RequestOutcome::NotSent
        }
        _ => RequestOutcome::Unknown,
    }
}
