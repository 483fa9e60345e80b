//! An exhaustive exploration of everything that can happen to a near cache within small limits.
//!
//! The rules are the shipped ones: [`Shard`](super::shard::Shard),
//! [`CacheLease`](super::lease::CacheLease) and
//! [`Heartbeat`](crate::listen::heartbeat::Heartbeat). The code that combines them, the server and
//! the connections are modelled.

mod program;
mod server;
mod world;

use super::lease::LeaseMutant;
use super::shard::ShardMutant;
use crate::listen::heartbeat::HeartbeatMutant;
use crate::model::{Search, catch_all, check_all};

/// The size of the world, and how often each kind of event may happen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct CacheModel {
    /// How many readers there are at the same time.
    readers: usize,
    reads: u8,
    /// Reads that fail, or are given up.
    failures: u8,
    /// Writes of other programs.
    writes: u8,
    own_writes: u8,
    flushes: u8,
    heartbeats: u8,
    /// Connections that die, perhaps without being noticed.
    losses: u8,
    reconnects: u8,
    ticks: u8,
    bound: u64,
    grace: u64,
    mutant: CacheMutant,
}

/// The one rule that is broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum CacheMutant {
    #[default]
    None,
    Shard(ShardMutant),
    Lease(LeaseMutant),
    Heartbeat(HeartbeatMutant),
    /// A lookup reads the value before the time until which values are served.
    ReadsTheValueFirst,
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

const RACES: CacheModel = CacheModel {
    readers: 2,
    reads: 3,
    failures: 0,
    writes: 2,
    own_writes: 1,
    flushes: 0,
    heartbeats: 0,
    losses: 0,
    reconnects: 0,
    ticks: 0,
    bound: 1,
    grace: 0,
    mutant: CacheMutant::None,
};
const FAILURES: CacheModel = CacheModel { readers: 3, reads: 4, failures: 1, writes: 0, ..RACES };
const FLUSHES: CacheModel = CacheModel { writes: 1, own_writes: 0, flushes: 1, ..RACES };
const LEASES: CacheModel = CacheModel {
    readers: 1,
    reads: 2,
    writes: 1,
    own_writes: 0,
    heartbeats: 2,
    losses: 1,
    ticks: 3,
    ..RACES
};
const LATE_HEARTBEATS: CacheModel = CacheModel { losses: 0, reads: 3, ..LEASES };
const JOINS: CacheModel = CacheModel { readers: 2, heartbeats: 0, ..LEASES };
const RECONNECTS: CacheModel = CacheModel { reconnects: 1, ticks: 2, readers: 2, ..LEASES };
const GRACE: CacheModel = CacheModel { grace: 2, ticks: 3, readers: 1, ..RECONNECTS };

#[test]
fn the_rules_hold_whatever_happens() {
    check_all([
        ("races", RACES),
        ("failures", FAILURES),
        ("flushes", FLUSHES),
        ("leases", LEASES),
        ("late heartbeats", LATE_HEARTBEATS),
        ("joins", JOINS),
        ("reconnects", RECONNECTS),
        ("grace", GRACE),
    ]);
}

#[test]
fn every_rule_is_needed() {
    let mutants = [
        (CacheMutant::Shard(ShardMutant::EntersDirty), RACES),
        (CacheMutant::Shard(ShardMutant::EntersForAnother), RACES),
        (CacheMutant::Shard(ShardMutant::ForgetsReads), RACES),
        (CacheMutant::Shard(ShardMutant::KeepsOlder), RACES),
        (CacheMutant::Shard(ShardMutant::JoinsAnotherEpoch), RECONNECTS),
        (CacheMutant::Lease(LeaseMutant::GoesOnWhenLost), LEASES),
        (CacheMutant::Lease(LeaseMutant::ConnectsInTheSameEpoch), RECONNECTS),
        (CacheMutant::Lease(LeaseMutant::RaisesWatermarkOfAnother), GRACE),
        (CacheMutant::Heartbeat(HeartbeatMutant::ProvenByOne), LATE_HEARTBEATS),
        (CacheMutant::Heartbeat(HeartbeatMutant::SendsMany), LATE_HEARTBEATS),
        (CacheMutant::ReadsTheValueFirst, LATE_HEARTBEATS),
        (CacheMutant::ServesAnotherEpoch, RECONNECTS),
        (CacheMutant::ShowsTheEpochLast, RECONNECTS),
        (CacheMutant::LeadsWhenUncertain, JOINS),
        (CacheMutant::AsksAndForgetsNothing, FAILURES),
        (CacheMutant::AsksAndForgetsNothing, LATE_HEARTBEATS),
        (CacheMutant::ForgetsOwnWrites, RACES),
        (CacheMutant::ConnectsUnproven, RECONNECTS),
    ];
    catch_all(
        Search::DepthFirst,
        mutants.map(|(mutant, model)| (mutant, CacheModel { mutant, ..model })),
    );
}
