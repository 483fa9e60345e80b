//! The nodes of a cluster, and the view of each.

use super::view::{self, Node};
use crate::servers::{Outcome, query, url, wait_for};
use redis::{FromRedisValue, RedisResult};
use redis_collections::LocalServer;

pub const MASTERS: usize = 3;
pub const NODES: usize = 2 * MASTERS;
pub const SLOTS: u16 = 16_384;

/// Three masters, each with one replica; the first three nodes begin as the masters.
///
/// Methods that change the cluster wait until all nodes that answer have learnt of it, except
/// `resume`. A node of Redis 7 that was elected, and then replaced, may fail to win another
/// election within four times the nodes' timeout.
pub struct Cluster {
    pub(super) nodes: Vec<LocalServer>,
    pub(super) is_responsive: [bool; NODES],
    pub(super) password: Option<String>,
    pub(super) history: ClusterHistory,
}

/// The roles of the nodes, with the epochs of their elections, and the logs of restarted nodes.
#[derive(Default)]
pub(super) struct ClusterHistory {
    pub(super) roles: Vec<String>,
    pub(super) logs: Vec<(usize, String)>,
}

impl Cluster {
    pub fn nodes(&self) -> &[LocalServer] {
        &self.nodes
    }

    /// The addresses of all nodes, with the password if there is one.
    pub fn urls(&self) -> Vec<String> {
        (0..NODES).map(|index| self.url(index)).collect()
    }

    pub fn url(&self, index: usize) -> String {
        url(self.nodes[index].port(), self.password.as_deref())
    }

    pub(super) fn view(&self, index: usize) -> Outcome<Vec<Node>> {
        view::parse(&self.ask::<String>(index, "CLUSTER NODES")?)
    }

    pub(super) fn id_of(&self, index: usize) -> RedisResult<String> {
        self.ask(index, "CLUSTER MYID")
    }

    pub(super) fn index_of(&self, node: &Node) -> Outcome<usize> {
        let index = self.nodes.iter().position(|server| server.port() == node.port);
        index.ok_or_else(|| format!("no node of this cluster: {node:?}").into())
    }

    pub(super) fn any(&self) -> Outcome<usize> {
        self.responsive().next().ok_or_else(|| "no node runs".into())
    }

    pub(super) fn responsive(&self) -> impl Iterator<Item = usize> {
        (0..NODES).filter(|&index| self.is_responsive[index])
    }

    pub(super) fn ask<T: FromRedisValue>(&self, index: usize, command: &str) -> RedisResult<T> {
        query(&self.url(index), command)
    }

    pub(super) fn wait(&self, what: &str, condition: impl FnMut() -> Outcome<bool>) -> Outcome {
        wait_for(what, condition).map_err(|error| {
            let nodes = self.responsive().map(|index| self.ask::<String>(index, "CLUSTER NODES"));
            format!("{error}, {:?}", nodes.collect::<Vec<_>>()).into()
        })
    }
}
