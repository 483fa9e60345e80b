//! One attempt to receive all messages of the servers, from connecting until something may be
//! missed.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::handler::{FeedHandler, FeedInfo, FeedOptions};
use super::keyspace;
use super::link::{Link, SessionPlace};
use super::listener::{Listener, OF_STRINGS, WAKE_TIMEOUT, hello, names};
use crate::connection::Node;
use crate::error::{Error, Result};
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
        let mut session = Self { topology, listeners: Vec::new(), blindness: None };
        match session.begin(router, options, handler, signal, number, deadline).await {
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
        handler: &Arc<dyn FeedHandler>,
        signal: &Arc<Signal>,
        number: u64,
        deadline: Deadline,
    ) -> Result<()> {
        let topology = self.topology.clone();
        let owner = options.slot.and_then(|slot| topology.owner(slot));
        let servers: Vec<_> = match (options.slot, owner) {
            (None, _) => (0..topology.servers().len()).collect(),
            (Some(_), Some(owner)) => vec![owner],
            (Some(_), None) => return Err(router.servers.no_owner()),
        };
        let watermarks: Arc<[AtomicU64]> = servers.iter().map(|_| AtomicU64::new(0)).collect();
        for (position, &server) in servers.iter().enumerate() {
            let address = &topology.servers()[server];
            let names = names(&options.base, router.servers.database(), |slot| {
                !router.servers.is_cluster() || topology.owner(slot) == Some(server)
            });
            let watermarks = watermarks.clone();
            let place = SessionPlace { session: number, watermarks, index: position };
            let link = Link::new(place, server, names, handler.clone(), signal.clone());
            let destination = Destination::at(address, router.servers.is_cluster());
            let node = router.servers.node(&destination, deadline).await;
            let node = node.map_err(|fault| fault.into_error(|| subscribe_attempt().attempt()))?;
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
        if is_tried && self.listeners.iter().all(|listener| listener.link.is_canary_reported()) {
            self.blindness = None;
        }
        let is_blind = self.blindness.is_some();
        let reports_keys = options.keyspace.is_some() && !is_blind;
        let only = self.listeners.first().filter(|_| !router.servers.is_cluster());
        let channel = only.map(|listener| listener.link.names.channel.clone());
        handler.on_connected(
            number,
            FeedInfo { topology, channel, reports_keys, is_blind },
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
            listener.node.connector().retire_demoted(listener.generation);
        }
        let deadline = deadline.within(WAKE_TIMEOUT);
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
            && self.still_reports_keys().await
            && !self.has_ended()
    }

    /// Returns whether the classes of notifications that are relied on are still on.
    async fn still_reports_keys(&self) -> bool {
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
                let canary = !options.tracks || listener.link.is_canary_reported();
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
                let attempt = Box::new(subscribe_attempt().attempt());
                return Err(Error::Timeout { attempt });
            }
        }
    }
}

/// The attempt to subscribe, as the timeout of a session reports it.
fn subscribe_attempt() -> Request {
    Request::read("SUBSCRIBE")
}
