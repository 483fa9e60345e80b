//! The thread that renews leases, sends settlements that no call has sent, and reaps lost
//! consumers. It blocks on connections of its own, so that neither a slow handler nor a blocked
//! runtime loses a lease.

use std::io;
use std::sync::{Arc, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::handle::MaintenanceHandle;
use super::reaper::Reaper;
use crate::client::{Client, Executor};
use crate::error::Result;
use crate::lock::Lock;
use crate::queue::keys::Keys;
use crate::queue::scripts::RENEW_LEASES;
use crate::queue::session::ConsumerSession;
use crate::queue::settings::{QueueSettings, spread};
use crate::reply;
use crate::reply::Reply;
use crate::request::Request;
use crate::time::finish;

/// Maintains the consumers of one `WorkQueue` value and its clones. Its thread lives as long as
/// there are any.
pub(crate) struct MaintenanceThread {
    keys: Arc<Keys>,
    settings: QueueSettings,
    handle: Arc<MaintenanceHandle>,
    state: Lock<MaintenanceState>,
}

/// The consumers in this program, and whether the thread runs.
#[derive(Default)]
struct MaintenanceState {
    sessions: Vec<Arc<ConsumerSession>>,
    works: bool,
}

impl MaintenanceThread {
    pub(crate) fn new(keys: Arc<Keys>, settings: QueueSettings) -> Self {
        let handle = Arc::new(MaintenanceHandle::new(settings.shared()));
        Self { keys, settings, handle, state: Lock::default() }
    }

    /// Maintains one more consumer, until it has left.
    pub(crate) fn keep(
        self: &Arc<Self>,
        session: Arc<ConsumerSession>,
        client: impl FnOnce() -> Client,
    ) -> io::Result<()> {
        let mut state = self.state();
        if !state.works {
            let (this, client) = (self.clone(), client());
            let thread = thread::Builder::new().name("redis-queue".into());
            thread.spawn(move || this.work(&client))?;
            state.works = true;
        }
        state.sessions.push(session);
        drop(state);
        self.handle.wake();
        Ok(())
    }

    /// The handle that it shares with its consumers.
    pub(crate) fn handle(&self) -> &Arc<MaintenanceHandle> {
        &self.handle
    }

    fn state(&self) -> MutexGuard<'_, MaintenanceState> {
        self.state.lock()
    }

    /// Renews leases, settles and reaps until there are no consumers and the first reaping is done.
    fn work(&self, client: &Client) {
        let third = self.handle.shared_settings().lease / 3;
        let mut reaper = Reaper::new(self.keys.clone(), self.settings.clone());
        let (mut renewal, mut reaping) = (Instant::now() + third, Instant::now());
        // The first reaping stores settings, even if the consumer that began with them has left by
        // now.
        let mut has_reaped = false;
        loop {
            let third = self.handle.shared_settings().lease / 3;
            self.handle.rest(true);
            let sessions = {
                let mut state = self.state();
                state.sessions.retain(|session| !session.left.is_closed());
                state.works = !(has_reaped && state.sessions.is_empty());
                if !state.works {
                    return;
                }
                state.sessions.clone()
            };
            let now = Instant::now();
            if now >= renewal {
                let renewed = self.renew_leases(client, &sessions);
                renewal =
                    now + if renewed.is_ok() { third } else { third.min(FAILURE_RETRY_INTERVAL) };
            }
            let maintained = sessions.iter().map(|session| finish(session.maintain(client)));
            let failed = maintained.filter(Result::is_err).count() > 0;
            let now = Instant::now();
            if now >= reaping {
                has_reaped = true;
                let retired: Vec<_> =
                    sessions.iter().flat_map(|session| session.ledger().take_retired()).collect();
                // Retired ids that could not be reaped now are reaped next time, perhaps by another
                // program.
                let has_more = reaper.reap(client, &retired).unwrap_or(false);
                let shared_settings = reaper.shared_settings();
                self.handle.set_shared_settings(shared_settings);
                // The lease may have been shortened meanwhile.
                renewal = renewal.min(now + shared_settings.lease / 3);
                reaping = now + if has_more { Duration::ZERO } else { third.mul_f64(spread(0.2)) };
            }
            if sessions.is_empty() {
                continue;
            }
            let left = renewal.min(reaping).saturating_duration_since(Instant::now());
            if sessions.iter().any(|session| session.is_busy()) {
                self.handle.rest(false);
                self.handle.block(if failed { FAILURE_RETRY_INTERVAL } else { TICK }.min(left));
            } else {
                self.handle.block(left);
            }
        }
    }

    /// Renews the leases.
    fn renew_leases(&self, client: &Client, sessions: &[Arc<ConsumerSession>]) -> Result<()> {
        let sent = Instant::now();
        let heartbeats: Vec<_> = sessions
            .iter()
            .filter_map(|session| Some((session, session.ledger().heartbeat(sent)?)))
            .collect();
        if heartbeats.is_empty() {
            return Ok(());
        }
        let request =
            Request::script(&RENEW_LEASES, 2).key(&self.keys.consumers).key(&self.keys.held);
        let request = heartbeats.iter().fold(request, |request, (_, (consumer, longest))| {
            let time = |time: Option<Duration>| {
                time.and_then(|time| i64::try_from(time.as_millis()).ok()).unwrap_or(-1)
            };
            let request = request.arg(consumer.as_bytes());
            longest.iter().fold(request, |request, longest| request.number(time(*longest)))
        });
        let alive = |reply: Reply<'_>| {
            let consumers = reply.request.others().count() / HEARTBEAT_ARGUMENTS;
            reply::flags_of(reply, consumers)
        };
        let alive = client.run(request.returns(alive))?;
        for ((session, (consumer, ..)), alive) in heartbeats.into_iter().zip(alive) {
            if alive {
                session.ledger().renewed(&consumer, sent);
            } else {
                session.lost(&consumer);
            }
        }
        Ok(())
    }
}

/// How many arguments `renew_leases.lua` takes for each consumer.
const HEARTBEAT_ARGUMENTS: usize = 3;
/// The interval of rounds while consumers have something to settle.
const TICK: Duration = Duration::from_millis(50);
/// The interval of attempts after a failed request.
const FAILURE_RETRY_INTERVAL: Duration = Duration::from_millis(250);
