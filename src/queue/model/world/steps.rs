//! The events that may happen, and their effects.

use std::time::Duration;

use super::super::program::{Begins::AfterTheServer, Program, moment};
use super::super::server::{Reply, Request, name};
use super::{Action, PendingPoll, World};
use crate::queue::session::{FOR_A_REPORT, Fate, Outcome};

impl World {
    /// Lists the events that may happen now.
    pub(crate) fn happenings(&self, actions: &mut Vec<Action>) {
        for (place, program) in self.programs.iter().enumerate() {
            if let Some(program) = program {
                self.happenings_of(place, program, actions);
            }
        }
        for (place, flight) in self.flights.iter().enumerate() {
            self.happenings_to(place, flight, actions);
        }
        let left = &self.left;
        let consumers = &self.server.consumers;
        if left.expiries > 0 {
            let live = consumers.iter().filter(|(_, heard)| !heard.is_over);
            actions.extend(live.map(|(id, _)| Action::Expire(id.clone())));
        }
        if left.relapses > 0 {
            actions.push(if self.saved.is_some() { Action::Relapse } else { Action::Save });
        }
        match self.found {
            Some(_) => {
                actions.push(Action::Sweep);
                let stops = if left.stops > 0 { 0..MOST_WRITES } else { 0..0 };
                actions.extend(stops.map(Action::StopSweeping));
            }
            None => {
                let ids = consumers.keys().chain(&self.server.gone);
                let lost = ids.filter(|id| self.server.seems_lost(id));
                actions.extend(lost.map(|id| Action::Find(id.clone())));
            }
        }
    }

    /// Lists the events of a program.
    fn happenings_of(&self, place: usize, program: &Program, actions: &mut Vec<Action>) {
        let left = &self.left;
        let may =
            |begin: fn(&mut Program) -> Option<Request>| begin(&mut program.clone()).is_some();
        let server = &self.server;
        let Program { ledger, .. } = program;
        let has_jobs = !(server.queue.is_empty() && server.delayed.is_empty());
        let (has_ready, is_closing) = (ledger.jobs.has_ready(), ledger.jobs.is_closing());
        let claims = !has_ready && !is_closing && may(Program::claim);
        let waits =
            left.waits > 0 && place < left.late && !has_ready && !is_closing && may(Program::wait);
        let has_settled = ledger.jobs.has_decided();
        let notes = left.notes > 0 && ledger.jobs.settleable_for(moment()).is_some();
        let leaves = |flight: &PendingPoll| {
            flight.by == Some(place) && matches!(flight.request, Request::Leave(_))
        };
        let leaves = self.flights.iter().any(leaves);
        let possible = [
            (claims && (has_jobs || has_settled), Action::Claim(place)),
            (waits, Action::Wait(place)),
            ((has_settled || notes) && ledger.may_settle().is_ok(), Action::Settle(place)),
            (has_ready && may(Program::record), Action::Record(place)),
            (has_ready && program.clone().take(), Action::Take(place)),
            (ledger.is_in_doubt() && may(Program::recover), Action::Adopt(place)),
            (ledger.is_abandoned(), Action::GiveUp(place)),
            (self.looks && !ledger.orphaned.is_empty(), Action::Look(place)),
            (left.beats > 0 && ledger.pulse(moment()).is_some(), Action::Beat(place)),
            (left.closes > 0 && !is_closing, Action::Close(place)),
            (is_closing && !leaves && may(Program::leave), Action::Leave(place)),
            (left.crashes > 0 && self.programs.iter().all(Option::is_some), Action::Crash(place)),
        ];
        actions.extend(possible.into_iter().filter(|(is, _)| *is).map(|(_, action)| action));
        for number in program.handlers.keys() {
            let fates = [
                (true, Fate::Done),
                (left.failures > 0, Fate::Retry(Duration::ZERO, String::new())),
                (left.failures > 0, Fate::Back),
            ];
            let fates = fates.into_iter().filter(|(may, _)| *may).map(|(_, fate)| fate);
            actions.extend(fates.map(|fate| Action::Decide(place, *number, fate)));
        }
    }

