//! The options of a feed, and the interface of its receiver.

use std::sync::Arc;
use std::time::Duration;

use crate::connection::Push;
use crate::request::Request;
use crate::topology::Topology;

/// The receiver of a feed. Unless stated otherwise, its methods must not block.
pub trait FeedHandler: Send + Sync + 'static {
    /// Receives a message of one of the servers, identified by its position in the topology.
    fn on_push(&self, server: usize, push: Push<'_>);

    /// Called after a connect. From now on nothing is missed. All writes before `watermark` are
    /// known.
    fn on_connected(&self, session: u64, info: FeedInfo, watermark: u64);

    /// All writes before `watermark` are known. A message took `lag` to arrive.
    fn on_watermark(&self, _session: u64, _watermark: u64, _lag: Duration) {}

    /// Called periodically. This may block.
    fn on_tick(&self) {}

    /// Messages may be missed until the feed is connected again.
    fn on_disconnected(&self, _session: u64) {}

    /// The feed never reconnects: the runtime in which that was done has ended.
    fn on_end(&self) {}
}

/// Information for a handler about the servers of its feed.
#[derive(Debug, Clone)]
pub struct FeedInfo {
    pub(crate) topology: Arc<Topology>,
    /// The channel to which only this feed subscribes, and only on its server. `None` in a cluster,
    /// whose nodes are known by their slots.
    #[cfg_attr(not(feature = "near-cache"), allow(dead_code))]
    pub(crate) channel: Option<Vec<u8>>,
    /// Whether the servers report all changes to keys by keyspace notifications, if requested.
    pub(crate) reports_keys: bool,
    /// Whether these were requested and are missing, so that changes by writers that publish none
    /// stay undetected.
    #[cfg_attr(not(feature = "near-cache"), allow(dead_code))]
    pub(crate) is_blind: bool,
}

/// The options of a feed.
#[derive(Debug, Clone)]
pub struct FeedOptions {
    /// The slot whose server is followed; all servers if none.
    pub(crate) slot: Option<u16>,
    /// The prefix of the feed's own channels and keys.
    pub(crate) base: Vec<u8>,
    /// The commands that subscribe a connection.
    pub(crate) commands: Vec<Request>,
    /// More such commands, which the server may refuse.
    pub(crate) optional_commands: Vec<Request>,
    /// Whether one of them makes the server report changes to keys that begin with `base`.
    pub(crate) tracks: bool,
    /// The classes of keyspace notifications that the servers should have on, if any are requested.
    pub(crate) keyspace: Option<&'static str>,
    /// Whether to log that the server lacks any of these.
    pub(crate) warns: bool,
    /// Whether a user without the right to write is refused. Otherwise the heartbeats of such a
    /// user are not writes.
    pub(crate) needs_rights: bool,
    /// The interval of heartbeats, which verify that nothing is missed.
    pub(crate) beat: Duration,
    /// How long a server may be silent.
    pub(crate) silence: Duration,
}

impl FeedOptions {
    /// The options of a feed of all servers that reports lost notifications and needs no rights to
    /// write. Its own channels and keys begin with `base`.
    pub(crate) fn new(base: Vec<u8>) -> Self {
        Self {
            slot: None,
            base,
            commands: Vec::new(),
            optional_commands: Vec::new(),
            tracks: false,
            keyspace: None,
            warns: true,
            needs_rights: false,
            beat: BEAT,
            silence: SILENCE,
        }
    }
}

const BEAT: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_secs(5);
