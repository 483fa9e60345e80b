//! Commands: the bytes of a request and how to read its reply. No I/O.

mod part;

pub(crate) use self::part::Part;

use std::fmt;

use redis::Value;

use crate::error::Result;
use crate::reply::Reply;
use crate::request::Request;

/// One Redis command and how to read its reply as a `T`.
///
/// The methods of a collection on [`Deferred`](crate::Deferred) return commands; a client runs them
/// alone, in a pipeline or in a transaction.
#[must_use = "a command does nothing until a client runs it"]
pub struct Command<T> {
    pub(crate) request: Request,
    pub(crate) read: fn(Reply<'_>) -> Result<T>,
}

impl<T> Command<T> {
    /// The arguments as sent to the server, the command's name first. A write that publishes its
    /// changes is wrapped in a script.
    pub fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        self.request.arguments()
    }

    /// Reads the server's reply to this command.
    pub(crate) fn read(&self, value: Value) -> Result<T> {
        (self.read)(Reply { value, request: &self.request })
    }
}

impl Request {
    /// Completes the command with the function that reads its reply.
    pub(crate) fn returns<T>(self, read: fn(Reply<'_>) -> Result<T>) -> Command<T> {
        Command { request: self, read }
    }
}

/// Shows the command and its key, never a value.
impl<T> fmt::Debug for Command<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({})", self.request.attempt())
    }
}
