//! One consumer's ledger, and its round trips: written once, for consumers on every kind of client
//! and for the maintenance thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use super::ledger::{Fate, Leave, Ledger, PollBlocked, PollRequest, Recovery, RequestOutcome};
use super::pending_poll::{PendingPoll, outcome};
use super::wire::{DIVERGED, FENCED, PAUSED, poll_command, recover_command};
use crate::client::RoundTrips;
use crate::error::{Attempt, Error, Result};
use crate::lock::Lock;
use crate::queue::keys::{ConsumerIds, Keys};
use crate::queue::maintenance::MaintenanceHandle;
use crate::queue::scripts::{LEAVE, POLL};
use crate::queue::settings::QueueSettings;
use crate::queue::shared_settings::SharedSettings;
use crate::reply;
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
    left_to_maintenance: AtomicBool,
    closed: OnceLock<Instant>,
    /// Raised when the consumer has left.
    pub(crate) left: Signal,
}

/// The result of a poll.
#[derive(Debug, Default)]
pub(crate) struct Polled {
    /// Whether anything was claimed.
    pub(crate) claimed: bool,
    pub(crate) paused: bool,
    /// Whether it checked for delayed jobs.
    pub(crate) looked: bool,
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

    /// Hands out the next claimed job.
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
    pub(crate) fn terms(&self) -> SharedSettings {
        self.maintenance.terms()
    }

    /// Decides the fate of a running job. The server is notified with the next claim, or by the
    /// maintenance thread.
    pub(crate) fn decide(&self, number: u64, fate: Fate) -> bool {
        let decided = self.ledger().jobs.decide(number, fate.bounded(), Instant::now());
        self.maintenance.wake();
        decided
    }

    /// Gives back all running jobs.
    pub(crate) fn give_back(&self) {
        self.ledger().jobs.give_back(Instant::now());
        self.maintenance.wake();
    }

