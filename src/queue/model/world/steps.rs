//! The events that may happen, and their effects.

use std::time::Duration;

use super::super::program::{Begins::AfterTheServer, ConsumingProgram, moment};
use super::super::raw_item::name;
use super::super::server::{ConsumerReply, ConsumerRequest};
use super::{InFlight, QueueAction, QueueWorld};
use crate::queue::session::{Fate, REPORT_TIMEOUT, RequestOutcome};

impl QueueWorld {
    /// Lists the events that may happen now.
    pub(crate) fn happenings(&self, actions: &mut Vec<QueueAction>) {
        for (place, program) in self.programs.iter().enumerate() {
            if let Some(program) = program {
                self.happenings_of(place, program, actions);
            }
        }
        for (place, sent) in self.in_flight.iter().enumerate() {
            self.happenings_to(place, sent, actions);
        }
        let left = &self.left;
        let consumers = &self.server.consumers;
        if left.expiries > 0 {
            let live = consumers.iter().filter(|(_, registration)| !registration.is_over);
            actions.extend(live.map(|(id, _)| QueueAction::Expire(id.clone())));
        }
        if left.relapses > 0 {
            actions.push(if self.saved.is_some() {
                QueueAction::Relapse
            } else {
                QueueAction::Save
            });
        }
        match self.found {
            Some(_) => {
                actions.push(QueueAction::Reap);
                let stops = if left.stops > 0 { 0..MAX_WRITES } else { 0..0 };
                actions.extend(stops.map(QueueAction::StopReaping));
            }
            None => {
                let ids = consumers.keys().chain(&self.server.gone);
                let lost = ids.filter(|id| self.server.seems_lost(id));
                actions.extend(lost.map(|id| QueueAction::Find(id.clone())));
            }
        }
    }

    /// Lists the events of a program.
    fn happenings_of(
        &self,
        place: usize,
        program: &ConsumingProgram,
        actions: &mut Vec<QueueAction>,
    ) {
        let left = &self.left;
        let may = |begin: fn(&mut ConsumingProgram) -> Option<ConsumerRequest>| {
            begin(&mut program.clone()).is_some()
        };
        let server = &self.server;
        let ConsumingProgram { ledger, .. } = program;
        let has_jobs = !(server.queue.is_empty() && server.delayed.is_empty());
        let (has_ready, is_closing) = (ledger.jobs.has_ready(), ledger.jobs.is_closing());
        let claims = !has_ready && !is_closing && may(ConsumingProgram::claim);
        let waits = left.waits > 0
            && place < left.late
            && !has_ready
            && !is_closing
            && may(ConsumingProgram::wait);
        let has_settled = ledger.jobs.has_decided();
        let notes = left.notes > 0 && ledger.jobs.settleable_for(moment()).is_some();
        let leaves = |sent: &InFlight| {
            sent.by == Some(place) && matches!(sent.request, ConsumerRequest::Leave(_))
        };
        let leaves = self.in_flight.iter().any(leaves);
        let possible = [
            (claims && (has_jobs || has_settled), QueueAction::Claim(place)),
            (waits, QueueAction::Wait(place)),
            ((has_settled || notes) && ledger.may_settle().is_ok(), QueueAction::Settle(place)),
            (has_ready && may(ConsumingProgram::record), QueueAction::Record(place)),
            (has_ready && program.clone().take(), QueueAction::Take(place)),
            (ledger.is_in_doubt() && may(ConsumingProgram::recover), QueueAction::Recover(place)),
            (ledger.has_dropped_wait(), QueueAction::GiveUp(place)),
            (self.reaps_retired && !ledger.retired.is_empty(), QueueAction::ReapRetired(place)),
            (
                left.renewals > 0 && ledger.heartbeat(moment()).is_some(),
                QueueAction::RenewLease(place),
            ),
            (left.closes > 0 && !is_closing, QueueAction::Close(place)),
            (is_closing && !leaves && may(ConsumingProgram::leave), QueueAction::Leave(place)),
            (
                left.crashes > 0 && self.programs.iter().all(Option::is_some),
                QueueAction::Crash(place),
            ),
        ];
        actions.extend(possible.into_iter().filter(|(is, _)| *is).map(|(_, action)| action));
        for number in program.handlers.keys() {
            let fates = [
                (true, Fate::Done),
                (left.failures > 0, Fate::Retry(Duration::ZERO, String::new())),
                (left.failures > 0, Fate::GivenBack),
            ];
            let fates = fates.into_iter().filter(|(may, _)| *may).map(|(_, fate)| fate);
            actions.extend(fates.map(|fate| QueueAction::Decide(place, *number, fate)));
        }
    }

