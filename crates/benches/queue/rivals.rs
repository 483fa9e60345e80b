//! Other libraries that deliver at least once, each as its documentation says it is best.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apalis::prelude::{BackendExt, TaskSink, WorkerBuilder};
use apalis_redis::{Config, RedisStorage};
use futures_util::future::try_join_all;
use redis::AsyncConnectionConfig;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis_of_rival::aio::MultiplexedConnection as OldConnection;
use redis_work_queue::{Item, KeyPrefix, WorkQueue};
use rsmq_async::{Rsmq, RsmqConnection};
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::QUEUE;
use crate::floor::without_delay;
use crate::line::{Kind, Line, Role, Roles};
use crate::tally::{Tally, payload};

pub(crate) fn lines(batch: usize, runtime: &Runtime) -> Vec<Line> {
    let url = |url: &str| url.to_owned();
    let rsmq = |name, deletes_at_once| {
        Line::new(name, Kind::Rival, |address| {
            let rsmq = Rsmqs { url: url(address), batch, deletes_at_once };
            runtime.block_on(async {
                rsmq.open().await.create_queue(QUEUE, None, None, None).await.unwrap();
            });
            rsmq
        })
    };
    vec![
        Line::new("apalis-redis", Kind::Rival, |address| Apalis { url: url(address), batch }),
        rsmq("rsmq_async, as it documents", false),
        rsmq("rsmq_async, deleting at once", true),
        Line::new("redis-work-queue", Kind::Rival, |address| Leases { url: url(address) }),
    ]
}

struct Apalis {
    url: String,
    batch: usize,
}

impl Apalis {
    fn storage(&self) -> impl Future<Output = RedisStorage<String>> + Send + use<> {
        // Locks renew leases of tasks that last longer than a heartbeat.
        let config = Config::default().queue(QUEUE).batch_size(self.batch);
        let config = config.lock_tasks(false).emit_events(false);
        let client = without_delay(&self.url);
        async move {
            let patient = ConnectionManagerConfig::new().set_response_timeout(Some(TIMEOUT));
            let connection = ConnectionManager::new_with_config(client, patient).await.unwrap();
            RedisStorage::new(connection).with_config(config)
        }
    }
}

impl Roles for Apalis {
    fn produce(&self, jobs: Range<usize>, at_once: usize) -> Role {
        let storage = self.storage();
        Role::task(async move {
            let mut storage = storage.await;
            for start in jobs.clone().step_by(at_once) {
                let mut jobs: Vec<_> =
                    (start..jobs.end.min(start + at_once)).map(payload).collect();
                match jobs.len() {
                    1 => storage.push(jobs.remove(0)).await.unwrap(),
                    _ => storage.push_bulk(jobs).await.unwrap(),
                }
            }
        })
    }

    fn consume(&self, tally: Arc<Tally>) -> Role {
        let storage = self.storage();
        Role::task(async move {
            let handler = {
                let tally = tally.clone();
                move |job: String| {
                    tally.handle(&job);
                    async { Ok::<(), std::io::Error>(()) }
                }
            };
            let over = {
                let tally = tally.clone();
                async move {
                    while !tally.is_over() {
                        sleep(WHILE_EMPTY).await;
                    }
                    Ok::<(), std::io::Error>(())
                }
            };
            let name = NAMES.fetch_add(1, Ordering::Relaxed).to_string();
            let backend = storage.await.poll_with_interval(WHILE_EMPTY);
            let worker = WorkerBuilder::new(name).backend(backend).build(handler);
            if worker.run_until(over).await.is_err() {
                tally.fail();
            }
        })
    }
}

struct Rsmqs {
    url: String,
    batch: usize,
    /// Its documentation deletes one message after the other; its connection could do more.
    deletes_at_once: bool,
}

