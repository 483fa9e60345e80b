//! The connection of a feed to one server.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::handler::FeedOptions;
use super::link::{Link, LinkNames};
use crate::connection::{ListenOptions, Node, TransportResult};
use crate::error::{Error, Result};
use crate::keys::{key_slot, side_key_of};
use crate::protocol::{Form, Line};
use crate::random::unique_id;
use crate::reply::{server_error, unexpected};
use crate::request::Request;
use crate::time::Deadline;

/// The connection to one of the servers.
pub(crate) struct Listener<N: Node> {
    pub(crate) node: Arc<N>,
    pub(crate) link: Arc<Link>,
    /// The generation of the node's connections when it was connected.
    pub(crate) generation: usize,
    /// The classes of keyspace notifications that are relied on.
    pub(crate) kinds: Option<String>,
    /// Whether the user may send heartbeats that are writes.
    pub(crate) may_write: bool,
    listening: N::Listening,
}

impl<N: Node> Listener<N> {
    /// Begins to listen. Also returns the server's refusal of an optional command.
    pub(crate) async fn open(
        node: Arc<N>,
        link: Arc<Link>,
        options: &FeedOptions,
        deadline: Deadline,
    ) -> Result<(Self, Option<Error>)> {
        let may_write = Self::may_write(&*node, &link, deadline).await?;
        let may_write = may_write || options.needs_rights;
        let subscribe = Request::read("SUBSCRIBE").arg(&link.names.channel);
        let own = may_write.then_some(&subscribe);
        let commands: Vec<_> = own.into_iter().chain(&options.commands).collect();
        let canary = Request::read("SUBSCRIBE").arg(&link.names.keyspace_channel);
        let canary = (may_write && options.keyspace == Some(OF_STRINGS)).then_some(&canary);
        let all = commands.iter().copied().chain(&options.optional_commands).chain(canary);
        let lines: Vec<_> = all.map(|command| Line::new(command, Form::AsIs)).collect();
        let generation = node.connector().generation();
        let max_silence = options.silence.max(node.connector().response_timeout);
        let listen_options = ListenOptions { max_silence, can_ask_role: !may_write };
        let listening = node.listen(&lines, link.clone(), listen_options, deadline).await;
        let (listening, replies) =
            listening.map_err(|fault| fault.into_error(|| subscribe.attempt()))?;
        let listener = Self { node, link, generation, kinds: None, may_write, listening };
        let mut refusal = None;
        let needed = commands.len();
        let all = commands.into_iter().chain(&options.optional_commands);
        for (position, (command, reply)) in all.zip(replies).enumerate() {
            if let Value::ServerError(error) = &reply {
                let error = server_error(command, error);
                if position < needed {
                    listener.link.retire();
                    listener.wake_reader(deadline.within(WAKE_TIMEOUT)).await;
                    return Err(error);
                }
                refusal.get_or_insert(error);
            }
        }
        Ok((listener, refusal))
    }

