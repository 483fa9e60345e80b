//! Several commands in one round trip.

use std::sync::LazyLock;

use redis::Value;

use super::pipeline::sealed::Values;
use crate::command::Command;
use crate::connection::Node;
use crate::error::{Attempt, Error, Result};
use crate::protocol::{Form, Line};
use crate::reply::server_error;
use crate::request::{Request, several_slots};
use crate::routing::Router;
use crate::routing::with_source_once;
use crate::topology::Destination;

/// Commands that are sent in one round trip: a tuple, or a `Vec` of one kind.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel in a pipeline",
    label = "not a tuple or a `Vec` of commands",
    note = "get commands from `.deferred()`: `client.pipeline((users.deferred().len(), ...))`"
)]
pub trait Pipeline: sealed::Pack {}

impl<P: sealed::Pack> Pipeline for P {}

impl<N: Node> Router<N> {
    /// Runs all commands in one round trip. If none has a reply and there is one server, the error
    /// is that of the pipeline as a whole.
    pub(crate) async fn pipeline<P: Pipeline>(&self, commands: P) -> Result<P::Replies> {
        let requests: Vec<_> = sent(&commands).collect();
        let writes = requests.iter().any(|request| request.writes());
        let mut replies = match requests.len() {
            0 => Vec::new(),
            _ => self.call_each(&requests).await,
        };
        drop(requests);
        let lost = !self.servers.is_cluster() && replies.iter().all(Result::is_err);
        if let Some(Err(error)) = replies.pop_if(|_| lost) {
            return Err(error.about(joint_attempt("a pipeline", writes)));
        }
        let mut values = Values::new(replies);
        let replies = commands.read_each(&mut values);
        self.check(&values);
        Ok(replies)
    }

    /// Runs all commands as one transaction on the one server that owns their keys.
    pub(crate) async fn transaction<P: Pipeline>(&self, commands: P) -> Result<P::Values> {
        let refusal = |request: &&Request| request.refusal_of_one_command();
        if let Some(refusal) = commands.requests().iter().find_map(refusal) {
            return Err(refusal);
        }
        let requests: Vec<_> = sent(&commands).collect();
        let slot = self.common_slot(&requests)?;
        let mut lines = vec![Line::new(&MULTI, Form::AsIs)];
        let mut loaded = Vec::new();
        let as_is = requests.iter().map(|request| self.line(request));
        lines.extend(as_is.map(|line| with_source_once(line, &mut loaded)));
        lines.push(Line::new(&EXEC, Form::AsIs));
        let writes = requests.iter().any(|request| request.writes());
        let attempt = || joint_attempt("a transaction", writes);
        let replies = self.replies(&lines, Destination::Slot(slot)).await;
        let replies = replies.map_err(|fault| fault.into_error(attempt))?;
        let values = self.checked(committed(&requests, replies, attempt));
        if values.as_ref().is_err_and(is_left_open) {
            self.servers.retire_connections();
        }
        let values = values?;
        let effects =
            requests.iter().zip(&values).filter(|(to, reply)| has_effect(to, reply)).count();
        drop((lines, requests));
        let applied = |error: Error| {
            if effects > usize::from(error.may_have_been_applied()) {
                error.in_part()
            } else {
                error
            }
        };
        let mut values = Values::new(values.into_iter().map(Ok).collect());
        let read = commands.read_all(&mut values).map_err(applied);
        self.check(&values);
        read
    }

    /// Retires all kept connections after a reply of an unexpected shape.
    fn check(&self, values: &Values) {
        if values.has_unexpected {
            self.servers.retire_connections();
        }
    }

    /// Returns the one slot of all keys of all requests.
    fn common_slot(&self, requests: &[&Request]) -> Result<Option<u16>> {
        let mut common = None;
        for request in requests.iter().filter(|_| self.servers.is_cluster()) {
            let slot = request.slot()?;
            if slot.is_some() && common.is_some() && slot != common {
                return Err(several_slots(request));
            }
            common = common.or(slot);
        }
        Ok(common)
    }
}

static MULTI: LazyLock<Request> = LazyLock::new(|| Request::read("MULTI"));
static EXEC: LazyLock<Request> = LazyLock::new(|| Request::read("EXEC"));

/// Returns the replies of the commands between `MULTI` and `EXEC`, if they were run.
fn committed(
    requests: &[&Request],
    mut values: Vec<Value>,
    attempt: impl Fn() -> Attempt,
) -> Result<Vec<Value>> {
    let executed = values.pop();
    let multi: &Request = &MULTI;
    let runs_alone = |(request, reply): (&&Request, &Value)| has_effect(request, reply);
    let any_ran_alone = requests.iter().zip(values.iter().skip(1)).any(runs_alone);
    for (request, value) in std::iter::once(multi).chain(requests.iter().copied()).zip(values) {
        let was_begun = !std::ptr::eq(request, multi);
        match value {
            Value::ServerError(error) => {
                let error = server_error(request, &error);
                let is_in_part = !was_begun && any_ran_alone;
                return Err(if is_in_part { error.in_part() } else { error });
            }
            Value::Okay if !was_begun => {}
            Value::SimpleString(text) if was_begun && text == "QUEUED" => {}
            _ => return Err(misunderstood(attempt())),
        }
    }
    match executed {
        Some(Value::Array(values)) if values.len() == requests.len() => Ok(values),
        Some(Value::ServerError(error)) => Err(server_error(&EXEC, &error)),
        _ => Err(misunderstood(attempt())),
    }
}

