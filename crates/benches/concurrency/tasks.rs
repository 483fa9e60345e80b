//! Callers that are tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fred::clients::Pool;
use fred::interfaces::{ClientLike, HashesInterface};
use fred::types::Builder;
use fred::types::config::Config;
use redis::aio::{
    ConnectionLike, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection,
};
use redis::{AsyncConnectionConfig, IntoConnectionInfo, cmd};
use tokio::runtime::Runtime;

use crate::contestant::{Caller, Callers, Contestant, Kind, Operation, fields};
use crate::{HASH, ours};

pub(crate) trait Peer: Clone + Send + Sync + 'static {
    fn get(&mut self, field: u64) -> impl Future<Output = Option<u64>> + Send;
    fn insert(&mut self, field: u64, value: u64) -> impl Future<Output = ()> + Send;
}

pub(crate) fn contestants<'a>(url: &str, runtime: &'a Runtime) -> Vec<Contestant<'a>> {
    runtime.block_on(async {
        vec![
            contestant(runtime, "fred (1)", Kind::Other, fred(url, 1).await),
            contestant(runtime, "fred (2)", Kind::Other, fred(url, 2).await),
            contestant(
                runtime,
                "redis, multiplexed (1)",
                Kind::Other,
                Driver(multiplexed(url).await),
            ),
            contestant(runtime, "redis, manager (1)", Kind::Other, Driver(manager(url).await)),
            contestant(
                runtime,
                "redis, multiplexed (2)",
                Kind::Other,
                Alternating::connect(url).await,
            ),
            ours::ours(url, runtime).await,
        ]
    })
}

pub(crate) fn contestant<'a>(
    runtime: &'a Runtime,
    name: &'static str,
    kind: Kind,
    peer: impl Peer,
) -> Contestant<'a> {
    Contestant::new(name, kind, move |operation, callers, traffic| {
        let start =
            |number| runtime.spawn(call(peer.clone(), operation, number, Caller::of(traffic)));
        let tasks: Vec<_> = (0..callers).map(start).collect();
        let handle = runtime.handle().clone();
        let join: Callers =
            Box::new(move || tasks.into_iter().for_each(|task| handle.block_on(task).unwrap()));
        join
    })
}

async fn call(mut peer: impl Peer, operation: Operation, number: usize, mut caller: Caller) {
    for field in fields(number) {
        if !caller.begin() {
            return;
        }
        match operation {
            Operation::Get => assert_eq!(peer.get(field).await, Some(field)),
            Operation::Insert => peer.insert(field, field).await,
        }
        caller.end();
    }
}

async fn fred(url: &str, connections: usize) -> Pool {
    let mut builder = Builder::from_config(Config::from_url(url).unwrap());
    builder.with_connection_config(|config| config.tcp.nodelay = Some(true));
    builder.with_performance_config(|config| config.default_command_timeout = RESPONSE_TIMEOUT);
    let pool = builder.build_pool(connections).unwrap();
    pool.init().await.unwrap();
    pool
}

async fn multiplexed(url: &str) -> MultiplexedConnection {
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(RESPONSE_TIMEOUT));
    let client = without_delay(url);
    client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
}

async fn manager(url: &str) -> ConnectionManager {
    let config = ConnectionManagerConfig::new().set_response_timeout(Some(RESPONSE_TIMEOUT));
    ConnectionManager::new_with_config(without_delay(url), config).await.unwrap()
}

/// The client of the redis crate, which by default lets the system delay small packets.
pub(crate) fn without_delay(url: &str) -> redis::Client {
    let information = url.into_connection_info().unwrap();
    let tcp = information.tcp_settings().clone().set_nodelay(true);
    redis::Client::open(information.set_tcp_settings(tcp)).unwrap()
}

impl Peer for Pool {
    async fn get(&mut self, field: u64) -> Option<u64> {
        self.hget(HASH, field).await.unwrap()
    }

    async fn insert(&mut self, field: u64, value: u64) {
        self.hset(HASH, (field, value)).await.unwrap()
    }
}

/// Both kinds of async connections of the redis crate.
#[derive(Clone)]
struct Driver<C>(C);

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Peer for Driver<C> {
    async fn get(&mut self, field: u64) -> Option<u64> {
        cmd("HGET").arg(HASH).arg(field).query_async(&mut self.0).await.unwrap()
    }

    async fn insert(&mut self, field: u64, value: u64) {
        cmd("HSET").arg(HASH).arg(field).arg(value).query_async(&mut self.0).await.unwrap()
    }
}

/// Two connections that take turns, so that their server and their tasks have work at once.
#[derive(Clone)]
struct Alternating {
    connections: [Driver<MultiplexedConnection>; 2],
    calls: Arc<AtomicUsize>,
}

impl Alternating {
    async fn connect(url: &str) -> Self {
        let connections = [Driver(multiplexed(url).await), Driver(multiplexed(url).await)];
        Self { connections, calls: Arc::default() }
    }

    fn next(&mut self) -> &mut Driver<MultiplexedConnection> {
        &mut self.connections[self.calls.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

impl Peer for Alternating {
    async fn get(&mut self, field: u64) -> Option<u64> {
        self.next().get(field).await
    }

    async fn insert(&mut self, field: u64, value: u64) {
        self.next().insert(field, value).await
    }
}

/// How long each of them waits for a reply, as ours does.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
