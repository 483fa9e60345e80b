//! This crate, on both clients, by consumers and by workers.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use redis_collections::{AsyncClient, Client, Job, RoundTrips, WorkQueue};
use tokio::runtime::Runtime;

use crate::QUEUE;
use crate::line::{Kind, Line, Role, Roles};
use crate::tally::{Tally, payload};

pub(crate) fn lines(batch: usize, runtime: &Runtime) -> Vec<Line> {
    [false, true]
        .into_iter()
        .flat_map(|works| [blocking(batch, works), tasks(batch, works, runtime)])
        .collect()
}

pub(crate) fn blocking(batch: usize, works: bool) -> Line {
    let name =
        if works { "`WorkQueue`, `Client`, worker" } else { "`WorkQueue`, `Client`, consumer" };
    Line::new(name, Kind::Ours, |url| Ours {
        queue: WorkQueue::new(&Client::open(url).unwrap(), QUEUE),
        batch,
        works,
    })
}

pub(crate) fn tasks(batch: usize, works: bool, runtime: &Runtime) -> Line {
    let name = if works {
        "`WorkQueue`, `AsyncClient`, worker"
    } else {
        "`WorkQueue`, `AsyncClient`, consumer"
    };
    Line::new(name, Kind::Ours, |url| Ours {
        queue: WorkQueue::new(&runtime.block_on(AsyncClient::open(url)).unwrap(), QUEUE),
        batch,
        works,
    })
}

struct Ours<E: RoundTrips> {
    queue: WorkQueue<String, E>,
    batch: usize,
    works: bool,
}

impl Roles for Ours<Client> {
    fn produce(&self, jobs: Range<usize>, at_once: usize) -> Role {
        let queue = self.queue.clone();
        Role::thread(move || {
            for start in jobs.clone().step_by(at_once) {
                let jobs: Vec<_> = (start..jobs.end.min(start + at_once)).map(payload).collect();
                match &*jobs {
                    [job] => queue.push(job).unwrap(),
                    jobs => queue.push_many(jobs).unwrap(),
                };
            }
        })
    }

    fn consume(&self, tally: Arc<Tally>) -> Role {
        let (queue, batch) = (self.queue.clone(), self.batch);
        match self.works {
            true => Role::thread(move || {
                let stop = tally.stop().clone();
                let handler = move |job: Job<String>| {
                    tally.handle(&job);
                    Ok::<(), String>(())
                };
                queue.worker(handler).batch(batch).run(&stop).unwrap();
            }),
            false => Role::thread(move || {
                let mut consumer = queue.consumer().batch(batch);
                while !tally.is_over() {
                    if let Some(job) = consumer.next(GLANCE).unwrap() {
                        tally.handle(&job);
                        job.done();
                    }
                }
                consumer.close().unwrap();
            }),
        }
    }
}

impl Roles for Ours<AsyncClient> {
    fn produce(&self, jobs: Range<usize>, at_once: usize) -> Role {
        let queue = self.queue.clone();
        Role::task(async move {
            for start in jobs.clone().step_by(at_once) {
                let jobs: Vec<_> = (start..jobs.end.min(start + at_once)).map(payload).collect();
                match &*jobs {
                    [job] => queue.push(job).await.unwrap(),
                    jobs => queue.push_many(jobs).await.unwrap(),
                };
            }
        })
    }

    fn consume(&self, tally: Arc<Tally>) -> Role {
        let (queue, batch) = (self.queue.clone(), self.batch);
        match self.works {
            true => Role::task(async move {
                let stop = tally.stop().clone();
                let handler = move |job: Job<String, AsyncClient>| {
                    let tally = tally.clone();
                    async move {
                        tally.handle(&job);
                        Ok::<(), String>(())
                    }
                };
                queue.worker(handler).batch(batch).run(&stop).await.unwrap();
            }),
            false => Role::task(async move {
                let mut consumer = queue.consumer().batch(batch);
                while !tally.is_over() {
                    if let Some(job) = consumer.next(GLANCE).await.unwrap() {
                        tally.handle(&job);
                        job.done();
                    }
                }
                consumer.close().await.unwrap();
            }),
        }
    }
}

/// How often consumers look whether it is over.
const GLANCE: Duration = Duration::from_millis(250);
