//! A real cluster of servers on 127.0.0.1.

mod account;
mod creation;
mod nodes;
mod view;

use super::{NEVER_BUSY, Outcome, run};
use crate::send_signal;
pub use account::Witness;
use nodes::ClusterHistory;
pub use nodes::{Cluster, MASTERS, NODES, SLOTS};
use redis::{RedisResult, ToRedisArgs, cmd};
use redis_collections::LocalServer;
use std::time::{Duration, Instant};
use std::{io, thread};

const KEYS_PER_MIGRATION: usize = 100;
const FAILOVER_RETRY_INTERVAL: Duration = Duration::from_secs(6);

impl Cluster {
    pub fn start() -> Outcome<Self> {
        Self::start_with(&[])
    }

    /// The nodes have further arguments; a password among them is used for everything.
    pub fn start_with(arguments: &[&str]) -> Outcome<Self> {
        let password = arguments.windows(2).find(|pair| pair[0] == "--requirepass");
        let password = password.map(|pair| pair[1]);
        // Longer than a busy machine lets a node that is well be silent.
        let mut all = vec!["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
        // A replica may always take over, and begins to follow its master without delay.
        all.extend(["--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"]);
        // Elections are in the log.
        all.extend(["--loglevel", "notice"]);
        all.extend(password.iter().flat_map(|password| ["--masterauth", password]));
        all.extend(NEVER_BUSY);
        all.extend(arguments);
        let nodes: io::Result<_> = thread::scope(|scope| {
            let starting = [(); NODES].map(|()| scope.spawn(|| LocalServer::start_with(&all)));
            starting.map(|node| node.join().expect("no panic")).into_iter().collect()
        });
        let password = password.map(str::to_owned);
        let history = ClusterHistory::default();
        let mut cluster = Self { nodes: nodes?, is_responsive: [true; NODES], password, history };
        creation::create(&cluster)?;
        cluster.wait_until_healthy()?;
        cluster.remember_roles()?;
        Ok(cluster)
    }

    pub fn key_slot(&self, key: impl ToRedisArgs) -> Outcome<u16> {
        let mut command = cmd("CLUSTER");
        Ok(run(&self.url(self.any()?), command.arg("KEYSLOT").arg(key))?)
    }

    /// The node that the nodes which run hold for the master of a slot.
    pub fn master_of(&self, slot: u16) -> Outcome<usize> {
        let nodes = self.view(self.any()?)?;
        let master = nodes.iter().find(|node| node.has_slot(slot));
        self.index_of(master.ok_or_else(|| format!("no master has slot {slot}"))?)
    }

    /// The slots that a node has as a master.
    pub fn slots_of(&self, master: usize) -> Outcome<Vec<u16>> {
        let nodes = self.view(self.any()?)?;
        let port = self.nodes[master].port();
        let master = nodes.iter().find(|node| node.port == port).ok_or("an unknown node")?;
        Ok((0..SLOTS).filter(|&slot| master.has_slot(slot)).collect())
    }

    pub fn another_master(&self, than: usize) -> Outcome<usize> {
        for index in self.responsive().filter(|&index| index != than) {
            if !self.slots_of(index)?.is_empty() {
                return Ok(index);
            }
        }
        Err("no other master".into())
    }

    pub fn replica_of(&self, master: usize) -> Outcome<usize> {
        let nodes = self.view(self.any()?)?;
        let port = self.nodes[master].port();
        let master = nodes.iter().find(|node| node.port == port);
        let replica = master.and_then(|master| nodes.iter().find(|node| node.follows(master)));
        self.index_of(replica.ok_or("no replica of this master")?)
    }

    /// Ends a node as a crash would.
    pub fn kill(&mut self, index: usize) -> io::Result<()> {
        self.is_responsive[index] = false;
        self.nodes[index].stop()
    }

    /// Starts a node again and waits until the cluster is complete.
    ///
    /// To have lost its data without its replica taking over, restart it at once.
    pub fn restart(&mut self, index: usize) -> Outcome {
        self.remember_log(index);
        self.nodes[index].restart()?;
        self.is_responsive[index] = true;
        self.wait_until_healthy()
    }

    /// Lets a node hang: its connections stay open.
    pub fn pause(&mut self, index: usize) -> io::Result<()> {
        self.is_responsive[index] = false;
        send_signal("STOP", self.nodes[index].process_id()).map(drop)
    }

    /// Lets a node go on, without waiting for anything.
    pub fn resume(&mut self, index: usize) -> io::Result<()> {
        self.is_responsive[index] = true;
        send_signal("CONT", self.nodes[index].process_id()).map(drop)
    }

    pub fn wait_for_new_master(&self, slot: u16, old: usize) -> Outcome<usize> {
        self.wait("another master", || {
            let master = self.master_of(slot)?;
            Ok(master != old && self.agrees_that(slot, master)?)
        })?;
        self.master_of(slot)
    }

    /// Makes a replica the master and its master the replica.
    pub fn failover(&self, replica: usize) -> Outcome {
        let port = self.nodes[replica].port();
        let mut asked = None;
        self.wait("the failover", || {
            // A try that the others have refused ends after five seconds.
            if asked.is_none_or(|asked: Instant| asked.elapsed() > FAILOVER_RETRY_INTERVAL) {
                self.ask::<()>(replica, "CLUSTER FAILOVER")?;
                asked = Some(Instant::now());
            }
            let nodes = self.view(replica)?;
            Ok(nodes.iter().any(|node| node.port == port && node.master.is_none()))
        })?;
        self.wait_until_healthy()
    }

    pub fn move_slot(&self, slot: u16, from: usize, to: usize) -> Outcome {
        self.begin_move(slot, from, to)?;
        self.finish_move(slot, from, to)
    }

    /// From now on `from` sends clients to `to` with ASK for the keys it does not have.
    pub fn begin_move(&self, slot: u16, from: usize, to: usize) -> Outcome {
        let (source, target) = (self.id_of(from)?, self.id_of(to)?);
        self.ask::<()>(to, &format!("CLUSTER SETSLOT {slot} IMPORTING {source}"))?;
        Ok(self.ask(from, &format!("CLUSTER SETSLOT {slot} MIGRATING {target}"))?)
    }

    pub fn move_keys(&self, keys: &[Vec<u8>], from: usize, to: usize) -> Outcome {
        let mut command = cmd("MIGRATE");
        command.arg("127.0.0.1").arg(self.nodes[to].port()).arg("").arg(0).arg(5000);
        if let Some(password) = &self.password {
            command.arg("AUTH").arg(password);
        }
        Ok(run(&self.url(from), command.arg("KEYS").arg(keys))?)
    }

    /// Moves the keys that are still there, and then the slot.
    pub fn finish_move(&self, slot: u16, from: usize, to: usize) -> Outcome {
        let next = format!("CLUSTER GETKEYSINSLOT {slot} {KEYS_PER_MIGRATION}");
        loop {
            let keys: Vec<Vec<u8>> = self.ask(from, &next)?;
            if keys.is_empty() {
                break;
            }
            self.move_keys(&keys, from, to)?;
        }
        let target = self.id_of(to)?;
        for index in [to, from] {
            self.ask::<()>(index, &format!("CLUSTER SETSLOT {slot} NODE {target}"))?;
        }
        self.wait("the move of a slot", || self.agrees_that(slot, to))
    }

    /// Waits until all nodes are in sync, serve all slots, and know the same of each other.
    pub fn wait_until_healthy(&self) -> Outcome {
        self.wait("a healthy cluster", || {
            let nodes = self.view(0)?;
            let replicas = nodes.iter().filter(|node| node.master.is_some()).count();
            let mut in_sync = 0;
            for index in 0..NODES {
                let replication: String = self.ask(index, "INFO replication")?;
                if !self.is_content(index)?
                    || self.view(index)? != nodes
                    || replication.contains("master_link_status:down")
                {
                    return Ok(false);
                }
                in_sync += replication.matches("state=online").count();
            }
            let complete = nodes.len() == NODES && nodes.iter().all(|node| node.reachable);
            Ok(complete && replicas == NODES - MASTERS && in_sync == replicas)
        })
    }

    fn agrees_that(&self, slot: u16, master: usize) -> Outcome<bool> {
        let port = self.nodes[master].port();
        for index in self.responsive() {
            let nodes = self.view(index)?;
            let agrees = nodes.iter().any(|node| node.has_slot(slot) && node.port == port);
            if !agrees || !self.is_content(index)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_content(&self, index: usize) -> RedisResult<bool> {
        let info: String = self.ask(index, "CLUSTER INFO")?;
        Ok(info.contains("cluster_state:ok"))
    }
}

/// Prints the history of the cluster if the test that owns it panics.
impl Drop for Cluster {
    fn drop(&mut self) {
        drop(Witness(self));
    }
}
