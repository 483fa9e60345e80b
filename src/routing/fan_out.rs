//! Requests to several servers at the same time.

use std::sync::Arc;

use redis::Value;

use super::pending_command::{PendingCommand, batch_length, lines};
use super::redirects::Redirects;
use super::retry_decision::RetryDecision;
use super::router::{Router, lacks_source};
use crate::connection::{Node, repeatable};
use crate::connection::{TransportError, TransportResult};
use crate::error::Result;
use crate::protocol::{Form, Line};
use crate::request::{Piece, Request};
use crate::time::Deadline;
use crate::time::join_all;
use crate::topology::Destination;

/// What is sent of a request.
pub(super) enum Parts {
    /// All in one command, to the server of this slot.
    One(Option<u16>),
    /// Its items in several commands.
    Several(Vec<Piece>),
}

impl<N: Node> Router<N> {
    /// Returns the replies to all of `requests`, each of which is divided if its keys lie apart, or
    /// if it has too many items for one command. Commands for one server are sent together, and the
    /// servers work at the same time.
    pub(crate) async fn call_each(&self, requests: &[&Request]) -> Vec<Result<Value>> {
        let parts: Vec<_> = requests.iter().map(|request| self.parts(request)).collect();
        let mut pending = Vec::with_capacity(requests.len());
        for (&request, parts) in requests.iter().zip(&parts) {
            let lines = parts.iter().flat_map(|parts| self.lines(request, parts));
            pending.extend(lines.map(|(line, slot)| PendingCommand::new(line, slot)));
        }
        let deadline = self.servers.deadline();
        let mut left = &mut pending[..];
        while !left.is_empty() {
            let (batch, rest) = left.split_at_mut(batch_length(left));
            self.deliver(batch, deadline).await;
            batch.iter().filter(|command| command.has_failed()).for_each(|failed| {
                rest.iter_mut().filter(|it| it.continues(failed)).for_each(|it| it.fail_as(failed));
            });
            left = rest;
        }
        let outcomes: Vec<_> = pending.into_iter().map(|command| command.outcome).collect();
        let mut outcomes = outcomes.into_iter();
        let replies = requests.iter().zip(parts).map(|(request, parts)| {
            let error = |fault: TransportError| fault.into_error(|| request.attempt());
            let outcomes = outcomes.by_ref().map(|outcome| outcome.map_err(error));
            combined(request, parts?, outcomes)
        });
        replies.collect()
    }

    /// Returns the combined reply of all servers.
    pub(crate) async fn call_everywhere(&self, request: &Request) -> Result<Value> {
        let line = self.line(request);
        let mut redirects = Redirects::to(Destination::Slot(None), self.servers.deadline());
        loop {
            let topology = self.servers.topology(redirects.deadline).await?;
            let mut nodes = Vec::new();
            for server in topology.servers() {
                let to = Destination::Address(server.clone());
                nodes.push(self.servers.node(&to, redirects.deadline).await);
            }
            let asked = nodes.iter().map(async |node| match node {
                Ok(node) => node.call(line, redirects.deadline).await,
                Err(fault) => Err(fault.clone()),
            });
            let replies = join_all(asked).await;
            let decisions = replies.iter().map(|reply| self.decision(reply, line));
            let worst = decisions.fold(RetryDecision::Done, RetryDecision::or);
            if !redirects.should_retry(&self.servers, worst).await {
                let error = |fault: TransportError| fault.into_error(|| request.attempt());
                let replies = replies.into_iter().map(|reply| (Vec::new(), reply.map_err(error)));
                return match request.gather() {
                    Some(gather) => request.gathered(gather, replies),
                    None => Ok(Value::Nil),
                };
            }
        }
    }

    /// Decides on the step that follows the outcome of one command.
    fn decision(&self, outcome: &TransportResult<Value>, line: Line<'_>) -> RetryDecision {
        match outcome {
            Ok(reply) => RetryDecision::on(reply),
            Err(fault) => self.without_reply(fault, repeatable(&[line])),
        }
    }

