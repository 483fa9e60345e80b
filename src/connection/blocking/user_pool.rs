//! Connections of the user's own pool. They are the driver's: limits apply to each read, and an
//! interrupted read ends the connection.

use std::time::Duration;

use redis::{ConnectionLike, RedisError, RedisResult, Value};

use crate::connection::connector::{Connector, timed_out};
use crate::connection::handshake::Probe;
use crate::connection::idle::LastUse;
use crate::connection::stream::Limits;
use crate::connection::transport_error::{TransportError, TransportResult};

/// A connection lent by the user's own pool.
pub(crate) type Given = r2d2::PooledConnection<redis::Client>;

/// The state of a connection, kept with it.
#[derive(Clone, Copy)]
struct Usage {
    last_use: LastUse,
    generation: usize,
}

/// Makes a connection usable. Returns whether it had to be replaced.
pub(crate) fn make_usable(
    given: &mut Given,
    connector: &Connector,
    limits: Limits,
) -> TransportResult<bool> {
    let usage = Given::extensions(given).get::<Usage>().copied();
    if generation(given) != connector.generation() {
        replace(given, connector, limits)?;
        return Ok(true);
    }
    if usage.is_some_and(|usage| usage.last_use.recent_age(connector).is_some()) {
        return Ok(false);
    }
    let limits = match is_in_step(given, limits.halved().silence) {
        Ok(true) if limit_times(given, limits.silence).is_ok() => return Ok(false),
        Err(error) if error.is_timeout() => limits.halved(),
        _ => limits,
    };
    replace(given, connector, limits)?;
    Ok(true)
}

/// Replaces a connection by a new one.
pub(crate) fn replace(
    given: &mut Given,
    connector: &Connector,
    limits: Limits,
) -> TransportResult<()> {
    let generation = connector.generation();
    let explain = |error: RedisError| if error.is_timeout() { timed_out() } else { error };
    let fault = |error| TransportError::connect(&connector.address, explain(error));
    **given = connect(connector, limits).map_err(fault)?;
    let last_use = LastUse::now(connector);
    Given::extensions_mut(given).insert(Usage { last_use, generation });
    Ok(())
}

/// Receives the next reply.
pub(crate) fn receive(given: &mut Given) -> RedisResult<Value> {
    loop {
        match given.recv_response()? {
            Value::Push { .. } => {}
            reply => return Ok(reply),
        }
    }
}

/// Records that a connection is used.
pub(crate) fn record_use(given: &mut Given, connector: &Connector) {
    let (last_use, generation) = (LastUse::now(connector), generation(given));
    Given::extensions_mut(given).insert(Usage { last_use, generation });
}

/// The generation of its connector to which a connection belongs. One that was never used may
/// belong to the first.
pub(crate) fn generation(given: &Given) -> usize {
    Given::extensions(given).get::<Usage>().map_or(0, |usage| usage.generation)
}

/// Makes a new connection to a server that accepts commands.
fn connect(connector: &Connector, limits: Limits) -> RedisResult<redis::Connection> {
    let left = limits.deadline.earlier(connector.connect_deadline()).left();
    let mut connection = connector.client.get_connection_with_timeout(left)?;
    let silence = limits.silence.min(left);
    limit_times(&connection, silence)?;
    // A server refuses a connection with an error followed by the end.
    if let Value::ServerError(_) = connection.req_command(&redis::cmd("PING"))? {
        connection.req_command(&redis::cmd("PING"))?;
    }
    if let Some(name) = &connector.name {
        redis::cmd("CLIENT").arg("SETNAME").arg(name).exec(&mut connection)?;
    }
    limit_times(&connection, connector.response_timeout)?;
    Ok(connection)
}

/// Probes whether the server answers this request, and not an earlier one.
fn is_in_step(connection: &mut redis::Connection, silence: Duration) -> RedisResult<bool> {
    limit_times(connection, silence)?;
    let probe = Probe::new();
    let reply = connection.req_packed_command(&probe.packed())?;
    Ok(probe.is_answered_by(&reply))
}

/// Sets the system's timeouts of reads and writes.
fn limit_times(connection: &redis::Connection, silence: Duration) -> RedisResult<()> {
    let silence = Some(silence.max(Duration::from_micros(1)));
    connection.set_read_timeout(silence)?;
    connection.set_write_timeout(silence)
}
