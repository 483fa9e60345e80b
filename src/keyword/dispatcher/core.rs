//! Sets, refreshes and writes the keywords of a dispatcher, for its program and for clients.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::accepted::Accepted;
use super::inbox::{Inbox, WriteCommand};
use super::keyword_state::{Flag, KeywordState, Writing};
use super::lifecycle::{Lifecycle, Phase};
use super::overwritten::{Updated, updated};
use super::scripts::{BEGIN, ELSEWHERE, UPDATE};
use crate::client::RoundTrips;
use crate::connection::Push;
use crate::error::{Applied, Error, KeywordError, Result};
use crate::keyword::description::Access;
use crate::keyword::names::{KeywordName, REGISTRY, ServiceName};
use crate::keyword::value::Value;
use crate::listen::{Feed, FeedHandler, FeedInfo};
use crate::lock::Lock;
use crate::logs;
use crate::reply;
use crate::request::Request;
use crate::request::Script;
use crate::time::Completion;

/// The state of a dispatcher, shared by its handles, its worker and its hooks.
pub(crate) struct DispatcherCore<E> {
    pub(crate) executor: E,
    pub(crate) names: ServiceName,
    /// Its id as the holder of the lease: `<random id>/<milliseconds>`.
    pub(crate) id: String,
    pub(crate) lease: Duration,
    pub(crate) keywords: BTreeMap<KeywordName, Arc<KeywordState<E>>>,
    /// Receives requests until it is dropped.
    pub(crate) feed: Lock<Option<Feed>>,
    pub(crate) inbox: Inbox,
    /// Completes when no more requests will arrive.
    pub(crate) has_received_all: Completion<()>,
    pub(crate) life: Arc<Lifecycle>,
    /// Whether the keywords must be restored, because the server may have lost something.
    pub(crate) needs_restore: AtomicBool,
    /// Whether the lease may be its own.
    pub(crate) may_hold_lease: AtomicBool,
}

/// The reason why a request is not fulfilled.
enum Setback {
    Refused(String),
    /// It had not begun when the dispatcher was about to end.
    TooLate,
    Failed(Error),
}

impl<E: RoundTrips> DispatcherCore<E> {
    /// Sets a keyword for the dispatcher's own program.
    pub(crate) async fn set(&self, state: &Arc<KeywordState<E>>, value: &Value) -> Result<()> {
        match state.accept(&value.to_string()) {
            Ok(accepted) => {
                let published = self.publish(state, accepted, None, NO_RETRY).await;
                self.explained("set", state, published).await
            }
            Err(reason) => self.fail("set", state, reason).await,
        }
    }

    /// Publishes why a keyword did not get the value that its own program set, and returns that
    /// error.
    async fn fail(
        &self,
        command: &'static str,
        state: &Arc<KeywordState<E>>,
        reason: String,
    ) -> Result<()> {
        let refused = self.refuse(state, &reason, None, NO_RETRY).await;
        self.explained(command, state, refused).await?;
        let attempt = self.names.attempt(command, &state.name, true);
        Err(Error::Keyword { attempt, source: KeywordError::Refused { reason } })
    }

    /// Determines the value and returns `true`, unless another call is doing so.
    pub(crate) async fn refresh(&self, state: &Arc<KeywordState<E>>) -> Result<bool> {
        let Some(read) = &state.keyword.hooks.read else {
            let attempt = self.names.attempt("refresh", &state.name, true);
            return Err(Error::InvalidArgument { attempt, reason: "it has no `on_read`".into() });
        };
        let Some(_reading) = Flag::raise(&state.is_read) else { return Ok(false) };
        let _under_way = self.life.hook();
        match read().await {
            Ok(value) => self.set(state, &value).await?,
            Err(error) => self.fail("refresh", state, error.to_string()).await?,
        }
        Ok(true)
    }

    /// Returns whether a request without a database belongs to another dispatcher. The dispatcher
    /// of the first database takes it.
    pub(crate) async fn is_of_another(&self, request: &WriteCommand) -> Result<bool> {
        if !request.reaches_all_databases || self.executor.database() == 0 {
            return Ok(false);
        }
        let elsewhere = Request::script(&ELSEWHERE, 0).key(&self.names.lease()).arg(REGISTRY);
        let elsewhere = elsewhere.arg(self.names.as_str());
        let elsewhere = elsewhere.arg(self.names.value(&request.keyword));
        let elsewhere = elsewhere.number(self.executor.database());
        self.executor.send(elsewhere.returns(reply::flag)).await
    }

