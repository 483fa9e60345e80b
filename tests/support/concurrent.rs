//! Kinds of client that many callers use at the same time.

use super::cluster::Cluster;
use super::kinds::{Kind, at_once};
use redis_collections::{AsyncClient, Client, ClientBuilder};
use std::sync::LazyLock;
use std::thread;
use tokio::runtime::Runtime;

/// A kind of client whose callers are threads, or tasks of one runtime.
pub(crate) trait Concurrent: Kind {
    const NAME: &str;

    fn builder(cluster: &Cluster) -> ClientBuilder<Self>;

    fn connect(builder: ClientBuilder<Self>) -> Self;

    /// Lets a caller run while others do.
    fn start<T: Send + 'static>(caller: impl Future<Output = T> + Send + 'static) -> Running<T>;

    /// What a call on this thread comes to.
    fn finish<T>(call: impl Future<Output = T>) -> T;

    /// A client of `cluster` without settings of its own.
    fn of(cluster: &Cluster) -> Self {
        Self::connect(Self::builder(cluster))
    }
}

/// A caller that runs. Calling this waits for its end.
pub(crate) type Running<T> = Box<dyn FnOnce() -> T + Send>;

impl Concurrent for Client {
    const NAME: &str = "blocking";

    fn builder(cluster: &Cluster) -> ClientBuilder {
        Client::cluster_builder(cluster.urls())
    }

    fn connect(builder: ClientBuilder) -> Self {
        builder.build().expect("a connection")
    }

    fn start<T: Send + 'static>(caller: impl Future<Output = T> + Send + 'static) -> Running<T> {
        let thread = thread::spawn(|| at_once(caller));
        Box::new(|| thread.join().expect("no panic"))
    }

    fn finish<T>(call: impl Future<Output = T>) -> T {
        at_once(call)
    }
}

impl Concurrent for AsyncClient {
    const NAME: &str = "async";

    fn builder(cluster: &Cluster) -> ClientBuilder<Self> {
        AsyncClient::cluster_builder(cluster.urls())
    }

    fn connect(builder: ClientBuilder<Self>) -> Self {
        RUNTIME.block_on(builder.build()).expect("a connection")
    }

    fn start<T: Send + 'static>(caller: impl Future<Output = T> + Send + 'static) -> Running<T> {
        let task = RUNTIME.spawn(caller);
        Box::new(|| RUNTIME.block_on(task).expect("no panic"))
    }

    fn finish<T>(call: impl Future<Output = T>) -> T {
        RUNTIME.block_on(call)
    }
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
