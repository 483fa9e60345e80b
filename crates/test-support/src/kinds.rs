//! The kinds of client that every contract scenario runs on.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use redis_collections::{
    AsyncClient, Client, ClientBuilder, Event, HandlerResult, LocalServer, Pipeline, Result,
    RoundTrips, Scan, Subscription,
};
use tokio::runtime::Runtime;

use super::servers::{NEVER_BUSY, PATIENCE, run};
use crate::servers::cluster::{Cluster, Witness};

/// The server of this test program.
pub static SERVER: LazyLock<LocalServer> =
    LazyLock::new(|| LocalServer::start_with(&NEVER_BUSY).expect("a server"));

/// The cluster of this test program. Nothing is to fail in it: a node that only waits for a
/// processor is not replaced, since its replica may lack acknowledged writes.
pub static CLUSTER: LazyLock<Cluster> =
    LazyLock::new(|| Cluster::start_with(&["--cluster-node-timeout", "15000"]).expect("a cluster"));

/// A client of [`SERVER`].
pub fn client() -> Client {
    Client::open(SERVER.url()).expect("a connection")
}

/// Turns on all notifications of the shared servers. Scenarios that each add their own kinds would
/// overwrite each other's setting.
pub fn enable_all_notifications() {
    static ENABLED: LazyLock<()> = LazyLock::new(|| {
        for url in CLUSTER.urls().into_iter().chain([SERVER.url().to_owned()]) {
            let set = |kinds: &str| {
                let set = format!("CONFIG SET notify-keyspace-events {kinds}");
                super::servers::query::<()>(&url, &set)
            };
            // Servers before Redis 7 do not know the last one.
            set("KEAn").or_else(|_| set("KEA")).expect("a setting");
        }
    });
    LazyLock::force(&ENABLED);
}

/// The runtime of async clients that outlive one scenario.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// How to use a kind of client from a scenario that knows only that it is one.
pub trait Kind: RoundTrips + Debug {
    fn builder(url: &str) -> ClientBuilder<Self>;

    fn sentinel_builder(urls: &[String], name: &str) -> ClientBuilder<Self>;

    async fn build(builder: ClientBuilder<Self>) -> Result<Self>;

    /// Connects, again where the machine is too busy for the time limits of `builder`.
    async fn connected(builder: ClientBuilder<Self>) -> Self {
        let began = Instant::now();
        loop {
            match Self::build(builder.clone()).await {
                Err(error) if error.is_timeout() && began.elapsed() < PATIENCE => {}
                built => return built.expect("a connection"),
            }
        }
    }

    /// Finishes a scenario, or a part of it on a thread of its own.
    fn finish<T>(scenario: impl Future<Output = T>) -> T;

    /// The result of a call.
    fn settle<T: Send>(reply: Self::Reply<T>) -> impl Future<Output = Result<T>> + Send;

    /// The result of a call with a function of the test's own.
    async fn settle_within<'a, T: 'a>(reply: Self::ReplyWithin<'a, T>) -> Result<T>;

    /// All that an iteration finds.
    async fn collect<T: Send + 'static>(scan: Scan<T, Self>) -> Vec<Result<T>>;

    async fn pipeline<P: Pipeline + Send>(&self, commands: P) -> Result<P::Replies>;

    async fn transaction<P: Pipeline + Send>(&self, commands: P) -> Result<P::Values>;

    async fn check(&self) -> Result<()>;

    /// The return type of a loader.
    type Loading<T: Send + 'static>: HandlerResult<T, Self>;

    fn loading<T: Send + 'static>(loaded: std::result::Result<T, SourceDown>) -> Self::Loading<T>;

    /// The next event, which is waited for with patience.
    async fn event<K: Send + 'static>(events: &mut Subscription<K, Self>) -> Result<Event<K>>;
}

/// Why a loader of a test fails.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceDown;

impl std::fmt::Display for SourceDown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the source is down")
    }
}

impl std::error::Error for SourceDown {}

impl Kind for Client {
    fn builder(url: &str) -> ClientBuilder {
        Client::builder(url)
    }

    fn sentinel_builder(urls: &[String], name: &str) -> ClientBuilder {
        Client::sentinel_builder(urls, name)
    }

    async fn build(builder: ClientBuilder) -> Result<Self> {
        builder.build()
    }

    fn finish<T>(scenario: impl Future<Output = T>) -> T {
        at_once(scenario)
    }

    async fn settle<T: Send>(reply: Result<T>) -> Result<T> {
        reply
    }

    async fn settle_within<'a, T: 'a>(reply: Result<T>) -> Result<T> {
        reply
    }

