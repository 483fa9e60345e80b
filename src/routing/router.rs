//! The path of requests to servers and of replies back, the same for every kind of client.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use redis::{ServerErrorKind, Value};

use super::redirects::Redirects;
use super::retry_decision::RetryDecision;
use crate::connection::{Node, repeatable};
use crate::connection::{TransportError, TransportResult};
use crate::error::{Error, Result};
use crate::protocol::{Form, Line};
use crate::request::Request;
use crate::topology::Topology;
use crate::topology::{Destination, Servers};

/// Sends requests to the servers that serve them. Owned by a client, and shared by its clones.
pub(crate) struct Router<N: Node> {
    pub(crate) servers: Servers<N>,
    /// Whether a server did not reveal its run id.
    lacks_run_ids: AtomicBool,
}

impl<N: Node> Router<N> {
    pub(crate) fn new(servers: Servers<N>) -> Self {
        Self { servers, lacks_run_ids: AtomicBool::new(false) }
    }

    /// The name of the servers in messages, without passwords.
    pub(crate) fn address(&self) -> String {
        self.servers.address()
    }

    pub(crate) async fn topology(&self) -> Result<Arc<Topology>> {
        self.servers.topology(self.servers.deadline()).await
    }

    /// Returns a typed reply unchanged. One of the wrong shape may be the reply to another command,
    /// so that it retires all kept connections.
    pub(crate) fn checked<T>(&self, reply: Result<T>) -> Result<T> {
        if let Err(Error::UnexpectedReply { .. }) = reply {
            self.servers.retire_connections();
        }
        reply
    }

    /// Returns whether servers are no longer asked for their run ids, since one did not reveal its
    /// own.
    pub(crate) fn lacks_run_ids(&self) -> bool {
        self.lacks_run_ids.load(Ordering::Relaxed)
    }

    /// Stops asking servers for their run ids.
    pub(crate) fn stop_asking_for_run_ids(&self) {
        self.lacks_run_ids.store(true, Ordering::Relaxed);
    }

    /// The form in which `request` is sent, if all its keys are asked for.
    pub(crate) fn line<'a>(&self, request: &'a Request) -> Line<'a> {
        Line { in_cluster: self.servers.is_cluster(), ..Line::new(request, Form::AsIs) }
    }

    /// Follows redirects and backs off until a reply is final.
    pub(crate) async fn follow(
        &self,
        line: Line<'_>,
        mut redirects: Redirects,
        mut reply: TransportResult<Value>,
    ) -> Result<Value> {
        loop {
            let decision = match &reply {
                Ok(reply) => RetryDecision::on(reply),
                Err(fault) => self.without_reply(fault, repeatable(&[line])),
            };
            if !redirects.should_retry(&self.servers, decision).await {
                return reply.map_err(|fault| fault.into_error(|| line.request.attempt()));
            }
            reply = self.ask(line, &mut redirects).await;
        }
    }

    /// Decides on the next step without a reply. Another server may have taken over from one that
    /// hangs, and perhaps nothing else ever reports it.
    pub(crate) fn without_reply(&self, fault: &TransportError, repeatable: bool) -> RetryDecision {
        if matches!(fault, TransportError::Broken(_)) {
            self.servers.mark_stale();
        }
        RetryDecision::without_reply(fault, repeatable)
    }

    /// Sends one request to the server of `redirects`.
    pub(crate) async fn ask(
        &self,
        line: Line<'_>,
        redirects: &mut Redirects,
    ) -> TransportResult<Value> {
        let node = redirects.node(&self.servers).await?;
        if redirects.asking {
            node.call_several(&[asking(), line], redirects.deadline).await.map(last)
        } else {
            node.call(line, redirects.deadline).await
        }
    }

    /// Returns the replies to all commands of a transaction, from `MULTI` on.
    pub(crate) async fn replies(
        &self,
        lines: &[Line<'_>],
        to: Destination,
    ) -> TransportResult<Vec<Value>> {
        let mut redirects = Redirects::to(to, self.servers.deadline());
        loop {
            let replies = match redirects.node(&self.servers).await {
                Ok(node) if redirects.asking => {
                    let lines: Vec<_> =
                        std::iter::once(asking()).chain(lines.iter().copied()).collect();
                    let replies = node.call_several(&lines, redirects.deadline).await;
                    replies.map(|replies| replies.into_iter().skip(1).collect())
                }
                Ok(node) => node.call_several(lines, redirects.deadline).await,
                Err(fault) => Err(fault),
            };
            let decision = match &replies {
                Ok(replies) => RetryDecision::on_transaction(replies),
                Err(fault) => self.without_reply(fault, repeatable(lines)),
            };
            if !redirects.should_retry(&self.servers, decision).await {
                return replies;
            }
        }
    }
}

/// Returns whether `line` was not run because the server does not know its script.
pub(crate) fn lacks_source(line: Line<'_>, reply: &Value) -> bool {
    let Value::ServerError(error) = reply else { return false };
    let by_hash = matches!(line.form, Form::AsIs) && line.script().is_some();
    by_hash && error.kind() == Some(ServerErrorKind::NoScript)
}

/// Makes a server answer about a slot that it is importing.
pub(crate) fn asking() -> Line<'static> {
    static ASKING: LazyLock<Request> = LazyLock::new(|| Request::read("ASKING"));
    Line::new(&ASKING, Form::AsIs)
}

fn last(mut replies: Vec<Value>) -> Value {
    replies.pop().unwrap_or(Value::Nil)
}
