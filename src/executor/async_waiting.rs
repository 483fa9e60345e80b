//! Connections for async calls that wait, which nobody else is held up by.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::connection::timed_out;
use super::fault::{Fault, Outcome};
use super::idle::IDLE_BEFORE_PROBE;
use super::multiplexed::{Multiplexed, Packed};
use super::node::Watch;
use crate::protocol::{Form, Line};
use crate::request::Request;

/// Idle connections for waiting calls. As many are open as calls wait at the same time.
#[derive(Default)]
pub(crate) struct AsyncWaiting {
    idle: Mutex<Vec<Idle>>,
}

/// A connection for waiting, and what the server calls it if we may know.
struct Idle {
    connection: MultiplexedConnection,
    id: Option<i64>,
    last_use: Instant,
}

impl AsyncWaiting {
    /// The reply to the last of `lines`, for which the server takes up to `slice`. A connection whose
    /// wait failed or was given up is dropped.
    pub(crate) async fn wait(
        &self,
        shared: &Arc<Multiplexed>,
        lines: &[Line<'_>],
        slice: Duration,
        watch: &dyn Watch,
    ) -> Outcome<Value> {
        let runtime = shared.connector.runtime()?;
        let Idle { mut connection, id, .. } = self.take_or_connect(shared).await?;
        let packed = Packed::new(lines);
        let mut patience = slice + shared.connector.response_timeout;
        let over = Instant::now() + patience;
        let running = Box::pin(async move {
            let reply = packed.exchange(&mut connection).await;
            (reply, connection)
        });
        let undo = lines.last().and_then(|line| line.request.undo());
        let running: Running = running;
        let running = Some(running);
        let mut flight = Flight { running, id, undo, over, shared: shared.clone(), runtime };
        let (reply, connection) = loop {
            match timeout(patience.min(watch.end().left()), &mut flight).await {
                Ok(landed) => break landed,
                Err(_) if watch.goes_on().await => patience = shared.connector.response_timeout,
                Err(_) => {
                    flight.running = None;
                    shared.doubt();
                    return Err(Fault::Broken(timed_out()));
                }
            }
        };
        let reply = match reply {
            Ok(Value::Array(mut replies)) if lines.len() > 1 => replies.pop().unwrap_or(Value::Nil),
            Ok(reply) => reply,
            Err(error) => {
                shared.doubt();
                return Err(Fault::Broken(error));
            }
        };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(reply, Value::ServerError(_)) && idle.len() < MOST_IDLE {
            idle.push(Idle { connection, id, last_use: Instant::now() });
        }
        Ok(reply)
    }

    async fn take_or_connect(&self, shared: &Multiplexed) -> Outcome<Idle> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let limit = shared.connector.response_timeout;
        if let Some(mut idle) = idle {
            let recent = idle.last_use.elapsed() < IDLE_BEFORE_PROBE;
            if recent || within(limit, &mut idle.connection, &redis::cmd("PING")).await.is_ok() {
                return Ok(idle);
            }
        }
        let mut connection = shared.connector.connect_async().await?;
        let id = redis::cmd("CLIENT").arg("ID").take();
        let id = within(limit, &mut connection, &id).await;
        let id = match id.map_err(|error| Fault::connect(&shared.connector.address, error))? {
            Value::Int(id) => Some(id),
            _ => None,
        };
        Ok(Idle { connection, id, last_use: Instant::now() })
    }
}

/// A wait that is under way. Dropping it ends the wait on the server, and gives back what came all
/// the same.
struct Flight {
    running: Option<Running>,
    id: Option<i64>,
    undo: Option<&'static str>,
    /// When the server should have answered.
    over: Instant,
    shared: Arc<Multiplexed>,
    runtime: Handle,
}

type Landed = (RedisResult<Value>, MultiplexedConnection);
type Running = Pin<Box<dyn Future<Output = Landed> + Send>>;

impl Future for Flight {
    type Output = Landed;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Landed> {
        let Some(running) = &mut self.running else { return Poll::Pending };
        let landed = running.as_mut().poll(context);
        if landed.is_ready() {
            self.running = None;
        }
        landed
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let end = give_up(running, self.shared.clone(), self.id, self.undo, self.over);
            self.runtime.spawn(end);
        }
    }
}

/// Ends a wait that nobody waits for any more. What it took goes back to where it came from.
async fn give_up(
    mut running: Running,
    shared: Arc<Multiplexed>,
    id: Option<i64>,
    undo: Option<&'static str>,
    over: Instant,
) {
    let landed = loop {
        // The wait may not have reached the server yet, so that this has to be repeated.
        if let Some(id) = id {
            let unblock = Request::write("CLIENT").arg("UNBLOCK").number(id);
            let _ = shared.exchange(&[Line::new(&unblock, Form::AsIs)]).await;
        }
        if let Ok(landed) = timeout(UNTIL_UNBLOCKED_AGAIN, &mut running).await {
            break landed;
        }
        if Instant::now() > over {
            return;
        }
    };
    if let ((Ok(Value::Array(popped)), _), Some(undo)) = (landed, undo)
        && let [Value::BulkString(key), Value::BulkString(item)] = &popped[..]
    {
        let push = Request::write(undo).key(key).arg(item);
        let _ = shared.exchange(&[Line::new(&push, Form::AsIs)]).await;
    }
}

async fn within(
    limit: Duration,
    connection: &mut MultiplexedConnection,
    command: &redis::Cmd,
) -> RedisResult<Value> {
    let reply = timeout(limit, connection.send_packed_command(command)).await;
    reply.unwrap_or_else(|_| Err(timed_out()))
}

const UNTIL_UNBLOCKED_AGAIN: Duration = Duration::from_millis(50);
const MOST_IDLE: usize = 16;