impl Rsmqs {
    fn open(&self) -> impl Future<Output = Rsmq> + Send + use<> {
        let client = without_delay(&self.url);
        async move {
            let connection = multiplexed(&client).await;
            Rsmq::new_with_connection(connection, false, None).await.unwrap()
        }
    }
}

impl Roles for Rsmqs {
    fn produce(&self, jobs: Range<usize>, at_once: usize) -> Role {
        let rsmq = self.open();
        Role::task(async move {
            let mut rsmq = rsmq.await;
            for start in jobs.clone().step_by(at_once) {
                let mut jobs: Vec<_> =
                    (start..jobs.end.min(start + at_once)).map(payload).collect();
                match jobs.len() {
                    1 => drop(rsmq.send_message(QUEUE, jobs.remove(0), None).await.unwrap()),
                    _ => drop(rsmq.send_message_batch(QUEUE, jobs, None).await.unwrap()),
                }
            }
        })
    }

    fn consume(&self, tally: Arc<Tally>) -> Role {
        let (rsmq, batch, at_once) = (self.open(), self.batch, self.deletes_at_once);
        Role::task(async move {
            let mut rsmq = rsmq.await;
            while !tally.is_over() {
                let messages = match batch {
                    1 => Vec::from_iter(rsmq.receive_message::<String>(QUEUE, None).await.unwrap()),
                    _ => rsmq.receive_message_batch(QUEUE, None, batch as u32).await.unwrap(),
                };
                if messages.is_empty() {
                    sleep(WHILE_EMPTY).await;
                }
                let mut deletes = Vec::new();
                for message in messages {
                    tally.handle(&message.message);
                    let mut rsmq = rsmq.clone();
                    let delete = async move { rsmq.delete_message(QUEUE, &message.id).await };
                    match at_once {
                        true => deletes.push(delete),
                        false => drop(delete.await.unwrap()),
                    }
                }
                try_join_all(deletes).await.unwrap();
            }
        })
    }
}

struct Leases {
    url: String,
}

impl Leases {
    fn open(&self) -> impl Future<Output = (OldConnection, WorkQueue)> + Send + use<> {
        let client = redis_of_rival::Client::open(&*self.url).unwrap();
        async move {
            let connection = client.get_multiplexed_async_connection().await.unwrap();
            (connection, WorkQueue::new(KeyPrefix::from(QUEUE)))
        }
    }
}

impl Roles for Leases {
    fn produce(&self, jobs: Range<usize>, at_once: usize) -> Role {
        let opened = self.open();
        Role::task(async move {
            let (mut connection, queue) = opened.await;
            for start in jobs.clone().step_by(at_once) {
                let mut pipeline = redis_of_rival::pipe();
                for number in start..jobs.end.min(start + at_once) {
                    let item = Item::from_string_data(payload(number));
                    queue.add_unique_item_to_pipeline(&mut pipeline, &item);
                }
                pipeline.exec_async(&mut connection).await.unwrap();
            }
        })
    }

    fn consume(&self, tally: Arc<Tally>) -> Role {
        let opened = self.open();
        Role::task(async move {
            let (mut connection, queue) = opened.await;
            while !tally.is_over() {
                let leased = queue.lease(&mut connection, Some(WAIT), LEASE).await.unwrap();
                if let Some(item) = leased {
                    tally.handle(std::str::from_utf8(&item.data).unwrap());
                    queue.complete(&mut connection, &item).await.unwrap();
                }
            }
        })
    }
}

async fn multiplexed(client: &redis::Client) -> MultiplexedConnection {
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(TIMEOUT));
    client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
}

/// Every worker of apalis needs another name.
static NAMES: AtomicUsize = AtomicUsize::new(0);

/// How soon those that do not wait for jobs look again.
const WHILE_EMPTY: Duration = Duration::from_millis(1);
const WAIT: Duration = Duration::from_secs(1);
/// How long each of them waits for a reply.
const TIMEOUT: Duration = Duration::from_secs(5);
const LEASE: Duration = Duration::from_secs(30);
