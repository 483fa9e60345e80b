//! Reports why a keyword does not get a value.

use std::sync::Arc;
use std::time::Duration;

use super::core::{DispatcherCore, NO_RETRY};
use super::inbox::WriteCommand;
use super::keyword_state::KeywordState;
use super::lifecycle::{Lifecycle, Phase};
use super::scripts::{REFUSE, REFUSE_WITHOUT_STATUS};
use crate::client::RoundTrips;
use crate::error::{Error, Result};
use crate::keyword::description::Access;
use crate::keyword::message::UNKNOWN;
use crate::keyword::names::KeywordName;
use crate::reply;
use crate::request::Request;

impl<E: RoundTrips> DispatcherCore<E> {
    /// Reports why a keyword does not get a value, to the client that requested it and as the
    /// keyword's status. The status stays if the reason only concerns other requests, or an
    /// operation that no client may do.
    pub(super) async fn refuse(
        &self,
        state: &Arc<KeywordState<E>>,
        reason: &str,
        request: Option<&WriteCommand>,
        retry_time: Duration,
    ) -> Result<()> {
        let is_published = !request.is_some_and(|it| it.outcome.is_some() && it.text.is_none());
        let is_published = is_published && !(request.is_some() && self.is_read_only(&state.name));
        self.send_refusal(&state.name, (is_published, reason), request, retry_time).await
    }

    /// Refuses a request for a keyword that does not exist.
    pub(super) async fn refuse_unknown(&self, request: &WriteCommand) -> Result<()> {
        let refusal = (false, UNKNOWN);
        self.send_refusal(&request.keyword, refusal, Some(request), self.retry_time()).await
    }

    /// Sends a refusal, and retries it for `retry_time`.
    async fn send_refusal(
        &self,
        name: &KeywordName,
        refusal: (bool, &str),
        request: Option<&WriteCommand>,
        retry_time: Duration,
    ) -> Result<()> {
        let command = self.refusal(name, refusal, request);
        let sent = self.send_with(Lifecycle::refusal, command, reply::optional_flag, retry_time);
        sent.await.map(drop)
    }

    /// Builds the script that refuses, and publishes that or sends it only to the client.
    fn refusal(
        &self,
        name: &KeywordName,
        (is_published, reason): (bool, &str),
        request: Option<&WriteCommand>,
    ) -> Request {
        let (outcome, time) = self.outcome_key(request);
        let command = self.leased(self.status(&REFUSE, name).key(&outcome));
        let command = command.arg(name.as_str()).arg(self.names.changes(name));
        let command = command.number(u8::from(is_published)).arg(reason).number(time);
        command.number(u8::from(request.is_some()))
    }

    /// Refuses a request that has not begun when the dispatcher is about to end.
    pub(super) async fn refuse_at_shutdown<X: RoundTrips>(
        &self,
        executor: &X,
        request: &WriteCommand,
    ) -> Result<()> {
        let request = request.without_text();
        let is_known = self.keywords.contains_key(&request.keyword);
        let reason = if is_known { SHUTS_DOWN } else { UNKNOWN };
        // Cauldron clients read the status.
        let is_published =
            is_known && request.outcome.is_none() && !self.is_read_only(&request.keyword);
        let refusal = self.refusal(&request.keyword, (is_published, reason), Some(&request));
        executor.send(refusal.returns(reply::optional_flag)).await.map(drop)
    }

    fn is_read_only(&self, keyword: &KeywordName) -> bool {
        let state = self.keywords.get(keyword);
        state.is_some_and(|state| state.keyword.description.access == Access::ReadOnly)
    }

    /// Returns how long a refusal is retried.
    pub(super) fn retry_time(&self) -> Duration {
        if self.life.phase() == Phase::Serving { self.lease } else { NO_RETRY }
    }

    /// Sends only the client the reason why a keyword does not get a value, and no status.
    pub(super) async fn refuse_without_status(
        &self,
        request: &WriteCommand,
        reason: &str,
    ) -> Result<()> {
        let (outcome, time) = self.outcome_key(Some(request));
        let refuse = Request::script(&REFUSE_WITHOUT_STATUS, 1).key(&outcome);
        let refuse = refuse.arg(reason).number(time);
        self.executor.send(refuse.returns(reply::applied)).await
    }

    /// Replaces an error of a script by its [explanation](Self::explanation).
    pub(super) async fn explained<T>(
        &self,
        command: &'static str,
        state: &Arc<KeywordState<E>>,
        outcome: Result<T>,
    ) -> Result<T> {
        match outcome {
            Ok(value) => Ok(value),
            Err(error) => Err(self.explanation(command, state, error).await),
        }
    }

    /// Turns the error of a script into one of the operation and of the key at fault.
    pub(super) async fn explanation(
        &self,
        command: &'static str,
        state: &Arc<KeywordState<E>>,
        error: Error,
    ) -> Error {
        let to_blame = match error.code() {
            Some("WRONGTYPE") => self.of_wrong_type(&state.name).await,
            _ => None,
        };
        error.called(command, to_blame.unwrap_or_else(|| self.names.value(&state.name)))
    }

    /// Returns the first key of a keyword that has a wrong type.
    async fn of_wrong_type(&self, name: &KeywordName) -> Option<Vec<u8>> {
        let names = &self.names;
        let texts = [names.value(name), names.status(name), names.error(name), names.lease()];
        let reads = texts.iter().map(|key| Request::read("GET").key(key));
        let times = Request::read("HGET").key(&names.times()).arg(name.as_str());
        let reads: Vec<_> = reads.chain([times]).map(|read| read.returns(reply::raw)).collect();
        let found = self.executor.send_all(reads).await.ok()?;
        let mut errors = found.into_iter().filter_map(Result::err);
        errors.find(|error| error.code() == Some("WRONGTYPE"))?.attempt()?.key().map(<[u8]>::to_vec)
    }
}

const SHUTS_DOWN: &str = "its dispatcher is shutting down";
