//! Connections for blocking commands, apart from the pool so that they never starve it.

use std::collections::VecDeque;
use std::time::Duration;

use redis::{RedisResult, Value};

use super::connection::Connection;
use crate::connection::connector::Connector;
use crate::connection::idle::{Idle, Usable, usable};
use crate::connection::node::SilencePolicy;
use crate::connection::stream::Limits;
use crate::connection::transport_error::{TransportError, TransportResult};
use crate::lock::Lock;
use crate::protocol::{Line, pack};
use crate::reply::asks_to_reconnect;
use crate::time::finish;

/// Idle connections for blocking commands, as many as were in use at the same time recently. The
/// most recently used ones are at the end, and are used first.
#[derive(Default)]
pub(crate) struct DedicatedConnections {
    idle: Lock<VecDeque<Idle>>,
}

impl DedicatedConnections {
    /// Returns the reply to the last of `lines`, for which the server takes up to `slice`. A
    /// connection whose wait failed is dropped: its reply may still be in flight.
    pub(crate) fn wait(
        &self,
        connector: &Connector,
        lines: &[Line<'_>],
        slice: Duration,
        policy: &dyn SilencePolicy,
    ) -> TransportResult<Value> {
        let deadline = policy.end();
        let idle = self.idle.lock().pop_back();
        let Usable { mut connection, fresh } = usable(idle, connector, connector.limits(deadline))?;
        let exchange = |connection: &mut Connection| {
            let silence = slice.saturating_add(connector.response_timeout);
            connection.limit(Limits { silence, deadline });
            let reply = exchange(connection, lines, connector, policy);
            reply.map_err(|error| {
                connector.count_failure();
                if connection.has_begun_reply() && !error.is_timeout() {
                    TransportError::CutOff(error)
                } else {
                    TransportError::Broken(error)
                }
            })
        };
        let mut reply = exchange(&mut connection)?;
        if asks_to_reconnect(&reply) {
            let is_another_worth_it = connector.retire_demoted(connection.generation);
            if !fresh && is_another_worth_it {
                *connection = Connection::open(connector, connector.limits(deadline))?;
                reply = exchange(&mut connection)?;
            }
        }
        if !matches!(reply, Value::ServerError(_)) {
            self.keep(connection, connector);
        }
        Ok(reply)
    }

    /// Keeps a connection, and closes surplus ones.
    fn keep(&self, connection: Box<Connection>, connector: &Connector) {
        let mut idle = self.idle.lock();
        idle.push_back(Idle::new(connection, connector));
        let unused = idle.iter().take_while(|idle| idle.age() > LONGEST_IDLE).count();
        let unused: Vec<_> = idle.drain(..unused).collect();
        drop(idle);
        // They are closed after the lock is released.
        drop(unused);
    }
}

/// Sends `lines` and returns the last reply, waiting as `policy` allows.
fn exchange(
    connection: &mut Connection,
    lines: &[Line<'_>],
    connector: &Connector,
    policy: &dyn SilencePolicy,
) -> RedisResult<Value> {
    connection.send(&pack(lines))?;
    lines.iter().try_fold(Value::Nil, |_, _| receive(connection, connector, policy))
}

/// Receives the next reply, however late it is, for as long as `policy` allows.
fn receive(
    connection: &mut Connection,
    connector: &Connector,
    policy: &dyn SilencePolicy,
) -> RedisResult<Value> {
    loop {
        match connection.receive() {
            Err(error) if error.is_timeout() && finish(policy.keeps_waiting()) => {
                connection.limit(connector.limits(policy.end()));
            }
            received => return received,
        }
    }
}

/// Every wait uses its connection again after a slice, so a connection that is unused for longer is
/// surplus.
const LONGEST_IDLE: Duration = Duration::from_secs(30);
