mod accepted;
mod calls;
mod changes;
mod core;
mod ending;
mod inbox;
mod keyword_state;
mod lifecycle;
mod name_lease;
mod overwritten;
mod refusal;
mod scripts;
mod startup;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use self::core::DispatcherCore;
use self::inbox::Inbox;
use self::keyword_state::KeywordState;
use self::lifecycle::{Lifecycle, Phase};
use super::client::refuse_clusters;
use super::definition::Keyword;
use super::description::Description;
use super::kind::Kind;
use super::names::{KeywordName, ServiceName};
use super::service_definition::ServiceDefinition;
use super::value::Value;
use crate::client::{Client, RoundTrips};
use crate::error::{Error, Result};
use crate::random::unique_id;
use crate::request::Request;
use crate::time::Completion;
use crate::time::Deadline;
use crate::time::Wait;

/// Serves the keywords of a service: publishes their values, and carries out the writes of clients.
///
/// A service has one dispatcher at a time. It serves on a thread, or in a task on an `AsyncClient`,
/// and its clones are the same dispatcher.
///
/// Dropping the last clone ends it and releases its lease, so that the program can be restarted at
/// once. That takes a few round trips on a new connection, and up to two seconds if the server is
/// unreachable. It blocks the thread for that long, which [`shutdown`](Self::shutdown) does not.
/// Requests that have not begun are refused. Running functions have a quarter of a second at most;
/// then they continue, but their result is not published: the client gets
/// [`Abandoned`](super::KeywordError::Abandoned), and the keyword has an error. A task that
/// occupies the only thread of its runtime leaves requests unanswered that have arrived and were
/// not read yet. Without a drop, as after `std::process::exit` or a signal, the name is free when
/// the lease has expired.
pub struct Dispatcher<E: RoundTrips = Client>(Arc<Owner<E>>);

/// Configures a [`Dispatcher`] before it serves.
#[must_use = "a dispatcher does nothing before it serves"]
pub struct DispatcherBuilder<E = Client> {
    service: String,
    keywords: Vec<Keyword<E>>,
    lease: Duration,
    grace: Duration,
}

/// Ends the dispatcher when its last handle is dropped.
struct Owner<E: RoundTrips> {
    service: Arc<DispatcherCore<E>>,
    grace: Duration,
    has_worker: bool,
}

impl<E: RoundTrips> DispatcherBuilder<E> {
    /// Adds a keyword.
    pub fn keyword(mut self, keyword: Keyword<E>) -> Self {
        self.keywords.push(keyword);
        self
    }

    /// Adds several keywords.
    pub fn keywords(mut self, keywords: impl IntoIterator<Item = Keyword<E>>) -> Self {
        self.keywords.extend(keywords);
        self
    }

    /// Sets how long an unresponsive dispatcher keeps its name: from a tenth of a second to a day,
    /// to which other times are clamped. Defaults to 10 seconds.
    pub fn lease(mut self, time: Duration) -> Self {
        self.lease = time.clamp(SHORTEST_LEASE, LONGEST);
        self
    }

