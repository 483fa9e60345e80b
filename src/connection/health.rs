//! Whether the servers of a client can be reached, as far as its calls show, and what to log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::Value;

use super::transport_error::TransportError;
use crate::episode::Episode;
use crate::error::code::is_no_master;
use crate::lock::Lock;
use crate::logs;
use crate::reply::code_and_details;

/// The health of all servers of a client. Its connectors, and the clients beside it, share this.
#[derive(Default)]
pub(crate) struct ClientHealth {
    /// Whether the client is open. Until then its builder returns what fails.
    is_open: Arc<AtomicBool>,
    servers: Lock<Vec<Arc<ServerHealth>>>,
}

/// The health of one server.
pub(crate) struct ServerHealth {
    address: String,
    is_open: Arc<AtomicBool>,
    /// Whether there is anything to record when the server answers: all that a call that succeeds
    /// reads.
    is_troubled: AtomicBool,
    lost: Episode,
    demoted: Episode,
}

impl ClientHealth {
    /// Begins to log.
    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::Relaxed);
    }

    /// The health of the server at an address. One that no node has any more may be forgotten.
    pub(crate) fn server(&self, address: &str) -> Arc<ServerHealth> {
        let mut servers = self.servers.lock();
        if let Some(known) = servers.iter().find(|server| server.address == address) {
            return known.clone();
        }
        if servers.len() >= MAX_UNUSED {
            servers.retain(|server| Arc::strong_count(server) > 1);
        }
        let server = Arc::new(ServerHealth {
            address: address.to_owned(),
            is_open: self.is_open.clone(),
            is_troubled: AtomicBool::new(false),
            lost: Episode::default(),
            demoted: Episode::default(),
        });
        servers.push(server.clone());
        server
    }
}

impl ServerHealth {
    /// Records that the server answered. `writes` returns whether the client wrote.
    pub(crate) fn answered(&self, replies: &[Value], writes: impl FnOnce() -> bool) {
        let refusal = replies.iter().find_map(demotion);
        if self.is_troubled.load(Ordering::Relaxed) || refusal.is_some() {
            self.changed(refusal, writes);
        }
    }

    /// Records that the server could not be reached, or did not answer.
    pub(crate) fn failed(&self, fault: &TransportError) {
        let Some(reason) = fault.unreachable() else { return };
        if self.is_open.load(Ordering::Relaxed) && self.lost.begins() {
            logs::connection_lost(&self.address, &reason);
            // Only now may an answer log that the connection is restored.
            self.is_troubled.store(true, Ordering::Relaxed);
        }
    }

    #[cold]
    fn changed(&self, refusal: Option<&str>, writes: impl FnOnce() -> bool) {
        self.is_troubled.store(false, Ordering::Relaxed);
        if let Some(outage) = self.lost.ends() {
            logs::connection_restored(&self.address, outage);
        }
        match refusal {
            Some(code) if self.demoted.begins() => logs::demoted(&self.address, code),
            None if self.demoted.is_on() && writes() && self.demoted.ends().is_some() => {
                logs::promoted(&self.address);
            }
            _ => {}
        }
        if self.lost.is_on() || self.demoted.is_on() {
            self.is_troubled.store(true, Ordering::Relaxed);
        }
    }
}

/// The code of a refusal because the server is not a master.
fn demotion(reply: &Value) -> Option<&str> {
    let Value::ServerError(error) = reply else { return None };
    let (code, _) = code_and_details(error);
    is_no_master(code).then_some(code)
}

/// How many servers are known before those that no node has are forgotten.
const MAX_UNUSED: usize = 64;
