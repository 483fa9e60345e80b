//! Write requests of a client, from sending to the outcome.

use std::collections::{BTreeMap, VecDeque};
use std::iter::repeat_with;
use std::mem;
use std::time::Duration;

use super::cauldron;
use super::read_values::{fresh, text_of};
use super::service::Service;
use crate::client::RoundTrips;
use crate::command::Command;
use crate::error::{Applied, Error, KeywordError, Result};
use crate::keyword::kind::Kind;
use crate::keyword::message::{RequestMessage, UNKNOWN, Update, WriteOutcome};
use crate::keyword::names::{KeywordName, REGISTRY, ServiceName};
use crate::keyword::reading::Reading;
use crate::keyword::value::Value;
use crate::random::unique_id;
use crate::reply;
use crate::reply::Reply;
use crate::request::Request;
use crate::request::Script;
use crate::time::Wait;
use crate::time::{Deadline, Pauses};

/// Has the dispatcher set the keywords, and returns the outcome of each.
pub(crate) async fn write_and_wait<E: RoundTrips>(
    service: &Service<E>,
    writes: Vec<Result<(KeywordName, Value)>>,
    (time, is_forced): (Duration, bool),
) -> Result<Vec<Result<Reading>>> {
    let (executor, name) = (&service.executor, service.name("write")?);
    let deadline = Deadline::after(Wait::For(time));
    let (outcomes, read) = Default::default();
    let mut requests = WriteRequests { executor, name, deadline, outcomes, read };
    let mut waiting = Vec::with_capacity(writes.len());
    for (position, write) in writes.into_iter().enumerate() {
        match write {
            Ok((keyword, value)) => {
                let write =
                    WriteRequest { is_forced, ..WriteRequest::new(position, keyword, &value) };
                match write.checked(name) {
                    Ok(write) => waiting.push(write),
                    Err(error) => drop(requests.outcomes.insert(position, Err(error))),
                }
            }
            Err(error) => drop(requests.outcomes.insert(position, Err(error))),
        }
    }
    let (taken, others) = requests.submit(waiting).await?;
    requests.await_outcomes(taken).await;
    requests.remove().await;
    for (index, WriteRequest { position, keyword, text, kind, .. }) in
        others.into_iter().enumerate()
    {
        let about = (name, &keyword, kind.unwrap_or_default());
        let outcome = if index > 0 && deadline.is_over() {
            // Nothing was sent.
            Err(Error::Timeout { attempt: name.attempt("write", &keyword, false) })
        } else {
            cauldron::write(executor, about, &text, &deadline).await
        };
        requests.outcomes.insert(position, outcome);
    }
    Ok(requests.outcomes.into_values().collect())
}

/// Sends the dispatcher a write whose outcome is not awaited.
pub(crate) async fn write_without_waiting<E: RoundTrips>(
    service: &Service<E>,
    keyword: KeywordName,
    value: &Value,
) -> Result<()> {
    let (executor, name) = (&service.executor, service.name("write")?);
    let write =
        WriteRequest { id: String::new(), ..WriteRequest::new(0, keyword, value).checked(name)? };
    let is_received = match executor.send(write.request(name, Duration::ZERO)).await?.0 {
        SERVED_BY_CAULDRONS => {
            let publish = Request::write("PUBLISH").arg(name.value(&write.keyword)).arg(write.text);
            executor.send(publish.returns(reply::count)).await? > 0
        }
        receivers => receivers > 0,
    };
    if is_received { Ok(()) } else { Err(name.not_served(&write.keyword)) }
}

/// The write requests of one call. Lives until all have an outcome.
struct WriteRequests<'a, E> {
    executor: &'a E,
    name: &'a ServiceName,
    deadline: Deadline,
    /// The outcomes of the requests at these positions.
    outcomes: BTreeMap<usize, Result<Reading>>,
    /// The outcome lists that were read, to be removed.
    read: Vec<Vec<u8>>,
}

/// One write, from the call to its outcome.
struct WriteRequest {
    position: usize,
    id: String,
    keyword: KeywordName,
    text: String,
    /// The type of the keyword, unless it had none when the request was sent: its dispatcher had
    /// only begun to serve.
    kind: Option<Kind>,
    is_forced: bool,
}

impl WriteRequest {
    fn new(position: usize, keyword: KeywordName, value: &Value) -> Self {
        let id = unique_id();
        let text = value.to_string();
        Self { position, id, keyword, text, kind: None, is_forced: false }
    }

    /// Rejects a value that is too long to reach the dispatcher.
    fn checked(self, name: &ServiceName) -> Result<Self> {
        if self.text.len() <= LONGEST_VALUE {
            return Ok(self);
        }
        let attempt = name.attempt("write", &self.keyword, true);
        Err(Error::InvalidArgument { attempt, reason: TOO_LONG.into() })
    }

