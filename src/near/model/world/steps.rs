//! The events that may happen, and their effects.

use super::super::program::{ReadTask, Work};
use super::super::server::{FeedLink, FeedState, Message};
use super::super::{CacheModel, CacheMutant};
use super::{CacheAction, CacheCaller, CacheWorld, ReadStage, Wrong};
use crate::listen::heartbeat::HeartbeatMutant;

impl CacheWorld {
    /// Lists the events that may happen now.
    pub(super) fn happenings(&self, actions: &mut Vec<CacheAction>) {
        let left = &self.left;
        let link = self.link.as_ref();
        let is_free = !self.work.contains(&Some(Work::Show));
        let may_receive = |link: &FeedLink| {
            let updates = link.messages.front().is_some_and(|&message| message != Message::Changed);
            self.work[0].is_none() && !link.messages.is_empty() && (is_free || !updates)
        };
        let may_connect = |link: &FeedLink| {
            !link.is_connected && link.watermark.is_some() && is_free && self.work[1].is_none()
        };
        let many = left.mutant == CacheMutant::Heartbeat(HeartbeatMutant::SendsMany);
        let begins = |link: &FeedLink| link.feed == FeedState::Begins;
        let lasts = |link: &FeedLink| link.feed == FeedState::Lasts;
        let is_lost = |link: &FeedLink| link.feed == FeedState::IsLost;
        let may_send =
            |link: &FeedLink| !begins(link) && (many || link.heartbeat.under_way_since().is_none());
        let possible = [
            (left.ticks > 0, CacheAction::Tick),
            (left.writes > 0, CacheAction::ForeignWrite),
            (left.own_writes > 0 && self.writing.is_none(), CacheAction::OwnWrite),
            (self.writing.is_some(), CacheAction::OwnWriteEnds),
            (left.flushes > 0, CacheAction::Flush),
            (self.server.has_messages(), CacheAction::TurnEnds),
            (left.heartbeats > 0 && link.is_some_and(may_send), CacheAction::SendHeartbeat),
            (link.is_some_and(|link| !link.heartbeats.is_empty()), CacheAction::RunHeartbeat),
            (link.is_some_and(may_receive), CacheAction::Receive),
            (left.losses > 0 && link.is_some_and(lasts), CacheAction::LoseConnection),
            (link.is_some_and(is_lost) && is_free, CacheAction::NoticeLoss),
            (left.reconnects > 0 && link.is_none(), CacheAction::Reconnect),
            (link.is_some_and(begins), CacheAction::Subscribe),
            (link.is_some_and(may_connect), CacheAction::Connected),
            (left.reads > 0 && self.readers.len() < left.readers, CacheAction::BeginLookup),
        ];
        actions.extend(possible.into_iter().filter(|(is, _)| *is).map(|(_, action)| action));
        let works = (0..2).filter(|&by| self.work[by].is_some());
        actions.extend(works.map(CacheAction::Work));
        for (place, reader) in self.readers.iter().enumerate() {
            match reader.stage {
                ReadStage::LooksUp(_) => actions.push(CacheAction::FinishLookup(place)),
                ReadStage::Missed => actions.push(CacheAction::Begin(place)),
                ReadStage::Waits(ReadTask::Joins { .. }, _) => {}
                ReadStage::Waits(_, Some(_)) => actions.push(CacheAction::EndRead(place)),
                ReadStage::Waits(_, None) => actions.push(CacheAction::RunRead(place)),
            }
            let leads = matches!(reader.stage, ReadStage::Waits(ReadTask::Leads { .. }, _));
            if leads && left.failures > 0 {
                actions.push(CacheAction::FailRead(place));
            }
        }
    }

    /// Applies an event.
    pub(super) fn happen(&mut self, action: CacheAction, model: &CacheModel) {
        let left = &mut self.left;
        match action {
            CacheAction::Tick => (self.now, left.ticks) = (self.now + 1, left.ticks - 1),
            CacheAction::ForeignWrite => {
                left.writes -= 1;
                self.server.write(self.now, self.link.as_ref());
            }
            CacheAction::OwnWrite => {
                left.own_writes -= 1;
                self.server.write(self.now, self.link.as_ref());
                self.writing = Some(self.server.value());
            }
            CacheAction::OwnWriteEnds => {
                if model.mutant != CacheMutant::ForgetsOwnWrites {
                    self.program.changed();
                }
                self.written = self.writing.take().unwrap_or(self.written).max(self.written);
            }
            CacheAction::Flush => {
                left.flushes -= 1;
                self.server.flush(self.now, self.link.as_ref());
            }
            CacheAction::TurnEnds => self.server.end_turn(self.link.as_mut()),
            CacheAction::BeginLookup => {
                left.reads -= 1;
                let stage = ReadStage::LooksUp(self.program.glimpse());
                let (newest_read, written) = (self.newest_read, self.written);
                self.readers.push(CacheCaller { since: self.now, newest_read, written, stage });
            }
            CacheAction::FinishLookup(place) => self.finish_lookup(place),
            CacheAction::Begin(place) => {
                let task = self.program.begin(self.now);
                self.readers[place].stage = ReadStage::Waits(task, None);
            }
            CacheAction::RunRead(place) => {
                if let ReadStage::Waits(_, found) = &mut self.readers[place].stage {
                    *found = Some(self.server.value());
                }
            }
            CacheAction::EndRead(place) => self.end_read(place, false),
            CacheAction::FailRead(place) => {
                left.failures -= 1;
                self.end_read(place, true);
            }
            CacheAction::Work(by) => {
                self.work[by] = self.work[by].and_then(|w| self.program.work(w))
            }
            action => self.happen_to_link(action, model),
        }
    }

