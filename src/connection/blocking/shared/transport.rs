//! What a lane needs of a connection.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use redis::{RedisResult, Value};

use crate::connection::blocking::Connection;
use crate::connection::connector::Connector;
use crate::connection::idle::{Idle, Usable, usable};
use crate::connection::stream::Limits;
use crate::connection::transport_error::TransportResult;

/// A connection that callers share.
pub(crate) trait Transport: Sized + Send {
    /// A connection between two batches.
    type Idle: Send;

    /// Returns the idle connection, if it can still be used, or a new one, and whether it is new.
    /// It counts in `progress` what arrives.
    fn usable(
        idle: Option<Self::Idle>,
        connector: &Connector,
        limits: Limits,
        progress: &Arc<AtomicU64>,
    ) -> TransportResult<(Self, bool)>;

    fn into_idle(self, connector: &Connector) -> Self::Idle;

    fn generation(&self) -> usize;

    fn limit(&mut self, limits: Limits);

    fn send(&mut self, packed: &[u8]) -> RedisResult<()>;

    /// Receives the next reply. After a timeout, what has arrived of it is kept.
    fn receive(&mut self) -> RedisResult<Value>;
}

impl Transport for Box<Connection> {
    type Idle = Idle;

    fn usable(
        idle: Option<Idle>,
        connector: &Connector,
        limits: Limits,
        progress: &Arc<AtomicU64>,
    ) -> TransportResult<(Self, bool)> {
        let Usable { mut connection, fresh } = usable(idle, connector, limits)?;
        if fresh {
            connection.count_in(progress.clone());
        }
        Ok((connection, fresh))
    }

    fn into_idle(self, connector: &Connector) -> Idle {
        Idle::new(self, connector)
    }

    fn generation(&self) -> usize {
        self.generation
    }

    fn limit(&mut self, limits: Limits) {
        Connection::limit(self, limits);
    }

    fn send(&mut self, packed: &[u8]) -> RedisResult<()> {
        Connection::send(self, packed)
    }

    fn receive(&mut self) -> RedisResult<Value> {
        Connection::receive(self)
    }
}