    /// Builds the script that publishes this request, whose outcome is kept for `time` and
    /// [`GRACE`].
    fn request(&self, name: &ServiceName, time: Duration) -> Command<(i64, Option<Kind>)> {
        let milliseconds = u64::try_from(time.saturating_add(GRACE).as_millis());
        let message = RequestMessage {
            id: &self.id,
            milliseconds: milliseconds.unwrap_or(LONGEST).min(LONGEST),
            is_forced: self.is_forced,
            at: None,
            keyword: self.keyword.as_str(),
            text: self.text.as_bytes(),
        };
        let [head, rest] = message.write();
        let request = Request::script(&REQUEST, 0).key(&name.value(&self.keyword));
        let request = request.arg(name.lease()).arg(name.kind(&self.keyword)).arg(REGISTRY);
        let request = request.arg(name.requests("")).arg(head).arg(rest);
        request.arg(name.as_str()).arg(name.closing()).returns(receivers)
    }
}

impl<E: RoundTrips> WriteRequests<'_, E> {
    /// Sends the requests. Returns those that a dispatcher has received, or may have, and those
    /// that must go to a Cauldron dispatcher.
    async fn submit(
        &mut self,
        mut waiting: Vec<WriteRequest>,
    ) -> Result<(VecDeque<WriteRequest>, Vec<WriteRequest>)> {
        let (mut taken, mut others) = (VecDeque::new(), Vec::new());
        let mut pauses = Pauses::new();
        while !waiting.is_empty() {
            let time = self.deadline.left();
            let requests: Vec<_> =
                waiting.iter().map(|write| write.request(self.name, time)).collect();
            match self.executor.send_all(requests).await {
                Ok(replies) => {
                    for (mut write, reply) in mem::take(&mut waiting).into_iter().zip(replies) {
                        match reply {
                            Ok((0, _)) => waiting.push(write),
                            Ok((NOT_SERVED, _)) => {
                                let error = self.name.not_served(&write.keyword);
                                self.outcomes.insert(write.position, Err(error));
                            }
                            Ok((receivers, kind)) => {
                                write.kind = kind;
                                match receivers {
                                    SERVED_BY_CAULDRONS => others.push(write),
                                    _ => taken.push_back(write),
                                }
                            }
                            Err(error) => drop(self.outcomes.insert(write.position, Err(error))),
                        }
                    }
                }
                Err(error) if error.applied() == Applied::Perhaps => {
                    taken.extend(waiting.drain(..))
                }
                Err(error) if taken.is_empty() && others.is_empty() => return Err(error),
                Err(_) => {}
            }
            if self.deadline.is_over() {
                break;
            }
            if !waiting.is_empty() {
                self.pause(&mut pauses).await;
            }
        }
        for write in waiting {
            self.outcomes.insert(write.position, Err(self.name.not_served(&write.keyword)));
        }
        Ok((taken, others))
    }

    /// Waits for the outcomes. Whenever one is decided, the others may be too. After the deadline
    /// they are checked once more.
    async fn await_outcomes(&mut self, mut taken: VecDeque<WriteRequest>) {
        while let Some(first) = taken.pop_front() {
            let outcome = self.outcome(&first).await;
            self.settle(first, outcome).await;
            if taken.is_empty() {
                return;
            }
            let is_last = self.deadline.is_over();
            let reads = taken.iter().map(|write| {
                let list = self.name.outcome(&write.id);
                Request::read("LINDEX").key(&list).number(0).returns(reply::raw)
            });
            let reads: Vec<_> = reads.collect();
            let found = self.executor.send_all(reads).await.unwrap_or_default();
            let found = found.into_iter().map(Result::ok).chain(repeat_with(|| None));
            for (write, found) in mem::take(&mut taken).into_iter().zip(found) {
                match found.flatten().and_then(|outcome| WriteOutcome::read(&outcome)) {
                    Some(outcome) => self.settle(write, Ok(outcome)).await,
                    None if is_last => {
                        let too_late = self.too_late(&write);
                        self.settle(write, Err(too_late)).await;
                    }
                    None => taken.push_back(write),
                }
            }
        }
    }

    /// Waits for one outcome. Moving a list onto itself removes nothing, so it can be repeated.
    async fn outcome(&self, write: &WriteRequest) -> Result<WriteOutcome> {
        let list = self.name.outcome(&write.id);
        let too_late = || self.too_late(write);
        let mut pauses = Pauses::new();
        loop {
            let wait = Request::write("BLMOVE").key(&list).key(&list).arg("LEFT").arg("LEFT");
            let wait = wait.needs("Redis 6.2").waits(Wait::For(self.deadline.left())).once();
            match self.executor.send(wait.returns(reply::raw)).await {
                Ok(found) => {
                    let outcome = found.and_then(|outcome| WriteOutcome::read(&outcome));
                    return outcome.ok_or_else(too_late);
                }
                // Without memory or permission the server does not block, but can be polled.
                Err(error) if error.code().is_some() => {
                    let read = Request::read("LINDEX").key(&list).number(0).returns(reply::raw);
                    match self.executor.send(read).await {
                        Ok(Some(outcome)) => {
                            return WriteOutcome::read(&outcome).ok_or_else(too_late);
                        }
                        Ok(None) if self.deadline.is_over() => return Err(too_late()),
                        Ok(None) => self.pause(&mut pauses).await,
                        Err(_) => return Err(too_late()),
                    }
                }
                Err(error) if !error.is_transient() => {
                    return Err(error.in_part());
                }
                Err(_) if self.deadline.is_over() => return Err(too_late()),
                Err(_) => self.pause(&mut pauses).await,
            }
        }
    }

    /// Removes the outcomes that were read. Those that remain, for lack of permission or a
    /// connection, expire.
    async fn remove(&mut self) {
        let unlink = |request: Request, list: &Vec<u8>| request.key(list);
        let unlink = self.read.iter().fold(Request::write("UNLINK"), unlink);
        if !self.read.is_empty() {
            let _ = self.executor.send(unlink.returns(reply::count)).await;
        }
    }

    fn too_late(&self, write: &WriteRequest) -> Error {
        Error::Timeout { attempt: self.name.attempt("write", &write.keyword, true) }
    }

    /// Stores the result of a write, and notes its outcome list for removal.
    async fn settle(&mut self, write: WriteRequest, outcome: Result<WriteOutcome>) {
        if outcome.is_ok() {
            self.read.push(self.name.outcome(&write.id));
        }
        let attempt = self.name.attempt("write", &write.keyword, true);
        let failed = |source| Error::Keyword { attempt, source };
        let reading = match outcome {
            Ok(WriteOutcome::Taken(update)) => self.reading(&write, update).await,
            Ok(WriteOutcome::Refused(reason)) if reason == UNKNOWN => {
                Err(failed(KeywordError::UnknownKeyword))
            }
            Ok(WriteOutcome::Refused(reason)) => Err(failed(KeywordError::Refused { reason })),
            Ok(WriteOutcome::Abandoned) => Err(failed(KeywordError::Abandoned)),
            Err(error) => Err(error),
        };
        self.outcomes.insert(write.position, reading);
    }

    /// Returns the reading of an acknowledged value, whose type is looked up if unknown.
    async fn reading(&self, write: &WriteRequest, update: Update) -> Result<Reading> {
        let text = text_of(self.name, &write.keyword, update.text)?;
        let kind = match write.kind {
            Some(kind) => kind,
            None => {
                let kind = Request::read("GET").key(&self.name.kind(&write.keyword));
                let kind = self.executor.send(kind.returns(reply::raw)).await;
                Kind::named(&kind.ok().flatten().unwrap_or_default())
            }
        };
        Ok(fresh(&write.keyword, kind, text, update.at))
    }

    async fn pause(&self, pauses: &mut Pauses) {
        let time = pauses.next().min(self.deadline.left());
        self.executor.pause(time).await;
    }
}

/// Parses the reply of `request.lua`.
fn receivers(reply: Reply<'_>) -> Result<(i64, Option<Kind>)> {
    let request = reply.request;
    let [count, kind] = reply::parts(reply)?;
    match reply::integer(count)? {
        count @ NOT_SERVED.. => {
            let kind = reply::one::<Vec<u8>>(kind)?;
            Ok((count, (!kind.is_empty()).then(|| Kind::named(&kind))))
        }
        count => {
            Err(reply::unexpected(request, "the number of receivers", &redis::Value::Int(count)))
        }
    }
}

const SERVED_BY_CAULDRONS: i64 = -1;
const NOT_SERVED: i64 = -2;

static REQUEST: Script = Script::of_one_write("write", include_str!("lua/request.lua"));

/// Servers by default disconnect a subscriber that is sent more than 32 MiB at once.
const LONGEST_VALUE: usize = 16 << 20;
const TOO_LONG: &str =
    "a written value has at most 16 MiB; only the dispatcher may set longer ones";

/// How much longer the outcome is kept than the client waits.
const GRACE: Duration = Duration::from_secs(1);
/// A day, in milliseconds.
const LONGEST: u64 = 86_400_000;