    /// Sets how long [`shutdown`](Dispatcher::shutdown) waits for running functions: at most a day.
    /// Defaults to 10 seconds. A drop waits no longer than that either.
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = time.min(LONGEST);
        self
    }

    /// Starts to serve. A script, and two round trips per thousand keywords.
    ///
    /// Returns [`AlreadyServed`](super::KeywordError::AlreadyServed) and changes nothing if another
    /// dispatcher is serving. The name of a crashed dispatcher can be taken after its lease, or at
    /// once if it was a Cauldron dispatcher: [`serve_within`](Self::serve_within) waits for it. A
    /// client that only subscribes to some of the keywords' channels does not keep the name.
    ///
    /// Requests of Cauldron clients reach the dispatchers of all databases. If one service is
    /// served in several of them, the first database takes the requests. Keyspace notifications of
    /// strings, which Cauldron clients need, are turned on if that is permitted.
    pub fn serve(self, executor: &E) -> E::Reply<Dispatcher<E>> {
        self.serve_within(executor, Duration::ZERO)
    }

    /// Like [`serve`](Self::serve), and waits up to `time` while another dispatcher serves: for the
    /// lease of one that crashed, for one that shuts down, or as a standby for one that may fail. A
    /// script every quarter of a second. The server may be unreachable meanwhile.
    pub fn serve_within(self, executor: &E, time: Duration) -> E::Reply<Dispatcher<E>> {
        let within = executor.clone();
        executor.converse(async move {
            let deadline = Deadline::after(Wait::For(time));
            let grace = self.grace;
            let service = Arc::new(self.service(within)?);
            let mut owner = Owner { service: service.clone(), grace, has_worker: false };
            let begun = async {
                service.claim(deadline).await?;
                service.listen().await?;
                service.initialize().await
            };
            match begun.await {
                Ok(()) => {
                    owner.has_worker = true;
                    let end = worker::End(service.clone());
                    service.executor.background(worker::work(end));
                    Ok(Dispatcher(Arc::new(owner)))
                }
                Err(error) => {
                    if service.may_hold_lease.load(Ordering::Acquire) {
                        // Otherwise the lease expires.
                        let _ = service.release_lease(&service.executor).await;
                        service.may_hold_lease.store(false, Ordering::Release);
                    }
                    Err(error)
                }
            }
        })
    }

    /// Validates the definitions. Sends nothing.
    fn service(self, executor: E) -> Result<DispatcherCore<E>> {
        refuse_clusters(&executor, "serve", None)?;
        let names = ServiceName::new(&self.service).map_err(Error::Configuration)?;
        let names = names.in_database(executor.database());
        let mut keywords = BTreeMap::new();
        for keyword in self.keywords {
            let state = KeywordState::new(keyword).map_err(Error::Configuration)?;
            if let Some(twice) = keywords.insert(state.name.clone(), Arc::new(state)) {
                let problem = format!("there are two keywords {}", twice.name);
                return Err(Error::Configuration(problem));
            }
        }
        let (inbox, has_received_all, life) =
            (Inbox::default(), Completion::new(), Lifecycle::new());
        let id = format!("{}/{}", unique_id(), self.lease.as_millis());
        let (feed, needs_restore, may_hold_lease) = Default::default();
        let lease = self.lease;
        Ok(DispatcherCore {
            executor,
            names,
            id,
            lease,
            keywords,
            feed,
            inbox,
            has_received_all,
            life,
            needs_restore,
            may_hold_lease,
        })
    }
}

/// No call here waits for a function of a keyword, unless it says so: functions may use the
/// dispatcher themselves.
impl<E: RoundTrips> Dispatcher<E> {
    /// Creates a builder for the service `name`, without any keywords yet.
    pub fn builder(name: &str) -> DispatcherBuilder<E> {
        let (service, keywords) = (name.to_owned(), Vec::new());
        DispatcherBuilder { service, keywords, lease: LEASE, grace: GRACE }
    }

    /// Creates a builder for a service that a file defines, with all its keywords.
    pub fn define(definition: ServiceDefinition<E>) -> DispatcherBuilder<E> {
        Self::builder(&definition.service).keywords(definition.keywords)
    }

    /// Sets a keyword and publishes the value. One script, O(1).
    ///
    /// A value that the keyword cannot have is [`Refused`](super::KeywordError::Refused), and shows
    /// in the keyword's status too. Read-only applies only to clients.
    pub fn set(&self, name: &str, value: impl Into<Value>) -> E::Reply<()> {
        let value = value.into();
        let (service, state) = (self.0.service.clone(), self.state("set", name));
        service.executor.clone().converse(async move { service.set(&state?, &value).await })
    }

    /// Determines a keyword's value by [`Keyword::on_read`], and sets it. Does nothing while
    /// another call is doing so.
    pub fn refresh(&self, name: &str) -> E::Reply<()> {
        let (service, state) = (self.0.service.clone(), self.state("refresh", name));
        service.executor.clone().converse(async move { service.refresh(&state?).await.map(drop) })
    }

