use std::sync::Arc;
use std::time::Duration;

use super::retry_decision::Verdict;
use crate::connection::Node;
use crate::connection::Outcome;
use crate::time::Wait;
use crate::time::{Deadline, Pauses};
use crate::topology::{Destination, Servers};

/// The way of commands to the server that takes them: follows redirections, and has patience while
/// one server takes over from another.
pub(crate) struct Trip {
    home: Destination,
    pub(crate) destination: Destination,
    /// Whether the server has to be told that it is asked about a slot on its way there.
    pub(crate) asking: bool,
    /// The address of the server that was asked last, if one was.
    pub(crate) asked: String,
    redirections: u32,
    /// When the call has to be over.
    pub(crate) deadline: Deadline,
    patience: Option<(Deadline, Pauses)>,
}

impl Trip {
    pub(crate) fn to(destination: Destination, deadline: Deadline) -> Self {
        let home = destination.clone();
        let (asking, asked, redirections, patience) = (false, String::new(), 0, None);
        Self { home, destination, asking, asked, redirections, deadline, patience }
    }

    /// Finds the server to ask.
    pub(crate) async fn node<N: Node>(&mut self, servers: &Servers<N>) -> Outcome<Arc<N>> {
        let node = servers.node(&self.destination, self.deadline).await?;
        self.asked.clone_from(&node.connector().address);
        Ok(node)
    }

    /// Whether to go on after `verdict`, and where to. May pause.
    pub(crate) async fn goes_on<N: Node>(
        &mut self,
        servers: &Servers<N>,
        verdict: Verdict,
    ) -> bool {
        let is_last = servers.patience() == Duration::ZERO || self.deadline.is_over();
        if verdict == Verdict::Final || is_last {
            return false;
        }
        let verdict = verdict.completed(&self.asked);
        self.asking = false;
        self.redirections += 1;
        servers.count_redirection();
        match verdict {
            Verdict::Ask(address) if self.redirections < MOST_REDIRECTIONS => {
                self.asking = true;
                self.destination = Destination::Address(address.into());
                true
            }
            Verdict::Moved(address) if self.redirections < MOST_REDIRECTIONS => {
                servers.doubt();
                self.destination = Destination::Address(address.into());
                true
            }
            _ => {
                servers.doubt();
                self.redirections = 0;
                self.destination = self.home.clone();
                self.pause(servers).await
            }
        }
    }

    async fn pause<N: Node>(&mut self, servers: &Servers<N>) -> bool {
        let begin = || (Deadline::after(Wait::For(servers.patience())), Pauses::new());
        let (deadline, pauses) = self.patience.get_or_insert_with(begin);
        if deadline.is_over() {
            return false;
        }
        let left = deadline.left().min(self.deadline.left());
        N::pause(pauses.next().min(left)).await;
        true
    }
}

/// Nodes that disagree about a slot send clients to and fro for a short while.
const MOST_REDIRECTIONS: u32 = 5;
