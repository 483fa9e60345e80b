//! Connections for async blocking commands, which delay no other call.
//!
//! They live in the client's own runtime. There a wait is ended properly when its call is dropped,
//! even if that is because the caller's runtime ends.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{Either, select};
use redis::{RedisResult, Value};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::background::Background;
use super::connecting::Purpose;
use super::connection::{AsyncConnection, Inquiry};
use super::multiplexed::Multiplexed;
use super::packed::Packed;
use crate::connection::idle::LastUse;
use crate::connection::node::SilencePolicy;
use crate::connection::transport_error::{TransportError, TransportResult};
use crate::lock::Lock;
use crate::protocol::{Form, Line};
use crate::reply::asks_to_reconnect;
use crate::request::{DropReport, Reporter, Request};
use crate::time::Deadline;

/// Connections for blocking commands, as many as were in use at the same time recently.
pub(crate) struct AsyncWaiting {
    waits: Arc<Waits>,
    background: Arc<Background>,
}

/// The shared part of the connections, which running waits keep alive.
struct Waits {
    shared: Arc<Multiplexed>,
    idle: Lock<Idles>,
}

/// Idle connections. The most recently used ones are at the end, and are used first.
#[derive(Default)]
struct Idles {
    connections: Vec<IdleConnection>,
    /// Whether a task closes surplus ones.
    are_swept: bool,
}

/// A connection without a wait.
struct IdleConnection {
    connection: AsyncConnection,
    last_use: LastUse,
}

/// A blocking request to the server.
struct Question {
    packed: Packed,
    slice: Duration,
    /// The end of everything.
    end: Deadline,
    inquiry: Inquiry,
    /// One of the keys that the request waits for.
    key: Vec<u8>,
    /// Whether a reply to another command comes before the one that counts.
    has_prelude: bool,
    /// The command that gives back the item.
    undo: Option<&'static str>,
}

impl AsyncWaiting {
    pub(crate) fn new(shared: Arc<Multiplexed>, background: Arc<Background>) -> Self {
        Self { waits: Arc::new(Waits { shared, idle: Lock::default() }), background }
    }

    /// Returns the reply to the last of `lines`, for which the server takes up to `slice`. A
    /// connection whose wait failed is dropped.
    pub(crate) async fn wait(
        &self,
        lines: &[Line<'_>],
        slice: Duration,
        policy: &dyn SilencePolicy,
    ) -> TransportResult<Value> {
        let request = lines.last().map(|line| line.request);
        let undo = request.and_then(Request::undo);
        let (question, has_prelude) = (Packed::new(lines), lines.len() > 1);
        let (inquiry, mut inquiries) = Inquiry::new();
        let key = request.and_then(|request| request.keys().next()).unwrap_or_default().to_vec();
        let (packed, end) = (question, policy.end());
        let question = Question { packed, slice, end, inquiry, key, has_prelude, undo };
        let (answer, answered) = oneshot::channel();
        let (give_up, given_up) = oneshot::channel();
        let work = self.waits.clone().attend(question, answer, given_up);
        let address = &self.waits.shared.connector.address;
        self.background.spawn(work).map_err(|error| TransportError::connect(address, error))?;
        let mut pending = PendingWait {
            answered,
            give_up: Some(give_up),
            drop_report: request.and_then(Request::drop_report).cloned(),
            undo,
            waiting: self,
        };
        loop {
            match select(&mut pending, pin!(inquiries.recv())).await {
                Either::Right((Some(reply), _)) => {
                    // The task may have got its answer meanwhile, and no longer needs one.
                    let _ = reply.send(policy.keeps_waiting().await);
                }
                Either::Right((None, _)) => return pending.await,
                Either::Left((outcome, _)) => return outcome,
            }
        }
    }
}

/// A wait that a task attends to. Dropping it ends the wait on the server, and gives back an item
/// that arrived nevertheless.
struct PendingWait<'a> {
    answered: oneshot::Receiver<TransportResult<Value>>,
    give_up: Option<oneshot::Sender<Option<Reporter>>>,
    drop_report: Option<DropReport>,
    undo: Option<&'static str>,
    waiting: &'a AsyncWaiting,
}

impl Future for PendingWait<'_> {
    type Output = TransportResult<Value>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<TransportResult<Value>> {
        Pin::new(&mut self.answered).poll(context).map(|answer| {
            self.give_up = None;
            let lost = |_| {
                Err(TransportError::Broken(std::io::Error::other("the wait was broken off").into()))
            };
            answer.unwrap_or_else(lost)
        })
    }
}

impl Drop for PendingWait<'_> {
    fn drop(&mut self) {
        let Some(give_up) = self.give_up.take() else { return };
        let reporter = self.drop_report.as_ref().and_then(|drop_report| drop_report.take(None));
        // Either the answer is here already, or the task cannot hand it over any more.
        self.answered.close();
        match self.answered.try_recv() {
            Ok(answer) => {
                let (waits, undo) = (self.waiting.waits.clone(), self.undo);
                // Dropping the reporter reports that the outcome is unknown.
                let _ = self
                    .waiting
                    .background
                    .spawn(async move { waits.settle(answer, undo, reporter).await });
            }
            Err(_) => drop(give_up.send(reporter)),
        }
    }
}

