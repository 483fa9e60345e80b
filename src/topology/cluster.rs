//! The nodes of a cluster, and the slots that they own.
//!
//! The protocol: <https://valkey.io/commands/cluster-slots/>.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::{ConnectionAddr, Value};

use super::slots::Topology;
use crate::connection::Connector;
use crate::connection::Node;
use crate::error::obstacle::{Obstacle, obstacle};
use crate::error::{Error, Result};
use crate::protocol::{Form, Line};
use crate::reply::server_error;
use crate::request::Request;
use crate::time::Deadline;

/// The nodes that a user named.
pub(crate) struct Seeds<N> {
    nodes: Vec<Arc<N>>,
    next: AtomicUsize,
}

impl<N: Node> Seeds<N> {
    pub(crate) fn new(nodes: Vec<N>) -> Self {
        Self { nodes: nodes.into_iter().map(Arc::new).collect(), next: AtomicUsize::new(0) }
    }

    /// The same nodes, with connections of another kind.
    pub(crate) fn of_kind<M: Node>(&self, settings: &M::Settings) -> Seeds<M> {
        Seeds::new(
            self.nodes.iter().map(|node| M::new(node.connector().clone(), settings)).collect(),
        )
    }

    /// The name of the cluster in messages.
    pub(crate) fn address(&self) -> String {
        let seeds: Vec<_> =
            self.nodes.iter().map(|node| node.connector().address.as_str()).collect();
        format!("the cluster at {}", seeds.join(", "))
    }

    /// Finds the servers, as known to the first node that answers. Each is asked only briefly, and
    /// those that were silent once more for their share of the time.
    pub(crate) async fn find_servers(
        &self,
        known: &[Arc<N>],
        deadline: Deadline,
    ) -> Result<Topology> {
        let mut problem = Error::Configuration("no node of the cluster is named".into());
        let mut nodes = self.in_turn(known);
        for longest in [NODE_TIMEOUT, Duration::MAX] {
            let mut silent = Vec::new();
            for (index, &node) in nodes.iter().enumerate() {
                if deadline.is_over() {
                    return Err(problem);
                }
                let left = u32::try_from(nodes.len() - index).unwrap_or(u32::MAX);
                let limit = deadline.within(longest.min(deadline.left() / left));
                match slots(&**node, limit).await {
                    Err(error) if error.is_connection_lost() || error.is_timeout() => {
                        if limit.is_over() {
                            silent.push(node);
                        }
                        problem = more_specific(problem, error);
                    }
                    found => return found,
                }
            }
            nodes = silent;
        }
        Err(problem)
    }

