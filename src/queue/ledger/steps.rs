//! What a ledger sends, and what comes of it.

use super::super::keys::ConsumerId;
use super::Settlement;

/// A step on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::queue) struct Step {
    pub(in crate::queue) consumer: ConsumerId,
    /// Which step was the last one, if the server knows the consumer.
    pub(in crate::queue) known: Option<u16>,
    /// How many jobs there are at least in the list.
    pub(in crate::queue) held: usize,
    pub(in crate::queue) mark: u16,
    pub(in crate::queue) settlement: Option<Settlement>,
    pub(in crate::queue) claims: bool,
    /// Whether it is a wait, by which the server does not hear of the consumer.
    pub(in crate::queue) waits: bool,
}

/// An adoption on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::queue) struct Adoption {
    pub(in crate::queue) consumer: ConsumerId,
    pub(in crate::queue) former: Vec<ConsumerId>,
    pub(in crate::queue) known: bool,
    /// Whether the server may still give something to the former ids.
    pub(in crate::queue) leaves: bool,
}

/// What came of something that was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::queue) enum Outcome {
    Applied,
    NotSent,
    Unknown,
}

/// What keeps a step from being sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::queue) enum Obstacle {
    Doubt,
    Busy,
    Nothing,
}

/// What is left to do.
#[derive(Debug, PartialEq)]
pub(in crate::queue) enum Leave {
    NotYet,
    AfterSettling,
    Now(ConsumerId),
    Nothing,
}
