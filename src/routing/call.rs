//! Calls: to one server, to several, or blocking.

use redis::Value;

use super::redirects::Redirects;
use super::router::{Router, lacks_source};
use crate::connection::Node;
use crate::connection::TransportResult;
use crate::error::Result;
use crate::keys::Place;
use crate::protocol::{Form, Line};
use crate::reply;
use crate::request::Request;
use crate::topology::Destination;

/// How a request is sent to servers.
enum Plan {
    /// Not at all: its reply is known.
    Known(Value),
    /// To one server, without blocking.
    Ordinary(Destination),
    /// To several servers, in several commands, or blocking.
    Special,
}

impl<N: Node> Router<N> {
    /// Finds the servers, and checks that one answers a command; a refusal for lack of rights
    /// counts.
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

    /// Returns the reply to one request.
    ///
    /// Nearly every call takes this path. Rare cases are kept out of it, and so out of the size of
    /// its future, which determines how fast an async client is.
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
                let mut redirects = Redirects::to(destination, deadline);
                redirects.asked.extend(ready.map(|node| node.connector().address.clone()));
                Box::pin(self.conclude(line, redirects, reply)).await
            }
        }
    }

    /// Decides how to send a request.
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
        if request.is_oversized() {
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

    /// Sends a blocking request, or one to several servers.
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

    /// Continues from a first reply, if there is one, which may not be the last.
    async fn conclude(
        &self,
        line: Line<'_>,
        mut redirects: Redirects,
        reply: Option<TransportResult<Value>>,
    ) -> Result<Value> {
        let mut again = Redirects::to(redirects.destination.clone(), redirects.deadline);
        let reply = match reply {
            Some(reply) => reply,
            None => self.ask(line, &mut redirects).await,
        };
        let reply = self.follow(line, redirects, reply).await?;
        if !lacks_source(line, &reply) {
            return Ok(reply);
        }
        let line = Line { form: Form::WithSource, ..line };
        let reply = self.ask(line, &mut again).await;
        self.follow(line, again, reply).await
    }
}
