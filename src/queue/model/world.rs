//! Everything that can happen between two consuming programs and their server.

mod end;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use stateright::{Model, Property};

use super::Setting;
use super::program::Program;
use super::server::{Item, Reply, Request, Server, attempts, name};
use crate::queue::keys::ConsumerId;
use crate::queue::session::{Fate, tombstone};

/// A state of everything: the server, the programs and the requests in flight.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    server: Server,
    /// The programs that have not crashed.
    programs: [Option<Program>; 2],
    flights: Vec<PendingPoll>,
    /// The consumer that is considered lost, and is about to be reaped.
    found: Option<ConsumerId>,
    /// The names of the jobs that a handler has done.
    handled: BTreeSet<u8>,
    histories: BTreeMap<u8, History>,
    /// An earlier state in which the server may come back.
    saved: Option<Box<Server>>,
    has_relapsed: bool,
    /// Whether programs reap the ids that they left behind.
    looks: bool,
    /// Whether a script has stopped in the middle of its writes.
    has_stopped: bool,
    /// Whether a consumer was reaped whose lease had not expired.
    is_robbed: bool,
    /// The events that may still happen.
    left: Setting,
}

/// The history of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct History {
    /// How often it was given to a handler.
    begun: u8,
    /// How often it was given to a handler, or announced to the server before.
    may_count: u8,
}

/// A request on its way to the server, or its reply on the way back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct PendingPoll {
    /// The program that waits for the reply, if any does.
    by: Option<usize>,
    request: Request,
    reply: Option<Reply>,
    /// Whether its caller has dropped it, so that its outcome is reported.
    is_abandoned: bool,
}

impl PendingPoll {
    /// Returns whether a program will learn that this consumer has got a job.
    fn waits_for(&self, id: &ConsumerId) -> bool {
        let waits =
            matches!(&self.request, Request::Step(step) if step.waits && step.consumer == *id);
        self.by.is_some() && waits
    }
}

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Claim(usize),
    Wait(usize),
    Take(usize),
    Decide(usize, u64, Fate),
    Settle(usize),
    Record(usize),
    Adopt(usize),
    Beat(usize),
    Close(usize),
    Leave(usize),
    Crash(usize),
    Run(usize),
    Deliver(usize),
    /// The script of a request stops after some writes.
    Stop(usize, u8),
    /// A request or its reply is lost. A lost request may still arrive.
    Lose(usize),
    Refuse(usize),
    /// A wait is dropped.
    Abandon(usize),
    /// A report is late.
    GiveUp(usize),
    /// A lease expires without a heartbeat.
    Expire(ConsumerId),
    Find(ConsumerId),
    Sweep,
    /// A program reaps the ids that it has left behind.
    Look(usize),
    StopSweeping(u8),
    Save,
    Relapse,
}

impl Model for Setting {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            server: Server::new(self),
            programs: [
                Some(Program::new("a", self)),
                (self.programs > 1).then(|| Program::new("b", self)),
            ],
            flights: Vec::new(),
            found: None,
            handled: BTreeSet::new(),
            histories: BTreeMap::new(),
            saved: None,
            has_relapsed: false,
            looks: false,
            has_stopped: false,
            is_robbed: false,
            left: self.clone(),
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.happenings(actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut world = world.clone();
        let happens = world.happen(action);
        let server = &world.server;
        let may_relapse = world.left.relapses > 0;
        world.flights.retain(|it| it.by.is_some() || may_relapse || !server.ignores(&it.request));
        happens.then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("no job is lost", |_, world: &World| world.has_all()),
            Property::always("no job is two", |_, world: &World| world.has_each_once()),
            Property::always("a job has one holder", |_, world: &World| world.holds_apart()),
            Property::always("a ledger is as the list", |_, world: &World| world.agrees()),
            Property::always("no lease is lost early", |setting: &Setting, world: &World| {
                let may_be_lost = world.left.expiries < setting.expiries;
                !world.is_robbed && (may_be_lost || world.has_relapsed || !world.has_lost())
            }),
            Property::always(
                "nothing counts that was not begun",
                |setting: &Setting, world: &World| {
                    !setting.counts
                        || world.items().all(|item| attempts(item) <= world.history(item).may_count)
                },
            ),
            Property::always(
                "all losses but the first count",
                |setting: &Setting, world: &World| {
                    let resting = world.resting();
                    let mut all = resting.map(|item| (attempts(item), world.history(item).begun));
                    let may_be_more = world.has_stopped || world.has_relapsed || setting.closes > 0;
                    may_be_more || all.all(|(counted, begun)| begun <= counted + 1)
                },
            ),
            Property::always("every job comes to its end", |_, world: &World| world.ends()),
            Property::sometimes("all is done", |_, world: &World| {
                world.handled.len() == usize::from(world.left.jobs)
            }),
        ];
        if self.losses > 0 {
            properties.push(Property::sometimes("a recovery", |_, world: &World| {
                world.server.gone.iter().any(|id| !world.server.consumers.contains_key(id))
            }));
        }
        if self.losses > 0 && self.waits > 0 {
            properties.push(Property::sometimes("a late job", |_, world: &World| {
                world.server.gone.iter().any(|id| world.server.lists.contains_key(id))
            }));
        }
        properties
    }
}

