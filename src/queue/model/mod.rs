//! An exhaustive exploration of everything that can happen to a small queue.
//!
//! The rules of consumers are the shipped ones: [`Ledger`](super::session::ledger::Ledger). The
//! code that combines them, the server with its scripts, and the connections are modelled. Time
//! does not count: a lease may expire at any moment, and `gone` is remembered for as long as any
//! request is in flight.

mod program;
mod server;
mod world;

use stateright::{Checker, HasDiscoveries, Model};

use super::session::ledger;

/// The size of the world, and how often each kind of event may happen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Setting {
    jobs: u8,
    batch: usize,
    /// The number of programs, one or two.
    programs: usize,
    most_deliveries: u8,
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
    abandons: u8,
    /// How often jobs run for so long that the server is notified.
    notes: u8,
    beats: u8,
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
    mutant: Mutant,
}

/// The one rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Mutant {
    None,
    Ledger(ledger::Breach),
    TrimsBeforeItPushes,
    StepsUnfenced,
    StepsWithAnyMark,
    StepsWithAnyLength,
    SettlesTombstones,
    AdoptsForeignTombstones,
    AdoptsWithoutTheMark,
    AdoptsAndLeavesTheOldId,
    AdoptsAndForgetsWhoIsGone,
    AdoptsTheLost,
    AdoptsTheOldestFirst,
    SweepsWithoutAnotherLook,
    SweepsAndKeepsTheId,
    SweepsAndForgetsWhoIsGone,
    SweepsBeforeItPushes,
    BeatsForTheLost,
    CountsWhatNobodyBegan,
}

const REPLIES: Setting = Setting {
    jobs: 2,
    batch: 2,
    programs: 2,
    most_deliveries: 3,
    late: 1,
    losses: 1,
    refusals: 1,
    expiries: 0,
    crashes: 0,
    waits: 0,
    abandons: 0,
    notes: 0,
    beats: 0,
    closes: 0,
    failures: 1,
    stops: 0,
    relapses: 0,
    counts: false,
    leisurely: false,
    mutant: Mutant::None,
};
const WAITS: Setting = Setting { waits: 1, batch: 1, failures: 0, refusals: 0, ..REPLIES };
const ABANDONS: Setting = Setting { programs: 1, abandons: 1, refusals: 1, ..WAITS };
const FREEZES: Setting = Setting { waits: 0, batch: 2, expiries: 1, ..WAITS };
const LEASES: Setting = Setting { losses: 0, ..FREEZES };
const TWICE: Setting = Setting { jobs: 1, waits: 1, losses: 2, ..FREEZES };
const BEATS: Setting = Setting { jobs: 1, beats: 1, ..FREEZES };
const LOSSES: Setting =
    Setting { jobs: 1, expiries: 2, notes: 1, most_deliveries: 2, counts: true, ..FREEZES };
const CRASHES: Setting = Setting { jobs: 1, counts: true, crashes: 1, waits: 1, ..FREEZES };
const LEAVES: Setting = Setting { closes: 1, waits: 1, expiries: 0, ..FREEZES };
const STOPS: Setting = Setting { stops: 1, most_deliveries: 2, losses: 0, refusals: 0, ..REPLIES };
const RELAPSES: Setting =
    Setting { batch: 1, programs: 1, losses: 0, refusals: 0, waits: 1, relapses: 1, ..REPLIES };
const RETURNS: Setting =
    Setting { jobs: 3, batch: 3, leisurely: true, waits: 0, failures: 0, counts: true, ..RELAPSES };

#[test]
fn the_rules_hold_whatever_happens() {
    for (name, setting) in [
        ("replies", REPLIES),
        ("waits", WAITS),
        ("abandons", ABANDONS),
        ("leases", LEASES),
        ("freezes", FREEZES),
        ("twice", TWICE),
        ("beats", BEATS),
        ("losses", LOSSES),
        ("crashes", CRASHES),
        ("leaves", LEAVES),
        ("stops", STOPS),
        ("relapses", RELAPSES),
        ("returns", RETURNS),
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
    use ledger::Breach::*;
    for (mutant, setting) in [
        (Mutant::Ledger(KeepsItsId), REPLIES),
        (Mutant::Ledger(SettlesInDoubt), REPLIES),
        (Mutant::Ledger(StepsTwiceAtATime), REPLIES),
        (Mutant::Ledger(ClaimsTwiceAtATime), WAITS),
        (Mutant::Ledger(AdoptsWhileSomethingIsOnItsWay), REPLIES),
        (Mutant::Ledger(IgnoresTheMark), REPLIES),
        (Mutant::Ledger(TrustsAnyMark), REPLIES),
        (Mutant::Ledger(ForgetsFormerIds), TWICE),
        (Mutant::Ledger(WaitsUnknown), CRASHES),
        (Mutant::Ledger(WaitsAgain), Setting { waits: 2, ..RELAPSES }),
        (Mutant::Ledger(ForgetsLateWaits), RELAPSES),
        (Mutant::Ledger(AdoptsWhateverThereIs), Setting { losses: 1, ..RELAPSES }),
        (Mutant::Ledger(BelievesLateReports), ABANDONS),
        (Mutant::Ledger(GoesOnWhenLost), CRASHES),
        (Mutant::Ledger(HandsOutWhatWasLostUnrecorded), LOSSES),
        (Mutant::Ledger(CountsWhatComesBack), RETURNS),
        (Mutant::CountsWhatNobodyBegan, CRASHES),
        (Mutant::TrimsBeforeItPushes, STOPS),
        (Mutant::StepsUnfenced, LEASES),
        (Mutant::StepsWithAnyMark, RELAPSES),
        (Mutant::StepsWithAnyLength, RELAPSES),
        (Mutant::SettlesTombstones, STOPS),
        (Mutant::AdoptsForeignTombstones, STOPS),
        (Mutant::AdoptsWithoutTheMark, Setting { losses: 2, refusals: 0, ..REPLIES }),
        (Mutant::AdoptsAndLeavesTheOldId, Setting { losses: 2, ..WAITS }),
        (Mutant::AdoptsAndForgetsWhoIsGone, CRASHES),
        (Mutant::Ledger(LeavesNothingBehind), CRASHES),
        (Mutant::AdoptsTheLost, TWICE),
        (Mutant::AdoptsTheOldestFirst, ABANDONS),
        (Mutant::SweepsWithoutAnotherLook, BEATS),
        (Mutant::SweepsAndKeepsTheId, LEASES),
        (Mutant::SweepsAndForgetsWhoIsGone, CRASHES),
        (Mutant::SweepsBeforeItPushes, Setting { expiries: 1, ..STOPS }),
        (Mutant::BeatsForTheLost, BEATS),
    ] {
        let broken = broken(&Setting { mutant, ..setting });
        println!("{mutant:?}: {broken:?}");
        assert!(!broken.is_empty(), "nothing goes wrong with {mutant:?}");
    }
}

/// The properties that fail.
fn broken(setting: &Setting) -> Vec<&'static str> {
    let checker = setting.clone().checker().finish_when(HasDiscoveries::AnyFailures);
    let found = checker.spawn_bfs().join().discoveries().into_keys();
    found.filter(|name| setting.property(name).expectation.discovery_is_failure()).collect()
}
