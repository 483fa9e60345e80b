//! Sentinels, which name the master.
//!
//! The rules for clients: <https://redis.io/docs/latest/develop/reference/sentinel-clients/>.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use redis::Value;

use super::slots::Topology;
use crate::connection::Node;
use crate::error::obstacle::{Obstacle, obstacle};
use crate::error::{Error, Result};
use crate::protocol::{Form, Line};
use crate::reply;
use crate::reply::{Reply, server_error};
use crate::request::Request;
use crate::time::Deadline;

/// Sentinels that monitor the master of one name.
pub(crate) struct Sentinels<N> {
    nodes: Vec<N>,
    name: String,
    /// The one that answered last.
    preferred: AtomicUsize,
}

impl<N: Node> Sentinels<N> {
    pub(crate) fn new(nodes: Vec<N>, name: String) -> Self {
        Self { nodes, name, preferred: AtomicUsize::new(0) }
    }

    /// The same Sentinels, with connections of another kind.
    pub(crate) fn of_kind<M: Node>(&self, settings: &M::Settings) -> Sentinels<M> {
        let nodes = self.nodes.iter().map(|node| M::new(node.connector().clone(), settings));
        Sentinels::new(nodes.collect(), self.name.clone())
    }

    /// The name of the master in messages.
    pub(crate) fn address(&self) -> String {
        let sentinels: Vec<_> =
            self.nodes.iter().map(|node| node.connector().address.as_str()).collect();
        format!("{} of the Sentinels at {}", self.name, sentinels.join(", "))
    }

    /// Finds the master, as known to the first Sentinel that can be reached. A master that is not
    /// `known` yet must itself confirm its role, since a Sentinel may not have noticed a failover.
    pub(crate) async fn find_master(
        &self,
        known: &Topology,
        reach: impl Fn(&str) -> Result<Arc<N>>,
        deadline: Deadline,
    ) -> Result<Topology> {
        let preferred = self.preferred.load(Ordering::Relaxed);
        let mut failed = None;
        let mut no_masters = Vec::new();
        for index in (0..self.nodes.len()).map(|index| (index + preferred) % self.nodes.len()) {
            let found = match self.ask(&self.nodes[index], deadline).await {
                Ok(address) if *known == Topology::one(&address) => Ok(address),
                // Its silence for the whole time limit need not be found out once more.
                Ok(address) if no_masters.contains(&address) => continue,
                Ok(address) => match reach(&address) {
                    Ok(node) => {
                        let checked = check_master(&*node, deadline).await;
                        checked.map(|()| address.clone()).inspect_err(|_| no_masters.push(address))
                    }
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            match found {
                Ok(address) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(Topology::one(&address));
                }
                // That another one cannot be reached is less specific.
                Err(_) if failed.as_ref().is_some_and(is_specific) => {}
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| Error::Configuration("no Sentinel is named".into())))
    }

    /// Asks one Sentinel for the address of the master.
    async fn ask(&self, sentinel: &N, deadline: Deadline) -> Result<String> {
        let request = Request::read("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        let command = request.returns(address);
        let deadline = sentinel.connector().deadline().earlier(deadline);
        let reply = sentinel.call(Line::new(&command.request, Form::AsIs), deadline).await;
        let reply = reply.map_err(|fault| fault.into_error(|| command.request.attempt()))?;
        let (address, name) = (&sentinel.connector().address, &self.name);
        let answer = command.read(reply).map_err(|error| match error {
            Error::Unsupported { .. } => {
                Error::Configuration(format!("the server at {address} is not a Sentinel"))
            }
            error => error,
        })?;
        answer.ok_or_else(|| {
            let problem = format!("the Sentinel at {address} knows no master named {name:?}");
            Error::Configuration(problem)
        })
    }
}

/// The host and the port of a master, or nil if none has that name.
fn address(reply: Reply<'_>) -> Result<Option<String>> {
    if reply.value == Value::Nil {
        return Ok(None);
    }
    let [host, port] = reply::parts(reply)?;
    Ok(Some(format!("{}:{}", reply::one::<String>(host)?, reply::one::<u16>(port)?)))
}

/// Returns whether an error is more specific than that a Sentinel cannot be reached.
fn is_specific(error: &Error) -> bool {
    matches!(error, Error::Configuration(_)) || obstacle(error) == Obstacle::Refusal
}

/// Checks that a server is a master. A refusal for lack of rights passes.
async fn check_master<N: Node>(node: &N, deadline: Deadline) -> Result<()> {
    let request = Request::read("ROLE");
    let deadline = deadline.within(node.connector().response_timeout);
    let reply = node.call(Line::new(&request, Form::AsIs), deadline).await;
    let reply = reply.map_err(|fault| fault.into_error(|| request.attempt()))?;
    match &reply {
        Value::Array(role) if role.first() == Some(&Value::BulkString(b"master".into())) => Ok(()),
        Value::ServerError(error) if error.code() == "NOPERM" => Ok(()),
        Value::ServerError(error) => Err(server_error(&request, error)),
        _ => Err(Error::Connect {
            address: node.connector().address.clone(),
            source: "a Sentinel names it, but it is not a master".into(),
        }),
    }
}
