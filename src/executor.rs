//! Who runs commands: the only part of the crate that does I/O.

#[cfg(feature = "async")]
mod async_client;
#[cfg(feature = "async")]
mod async_connection;
#[cfg(feature = "async")]
mod async_listener;
#[cfg(feature = "async")]
mod async_node;
#[cfg(feature = "async")]
mod async_stream;
#[cfg(feature = "async")]
mod async_waiting;
#[cfg(feature = "async")]
mod background;
mod blocking_connection;
mod blocking_node;
mod builder;
mod client;
#[cfg(feature = "cluster")]
mod cluster;
mod connection;
mod counterpart;
mod deferred;
mod fault;
mod feed;
mod given;
#[cfg(feature = "async")]
mod greeting;
mod handshake;
mod idle;
mod info;
mod keyspace;
mod link;
mod listener;
#[cfg(feature = "async")]
mod multiplexed;
mod node;
#[cfg(feature = "async")]
mod outstanding;
#[cfg(feature = "async")]
mod packed;
mod pipeline;
mod pool;
pub(crate) mod pulse;
mod retry;
mod router;
mod sentinel;
mod servers;
mod session;
mod signal;
mod speech;
mod spread;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod together;
mod topology;
mod trip;
mod url;
mod verdict;
mod vigil;
mod waiting;
mod witness;

#[cfg(feature = "async")]
pub use async_client::{AsyncClient, ReplyFuture};
pub use builder::ClientBuilder;
pub use client::Client;
pub(crate) use client::finish;
#[cfg(test)]
pub(crate) use cluster::read_slots;
pub(crate) use counterpart::Counterpart;
pub use deferred::Deferred;
pub(crate) use feed::{Audience, Feed, Situation, Wish, has_ended};
pub use pipeline::Pipeline;
pub(crate) use retry::{Deadline, Pauses};
pub(crate) use servers::Bearing;
#[cfg(feature = "keyword")]
pub(crate) use session::OF_STRINGS;
pub(crate) use session::canaries;
pub(crate) use signal::Signal;
pub(crate) use speech::Speech;
pub(crate) use topology::Topology;
#[cfg(test)]
pub(crate) use url::read_url;
pub(crate) use witness::Witness;

use std::sync::Arc;
use std::time::Duration;

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
pub trait RoundTrips: Executor + sealed::Machinery + Send + Sync + 'static {
    /// What a call gives back that uses what lives for `'a`, such as a function of the user.
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

    /// Like [`converse`](Self::converse), with what lives for `'a`.
    fn converse_within<'a, T, F>(&self, conversation: F) -> Self::ReplyWithin<'a, T>
    where
        T: Send + 'a,
        F: Future<Output = Result<T>> + Send + 'a;
}

pub(crate) mod sealed {
    use super::*;

    pub trait Sealed {}
    impl Sealed for Client {}
    impl Sealed for Deferred {}
    #[cfg(feature = "async")]
    impl Sealed for AsyncClient {}

    /// What the crate itself needs of a client.
    pub trait Machinery: Executor {
        fn topology(&self) -> impl Future<Output = Result<Arc<Topology>>> + Send;

        /// The reply to a command for the next page of a scan.
        fn send_page<T: Send + 'static>(
            &self,
            command: Command<T>,
            with: &mut Counterpart,
        ) -> impl Future<Output = Result<T>> + Send;

        /// The replies of one round trip.
        fn send_all<P>(&self, commands: P) -> impl Future<Output = Result<P::Replies>> + Send
        where
            P: Pipeline + Send,
            P::Replies: Send;

        /// A reply without asking anybody.
        fn ready<T: Send + 'static>(&self, result: Result<T>) -> Self::Reply<T>;

        /// Waits for something that happens elsewhere in the program, at most for `time`.
        fn wait<F: Future<Output: Send> + Send>(
            &self,
            event: F,
            time: Duration,
        ) -> impl Future<Output = Option<F::Output>> + Send;

        /// The number of the database.
        fn database(&self) -> i64;

        /// What is known of where requests go.
        fn bearing(&self) -> Bearing;

        /// Does `work`, which nobody has to wait for: at once where it blocks, or else beside the
        /// caller, who may be dropped.
        fn launch(
            &self,
            work: impl Future<Output = ()> + Send + 'static,
        ) -> impl Future<Output = ()> + Send;

        /// Does `work` beside the caller, on a thread or in a task. It is dropped if there can be none.
        fn background(&self, work: impl Future<Output = ()> + Send + 'static);

        /// Whether what was begun in the background goes on while this thread is blocked. Sees to it that it does where
        /// other threads could take it.
        fn background_goes_on(&self) -> bool;

        fn feed(
            &self,
            wish: Wish,
            audience: Arc<dyn Audience>,
        ) -> impl Future<Output = Result<Feed>> + Send;

        /// The same client, which tells `witness` of each write.
        fn witnessed(&self, witness: Arc<dyn Witness>) -> Self;

        /// Whether keys have slots.
        fn is_cluster(&self) -> bool;

        /// A blocking client of the same servers, with connections of its own.
        fn threaded(&self) -> Client;
    }
}
