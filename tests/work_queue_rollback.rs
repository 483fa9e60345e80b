//! What a `WorkQueue` does when its server comes back without its last writes.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use redis_collections::{Client, Consumer, Error, Job, LocalServer, QueueSettings, WorkQueue};
use support::contract::{ok, on_both_kinds};
use support::kinds::Kind;
use support::{LATE, eventually};

on_both_kinds! {
    no_job_is_lost_whatever_the_server_has_forgotten,
    the_loss_of_a_job_that_a_wait_brought_is_detected,
    a_job_lost_by_the_server_cannot_be_acknowledged,
}

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
    for (saved, lost, connections_end) in courses() {
        ask(&server, "FLUSHALL");
        let mut life = Life::<C>::begin(&server).await;
        life.queue.push_many(&[1, 2, 3, 4]).unwrap();
        // It is known before anything is claimed.
        life.queue.pause().unwrap();
        life.act(Act::Claim).await;
        life.queue.resume().unwrap();
        let mut dump = Vec::new();
        for (number, act) in COURSE.into_iter().enumerate().take(lost + 1) {
            if number == saved {
                ask(&server, "SAVE");
                dump = dump_of(&server);
            }
            life.act(act).await;
        }
        match connections_end {
            true => server.restart().unwrap(),
            false => restore(&server, &dump),
        }
        let began = Instant::now();
        while !life.goes_on().await {
            let stats = life.queue.stats();
            assert!(began.elapsed() < LATE, "saved before {saved}, lost after {lost}: {stats:?}");
        }
        let missing: Vec<_> = (1..=4).filter(|job| !life.done.contains(job)).collect();
        assert_eq!(missing, [0; 0], "saved before {saved}, lost after {lost}");
        ok!(life.consumer.close());
    }
}

async fn the_loss_of_a_job_that_a_wait_brought_is_detected<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let mut life = Life::<C>::begin(&server).await;
    life.act(Act::Claim).await;
    let (url, queue) = (server.url().to_owned(), life.queue.clone());
    let pushing = thread::spawn(move || {
        let clients = || support::servers::query::<String>(&url, "INFO clients").unwrap();
        assert!(eventually(|| clients().contains("blocked_clients:1")));
        queue.push(&1).unwrap();
    });
    life.claim(LATE).await;
    pushing.join().unwrap();
    let held = life.held.pop().expect("the job");
    let list: Vec<String> = support::servers::query(server.url(), "KEYS q~rc:claimed:*").unwrap();
    support::servers::query::<()>(server.url(), &format!("LMOVE {} q LEFT LEFT", list[0])).unwrap();
    life.claim(Duration::ZERO).await;
    assert!(held.lost_lease() && life.held.len() == 1, "it waits again, and is claimed");
    let error = C::settle(held.done_now()).await.unwrap_err();
    assert!(matches!(error, Error::LeaseLost { .. }), "{error:?}");
    life.finish(0).await;
    assert!(eventually(|| life.has_settled()));
    ok!(life.consumer.close());
    assert_eq!(life.queue.stats().unwrap().done, 1);
}

async fn a_job_lost_by_the_server_cannot_be_acknowledged<C: Kind>() {
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

/// Before which act the server is saved, after which it comes back, and whether connections end
/// then.
fn courses() -> impl Iterator<Item = (usize, usize, bool)> {
    let all =
        (0..COURSE.len()).flat_map(|saved| (saved..COURSE.len()).map(move |lost| (saved, lost)));
    all.flat_map(|(saved, lost)| {
        [true, false].map(|connections_end| (saved, lost, connections_end))
    })
}

type Dump = Vec<(Vec<u8>, Vec<u8>)>;

/// All keys and their contents at one moment: the maintenance thread is at work meanwhile.
fn dump_of(server: &LocalServer) -> Dump {
    const ALL: &str = "local all = {}
        for _, key in ipairs(redis.call('KEYS', '*')) do
          all[#all + 1] = {key, redis.call('DUMP', key)}
        end
        return all";
    support::servers::run(server.url(), redis::cmd("EVAL").arg(ALL).arg(0)).unwrap()
}

/// As a server comes back behind something that keeps the connections.
fn restore(server: &LocalServer, dump: &Dump) {
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let mut all = redis::pipe();
    all.atomic().cmd("FLUSHALL");
    for (key, value) in dump {
        all.cmd("RESTORE").arg(key).arg(0).arg(value);
    }
    all.exec(&mut connection).unwrap();
}

fn settings() -> QueueSettings {
    QueueSettings::new().lease(Duration::from_millis(600)).max_deliveries(1000)
}

fn ask(server: &LocalServer, command: &str) {
    let reply = support::servers::query::<String>(server.url(), command).unwrap();
    assert_eq!(reply, "OK");
}
