//! Connections for calls that wait, apart from the pool so that they never starve it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::Value;

use super::blocking_node::{pack, receive};
use super::connection::Connector;
use super::fault::{Fault, Outcome};
use super::idle::Idle;
use super::node::Watch;
use crate::protocol::Line;

/// Idle connections for waiting calls. As many are open as calls wait at the same time.
#[derive(Default)]
pub(crate) struct Waiting {
    idle: Mutex<Vec<Idle>>,
}

impl Waiting {
    /// The reply to the last of `lines`, for which the server takes up to `slice`. A connection whose
    /// wait failed is dropped: its reply may still be on the way.
    pub(crate) fn wait(
        &self,
        connector: &Connector,
        lines: &[Line<'_>],
        slice: Duration,
        watch: &dyn Watch,
    ) -> Outcome<Value> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let usable = idle.and_then(|idle| idle.usable(connector));
        let mut connection = usable.map_or_else(|| connector.connect(), Ok)?;
        let patience = (slice + connector.response_timeout).min(watch.end().left());
        let limited = connection.set_read_timeout(Some(patience.max(SHORTEST)));
        let sent = limited.and_then(|()| connection.send_packed_command(&pack(lines)));
        let read = |_| lines.iter().try_fold(Value::Nil, |_, _| receive(&mut connection));
        let value = sent.and_then(read).map_err(|error| {
            connector.count_failure();
            Fault::Broken(error)
        })?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(value, Value::ServerError(_)) && idle.len() < MOST_IDLE {
            idle.push(Idle::new(connection, connector));
        }
        Ok(value)
    }
}

const MOST_IDLE: usize = 16;
/// Sockets take zero for "for ever".
const SHORTEST: Duration = Duration::from_millis(1);
