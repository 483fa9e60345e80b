//! Everything that can happen between a program, its cache and the server.

mod steps;

use stateright::{Model, Property};

use super::program::{CachingProgram, Glimpse, ReadTask, Work};
use super::server::{FeedLink, FeedState, OneKeyServer};
use super::{CacheModel, CacheMutant};
use crate::listen::heartbeat::Heartbeat;
use crate::mutants::Mutants;

/// A state of everything: the clock, the server, the connection, the program and its readers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CacheWorld {
    now: u64,
    server: OneKeyServer,
    pub(super) link: Option<FeedLink>,
    program: CachingProgram,
    /// The unfinished work of the thread that listens, and of the one that connects.
    work: [Option<Work>; 2],
    /// Operations in progress, which have no names and so are kept in order.
    pub(super) readers: Vec<CacheCaller>,
    /// The value of an own write that has not ended.
    writing: Option<usize>,
    /// The newest value that a read returned.
    newest_read: usize,
    /// The newest value of an own write that has ended, as far as the program knows.
    written: usize,
    /// The events that may still happen.
    left: CacheModel,
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
pub(super) struct CacheCaller {
    since: u64,
    newest_read: usize,
    written: usize,
    pub(super) stage: ReadStage,
}

/// The progress of a reader.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum ReadStage {
    LooksUp(Glimpse),
    Missed,
    /// Waits for the server's reply, which is in flight.
    Waits(ReadTask, Option<usize>),
}

/// An event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CacheAction {
    Tick,
    ForeignWrite,
    OwnWrite,
    OwnWriteEnds,
    Flush,
    TurnEnds,
    SendHeartbeat,
    RunHeartbeat,
    Receive,
    Work(usize),
    LoseConnection,
    NoticeLoss,
    Reconnect,
    Subscribe,
    Connected,
    BeginLookup,
    FinishLookup(usize),
    Begin(usize),
    RunRead(usize),
    EndRead(usize),
    FailRead(usize),
}

impl Model for CacheModel {
    type State = CacheWorld;
    type Action = CacheAction;

    fn init_states(&self) -> Vec<CacheWorld> {
        let mut heartbeat = self.heartbeat();
        heartbeat.send(0).map(|first| heartbeat.receive(first));
        let link =
            FeedLink { is_connected: true, feed: FeedState::Lasts, ..FeedLink::new(1, heartbeat) };
        vec![CacheWorld {
            now: 0,
            server: OneKeyServer::default(),
            link: Some(link),
            program: CachingProgram::new(self.bound, self.grace, self.mutant),
            work: [None, None],
            readers: Vec::new(),
            writing: None,
            newest_read: 0,
            written: 0,
            left: self.clone(),
            wrong: None,
        }]
    }

    fn actions(&self, world: &CacheWorld, actions: &mut Vec<CacheAction>) {
        if world.wrong.is_none() {
            world.happenings(actions);
        }
    }

    fn next_state(&self, world: &CacheWorld, action: CacheAction) -> Option<CacheWorld> {
        let mut world = world.clone();
        world.happen(action, self);
        world.readers.sort();
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("nothing is stale at rest", |_, world: &CacheWorld| world.is_fresh()),
            Property::always("nothing served is older than the bound", |_, world: &CacheWorld| {
                world.wrong != Some(Wrong::TooOld)
            }),
            Property::always("own writes are read", |_, world: &CacheWorld| {
                world.wrong != Some(Wrong::BeforeOwnWrite)
            }),
            Property::always("reads never go back", |_, world: &CacheWorld| {
                world.wrong != Some(Wrong::GoesBack)
            }),
            Property::sometimes("a hit", |_, world: &CacheWorld| world.hits()),
            Property::sometimes("a refused value", |_, world: &CacheWorld| world.refuses()),
        ];
        if self.readers > 1 {
            properties
                .push(Property::sometimes("a read joined", |_, world: &CacheWorld| world.joins()));
        }
        if self.losses > 0 {
            properties
                .push(Property::sometimes("a gap", |_, world: &CacheWorld| world.link.is_none()));
        }
        properties
    }
}

impl CacheModel {
    fn heartbeat(&self) -> Heartbeat {
        let mut heartbeat = Heartbeat::default();
        if let CacheMutant::Heartbeat(mutant) = self.mutant {
            heartbeat.mutants = Mutants::of(mutant);
        }
        heartbeat
    }
}

impl CacheWorld {
    /// A reader is about to be served from the cache.
    pub(super) fn hits(&self) -> bool {
        self.readers.iter().any(|reader| match reader.stage {
            ReadStage::LooksUp(glimpse) => self.program.lookup(glimpse, self.now).is_some(),
            _ => false,
        })
    }

    pub(super) fn joins(&self) -> bool {
        let joins = |reader: &CacheCaller| {
            matches!(reader.stage, ReadStage::Waits(ReadTask::Joins { .. }, _))
        };
        self.readers.iter().any(joins)
    }

    /// A reader has found a value that may not be cached.
    pub(super) fn refuses(&self) -> bool {
        self.readers.iter().any(|reader| match reader.stage {
            ReadStage::Waits(task @ ReadTask::Leads { .. }, found @ Some(_)) => {
                !self.program.clone().end(task, found)
            }
            _ => false,
        })
    }

    /// Returns whether nothing is in progress, and every message was delivered or is known to be
    /// lost.
    fn rests(&self) -> bool {
        let rests = |link: &FeedLink| {
            link.feed == FeedState::Lasts && link.messages.is_empty() && link.heartbeats.is_empty()
        };
        self.readers.is_empty()
            && self.writing.is_none()
            && !self.server.has_messages()
            && self.work == [None, None]
            && self.link.as_ref().is_none_or(rests)
    }

    /// Returns whether a quiet world serves the server's value.
    fn is_fresh(&self) -> bool {
        let is_disconnected = self.link.as_ref().is_none_or(|link| !link.is_connected);
        let kept = self.program.lookup(self.program.glimpse(), self.now);
        !self.rests()
            || (is_disconnected && self.left.grace > 0)
            || kept.is_none_or(|value| value == self.server.value())
    }
}
