//! Making async connections.

use std::io;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{AsyncConnectionConfig, RedisError, RedisResult, Value};
use tokio::time::timeout;

use super::connection::{AbortOnDrop, AsyncConnection, Inner};
use super::greeting::greet;
use super::outstanding::{Outstanding, TICKS_PER_LIMIT};
use super::stream;
use crate::connection::connector::{Connector, timed_out};
use crate::connection::handshake::{Step, quoted};
use crate::connection::idle::LastUse;
use crate::connection::transport_error::{TransportError, TransportResult};
use crate::time::Deadline;

/// A connection that can be used.
pub(crate) struct UsableAsync {
    pub(crate) connection: AsyncConnection,
    /// Whether it was made just now.
    pub(crate) fresh: bool,
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

    /// Makes a connection on which the server has answered a command; a refusal for lack of rights
    /// counts. All of that stays within the connect timeout, and each silence within `silence`.
    pub(crate) async fn connect_async(
        &self,
        purpose: Purpose,
        silence: Duration,
    ) -> TransportResult<AsyncConnection> {
        self.runtime()?;
        let connecting = self.try_connect_async(purpose, silence);
        let connected = timeout(self.connect_timeout, connecting).await;
        let connected = connected.unwrap_or_else(|_| Err(timed_out()));
        connected.map_err(|error| TransportError::connect(&self.address, error))
    }

    /// Returns the idle connection, if it can still be used, or a new one.
    ///
    /// A server that is silent then may hang, or only the connection may be dead. So it may be
    /// silent for half of the usual time when it is probed, and for half when it is reconnected to.
    pub(crate) async fn usable_async(
        &self,
        idle: Option<(AsyncConnection, LastUse)>,
        purpose: Purpose,
        deadline: Deadline,
    ) -> TransportResult<UsableAsync> {
        let mut silence = self.longest_silence();
        let current = idle.filter(|(connection, _)| connection.is_current(self));
        if let Some((connection, last_use)) = current {
            if last_use.recent_age(self).is_some() {
                return Ok(UsableAsync { connection, fresh: false });
            }
            match connection.probe(silence / 2, deadline).await {
                Ok(()) => return Ok(UsableAsync { connection, fresh: false }),
                Err(error) => {
                    self.count_failure();
                    silence = if error.is_timeout() { silence / 2 } else { silence };
                }
            }
        }
        let connected = timeout(deadline.left(), self.connect_async(purpose, silence)).await;
        let connection = connected.unwrap_or_else(|_| Err(self.late()))?;
        Ok(UsableAsync { connection, fresh: true })
    }

    /// The error of a call whose time was over before there was a connection.
    pub(crate) fn late(&self) -> TransportError {
        TransportError::connect(&self.address, timed_out())
    }

    /// Like `connect_async`, without its overall time limit. The driver's task ends with the last
    /// handle.
    async fn try_connect_async(
        &self,
        purpose: Purpose,
        silence: Duration,
    ) -> RedisResult<AsyncConnection> {
        let generation = self.generation();
        let pause = self.longest_silence() / TICKS_PER_LIMIT;
        let is_watched = matches!(purpose, Purpose::Calls);
        let asks_for_id = matches!(purpose, Purpose::Waits);
        let outstanding = Arc::new(if is_watched {
            Outstanding::many(self.response_timeout, pause)
        } else {
            Outstanding::one()
        });
        let mut stream = stream::open(self, outstanding.clone(), silence).await?;
        let greeted = outstanding.unless_silent(silence, greet(&mut stream)).await?;
        greeted.map_err(|error| self.explain(error.into()))?;
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (config, at_end) = match purpose {
            Purpose::Pushes(sender, at_end) => (config.set_push_sender(sender), Some(at_end)),
            _ => (config, None),
        };
        // The driver would lose the code of a database's refusal.
        let settings = self.information().redis_settings().clone().set_db(0);
        let made = MultiplexedConnection::new_with_config(&settings, stream, config);
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
        Ok(AsyncConnection::new(Inner {
            driver,
            outstanding,
            id,
            generation,
            _driving: driving,
            _watching: watching,
        }))
    }

    /// Selects the database, sets the name of the connection, and asks for its id.
    async fn introduce(
        &self,
        driver: &mut MultiplexedConnection,
        asks_for_id: bool,
    ) -> RedisResult<Option<i64>> {
        let (mut commands, mut steps) = (redis::pipe(), Vec::new());
        let database = self.information().redis_settings().db();
        if database != 0 {
            commands.cmd("SELECT").arg(database);
            steps.push(Step::Select);
        }
        if let Some(name) = &self.name {
            commands.cmd("CLIENT").arg("SETNAME").arg(name);
            steps.push(Step::Name);
        }
        if asks_for_id {
            commands.cmd("CLIENT").arg("ID");
        }
        if commands.is_empty() {
            return Ok(None);
        }
        let replies = driver.send_packed_commands(&commands, 0, commands.len()).await?;
        let mut replies = replies.into_iter();
        for (step, reply) in steps.into_iter().zip(replies.by_ref()) {
            if let Value::ServerError(error) = reply {
                return Err(step.refusal(&error, quoted(&error)));
            }
        }
        match replies.next() {
            Some(Value::Int(id)) => Ok(Some(id)),
            _ => Ok(None),
        }
    }

    /// Names the likely cause of an error whose reason is lost, because the server closed the
    /// connection before the first command was sent.
    fn explain(&self, error: RedisError) -> RedisError {
        if self.is_tls() && error.is_connection_dropped() {
            io::Error::new(io::ErrorKind::ConnectionReset, ENDED).into()
        } else {
            error
        }
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
