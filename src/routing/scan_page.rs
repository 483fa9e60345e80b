//! The identity of the process that answers a scan, so that a position is never used with another
//! one.

use std::fmt;
use std::sync::LazyLock;

use redis::Value;

use super::fan_out::combined;
use super::redirects::Redirects;
use super::retry_decision::RetryDecision;
use super::router::{Router, asking};
use crate::command::Command;
use crate::connection::ExclusiveConnection;
use crate::connection::Node;
use crate::connection::TransportResult;
use crate::connection::server_info;
use crate::error::Result;
use crate::error::code::is_transient;
use crate::protocol::{Form, Line};
use crate::reply::code_and_details;
use crate::request::Request;
use crate::topology::Destination;

/// The process that returned the last page of a scan. Each process hashes in its own way, so a
/// position is meaningful only to the process that returned it, though another may have the same
/// address and data.
#[derive(Default)]
pub struct ScanOrigin {
    process: Option<Process>,
    is_same: bool,
    address: String,
    exclusive: ExclusiveConnection,
}

/// The identity of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Process {
    /// The id that a server draws when it starts.
    RunId(String),
    /// For a server that does not reveal its id: the connection to it, which no other process can
    /// continue.
    Connection(u64),
}

impl ScanOrigin {
    /// Returns whether the last page is known to come from the same process as the one before it.
    pub(crate) fn is_same(&self) -> bool {
        self.is_same
    }

    /// The address at which the last page was requested.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Records which process answered.
    fn meet(&mut self, process: Option<Process>, address: &str) {
        self.is_same = process.is_some() && process == self.process;
        self.process = process;
        address.clone_into(&mut self.address);
    }
}

impl fmt::Debug for ScanOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScanOrigin").field("process", &self.process).finish_non_exhaustive()
    }
}

impl<N: Node> Router<N> {
    /// Returns the replies to a command for the next page of a scan and to a read `beside` it.
    ///
    /// `INFO` is sent along to identify the process. If the user may not call it, a scan of several
    /// pages uses a dedicated connection.
    pub(crate) async fn page<T, U>(
        &self,
        page: Command<T>,
        beside: Command<U>,
        with: &mut ScanOrigin,
    ) -> Result<(T, U)> {
        let (reply, other) = self.page_replies(&page.request, &beside.request, with).await?;
        let read = page.read(reply).and_then(|page| Ok((page, beside.read(other?)?)));
        self.checked(read)
    }

    async fn page_replies(
        &self,
        request: &Request,
        beside: &Request,
        with: &mut ScanOrigin,
    ) -> Result<(Value, Result<Value>)> {
        if let Some(refusal) = request.refusal() {
            return Err(refusal);
        }
        let slot = if self.servers.is_cluster() { request.slot()? } else { None };
        let parts = if beside.is_sent() { Some(self.parts(beside)?) } else { None };
        let beside_lines = parts.iter().flat_map(|parts| self.lines(beside, parts));
        let beside_lines: Vec<_> = beside_lines.map(|(line, _)| line).collect();
        let mut redirects = Redirects::to(Destination::Slot(slot), self.servers.deadline());
        loop {
            let answer = self.ask_for_page(request, &beside_lines, &mut redirects, with).await;
            let decision = match &answer {
                Ok((_, reply, _)) => RetryDecision::on(reply),
                Err(fault) => self.without_reply(fault, true),
            };
            if !redirects.should_retry(&self.servers, decision).await {
                let answer = answer.map_err(|fault| fault.into_error(|| request.attempt()));
                let (process, reply, others) = answer?;
                with.meet(process, &redirects.asked);
                // Keys may have moved to another server meanwhile.
                let is_final = |other: &Value| RetryDecision::on(other) == RetryDecision::Done;
                let other = match parts {
                    Some(parts) if others.iter().all(is_final) => {
                        combined(beside, parts, others.into_iter().map(Ok))
                    }
                    _ => self.call(beside).await,
                };
                return Ok((reply, other));
            }
        }
    }

    /// Asks for one page, together with the identity of the process and with what goes `beside` it.
    async fn ask_for_page(
        &self,
        request: &Request,
        beside: &[Line<'_>],
        redirects: &mut Redirects,
        with: &mut ScanOrigin,
    ) -> TransportResult<(Option<Process>, Value, Vec<Value>)> {
        let node = redirects.node(&self.servers).await?;
        let is_named = !self.lacks_run_ids();
        let mut lines = Vec::with_capacity(3 + beside.len());
        lines.extend(is_named.then(|| Line::new(&INFO, Form::AsIs)));
        lines.extend(redirects.asking.then(asking));
        lines.push(self.line(request));
        lines.extend_from_slice(beside);
        // Most scans end with their first page, for which any connection will do.
        let is_alone = !is_named && !with.address.is_empty();
        let mut replies = if is_alone {
            node.call_alone(&lines, redirects.deadline, &mut with.exclusive).await?
        } else {
            node.call_several(&lines, redirects.deadline).await?
        };
        let others = replies.split_off(replies.len().saturating_sub(beside.len()));
        let reply = replies.pop().unwrap_or(Value::Nil);
        let process = match replies.first() {
            Some(info) if is_named => self.process(info),
            _ => is_alone.then_some(Process::Connection(with.exclusive.number())),
        };
        Ok((process, reply, others))
    }

    /// Reads the identity of a process, and stops asking for it if the server does not reveal it.
    fn process(&self, info: &Value) -> Option<Process> {
        let id = server_info::field(info, "run_id");
        let is_passing = match info {
            Value::ServerError(error) => is_transient(code_and_details(error).0),
            _ => false,
        };
        if id.is_none() && !is_passing {
            self.stop_asking_for_run_ids();
        }
        id.map(|id| Process::RunId(id.to_owned()))
    }
}

static INFO: LazyLock<Request> = LazyLock::new(|| Request::read("INFO").arg("server"));
