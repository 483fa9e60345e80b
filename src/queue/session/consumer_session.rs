//! One consumer's ledger, and its round trips: written once, for consumers on every kind of client
//! and for the maintenance thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use super::ledger::{Fate, Ledger, LedgerRequest, RequestBlocked};
use super::pending_poll::{PendingPoll, outcome};
use super::wire::{DIVERGED, FENCED, PAUSED, poll_command};
use crate::client::RoundTrips;
use crate::error::{Attempt, Error, Result};
use crate::lock::Lock;
use crate::logs;
use crate::queue::keys::{ConsumerId, ConsumerIds, Keys};
use crate::queue::maintenance::MaintenanceHandle;
use crate::queue::scripts::POLL;
use crate::queue::settings::QueueSettings;
use crate::queue::shared_settings::SharedSettings;
use crate::request::Request;
use crate::time::Signal;

/// The session of one consumer with its queue. Shared by the consumer, its jobs and the maintenance
/// thread; it ends when the consumer has left.
pub(crate) struct ConsumerSession {
    pub(crate) keys: Arc<Keys>,
    pub(crate) settings: QueueSettings,
    maintenance: Arc<MaintenanceHandle>,
    ledger: Lock<Ledger>,
    /// Whether a call was dropped while it was resolving a doubt. Calls that are dropped before
    /// replies arrive would never finish that, so it is left to the maintenance thread.
    pub(super) left_to_maintenance: AtomicBool,
    /// When the consumer was closed.
    pub(super) closed: OnceLock<Instant>,
    /// Raised when the consumer has left.
    pub(crate) left: Signal,
}

/// The result of a poll.
#[derive(Debug, Default)]
pub(crate) struct Polled {
    /// Whether anything was claimed.
    pub(crate) claimed: bool,
    /// Whether the queue is paused, so that nothing could be claimed.
    pub(crate) paused: bool,
    /// Whether it has checked for delayed jobs that are due.
    pub(crate) checked_due: bool,
    /// When the next delayed job is due, if there is one.
    pub(crate) due: Option<Duration>,
}

impl ConsumerSession {
    pub(crate) fn new(
        keys: Arc<Keys>,
        settings: QueueSettings,
        maintenance: Arc<MaintenanceHandle>,
    ) -> Self {
        let (ledger, left) =
            (Lock::new(Ledger::new(ConsumerIds::new(), Instant::now())), Signal::default());
        let (left_to_maintenance, closed) = (AtomicBool::new(false), OnceLock::new());
        Self { keys, settings, maintenance, ledger, left_to_maintenance, closed, left }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock()
    }

    /// Hands out the next claimed job, unless the server must know first.
    pub(crate) fn take(&self, begins: bool) -> Option<(u64, Vec<u8>)> {
        let taken = self.ledger().take(begins, Instant::now());
        self.maintenance.wake();
        taken
    }

    /// Records that a handler begins with a job. The server is notified if the job runs for some
    /// time.
    pub(crate) fn has_begun(&self, number: u64) {
        self.ledger().jobs.begin(number);
        self.maintenance.wake();
    }

    /// The settings in force for the queue, as far as this program knows.
    pub(crate) fn shared_settings(&self) -> SharedSettings {
        self.maintenance.shared_settings()
    }

    /// Decides the fate of a running job. The server is notified with the next claim, or by the
    /// maintenance thread. Returns whether the job was still undecided and held.
    pub(crate) fn decide(&self, number: u64, fate: Fate) -> bool {
        let decided = self.ledger().jobs.decide(number, fate.bounded(), Instant::now());
        self.maintenance.wake();
        decided
    }

    /// Records that the server does not know a consumer any more.
    pub(crate) fn lost(&self, consumer: &ConsumerId) {
        let lost = self.ledger().lost(consumer);
        if let Some(jobs) = lost {
            logs::lease_lost(self.keys.queue(), consumer, jobs);
        }
    }

    /// Gives back all running jobs, each of which counts as a failed delivery.
    pub(crate) fn give_back(&self) {
        self.ledger().jobs.give_back(Instant::now());
        self.maintenance.wake();
    }

    /// Returns whether another consumer may have got a job meanwhile.
    pub(crate) fn may_have_lost(&self, number: u64) -> bool {
        let ledger = self.ledger();
        !ledger.jobs.contains(number)
            || ledger.silence(Instant::now()) >= self.shared_settings().lease / 2
    }

    /// Wakes the maintenance thread.
    pub(crate) fn wake(&self) {
        self.maintenance.wake();
    }

    /// Records that a call was dropped while it was resolving a doubt.
    pub(crate) fn leave_to_maintenance(&self) {
        self.left_to_maintenance.store(true, Ordering::Release);
        self.maintenance.wake_now();
    }