    /// Lists the events of a request in flight.
    fn happenings_to(&self, place: usize, flight: &PendingPoll, actions: &mut Vec<Action>) {
        let left = &self.left;
        let is_waited_for = flight.by.is_some();
        let is_wait = matches!(&flight.request, Request::Step(step) if step.waits);
        if left.abandons > 0 && is_waited_for && is_wait && !flight.is_abandoned {
            actions.push(Action::Abandon(place));
        }
        if is_waited_for && left.losses > 0 {
            actions.push(Action::Lose(place));
        }
        match flight.reply {
            Some(_) => actions.push(Action::Deliver(place)),
            None => {
                actions.push(Action::Run(place));
                if is_waited_for && left.refusals > 0 {
                    actions.push(Action::Refuse(place));
                }
                if left.stops > 0 && matches!(&flight.request, Request::Step(step) if !step.waits) {
                    actions.extend((0..MOST_WRITES).map(|writes| Action::Stop(place, writes)));
                }
            }
        }
    }

    /// Applies an event. Returns whether anything happened.
    pub(crate) fn happen(&mut self, action: Action) -> bool {
        match action {
            Action::Claim(by) => self.send(by, Program::claim),
            Action::Wait(by) => {
                self.left.waits -= 1;
                self.send(by, Program::wait);
            }
            Action::Settle(by) => {
                let has_decided = |program: &Program| program.ledger.jobs.has_decided();
                let decided = self.programs[by].as_ref().is_some_and(has_decided);
                self.left.notes -= u8::from(!decided);
                self.send(by, Program::settle);
            }
            Action::Record(by) => self.send(by, Program::record),
            Action::Adopt(by) => self.send(by, Program::recover),
            Action::Beat(by) => {
                self.left.beats -= 1;
                self.send(by, Program::beat);
            }
            Action::Leave(by) => self.send(by, Program::leave),
            Action::Take(by) => {
                let _ = self.programs[by].as_mut().map(Program::take);
                self.learn(by);
            }
            Action::Decide(by, number, fate) => self.decide(by, number, fate),
            Action::Close(by) => {
                self.left.closes -= 1;
                let _ = self.programs[by].as_mut().map(Program::close);
            }
            Action::Crash(by) => {
                self.left.crashes -= 1;
                self.programs[by] = None;
                self.flights.retain_mut(|flight| {
                    flight.by = flight.by.filter(|waiting| *waiting != by);
                    flight.by.is_some() || flight.reply.is_none()
                });
            }
            Action::Run(place) => self.run(place, None),
            Action::Stop(place, writes) => {
                self.left.stops -= 1;
                self.has_stopped = true;
                return self.stops(place, writes);
            }
            Action::Deliver(place) => {
                let PendingPoll { by, request, reply, is_abandoned } = self.flights.remove(place);
                self.hear(by, |program| match reply {
                    reply if is_abandoned => {
                        program.hear_report(&request, Outcome::Applied, reply);
                    }
                    Some(reply) => program.hear(request, reply),
                    None => {}
                });
            }
            Action::Lose(place) => {
                self.left.losses -= 1;
                let flight = &mut self.flights[place];
                let (by, request) = (flight.by.take(), flight.request.clone());
                let is_abandoned = flight.is_abandoned;
                if flight.reply.is_some() {
                    self.flights.remove(place);
                }
                self.hear(by, |program| program.miss(request, Outcome::Unknown, is_abandoned));
            }
            Action::Refuse(place) => {
                self.left.refusals -= 1;
                let PendingPoll { by, request, is_abandoned, .. } = self.flights.remove(place);
                self.hear(by, |program| program.miss(request, Outcome::NotSent, is_abandoned));
            }
            Action::Abandon(place) => {
                self.left.abandons -= 1;
                self.looks = true;
                self.flights[place].is_abandoned = true;
                let PendingPoll { by, request, .. } = self.flights[place].clone();
                self.hear(by, |program| program.abandon(request));
            }
            Action::GiveUp(by) => {
                let late = moment() + FOR_A_REPORT;
                self.hear(Some(by), |program| program.ledger.give_up(late));
            }
            Action::Expire(id) => {
                self.left.expiries -= 1;
                let heard = self.server.consumers.get_mut(&id);
                let _ = heard.map(|heard| heard.is_over = true);
            }
            Action::Find(id) => self.found = Some(id),
            Action::Save => self.saved = Some(Box::new(self.server.clone())),
            Action::Relapse => {
                self.left.relapses -= 1;
                (self.has_relapsed, self.looks) = (true, true);
                let _ = self.saved.take().map(|saved| self.server = *saved);
            }
            Action::Sweep => self.reap(None),
            Action::Look(by) => self.look(by),
            Action::StopSweeping(writes) => {
                self.left.stops -= 1;
                self.has_stopped = true;
                self.reap(Some(writes));
            }
        }
        true
    }

