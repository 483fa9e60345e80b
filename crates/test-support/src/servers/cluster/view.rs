//! The view that one node of a cluster has of all nodes.

use crate::servers::Outcome;
use std::ops::RangeInclusive;

#[derive(Debug, PartialEq)]
pub(super) struct Node {
    id: String,
    pub(super) port: u16,
    pub(super) master: Option<String>,
    pub(super) reachable: bool,
    slots: Vec<RangeInclusive<u16>>,
}

impl Node {
    pub(super) fn has_slot(&self, slot: u16) -> bool {
        self.slots.iter().any(|range| range.contains(&slot))
    }

    pub(super) fn follows(&self, master: &Node) -> bool {
        self.master.as_ref() == Some(&master.id)
    }
}

/// The nodes of a reply to CLUSTER NODES, in the order of their ids.
pub(super) fn parse(reply: &str) -> Outcome<Vec<Node>> {
    let nodes = reply.lines().map(|line| parse_node(line).ok_or_else(|| line.into()));
    let mut nodes: Vec<_> = nodes.collect::<Outcome<_>>()?;
    nodes.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(nodes)
}

/// `ID IP:PORT@BUS-PORT[,NAME] FLAG,FLAG MASTER|- PING PONG EPOCH connected|disconnected SLOTS...`
fn parse_node(line: &str) -> Option<Node> {
    let fields: Vec<_> = line.split(' ').collect();
    let [id, address, flags, master, _, _, _, link, slots @ ..] = &fields[..] else { return None };
    let port = address.split('@').next()?.rsplit(':').next()?.parse().ok()?;
    let unreachable = ["fail", "fail?", "handshake", "noaddr"];
    let reachable =
        *link == "connected" && flags.split(',').all(|flag| !unreachable.contains(&flag));
    let master = (*master != "-").then(|| (*master).to_owned());
    // Those in brackets are on the move; they are listed without as well.
    let slots = slots.iter().filter(|slots| !slots.starts_with('[')).map(|slots| {
        let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    Some(Node {
        id: (*id).to_owned(),
        port,
        master,
        reachable,
        slots: slots.collect::<Option<_>>()?,
    })
}
