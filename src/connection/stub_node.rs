//! A node without a server, for unit tests.

use std::future::ready;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::connector::Connector;
use super::exclusive::ExclusiveConnection;
use super::node::{ListenOptions, Node, SilencePolicy};
use super::push::PushHandler;
use super::transport_error::TransportResult;
use crate::lock::Lock;
use crate::protocol::Line;
use crate::time::{Deadline, Signal};

/// A node that replies to a single command as its [`Stub`] says, and to several with a list of as
/// many sevens as each has keys.
pub(crate) struct StubNode {
    connector: Connector,
    stub: Stub,
}

/// The replies of stub nodes, and the log that they share.
#[derive(Clone)]
pub(crate) struct Stub {
    reply: fn(&str, Deadline) -> TransportResult<Value>,
    log: Arc<Lock<Vec<String>>>,
}

impl Stub {
    /// Replies by `reply`, which gets the address of the node.
    pub(crate) fn new(reply: fn(&str, Deadline) -> TransportResult<Value>) -> Self {
        Self { reply, log: Arc::default() }
    }

    /// Returns the events at the nodes, each with the address: `asked`, `sent to`, `read from`.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().clone()
    }
}

impl StubNode {
    fn note(&self, event: &str) {
        let note = format!("{event} {}", self.connector.address);
        self.stub.log.lock().push(note);
    }
}

impl Node for StubNode {
    type Settings = Stub;

    fn new(connector: Connector, stub: &Stub) -> Self {
        Self { connector, stub: stub.clone() }
    }

    fn connector(&self) -> &Connector {
        &self.connector
    }

    fn call(
        &self,
        _: Line<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<Value>> + Send {
        self.note("asked");
        ready((self.stub.reply)(&self.connector.address, deadline))
    }

    fn call_many(
        &self,
        lines: &[Line<'_>],
        _: Deadline,
    ) -> impl Future<Output = TransportResult<Vec<Value>>> + Send {
        self.note("sent to");
        let replies = lines.iter().map(|line| line.part.map_or(1, <[usize]>::len));
        let replies = replies.map(|keys| Value::Array(vec![Value::Int(7); keys])).collect();
        async move {
            self.note("read from");
            Ok(replies)
        }
    }

    async fn call_alone(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
        _: &mut ExclusiveConnection,
    ) -> TransportResult<Vec<Value>> {
        self.call_many(lines, deadline).await
    }

    async fn wait(
        &self,
        _: &[Line<'_>],
        _: Duration,
        _: &dyn SilencePolicy,
    ) -> TransportResult<Value> {
        Ok(Value::Nil)
    }

    async fn pause(_: Duration) {}

    fn retire_connections(&self) {}

    type Listening = ();

    async fn ask(&self, (): &(), _: Deadline) -> TransportResult<()> {
        Ok(())
    }

    async fn listen(
        &self,
        _: &[Line<'_>],
        _: Arc<dyn PushHandler>,
        _: ListenOptions,
        _: Deadline,
    ) -> TransportResult<((), Vec<Value>)> {
        Ok(((), Vec::new()))
    }

    fn spawn(_: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        Ok(())
    }

    async fn rest(_: &Signal, _: Duration) {}
}
