//! An exhaustive exploration of everything that can happen to a small queue.
//!
//! The rules of consumers are the shipped ones: [`Ledger`](super::session::ledger::Ledger). The
//! code that combines them, the server with its scripts, and the connections are modelled. Time
//! does not count: a lease may expire at any moment, and `gone` is remembered for as long as any
//! request is in flight.

mod program;
mod raw_item;
mod reaping;
mod server;
mod world;

use crate::model::{Search, catch_all, check_all};
use crate::queue::session::ledger::LedgerMutant;

/// The size of the world, and how often each kind of event may happen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct QueueModel {
    jobs: u8,
    batch: usize,
    /// The number of programs, one or two.
    programs: usize,
    max_deliveries: u8,
    /// How many of the programs have requests that take time, and so can be lost.
    late: usize,
    /// Requests or replies that get lost.
    losses: u8,
    /// Requests that were certainly not sent.
    refusals: u8,
    /// Leases that expire.
    expiries: u8,
    crashes: u8,
    waits: u8,
    /// Waits that their caller drops.
    drops: u8,
    /// How often jobs run for so long that the server is notified.
    notes: u8,
    renewals: u8,
    closes: u8,
    /// Jobs that fail, or are given back.
    failures: u8,
    /// Scripts that fail in the middle of their writes.
    stops: u8,
    /// How often the server comes back in an earlier state.
    relapses: u8,
    /// Whether the number of starts of each job is checked.
    counts: bool,
    /// Whether claimed jobs may wait for a handler.
    leisurely: bool,
    mutant: QueueMutant,
}

/// The one rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum QueueMutant {
    None,
    Ledger(LedgerMutant),
    TrimsBeforeItPushes,
    PollsUnfenced,
    PollsWithAnySequence,
    PollsWithAnyLength,
    SettlesTombstones,
    RecoversForeignTombstones,
    RecoversWithoutTheSequence,
    RecoversAndLeavesTheOldId,
    RecoversAndForgetsRetiredIds,
    RecoversTheLost,
    RecoversTheOldestFirst,
    ReapsWithoutAnotherCheck,
    ReapsAndKeepsTheId,
    ReapsAndForgetsRetiredIds,
    ReapsBeforeItPushes,
    RenewsForTheLost,
    CountsUnbegunJobs,
}

const REPLIES: QueueModel = QueueModel {
    jobs: 2,
    batch: 2,
    programs: 2,
    max_deliveries: 3,
    late: 1,
    losses: 1,
    refusals: 1,
    expiries: 0,
    crashes: 0,
    waits: 0,
    drops: 0,
    notes: 0,
    renewals: 0,
    closes: 0,
    failures: 1,
    stops: 0,
    relapses: 0,
    counts: false,
    leisurely: false,
    mutant: QueueMutant::None,
};
const WAITS: QueueModel = QueueModel { waits: 1, batch: 1, failures: 0, refusals: 0, ..REPLIES };
const DROPS: QueueModel = QueueModel { programs: 1, drops: 1, refusals: 1, ..WAITS };
const FREEZES: QueueModel = QueueModel { waits: 0, batch: 2, expiries: 1, ..WAITS };
const LEASES: QueueModel = QueueModel { losses: 0, ..FREEZES };
const TWICE: QueueModel = QueueModel { jobs: 1, waits: 1, losses: 2, ..FREEZES };
const RENEWALS: QueueModel = QueueModel { jobs: 1, renewals: 1, ..FREEZES };
const LOSSES: QueueModel =
    QueueModel { jobs: 1, expiries: 2, notes: 1, max_deliveries: 2, counts: true, ..FREEZES };
const CRASHES: QueueModel = QueueModel { jobs: 1, counts: true, crashes: 1, waits: 1, ..FREEZES };
const LEAVES: QueueModel = QueueModel { closes: 1, waits: 1, expiries: 0, ..FREEZES };
const STOPS: QueueModel =
    QueueModel { stops: 1, max_deliveries: 2, losses: 0, refusals: 0, ..REPLIES };
