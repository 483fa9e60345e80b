//! The part of the modelled server in reaping.

use super::QueueMutant;
use super::raw_item::RawItem;
use super::server::{QueueServer, Stopped};
use crate::queue::keys::ConsumerId;
use crate::queue::session::tombstone;

impl QueueServer {
    /// Returns whether a search for lost consumers finds this one.
    pub(crate) fn seems_lost(&self, id: &ConsumerId) -> bool {
        self.consumers.get(id).is_some_and(|registration| registration.is_over)
            || (self.gone.contains(id) && self.lists.contains_key(id))
    }

    /// Returns whether a consumer's lease has expired or is gone.
    pub(crate) fn may_reap(&self, id: &ConsumerId) -> bool {
        self.consumers.get(id).is_none_or(|registration| registration.is_over)
    }

    /// Does the work of `reap.lua` for one consumer, up to a number of writes.
    pub(crate) fn reap(&mut self, id: &ConsumerId, writes: Option<u8>) {
        self.writes = writes;
        // Its writes until it stopped remain.
        let _ = self.take_back(id);
        self.writes = None;
        self.lists.retain(|_, list| !list.is_empty());
    }

    /// Takes back the last item of a list.
    fn take_back(&mut self, id: &ConsumerId) -> Result<(), Stopped> {
        if !self.may_reap(id) && self.mutant != QueueMutant::ReapsWithoutAnotherCheck {
            return Ok(());
        }
        // One after the other, as the script does it with thousands.
        let items: Vec<_> = self.list(id).back().cloned().into_iter().collect();
        if self.mutant == QueueMutant::ReapsBeforeItPushes {
            self.list(id).pop_back();
        }
        let jobs = items.iter().filter(|item| **item != tombstone(id));
        let (dead, back): (Vec<_>, Vec<_>) = jobs
            .map(|item| (item, self.lose(item)))
            .partition(|(item, lost)| self.is_buried(item, lost));
        let of = |all: Vec<(_, RawItem)>| all.into_iter().map(|(_, lost)| lost).collect::<Vec<_>>();
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
        if self.mutant != QueueMutant::ReapsBeforeItPushes {
            self.list(id).pop_back();
        }
        if self.mutant == QueueMutant::ReapsAndKeepsTheId && !self.list(id).is_empty() {
            return Ok(());
        }
        self.consumers.remove(id);
        if self.mutant != QueueMutant::ReapsAndForgetsRetiredIds {
            self.gone.insert(id.clone());
        }
        Ok(())
    }
}
