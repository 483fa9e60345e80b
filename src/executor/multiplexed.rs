//! The connection to one server that all calls of an async client share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisResult, RedisWrite, Value};

use super::connection::Connector;
use super::fault::Fault;
use super::node::repeatable;
use crate::protocol::Line;

/// A connection that is made when it is needed, and again when it failed.
pub(crate) struct Multiplexed {
    pub(crate) connector: Connector,
    state: Mutex<State>,
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
        Self { connector, state, began: Instant::now(), last_use: AtomicU64::new(0) }
    }

    /// The reply to one command, or an array of the replies to several. What may be repeated is,
    /// once, if the connection was stale.
    pub(crate) async fn exchange(&self, lines: &[Line<'_>]) -> Result<Value, Fault> {
        let packed = Packed::new(lines);
        let (mut number, mut connection, fresh) = self.connection().await?;
        let mut result = packed.exchange(&mut connection).await;
        if let Err(error) = &result
            && repeatable(lines)
            && !fresh
            && !error.is_timeout()
        {
            self.forget(number);
            (number, connection, _) = self.connection().await?;
            result = packed.exchange(&mut connection).await;
        }
        result.map_err(|error| {
            self.forget(number);
            Fault::Broken(error)
        })
    }

    /// The connection, its number, and whether it is new. One that was idle for some time is not
    /// trusted to be alive.
    async fn connection(&self) -> Result<(u64, MultiplexedConnection, bool), Fault> {
        let (number, connection, fresh) = self.linked().await?;
        if fresh || !self.was_idle() {
            return Ok((number, connection, fresh));
        }
        let mut probed = connection.clone();
        match probed.send_packed_command(&redis::cmd("PING")).await {
            Ok(_) => Ok((number, connection, false)),
            Err(_) => {
                self.forget(number);
                self.linked().await
            }
        }
    }

    async fn linked(&self) -> Result<(u64, MultiplexedConnection, bool), Fault> {
        let (number, connecting) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let number = state.number;
            match &state.link {
                Link::Ready(connection) => return Ok((number, connection.clone(), false)),
                Link::Connecting(connecting) => (number, connecting.clone()),
                Link::None => {
                    let connector = self.connector.clone();
                    let connecting = async move { connector.connect_shared().await };
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

    fn was_idle(&self) -> bool {
        let now = self.began.elapsed().as_millis() as u64;
        let before = self.last_use.swap(now, Ordering::Relaxed);
        now.saturating_sub(before) > IDLE_BEFORE_PROBE.as_millis() as u64
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
                connection.send_packed_commands(pipeline, 0, replies).await.map(Value::Array)
            }
        }
    }
}

fn command(line: &Line<'_>) -> Cmd {
    let mut command = Cmd::with_capacity(line.len(), line.size());
    line.each_argument(|argument| command.write_arg(argument));
    command
}

/// As for the connections of a pool.
const IDLE_BEFORE_PROBE: Duration = Duration::from_millis(100);
