//! What a ledger sends, and what comes of it.

use super::jobs::Settlement;
use crate::queue::keys::ConsumerId;

/// A step on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Step {
    pub(crate) consumer: ConsumerId,
    /// Which step was the last one, if the server knows the consumer.
    pub(crate) known: Option<u16>,
    /// How many jobs there are at least in the list.
    pub(crate) held: usize,
    pub(crate) mark: u16,
    pub(crate) settlement: Option<Settlement>,
    pub(crate) claims: bool,
    /// Whether it is a wait, by which the server does not hear of the consumer.
    pub(crate) waits: bool,
}

/// An recovery on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Recovery {
    pub(crate) consumer: ConsumerId,
    pub(crate) former: Vec<ConsumerId>,
    pub(crate) known: bool,
    /// Whether the server may still give something to the former ids.
    pub(crate) leaves: bool,
}

/// What came of something that was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Outcome {
    Applied,
    NotSent,
    Unknown,
}

/// What keeps a step from being sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Obstacle {
    Doubt,
    Busy,
    Nothing,
}

/// What is left to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Leave {
    NotYet,
    AfterSettling,
    Now(ConsumerId),
    Nothing,
}