/// Returns whether this error leaves the connection inside the transaction: `EXEC` itself was
/// refused, for example because it is renamed.
fn is_left_open(error: &Error) -> bool {
    let is_of_exec = error.attempt().is_some_and(|attempt| attempt.command() == "EXEC");
    is_of_exec && error.code() != Some("EXECABORT")
}

/// Returns whether a command of a transaction has written something, as far as its reply shows.
fn has_effect(request: &Request, reply: &Value) -> bool {
    match reply {
        Value::ServerError(error) => server_error(request, error).may_have_been_applied(),
        _ => request.writes(),
    }
}

/// The error for replies that are not those of a transaction.
fn misunderstood(attempt: Attempt) -> Error {
    let (expected, found) = ("one reply a command", "something else");
    Error::UnexpectedReply { attempt: Box::new(attempt), expected, found }
}

/// The requests that must be sent.
fn sent<P: Pipeline>(commands: &P) -> impl Iterator<Item = &Request> {
    commands.requests().into_iter().filter(|request| request.is_sent())
}

/// The attempt that an error of several commands reports.
fn joint_attempt(command: &'static str, writes: bool) -> Attempt {
    Attempt { command, key: None, field: None, writes, in_part: false, halfway: false }
}

mod sealed {
    use super::*;

    /// The outcomes of commands that were sent together, to be read in their order.
    #[derive(Debug)]
    pub struct Values {
        values: std::vec::IntoIter<Result<Value>>,
        /// Whether one of them had an unexpected shape.
        pub(crate) has_unexpected: bool,
    }

    impl Values {
        pub(crate) fn new(values: Vec<Result<Value>>) -> Self {
            Self { values: values.into_iter(), has_unexpected: false }
        }
    }

    /// Commands that can be sent together, and how to read their replies.
    pub trait Pack {
        /// The outcome of each command.
        type Replies;
        /// The replies if no command failed.
        type Values;

        /// The requests of all commands, in order.
        #[doc(hidden)]
        fn requests(&self) -> Vec<&Request>;
        /// Reads the outcome of each command by itself.
        #[doc(hidden)]
        fn read_each(self, values: &mut Values) -> Self::Replies;
        /// Reads all outcomes, up to the first error.
        #[doc(hidden)]
        fn read_all(self, values: &mut Values) -> Result<Self::Values>;
    }

    impl<T> Pack for Vec<Command<T>> {
        type Replies = Vec<Result<T>>;
        type Values = Vec<T>;

        fn requests(&self) -> Vec<&Request> {
            self.iter().map(|command| &command.request).collect()
        }

        fn read_each(self, values: &mut Values) -> Vec<Result<T>> {
            self.into_iter().map(|command| next(command, values)).collect()
        }

        fn read_all(self, values: &mut Values) -> Result<Vec<T>> {
            self.into_iter().map(|command| next(command, values)).collect()
        }
    }

    macro_rules! pack_tuple {
        ($($T:ident $command:ident),+) => {
            impl<$($T),+> Pack for ($(Command<$T>,)+) {
                type Replies = ($(Result<$T>,)+);
                type Values = ($($T,)+);

                fn requests(&self) -> Vec<&Request> {
                    let ($($command,)+) = self;
                    vec![$(&$command.request),+]
                }

                fn read_each(self, values: &mut Values) -> Self::Replies {
                    let ($($command,)+) = self;
                    ($(next($command, values),)+)
                }

                fn read_all(self, values: &mut Values) -> Result<Self::Values> {
                    let ($($command,)+) = self;
                    Ok(($(next($command, values)?,)+))
                }
            }
        };
    }

    pack_tuple!(A a);
    pack_tuple!(A a, B b);
    pack_tuple!(A a, B b, C c);
    pack_tuple!(A a, B b, C c, D d);
    pack_tuple!(A a, B b, C c, D d, E e);
    pack_tuple!(A a, B b, C c, D d, E e, F f);
    pack_tuple!(A a, B b, C c, D d, E e, F f, G g);
    pack_tuple!(A a, B b, C c, D d, E e, F f, G g, H h);

    /// Reads the outcome of `command`. One that could not be sent has no value.
    fn next<T>(command: Command<T>, values: &mut Values) -> Result<T> {
        let read = match (command.request.refusal(), command.request.known_reply()) {
            (Some(refusal), _) => Err(refusal),
            (None, Some(known)) => command.read(known),
            (None, None) => command.read(values.values.next().unwrap_or(Ok(Value::Nil))?),
        };
        values.has_unexpected |= matches!(read, Err(Error::UnexpectedReply { .. }));
        read
    }
}
