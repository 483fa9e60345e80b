//! Executors that make round trips.

use std::future::ready;

use super::blocking::Client;
use super::executor::Executor;
use super::executor::sealed::InternalClient;
use crate::command::Command;
use crate::error::Result;
use crate::time::finish;

/// An executor that can wait for one reply before it sends the next command.
///
/// An operation that takes several round trips cannot be part of a pipeline, and does not compile
/// there:
///
/// ```compile_fail
/// fn count(ages: redis_collections::RedisDict<String, u32>) {
///     let command = ages.deferred().len();
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "this operation takes several round trips, which `{Self}` cannot make",
    label = "cannot be put in a pipeline",
    note = "call it on the collection itself, with a `Client`"
)]
pub trait RoundTrips:
    Executor + InternalClient + sealed::ToBlocking + Send + Sync + 'static
{
    /// The return type of a call that uses values that live for `'a`, such as a function of the
    /// user.
    type ReplyWithin<'a, T>
    where
        T: 'a;

    /// Sends one command and waits for its reply.
    fn send<T: Send + 'static>(
        &self,
        command: Command<T>,
    ) -> impl Future<Output = Result<T>> + Send;

    /// Runs a conversation written as a future over [`send`](Self::send).
    fn converse<T, F>(&self, conversation: F) -> Self::Reply<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static;

    /// Like [`converse`](Self::converse), with values that live for `'a`.
    fn converse_within<'a, T, F>(&self, conversation: F) -> Self::ReplyWithin<'a, T>
    where
        T: Send + 'a,
        F: Future<Output = Result<T>> + Send + 'a;
}

impl RoundTrips for Client {
    type ReplyWithin<'a, T>
        = Result<T>
    where
        T: 'a;

    fn send<T: Send + 'static>(
        &self,
        command: Command<T>,
    ) -> impl Future<Output = Result<T>> + Send {
        ready(self.run(command))
    }

    fn converse<T, F>(&self, conversation: F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        finish(conversation)
    }

    fn converse_within<'a, T, F>(&self, conversation: F) -> Result<T>
    where
        T: Send + 'a,
        F: Future<Output = Result<T>> + Send + 'a,
    {
        finish(conversation)
    }
}

impl sealed::ToBlocking for Client {
    fn to_blocking(&self) -> Client {
        Client::beside(&self.router().servers)
    }
}

pub(crate) mod sealed {
    use super::super::blocking::Client;

    pub trait ToBlocking {
        /// A blocking client of the same servers, with connections of its own.
        fn to_blocking(&self) -> Client;
    }
}
