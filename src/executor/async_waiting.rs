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
use crate::protocol::{Form, Line};
use crate::request::{Abandonment, Reporter, Request};

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
    ) -> Outcome<Value> {
        let runtime = shared.connector.runtime()?;
        let Idle { mut connection, id, .. } = self.take_or_connect(shared).await?;
        let packed = Packed::new(lines);
        let patience = slice + shared.connector.response_timeout;
        let is_single = lines.len() == 1;
        let running = Box::pin(async move {
            let reply = timeout(patience, packed.exchange(&mut connection)).await;
            let reply = match reply.unwrap_or_else(|_| Err(timed_out())) {
                Ok(Value::Array(mut replies)) if !is_single => {
                    Ok(replies.pop().unwrap_or(Value::Nil))
                }
                reply => reply,
            };
            (reply, connection)
        });
        let request = lines.last().map(|line| line.request);
        let undo = request.and_then(Request::undo);
        let abandonment = request.and_then(Request::abandonment).cloned();
        let shared = shared.clone();
        let flight = Flight {
            running: Some(running),
            id,
            undo,
            abandonment,
            shared: shared.clone(),
            runtime,
        };
        let (reply, connection) = flight.await;
        let reply = match reply {
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
    abandonment: Option<Abandonment>,
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
            let reporter = self.abandonment.as_ref().and_then(|abandonment| abandonment.take(None));
            let end = give_up(running, self.shared.clone(), self.id, self.undo, reporter);
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
    mut reporter: Option<Reporter>,
) {
    let (reply, _) = loop {
        // The wait may not have reached the server yet, so that this has to be repeated.
        if let Some(id) = id {
            let unblock = Request::write("CLIENT").arg("UNBLOCK").number(id);
            let _ = shared.exchange(&[Line::new(&unblock, Form::AsIs)]).await;
        }
        if let Ok(landed) = timeout(UNTIL_UNBLOCKED_AGAIN, &mut running).await {
            break landed;
        }
    };
    let Ok(reply) = reply else { return };
    if let (Value::Array(popped), Some(undo)) = (&reply, undo)
        && let [Value::BulkString(key), Value::BulkString(item)] = &popped[..]
    {
        let push = Request::write(undo).key(key).arg(item);
        let _ = shared.exchange(&[Line::new(&push, Form::AsIs)]).await;
    }
    if let Some(reporter) = &mut reporter {
        reporter.outcome = Some(reply);
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

#[cfg(all(test, feature = "local-server"))]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;
    use crate::command::{Command, Wait};
    use crate::executor::{AsyncClient, Executor};
    use crate::local_server::LocalServer;
    use crate::reply;

    const LONG: Duration = Duration::from_secs(30);

    /// A move from `from` to `to` that waits, and what is reported of it.
    fn moving(from: &str, to: &str) -> (Command<Option<Vec<u8>>>, Receiver<Option<Value>>) {
        let (sender, reported) = channel();
        let request = Request::write("BLMOVE").key(from.as_bytes()).key(to.as_bytes());
        let request = request.arg("LEFT").arg("RIGHT").waits(Wait::For(LONG)).once();
        let request = request.on_abandoned(move |outcome| sender.send(outcome).unwrap());
        (request.returns(reply::raw), reported)
    }

    async fn until_it_waits(client: &AsyncClient, number: usize) {
        loop {
            let info = client.run(Request::read("INFO").arg("clients").returns(reply::raw));
            let info = String::from_utf8(info.await.unwrap().unwrap()).unwrap();
            if info.contains(&format!("blocked_clients:{number}\r")) {
                return;
            }
        }
    }

    fn in_runtime<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Runtime::new().unwrap().block_on(work)
    }

    #[test]
    fn what_became_of_a_dropped_wait_is_reported_once() {
        let server = LocalServer::start().unwrap();
        let push = |list: &str| Request::write("RPUSH").key(list.as_bytes()).arg("x");
        in_runtime(async {
            let client = AsyncClient::open(server.url()).await.unwrap();
            for wins in [false, true] {
                let (command, reported) = moving("a", "b");
                let waiting = tokio::spawn(client.run(command));
                until_it_waits(&client, 1).await;
                if wins {
                    let push = push("a").returns(reply::done);
                    let pushing = tokio::spawn(client.run(push));
                    waiting.abort();
                    pushing.await.unwrap().unwrap();
                } else {
                    waiting.abort();
                }
                let ended = waiting.await;
                let outcome = tokio::task::spawn_blocking(move || {
                    let outcome = reported.recv_timeout(LONG);
                    assert!(reported.recv().is_err(), "it is reported once");
                    outcome
                });
                let outcome = outcome.await.unwrap();
                let moved = client.run(Request::read("LLEN").key(b"b").returns(reply::integer));
                let moved = moved.await.unwrap();
                match outcome {
                    Ok(Some(Value::Nil)) => assert_eq!(moved, 0),
                    Ok(Some(Value::BulkString(item))) => {
                        assert_eq!((&item[..], moved), (&b"x"[..], 1))
                    }
                    Err(_) => assert!(ended.is_ok(), "it had ended before it was dropped"),
                    outcome => panic!("{outcome:?}"),
                }
            }
        });
    }

    #[test]
    fn a_wait_that_is_dropped_before_it_is_sent_brought_nothing() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}/", silent.local_addr().unwrap());
        in_runtime(async {
            let client = AsyncClient::builder(&url).lazy().build().await.unwrap();
            let (command, reported) = moving("a", "b");
            assert!(timeout(Duration::from_millis(10), client.run(command)).await.is_err());
            assert_eq!(reported.try_recv(), Ok(Some(Value::Nil)));
        });
    }

    #[test]
    fn a_wait_that_ends_reports_nothing() {
        let server = LocalServer::start().unwrap();
        in_runtime(async {
            let client = AsyncClient::open(server.url()).await.unwrap();
            let (command, reported) = moving("a", "b");
            client
                .run(Request::write("RPUSH").key(b"a").arg("x").returns(reply::done))
                .await
                .unwrap();
            assert_eq!(client.run(command).await.unwrap().as_deref(), Some(&b"x"[..]));
            assert!(reported.recv().is_err());
        });
    }

    #[test]
    fn the_outcome_of_a_wait_whose_connection_is_lost_or_whose_runtime_ends_is_unknown() {
        let mut server = LocalServer::start().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = runtime.block_on(AsyncClient::open(server.url())).unwrap();
        let (command, reported) = moving("a", "b");
        let waiting = runtime.spawn(client.run(command));
        runtime.block_on(until_it_waits(&client, 1));
        drop(runtime);
        assert_eq!(reported.recv_timeout(LONG), Ok(None), "the runtime has ended");
        drop(waiting);
        let (command, reported) = moving("a", "b");
        in_runtime(async {
            let client = AsyncClient::open(server.url()).await.unwrap();
            let waiting = tokio::spawn(client.run(command));
            until_it_waits(&client, 1).await;
            waiting.abort();
            server.stop().unwrap();
            let outcome = tokio::task::spawn_blocking(move || reported.recv_timeout(LONG));
            let outcome = outcome.await.unwrap().unwrap();
            assert!(matches!(outcome, None | Some(Value::Nil)), "{outcome:?}");
        });
    }
}