    /// Closes the consumer. Releases the jobs that were not handed out, and leaves the settling to
    /// the thread.
    pub(crate) fn close(&self) {
        let now = Instant::now();
        self.closed.get_or_init(|| now);
        self.ledger().close(now);
        self.maintenance.wake_now();
    }

    /// Once its consumer is closed and no job of it runs, blocks until the maintenance thread has
    /// settled and left, since the program, and the thread with it, may end next. Returns after one
    /// second at most; the thread continues.
    pub(crate) fn await_leaving(&self) {
        let has_done = {
            let jobs = &self.ledger().jobs;
            jobs.is_closing() && jobs.running() == 0
        };
        if has_done {
            self.maintenance.wake_now();
            self.left.block(LEAVE_TIMEOUT);
        }
    }

    /// Settles decided jobs, renews the lease, and claims up to `wanted` jobs.
    pub(crate) async fn claim<X: RoundTrips>(
        &self,
        executor: &X,
        wanted: usize,
        checks_due: bool,
    ) -> Result<Polled> {
        loop {
            let Some(poll) = self.begin(executor, Ledger::claim).await? else {
                return Ok(Polled::default());
            };
            let delays = |fate: &Fate| matches!(fate, Fate::Retry(time, _) if !time.is_zero());
            let mut fates = poll.settlement.iter().flat_map(|settlement| &settlement.fates);
            let checks_due = checks_due || fates.any(|(_, _, fate)| delays(fate));
            match self.poll(executor, poll, wanted, checks_due).await {
                // The consumer continues under another id.
                Err(Error::LeaseLost { .. }) => {}
                polled => return polled,
            }
        }
    }

    /// Notifies the server, if it must know, that the next `most` jobs are about to begin.
    pub(crate) async fn record<X: RoundTrips>(&self, executor: &X, most: usize) -> Result<()> {
        while let Some(poll) = self.begin(executor, |ledger| ledger.record(most)).await? {
            match self.poll(executor, poll, 0, false).await {
                // The consumer continues under another id.
                Ok(_) | Err(Error::LeaseLost { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Settles now, after the consumer's other requests in flight.
    pub(crate) async fn settle<X: RoundTrips>(&self, executor: &X) -> Result<()> {
        match self.begin(executor, Ledger::settle_now).await? {
            Some(poll) => self.poll(executor, poll, 0, false).await.map(drop),
            None => Ok(()),
        }
    }

    /// Begins a request of the ledger once no other is in its way; `None` if there is nothing to
    /// do.
    pub(crate) async fn begin<X: RoundTrips>(
        &self,
        executor: &X,
        begin: impl Fn(&mut Ledger) -> std::result::Result<LedgerRequest, RequestBlocked>,
    ) -> Result<Option<LedgerRequest>> {
        loop {
            let begun = {
                let mut ledger = self.ledger();
                ledger.give_up(Instant::now());
                begin(&mut ledger)
            };
            match begun {
                Ok(request) => return Ok(Some(request)),
                Err(RequestBlocked::Nothing) => return Ok(None),
                Err(RequestBlocked::Doubt)
                    if !self.left_to_maintenance.load(Ordering::Acquire)
                        && self.resolve_doubt(executor).await? => {}
                Err(RequestBlocked::Busy | RequestBlocked::Doubt) => {
                    executor.pause(BUSY_RETRY_INTERVAL).await
                }
            }
        }
    }

    /// Sends a poll and records its outcome.
    pub(super) async fn poll<X: RoundTrips>(
        &self,
        executor: &X,
        poll: LedgerRequest,
        wanted: usize,
        checks_due: bool,
    ) -> Result<Polled> {
        let command = poll_command(&self.keys, self.shared_settings(), &poll, wanted, checks_due);
        let attempt = command.request.attempt();
        let pending = PendingPoll::new(&self.ledger, poll);
        match executor.send(command).await {
            Ok((status @ (FENCED | DIVERGED), ..)) => {
                let consumer = pending.refused(status == DIVERGED);
                if let Some((consumer, jobs)) = consumer {
                    logs::lease_lost(self.keys.queue(), &consumer, jobs);
                }
                Err(Error::LeaseLost { attempt: Box::new(attempt) })
            }
            Ok((status, due, items)) => {
                let due = u64::try_from(due).ok().map(Duration::from_millis);
                let claimed = !items.is_empty();
                pending.complete(items);
                Ok(Polled { claimed, paused: status == PAUSED, checked_due: checks_due, due })
            }
            Err(error) => {
                pending.end(outcome(&error));
                Err(error)
            }
        }
    }

    /// The attempt that an error of a poll reports.
    pub(crate) fn attempt(&self) -> Attempt {
        Request::script(&POLL, 1).key(self.keys.queue()).attempt()
    }
}

/// The interval between attempts to begin a request that another one blocks.
const BUSY_RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// The maximum time that the drop of a consumer's last owner takes.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
