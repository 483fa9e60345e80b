use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use super::executor::Executor;
use super::executor::sealed::{InternalClient, Sealed};
use super::pipeline::Pipeline;
use super::write_observer::{WriteGuard, WriteObserver};
use crate::command::Command;
use crate::connection::BlockingNode;
use crate::connection::Node;
use crate::connection::PoolSettings;
use crate::error::Result;
use crate::keys::Gather;
use crate::listen::Feed;
use crate::listen::{FeedHandler, FeedOptions};
use crate::reply;
use crate::request::Request;
use crate::routing::Router;
use crate::routing::ScanOrigin;
use crate::time::{block_on, finish};
use crate::topology::Topology;
use crate::topology::{RouteVersion, Servers};

/// A blocking client of one server, of a cluster, or of the master that Sentinels name. Threads and
/// clones share its connections.
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let url = server.url();
/// use redis_collections::{Client, RedisHashDict};
///
/// let client = Client::open(url)?;
/// let ages: RedisHashDict<String, u32> = RedisHashDict::new(&client, "ages");
/// ages.insert("ann", &36)?;
/// assert_eq!(ages.get("ann")?, Some(36));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Connections
///
/// All threads share two connections to a server
/// ([`shared_connections`](crate::ClientBuilder::shared_connections)). Calls that are made at the
/// same time travel together: one thread sends the commands of all that wait, and receives their
/// replies. A program with one thread opens one connection. Commands that are sent together are
/// answered in order, so a call whose request or reply may be large uses a connection that is free,
/// or one of a pool ([`pool_size`](crate::ClientBuilder::pool_size)). So does a call to several
/// nodes of a cluster, as far as connections of the pools are free. A blocking command uses a
/// dedicated connection, so that waiting never delays other calls. Dedicated connections stay open
/// for later waits; those unused for half a minute are closed when another wait ends.
///
/// No call needs a thread beside those of its callers. A client starts one thread, which only makes
/// places in its pools and closes connections there that are old or long unused.
///
/// After a `fork` without `exec` a client must not be used on both sides: both would read from the
/// same connections.
///
/// A connection that failed in any way is not used again, and all calls in flight on it fail. A
/// command that only reads is repeated once if a connection that was in use before turns out to be
/// dead; a command that writes never is.
///
/// A server that refuses writes because it is a replica may have been the master when a connection
/// to it was made, and its address may lead to another server now. Then all connections are
/// closed, and the refused command is sent once more on a new one. Signals that the program
/// handles, or that stop and continue it, end no call.
///
/// # Several servers
///
/// In a cluster, and with Sentinels, a call follows its slot or the master to its current server.
/// While one server takes over from another, a call is retried for up to 20 seconds
/// ([`failover_timeout`](crate::ClientBuilder::failover_timeout)) if it is certain that it was not
/// applied.
#[derive(Clone)]
pub struct Client {
    router: Arc<Router<BlockingNode>>,
    observer: Option<Arc<dyn WriteObserver>>,
}

impl Client {
    pub(crate) fn new(router: Router<BlockingNode>) -> Self {
        Self { router: Arc::new(router), observer: None }
    }

    pub(crate) fn router(&self) -> &Router<BlockingNode> {
        &self.router
    }

    /// A client of `servers` with connections of its own.
    pub(crate) fn beside<N: Node>(servers: &Servers<N>) -> Self {
        let settings = PoolSettings::new(None, 1, CHECKOUT);
        Self::new(Router::new(servers.of_kind::<BlockingNode>(settings)))
    }

    /// Checks that the server answers; in a cluster, every master. `PING`, O(1).
    pub fn check(&self) -> Result<()> {
        self.run(Request::read("PING").everywhere(Gather::Done).returns(reply::pong))
    }

    /// Runs all commands in one round trip. Each succeeds or fails by itself. Other clients'
    /// commands may run in between.
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
        let _write = WriteGuard::all(&self.observer, &commands.requests());
        finish(self.router.pipeline(commands))
    }

    /// Runs all commands in one round trip as one transaction: no other client's command runs in
    /// between, and none runs if the server refuses one of them or the connection breaks early.
    /// `MULTI` and `EXEC`; where the server refuses `MULTI` itself, the commands run one by one.
    ///
    /// Redis has no rollback: if a command fails as it runs, such as one on a key of the wrong
    /// type, the others are applied nevertheless. Then [`Error::applied`](crate::Error::applied)
    /// returns `Yes`.
    pub fn transaction<P: Pipeline>(&self, commands: P) -> Result<P::Values> {
        let _write = WriteGuard::all(&self.observer, &commands.requests());
        finish(self.router.transaction(commands))
    }
}

impl Sealed for Client {}

impl Executor for Client {
    type Reply<T> = Result<T>;

    fn run<T: Send + 'static>(&self, command: Command<T>) -> Result<T> {
        let _write = WriteGuard::one(&self.observer, &command.request);
        self.router.checked(command.read(finish(self.router.call(&command.request))?))
    }
}

impl InternalClient for Client {
    fn topology(&self) -> impl Future<Output = Result<Arc<Topology>>> + Send {
        self.router.topology()
    }

    fn send_page<T: Send + 'static, U: Send + 'static>(
        &self,
        page: Command<T>,
        beside: Command<U>,
        with: &mut ScanOrigin,
    ) -> impl Future<Output = Result<(T, U)>> + Send {
        ready(finish(self.router.page(page, beside, with)))
    }

    fn send_all<P>(&self, commands: P) -> impl Future<Output = Result<P::Replies>> + Send
    where
        P: Pipeline + Send,
        P::Replies: Send,
    {
        ready(self.pipeline(commands))
    }

    fn ready<T: Send + 'static>(&self, result: Result<T>) -> Result<T> {
        result
    }

    fn wait<F: Future<Output: Send> + Send>(
        &self,
        event: F,
        time: Duration,
    ) -> impl Future<Output = Option<F::Output>> + Send {
        ready(block_on(event, time))
    }

    fn database(&self) -> i64 {
        self.router.servers.database()
    }

    fn route_version(&self) -> RouteVersion {
        self.router.servers.route_version()
    }

    fn launch(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send {
        work
    }

    fn background(&self, work: impl Future<Output = ()> + Send + 'static) {
        let _ = BlockingNode::spawn(work);
    }

    fn background_goes_on(&self) -> bool {
        true
    }

    fn feed(
        &self,
        options: FeedOptions,
        handler: Arc<dyn FeedHandler>,
    ) -> impl Future<Output = Result<Feed>> + Send {
        Feed::open(self.router.clone(), options, handler)
    }

    fn observed(&self, observer: Arc<dyn WriteObserver>) -> Self {
        Self { router: self.router.clone(), observer: Some(observer) }
    }

    fn is_cluster(&self) -> bool {
        self.router.servers.is_cluster()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.router.address()).finish_non_exhaustive()
    }
}

const CHECKOUT: Duration = Duration::from_secs(5);
