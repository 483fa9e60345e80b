//! The events that may happen, and their effects.

use super::super::program::{Task, Work};
use super::super::server::{Link, ServerChanges, Word};
use super::super::{Mutant, Setting};
use super::{Action, Reader, Stage, World, Wrong};
use crate::listen::heartbeat::Breach;

impl World {
    /// Lists the events that may happen now.
    pub(super) fn happenings(&self, actions: &mut Vec<Action>) {
        let left = &self.left;
        let link = self.link.as_ref();
        let is_free = !self.work.contains(&Some(Work::Show));
        let hears = |link: &Link| {
            let sees = link.words.front().is_some_and(|&word| word != Word::Changed);
            self.work[0].is_none() && !link.words.is_empty() && (is_free || !sees)
        };
        let may_connect = |link: &Link| {
            !link.is_connected && link.watermark.is_some() && is_free && self.work[1].is_none()
        };
        let many = left.mutant == Mutant::Heartbeat(Breach::SendsMany);
        let begins = |link: &Link| link.hearing == ServerChanges::Begins;
        let lasts = |link: &Link| link.hearing == ServerChanges::Lasts;
        let is_lost = |link: &Link| link.hearing == ServerChanges::IsLost;
        let may_beat =
            |link: &Link| !begins(link) && (many || link.pulse.under_way_since().is_none());
        let possible = [
            (left.ticks > 0, Action::Tick),
            (left.writes > 0, Action::ForeignWrite),
            (left.own_writes > 0 && self.writing.is_none(), Action::OwnWrite),
            (self.writing.is_some(), Action::OwnWriteEnds),
            (left.flushes > 0, Action::Flush),
            (self.server.has_something_to_say(), Action::TurnEnds),
            (left.beats > 0 && link.is_some_and(may_beat), Action::SendBeat),
            (link.is_some_and(|link| !link.beats.is_empty()), Action::RunBeat),
            (link.is_some_and(hears), Action::Hear),
            (left.losses > 0 && link.is_some_and(lasts), Action::LoseConnection),
            (link.is_some_and(is_lost) && is_free, Action::NoticeLoss),
            (left.reconnects > 0 && link.is_none(), Action::Reconnect),
            (link.is_some_and(begins), Action::BeginHearing),
            (link.is_some_and(may_connect), Action::Connected),
            (left.reads > 0 && self.readers.len() < left.readers, Action::Look),
        ];
        actions.extend(possible.into_iter().filter(|(is, _)| *is).map(|(_, action)| action));
        let works = (0..2).filter(|&by| self.work[by].is_some());
        actions.extend(works.map(Action::Work));
        for (place, reader) in self.readers.iter().enumerate() {
            match reader.stage {
                Stage::Looks(_) => actions.push(Action::FinishLooking(place)),
                Stage::Missed => actions.push(Action::Begin(place)),
                Stage::Waits(Task::Joins { .. }, _) => {}
                Stage::Waits(_, Some(_)) => actions.push(Action::EndRead(place)),
                Stage::Waits(_, None) => actions.push(Action::RunRead(place)),
            }
            let leads = matches!(reader.stage, Stage::Waits(Task::Leads { .. }, _));
            if leads && left.failures > 0 {
                actions.push(Action::FailRead(place));
            }
        }
    }

    /// Applies an event.
    pub(super) fn happen(&mut self, action: Action, setting: &Setting) {
        let left = &mut self.left;
        match action {
            Action::Tick => (self.now, left.ticks) = (self.now + 1, left.ticks - 1),
            Action::ForeignWrite => {
                left.writes -= 1;
                self.server.write(self.now, self.link.as_ref());
            }
            Action::OwnWrite => {
                left.own_writes -= 1;
                self.server.write(self.now, self.link.as_ref());
                self.writing = Some(self.server.value());
            }
            Action::OwnWriteEnds => {
                if setting.mutant != Mutant::ForgetsOwnWrites {
                    self.program.changed();
                }
                self.written = self.writing.take().unwrap_or(self.written).max(self.written);
            }
            Action::Flush => {
                left.flushes -= 1;
                self.server.flush(self.now, self.link.as_ref());
            }
            Action::TurnEnds => self.server.end_turn(self.link.as_mut()),
            Action::Look => {
                left.reads -= 1;
                let stage = Stage::Looks(self.program.glimpse());
                let (told, written) = (self.told, self.written);
                self.readers.push(Reader { since: self.now, told, written, stage });
            }
            Action::FinishLooking(place) => self.finish_looking(place),
            Action::Begin(place) => {
                let task = self.program.begin(self.now);
                self.readers[place].stage = Stage::Waits(task, None);
            }
            Action::RunRead(place) => {
                if let Stage::Waits(_, found) = &mut self.readers[place].stage {
                    *found = Some(self.server.value());
                }
            }
            Action::EndRead(place) => self.end_read(place, false),
            Action::FailRead(place) => {
                left.failures -= 1;
                self.end_read(place, true);
            }
            Action::Work(by) => self.work[by] = self.work[by].and_then(|w| self.program.work(w)),
            action => self.happen_to_link(action, setting),
        }
    }

