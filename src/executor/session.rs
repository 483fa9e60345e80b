//! One try to hear all that servers say, from connecting until something may be missed.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use redis::Value;

use super::fault::Outcome;
use super::feed::{Audience, Situation, Wish};
use super::keyspace;
use super::link::Link;
use super::node::Node;
use super::router::Router;
use super::servers::Destination;
use super::signal::Signal;
use super::together::together;
use super::topology::Topology;
use crate::clock;
use crate::error::{Error, Result};
use crate::place::key_slot;
use crate::protocol::{Form, Line};
use crate::reply::server_error;
use crate::request::Request;

/// Servers that are listened to, all at once or not at all.
pub(crate) struct Session<N: Node> {
    topology: Arc<Topology>,
    ears: Vec<Listener<N>>,
    /// The kinds of keyspace notifications that are relied on.
    kinds: Option<&'static str>,
}

struct Listener<N: Node> {
    node: Arc<N>,
    link: Arc<Link>,
    /// That of the connections to the node when it was connected to.
    generation: usize,
    _listening: N::Listening,
}

impl<N: Node> Session<N> {
    pub(crate) async fn open(
        router: &Router<N>,
        wish: &Wish,
        audience: &Arc<dyn Audience>,
        signal: &Arc<Signal>,
        number: u64,
    ) -> Result<Self> {
        let topology = router.topology().await?;
        let owner = wish.slot.and_then(|slot| topology.owner(slot));
        let servers = match (wish.slot, owner) {
            (None, _) => (0..topology.servers().len()).collect(),
            (Some(_), Some(owner)) => vec![owner],
            (Some(_), None) => return Err(router.servers.no_owner()),
        };
        let mut session = Self { topology, ears: Vec::new(), kinds: None };
        match session.begin(router, wish, (audience, signal), (number, &servers)).await {
            Ok(()) => Ok(session),
            Err(error) => {
                session.end().await;
                Err(error)
            }
        }
    }

    /// Listens to the servers. Where one of them cannot be listened to, others may be already.
    async fn begin(
        &mut self,
        router: &Router<N>,
        wish: &Wish,
        (audience, signal): (&Arc<dyn Audience>, &Arc<Signal>),
        (number, servers): (u64, &[usize]),
    ) -> Result<()> {
        let topology = self.topology.clone();
        let proofs: Arc<[AtomicU64]> = servers.iter().map(|_| AtomicU64::new(0)).collect();
        let mut tells_keys = wish.keyspace.is_some();
        for (position, &server) in servers.iter().enumerate() {
            let address = &topology.servers()[server];
            let names = names(&wish.base, |slot| {
                !router.servers.is_cluster() || topology.owner(slot) == Some(server)
            });
            let belongs = (number, proofs.clone(), position);
            let link = Link::new(belongs, server, names, audience.clone(), signal.clone());
            let destination = Destination::at(address, router.servers.is_cluster());
            let node = router.servers.node(&destination).await;
            let node = node.map_err(|fault| fault.into_error(|| ping().attempt()))?;
            let listener = Listener::open(node, Arc::new(link), wish).await?;
            tells_keys &= match wish.keyspace {
                Some(kinds) => keyspace::turn_on(&*listener.node, kinds).await,
                None => false,
            };
            self.ears.push(listener);
        }
        self.kinds = wish.keyspace.filter(|_| tells_keys);
        let proof = self.prove(wish, signal).await?;
        let only = self.ears.first().filter(|_| !router.servers.is_cluster());
        let channel = only.map(|listener| listener.link.channel.clone());
        audience.connected(number, Situation { topology, channel, tells_keys }, proof);
        Ok(())
    }

    /// Goes on until something may be missed, or nobody listens any more.
    pub(crate) async fn last(
        mut self,
        router: &Router<N>,
        wish: &Wish,
        signal: &Signal,
        audience: &dyn Audience,
    ) {
        loop {
            let next = clock::now() + milliseconds(wish.beat);
            while clock::now() < next && !signal.is_closed() && !self.has_ended() {
                let left = next.saturating_sub(clock::now());
                N::rest(signal, Duration::from_millis(left)).await;
            }
            if signal.is_closed() || self.has_ended() || !self.beat(router, wish).await {
                return self.end().await;
            }
            audience.beat();
        }
    }

    /// Lets what hears the servers end, also where it waits for them to say something.
    pub(crate) async fn end(self) {
        self.ears.iter().for_each(|listener| listener.link.retire());
        together(self.ears.iter().map(Listener::farewell)).await;
    }

    fn has_ended(&self) -> bool {
        self.ears.iter().any(Listener::has_ended)
    }

    /// One beat of every server. Says whether they all are still there and in their places.
    async fn beat(&mut self, router: &Router<N>, wish: &Wish) -> bool {
        let silent = |listener: &Listener<N>| {
            let since = listener.link.pulse().under_way_since();
            since.is_some_and(|since| clock::now() > since + milliseconds(wish.silence))
        };
        if self.ears.iter().any(silent) {
            return false;
        }
        let went_well = together(self.ears.iter().map(Listener::beat)).await;
        let topology = &self.topology;
        let confirmed = self.ears.iter().map(|listener| {
            let node = &*listener.node;
            async move { router.servers.confirms(topology, node).await }
        });
        went_well.into_iter().all(|went_well| went_well.is_ok())
            && together(confirmed).await.into_iter().all(|confirmed| confirmed)
            && self.is_told_of_keys().await
            && !self.has_ended()
    }

    async fn is_told_of_keys(&self) -> bool {
        let Some(kinds) = self.kinds else { return true };
        let are_on = self.ears.iter().map(|listener| keyspace::are_on(&*listener.node, kinds));
        together(are_on).await.into_iter().all(|are_on| are_on)
    }

