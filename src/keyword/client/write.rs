//! Writes values through the dispatcher.

use std::time::Duration;

use super::service::Service;
use super::write_requests;
use crate::client::RoundTrips;
use crate::error::{Error, KeywordError, Result};
use crate::keyword::names::{KeywordName, ServiceName};
use crate::keyword::reading::Reading;
use crate::keyword::value::Value;

/// A value is of the keyword's type, or a text that represents one. The dispatcher decides about
/// it.
impl<E: RoundTrips> Service<E> {
    /// Has the dispatcher set a keyword, and waits up to ten seconds for it. One script, one
    /// `BLMOVE` and one `UNLINK`, O(1).
    ///
    /// A value that the keyword already has is acknowledged at once, without a call of the
    /// dispatcher's function, unless the keyword is [always
    /// written](crate::keyword::Keyword::always_write) or the write is [forced](Self::force_write).
    ///
    /// Returns the value as the dispatcher set it. [`KeywordError::Refused`] gives the reason for a
    /// refusal. [`KeywordError::NotServed`] means that there is no dispatcher or it is about to
    /// end; in both cases nothing was applied. After [`KeywordError::Abandoned`] and
    /// [`Error::Timeout`] the write may be applied, now or later. A dispatcher drops a request that
    /// it has not begun a second after the timeout.
    ///
    /// A value of more than 16 MiB is [`Error::InvalidArgument`]: it would not reach the
    /// dispatcher.
    ///
    /// A Cauldron dispatcher acknowledges nothing. There the call watches the value and the status,
    /// on a connection of its own. If the dispatcher turns the value into an equal one, it
    /// publishes nothing and the call times out.
    pub fn write(&self, keyword: &str, value: impl Into<Value>) -> E::Reply<Reading> {
        self.write_within(keyword, value, USUAL_TIME)
    }

    /// Like [`write`](Self::write), with a given timeout.
    pub fn write_within(
        &self,
        keyword: &str,
        value: impl Into<Value>,
        time: Duration,
    ) -> E::Reply<Reading> {
        self.write_one(keyword, value.into(), (time, false))
    }

    /// Like [`write_within`](Self::write_within), even if the keyword already has the value: the
    /// dispatcher calls [`Keyword::on_write`](crate::keyword::Keyword::on_write) again, where a
    /// plain write is acknowledged at once. A Cauldron dispatcher decides that by itself.
    pub fn force_write(
        &self,
        keyword: &str,
        value: impl Into<Value>,
        time: Duration,
    ) -> E::Reply<Reading> {
        self.write_one(keyword, value.into(), (time, true))
    }

    fn write_one(&self, keyword: &str, value: Value, terms: (Duration, bool)) -> E::Reply<Reading> {
        let service = self.clone();
        let write = self.keyword("write", keyword).map(|keyword| (keyword, value));
        self.executor.converse(async move {
            let (keyword, value) = write?;
            let name = service.name("write")?;
            let write = vec![Ok((keyword.clone(), value))];
            let outcome = write_requests::write_and_wait(&service, write, terms).await?.pop();
            outcome.unwrap_or_else(|| Err(name.not_served(&keyword)))
        })
    }

    /// Has several keywords set concurrently, each with its own result, in the order of `values`.
    /// One round trip for all, and one or more until the last outcome.
    ///
    /// A Cauldron dispatcher is sent them one after the other. Those that are left at the timeout
    /// are not sent at all.
    pub fn write_many<N: AsRef<str>, V: Into<Value>>(
        &self,
        values: impl IntoIterator<Item = (N, V)>,
        time: Duration,
    ) -> E::Reply<Vec<Result<Reading>>> {
        self.write_all(values, (time, false))
    }

    /// Like [`write_many`](Self::write_many), with each write [forced](Self::force_write).
    pub fn force_write_many<N: AsRef<str>, V: Into<Value>>(
        &self,
        values: impl IntoIterator<Item = (N, V)>,
        time: Duration,
    ) -> E::Reply<Vec<Result<Reading>>> {
        self.write_all(values, (time, true))
    }

    fn write_all<N: AsRef<str>, V: Into<Value>>(
        &self,
        values: impl IntoIterator<Item = (N, V)>,
        terms: (Duration, bool),
    ) -> E::Reply<Vec<Result<Reading>>> {
        let service = self.clone();
        let writes = values.into_iter().map(|(keyword, value)| {
            self.keyword("write", keyword.as_ref()).map(|keyword| (keyword, value.into()))
        });
        let writes: Vec<Result<(KeywordName, Value)>> = writes.collect();
        self.executor
            .converse(async move { write_requests::write_and_wait(&service, writes, terms).await })
    }

    /// Asks the dispatcher to set a keyword, without waiting for the outcome. One script, O(1); for
    /// a Cauldron dispatcher a `PUBLISH` too.
    ///
    /// The absence of a dispatcher is the only failure that is reported.
    pub fn write_nowait(&self, keyword: &str, value: impl Into<Value>) -> E::Reply<()> {
        let service = self.clone();
        let (keyword, value) = (self.keyword("write", keyword), value.into());
        self.executor.converse(async move {
            write_requests::write_without_waiting(&service, keyword?, &value).await
        })
    }
}

impl ServiceName {
    pub(crate) fn not_served(&self, keyword: &KeywordName) -> Error {
        let attempt = self.attempt("write", keyword, true);
        Error::Keyword { attempt, source: KeywordError::NotServed }
    }
}

const USUAL_TIME: Duration = Duration::from_secs(10);
