//! What workers do with handlers that fail, hang or never begin.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use redis_collections::{
    AsyncClient, Client, Error, Job, Json, LocalServer, QueueSettings, RedisHashDict, RedisList,
    StopHandle, WorkQueue,
};
use serde::{Deserialize, Deserializer};
use support::contract::{ok, on_both_kinds};
use support::kinds::{Kind, SERVER, client, in_runtime};
use support::servers::proxy::Proxy;
use support::{LATE, within};

on_both_kinds! {
    a_value_whose_decoding_panics_is_buried,
    a_consumer_that_cannot_wait_pauses_between_polls,
}

#[test]
fn a_stop_handle_wakes_all_that_wait_for_the_stop() {
    let stop = StopHandle::new();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut context = Context::from_waker(&waker);
    let mut waits: Vec<_> = (0..3).map(|_| Box::pin(stop.stopped())).collect();
    for wait in &mut waits {
        assert!(wait.as_mut().poll(&mut context).is_pending());
    }
    waits.pop();
    assert_eq!(wakes.0.load(Ordering::Acquire), 0);
    let other = stop.clone();
    let waiting = thread::spawn(move || in_runtime(other.stopped()));
    stop.clone().stop();
    assert_eq!(wakes.0.load(Ordering::Acquire), 2, "the third wait was dropped");
    for mut wait in waits {
        assert!(wait.as_mut().poll(&mut context).is_ready());
    }
    waiting.join().unwrap();
    in_runtime(stop.stopped());
    assert_eq!(Arc::strong_count(&wakes), 2, "no waker is kept");
}

/// Counts how often tasks are woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

const BRIEF: Duration = Duration::from_millis(50);

fn queue<C: Kind>(client: &C, name: &str) -> WorkQueue<u32, C> {
    WorkQueue::new(client, name).with(QueueSettings::new().max_deliveries(1))
}

/// A door that handlers stand before until it is opened.
#[derive(Default)]
struct Door {
    open: Mutex<bool>,
    opened: Condvar,
    reached: AtomicBool,
}