    /// Returns whether the user may send heartbeats that are writes. Also detects a kept connection
    /// that leads to a demoted master, before anything is subscribed.
    async fn may_write(node: &N, link: &Link, deadline: Deadline) -> Result<bool> {
        let unlink = Request::write("UNLINK").key(&link.names.key);
        let publish = Request::write("PUBLISH").arg(&link.names.channel).number(0);
        for request in [&unlink, &publish] {
            let reply = node.call(Line::new(request, Form::AsIs), deadline).await;
            let reply = reply.map_err(|fault| fault.into_error(|| request.attempt()))?;
            if matches!(&reply, Value::ServerError(error) if error.code() == "NOPERM") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns whether messages no longer arrive, or not from the server that the address leads to
    /// now: a demoted master forwards even the heartbeats of the new one.
    pub(crate) fn has_ended(&self) -> bool {
        self.link.has_ended() || self.generation != self.node.connector().generation()
    }

    /// Sends a heartbeat, unless one is in flight: a write, so that only a master accepts it, or a
    /// request for the server's role.
    pub(crate) async fn beat(&self, deadline: Deadline) -> Result<()> {
        let Some(number) = self.link.send() else { return Ok(()) };
        if !self.may_write {
            return self.ask(deadline).await;
        }
        let unlink = Request::write("UNLINK").key(&self.link.names.key);
        let publish = Request::write("PUBLISH").arg(&self.link.names.channel).number(number);
        let sent = self.transact(&[&unlink, &publish], deadline).await;
        if sent.is_err() {
            self.link.heartbeat().restart();
        }
        sent
    }

    async fn ask(&self, deadline: Deadline) -> Result<()> {
        let asked = self.node.ask(&self.listening, deadline).await;
        asked.map_err(|fault| fault.into_error(|| hello().attempt()))
    }

    /// Changes a key, which the server must report.
    pub(crate) async fn write_canary(&self, deadline: Deadline) -> Result<()> {
        let set = Request::write("SET").key(&self.link.names.key).arg("").arg("PX").number(1000);
        let unlink = Request::write("UNLINK").key(&self.link.names.key);
        self.transact(&[&set, &unlink], deadline).await
    }

    /// Makes the server send a message, so that a thread blocked on a read wakes up.
    pub(crate) async fn wake_reader(&self, deadline: Deadline) {
        let publish = Request::read("PUBLISH").arg(&self.link.names.channel).arg("end");
        // If the server is gone, the thread notices its silence.
        if !self.may_write {
            let _ = self.ask(deadline).await;
        } else if !deadline.is_over() {
            let _ = self.node.call(Line::new(&publish, Form::AsIs), deadline).await;
        }
    }

    pub(crate) fn response_timeout(&self) -> Duration {
        self.node.connector().response_timeout
    }

    /// Runs commands as one transaction.
    async fn transact(&self, requests: &[&Request], deadline: Deadline) -> Result<()> {
        let (multi, exec) = (Request::read("MULTI"), Request::read("EXEC"));
        let all = std::iter::once(&multi).chain(requests.iter().copied()).chain([&exec]);
        let lines: Vec<_> = all.map(|request| Line::new(request, Form::AsIs)).collect();
        let replies: TransportResult<Vec<Value>> = self.node.call_several(&lines, deadline).await;
        let replies = replies.map_err(|fault| fault.into_error(|| requests[0].attempt()))?;
        let refused = |(line, reply): (&Line<'_>, &Value)| match reply {
            Value::ServerError(error) => Some(server_error(line.request, error)),
            _ => None,
        };
        if let Some(error) = lines.iter().zip(&replies).find_map(refused) {
            return Err(error);
        }
        match replies.last() {
            Some(Value::Array(done)) if done.len() == requests.len() => {
                lines[1..].iter().zip(done).find_map(refused).map_or(Ok(()), Err)
            }
            other => Err(unexpected(&exec, "one result per command", other.unwrap_or(&Value::Nil))),
        }
    }
}

/// The prefix of the canary keys, which a session changes within a transaction to see whether it is
/// notified. The rest is random.
pub(crate) fn canaries(base: &[u8]) -> Vec<u8> {
    side_key_of(base, CANARY, b"")
}

/// The names of a link, all of them unique, with the key in a slot that fits.
pub(crate) fn names(base: &[u8], database: i64, fits: impl Fn(u16) -> bool) -> LinkNames {
    let name = |kind| side_key_of(base, kind, unique_id().as_bytes());
    let mut key = name(CANARY);
    while !fits(key_slot(&key)) {
        key = name(CANARY);
    }
    let prefix = format!("__keyspace@{database}__:");
    let keyspace_channel = [prefix.as_bytes(), &key].concat();
    LinkNames { channel: name("beat"), key, keyspace_channel }
}

const CANARY: &str = "key";

/// The request for the role of the server.
pub(crate) fn hello() -> Request {
    Request::read("HELLO")
}

/// The classes of notifications that include a change to a string.
pub(crate) const OF_STRINGS: &str = "K$";

/// How long to try to wake a thread that is blocked on a read, so that it ends.
pub(crate) const WAKE_TIMEOUT: Duration = Duration::from_secs(1);
