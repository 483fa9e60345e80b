//! How to connect to a server.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[cfg(feature = "async")]
use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use redis::{
    ConnectionAddr, ConnectionInfo, ConnectionLike, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisError, RedisResult,
};

use super::fault::{Fault, Outcome};
use crate::error::{Error, Result};

/// How to connect to one server.
#[derive(Clone)]
pub(crate) struct Connector {
    client: redis::Client,
    pub(crate) address: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) name: Option<String>,
    failures: Arc<AtomicUsize>,
}

impl Connector {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let unusable = |error: RedisError| Error::Configuration(format!("{error}; {URL_FORMS}"));
        let information = url.into_connection_info().map_err(unusable)?;
        if let ConnectionAddr::TcpTls { insecure: true, .. } = information.addr() {
            let reason = "certificates are always checked; the URL may not end with #insecure";
            return Err(Error::Configuration(reason.into()));
        }
        let settings = information.redis_settings().clone().set_skip_set_lib_name();
        let tcp = information.tcp_settings().clone().set_nodelay(true);
        let information = information.set_redis_settings(settings).set_tcp_settings(tcp);
        Ok(Self {
            address: information.addr().to_string(),
            client: redis::Client::open(information).map_err(unusable)?,
            connect_timeout: DEFAULT_TIMEOUT,
            response_timeout: DEFAULT_TIMEOUT,
            name: None,
            failures: Arc::default(),
        })
    }

    /// The same way to another server.
    pub(crate) fn toward(&self, address: &str) -> Result<Self> {
        let unusable = || Error::Configuration(format!("{address:?} is not a host and a port"));
        let (host, port) = address.rsplit_once(':').ok_or_else(unusable)?;
        let (host, port) = (host.to_owned(), port.parse().map_err(|_| unusable())?);
        let address = match self.information().addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        self.with(self.information().clone().set_addr(address))
    }

    pub(crate) fn information(&self) -> &ConnectionInfo {
        self.client.get_connection_info()
    }

    /// The same limits, but everything else as `information` says.
    pub(crate) fn with(&self, information: ConnectionInfo) -> Result<Self> {
        let address = information.addr().to_string();
        let client = redis::Client::open(information);
        let client = client.map_err(|error| Error::Configuration(error.to_string()))?;
        Ok(Self { client, address, failures: Arc::default(), ..self.clone() })
    }

    /// The same way for nobody in particular.
    pub(crate) fn anonymous(&self) -> Result<Self> {
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        let protocol = self.information().redis_settings().protocol();
        let settings = settings.set_protocol(protocol);
        self.with(self.information().clone().set_redis_settings(settings))
    }

    /// The same way, in the protocol in which a server speaks unasked.
    pub(crate) fn speaking(&self) -> Outcome<Self> {
        let settings = self.information().redis_settings().clone();
        let settings = settings.set_protocol(ProtocolVersion::RESP3);
        let speaking = self.with(self.information().clone().set_redis_settings(settings));
        speaking.map_err(|error| Fault::connect(&self.address, error))
    }

    /// Takes no longer than `time` for anything.
    pub(crate) fn hurry(&mut self, time: Duration) {
        self.connect_timeout = self.connect_timeout.min(time);
        self.response_timeout = self.response_timeout.min(time);
    }

    /// Whether the server is reached through a socket of this machine.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.information().addr(), ConnectionAddr::Unix(_))
    }

    /// Only a reply tells that both sides accept each other's certificates.
    fn is_tls(&self) -> bool {
        matches!(self.information().addr(), ConnectionAddr::TcpTls { .. })
    }

    pub(crate) fn connect(&self) -> Outcome<redis::Connection> {
        // Where a socket was too slow, the system says that it is "temporarily unavailable".
        let explain = |error: RedisError| if error.is_timeout() { timed_out() } else { error };
        self.try_connect().map_err(|error| Fault::connect(&self.address, explain(error)))
    }

    /// How many connections have failed. Where one did, the others may be dead too.
    pub(crate) fn failures(&self) -> usize {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn try_connect(&self) -> RedisResult<redis::Connection> {
        let mut connection = self.client.get_connection_with_timeout(self.connect_timeout)?;
        connection.set_read_timeout(Some(self.connect_timeout))?;
        connection.set_write_timeout(Some(self.connect_timeout))?;
        if self.is_tls() {
            connection.req_command(&redis::cmd("PING"))?;
        }
        if let Some(name) = &self.name {
            redis::cmd("CLIENT").arg("SETNAME").arg(name).exec(&mut connection)?;
        }
        self.limit_times(&connection)?;
        Ok(connection)
    }

    /// The runtime in which this is called.
    #[cfg(feature = "async")]
    pub(crate) fn runtime(&self) -> Outcome<tokio::runtime::Handle> {
        let none = |_| Fault::connect(&self.address, std::io::Error::other(NO_RUNTIME));
        tokio::runtime::Handle::try_current().map_err(none)
    }

    /// A connection whose replies the driver waits for without a limit.
    #[cfg(feature = "async")]
    pub(crate) async fn connect_async(&self) -> Outcome<MultiplexedConnection> {
        self.connect_async_with(AsyncConnectionConfig::new()).await
    }

    #[cfg(feature = "async")]
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

    pub(crate) fn limit_times(&self, connection: &redis::Connection) -> RedisResult<()> {
        connection.set_read_timeout(Some(self.response_timeout))?;
        connection.set_write_timeout(Some(self.response_timeout))
    }
}

/// The error of what took too long.
pub(crate) fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// The server's reason is lost if it closes the connection before the first command is sent.
#[cfg(feature = "async")]
fn explain_end(error: RedisError) -> RedisError {
    match error.is_connection_dropped() {
        true => std::io::Error::new(std::io::ErrorKind::ConnectionReset, ENDED).into(),
        false => error,
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({})", self.address)
    }
}

#[cfg(feature = "async")]
const NO_RUNTIME: &str = "an async client works within a tokio runtime";

#[cfg(feature = "async")]
const ENDED: &str = "the server ended the connection after the TLS handshake, perhaps because it \
                     does not accept the client's certificate or wants one";

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

const URL_FORMS: &str = "a URL is redis://user:password@host:port/database, the same with rediss \
                         for TLS, or unix:///path/to/socket?db=0";
