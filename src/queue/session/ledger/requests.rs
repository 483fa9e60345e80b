//! The requests of a ledger, and their outcomes.

use super::jobs::Settlement;
use crate::queue::keys::ConsumerId;

/// A poll, or a wait for one job, with what it expects of the consumer's list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PollRequest {
    pub(crate) consumer: ConsumerId,
    /// The number of the last poll, if the server knows the consumer.
    pub(crate) known: Option<u16>,
    /// The minimum number of jobs in the list.
    pub(crate) held: usize,
    pub(crate) sequence: u16,
    pub(crate) settlement: Option<Settlement>,
    pub(crate) claims: bool,
    /// Whether it is a wait, which does not renew the lease.
    pub(crate) waits: bool,
}

/// A takeover of the lists of former ids by a new one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Recovery {
    pub(crate) consumer: ConsumerId,
    pub(crate) former: Vec<ConsumerId>,
    pub(crate) known: bool,
    /// Whether the server may still give jobs to the former ids.
    pub(crate) leaves: bool,
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RequestOutcome {
    Applied,
    NotSent,
    Unknown,
}

/// The reason why a poll cannot be sent now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum PollBlocked {
    Doubt,
    Busy,
    Nothing,
}

/// The remaining work of a closed consumer.
#[derive(Debug, PartialEq)]
pub(crate) enum Leave {
    NotYet,
    AfterSettling,
    Now(ConsumerId),
    Nothing,
}
