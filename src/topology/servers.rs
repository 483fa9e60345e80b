//! The servers of a client: one, the master that Sentinels name, or the masters of a cluster.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::cluster::{self, Seeds};
use super::failover::FailoverLog;
use super::sentinel::Sentinels;
use super::server_map::ServerMap;
use super::slots::Topology;
use crate::connection::Connector;
use crate::connection::Node;
use crate::connection::{TransportError, TransportResult};
use crate::error::{Error, Result};
use crate::time::Deadline;

/// The servers of a client and the current map of them.
pub(crate) struct Servers<N: Node> {
    discovery: Discovery<N>,
    settings: N::Settings,
    /// The parameters of connections to servers that are found: everything but the address.
    template: Connector,
    /// The server, if it is fixed.
    only: Option<Arc<N>>,
    map: ServerMap<N>,
    refreshing: AtomicBool,
    redirections: AtomicU64,
    failover_timeout: Duration,
    failovers: Arc<FailoverLog>,
}

/// How the servers are found.
pub(crate) enum Discovery<N> {
    Fixed,
    Sentinel(Sentinels<N>),
    Cluster(Seeds<N>),
}

/// The state of the routes of requests. While it is unchanged, requests end where they are sent.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteVersion {
    pub(crate) topology: Arc<Topology>,
    redirections: u64,
}

/// A server that can be asked immediately.
pub(crate) enum Ready<'a, N> {
    Only(&'a N),
    Found(Arc<N>),
}

impl<N> Deref for Ready<'_, N> {
    type Target = N;

    fn deref(&self) -> &N {
        match self {
            Ready::Only(node) => node,
            Ready::Found(node) => node,
        }
    }
}

/// The server to ask.
#[derive(Debug, Clone)]
pub(crate) enum Destination {
    /// The one that owns this slot, or any.
    Slot(Option<u16>),
    /// The one at this address, whatever slots it owns.
    Address(Arc<str>),
}

impl Destination {
    /// The server at `address`, which is the only one unless there is a cluster.
    pub(crate) fn at(address: &Arc<str>, is_cluster: bool) -> Self {
        if is_cluster { Destination::Address(address.clone()) } else { Destination::Slot(None) }
    }
}

impl<N: Node> Servers<N> {
    /// The one server of `connector`, which never changes.
    pub(crate) fn fixed(connector: Connector, settings: N::Settings) -> Self {
        let topology = Topology::one(&connector.address);
        let mut servers =
            Self::found(Discovery::Fixed, connector.clone(), settings, Duration::ZERO);
        let node = Arc::new(N::new(connector, &servers.settings));
        servers.only = Some(node.clone());
        servers.map.replace(topology, vec![node]);
        servers
    }

    /// Servers that are discovered. A call waits for up to `failover_timeout` while one takes over
    /// from another.
    pub(crate) fn found(
        discovery: Discovery<N>,
        template: Connector,
        settings: N::Settings,
        failover_timeout: Duration,
    ) -> Self {
        let (only, map) = (None, ServerMap::new());
        let (refreshing, redirections) = (AtomicBool::new(false), AtomicU64::new(0));
        Self {
            discovery,
            settings,
            template,
            only,
            map,
            refreshing,
            redirections,
            failover_timeout,
            failovers: Arc::default(),
        }
    }

    /// The same servers, with connections of another kind.
    pub(crate) fn of_kind<M: Node>(&self, settings: M::Settings) -> Servers<M> {
        let discovery = match &self.discovery {
            Discovery::Fixed => return Servers::fixed(self.template.clone(), settings),
            Discovery::Sentinel(sentinels) => Discovery::Sentinel(sentinels.of_kind(&settings)),
            Discovery::Cluster(seeds) => Discovery::Cluster(seeds.of_kind(&settings)),
        };
        let servers =
            Servers::found(discovery, self.template.clone(), settings, self.failover_timeout);
        Servers { failovers: self.failovers.clone(), ..servers }
    }

    /// The name of the servers in messages, without passwords.
    pub(crate) fn address(&self) -> String {
        match &self.discovery {
            Discovery::Fixed => self.template.address.clone(),
            Discovery::Sentinel(sentinels) => sentinels.address(),
            Discovery::Cluster(seeds) => seeds.address(),
        }
    }

    /// The number of the database.
    pub(crate) fn database(&self) -> i64 {
        self.template.information().redis_settings().db()
    }

    /// Records that the client is open: from now on what happens to its servers is logged.
    pub(crate) fn open(&self) {
        self.template.open();
    }

    pub(crate) fn failover_timeout(&self) -> Duration {
        self.failover_timeout
    }

    /// The deadline of a call that begins now.
    pub(crate) fn deadline(&self) -> Deadline {
        self.template.deadline()
    }

    pub(crate) fn call_timeout(&self) -> Duration {
        self.template.call_timeout
    }

