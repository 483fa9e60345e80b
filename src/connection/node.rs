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
/// The futures of a blocking node are ready immediately. Repeatable commands are repeated once if a
/// connection that had been idle turns out to be dead. A command that a server refuses because it
/// is not the master is sent once more on a new connection, unless that one was new.
pub(crate) trait Node: Send + Sync + Sized + 'static {
    /// The settings that all nodes of a client share.
    type Settings: Send + Sync + 'static;

    fn new(connector: Connector, settings: &Self::Settings) -> Self;

    fn connector(&self) -> &Connector;

    /// Sends one command and returns its reply, by `deadline`.
    fn call(
        &self,
        line: Line<'_>,
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<Value>> + Send;

    /// Sends several commands in one round trip and returns the replies.
    fn call_several(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<Vec<Value>>> + Send {
        self.call_many(lines, deadline)
    }

    /// Like `call_several`, for several nodes at the same time: a blocking node sends the commands
    /// before this returns, if it has a connection for them.
    fn call_many(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<Vec<Value>>> + Send;

    /// Sends several commands on the caller's exclusive connection and returns the replies. A
    /// failed connection is replaced, which changes the number in `exclusive`.
    fn call_alone(
        &self,
        lines: &[Line<'_>],
        deadline: Deadline,
        exclusive: &mut ExclusiveConnection,
    ) -> impl Future<Output = TransportResult<Vec<Value>>> + Send;

    /// Returns the reply to the last command, for which the server takes up to `slice`, on a
    /// dedicated connection.
    ///
    /// When the server has been silent for the response timeout beyond that, `policy` decides
    /// whether to keep waiting for the reply on the same connection, and again after every further
    /// response timeout. If not, the connection is closed, which is a timeout.
    fn wait(
        &self,
        lines: &[Line<'_>],
        slice: Duration,
        policy: &dyn SilencePolicy,
    ) -> impl Future<Output = TransportResult<Value>> + Send;

    /// Sleeps, in the way of the client.
    fn pause(time: Duration) -> impl Future<Output = ()> + Send;

    /// A connection that receives push messages, until this is dropped or the handler declines
    /// more.
    type Listening: Send + Sync;

    /// Asks the server on such a connection for its role, which every user may: the handler
    /// receives it after everything that the server sent there before.
    fn ask(
        &self,
        listening: &Self::Listening,
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<()>> + Send;

    /// Retires every kept connection, because one returned a reply of a shape that its command does
    /// not have: none opened before this call is used again.
    fn retire_connections(&self);

    /// Makes a connection for push messages, begins with `lines`, and returns their replies by
    /// `deadline`.
    fn listen(
        &self,
        lines: &[Line<'_>],
        handler: Arc<dyn PushHandler>,
        options: ListenOptions,
        deadline: Deadline,
    ) -> impl Future<Output = TransportResult<(Self::Listening, Vec<Value>)>> + Send;

    /// Runs `work` in the background, on a thread or in a task.
    fn spawn(work: impl Future<Output = ()> + Send + 'static) -> io::Result<()>;

    /// Waits until the signal is raised, at most for `time`.
    fn rest(signal: &Signal, time: Duration) -> impl Future<Output = ()> + Send;
}

/// The requirements of a connection for push messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListenOptions {
    /// The silence of the server after which the connection ends.
    pub(crate) max_silence: Duration,
    /// Whether the server can be [asked](Node::ask) for its role.
    pub(crate) can_ask_role: bool,
}

/// Decides how long a blocking call continues.
pub(crate) trait SilencePolicy: Send + Sync {
    /// The end of the call, whatever the server does.
    fn end(&self) -> Deadline;

    /// Returns whether the reply may still arrive although the server has been silent for too long.
    /// A reply on the same connection is preferable to a new wait: no item is lost.
    fn keeps_waiting(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;
}

/// Returns whether all of `lines` may be sent again when it is unknown whether they were received.
pub(crate) fn repeatable(lines: &[Line<'_>]) -> bool {
    lines.iter().all(|line| !line.request.writes())
}