    /// The nodes to ask, alternately known ones and seeds: if all known ones are gone or hang, a
    /// seed is asked next.
    fn in_turn<'a>(&'a self, known: &'a [Arc<N>]) -> Vec<&'a Arc<N>> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let rotated = |nodes: &[&'a Arc<N>]| {
            let (later, sooner) = nodes.split_at(turn % nodes.len().max(1));
            [sooner, later].concat()
        };
        let known: Vec<_> = known.iter().collect();
        let is_known = |seed: &&Arc<N>| {
            known.iter().any(|node| node.connector().address == seed.connector().address)
        };
        let seeds: Vec<_> = self.nodes.iter().filter(|seed| !is_known(seed)).collect();
        let (known, seeds) = (rotated(&known), rotated(&seeds));
        let longer = known.len().max(seeds.len());
        let pairs = (0..longer).map(|index| [known.get(index), seeds.get(index)]);
        pairs.flatten().flatten().copied().collect()
    }

    /// Checks that every reachable seed belongs to a cluster.
    pub(crate) async fn check(&self, found: &Topology, deadline: Deadline) -> Result<()> {
        let is_found = |address: &str| found.servers().iter().any(|server| **server == *address);
        for seed in self.nodes.iter().filter(|seed| !is_found(&seed.connector().address)) {
            if let Err(error @ Error::Configuration(_)) =
                slots(&**seed, deadline.within(NODE_TIMEOUT)).await
            {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Checks that nodes are reached in the same way, since discovered ones will be too.
pub(crate) fn check_alike(seeds: &[Connector]) -> Result<()> {
    let way = |seed: &Connector| {
        let settings = seed.information().redis_settings();
        let tls = matches!(seed.information().addr(), ConnectionAddr::TcpTls { .. });
        let name = |name: Option<&str>| name.map(str::to_owned);
        (tls, name(settings.username()), name(settings.password()), settings.db())
    };
    let problem = if seeds.iter().any(|seed| way(seed).3 != 0) {
        "a cluster has only the database 0"
    } else if seeds.windows(2).any(|seeds| way(&seeds[0]) != way(&seeds[1])) {
        "the nodes of a cluster need one user and password, and all TLS or none"
    } else {
        return Ok(());
    };
    Err(Error::Configuration(problem.into()))
}

/// The slots of the masters, as known to `node`. `CLUSTER SLOTS`.
pub(crate) async fn slots<N: Node>(node: &N, deadline: Deadline) -> Result<Topology> {
    let request = Request::read("CLUSTER").arg("SLOTS");
    let reply = node.call(Line::new(&request, Form::AsIs), deadline).await;
    let address = &node.connector().address;
    let problem = match reply.map_err(|fault| fault.into_error(|| request.attempt()))? {
        Value::Array(ranges) => {
            let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
            let ranges = ranges.iter().map(|range| master(range, host)).collect::<Option<Vec<_>>>();
            match ranges {
                Some(ranges) if !ranges.is_empty() => return Ok(Topology::new(ranges)),
                Some(_) => "is in a cluster without assigned slots",
                None => "does not answer like a node of a cluster",
            }
        }
        Value::ServerError(error) if error.details().is_some_and(says_disabled) => {
            "is not a node of a cluster; `open` connects to a server alone"
        }
        Value::ServerError(error) => return Err(server_error(&request, &error)),
        _ => "does not answer like a node of a cluster",
    };
    Err(Error::Configuration(format!("the server at {address} {problem}")))
}

/// Of two errors returns the more specific one: that a node does not accept the
/// client, then that it cannot be reached now, then that a name does not exist.
fn more_specific(one: Error, other: Error) -> Error {
    let weight = |error: &Error| match (error, obstacle(error)) {
        (Error::Configuration(_), _) => 0,
        (_, Obstacle::UnknownName) => 1,
        (_, Obstacle::Passing) => 2,
        (_, Obstacle::Refusal) => 3,
    };
    if weight(&one) > weight(&other) { one } else { other }
}

/// Returns whether the server of this message is not a node of a cluster.
fn says_disabled(message: &str) -> bool {
    message.contains("cluster support disabled")
}

/// The first and last slot of a range and the address of its master. A node that does not know its
/// own host is reached under the host at which it was asked.
fn master(range: &Value, asked_host: &str) -> Option<(u16, u16, Arc<str>)> {
    let Value::Array(range) = range else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = &range[..] else {
        return None;
    };
    let host = match master.first()? {
        Value::BulkString(host) if !host.is_empty() && host != b"?" => {
            std::str::from_utf8(host).ok()?
        }
        Value::BulkString(_) | Value::Nil => asked_host,
        _ => return None,
    };
    let Value::Int(port) = master.get(1)? else { return None };
    let address = format!("{host}:{port}").into();
    Some((u16::try_from(*first).ok()?, u16::try_from(*last).ok()?, address))
}

/// Reads the reply of `CLUSTER SLOTS`. Returns whether it names masters.
#[cfg(test)]
pub(crate) fn read_slots(reply: &Value) -> bool {
    let Value::Array(ranges) = reply else { return false };
    let masters = ranges.iter().map(|range| master(range, "host")).collect::<Option<Vec<_>>>();
    masters.is_some_and(|masters| Topology::new(masters).owner(0).is_some())
}

/// How long a node is asked before the next one is.
const NODE_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::connection::{Stub, StubNode, TransportError, timed_out};
    use crate::time::{Wait, finish};

    fn parse(text: &str) -> Value {
        redis::parse_redis_value(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_range_of_slots_has_a_master() {
        let range =
            |master: &str| parse(&format!("*4\r\n:0\r\n:5460\r\n{master}*1\r\n+replica\r\n"));
        for (master_node, address) in [
            ("*3\r\n$8\r\n10.0.0.1\r\n:7000\r\n$2\r\nid\r\n", Some("10.0.0.1:7000")),
            ("*3\r\n$0\r\n\r\n:7000\r\n$2\r\nid\r\n", Some("asked:7000")),
            ("*3\r\n$-1\r\n:7000\r\n$2\r\nid\r\n", Some("asked:7000")),
            ("*3\r\n$1\r\n?\r\n:7000\r\n$2\r\nid\r\n", Some("asked:7000")),
            ("*1\r\n:1\r\n", None),
            (":1\r\n", None),
        ] {
            let expected = address.map(|address| (0, 5460, address.into()));
            assert_eq!(master(&range(master_node), "asked"), expected, "{master_node}");
        }
    }

    /// Nodes that hang until the deadline, unless their names mark them as alive.
    fn frozen() -> Stub {
        Stub::new(|address, deadline| {
            if address.starts_with("alive") {
                return Ok(parse("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\na\r\n:1\r\n"));
            }
            std::thread::sleep(deadline.left());
            Err(TransportError::Broken(timed_out()))
        })
    }

    fn nodes(names: &[&str], stub: &Stub) -> Vec<StubNode> {
        let connector = |name: &&str| Connector::new(&format!("redis://{name}:1/")).unwrap();
        names.iter().map(|name| StubNode::new(connector(name), stub)).collect()
    }

    #[test]
    fn nodes_that_hang_are_asked_for_a_moment_and_seeds_in_between() {
        let stub = frozen();
        let seeds = Seeds::new(nodes(&["hangs1", "alive"], &stub));
        seeds.next.store(1, Ordering::Relaxed);
        let known: Vec<_> =
            nodes(&["hangs1", "hangs2", "hangs3"], &stub).into_iter().map(Arc::new).collect();
        let deadline = Deadline::after(Wait::For(Duration::from_secs(60)));
        finish(seeds.find_servers(&known, deadline)).unwrap();
        assert!(deadline.left() > Duration::from_secs(50), "one second for the one that hangs");
        assert_eq!(stub.log(), ["asked hangs2:1", "asked alive:1"]);
    }

    #[test]
    fn finding_servers_ends_with_the_call() {
        let stub = frozen();
        let seeds = Seeds::new(nodes(&["hangs1"], &stub));
        let known: Vec<_> = nodes(&["hangs2", "hangs3"], &stub).into_iter().map(Arc::new).collect();
        let began = Instant::now();
        let deadline = Deadline::after(Wait::For(Duration::from_millis(300)));
        let error = finish(seeds.find_servers(&known, deadline)).unwrap_err();
        assert!(error.is_timeout(), "{error}");
        let log = stub.log();
        for node in ["asked hangs1:1", "asked hangs2:1", "asked hangs3:1"] {
            assert!(log.contains(&node.into()), "{node}");
        }
        assert!(began.elapsed() < Duration::from_secs(10), "not the limit of each");
    }
}
