//! One consumer: what it holds, and its round trips.

mod consumer_session;
mod job_wait;
pub(super) mod ledger;
mod pending_poll;

pub(super) use self::consumer_session::{Hold, rest};
pub(super) use self::ledger::Fate;
#[cfg(test)]
pub(super) use self::ledger::{Adoption, FOR_A_REPORT, Leave, Ledger, Outcome, Step, tombstone};
