//! A caller: the shipped rules, combined as in `lane.rs` and `lead.rs`, in steps as large as locks
//! make them.

use super::LaneMutant;
use super::world::{Baggage, CallerId, Outcome, Report, World};
use crate::connection::blocking::shared::slot::{Received, Slot};
use crate::connection::blocking::shared::turns::Next;

/// What a caller does at the moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    Begins,
    Waits,
    Leads(Baggage, Step),
    Done(Report),
}

/// The next step of a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    /// It takes the calls that wait.
    Begin,
    /// It asks whether the caller at this place is still there.
    Ask(usize),
    Receive,
    /// It offers the lead to the caller of a call in flight, by its place.
    Offer(usize),
    /// It passes the lead on in the lane.
    PassOn,
    /// It offers the lead to the caller that has waited longest.
    OfferFirst,
}

impl Caller {
    /// Returns whether there is something to do but wait.
    pub(super) fn can_go_on(&self, slot: &Slot<Outcome, Baggage>) -> bool {
        match self {
            Caller::Begins | Caller::Leads(..) => true,
            Caller::Waits => slot.clone().take().is_some(),
            Caller::Done(_) => false,
        }
    }
}

impl World {
    pub(super) fn step(&mut self, id: CallerId, mutant: LaneMutant) {
        match self.callers[id].clone() {
            Caller::Begins => match self.turns.enter() {
                Some((number, baggage)) => {
                    let baggage =
                        Baggage { number, first: Some(id), ..baggage.unwrap_or_default() };
                    self.callers[id] = Caller::Leads(baggage, Step::Begin);
                }
                None => {
                    self.turns.wait(id);
                    self.callers[id] = Caller::Waits;
                }
            },
            Caller::Waits => self.wake(id),
            Caller::Leads(baggage, step) => self.lead(id, baggage, step, mutant),
            Caller::Done(_) => {}
        }
    }

    /// A caller looks at what it received.
    fn wake(&mut self, id: CallerId) {
        match self.slots[id].take() {
            Some(Received::Outcome(outcome)) => {
                self.callers[id] = Caller::Done(Report::Outcome(outcome));
            }
            Some(Received::Lead(baggage)) => {
                let step = if baggage.first.is_some() { Step::Begin } else { Step::Receive };
                self.callers[id] = Caller::Leads(baggage, step);
            }
            None if self.slots[id].has_left() => self.callers[id] = Caller::Done(Report::TimedOut),
            None => self.callers[id] = Caller::Waits,
        }
    }

    fn lead(&mut self, id: CallerId, mut baggage: Baggage, step: Step, mutant: LaneMutant) {
        let next = match step {
            Step::Begin => {
                if baggage.connection.is_none_or(|connection| self.connections[connection].is_cut) {
                    baggage.connection = Some(self.connect());
                }
                baggage.calls.extend(baggage.first.take());
                baggage.calls.extend(self.turns.take(baggage.number, |_| true));
                Step::Ask(0)
            }
            Step::Ask(place) => match baggage.calls.get(place) {
                Some(call) if self.slots[*call].send() => Step::Ask(place + 1),
                Some(_) => {
                    baggage.calls.remove(place);
                    Step::Ask(place)
                }
                None => {
                    for call in &baggage.calls {
                        self.sent[*call] += 1;
                        let connection = baggage.connection.map(|id| &mut self.connections[id]);
                        connection.into_iter().for_each(|it| it.replies.push_back(*call));
                    }
                    Step::Receive
                }
            },
            Step::Receive => self.receive(&mut baggage, mutant),
            Step::Offer(place) => match baggage.calls.get(place).copied() {
                Some(call) => match self.slots[call].offer(baggage) {
                    Ok(()) => return self.wake(id),
                    Err(declined) => {
                        baggage = declined;
                        Step::Offer(place + 1)
                    }
                },
                None => {
                    self.break_off(&mut baggage);
                    Step::PassOn
                }
            },
            Step::PassOn => match self.turns.pass_on(baggage.number, Some(baggage.clone())) {
                Next::Offer(call, _) => {
                    baggage.first = Some(call);
                    Step::OfferFirst
                }
                Next::Rest | Next::Revoked(_) => return self.wake(id),
            },
            Step::OfferFirst => {
                let first = baggage.first.unwrap_or(id);
                match self.slots[first].offer(baggage) {
                    Ok(()) => return self.wake(id),
                    Err(declined) => {
                        baggage = Baggage { first: None, ..declined };
                        Step::PassOn
                    }
                }
            }
        };
        self.callers[id] = Caller::Leads(baggage, next);
    }

    /// Receives the next reply, or the end of the connection.
    fn receive(&mut self, baggage: &mut Baggage, mutant: LaneMutant) -> Step {
        let Some(connection) = baggage.connection else { return Step::PassOn };
        if baggage.calls.is_empty() {
            return Step::PassOn;
        }
        let connection = &mut self.connections[connection];
        match connection.replies.pop_front().filter(|_| !connection.is_cut) {
            Some(reply) => {
                let reply = Outcome::Reply(reply);
                let mut is_there = true;
                if let Some(call) = baggage.calls.pop_front() {
                    is_there = self.slots[call].conclude(reply);
                }
                if !is_there
                    && mutant == LaneMutant::SkipsTheAbsent
                    && let Some(next) = baggage.calls.pop_front()
                {
                    self.slots[next].conclude(reply);
                }
                Step::Receive
            }
            None => {
                self.break_off(baggage);
                Step::PassOn
            }
        }
    }

    /// Gives up the connection. Calls in flight fail.
    fn break_off(&mut self, baggage: &mut Baggage) {
        baggage.connection = None;
        for call in baggage.calls.drain(..) {
            self.slots[call].conclude(Outcome::Lost);
        }
    }

    /// The time of a leader is over while it receives.
    pub(super) fn time_out_leading(&mut self, id: CallerId, mutant: LaneMutant) {
        let Caller::Leads(mut baggage, _) = self.callers[id].clone() else { return };
        let _ = self.slots[id].leave();
        let next = match mutant {
            LaneMutant::RestsInFlight => {
                baggage.calls.clear();
                Step::PassOn
            }
            _ if baggage.calls.is_empty() => Step::PassOn,
            _ => Step::Offer(0),
        };
        self.callers[id] = Caller::Leads(baggage, next);
    }

    /// A leader panics while it receives.
    pub(super) fn panic(&mut self, id: CallerId, mutant: LaneMutant) {
        let Caller::Leads(mut baggage, _) = self.callers[id].clone() else { return };
        let connection = baggage.connection;
        self.break_off(&mut baggage);
        if mutant == LaneMutant::KeepsWhatPanicked {
            baggage.connection = connection;
        }
        self.callers[id] = Caller::Leads(baggage, Step::PassOn);
    }
}
