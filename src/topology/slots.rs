//! The assignment of slots to servers.

use std::sync::Arc;

use crate::keys::SLOTS;

/// The servers that accept writes, and the slots of each. A single server owns all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    servers: Vec<Arc<str>>,
    ranges: Vec<Range>,
}

/// A range of slots of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
    server: usize,
}

impl Topology {
    /// The topology of a single server.
    pub(crate) fn one(address: &str) -> Self {
        Self::new([(0, SLOTS - 1, address.into())])
    }

    /// The servers at the addresses of ranges, each from its first to its last slot.
    pub(crate) fn new(ranges: impl IntoIterator<Item = (u16, u16, Arc<str>)>) -> Self {
        let mut topology = Self { servers: Vec::new(), ranges: Vec::new() };
        // Replies of different nodes in different orders must compare equal.
        let mut ranges: Vec<_> = ranges.into_iter().collect();
        ranges.sort_by_key(|(first, ..)| *first);
        for (first, last, address) in ranges {
            let known = topology.servers.iter().position(|server| *server == address);
            let server = known.unwrap_or(topology.servers.len());
            if known.is_none() {
                topology.servers.push(address);
            }
            topology.ranges.push(Range { first, last, server });
        }
        topology
    }

    /// The addresses of all servers.
    pub(crate) fn servers(&self) -> &[Arc<str>] {
        &self.servers
    }

    /// The index of the server that owns `slot`.
    pub(crate) fn owner(&self, slot: u16) -> Option<usize> {
        let after = self.ranges.partition_point(|range| range.first <= slot);
        let range = self.ranges.get(after.checked_sub(1)?)?;
        (slot <= range.last).then_some(range.server)
    }

    /// The address of the server that owns `slot`.
    pub(crate) fn address(&self, slot: u16) -> Option<&Arc<str>> {
        self.owner(slot).map(|server| &self.servers[server])
    }

    /// Returns whether both agree on the slots of the server at `address`.
    pub(crate) fn agrees(&self, other: &Self, address: &str) -> bool {
        let slots = |topology: &Self| {
            let ranges = topology.ranges.iter().copied();
            let own = ranges.filter(|range| *topology.servers[range.server] == *address);
            own.map(|range| (range.first, range.last)).collect::<Vec<_>>()
        };
        slots(self) == slots(other)
    }

    /// The lowest slot from `slot` on whose server is none of `visited`.
    pub(crate) fn next_slot(&self, slot: u16, visited: &[Arc<str>]) -> Option<u16> {
        let ranges = self.ranges.iter().filter(|range| range.last >= slot);
        let mut ranges = ranges.filter(|range| !visited.contains(&self.servers[range.server]));
        ranges.next().map(|range| range.first.max(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology() -> Topology {
        let ranges = [(9, 20, "b"), (0, 5, "a"), (6, 8, "c"), (30, 40, "a")];
        Topology::new(ranges.map(|(first, last, server)| (first, last, server.into())))
    }

    #[test]
    fn a_slot_has_one_server_or_none() {
        let owner = |slot| topology().address(slot).map(|server| server.to_string());
        for (slot, server) in [
            (0, Some("a")),
            (5, Some("a")),
            (6, Some("c")),
            (20, Some("b")),
            (21, None),
            (41, None),
        ] {
            assert_eq!(owner(slot).as_deref(), server, "{slot}");
        }
        assert_eq!(Topology::one("x").address(SLOTS - 1).map(|server| &**server), Some("x"));
    }

    #[test]
    fn each_server_is_visited_once() {
        let next = |slot, visited: &[&str]| {
            let visited: Vec<Arc<str>> = visited.iter().map(|&server| server.into()).collect();
            topology().next_slot(slot, &visited)
        };
        assert_eq!(next(0, &[]), Some(0));
        assert_eq!(next(0, &["a"]), Some(6));
        assert_eq!(next(7, &["a"]), Some(7));
        assert_eq!(next(6, &["a", "c"]), Some(9));
        assert_eq!(next(9, &["a", "b", "c"]), None);
    }
}
