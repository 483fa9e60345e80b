//! Calls over the shared connection, and over the exclusive connection of one caller.

use std::pin::pin;
use std::sync::Arc;

use redis::{RedisResult, Value};

use super::connecting::{Purpose, UsableAsync};
use super::connection::AsyncConnection;
use super::multiplexed::Multiplexed;
use super::packed::{Packed, command};
use crate::connection::exclusive::ExclusiveConnection;
use crate::connection::idle::LastUse;
use crate::connection::node::repeatable;
use crate::connection::transport_error::{TransportError, TransportResult};
use crate::protocol::Line;
use crate::reply::{asks_to_reconnect, ends_connection};
use crate::time::Deadline;

impl Multiplexed {
    /// Sends one command or several, and returns the reply or an array of the replies. Repeatable
    /// commands are repeated once if the connection was stale.
    pub(crate) async fn exchange(
        self: &Arc<Self>,
        lines: &[Line<'_>],
        deadline: Deadline,
    ) -> TransportResult<Value> {
        let (connection, fresh) = match self.recently_used() {
            Some(connection) => (connection, false),
            None => self.connection(deadline).await?,
        };
        let reply = connection.exchange(&Packed::new(lines), deadline).await;
        self.conclude(reply, (connection, fresh), lines, deadline).await
    }

    /// Like `exchange`, on the exclusive connection of one caller.
    pub(crate) async fn exchange_alone(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
        exclusive: &mut ExclusiveConnection,
    ) -> TransportResult<Value> {
        let packed = Packed::new(lines);
        loop {
            let kept = exclusive.take::<(AsyncConnection, LastUse)>(&self.connector.address);
            let usable = self.connector.usable_async(kept, Purpose::Calls, deadline).await;
            let is_kept = usable.as_ref().is_ok_and(|usable| !usable.fresh);
            if !is_kept {
                exclusive.count_new();
            }
            let UsableAsync { connection, fresh } = usable?;
            let reply = connection.exchange(&packed, deadline).await;
            let again = match &reply {
                Ok(reply) => {
                    one_of(reply, lines, asks_to_reconnect) && self.retire_demoted(&connection)
                }
                Err(error) => {
                    self.connector.count_failure();
                    !error.is_timeout()
                }
            };
            if reply.as_ref().is_ok_and(|reply| !one_of(reply, lines, ends_connection)) {
                let kept = (connection, LastUse::now(&self.connector));
                exclusive.keep(kept, &self.connector.address);
            }
            if fresh || !again || !repeatable(lines) {
                return reply.map_err(TransportError::Broken);
            }
        }
    }

    /// Like `exchange` for one command, in a future as small as possible.
    pub(crate) async fn exchange_one(
        self: &Arc<Self>,
        line: Line<'_>,
        deadline: Deadline,
    ) -> TransportResult<Value> {
        let Some(connection) = self.recently_used() else {
            return Box::pin(self.exchange(&[line], deadline)).await;
        };
        let command = command(&line);
        let reply = {
            let mut driver = connection.driver();
            let call = pin!(driver.send_packed_command(&command));
            connection.outstanding().reply(call, deadline).await
        };
        match reply {
            Ok(reply) if !asks_to_reconnect(&reply) && !ends_connection(&reply) => Ok(reply),
            reply => Box::pin(self.conclude(reply, (connection, false), &[line], deadline)).await,
        }
    }

    /// Concludes a first try. A command is sent again, once, on another connection if this one was
    /// not `fresh`, and the command only reads or was refused because the connection leads to the
    /// wrong server.
    async fn conclude(
        self: &Arc<Self>,
        reply: RedisResult<Value>,
        (connection, fresh): (AsyncConnection, bool),
        lines: &[Line<'_>],
        deadline: Deadline,
    ) -> TransportResult<Value> {
        let again = match &reply {
            Ok(reply) if one_of(reply, lines, ends_connection) => {
                self.fail(&connection);
                false
            }
            Ok(reply) => {
                // One refused command has no effect, but others of the same call may have one.
                one_of(reply, lines, asks_to_reconnect)
                    && self.retire_demoted(&connection)
                    && (lines.len() == 1 || repeatable(lines))
            }
            Err(error) => {
                self.fail(&connection);
                repeatable(lines) && !error.is_timeout()
            }
        };
        drop(connection);
        if fresh || !again {
            return reply.map_err(TransportError::Broken);
        }
        let (connection, _) = self.connection(deadline).await?;
        let reply = connection.exchange(&Packed::new(lines), deadline).await;
        if reply.as_ref().map_or(true, |reply| one_of(reply, lines, ends_connection)) {
            self.fail(&connection);
        }
        reply.map_err(TransportError::Broken)
    }
}

/// Returns whether a reply to one of `lines` is of a kind.
fn one_of(reply: &Value, lines: &[Line<'_>], is_of_kind: fn(&Value) -> bool) -> bool {
    match reply {
        Value::Array(replies) if lines.len() > 1 => replies.iter().any(is_of_kind),
        reply => is_of_kind(reply),
    }
}
