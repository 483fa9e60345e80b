//! Jobs that fail, consumers that are lost, and settings.

use std::error::Error as StdError;
use std::fmt;
use std::thread;
use std::time::Duration;

use redis_collections::testing::FaultProxy;
use redis_collections::{
    AsyncClient, Client, Error, Job, LocalServer, QueueSettings, RedisDict, RedisList, StopHandle,
    WorkQueue,
};
use support::contract::{ok, ok_within, on_both_kinds};
use support::events::{collect_events, events_with};
use support::eventually;
use support::kinds::{Kind, SERVER, client, in_runtime};

use crate::{assert_events, events_until};

on_both_kinds! {
    a_job_that_fails_is_reported_at_each_delivery,
    a_job_that_is_buried_is_reported,
    a_job_that_cannot_be_decoded_is_reported_without_its_bytes,
    a_lost_consumer_is_reported_by_itself_and_by_its_heir,
}

const TARGET: &str = "redis_collections::queue";

fn name<C>(name: &str) -> String {
    format!("logged-{name}-{}", std::any::type_name::<C>().rsplit(':').next().unwrap())
}

fn settings() -> QueueSettings {
    QueueSettings::new().backoff(Duration::from_millis(1), Duration::from_millis(1))
}

async fn a_job_that_fails_is_reported_at_each_delivery<C: Kind>() {
    collect_events();
    let client = C::build(C::builder(SERVER.url())).await.unwrap();
    let name = name::<C>("fails");
    let queue = WorkQueue::<u32, C>::new(&client, &*name).with(settings().max_deliveries(2));
    ok!(queue.push(&41));
    let mut consumer = queue.consumer();
    for _ in 0..2 {
        let job = ok_within!(consumer.next(Duration::from_secs(9))).unwrap();
        job.retry(Duration::ZERO);
    }
    ok!(consumer.close());
    let failed = format!("WARN {TARGET}: a job failed and is retried queue={name} deliveries=1");
    let buried = format!("ERROR {TARGET}: a job goes to the dead-letter queue queue={name} job=");
    let events = events_with(&format!("queue={name} "));
    assert_events(&events, &[&failed, &buried]);
    assert!(events[0].ends_with("delay_ms=0 error=it was marked as failed"), "{events:#?}");
    assert!(events[1].ends_with("deliveries=2 error=max_deliveries reached"), "{events:#?}");
}

async fn a_job_that_is_buried_is_reported<C: Kind>() {
    collect_events();
    let client = C::build(C::builder(SERVER.url())).await.unwrap();
    let name = name::<C>("buried");
    let queue = WorkQueue::<u32, C>::new(&client, &*name);
    ok!(queue.push(&41));
    let mut consumer = queue.consumer();
    ok_within!(consumer.next(Duration::from_secs(9))).unwrap().bury("no such address");
    ok!(consumer.close());
    let expected = format!(
        "ERROR {TARGET}: a job goes to the dead-letter queue queue={name} deliveries=1 \
         error=no such address"
    );
    assert_events(&events_with(&name), &[&expected]);
}

async fn a_job_that_cannot_be_decoded_is_reported_without_its_bytes<C: Kind>() {
    collect_events();
    let client = C::build(C::builder(SERVER.url())).await.unwrap();
    let name = name::<C>("undecodable");
    ok!(RedisList::<String, C>::new(&client, &*name).push_back("s3cret"));
    let queue = WorkQueue::<u32, C>::new(&client, &*name).with(settings().max_deliveries(1));
    let mut consumer = queue.consumer();
    assert!(ok_within!(consumer.next(Duration::from_millis(50))).is_none());
    ok!(consumer.close());
    let expected = |message: &str| {
        format!(
            "ERROR {TARGET}: {message} queue={name} deliveries=1 \
             error=cannot decode 6 bytes as u32: "
        )
    };
    let events = events_with(&name);
    let last = "a job goes to the dead-letter queue";
    assert_events(&events, &[&expected("a job cannot be decoded"), &expected(last)]);
    assert!(events.iter().all(|event| !event.contains("s3cret")), "{events:#?}");
}

