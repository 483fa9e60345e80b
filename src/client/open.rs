//! How clients are opened.

use super::blocking::Client;
use super::builder::ClientBuilder;
#[cfg(feature = "async")]
use super::tokio::AsyncClient;
use crate::error::Result;

impl Client {
    /// Connects to a server: `redis://user:password@host:port/database`, the same with `rediss` for
    /// TLS, or `unix:///path/to/socket?db=0&user=…&pass=…`. The database may be the parameter `db` of each,
    /// and `protocol` is `resp2` or `resp3`. Other parameters are refused.
    pub fn open(url: &str) -> Result<Self> {
        Self::builder(url).build()
    }

    /// Settings of a client for a server: the pool, time limits, a name.
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder::one(url)
    }

    /// Connects to a cluster, of which some nodes are named.
    ///
    /// Every collection works as with one server. What goes to several nodes goes to all of them at
    /// the same time. A command whose keys lie in several slots is an error before it is sent, except
    /// for those of a `RedisDict` that can be divided.
    pub fn cluster(urls: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self> {
        Self::cluster_builder(urls).build()
    }

    /// Settings of a client for a cluster.
    pub fn cluster_builder(urls: impl IntoIterator<Item = impl AsRef<str>>) -> ClientBuilder {
        ClientBuilder::cluster(urls)
    }

    /// Connects to the master that Sentinels know by `name`.
    ///
    /// The URLs are those of the Sentinels. What the master itself demands is said by
    /// [`sentinel_builder`](Self::sentinel_builder).
    pub fn sentinel(urls: impl IntoIterator<Item = impl AsRef<str>>, name: &str) -> Result<Self> {
        Self::sentinel_builder(urls, name).build()
    }

    /// Settings of a client for a master that Sentinels know.
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
    /// TLS, or `unix:///path/to/socket?db=0&user=…&pass=…`. The database may be the parameter `db` of each,
    /// and `protocol` is `resp2` or `resp3`. Other parameters are refused.
    pub async fn open(url: &str) -> Result<Self> {
        Self::builder(url).build().await
    }

    /// Settings of a client for a server: time limits, a name.
    pub fn builder(url: &str) -> ClientBuilder<Self> {
        ClientBuilder::one(url)
    }

    /// Connects to a cluster, of which some nodes are named.
    ///
    /// Every collection works as with one server. What goes to several nodes goes to all of them at
    /// the same time. A command whose keys lie in several slots is an error before it is sent, except
    /// for those of a `RedisDict` that can be divided.
    pub async fn cluster(urls: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self> {
        Self::cluster_builder(urls).build().await
    }

    /// Settings of a client for a cluster.
    pub fn cluster_builder(urls: impl IntoIterator<Item = impl AsRef<str>>) -> ClientBuilder<Self> {
        ClientBuilder::cluster(urls)
    }

    /// Connects to the master that Sentinels know by `name`.
    ///
    /// The URLs are those of the Sentinels. What the master itself demands is said by
    /// [`sentinel_builder`](Self::sentinel_builder).
    pub async fn sentinel(
        urls: impl IntoIterator<Item = impl AsRef<str>>,
        name: &str,
    ) -> Result<Self> {
        Self::sentinel_builder(urls, name).build().await
    }

    /// Settings of a client for a master that Sentinels know.
    pub fn sentinel_builder(
        urls: impl IntoIterator<Item = impl AsRef<str>>,
        name: &str,
    ) -> ClientBuilder<Self> {
        ClientBuilder::sentinel(urls, name)
    }
}
