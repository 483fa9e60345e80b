//! A program that consumes: the shipped ledger, combined as in `session` and by the
//! maintenance thread.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Instant;

use super::raw_item::{RawItem, name};
use super::server::{ConsumerReply, ConsumerRequest};
use super::{QueueModel, QueueMutant};
use crate::mutants::Mutants;
use crate::queue::item as parser;
use crate::queue::keys::{ConsumerId, ConsumerIds};
use crate::queue::session::{Fate, Leave, Ledger, RequestOutcome};

/// A consumer in a program, and its handlers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ConsumingProgram {
    pub(crate) ledger: Ledger,
    /// The items of its ledger's entries.
    items: BTreeMap<u64, RawItem>,
    /// The running jobs of handlers, including those that it has lost meanwhile.
    pub(crate) handlers: BTreeMap<u64, RawItem>,
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

impl ConsumingProgram {
    pub(crate) fn new(name: &str, model: &QueueModel) -> Self {
        let mut ledger = Ledger::new(ConsumerIds::of(name), moment());
        if let QueueMutant::Ledger(mutant) = model.mutant {
            ledger.mutants = Mutants::of(mutant);
        }
        Self { ledger, items: BTreeMap::new(), handlers: BTreeMap::new(), begun: Vec::new() }
    }

    pub(crate) fn claim(&mut self) -> Option<ConsumerRequest> {
        self.ledger.claim().ok().map(ConsumerRequest::Poll)
    }

    pub(crate) fn wait(&mut self) -> Option<ConsumerRequest> {
        self.ledger.wait().ok().map(ConsumerRequest::Poll)
    }

    /// Announces the next job to the server.
    pub(crate) fn record(&mut self) -> Option<ConsumerRequest> {
        let poll = self.ledger.record(1).ok()?;
        let fates = poll.settlement.iter().flat_map(|settlement| &settlement.fates);
        for (_, number, _) in fates.filter(|(.., fate)| *fate == Fate::Running) {
            self.begun.extend(self.items.get(number).map(|item| (name(item), None)));
        }
        Some(ConsumerRequest::Poll(poll))
    }

    pub(crate) fn settle(&mut self) -> Option<ConsumerRequest> {
        self.ledger.settle_now().ok().map(ConsumerRequest::Poll)
    }

    /// Claims, as long as it wants any jobs.
    pub(crate) fn go_on(&mut self) -> Option<ConsumerRequest> {
        if self.ledger.jobs.is_closing() { self.settle() } else { self.claim() }
    }

    pub(crate) fn recover(&mut self) -> Option<ConsumerRequest> {
        self.ledger.recover().ok().map(ConsumerRequest::Recover)
    }

    pub(crate) fn renew_lease(&mut self) -> Option<ConsumerRequest> {
        self.ledger.heartbeat(moment()).map(|(id, ..)| ConsumerRequest::RenewLease(id))
    }

    pub(crate) fn leave(&mut self) -> Option<ConsumerRequest> {
        match self.ledger.leave() {
            Leave::Now(id) => Some(ConsumerRequest::Leave(id)),
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
    pub(crate) fn receive(&mut self, request: ConsumerRequest, reply: ConsumerReply) {
        match (request, reply) {
            (request, ConsumerReply::Failed) => self.miss(request, RequestOutcome::Unknown, false),
            (ConsumerRequest::Poll(poll), ConsumerReply::Fenced) => {
                self.ledger.finish(&poll, RequestOutcome::NotSent, moment());
                self.ledger.lost(&poll.consumer);
            }
            (ConsumerRequest::Poll(poll), ConsumerReply::Diverged) => {
                self.ledger.finish(&poll, RequestOutcome::NotSent, moment());
                self.ledger.diverged(&poll.consumer);
            }
            (ConsumerRequest::Poll(poll), ConsumerReply::Claimed(items))
                if self.ledger.finish(&poll, RequestOutcome::Applied, moment()) =>
            {
                self.ledger.jobs.append(items.clone(), moment());
                self.remember(items);
            }
            (ConsumerRequest::Recover(recovery), ConsumerReply::Recovered(sequence, items)) => {
                self.ledger.recovered(recovery, sequence, items.clone(), moment());
                self.remember(items);
            }
            (ConsumerRequest::RenewLease(id), ConsumerReply::Renewed(false)) => {
                self.ledger.lost(&id);
            }
            (ConsumerRequest::Leave(id), _) => self.ledger.left(&id),
            _ => {}
        }
        let jobs = &self.ledger.jobs;
        self.items.retain(|number, _| jobs.contains(*number));
    }

    /// Drops a wait.
    pub(crate) fn drop_wait(&mut self, request: ConsumerRequest) {
        if let ConsumerRequest::Poll(wait) = request {
            self.ledger.wait_dropped(wait, moment());
        }
    }

    /// Handles the report of a dropped wait.
    pub(crate) fn receive_report(
        &mut self,
        request: &ConsumerRequest,
        outcome: RequestOutcome,
        reply: Option<ConsumerReply>,
    ) {
        if let ConsumerRequest::Poll(wait) = request
            && self.ledger.reported(wait, outcome, moment())
            && let Some(ConsumerReply::Claimed(items)) = reply
        {
            self.ledger.jobs.append(items.clone(), moment());
            self.remember(items);
        }
    }

    /// Ends a request without a reply.
    pub(crate) fn miss(
        &mut self,
        request: ConsumerRequest,
        outcome: RequestOutcome,
        is_dropped: bool,
    ) {
        match request {
            request if is_dropped => self.receive_report(&request, outcome, None),
            ConsumerRequest::Poll(poll) => drop(self.ledger.finish(&poll, outcome, moment())),
            ConsumerRequest::Recover(recovery) => self.ledger.not_recovered(recovery, outcome),
            ConsumerRequest::RenewLease(_) | ConsumerRequest::Leave(_) => {}
        }
    }

    /// Records the last of `items`, which were appended.
    fn remember(&mut self, items: Vec<RawItem>) {
        let numbers: Vec<u64> = self.ledger.jobs.numbers().collect();
        let numbered = numbers.into_iter().rev().zip(items.into_iter().rev());
        for (number, item) in numbered {
            self.items.entry(number).or_insert(item);
        }
    }

    /// The content of the list, as far as the program knows.
    pub(crate) fn list(&self) -> impl Iterator<Item = Option<&RawItem>> {
        self.ledger.jobs.numbers().map(|number| self.items.get(&number))
    }

    /// The jobs that are its own, as far as it knows.
    pub(crate) fn own(&self) -> impl Iterator<Item = &RawItem> {
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