    async fn collect<T: Send + 'static>(scan: Scan<T, Self>) -> Vec<Result<T>> {
        scan.collect()
    }

    async fn pipeline<P: Pipeline + Send>(&self, commands: P) -> Result<P::Replies> {
        Client::pipeline(self, commands)
    }

    async fn transaction<P: Pipeline + Send>(&self, commands: P) -> Result<P::Values> {
        Client::transaction(self, commands)
    }

    async fn check(&self) -> Result<()> {
        Client::check(self)
    }

    type Loading<T: Send + 'static> = std::result::Result<T, SourceDown>;

    fn loading<T: Send + 'static>(loaded: std::result::Result<T, SourceDown>) -> Self::Loading<T> {
        loaded
    }

    async fn event<K: Send + 'static>(events: &mut Subscription<K>) -> Result<Event<K>> {
        events.next_within(PATIENCE).expect("an event")
    }
}

impl Kind for AsyncClient {
    fn builder(url: &str) -> ClientBuilder<Self> {
        AsyncClient::builder(url)
    }

    fn sentinel_builder(urls: &[String], name: &str) -> ClientBuilder<Self> {
        AsyncClient::sentinel_builder(urls, name)
    }

    async fn build(builder: ClientBuilder<Self>) -> Result<Self> {
        builder.build().await
    }

    fn finish<T>(scenario: impl Future<Output = T>) -> T {
        RUNTIME.block_on(scenario)
    }

    async fn settle<T: Send>(reply: Self::Reply<T>) -> Result<T> {
        reply.await
    }

    async fn settle_within<'a, T: 'a>(reply: Self::ReplyWithin<'a, T>) -> Result<T> {
        reply.await
    }

    async fn collect<T: Send + 'static>(mut scan: Scan<T, Self>) -> Vec<Result<T>> {
        let mut found = Vec::new();
        while let Some(element) = scan.next().await {
            found.push(element);
        }
        found
    }

    async fn pipeline<P: Pipeline + Send>(&self, commands: P) -> Result<P::Replies> {
        AsyncClient::pipeline(self, commands).await
    }

    async fn transaction<P: Pipeline + Send>(&self, commands: P) -> Result<P::Values> {
        AsyncClient::transaction(self, commands).await
    }

    async fn check(&self) -> Result<()> {
        AsyncClient::check(self).await
    }

    type Loading<T: Send + 'static> = std::future::Ready<std::result::Result<T, SourceDown>>;

    fn loading<T: Send + 'static>(loaded: std::result::Result<T, SourceDown>) -> Self::Loading<T> {
        std::future::ready(loaded)
    }

    async fn event<K: Send + 'static>(events: &mut Subscription<K, Self>) -> Result<Event<K>> {
        tokio::time::timeout(PATIENCE, events.next()).await.expect("an event")
    }
}

/// The same name without colons.
pub fn plain(name: &str) -> String {
    name.replace(':', "-")
}

// The clients of a scenario have its name in `CLIENT LIST`.

pub fn on_client<F: Future<Output = ()>>(name: &str, scenario: impl FnOnce(Client) -> F) {
    let client = Client::builder(SERVER.url()).name(name).build();
    at_once(scenario(client.expect("a connection")));
}

pub fn on_cluster<F: Future<Output = ()>>(name: &str, scenario: impl FnOnce(Client) -> F) {
    let _witness = Witness(&CLUSTER);
    let client = Client::cluster_builder(CLUSTER.urls()).name(name).build();
    at_once(scenario(client.expect("a connection")));
}

pub fn on_async_client<F: Future<Output = ()>>(
    name: &str,
    scenario: impl FnOnce(AsyncClient) -> F,
) {
    in_runtime(async {
        let client = AsyncClient::builder(SERVER.url()).name(name).build().await;
        scenario(client.expect("a connection")).await;
    });
}

pub fn on_async_cluster<F: Future<Output = ()>>(
    name: &str,
    scenario: impl FnOnce(AsyncClient) -> F,
) {
    in_runtime(async {
        let _witness = Witness(&CLUSTER);
        let client = AsyncClient::cluster_builder(CLUSTER.urls()).name(name).build().await;
        scenario(client.expect("a connection")).await;
    });
}

fn at_once<T>(scenario: impl Future<Output = T>) -> T {
    match pin!(scenario).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("a blocking client never suspends"),
    }
}

pub fn in_runtime<T>(scenario: impl Future<Output = T>) -> T {
    Runtime::new().expect("a runtime").block_on(scenario)
}

/// A server, and a client whose user may not change settings, and so receives only messages of
/// writers.
pub async fn server_without_notifications<C: Kind>() -> (LocalServer, C) {
    let server = LocalServer::start().expect("a server");
    let mut user = redis::cmd("ACL");
    user.arg(&["SETUSER", "ann", "on", ">pw", "~*", "&*", "+@all", "-config"]);
    let () = run(server.url(), &user).expect("a user");
    let builder = C::builder(server.url()).user("ann").password("pw");
    (server, C::build(builder).await.expect("a connection"))
}
