//! Connections to one server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::{IntoConnectionInfo, RedisError, RedisResult};

use crate::error::{Attempt, Error, Result};

/// How to connect to one server.
#[derive(Debug)]
pub(crate) struct Connector {
    client: redis::Client,
    pub(crate) address: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) name: Option<String>,
    failures: AtomicUsize,
}

impl Connector {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let unusable = |error: RedisError| Error::Configuration(format!("{error}; {URL_FORMS}"));
        let information = url.into_connection_info().map_err(unusable)?;
        let settings = information.redis_settings().clone().set_skip_set_lib_name();
        let address = information.addr().to_string();
        let tcp = information.tcp_settings().clone().set_nodelay(true);
        let information = information.set_redis_settings(settings).set_tcp_settings(tcp);
        let client = redis::Client::open(information);
        Ok(Self {
            client: client.map_err(unusable)?,
            address,
            connect_timeout: DEFAULT_TIMEOUT,
            response_timeout: DEFAULT_TIMEOUT,
            name: None,
            failures: AtomicUsize::new(0),
        })
    }

    pub(crate) fn connect(&self) -> Result<redis::Connection> {
        self.try_connect().map_err(|error| Error::Connect {
            address: self.address.clone(),
            source: Box::new(error),
        })
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
        self.limit_times(&connection)?;
        if let Some(name) = &self.name {
            redis::cmd("CLIENT").arg("SETNAME").arg(name).exec(&mut connection)?;
        }
        Ok(connection)
    }

    pub(crate) fn limit_times(&self, connection: &redis::Connection) -> RedisResult<()> {
        connection.set_read_timeout(Some(self.response_timeout))?;
        connection.set_write_timeout(Some(self.response_timeout))
    }
}

/// The error of a connection that failed during `attempt`.
pub(crate) fn connection_error(attempt: Attempt, error: RedisError) -> Error {
    let attempt = Box::new(attempt);
    match error.is_timeout() {
        true => Error::Timeout { attempt },
        false => Error::ConnectionLost { attempt, source: Box::new(error) },
    }
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

const URL_FORMS: &str =
    "a URL is redis://user:password@host:port/database or unix:///path/to/socket?db=0";