    /// What is sent for the parts of a request, each with the slot of its keys.
    pub(super) fn lines<'a>(
        &self,
        request: &'a Request,
        parts: &'a Parts,
    ) -> Vec<(Line<'a>, Option<u16>)> {
        let line = self.line(request);
        match parts {
            Parts::One(slot) => vec![(line, *slot)],
            Parts::Several(parts) => {
                let part = |part: &'a Piece| (Line { part: Some(&part.items), ..line }, part.slot);
                parts.iter().map(part).collect()
            }
        }
    }

    /// Divides a request by slots and by size, if it must be and may be divided.
    pub(super) fn parts(&self, request: &Request) -> Result<Parts> {
        let slot = if self.servers.is_cluster() { request.slot() } else { Ok(None) };
        match slot {
            Err(_) if request.gather().is_some() => Ok(Parts::Several(request.pieces_by_slot())),
            Ok(slot) if request.is_oversized() => Ok(Parts::Several(request.pieces(slot))),
            slot => slot.map(Parts::One),
        }
    }

    /// Sends all pending commands to their servers until each has a final outcome, at most until the
    /// deadline.
    async fn deliver(&self, pending: &mut [PendingCommand<'_>], deadline: Deadline) {
        let mut redirects = Redirects::to(Destination::Slot(None), deadline);
        let mut left: Vec<usize> = (0..pending.len()).collect();
        left.retain(|&index| !pending[index].is_skipped);
        while !left.is_empty() {
            self.dispatch_round(pending, &left, redirects.deadline).await;
            self.dispatch_round_with_sources(pending, &left, redirects.deadline).await;
            let decision = |&index: &usize| {
                let command: &PendingCommand<'_> = &pending[index];
                self.decision(&command.outcome, command.line).completed(&command.asked)
            };
            let decisions: Vec<_> = left.iter().map(decision).collect();
            let worst = decisions.iter().cloned().fold(RetryDecision::Done, RetryDecision::or);
            if !redirects.should_retry(&self.servers, worst).await {
                return;
            }
            let redirected = matches!(redirects.destination, Destination::Address(_));
            let mut again = Vec::new();
            for (index, decision) in left.into_iter().zip(decisions) {
                if decision != RetryDecision::Done {
                    pending[index].turn(decision, redirected);
                    again.push(index);
                }
            }
            left = again;
        }
    }

    /// Resends those of the `left` pending commands whose script the server does not know, because
    /// it refused the command that came with the source.
    async fn dispatch_round_with_sources(
        &self,
        pending: &mut [PendingCommand<'_>],
        left: &[usize],
        deadline: Deadline,
    ) {
        let unknown = |&index: &usize| {
            let command: &PendingCommand<'_> = &pending[index];
            command.outcome.as_ref().is_ok_and(|reply| lacks_source(command.line, reply))
        };
        let unknown: Vec<usize> = left.iter().copied().filter(unknown).collect();
        for &index in &unknown {
            pending[index].line.form = Form::WithSource;
        }
        self.dispatch_round(pending, &unknown, deadline).await;
    }

    /// Makes one round trip to each server that is the destination of any of the `left`
    /// pending commands.
    async fn dispatch_round(
        &self,
        pending: &mut [PendingCommand<'_>],
        left: &[usize],
        deadline: Deadline,
    ) {
        let mut groups: Vec<(Arc<N>, Vec<usize>)> = Vec::new();
        for &index in left {
            match self.servers.node(&pending[index].to, deadline).await {
                Err(fault) => pending[index].outcome = Err(fault),
                Ok(node) => {
                    pending[index].asked.clone_from(&node.connector().address);
                    match groups.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &node)) {
                        Some((_, group)) => group.push(index),
                        None => groups.push((node, vec![index])),
                    }
                }
            }
        }
        // Threads that need several connections take them in the same order.
        groups.sort_by(|(one, _), (other, _)| {
            one.connector().address.cmp(&other.connector().address)
        });
        let lines: Vec<_> = groups.iter().map(|(_, group)| lines(pending, group)).collect();
        let replies = match (&groups[..], &lines[..]) {
            ([(node, _)], [lines]) => vec![node.call_several(lines, deadline).await],
            _ => {
                let sent = groups.iter().zip(&lines);
                join_all(sent.map(|((node, _), lines)| node.call_many(lines, deadline))).await
            }
        };
        drop(lines);
        for ((_, group), replies) in groups.into_iter().zip(replies) {
            let mut replies = replies.map(Vec::into_iter);
            for index in group {
                let skipped = usize::from(pending[index].asking);
                pending[index].outcome = match &mut replies {
                    Ok(replies) => Ok(replies.nth(skipped).unwrap_or(Value::Nil)),
                    Err(fault) => Err(fault.clone()),
                };
            }
        }
    }
}

