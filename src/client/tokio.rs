use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::RuntimeFlavor;

use super::blocking::Client;
use super::executor::Executor;
use super::executor::sealed::{InternalClient, Sealed};
use super::pipeline::Pipeline;
use super::round_trips::RoundTrips;
use super::round_trips::sealed::ToBlocking;
use super::write_observer::{WriteGuard, WriteObserver};
use crate::command::Command;
use crate::connection::AsyncNode;
use crate::connection::Node;
use crate::error::Result;
use crate::keys::Gather;
use crate::listen::Feed;
use crate::listen::{FeedHandler, FeedOptions};
use crate::reply;
use crate::request::Request;
use crate::routing::Router;
use crate::routing::ScanOrigin;
use crate::topology::RouteVersion;
use crate::topology::Topology;

/// An async client for tokio, of one server, of a cluster, or of the master that Sentinels name.
/// Clones share the connections.
///
/// Every method of a collection returns a future here.
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let url = server.url();
/// use redis_collections::{AsyncClient, RedisHashDict};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let client = AsyncClient::open(url).await?;
/// let ages: RedisHashDict<String, u32, AsyncClient> = RedisHashDict::new(&client, "ages");
/// ages.insert("ann", &36).await?;
/// assert_eq!(ages.get("ann").await?, Some(36));
///
/// let mut entries = ages.iter(); // also a `Stream`
/// while let Some(entry) = entries.next().await {
///     assert_eq!(entry?, ("ann".to_owned(), 36));
/// }
/// # Ok::<(), redis_collections::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Connections
///
/// All calls to a server share one connection, on which commands follow each other without waiting
/// for replies. It is made at the first call and again after it failed. It lives in the runtime of
/// that call: a client that is used in several runtimes has one in each. A future belongs to the
/// runtime that polls it first. While that runtime does not run, the future makes no progress and
/// its time limits do not apply. A blocking command uses a dedicated connection, served by a thread
/// of the client. A command that only reads is repeated once if the connection turns out to be
/// dead. A command that writes is repeated only if the server refused it because it has become a
/// replica.
///
/// # Dropped futures
///
/// A future does nothing before it is polled. Dropping one that was polled does not cancel its
/// command: it may be applied. For a waiting pop this matters: the server is asked to stop waiting,
/// and an item that it popped nevertheless is returned to the end it came from. The same happens
/// when the runtime of the call ends. An item is lost if the process ends, or the server cannot be
/// reached, before it is returned. With `wait_pop_front_to` an item is in one of the two lists
/// whatever happens.
///
/// # Several servers
///
/// As with [`Client`](crate::Client).
#[derive(Clone)]
pub struct AsyncClient {
    router: Arc<Router<AsyncNode>>,
    observer: Option<Arc<dyn WriteObserver>>,
}

impl AsyncClient {
    pub(crate) fn new(router: Router<AsyncNode>) -> Self {
        Self { router: Arc::new(router), observer: None }
    }

    /// Checks that the server answers; in a cluster, every master. `PING`, O(1).
    pub async fn check(&self) -> Result<()> {
        self.run(Request::read("PING").everywhere(Gather::Done).returns(reply::pong)).await
    }

    /// Runs all commands in one round trip, each by itself, like
    /// [`Client::pipeline`](crate::Client::pipeline).
    pub async fn pipeline<P: Pipeline + Send>(&self, commands: P) -> Result<P::Replies> {
        let _write = WriteGuard::all(&self.observer, &commands.requests());
        self.router.pipeline(commands).await
    }

    /// Runs all commands in one round trip as one transaction, like
    /// [`Client::transaction`](crate::Client::transaction).
    pub async fn transaction<P: Pipeline + Send>(&self, commands: P) -> Result<P::Values> {
        let _write = WriteGuard::all(&self.observer, &commands.requests());
        self.router.transaction(commands).await
    }
}

impl Sealed for AsyncClient {}

impl Executor for AsyncClient {
    type Reply<T> = ReplyFuture<'static, T>;

    fn run<T: Send + 'static>(&self, command: Command<T>) -> ReplyFuture<'static, T> {
        if self.observer.is_some() {
            let client = self.clone();
            return ReplyFuture::running(async move { client.send(command).await });
        }
        let router = self.router.clone();
        ReplyFuture::running(async move {
            router.checked(command.read(router.call(&command.request).await?))
        })
    }
}

impl RoundTrips for AsyncClient {
    type ReplyWithin<'a, T>
        = ReplyFuture<'a, T>
    where
        T: 'a;

