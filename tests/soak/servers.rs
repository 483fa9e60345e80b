//! A master and its replica, which change places.

use std::io;

use redis_collections::LocalServer;

use support::servers::{Outcome, query, wait_for};

pub(crate) struct Servers {
    servers: [LocalServer; 2],
    master: usize,
}

impl Servers {
    pub(crate) fn start() -> Outcome<Self> {
        let arguments =
            ["--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0"];
        let servers = [LocalServer::start_with(&arguments)?, LocalServer::start_with(&arguments)?];
        let this = Self { servers, master: 0 };
        query::<()>(this.replica().url(), &format!("REPLICAOF 127.0.0.1 {}", this.port()))?;
        Ok(this)
    }

    /// Of the master.
    pub(crate) fn url(&self) -> &str {
        self.servers[self.master].url()
    }

    /// Of the master.
    pub(crate) fn port(&self) -> u16 {
        self.servers[self.master].port()
    }

    /// Ends the master as a crash does. It has confirmed nothing that is not on the disk.
    pub(crate) fn kill_master(&mut self) -> io::Result<()> {
        self.servers[self.master].stop()
    }

    pub(crate) fn restart_master(&mut self) -> io::Result<()> {
        self.servers[self.master].restart()
    }

    /// Makes the replica the master and the master its replica. All that was confirmed has been
    /// replicated then, and the demoted master keeps its connections.
    pub(crate) fn exchange(&mut self) -> Outcome {
        let promoted = format!("FAILOVER TO 127.0.0.1 {}", self.replica().port());
        wait_for("a replica that follows", || self.is_in_sync())?;
        query::<()>(self.url(), &promoted)?;
        let exchanged = wait_for("the exchange", || {
            let (new, old) = (self.replication(1 - self.master)?, self.replication(self.master)?);
            Ok(new.contains("role:master") && old.contains("master_link_status:up"))
        });
        exchanged.map_err(|error| format!("{error}, {:?}", self.servers.each_ref().map(log_of)))?;
        self.master = 1 - self.master;
        // Until then what it confirms is not on its disk.
        wait_for("the new master's log", || {
            let info: String = query(self.url(), "INFO persistence")?;
            let writes_log = info.contains("aof_rewrite_in_progress:0\r")
                && info.contains("aof_rewrite_scheduled:0\r");
            Ok(writes_log)
        })
    }

    fn is_in_sync(&self) -> Outcome<bool> {
        Ok(self.replication(self.master)?.contains("state=online"))
    }

    fn replica(&self) -> &LocalServer {
        &self.servers[1 - self.master]
    }

    fn replication(&self, server: usize) -> Outcome<String> {
        Ok(query(self.servers[server].url(), "INFO replication")?)
    }
}

fn log_of(server: &LocalServer) -> String {
    std::fs::read_to_string(server.unix_socket().with_file_name("log")).unwrap_or_default()
}
