//! The servers that were found last, and the nodes that reach them.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::slots::Topology;

/// The topology found last, with a node for each of its servers. Owned by the servers of a client,
/// and replaced as a whole.
pub(super) struct ServerMap<N>(RwLock<Found<N>>);

/// A topology and its nodes. Without servers nothing was found yet.
struct Found<N> {
    topology: Arc<Topology>,
    /// In the order of the topology's servers.
    nodes: Vec<Arc<N>>,
    /// When it was last confirmed, or `None` if it is stale.
    confirmed: Option<Instant>,
}

impl<N> ServerMap<N> {
    pub(super) fn new() -> Self {
        let topology = Arc::new(Topology::new([]));
        Self(RwLock::new(Found { topology, nodes: Vec::new(), confirmed: None }))
    }

    /// Replaces all servers by those of `topology`, reached by `nodes` in the same order.
    pub(super) fn replace(&self, topology: Topology, nodes: Vec<Arc<N>>) {
        let confirmed = Some(Instant::now());
        self.write(|found| *found = Found { topology: Arc::new(topology), nodes, confirmed });
    }

    pub(super) fn topology(&self) -> Arc<Topology> {
        self.read(|found| found.topology.clone())
    }

    pub(super) fn nodes(&self) -> Vec<Arc<N>> {
        self.read(|found| found.nodes.clone())
    }

    /// Returns whether no servers were found yet.
    pub(super) fn is_empty(&self) -> bool {
        self.read(|found| found.nodes.is_empty())
    }

    /// The server that owns `slot`, or any if there is none.
    pub(super) fn owner(&self, slot: Option<u16>) -> Option<Arc<N>> {
        self.read(|found| {
            let server = slot.map_or(Some(0), |slot| found.topology.owner(slot))?;
            found.nodes.get(server).cloned()
        })
    }

    /// The server at an address.
    pub(super) fn at(&self, address: &str) -> Option<Arc<N>> {
        self.read(|found| {
            let mut servers = found.topology.servers().iter().zip(&found.nodes);
            servers.find(|(server, _)| ***server == *address).map(|(_, node)| node.clone())
        })
    }

    /// Records that the servers are still these.
    pub(super) fn confirm(&self) {
        self.write(|found| found.confirmed = Some(Instant::now()));
    }

    /// Records that the servers may be others by now.
    pub(super) fn mark_stale(&self) {
        self.write(|found| found.confirmed = None);
    }

    /// Returns whether the servers were confirmed within the last `time`, and not marked stale
    /// since.
    pub(super) fn is_confirmed(&self, time: Duration) -> bool {
        self.read(|found| found.confirmed.is_some_and(|confirmed| confirmed.elapsed() < time))
    }

    fn read<T>(&self, see: impl FnOnce(&Found<N>) -> T) -> T {
        see(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, change: impl FnOnce(&mut Found<N>)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}
