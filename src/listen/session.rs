//! One attempt to receive all messages of the servers, from connecting until something may be
//! missed.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use redis::Value;

use super::handler::{FeedHandler, FeedInfo, FeedOptions};
use super::keyspace;
use super::link::Link;
use crate::connection::Node;
use crate::connection::TransportResult;
use crate::error::{Error, Result};
use crate::keys::key_slot;
use crate::keys::side_key_of;
use crate::protocol::{Form, Line};
use crate::random::unique_id;
use crate::reply::{server_error, unexpected};
use crate::request::Request;
use crate::routing::Router;
use crate::time::Deadline;
use crate::time::Signal;
use crate::time::clock;
use crate::time::join_all;
use crate::topology::Destination;
use crate::topology::Topology;

/// The connected servers of a feed, all of them or none. Ends when something may be missed.
pub(crate) struct Session<N: Node> {
    topology: Arc<Topology>,
    listeners: Vec<Listener<N>>,
    /// The reason why the servers do not report all changes to keys, if that is requested.
    blindness: Option<Error>,
}

/// The connection to one of the servers.
struct Listener<N: Node> {
    node: Arc<N>,
    link: Arc<Link>,
    /// The generation of the node's connections when it was connected.
    generation: usize,
    /// The classes of keyspace notifications that are relied on.
    kinds: Option<String>,
    /// Whether the user may send heartbeats that are writes.
    may_write: bool,
    listening: N::Listening,
}

impl<N: Node> Session<N> {
    /// Connects to all servers of the feed, and reports to `handler` once the watermark is known.
    pub(crate) async fn open(
        router: &Router<N>,
        options: &FeedOptions,
        handler: &Arc<dyn FeedHandler>,
        signal: &Arc<Signal>,
        number: u64,
    ) -> Result<Self> {
        let deadline = router.servers.deadline();
        let topology = router.servers.topology(deadline).await?;
        let owner = options.slot.and_then(|slot| topology.owner(slot));
        let servers = match (options.slot, owner) {
            (None, _) => (0..topology.servers().len()).collect(),
            (Some(_), Some(owner)) => vec![owner],
            (Some(_), None) => return Err(router.servers.no_owner()),
        };
        let mut session = Self { topology, listeners: Vec::new(), blindness: None };
        let begun = session.begin(router, options, (handler, signal), (number, &servers), deadline);
        match begun.await {
            Ok(()) => Ok(session),
            Err(error) => {
                session.end(deadline).await;
                Err(error)
            }
        }
    }

    /// Connects to the servers. If one of them fails, others may be connected already.
    async fn begin(
        &mut self,
        router: &Router<N>,
        options: &FeedOptions,
        (handler, signal): (&Arc<dyn FeedHandler>, &Arc<Signal>),
        (number, servers): (u64, &[usize]),
        deadline: Deadline,
    ) -> Result<()> {
        let topology = self.topology.clone();
        let watermarks: Arc<[AtomicU64]> = servers.iter().map(|_| AtomicU64::new(0)).collect();
        for (position, &server) in servers.iter().enumerate() {
            let address = &topology.servers()[server];
            let names = names(&options.base, |slot| {
                !router.servers.is_cluster() || topology.owner(slot) == Some(server)
            });
            let echo = format!("__keyspace@{}__:", router.servers.database()).into_bytes();
            let [channel, key] = names;
            let names = [channel, key.clone(), [echo, key].concat()];
            let belongs = (number, watermarks.clone(), position);
            let link = Link::new(belongs, server, names, handler.clone(), signal.clone());
            let destination = Destination::at(address, router.servers.is_cluster());
            let node = router.servers.node(&destination, deadline).await;
            let node = node.map_err(|fault| fault.into_error(|| ping().attempt()))?;
            let opened = Listener::open(node, Arc::new(link), options, deadline).await;
            let (mut listener, refusal) = opened?;
            if let Some(kinds) = options.keyspace {
                let kinds = match refusal {
                    Some(refusal) => Err(refusal),
                    None => keyspace::turn_on(&*listener.node, kinds).await,
                };
                match kinds {
                    Ok(kinds) => listener.kinds = Some(kinds),
                    Err(error) if error.is_connection_lost() || error.is_timeout() => {
                        self.listeners.push(listener);
                        return Err(error);
                    }
                    Err(error) => drop(self.blindness.get_or_insert(error)),
                }
            }
            self.listeners.push(listener);
        }
        let is_tried = self.try_for_changes(options, deadline).await;
        let watermark = self.await_watermark(options, signal, deadline).await?;
        if is_tried && self.listeners.iter().all(|listener| listener.link.is_canary_heard()) {
            self.blindness = None;
        }
        let is_blind = self.blindness.is_some();
        let tells_keys = options.keyspace.is_some() && !is_blind;
        let only = self.listeners.first().filter(|_| !router.servers.is_cluster());
        let channel = only.map(|listener| listener.link.channel.clone());
        handler.on_connected(
            number,
            FeedInfo { topology, channel, tells_keys, is_blind },
            watermark,
        );
        Ok(())
    }

