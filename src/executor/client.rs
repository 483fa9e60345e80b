use std::fmt;
use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use super::blocking_node::BlockingNode;
use super::builder::ClientBuilder;
use super::counterpart::Counterpart;
use super::feed::{Audience, Feed, Wish};
use super::node::Node;
use super::pipeline::Pipeline;
use super::retry::Deadline;
use super::router::Router;
use super::sealed::Machinery;
use super::servers::Bearing;
use super::topology::Topology;
use super::witness::{Witness, Witnessed};
use super::{Executor, RoundTrips};
use crate::command::{Command, Wait};
use crate::error::Result;
use crate::place::Gather;
use crate::reply;
use crate::request::Request;

/// A blocking client over pools of connections: of one server, of a cluster, or of the master that
/// Sentinels name. Clones share the connections.
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
/// A call borrows one of up to ten pooled connections to a server. A call that waits for something to
/// arrive has a connection of its own, so that waiting never keeps others from working. A connection
/// that failed in any way is not used again. A command that only reads is repeated once if a pooled
/// connection turns out to be dead; a command that writes never is.
///
/// A server that refuses writes as a replica may have been the master when a connection to it was made,
/// and its address may lead to another server now. Then all kept connections are given up, and what
/// was refused is sent once more on a new one. Signals that the program handles, or that stop it and
/// let it go on, end no call.
///
/// # Several servers
///
/// In a cluster, and with Sentinels, a call follows its slot or the master to wherever they go. While
/// one server takes over from another, a call is tried again for up to 20 seconds
/// ([`failover_timeout`](ClientBuilder::failover_timeout)) if it is certain that it was not applied.
#[derive(Clone)]
pub struct Client {
    router: Arc<Router<BlockingNode>>,
    witness: Option<Arc<dyn Witness>>,
}

impl Client {
    /// Connects to a server: `redis://user:password@host:port/database`, the same with `rediss` for
    /// TLS, or `unix:///path/to/socket?db=0&user=…&pass=…`. The database may be the parameter `db` of each,
    /// and `protocol` is `resp2` or `resp3`. Other parameters are refused.
    pub fn open(url: &str) -> Result<Self> {
        Self::builder(url).build()
    }

    /// Settings of a client for a server: the pool, time limits, a name.
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder::one(url)
    }

    /// Connects to a cluster, of which some nodes are named.
    ///
    /// Every collection works as with one server. What goes to several nodes goes to all of them at
    /// the same time. A command whose keys lie in several slots is an error before it is sent, except
    /// for those of a `RedisDict` that can be divided.
    pub fn cluster(urls: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self> {
        Self::cluster_builder(urls).build()
    }

    /// Settings of a client for a cluster.
    pub fn cluster_builder(urls: impl IntoIterator<Item = impl AsRef<str>>) -> ClientBuilder {
        ClientBuilder::cluster(urls)
    }

    /// Connects to the master that Sentinels know by `name`.
    ///
    /// The URLs are those of the Sentinels. What the master itself demands is said by
    /// [`sentinel_builder`](Self::sentinel_builder).
    pub fn sentinel(urls: impl IntoIterator<Item = impl AsRef<str>>, name: &str) -> Result<Self> {
        Self::sentinel_builder(urls, name).build()
    }

    /// Settings of a client for a master that Sentinels know.
    pub fn sentinel_builder(
        urls: impl IntoIterator<Item = impl AsRef<str>>,
        name: &str,
    ) -> ClientBuilder {
        ClientBuilder::sentinel(urls, name)
    }

    pub(crate) fn new(router: Router<BlockingNode>) -> Self {
        Self { router: Arc::new(router), witness: None }
    }

    pub(crate) fn router(&self) -> &Router<BlockingNode> {
        &self.router
    }

    pub(crate) fn witness(&self) -> &Option<Arc<dyn Witness>> {
        &self.witness
    }

    /// Makes sure that the server answers, of a cluster every master. `PING`, O(1).
    pub fn check(&self) -> Result<()> {
        self.run(Request::read("PING").everywhere(Gather::Done).returns(reply::pong))
    }
}

impl Executor for Client {
    type Reply<T> = Result<T>;

    fn run<T: Send + 'static>(&self, command: Command<T>) -> Result<T> {
        let _witnessed = Witnessed::one(&self.witness, &command.request);
        self.router.checked(command.read(finish(self.router.call(&command.request))?))
    }
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

impl Machinery for Client {
    fn topology(&self) -> impl Future<Output = Result<Arc<Topology>>> + Send {
        self.router.topology()
    }

    fn send_page<T: Send + 'static>(
        &self,
        command: Command<T>,
        with: &mut Counterpart,
    ) -> impl Future<Output = Result<T>> + Send {
        let reply = finish(self.router.page(&command.request, with));
        ready(self.router.checked(reply.and_then(|reply| command.read(reply))))
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

    fn bearing(&self) -> Bearing {
        self.router.servers.bearing()
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
        wish: Wish,
        audience: Arc<dyn Audience>,
    ) -> impl Future<Output = Result<Feed>> + Send {
        Feed::open(self.router.clone(), wish, audience)
    }

    fn witnessed(&self, witness: Arc<dyn Witness>) -> Self {
        Self { router: self.router.clone(), witness: Some(witness) }
    }

    fn is_cluster(&self) -> bool {
        self.router.servers.is_cluster()
    }

    fn threaded(&self) -> Client {
        self.router.threaded()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.router.address()).finish_non_exhaustive()
    }
}

/// Blocks until something has happened that does not need this thread, at most for `time`.
fn block_on<T>(event: impl Future<Output = T>, time: Duration) -> Option<T> {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut event = pin!(event);
    let deadline = Deadline::after(Wait::For(time));
    loop {
        match event.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return Some(output),
            Poll::Pending if deadline.is_over() => return None,
            Poll::Pending => thread::park_timeout(deadline.left()),
        }
    }
}

/// Finishes a conversation of a [`Client`]. Its sends are done when they return, so it never
/// suspends and one poll finishes it.
pub(crate) fn finish<T>(conversation: impl Future<Output = T>) -> T {
    match pin!(conversation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("a blocking client never suspends"),
    }
}
