//! Several commands in one round trip.

use redis::{ConnectionLike, Value};

use super::Client;
use crate::command::Command;
use crate::error::{Attempt, Error, Result};
use crate::protocol::{Form, pack_words};
use crate::reply::server_error;
use crate::request::Request;

/// Commands that travel together: a tuple, or a `Vec` of one kind.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel in a pipeline",
    label = "not a tuple or a `Vec` of commands",
    note = "get commands from `.deferred()`: `client.pipeline((users.deferred().len(), ...))`"
)]
pub trait Pipeline: sealed::Pack {}

impl<P: sealed::Pack> Pipeline for P {}

impl Client {
    /// Runs all commands in one round trip, each by itself: one that fails, fails alone, and the
    /// others keep their results. Other clients' commands may run in between.
    ///
    /// ```
    /// # let server = redis_collections::LocalServer::start()?;
    /// # let client = redis_collections::Client::open(server.url())?;
    /// use redis_collections::{RedisHashDict, RedisList};
    ///
    /// let ages: RedisHashDict<String, u32> = RedisHashDict::new(&client, "ages");
    /// let visits: RedisList<String> = RedisList::new(&client, "visits");
    /// let (age, visits) =
    ///     client.pipeline((ages.deferred().get("ann"), visits.deferred().push_back("ann")))?;
    /// assert_eq!((age?, visits?), (None, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pipeline<P: Pipeline>(&self, commands: P) -> Result<P::Replies> {
        let mut packed = Vec::new();
        let mut sent = 0;
        let mut writes = false;
        for_each_with_form(&commands.requests(), |request, form| {
            request.pack(form, &mut packed);
            sent += 1;
            writes |= request.writes();
        });
        let values = match sent {
            0 => Vec::new(),
            _ => self.exchange(
                !writes,
                || together("a pipeline", writes),
                |connection| connection.req_packed_commands(&packed, 0, sent),
            )?,
        };
        Ok(commands.read_each(&mut values.into_iter()))
    }

    /// Runs all commands in one round trip as one transaction: no other client's command runs in
    /// between, and none runs if the server refuses one of them or the connection breaks early.
    /// `MULTI` and `EXEC`.
    ///
    /// Redis has no rollback: where a command fails as it runs, such as one on a key of the wrong
    /// type, the others are applied all the same. Then [`Error::applied`] says `Yes`.
    pub fn transaction<P: Pipeline>(&self, commands: P) -> Result<P::Values> {
        let mut requests = commands.requests();
        if let Some(refusal) = requests.iter().find_map(|request| request.refusal()) {
            return Err(refusal);
        }
        requests.retain(|request| request.is_sent());
        let mut packed = Vec::new();
        pack_words(&["MULTI"], &mut packed);
        for_each_with_form(&requests, |request, form| request.pack(form, &mut packed));
        pack_words(&["EXEC"], &mut packed);
        let writes = requests.iter().any(|request| request.writes());
        let in_company = writes && requests.len() > 1;
        let attempt = || together("a transaction", writes);
        let values = self.exchange(!writes, attempt, |connection| {
            connection.req_packed_commands(&packed, 0, requests.len() + 2)
        })?;
        let values = committed(&requests, values, attempt)?;
        drop(requests);
        let applied = |error: Error| if in_company { error.in_part() } else { error };
        commands.read_all(&mut values.into_iter()).map_err(applied)
    }
}

/// The replies of the commands between `MULTI` and `EXEC`, if they were run.
fn committed(
    requests: &[&Request],
    mut values: Vec<Value>,
    attempt: impl Fn() -> Attempt,
) -> Result<Vec<Value>> {
    let executed = values.pop();
    let multi = Request::write("MULTI");
    for (request, value) in std::iter::once(&multi).chain(requests.iter().copied()).zip(values) {
        if let Value::ServerError(error) = value {
            let error = server_error(request, &error);
            let was_begun = !std::ptr::eq(request, &multi);
            return Err(if was_begun { error } else { error.in_part() });
        }
    }
    match executed {
        Some(Value::Array(values)) if values.len() == requests.len() => Ok(values),
        Some(Value::ServerError(error)) => Err(server_error(&Request::write("EXEC"), &error)),
        _ => Err(Error::UnexpectedReply {
            attempt: Box::new(attempt()),
            expected: "one reply a command",
            found: "something else",
        }),
    }
}

/// Visits the requests that can be sent. The first use of a script goes with its source, so that
/// the server has it.
fn for_each_with_form(requests: &[&Request], mut visit: impl FnMut(&Request, Form)) {
    let mut loaded: Vec<&str> = Vec::new();
    for request in requests.iter().filter(|request| request.is_sent()) {
        let form = match request.is_script() {
            Some(script) if !loaded.contains(&script.hash()) => {
                loaded.push(script.hash());
                Form::WithSource
            }
            _ => Form::AsIs,
        };
        visit(request, form);
    }
}

fn together(command: &'static str, writes: bool) -> Attempt {
    Attempt { command, key: None, field: None, writes, in_part: false }
}

mod sealed {
    use super::*;

    /// What a client does with commands that travel together.
    pub trait Pack {
        /// The outcome of each command.
        type Replies;
        /// The replies if no command failed.
        type Values;

        #[doc(hidden)]
        fn requests(&self) -> Vec<&Request>;
        #[doc(hidden)]
        fn read_each(self, values: &mut dyn Iterator<Item = Value>) -> Self::Replies;
        #[doc(hidden)]
        fn read_all(self, values: &mut dyn Iterator<Item = Value>) -> Result<Self::Values>;
    }

    impl<T> Pack for Vec<Command<T>> {
        type Replies = Vec<Result<T>>;
        type Values = Vec<T>;

        fn requests(&self) -> Vec<&Request> {
            self.iter().map(|command| &command.request).collect()
        }

        fn read_each(self, values: &mut dyn Iterator<Item = Value>) -> Vec<Result<T>> {
            self.into_iter().map(|command| next(command, values)).collect()
        }

        fn read_all(self, values: &mut dyn Iterator<Item = Value>) -> Result<Vec<T>> {
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

                fn read_each(self, values: &mut dyn Iterator<Item = Value>) -> Self::Replies {
                    let ($($command,)+) = self;
                    ($(next($command, values),)+)
                }

                fn read_all(self, values: &mut dyn Iterator<Item = Value>) -> Result<Self::Values> {
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

    /// What came of `command`. One that could not be sent has no value.
    fn next<T>(command: Command<T>, values: &mut dyn Iterator<Item = Value>) -> Result<T> {
        match (command.request.refusal(), command.request.known_reply()) {
            (Some(refusal), _) => Err(refusal),
            (None, Some(known)) => command.read(known),
            (None, None) => command.read(values.next().unwrap_or(Value::Nil)),
        }
    }
}