impl Waits {
    /// Makes the server wait, until it answers or the caller gives up.
    async fn attend(
        self: Arc<Self>,
        question: Question,
        answer: oneshot::Sender<TransportResult<Value>>,
        mut given_up: oneshot::Receiver<Option<Reporter>>,
    ) {
        let connection = match select(pin!(self.connection(question.end)), &mut given_up).await {
            Either::Left((Ok(connection), _)) => connection,
            Either::Left((Err(fault), _)) => {
                if let Err(answer) = answer.send(Err(fault)) {
                    self.settle(answer, None, given_up.await.unwrap_or(None)).await;
                }
                return;
            }
            Either::Right((reporter, _)) => {
                // Nothing was sent.
                self.settle(Ok(Value::Nil), None, reporter.unwrap_or(None)).await;
                return;
            }
        };
        let silence = self.shared.connector.response_timeout;
        let Question { packed, slice, end, inquiry, .. } = &question;
        let before = connection.outstanding().progress();
        let mut completion = pin!(connection.wait(packed, (*slice, silence, *end), inquiry));
        let (reply, reporter) = match select(completion.as_mut(), &mut given_up).await {
            Either::Left((reply, _)) => (reply, None),
            Either::Right((reporter, _)) => {
                let reply = self.unblock(&connection, &question.key, completion).await;
                (reply, Some(reporter.unwrap_or(None)))
            }
        };
        let reply = match reply {
            Ok(Value::Array(mut replies)) if question.has_prelude => {
                Ok(replies.pop().unwrap_or(Value::Nil))
            }
            reply => reply,
        };
        self.keep(connection.clone(), &reply);
        let has_begun = connection.outstanding().progress() != before;
        let reply = reply.map_err(|error| {
            if has_begun && !error.is_timeout() {
                TransportError::CutOff(error)
            } else {
                TransportError::Broken(error)
            }
        });
        if let Some(reporter) = reporter {
            return self.settle(reply, question.undo, reporter).await;
        }
        if let Err(reply) = answer.send(reply) {
            // The caller has given up meanwhile.
            self.settle(reply, question.undo, given_up.await.unwrap_or(None)).await;
        }
    }

    /// Ends a wait that was given up. It may not have reached the server yet, so this is repeated.
    ///
    /// Redis 7.0 crashes if a client is unblocked whose command is postponed because clients are
    /// paused, as during a planned failover. So this is done in a transaction with a write that
    /// changes nothing, which is postponed as well.
    async fn unblock(
        &self,
        connection: &AsyncConnection,
        key: &[u8],
        mut completion: Pin<&mut impl Future<Output = RedisResult<Value>>>,
    ) -> RedisResult<Value> {
        let Some(id) = connection.id() else { return completion.await };
        let requests = [
            Request::write("MULTI"),
            Request::write("LPOP").key(key).number(0),
            Request::write("CLIENT").arg("UNBLOCK").number(id),
            Request::write("EXEC"),
        ];
        let lines = requests.each_ref().map(|request| Line::new(request, Form::AsIs));
        loop {
            let unblocking = async {
                let replies = self.shared.exchange(&lines, self.shared.connector.deadline()).await;
                if let Ok(Value::Array(replies)) = replies
                    && matches!(replies.last(), Some(Value::ServerError(_)))
                {
                    // The user may not do that. The slice ends by itself.
                    std::future::pending::<()>().await;
                }
                sleep(UNBLOCK_INTERVAL).await;
            };
            if let Either::Left((reply, _)) = select(completion.as_mut(), pin!(unblocking)).await {
                return reply;
            }
        }
    }

    /// Gives back the item of a dropped wait, and reports the outcome.
    async fn settle(
        self: &Arc<Self>,
        outcome: TransportResult<Value>,
        undo: Option<&'static str>,
        reporter: Option<Reporter>,
    ) {
        if let (Ok(Value::Array(popped)), Some(undo)) = (&outcome, undo)
            && let [Value::BulkString(key), Value::BulkString(item)] = &popped[..]
        {
            let push = Request::write(undo).key(key).arg(item);
            let line = Line::new(&push, Form::AsIs);
            let _ = self.shared.exchange(&[line], self.shared.connector.deadline()).await;
        }
        if let Some(mut reporter) = reporter {
            reporter.outcome = match outcome {
                Ok(reply) => Some(reply),
                Err(TransportError::Broken(_) | TransportError::CutOff(_)) => None,
                // Nothing was sent.
                Err(_) => Some(Value::Nil),
            };
        }
    }

    /// Returns an idle connection that is alive, or a new one.
    async fn connection(&self, deadline: Deadline) -> TransportResult<AsyncConnection> {
        let idle = self.idle().connections.pop();
        let idle = idle.map(|idle| (idle.connection, idle.last_use));
        let usable = self.shared.connector.usable_async(idle, Purpose::Waits, deadline).await?;
        Ok(usable.connection)
    }

    /// Keeps a connection for the next wait, unless it may be out of step or lead to the wrong
    /// server.
    fn keep(self: &Arc<Self>, connection: AsyncConnection, reply: &RedisResult<Value>) {
        let connector = &self.shared.connector;
        match reply {
            Err(_) => return connector.count_failure(),
            Ok(reply) if asks_to_reconnect(reply) => {
                connector.retire_demoted(connection.generation());
                return;
            }
            Ok(Value::ServerError(_)) => return,
            Ok(_) => {}
        }
        let mut idle = self.idle();
        idle.connections.push(IdleConnection { connection, last_use: LastUse::now(connector) });
        if !std::mem::replace(&mut idle.are_swept, true) {
            let waits = Arc::downgrade(self);
            tokio::spawn(async move {
                loop {
                    sleep(LONGEST_IDLE / 2).await;
                    let Some(waits) = waits.upgrade() else { return };
                    let mut idle = waits.idle();
                    idle.connections.retain(|idle| idle.last_use.age() < LONGEST_IDLE);
                    if idle.connections.is_empty() {
                        idle.are_swept = false;
                        return;
                    }
                }
            });
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idles> {
        self.idle.lock()
    }
}

const UNBLOCK_INTERVAL: Duration = Duration::from_millis(50);

/// Every wait uses its connection again after a slice, so a connection that is unused for longer is
/// surplus.
const LONGEST_IDLE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
