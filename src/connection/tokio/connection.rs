//! Async connections, which end with their last handle.

use std::io;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{AsyncConnectionConfig, RedisError, RedisResult, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::greeting::{NO_PONG, greet};
use super::outstanding::Outstanding;
use super::packed::Packed;
use super::stream;
use crate::connection::connector::{Connector, timed_out};
use crate::connection::transport_error::{TransportError, TransportResult};
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
struct Inner {
    driver: MultiplexedConnection,
    outstanding: Arc<Outstanding>,
    /// The server's id of the connection, if it was asked and answered.
    id: Option<i64>,
    generation: usize,
    _driving: AbortOnDrop,
    _watching: Option<AbortOnDrop>,
}

/// The use of a connection.
pub(crate) enum Purpose {
    /// Calls of many tasks at the same time, each of which is watched.
    Calls,
    /// One blocking call at a time.
    Waits,
    /// Push messages, and a call now and then. The closure is called at its end.
    Pushes(Arc<dyn AsyncPushSender>, Box<dyn FnOnce() + Send>),
}

impl Connector {
    /// Returns the current runtime, which must have timers.
    pub(crate) fn runtime(&self) -> TransportResult<tokio::runtime::Handle> {
        let none = |_| TransportError::connect(&self.address, io::Error::other(NO_RUNTIME));
        let runtime = tokio::runtime::Handle::try_current().map_err(none)?;
        if !keeps_time() {
            let unsupported = io::Error::new(io::ErrorKind::Unsupported, NO_TIME);
            return Err(TransportError::connect(&self.address, unsupported));
        }
        Ok(runtime)
    }

    /// Makes a connection on which the server has answered, even if only that the user may not ask.
    /// All of that stays within the connect timeout, and each silence within the response timeout.
    pub(crate) async fn connect_async(&self, purpose: Purpose) -> TransportResult<AsyncConnection> {
        self.runtime()?;
        let connected = timeout(self.connect_timeout, self.try_connect_async(purpose)).await;
        let connected = connected.unwrap_or_else(|_| Err(timed_out()));
        connected.map_err(|error| TransportError::connect(&self.address, error))
    }

    /// Like `connect_async`, in any time. The driver's task ends with the last handle.
    async fn try_connect_async(&self, purpose: Purpose) -> RedisResult<AsyncConnection> {
        let generation = self.generation();
        let silence = self.longest_silence();
        let pause = silence / LOOKS;
        let is_watched = matches!(purpose, Purpose::Calls);
        let asks_for_id = matches!(purpose, Purpose::Waits);
        let outstanding = Arc::new(match is_watched {
            true => Outstanding::many(self.response_timeout, pause),
            false => Outstanding::one(),
        });
        let mut stream = stream::open(self, outstanding.clone()).await?;
        if !self.has_handshake() {
            let greeted = outstanding.unless_silent(silence, greet(&mut stream)).await?;
            greeted.map_err(|error| self.explain(error.into()))?;
        }
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (config, at_end) = match purpose {
            Purpose::Pushes(sender, at_end) => (config.set_push_sender(sender), Some(at_end)),
            _ => (config, None),
        };
        let settings = self.information().redis_settings();
        let made = MultiplexedConnection::new_with_config(settings, stream, config);
        let made = outstanding.unless_silent(silence, made).await?;
        let (mut driver, driving) = made.map_err(|error| self.explain(error))?;
        let marker = EndMarker { outstanding: outstanding.clone(), at_end };
        let driving = AbortOnDrop::spawn(async move {
            let _marker = marker;
            driving.await;
        });
        let id =
            outstanding.unless_silent(silence, self.introduce(&mut driver, asks_for_id)).await?;
        let id = id.map_err(|error| self.explain(error))?;
        let watching = is_watched.then(|| {
            let outstanding = outstanding.clone();
            AbortOnDrop::spawn(async move { outstanding.watch(pause).await })
        });
        Ok(AsyncConnection(Arc::new(Inner {
            driver,
            outstanding,
            id,
            generation,
            _driving: driving,
            _watching: watching,
        })))
    }

    /// Sets the name of the connection, and asks for its id.
    async fn introduce(
        &self,
        driver: &mut MultiplexedConnection,
        asks_for_id: bool,
    ) -> RedisResult<Option<i64>> {
        let mut commands = redis::pipe();
        if let Some(name) = &self.name {
            commands.cmd("CLIENT").arg("SETNAME").arg(name);
        }
        if asks_for_id {
            commands.cmd("CLIENT").arg("ID");
        }
        if commands.is_empty() {
            return Ok(None);
        }
        let replies = driver.send_packed_commands(&commands, 0, commands.len()).await?;
        let mut replies = replies.into_iter();
        if self.name.is_some()
            && let Some(Value::ServerError(error)) = replies.next()
        {
            return Err(error.into());
        }
        match replies.next() {
            Some(Value::Int(id)) => Ok(Some(id)),
            _ => Ok(None),
        }
    }

    /// Returns whether the driver begins with commands of its own, whose replies it reads.
    fn has_handshake(&self) -> bool {
        let settings = self.information().redis_settings();
        let is_plain = settings.password().is_none() && settings.db() == 0;
        !is_plain || settings.protocol().supports_resp3()
    }

    /// Names the likely cause of an error whose reason is lost, because the server closed the
    /// connection before the first command was sent.
    fn explain(&self, error: RedisError) -> RedisError {
        match self.is_tls() && error.is_connection_dropped() {
            true => io::Error::new(io::ErrorKind::ConnectionReset, ENDED).into(),
            false => error,
        }
    }
}

impl AsyncConnection {
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

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

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
            if let Ok(reply) = timeout(due.left().min(silence / LOOKS), exchange.as_mut()).await {
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

    /// Checks that the server answers, and in step: a reply that was late, or to another command,
    /// does not contain the number.
    pub(crate) async fn check(&self, deadline: Deadline) -> RedisResult<()> {
        let number = nonce();
        let mut ping = redis::cmd("PING");
        ping.arg(&number);
        is_echo(self.exchange(&Packed::One(ping), deadline).await?, number.as_bytes())
    }

    /// Like `check`, on a connection whose calls are not watched.
    pub(crate) async fn check_within(&self, limit: Duration) -> RedisResult<()> {
        let check = timeout(limit, self.check(Deadline::after(Wait::Forever))).await;
        check.unwrap_or_else(|_| Err(timed_out()))
    }
}

/// Accepts the echo of `number`, or a refusal by a server that serves the connection.
fn is_echo(reply: Value, number: &[u8]) -> RedisResult<()> {
    match reply {
        Value::BulkString(echo) if echo == number => Ok(()),
        Value::ServerError(error) if serves(code_and_details(&error).0) => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, NO_PONG).into()),
    }
}

/// Marks a connection as ended when its driver has: by itself, with its last handle, or with its
/// runtime.
struct EndMarker {
    outstanding: Arc<Outstanding>,
    at_end: Option<Box<dyn FnOnce() + Send>>,
}

impl Drop for EndMarker {
    fn drop(&mut self) {
        self.outstanding.end();
        if let Some(at_end) = self.at_end.take() {
            at_end();
        }
    }
}

/// A task, which is aborted when this is dropped.
struct AbortOnDrop(AbortHandle);

impl AbortOnDrop {
    fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work).abort_handle())
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Returns whether the current runtime was built with `enable_time`. The only way to find out is to
/// try.
pub(crate) fn keeps_time() -> bool {
    catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).is_ok()
}

const NO_TIME: &str =
    "an async client works within a tokio runtime that was built with `enable_all`";

const NO_RUNTIME: &str = "an async client works within a tokio runtime";

const ENDED: &str = "the server ended the connection after the TLS handshake, perhaps because it \
                     does not accept the client's certificate or wants one";

/// How many checks for overdue calls there are within the shortest limit, so that a call takes up
/// to a quarter longer.
const LOOKS: u32 = 4;
