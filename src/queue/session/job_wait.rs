//! The wait of a consumer for a job in an empty queue, which its caller may drop at any time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::Value;

use super::consumer_session::ConsumerSession;
use super::ledger::{Ledger, LedgerRequest, RequestOutcome};
use super::pending_poll::outcome;
use crate::client::RoundTrips;
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::reply;
use crate::request::Request;
use crate::time::Wait;

impl ConsumerSession {
    /// Waits for a job and claims it. If the call is dropped, the ledger records the job as soon as
    /// the wait has ended on the server.
    pub(crate) async fn wait<X: RoundTrips>(
        self: &Arc<Self>,
        executor: &X,
        time: Duration,
    ) -> Result<bool> {
        let Some(wait) = self.begin(executor, Ledger::wait).await? else { return Ok(false) };
        let claimed = self.keys.claimed(&wait.consumer);
        let sent = Arc::new(SentWait {
            session: self.clone(),
            at: Instant::now(),
            state: Lock::new(WaitState { wait: Some(wait), is_dropped: false, is_silent: false }),
        });
        let (caller, reporter) = (WaitCaller(sent.clone()), WaitReporter(sent));
        let request = Request::write("BLMOVE").key(self.keys.queue()).key(&claimed);
        let request = request.arg("LEFT").arg("RIGHT").waits(Wait::For(time)).once();
        let request = request.on_dropped(move |reply| reporter.report(reply));
        match executor.send(request.returns(reply::raw)).await {
            Ok(item) => Ok(caller.end(RequestOutcome::Applied, item)),
            Err(error) => {
                // A command that the server refused had no effect.
                let refused = matches!(error, Error::Server { .. } | Error::Unsupported { .. });
                caller.end(if refused { RequestOutcome::NotSent } else { outcome(&error) }, None);
                Err(error)
            }
        }
    }
}

/// A wait that was sent. Its caller ends it; if the caller drops it, the reporter of its outcome
/// does.
struct SentWait {
    session: Arc<ConsumerSession>,
    at: Instant,
    state: Lock<WaitState>,
}

/// The progress of a wait that was sent.
struct WaitState {
    /// The wait, until it has ended.
    wait: Option<LedgerRequest>,
    /// Whether its caller has dropped it.
    is_dropped: bool,
    /// Whether no report will come.
    is_silent: bool,
}

impl SentWait {
    /// Ends a wait, and returns whether it brought a job.
    fn end(&self, state: &mut WaitState, outcome: RequestOutcome, item: Option<Vec<u8>>) -> bool {
        let Some(wait) = state.wait.take() else { return false };
        let mut ledger = self.session.ledger();
        let counts = if state.is_dropped {
            ledger.reported(&wait, outcome, self.at)
        } else {
            ledger.finish(&wait, outcome, self.at)
        };
        let items: Vec<_> = item.into_iter().filter(|_| counts).collect();
        let brings = !items.is_empty();
        ledger.jobs.append(items, self.at);
        brings
    }
}

/// The call that waits. If it is dropped, the reporter ends the wait.
struct WaitCaller(Arc<SentWait>);

impl WaitCaller {
    fn end(self, outcome: RequestOutcome, item: Option<Vec<u8>>) -> bool {
        self.0.end(&mut self.0.state.lock(), outcome, item)
    }
}

impl Drop for WaitCaller {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if let Some(wait) = &state.wait {
            if state.is_silent {
                self.0.end(&mut state, RequestOutcome::Unknown, None);
            } else {
                self.0.session.ledger().wait_dropped(wait.clone(), Instant::now());
                state.is_dropped = true;
                drop(state);
                self.0.session.wake();
            }
        }
    }
}

/// Receives the outcome if the call was dropped. Its own drop means that no report will come.
struct WaitReporter(Arc<SentWait>);

impl WaitReporter {
    /// Records the outcome that a dropped wait reports.
    fn report(&self, reply: Option<Value>) {
        let (outcome, item) = match reply {
            Some(Value::Nil) => (RequestOutcome::Applied, None),
            Some(Value::BulkString(item)) => (RequestOutcome::Applied, Some(item)),
            Some(Value::ServerError(_)) => (RequestOutcome::NotSent, None),
            _ => (RequestOutcome::Unknown, None),
        };
        self.0.end(&mut self.0.state.lock(), outcome, item);
    }
}

impl Drop for WaitReporter {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if state.is_dropped {
            self.0.end(&mut state, RequestOutcome::Unknown, None);
        }
        state.is_silent = true;
    }
}
