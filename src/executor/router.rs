//! The way of requests to servers and of replies back, the same for every kind of client.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::{ServerErrorKind, Value};

use super::blocking_node::BlockingNode;
use super::client::Client;
use super::fault::{Fault, Outcome};
use super::node::{Node, repeatable};
use super::pool::PoolSettings;
use super::retry::{Deadline, Pauses};
use super::servers::{Destination, Servers};
use super::topology::Topology;
use super::trip::Trip;
use super::verdict::{Repetition, Verdict};
use super::vigil::Vigil;
use crate::command::Wait;
use crate::error::{Error, Result};
use crate::place::Place;
use crate::protocol::{Form, Line};
use crate::reply;
use crate::request::{Attended, Request};

/// Sends requests to the servers that take them.
pub(crate) struct Router<N: Node> {
    pub(super) servers: Servers<N>,
    /// Whether a server did not say its run id.
    are_nameless: AtomicBool,
}

/// How a request is brought to servers.
enum Plan {
    /// Not at all: its reply is known.
    Known(Value),
    /// To one server, which answers at once.
    Ordinary(Destination),
    /// To several servers, or waiting.
    Special,
}

impl<N: Node> Router<N> {
    pub(crate) fn new(servers: Servers<N>) -> Self {
        Self { servers, are_nameless: AtomicBool::new(false) }
    }

    /// A blocking client of the same servers, which shares no connection with this one.
    pub(crate) fn threaded(&self) -> Client {
        let settings = PoolSettings::new(1, CHECKOUT, None);
        Client::new(Router::new(self.servers.of_kind::<BlockingNode>(settings)))
    }

    /// What the servers are called in messages, without passwords.
    pub(crate) fn address(&self) -> String {
        self.servers.address()
    }

