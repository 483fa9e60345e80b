//! The background work of a dispatcher: requests, the lease and periodic reads.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::core::DispatcherCore;
use super::inbox::WriteCommand;
use super::keyword_state::{KeywordState, Turn};
use super::lifecycle::{Phase, UnderWay};
use super::scripts::RENEW;
use crate::client::RoundTrips;
use crate::error::Result;
use crate::keyword::names::{KeywordName, REGISTRY};
use crate::logs;
use crate::reply;
use crate::request::Request;

/// Serves until the dispatcher ends.
pub(super) async fn work<E: RoundTrips>(end: End<E>) {
    let service = &end.0;
    let mut readings: BinaryHeap<_> =
        periodic(service).map(|state| due(state, Instant::now())).collect();
    let mut renewed = Instant::now();
    let mut renewal = renewed + service.lease / 3;
    let mut is_closed = false;
    loop {
        if service.life.phase() != Phase::Serving {
            if !is_closed {
                is_closed = true;
                service.close(&service.executor).await;
                service.unsubscribe();
            }
            readings.clear();
            service.refuse_all_at_shutdown(&service.executor).await;
            if service.inbox.is_empty() && service.life.may_end() {
                break;
            }
        }
        let reading = readings.peek().map(|Reverse((at, _))| *at);
        let first =
            [reading, service.life.closes_at()].into_iter().flatten().fold(renewal, Ord::min);
        if service.inbox.is_empty() {
            let time = first.saturating_duration_since(Instant::now());
            service.executor.wait(service.life.signal.raised(), time).await;
        }
        if service.needs_restore.load(Ordering::Acquire) || Instant::now() >= renewal {
            let now = Instant::now();
            if now.duration_since(renewed) >= service.lease {
                // Another dispatcher may have come and gone.
                service.needs_restore.store(true, Ordering::Release);
            }
            let pause = match service.renew().await {
                Ok(()) => {
                    renewed = now;
                    service.lease / 3
                }
                Err(_) => (service.lease / 3).min(RETRY_PAUSE),
            };
            renewal = Instant::now() + pause;
        }
        while let Some(Reverse((at, name))) = readings.peek().cloned()
            && at <= Instant::now()
        {
            readings.pop();
            if let Some(state) = service.keywords.get(&name) {
                service.clone().read(state.clone());
                readings.push(next(state, at));
            }
        }
        while Instant::now() < renewal && !service.inbox.is_empty() {
            let _taking = service.life.taking();
            if service.life.phase() != Phase::Serving {
                break;
            }
            if let Some(request) = service.inbox.pop() {
                service.take(request).await;
            }
        }
    }
    service.end().await;
}

/// Marks the worker as ended when it is dropped, even after a panic.
pub(super) struct End<E: RoundTrips>(pub(super) Arc<DispatcherCore<E>>);

impl<E: RoundTrips> Drop for End<E> {
    fn drop(&mut self) {
        self.0.life.close(Duration::ZERO);
        self.0.life.may_end();
        self.0.unsubscribe();
        self.0.life.end.complete(());
    }
}

impl<E: RoundTrips> DispatcherCore<E> {
    /// Starts a client's request. Functions of the program run in the background.
    async fn take(self: &Arc<Self>, request: WriteCommand) {
        let Some(state) = self.keywords.get(&request.keyword) else {
            if let Err(error) = self.refuse_unknown(&request).await {
                logs::request_unanswered(&request.keyword, &error);
            }
            return;
        };
        match self.is_of_another(&request).await {
            Ok(false) => {}
            Ok(true) => return,
            Err(error) => {
                return logs::request_unanswered(&request.keyword, &error);
            }
        }
        if state.keyword.hooks.is_idle() {
            return self.serve(state, &request).await;
        }
        match state.line_up(request) {
            Turn::Now(request) => {
                let (service, state, now) = (self.clone(), state.clone(), Some(request));
                let pending = HookQueue { service, state, now, _hook: self.life.hook() };
                self.executor.background(pending.run());
            }
            Turn::Later => {}
            Turn::Never(request) => self.serve(state, &request).await,
        }
    }

