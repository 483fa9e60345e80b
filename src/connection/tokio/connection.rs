//! Async connections, which end with their last handle.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::greeting::NO_PONG;
use super::outstanding::{Outstanding, TICKS_PER_LIMIT};
use super::packed::Packed;
use crate::connection::connector::{Connector, timed_out};
use crate::error::code::serves;
use crate::random::nonce;
use crate::reply::code_and_details;
use crate::time::Deadline;
use crate::time::Wait;

/// Asks the caller of a wait whether to keep waiting for a silent server.
pub(crate) struct Inquiry(mpsc::Sender<oneshot::Sender<bool>>);

impl Inquiry {
    pub(crate) fn new() -> (Self, mpsc::Receiver<oneshot::Sender<bool>>) {
        let (asking, asked) = mpsc::channel(1);
        (Self(asking), asked)
    }

    /// Returns whether the caller still exists and wants the reply, however late it is.
    async fn keeps_waiting(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).await.is_ok() && answered.await.unwrap_or(false)
    }
}

/// A connection, which lives in the runtime in which it was made. Clones share it.
#[derive(Clone)]
pub(crate) struct AsyncConnection(Arc<Inner>);

/// The state that clones of a connection share. Its tasks end with it.
pub(super) struct Inner {
    pub(super) driver: MultiplexedConnection,
    pub(super) outstanding: Arc<Outstanding>,
    /// The server's id of the connection, if it was asked and answered.
    pub(super) id: Option<i64>,
    pub(super) generation: usize,
    pub(super) _driving: AbortOnDrop,
    pub(super) _watching: Option<AbortOnDrop>,
}

impl AsyncConnection {
    pub(super) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// A handle of the driver, for one call on this connection while a clone of it exists.
    pub(crate) fn driver(&self) -> MultiplexedConnection {
        self.0.driver.clone()
    }

    pub(crate) fn outstanding(&self) -> &Outstanding {
        &self.0.outstanding
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.outstanding.has_ended()
    }

    pub(crate) fn id(&self) -> Option<i64> {
        self.0.id
    }

    pub(crate) fn generation(&self) -> usize {
        self.0.generation
    }

    /// Returns whether the connection has not ended and belongs to the current generation.
    pub(crate) fn is_current(&self, connector: &Connector) -> bool {
        !self.has_ended() && self.generation() == connector.generation()
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Sends commands and returns the reply. Fails once the connection has ended. If its calls are
    /// watched, fails also at `deadline`, or when the server has been silent for too long.
    pub(crate) async fn exchange(&self, packed: &Packed, deadline: Deadline) -> RedisResult<Value> {
        let mut driver = self.driver();
        let exchange = std::pin::pin!(packed.exchange(&mut driver));
        self.0.outstanding.reply(exchange, deadline).await
    }

    /// Returns the reply to a command for which the server may take `slice`. When it has been
    /// silent for `silence` beyond that, or at `end`, the caller is asked whether to continue.
    pub(crate) async fn wait(
        &self,
        packed: &Packed,
        (slice, silence, end): (Duration, Duration, Deadline),
        inquiry: &Inquiry,
    ) -> RedisResult<Value> {
        let mut exchange = std::pin::pin!(self.exchange(packed, Deadline::after(Wait::Forever)));
        let mut progress = self.0.outstanding.progress();
        let mut due = end.within(slice.saturating_add(silence));
        loop {
            if let Ok(reply) =
                timeout(due.left().min(silence / TICKS_PER_LIMIT), exchange.as_mut()).await
            {
                return reply;
            }
            if progress != self.0.outstanding.progress() && !end.is_over() {
                progress = self.0.outstanding.progress();
                let longer = end.within(silence);
                due = if longer.left() > due.left() { longer } else { due };
            } else if due.is_over() {
                match select(exchange.as_mut(), std::pin::pin!(inquiry.keeps_waiting())).await {
                    Either::Left((reply, _)) => return reply,
                    Either::Right((true, _)) => due = end.within(silence),
                    Either::Right((false, _)) => return Err(timed_out()),
                }
            }
        }
    }

    /// Like `exchange`, on a connection whose calls need not be watched. The server may be silent
    /// for `silence`.
    pub(crate) async fn exchange_within(
        &self,
        packed: &Packed,
        silence: Duration,
        deadline: Deadline,
    ) -> RedisResult<Value> {
        let exchange = self.exchange(packed, Deadline::after(Wait::Forever));
        let exchange = self.0.outstanding.unless_silent(silence, exchange);
        timeout(deadline.left(), exchange).await.unwrap_or_else(|_| Err(timed_out()))?
    }

    /// Probes whether the server answers, and in step: a reply that was late, or to another
    /// command, does not contain the number.
    pub(crate) async fn probe(&self, silence: Duration, deadline: Deadline) -> RedisResult<()> {
        let number = nonce();
        let mut ping = redis::cmd("PING");
        ping.arg(&number);
        let reply = self.exchange_within(&Packed::One(ping), silence, deadline).await?;
        is_pong(reply, number.as_bytes())
    }
}

/// Accepts the number of the `PING`, or a refusal by a server that serves the connection.
fn is_pong(reply: Value, number: &[u8]) -> RedisResult<()> {
    match reply {
        Value::BulkString(echo) if echo == number => Ok(()),
        Value::ServerError(error) if serves(code_and_details(&error).0) => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, NO_PONG).into()),
    }
}

/// A task, which is aborted when this is dropped.
pub(super) struct AbortOnDrop(AbortHandle);

impl AbortOnDrop {
    pub(super) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work).abort_handle())
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
