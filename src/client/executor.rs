//! What runs commands.

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
/// It decides what the methods of a collection give back: on a [`Client`](crate::Client) a `Result`, on
/// [`Deferred`](crate::Deferred) the [`Command`] itself.
pub trait Executor: Clone + sealed::Sealed {
    /// What a call gives back for a reply of `T`.
    type Reply<T>;

    /// Runs one command.
    fn run<T: Send + 'static>(&self, command: Command<T>) -> Self::Reply<T>;
}

pub(crate) mod sealed {
    use super::*;

    pub trait Sealed {}

    /// What the crate itself needs of a client.
    pub trait Machinery: Executor {
        fn topology(&self) -> impl Future<Output = Result<Arc<Topology>>> + Send;

        /// The reply to a command for the next page of a scan.
        fn send_page<T: Send + 'static>(
            &self,
            command: Command<T>,
            with: &mut ScanOrigin,
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
        fn route_version(&self) -> RouteVersion;

        /// Does `work`, which nobody has to wait for: at once where it blocks, or else beside the
        /// caller, who may be dropped.
        fn launch(
            &self,
            work: impl Future<Output = ()> + Send + 'static,
        ) -> impl Future<Output = ()> + Send;

        /// Does `work` beside the caller, on a thread or in a task. It is dropped if there can be none.
        fn background(&self, work: impl Future<Output = ()> + Send + 'static);

        /// Whether what was begun in the background goes on while this thread is blocked.
        fn background_goes_on(&self) -> bool;

        fn feed(
            &self,
            wish: FeedOptions,
            audience: Arc<dyn FeedHandler>,
        ) -> impl Future<Output = Result<Feed>> + Send;

        /// The same client, which tells `observer` of each write.
        fn observed(&self, observer: Arc<dyn WriteObserver>) -> Self;

        /// Whether keys have slots.
        fn is_cluster(&self) -> bool;
    }
}