/// Combines the replies to the parts of a request, which are the next of `replies`.
pub(super) fn combined(
    request: &Request,
    parts: Parts,
    mut replies: impl Iterator<Item = Result<Value>>,
) -> Result<Value> {
    let mut next = || replies.next().unwrap_or(Ok(Value::Nil));
    match (parts, request.gather()) {
        (Parts::Several(parts), Some(gather)) => {
            request.gathered(gather, parts.into_iter().map(|part| (part.items, next())))
        }
        _ => next(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::pending_command::BATCH;
    use super::*;
    use crate::connection::{Connector, Stub, StubNode};
    use crate::keys::Gather;
    use crate::limits::ENTRIES_PER_COMMAND;
    use crate::time::finish;
    use crate::topology::{Discovery, Seeds, Servers};

    /// A cluster of two nodes, and what was sent and read.
    fn two_nodes() -> (Router<StubNode>, Stub) {
        let stub = Stub::new(|_, _| {
            let slots = b"*2\r\n*3\r\n:0\r\n:9999\r\n*2\r\n$1\r\na\r\n:1\r\n\
                          *3\r\n:10000\r\n:16383\r\n*2\r\n$1\r\nb\r\n:2\r\n";
            redis::parse_redis_value(slots).map_err(TransportError::Broken)
        });
        let connector = Connector::new("redis://seed:1/").unwrap();
        let seeds = Seeds::new(vec![StubNode::new(connector.clone(), &stub)]);
        let discovery = Discovery::Cluster(seeds);
        let servers = Servers::found(discovery, connector, stub.clone(), Duration::from_secs(1));
        (Router::new(servers), stub)
    }

    /// Reads keys with this prefix, and returns what was sent and read after the slots are known.
    fn log_of_reading(prefix: &str, count: usize) -> Vec<String> {
        let (router, stub) = two_nodes();
        let push = |request: &mut Request, key: usize| {
            request.push_key(format!("{prefix}{key}").as_bytes());
        };
        let mget = Request::read("MGET").divisible(Gather::InOrder);
        let mget = mget.each(0..count, push, Value::Array(Vec::new()));
        let values = finish(router.call(&mget)).unwrap();
        assert_eq!(values, Value::Array(vec![Value::Int(7); count]));
        let log = stub.log();
        assert_eq!(log[0], "asked seed:1");
        log[1..].to_vec()
    }

    #[test]
    fn everything_is_sent_before_the_first_reply_is_waited_for() {
        let expected = ["sent to a:1", "sent to b:2", "read from a:1", "read from b:2"];
        assert_eq!(log_of_reading("key ", 100), expected);
    }

    #[test]
    fn sixteen_thousand_entries_travel_together() {
        let once = ["sent to b:2", "read from b:2"];
        assert_eq!(log_of_reading("{a}", BATCH * ENTRIES_PER_COMMAND), once);
        assert_eq!(log_of_reading("{a}", BATCH * ENTRIES_PER_COMMAND + 1), [once, once].concat());
    }
}
