use std::io;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::connector::Connector;
use super::exclusive::ExclusiveConnection;
use super::node::{ListenOptions, Node, SilencePolicy};
use super::push::PushHandler;
use super::transport_error::TransportResult;
use crate::protocol::Line;
use crate::time::{Deadline, Signal};

/// A node whose round trips show whether its server can be reached.
pub(crate) struct Observed<N>(N);

impl<N: Node> Observed<N> {
    /// Records the outcome of a round trip.
    fn record<T: AsRef<[Value]> + ?Sized>(
        &self,
        lines: &[Line<'_>],
        outcome: Result<&T, &super::TransportError>,
    ) {
        let health = &self.connector().health;
        let writes = || lines.iter().any(|line| line.request.writes());
        match outcome {
            Ok(replies) => health.answered(replies.as_ref(), writes),
            Err(fault) => health.failed(fault),
        }
    }
}

impl<N: Node> Node for Observed<N> {
    type Settings = N::Settings;

    fn new(connector: Connector, settings: &N::Settings) -> Self {
        Self(N::new(connector, settings))
    }

    fn connector(&self) -> &Connector {
        self.0.connector()
    }

    fn call(
        &self,
        line: Line<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<Value>> + Send {
        let call = self.0.call(line, deadline);
        async move {
            let reply = call.await;
            self.record(&[line], reply.as_ref().map(slice::from_ref));
            reply
        }
    }

    async fn call_several(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
    ) -> TransportResult<Vec<Value>> {
        let replies = self.0.call_several(lines, deadline).await;
        self.record(lines, replies.as_ref());
        replies
    }

    fn call_many(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<Vec<Value>>> + Send {
        let call = self.0.call_many(lines, deadline);
        async move {
            let replies = call.await;
            self.record(lines, replies.as_ref());
            replies
        }
    }

    async fn call_alone(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
        exclusive: &mut ExclusiveConnection,
    ) -> TransportResult<Vec<Value>> {
        let replies = self.0.call_alone(lines, deadline, exclusive).await;
        self.record(lines, replies.as_ref());
        replies
    }

    async fn wait(
        &self,
        lines: &[Line<'_>],
        slice: Duration,
        policy: &dyn SilencePolicy,
    ) -> TransportResult<Value> {
        let reply = self.0.wait(lines, slice, policy).await;
        self.record(lines, reply.as_ref().map(slice::from_ref));
        reply
    }

    fn pause(time: Duration) -> impl Future<Output = ()> + Send {
        N::pause(time)
    }

    type Listening = N::Listening;

    async fn ask(&self, listening: &N::Listening, deadline: Deadline) -> TransportResult<()> {
        self.0.ask(listening, deadline).await
    }

    fn retire_connections(&self) {
        self.0.retire_connections();
    }

    async fn listen(
        &self,
        lines: &[Line<'_>],
        handler: Arc<dyn PushHandler>,
        options: ListenOptions,
        deadline: Deadline,
    ) -> TransportResult<(N::Listening, Vec<Value>)> {
        let listening = self.0.listen(lines, handler, options, deadline).await;
        self.record(lines, listening.as_ref().map(|(_, replies)| replies));
        listening
    }

    fn spawn(work: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        N::spawn(work)
    }

    fn rest(signal: &Signal, time: Duration) -> impl Future<Output = ()> + Send {
        N::rest(signal, time)
    }
}
