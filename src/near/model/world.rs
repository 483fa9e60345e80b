//! Everything that can happen between a program, its cache and the server.

mod steps;

use stateright::{Model, Property};

use super::program::{Glimpse, Program, Task, Work};
use super::server::{Link, Server, ServerChanges};
use super::{Mutant, Setting};
use crate::listen::heartbeat::Heartbeat;
use crate::mutants::Mutants;

/// A state of everything: the clock, the server, the connection, the program and its readers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    now: u64,
    server: Server,
    pub(super) link: Option<Link>,
    program: Program,
    /// The unfinished work of the thread that listens, and of the one that connects.
    work: [Option<Work>; 2],
    /// Operations in progress, which have no names and so are kept in order.
    pub(super) readers: Vec<Reader>,
    /// The value of an own write that has not ended.
    writing: Option<usize>,
    /// The newest value that a read returned.
    told: usize,
    /// The newest value of an own write that has ended, as far as the program knows.
    written: usize,
    /// The events that may still happen.
    left: Setting,
    wrong: Option<Wrong>,
}

/// A wrong value that a reader got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Wrong {
    TooOld,
    BeforeOwnWrite,
    GoesBack,
}

/// A caller that reads the key, with the values that it must at least see.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Reader {
    since: u64,
    told: usize,
    written: usize,
    pub(super) stage: Stage,
}

/// The progress of a reader.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Stage {
    Looks(Glimpse),
    Missed,
    /// Waits for the server's reply, which is in flight.
    Waits(Task, Option<usize>),
}

/// An event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Tick,
    ForeignWrite,
    OwnWrite,
    OwnWriteEnds,
    Flush,
    TurnEnds,
    SendBeat,
    RunBeat,
    Hear,
    Work(usize),
    LoseConnection,
    NoticeLoss,
    Reconnect,
    BeginHearing,
    Connected,
    Look,
    FinishLooking(usize),
    Begin(usize),
    RunRead(usize),
    EndRead(usize),
    FailRead(usize),
}

impl Model for Setting {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let mut pulse = self.pulse();
        pulse.send(0).map(|first| pulse.hear(first));
        let link =
            Link { is_connected: true, hearing: ServerChanges::Lasts, ..Link::new(1, pulse) };
        vec![World {
            now: 0,
            server: Server::default(),
            link: Some(link),
            program: Program::new(self.bound, self.grace, self.mutant),
            work: [None, None],
            readers: Vec::new(),
            writing: None,
            told: 0,
            written: 0,
            left: self.clone(),
            wrong: None,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.wrong.is_none() {
            world.happenings(actions);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut world = world.clone();
        world.happen(action, self);
        world.readers.sort();
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("nothing is stale at rest", |_, world: &World| world.is_fresh()),
            Property::always("nothing served is older than the bound", |_, world: &World| {
                world.wrong != Some(Wrong::TooOld)
            }),
            Property::always("own writes are read", |_, world: &World| {
                world.wrong != Some(Wrong::BeforeOwnWrite)
            }),
            Property::always("reads never go back", |_, world: &World| {
                world.wrong != Some(Wrong::GoesBack)
            }),
            Property::sometimes("a hit", |_, world: &World| world.hits()),
            Property::sometimes("a refused value", |_, world: &World| world.refuses()),
        ];
        if self.readers > 1 {
            properties.push(Property::sometimes("a read joined", |_, world: &World| world.joins()));
        }
        if self.losses > 0 {
            properties.push(Property::sometimes("a gap", |_, world: &World| world.link.is_none()));
        }
        properties
    }
}

impl Setting {
    fn pulse(&self) -> Heartbeat {
        let mut pulse = Heartbeat::default();
        if let Mutant::Heartbeat(breach) = self.mutant {
            pulse.breaches = Mutants::of(breach);
        }
        pulse
    }
}

impl World {
    /// A reader is about to be served from the cache.
    pub(super) fn hits(&self) -> bool {
        self.readers.iter().any(|reader| match reader.stage {
            Stage::Looks(glimpse) => self.program.lookup(glimpse, self.now).is_some(),
            _ => false,
        })
    }

    pub(super) fn joins(&self) -> bool {
        let joins = |reader: &Reader| matches!(reader.stage, Stage::Waits(Task::Joins { .. }, _));
        self.readers.iter().any(joins)
    }

    /// A reader has found a value that may not be cached.
    pub(super) fn refuses(&self) -> bool {
        self.readers.iter().any(|reader| match reader.stage {
            Stage::Waits(task @ Task::Leads { .. }, found @ Some(_)) => {
                !self.program.clone().end(task, found)
            }
            _ => false,
        })
    }

    /// Returns whether nothing is in progress, and every message was delivered or is known to be
    /// lost.
    fn rests(&self) -> bool {
        let rests = |link: &Link| {
            link.hearing == ServerChanges::Lasts && link.words.is_empty() && link.beats.is_empty()
        };
        self.readers.is_empty()
            && self.writing.is_none()
            && !self.server.has_something_to_say()
            && self.work == [None, None]
            && self.link.as_ref().is_none_or(rests)
    }

    /// Returns whether a quiet world serves the server's value.
    fn is_fresh(&self) -> bool {
        let is_cut_off = self.link.as_ref().is_none_or(|link| !link.is_connected);
        let kept = self.program.lookup(self.program.glimpse(), self.now);
        !self.rests()
            || (is_cut_off && self.left.grace > 0)
            || kept.is_none_or(|value| value == self.server.value())
    }
}