    /// Lists the events of a request in flight.
    fn happenings_to(&self, place: usize, sent: &InFlight, actions: &mut Vec<QueueAction>) {
        let left = &self.left;
        let is_waited_for = sent.by.is_some();
        let is_wait = matches!(&sent.request, ConsumerRequest::Poll(poll) if poll.waits);
        if left.drops > 0 && is_waited_for && is_wait && !sent.is_dropped {
            actions.push(QueueAction::DropWait(place));
        }
        if is_waited_for && left.losses > 0 {
            actions.push(QueueAction::Lose(place));
        }
        match sent.reply {
            Some(_) => actions.push(QueueAction::Deliver(place)),
            None => {
                actions.push(QueueAction::Run(place));
                if is_waited_for && left.refusals > 0 {
                    actions.push(QueueAction::Refuse(place));
                }
                if left.stops > 0
                    && matches!(&sent.request, ConsumerRequest::Poll(poll) if !poll.waits)
                {
                    actions.extend((0..MAX_WRITES).map(|writes| QueueAction::Stop(place, writes)));
                }
            }
        }
    }

    /// Applies an event. Returns whether anything happened.
    pub(crate) fn happen(&mut self, action: QueueAction) -> bool {
        match action {
            QueueAction::Claim(by) => self.send(by, ConsumingProgram::claim),
            QueueAction::Wait(by) => {
                self.left.waits -= 1;
                self.send(by, ConsumingProgram::wait);
            }
            QueueAction::Settle(by) => {
                let has_decided = |program: &ConsumingProgram| program.ledger.jobs.has_decided();
                let decided = self.programs[by].as_ref().is_some_and(has_decided);
                self.left.notes -= u8::from(!decided);
                self.send(by, ConsumingProgram::settle);
            }
            QueueAction::Record(by) => self.send(by, ConsumingProgram::record),
            QueueAction::Recover(by) => self.send(by, ConsumingProgram::recover),
            QueueAction::RenewLease(by) => {
                self.left.renewals -= 1;
                self.send(by, ConsumingProgram::renew_lease);
            }
            QueueAction::Leave(by) => self.send(by, ConsumingProgram::leave),
            QueueAction::Take(by) => {
                let _ = self.programs[by].as_mut().map(ConsumingProgram::take);
                self.learn(by);
            }
            QueueAction::Decide(by, number, fate) => self.decide(by, number, fate),
            QueueAction::Close(by) => {
                self.left.closes -= 1;
                let _ = self.programs[by].as_mut().map(ConsumingProgram::close);
            }
            QueueAction::Crash(by) => {
                self.left.crashes -= 1;
                self.programs[by] = None;
                self.in_flight.retain_mut(|sent| {
                    sent.by = sent.by.filter(|waiting| *waiting != by);
                    sent.by.is_some() || sent.reply.is_none()
                });
            }
            QueueAction::Run(place) => self.run(place, None),
            QueueAction::Stop(place, writes) => {
                self.left.stops -= 1;
                self.has_stopped = true;
                return self.stops(place, writes);
            }
            QueueAction::Deliver(place) => {
                let InFlight { by, request, reply, is_dropped } = self.in_flight.remove(place);
                self.receive(by, |program| match reply {
                    reply if is_dropped => {
                        program.receive_report(&request, RequestOutcome::Applied, reply);
                    }
                    Some(reply) => program.receive(request, reply),
                    None => {}
                });
            }
            QueueAction::Lose(place) => {
                self.left.losses -= 1;
                let sent = &mut self.in_flight[place];
                let (by, request) = (sent.by.take(), sent.request.clone());
                let is_dropped = sent.is_dropped;
                if sent.reply.is_some() {
                    self.in_flight.remove(place);
                }
                self.receive(by, |program| {
                    program.miss(request, RequestOutcome::Unknown, is_dropped)
                });
            }
            QueueAction::Refuse(place) => {
                self.left.refusals -= 1;
                let InFlight { by, request, is_dropped, .. } = self.in_flight.remove(place);
                self.receive(by, |program| {
                    program.miss(request, RequestOutcome::NotSent, is_dropped)
                });
            }
            QueueAction::DropWait(place) => {
                self.left.drops -= 1;
                self.reaps_retired = true;
                self.in_flight[place].is_dropped = true;
                let InFlight { by, request, .. } = self.in_flight[place].clone();
                self.receive(by, |program| program.drop_wait(request));
            }
            QueueAction::GiveUp(by) => {
                let late = moment() + REPORT_TIMEOUT;
                self.receive(Some(by), |program| program.ledger.give_up(late));
            }
            QueueAction::Expire(id) => {
                self.left.expiries -= 1;
                let registration = self.server.consumers.get_mut(&id);
                let _ = registration.map(|registration| registration.is_over = true);
            }
            QueueAction::Find(id) => self.found = Some(id),
            QueueAction::Save => self.saved = Some(Box::new(self.server.clone())),
            QueueAction::Relapse => {
                self.left.relapses -= 1;
                (self.has_relapsed, self.reaps_retired) = (true, true);
                let _ = self.saved.take().map(|saved| self.server = *saved);
            }
            QueueAction::Reap => self.reap(None),
            QueueAction::ReapRetired(by) => self.reap_retired(by),
            QueueAction::StopReaping(writes) => {
                self.left.stops -= 1;
                self.has_stopped = true;
                self.reap(Some(writes));
            }
        }
        true
    }