    /// Returns the value of a keyword, if it has one. Sends nothing. A client whose write has
    /// returned may be a moment ahead, as the server replies to both at once.
    pub fn get(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.state("get", name)?.value().map(|accepted| accepted.value))
    }

    /// Returns the last values of a keyword and when they were set, by the server's clock, the
    /// oldest first. Sends nothing.
    pub fn history(&self, name: &str) -> Result<Vec<(SystemTime, Value)>> {
        Ok(self.state("history", name)?.history())
    }

    /// Returns the descriptions of its keywords, in the order of their names.
    pub fn descriptions(&self) -> Vec<Description> {
        self.0.service.keywords.values().map(|state| state.keyword.description.clone()).collect()
    }

    /// Returns whether it serves: it was not shut down, and no other dispatcher has taken its name.
    pub fn is_serving(&self) -> bool {
        self.0.service.life.phase() == Phase::Serving
    }

    /// Ends the dispatcher. Running functions may finish within the [grace
    /// period](DispatcherBuilder::grace). After it their result is not published, and the client
    /// gets [`Abandoned`](super::KeywordError::Abandoned). Requests that have not begun are
    /// refused, and later writes are [`NotServed`](super::KeywordError::NotServed). The values
    /// stay, without the times at which they were set.
    ///
    /// Fails if the lease could not be released, and may then be retried: otherwise it expires. A
    /// keyword's function that calls this waits for itself, in vain.
    pub fn shutdown(&self) -> E::Reply<()> {
        let Owner { service, grace, .. } = &*self.0;
        let (service, grace) = (service.clone(), *grace);
        service.executor.clone().converse(async move {
            service.life.close(grace);
            let time = grace.saturating_add(RELEASE_TIMEOUT);
            match service.executor.wait(service.life.end.outcome(), time).await {
                Some(()) => service.ensure_released().await,
                None => {
                    Err(Error::Timeout { attempt: Box::new(service.names.attempt_to("shutdown")) })
                }
            }
        })
    }

    /// Returns the name of a keyword, if its kind `fits`.
    pub(super) fn fitting(&self, name: &str, fits: fn(Kind) -> bool) -> Result<String> {
        let state = self.state("handle", name)?;
        let kind = state.keyword.description.kind;
        if fits(kind) {
            return Ok(state.name.as_str().to_owned());
        }
        let attempt = self.0.service.names.attempt("handle", &state.name, false);
        Err(Error::InvalidArgument {
            attempt,
            reason: format!("its type is {}", kind.as_str()).into(),
        })
    }

    fn state(&self, command: &'static str, name: &str) -> Result<Arc<KeywordState<E>>> {
        let DispatcherCore { names, keywords, .. } = &*self.0.service;
        let invalid = |reason: String| {
            let attempt = Box::new(Request::read(command).arg(name).attempt());
            Error::InvalidArgument { attempt, reason: reason.into() }
        };
        let name = KeywordName::new(name).map_err(invalid)?;
        keywords.get(&name).cloned().ok_or_else(|| names.unknown(command, &name))
    }
}

impl<E: RoundTrips> Drop for Owner<E> {
    fn drop(&mut self) {
        self.service.shut_down_on_drop(self.has_worker, self.grace);
    }
}

impl<E: RoundTrips> Clone for Dispatcher<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E: RoundTrips> fmt::Debug for Dispatcher<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = &self.0.service;
        let mut shown = f.debug_struct("Dispatcher");
        shown.field("service", &service.names).field("keywords", &service.keywords.len());
        shown.finish_non_exhaustive()
    }
}

impl<E> fmt::Debug for DispatcherBuilder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DispatcherBuilder");
        shown.field("service", &self.service).field("keywords", &self.keywords.len());
        shown.finish_non_exhaustive()
    }
}

const LEASE: Duration = Duration::from_secs(10);
const SHORTEST_LEASE: Duration = Duration::from_millis(100);
const GRACE: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the end itself may take.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);