    /// Carries out a client's request, or sends it the reason for the refusal.
    pub(crate) async fn serve(&self, state: &Arc<KeywordState<E>>, request: &WriteCommand) {
        let served = match self.fulfil(state, request).await {
            Err(Setback::Refused(reason)) => {
                self.refuse(state, &reason, Some(request), self.retry_time()).await
            }
            Err(Setback::TooLate) => self.refuse_at_shutdown(&self.executor, request).await,
            // The lease was released meanwhile, or is another dispatcher's.
            Err(Setback::Failed(Error::Keyword { .. })) => match state.keyword.hooks.write {
                Some(_) => self.abandon(&self.executor, state, request).await,
                None => self.refuse_at_shutdown(&self.executor, request).await,
            },
            Err(Setback::Failed(error)) if error.code().is_some() => {
                let reason = self.explanation("write", state, error).await.to_string();
                match self.refuse(state, &reason, Some(request), self.retry_time()).await {
                    Err(error) if error.code().is_some() => {
                        self.refuse_without_status(request, &reason).await
                    }
                    refused => refused,
                }
            }
            Err(Setback::Failed(error)) => Err(error),
            Ok(()) => Ok(()),
        };
        if let Err(error) = served {
            logs::request_unanswered(&state.name, &error);
        }
    }

    /// Checks a request, calls the write function and publishes the value.
    async fn fulfil(
        &self,
        state: &Arc<KeywordState<E>>,
        request: &WriteCommand,
    ) -> std::result::Result<(), Setback> {
        let refused = |reason: &str| Err(Setback::Refused(reason.into()));
        if matches!(self.life.phase(), Phase::Closing(_)) {
            return Err(Setback::TooLate);
        }
        let Some(text) = &request.text else {
            return refused("too many requests are waiting for it");
        };
        if state.keyword.description.access == Access::ReadOnly {
            return refused("it is read-only");
        }
        let Ok(text) = std::str::from_utf8(text) else { return refused("the value is not UTF-8") };
        let accepted = state.accept(text).map_err(Setback::Refused)?;
        let is_wanted = request.is_forced || state.keyword.is_always_written;
        if is_wanted || !state.has(&accepted) {
            let is_seen = request.outcome.is_none() || state.keyword.hooks.write.is_some();
            let begun = if is_seen {
                Some(self.begin(state, request).await.map_err(unbegun)?)
            } else {
                None
            };
            if begun == Some(0) {
                return Ok(());
            }
            let _writing = begun.map(|begun| Writing::since(&state.written_since, begun));
            if let Some(write) = &state.keyword.hooks.write {
                let written = write(accepted.value.clone()).await;
                state.is_in_doubt.store(true, Ordering::Release);
                written.map_err(|error| Setback::Refused(error.to_string()))?;
            }
        }
        Ok(self.publish(state, accepted, Some(request), self.lease).await?)
    }

    /// Marks a keyword as being written, for no longer than this program lives. Returns since when,
    /// or 0 if the outcome is no longer awaited.
    async fn begin(&self, state: &Arc<KeywordState<E>>, request: &WriteCommand) -> Result<u64> {
        let (outcome, time) = self.outcome_key(Some(request));
        let command = self.leased(self.status(&BEGIN, &state.name).key(&outcome));
        let command = command.arg(state.name.as_str()).arg(self.names.changes(&state.name));
        let command = command.number(time).number(request.until);
        self.send(command, reply::optional_number, self.lease).await
    }

