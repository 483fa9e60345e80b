//! The work of the maintenance thread for one consumer.

use std::time::{Duration, Instant};

use super::consumer_session::ConsumerSession;
use super::ledger::{Leave, RequestBlocked};
use crate::client::RoundTrips;
use crate::error::{Error, Result};
use crate::queue::scripts::LEAVE;
use crate::reply;
use crate::request::Request;

impl ConsumerSession {
    /// Does the periodic work of the maintenance thread. It never waits for anything but the
    /// server. Requests of a closed consumer that the server refuses are retried for the length of
    /// a lease, and for as long as a job of it runs. Then the consumer is given up: its lease
    /// expires, and its jobs are redelivered.
    pub(crate) async fn maintain<X: RoundTrips>(&self, executor: &X) -> Result<()> {
        let maintained = self.try_to_maintain(executor).await;
        let is_refused = maintained.as_ref().is_err_and(|error| !error.is_transient());
        let is_late = self
            .closed
            .get()
            .is_some_and(|closed| closed.elapsed() >= self.shared_settings().lease);
        if is_refused && is_late && self.ledger().jobs.running() == 0 {
            self.left.close();
        }
        maintained
    }

    /// Resolves doubts, settles jobs that were decided a while ago, and leaves if the consumer is
    /// closed.
    async fn try_to_maintain<X: RoundTrips>(&self, executor: &X) -> Result<()> {
        self.ledger().give_up(Instant::now());
        self.resolve_doubt(executor).await?;
        let waits = self.ledger().jobs.settleable_for(Instant::now());
        if waits.is_some_and(|time| time >= SETTLE_DELAY) {
            self.settle_at_once(executor).await?;
        }
        self.leave(executor).await.map(drop)
    }

    /// Returns whether the maintenance thread must check again soon.
    pub(crate) fn is_busy(&self) -> bool {
        let ledger = self.ledger();
        let settles = ledger.jobs.settleable_for(Instant::now()).is_some();
        ledger.is_in_doubt() || ledger.has_dropped_wait() || settles || ledger.jobs.is_closing()
    }

    /// Settles all that is decided and leaves. Jobs that still run are left to the maintenance
    /// thread, which then unregisters the consumer.
    pub(crate) async fn finish<X: RoundTrips>(&self, executor: &X) -> Result<()> {
        while !self.leave(executor).await? {
            let still_runs = self.ledger().jobs.running() > 0;
            if still_runs && self.settle_at_once(executor).await? && !self.can_settle() {
                break;
            }
            executor.pause(SETTLE_RETRY_INTERVAL).await;
        }
        Ok(())
    }

    /// Returns whether an outcome could be settled now, or a start be recorded.
    fn can_settle(&self) -> bool {
        self.ledger().jobs.settleable_for(Instant::now()).is_some()
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
            Err(blocked) => Ok(blocked == RequestBlocked::Nothing),
        }
    }
}

/// How long settlements wait for a claim that can carry them.
const SETTLE_DELAY: Duration = Duration::from_millis(40);

/// The interval between attempts to settle while another request of the consumer is in flight.
const SETTLE_RETRY_INTERVAL: Duration = Duration::from_millis(1);
