//! The server: the keys of a queue, and the effects of the scripts on them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::raw_item::{RawItem, again, begun, deliveries, parse, unbegun, wrap};
use super::{QueueModel, QueueMutant};
use crate::queue::keys::ConsumerId;
use crate::queue::session::{Fate, LedgerRequest, Recovery, tombstone};

/// The keys of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct QueueServer {
    pub(crate) queue: VecDeque<RawItem>,
    /// The list of each consumer.
    pub(crate) lists: BTreeMap<ConsumerId, VecDeque<RawItem>>,
    pub(crate) consumers: BTreeMap<ConsumerId, Registration>,
    pub(crate) gone: BTreeSet<ConsumerId>,
    pub(crate) delayed: BTreeSet<RawItem>,
    pub(crate) dead: Vec<RawItem>,
    batch: usize,
    max_deliveries: u8,
    pub(super) mutant: QueueMutant,
    /// The number of writes after which the running script stops.
    pub(super) writes: Option<u8>,
}

/// The score of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Registration {
    /// Whether its lease has expired.
    pub(crate) is_over: bool,
    pub(crate) sequence: u16,
}

/// A request of a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum ConsumerRequest {
    Poll(LedgerRequest),
    Recover(Recovery),
    RenewLease(ConsumerId),
    Leave(ConsumerId),
}

/// The reply to a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum ConsumerReply {
    Fenced,
    Diverged,
    Claimed(Vec<RawItem>),
    Recovered(Option<u16>, Vec<RawItem>),
    Renewed(bool),
    Left,
    /// The script stopped in the middle of its writes.
    Failed,
}

/// A script has stopped.
pub(super) struct Stopped;

impl QueueServer {
    pub(crate) fn new(model: &QueueModel) -> Self {
        Self {
            queue: (0..model.jobs).map(|job| vec![b'a' + job]).collect(),
            lists: BTreeMap::new(),
            consumers: BTreeMap::new(),
            gone: BTreeSet::new(),
            delayed: BTreeSet::new(),
            dead: Vec::new(),
            batch: model.batch,
            max_deliveries: model.max_deliveries,
            mutant: model.mutant,
            writes: None,
        }
    }

    /// Runs a request, up to a number of writes.
    pub(crate) fn run(&mut self, request: &ConsumerRequest, writes: Option<u8>) -> ConsumerReply {
        self.writes = writes;
        let reply = match request {
            ConsumerRequest::Poll(poll) if poll.waits => Ok(self.blmove(poll)),
            ConsumerRequest::Poll(poll) => self.poll(poll),
            ConsumerRequest::Recover(recovery) => Ok(self.recover(recovery)),
            ConsumerRequest::RenewLease(id) => Ok(self.renew_lease(id)),
            ConsumerRequest::Leave(id) => Ok(self.leave(id)),
        };
        self.writes = None;
        self.lists.retain(|_, list| !list.is_empty());
        reply.unwrap_or(ConsumerReply::Failed)
    }

