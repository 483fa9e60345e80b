//! The end of an execution, in which nothing fails any more.

use super::super::program::ConsumingProgram;
use super::super::raw_item::name;
use super::QueueWorld;
use crate::queue::session::Fate;

impl QueueWorld {
    /// Returns whether every job ends. Requests in flight arrive first, so it is enough to begin
    /// where nothing is awaited.
    pub(crate) fn ends(&self) -> bool {
        if self.in_flight.iter().any(|sent| sent.by.is_some()) {
            return true;
        }
        let mut world = self.clone();
        world.in_flight.clear();
        for _ in 0..ROUNDS {
            (0..2).for_each(|by| world.go_on(by));
            (0..2).for_each(|by| world.reap_retired(by));
            world.reap(None);
            world.reap_all();
        }
        world.is_over()
    }

    /// Does the pending work of a program, in the order of the files in `session`.
    fn go_on(&mut self, by: usize) {
        for begin in [
            ConsumingProgram::recover,
            ConsumingProgram::go_on,
            ConsumingProgram::record,
            ConsumingProgram::leave,
        ] {
            let Some(program) = &mut self.programs[by] else { return };
            if let Some(request) = begin(program) {
                self.converse(by, request);
            }
        }
        while self.programs[by].as_mut().is_some_and(ConsumingProgram::take) {}
        let handlers = self.programs[by].iter().flat_map(|program| program.handlers.keys());
        for number in handlers.copied().collect::<Vec<_>>() {
            self.decide(by, number, Fate::Done);
        }
    }

    /// Reaps every consumer that sends no heartbeat any more.
    fn reap_all(&mut self) {
        let programs = &self.programs;
        for (id, registration) in &mut self.server.consumers {
            registration.is_over = !programs.iter().flatten().any(|program| program.keeps(id));
        }
        let ids = self.server.consumers.keys().chain(&self.server.gone);
        let lost = ids.filter(|id| self.server.seems_lost(id)).cloned();
        for id in lost.collect::<Vec<_>>() {
            (0..ROUNDS).for_each(|_| self.server.reap(&id, None));
        }
    }

    /// Returns whether every job is done or dead, and nothing else is left on the server.
    fn is_over(&self) -> bool {
        let server = &self.server;
        let dead = |job| server.dead.iter().any(|item| name(item) == job);
        let mut names = self.names();
        server.queue.is_empty()
            && server.delayed.is_empty()
            && server.lists.is_empty()
            && names.all(|name| self.handled.contains(&name) || dead(name))
    }
}

/// The number of rounds in which all remaining work is done, which is enough.
const ROUNDS: usize = 5;
