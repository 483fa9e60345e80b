//! What a `WorkQueue` does when its server comes back without its last writes.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use redis_collections::{Client, Consumer, Error, Job, LocalServer, QueueSettings, WorkQueue};
use support::kinds::{Kind, ok, on_both_kinds};

on_both_kinds! {
    no_job_is_lost_whatever_the_server_has_forgotten,
    what_the_server_has_forgotten_cannot_be_acknowledged,
}

const LATE: Duration = Duration::from_secs(10);

/// What a program does, one after the other. The server comes back as it was before any of these.
const COURSE: [Act; 8] = [
    Act::Claim,
    Act::Claim,
    Act::Finish(0),
    Act::Claim,
    Act::Retry(1),
    Act::Await,
    Act::Finish(0),
    Act::Claim,
];

#[derive(Debug, Clone, Copy)]
enum Act {
    Claim,
    /// As `Claim`, when no job is there yet.
    Await,
    Finish(usize),
    Retry(usize),
}

/// A program that consumes, and goes on whatever happens.
struct Life<C: Kind> {
    queue: WorkQueue<u32>,
    consumer: Consumer<u32, C>,
    held: Vec<Job<u32, C>>,
    done: BTreeSet<u32>,
}

impl<C: Kind> Life<C> {
    async fn begin(server: &LocalServer) -> Self {
        let client = C::build(C::builder(server.url())).await.unwrap();
        let queue = WorkQueue::<u32, C>::new(&client, "q").with(settings());
        let own = WorkQueue::new(&Client::open(server.url()).unwrap(), "q");
        Self { queue: own, consumer: queue.consumer(), held: Vec::new(), done: BTreeSet::new() }
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Claim => self.claim(Duration::ZERO).await,
            Act::Await => self.claim(Duration::from_millis(20)).await,
            Act::Finish(index) if index < self.held.len() => self.finish(index).await,
            Act::Retry(index) if index < self.held.len() => {
                self.held.remove(index).retry(Duration::ZERO);
            }
            Act::Finish(_) | Act::Retry(_) => {}
        }
    }

    async fn claim(&mut self, wait: Duration) {
        if let Ok(job) = C::settle_within(self.consumer.next(wait)).await {
            self.held.extend(job);
        }
    }

    async fn finish(&mut self, index: usize) {
        let job = self.held.remove(index);
        self.done.insert(*job);
        // It is done, whatever the server says to it.
        let _ = C::settle(job.done_now()).await;
    }

    /// Whether nothing is left to do. Jobs are done from the last to the first.
    async fn goes_on(&mut self) -> bool {
        for _ in 0..3 {
            self.claim(Duration::from_millis(10)).await;
        }
        while let Some(last) = self.held.len().checked_sub(1) {
            self.finish(last).await;
        }
        let left = self.queue.stats();
        left.is_ok_and(|left| (left.pending, left.delayed) == (0, 0) && self.has_settled())
    }

    fn has_settled(&self) -> bool {
        self.queue.stats().is_ok_and(|stats| stats.in_flight == 0)
    }
}

async fn no_job_is_lost_whatever_the_server_has_forgotten<C: Kind>() {
    let mut server = LocalServer::start().unwrap();
    for saved in 0..COURSE.len() {
        for lost in saved..COURSE.len() {
            ask(&server, "FLUSHALL");
            let mut life = Life::<C>::begin(&server).await;
            life.queue.push_many(&[1, 2, 3, 4]).unwrap();
            // It is known before anything is claimed.
            life.queue.pause().unwrap();
            life.act(Act::Claim).await;
            life.queue.resume().unwrap();
            for (number, act) in COURSE.into_iter().enumerate().take(lost + 1) {
                if number == saved {
                    ask(&server, "SAVE");
                }
                life.act(act).await;
            }
            server.restart().unwrap();
            let began = Instant::now();
            while !life.goes_on().await {
                let stats = life.queue.stats();
                assert!(began.elapsed() < LATE, "saved before {saved}, lost {lost}: {stats:?}");
            }
            let missing: Vec<_> = (1..=4).filter(|job| !life.done.contains(job)).collect();
            assert_eq!(missing, [0; 0], "saved before {saved}, lost after {lost}");
            ok!(life.consumer.close());
        }
    }
}

async fn what_the_server_has_forgotten_cannot_be_acknowledged<C: Kind>() {
    let mut server = LocalServer::start().unwrap();
    let mut life = Life::<C>::begin(&server).await;
    life.queue.push_many(&[1, 2]).unwrap();
    life.act(Act::Claim).await;
    ask(&server, "SAVE");
    life.act(Act::Claim).await;
    server.restart().unwrap();
    let began = Instant::now();
    while !life.held.iter().take(2).all(Job::lost_lease) {
        assert!(began.elapsed() < LATE, "it goes on with a list that is no more");
        life.claim(Duration::ZERO).await;
    }
    let again = life.held.split_off(2);
    for job in life.held.drain(..) {
        let error = C::settle(job.done_now()).await.unwrap_err();
        assert!(matches!(error, Error::LeaseLost { .. }), "{error:?}");
    }
    again.into_iter().for_each(Job::done);
    while !life.goes_on().await {
        assert!(began.elapsed() < LATE, "{:?}", life.queue.stats());
    }
    ok!(life.consumer.close());
}

fn settings() -> QueueSettings {
    QueueSettings::new().lease(Duration::from_millis(600)).max_deliveries(1000)
}

fn ask(server: &LocalServer, command: &str) {
    let reply = support::servers::query::<String>(server.url(), command).unwrap();
    assert_eq!(reply, "OK");
}
