//! Which failovers of a client's servers were logged.

use std::collections::BTreeSet;
use std::mem;
use std::time::{Duration, Instant};

use super::slots::Topology;
use crate::keys::SLOTS;
use crate::lock::Lock;
use crate::logs;

/// Logs moves of slots to other masters, at most once a second: a cluster that is resharded moves
/// them one by one. The servers of a client and of those beside it share this.
#[derive(Default)]
pub(super) struct FailoverLog(Lock<Option<Logged>>);

/// The topology at the last log entry, and when that was, if there was one.
struct Logged {
    topology: Topology,
    at: Option<Instant>,
}

impl FailoverLog {
    /// Compares the servers that were found with those that were logged.
    pub(super) fn found(&self, topology: &Topology) {
        let mut logged = self.0.lock();
        let Some(Logged { topology: before, at }) = &mut *logged else {
            *logged = Some(Logged { topology: topology.clone(), at: None });
            return;
        };
        if before == topology || at.is_some_and(|at| at.elapsed() < MIN_INTERVAL) {
            return;
        }
        let before = mem::replace(before, topology.clone());
        let moves = Moves::between(&before, topology);
        if moves.slots > 0 {
            *at = Some(Instant::now());
        }
        drop(logged);
        if moves.slots > 0 {
            logs::failed_over(&joined(&moves.from), &joined(&moves.to), moves.slots);
        }
    }
}

/// The slots that have another master than before.
struct Moves<'a> {
    slots: usize,
    from: BTreeSet<&'a str>,
    to: BTreeSet<&'a str>,
}

impl<'a> Moves<'a> {
    fn between(before: &'a Topology, after: &'a Topology) -> Self {
        let mut moves = Self { slots: 0, from: BTreeSet::new(), to: BTreeSet::new() };
        for slot in 0..SLOTS {
            if let (Some(from), Some(to)) = (before.address(slot), after.address(slot))
                && from != to
            {
                moves.slots += 1;
                moves.from.insert(from);
                moves.to.insert(to);
            }
        }
        moves
    }
}

fn joined(servers: &BTreeSet<&str>) -> String {
    servers.iter().copied().collect::<Vec<_>>().join(", ")
}

const MIN_INTERVAL: Duration = Duration::from_secs(1);