    async fn send<T: Send + 'static>(&self, command: Command<T>) -> Result<T> {
        let _write = WriteGuard::one(&self.observer, &command.request);
        self.router.checked(command.read(self.router.call(&command.request).await?))
    }

    fn converse<T, F>(&self, conversation: F) -> ReplyFuture<'static, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        ReplyFuture::running(conversation)
    }

    fn converse_within<'a, T, F>(&self, conversation: F) -> ReplyFuture<'a, T>
    where
        T: Send + 'a,
        F: Future<Output = Result<T>> + Send + 'a,
    {
        ReplyFuture::running(conversation)
    }
}

impl InternalClient for AsyncClient {
    async fn topology(&self) -> Result<Arc<Topology>> {
        self.router.topology().await
    }

    async fn send_page<T: Send + 'static, U: Send + 'static>(
        &self,
        page: Command<T>,
        beside: Command<U>,
        with: &mut ScanOrigin,
    ) -> Result<(T, U)> {
        self.router.page(page, beside, with).await
    }

    async fn send_all<P>(&self, commands: P) -> Result<P::Replies>
    where
        P: Pipeline + Send,
        P::Replies: Send,
    {
        self.pipeline(commands).await
    }

    fn ready<T: Send + 'static>(&self, result: Result<T>) -> ReplyFuture<'static, T> {
        match result {
            Ok(value) => ReplyFuture(Reply::Ready(Some(value))),
            Err(error) => ReplyFuture::running(std::future::ready(Err(error))),
        }
    }

    async fn wait<F: Future<Output: Send> + Send>(
        &self,
        event: F,
        time: Duration,
    ) -> Option<F::Output> {
        tokio::time::timeout(time, event).await.ok()
    }

    fn database(&self) -> i64 {
        self.router.servers.database()
    }

    fn route_version(&self) -> RouteVersion {
        self.router.servers.route_version()
    }

    async fn launch(&self, work: impl Future<Output = ()> + Send + 'static) {
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(work)),
            Err(_) => work.await,
        }
    }

    fn background(&self, work: impl Future<Output = ()> + Send + 'static) {
        let _ = AsyncNode::spawn(work);
    }

    fn background_goes_on(&self) -> bool {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return true };
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            return false;
        }
        if tokio::task::try_id().is_none() {
            return true;
        }
        // A task that was woken last waits for this thread alone, and so does the network, until
        // others are woken.
        (0..2).for_each(|_| drop(runtime.spawn(async {})));
        runtime.metrics().num_workers() > 1
    }

    async fn feed(&self, options: FeedOptions, handler: Arc<dyn FeedHandler>) -> Result<Feed> {
        Feed::open(self.router.clone(), options, handler).await
    }

    fn observed(&self, observer: Arc<dyn WriteObserver>) -> Self {
        Self { router: self.router.clone(), observer: Some(observer) }
    }

    fn is_cluster(&self) -> bool {
        self.router.servers.is_cluster()
    }
}

impl ToBlocking for AsyncClient {
    fn to_blocking(&self) -> Client {
        Client::beside(&self.router.servers)
    }
}

impl fmt::Debug for AsyncClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = &self.router.address();
        f.debug_struct("AsyncClient").field("address", address).finish_non_exhaustive()
    }
}

/// The reply of an [`AsyncClient`] to come. Nothing is sent before it is polled.
#[must_use = "nothing is sent unless this is awaited"]
pub struct ReplyFuture<'a, T>(Reply<'a, T>);

/// A value that is known, or a conversation that is still to run. An error is as large as several
/// values, and has no place of its own here.
enum Reply<'a, T> {
    Ready(Option<T>),
    Running(Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>),
}

impl<'a, T> ReplyFuture<'a, T> {
    fn running(conversation: impl Future<Output = Result<T>> + Send + 'a) -> Self {
        Self(Reply::Running(Box::pin(conversation)))
    }
}

/// No field is pinned.
impl<T> Unpin for ReplyFuture<'_, T> {}

impl<T> Future for ReplyFuture<'_, T> {
    type Output = Result<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        match &mut self.0 {
            Reply::Running(conversation) => conversation.as_mut().poll(context),
            Reply::Ready(value) => {
                value.take().map_or(Poll::Pending, |value| Poll::Ready(Ok(value)))
            }
        }
    }
}

impl<T> fmt::Debug for ReplyFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyFuture").finish_non_exhaustive()
    }
}