const RELAPSES: QueueModel =
    QueueModel { batch: 1, programs: 1, losses: 0, refusals: 0, waits: 1, relapses: 1, ..REPLIES };
const RETURNS: QueueModel = QueueModel {
    jobs: 3,
    batch: 3,
    leisurely: true,
    waits: 0,
    failures: 0,
    counts: true,
    ..RELAPSES
};

#[test]
fn the_rules_hold_whatever_happens() {
    check_all([
        ("replies", REPLIES),
        ("waits", WAITS),
        ("drops", DROPS),
        ("leases", LEASES),
        ("freezes", FREEZES),
        ("twice", TWICE),
        ("renewals", RENEWALS),
        ("losses", LOSSES),
        ("crashes", CRASHES),
        ("leaves", LEAVES),
        ("stops", STOPS),
        ("relapses", RELAPSES),
        ("returns", RETURNS),
    ]);
}

#[test]
fn every_rule_is_needed() {
    use LedgerMutant::*;
    let mutants = [
        (QueueMutant::Ledger(KeepsItsId), REPLIES),
        (QueueMutant::Ledger(SettlesInDoubt), REPLIES),
        (QueueMutant::Ledger(PollsTwiceAtATime), REPLIES),
        (QueueMutant::Ledger(ClaimsTwiceAtATime), WAITS),
        (QueueMutant::Ledger(RecoversWhileARequestIsInFlight), REPLIES),
        (QueueMutant::Ledger(IgnoresTheSequence), REPLIES),
        (QueueMutant::Ledger(TrustsAnySequence), REPLIES),
        (QueueMutant::Ledger(ForgetsFormerIds), TWICE),
        (QueueMutant::Ledger(WaitsUnknown), CRASHES),
        (QueueMutant::Ledger(WaitsAgain), QueueModel { waits: 2, ..RELAPSES }),
        (QueueMutant::Ledger(ForgetsLateWaits), RELAPSES),
        (QueueMutant::Ledger(RecoversWhateverThereIs), QueueModel { losses: 1, ..RELAPSES }),
        (QueueMutant::Ledger(BelievesLateReports), DROPS),
        (QueueMutant::Ledger(GoesOnWhenLost), CRASHES),
        (QueueMutant::Ledger(HandsOutWhatWasLostUnrecorded), LOSSES),
        (QueueMutant::Ledger(CountsWhatComesBack), RETURNS),
        (QueueMutant::CountsUnbegunJobs, CRASHES),
        (QueueMutant::TrimsBeforeItPushes, STOPS),
        (QueueMutant::PollsUnfenced, LEASES),
        (QueueMutant::PollsWithAnySequence, RELAPSES),
        (QueueMutant::PollsWithAnyLength, RELAPSES),
        (QueueMutant::SettlesTombstones, STOPS),
        (QueueMutant::RecoversForeignTombstones, STOPS),
        (QueueMutant::RecoversWithoutTheSequence, QueueModel { losses: 2, refusals: 0, ..REPLIES }),
        (QueueMutant::RecoversAndLeavesTheOldId, QueueModel { losses: 2, ..WAITS }),
        (QueueMutant::RecoversAndForgetsRetiredIds, CRASHES),
        (QueueMutant::Ledger(LeavesNothingBehind), CRASHES),
        (QueueMutant::RecoversTheLost, TWICE),
        (QueueMutant::RecoversTheOldestFirst, DROPS),
        (QueueMutant::ReapsWithoutAnotherCheck, RENEWALS),
        (QueueMutant::ReapsAndKeepsTheId, LEASES),
        (QueueMutant::ReapsAndForgetsRetiredIds, CRASHES),
        (QueueMutant::ReapsBeforeItPushes, QueueModel { expiries: 1, ..STOPS }),
        (QueueMutant::RenewsForTheLost, RENEWALS),
    ];
    catch_all(
        Search::BreadthFirst,
        mutants.map(|(mutant, model)| (mutant, QueueModel { mutant, ..model })),
    );
}
