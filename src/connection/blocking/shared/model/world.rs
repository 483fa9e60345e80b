//! Callers, their slots, and the connections.

use std::collections::VecDeque;

use stateright::{Model, Property};

use super::caller::{Caller, Step};
use super::{LaneModel, LaneMutant};
use crate::connection::blocking::shared::slot::{Leaving, Slot};
use crate::connection::blocking::shared::turns::Turns;
use crate::mutants::Mutants;

pub(super) type CallerId = usize;

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) turns: Turns<CallerId, Option<Baggage>>,
    pub(super) slots: Vec<Slot<Outcome, Baggage>>,
    pub(super) callers: Vec<Caller>,
    pub(super) connections: Vec<Connection>,
    /// How often the call of each caller was sent.
    pub(super) sent: Vec<u8>,
    /// The leads that were taken from callers.
    revoked: Vec<u64>,
    left: Budget,
}

/// What goes from one leader to the next, as in `lead.rs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Baggage {
    pub(super) number: u64,
    pub(super) first: Option<CallerId>,
    pub(super) connection: Option<usize>,
    pub(super) calls: VecDeque<CallerId>,
}

/// A connection, and the calls whose replies are to come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Connection {
    pub(super) is_cut: bool,
    pub(super) replies: VecDeque<CallerId>,
}

/// The outcome of a call: the call whose reply it got, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Outcome {
    Reply(CallerId),
    Lost,
}

/// What a caller reports in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Report {
    Outcome(Outcome),
    /// It may have been applied.
    TimedOut,
    /// Nothing was sent, and nothing will be.
    Unsent,
}

/// How often each kind of event may still happen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Budget {
    cuts: u8,
    timeouts: u8,
    panics: u8,
    stalls: u8,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Action {
    Step(CallerId),
    Cut(usize),
    TimeOut(CallerId),
    Panic(CallerId),
    Revoke(CallerId),
}

impl World {
    /// Creates a connection.
    pub(super) fn connect(&mut self) -> usize {
        self.connections.push(Connection::default());
        self.connections.len() - 1
    }

    /// The call of a caller whose time is over ends, unless it received something.
    fn leave(&mut self, caller: CallerId) -> bool {
        let report = match self.slots[caller].leave() {
            Some(Leaving::Unsent) => Report::Unsent,
            Some(Leaving::Sent) => Report::TimedOut,
            None => return false,
        };
        self.callers[caller] = Caller::Done(report);
        true
    }

    fn leads_on(&self, caller: CallerId) -> Option<usize> {
        match &self.callers[caller] {
            Caller::Leads(baggage, _) => baggage.connection,
            _ => None,
        }
    }
}

impl Model for LaneModel {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let mut turns = Turns::new();
        let mut slots = vec![Slot::new(); self.callers];
        match self.mutant {
            LaneMutant::Turns(mutant) => turns.mutants = Mutants::of(mutant),
            LaneMutant::Slot(mutant) => {
                slots.iter_mut().for_each(|slot| slot.mutants = Mutants::of(mutant));
            }
            _ => {}
        }
        let left = Budget {
            cuts: self.cuts,
            timeouts: self.timeouts,
            panics: self.panics,
            stalls: self.stalls,
        };
        let (callers, sent) = (vec![Caller::Begins; self.callers], vec![0; self.callers]);
        vec![World {
            turns,
            slots,
            callers,
            connections: Vec::new(),
            sent,
            revoked: Vec::new(),
            left,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (id, caller) in world.callers.iter().enumerate() {
            if caller.can_go_on(&world.slots[id]) {
                actions.push(Action::Step(id));
            }
            match caller {
                Caller::Waits => {
                    actions.extend((world.left.timeouts > 0).then_some(Action::TimeOut(id)));
                    let is_led = world.turns.is_led();
                    actions.extend((world.left.stalls > 0 && is_led).then_some(Action::Revoke(id)));
                }
                Caller::Leads(_, step) => {
                    let receives = *step == Step::Receive;
                    let is_late = world.left.timeouts > 0 && receives;
                    actions.extend(is_late.then_some(Action::TimeOut(id)));
                    actions
                        .extend((world.left.panics > 0 && receives).then_some(Action::Panic(id)));
                }
                Caller::Begins | Caller::Done(_) => {}
            }
        }
        let may_cut = |(id, connection): (usize, &Connection)| {
            (world.left.cuts > 0 && !connection.is_cut).then_some(Action::Cut(id))
        };
        actions.extend(world.connections.iter().enumerate().filter_map(may_cut));
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Step(id) => next.step(id, self.mutant),
            Action::Cut(connection) => {
                next.left.cuts -= 1;
                next.connections[connection].is_cut = true;
            }
            Action::TimeOut(id) => {
                next.left.timeouts -= 1;
                match &next.callers[id] {
                    Caller::Leads(..) => next.time_out_leading(id, self.mutant),
                    _ => {
                        if !next.leave(id) {
                            return None;
                        }
                    }
                }
            }
            Action::Panic(id) => {
                next.left.panics -= 1;
                next.panic(id, self.mutant);
            }
            Action::Revoke(id) => {
                next.left.stalls -= 1;
                next.revoked.extend(next.turns.lead());
                let (number, first) = next.turns.revoke(|call| *call == id)?;
                let baggage = Baggage { number, first: Some(first), ..Baggage::default() };
                next.callers[id] = Caller::Leads(baggage, Step::Begin);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no caller gets the reply to another call", |_, world: &World| {
                world.callers.iter().enumerate().all(|(id, caller)| match caller {
                    Caller::Done(Report::Outcome(Outcome::Reply(call))) => *call == id,
                    _ => true,
                })
            }),
            Property::always("no call is sent twice", |_, world: &World| {
                world.sent.iter().all(|times| *times <= 1)
            }),
            Property::always("what is reported as unsent never is", |_, world: &World| {
                let unsent = |caller: &Caller| *caller == Caller::Done(Report::Unsent);
                world
                    .callers
                    .iter()
                    .zip(&world.sent)
                    .all(|(caller, sent)| !unsent(caller) || *sent == 0)
            }),
            Property::always("a connection has one leader at a time", |_, world: &World| {
                let mut used: Vec<_> =
                    (0..world.callers.len()).filter_map(|id| world.leads_on(id)).collect();
                let all = used.len();
                used.sort_unstable();
                used.dedup();
                used.len() == all
            }),
            Property::always("one caller leads beside those that stalled", |_, world: &World| {
                let leads = |caller: &&Caller| match caller {
                    Caller::Leads(baggage, _) => !world.revoked.contains(&baggage.number),
                    _ => false,
                };
                world.callers.iter().filter(leads).count() <= 1
            }),
            Property::always("what rests has nothing in flight", |_, world: &World| {
                let resting = world.turns.resting().as_ref().and_then(|baggage| baggage.connection);
                resting.is_none_or(|connection| world.connections[connection].replies.is_empty())
            }),
            Property::always("no caller waits in vain", |model: &LaneModel, world: &World| {
                let mut actions = Vec::new();
                model.actions(world, &mut actions);
                let are_done = world.callers.iter().all(|call| matches!(call, Caller::Done(_)));
                are_done || actions.iter().any(|action| matches!(action, Action::Step(_)))
            }),
            Property::sometimes("a batch has several calls", |_, world: &World| {
                world.connections.iter().any(|connection| connection.replies.len() > 1)
            }),
        ]
    }
}
