//! The right to use a shared connection, as it goes from one caller to the next.

use std::collections::VecDeque;

use redis::RedisError;

use super::call::{Call, ConnectionKind};
use super::transport::Transport;
use super::turns::LeadNumber;
use crate::connection::connector::Connector;
use crate::connection::transport_error::TransportError;

/// What goes from one leader to the next.
pub(super) struct Turn<T: Transport> {
    pub(super) number: LeadNumber,
    /// The call of the next leader, which is sent first. There is none if that is in flight.
    pub(super) first: Option<Call<Box<Self>>>,
    pub(super) idle: Option<T::Idle>,
    pub(super) busy: Option<Busy<T>>,
    /// The calls in flight, in the order of their replies.
    pub(super) calls: VecDeque<Call<Box<Self>>>,
    /// Room for the commands of a batch.
    pub(super) buffer: Vec<u8>,
    /// Whether the server was silent for too long, and has not answered since.
    pub(super) is_silent: bool,
}

/// A connection with calls in flight.
pub(super) struct Busy<T> {
    pub(super) transport: T,
    pub(super) kind: ConnectionKind,
    /// Whether the server ends it after a reply that was received.
    pub(super) is_ending: bool,
}

impl<T: Transport> Turn<T> {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self {
            number: 0,
            first: None,
            idle: None,
            busy: None,
            calls: VecDeque::new(),
            buffer: Vec::new(),
            is_silent: false,
        })
    }

    /// Gives up the connection. Calls in flight fail.
    pub(super) fn break_off(&mut self, connector: &Connector, error: RedisError) {
        (self.idle, self.is_silent) = (None, error.is_timeout());
        let Some(busy) = self.busy.take() else { return };
        connector.count_failure();
        for call in self.calls.drain(..) {
            call.fail(TransportError::Broken(error.clone()), !busy.kind.fresh);
        }
    }
}
