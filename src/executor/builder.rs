use std::time::Duration;

use super::client::Client;
use super::connection::Connector;
use super::pool::Pool;
use crate::error::{Error, Result};

/// Settings of a [`Client`].
#[derive(Debug, Clone)]
#[must_use = "nothing is connected before `build`"]
pub struct ClientBuilder {
    url: Url,
    pool_size: u32,
    pool: Option<r2d2::Pool<redis::Client>>,
    checkout_timeout: Duration,
    connect_timeout: Duration,
    response_timeout: Duration,
    name: Option<String>,
    lazy: bool,
}

impl ClientBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: Url(url.to_owned()),
            pool_size: 10,
            pool: None,
            checkout_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(5),
            name: None,
            lazy: false,
        }
    }

    /// The most connections to keep for calls that do not wait. 10 if not said.
    pub fn pool_size(mut self, connections: u32) -> Self {
        self.pool_size = connections;
        self
    }

    /// Uses a pool of your own, which other code may use too. The URL still serves for waiting
    /// calls and for the replacement of broken connections.
    ///
    /// Getting a connection from it is up to its own settings: without
    /// `test_on_check_out(false)` every call takes two round trips, and its time limits are its own.
    pub fn pool(mut self, pool: r2d2::Pool<redis::Client>) -> Self {
        self.pool = Some(pool);
        self
    }

    /// How long a call waits for a free connection of the pool. 5 seconds if not said.
    pub fn checkout_timeout(mut self, time: Duration) -> Self {
        self.checkout_timeout = time;
        self
    }

    /// How long making a connection may take. 5 seconds if not said.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time;
        self
    }

    /// How long the server may be silent during a call, on top of what a waiting call waits.
    /// 5 seconds if not said.
    pub fn response_timeout(mut self, time: Duration) -> Self {
        self.response_timeout = time;
        self
    }

    /// The name of the connections in the server's `CLIENT LIST`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Connects at the first call rather than now.
    pub fn lazy(mut self) -> Self {
        self.lazy = true;
        self
    }

    /// Makes the client and, unless [`lazy`](Self::lazy), a first connection.
    pub fn build(self) -> Result<Client> {
        let times = [self.checkout_timeout, self.connect_timeout, self.response_timeout];
        if self.pool_size == 0 || times.iter().any(Duration::is_zero) {
            let reason = "the pool's size and every time limit must be more than zero";
            return Err(Error::Configuration(reason.into()));
        }
        let mut connector = Connector::new(&self.url.0)?;
        connector.connect_timeout = self.connect_timeout;
        connector.response_timeout = self.response_timeout;
        connector.name = self.name;
        let pool = match self.pool {
            Some(pool) => Pool::given(pool),
            None => Pool::with_size(self.pool_size, self.checkout_timeout)?,
        };
        let client = Client::new(connector, pool);
        if self.lazy {
            return Ok(client);
        }
        match client.check() {
            Err(error) if error.code() != Some("NOPERM") => Err(error),
            _ => Ok(client),
        }
    }
}

/// A URL, which may hold a password and is not shown.
#[derive(Clone)]
struct Url(String);

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}
