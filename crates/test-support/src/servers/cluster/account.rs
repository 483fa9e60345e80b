//! The history of a cluster, for a test that fails: whether there was a failover.

use super::nodes::{Cluster, NODES};
use crate::servers::Outcome;
use crate::servers::logs::{end_of, field, log_of};
use std::{fmt::Write, thread};

/// Prints the history of a cluster if the test that holds it panics.
pub struct Witness<'a>(pub &'a Cluster);

impl Cluster {
    /// Takes the present roles for those that the test begins with.
    pub(super) fn remember_roles(&mut self) -> Outcome {
        self.history.roles = self.roles()?;
        Ok(())
    }

    pub(super) fn remember_log(&mut self, index: usize) {
        let log = log_of(&self.nodes[index]);
        self.history.logs.push((index, log));
    }

    /// Whether no node was elected since the start: then none has lost a write that another one had
    /// acknowledged.
    pub fn has_kept_its_roles(&self) -> Outcome<bool> {
        Ok(self.roles()? == self.history.roles)
    }

    /// Which nodes were masters and which are, how far replication is, and the ends of the nodes'
    /// logs.
    pub fn account(&self) -> String {
        let mut account = String::new();
        let _ = match self.roles() {
            Ok(roles) if roles == self.history.roles => {
                writeln!(account, "no node was elected since the start: {roles:#?}")
            }
            roles => {
                let before = &self.history.roles;
                writeln!(account, "failovers since the start: {before:#?} became {roles:#?}")
            }
        };
        for (index, log) in &self.history.logs {
            let _ = writeln!(account, "node {index}, before it was restarted:\n{log}");
        }
        for (index, node) in self.nodes.iter().enumerate() {
            let info = self.ask::<String>(index, "INFO replication").unwrap_or_default();
            let [role, offset, switched] =
                ["role", "master_repl_offset", "second_repl_offset"].map(|name| field(&info, name));
            let (port, log) = (node.port(), log_of(node));
            let at = format!("{role} at {offset}, promoted at {switched}");
            let _ = writeln!(account, "node {index}, port {port}, {at}:\n{}", end_of(&log));
        }
        account
    }

    /// The masters with their epochs, as the first node that answers knows them, in the order of
    /// the nodes.
    fn roles(&self) -> Outcome<Vec<String>> {
        let reply: String = self.ask(self.any()?, "CLUSTER NODES")?;
        let master = |index: usize| {
            let address = format!("127.0.0.1:{}@", self.nodes[index].port());
            let line = reply.lines().find(|line| line.contains(&address))?;
            let fields: Vec<_> = line.split(' ').collect();
            (fields[3] == "-").then(|| format!("node {index} is a master of epoch {}", fields[6]))
        };
        Ok((0..NODES).filter_map(master).collect())
    }
}

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.0.account());
        }
    }
}
