//! Who runs commands: the only part of the crate that does I/O.

mod builder;
mod client;
mod connection;
mod deferred;
mod idle;
mod pipeline;
mod pool;
mod waiting;

pub use builder::ClientBuilder;
pub use client::Client;
pub(crate) use client::finish;
pub use deferred::Deferred;
pub use pipeline::Pipeline;

use crate::command::Command;
use crate::error::Result;

/// Runs a [`Command`], each implementor in its own way.
///
/// It decides what the methods of a collection give back: on a [`Client`] a `Result`, on
/// [`Deferred`] the [`Command`] itself.
pub trait Executor: Clone + sealed::Sealed {
    /// What a call gives back for a reply of `T`.
    type Reply<T>;

    /// Runs one command.
    fn run<T: Send + 'static>(&self, command: Command<T>) -> Self::Reply<T>;
}

/// An executor that can wait for one reply before it sends the next command.
///
/// What takes several round trips cannot travel in a pipeline, and does not compile there:
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
pub trait RoundTrips: Executor + Send + Sync + 'static {
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
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Client {}
    impl Sealed for super::Deferred {}
}
