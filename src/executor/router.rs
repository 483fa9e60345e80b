//! The way of requests to servers and of replies back, the same for every kind of client.

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
use super::verdict::Verdict;
use crate::command::Wait;
use crate::error::Result;
use crate::place::Place;
use crate::protocol::{Form, Line};
use crate::reply;
use crate::request::{Attended, Request};

/// Sends requests to the servers that take them.
pub(crate) struct Router<N: Node> {
    pub(super) servers: Servers<N>,
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
        Self { servers }
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
        let ping = Request::read("PING").returns(reply::done);
        match ping.read(self.call(&ping.request).await?) {
            Err(error) if error.code() != Some("NOPERM") => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) async fn topology(&self) -> Result<Arc<Topology>> {
        self.servers.topology().await
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
        let reply = match self.servers.ready(&destination) {
            Some(node) => node.call(line, deadline).await,
            None => Box::pin(self.ask(line, &Trip::to(destination.clone(), deadline))).await,
        };
        match &reply {
            Ok(Value::ServerError(_)) | Err(_) => {
                Box::pin(self.conclude(line, Trip::to(destination, deadline), reply)).await
            }
            Ok(_) => reply.map_err(|fault| fault.into_error(|| request.attempt())),
        }
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

    /// Goes on from a first reply that may not be the last.
    async fn conclude(&self, line: Line<'_>, trip: Trip, reply: Outcome<Value>) -> Result<Value> {
        let again = Trip::to(trip.destination.clone(), trip.deadline);
        let reply = self.follow(line, trip, reply).await?;
        if !lacks_source(line, &reply) {
            return Ok(reply);
        }
        let line = Line { form: Form::WithSource, ..line };
        let reply = self.ask(line, &again).await;
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
            reply = self.ask(line, &trip).await;
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

    async fn ask(&self, line: Line<'_>, trip: &Trip) -> Outcome<Value> {
        let node = self.servers.node(&trip.destination).await?;
        match trip.asking {
            true => node.call_many(&[asking(), line], trip.deadline).await.map(last),
            false => node.call(line, trip.deadline).await,
        }
    }

    /// The replies to all commands of a transaction, from `MULTI` on.
    pub(super) async fn replies(&self, lines: &[Line<'_>], to: Destination) -> Outcome<Vec<Value>> {
        let mut trip = Trip::to(to, self.servers.deadline());
        loop {
            let replies = match self.servers.node(&trip.destination).await {
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
    /// connection is noticed. A lost connection is made anew until the time is up.
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
        let never = Deadline::after(Wait::Forever);
        let mut trip = Trip::to(to.clone(), never);
        let mut pauses = Pauses::new();
        let mut reached = false;
        loop {
            let slice = deadline.left().clamp(SHORTEST_SLICE, LONGEST_SLICE);
            let line = Line::new(request, Form::Waiting(slice));
            let lines = [asking(), line];
            let lines = if trip.asking { &lines } else { &lines[1..] };
            let reply = match self.servers.node(&trip.destination).await {
                Ok(node) => node.wait(lines, slice).await,
                Err(fault) => Err(fault),
            };
            reached |= !matches!(reply, Err(Fault::Connect { .. }));
            attended.in_doubt |= matches!(reply, Err(Fault::Broken(_)));
            let verdict = match &reply {
                Ok(Value::Nil) if !deadline.is_over() => {
                    // The next failover may be hours away, and deserves as much patience.
                    (trip, pauses) = (Trip::to(to.clone(), never), Pauses::new());
                    continue;
                }
                Ok(reply) => Verdict::on(reply),
                Err(fault) => self.without_reply(fault, !request.waits_once()),
            };
            let verdict = match verdict {
                Verdict::Later if deadline.is_over() => Verdict::Final,
                verdict => verdict,
            };
            if trip.goes_on(&self.servers, verdict).await {
                continue;
            }
            let lost = request.waits_once() && reply.is_err();
            if deadline.is_over() || !reached || lost || !is_passing(&reply) {
                return reply.map_err(|fault| fault.into_error(|| request.attempt()));
            }
            N::pause(pauses.next().min(deadline.left())).await;
        }
    }
}

/// Whether the same wait may succeed on another connection: the one it had was lost, a demoted master
/// unblocked its clients, or a restarted one is loading.
fn is_passing(reply: &Outcome<Value>) -> bool {
    match reply {
        Ok(Value::ServerError(error)) => {
            matches!(error.code(), "UNBLOCKED" | "LOADING" | "MASTERDOWN")
        }
        Ok(_) | Err(Fault::Exhausted { .. }) => false,
        Err(Fault::Broken(error)) => !error.is_timeout(),
        Err(Fault::Connect { .. }) => true,
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
