//! A program that consumes: the shipped ledger, combined as in `consumer_session.rs` and the
//! maintenance thread.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Instant;

use super::server::{Item, Reply, Request, name};
use super::{Mutant, Setting};
use crate::mutants::Mutants;
use crate::queue::item as parser;
use crate::queue::keys::{ConsumerId, Ids};
use crate::queue::session::{Fate, Leave, Ledger, Outcome};

/// A consumer in a program, and its handlers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Program {
    pub(crate) ledger: Ledger,
    /// The items of its ledger's entries.
    items: BTreeMap<u64, Item>,
    /// The running jobs of handlers, including those that it has lost meanwhile.
    pub(crate) handlers: BTreeMap<u64, Item>,
    /// The names of jobs that were recently given to handlers, and of those (`None`) that were
    /// announced to the server.
    pub(crate) begun: Vec<(u8, Option<Begins>)>,
}

/// When a handler gets a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Begins {
    AtOnce,
    AfterTheServer,
}

impl Program {
    pub(crate) fn new(name: &str, setting: &Setting) -> Self {
        let mut ledger = Ledger::new(Ids::of(name), moment());
        if let Mutant::Ledger(breach) = setting.mutant {
            ledger.breaches = Mutants::of(breach);
        }
        Self { ledger, items: BTreeMap::new(), handlers: BTreeMap::new(), begun: Vec::new() }
    }

    pub(crate) fn claim(&mut self) -> Option<Request> {
        self.ledger.claim().ok().map(Request::Step)
    }

    pub(crate) fn wait(&mut self) -> Option<Request> {
        self.ledger.wait().ok().map(Request::Step)
    }

    /// Announces the next job to the server.
    pub(crate) fn record(&mut self) -> Option<Request> {
        let step = self.ledger.record(1).ok()?;
        let fates = step.settlement.iter().flat_map(|settlement| &settlement.fates);
        for (_, number, _) in fates.filter(|(.., fate)| *fate == Fate::Running) {
            self.begun.extend(self.items.get(number).map(|item| (name(item), None)));
        }
        Some(Request::Step(step))
    }

    pub(crate) fn settle(&mut self) -> Option<Request> {
        self.ledger.settle_now().ok().map(Request::Step)
    }

    /// Claims, as long as it wants any jobs.
    pub(crate) fn go_on(&mut self) -> Option<Request> {
        if self.ledger.jobs.is_closing() { self.settle() } else { self.claim() }
    }

    pub(crate) fn recover(&mut self) -> Option<Request> {
        self.ledger.recover().ok().map(Request::Adopt)
    }

    pub(crate) fn beat(&mut self) -> Option<Request> {
        self.ledger.pulse(moment()).map(|(id, ..)| Request::Beat(id))
    }

    pub(crate) fn leave(&mut self) -> Option<Request> {
        match self.ledger.leave() {
            Leave::Now(id) => Some(Request::Leave(id)),
            _ => None,
        }
    }

    pub(crate) fn close(&mut self) {
        self.ledger.close(moment());
    }

    /// Gives a job to a handler.
    pub(crate) fn take(&mut self) -> bool {
        let Some((number, item)) = self.ledger.take(true, moment()) else { return false };
        let was_lost = parser::Item::parse(&item).was_lost();
        let begins = if was_lost { Begins::AfterTheServer } else { Begins::AtOnce };
        self.begun.push((name(&item), Some(begins)));
        self.handlers.insert(number, item);
        true
    }

    pub(crate) fn decide(&mut self, number: u64, fate: Fate) {
        self.handlers.remove(&number);
        self.ledger.jobs.decide(number, fate, moment());
    }

    /// Handles the reply to a request.
    pub(crate) fn hear(&mut self, request: Request, reply: Reply) {
        match (request, reply) {
            (request, Reply::Failed) => self.miss(request, Outcome::Unknown, false),
            (Request::Step(step), Reply::Fenced) => {
                self.ledger.finish(&step, Outcome::NotSent, moment());
                self.ledger.lost(&step.consumer);
            }
            (Request::Step(step), Reply::Diverged) => {
                self.ledger.finish(&step, Outcome::NotSent, moment());
                self.ledger.diverged(&step.consumer);
            }
            (Request::Step(step), Reply::Claimed(items))
                if self.ledger.finish(&step, Outcome::Applied, moment()) =>
            {
                self.ledger.jobs.append(items.clone(), moment());
                self.remember(items);
            }
            (Request::Adopt(recovery), Reply::Adopted(mark, items)) => {
                self.ledger.recovered(recovery, mark, items.clone(), moment());
                self.remember(items);
            }
            (Request::Beat(id), Reply::Beaten(false)) => self.ledger.lost(&id),
            (Request::Leave(id), _) => self.ledger.left(&id),
            _ => {}
        }
        let jobs = &self.ledger.jobs;
        self.items.retain(|number, _| jobs.contains(*number));
    }

    /// Drops a wait.
    pub(crate) fn abandon(&mut self, request: Request) {
        if let Request::Step(wait) = request {
            self.ledger.abandon(wait, moment());
        }
    }

    /// Handles the report of a dropped wait.
    pub(crate) fn hear_report(
        &mut self,
        request: &Request,
        outcome: Outcome,
        reply: Option<Reply>,
    ) {
        if let Request::Step(wait) = request
            && self.ledger.reported(wait, outcome, moment())
            && let Some(Reply::Claimed(items)) = reply
        {
            self.ledger.jobs.append(items.clone(), moment());
            self.remember(items);
        }
    }

    /// Ends a request without a reply.
    pub(crate) fn miss(&mut self, request: Request, outcome: Outcome, is_abandoned: bool) {
        match request {
            request if is_abandoned => self.hear_report(&request, outcome, None),
            Request::Step(step) => drop(self.ledger.finish(&step, outcome, moment())),
            Request::Adopt(recovery) => self.ledger.not_recovered(recovery, outcome),
            Request::Beat(_) | Request::Leave(_) => {}
        }
    }

    /// Records the last of `items`, which were appended.
    fn remember(&mut self, items: Vec<Item>) {
        let numbers: Vec<u64> = self.ledger.jobs.numbers().collect();
        let numbered = numbers.into_iter().rev().zip(items.into_iter().rev());
        for (number, item) in numbered {
            self.items.entry(number).or_insert(item);
        }
    }

    /// The content of the list, as far as the program knows.
    pub(crate) fn list(&self) -> impl Iterator<Item = Option<&Item>> {
        self.ledger.jobs.numbers().map(|number| self.items.get(&number))
    }

    /// The jobs that are its own, as far as it knows.
    pub(crate) fn own(&self) -> impl Iterator<Item = &Item> {
        let own = self.handlers.iter().filter(|(number, _)| self.ledger.jobs.contains(**number));
        own.map(|(_, item)| item)
    }

    /// Returns whether it renews the lease of an id.
    pub(crate) fn keeps(&self, id: &ConsumerId) -> bool {
        self.ledger.ids().any(|own| own == id)
    }
}

/// Always the same moment: the model decides what the time changes.
pub(crate) fn moment() -> Instant {
    static MOMENT: OnceLock<Instant> = OnceLock::new();
    *MOMENT.get_or_init(Instant::now)
}
