use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use redis::{ConnectionLike, RedisResult, ServerErrorKind, Value};

use super::builder::ClientBuilder;
use super::connection::{Connector, connection_error};
use super::pool::{Outcome, Pool};
use super::waiting::Waiting;
use super::{Executor, RoundTrips};
use crate::command::Command;
use crate::error::{Attempt, Result};
use crate::protocol::Form;
use crate::request::Request;

/// A blocking client over a pool of connections to one server. Clones share the connections.
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let url = server.url();
/// use redis_collections::{Client, RedisHashDict};
///
/// let client = Client::open(url)?;
/// let ages: RedisHashDict<String, u32> = RedisHashDict::new(&client, "ages");
/// ages.insert("ann", &36)?;
/// assert_eq!(ages.get("ann")?, Some(36));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Connections
///
/// A call borrows one of up to ten pooled connections. A call that waits for something to arrive
/// has a connection of its own, so that waiting never keeps others from working. A connection that
/// failed in any way is not used again. A command that only reads is repeated once if a pooled
/// connection turns out to be dead; a command that writes never is.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    connector: Connector,
    pool: Pool,
    waiting: Waiting,
}

impl Client {
    /// Connects to a server: `redis://user:password@host:port/database` or
    /// `unix:///path/to/socket?db=0&user=…&pass=…`.
    pub fn open(url: &str) -> Result<Self> {
        Self::builder(url).build()
    }

    /// Settings of a client for a server: the pool, time limits, a name.
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder::new(url)
    }

    pub(crate) fn new(connector: Connector, pool: Pool) -> Self {
        Self { shared: Arc::new(Shared { connector, pool, waiting: Waiting::default() }) }
    }

    /// Makes sure that the server answers. `PING`, O(1).
    pub fn check(&self) -> Result<()> {
        self.run(Request::read("PING").returns(crate::reply::done))
    }

    fn call(&self, request: &Request) -> Result<Value> {
        if let Some(refusal) = request.refusal() {
            return Err(refusal);
        }
        if let Some(reply) = request.known_reply() {
            return Ok(reply);
        }
        if let Some(wait) = request.wait() {
            return self.shared.waiting.call(&self.shared.connector, request, wait);
        }
        let value = self.send_as(request, Form::AsIs)?;
        match (request.is_script(), &value) {
            (Some(_), Value::ServerError(error))
                if error.kind() == Some(ServerErrorKind::NoScript) =>
            {
                self.send_as(request, Form::WithSource)
            }
            _ => Ok(value),
        }
    }

    fn send_as(&self, request: &Request, form: Form) -> Result<Value> {
        let mut packed = Vec::new();
        request.pack(form, &mut packed);
        self.exchange(
            !request.writes(),
            || request.attempt(),
            |connection| connection.req_packed_command(&packed),
        )
    }

    /// Lets `talk` use a connection. What may be repeated is, once, if the connection was stale.
    pub(crate) fn exchange<T>(
        &self,
        repeatable: bool,
        attempt: impl Fn() -> Attempt,
        talk: impl Fn(&mut redis::Connection) -> RedisResult<T>,
    ) -> Result<T> {
        let Shared { connector, pool, .. } = &*self.shared;
        let Outcome { result, fresh } = pool.with(connector, false, &talk)?;
        let result = match result {
            Err(error) if repeatable && !fresh && !error.is_timeout() => {
                pool.with(connector, true, &talk)?.result
            }
            result => result,
        };
        result.map_err(|error| connection_error(attempt(), error))
    }
}

impl Executor for Client {
    type Reply<T> = Result<T>;

    fn run<T: Send + 'static>(&self, command: Command<T>) -> Result<T> {
        command.read(self.call(&command.request)?)
    }
}

impl RoundTrips for Client {
    fn send<T: Send + 'static>(
        &self,
        command: Command<T>,
    ) -> impl Future<Output = Result<T>> + Send {
        std::future::ready(self.run(command))
    }

    fn converse<T, F>(&self, conversation: F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        finish(conversation)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = &self.shared.connector.address;
        f.debug_struct("Client").field("address", address).finish_non_exhaustive()
    }
}

/// Finishes a conversation of a [`Client`]. Its sends are done when they return, so it never
/// suspends and one poll finishes it.
pub(crate) fn finish<T>(conversation: impl Future<Output = T>) -> T {
    match pin!(conversation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("a blocking client never suspends"),
    }
}