impl Door {
    fn pass(&self) {
        self.reached.store(true, Ordering::Release);
        drop(self.opened.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
    }

    fn is_reached(&self) -> bool {
        self.reached.load(Ordering::Acquire)
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

/// Of 16 jobs the first was given back or done, and the others were not delivered.
fn only_the_first_was_begun(name: &str, is_done: bool) {
    let queue = queue(&client(), name);
    assert!(within(LATE, || queue.stats().unwrap().consumers == 0), "{:?}", queue.stats());
    let dead = queue.dead().list(9).unwrap();
    let dead: Vec<_> = dead.into_iter().map(|job| job.value.unwrap()).collect();
    assert_eq!(
        (dead, queue.stats().unwrap().done),
        if is_done { (vec![], 1) } else { (vec![0], 0) }
    );
    let left = queue.peek(20).unwrap().into_iter().map(|job| (job.value.unwrap(), job.deliveries));
    assert_eq!(left.collect::<Vec<_>>(), (1..16).map(|job| (job, 0)).collect::<Vec<_>>());
}

#[test]
fn jobs_not_begun_are_released_as_never_delivered() {
    let (queue, stop, door) =
        (queue(&client(), "unbegun"), StopHandle::new(), Arc::new(Door::default()));
    queue.push_many(&(0..16).collect::<Vec<_>>()).unwrap();
    let worker = queue.worker({
        let door = door.clone();
        move |_: Job<u32>| {
            door.pass();
            Ok::<(), String>(())
        }
    });
    let worker = worker.batch(16).grace(BRIEF);
    let overdue = thread::scope(|scope| {
        let running = scope.spawn(|| worker.run(&stop));
        assert!(within(LATE, || door.is_reached()));
        stop.stop();
        running.join().unwrap().unwrap()
    });
    assert_eq!(overdue, 1);
    only_the_first_was_begun("unbegun", false);
    door.open();
}

#[test]
fn tasks_release_jobs_not_begun_though_a_handler_blocks_its_thread() {
    in_runtime(async {
        let client = AsyncClient::open(SERVER.url()).await.unwrap();
        for is_dropped in [false, true] {
            let name = format!("blocked-{is_dropped}");
            let (queue, stop, door) =
                (queue(&client, &name), StopHandle::new(), Arc::new(Door::default()));
            queue.push_many(&(0..16).collect::<Vec<_>>()).await.unwrap();
            let worker = queue.worker({
                let door = door.clone();
                move |_: Job<u32, AsyncClient>| {
                    let door = door.clone();
                    async move {
                        door.pass();
                        Ok::<(), String>(())
                    }
                }
            });
            let worker = worker.batch(16).grace(BRIEF);
            let mut running = Box::pin(tokio::time::timeout(LATE, worker.run(&stop)));
            while !door.is_reached() {
                let _ = tokio::time::timeout(BRIEF, &mut running).await;
            }
            if is_dropped {
                drop(running);
                let waiting = async { while queue.stats().await.unwrap().pending < 15 {} };
                tokio::time::timeout(LATE, waiting).await.expect("all but the first");
                door.open();
            } else {
                stop.stop();
                let overdue = running.await.expect("an end, though the handler has none");
                assert_eq!(overdue.unwrap(), 1);
            }
            only_the_first_was_begun(&name, is_dropped);
            door.open();
        }
    });
}

/// A job that a loss would bury, among others.
fn push_a_suspect(name: &str) {
    let list: RedisList<Vec<u8>> = RedisList::new(&client(), name);
    list.push_many([&b"1"[..], b"2", b"\x1eq1;4?;1-a;7", b"3", b"\x1eq1;1?;2-a;4"]).unwrap();
}

/// Counts handlers that run, and sees that the suspect has none beside it.
#[derive(Clone, Default)]
struct Beside(Arc<Mutex<(Vec<u32>, bool)>>);

impl Beside {
    fn begin(&self, job: u32) {
        let mut state = self.0.lock().unwrap();
        state.0.push(job);
        state.1 |= state.0.contains(&7) && state.0.len() > 1;
    }

    fn end(&self, job: u32) {
        self.0.lock().unwrap().0.retain(|running| *running != job);
    }

    fn assert_alone(&self) {
        assert!(!self.0.lock().unwrap().1, "another one has run beside it");
    }
}

#[test]
fn a_job_that_a_loss_would_bury_runs_alone() {
    let (stop, beside) = (StopHandle::new(), Beside::default());
    push_a_suspect("suspect");
    let queue = WorkQueue::<u32>::new(&client(), "suspect");
    let worker = queue.worker({
        let beside = beside.clone();
        move |job: Job<u32>| {
            beside.begin(*job);
            // Another job, which must not begin meanwhile, would be seen.
            thread::sleep(BRIEF);
            beside.end(*job);
            Ok::<(), String>(())
        }
    });
    let worker = worker.concurrency(4).batch(8);
    thread::scope(|scope| {
        let running = scope.spawn(|| worker.run(&stop));
        let all_done = within(LATE, || queue.stats().unwrap().done == 5);
        stop.stop();
        running.join().unwrap().unwrap();
        assert!(all_done, "{:?}", queue.stats());
    });
    beside.assert_alone();

    in_runtime(async {
        let (stop, beside) = (StopHandle::new(), Beside::default());
        push_a_suspect("suspect of tasks");
        let client = AsyncClient::open(SERVER.url()).await.unwrap();
        let queue = WorkQueue::<u32, AsyncClient>::new(&client, "suspect of tasks");
        let worker = queue.worker({
            let beside = beside.clone();
            move |job: Job<u32, AsyncClient>| {
                let beside = beside.clone();
                async move {
                    beside.begin(*job);
                    // Another job, which must not begin meanwhile, would be seen.
                    tokio::time::sleep(BRIEF).await;
                    beside.end(*job);
                    Ok::<(), String>(())
                }
            }
        });
        let worker = worker.concurrency(4).batch(8);
        let watch = async {
            while queue.stats().await.unwrap().done < 5 {}
            stop.stop();
        };
        let ended = tokio::time::timeout(LATE, async { tokio::join!(worker.run(&stop), watch) });
        ended.await.expect("an end").0.unwrap();
        beside.assert_alone();
    });
}

#[test]
fn a_worker_that_fails_does_not_stop_others() {
    let (client, stop) = (client(), StopHandle::new());
    RedisHashDict::<String, u32>::new(&client, "no-list").insert("field", &1).unwrap();
    let worker = queue(&client, "no-list").worker(|_: Job<u32>| Ok::<(), String>(()));
    let error = worker.run(&stop).unwrap_err();
    assert_eq!(error.code(), Some("WRONGTYPE"), "{error}");
    assert!(!stop.is_stopped());
}

#[test]
fn a_worker_ends_when_its_password_is_refused() {
    let server = LocalServer::start().unwrap();
    let command = |text: &str| support::servers::query::<()>(server.url(), text).unwrap();
    command("ACL SETUSER ann on >old ~* &* +@all");
    let stop = StopHandle::new();
    let threads = Client::builder(server.url()).user("ann").password("old").build().unwrap();
    let worker = queue(&threads, "jobs").worker(|_: Job<u32>| Ok::<(), String>(()));
    let errors = thread::scope(|scope| {
        let tasks = scope.spawn(|| {
            in_runtime(async {
                let tasks = AsyncClient::builder(server.url()).user("ann").password("old");
                let tasks = tasks.build().await.unwrap();
                let worker = queue(&tasks, "others")
                    .worker(|_: Job<u32, AsyncClient>| async { Ok::<(), String>(()) });
                worker.run(&stop).await.unwrap_err()
            })
        });
        let threads = scope.spawn(|| worker.run(&stop).unwrap_err());
        let names = ["jobs", "others"]
            .map(|name| RedisList::<u32>::new(&Client::open(server.url()).unwrap(), name));
        for jobs in &names {
            jobs.push_back(&1).unwrap();
            assert!(within(LATE, || jobs.is_empty().unwrap()), "the worker works");
        }
        command("ACL SETUSER ann resetpass >new");
        command("CLIENT KILL USER ann");
        let have_ended = within(LATE, || tasks.is_finished() && threads.is_finished());
        stop.stop();
        assert!(have_ended, "they go on");
        [tasks.join().unwrap(), threads.join().unwrap()]
    });
    for error in errors {
        assert!(matches!(error, Error::Connect { .. }), "{error:?}");
        assert!(!error.is_transient(), "{error}");
    }
}

struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no words")
    }
}

#[test]
fn an_error_that_cannot_be_shown_is_a_failure_like_others() {
    let expected = ["its handler panicked: no words"; 3];
    let reasons = move |name: &str| {
        let dead = queue(&client(), name).dead();
        // What is missing shows when the worker has ended.
        let _ = within(LATE, || dead.len().unwrap() == expected.len());
        dead.list(9).unwrap().into_iter().map(|job| job.reason).collect::<Vec<_>>()
    };

    let (threads, stop) = (queue(&client(), "unspeakable"), StopHandle::new());
    threads.push_many(&[1, 2, 3]).unwrap();
    let worker = threads.worker(|_: Job<u32>| Err(Unspeakable));
    let (reached, ended) = thread::scope(|scope| {
        let running = scope.spawn(|| worker.run(&stop));
        let reached = reasons("unspeakable");
        stop.stop();
        (reached, running.join().unwrap())
    });
    assert_eq!((reached, ended.unwrap()), (expected.map(String::from).to_vec(), 0));

    in_runtime(async {
        let client = AsyncClient::open(SERVER.url()).await.unwrap();
        let (tasks, stop) = (queue(&client, "unspeakable to tasks"), StopHandle::new());
        tasks.push_many(&[1, 2, 3]).await.unwrap();
        let worker = tasks.worker(|_: Job<u32, AsyncClient>| async { Err(Unspeakable) });
        let watch = async {
            let reached = tokio::task::spawn_blocking(move || reasons("unspeakable to tasks"));
            let reached = reached.await.unwrap();
            stop.stop();
            reached
        };
        let (ended, reached) = tokio::join!(worker.run(&stop), watch);
        assert_eq!((reached, ended.unwrap()), (expected.map(String::from).to_vec(), 0));
    });
}

#[derive(Debug, serde::Serialize)]
struct Fragile(u32);

impl<'de> Deserialize<'de> for Fragile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        assert!(number != 7, "it is in pieces");
        Ok(Self(number))
    }
}

