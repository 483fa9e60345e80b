//! Everything that can happen between two consuming programs and their server.

mod end;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use stateright::{Model, Property};

use super::QueueModel;
use super::program::ConsumingProgram;
use super::raw_item::{RawItem, deliveries, name};
use super::server::{ConsumerReply, ConsumerRequest, QueueServer};
use crate::queue::keys::ConsumerId;
use crate::queue::session::{Fate, tombstone};

/// A state of everything: the server, the programs and the requests in flight.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct QueueWorld {
    server: QueueServer,
    /// The programs that have not crashed.
    programs: [Option<ConsumingProgram>; 2],
    in_flight: Vec<InFlight>,
    /// The consumer that is considered lost, and is about to be reaped.
    found: Option<ConsumerId>,
    /// The names of the jobs that a handler has done.
    handled: BTreeSet<u8>,
    histories: BTreeMap<u8, JobHistory>,
    /// An earlier state in which the server may come back.
    saved: Option<Box<QueueServer>>,
    has_relapsed: bool,
    /// Whether programs reap their retired ids.
    reaps_retired: bool,
    /// Whether a script has stopped in the middle of its writes.
    has_stopped: bool,
    /// Whether a consumer was reaped whose lease had not expired.
    is_robbed: bool,
    /// The events that may still happen.
    left: QueueModel,
}

/// The history of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct JobHistory {
    /// How often it was given to a handler.
    begun: u8,
    /// How often it was given to a handler, or announced to the server before.
    may_count: u8,
}

/// A request on its way to the server, or its reply on the way back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct InFlight {
    /// The program that waits for the reply, if any does.
    by: Option<usize>,
    request: ConsumerRequest,
    reply: Option<ConsumerReply>,
    /// Whether its caller has dropped it, so that its outcome is reported.
    is_dropped: bool,
}

impl InFlight {
    /// Returns whether a program will learn that this consumer has got a job.
    fn waits_for(&self, id: &ConsumerId) -> bool {
        let ConsumerRequest::Poll(poll) = &self.request else { return false };
        self.by.is_some() && poll.waits && poll.consumer == *id
    }
}

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum QueueAction {
    Claim(usize),
    Wait(usize),
    Take(usize),
    Decide(usize, u64, Fate),
    Settle(usize),
    Record(usize),
    Recover(usize),
    RenewLease(usize),
    Close(usize),
    Leave(usize),
    Crash(usize),
    Run(usize),
    Deliver(usize),
    /// The script of a request stops after some writes.
    Stop(usize, u8),
    /// A request or its reply is lost. A lost request may still arrive.
    Lose(usize),
    /// A request was certainly not sent.
    Refuse(usize),
    /// A wait is dropped.
    DropWait(usize),
    /// A report is late.
    GiveUp(usize),
    /// A lease expires without a heartbeat.
    Expire(ConsumerId),
    /// The reaper finds a consumer that seems lost.
    Find(ConsumerId),
    /// The reaper takes back the jobs of the consumer that was found.
    Reap,
    /// A program reaps its retired ids.
    ReapRetired(usize),
    /// The script of the reaper stops after some writes.
    StopReaping(u8),
    /// The server makes a durable copy of its state.
    Save,
    /// The server comes back in the saved state.
    Relapse,
}

impl Model for QueueModel {
    type State = QueueWorld;
    type Action = QueueAction;

    fn init_states(&self) -> Vec<QueueWorld> {
        vec![QueueWorld {
            server: QueueServer::new(self),
            programs: [
                Some(ConsumingProgram::new("a", self)),
                (self.programs > 1).then(|| ConsumingProgram::new("b", self)),
            ],
            in_flight: Vec::new(),
            found: None,
            handled: BTreeSet::new(),
            histories: BTreeMap::new(),
            saved: None,
            has_relapsed: false,
            reaps_retired: false,
            has_stopped: false,
            is_robbed: false,
            left: self.clone(),
        }]
    }

    fn actions(&self, world: &QueueWorld, actions: &mut Vec<QueueAction>) {
        world.happenings(actions);
    }

    fn next_state(&self, world: &QueueWorld, action: QueueAction) -> Option<QueueWorld> {
        let mut world = world.clone();
        let happens = world.happen(action);
        let server = &world.server;
        let may_relapse = world.left.relapses > 0;
        world.in_flight.retain(|it| it.by.is_some() || may_relapse || !server.ignores(&it.request));
        happens.then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("no job is lost", |_, world: &QueueWorld| world.has_all()),
            Property::always("no job is duplicated", |_, world: &QueueWorld| world.has_each_once()),
            Property::always("a job has one holder", |_, world: &QueueWorld| world.holds_apart()),
            Property::always("a ledger matches its list", |_, world: &QueueWorld| world.agrees()),
            Property::always("no lease is lost early", |model: &QueueModel, world: &QueueWorld| {
                let may_be_lost = world.left.expiries < model.expiries;
                !world.is_robbed && (may_be_lost || world.has_relapsed || !world.has_forgotten())
            }),
            Property::always(
                "nothing counts that was not begun",
                |model: &QueueModel, world: &QueueWorld| {
                    !model.counts
                        || world
                            .items()
                            .all(|item| deliveries(item) <= world.history(item).may_count)
                },
            ),
            Property::always(
                "all losses but the first count",
                |model: &QueueModel, world: &QueueWorld| {
                    let resting = world.resting();
                    let mut all = resting.map(|item| (deliveries(item), world.history(item).begun));
                    let may_be_more = world.has_stopped || world.has_relapsed || model.closes > 0;
                    may_be_more || all.all(|(counted, begun)| begun <= counted + 1)
                },
            ),
            Property::always("every job comes to its end", |_, world: &QueueWorld| world.ends()),
            Property::sometimes("all is done", |_, world: &QueueWorld| {
                world.handled.len() == usize::from(world.left.jobs)
            }),
        ];
        if self.losses > 0 {
            properties.push(Property::sometimes("a recovery", |_, world: &QueueWorld| {
                world.server.gone.iter().any(|id| !world.server.consumers.contains_key(id))
            }));
        }
        if self.losses > 0 && self.waits > 0 {
            properties.push(Property::sometimes("a late job", |_, world: &QueueWorld| {
                world.server.gone.iter().any(|id| world.server.lists.contains_key(id))
            }));
        }
        properties
    }
}