    /// Returns whether another consumer may have got a job meanwhile.
    pub(crate) fn has_lost(&self, number: u64) -> bool {
        let ledger = self.ledger();
        !ledger.jobs.contains(number) || ledger.silence(Instant::now()) >= self.terms().lease / 2
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

    /// Closes the consumer: jobs that were not handed out go back, and the thread settles the rest.
    pub(crate) fn close(&self) {
        let now = Instant::now();
        self.closed.get_or_init(|| now);
        self.ledger().close(now);
        self.maintenance.wake_now();
    }

    /// Once its consumer is closed and no job of it runs, blocks until the maintenance thread has
    /// settled and left, for the program may end next, and the thread with it. After a second that
    /// continues in the background.
    pub(crate) fn await_leaving(&self) {
        let has_done = {
            let jobs = &self.ledger().jobs;
            jobs.is_closing() && jobs.running() == 0
        };
        if has_done {
            self.maintenance.wake_now();
            self.left.block(FOR_LEAVING);
        }
    }

    /// Settles decided jobs, renews the lease, and claims up to `wanted` jobs.
    pub(crate) async fn claim<X: RoundTrips>(
        &self,
        executor: &X,
        wanted: usize,
        looks: bool,
    ) -> Result<Polled> {
        loop {
            let Some(poll) = self.begin(executor, Ledger::claim).await? else {
                return Ok(Polled::default());
            };
            let delays = |fate: &Fate| matches!(fate, Fate::Retry(time, _) if !time.is_zero());
            let mut fates = poll.settlement.iter().flat_map(|settlement| &settlement.fates);
            let looks = looks || fates.any(|(_, _, fate)| delays(fate));
            match self.poll(executor, poll, wanted, looks).await {
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

    /// Like `settle`, but does not wait for a request in flight, whose sender may never read its
    /// reply. Returns whether there was none.
    async fn settle_at_once<X: RoundTrips>(&self, executor: &X) -> Result<bool> {
        self.resolve_doubt(executor).await?;
        let begun = self.ledger().settle_now();
        match begun {
            Ok(poll) => match self.poll(executor, poll, 0, false).await {
                Err(error) if !matches!(error, Error::LeaseLost { .. }) => Err(error),
                _ => Ok(true),
            },
            Err(obstacle) => Ok(obstacle == PollBlocked::Nothing),
        }
    }

    /// Begins a poll once no request is in its way; none if there is nothing to do.
    pub(crate) async fn begin<X: RoundTrips>(
        &self,
        executor: &X,
        begin: impl Fn(&mut Ledger) -> std::result::Result<PollRequest, PollBlocked>,
    ) -> Result<Option<PollRequest>> {
        loop {
            let begun = {
                let mut ledger = self.ledger();
                ledger.give_up(Instant::now());
                begin(&mut ledger)
            };
            match begun {
                Ok(poll) => return Ok(Some(poll)),
                Err(PollBlocked::Nothing) => return Ok(None),
                Err(PollBlocked::Doubt)
                    if !self.left_to_maintenance.load(Ordering::Acquire)
                        && self.resolve_doubt(executor).await? => {}
                Err(PollBlocked::Busy | PollBlocked::Doubt) => executor.pause(WHILE_BUSY).await,
            }
        }
    }

    /// Sends a poll and records its outcome.
    async fn poll<X: RoundTrips>(
        &self,
        executor: &X,
        poll: PollRequest,
        wanted: usize,
        looks: bool,
    ) -> Result<Polled> {
        let command = poll_command(&self.keys, self.terms(), &poll, wanted, looks);
        let attempt = command.request.attempt();
        let pending = PendingPoll::new(&self.ledger, poll);
        match executor.send(command).await {
            Ok((status @ (FENCED | DIVERGED), ..)) => {
                pending.refused(status == DIVERGED);
                Err(Error::LeaseLost { attempt: Box::new(attempt) })
            }
            Ok((status, due, items)) => {
                let due = u64::try_from(due).ok().map(Duration::from_millis);
                let claimed = !items.is_empty();
                pending.complete(items);
                Ok(Polled { claimed, paused: status == PAUSED, looked: looks, due })
            }
            Err(error) => {
                pending.end(outcome(&error));
                Err(error)
            }
        }
    }

    /// Resolves a doubt: a new id takes over the server's list of the old one. Returns whether no
    /// request is in its way.
    async fn resolve_doubt<X: RoundTrips>(&self, executor: &X) -> Result<bool> {
        let recovery = self.ledger().recover();
        match recovery {
            Ok(recovery) => self.recover(executor, recovery).await.map(|()| true),
            Err(obstacle) => Ok(obstacle != PollBlocked::Busy),
        }
    }

    /// Takes over the lists of former ids, and records the outcome.
    async fn recover<X: RoundTrips>(&self, executor: &X, recovery: Recovery) -> Result<()> {
        let command = recover_command(&self.keys, &recovery);
        let mut pending = PendingRecovery { session: self, recovery: Some(recovery) };
        let sent = Instant::now();
        let result = executor.send(command).await;
        let Some(recovery) = pending.recovery.take() else { return Ok(()) };
        match result {
            Ok((sequence, items)) => {
                self.left_to_maintenance.store(false, Ordering::Release);
                self.ledger().recovered(recovery, sequence, items, sent);
                Ok(())
            }
            Err(error) => {
                self.ledger().not_recovered(recovery, outcome(&error));
                Err(error)
            }
        }
    }

    /// Settles and leaves, as far as that is possible by now. Returns whether the consumer has
    /// left.
    pub(crate) async fn leave<X: RoundTrips>(&self, executor: &X) -> Result<bool> {
        loop {
            let leave = self.ledger().leave();
            match leave {
                Leave::NotYet => return Ok(false),
                Leave::AfterSettling if self.settle_at_once(executor).await? => {}
                Leave::AfterSettling => return Ok(false),
                Leave::Nothing => break,
                Leave::Now(consumer) => {
                    let claimed = self.keys.claimed(&consumer);
                    let request = Request::script(&LEAVE, 3).key(&self.keys.consumers);
                    let request = request.key(&self.keys.held).key(&claimed);
                    let request = request.arg(consumer.as_bytes());
                    executor.send(request.returns(reply::flag)).await?;
                    self.ledger().left(&consumer);
                }
            }
        }
        self.left.close();
        Ok(true)
    }

    /// Does the periodic work of the maintenance thread. It never waits for anything but the
    /// server. Requests of a closed consumer that the server refuses are retried for a lease. Then
    /// its lease ends too, which brings its jobs back.
    pub(crate) async fn maintain<X: RoundTrips>(&self, executor: &X) -> Result<()> {
        let maintained = self.try_to_maintain(executor).await;
        let is_refused = maintained.as_ref().is_err_and(|error| !error.is_transient());
        let is_late =
            self.closed.get().is_some_and(|closed| closed.elapsed() >= self.terms().lease);
        if is_refused && is_late && self.ledger().jobs.running() == 0 {
            self.left.close();
        }
        maintained
    }

    /// Resolves doubts, settles what is due, and leaves if the consumer is closed.
    async fn try_to_maintain<X: RoundTrips>(&self, executor: &X) -> Result<()> {
        self.ledger().give_up(Instant::now());
        self.resolve_doubt(executor).await?;
        let waits = self.ledger().jobs.settleable_for(Instant::now());
        if waits.is_some_and(|time| time >= BEFORE_SETTLING) {
            self.settle_at_once(executor).await?;
        }
        self.leave(executor).await.map(drop)
    }

    /// Returns whether the maintenance thread must check again soon.
    pub(crate) fn is_busy(&self) -> bool {
        let ledger = self.ledger();
        let settles = ledger.jobs.settleable_for(Instant::now()).is_some();
        ledger.is_in_doubt() || ledger.is_abandoned() || settles || ledger.jobs.is_closing()
    }

    /// The attempt that an error of a poll reports.
    pub(crate) fn attempt(&self) -> Attempt {
        Request::script(&POLL, 1).key(self.keys.queue()).attempt()
    }
}

/// A recovery in flight.
struct PendingRecovery<'a> {
    session: &'a ConsumerSession,
    recovery: Option<Recovery>,
}

impl Drop for PendingRecovery<'_> {
    fn drop(&mut self) {
        if let Some(recovery) = self.recovery.take() {
            self.session.ledger().not_recovered(recovery, RequestOutcome::Unknown);
            self.session.leave_to_maintenance();
        }
    }
}

const WHILE_BUSY: Duration = Duration::from_millis(1);

/// How long to wait for a claim that can carry the settlements.
const BEFORE_SETTLING: Duration = Duration::from_millis(40);

/// How long the drop of a consumer's last owner takes at most.
const FOR_LEAVING: Duration = Duration::from_secs(1);
