//! Connections that receive push messages, in the driver's task.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use redis::{PushInfo, RedisResult, Value};

use super::connection::{AsyncConnection, Purpose};
use super::packed::Packed;
use crate::connection::connector::{Connector, timed_out};
use crate::connection::push::{Push, PushHandler, dispatch, role};
use crate::connection::transport_error::{TransportError, TransportResult};
use crate::protocol::Line;
use crate::time::Deadline;
use crate::time::Wait;

/// A connection that receives push messages until this is dropped.
pub(crate) struct AsyncListening {
    connection: AsyncConnection,
    handler: Arc<dyn PushHandler>,
}

impl AsyncListening {
    /// Asks the server for its role, within `limit`.
    pub(crate) async fn ask(&self, limit: Duration) -> RedisResult<()> {
        let hello = Packed::One(redis::cmd("HELLO"));
        let asked = self.connection.exchange(&hello, Deadline::after(Wait::Forever));
        let reply =
            tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| Err(timed_out()))?;
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
    let receive = move |PushInfo { kind, data }: PushInfo| {
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
    let connecting = tokio::time::timeout(deadline.left(), with_push.connect_async(purpose));
    let late = |_| Err(TransportError::connect(&connector.address, timed_out()));
    let connection = connecting.await.unwrap_or_else(late)?;
    let exchange = async {
        let mut replies = Vec::with_capacity(lines.len());
        for line in lines {
            let forever = Deadline::after(Wait::Forever);
            replies.push(connection.exchange(&Packed::new(&[*line]), forever).await?);
        }
        Ok(replies)
    };
    let limit = connector.response_timeout.min(deadline.left());
    let replies = tokio::time::timeout(limit, exchange).await;
    let replies = replies.unwrap_or_else(|_| Err(timed_out())).map_err(TransportError::Broken)?;
    Ok((AsyncListening { connection, handler: answers }, replies))
}