impl World {
    /// Returns whether every job is done, or where it will be found whatever else fails.
    fn has_all(&self) -> bool {
        let server = &self.server;
        let is_cared_for = |id| {
            let mut programs = self.programs.iter().flatten();
            let is_own =
                |program: &Program| program.keeps(id) || program.ledger.orphaned.contains(id);
            server.consumers.contains_key(id)
                || server.gone.contains(id)
                || (self.has_relapsed
                    && (programs.any(is_own) || self.flights.iter().any(|it| it.waits_for(id))))
        };
        let lists = server.lists.iter().filter(|(id, _)| is_cared_for(id));
        let found = server.queue.iter().chain(&server.delayed).chain(&server.dead);
        let found: BTreeSet<u8> = found.chain(lists.flat_map(|(_, list)| list)).map(name).collect();
        self.names().all(|name| found.contains(&name) || self.handled.contains(&name))
    }

    /// The items that no consumer holds.
    fn resting(&self) -> impl Iterator<Item = &Item> {
        let server = &self.server;
        server.queue.iter().chain(&server.delayed).chain(&server.dead)
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        self.resting().chain(self.server.lists.values().flatten())
    }

    fn history(&self, item: &Item) -> History {
        self.histories.get(&name(item)).cloned().unwrap_or_default()
    }

    fn names(&self) -> impl Iterator<Item = u8> {
        (0..self.left.jobs).map(|job| b'a' + job)
    }

    fn has_lost(&self) -> bool {
        let ledgers = self.programs.iter().flatten().map(|program| &program.ledger);
        let mut going_on = ledgers.filter(|ledger| !ledger.jobs.is_closing());
        going_on.any(|ledger| ledger.jobs.has_lost(0))
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
        let mut holds = |(place, program): (usize, &Program)| {
            let ids: Vec<_> = program.ledger.ids().chain(self.adopting(place)).collect();
            let mut heard = ids.iter().filter_map(|id| self.server.consumers.get(id));
            let lists = ids.iter().filter_map(|id| self.server.lists.get(id));
            let listed: BTreeSet<_> = lists.flatten().map(name).collect();
            heard.all(|heard| heard.is_over)
                || program.own().all(|item| held.insert(name(item)) && listed.contains(&name(item)))
        };
        let mut programs = self.programs.iter().enumerate();
        self.has_stopped
            || self.has_relapsed
            || programs.all(|(place, program)| program.as_ref().is_none_or(|it| holds((place, it))))
    }

    /// The ids that a program is about to take over.
    fn adopting(&self, place: usize) -> impl Iterator<Item = &ConsumerId> {
        self.flights.iter().filter_map(move |flight| match &flight.request {
            Request::Adopt(recovery) if flight.by == Some(place) => Some(&recovery.consumer),
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
            if self.has_relapsed && !ledger.is_as(self.server.consumers[id].mark, list.len()) {
                return true;
            }
            let tombstone = tombstone(id);
            let mut both = list.iter().zip(program.list());
            list.len() == ledger.jobs.len()
                && both.all(|(item, own)| *item == tombstone || Some(name(item)) == own.map(name))
        })
    }
}
