//! Connections on which a server speaks unasked, each heard on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{PushKind, RedisResult, Value};

use super::connection::Connection;
use crate::connection::connector::Connector;
use crate::connection::push::{Ears, Speech, role, tell};
use crate::connection::stream::Limits;
use crate::connection::transport_error::{Fault, Outcome};
use crate::protocol::{Line, pack};
use crate::time::Deadline;
use crate::time::Wait;

/// A connection that is heard by a thread, which can be asked for something if it looks for that.
pub(crate) struct Listening(Arc<AtomicBool>);

impl Listening {
    /// Has the thread ask the server what it is.
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Connects, sends `lines`, and gives the replies. What the server says from then on is heard on a
/// thread, which ends with the connection, after a `silence`, or when the ears have heard enough.
pub(crate) fn listen(
    connector: &Connector,
    lines: &[Line<'_>],
    ears: Arc<dyn Ears>,
    (silence, is_asked): (Duration, bool),
    deadline: Deadline,
) -> Outcome<(Listening, Vec<Value>)> {
    let limits = connector.limits(deadline);
    let mut connection = Connection::open(&connector.speaking()?, limits)?;
    connection.limit(limits);
    let replies = begin(&mut connection, lines, &*ears).map_err(Fault::Broken)?;
    let listening = Listening(Arc::default());
    let question = is_asked.then(|| listening.0.clone());
    let thread = std::thread::Builder::new().name("redis-listener".into());
    let started = thread.spawn(move || {
        let deadline = Deadline::after(Wait::Forever);
        connection.limit(Limits { silence, deadline });
        let mut next = || match &question {
            Some(question) => connection.receive_asking(question, silence),
            None => connection.receive_any(),
        };
        while let Ok(value) = next() {
            let goes_on = match value {
                Value::Push { kind, data } => tell(&*ears, &kind, &data),
                answer => ears.hear(role(&answer)),
            };
            if !goes_on {
                return;
            }
        }
        ears.hear(Speech::Ended);
    });
    started.map_err(|error| Fault::connect(&connector.address, error))?;
    Ok((listening, replies))
}

fn begin(
    connection: &mut Connection,
    lines: &[Line<'_>],
    ears: &dyn Ears,
) -> RedisResult<Vec<Value>> {
    connection.send(&pack(lines))?;
    let mut replies = Vec::with_capacity(lines.len());
    while replies.len() < lines.len() {
        replies.extend(reply(connection, ears)?);
    }
    Ok(replies)
}

/// The next reply, unless something was said unasked.
fn reply(connection: &mut Connection, ears: &dyn Ears) -> RedisResult<Option<Value>> {
    match connection.receive_any()? {
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
