use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::background::Background;
use super::connecting::keeps_time;
use super::dedicated::AsyncWaiting;
use super::listener::{AsyncListening, listen};
use super::multiplexed::Multiplexed;
use crate::connection::connector::Connector;
use crate::connection::exclusive::ExclusiveConnection;
use crate::connection::node::{ListenOptions, Node, SilencePolicy};
use crate::connection::observed::Observed;
use crate::connection::push::PushHandler;
use crate::connection::transport_error::{TransportError, TransportResult};
use crate::protocol::Line;
use crate::time::Deadline;
use crate::time::Signal;

/// A server to which all calls share one connection, except blocking ones, observed.
pub(crate) type AsyncNode = Observed<SharedNode>;

/// A server to which all calls share one connection, except blocking ones.
pub(crate) struct SharedNode {
    shared: Arc<Multiplexed>,
    waiting: AsyncWaiting,
}

impl Node for SharedNode {
    type Settings = Arc<Background>;

    fn new(connector: Connector, background: &Arc<Background>) -> Self {
        let shared = Arc::new(Multiplexed::new(connector));
        Self { waiting: AsyncWaiting::new(shared.clone(), background.clone()), shared }
    }

    fn connector(&self) -> &Connector {
        &self.shared.connector
    }

    async fn call(&self, line: Line<'_>, deadline: Deadline) -> TransportResult<Value> {
        self.shared.exchange_one(line, deadline).await
    }

    async fn call_many(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
    ) -> TransportResult<Vec<Value>> {
        replies(self.shared.exchange(lines, deadline).await?, lines)
    }

    async fn call_alone(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
        exclusive: &mut ExclusiveConnection,
    ) -> TransportResult<Vec<Value>> {
        replies(self.shared.exchange_alone(lines, deadline, exclusive).await?, lines)
    }

    async fn wait(
        &self,
        lines: &[Line<'_>],
        slice: Duration,
        policy: &dyn SilencePolicy,
    ) -> TransportResult<Value> {
        self.shared.connector.runtime()?;
        self.waiting.wait(lines, slice, policy).await
    }

    async fn pause(time: Duration) {
        match tokio::runtime::Handle::try_current() {
            Ok(_) if keeps_time() => tokio::time::sleep(time).await,
            _ => std::thread::sleep(time),
        }
    }

    fn retire_connections(&self) {
        let connector = self.connector();
        connector.retire_connections(connector.generation());
    }

    type Listening = AsyncListening;

    async fn ask(&self, listening: &AsyncListening, deadline: Deadline) -> TransportResult<()> {
        let silence = self.shared.connector.response_timeout;
        listening.ask(silence, deadline).await.map_err(TransportError::Broken)
    }

    async fn listen(
        &self,
        lines: &[Line<'_>],
        handler: Arc<dyn PushHandler>,
        _options: ListenOptions,
        deadline: Deadline,
    ) -> TransportResult<(AsyncListening, Vec<Value>)> {
        listen(&self.shared.connector, lines, handler, deadline).await
    }

    fn spawn(work: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let runtime = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        runtime.spawn(work);
        Ok(())
    }

    async fn rest(signal: &Signal, time: Duration) {
        // Whether it was raised makes no difference.
        let _ = tokio::time::timeout(time, signal.raised()).await;
    }
}

/// Splits the reply of an exchange into the replies of its commands.
fn replies(reply: Value, lines: &[Line<'_>]) -> TransportResult<Vec<Value>> {
    match (reply, lines.len()) {
        (Value::Array(replies), 2..) => Ok(replies),
        (reply, _) => Ok(vec![reply]),
    }
}
