//! The server: the keys of a queue, and the effects of the scripts on them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Mutant, Setting};
use crate::queue::item as parser;
use crate::queue::keys::ConsumerId;
use crate::queue::session::{Fate, Recovery, Step, tombstone};

/// A job as it stands in lists; its payload is its name.
pub(crate) type Item = Vec<u8>;

pub(crate) fn name(item: &Item) -> u8 {
    parse(item).0
}

/// How many deliveries failed.
pub(crate) fn attempts(item: &Item) -> u8 {
    parse(item).1
}

fn parse(item: &Item) -> (u8, u8, Option<u8>) {
    let item = parser::Item::parse(item);
    (item.payload[0], item.attempts as u8, item.mark)
}

fn wrap(name: u8, attempts: u8, mark: Option<u8>) -> Item {
    let header = format!("\x1eq1;{attempts}");
    let id = [b';', name, b';', name];
    header.into_bytes().into_iter().chain(mark).chain(id).collect()
}

/// The keys of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) queue: VecDeque<Item>,
    /// The list of each consumer.
    pub(crate) lists: BTreeMap<ConsumerId, VecDeque<Item>>,
    pub(crate) consumers: BTreeMap<ConsumerId, Heard>,
    pub(crate) gone: BTreeSet<ConsumerId>,
    pub(crate) delayed: BTreeSet<Item>,
    pub(crate) dead: Vec<Item>,
    batch: usize,
    most_deliveries: u8,
    mutant: Mutant,
    /// The number of writes after which the running script stops.
    writes: Option<u8>,
}

/// The score of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Heard {
    /// Whether its lease has expired.
    pub(crate) is_over: bool,
    pub(crate) mark: u16,
}

/// A request of a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    Step(Step),
    Adopt(Recovery),
    Beat(ConsumerId),
    Leave(ConsumerId),
}

/// The reply to a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    Fenced,
    Diverged,
    Claimed(Vec<Item>),
    Adopted(Option<u16>, Vec<Item>),
    Beaten(bool),
    Left,
    /// The script stopped in the middle of its writes.
    Failed,
}

/// A script has stopped.
struct Stopped;

impl Server {
    pub(crate) fn new(setting: &Setting) -> Self {
        Self {
            queue: (0..setting.jobs).map(|job| vec![b'a' + job]).collect(),
            lists: BTreeMap::new(),
            consumers: BTreeMap::new(),
            gone: BTreeSet::new(),
            delayed: BTreeSet::new(),
            dead: Vec::new(),
            batch: setting.batch,
            most_deliveries: setting.most_deliveries,
            mutant: setting.mutant,
            writes: None,
        }
    }

    /// Runs a request, up to a number of writes.
    pub(crate) fn run(&mut self, request: &Request, writes: Option<u8>) -> Reply {
        self.writes = writes;
        let reply = match request {
            Request::Step(step) if step.waits => Ok(self.blmove(step)),
            Request::Step(step) => self.step(step),
            Request::Adopt(recovery) => Ok(self.recover(recovery)),
            Request::Beat(id) => Ok(self.beat(id)),
            Request::Leave(id) => Ok(self.leave(id)),
        };
        self.writes = None;
        self.lists.retain(|_, list| !list.is_empty());
        reply.unwrap_or(Reply::Failed)
    }

