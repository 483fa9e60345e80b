//! A process that does jobs, and writes down what it has done before it says so to the server.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use redis_collections::{AsyncClient, Client, Job, RedisList, RoundTrips, Stop};

use super::process::stop_with_input;
use super::records::{Event, Record};
use super::support::kinds::Kind;
use super::support::servers::Outcome;
use super::terms::{Face, Mode, POSTS, Post, QUEUE, SLOW, Work, client, queue};

pub(crate) fn work(number: &str, mode: &str, url: &str, record: &str) -> Outcome {
    let post = POSTS[number.parse::<usize>()?];
    let desk = Arc::new(Desk(Record::open(record)?));
    let stop = stop_with_input();
    match (Mode::parse(mode), post.face) {
        (Mode::Plain, Face::Consumer | Face::Worker) => {
            Client::finish(pop::<Client>(url, &desk, &stop))
        }
        (Mode::Plain, _) => AsyncClient::finish(pop::<AsyncClient>(url, &desk, &stop)),
        (_, Face::Consumer) => Client::finish(consume::<Client>(url, post, &desk, &stop)),
        (_, Face::AsyncConsumer) => {
            AsyncClient::finish(consume::<AsyncClient>(url, post, &desk, &stop))
        }
        (_, Face::Worker) => {
            let queue = queue(&Client::finish(client::<Client>(url))?);
            let worker = queue.worker(move |job: Job<String>| {
                thread::sleep(desk.begin(&job, job.attempts())?);
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
                    tokio::time::sleep(desk.begin(&job, job.attempts())?).await;
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
async fn consume<C: Kind>(url: &str, post: Post, desk: &Desk, stop: &Stop) -> Outcome {
    let queue = queue(&client::<C>(url).await?);
    let mut consumer = queue.consumer().batch(post.batch);
    let (mut handled, mut kept) = (0, Vec::new());
    while !stop.is_told() {
        let job = match C::settle_within(consumer.next(BETWEEN_GLANCES)).await {
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
        match desk.begin(&job, job.attempts()) {
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

async fn pop<C: Kind>(url: &str, desk: &Desk, stop: &Stop) -> Outcome {
    let list: RedisList<String, C> = RedisList::new(&client::<C>(url).await?, QUEUE);
    while !stop.is_told() {
        match C::settle(list.wait_pop_front(BETWEEN_GLANCES)).await {
            Ok(Some(job)) => {
                thread::sleep(desk.begin(&job, 0)?);
                desk.0.note(Event::Done, &[job]);
            }
            Ok(None) => {}
            Err(_) => thread::sleep(AFTER_A_FAILURE),
        }
    }
    Ok(())
}

/// What every handler does.
struct Desk(Record);

impl Desk {
    /// How long the job takes, unless it fails.
    fn begin(&self, job: &str, attempts: u32) -> Result<Duration, &'static str> {
        let jobs = [job.to_owned()];
        self.0.note(Event::Begun, &jobs);
        let fails = match Work::of(job) {
            Work::Quick => return Ok(QUICK),
            Work::Slow => return Ok(SLOW),
            Work::FailsFirst if attempts > 0 => return Ok(QUICK),
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

const QUICK: Duration = Duration::from_millis(1);
const BETWEEN_GLANCES: Duration = Duration::from_millis(250);
const AFTER_A_FAILURE: Duration = Duration::from_millis(20);
