//! The end of a dispatcher: it accepts nothing new, refuses requests that have not begun, abandons
//! those that are not done in time, and releases its lease.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::core::{DispatcherCore, FAREWELL};
use super::inbox::WriteCommand;
use super::keyword_state::KeywordState;
use super::lifecycle::Phase;
use super::scripts::{ABANDON, CLOSE, RELEASE};
use crate::client::RoundTrips;
use crate::error::Result;
use crate::keyword::names::REGISTRY;
use crate::logs;
use crate::reply;
use crate::request::Request;
use crate::time::{Signal, finish};

impl<E: RoundTrips> DispatcherCore<E> {
    /// Announces to clients that no more requests are accepted, and waits for those sent before.
    pub(super) async fn close<X: RoundTrips>(&self, executor: &X) {
        if !matches!(self.life.phase(), Phase::Closing(_)) {
            return;
        }
        let close = Request::script(&CLOSE, 2).key(&self.names.closing());
        let close = self.leased(close).arg(self.names.requests(&self.id)).arg(FAREWELL);
        if let Ok(true) = executor.send(close.returns(reply::flag)).await {
            executor.wait(self.has_received_all.outcome(), LAST_REQUESTS_TIMEOUT).await;
        }
    }

    /// Refuses the requests that have not begun, as long as the server is reachable.
    pub(super) async fn refuse_all_at_shutdown<X: RoundTrips>(&self, executor: &X) {
        let _taking = self.life.taking();
        for state in self.keywords.values() {
            state.take_waiting().into_iter().for_each(|request| self.inbox.push(request));
        }
        while let Some(request) = self.inbox.pop() {
            let Err(error) = self.refuse_at_shutdown(executor, &request).await else { continue };
            logs::request_unanswered(&self.names, &error);
            if error.code().is_none() {
                while self.inbox.pop().is_some() {}
            }
        }
    }

    /// Abandons the requests that are still running, and releases the lease.
    pub(super) async fn abandon_and_release<X: RoundTrips>(&self, executor: &X) -> Result<()> {
        for state in self.keywords.values() {
            if let Some(request) = state.running()
                && let Err(error) = self.abandon(executor, state, &request).await
            {
                logs::request_unanswered(&state.name, &error);
            }
        }
        self.release_lease(executor).await
    }

    /// Sends a request that has begun the outcome that it was abandoned, unless it has one by now.
    pub(super) async fn abandon<X: RoundTrips>(
        &self,
        executor: &X,
        state: &Arc<KeywordState<E>>,
        request: &WriteCommand,
    ) -> Result<()> {
        let (outcome, time) = self.outcome_key(Some(request));
        let command = self.leased(self.status(&ABANDON, &state.name).key(&outcome));
        let command = command.arg(state.name.as_str()).arg(self.names.changes(&state.name));
        let command = command.arg(ABANDONED).number(time);
        executor.send(command.returns(reply::flag)).await.map(drop)
    }

    /// Drops the subscriptions of the dispatcher.
    pub(super) fn unsubscribe(&self) {
        drop(self.feed.lock().take());
    }

    /// Releases the lease, if this dispatcher still holds it.
    pub(super) async fn release_lease<X: RoundTrips>(&self, executor: &X) -> Result<()> {
        let names = &self.names;
        let release = Request::script(&RELEASE, 5).key(&names.lease()).key(REGISTRY.as_bytes());
        let release = release.key(&names.descriptions()).key(&names.times()).key(&names.closing());
        let release = release.arg(&self.id).arg(names.as_str()).arg(names.all_changes());
        let released = executor.send(release.returns(reply::applied)).await;
        released.map_err(|error| error.called("shutdown", names.base()))?;
        self.may_hold_lease.store(false, Ordering::Release);
        Ok(())
    }

    /// Succeeds if the worker released the lease when it ended, or else releases it now.
    pub(super) async fn ensure_released(&self) -> Result<()> {
        let failure = self.life.take_failure();
        match (self.may_hold_lease.load(Ordering::Acquire), failure) {
            (false, _) => Ok(()),
            (true, Some(error)) => Err(error),
            (true, None) => self.release_lease(&self.executor).await,
        }
    }

    /// Ends the dispatcher before it returns, as the program may end next, and its worker with it.
    /// Where the server cannot be reached in time, the lease expires.
    ///
    /// This runs on a thread with a connection of its own: the worker may be a task that waits for
    /// the thread that is blocked here.
    pub(super) fn shut_down_on_drop(self: &Arc<Self>, has_worker: bool, grace: Duration) {
        self.life.close(grace.min(DROP_HOOKS_TIMEOUT));
        if !self.may_hold_lease.load(Ordering::Acquire) {
            return self.unsubscribe();
        }
        let receives = has_worker && self.executor.background_goes_on();
        let (service, client) = (self.clone(), self.executor.to_blocking());
        let is_done = Arc::new(Signal::default());
        let done = is_done.clone();
        let shut_down = move || {
            if receives {
                finish(service.close(&client));
            }
            service.unsubscribe();
            service.life.end_leased_calls(grace.min(DROP_HOOKS_TIMEOUT), DROP_CALLS_TIMEOUT);
            finish(service.refuse_all_at_shutdown(&client));
            // The worker may be refusing requests too.
            service.life.wait_for_calls(DROP_CALLS_TIMEOUT);
            if let Err(error) = finish(service.abandon_and_release(&client)) {
                logs::lease_left(&service.names, &error);
            }
            done.close();
        };
        if thread::Builder::new().name("redis-parting".into()).spawn(shut_down).is_ok() {
            is_done.block(DROP_TIMEOUT);
        }
    }
}

const ABANDONED: &str = "its dispatcher ended before it was done";
/// How long the last requests are awaited: those that arrive later are lost, as on a connection that
/// is cut.
const LAST_REQUESTS_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a dropped dispatcher waits for running functions, at most.
const DROP_HOOKS_TIMEOUT: Duration = Duration::from_millis(250);
/// How long it then waits for calls in flight. A call that arrives later takes the lease once more,
/// and the worker releases it.
const DROP_CALLS_TIMEOUT: Duration = Duration::from_millis(250);
/// How long dropping a dispatcher takes at most.
const DROP_TIMEOUT: Duration = Duration::from_secs(2);
