//! The thread that keeps leases, tells the server what nobody else tells it, and looks for consumers
//! that were lost. It blocks on connections of its own, so that neither a handler that takes long nor a
//! runtime that is blocked loses a lease.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::hold::Hold;
use super::keys::{ConsumerId, Keys};
use super::scripts::{BEAT, EXPIRED, SWEEP};
use super::settings::{QueueSettings, spread};
use crate::error::Result;
use crate::executor::{Client, Executor, Signal, finish};
use crate::reply::{self, Reply};
use crate::request::Request;

/// Keeps the consumers of one queue in this program. Its thread lives as long as there are any.
pub(super) struct Keeper {
    keys: Arc<Keys>,
    settings: QueueSettings,
    state: Mutex<State>,
    signal: Signal,
    /// Whether it rests until it is woken, for there is nothing to tell.
    rests: AtomicBool,
}

#[derive(Default)]
struct State {
    holds: Vec<Arc<Hold>>,
    works: bool,
}

impl Keeper {
    pub(super) fn new(keys: Arc<Keys>, settings: QueueSettings) -> Self {
        let (state, signal) = (Mutex::default(), Signal::default());
        Self { keys, settings, state, signal, rests: AtomicBool::new(false) }
    }

    /// Keeps one more consumer, until it has left.
    pub(super) fn keep(
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
        self.wake();
        Ok(())
    }

    /// Says that there is something to tell.
    pub(super) fn wake(&self) {
        if self.rests.swap(false, Ordering::AcqRel) {
            self.signal.raise();
        }
    }

