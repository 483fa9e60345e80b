//! How to connect to a server from a task.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};

use super::connection::{Connector, timed_out};
use super::fault::{Fault, Outcome};

impl Connector {
    /// The runtime in which this is called.
    pub(crate) fn runtime(&self) -> Outcome<tokio::runtime::Handle> {
        let none = |_| Fault::connect(&self.address, std::io::Error::other(NO_RUNTIME));
        tokio::runtime::Handle::try_current().map_err(none)
    }

    /// A connection whose replies the driver waits for without a limit.
    pub(crate) async fn connect_async(&self) -> Outcome<MultiplexedConnection> {
        self.connect_async_with(AsyncConnectionConfig::new()).await
    }

    pub(crate) async fn connect_async_with(
        &self,
        config: AsyncConnectionConfig,
    ) -> Outcome<MultiplexedConnection> {
        self.runtime()?;
        let fault = |error| Fault::connect(&self.address, error);
        let config =
            config.set_connection_timeout(Some(self.connect_timeout)).set_response_timeout(None);
        let connecting = async {
            let client = &self.client;
            let mut connection =
                client.get_multiplexed_async_connection_with_config(&config).await?;
            if self.is_tls() {
                let reply = connection.send_packed_command(&redis::cmd("PING")).await;
                reply.map_err(explain_end)?;
            }
            if let Some(name) = &self.name {
                let mut command = redis::cmd("CLIENT");
                command.arg("SETNAME").arg(name).exec_async(&mut connection).await?;
            }
            Ok(connection)
        };
        let connected = tokio::time::timeout(self.connect_timeout, connecting).await;
        connected.unwrap_or_else(|_| Err(timed_out())).map_err(fault)
    }
}

/// The server's reason is lost if it closes the connection before the first command is sent.
fn explain_end(error: RedisError) -> RedisError {
    match error.is_connection_dropped() {
        true => std::io::Error::new(std::io::ErrorKind::ConnectionReset, ENDED).into(),
        false => error,
    }
}

const NO_RUNTIME: &str = "an async client works within a tokio runtime";

const ENDED: &str = "the server ended the connection after the TLS handshake, perhaps because it \
                     does not accept the client's certificate or wants one";