impl QueueWorld {
    /// Returns whether every job is done, or where it will be found whatever else fails.
    fn has_all(&self) -> bool {
        let server = &self.server;
        let is_cared_for = |id| {
            let mut programs = self.programs.iter().flatten();
            let is_own = |program: &ConsumingProgram| {
                program.keeps(id) || program.ledger.retired.contains(id)
            };
            server.consumers.contains_key(id)
                || server.gone.contains(id)
                || (self.has_relapsed
                    && (programs.any(is_own) || self.in_flight.iter().any(|it| it.waits_for(id))))
        };
        let lists = server.lists.iter().filter(|(id, _)| is_cared_for(id));
        let found = server.queue.iter().chain(&server.delayed).chain(&server.dead);
        let found: BTreeSet<u8> = found.chain(lists.flat_map(|(_, list)| list)).map(name).collect();
        self.names().all(|name| found.contains(&name) || self.handled.contains(&name))
    }

    /// The items that no consumer holds.
    fn resting(&self) -> impl Iterator<Item = &RawItem> {
        let server = &self.server;
        server.queue.iter().chain(&server.delayed).chain(&server.dead)
    }

    fn items(&self) -> impl Iterator<Item = &RawItem> {
        self.resting().chain(self.server.lists.values().flatten())
    }

    fn history(&self, item: &RawItem) -> JobHistory {
        self.histories.get(&name(item)).cloned().unwrap_or_default()
    }

    fn names(&self) -> impl Iterator<Item = u8> {
        (0..self.left.jobs).map(|job| b'a' + job)
    }

    /// Returns whether a program has forgotten its first job, though it does not close.
    fn has_forgotten(&self) -> bool {
        let ledgers = self.programs.iter().flatten().map(|program| &program.ledger);
        let mut going_on = ledgers.filter(|ledger| !ledger.jobs.is_closing());
        going_on.any(|ledger| ledger.jobs.was_forgotten(0))
    }

    /// Returns whether no item exists twice, and none that was not pushed.
    fn has_each_once(&self) -> bool {
        let mut counts = BTreeMap::<u8, usize>::new();
        let server = &self.server;
        let tombstones: Vec<_> = server.lists.keys().map(tombstone).collect();
        let lists = server.lists.values().flatten().filter(|item| !tombstones.contains(item));
        let items = server.queue.iter().chain(&server.delayed).chain(&server.dead);
        for item in items.chain(lists) {
            *counts.entry(name(item)).or_default() += 1;
        }
        counts.keys().all(|name| self.names().any(|job| job == *name))
            && (self.has_stopped || counts.values().all(|count| *count == 1))
    }

    /// Returns whether no other consumer can get what a program takes for its own, as long as its
    /// lease lasts.
    fn holds_apart(&self) -> bool {
        let mut held = BTreeSet::new();
        let mut holds = |(place, program): (usize, &ConsumingProgram)| {
            let ids: Vec<_> = program.ledger.ids().chain(self.recovering(place)).collect();
            let mut registrations = ids.iter().filter_map(|id| self.server.consumers.get(id));
            let lists = ids.iter().filter_map(|id| self.server.lists.get(id));
            let listed: BTreeSet<_> = lists.flatten().map(name).collect();
            registrations.all(|registration| registration.is_over)
                || program.own().all(|item| held.insert(name(item)) && listed.contains(&name(item)))
        };
        let mut programs = self.programs.iter().enumerate();
        self.has_stopped
            || self.has_relapsed
            || programs.all(|(place, program)| program.as_ref().is_none_or(|it| holds((place, it))))
    }

    /// The ids that a program is about to take over.
    fn recovering(&self, place: usize) -> impl Iterator<Item = &ConsumerId> {
        self.in_flight.iter().filter_map(move |sent| match &sent.request {
            ConsumerRequest::Recover(recovery) if sent.by == Some(place) => {
                Some(&recovery.consumer)
            }
            _ => None,
        })
    }

    /// Returns whether the programs know the content of their lists, unless they are in doubt or
    /// lost, or are yet to find out that the server has come back in an earlier state.
    fn agrees(&self) -> bool {
        self.programs.iter().flatten().all(|program| {
            let ledger = &program.ledger;
            let id = ledger.ids().last().filter(|id| self.server.consumers.contains_key(*id));
            let Some(id) = id.filter(|_| ledger.is_idle() && !ledger.is_in_doubt()) else {
                return true;
            };
            let none = Default::default();
            let list = self.server.lists.get(id).unwrap_or(&none);
            if self.has_relapsed && !ledger.is_as(self.server.consumers[id].sequence, list.len()) {
                return true;
            }
            let tombstone = tombstone(id);
            let mut both = list.iter().zip(program.list());
            list.len() == ledger.jobs.len()
                && both.all(|(item, own)| *item == tombstone || Some(name(item)) == own.map(name))
        })
    }
}
