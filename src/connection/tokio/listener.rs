//! Connections that receive push messages, in the driver's task.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use redis::{PushInfo, RedisResult, Value};

use super::connecting::{Purpose, UsableAsync};
use super::connection::AsyncConnection;
use super::packed::Packed;
use crate::connection::connector::Connector;
use crate::connection::push::{Push, PushHandler, dispatch, role};
use crate::connection::transport_error::{TransportError, TransportResult};
use crate::protocol::Line;
use crate::time::Deadline;

/// A connection that receives push messages until this is dropped.
pub(crate) struct AsyncListening {
    connection: AsyncConnection,
    handler: Arc<dyn PushHandler>,
}

impl AsyncListening {
    /// Asks the server for its role. The server may be silent for `silence`.
    pub(crate) async fn ask(&self, silence: Duration, deadline: Deadline) -> RedisResult<()> {
        let hello = Packed::One(redis::cmd("HELLO"));
        let reply = self.connection.exchange_within(&hello, silence, deadline).await?;
        self.handler.on_push(role(&reply));
        Ok(())
    }
}

/// Connects, sends `lines`, and returns the replies.
pub(crate) async fn listen(
    connector: &Connector,
    lines: &[Line<'_>],
    handler: Arc<dyn PushHandler>,
    deadline: Deadline,
) -> TransportResult<(AsyncListening, Vec<Value>)> {
    let (at_end, answers) = (handler.clone(), handler.clone());
    let receive = move |PushInfo { kind, data, .. }: PushInfo| {
        dispatch(&*handler, &kind, &data);
        Ok::<(), Infallible>(())
    };
    // The driver reports when it notices the end, and the connection when the driver itself has
    // ended.
    let at_end = Box::new(move || {
        at_end.on_push(Push::Ended);
    });
    let purpose = Purpose::Pushes(Arc::new(receive), at_end);
    let with_push = connector.with_resp3()?;
    let UsableAsync { connection, .. } = with_push.usable_async(None, purpose, deadline).await?;
    let mut replies = Vec::with_capacity(lines.len());
    for line in lines {
        let packed = Packed::new(&[*line]);
        let reply = connection.exchange_within(&packed, connector.response_timeout, deadline);
        replies.push(reply.await.map_err(TransportError::Broken)?);
    }
    Ok((AsyncListening { connection, handler: answers }, replies))
}
