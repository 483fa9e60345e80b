//! How values are written.

use std::time::Duration;

use super::service::Service;
use super::write_requests;
use crate::client::RoundTrips;
use crate::error::{Error, Result};
use crate::keyword::names::{KeywordName, ServiceName};
use crate::keyword::reading::Reading;
use crate::keyword::value::Value;

/// A value may be of the keyword's type or a text that stands for one; what becomes of it is up to
/// the dispatcher.
impl<E: RoundTrips> Service<E> {
    /// Has the dispatcher set a keyword, and waits up to ten seconds for it. One script, one
    /// `BLMOVE` and one `UNLINK`, O(1).
    ///
    /// The value that the keyword has already is acknowledged at once, without a call of the
    /// dispatcher's function, unless the keyword is [always written](crate::keyword::Keyword::always_write)
    /// or the write is [forced](Self::force_write).
    ///
    /// Gives what the dispatcher made of the value. [`Error::Refused`] says why it would not, and
    /// [`Error::NotServed`] that there is no dispatcher, or it is about to end: then nothing was
    /// applied. After [`Error::Abandoned`] and [`Error::Timeout`] it may be, now or later; what the
    /// dispatcher has not begun a second after a timeout it leaves.
    ///
    /// A value of more than 16 MiB is [`Error::InvalidArgument`]: it would not come through to the
    /// dispatcher.
    ///
    /// A dispatcher that is Cauldron's acknowledges nothing. There the value and the status are
    /// listened to, on a connection of their own; if it turns the value into an equal one, it says
    /// nothing and time runs out.
    pub fn write(&self, keyword: &str, value: impl Into<Value>) -> E::Reply<Reading> {
        self.write_within(keyword, value, USUAL_TIME)
    }

    /// Like [`write`](Self::write), with the time to wait.
    pub fn write_within(
        &self,
        keyword: &str,
        value: impl Into<Value>,
        time: Duration,
    ) -> E::Reply<Reading> {
        self.write_one(keyword, value.into(), (time, false))
    }

    /// Like [`write_within`](Self::write_within), also where the keyword has the value already: the
    /// dispatcher does once more what it does about a new one
    /// ([`Keyword::on_write`](crate::keyword::Keyword::on_write)), where a plain write is acknowledged at
    /// once. A dispatcher that is Cauldron's decides that by itself.
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

    /// Has several keywords set at the same time, each by itself, in the order of `values`. One
    /// round trip for all, and one or more until the last outcome.
    ///
    /// A dispatcher that is Cauldron's is given them one after the other, and those that are left
    /// when time is over not at all.
    pub fn write_many<N: AsRef<str>, V: Into<Value>>(
        &self,
        values: impl IntoIterator<Item = (N, V)>,
        time: Duration,
    ) -> E::Reply<Vec<Result<Reading>>> {
        self.write_all(values, (time, false))
    }

    /// Like [`write_many`](Self::write_many), and each is [forced](Self::force_write).
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

    /// Asks the dispatcher to set a keyword. One script, O(1); where the dispatcher is Cauldron's
    /// also a `PUBLISH`.
    ///
    /// Only that nobody is there is an error.
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
        Error::NotServed { attempt: self.attempt("write", keyword, true) }
    }
}

const USUAL_TIME: Duration = Duration::from_secs(10);
