//! From settings to a client.

#[cfg(feature = "async")]
use std::sync::Arc;
use std::time::Duration;

use super::{ClientBuilder, MOST_POOLED_CONNECTIONS, MOST_SHARED_CONNECTIONS, Named};
use crate::client::blocking::Client;
#[cfg(feature = "async")]
use crate::client::tokio::AsyncClient;
#[cfg(feature = "async")]
use crate::connection::AsyncNode;
use crate::connection::{BlockingNode, Connector, Node, PoolSettings};
use crate::error::{Error, Result};
use crate::routing::Router;
use crate::time::finish;
use crate::topology::{Discovery, Seeds, Sentinels, Servers, check_alike};

impl ClientBuilder<Client> {
    /// Builds the client and, unless [`lazy`](Self::lazy), makes a first connection.
    pub fn build(self) -> Result<Client> {
        let (shared, size) = self.connections();
        let pools = PoolSettings::new(shared, size, self.checkout_timeout);
        #[cfg(feature = "r2d2-pool")]
        let pools = pools.with_pool_of_user(self.pool.clone());
        #[cfg(feature = "r2d2-pool")]
        if self.pool.is_some() && !matches!(self.servers, Named::One(_)) {
            let reason = "a custom pool works only with a single server";
            return Err(Error::Configuration(reason.into()));
        }
        let router = self.router::<BlockingNode>(pools)?;
        if !self.lazy {
            finish(router.connect())?;
        }
        router.servers.open();
        Ok(Client::new(router))
    }
}

#[cfg(feature = "async")]
impl ClientBuilder<AsyncClient> {
    /// Builds the client and, unless [`lazy`](Self::lazy), makes a first connection.
    pub async fn build(self) -> Result<AsyncClient> {
        let router = self.router::<AsyncNode>(Arc::default())?;
        if !self.lazy {
            router.connect().await?;
        }
        router.servers.open();
        Ok(AsyncClient::new(router))
    }
}

impl<C> ClientBuilder<C> {
    /// Checks the settings and builds the router, without connecting.
    fn router<N: Node>(&self, settings: N::Settings) -> Result<Router<N>> {
        let times = [
            self.checkout_timeout,
            self.connect_timeout,
            self.response_timeout,
            self.call_timeout,
            self.failover_timeout,
        ];
        let (shared, size) = self.connections();
        if shared > Some(MOST_SHARED_CONNECTIONS) || size > MOST_POOLED_CONNECTIONS {
            let reason = "at most 1,024 connections to a server are shared, and 65,535 pooled";
            return Err(Error::Configuration(reason.into()));
        }
        let has_none = shared == Some(0) || size == 0;
        if has_none || times.iter().any(Duration::is_zero) {
            let reason = "the numbers of connections and every time limit must be more than zero";
            return Err(Error::Configuration(reason.into()));
        }
        let servers = match &self.servers {
            Named::One(url) => {
                Servers::fixed(self.with_credentials(self.connector(url)?)?, settings)
            }
            Named::Sentinels(urls, name) => {
                let mut sentinels = self.connectors(urls)?;
                let master = self.with_credentials(sentinels[0].anonymous()?)?;
                for sentinel in &mut sentinels {
                    sentinel.cap_timeouts(LONGEST_FOR_A_SENTINEL);
                }
                let nodes = sentinels.into_iter().map(|sentinel| N::new(sentinel, &settings));
                let discovery = Discovery::Sentinel(Sentinels::new(nodes.collect(), name.clone()));
                Servers::found(discovery, master, settings, self.failover_timeout)
            }
            Named::Cluster(urls) => {
                let seeds = self.connectors(urls)?;
                let seeds = seeds.into_iter().map(|seed| self.with_credentials(seed));
                let seeds = seeds.collect::<Result<Vec<_>>>()?;
                check_alike(&seeds)?;
                let template = seeds[0].clone();
                let nodes = seeds.into_iter().map(|seed| N::new(seed, &settings)).collect();
                let discovery = Discovery::Cluster(Seeds::new(nodes));
                Servers::found(discovery, template, settings, self.failover_timeout)
            }
        };
        Ok(Router::new(servers))
    }

    /// Returns how many connections calls share, if they do, and the size of the pool.
    fn connections(&self) -> (Option<u32>, u32) {
        match self.pooled {
            Some(size) => (None, size),
            None => (Some(self.shared_connections), self.pool_size),
        }
    }

    /// Returns the connectors to several servers, of which there is at least one.
    fn connectors(&self, urls: &[String]) -> Result<Vec<Connector>> {
        let mut connectors =
            urls.iter().map(|url| self.connector(url)).collect::<Result<Vec<_>>>()?;
        let Some((first, others)) = connectors.split_first_mut() else {
            return Err(Error::Configuration("no URL is given".into()));
        };
        others.iter_mut().for_each(|other| other.join(first));
        if connectors.iter().any(Connector::is_local) {
            let reason = "a cluster or Sentinel URL cannot be a Unix socket";
            return Err(Error::Configuration(reason.into()));
        }
        Ok(connectors)
    }

    fn connector(&self, url: &str) -> Result<Connector> {
        let mut connector = Connector::new(url)?;
        connector.connect_timeout = self.connect_timeout;
        connector.response_timeout = self.response_timeout;
        connector.call_timeout = self.call_timeout;
        connector.name = self.name.clone();
        #[cfg(feature = "tls")]
        let connector = self.certificates.applied(connector)?;
        Ok(connector)
    }

    /// Applies the user, password and database of the builder.
    fn with_credentials(&self, connector: Connector) -> Result<Connector> {
        let mut settings = connector.information().redis_settings().clone();
        if let Some(user) = &self.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        if let Some(database) = self.database {
            settings = settings.set_db(database.into());
        }
        connector.with(connector.information().clone().set_redis_settings(settings))
    }
}

/// The response timeout for one Sentinel, after which the others are asked.
const LONGEST_FOR_A_SENTINEL: Duration = Duration::from_secs(1);
