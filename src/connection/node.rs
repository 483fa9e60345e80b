use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::connector::Connector;
use super::exclusive::ExclusiveConnection;
use super::push::PushHandler;
use super::transport_error::TransportResult;
use crate::protocol::Line;
use crate::time::Deadline;
use crate::time::Signal;

/// One server, and the connections to it.
///
/// Its futures are finished at once where it blocks. What may be repeated is, once, if a connection
/// that had been idle turns out to be dead. What a server refuses because it is not the master is sent
/// once more on a new connection, unless that one was new.
pub(crate) trait Node: Send + Sync + Sized + 'static {
    /// What all nodes of a client have in common.
    type Settings: Send + Sync + 'static;

    fn new(connector: Connector, settings: &Self::Settings) -> Self;

    fn connector(&self) -> &Connector;

    /// The reply to one command, by `deadline`.
    fn call(
        &self,
        line: Line<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<Value>> + Send;

    /// The replies to several commands in one round trip. Where it blocks, they are sent before
    /// this returns, so that several nodes work at the same time.
    fn call_many(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<Vec<Value>>> + Send;

    /// The replies to several commands, on the connection of one caller alone. One that fails is
    /// replaced, which the number in `exclusive` tells.
    fn call_alone(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
        exclusive: &mut ExclusiveConnection,
    ) -> impl Future<Output = TransportResult<Vec<Value>>> + Send;

    /// The reply to the last command, for which the server takes up to `slice`, on a connection
    /// that nobody else uses.
    ///
    /// When the server has been silent for the response timeout longer than that, `watch` is asked
    /// whether to keep waiting for the reply on the same connection, and again after every further
    /// response timeout. If not, the connection is closed, which is a timeout.
    fn wait(
        &self,
        lines: &[Line<'_>],
        slice: Duration,
        watch: &dyn Watch,
    ) -> impl Future<Output = TransportResult<Value>> + Send;

    fn pause(time: Duration) -> impl Future<Output = ()> + Send;

    /// A connection on which the server speaks unasked, until this is dropped or the handler have heard
    /// enough.
    type Listening: Send + Sync;

    /// Asks the server on such a connection what it is, which every user may: the handler hear its role after
    /// all that it said there before.
    fn ask(
        &self,
        listening: &Self::Listening,
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<()>> + Send;

    /// Has every connection that is kept prove itself before it is used again: one gave a reply of
    /// a shape that its command does not have.
    fn distrust(&self);

    /// Makes a connection that listens, and gives the replies to `lines`, with which it begins, by
    /// `deadline`. It ends after a silence of this length, and can only be [asked](Self::ask) if that is said
    /// from the start.
    fn listen(
        &self,
        lines: &[Line<'_>],
        handler: Arc<dyn PushHandler>,
        habits: (Duration, bool),
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<(Self::Listening, Vec<Value>)>> + Send;

    /// Does `work` beside the caller, on a thread or in a task.
    fn spawn(work: impl Future<Output = ()> + Send + 'static) -> io::Result<()>;

    /// Rests until the signal is raised, at most for `time`.
    fn rest(signal: &Signal, time: Duration) -> impl Future<Output = ()> + Send;
}

/// Decides for how long a waiting call goes on.
pub(crate) trait Watch: Send + Sync {
    /// When the call has to be over, whatever the server does.
    fn end(&self) -> Deadline;

    /// Whether the reply may still come although the server has been silent for too long. One on
    /// the same connection is worth more than a new wait: nothing that was taken is lost.
    fn keeps_waiting(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;
}

/// Whether all of `lines` may be sent again when it is not known whether they were received.
pub(crate) fn repeatable(lines: &[Line<'_>]) -> bool {
    lines.iter().all(|line| !line.request.writes())
}
