//! A consumer's request in flight, and its outcome if the reply does not arrive.

use std::sync::MutexGuard;
use std::time::Instant;

use super::ledger::{Ledger, Outcome, Step};
use crate::error::Error;
use crate::error::code::refuses_whole_script;
use crate::lock::Lock;

/// A step in flight. If it is dropped, its outcome is unknown.
pub(crate) struct PendingPoll<'a> {
    ledger: &'a Lock<Ledger>,
    step: Option<Step>,
    sent: Instant,
}

impl<'a> PendingPoll<'a> {
    pub(crate) fn new(ledger: &'a Lock<Ledger>, step: Step) -> Self {
        Self { ledger, step: Some(step), sent: Instant::now() }
    }

    /// Records the outcome of the step.
    pub(crate) fn end(mut self, outcome: Outcome) {
        if let Some(step) = self.step.take() {
            lock(self.ledger).finish(&step, outcome, self.sent);
        }
    }

    /// Records that the step was applied, and brought `items`. Returns whether there are any that
    /// count.
    pub(crate) fn land(mut self, items: Vec<Vec<u8>>) -> bool {
        let Some(step) = self.step.take() else { return false };
        let mut ledger = lock(self.ledger);
        let counts = ledger.finish(&step, Outcome::Applied, self.sent) && !items.is_empty();
        if counts {
            ledger.jobs.append(items, self.sent);
        }
        counts
    }

    /// Records that the step was refused, since the server does not know the consumer, or not as it
    /// should.
    pub(crate) fn fenced(mut self, is_known: bool) {
        if let Some(step) = self.step.take() {
            let mut ledger = lock(self.ledger);
            ledger.finish(&step, Outcome::NotSent, self.sent);
            match is_known {
                true => ledger.diverged(&step.consumer),
                false => ledger.lost(&step.consumer),
            }
        }
    }
}

fn lock(ledger: &Lock<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock()
}

impl Drop for PendingPoll<'_> {
    fn drop(&mut self) {
        if let Some(step) = self.step.take() {
            lock(self.ledger).finish(&step, Outcome::Unknown, self.sent);
        }
    }
}

/// Derives the outcome of a script from its error. Writes that a script made before it failed are
/// kept.
pub(crate) fn outcome(error: &Error) -> Outcome {
    match error {
        Error::Configuration(_)
        | Error::Connect { .. }
        | Error::PoolExhausted { .. }
        | Error::InvalidArgument { .. }
        | Error::Encode { .. } => Outcome::NotSent,
        Error::Unsupported { attempt, .. } if !attempt.halfway => Outcome::NotSent,
        Error::Server { attempt, code, .. } if refuses_whole_script(code) && !attempt.halfway => {
            Outcome::NotSent
        }
        _ => Outcome::Unknown,
    }
}
