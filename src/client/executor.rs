//! Executors, which run commands.

use std::sync::Arc;
use std::time::Duration;

use super::pipeline::Pipeline;
use super::write_observer::WriteObserver;
use crate::command::Command;
use crate::error::Result;
use crate::listen::Feed;
use crate::listen::{FeedHandler, FeedOptions};
use crate::routing::ScanOrigin;
use crate::topology::RouteVersion;
use crate::topology::Topology;

/// Runs a [`Command`], each implementor in its own way.
///
/// The executor determines what the methods of a collection return: on a [`Client`](crate::Client)
/// a `Result`, on [`Deferred`](crate::Deferred) the [`Command`] itself.
pub trait Executor: Clone + sealed::Sealed {
    /// The return type of a call for a reply of `T`.
    type Reply<T>;

    /// Runs one command.
    fn run<T: Send + 'static>(&self, command: Command<T>) -> Self::Reply<T>;
}

pub(crate) mod sealed {
    use super::*;

    /// Keeps the traits of clients from being implemented outside of the crate.
    pub trait Sealed {}

    /// The internal interface of a client.
    pub trait InternalClient: Executor {
        /// The current topology, discovered first if necessary.
        fn topology(&self) -> impl Future<Output = Result<Arc<Topology>>> + Send;

        /// Sends a command for the next page of a scan, and another read in the same round trip.
        fn send_page<T: Send + 'static, U: Send + 'static>(
            &self,
            page: Command<T>,
            beside: Command<U>,
            with: &mut ScanOrigin,
        ) -> impl Future<Output = Result<(T, U)>> + Send;

        /// Sends the commands in one round trip.
        fn send_all<P>(&self, commands: P) -> impl Future<Output = Result<P::Replies>> + Send
        where
            P: Pipeline + Send,
            P::Replies: Send;

        /// Returns `result` as a reply, without asking a server.
        fn ready<T: Send + 'static>(&self, result: Result<T>) -> Self::Reply<T>;

        /// Waits for a future of this program, at most for `time`.
        fn wait<F: Future<Output: Send> + Send>(
            &self,
            event: F,
            time: Duration,
        ) -> impl Future<Output = Option<F::Output>> + Send;

        /// Sleeps for some time, as a thread or as a task.
        fn pause(&self, time: Duration) -> impl Future<Output = ()> + Send {
            let paused = self.wait(std::future::pending::<()>(), time);
            async move {
                paused.await;
            }
        }

        /// The number of the database.
        fn database(&self) -> i64;

        /// The current route version, to be compared with an earlier one.
        fn route_version(&self) -> RouteVersion;

        /// Does `work` that the caller need not wait for. A blocking client does it immediately,
        /// others do it in the background, since the caller may be dropped.
        fn launch(
            &self,
            work: impl Future<Output = ()> + Send + 'static,
        ) -> impl Future<Output = ()> + Send;

        /// Does `work` in the background, on a thread or in a task. It is dropped if neither is
        /// available.
        fn background(&self, work: impl Future<Output = ()> + Send + 'static);

        /// Returns whether background work continues while this thread is blocked, and wakes
        /// threads that can take it over.
        fn background_goes_on(&self) -> bool;

        /// Opens a feed, which lives until it is dropped.
        fn feed(
            &self,
            options: FeedOptions,
            handler: Arc<dyn FeedHandler>,
        ) -> impl Future<Output = Result<Feed>> + Send;

        /// The same client, which notifies `observer` of each write.
        fn observed(&self, observer: Arc<dyn WriteObserver>) -> Self;

        /// Returns whether keys have slots.
        fn is_cluster(&self) -> bool;
    }
}