    /// Determines a value in the background.
    fn read(self: Arc<Self>, state: Arc<KeywordState<E>>) {
        if state.is_read.load(Ordering::Acquire) {
            return;
        }
        let executor = self.executor.clone();
        executor.background(async move {
            match self.refresh(&state).await {
                Ok(true) => drop(state.is_unreadable.ends()),
                Ok(false) => {}
                Err(error) if state.is_unreadable.begins() => {
                    logs::value_undetermined(&state.name, &error);
                }
                Err(_) => {}
            }
        });
    }

    /// Renews the lease, and restores the values that the server has lost.
    async fn renew(&self) -> Result<()> {
        let written =
            self.keywords.values().filter(|state| state.written_since.load(Ordering::Acquire) > 0);
        let keys = [REGISTRY.as_bytes().to_vec(), self.names.descriptions()].into_iter();
        let keys: Vec<_> =
            keys.chain(written.map(|state| self.names.status(&state.name))).collect();
        let command = Request::script(&RENEW, keys.len() + 1);
        let command = keys.iter().fold(command, |command, key| command.key(key));
        let command = self.leased(command).arg(self.names.as_str());
        let is_known = self.send(command, reply::optional_flag, Duration::ZERO).await?;
        let is_forgotten = !is_known || !self.is_all_there().await?;
        if is_forgotten || self.needs_restore.swap(false, Ordering::AcqRel) {
            let restored = self.restore().await;
            self.needs_restore.fetch_or(restored.is_err(), Ordering::AcqRel);
            return restored;
        }
        Ok(())
    }

    /// Releases the lease once no call to the server is in flight.
    async fn end(&self) {
        while self.life.has_calls() {
            self.executor.wait(self.life.signal.raised(), RETRY_PAUSE).await;
        }
        if let Err(error) = self.abandon_and_release(&self.executor).await {
            logs::lease_left(&self.names, &error);
            self.life.fail(error);
        }
    }
}

/// Processes the requests of one keyword in turn.
struct HookQueue<E: RoundTrips> {
    service: Arc<DispatcherCore<E>>,
    state: Arc<KeywordState<E>>,
    now: Option<WriteCommand>,
    /// Counted before it runs: requests that were taken are awaited.
    _hook: UnderWay,
}

impl<E: RoundTrips> HookQueue<E> {
    /// Processes the requests until none is waiting.
    async fn run(mut self) {
        while let Some(request) = &self.now {
            self.service.serve(&self.state, request).await;
            self.now = self.state.next();
        }
    }
}

/// Queues the requests for refusal if no thread or task can be started.
impl<E: RoundTrips> Drop for HookQueue<E> {
    fn drop(&mut self) {
        while let Some(request) = self.now.take() {
            self.service.inbox.push(request.without_text());
            self.now = self.state.next();
        }
    }
}

/// A periodic read and its time, ordered so that a heap returns the earliest first.
type Due = Reverse<(Instant, KeywordName)>;

/// Returns the keywords that are read periodically.
fn periodic<E: RoundTrips>(
    service: &DispatcherCore<E>,
) -> impl Iterator<Item = &Arc<KeywordState<E>>> {
    service.keywords.values().filter(|state| state.keyword.every.is_some())
}

fn due<E>(state: &Arc<KeywordState<E>>, at: Instant) -> Due {
    Reverse((at, state.name.clone()))
}

/// Returns when a keyword that was due at some moment is due again. Missed reads are not made up
/// for.
fn next<E>(state: &Arc<KeywordState<E>>, before: Instant) -> Due {
    let period = state.keyword.every.unwrap_or(Duration::MAX).max(SHORTEST_PERIOD);
    let at = before.checked_add(period).unwrap_or(before + FAR_AWAY);
    due(state, at.max(Instant::now()))
}

const RETRY_PAUSE: Duration = Duration::from_millis(250);
const SHORTEST_PERIOD: Duration = Duration::from_millis(1);
const FAR_AWAY: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[cfg(test)]
#[cfg(feature = "async")]
mod tests;
