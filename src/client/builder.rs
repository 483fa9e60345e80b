mod build;

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::blocking::Client;
use crate::connection::{DEFAULT_CALL_TIMEOUT, DEFAULT_TIMEOUT};

/// Settings of a client of the kind `C`.
///
/// The limits add up: a call may first wait for a connection, then for as long as connecting may
/// take, and then for its reply. It waits for a connection of the pool for
/// [`checkout_timeout`](ClientBuilder::checkout_timeout), and for a shared one until the calls
/// before it have ended. On a cluster each server that is asked in vain adds its own. Only
/// [`call_timeout`](ClientBuilder::call_timeout) bounds the whole.
#[derive(Clone)]
#[must_use = "nothing is connected before `build`"]
pub struct ClientBuilder<C = Client> {
    servers: Named,
    user: Option<String>,
    password: Option<String>,
    database: Option<u32>,
    shared_connections: u32,
    pool_size: u32,
    /// How many connections all calls use instead of these, each one of its own.
    pooled: Option<u32>,
    #[cfg(feature = "r2d2-pool")]
    pool: Option<r2d2::Pool<redis::Client>>,
    checkout_timeout: Duration,
    connect_timeout: Duration,
    response_timeout: Duration,
    call_timeout: Duration,
    failover_timeout: Duration,
    name: Option<String>,
    lazy: bool,
    #[cfg(feature = "tls")]
    certificates: crate::connection::Certificates,
    client: PhantomData<fn() -> C>,
}

/// The servers that a user named, by URLs that may contain passwords.
#[derive(Clone)]
enum Named {
    One(String),
    Sentinels(Vec<String>, String),
    Cluster(Vec<String>),
}

impl<C> ClientBuilder<C> {
    pub(crate) fn one(url: &str) -> Self {
        Self::new(Named::One(url.to_owned()))
    }

    pub(crate) fn sentinel(urls: impl IntoIterator<Item = impl AsRef<str>>, name: &str) -> Self {
        Self::new(Named::Sentinels(owned(urls), name.to_owned()))
    }

    pub(crate) fn cluster(urls: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self::new(Named::Cluster(owned(urls)))
    }

    fn new(servers: Named) -> Self {
        Self {
            servers,
            user: None,
            password: None,
            database: None,
            shared_connections: SHARED_CONNECTIONS,
            pool_size: 10,
            pooled: None,
            #[cfg(feature = "r2d2-pool")]
            pool: None,
            checkout_timeout: Duration::from_secs(5),
            connect_timeout: DEFAULT_TIMEOUT,
            response_timeout: DEFAULT_TIMEOUT,
            call_timeout: DEFAULT_CALL_TIMEOUT,
            failover_timeout: Duration::from_secs(20),
            name: None,
            lazy: false,
            #[cfg(feature = "tls")]
            certificates: crate::connection::Certificates::default(),
            client: PhantomData,
        }
    }

    /// Sets the user's name, overriding the URL. With Sentinels it is that of the master's user,
    /// while the URLs have those of the Sentinels. A user without a password has an empty one. A
    /// pool of your own has the user of its own URL.
    pub fn user(mut self, name: impl Into<String>) -> Self {
        self.user = Some(name.into());
        self
    }

    /// Sets the password, overriding the URL. With Sentinels it is that of the master.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Sets the database, overriding the URL. With Sentinels it is that of the master. A cluster
    /// has only the database 0.
    pub fn database(mut self, number: u32) -> Self {
        self.database = Some(number);
        self
    }

    /// Sets how long making a connection may take, including TLS, authentication and the first
    /// reply of the server. Meanwhile the server may be silent for
    /// [`response_timeout`](Self::response_timeout). Only a name lookup of a [`Client`] has the
    /// system's own limit instead. Defaults to 5 seconds.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect_timeout = time.min(LONGEST);
        self
    }

    /// Sets how long the server may be silent while a reply is outstanding, on top of the time that
    /// a waiting call is to wait. Defaults to 5 seconds. Every byte that arrives counts as
    /// activity, so that a large reply over a slow link does not time out;
    /// [`call_timeout`](Self::call_timeout) bounds the whole call. On an `AsyncClient` both limits
    /// are checked four times within the shorter one, so a call may take a quarter longer. A waiting
    /// call outlasts this on a frozen server, since its item may be on the way.
    pub fn response_timeout(mut self, time: Duration) -> Self {
        self.response_timeout = time.min(LONGEST);
        self
    }

    /// Sets how long a call may take as a whole, on top of the time that it is to wait. This
    /// includes connecting, redirects and retries, whatever the servers do. On a `Client`, a part of a
    /// reply that has arrived by then is still read, for up to a second. Defaults to 60 seconds.
    pub fn call_timeout(mut self, time: Duration) -> Self {
        self.call_timeout = time.min(LONGEST);
        self
    }

    /// Sets how long a call is retried while a cluster or Sentinels have no server for it, as long
    /// as it is certain that it was not applied. Defaults to 20 seconds. With a single server there
    /// are no such retries.
    pub fn failover_timeout(mut self, time: Duration) -> Self {
        self.failover_timeout = time.min(LONGEST);
        self
    }

    /// Sets the name of the connections in the server's `CLIENT LIST`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Connects at the first call rather than now.
    pub fn lazy(mut self) -> Self {
        self.lazy = true;
        self
    }

    /// Trusts these root certificates instead of those of the system, as PEM.
    #[cfg(feature = "tls")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.roots = Some(pem.into());
        self
    }

    /// Sets the client's certificate chain and private key, as PEM.
    #[cfg(feature = "tls")]
    pub fn client_certificate(
        mut self,
        certificates: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.certificates.client = Some((certificates.into(), key.into()));
        self
    }
}

