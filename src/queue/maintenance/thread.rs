//! The thread that keeps leases, tells the server what nobody else tells it, and looks for consumers
//! that were lost. It blocks on connections of its own, so that neither a handler that takes long nor a
//! runtime that is blocked loses a lease.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::handle::Upkeep;
use super::reaper::Sweeper;
use crate::client::{Client, Executor};
use crate::error::Result;
use crate::queue::keys::Keys;
use crate::queue::scripts::BEAT;
use crate::queue::session::Hold;
use crate::queue::settings::{QueueSettings, spread};
use crate::reply;
use crate::reply::Reply;
use crate::request::Request;
use crate::time::finish;

/// Keeps the consumers of one queue in this program. Its thread lives as long as there are any.
pub(crate) struct Keeper {
    keys: Arc<Keys>,
    settings: QueueSettings,
    upkeep: Arc<Upkeep>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    holds: Vec<Arc<Hold>>,
    works: bool,
}

impl Keeper {
    pub(crate) fn new(keys: Arc<Keys>, settings: QueueSettings) -> Self {
        let upkeep = Arc::new(Upkeep::new(settings.terms()));
        Self { keys, settings, upkeep, state: Mutex::default() }
    }

    /// Keeps one more consumer, until it has left.
    pub(crate) fn keep(
        self: &Arc<Self>,
        hold: Arc<Hold>,
        client: impl FnOnce() -> Client,
    ) -> io::Result<()> {
        let mut state = self.state();
        if !state.works {
            let (keeper, client) = (self.clone(), client());
            let thread = thread::Builder::new().name("redis-queue".into());
            thread.spawn(move || keeper.work(&client))?;
            state.works = true;
        }
        state.holds.push(hold);
        drop(state);
        self.upkeep.wake();
        Ok(())
    }

    /// What its consumers share with it.
    pub(crate) fn upkeep(&self) -> &Arc<Upkeep> {
        &self.upkeep
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, client: &Client) {
        let third = self.upkeep.terms().lease / 3;
        let mut sweeper = Sweeper::new(self.keys.clone(), self.settings.clone());
        let (mut beat, mut sweep) = (Instant::now() + third, Instant::now());
        // The first sweep stores settings, though the consumer that began with them has left by now.
        let mut has_swept = false;
        loop {
            let third = self.upkeep.terms().lease / 3;
            self.upkeep.rest(true);
            let holds = {
                let mut state = self.state();
                state.holds.retain(|hold| !hold.left.is_closed());
                state.works = !(has_swept && state.holds.is_empty());
                if !state.works {
                    return;
                }
                state.holds.clone()
            };
            let now = Instant::now();
            if now >= beat {
                let beaten = self.beat(client, &holds);
                beat = now + if beaten.is_ok() { third } else { third.min(AFTER_A_FAILURE) };
            }
            let tended = holds.iter().map(|hold| finish(hold.tend(client)));
            let failed = tended.filter(Result::is_err).count() > 0;
            let now = Instant::now();
            if now >= sweep {
                has_swept = true;
                let orphaned: Vec<_> =
                    holds.iter().flat_map(|hold| hold.ledger().orphaned()).collect();
                // What could not be swept now will be the next time, perhaps by somebody else.
                let has_more = sweeper.sweep(client, &orphaned).unwrap_or(false);
                let terms = sweeper.terms();
                self.upkeep.set_terms(terms);
                // A lease that was shortened meanwhile.
                beat = beat.min(now + terms.lease / 3);
                sweep = now + if has_more { Duration::ZERO } else { third.mul_f64(spread(0.2)) };
            }
            if holds.is_empty() {
                continue;
            }
            let left = beat.min(sweep).saturating_duration_since(Instant::now());
            match holds.iter().any(|hold| hold.is_restless()) {
                true => {
                    self.upkeep.rest(false);
                    self.upkeep.block(if failed { AFTER_A_FAILURE } else { TICK }.min(left))
                }
                false => self.upkeep.block(left),
            };
        }
    }

    /// Renews the leases.
    fn beat(&self, client: &Client, holds: &[Arc<Hold>]) -> Result<()> {
        let sent = Instant::now();
        let pulses: Vec<_> =
            holds.iter().filter_map(|hold| Some((hold, hold.ledger().pulse(sent)?))).collect();
        if pulses.is_empty() {
            return Ok(());
        }
        let request = Request::script(&BEAT, 2).key(&self.keys.consumers).key(&self.keys.held);
        let request = pulses.iter().fold(request, |request, (_, (consumer, longest))| {
            let time = |time: Option<Duration>| {
                time.and_then(|time| i64::try_from(time.as_millis()).ok()).unwrap_or(-1)
            };
            let request = request.arg(consumer.as_bytes());
            longest.iter().fold(request, |request, longest| request.number(time(*longest)))
        });
        let alive = |reply: Reply<'_>| {
            let consumers = reply.request.others().count() / PULSE_ARGUMENTS;
            reply::flags_of(reply, consumers)
        };
        let alive = client.run(request.returns(alive))?;
        for ((hold, (consumer, ..)), alive) in pulses.into_iter().zip(alive) {
            match alive {
                true => hold.ledger().heard(&consumer, sent),
                false => hold.ledger().lost(&consumer),
            }
        }
        Ok(())
    }
}

/// How many arguments `beat.lua` takes for each consumer.
const PULSE_ARGUMENTS: usize = 3;
const TICK: Duration = Duration::from_millis(50);
const AFTER_A_FAILURE: Duration = Duration::from_millis(250);