    /// Finds the servers, and makes sure that one answers, if only that the user may not ask.
    pub(crate) async fn connect(&self) -> Result<()> {
        if !self.servers.are_fixed() {
            return self.servers.find().await;
        }
        let ping = Request::read("PING").returns(reply::pong);
        match ping.read(self.call(&ping.request).await?) {
            Err(error) if error.code() != Some("NOPERM") => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) async fn topology(&self) -> Result<Arc<Topology>> {
        self.servers.topology(self.servers.deadline()).await
    }

    /// The reply to one request.
    ///
    /// This is the way of nearly every call. What is rare is kept out of it, and so out of the size of
    /// its future, which decides how fast an async client is.
    pub(crate) async fn call(&self, request: &Request) -> Result<Value> {
        let destination = match self.plan(request)? {
            Plan::Known(reply) => return Ok(reply),
            Plan::Special => return Box::pin(self.call_specially(request)).await,
            Plan::Ordinary(destination) => destination,
        };
        let line = self.line(request);
        let deadline = self.servers.deadline();
        let ready = self.servers.ready(&destination);
        let reply = match &ready {
            Some(node) => Some(node.call(line, deadline).await),
            None => None,
        };
        match reply {
            Some(Ok(reply)) if !matches!(reply, Value::ServerError(_)) => Ok(reply),
            reply => {
                let mut trip = Trip::to(destination, deadline);
                trip.asked.extend(ready.map(|node| node.connector().address.clone()));
                Box::pin(self.conclude(line, trip, reply)).await
            }
        }
    }

    /// A typed reply as it is. One of the wrong shape may be the reply to another command, so that after
    /// it no kept connection is trusted.
    pub(crate) fn checked<T>(&self, reply: Result<T>) -> Result<T> {
        if let Err(Error::UnexpectedReply { .. }) = reply {
            self.servers.distrust();
        }
        reply
    }

    /// Whether servers are not asked for their run ids any more, since one did not say its own.
    pub(super) fn are_nameless(&self) -> bool {
        self.are_nameless.load(Ordering::Relaxed)
    }

    pub(super) fn take_as_nameless(&self) {
        self.are_nameless.store(true, Ordering::Relaxed);
    }

    /// `request` as it goes out, if all its keys are asked for.
    pub(super) fn line<'a>(&self, request: &'a Request) -> Line<'a> {
        Line { in_cluster: self.servers.is_cluster(), ..Line::new(request, Form::AsIs) }
    }

    fn plan(&self, request: &Request) -> Result<Plan> {
        if let Some(refusal) = request.refusal() {
            return Err(refusal);
        }
        if let Some(reply) = request.known_reply() {
            return Ok(Plan::Known(reply));
        }
        if request.wait().is_some() {
            return Ok(Plan::Special);
        }
        if !self.servers.is_cluster() {
            return Ok(Plan::Ordinary(Destination::Slot(None)));
        }
        match (request.place(), request.slot(), request.gather()) {
            (Place::Everywhere, _, _) | (_, Err(_), Some(_)) => Ok(Plan::Special),
            (_, slot, _) => Ok(Plan::Ordinary(Destination::Slot(slot?))),
        }
    }

    async fn call_specially(&self, request: &Request) -> Result<Value> {
        if let Some(wait) = request.wait() {
            let slot = if self.servers.is_cluster() { request.slot()? } else { None };
            return self.wait(request, wait, Destination::Slot(slot)).await;
        }
        match request.place() {
            Place::Everywhere => self.call_everywhere(request).await,
            _ => self.call_each(&[request]).await.pop().unwrap_or(Ok(Value::Nil)),
        }
    }

    /// Goes on from a first reply that may not be the last, if there is one.
    async fn conclude(
        &self,
        line: Line<'_>,
        mut trip: Trip,
        reply: Option<Outcome<Value>>,
    ) -> Result<Value> {
        let mut again = Trip::to(trip.destination.clone(), trip.deadline);
        let reply = match reply {
            Some(reply) => reply,
            None => self.ask(line, &mut trip).await,
        };
        let reply = self.follow(line, trip, reply).await?;
        if !lacks_source(line, &reply) {
            return Ok(reply);
        }
        let line = Line { form: Form::WithSource, ..line };
        let reply = self.ask(line, &mut again).await;
        self.follow(line, again, reply).await
    }

    /// Follows where a reply sends to, and has patience.
    async fn follow(
        &self,
        line: Line<'_>,
        mut trip: Trip,
        mut reply: Outcome<Value>,
    ) -> Result<Value> {
        loop {
            let verdict = match &reply {
                Ok(reply) => Verdict::on(reply),
                Err(fault) => self.without_reply(fault, repeatable(&[line])),
            };
            if !trip.goes_on(&self.servers, verdict).await {
                return reply.map_err(|fault| fault.into_error(|| line.request.attempt()));
            }
            reply = self.ask(line, &mut trip).await;
        }
    }

    /// What to do without a reply. Another server may have taken over from one that hangs, and
    /// nobody else may ever say so.
    pub(super) fn without_reply(&self, fault: &Fault, repeatable: bool) -> Verdict {
        if matches!(fault, Fault::Broken(_)) {
            self.servers.doubt();
        }
        Verdict::without_reply(fault, repeatable)
    }

    async fn ask(&self, line: Line<'_>, trip: &mut Trip) -> Outcome<Value> {
        let node = trip.node(&self.servers).await?;
        match trip.asking {
            true => node.call_many(&[asking(), line], trip.deadline).await.map(last),
            false => node.call(line, trip.deadline).await,
        }
    }

    /// The replies to all commands of a transaction, from `MULTI` on.
    pub(super) async fn replies(&self, lines: &[Line<'_>], to: Destination) -> Outcome<Vec<Value>> {
        let mut trip = Trip::to(to, self.servers.deadline());
        loop {
            let replies = match trip.node(&self.servers).await {
                Ok(node) if trip.asking => {
                    let lines: Vec<_> =
                        std::iter::once(asking()).chain(lines.iter().copied()).collect();
                    let replies = node.call_many(&lines, trip.deadline).await;
                    replies.map(|replies| replies.into_iter().skip(1).collect())
                }
                Ok(node) => node.call_many(lines, trip.deadline).await,
                Err(fault) => Err(fault),
            };
            let verdict = match &replies {
                Ok(replies) => Verdict::on_transaction(replies),
                Err(fault) => self.without_reply(fault, repeatable(lines)),
            };
            if !trip.goes_on(&self.servers, verdict).await {
                return replies;
            }
        }
    }

    /// The reply to a request for which the server takes its time, in slices, so that a dead
    /// connection is noticed. Until the time to wait is up it goes on after all that cannot have
    /// taken an item. Everything else has to be over a call's time limit later.
    async fn wait(&self, request: &Request, wait: Wait, to: Destination) -> Result<Value> {
        let mut attended = Attended::new(request.abandonment());
        let reply = self.wait_in_slices(request, wait, to, &mut attended).await;
        attended.end();
        reply
    }

    async fn wait_in_slices(
        &self,
        request: &Request,
        wait: Wait,
        to: Destination,
        attended: &mut Attended<'_>,
    ) -> Result<Value> {
        let deadline = Deadline::after(wait);
        let end = deadline.later_by(self.servers.call_timeout());
        let begin = || Trip::to(to.clone(), self.servers.deadline().earlier(end));
        let repetition = match (request.waits_once(), request.takes()) {
            (true, _) => Repetition::Hides,
            (false, true) => Repetition::Takes,
            (false, false) => Repetition::Moves,
        };
        let (mut trip, mut pauses) = (begin(), Pauses::new());
        loop {
            let slice = deadline.left().clamp(SHORTEST_SLICE, LONGEST_SLICE);
            let line = Line::new(request, Form::Waiting(slice));
            let lines = [asking(), line];
            let lines = if trip.asking { &lines } else { &lines[1..] };
            let mut is_replaced = false;
            let reply = match trip.node(&self.servers).await {
                Ok(node) => {
                    let vigil = Vigil::new(self, &trip.destination, request, &node, (slice, end));
                    let reply = node.wait(lines, slice, &vigil).await;
                    is_replaced = vigil.is_replaced();
                    reply
                }
                Err(fault) => Err(fault),
            };
            attended.in_doubt |= matches!(reply, Err(Fault::Broken(_) | Fault::CutOff(_)));
            let verdict = match &reply {
                Ok(Value::Nil) if !deadline.is_over() => {
                    // The next failover may be hours away, and deserves as much patience.
                    (trip, pauses) = (begin(), Pauses::new());
                    continue;
                }
                reply => Verdict::on_wait(reply, repetition, is_replaced),
            };
            if reply.is_err() {
                self.servers.doubt();
            }
            match verdict {
                Verdict::Final => {}
                Verdict::Later if deadline.is_over() => {}
                Verdict::Later => {
                    self.servers.doubt();
                    N::pause(pauses.next().min(deadline.left())).await;
                    trip = begin();
                    continue;
                }
                redirection => {
                    if trip.goes_on(&self.servers, redirection).await {
                        continue;
                    }
                }
            }
            return reply.map_err(|fault| fault.into_error(|| request.attempt()));
        }
    }
}

/// Whether `line` was not run because the server does not know its script.
pub(super) fn lacks_source(line: Line<'_>, reply: &Value) -> bool {
    let Value::ServerError(error) = reply else { return false };
    let by_hash = matches!(line.form, Form::AsIs) && line.script().is_some();
    by_hash && error.kind() == Some(ServerErrorKind::NoScript)
}

/// Makes a server answer about a slot that is on its way there.
pub(super) fn asking() -> Line<'static> {
    static ASKING: LazyLock<Request> = LazyLock::new(|| Request::read("ASKING"));
    Line::new(&ASKING, Form::AsIs)
}

fn last(mut replies: Vec<Value>) -> Value {
    replies.pop().unwrap_or(Value::Nil)
}

/// The server takes zero for "for ever", and Redis 6.2 a millisecond too.
const SHORTEST_SLICE: Duration = Duration::from_millis(2);
const LONGEST_SLICE: Duration = Duration::from_secs(5);
const CHECKOUT: Duration = Duration::from_secs(5);
