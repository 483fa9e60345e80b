//! Connections on which a server speaks unasked, heard by the driver's task.

use std::convert::Infallible;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo, Value};

use super::connection::{Connector, timed_out};
use super::fault::{Fault, Outcome};
use super::multiplexed::Packed;
use super::retry::Deadline;
use super::speech::{Ears, tell};
use crate::protocol::Line;

/// A connection that is heard until this is dropped.
pub(crate) struct Listening {
    _connection: MultiplexedConnection,
}

/// Connects, sends `lines`, and gives the replies.
pub(crate) async fn listen(
    connector: &Connector,
    lines: &[Line<'_>],
    ears: Arc<dyn Ears>,
    deadline: Deadline,
) -> Outcome<(Listening, Vec<Value>)> {
    let hear = move |PushInfo { kind, data }: PushInfo| {
        tell(&*ears, &kind, &data);
        Ok::<(), Infallible>(())
    };
    let config = AsyncConnectionConfig::new().set_push_sender(hear);
    let mut connection = connector.speaking(deadline)?.connect_async_with(config).await?;
    let exchange = async {
        let mut replies = Vec::with_capacity(lines.len());
        for line in lines {
            replies.push(Packed::new(&[*line]).exchange(&mut connection).await?);
        }
        Ok(replies)
    };
    let limit = connector.response_timeout.min(deadline.left());
    let replies = tokio::time::timeout(limit, exchange).await;
    let replies = replies.unwrap_or_else(|_| Err(timed_out())).map_err(Fault::Broken)?;
    Ok((Listening { _connection: connection }, replies))
}