impl ClientBuilder<Client> {
    /// Sets how many connections to each server all threads share, at most 1,024. Defaults to 2,
    /// which suits up to hundreds of threads. More help if values are large or the server is far
    /// away. A program with one thread uses one. Undoes [`pooled`](Self::pooled).
    ///
    /// Calls that several threads make at the same time travel together, and a large reply delays
    /// those behind it. So some calls are kept apart: waiting calls, requests of more than 64 KiB,
    /// calls of more than 256 keys, fields or items, and those such as `HGETALL` that return a
    /// whole collection or a page of it. That the reply to a `get` is large is not known in
    /// advance. The client remembers keys whose last reply was larger than 64 KiB and keeps calls
    /// on them apart.
    pub fn shared_connections(mut self, connections: u32) -> Self {
        (self.shared_connections, self.pooled) = (connections, None);
        self
    }

    /// Gives each call a connection of its own, one of at most this many to each server. The number
    /// is for all calls but waiting ones, and at most 65,535. It replaces
    /// [`shared_connections`](Self::shared_connections), unless that is set later, and
    /// [`pool_size`](Self::pool_size).
    pub fn pooled(mut self, connections: u32) -> Self {
        self.pooled = Some(connections);
        self
    }

    /// Sets the maximum number of connections to each server for calls that are kept apart from the
    /// [shared](Self::shared_connections) ones, and for calls to several nodes of a cluster, which
    /// share connections while none of these is free. At most 65,535. Defaults to 10.
    pub fn pool_size(mut self, connections: u32) -> Self {
        self.pool_size = connections;
        self
    }

    /// Uses a pool of your own, which may be shared with other code, for a single server. It takes
    /// all calls but waiting ones, so [`shared_connections`](Self::shared_connections),
    /// [`pooled`](Self::pooled) and [`pool_size`](Self::pool_size) do not apply. The URL still
    /// serves for waiting calls and for the replacement of broken connections.
    ///
    /// Checkout follows the settings of that pool: without `test_on_check_out(false)` every call
    /// takes two round trips, and its time limits are its own.
    ///
    /// Its connections are those of the `redis` crate, which cannot resume a system call that a
    /// signal interrupted: that counts as a lost connection. Nor does
    /// [`call_timeout`](Self::call_timeout) end a reply whose bytes keep arriving, and a reply
    /// without an end has no bound.
    #[cfg(feature = "r2d2-pool")]
    pub fn pool(mut self, pool: r2d2::Pool<redis::Client>) -> Self {
        self.pool = Some(pool);
        self
    }

    /// Sets how long a call waits for a free connection of the pool. Defaults to 5 seconds.
    pub fn checkout_timeout(mut self, time: Duration) -> Self {
        self.checkout_timeout = time.min(LONGEST);
        self
    }
}

/// Shows no URL and no password: a URL may contain one.
impl<C> fmt::Debug for ClientBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("shared_connections", &self.shared_connections)
            .field("pool_size", &self.pool_size)
            .field("pooled", &self.pooled)
            .field("checkout_timeout", &self.checkout_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("call_timeout", &self.call_timeout)
            .field("failover_timeout", &self.failover_timeout)
            .field("name", &self.name)
            .field("lazy", &self.lazy)
            .finish_non_exhaustive()
    }
}

fn owned(urls: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    urls.into_iter().map(|url| url.as_ref().to_owned()).collect()
}

/// One more than keeps a server with one thread busy: while one batch is executed, the next is made.
const SHARED_CONNECTIONS: u32 = 2;

/// Places for connections are made in advance.
const MOST_SHARED_CONNECTIONS: u32 = 1024;
const MOST_POOLED_CONNECTIONS: u32 = 65_535;

/// A century, short enough that times and limits can still be added to it.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