    /// Counts a write of the running script, which may stop here.
    fn may_write(&mut self) -> Result<(), Stopped> {
        match &mut self.writes {
            Some(0) => Err(Stopped),
            Some(writes) => {
                *writes -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn list(&mut self, id: &ConsumerId) -> &mut VecDeque<Item> {
        self.lists.entry(id.clone()).or_default()
    }

    /// Moves a job to the list of a consumer that waits.
    fn blmove(&mut self, step: &Step) -> Reply {
        let item = self.queue.pop_front();
        self.list(&step.consumer).extend(item.clone());
        Reply::Claimed(item.into_iter().collect())
    }

    /// Does the work of `poll.lua`.
    fn step(&mut self, step: &Step) -> Result<Reply, Stopped> {
        let heard = self.consumers.get(&step.consumer).copied();
        if let Some(known) = step.known {
            let marked = heard.is_none_or(|heard| heard.mark == known);
            let holds_enough = self.list(&step.consumer).len() >= step.held;
            match self.mutant {
                Mutant::StepsUnfenced => {}
                _ if heard.is_none() => return Ok(Reply::Fenced),
                Mutant::StepsWithAnyMark if holds_enough => {}
                Mutant::StepsWithAnyLength if marked => {}
                _ if marked && holds_enough => {}
                _ => return Ok(Reply::Diverged),
            }
        }
        let none = Vec::new();
        let fates = step.settlement.as_ref().map_or(&none, |settlement| &settlement.fates);
        let goes_back = |fate: &Fate| matches!(fate, Fate::Back | Fate::Unseen);
        let (back, others): (Vec<_>, Vec<_>) = fates.iter().partition(|(.., it)| goes_back(it));
        for (index, _, fate) in others.into_iter().chain(back.into_iter().rev()) {
            self.settle(&step.consumer, *index, fate)?;
        }
        if !self.delayed.is_empty() {
            self.may_write()?;
            self.queue.extend(self.delayed.clone());
            self.may_write()?;
            self.delayed.clear();
        }
        let mut claimed = Vec::new();
        if step.claims && !self.queue.is_empty() {
            claimed.extend(self.queue.iter().take(self.batch).cloned());
            if self.mutant == Mutant::TrimsBeforeItPushes {
                self.queue.drain(..claimed.len());
            }
            self.may_write()?;
            self.list(&step.consumer).extend(claimed.clone());
            self.may_write()?;
            if self.mutant != Mutant::TrimsBeforeItPushes {
                self.queue.drain(..claimed.len());
            }
        }
        // No write fails from here on.
        let settlement = step.settlement.as_ref();
        self.consumers.insert(step.consumer.clone(), Heard { is_over: false, mark: step.mark });
        let trimmed = settlement.map_or(0, |settlement| settlement.trimmed);
        let (has_tombstones, tombstone) = (!fates.is_empty(), tombstone(&step.consumer));
        let list = self.list(&step.consumer);
        list.drain(..trimmed.min(list.len()));
        if has_tombstones {
            list.retain(|item| *item != tombstone);
        }
        Ok(Reply::Claimed(claimed))
    }

    /// Settles one job of a step.
    fn settle(&mut self, id: &ConsumerId, index: usize, fate: &Fate) -> Result<(), Stopped> {
        let tombstone = tombstone(id);
        let Some(item) = self.list(id).get(index).cloned() else { return Ok(()) };
        if item == tombstone && self.mutant != Mutant::SettlesTombstones {
            return Ok(());
        }
        let (again, lost) = (again(&item), self.lose(&item));
        self.may_write()?;
        match fate {
            Fate::Running => {
                self.list(id)[index] = begun(&item);
                return Ok(());
            }
            Fate::Done | Fate::Ready => {}
            Fate::Unseen => self.queue.push_front(unbegun(&item)),
            Fate::Bury(_) => self.dead.push(again),
            Fate::Lost if self.is_buried(&item, &lost) => self.dead.push(lost),
            Fate::Lost => self.queue.push_front(lost),
            _ if self.is_buried(&item, &again) => self.dead.push(again),
            Fate::Retry(..) => drop(self.delayed.insert(again)),
            Fate::Back => self.queue.push_front(again),
        }
        self.may_write()?;
        self.list(id)[index] = tombstone;
        Ok(())
    }

    /// The fate of a job whose consumer is lost.
    fn lose(&self, item: &Item) -> Item {
        let (name, attempts, mark) = parse(item);
        let counts =
            mark.is_some_and(|mark| mark != b'?') || self.mutant == Mutant::CountsWhatNobodyBegan;
        wrap(name, attempts + u8::from(counts), Some(b'?'))
    }

    fn is_buried(&self, before: &Item, after: &Item) -> bool {
        attempts(after) >= self.most_deliveries && attempts(after) > attempts(before)
    }

    /// Does the work of `recover.lua`.
    fn recover(&mut self, recovery: &Recovery) -> Reply {
        let mut marks = recovery.former.iter().filter_map(|old| self.consumers.get(old));
        let mark = marks.next_back().map(|heard| heard.mark);
        if recovery.known && mark.is_none() && self.mutant != Mutant::AdoptsTheLost {
            return Reply::Adopted(None, Vec::new());
        }
        let mut former: Vec<_> = recovery.former.iter().rev().collect();
        if self.mutant == Mutant::AdoptsTheOldestFirst {
            former.reverse();
        }
        for old in former {
            let mut items = self.lists.remove(old).unwrap_or_default();
            if self.mutant != Mutant::AdoptsForeignTombstones {
                let old = tombstone(old);
                let new = tombstone(&recovery.consumer);
                items.iter_mut().filter(|item| **item == old).for_each(|it| it.clone_from(&new));
            }
            self.list(&recovery.consumer).extend(items);
            if self.mutant != Mutant::AdoptsAndLeavesTheOldId {
                self.consumers.remove(old);
            }
            if recovery.leaves && self.mutant != Mutant::AdoptsAndForgetsWhoIsGone {
                self.gone.insert(old.clone());
            }
        }
        let kept = if self.mutant == Mutant::AdoptsWithoutTheMark { 0 } else { mark.unwrap_or(0) };
        let heard = Heard { is_over: false, mark: kept };
        self.consumers.insert(recovery.consumer.clone(), heard);
        Reply::Adopted(mark, self.list(&recovery.consumer).iter().cloned().collect())
    }

    /// Does the work of `renew_leases.lua`.
    fn beat(&mut self, id: &ConsumerId) -> Reply {
        let heard = self.consumers.get_mut(id);
        let is_known = heard.map(|heard| heard.is_over = false).is_some();
        if self.mutant == Mutant::BeatsForTheLost {
            self.consumers.entry(id.clone()).or_insert(Heard { is_over: false, mark: 0 });
            return Reply::Beaten(true);
        }
        Reply::Beaten(is_known)
    }

    /// Does the work of `leave.lua`.
    fn leave(&mut self, id: &ConsumerId) -> Reply {
        if !self.lists.contains_key(id) {
            self.consumers.remove(id);
        }
        Reply::Left
    }

    /// Returns whether a request has no effect, and never will.
    pub(crate) fn ignores(&self, request: &Request) -> bool {
        let is_unknown = |id| !self.consumers.contains_key(id);
        match (request, self.mutant) {
            (Request::Step(_), Mutant::StepsUnfenced)
            | (Request::Adopt(_), Mutant::AdoptsTheLost)
            | (Request::Beat(_), Mutant::BeatsForTheLost) => false,
            (Request::Step(step), _) => {
                step.known.is_some() && !step.waits && is_unknown(&step.consumer)
            }
            (Request::Adopt(recovery), _) => {
                recovery.known && recovery.former.iter().all(is_unknown)
            }
            (Request::Beat(id) | Request::Leave(id), _) => is_unknown(id),
        }
    }

    /// Returns whether a search for lost consumers finds this one.
    pub(crate) fn seems_lost(&self, id: &ConsumerId) -> bool {
        self.consumers.get(id).is_some_and(|heard| heard.is_over)
            || (self.gone.contains(id) && self.lists.contains_key(id))
    }

    /// Returns whether a consumer's lease has expired or is gone.
    pub(crate) fn may_sweep(&self, id: &ConsumerId) -> bool {
        self.consumers.get(id).is_none_or(|heard| heard.is_over)
    }

    /// Does the work of `reap.lua` for one consumer, up to a number of writes.
    pub(crate) fn reap(&mut self, id: &ConsumerId, writes: Option<u8>) {
        self.writes = writes;
        // Its writes until it stopped remain.
        let _ = self.take_back(id);
        self.writes = None;
        self.lists.retain(|_, list| !list.is_empty());
    }

    fn take_back(&mut self, id: &ConsumerId) -> Result<(), Stopped> {
        if !self.may_sweep(id) && self.mutant != Mutant::SweepsWithoutAnotherLook {
            return Ok(());
        }
        // One after the other, as the script does it with thousands.
        let items: Vec<_> = self.list(id).back().cloned().into_iter().collect();
        if self.mutant == Mutant::SweepsBeforeItPushes {
            self.list(id).pop_back();
        }
        let jobs = items.iter().filter(|item| **item != tombstone(id));
        let (dead, back): (Vec<_>, Vec<_>) = jobs
            .map(|item| (item, self.lose(item)))
            .partition(|(item, lost)| self.is_buried(item, lost));
        let of = |all: Vec<(_, Item)>| all.into_iter().map(|(_, lost)| lost).collect::<Vec<_>>();
        let (dead, back) = (of(dead), of(back));
        if !dead.is_empty() {
            self.may_write()?;
            self.dead.extend(dead);
        }
        if !back.is_empty() {
            self.may_write()?;
            back.into_iter().rev().for_each(|item| self.queue.push_front(item));
        }
        self.may_write()?;
        if self.mutant != Mutant::SweepsBeforeItPushes {
            self.list(id).pop_back();
        }
        if self.mutant == Mutant::SweepsAndKeepsTheId && !self.list(id).is_empty() {
            return Ok(());
        }
        self.consumers.remove(id);
        if self.mutant != Mutant::SweepsAndForgetsWhoIsGone {
            self.gone.insert(id.clone());
        }
        Ok(())
    }
}

/// The item after a failed delivery.
fn again(item: &Item) -> Item {
    let (name, attempts, _) = parse(item);
    let (.., mark) = parse(&unbegun(item));
    wrap(name, attempts.saturating_add(1), mark)
}

/// The item after its handler has begun.
fn begun(item: &Item) -> Item {
    let (name, attempts, mark) = parse(item);
    let was_lost = matches!(mark, Some(b'?' | b'!'));
    wrap(name, attempts, Some(if was_lost { b'!' } else { b'+' }))
}

/// The item once no consumer holds it any more.
fn unbegun(item: &Item) -> Item {
    match parse(item) {
        (name, attempts, Some(b'!')) => wrap(name, attempts, Some(b'?')),
        (name, attempts, Some(b'+')) => wrap(name, attempts, None),
        _ => item.clone(),
    }
}
