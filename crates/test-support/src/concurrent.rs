//! Kinds of client that many callers use at the same time.

use super::kinds::{Kind, RUNTIME};
use super::servers::Outcome;
use crate::servers::cluster::Cluster;
use redis_collections::{AsyncClient, Client, ClientBuilder, Scan};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// A kind of client whose callers are threads, or tasks of one runtime.
pub trait Concurrent: Kind {
    const NAME: &str;

    fn seeds_builder(urls: Vec<String>) -> ClientBuilder<Self>;

    fn cluster_builder(cluster: &Cluster) -> ClientBuilder<Self> {
        Self::seeds_builder(cluster.urls())
    }

    /// Lets a caller run while others do.
    fn start<T: Send + 'static>(caller: impl Future<Output = T> + Send + 'static) -> Running<T>;

    /// The next `elements` of an iteration, or all that are left.
    fn take<T: Send + 'static>(
        scan: &mut Scan<T, Self>,
        elements: usize,
    ) -> impl Future<Output = Vec<T>>;

    fn connect(builder: ClientBuilder<Self>) -> Self {
        Self::finish(Self::connected(builder))
    }

    /// A client of `cluster` without settings of its own.
    fn of(cluster: &Cluster) -> Self {
        Self::connect(Self::cluster_builder(cluster))
    }
}

/// A caller that runs. Calling this waits for its end.
pub type Running<T> = Box<dyn FnOnce() -> T + Send>;

impl Concurrent for Client {
    const NAME: &str = "blocking";

    fn seeds_builder(urls: Vec<String>) -> ClientBuilder {
        Client::cluster_builder(urls)
    }

    async fn take<T: Send + 'static>(scan: &mut Scan<T, Self>, elements: usize) -> Vec<T> {
        scan.take(elements).map(|element| element.expect("an element")).collect()
    }

    fn start<T: Send + 'static>(caller: impl Future<Output = T> + Send + 'static) -> Running<T> {
        let thread = thread::spawn(|| Self::finish(caller));
        Box::new(|| thread.join().expect("no panic"))
    }
}

impl Concurrent for AsyncClient {
    const NAME: &str = "async";

    fn seeds_builder(urls: Vec<String>) -> ClientBuilder<Self> {
        AsyncClient::cluster_builder(urls)
    }

    async fn take<T: Send + 'static>(scan: &mut Scan<T, Self>, elements: usize) -> Vec<T> {
        let mut taken = Vec::new();
        while taken.len() < elements {
            let Some(element) = scan.next().await else { break };
            taken.push(element.expect("an element"));
        }
        taken
    }

    fn start<T: Send + 'static>(caller: impl Future<Output = T> + Send + 'static) -> Running<T> {
        let task = RUNTIME.spawn(caller);
        Box::new(|| RUNTIME.block_on(task).expect("no panic"))
    }
}

/// The cluster of the tests that leave it healthy, while none of them runs.
static CLUSTER: Mutex<Option<Cluster>> = Mutex::new(None);

/// Runs a test while no other runs. If it fails, its cluster is not used again.
pub fn on_shared_cluster(test: impl FnOnce(&mut Cluster) -> Outcome) -> Outcome {
    let (mut shared, mut cluster) = take_cluster()?;
    with_account(&mut cluster, test)?;
    cluster.wait_until_healthy()?;
    *shared = Some(cluster);
    Ok(())
}

/// Runs a test that leaves its cluster broken, while no other runs.
pub fn on_cluster_to_break(test: impl FnOnce(&mut Cluster) -> Outcome) -> Outcome {
    let (_turn, mut cluster) = take_cluster()?;
    with_account(&mut cluster, test)
}

/// Runs a test and prints the events of its cluster if it fails.
fn with_account(cluster: &mut Cluster, test: impl FnOnce(&mut Cluster) -> Outcome) -> Outcome {
    test(cluster).inspect_err(|_| eprintln!("{}", cluster.account()))
}

fn take_cluster() -> Outcome<(MutexGuard<'static, Option<Cluster>>, Cluster)> {
    let mut shared = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
    let cluster = shared.take().map_or_else(Cluster::start, Ok)?;
    Ok((shared, cluster))
}

/// Runs each test, a `fn<C: Concurrent>() -> Outcome`, for threads and for tasks.
#[macro_export]
macro_rules! on_threads_and_tasks {
    ($($test:ident),+ $(,)?) => {
        mod of_threads {
            $(
                #[test]
                fn $test() -> $crate::servers::Outcome {
                    super::$test::<redis_collections::Client>()
                }
            )+
        }
        mod of_tasks {
            $(
                #[test]
                fn $test() -> $crate::servers::Outcome {
                    super::$test::<redis_collections::AsyncClient>()
                }
            )+
        }
    };
}

pub use crate::on_threads_and_tasks;
