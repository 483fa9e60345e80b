use std::sync::Arc;
use std::time::Duration;

use super::retry_decision::RetryDecision;
use crate::connection::Node;
use crate::connection::TransportResult;
use crate::time::Wait;
use crate::time::{Deadline, Pauses};
use crate::topology::{Destination, Servers};

/// The routing state of one call: follows redirects, and backs off while one server takes over from
/// another.
pub(crate) struct Redirects {
    origin: Destination,
    pub(crate) destination: Destination,
    /// Whether `ASKING` must precede the command, since the server is importing the slot.
    pub(crate) asking: bool,
    /// The address of the server that was asked last, if one was.
    pub(crate) asked: String,
    redirections: u32,
    /// The deadline of the call.
    pub(crate) deadline: Deadline,
    failover: Option<(Deadline, Pauses)>,
}

impl Redirects {
    pub(crate) fn to(destination: Destination, deadline: Deadline) -> Self {
        let origin = destination.clone();
        let (asking, asked, redirections, failover) = (false, String::new(), 0, None);
        Self { origin, destination, asking, asked, redirections, deadline, failover }
    }

    /// Returns the server to ask.
    pub(crate) async fn node<N: Node>(&mut self, servers: &Servers<N>) -> TransportResult<Arc<N>> {
        let node = servers.node(&self.destination, self.deadline).await?;
        self.asked.clone_from(&node.connector().address);
        Ok(node)
    }

    /// Returns whether to retry after `decision`, and sets the destination. May pause.
    pub(crate) async fn should_retry<N: Node>(
        &mut self,
        servers: &Servers<N>,
        decision: RetryDecision,
    ) -> bool {
        let is_last = servers.failover_timeout() == Duration::ZERO || self.deadline.is_over();
        if decision == RetryDecision::Done || is_last {
            return false;
        }
        let decision = decision.completed(&self.asked);
        self.asking = false;
        self.redirections += 1;
        servers.count_redirection();
        match decision {
            RetryDecision::Ask(address) if self.redirections < MAX_REDIRECTIONS => {
                self.asking = true;
                self.destination = Destination::Address(address.into());
                true
            }
            RetryDecision::Moved(address) if self.redirections < MAX_REDIRECTIONS => {
                servers.mark_stale();
                self.destination = Destination::Address(address.into());
                true
            }
            _ => {
                servers.mark_stale();
                self.redirections = 0;
                self.destination = self.origin.clone();
                self.pause(servers).await
            }
        }
    }

    /// Backs off. Returns whether the time for a failover is not yet over.
    async fn pause<N: Node>(&mut self, servers: &Servers<N>) -> bool {
        let begin = || (Deadline::after(Wait::For(servers.failover_timeout())), Pauses::new());
        let (deadline, pauses) = self.failover.get_or_insert_with(begin);
        if deadline.is_over() {
            return false;
        }
        let left = deadline.left().min(self.deadline.left());
        N::pause(pauses.next().min(left)).await;
        true
    }
}

/// Nodes that disagree about a slot redirect clients to and fro for a short while.
const MAX_REDIRECTIONS: u32 = 5;