async fn a_lost_consumer_is_reported_by_itself_and_by_its_heir<C: Kind>() {
    collect_events();
    let server = LocalServer::start().unwrap();
    let proxy = FaultProxy::to(server.url()).unwrap();
    let name = name::<C>("lost");
    // Long enough that the heir keeps its own on a busy machine.
    let settings = QueueSettings::new().lease(Duration::from_secs(3));
    let near = C::build(C::builder(server.url())).await.unwrap();
    let far = C::build(C::builder(proxy.url())).await.unwrap();
    let lost = WorkQueue::<u32, C>::new(&far, &*name).with(settings.clone());
    let heirs = WorkQueue::<u32, C>::new(&near, &*name).with(settings);
    ok!(heirs.push_many(&[1, 2, 3]));
    let mut loser = lost.consumer().batch(3);
    let held = C::settle_within(loser.next_batch(Duration::from_secs(9))).await.unwrap();
    assert_eq!(held.len(), 3);
    proxy.cut();
    let mut heir = heirs.consumer();
    let job = ok_within!(heir.next(Duration::from_secs(20))).expect("a job of the lost one");
    let taken = format!(
        "WARN {TARGET}: took over the jobs of lost consumers queue={name} consumers=1 jobs=3 buried=0"
    );
    let of_queue = format!("queue={name} ");
    assert_events(&events_until(&of_queue, &taken), &[&taken]);
    proxy.forward();
    let late = format!("WARN {TARGET}: a consumer lost its lease queue={name} consumer=");
    let events = events_until(&of_queue, &late);
    assert_events(&events, &[&taken, &late]);
    assert!(events[1].ends_with(" jobs=3"), "{events:#?}");
    drop(held);
    job.done();
    ok!(heir.close());
    ok!(loser.close());
    assert_eq!(events_with(&of_queue).len(), 2, "{:#?}", events_with(&of_queue));
}

#[test]
fn a_setting_that_programs_dispute_is_reported_by_both() {
    collect_events();
    let name = "logged-settings";
    let queue = |most| {
        let lease = Duration::from_millis(500);
        let settings = QueueSettings::new().max_deliveries(most).lease(lease);
        WorkQueue::<u32>::new(&client(), name).with(settings)
    };
    let (first, second) = (queue(3), queue(4));
    let _first = first.consumer().next(Duration::ZERO).unwrap();
    let mut consumer = first.consumer();
    assert!(consumer.next(Duration::ZERO).unwrap().is_none());
    assert!(eventually(|| first.stats().unwrap().consumers > 0));
    let settled = || {
        let stored = support::servers::query::<Option<String>>(
            SERVER.url(),
            &format!("HGET {name}~rc:settings max_deliveries"),
        );
        stored.unwrap().as_deref() == Some("3")
    };
    assert!(eventually(settled));
    let mut other = second.consumer();
    assert!(other.next(Duration::ZERO).unwrap().is_none());
    let replaced = format!(
        "WARN {TARGET}: replaced a setting of another program queue={name} setting=max_deliveries \
         from=3 to=4"
    );
    let overruled = format!(
        "WARN {TARGET}: another program overrules a setting queue={name} setting=max_deliveries \
         from=3 to=4"
    );
    assert_events(&events_until(name, &overruled), &[&replaced, &overruled]);
}

/// A failure with two causes.
#[derive(Debug)]
struct Failure(&'static str, Option<Box<Failure>>);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.1.as_deref().map(|cause| cause as _)
    }
}

fn bill() -> Result<(), Failure> {
    let disk = Failure("the disk is full", None);
    let printer = Failure("nothing was printed", Some(Box::new(disk)));
    Err(Failure("cannot bill", Some(Box::new(printer))))
}