    /// Says that it must not wait until there is more to tell.
    pub(super) fn hurry(&self) {
        self.signal.raise();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, client: &Client) {
        let third = self.settings.lease / 3;
        let (mut beat, mut sweep) = (Instant::now() + third, Instant::now());
        loop {
            self.rests.store(true, Ordering::Release);
            let holds = {
                let mut state = self.state();
                state.holds.retain(|hold| !hold.left.is_closed());
                state.works = !state.holds.is_empty();
                state.holds.clone()
            };
            if holds.is_empty() {
                return;
            }
            let now = Instant::now();
            if now >= beat {
                let beaten = self.beat(client, &holds);
                beat = now + if beaten.is_ok() { third } else { third.min(AFTER_A_FAILURE) };
            }
            let tended = holds.iter().map(|hold| finish(hold.tend(client)));
            let failed = tended.filter(Result::is_err).count() > 0;
            let now = Instant::now();
            if now >= sweep {
                // What could not be swept now will be the next time, perhaps by somebody else.
                let has_more = self.sweep(client, &holds).unwrap_or(false);
                sweep = now + if has_more { Duration::ZERO } else { third.mul_f64(spread(0.2)) };
            }
            let left = beat.min(sweep).saturating_duration_since(Instant::now());
            match holds.iter().any(|hold| hold.is_restless()) {
                true => {
                    self.rests.store(false, Ordering::Release);
                    self.signal.block(if failed { AFTER_A_FAILURE } else { TICK }.min(left))
                }
                false => self.signal.block(left),
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
        let request = pulses.iter().fold(request, |request, (_, (consumer, runs, longest))| {
            let request = request.arg(consumer.as_bytes()).number(*runs);
            request.number(longest.as_millis())
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

    /// Takes back what lost consumers held, and what servers gave to those that were no more. Says whether
    /// any were forgotten, so that there may be more of them.
    fn sweep(&self, client: &Client, holds: &[Arc<Hold>]) -> Result<bool> {
        let keys = &self.keys;
        let request = Request::script(&EXPIRED, 2).key(&keys.consumers).key(&keys.gone);
        let request = request.number(self.settings.lease.as_millis());
        let [lost, over, mut gone] = client.run(request.returns(expired))?;
        gone.extend(holds.iter().flat_map(|hold| hold.ledger().orphaned()));
        let (given, empty) = self.examine(client, over)?;
        let (given_of_late, _) = self.examine(client, gone)?;
        for consumer in lost.iter().chain(&given).chain(&given_of_late) {
            while self.take_back(client, consumer)? {}
        }
        let forgets = !empty.is_empty();
        if forgets {
            let request = Request::write("ZREM").key(&keys.gone);
            let request = empty.iter().fold(request, |request, id| request.arg(id.as_bytes()));
            client.run(request.returns(reply::at_most_asked))?;
        }
        Ok(forgets)
    }

    /// Tells those that hold something from those that do not.
    fn examine(
        &self,
        client: &Client,
        consumers: Vec<ConsumerId>,
    ) -> Result<(Vec<ConsumerId>, Vec<ConsumerId>)> {
        let (mut given, mut empty) = (Vec::new(), Vec::new());
        if !consumers.is_empty() {
            let claimed = consumers.iter().map(|consumer| self.keys.claimed(consumer));
            let exists = |list: Vec<u8>| Request::read("EXISTS").key(&list).returns(reply::flag);
            let exist = client.pipeline(claimed.map(exists).collect::<Vec<_>>())?;
            for (consumer, exists) in consumers.into_iter().zip(exist) {
                if exists? { given.push(consumer) } else { empty.push(consumer) }
            }
        }
        Ok((given, empty))
    }

    /// Says whether there is more to take back.
    fn take_back(&self, client: &Client, consumer: &ConsumerId) -> Result<bool> {
        let keys = &self.keys;
        let request = Request::script(&SWEEP, 7).key(keys.queue()).key(&keys.claimed(consumer));
        let request = request.key(&keys.consumers).key(&keys.dead).key(&keys.gone);
        let request = request.key(&keys.held).key(&keys.counts).arg(consumer.as_bytes());
        let request = request.number(self.settings.lease.as_millis());
        let request = request.number(self.settings.max_deliveries);
        let request = request.number(self.settings.dead_capacity);
        client.run(request.returns(|reply| {
            let [has_more, taken] = reply::parts(reply)?;
            reply::count(taken).and(reply::flag(has_more))
        }))
    }
}

fn expired(reply: Reply<'_>) -> Result<[Vec<ConsumerId>; 3]> {
    let ids = |reply| -> Result<Vec<_>> {
        Ok(reply::raw_many(reply)?.iter().map(|id| ConsumerId::parse(id)).collect())
    };
    let [lost, over, gone] = reply::parts(reply)?;
    Ok([ids(lost)?, ids(over)?, ids(gone)?])
}

/// How many arguments `beat.lua` takes for each consumer.
const PULSE_ARGUMENTS: usize = 3;
const TICK: Duration = Duration::from_millis(50);
const AFTER_A_FAILURE: Duration = Duration::from_millis(250);

#[cfg(all(test, feature = "local-server"))]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::{LocalServer, WorkQueue};

    #[test]
    fn who_was_swept_in_part_does_not_go_on_with_the_rest() {
        const JOBS: u32 = 1500;
        let server = LocalServer::start().unwrap();
        let client = Client::open(server.url()).unwrap();
        let queue: WorkQueue<u32> = WorkQueue::new(&client, "many");
        queue.push_many(&(0..JOBS).collect::<Vec<_>>()).unwrap();
        let mut frozen = queue.consumer().batch(1000);
        let mut held = frozen.next_batch(Duration::ZERO).unwrap();
        held.extend(frozen.next_batch(Duration::ZERO).unwrap());
        assert_eq!(held.len(), JOBS as usize);

        let keeper = Keeper::new(queue.keys().clone(), QueueSettings::new());
        let consumers = &keeper.keys.consumers;
        let known = Request::read("ZRANGE").key(consumers).number(0).number(-1);
        let known = client.run(known.returns(reply::raw_many)).unwrap().swap_remove(0);
        let lost = Request::write("ZADD").key(consumers).number(1).arg(&known);
        client.run(lost.returns(reply::count)).unwrap();
        let id = ConsumerId::parse(&known);
        assert!(keeper.take_back(&client, &id).unwrap(), "a sweep takes no more than 1,000");

        let error = held.pop().unwrap().done_now().unwrap_err();
        assert!(matches!(error, Error::LeaseLost { .. }), "{error:?}");
        while keeper.take_back(&client, &id).unwrap() {}
        let waiting = queue.peek(2000).unwrap().into_iter().map(|job| job.value.unwrap());
        assert!(waiting.eq(0..JOBS), "all are back, in their order");
    }

    #[test]
    fn who_has_gone_is_forgotten_unless_something_came_for_it() {
        let server = LocalServer::start().unwrap();
        let client = Client::open(server.url()).unwrap();
        let queue: WorkQueue<u32> = WorkQueue::new(&client, "gone");
        let keeper = Keeper::new(queue.keys().clone(), QueueSettings::new());
        let gone = &keeper.keys.gone;
        let went = Request::write("ZADD").key(gone);
        let went = (0..2500).fold(went, |went, number| went.number(1).arg(number.to_string()));
        let went = ["late", "young"].iter().fold(went, |went, id| went.arg("+inf").arg(*id));
        client.run(went.returns(reply::count)).unwrap();
        for (id, job) in [("1300", "13"), ("late", "14")] {
            let list = keeper.keys.claimed(&ConsumerId::parse(id.as_bytes()));
            client.run(Request::write("RPUSH").key(&list).arg(job).returns(reply::count)).unwrap();
        }
        while keeper.sweep(&client, &[]).unwrap() {}
        let mut back: Vec<_> =
            queue.peek(9).unwrap().into_iter().map(|job| job.value.unwrap()).collect();
        back.sort_unstable();
        assert_eq!(back, [13, 14]);
        let known = Request::read("ZRANGE").key(gone).number(0).number(-1);
        let mut known = client.run(known.returns(reply::raw_many)).unwrap();
        known.sort_unstable();
        assert_eq!(known, [&b"1300"[..], b"late", b"young"], "who was given one may be again");
    }
}
