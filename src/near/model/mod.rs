//! An exhaustive exploration of everything that can happen to a near cache within small limits.
//!
//! The rules are the shipped ones: [`Shard`](super::shard::Shard), [`Lease`](super::lease::Lease)
//! and [`Heartbeat`](crate::listen::heartbeat::Heartbeat). The code that combines them, the server
//! and the connections are modelled.

mod program;
mod server;
mod world;

use stateright::{Checker, HasDiscoveries, Model};

use super::{lease, shard};
use crate::listen::heartbeat as pulse;

/// The size of the world, and how often each kind of event may happen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Setting {
    /// How many readers there are at the same time.
    readers: usize,
    reads: u8,
    /// Reads that fail, or are given up.
    failures: u8,
    /// Writes of other programs.
    writes: u8,
    own_writes: u8,
    flushes: u8,
    beats: u8,
    /// Connections that die, perhaps without being noticed.
    losses: u8,
    reconnects: u8,
    ticks: u8,
    bound: u64,
    grace: u64,
    mutant: Mutant,
}

/// The one rule that is broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Mutant {
    #[default]
    None,
    Shard(shard::Breach),
    Lease(lease::Breach),
    Heartbeat(pulse::Breach),
    /// A lookup reads the value before the time until which values are served.
    LooksAtTheValueFirst,
    ServesAnotherEpoch,
    /// New times are published before the new epoch.
    ShowsTheEpochLast,
    /// Reads are begun and joined although the cache may have missed changes.
    LeadsWhenUncertain,
    /// A reader that could not lead leaves the cached value and the reads in flight in place.
    AsksAndForgetsNothing,
    ForgetsOwnWrites,
    /// A new connection is relied on before its heartbeats are received.
    ConnectsUnproven,
}

const RACES: Setting = Setting {
    readers: 2,
    reads: 3,
    failures: 0,
    writes: 2,
    own_writes: 1,
    flushes: 0,
    beats: 0,
    losses: 0,
    reconnects: 0,
    ticks: 0,
    bound: 1,
    grace: 0,
    mutant: Mutant::None,
};
const FAILURES: Setting = Setting { readers: 3, reads: 4, failures: 1, writes: 0, ..RACES };
const FLUSHES: Setting = Setting { writes: 1, own_writes: 0, flushes: 1, ..RACES };
const LEASES: Setting = Setting {
    readers: 1,
    reads: 2,
    writes: 1,
    own_writes: 0,
    beats: 2,
    losses: 1,
    ticks: 3,
    ..RACES
};
const LATE_BEATS: Setting = Setting { losses: 0, reads: 3, ..LEASES };
const JOINS: Setting = Setting { readers: 2, beats: 0, ..LEASES };
const RECONNECTS: Setting = Setting { reconnects: 1, ticks: 2, readers: 2, ..LEASES };
const GRACE: Setting = Setting { grace: 2, ticks: 3, readers: 1, ..RECONNECTS };

#[test]
fn the_rules_hold_whatever_happens() {
    for (name, setting) in [
        ("races", RACES),
        ("failures", FAILURES),
        ("flushes", FLUSHES),
        ("leases", LEASES),
        ("late beats", LATE_BEATS),
        ("joins", JOINS),
        ("reconnects", RECONNECTS),
        ("grace", GRACE),
    ] {
        let checker = setting.checker().threads(2).spawn_bfs().join();
        println!(
            "{name}: {} states, {} steps deep",
            checker.unique_state_count(),
            checker.max_depth()
        );
        checker.assert_properties();
    }
}

#[test]
fn every_rule_is_needed() {
    use lease::Breach as Lease;
    use pulse::Breach as Heartbeat;
    use shard::Breach as Shard;
    for (mutant, setting) in [
        (Mutant::Shard(Shard::LandsDirty), RACES),
        (Mutant::Shard(Shard::LandsForAnother), RACES),
        (Mutant::Shard(Shard::ForgetsReads), RACES),
        (Mutant::Shard(Shard::KeepsOlder), RACES),
        (Mutant::Shard(Shard::JoinsAnotherEpoch), RECONNECTS),
        (Mutant::Lease(Lease::GoesOnWhenLost), LEASES),
        (Mutant::Lease(Lease::ConnectsInTheSameEpoch), RECONNECTS),
        (Mutant::Lease(Lease::ProvenByAnother), GRACE),
        (Mutant::Heartbeat(Heartbeat::ProvenByOne), LATE_BEATS),
        (Mutant::Heartbeat(Heartbeat::SendsMany), LATE_BEATS),
        (Mutant::LooksAtTheValueFirst, LATE_BEATS),
        (Mutant::ServesAnotherEpoch, RECONNECTS),
        (Mutant::ShowsTheEpochLast, RECONNECTS),
        (Mutant::LeadsWhenUncertain, JOINS),
        (Mutant::AsksAndForgetsNothing, FAILURES),
        (Mutant::AsksAndForgetsNothing, LATE_BEATS),
        (Mutant::ForgetsOwnWrites, RACES),
        (Mutant::ConnectsUnproven, RECONNECTS),
    ] {
        assert!(is_caught(&Setting { mutant, ..setting }), "nothing goes wrong with {mutant:?}");
    }
}

/// Returns whether a property fails in some execution.
fn is_caught(setting: &Setting) -> bool {
    let checker = setting.clone().checker().finish_when(HasDiscoveries::AnyFailures);
    let found = checker.spawn_bfs().join().discoveries();
    found.keys().any(|name| setting.property(name).expectation.discovery_is_failure())
}
