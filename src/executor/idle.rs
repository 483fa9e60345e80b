//! Connections that nobody uses, which the server may have closed.

use std::time::{Duration, Instant};

use redis::ConnectionLike;

use super::connection::Connector;

/// A connection that nobody uses.
pub(crate) struct Idle {
    connection: redis::Connection,
    last_use: LastUse,
}

impl Idle {
    pub(crate) fn new(connection: redis::Connection, connector: &Connector) -> Self {
        Self { connection, last_use: LastUse::now(connector) }
    }

    /// The connection, unless the server may have gone meanwhile, and has.
    pub(crate) fn usable(mut self, connector: &Connector) -> Option<redis::Connection> {
        let usable = self.last_use.is_recent(connector) || answers(&mut self.connection);
        usable.then_some(self.connection)
    }
}

/// When a connection was last used, and how many others had failed by then.
pub(crate) struct LastUse {
    time: Instant,
    failures: usize,
}

impl LastUse {
    pub(crate) fn now(connector: &Connector) -> Self {
        Self { time: Instant::now(), failures: connector.failures() }
    }

    /// How long the connection has not been used.
    #[cfg(feature = "async")]
    pub(crate) fn age(&self) -> Duration {
        self.time.elapsed()
    }

    /// Whether the connection can be trusted to be alive.
    pub(crate) fn is_recent(&self, connector: &Connector) -> bool {
        self.failures == connector.failures() && self.time.elapsed() < IDLE_BEFORE_PROBE
    }
}

/// Whether the server still answers on an idle connection, if only that the user may not ask.
pub(crate) fn answers(connection: &mut redis::Connection) -> bool {
    connection.req_packed_command(b"*1\r\n$4\r\nPING\r\n").is_ok()
}

/// A busy connection is never probed, which would double its latency; one that was idle for this
/// long is, and one that was idle while another failed, so that a write after a restart of the
/// server does not fail with an unknown outcome.
pub(crate) const IDLE_BEFORE_PROBE: Duration = Duration::from_millis(100);
