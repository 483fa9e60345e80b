//! The connection to one server that all calls of an async client share.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisResult, RedisWrite, Value};

use super::connection::Connector;
use super::fault::{Fault, Outcome};
use super::idle::IDLE_BEFORE_PROBE;
use super::node::repeatable;
use super::patience::Patience;
use crate::protocol::Line;

/// A connection that is made when it is needed, and again when it failed.
pub(crate) struct Multiplexed {
    pub(crate) connector: Connector,
    state: Mutex<State>,
    patience: Patience,
}

/// The number tells one connection from the next.
struct State {
    number: u64,
    link: Link,
    /// When it was used last, unless it may be dead.
    last_use: Option<Instant>,
}

enum Link {
    None,
    Connecting(Connecting),
    Ready(MultiplexedConnection),
}

/// The attempt of the first caller, which all others wait for too.
type Connecting = Shared<BoxFuture<'static, Outcome<MultiplexedConnection>>>;

/// Commands in the driver's form.
pub(crate) enum Packed {
    One(Cmd),
    Several(redis::Pipeline),
}

impl Multiplexed {
    pub(crate) fn new(connector: Connector) -> Self {
        let state = Mutex::new(State { number: 0, link: Link::None, last_use: None });
        Self { connector, state, patience: Patience::new() }
    }

    /// The reply to one command, or an array of the replies to several. What may be repeated is,
    /// once, if the connection was stale.
    pub(crate) async fn exchange(&self, lines: &[Line<'_>]) -> Outcome<Value> {
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
    ) -> Outcome<Value> {
        let packed = Packed::new(lines);
        let result = self.send(&packed, &mut connection).await;
        self.conclude(result, number, &packed, repeatable(lines) && !fresh).await
    }

    /// The same for one command, in a future as small as can be.
    pub(crate) async fn exchange_one(&self, line: Line<'_>) -> Outcome<Value> {
        let Some((number, mut connection)) = self.in_use() else {
            let connected = Box::pin(self.connection()).await?;
            return Box::pin(self.exchange_on(connected, &[line])).await;
        };
        let command = command(&line);
        match self.patience.limit(pin!(connection.send_packed_command(&command))).await {
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
        self.patience.limit(pin!(packed.exchange(connection))).await
    }

    async fn conclude(
        &self,
        result: RedisResult<Value>,
        number: u64,
        packed: &Packed,
        repeat: bool,
    ) -> Outcome<Value> {
        let result = match result {
            Err(error) if repeat && !error.is_timeout() => {
                self.forget(number);
                let (number, mut connection, _) = self.connection().await?;
                self.send(packed, &mut connection).await.inspect_err(|_| self.forget(number))
            }
            result => result.inspect_err(|_| self.forget(number)),
        };
        result.map_err(Fault::Broken)
    }

    /// The connection and its number, if it was used a short while ago.
    fn in_use(&self) -> Option<(u64, MultiplexedConnection)> {
        let now = Instant::now();
        let mut state = self.state();
        let State { number, link: Link::Ready(connection), last_use: Some(last_use) } = &mut *state
        else {
            return None;
        };
        if now.saturating_duration_since(*last_use) > IDLE_BEFORE_PROBE {
            return None;
        }
        *last_use = now;
        Some((*number, connection.clone()))
    }

    /// The connection, its number, and whether it is new. One that was idle is not trusted to be
    /// alive: until an answer has proven it, each caller asks for one.
    async fn connection(&self) -> Outcome<(u64, MultiplexedConnection, bool)> {
        let mut connected = self.connected().await?;
        let (number, connection, fresh) = &mut connected;
        let ping = Packed::One(redis::cmd("PING"));
        if !*fresh && self.send(&ping, connection).await.is_err() {
            self.forget(*number);
            connected = self.connected().await?;
        }
        let mut state = self.state();
        if state.number == connected.0 {
            state.last_use = Some(Instant::now());
        }
        drop(state);
        Ok(connected)
    }

    async fn connected(&self) -> Outcome<(u64, MultiplexedConnection, bool)> {
        let (number, connecting) = {
            let mut state = self.state();
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
        let mut state = self.state();
        if state.number == number && matches!(state.link, Link::Connecting(_)) {
            state.link = connected.clone().map_or(Link::None, Link::Ready);
        }
        connected.map(|connection| (number, connection, true))
    }

    /// Makes sure that the connection is not trusted to be alive by the next call.
    pub(crate) fn doubt(&self) {
        self.state().last_use = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes sure that the connection of this number is not used again.
    fn forget(&self, number: u64) {
        let mut state = self.state();
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