    /// Applies an event of the connection.
    fn happen_to_link(&mut self, action: CacheAction, model: &CacheModel) {
        if action == CacheAction::Reconnect {
            self.left.reconnects -= 1;
            let session = 2 + u64::from(model.reconnects - self.left.reconnects - 1);
            let mut link = FeedLink::new(session, model.heartbeat());
            if model.mutant == CacheMutant::ConnectsUnproven {
                link.watermark = Some(self.now);
            }
            self.link = Some(link);
            return;
        }
        let Some(link) = &mut self.link else { return };
        match action {
            CacheAction::SendHeartbeat => {
                self.left.heartbeats -= 1;
                link.heartbeats.extend(link.heartbeat.send(self.now));
            }
            CacheAction::RunHeartbeat => {
                if let Some(number) = link.heartbeats.pop_front() {
                    self.server.queue(Message::Heartbeat(number), Some(link));
                }
            }
            CacheAction::Receive => match link.messages.pop_front() {
                Some(Message::Changed) => self.program.changed(),
                Some(Message::Flushed) => {
                    self.program.update(|lease| lease.cleared());
                    self.work[0] = Some(Work::Show);
                }
                Some(Message::Heartbeat(number)) => {
                    if let Some(watermark) = link.heartbeat.receive(number) {
                        link.watermark = Some(watermark);
                        self.program.lease.raise_watermark(link.session, watermark);
                        self.program.show_times();
                    }
                }
                None => {}
            },
            CacheAction::Subscribe => link.feed = FeedState::Lasts,
            CacheAction::LoseConnection => {
                self.left.losses -= 1;
                link.feed = FeedState::IsLost;
                link.messages.clear();
                self.server.drop_messages();
            }
            CacheAction::NoticeLoss => {
                self.program.lease.disconnected(link.session);
                self.program.show_times();
                self.link = None;
            }
            CacheAction::Connected => {
                link.is_connected = true;
                let (session, watermark) = (link.session, link.watermark.unwrap_or(0));
                self.program.update(|lease| lease.connected(session, watermark));
                self.work[1] = Some(Work::Show);
            }
            _ => {}
        }
    }

    /// The second half of a reader's lookup.
    fn finish_lookup(&mut self, place: usize) {
        let ReadStage::LooksUp(glimpse) = self.readers[place].stage else { return };
        match self.program.lookup(glimpse, self.now) {
            Some(value) => {
                let reader = self.readers.remove(place);
                self.give(&reader, value, self.now);
            }
            None => self.readers[place].stage = ReadStage::Missed,
        }
    }

    /// Ends a read, including those that joined it.
    fn end_read(&mut self, place: usize, fails: bool) {
        let reader = self.readers.remove(place);
        let ReadStage::Waits(task, found) = reader.stage else { return };
        let found = found.filter(|_| !fails);
        self.program.end(task, found);
        let joins = |reader: &CacheCaller| match (task, &reader.stage) {
            (
                ReadTask::Leads { token, .. },
                ReadStage::Waits(ReadTask::Joins { token: joined }, _),
            ) => token == *joined,
            _ => false,
        };
        match found {
            Some(value) => {
                let (joined, others) =
                    std::mem::take(&mut self.readers).into_iter().partition(joins);
                self.readers = others;
                let joined: Vec<CacheCaller> = joined;
                for reader in joined.iter().chain([&reader]) {
                    self.give(reader, value, reader.since);
                }
            }
            None => {
                for reader in self.readers.iter_mut().filter(|reader| joins(reader)) {
                    reader.stage = ReadStage::Waits(ReadTask::Asks, None);
                }
            }
        }
    }

    /// Gives a reader a value, which must be one that the server had shortly before `moment`.
    fn give(&mut self, reader: &CacheCaller, value: usize, moment: u64) {
        let oldest = moment.saturating_sub(self.left.bound.max(self.left.grace));
        let wrong = if self.server.replaced.get(value).is_some_and(|&at| at < oldest) {
            Some(Wrong::TooOld)
        } else if value < reader.written {
            Some(Wrong::BeforeOwnWrite)
        } else if value < reader.newest_read {
            Some(Wrong::GoesBack)
        } else {
            None
        };
        self.wrong = self.wrong.or(wrong);
        self.newest_read = self.newest_read.max(value);
    }
}
