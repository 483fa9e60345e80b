//! Constructors of clients.

use super::blocking::Client;
use super::builder::ClientBuilder;
#[cfg(feature = "async")]
use super::tokio::AsyncClient;
use crate::error::Result;

impl Client {
    /// Connects to a server: `redis://user:password@host:port/database`, the same with `rediss` for
    /// TLS, or `unix:///path/to/socket?db=0&user=…&pass=…`. In each the database may be the
    /// parameter `db`, and `protocol` is `resp2` or `resp3`. Other parameters are refused. A user
    /// without a password has an empty one, which a user with `nopass` needs.
    pub fn open(url: &str) -> Result<Self> {
        Self::builder(url).build()
    }

    /// Returns the settings of a client for a server: numbers of connections, time limits, a name.
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder::one(url)
    }

    /// Connects to a cluster, given the URLs of some of its nodes.
    ///
    /// Every collection works as with one server. Commands for several nodes are sent to all of
    /// them at the same time, as far as connections are free. A command whose keys lie in several
    /// slots fails before it is sent, except for those of a `RedisDict` that can be divided.
    pub fn cluster(urls: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self> {
        Self::cluster_builder(urls).build()
    }

    /// Returns the settings of a client for a cluster.
    pub fn cluster_builder(urls: impl IntoIterator<Item = impl AsRef<str>>) -> ClientBuilder {
        ClientBuilder::cluster(urls)
    }

    /// Connects to the master that Sentinels know by `name`.
    ///
    /// The URLs are those of the Sentinels. The master's own user, password and database are set
    /// with [`sentinel_builder`](Self::sentinel_builder).
    pub fn sentinel(urls: impl IntoIterator<Item = impl AsRef<str>>, name: &str) -> Result<Self> {
        Self::sentinel_builder(urls, name).build()
    }

    /// Returns the settings of a client for a master that Sentinels monitor.
    pub fn sentinel_builder(
        urls: impl IntoIterator<Item = impl AsRef<str>>,
        name: &str,
    ) -> ClientBuilder {
        ClientBuilder::sentinel(urls, name)
    }
}

#[cfg(feature = "async")]
impl AsyncClient {
    /// Connects to a server: `redis://user:password@host:port/database`, the same with `rediss` for
    /// TLS, or `unix:///path/to/socket?db=0&user=…&pass=…`. In each the database may be the
    /// parameter `db`, and `protocol` is `resp2` or `resp3`. Other parameters are refused. A user
    /// without a password has an empty one, which a user with `nopass` needs.
    pub async fn open(url: &str) -> Result<Self> {
        Self::builder(url).build().await
    }

    /// Returns the settings of a client for a server: time limits, a name.
    pub fn builder(url: &str) -> ClientBuilder<Self> {
        ClientBuilder::one(url)
    }

    /// Connects to a cluster, given the URLs of some of its nodes.
    ///
    /// Every collection works as with one server. Commands for several nodes are sent to all of
    /// them at the same time. A command whose keys lie in several slots fails before it is sent,
    /// except for those of a `RedisDict` that can be divided.
    pub async fn cluster(urls: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self> {
        Self::cluster_builder(urls).build().await
    }

    /// Returns the settings of a client for a cluster.
    pub fn cluster_builder(urls: impl IntoIterator<Item = impl AsRef<str>>) -> ClientBuilder<Self> {
        ClientBuilder::cluster(urls)
    }

    /// Connects to the master that Sentinels know by `name`.
    ///
    /// The URLs are those of the Sentinels. The master's own user, password and database are set
    /// with [`sentinel_builder`](Self::sentinel_builder).
    pub async fn sentinel(
        urls: impl IntoIterator<Item = impl AsRef<str>>,
        name: &str,
    ) -> Result<Self> {
        Self::sentinel_builder(urls, name).build().await
    }

    /// Returns the settings of a client for a master that Sentinels monitor.
    pub fn sentinel_builder(
        urls: impl IntoIterator<Item = impl AsRef<str>>,
        name: &str,
    ) -> ClientBuilder<Self> {
        ClientBuilder::sentinel(urls, name)
    }
}
