use std::fmt;
use std::slice;
use std::time::Duration;

use super::read_values::{lookup, one};
use super::{listing, served as lease};
use crate::client::{Client, RoundTrips};
use crate::error::{Attempt, Error, KeywordError, Result};
use crate::keyword::description::Description;
use crate::keyword::names::{KeywordName, ServiceName};
use crate::keyword::reading::Reading;

/// The keywords of one service, to read, write and watch.
///
/// Names are case-insensitive. A call returns a `Result` on a [`Client`](crate::Client), a future
/// of one on an `AsyncClient`.
#[derive(Clone)]
pub struct Service<E = Client> {
    pub(crate) executor: E,
    name: std::result::Result<ServiceName, String>,
}

impl<E: RoundTrips> Service<E> {
    pub(crate) fn new(executor: E, name: &str) -> Self {
        let database = executor.database();
        let name = ServiceName::new(name).map(|name| name.in_database(database));
        Self { executor, name }
    }

    /// Returns the descriptions of the keywords, in the order of their names. `HSCAN`, O(keywords).
    /// For a Cauldron dispatcher `SCAN`, O(keys of the database), and only names and types are
    /// known.
    pub fn keywords(&self) -> E::Reply<Vec<Description>> {
        let service = self.clone();
        self.executor.converse(async move {
            let name = service.name("keywords")?;
            listing::keywords(&service.executor, name).await
        })
    }

    /// Returns the description of a keyword, as [`keywords`](Self::keywords) lists it. `HGET`, two
    /// `EXISTS` and `GET` in one round trip, O(1).
    pub fn describe(&self, keyword: &str) -> E::Reply<Description> {
        let service = self.clone();
        let keyword = self.keyword("describe", keyword);
        self.executor.converse(async move {
            let name = service.name("describe")?;
            let keyword = keyword?;
            let found = listing::describe(&service.executor, name, &keyword).await?;
            found.ok_or_else(|| name.unknown("describe", &keyword))
        })
    }

    /// Returns whether the keyword is among those that [`keywords`](Self::keywords) lists. `HGET`,
    /// two `EXISTS` and `GET` in one round trip, O(1).
    pub fn contains(&self, keyword: &str) -> E::Reply<bool> {
        let service = self.clone();
        let keyword = self.keyword("contains", keyword);
        self.executor.converse(async move {
            let name = service.name("contains")?;
            Ok(listing::describe(&service.executor, name, &keyword?).await?.is_some())
        })
    }

    /// Returns the value of a keyword, as its dispatcher last set it. `MGET`, `HMGET`, `EXISTS` and
    /// `TIME` in one round trip, O(1).
    ///
    /// The dispatcher is not involved and need not be running. Its last error is shown, and stays
    /// for other readers.
    pub fn read(&self, keyword: &str) -> E::Reply<Reading> {
        let service = self.clone();
        let keyword = self.keyword("read", keyword);
        self.executor
            .converse(async move { one(&service.executor, service.name("read")?, &keyword?).await })
    }