async fn a_value_whose_decoding_panics_is_buried<C: Kind>() {
    let client = C::build(C::builder(SERVER.url())).await.unwrap();
    let name = format!("{}-fragile", std::any::type_name::<C>());
    let queue: WorkQueue<Json<Fragile>, C> = WorkQueue::new(&client, &name);
    let queue = queue.with(QueueSettings::new().max_deliveries(1));
    ok!(queue.push_many(&[Fragile(7), Fragile(8)]));
    let mut consumer = queue.consumer().batch(2);
    let job = C::settle_within(consumer.next(LATE)).await.unwrap().expect("the other one");
    assert_eq!(job.0, 8);
    job.done();
    ok!(consumer.close());
    let texts: WorkQueue<String, C> = WorkQueue::new(&client, name);
    let reasons = ok!(texts.dead().list(9)).into_iter().map(|job| job.reason);
    assert_eq!(reasons.collect::<Vec<_>>(), ["decoding it panicked: it is in pieces"]);
}

#[test]
fn a_worker_can_be_stopped_while_nothing_can_be_decoded() {
    let (client, stop, over) = (client(), StopHandle::new(), AtomicBool::new(false));
    let list: RedisList<String> = RedisList::new(&client, "nonsense");
    let settings = QueueSettings::new().dead_capacity(10).bury_undecodable();
    let queue = queue(&client, "nonsense").with(settings);
    let worker = queue.worker(|_: Job<u32>| Ok::<(), String>(()));
    thread::scope(|scope| {
        let pushes = scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                if list.len().unwrap() < 10_000 {
                    list.push_many(["nonsense"; 1000]).unwrap();
                }
            }
        });
        let running = scope.spawn(|| worker.run(&stop));
        assert!(within(LATE, || queue.stats().unwrap().buried > 0));
        stop.stop();
        let has_ended = within(LATE, || running.is_finished());
        over.store(true, Ordering::Release);
        pushes.join().unwrap();
        assert!(has_ended, "it goes on with what can never be decoded");
    });
}

async fn a_consumer_that_cannot_wait_pauses_between_polls<C: Kind>() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = C::build(C::builder(&proxy.url())).await.unwrap();
    let name = format!("{}-refused", std::any::type_name::<C>());
    let queue: WorkQueue<u32, C> = WorkQueue::new(&client, name);
    let mut consumer = queue.consumer();
    assert!(C::settle_within(consumer.next(Duration::ZERO)).await.unwrap().is_none());
    // The connection that there is goes on; one to wait on cannot be made.
    proxy.refuse();
    proxy.reset();
    let waited = C::settle_within(consumer.next(BRIEF * 10)).await;
    let counted = proxy.round_trips();
    assert!(counted < 30, "{counted} round trips");
    assert!(waited.unwrap().is_none());
    proxy.accept().unwrap();
    ok!(queue.push(&1));
    let job = C::settle_within(consumer.next(LATE)).await.unwrap().expect("a job");
    job.done();
    ok!(consumer.close());
}