    /// Sends a program's request. A program that is never late has the reply immediately.
    fn send(&mut self, by: usize, begin: fn(&mut Program) -> Option<Request>) {
        let Some(request) = self.programs[by].as_mut().and_then(begin) else { return };
        self.learn(by);
        if by < self.left.late {
            let reply = None;
            self.flights.push(PendingPoll { by: Some(by), request, reply, is_abandoned: false });
        } else {
            self.converse(by, request);
        }
    }

    pub(crate) fn converse(&mut self, by: usize, request: Request) {
        let reply = self.server.run(&request, None);
        self.hear(Some(by), |program| program.hear(request, reply));
    }

    pub(crate) fn hear(&mut self, by: Option<usize>, hear: impl FnOnce(&mut Program)) {
        if let Some(program) = by.and_then(|by| self.programs[by].as_mut()) {
            hear(program);
            // Whether a job was handed out matters only to programs that close.
            let takes = self.left.closes == 0 && !self.left.leisurely;
            while takes && program.take() {}
        }
        by.into_iter().for_each(|by| self.learn(by));
    }

    /// Records the jobs that a program has begun, and those that it has announced.
    fn learn(&mut self, by: usize) {
        let Some(program) = &mut self.programs[by] else { return };
        let begun = std::mem::take(&mut program.begun);
        for (name, begins) in begun.into_iter().filter(|_| self.left.counts) {
            let history = self.histories.entry(name).or_default();
            history.begun += u8::from(begins.is_some());
            history.may_count += u8::from(begins != Some(AfterTheServer));
        }
    }

    pub(crate) fn decide(&mut self, by: usize, number: u64, fate: Fate) {
        let Some(program) = &mut self.programs[by] else { return };
        match fate {
            Fate::Done => self.handled.extend(program.handlers.get(&number).map(name)),
            _ => self.left.failures -= 1,
        }
        program.decide(number, fate);
    }

    /// Runs a request in flight, up to a number of writes.
    pub(crate) fn run(&mut self, place: usize, writes: Option<u8>) {
        let flight = &mut self.flights[place];
        flight.reply = Some(self.server.run(&flight.request, writes));
        if flight.by.is_none() {
            self.flights.remove(place);
        }
    }

    /// Returns whether a script stops after so many writes.
    fn stops(&mut self, place: usize, writes: u8) -> bool {
        let mut server = self.server.clone();
        let stops = server.run(&self.flights[place].request, Some(writes)) == Reply::Failed;
        self.run(place, Some(writes));
        stops
    }

    /// Makes a program reap the ids that it left behind.
    pub(crate) fn look(&mut self, by: usize) {
        let program = self.programs[by].as_mut();
        for id in program.map(|program| program.ledger.orphaned()).unwrap_or_default() {
            while self.server.lists.contains_key(&id) && self.server.may_sweep(&id) {
                self.server.reap(&id, None);
            }
        }
    }

    pub(crate) fn reap(&mut self, writes: Option<u8>) {
        if let Some(id) = self.found.take() {
            let lasts = !self.server.seems_lost(&id);
            let before = self.server.consumers.len();
            self.server.reap(&id, writes);
            self.is_robbed |= lasts && self.server.consumers.len() < before;
        }
    }
}

/// The maximum number of writes of a script before those after which it does not fail.
const MOST_WRITES: u8 = 6;