    /// Makes sure that every server is heard. Gives the moment before which all writes are known.
    async fn prove(&self, wish: &Wish, signal: &Signal) -> Result<u64> {
        let limits = self.ears.iter().map(|listener| listener.node.connector().call_timeout);
        let limit = limits.fold(wish.silence.max(PATIENCE), Duration::min);
        let deadline = clock::now() + milliseconds(limit);
        for listener in &self.ears {
            if wish.tracks {
                listener.sing().await?;
            }
        }
        loop {
            let mut done = true;
            for listener in &self.ears {
                let canary = !wish.tracks || listener.link.is_canary_heard();
                if !listener.link.is_proven() {
                    listener.beat().await?;
                }
                done &= canary && listener.link.is_proven();
            }
            let proof = self.ears.first().and_then(|listener| listener.link.proof());
            if let Some(proof) = proof.filter(|_| done) {
                return Ok(proof);
            }
            let left = deadline.saturating_sub(clock::now());
            if left == 0 || signal.is_closed() || self.has_ended() {
                let attempt = Box::new(ping().attempt());
                return Err(Error::Timeout { attempt });
            }
            N::rest(signal, Duration::from_millis(left)).await;
        }
    }
}

impl<N: Node> Listener<N> {
    async fn open(node: Arc<N>, link: Arc<Link>, wish: &Wish) -> Result<Self> {
        let subscribe = Request::read("SUBSCRIBE").arg(&link.channel);
        let commands: Vec<_> = std::iter::once(&subscribe).chain(&wish.commands).collect();
        let all = commands.iter().copied().chain(&wish.wishes);
        let lines: Vec<_> = all.map(|command| Line::new(command, Form::AsIs)).collect();
        // A kept connection that leads to a demoted master is found out before, not after.
        let (unlink, deadline) =
            (Request::write("UNLINK").key(&link.key), node.connector().deadline());
        let reply = node.call(Line::new(&unlink, Form::AsIs), deadline).await;
        reply.map_err(|fault| fault.into_error(|| unlink.attempt()))?;
        let generation = node.connector().generation();
        let listening = node.listen(&lines, link.clone(), wish.silence.max(PATIENCE)).await;
        let (listening, replies) =
            listening.map_err(|fault| fault.into_error(|| subscribe.attempt()))?;
        let listener = Self { node, link, generation, _listening: listening };
        for (command, reply) in commands.into_iter().zip(replies) {
            if let Value::ServerError(error) = &reply {
                listener.link.retire();
                listener.farewell().await;
                return Err(server_error(command, error));
            }
        }
        Ok(listener)
    }

    /// Whether nothing more is heard, or not from the server that the address leads to now: a demoted
    /// master passes on even the beats of the new one.
    fn has_ended(&self) -> bool {
        self.link.has_ended() || self.generation != self.node.connector().generation()
    }

    /// Sends a beat, unless one is under way. It is a write, so that only a master takes it.
    async fn beat(&self) -> Result<()> {
        let Some(number) = self.link.send() else { return Ok(()) };
        let unlink = Request::write("UNLINK").key(&self.link.key);
        let publish = Request::write("PUBLISH").arg(&self.link.channel).number(number);
        let sent = self.together(&[&unlink, &publish]).await;
        if sent.is_err() {
            self.link.pulse().restart();
        }
        sent
    }

    /// Changes a key, of which the server has to tell.
    async fn sing(&self) -> Result<()> {
        let set = Request::write("SET").key(&self.link.key).arg("").arg("PX").number(1000);
        let unlink = Request::write("UNLINK").key(&self.link.key);
        self.together(&[&set, &unlink]).await
    }

    /// Makes the server say something, so that a thread that listens to it looks up.
    async fn farewell(&self) {
        let publish = Request::read("PUBLISH").arg(&self.link.channel).arg("end");
        // Where the server is gone, the thread notices its silence.
        let _ =
            self.node.call(Line::new(&publish, Form::AsIs), self.node.connector().deadline()).await;
    }

    /// Runs commands as one transaction.
    async fn together(&self, requests: &[&Request]) -> Result<()> {
        let (multi, exec) = (Request::read("MULTI"), Request::read("EXEC"));
        let all = std::iter::once(&multi).chain(requests.iter().copied()).chain([&exec]);
        let lines: Vec<_> = all.map(|request| Line::new(request, Form::AsIs)).collect();
        let replies: Outcome<Vec<Value>> =
            self.node.call_many(&lines, self.node.connector().deadline()).await;
        let replies = replies.map_err(|fault| fault.into_error(|| requests[0].attempt()))?;
        let refused = |(line, reply): (&Line<'_>, &Value)| match reply {
            Value::ServerError(error) => Some(server_error(line.request, error)),
            _ => None,
        };
        lines.iter().zip(&replies).find_map(refused).map_or(Ok(()), Err)
    }
}

/// What follows what is tracked in the name of a key that a session changes, to see whether it hears of
/// that. The rest of the name is random.
pub(crate) const CANARY: &str = "~key/";

/// The names of a channel and of a key that nobody else has, the key in a slot that fits.
fn names(base: &[u8], fits: impl Fn(u16) -> bool) -> [Vec<u8>; 2] {
    let name = |mark: &str| [base, mark.as_bytes(), unique().as_bytes()].concat();
    let mut key = name(CANARY);
    while !fits(key_slot(&key)) {
        key = name(CANARY);
    }
    [name("~beat/"), key]
}

fn unique() -> String {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new();
    format!("{:016x}{:016x}", random.hash_one(0), random.hash_one(1))
}

fn ping() -> Request {
    Request::read("SUBSCRIBE")
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 4)
}

/// A server that is slow to begin with is not taken for dead.
const PATIENCE: Duration = Duration::from_secs(5);
