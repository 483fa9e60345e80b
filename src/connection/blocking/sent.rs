//! Calls on pooled connections, and what their replies say about connections and repetition.

use redis::{RedisResult, Value};

use super::pool::{Condition, PoolConnection};
use crate::connection::node::repeatable;
use crate::connection::transport_error::{TransportError, TransportResult};
use crate::protocol::{Line, pack};
use crate::reply::{asks_to_reconnect, ends_connection};

/// Commands that were sent and whose replies have not been read.
pub(super) struct Sent<'a, 'b, 'c> {
    pooled: PoolConnection<'a>,
    lines: &'b [Line<'c>],
    packed: Vec<u8>,
    result: RedisResult<()>,
}

impl<'a, 'b, 'c> Sent<'a, 'b, 'c> {
    /// Sends `lines`, for `finish` to receive the replies.
    pub(super) fn new(mut pooled: PoolConnection<'a>, lines: &'b [Line<'c>]) -> Self {
        let packed = pack(lines);
        let result = pooled.send(&packed);
        Self { pooled, lines, packed, result }
    }

    /// Receives the replies. Repeatable commands are repeated once if the connection was stale.
    pub(super) fn finish(mut self) -> TransportResult<Vec<Value>> {
        let received = |()| receive_each(&mut self.pooled, self.lines);
        let mut result = self.result.and_then(received);
        let mut left = condition(&result, || self.pooled.retire_demoted());
        let is_stale = !self.pooled.fresh && left != Condition::Sound;
        if is_stale && may_be_repeated(self.lines, &result) {
            self.pooled = self.pooled.renew(left)?;
            let sent = self.pooled.send(&self.packed);
            result = sent.and_then(|()| receive_each(&mut self.pooled, self.lines));
            left = condition(&result, || self.pooled.retire_demoted());
        }
        self.pooled.finish(left);
        result.map_err(TransportError::Broken)
    }
}

/// Receives a reply for each line.
fn receive_each(pooled: &mut PoolConnection<'_>, lines: &[Line<'_>]) -> RedisResult<Vec<Value>> {
    lines.iter().map(|_| pooled.receive()).collect()
}

/// Returns whether sending the same commands once more has no second effect. A silent server is not
/// asked again: it would take as long.
pub(super) fn may_be_repeated(lines: &[Line<'_>], result: &RedisResult<Vec<Value>>) -> bool {
    match result {
        Ok(replies) => were_refused(lines, replies),
        Err(error) => repeatable(lines) && !error.is_timeout(),
    }
}

/// Returns whether the server refused commands because it is not the master, and none of them had
/// an effect.
pub(super) fn were_refused(lines: &[Line<'_>], replies: &[Value]) -> bool {
    let was_refused =
        |(line, reply): (&Line<'_>, &Value)| !line.request.writes() || asks_to_reconnect(reply);
    let was_discarded = replies.last().is_some_and(is_discarded);
    let had_no_effect = was_discarded || lines.iter().zip(replies).all(was_refused);
    replies.iter().any(asks_to_reconnect) && had_no_effect
}

/// Returns the condition in which an exchange leaves its connection.
pub(super) fn condition(
    result: &RedisResult<Vec<Value>>,
    retire_demoted: impl FnOnce() -> bool,
) -> Condition {
    match result {
        Ok(replies) if replies.iter().any(ends_connection) => Condition::Broken,
        Ok(replies) if replies.iter().any(asks_to_reconnect) && retire_demoted() => {
            Condition::Misled
        }
        Ok(_) => Condition::Sound,
        Err(_) => Condition::Broken,
    }
}

/// Returns whether a reply means that nothing of a transaction was applied.
fn is_discarded(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(error) if error.code() == "EXECABORT")
}
