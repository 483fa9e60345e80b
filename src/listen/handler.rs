//! What a feed listens to, and what receives it.

use std::sync::Arc;
use std::time::Duration;

use crate::connection::Push;
use crate::request::Request;
use crate::topology::Topology;

/// Who hears a feed. Nothing here may wait for anything.
pub trait FeedHandler: Send + Sync + 'static {
    /// What one of the servers says, known by its position in the topology.
    fn on_push(&self, server: usize, push: Push<'_>);

    /// From now on nothing is missed. All writes before `watermark` are known.
    fn on_connected(&self, session: u64, info: FeedInfo, watermark: u64);

    /// All writes before `watermark` are known. A message took `lag` to be heard.
    fn on_watermark(&self, session: u64, watermark: u64, lag: Duration);

    /// Time passes. This may wait.
    fn on_tick(&self) {}

    /// Something may be missed until it is connected again.
    fn on_disconnected(&self, session: u64);

    /// It is never connected again: the runtime in which that was done has ended.
    fn on_end(&self) {}
}

/// What an handler may want to know of the servers it hears.
#[derive(Debug, Clone)]
pub struct FeedInfo {
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
pub struct FeedOptions {
    /// The slot whose server is listened to; all servers if none.
    pub(crate) slot: Option<u16>,
    /// What the names of the feed's own channels and keys begin with.
    pub(crate) base: Vec<u8>,
    /// The commands with which a connection begins to listen.
    pub(crate) commands: Vec<Request>,
    /// More such commands, which the server may refuse.
    pub(crate) optional_commands: Vec<Request>,
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
