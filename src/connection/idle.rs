//! Idle connections, which the server may have closed.

use std::time::{Duration, Instant};

use super::blocking::Connection;
use super::connector::Connector;
use super::stream::Limits;
use super::transport_error::TransportResult;

/// An idle connection.
pub(crate) struct Idle {
    connection: Box<Connection>,
    last_use: LastUse,
}

/// A connection that can be used.
pub(crate) struct Usable {
    pub(crate) connection: Box<Connection>,
    /// Whether it was made just now.
    pub(crate) fresh: bool,
}

impl Idle {
    pub(crate) fn new(connection: Box<Connection>, connector: &Connector) -> Self {
        Self { connection, last_use: LastUse::now(connector) }
    }

    /// How long it has been idle.
    pub(crate) fn age(&self) -> Duration {
        self.last_use.age()
    }
}

/// Returns the idle connection, if it can still be used, or a new one.
///
/// If a probe gets no answer, either the server hangs or only that connection is dead. So the probe
/// and the new connection together take as long as a server may be silent.
pub(crate) fn usable(
    idle: Option<Idle>,
    connector: &Connector,
    limits: Limits,
) -> TransportResult<Usable> {
    let current = idle.filter(|idle| idle.connection.generation == connector.generation());
    let limits_of_a_new_one = match current {
        None => limits,
        Some(Idle { mut connection, last_use }) => {
            if last_use.recent_age(connector).is_some_and(|age| connection.is_quiet(age)) {
                return Ok(Usable { connection, fresh: false });
            }
            connection.limit(limits.halved());
            match connection.is_in_step() {
                Ok(true) => return Ok(Usable { connection, fresh: false }),
                Ok(false) => limits,
                Err(error) => {
                    connector.count_failure();
                    if error.is_timeout() { limits.halved() } else { limits }
                }
            }
        }
    };
    let connection = Box::new(Connection::open(connector, limits_of_a_new_one)?);
    Ok(Usable { connection, fresh: true })
}

/// When a connection was last used, and how many others had failed by then.
#[derive(Clone, Copy)]
pub(crate) struct LastUse {
    time: Instant,
    failures: usize,
}

impl LastUse {
    pub(crate) fn now(connector: &Connector) -> Self {
        Self { time: Instant::now(), failures: connector.failures() }
    }

    /// How long the connection has been idle.
    pub(crate) fn age(&self) -> Duration {
        self.time.elapsed()
    }

    /// Returns how long the connection has been idle, if it can be trusted to be alive.
    pub(crate) fn recent_age(&self, connector: &Connector) -> Option<Duration> {
        let age = self.age();
        (self.failures == connector.failures() && age < IDLE_BEFORE_PROBE).then_some(age)
    }
}

/// A busy connection is not probed: a probe would double its latency. One that was idle for this
/// long is probed, and one that was idle while another failed, so that a write after a restart of
/// the server does not fail with an unknown outcome.
pub(crate) const IDLE_BEFORE_PROBE: Duration = Duration::from_millis(100);
