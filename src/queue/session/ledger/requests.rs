//! The requests of a ledger, and their outcomes.

use super::jobs::Settlement;
use crate::queue::keys::ConsumerId;

/// A poll, or a wait for one job, with its expectations of the consumer's list. `Poll` in names is
/// the claim and settlement by `poll.lua`, never `Future::poll`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LedgerRequest {
    pub(crate) consumer: ConsumerId,
    /// The sequence number of the last poll, if the consumer is registered on the server.
    pub(crate) last_sequence: Option<u16>,
    /// The minimum number of jobs in the list.
    pub(crate) held: usize,
    /// The sequence number of this poll.
    pub(crate) sequence: u16,
    pub(crate) settlement: Option<Settlement>,
    /// Whether it may bring jobs.
    pub(crate) claims: bool,
    /// Whether it is a wait, which does not renew the lease.
    pub(crate) waits: bool,
}

/// A takeover of the lists of former ids by a new one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Recovery {
    /// The new id.
    pub(crate) consumer: ConsumerId,
    /// The former ids, oldest first.
    pub(crate) former: Vec<ConsumerId>,
    /// Whether one of the former ids must be registered on the server.
    pub(crate) known: bool,
    /// Whether the server may still give jobs to the former ids.
    pub(crate) leaves: bool,
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RequestOutcome {
    Applied,
    /// It had no effect, and never will have.
    NotSent,
    /// It may have been applied, or may be later.
    Unknown,
}

/// The reason why a request cannot be sent now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RequestBlocked {
    /// The ledger is in doubt: a recovery comes first.
    Doubt,
    /// A request in flight must end first.
    Busy,
    /// Nothing is to be sent.
    Nothing,
}

/// The remaining work of a closed consumer.
#[derive(Debug, PartialEq)]
pub(crate) enum Leave {
    /// The consumer is open, a job runs, or a request is in flight.
    NotYet,
    /// Outcomes must be settled or a doubt resolved first.
    AfterSettling,
    /// The server can unregister this id now.
    Now(ConsumerId),
    /// The consumer is not registered, and holds no jobs.
    Nothing,
}