    /// If the user may not ask which changes the server reports, makes one, whose notification
    /// arrives before the next heartbeat or never. Returns whether it has.
    async fn try_for_changes(&self, options: &FeedOptions, deadline: Deadline) -> bool {
        let may_not_ask = self.blindness.as_ref().is_some_and(|it| it.code() == Some("NOPERM"));
        if !may_not_ask || options.keyspace != Some(OF_STRINGS) {
            return false;
        }
        for listener in self.listeners.iter().filter(|listener| listener.may_write) {
            // A user without this right receives no notification either.
            let _ = listener.write_canary(deadline).await;
        }
        true
    }

    /// Runs until something may be missed, or the feed is dropped.
    pub(crate) async fn run(
        mut self,
        router: &Router<N>,
        options: &FeedOptions,
        signal: &Signal,
        handler: &dyn FeedHandler,
    ) {
        loop {
            let next = clock::after(options.beat);
            while clock::now() < next && !signal.is_closed() && !self.has_ended() {
                let left = next.saturating_sub(clock::now());
                N::rest(signal, Duration::from_millis(left)).await;
            }
            if signal.is_closed() || self.has_ended() || !self.beat(router, options).await {
                return self.end(router.servers.deadline()).await;
            }
            handler.on_tick();
        }
    }

    /// Stops the listeners, including those blocked on a read. One whose server is silent stops by
    /// itself.
    pub(crate) async fn end(self, deadline: Deadline) {
        self.listeners.iter().for_each(|listener| listener.link.retire());
        for listener in self.listeners.iter().filter(|listener| listener.link.is_demoted()) {
            listener.node.connector().renounce(listener.generation);
        }
        let deadline = deadline.within(FOR_WAKING_READERS);
        join_all(self.listeners.iter().map(|listener| listener.wake_reader(deadline))).await;
    }

    fn has_ended(&self) -> bool {
        self.listeners.iter().any(Listener::has_ended)
    }

    /// Sends a heartbeat to every server. Returns whether all servers are still there and in their
    /// roles.
    async fn beat(&mut self, router: &Router<N>, options: &FeedOptions) -> bool {
        let silent = |listener: &Listener<N>| {
            let since = listener.link.heartbeat().under_way_since();
            since.is_some_and(|since| clock::now() > clock::later(since, options.silence))
        };
        if self.listeners.iter().any(silent) {
            return false;
        }
        let deadline = router.servers.deadline();
        let went_well =
            join_all(self.listeners.iter().map(|listener| listener.beat(deadline))).await;
        let topology = &self.topology;
        let confirmed = self.listeners.iter().map(|listener| {
            let node = &*listener.node;
            async move { router.servers.confirms(topology, node).await }
        });
        went_well.into_iter().all(|went_well| went_well.is_ok())
            && join_all(confirmed).await.into_iter().all(|confirmed| confirmed)
            && self.is_told_of_keys().await
            && !self.has_ended()
    }

    /// Returns whether the classes of notifications that are relied on are still on.
    async fn is_told_of_keys(&self) -> bool {
        if self.blindness.is_some() {
            return true;
        }
        let are_on = self.listeners.iter().filter_map(|listener| {
            let kinds = listener.kinds.as_ref()?;
            Some(keyspace::are_on(&*listener.node, kinds))
        });
        join_all(are_on).await.into_iter().all(|are_on| are_on)
    }

    /// The reason why the servers do not report all changes to keys, if that is requested.
    pub(crate) fn blindness(&self) -> Option<&Error> {
        self.blindness.as_ref()
    }

    /// Waits until messages of every server arrive. Returns the watermark of all. Fails when the
    /// servers have been silent for the response timeout.
    async fn await_watermark(
        &self,
        options: &FeedOptions,
        signal: &Signal,
        deadline: Deadline,
    ) -> Result<u64> {
        let limits = self.listeners.iter().map(|listener| listener.response_timeout());
        let limit = limits.max().unwrap_or_default();
        for listener in &self.listeners {
            if options.tracks {
                listener.write_canary(deadline).await?;
            }
        }
        loop {
            let mut done = true;
            for listener in &self.listeners {
                let canary = !options.tracks || listener.link.is_canary_heard();
                if !listener.link.has_watermark() {
                    listener.beat(deadline).await?;
                }
                done &= canary && listener.link.has_watermark();
            }
            let watermark = self.listeners.first().and_then(|listener| listener.link.watermark());
            if let Some(watermark) = watermark.filter(|_| done) {
                return Ok(watermark);
            }
            let silence = deadline.within(limit);
            N::rest(signal, silence.left()).await;
            if self.listeners.iter().any(|listener| listener.link.is_demoted()) {
                let (attempt, expected) = (Box::new(hello().attempt()), "that it is a master");
                return Err(Error::UnexpectedReply { attempt, expected, found: "another role" });
            }
            if silence.is_over() || signal.is_closed() || self.has_ended() {
                let attempt = Box::new(ping().attempt());
                return Err(Error::Timeout { attempt });
            }
        }
    }
}

