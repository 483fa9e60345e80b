//! One consumer: its jobs and its round trips.

mod consumer_session;
mod job_wait;
pub(super) mod ledger;
mod maintain;
mod pending_poll;
mod recovery;
mod wire;

pub(super) use self::consumer_session::ConsumerSession;
pub(super) use self::ledger::{Fate, tombstone};
#[cfg(test)]
pub(super) use self::ledger::{
    Leave, Ledger, LedgerRequest, REPORT_TIMEOUT, Recovery, RequestOutcome,
};
pub(super) use self::wire::GIVEN_BACK;
