//! Connections that receive push messages, each on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::{PushKind, RedisResult, Value};

use super::connection::Connection;
use crate::connection::connector::Connector;
use crate::connection::node::ListenOptions;
use crate::connection::push::{Push, PushHandler, dispatch, role};
use crate::connection::stream::Limits;
use crate::connection::transport_error::{TransportError, TransportResult};
use crate::protocol::{Line, pack};
use crate::time::Deadline;
use crate::time::Wait;

/// A connection whose push messages are received on a thread. The thread checks for requests to ask
/// the server, if configured so.
pub(crate) struct BlockingListening(Arc<AtomicBool>);

impl BlockingListening {
    /// Makes the thread ask the server for its role.
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Connects, sends `lines`, and returns the replies. From then on push messages are received on a
/// thread, which ends with the connection, after a `silence`, or when the handler declines more.
pub(crate) fn listen(
    connector: &Connector,
    lines: &[Line<'_>],
    handler: Arc<dyn PushHandler>,
    options: ListenOptions,
    deadline: Deadline,
) -> TransportResult<(BlockingListening, Vec<Value>)> {
    let ListenOptions { max_silence: silence, can_ask_role } = options;
    let limits = connector.limits(deadline);
    let mut connection = Connection::open(&connector.with_resp3()?, limits)?;
    connection.limit(limits);
    let replies = begin(&mut connection, lines, &*handler).map_err(TransportError::Broken)?;
    let listening = BlockingListening(Arc::default());
    let question = can_ask_role.then(|| listening.0.clone());
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
                Value::Push { kind, data } => dispatch(&*handler, &kind, &data),
                answer => handler.on_push(role(&answer)),
            };
            if !goes_on {
                return;
            }
        }
        handler.on_push(Push::Ended);
    });
    started.map_err(|error| TransportError::connect(&connector.address, error))?;
    Ok((listening, replies))
}

/// Sends `lines` and returns the replies, dispatching push messages between them.
fn begin(
    connection: &mut Connection,
    lines: &[Line<'_>],
    handler: &dyn PushHandler,
) -> RedisResult<Vec<Value>> {
    connection.send(&pack(lines))?;
    let mut replies = Vec::with_capacity(lines.len());
    while replies.len() < lines.len() {
        replies.extend(reply(connection, handler)?);
    }
    Ok(replies)
}

/// Receives the next reply, or dispatches a push message.
fn reply(connection: &mut Connection, handler: &dyn PushHandler) -> RedisResult<Option<Value>> {
    match connection.receive_any()? {
        reply @ Value::Push { kind: PushKind::Subscribe | PushKind::PSubscribe, .. } => {
            Ok(Some(reply))
        }
        Value::Push { kind, data } => {
            dispatch(handler, &kind, &data);
            Ok(None)
        }
        reply => Ok(Some(reply)),
    }
}
