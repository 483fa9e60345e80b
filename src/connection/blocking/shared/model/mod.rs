//! An exhaustive exploration of everything that can happen on a shared connection within small
//! limits.
//!
//! The rules are the shipped ones: [`Turns`](super::turns::Turns) and [`Slot`](super::slot::Slot).
//! The code that combines them, in `lane.rs` and `lead.rs`, and the connections are modelled.

mod caller;
mod world;

use super::slot::SlotMutant;
use super::turns::TurnsMutant;
use crate::model::{Search, catch_all, check_all};

/// How many callers there are, with one call each, and how often each kind of event may happen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct LaneModel {
    callers: usize,
    /// Connections that end.
    cuts: u8,
    /// Callers whose time is over.
    timeouts: u8,
    /// Leaders that panic.
    panics: u8,
    /// Leaders that make no progress for as long as another caller waits.
    stalls: u8,
    mutant: LaneMutant,
}

/// The one rule that is broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum LaneMutant {
    #[default]
    None,
    Turns(TurnsMutant),
    Slot(SlotMutant),
    /// The reply to a call whose caller has left goes to the next one.
    SkipsTheAbsent,
    /// A leader whose time is over lets the connection rest with calls in flight.
    RestsInFlight,
    /// A connection rests although its leader panicked.
    KeepsWhatPanicked,
}

const TURNS: LaneModel =
    LaneModel { callers: 3, cuts: 0, timeouts: 0, panics: 0, stalls: 0, mutant: LaneMutant::None };
const CUTS: LaneModel = LaneModel { cuts: 2, ..TURNS };
const TIMEOUTS: LaneModel = LaneModel { timeouts: 2, ..TURNS };
const PANICS: LaneModel = LaneModel { panics: 1, timeouts: 1, ..TURNS };
const STALLS: LaneModel = LaneModel { stalls: 2, timeouts: 1, ..TURNS };
const ALL: LaneModel = LaneModel { cuts: 1, timeouts: 1, panics: 1, stalls: 1, ..TURNS };

#[test]
fn the_rules_hold_whatever_happens() {
    check_all([
        ("turns", TURNS),
        ("cuts", CUTS),
        ("timeouts", TIMEOUTS),
        ("panics", PANICS),
        ("stalls", STALLS),
        ("all", ALL),
    ]);
}

#[test]
fn every_rule_is_needed() {
    let mutants = [
        (LaneMutant::Turns(TurnsMutant::LeadsBesideAnother), TURNS),
        (LaneMutant::Turns(TurnsMutant::RestsWithCallsWaiting), TURNS),
        (LaneMutant::Turns(TurnsMutant::IgnoresRevocation), STALLS),
        (LaneMutant::Slot(SlotMutant::SendsForTheAbsent), TIMEOUTS),
        (LaneMutant::Slot(SlotMutant::LeadsWithTheAbsent), TIMEOUTS),
        (LaneMutant::Slot(SlotMutant::LeavesWithTheLead), TIMEOUTS),
        (LaneMutant::SkipsTheAbsent, TIMEOUTS),
        (LaneMutant::RestsInFlight, TIMEOUTS),
        (LaneMutant::KeepsWhatPanicked, PANICS),
    ];
    let broken = |(mutant, model)| (mutant, LaneModel { mutant, ..model });
    catch_all(Search::BreadthFirst, mutants.map(broken));
}
