//! A process that does jobs, and writes down what it has done before it says so to the server.

use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use redis_collections::{
    AsyncClient, Client, Consumer, Job, RedisList, Result, RoundTrips, StopHandle,
};

use super::process::stop_with_input;
use super::records::{Event, Record};
use super::terms::{
    Face, ITEMS, Mode, POSTS, Post, QUEUE, SLOW, Work, client, patient_client, queue,
};
use support::kinds::Kind;
use support::servers::Outcome;

pub(crate) fn work(number: &str, mode: &str, url: &str, record: &str) -> Outcome {
    let post = POSTS[number.parse::<usize>()?];
    let desk = Arc::new(Desk(Record::open(record)?));
    let stop = stop_with_input();
    match (Mode::parse(mode), post.face) {
        (_, Face::Popper) => Client::finish(pop::<Client>(url, ITEMS, &desk, &stop)),
        (_, Face::AsyncPopper) => AsyncClient::finish(pop::<AsyncClient>(url, ITEMS, &desk, &stop)),
        (Mode::Plain, Face::Consumer | Face::Worker) => {
            Client::finish(pop::<Client>(url, QUEUE, &desk, &stop))
        }
        (Mode::Plain, _) => AsyncClient::finish(pop::<AsyncClient>(url, QUEUE, &desk, &stop)),
        (_, Face::Consumer) => Client::finish(consume::<Client>(url, post, &desk, &stop)),
        (_, Face::AsyncConsumer) => {
            AsyncClient::finish(consume::<AsyncClient>(url, post, &desk, &stop))
        }
        (_, Face::Worker) => {
            let queue = queue(&Client::finish(client::<Client>(url))?);
            let worker = queue.worker(move |job: Job<String>| {
                thread::sleep(desk.begin(&job, job.deliveries())?);
                desk.end(&job);
                Ok::<_, &str>(())
            });
            none(worker.batch(post.batch).concurrency(post.handlers).run(&stop)?)
        }
        (_, Face::AsyncWorker) => AsyncClient::finish(async {
            let queue = queue(&client::<AsyncClient>(url).await?);
            let worker = queue.worker(move |job: Job<String, AsyncClient>| {
                let desk = desk.clone();
                async move {
                    tokio::time::sleep(desk.begin(&job, job.deliveries())?).await;
                    desk.end(&job);
                    Ok::<_, &str>(())
                }
            });
            none(worker.batch(post.batch).concurrency(post.handlers).run(&stop).await?)
        }),
    }
}

fn none(overdue: usize) -> Outcome {
    if overdue == 0 { Ok(()) } else { Err(format!("{overdue} jobs did not end").into()) }
}

/// By hand, now and then out of order, and now and then at once.
async fn consume<C: Kind>(url: &str, post: Post, desk: &Desk, stop: &StopHandle) -> Outcome {
    let queue = queue(&client::<C>(url).await?);
    let mut consumer = queue.consumer().batch(post.batch);
    let (mut handled, mut kept) = (0, Vec::new());
    while !stop.is_stopped() {
        let job = match next(&mut consumer, post.tick).await {
            Ok(Some(job)) => job,
            none => {
                kept.drain(..).for_each(Job::done);
                if none.is_err() {
                    thread::sleep(AFTER_A_FAILURE);
                }
                continue;
            }
        };
        handled += 1;
        match desk.begin(&job, job.deliveries()) {
            Err(_) => job.retry(AFTER_A_FAILURE),
            Ok(time) => {
                thread::sleep(time);
                desk.end(&job);
                match handled % 11 {
                    5 => drop(C::settle(job.done_now()).await),
                    7 => kept.push(job),
                    _ => job.done(),
                }
            }
        }
        if handled % 11 == 10 {
            kept.drain(..).for_each(Job::done);
        }
    }
    kept.into_iter().for_each(Job::done);
    Ok(C::settle(consumer.close()).await?)
}

/// With a tick, which only a task can have, the call is dropped like the branch of a `select!` that
/// loses.
async fn next<C: Kind>(
    consumer: &mut Consumer<String, C>,
    tick: Option<Duration>,
) -> Result<Option<Job<String, C>>> {
    let next = C::settle_within(consumer.next(BETWEEN_GLANCES));
    match tick {
        Some(tick) => tokio::time::timeout(tick, next).await.unwrap_or(Ok(None)),
        None => next.await,
    }
}

/// Each item once at most. Where a pop may have taken one without bringing it, it has to say so.
async fn pop<C: Kind>(url: &str, list: &str, desk: &Desk, stop: &StopHandle) -> Outcome {
    let list: RedisList<String, C> = RedisList::new(&patient_client::<C>(url).await?, list);
    let mut failures = 0;
    while !stop.is_stopped() {
        match C::settle(list.wait_pop_front(BETWEEN_GLANCES)).await {
            Ok(Some(job)) => {
                thread::sleep(desk.begin(&job, 0)?);
                desk.0.note(Event::Done, &[job]);
            }
            Ok(None) => {}
            Err(error) => {
                if error.may_have_been_applied() {
                    failures += 1;
                    desk.0.note(Event::Perhaps, &[format!("{} {failures}", Work::Item.name())]);
                }
                thread::sleep(AFTER_A_FAILURE);
            }
        }
    }
    Ok(())
}

/// What every handler does.
struct Desk(Record);

impl Desk {
    /// How long the job takes, unless it fails.
    fn begin(&self, job: &str, deliveries: u32) -> std::result::Result<Duration, &'static str> {
        let jobs = [job.to_owned()];
        self.0.note(Event::Begun, &jobs);
        let fails = match Work::of(job) {
            Work::Quick => return Ok(QUICK),
            Work::Item => return Ok(Duration::ZERO),
            Work::Crash => process::abort(),
            Work::Slow => return Ok(SLOW),
            Work::FailsFirst if deliveries > 0 => return Ok(QUICK),
            Work::FailsFirst => "it fails the first time",
            Work::Poison => "it always fails",
        };
        self.0.note(Event::Failed, &jobs);
        Err(fails)
    }

    fn end<C: RoundTrips>(&self, job: &Job<String, C>) {
        let jobs = [job.to_string()];
        self.0.note(Event::Done, &jobs);
        if job.lost_lease() {
            self.0.note(Event::Late, &jobs);
        }
    }
}

// Sleeping stands for the work of a job, and for the pause of a program whose server is away.
const QUICK: Duration = Duration::from_millis(1);
const BETWEEN_GLANCES: Duration = Duration::from_millis(250);
const AFTER_A_FAILURE: Duration = Duration::from_millis(20);
