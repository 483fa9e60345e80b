//! Feeds: what servers say unasked, for as long as somebody wants to hear it.

use std::sync::Arc;
use std::time::Duration;

use super::node::Node;
use super::retry::Pauses;
use super::router::Router;
use super::session::Session;
use super::signal::Signal;
use super::speech::Speech;
use super::topology::Topology;
use crate::error::Result;
use crate::request::Request;

/// Who hears a feed. Nothing here may wait for anything.
pub trait Audience: Send + Sync + 'static {
    /// What one of the servers says, known by its position in the topology.
    fn hear(&self, server: usize, speech: Speech<'_>);

    /// From now on nothing is missed. All writes before `proof` are known.
    fn connected(&self, session: u64, situation: Situation, proof: u64);

    /// All writes before `proof` are known. A message took `lag` to be heard.
    fn proven(&self, session: u64, proof: u64, lag: Duration);

    /// Time passes. This may wait.
    fn beat(&self) {}

    /// Something may be missed until it is connected again.
    fn lost(&self, session: u64);

    /// It is never connected again: the runtime in which that was done has ended.
    fn ended(&self) {}
}

/// Says that a feed has ended when its keeper has, unless nobody wants to hear it any more.
struct End {
    audience: Arc<dyn Audience>,
    signal: Arc<Signal>,
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.signal.is_closed() {
            self.audience.ended();
        }
    }
}

/// Why a feed that has ended is not heard.
pub(crate) fn has_ended() -> crate::Error {
    crate::Error::Configuration(HAS_ENDED.into())
}

const HAS_ENDED: &str =
    "the async runtime in which this was listened for has ended: begin anew in another one";

/// What an audience may want to know of the servers it hears.
#[derive(Debug, Clone)]
pub struct Situation {
    pub(crate) topology: Arc<Topology>,
    /// The channel that only this feed listens to, and only on the server that it hears. `None` in a
    /// cluster, whose nodes are known by their slots.
    #[cfg_attr(not(feature = "near-cache"), allow(dead_code))]
    pub(crate) channel: Option<Vec<u8>>,
    /// Whether the servers tell of all changes to keys by keyspace notifications, if wished.
    pub(crate) tells_keys: bool,
    /// Whether that is wished and the servers do not, so that changes by writers that publish none stay
    /// unseen.
    #[cfg_attr(not(feature = "near-cache"), allow(dead_code))]
    pub(crate) is_blind: bool,
}

/// What to listen to.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The slot whose server is listened to; all servers if none.
    pub(crate) slot: Option<u16>,
    /// What the names of the feed's own channels and keys begin with.
    pub(crate) base: Vec<u8>,
    /// The commands with which a connection begins to listen.
    pub(crate) commands: Vec<Request>,
    /// More such commands, which the server may refuse.
    pub(crate) wishes: Vec<Request>,
    /// Whether one of them makes the server tell of changes to keys that begin with `base`.
    pub(crate) tracks: bool,
    /// Whether keyspace notifications are wished, of kinds that the server is to have on.
    pub(crate) keyspace: Option<&'static str>,
    /// Whether to log that the server has none of these.
    pub(crate) warns: bool,
    /// Whether a user who may not write is refused. Otherwise the beats of such a user are no writes.
    pub(crate) needs_rights: bool,
    /// How often it is made sure that nothing is missed.
    pub(crate) beat: Duration,
    /// For how long a server may be silent.
    pub(crate) silence: Duration,
}

/// A feed, until it is dropped.
#[derive(Debug)]
pub struct Feed {
    signal: Arc<Signal>,
}

impl Feed {
    /// Connects, and keeps connecting whenever the connection is lost. Only the first attempt is an
    /// error if it fails; it has a call's time limit, and fails when a server has been silent for the
    /// response timeout.
    pub(crate) async fn open<N: Node>(
        router: Arc<Router<N>>,
        wish: Wish,
        audience: Arc<dyn Audience>,
    ) -> Result<Self> {
        let signal = Arc::new(Signal::default());
        let feed = Self { signal: signal.clone() };
        let first = Session::open(&router, &wish, &audience, &signal, 1).await?;
        warn(&first, &wish, false);
        let end = End { audience, signal };
        let work = keep(router, wish, end, first);
        N::spawn(work).map_err(|error| crate::Error::Connect {
            address: "a feed".into(),
            source: error.into(),
        })?;
        Ok(feed)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.signal.close();
    }
}

async fn keep<N: Node>(router: Arc<Router<N>>, wish: Wish, end: End, first: Session<N>) {
    let End { audience, signal } = &end;
    let mut is_blind = first.blindness().is_some();
    let mut session = Some(first);
    let mut number = 1;
    let mut pauses = Pauses::new();
    while !signal.is_closed() {
        if let Some(session) = session.take() {
            session.last(&router, &wish, signal, &**audience).await;
            audience.lost(number);
            pauses = Pauses::new();
        } else {
            N::rest(signal, pauses.next()).await;
        }
        if !signal.is_closed() {
            number += 1;
            session = Session::open(&router, &wish, audience, signal, number).await.ok();
            if let Some(session) = &session {
                is_blind = warn(session, &wish, is_blind);
            }
        }
    }
    if let Some(session) = session {
        session.end(router.servers.deadline()).await;
    }
}

/// Logs that a session sees fewer changes than is wished, unless the one before did not either. Says whether
/// it does.
fn warn<N: Node>(session: &Session<N>, wish: &Wish, was_blind: bool) -> bool {
    let blindness = session.blindness();
    if let Some(error) = blindness.filter(|_| wish.warns && !was_blind) {
        let base = wish.base.escape_ascii();
        log::warn!(
            "{base}: the server does not notify of every change to keys, so that those by programs that \
             publish none, expirations and evictions stay unseen: {error}"
        );
    }
    blindness.is_some()
}