    /// Applies an event of the connection.
    fn happen_to_link(&mut self, action: Action, setting: &Setting) {
        if action == Action::Reconnect {
            self.left.reconnects -= 1;
            let session = 2 + u64::from(setting.reconnects - self.left.reconnects - 1);
            let mut link = Link::new(session, setting.pulse());
            if setting.mutant == Mutant::ConnectsUnproven {
                link.watermark = Some(self.now);
            }
            self.link = Some(link);
            return;
        }
        let Some(link) = &mut self.link else { return };
        match action {
            Action::SendBeat => {
                self.left.beats -= 1;
                link.beats.extend(link.pulse.send(self.now));
            }
            Action::RunBeat => {
                if let Some(number) = link.beats.pop_front() {
                    self.server.say(Word::Beat(number), Some(link));
                }
            }
            Action::Hear => match link.words.pop_front() {
                Some(Word::Changed) => self.program.changed(),
                Some(Word::Flushed) => {
                    self.program.see(|lease| lease.cleared());
                    self.work[0] = Some(Work::Show);
                }
                Some(Word::Beat(number)) => {
                    if let Some(watermark) = link.pulse.hear(number) {
                        link.watermark = Some(watermark);
                        self.program.lease.proven(link.session, watermark);
                        self.program.show_times();
                    }
                }
                None => {}
            },
            Action::BeginHearing => link.hearing = ServerChanges::Lasts,
            Action::LoseConnection => {
                self.left.losses -= 1;
                link.hearing = ServerChanges::IsLost;
                link.words.clear();
                self.server.hang_up();
            }
            Action::NoticeLoss => {
                self.program.lease.lost(link.session);
                self.program.show_times();
                self.link = None;
            }
            Action::Connected => {
                link.is_connected = true;
                let (session, watermark) = (link.session, link.watermark.unwrap_or(0));
                self.program.see(|lease| lease.connected(session, watermark));
                self.work[1] = Some(Work::Show);
            }
            _ => {}
        }
    }

    /// The second half of a reader's lookup.
    fn finish_looking(&mut self, place: usize) {
        let Stage::Looks(glimpse) = self.readers[place].stage else { return };
        match self.program.lookup(glimpse, self.now) {
            Some(value) => {
                let reader = self.readers.remove(place);
                self.give(&reader, value, self.now);
            }
            None => self.readers[place].stage = Stage::Missed,
        }
    }

    /// Ends a read, including those that joined it.
    fn end_read(&mut self, place: usize, fails: bool) {
        let reader = self.readers.remove(place);
        let Stage::Waits(task, found) = reader.stage else { return };
        let found = found.filter(|_| !fails);
        self.program.end(task, found);
        let joins = |reader: &Reader| match (task, &reader.stage) {
            (Task::Leads { token, .. }, Stage::Waits(Task::Joins { token: joined }, _)) => {
                token == *joined
            }
            _ => false,
        };
        match found {
            Some(value) => {
                let (joined, others) =
                    std::mem::take(&mut self.readers).into_iter().partition(joins);
                self.readers = others;
                let joined: Vec<Reader> = joined;
                for reader in joined.iter().chain([&reader]) {
                    self.give(reader, value, reader.since);
                }
            }
            None => {
                for reader in self.readers.iter_mut().filter(|reader| joins(reader)) {
                    reader.stage = Stage::Waits(Task::Asks, None);
                }
            }
        }
    }

    /// Gives a reader a value, which must be one that the server had shortly before `moment`.
    fn give(&mut self, reader: &Reader, value: usize, moment: u64) {
        let oldest = moment.saturating_sub(self.left.bound.max(self.left.grace));
        let wrong = if self.server.replaced.get(value).is_some_and(|&at| at < oldest) {
            Some(Wrong::TooOld)
        } else if value < reader.written {
            Some(Wrong::BeforeOwnWrite)
        } else if value < reader.told {
            Some(Wrong::GoesBack)
        } else {
            None
        };
        self.wrong = self.wrong.or(wrong);
        self.told = self.told.max(value);
    }
}