    /// Returns whether there is one server for ever, so that there is nothing to discover.
    pub(crate) fn are_fixed(&self) -> bool {
        matches!(self.discovery, Discovery::Fixed)
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.discovery, Discovery::Cluster(_))
    }

    /// The server to ask, if nothing must be found out first.
    pub(crate) fn ready(&self, to: &Destination) -> Option<Ready<'_, N>> {
        match (&self.only, to) {
            (Some(only), _) => Some(Ready::Only(only)),
            (None, Destination::Slot(slot)) if !self.is_stale() => {
                self.owner(*slot).ok().map(Ready::Found)
            }
            _ => None,
        }
    }

    /// Returns the server to ask, which is found by `deadline` if necessary.
    pub(crate) async fn node(
        &self,
        to: &Destination,
        deadline: Deadline,
    ) -> TransportResult<Arc<N>> {
        let node = match self.refresh_if_stale(deadline).await {
            Err(error) => Err(error),
            Ok(()) => match to {
                Destination::Slot(slot) => self.owner(*slot),
                Destination::Address(address) => self.at(address),
            },
        };
        node.map_err(|error| TransportError::connect(self.address(), error))
    }

    pub(crate) async fn topology(&self, deadline: Deadline) -> Result<Arc<Topology>> {
        self.refresh_if_stale(deadline).await?;
        Ok(self.map.topology())
    }

    /// Returns whether `topology` is still known to be true, including by `node` for the slots that
    /// it owns itself.
    pub(crate) async fn confirms(&self, topology: &Arc<Topology>, node: &N) -> bool {
        let deadline = self.deadline();
        let known = self.topology(deadline).await;
        known.is_ok_and(|known| known == *topology) && self.is_owner(topology, node, deadline).await
    }

    /// The current route version.
    pub(crate) fn route_version(&self) -> RouteVersion {
        let topology = self.map.topology();
        RouteVersion { topology, redirections: self.redirections.load(Ordering::Acquire) }
    }

    /// Records that a request was redirected from the server to which it was sent first.
    pub(crate) fn count_redirection(&self) {
        self.redirections.fetch_add(1, Ordering::AcqRel);
    }

    /// Causes the map to be refreshed before the next call.
    pub(crate) fn mark_stale(&self) {
        self.map.mark_stale();
    }

    /// Retires every kept connection to every server: none opened before this call is used again.
    pub(crate) fn retire_connections(&self) {
        self.map.nodes().iter().for_each(|node| node.retire_connections());
    }

    /// Finds the servers for the first time.
    pub(crate) async fn find(&self) -> Result<()> {
        let deadline = self.deadline();
        let topology = self.discover(deadline).await.map_err(|error| {
            // The error is about the last server that was asked.
            if error.is_connection_lost() || error.is_timeout() {
                Error::Connect { address: self.address(), source: Box::new(error) }
            } else {
                error
            }
        })?;
        if let Discovery::Cluster(seeds) = &self.discovery {
            seeds.check(&topology, deadline).await?;
        }
        self.install(topology)
    }

    /// Returns whether `node` has the slots according to `topology`. In a cluster it is the first
    /// to know.
    async fn is_owner(&self, topology: &Topology, node: &N, deadline: Deadline) -> bool {
        if !self.is_cluster() {
            return true;
        }
        let slots = cluster::slots(node, deadline).await;
        slots.is_ok_and(|slots| slots.agrees(topology, &node.connector().address))
    }

    /// The server that owns `slot`, or any if there is none.
    fn owner(&self, slot: Option<u16>) -> Result<Arc<N>> {
        self.map.owner(slot).ok_or_else(|| self.no_owner())
    }

    pub(crate) fn no_owner(&self) -> Error {
        Error::Connect { address: self.address(), source: NO_OWNER.into() }
    }

    /// The server at an address, which may be a new one.
    fn at(&self, address: &str) -> Result<Arc<N>> {
        let new = || Ok(Arc::new(N::new(self.template.toward(address)?, &self.settings)));
        self.map.at(address).map_or_else(new, Ok)
    }

    async fn refresh_if_stale(&self, deadline: Deadline) -> Result<()> {
        if self.is_stale() { self.refresh(deadline).await } else { Ok(()) }
    }

    /// Returns whether the map must be refreshed before it is used.
    fn is_stale(&self) -> bool {
        let trust = match self.discovery {
            Discovery::Fixed => return false,
            Discovery::Sentinel(_) => MASTER_CACHE_TTL,
            Discovery::Cluster(_) => Duration::MAX,
        };
        !self.map.is_confirmed(trust)
    }

    /// Refreshes the map, unless another call is doing so. If that fails, the old map stays.
    async fn refresh(&self, deadline: Deadline) -> Result<()> {
        if self.refreshing.swap(true, Ordering::AcqRel) {
            let deadline = deadline.within(self.failover_timeout);
            while self.map.is_empty() && !deadline.is_over() {
                N::pause(REFRESH_POLL_INTERVAL).await;
            }
            return Ok(());
        }
        let _end = Refreshing(&self.refreshing);
        let found = self.discover(deadline).await.and_then(|topology| self.install(topology));
        match found {
            Err(error) if self.map.is_empty() => Err(error),
            _ => {
                self.map.confirm();
                Ok(())
            }
        }
    }

    /// Asks for the servers, in the way of the client.
    async fn discover(&self, deadline: Deadline) -> Result<Topology> {
        match &self.discovery {
            Discovery::Fixed => Ok(Topology::one(&self.template.address)),
            Discovery::Sentinel(sentinels) => {
                let known = self.map.topology();
                sentinels.find_master(&known, |address| self.at(address), deadline).await
            }
            Discovery::Cluster(seeds) => seeds.find_servers(&self.map.nodes(), deadline).await,
        }
    }

    /// Replaces the map, keeping the nodes of known addresses.
    fn install(&self, topology: Topology) -> Result<()> {
        let nodes = topology.servers().iter().map(|address| self.at(address));
        let nodes = nodes.collect::<Result<_>>()?;
        self.failovers.found(&topology);
        self.map.replace(topology, nodes);
        Ok(())
    }
}

/// Marks the end of a refresh when it is dropped, even half-way.
struct Refreshing<'a>(&'a AtomicBool);

impl Drop for Refreshing<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

const NO_OWNER: &str = "no server is known to have the slot of the key";

/// A demoted master answers for some time, so Sentinels are asked this often.
const MASTER_CACHE_TTL: Duration = Duration::from_secs(1);
/// The interval of checks whether another caller, which asks for the first map, has it.
const REFRESH_POLL_INTERVAL: Duration = Duration::from_millis(5);
