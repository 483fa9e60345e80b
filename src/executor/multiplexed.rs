//! The connection to one server that all calls of an async client share.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisResult, RedisWrite, Value};

use super::connection::{Connector, timed_out};
use super::fault::Fault;
use super::node::repeatable;
use super::patience::Patience;
use crate::protocol::Line;

/// A connection that is made when it is needed, and again when it failed.
pub(crate) struct Multiplexed {
    pub(crate) connector: Connector,
    state: Mutex<State>,
    patience: Patience,
    began: Instant,
    /// When it was used last, in milliseconds since it began.
    last_use: AtomicU64,
}

/// The number tells one connection from the next.
struct State {
    number: u64,
    link: Link,
}

enum Link {
    None,
    Connecting(Connecting),
    Ready(MultiplexedConnection),
}

/// The attempt of the first caller, which all others wait for too.
type Connecting = Shared<BoxFuture<'static, Result<MultiplexedConnection, Fault>>>;

/// Commands in the driver's form.
pub(crate) enum Packed {
    One(Cmd),
    Several(redis::Pipeline),
}

impl Multiplexed {
    pub(crate) fn new(connector: Connector) -> Self {
        let state = Mutex::new(State { number: 0, link: Link::None });
        Self {
            connector,
            state,
            patience: Patience::new(),
            began: Instant::now(),
            last_use: AtomicU64::new(0),
        }
    }

    /// The reply to one command, or an array of the replies to several. What may be repeated is,
    /// once, if the connection was stale.
    pub(crate) async fn exchange(&self, lines: &[Line<'_>]) -> Result<Value, Fault> {
        let linked = match self.in_use() {
            Some((number, connection)) => (number, connection, false),
            None => self.connection().await?,
        };
        self.exchange_on(linked, lines).await
    }

    async fn exchange_on(
        &self,
        (number, mut connection, fresh): (u64, MultiplexedConnection, bool),
        lines: &[Line<'_>],
    ) -> Result<Value, Fault> {
        let packed = Packed::new(lines);
        let result = self.send(&packed, &mut connection).await;
        self.conclude(result, number, &packed, repeatable(lines) && !fresh).await
    }

    /// The same for one command, in a future as small as can be.
    pub(crate) async fn exchange_one(&self, line: Line<'_>) -> Result<Value, Fault> {
        let Some((number, mut connection)) = self.in_use() else {
            let connected = Box::pin(self.connection()).await?;
            return Box::pin(self.exchange_on(connected, &[line])).await;
        };
        let command = command(&line);
        let mut turn = self.patience.begin();
        let mut call = pin!(connection.send_packed_command(&command));
        let reply = poll_fn(|context| match call.as_mut().poll(context) {
            Poll::Pending if turn.is_over(context) => Poll::Ready(Err(timed_out())),
            reply => reply,
        });
        match reply.await {
            Ok(reply) => Ok(reply),
            failed => {
                let packed = Packed::new(&[line]);
                Box::pin(self.conclude(failed, number, &packed, repeatable(&[line]))).await
            }
        }
    }

    async fn send(
        &self,
        packed: &Packed,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<Value> {
        let mut turn = self.patience.begin();
        let mut call = pin!(packed.exchange(connection));
        let reply = poll_fn(|context| match call.as_mut().poll(context) {
            Poll::Pending if turn.is_over(context) => Poll::Ready(Err(timed_out())),
            reply => reply,
        });
        reply.await
    }

    async fn conclude(
        &self,
        result: RedisResult<Value>,
        number: u64,
        packed: &Packed,
        repeat: bool,
    ) -> Result<Value, Fault> {
        let result = match result {
            Err(error) if repeat && !error.is_timeout() => {
                self.forget(number);
                let (number, mut connection, _) = self.connection().await?;
                self.send(&packed, &mut connection).await.inspect_err(|_| self.forget(number))
            }
            result => result.inspect_err(|_| self.forget(number)),
        };
        result.map_err(Fault::Broken)
    }

    /// The connection and its number, if it was used a short while ago.
    fn in_use(&self) -> Option<(u64, MultiplexedConnection)> {
        let now = self.began.elapsed();
        let now = now.as_secs() * 1000 + u64::from(now.subsec_millis());
        let before = self.last_use.load(Ordering::Relaxed);
        if now > before {
            self.last_use.store(now, Ordering::Relaxed);
        }
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &state.link {
            Link::Ready(connection) if now <= before + IDLE_BEFORE_PROBE => {
                Some((state.number, connection.clone()))
            }
            _ => None,
        }
    }

    /// The connection, its number, and whether it is new. One that was idle is not trusted to be
    /// alive.
    async fn connection(&self) -> Result<(u64, MultiplexedConnection, bool), Fault> {
        let (number, connection, fresh) = self.connected().await?;
        let ping = Packed::One(redis::cmd("PING"));
        if fresh || self.send(&ping, &mut connection.clone()).await.is_ok() {
            return Ok((number, connection, fresh));
        }
        self.forget(number);
        self.connected().await
    }

    async fn connected(&self) -> Result<(u64, MultiplexedConnection, bool), Fault> {
        let (number, connecting) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let number = state.number;
            match &state.link {
                Link::Ready(connection) => return Ok((number, connection.clone(), false)),
                Link::Connecting(connecting) => (number, connecting.clone()),
                Link::None => {
                    let connector = self.connector.clone();
                    self.patience.watch(connector.response_timeout);
                    let connecting = async move { connector.connect_async().await };
                    let connecting = connecting.boxed().shared();
                    state.number += 1;
                    state.link = Link::Connecting(connecting.clone());
                    (state.number, connecting)
                }
            }
        };
        let connected = connecting.await;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.number == number && matches!(state.link, Link::Connecting(_)) {
            state.link = connected.clone().map_or(Link::None, Link::Ready);
        }
        connected.map(|connection| (number, connection, true))
    }

    /// Makes sure that the connection of this number is not used again.
    fn forget(&self, number: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.number == number {
            state.link = Link::None;
        }
    }
}

impl Packed {
    pub(crate) fn new(lines: &[Line<'_>]) -> Self {
        match lines {
            [line] => Packed::One(command(line)),
            lines => {
                let mut pipeline = redis::Pipeline::with_capacity(lines.len());
                for line in lines {
                    pipeline.add_command(command(line));
                }
                Packed::Several(pipeline)
            }
        }
    }

    pub(crate) async fn exchange(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<Value> {
        match self {
            Packed::One(command) => connection.send_packed_command(command).await,
            Packed::Several(pipeline) => {
                let replies = pipeline.len();
                let replies = connection.send_packed_commands(pipeline, 0, replies);
                Box::pin(replies).await.map(Value::Array)
            }
        }
    }
}

fn command(line: &Line<'_>) -> Cmd {
    let mut command = Cmd::with_capacity(line.len(), line.size());
    line.each_argument(|argument| command.write_arg(argument));
    command
}

/// In milliseconds, as for the connections of a pool.
const IDLE_BEFORE_PROBE: u64 = 100;