    /// Counts a write of the running script, which may stop here.
    pub(super) fn may_write(&mut self) -> Result<(), Stopped> {
        match &mut self.writes {
            Some(0) => Err(Stopped),
            Some(writes) => {
                *writes -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(super) fn list(&mut self, id: &ConsumerId) -> &mut VecDeque<RawItem> {
        self.lists.entry(id.clone()).or_default()
    }

    /// Moves a job to the list of a consumer that waits.
    fn blmove(&mut self, poll: &LedgerRequest) -> ConsumerReply {
        let item = self.queue.pop_front();
        self.list(&poll.consumer).extend(item.clone());
        ConsumerReply::Claimed(item.into_iter().collect())
    }

    /// Does the work of `poll.lua`.
    fn poll(&mut self, poll: &LedgerRequest) -> Result<ConsumerReply, Stopped> {
        let registration = self.consumers.get(&poll.consumer).copied();
        if let Some(last) = poll.last_sequence {
            let matches = registration.is_none_or(|registration| registration.sequence == last);
            let holds_enough = self.list(&poll.consumer).len() >= poll.held;
            match self.mutant {
                QueueMutant::PollsUnfenced => {}
                _ if registration.is_none() => return Ok(ConsumerReply::Fenced),
                QueueMutant::PollsWithAnySequence if holds_enough => {}
                QueueMutant::PollsWithAnyLength if matches => {}
                _ if matches && holds_enough => {}
                _ => return Ok(ConsumerReply::Diverged),
            }
        }
        let none = Vec::new();
        let fates = poll.settlement.as_ref().map_or(&none, |settlement| &settlement.fates);
        let goes_back = |fate: &Fate| matches!(fate, Fate::GivenBack | Fate::Released);
        let (back, others): (Vec<_>, Vec<_>) = fates.iter().partition(|(.., it)| goes_back(it));
        for (index, _, fate) in others.into_iter().chain(back.into_iter().rev()) {
            self.settle(&poll.consumer, *index, fate)?;
        }
        if !self.delayed.is_empty() {
            self.may_write()?;
            self.queue.extend(self.delayed.clone());
            self.may_write()?;
            self.delayed.clear();
        }
        let mut claimed = Vec::new();
        if poll.claims && !self.queue.is_empty() {
            claimed.extend(self.queue.iter().take(self.batch).cloned());
            if self.mutant == QueueMutant::TrimsBeforeItPushes {
                self.queue.drain(..claimed.len());
            }
            self.may_write()?;
            self.list(&poll.consumer).extend(claimed.clone());
            self.may_write()?;
            if self.mutant != QueueMutant::TrimsBeforeItPushes {
                self.queue.drain(..claimed.len());
            }
        }
        // No write fails from here on.
        let settlement = poll.settlement.as_ref();
        self.consumers.insert(
            poll.consumer.clone(),
            Registration { is_over: false, sequence: poll.sequence },
        );
        let trimmed = settlement.map_or(0, |settlement| settlement.trimmed);
        let (has_tombstones, tombstone) = (!fates.is_empty(), tombstone(&poll.consumer));
        let list = self.list(&poll.consumer);
        list.drain(..trimmed.min(list.len()));
        if has_tombstones {
            list.retain(|item| *item != tombstone);
        }
        Ok(ConsumerReply::Claimed(claimed))
    }

    /// Settles one job of a poll.
    fn settle(&mut self, id: &ConsumerId, index: usize, fate: &Fate) -> Result<(), Stopped> {
        let tombstone = tombstone(id);
        let Some(item) = self.list(id).get(index).cloned() else { return Ok(()) };
        if item == tombstone && self.mutant != QueueMutant::SettlesTombstones {
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
            Fate::Released => self.queue.push_front(unbegun(&item)),
            Fate::Bury(_) => self.dead.push(again),
            Fate::Lost if self.is_buried(&item, &lost) => self.dead.push(lost),
            Fate::Lost => self.queue.push_front(lost),
            _ if self.is_buried(&item, &again) => self.dead.push(again),
            Fate::Retry(..) => drop(self.delayed.insert(again)),
            Fate::GivenBack => self.queue.push_front(again),
        }
        self.may_write()?;
        self.list(id)[index] = tombstone;
        Ok(())
    }

    /// The fate of a job whose consumer is lost.
    pub(super) fn lose(&self, item: &RawItem) -> RawItem {
        let (name, deliveries, mark) = parse(item);
        let counts =
            mark.is_some_and(|mark| mark != b'?') || self.mutant == QueueMutant::CountsUnbegunJobs;
        wrap(name, deliveries + u8::from(counts), Some(b'?'))
    }

    /// Returns whether a delivery was counted, and was the last.
    pub(super) fn is_buried(&self, before: &RawItem, after: &RawItem) -> bool {
        deliveries(after) >= self.max_deliveries && deliveries(after) > deliveries(before)
    }

    /// Does the work of `recover.lua`.
    fn recover(&mut self, recovery: &Recovery) -> ConsumerReply {
        let mut sequences = recovery.former.iter().filter_map(|old| self.consumers.get(old));
        let sequence = sequences.next_back().map(|registration| registration.sequence);
        if recovery.known && sequence.is_none() && self.mutant != QueueMutant::RecoversTheLost {
            return ConsumerReply::Recovered(None, Vec::new());
        }
        let mut former: Vec<_> = recovery.former.iter().rev().collect();
        if self.mutant == QueueMutant::RecoversTheOldestFirst {
            former.reverse();
        }
        for old in former {
            let mut items = self.lists.remove(old).unwrap_or_default();
            if self.mutant != QueueMutant::RecoversForeignTombstones {
                let old = tombstone(old);
                let new = tombstone(&recovery.consumer);
                items.iter_mut().filter(|item| **item == old).for_each(|it| it.clone_from(&new));
            }
            self.list(&recovery.consumer).extend(items);
            if self.mutant != QueueMutant::RecoversAndLeavesTheOldId {
                self.consumers.remove(old);
            }
            if recovery.leaves && self.mutant != QueueMutant::RecoversAndForgetsRetiredIds {
                self.gone.insert(old.clone());
            }
        }
        let kept = if self.mutant == QueueMutant::RecoversWithoutTheSequence {
            0
        } else {
            sequence.unwrap_or(0)
        };
        let registration = Registration { is_over: false, sequence: kept };
        self.consumers.insert(recovery.consumer.clone(), registration);
        ConsumerReply::Recovered(sequence, self.list(&recovery.consumer).iter().cloned().collect())
    }

    /// Does the work of `renew_leases.lua`.
    fn renew_lease(&mut self, id: &ConsumerId) -> ConsumerReply {
        let registration = self.consumers.get_mut(id);
        let is_known = registration.map(|registration| registration.is_over = false).is_some();
        if self.mutant == QueueMutant::RenewsForTheLost {
            self.consumers
                .entry(id.clone())
                .or_insert(Registration { is_over: false, sequence: 0 });
            return ConsumerReply::Renewed(true);
        }
        ConsumerReply::Renewed(is_known)
    }

    /// Does the work of `leave.lua`.
    fn leave(&mut self, id: &ConsumerId) -> ConsumerReply {
        if !self.lists.contains_key(id) {
            self.consumers.remove(id);
        }
        ConsumerReply::Left
    }

    /// Returns whether a request has no effect, and never will.
    pub(crate) fn ignores(&self, request: &ConsumerRequest) -> bool {
        let is_unknown = |id| !self.consumers.contains_key(id);
        match (request, self.mutant) {
            (ConsumerRequest::Poll(_), QueueMutant::PollsUnfenced)
            | (ConsumerRequest::Recover(_), QueueMutant::RecoversTheLost)
            | (ConsumerRequest::RenewLease(_), QueueMutant::RenewsForTheLost) => false,
            (ConsumerRequest::Poll(poll), _) => {
                poll.last_sequence.is_some() && !poll.waits && is_unknown(&poll.consumer)
            }
            (ConsumerRequest::Recover(recovery), _) => {
                recovery.known && recovery.former.iter().all(is_unknown)
            }
            (ConsumerRequest::RenewLease(id) | ConsumerRequest::Leave(id), _) => is_unknown(id),
        }
    }
}
