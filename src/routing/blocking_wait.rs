//! Calls that block until an item arrives.

use std::time::Duration;

use redis::Value;

use super::redirects::Redirects;
use super::retry_decision::{Repetition, RetryDecision};
use super::router::{Router, asking};
use super::silent_wait::SilentWait;
use crate::connection::Node;
use crate::connection::TransportError;
use crate::error::Result;
use crate::protocol::{Form, Line};
use crate::request::{Attended, Request};
use crate::time::Wait;
use crate::time::{Deadline, Pauses};
use crate::topology::Destination;

impl<N: Node> Router<N> {
    /// Returns the reply to a blocking request, which waits in slices, so that a dead connection is
    /// noticed. Until the time to wait is up it survives everything that cannot have taken an item.
    /// Everything else must end within a call's time limit after that.
    pub(crate) async fn wait(
        &self,
        request: &Request,
        wait: Wait,
        to: Destination,
    ) -> Result<Value> {
        let mut attended = Attended::new(request.drop_report());
        let reply = self.wait_in_slices(request, wait, to, &mut attended).await;
        attended.end();
        reply
    }

    /// Waits in slices, retrying as decided by `RetryDecision::on_wait`.
    async fn wait_in_slices(
        &self,
        request: &Request,
        wait: Wait,
        to: Destination,
        attended: &mut Attended<'_>,
    ) -> Result<Value> {
        let deadline = Deadline::after(wait);
        let end = deadline.later_by(self.servers.call_timeout());
        let begin = || Redirects::to(to.clone(), self.servers.deadline().earlier(end));
        let repetition = match (request.waits_once(), request.takes()) {
            (true, _) => Repetition::ByCaller,
            (false, true) => Repetition::Takes,
            (false, false) => Repetition::Moves,
        };
        let (mut redirects, mut pauses) = (begin(), Pauses::new());
        loop {
            let slice = deadline.left().clamp(SHORTEST_SLICE, LONGEST_SLICE);
            let line = Line::new(request, Form::Waiting(slice));
            let lines = [asking(), line];
            let lines = if redirects.asking { &lines } else { &lines[1..] };
            let mut is_replaced = false;
            let reply = match redirects.node(&self.servers).await {
                Ok(node) => {
                    let silent_wait = SilentWait::new(
                        &self.servers,
                        &redirects.destination,
                        request,
                        &node,
                        (slice, end),
                    );
                    let reply = node.wait(lines, slice, &silent_wait).await;
                    is_replaced = silent_wait.is_replaced();
                    reply
                }
                Err(fault) => Err(fault),
            };
            attended.in_doubt |=
                matches!(reply, Err(TransportError::Broken(_) | TransportError::CutOff(_)));
            let decision = match &reply {
                Ok(Value::Nil) if !deadline.is_over() => {
                    // The next failover may be hours away, and deserves a full timeout.
                    (redirects, pauses) = (begin(), Pauses::new());
                    continue;
                }
                reply => RetryDecision::on_wait(reply, repetition, is_replaced),
            };
            if reply.is_err() {
                self.servers.mark_stale();
            }
            match decision {
                RetryDecision::Done => {}
                RetryDecision::Backoff if deadline.is_over() => {}
                RetryDecision::Backoff => {
                    self.servers.mark_stale();
                    N::pause(pauses.next().min(deadline.left())).await;
                    redirects = begin();
                    continue;
                }
                redirection => {
                    if redirects.should_retry(&self.servers, redirection).await {
                        continue;
                    }
                }
            }
            return reply.map_err(|fault| fault.into_error(|| request.attempt()));
        }
    }
}

/// Servers take zero for "for ever", and Redis 6.2 a millisecond too.
const SHORTEST_SLICE: Duration = Duration::from_millis(2);
const LONGEST_SLICE: Duration = Duration::from_secs(5);
