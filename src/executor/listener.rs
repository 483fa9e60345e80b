//! Connections on which a server speaks unasked, each heard on a thread of its own.

use std::sync::Arc;
use std::time::Duration;

use redis::{PushKind, RedisResult, Value};

use super::blocking_node::pack;
use super::connection::Connector;
use super::fault::{Fault, Outcome};
use super::retry::Deadline;
use super::speech::{Ears, Speech, tell};
use crate::protocol::Line;

/// Connects, sends `lines`, and gives the replies. What the server says from then on is heard on a
/// thread, which ends with the connection, after a `silence`, or when the ears have heard enough.
pub(crate) fn listen(
    connector: &Connector,
    lines: &[Line<'_>],
    ears: Arc<dyn Ears>,
    silence: Duration,
    deadline: Deadline,
) -> Outcome<Vec<Value>> {
    let mut connection = connector.speaking(deadline)?.connect()?;
    let sent = connection.send_packed_command(&pack(lines));
    let replies = sent.and_then(|()| {
        let mut replies = Vec::with_capacity(lines.len());
        while replies.len() < lines.len() {
            replies.extend(reply(&mut connection, &*ears)?);
        }
        connection.set_read_timeout(Some(silence))?;
        Ok(replies)
    });
    let replies = replies.map_err(Fault::Broken)?;
    let thread = std::thread::Builder::new().name("redis-listener".into());
    let started = thread.spawn(move || {
        while let Ok(value) = connection.recv_response() {
            if let Value::Push { kind, data } = value
                && !tell(&*ears, &kind, &data)
            {
                return;
            }
        }
        ears.hear(Speech::Ended);
    });
    started.map_err(|error| Fault::connect(&connector.address, error))?;
    Ok(replies)
}

/// The next reply, unless something was said unasked.
fn reply(connection: &mut redis::Connection, ears: &dyn Ears) -> RedisResult<Option<Value>> {
    match connection.recv_response()? {
        reply @ Value::Push { kind: PushKind::Subscribe | PushKind::PSubscribe, .. } => {
            Ok(Some(reply))
        }
        Value::Push { kind, data } => {
            tell(ears, &kind, &data);
            Ok(None)
        }
        reply => Ok(Some(reply)),
    }
}