    /// Returns the values of several keywords, each with its own result. One round trip per
    /// thousand, as [`read`](Self::read).
    pub fn read_many(
        &self,
        keywords: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> E::Reply<Vec<Result<Reading>>> {
        let service = self.clone();
        let keywords = keywords.into_iter();
        let keywords: Vec<_> =
            keywords.map(|keyword| self.keyword("read", keyword.as_ref())).collect();
        self.executor.converse(async move {
            let known: Vec<_> = keywords.iter().flatten().cloned().collect();
            let readings = lookup(&service.executor, service.name("read")?, &known).await?;
            let mut readings = readings.into_iter();
            let mut reading = |keyword: Result<_>| match keyword {
                Ok(_) => readings.next(),
                Err(error) => Some(Err(error)),
            };
            Ok(keywords.into_iter().filter_map(&mut reading).collect())
        })
    }

    /// Returns how long ago the dispatcher renewed its lease; `None` if there is no dispatcher, or
    /// it is a Cauldron dispatcher. `PTTL` and `GET` in one round trip, O(1).
    pub fn heartbeat(&self) -> E::Reply<Option<Duration>> {
        let service = self.clone();
        self.executor.converse(async move {
            let name = service.name("heartbeat")?;
            let heartbeats = lease::heartbeats(&service.executor, slice::from_ref(name)).await?;
            Ok(heartbeats.into_iter().next().flatten())
        })
    }

    /// Returns whether a dispatcher serves. `PTTL` and `GET` in one round trip, O(1). Without a
    /// lease `PUBSUB CHANNELS`, `HKEYS` and `SISMEMBER` too, O(channels of the server): a Cauldron
    /// dispatcher is registered and subscribes to channels.
    pub fn is_served(&self) -> E::Reply<bool> {
        let service = self.clone();
        self.executor.converse(async move {
            let name = service.name("is_served")?;
            let states = lease::states(&service.executor, slice::from_ref(name)).await?;
            match states.iter().find(|state| state.is_served) {
                Some(state) if state.heartbeat.is_none() => {
                    let is_registered = service.executor.send(lease::is_registered(name)).await;
                    lease::unless_forbidden(is_registered)
                }
                served => Ok(served.is_some()),
            }
        })
    }
}

impl<E: RoundTrips> Service<E> {
    /// Returns the name of the service, if it is valid.
    pub(crate) fn name(&self, command: &'static str) -> Result<&ServiceName> {
        let name = self.name.as_ref().map_err(|why| invalid(command, None, why.clone()))?;
        refuse_clusters(&self.executor, command, Some(name.values()))?;
        Ok(name)
    }

    /// Returns the name of a keyword, if it is valid.
    pub(crate) fn keyword(&self, command: &'static str, keyword: &str) -> Result<KeywordName> {
        KeywordName::new(keyword).map_err(|why| {
            let values = self.name.as_ref().map(ServiceName::values);
            let key = values.ok().map(|values| [&values, keyword.as_bytes()].concat());
            invalid(command, key, why)
        })
    }
}

impl ServiceName {
    /// Describes an operation on a keyword, for errors.
    pub(crate) fn attempt(
        &self,
        command: &'static str,
        keyword: &KeywordName,
        writes: bool,
    ) -> Box<Attempt> {
        let (key, field) = (Some(self.value(keyword)), None);
        Box::new(Attempt { command, key, field, writes, in_part: false, halfway: false })
    }

    /// Describes an operation on the service as a whole, for errors.
    pub(crate) fn attempt_to(&self, command: &'static str) -> Attempt {
        Attempt {
            command,
            key: Some(self.base()),
            field: None,
            writes: true,
            in_part: false,
            halfway: false,
        }
    }

    pub(crate) fn unknown(&self, command: &'static str, keyword: &KeywordName) -> Error {
        let attempt = self.attempt(command, keyword, false);
        Error::Keyword { attempt, source: KeywordError::UnknownKeyword }
    }
}

/// Fails in a cluster, which keywords do not support.
pub(crate) fn refuse_clusters<E: RoundTrips>(
    executor: &E,
    command: &'static str,
    key: Option<Vec<u8>>,
) -> Result<()> {
    if executor.is_cluster() { Err(invalid(command, key, IN_A_CLUSTER.into())) } else { Ok(()) }
}

fn invalid(command: &'static str, key: Option<Vec<u8>>, why: String) -> Error {
    let attempt =
        Attempt { command, key, field: None, writes: false, in_part: false, halfway: false };
    Error::InvalidArgument { attempt: Box::new(attempt), reason: why.into() }
}

impl<E> fmt::Debug for Service<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("name", &self.name).finish_non_exhaustive()
    }
}

const IN_A_CLUSTER: &str = "keywords do not work in a cluster: their keys are in many slots";