    /// Sends a program's request. A program that is never late has the reply immediately.
    fn send(&mut self, by: usize, begin: fn(&mut ConsumingProgram) -> Option<ConsumerRequest>) {
        let Some(request) = self.programs[by].as_mut().and_then(begin) else { return };
        self.learn(by);
        if by < self.left.late {
            let reply = None;
            self.in_flight.push(InFlight { by: Some(by), request, reply, is_dropped: false });
        } else {
            self.converse(by, request);
        }
    }

    /// Runs a program's request, and passes the reply to it immediately.
    pub(crate) fn converse(&mut self, by: usize, request: ConsumerRequest) {
        let reply = self.server.run(&request, None);
        self.receive(Some(by), |program| program.receive(request, reply));
    }

    /// Passes what arrives to a program that still exists, which then hands out its jobs.
    pub(crate) fn receive(
        &mut self,
        by: Option<usize>,
        receive: impl FnOnce(&mut ConsumingProgram),
    ) {
        if let Some(program) = by.and_then(|by| self.programs[by].as_mut()) {
            receive(program);
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

    /// Ends a handler of a program with a fate.
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
        let sent = &mut self.in_flight[place];
        sent.reply = Some(self.server.run(&sent.request, writes));
        if sent.by.is_none() {
            self.in_flight.remove(place);
        }
    }

    /// Returns whether a script stops after so many writes.
    fn stops(&mut self, place: usize, writes: u8) -> bool {
        let mut server = self.server.clone();
        let stops =
            server.run(&self.in_flight[place].request, Some(writes)) == ConsumerReply::Failed;
        self.run(place, Some(writes));
        stops
    }

    /// Makes a program reap its retired ids.
    pub(crate) fn reap_retired(&mut self, by: usize) {
        let program = self.programs[by].as_mut();
        for id in program.map(|program| program.ledger.take_retired()).unwrap_or_default() {
            while self.server.lists.contains_key(&id) && self.server.may_reap(&id) {
                self.server.reap(&id, None);
            }
        }
    }

    /// Reaps the consumer that was found, up to a number of writes.
    pub(crate) fn reap(&mut self, writes: Option<u8>) {
        if let Some(id) = self.found.take() {
            let lasts = !self.server.seems_lost(&id);
            let before = self.server.consumers.len();
            self.server.reap(&id, writes);
            self.is_robbed |= lasts && self.server.consumers.len() < before;
        }
    }
}

/// A script that stops does so before it has made this many writes. Later ones do not fail.
const MAX_WRITES: u8 = 6;