    /// Writes a value, its time and its status, publishes them, and sends the client the outcome.
    async fn publish(
        &self,
        state: &Arc<KeywordState<E>>,
        accepted: Accepted,
        request: Option<&WriteCommand>,
        retry_time: Duration,
    ) -> Result<()> {
        let (names, name) = (&self.names, &state.name);
        let (outcome, time) = self.outcome_key(request);
        let command = Request::script(&UPDATE, 6).key(&names.value(name)).key(&names.status(name));
        let command = command.key(&names.error(name)).key(&names.times()).key(&outcome);
        let command = self.leased(command).arg(name.as_str()).arg(names.changes(name));
        let command = command.number(u8::from(state.has_value())).arg(&accepted.text).number(time);
        // The outcome of a hook is reported, however long it took.
        let is_done =
            state.keyword.hooks.write.is_some() && state.is_in_doubt.load(Ordering::Acquire);
        let until = request.filter(|_| !is_done);
        let command = command.number(state.at()).number(until.map_or(0, |it| it.until));
        let command = command.number(u8::from(request.is_some())).number(state.changes.known());
        let _delivery = DeliveryGuard(self, state);
        let doubt = Doubt(self, state);
        let sent = self.send(command, updated, retry_time).await;
        if sent.as_ref().map_or_else(Error::applied, |_| Applied::No) == Applied::No {
            mem::forget(doubt);
        }
        let Updated { at, before } = sent?;
        if at == 0 {
            return Ok(());
        }
        state.is_in_doubt.store(false, Ordering::Release);
        if state.has_value() {
            state.learn(accepted, at, &before);
            state.deliver_changes(at);
        }
        Ok(())
    }

    /// Delivers pending changes in the background, unless a caller is delivering them.
    pub(crate) fn deliver_in_background(&self, state: &Arc<KeywordState<E>>) {
        if state.changes.has_undelivered() {
            let state = state.clone();
            self.executor.background(async move { state.deliver_changes(u64::MAX) });
        }
    }

    /// Begins a script about the status of a keyword, with the first of its keys.
    pub(crate) fn status(&self, script: &'static Script, name: &KeywordName) -> Request {
        let names = &self.names;
        let command = Request::script(script, 5).key(&names.status(name));
        command.key(&names.error(name)).key(&names.times())
    }

    /// Returns the key for the outcome of a request, and the milliseconds that it is kept; 0 if it
    /// is not awaited.
    pub(crate) fn outcome_key(&self, request: Option<&WriteCommand>) -> (Vec<u8>, u64) {
        let outcome = request.and_then(|request| request.outcome.as_ref());
        let (id, time) = outcome.map_or(("", 0), |(id, time)| (id.as_str(), *time));
        (self.names.outcome(id), time)
    }
}

impl<E: RoundTrips> FeedHandler for DispatcherCore<E> {
    fn on_push(&self, _server: usize, push: Push<'_>) {
        let Push::Message { channel, payload } = push else { return };
        let request = match self.names.keyword(channel) {
            Some(keyword) => {
                let is_known = self.keywords.contains_key(&keyword);
                is_known.then(|| WriteCommand {
                    reaches_all_databases: true,
                    ..WriteCommand::of_cauldron(keyword, payload)
                })
            }
            None if *channel != *self.names.requests(&self.id) => None,
            None if *payload == *FAREWELL => return self.has_received_all.complete(()),
            None => WriteCommand::read(payload),
        };
        if let Some(request) = request {
            self.inbox.push(request);
            self.life.signal.raise();
        }
    }

    fn on_connected(&self, session: u64, _info: FeedInfo, _watermark: u64) {
        if session > 1 {
            self.needs_restore.store(true, Ordering::Release);
            self.life.signal.raise();
        }
    }
}

/// Delivers the changes that waited for a set when that set is over.
struct DeliveryGuard<'a, E: RoundTrips>(&'a DispatcherCore<E>, &'a Arc<KeywordState<E>>);

impl<E: RoundTrips> Drop for DeliveryGuard<'_, E> {
    fn drop(&mut self) {
        self.0.deliver_in_background(self.1);
    }
}

/// Dropped when it is unknown whether the server has a new value: the reply was lost or not
/// awaited. The value is then read again. Until that is done, its hook is called even for a value
/// that seems to be the same.
struct Doubt<'a, E>(&'a DispatcherCore<E>, &'a KeywordState<E>);

impl<E> Drop for Doubt<'_, E> {
    fn drop(&mut self) {
        let Self(service, state) = self;
        state.is_in_doubt.store(true, Ordering::Release);
        service.needs_restore.store(true, Ordering::Release);
        service.life.signal.raise();
    }
}

/// The setback of a request whose function has not run.
fn unbegun(error: Error) -> Setback {
    match error {
        Error::Keyword { .. } => Setback::TooLate,
        error => Setback::Failed(error),
    }
}

impl From<Error> for Setback {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

pub(crate) const NO_RETRY: Duration = Duration::ZERO;
/// The last message on the channel of requests. Not a request, which has several lines.
pub(super) const FAREWELL: &[u8] = b"closing";