impl<N: Node> Listener<N> {
    /// Begins to listen. Also returns the server's refusal of an optional command.
    async fn open(
        node: Arc<N>,
        link: Arc<Link>,
        options: &FeedOptions,
        deadline: Deadline,
    ) -> Result<(Self, Option<Error>)> {
        let may_write = Self::may_write(&*node, &link, deadline).await?;
        let may_write = may_write || options.needs_rights;
        let subscribe = Request::read("SUBSCRIBE").arg(&link.channel);
        let own = may_write.then_some(&subscribe);
        let commands: Vec<_> = own.into_iter().chain(&options.commands).collect();
        let echo = Request::read("SUBSCRIBE").arg(&link.echo);
        let echo = (may_write && options.keyspace == Some(OF_STRINGS)).then_some(&echo);
        let all = commands.iter().copied().chain(&options.optional_commands).chain(echo);
        let lines: Vec<_> = all.map(|command| Line::new(command, Form::AsIs)).collect();
        let generation = node.connector().generation();
        let silence = options.silence.max(node.connector().response_timeout);
        let habits = (silence, !may_write);
        let listening = node.listen(&lines, link.clone(), habits, deadline).await;
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
                    listener.wake_reader(deadline.within(FOR_WAKING_READERS)).await;
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
        let unlink = Request::write("UNLINK").key(&link.key);
        let publish = Request::write("PUBLISH").arg(&link.channel).number(0);
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
    fn has_ended(&self) -> bool {
        self.link.has_ended() || self.generation != self.node.connector().generation()
    }

    /// Sends a heartbeat, unless one is in flight: a write, so that only a master accepts it, or a
    /// request for the server's role.
    async fn beat(&self, deadline: Deadline) -> Result<()> {
        let Some(number) = self.link.send() else { return Ok(()) };
        if !self.may_write {
            return self.ask(deadline).await;
        }
        let unlink = Request::write("UNLINK").key(&self.link.key);
        let publish = Request::write("PUBLISH").arg(&self.link.channel).number(number);
        let sent = self.join_all(&[&unlink, &publish], deadline).await;
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
    async fn write_canary(&self, deadline: Deadline) -> Result<()> {
        let set = Request::write("SET").key(&self.link.key).arg("").arg("PX").number(1000);
        let unlink = Request::write("UNLINK").key(&self.link.key);
        self.join_all(&[&set, &unlink], deadline).await
    }

    /// Makes the server send a message, so that a thread blocked on a read wakes up.
    async fn wake_reader(&self, deadline: Deadline) {
        let publish = Request::read("PUBLISH").arg(&self.link.channel).arg("end");
        // If the server is gone, the thread notices its silence.
        if !self.may_write {
            let _ = self.ask(deadline).await;
        } else if !deadline.is_over() {
            let _ = self.node.call(Line::new(&publish, Form::AsIs), deadline).await;
        }
    }

    fn response_timeout(&self) -> Duration {
        self.node.connector().response_timeout
    }

    /// Runs commands as one transaction.
    async fn join_all(&self, requests: &[&Request], deadline: Deadline) -> Result<()> {
        let (multi, exec) = (Request::read("MULTI"), Request::read("EXEC"));
        let all = std::iter::once(&multi).chain(requests.iter().copied()).chain([&exec]);
        let lines: Vec<_> = all.map(|request| Line::new(request, Form::AsIs)).collect();
        let replies: TransportResult<Vec<Value>> = self.node.call_many(&lines, deadline).await;
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
            other => {
                Err(unexpected(&exec, "what each command came to", other.unwrap_or(&Value::Nil)))
            }
        }
    }
}

/// The prefix of the canary keys, which a session changes within a transaction to see whether it is
/// notified. The rest is random.
pub(crate) fn canaries(base: &[u8]) -> Vec<u8> {
    side_key_of(base, CANARY, b"")
}

/// The names of a unique channel and a unique key, the key in a slot that fits.
fn names(base: &[u8], fits: impl Fn(u16) -> bool) -> [Vec<u8>; 2] {
    let name = |kind| side_key_of(base, kind, unique_id().as_bytes());
    let mut key = name(CANARY);
    while !fits(key_slot(&key)) {
        key = name(CANARY);
    }
    [name("beat"), key]
}

const CANARY: &str = "key";

/// The attempt to subscribe, as the timeout of a session reports it.
fn ping() -> Request {
    Request::read("SUBSCRIBE")
}

fn hello() -> Request {
    Request::read("HELLO")
}

/// The classes of notifications that include a change to a string.
pub(crate) const OF_STRINGS: &str = "K$";

const FOR_WAKING_READERS: Duration = Duration::from_secs(1);