#[test]
fn a_dead_job_and_its_event_have_every_cause_of_the_failure() {
    const CHAIN: &str = "cannot bill: nothing was printed: the disk is full";
    collect_events();
    let stop = StopHandle::new();
    let queue =
        |name: &str| WorkQueue::<u32>::new(&client(), name).with(settings().max_deliveries(1));
    let threads = queue("logged-causes");
    threads.push(&1).unwrap();
    let worker = threads.worker_with((), |_: Job<u32>, ()| {
        bill()?;
        Ok(())
    });
    thread::scope(|scope| {
        let running = scope.spawn(|| worker.run(&stop));
        assert!(eventually(|| threads.dead().len().unwrap() == 1));
        stop.stop();
        running.join().unwrap().unwrap();
    });
    let tasks = queue("logged-causes-of-tasks");
    tasks.push(&1).unwrap();
    let stop = StopHandle::new();
    let boxed = async |_: Job<u32, AsyncClient>, stop: StopHandle| {
        stop.stop();
        Ok(bill()?)
    };
    in_runtime(async {
        let client = AsyncClient::open(SERVER.url()).await.unwrap();
        let settings = settings().max_deliveries(1);
        let tasks: WorkQueue<u32, AsyncClient> =
            WorkQueue::new(&client, "logged-causes-of-tasks").with(settings);
        tasks.worker_with(stop.clone(), boxed).run(&stop).await.unwrap();
    });
    for queue in [threads, tasks] {
        let dead = queue.dead().list(9).unwrap();
        assert_eq!(dead[0].reason, CHAIN);
    }
    for name in ["logged-causes", "logged-causes-of-tasks"] {
        let events = events_with(&format!("queue={name} "));
        let expected = format!("ERROR {TARGET}: a job goes to the dead-letter queue queue={name} ");
        assert_events(&events, &[&expected]);
        assert!(events[0].ends_with(&format!("error={CHAIN}")), "{events:#?}");
    }
}

#[test]
fn a_long_failure_is_cut_in_a_dead_job_and_its_event() {
    collect_events();
    let queue = WorkQueue::<u32>::new(&client(), "logged-long");
    queue.push(&1).unwrap();
    let mut consumer = queue.consumer();
    consumer.next(Duration::from_secs(9)).unwrap().unwrap().bury("ä".repeat(10_000));
    consumer.close().unwrap();
    let reason = queue.dead().list(9).unwrap()[0].reason.clone();
    assert_eq!(reason, format!("{}…", "ä".repeat(2048)));
    let events = events_with("queue=logged-long ");
    assert!(events.len() == 1 && events[0].ends_with(&format!("error={reason}")), "{events:#?}");
}

#[test]
fn no_message_of_an_error_is_printed_twice_with_its_sources() {
    let closed = format!("redis://127.0.0.1:{}/", support::servers::free_port().unwrap());
    let number = RedisDict::<String, u64>::new(&client(), "logged-numbers");
    RedisDict::<String, String>::new(&client(), "logged-numbers").insert("a", "x").unwrap();
    let nodes = Client::cluster([&closed, &closed]).unwrap_err();
    let sentinels = Client::sentinel([&closed], "main").unwrap_err();
    let socket = Client::open("unix:///there/is/none").unwrap_err();
    let errors = [Client::open(&closed).unwrap_err(), nodes, sentinels, socket];
    for error in &errors {
        let source = error.source().expect("a source");
        assert!(source.is::<std::io::Error>(), "{error:?}");
    }
    for error in errors.iter().chain([&number.get("a").unwrap_err()]) {
        let mut shown = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            assert!(!shown.contains(&error.to_string()), "{shown}: {error}");
            shown = format!("{shown}: {error}");
            source = error.source();
        }
    }
    let error: Error = Client::open(&closed).unwrap_err();
    let expected = "the connection was refused";
    assert!(error.to_string().ends_with(expected), "{error}");
}
