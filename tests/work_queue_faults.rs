//! A `WorkQueue` during faults, and the round trips that it takes without them.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use redis_collections::{
    AsyncClient, Client, Consumer, Error, Job, LocalServer, QueueSettings, StopHandle, WorkQueue,
};
use support::contract::{ok, on_both_kinds};
use support::kinds::{Kind, SERVER, client, in_runtime};
use support::servers::is_blocked;
use support::servers::proxy::{Direction, Proxy};
use support::{LATE, POLL_INTERVAL, wait_until, within, within_in_task};

on_both_kinds! {
    a_claim_of_waiting_jobs_is_one_round_trip,
    a_batch_is_acknowledged_and_the_next_one_claimed_in_one_round_trip,
    delayed_jobs_are_looked_for_every_second,
    no_reply_that_is_cut_off_loses_a_job,
    no_request_that_is_cut_off_loses_a_job,
    a_wait_that_hangs_holds_no_job_back,
    a_job_given_to_a_retired_consumer_returns_to_the_queue,
    a_consumer_lost_while_in_doubt_takes_over_no_jobs_of_others,
    a_consumer_goes_on_after_its_connections_died,
    a_full_server_is_drained,
    a_huge_job_is_delivered,
}

/// Longer than a busy machine keeps a thread waiting.
const LEASE: Duration = Duration::from_secs(3);
/// After so long the maintenance thread acknowledges jobs that no claim has acknowledged.
const UNTIL_SETTLED: Duration = Duration::from_millis(100);
/// How many round trips a consumer may take to learn the settings and to load scripts.
const AT_FIRST: u32 = 5;

fn queue<C: Kind>(client: &C, name: &str) -> WorkQueue<u32, C> {
    WorkQueue::new(client, format!("{}-{name}", std::any::type_name::<C>()))
}

async fn next<C: Kind>(consumer: &mut Consumer<u32, C>, wait: Duration) -> Option<Job<u32, C>> {
    C::settle_within(consumer.next(wait)).await.expect("a connection")
}

async fn a_claim_of_waiting_jobs_is_one_round_trip<C: Kind>() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = C::build(C::builder(&proxy.url())).await.unwrap();
    for (batch, jobs) in [(16, 480), (1, 200)] {
        let queue = queue(&client, &format!("trips-{batch}"));
        ok!(queue.push_many(&(0..jobs).collect::<Vec<_>>()));
        let mut consumer = queue.consumer().batch(batch as usize);
        proxy.reset();
        let began = Instant::now();
        for expected in 0..jobs {
            let job = next(&mut consumer, LATE).await.unwrap();
            assert_eq!(*job, expected);
            job.done();
        }
        let counted = proxy.round_trips() as f64;
        // Commands of the maintenance thread meanwhile, on a slow machine.
        let besides = began.elapsed().div_duration_f64(UNTIL_SETTLED);
        let claims = jobs.div_ceil(batch);
        let limit = f64::from(claims + AT_FIRST) + besides;
        assert!(counted <= limit, "{counted} round trips for {jobs} jobs in batches of {batch}");
        ok!(consumer.close());
        assert_eq!(ok!(queue.stats()).done, u64::from(jobs));
    }
}

/// In the best of several batches: beside that leases are renewed, and idle connections probed.
async fn a_batch_is_acknowledged_and_the_next_one_claimed_in_one_round_trip<C: Kind>() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = C::build(C::builder(&proxy.url())).await.unwrap();
    let queue = queue(&client, "one-trip");
    ok!(queue.push_many(&(0..100).collect::<Vec<_>>()));
    let mut consumer = queue.consumer().batch(10);
    let mut trips = Vec::new();
    let mut jobs = C::settle_within(consumer.next_batch(Duration::ZERO)).await.unwrap();
    while !jobs.is_empty() {
        proxy.reset();
        jobs.drain(..).for_each(Job::done);
        jobs = C::settle_within(consumer.next_batch(Duration::ZERO)).await.unwrap();
        trips.push(proxy.round_trips());
    }
    assert_eq!(trips.iter().min(), Some(&1), "{trips:?}");
    assert_eq!(ok!(queue.stats()).done, 100);
    ok!(consumer.close());
}

/// By a consumer that waits already. The best of several tries, so that a busy machine does no
/// harm.
async fn delayed_jobs_are_looked_for_every_second<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let client = C::build(C::builder(server.url())).await.unwrap();
    let queue = queue(&client, "looks");
    let delay = Duration::from_millis(50);
    let mut late = Vec::new();
    for _ in 0..5 {
        let (mut consumer, name) = (queue.consumer(), queue.clone());
        let waiting = thread::spawn(move || {
            let job = C::finish(C::settle_within(consumer.next(LATE))).unwrap().expect("the job");
            let came = Instant::now();
            job.done();
            came
        });
        let blocked = || {
            let clients: String = support::servers::query(server.url(), "INFO clients").unwrap();
            clients.contains("blocked_clients:1")
        };
        assert!(within(LATE, blocked));
        let due = Instant::now() + delay;
        ok!(name.push_in(&1, delay));
        late.push(waiting.join().unwrap().saturating_duration_since(due));
        if late.iter().any(|late| *late < Duration::from_millis(1500)) {
            return;
        }
    }
    panic!("{late:?}");
}

async fn no_reply_that_is_cut_off_loses_a_job<C: Kind>() {
    cut::<C>("replies", Direction::Replies, 7).await;
}

async fn no_request_that_is_cut_off_loses_a_job<C: Kind>() {
    cut::<C>("requests", Direction::Requests, 211).await;
}

/// Cuts the connection again and again, at ever other bytes, while jobs are done, in and out of
/// order.
async fn cut<C: Kind>(name: &str, direction: Direction, step: usize) {
    const JOBS: u32 = 300;
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = C::build(C::builder(&proxy.url())).await.unwrap();
    let queue = queue(&client, name).with(QueueSettings::new().max_deliveries(1000));
    ok!(queue.push_many(&(0..JOBS).collect::<Vec<_>>()));
    let mut consumer = queue.consumer().batch(5);
    let mut times = BTreeMap::<u32, u32>::new();
    let (mut cuts, mut handled) = (0, 0);
    let began = Instant::now();
    let mut held = Vec::new();
    while times.len() < JOBS as usize {
        assert!(began.elapsed() < LATE * 3, "{} of {JOBS} after {cuts} cuts", times.len());
        if handled / 3 >= cuts {
            cuts += 1;
            proxy.cut_after(cuts * step % 900, direction);
        }
        let taken = C::settle_within(consumer.next(Duration::from_millis(300))).await;
        if let Ok(Some(job)) = taken {
            handled += 1;
            let number = *job;
            if !matches!(handled % 7, 0 | 3) {
                *times.entry(number).or_default() += 1;
            }
            match handled % 7 {
                0 => drop(job),
                3 => job.retry(Duration::ZERO),
                5 => held.push(job),
                _ => job.done(),
            }
        }
        if held.len() > 3 {
            held.drain(..).for_each(Job::done);
        }
    }
    held.into_iter().for_each(Job::done);
    while C::settle_within(consumer.next(Duration::ZERO)).await.map_or(true, |job| job.is_some()) {}
    drop(consumer);
    let clean =
        WorkQueue::<u32>::new(&self::client(), format!("{}-{name}", std::any::type_name::<C>()));
    let is_clean = || {
        let stats = clean.stats().unwrap();
        (stats.in_flight, stats.consumers, stats.delayed) == (0, 0, 0)
    };
    assert!(within(LATE, is_clean), "{:?}", clean.stats());
    let missing: Vec<_> = (0..JOBS).filter(|job| !times.contains_key(job)).collect();
    assert_eq!(missing, [0; 0]);
    let duplicates: u32 = times.values().map(|times| times - 1).sum();
    assert_eq!(duplicates, 0, "after {cuts} cuts");
    let dead = clean.dead().list(9).unwrap();
    println!("{cuts} cuts, {} dead", dead.len());
    let left: Vec<String> = support::servers::query(SERVER.url(), "KEYS *~rc:claimed:*").unwrap();
    let own = format!("{}-{name}~rc:claimed:", std::any::type_name::<C>());
    assert!(!left.iter().any(|key| key.starts_with(&own)), "{left:?}");
}

async fn a_wait_that_hangs_holds_no_job_back<C: Kind>() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let name = format!("{}-hangs", std::any::type_name::<C>());
    let builder = C::builder(&proxy.url()).name(&name).response_timeout(Duration::from_secs(1));
    let client = C::connected(builder).await;
    let queue = queue(&client, "hangs");
    let mut consumer = queue.consumer();
    assert!(next(&mut consumer, Duration::ZERO).await.is_none());
    let pushing = thread::spawn(move || {
        assert!(within(LATE, || is_blocked(SERVER.url(), &name)));
        proxy.hold(Direction::Replies);
        WorkQueue::<u32>::new(&self::client(), name).push(&7).unwrap();
        // Time is the subject: for longer than the server may be silent, though it is asked anew.
        thread::sleep(Duration::from_millis(2500));
        proxy.release();
        proxy
    });
    let began = Instant::now();
    let job = loop {
        match C::settle_within(consumer.next(LATE)).await {
            Ok(job) => break job.expect("the job"),
            Err(_) => assert!(began.elapsed() < LATE, "it does not come"),
        }
    };
    assert_eq!((*job, job.deliveries()), (7, 0), "it was taken over, long before the lease ends");
    let _proxy = pushing.join().unwrap();
    job.done();
    ok!(consumer.close());
    assert_eq!(ok!(queue.stats()).done, 1);
}

async fn a_job_given_to_a_retired_consumer_returns_to_the_queue<C: Kind>() {
    let name = format!("{}-given", std::any::type_name::<C>());
    let ask = |command: String| support::servers::query::<Vec<String>>(SERVER.url(), &command);
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let settings = QueueSettings::new().lease(LEASE);
    let cut_off = C::build(C::builder(&proxy.url())).await.unwrap();
    let mut gone = queue(&cut_off, "given").with(settings.clone()).consumer();
    assert!(next(&mut gone, Duration::ZERO).await.is_none());
    proxy.refuse();
    proxy.kill();
    let others = queue(&C::build(C::builder(SERVER.url())).await.unwrap(), "given").with(settings);
    let mut other = others.consumer();
    assert!(next(&mut other, Duration::ZERO).await.is_none());
    assert!(within(LATE, || !ask(format!("ZRANGE {name}~rc:gone 0 -1")).unwrap().is_empty()));
    let [id, until] =
        ask(format!("ZRANGE {name}~rc:gone 0 0 WITHSCORES")).unwrap().try_into().unwrap();
    let now = ok!(others.stats()).at.duration_since(UNIX_EPOCH).unwrap().as_millis();
    assert!(until.parse::<f64>().unwrap() > now as f64, "it is remembered for some time");
    ok!(others.push(&7));
    // As a wait does that was held up on its way.
    let given = format!("BLMOVE {name} {name}~rc:claimed:{id} LEFT RIGHT 1");
    support::servers::query::<Vec<u8>>(SERVER.url(), &given).unwrap();
    let job = next(&mut other, LATE).await.expect("it comes back");
    assert_eq!((*job, job.deliveries(), job.redelivered()), (7, 0, true), "it had not begun");
    job.done();
    ok!(other.close());
}

async fn a_consumer_lost_while_in_doubt_takes_over_no_jobs_of_others<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let proxy = Proxy::to(server.port()).unwrap();
    let ask =
        |command: &str| support::servers::query::<Vec<String>>(server.url(), command).unwrap();
    let settings = QueueSettings::new().lease(LEASE);
    let cut_off = C::build(C::builder(&proxy.url())).await.unwrap();
    let others =
        WorkQueue::<u32>::new(&Client::open(server.url()).unwrap(), "q").with(settings.clone());
    others.push(&1).unwrap();
    let mut lost = WorkQueue::<u32, C>::new(&cut_off, "q").with(settings).consumer();
    let held = next(&mut lost, LATE).await.expect("the job");
    let id = ask("ZRANGE q~rc:consumers 0 -1").remove(0);
    let url = server.url().to_owned();
    let cutting = thread::spawn(move || {
        let clients = || support::servers::query::<String>(&url, "INFO clients").unwrap();
        assert!(within(LATE, || clients().contains("blocked_clients:1")));
        proxy.refuse();
        proxy.kill();
        proxy
    });
    let failed = C::settle_within(lost.next(LATE)).await;
    assert!(failed.is_err(), "whether its wait has brought anything is unknown");
    let proxy = cutting.join().unwrap();
    let mut other = others.consumer();
    let again = other.next(LATE).unwrap().expect("it is taken back");
    again.done_now().unwrap();
    other.close().unwrap();
    // As a wait does that was held up on its way.
    others.push(&7).unwrap();
    let given = format!("BLMOVE q q~rc:claimed:{id} LEFT RIGHT 1");
    support::servers::query::<Vec<u8>>(server.url(), &given).unwrap();
    proxy.accept().unwrap();
    let is_back = || {
        let stats = others.stats().unwrap();
        assert_eq!(stats.consumers, 0, "a lost consumer is not registered again");
        stats.pending == 1
    };
    assert!(within(LATE, is_back), "no consumer has it");
    let error = C::settle(held.done_now()).await.unwrap_err();
    assert!(matches!(error, Error::LeaseLost { .. }), "{error:?}");
    let given = next(&mut lost, LATE).await.expect("it comes back");
    assert_eq!((*given, given.deliveries(), given.redelivered()), (7, 0, true));
    ok!(given.done_now());
    assert_eq!(others.stats().unwrap().done, 2);
}

async fn a_consumer_goes_on_after_its_connections_died<C: Kind>() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = C::build(C::builder(&proxy.url())).await.unwrap();
    let queue = queue(&client, "died");
    ok!(queue.push_many(&[1, 2, 3]));
    let mut consumer = queue.consumer().batch(2);
    let first = next(&mut consumer, LATE).await.unwrap();
    proxy.refuse();
    proxy.kill();
    let second = next(&mut consumer, Duration::ZERO).await.expect("it was claimed before");
    first.done();
    let failed = C::settle_within(consumer.next(Duration::ZERO)).await;
    assert!(failed.is_err_and(|error| error.is_connection_lost()));
    proxy.accept().unwrap();
    second.done();
    let third = next(&mut consumer, LATE).await.unwrap();
    assert_eq!((*third, third.lost_lease()), (3, false));
    third.done();
    ok!(consumer.close());
    assert_eq!((ok!(queue.stats()).done, ok!(queue.stats()).in_flight), (3, 0));
}

async fn a_full_server_is_drained<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let set = |setting: &str| {
        support::servers::query::<()>(server.url(), &format!("CONFIG SET {setting}")).unwrap();
    };
    set("maxmemory-policy noeviction");
    let client = C::build(C::builder(server.url())).await.unwrap();
    let queue = queue(&client, "full");
    ok!(queue.push_many(&(0..50).collect::<Vec<_>>()));
    set("maxmemory 1");
    let refused = C::settle(queue.push(&99)).await.unwrap_err();
    assert_eq!(refused.code(), Some("OOM"));
    assert!(C::settle(queue.push_in(&99, LATE)).await.is_err());
    assert!(C::settle(queue.push_unique("u", &99, LATE)).await.is_err());
    assert!(C::settle(queue.try_push(&99, 1000)).await.is_err());
    let mut consumer = queue.consumer().batch(7);
    for expected in 0..50 {
        let job = next(&mut consumer, LATE).await.unwrap();
        assert_eq!(*job, expected);
        if expected == 20 { job.bury("why not") } else { job.done() }
    }
    assert!(next(&mut consumer, Duration::from_millis(100)).await.is_none());
    ok!(consumer.close());
    let stats = ok!(queue.stats());
    assert_eq!((stats.done, stats.pending, stats.in_flight, stats.dead), (49, 0, 0, 1));
}

async fn a_huge_job_is_delivered<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let builder = C::builder(server.url()).response_timeout(LATE * 6);
    let client = C::build(builder).await.unwrap();
    let queue: WorkQueue<Vec<u8>, C> =
        WorkQueue::new(&client, format!("{}-huge", std::any::type_name::<C>()));
    let mut huge = vec![0x1e; 64 * 1024 * 1024];
    huge[1..4].copy_from_slice(b"q1;");
    ok!(queue.push(&huge));
    let mut consumer = queue.consumer();
    for deliveries in 0..2 {
        let job = C::settle_within(consumer.next(LATE * 6)).await.unwrap().unwrap();
        assert!(*job == huge && job.deliveries() == deliveries);
        if deliveries == 0 { job.retry(Duration::ZERO) } else { job.done() }
    }
    ok!(consumer.close());
}

#[test]
fn a_queue_is_not_drained_while_a_job_goes_round() {
    let settings = QueueSettings::new().max_deliveries(u32::MAX);
    let queue = queue(&client(), "round").with(settings);
    queue.push(&1).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut consumer = queue.consumer();
            while !over.load(Ordering::SeqCst) {
                let job = consumer.next(LATE).unwrap().expect("it is due again");
                job.retry(Duration::from_millis(1));
            }
        });
        let drained = (0..1000).filter(|_| queue.drain(Duration::ZERO).unwrap()).count();
        over.store(true, Ordering::SeqCst);
        assert_eq!(drained, 0);
    });
}

#[test]
fn no_right_that_a_consumer_lacks_strands_a_job() {
    let server = LocalServer::start().unwrap();
    let all = Client::open(server.url()).unwrap();
    let settings = QueueSettings::new().lease(LEASE / 3);
    for lacks in ["zadd", "rpush", "ltrim", "lrem", "hincrby", "zrem", "llen", "lrange", "time"] {
        let mut user = redis::cmd("ACL");
        let lacks_it = format!("-{lacks}");
        user.arg(&["SETUSER", "ann", "reset", "on", ">pw", "~*", "&*", "+@all", &lacks_it]);
        let () = support::servers::run(server.url(), &user).unwrap();
        let client = Client::builder(server.url()).user("ann").password("pw").build().unwrap();
        let settings = settings.clone().max_deliveries(100);
        let whole = queue(&all, lacks).with(settings.clone());
        let jobs: Vec<_> = (0..10).collect();
        whole.push_many(&jobs).unwrap();
        let mut poor = queue(&client, lacks).with(settings).consumer().batch(4);
        for _ in 0..3 {
            if let Ok(Some(job)) = poor.next(Duration::ZERO) {
                drop(job);
            }
        }
        drop(poor);
        drop(client);
        let mut found = std::collections::BTreeSet::new();
        let mut consumer = whole.consumer().batch(4);
        while found.len() < jobs.len() {
            let job = consumer.next(LATE).unwrap();
            let job = job.unwrap_or_else(|| panic!("without {lacks} only {found:?}"));
            found.insert(*job);
            job.done();
        }
        consumer.close().unwrap();
        assert!(found.into_iter().eq(jobs), "without {lacks}");
    }
}

#[test]
fn a_consumer_that_cannot_leave_keeps_its_jobs_no_longer_than_its_lease() {
    let server = LocalServer::start().unwrap();
    let all = Client::open(server.url()).unwrap();
    let allow = |rights: &[&str]| {
        let mut user = redis::cmd("ACL");
        user.arg(&["SETUSER", "ann", "on", ">pw", "~*", "&*"]).arg(rights);
        support::servers::run::<()>(server.url(), &user).unwrap();
    };
    allow(&["+@all"]);
    let client = Client::builder(server.url()).user("ann").password("pw").build().unwrap();
    let settings = QueueSettings::new().lease(LEASE / 3);
    let whole = queue(&all, "left").with(settings.clone());
    whole.push_many(&[1, 2, 3]).unwrap();
    let mut consumer = queue(&client, "left").with(settings).consumer().batch(3);
    consumer.next(LATE).unwrap().expect("a job").done();
    allow(&["-lset", "-lpush", "-ltrim"]);
    assert!(consumer.close().is_err());
    let mut others = whole.consumer();
    for _ in 1..=2 {
        others.next(LATE).unwrap().expect("the lease is over").done();
    }
}

#[test]
fn a_future_that_is_dropped_loses_no_job() {
    in_runtime(async {
        let client = AsyncClient::open(SERVER.url()).await.unwrap();
        let queue = queue(&client, "dropped");
        let mut consumer = queue.consumer().batch(3);
        let mut found = Vec::new();
        for number in 0..200 {
            queue.push(&number).await.unwrap();
            let brief = Duration::from_micros(u64::from(number) * 7);
            let taken = tokio::time::timeout(brief, consumer.next(LATE)).await;
            if let Ok(job) = taken {
                let job = job.unwrap().unwrap();
                found.push(*job);
                job.done();
            }
        }
        let began = Instant::now();
        loop {
            found.sort_unstable();
            found.dedup();
            if found.len() == 200 {
                break;
            }
            assert!(began.elapsed() < LATE, "{found:?}");
            if let Some(job) = consumer.next(Duration::from_millis(300)).await.unwrap() {
                found.push(*job);
                job.done();
            }
        }
        assert_eq!(found, (0..200).collect::<Vec<_>>());
        consumer.close().await.unwrap();
        assert_eq!(queue.stats().await.unwrap().in_flight, 0);
    });
}

#[test]
fn calls_that_are_dropped_sooner_than_replies_come_bring_all_jobs() {
    in_runtime(async {
        let proxy = Proxy::to(SERVER.port()).unwrap();
        let client = AsyncClient::open(&proxy.url()).await.unwrap();
        let queue = queue(&client, "impatient");
        let jobs: Vec<_> = (0..40).collect();
        queue.push_many(&jobs).await.unwrap();
        let mut consumer = queue.consumer().batch(8);
        // The first call makes the server know the script.
        let first = consumer.next(LATE).await.unwrap().expect("it waits for longer");
        let mut found = std::collections::BTreeSet::from([*first]);
        first.done();
        proxy.delay_replies(Duration::from_millis(30));
        let began = Instant::now();
        while found.len() < jobs.len() {
            assert!(began.elapsed() < LATE, "only {found:?}");
            let brief = Duration::from_millis(5);
            if let Ok(job) = tokio::time::timeout(brief, consumer.next(LATE)).await {
                let job = job.unwrap().expect("it waits for longer");
                found.insert(*job);
                job.done();
            }
        }
        proxy.delay_replies(Duration::ZERO);
        consumer.close().await.unwrap();
    });
}

#[test]
fn a_wait_that_is_dropped_needs_no_new_id_and_holds_no_job_back() {
    let server = LocalServer::start().unwrap();
    let ask = |command: &str| support::servers::query::<String>(server.url(), command).unwrap();
    let waits = || ask("INFO clients").contains("blocked_clients:1\r");
    in_runtime(async {
        let client = AsyncClient::open(server.url()).await.unwrap();
        let queue = queue(&client, "abandoned");
        let mut consumer = queue.consumer();
        for number in 0..20 {
            {
                let mut waiting = pin!(consumer.next(LATE));
                while !waits() {
                    let pause = Duration::from_millis(1);
                    assert!(tokio::time::timeout(pause, &mut waiting).await.is_err(), "no job");
                }
                // Before it is dropped, so that it may bring the job, or after.
                if number % 2 == 0 {
                    queue.push(&number).await.unwrap();
                }
            }
            if number % 2 == 1 {
                queue.push(&number).await.unwrap();
            }
            let job = consumer.next(LATE).await.unwrap().expect("the job");
            assert_eq!((*job, job.deliveries()), (number, 0));
            job.done_now().await.unwrap();
        }
        consumer.close().await.unwrap();
    });
    let ids: Vec<String> = support::servers::query(server.url(), "KEYS *gone*").unwrap();
    assert_eq!(ids, [""; 0], "no id was left behind");
}

#[test]
fn consumers_that_keep_dropping_waits_strand_no_job() {
    // No sweep runs meanwhile.
    let settings = QueueSettings::new().lease(Duration::from_secs(24 * 3600));
    in_runtime(async {
        const JOBS: u32 = 400;
        let client = AsyncClient::open(SERVER.url()).await.unwrap();
        let queue = queue(&client, "stranded").with(settings);
        let found = Arc::new(Mutex::new(std::collections::BTreeSet::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..20 {
            let (queue, found) = (queue.clone(), found.clone());
            tasks.spawn(async move {
                let mut consumer = queue.consumer().batch(8);
                let began = Instant::now();
                while found.lock().unwrap().len() < JOBS as usize {
                    assert!(began.elapsed() < LATE * 3, "{:?}", queue.stats().await);
                    let brief = Duration::from_millis(if number < 4 { 5 } else { 50 });
                    let taken = tokio::time::timeout(brief, consumer.next(LATE)).await;
                    if let Ok(job) = taken {
                        let job = job.unwrap().expect("it waits for longer");
                        found.lock().unwrap().insert(*job);
                        job.done();
                    }
                }
                consumer.close().await.unwrap();
            });
        }
        for job in 0..JOBS {
            queue.push(&job).await.unwrap();
            // Spread, so that many waits are dropped as a job comes.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        let stats = queue.stats().await.unwrap();
        assert_eq!((stats.done, stats.in_flight, stats.pending), (u64::from(JOBS), 0, 0));
    });
}

#[test]
fn a_runtime_that_is_blocked_loses_no_lease() {
    let settings = QueueSettings::new().lease(LEASE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = AsyncClient::builder(SERVER.url()).response_timeout(LATE).build();
        let queue = queue(&client.await.unwrap(), "blocked").with(settings.clone());
        queue.push(&1).await.unwrap();
        let mut consumer = queue.consumer();
        let job = consumer.next(LATE).await.unwrap().unwrap();
        let name = format!("{}-blocked", std::any::type_name::<AsyncClient>());
        let other = thread::spawn(move || {
            let queue = WorkQueue::<u32>::new(&self::client(), name).with(settings);
            let mut other = queue.consumer();
            other.next(2 * LEASE).unwrap().map(|job| *job)
        });
        // It blocks the runtime while the other consumer waits.
        assert_eq!(other.join().unwrap(), None);
        assert!(!job.lost_lease());
        job.done_now().await.unwrap();
    });
}

#[test]
fn a_runtime_that_is_blocked_during_a_step_loses_no_lease() {
    let settings = QueueSettings::new().lease(LEASE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = AsyncClient::builder(SERVER.url()).response_timeout(LATE).build();
        let queue = queue(&client.await.unwrap(), "in-a-step").with(settings.clone());
        queue.push_many(&[1, 2]).await.unwrap();
        let mut consumer = queue.consumer().batch(2);
        let first = consumer.next(LATE).await.unwrap().unwrap();
        let second = consumer.next(LATE).await.unwrap().unwrap();
        first.done();
        let mut parked = pin!(consumer.next(Duration::ZERO));
        let sent = std::future::poll_fn(|context| Poll::Ready(parked.as_mut().poll(context)));
        assert!(sent.await.is_pending(), "the claim that settles the first one");
        let name = format!("{}-in-a-step", std::any::type_name::<AsyncClient>());
        let mut other = WorkQueue::<u32>::new(&self::client(), name).with(settings).consumer();
        let taken = other.next(2 * LEASE).unwrap();
        assert!(taken.is_none(), "another consumer got {:?}", taken.as_deref());
        assert!(!second.lost_lease(), "its lease was renewed");
        assert!(parked.await.unwrap().is_none());
        second.done_now().await.unwrap();
        assert_eq!(queue.stats().await.unwrap().done, 2);
    });
}

#[test]
fn a_consumer_cut_off_for_its_lease_reports_it_lost() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = Client::open(&proxy.url()).unwrap();
    let settings = QueueSettings::new().lease(LEASE);
    let queue = queue(&client, "reach").with(settings.clone());
    queue.push(&1).unwrap();
    let mut consumer = queue.consumer();
    let job = consumer.next(LATE).unwrap().unwrap();
    assert!(!job.lost_lease());
    proxy.refuse();
    proxy.kill();
    assert!(within(LATE, || job.lost_lease()));
    let other = self::queue(&self::client(), "reach").with(settings);
    let mut others = other.consumer();
    let again = others.next(LATE).unwrap().unwrap();
    assert_eq!((*again, again.redelivered()), (1, true));
    proxy.accept().unwrap();
    let error = job.done_now().unwrap_err();
    assert!(matches!(error, Error::LeaseLost { .. }), "{error:?}");
    again.done_now().unwrap();
    assert_eq!(other.stats().unwrap().done, 1, "the other one is fenced");
}

/// The work of the handlers of the tests.
fn handle(number: u32, deliveries: u32) -> Result<(), String> {
    match number {
        3 if deliveries == 0 => Err("the first time".into()),
        5 if deliveries == 0 => panic!("the first time, too"),
        7 => Err("it never works".into()),
        _ => Ok(()),
    }
}

fn impatient() -> QueueSettings {
    let brief = Duration::from_millis(20);
    QueueSettings::new().max_deliveries(3).backoff(brief, brief * 4)
}

#[test]
fn a_worker_does_jobs_tries_them_again_and_buries_them() {
    let queue = queue(&client(), "worker").with(impatient());
    queue.push_many(&(0..50).collect::<Vec<_>>()).unwrap();
    let (stop, peak, now) = (StopHandle::new(), Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let worker = queue.worker({
        let peak = peak.clone();
        move |job: Job<u32>| {
            peak.fetch_max(1 + now.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
            let all_run = || peak.load(Ordering::SeqCst) >= 4;
            assert!(within(LATE, all_run), "fewer run at once than may");
            // No condition shows that a fifth does not begin: it is given time to.
            thread::sleep(Duration::from_millis(5));
            now.fetch_sub(1, Ordering::SeqCst);
            handle(*job, job.deliveries())
        }
    });
    let worker = worker.concurrency(4).batch(8);
    thread::scope(|scope| {
        let running = scope.spawn(|| worker.run(&stop));
        assert!(within(2 * LATE, || queue.stats().unwrap().done == 49), "{:?}", queue.stats());
        assert!(within(LATE, || queue.dead().len().unwrap() == 1), "{:?}", queue.stats());
        stop.stop();
        assert_eq!(running.join().unwrap().unwrap(), 0);
    });
    let dead = queue.dead().list(9).unwrap();
    assert_eq!((dead[0].value.clone().unwrap(), dead[0].deliveries), (7, 3));
    assert_eq!(dead[0].reason, "it never works");
    assert_eq!(peak.load(Ordering::SeqCst), 4);
    let stats = queue.stats().unwrap();
    assert_eq!((stats.consumers, stats.in_flight, stats.retried), (0, 0, 4));
}

#[test]
fn an_async_worker_does_jobs_tries_them_again_and_buries_them() {
    in_runtime(async {
        let client = AsyncClient::open(SERVER.url()).await.unwrap();
        let queue = queue(&client, "worker").with(impatient());
        queue.push_many(&(0..50).collect::<Vec<_>>()).await.unwrap();
        let (stop, peak, now) =
            (StopHandle::new(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let began = Instant::now();
        let worker = queue.worker({
            let peak = peak.clone();
            move |job: Job<u32, AsyncClient>| {
                assert!(*job != 6 || job.redelivered(), "before there is a future");
                let (peak, now) = (peak.clone(), now.clone());
                async move {
                    peak.fetch_max(1 + now.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                    let all_run = || peak.load(Ordering::SeqCst) >= 4;
                    assert!(within_in_task(LATE, all_run).await, "fewer run at once than may");
                    // No condition shows that a fifth does not begin: it is given time to.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    handle(*job, job.deliveries())
                }
            }
        });
        let worker = worker.concurrency(4).batch(8);
        let watch = async {
            loop {
                let stats = queue.stats().await.unwrap();
                if stats.done == 49 && stats.dead == 1 {
                    return stop.stop();
                }
                assert!(began.elapsed() < 2 * LATE, "{stats:?}");
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        let (ended, ()) = tokio::join!(worker.run(&stop), watch);
        assert_eq!(ended.unwrap(), 0);
        let stats = queue.stats().await.unwrap();
        assert_eq!((stats.consumers, stats.in_flight, stats.retried), (0, 0, 5));
        assert_eq!(peak.load(Ordering::SeqCst), 4);
    });
}

#[test]
fn a_stopped_worker_returns_its_unfinished_jobs() {
    let queue = queue(&client(), "grace");
    queue.push_many(&(0..20).collect::<Vec<_>>()).unwrap();
    let (stop, begun) = (StopHandle::new(), Arc::new(Mutex::new(Vec::new())));
    let (is_stopped, is_over) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let worker = queue.worker({
        let (begun, is_stopped, is_over) = (begun.clone(), is_stopped.clone(), is_over.clone());
        move |job: Job<u32>| {
            begun.lock().unwrap().push(*job);
            let may_end = match *job {
                1 => within(LATE, || is_over.load(Ordering::SeqCst)),
                3 => within(LATE, || is_stopped.load(Ordering::SeqCst)),
                _ => true,
            };
            may_end.then_some(()).ok_or("it hangs for too long")
        }
    });
    let worker = worker.concurrency(2).batch(10).grace(LEASE);
    let overdue = thread::scope(|scope| {
        let running = scope.spawn(|| worker.run(&stop));
        assert!(within(LATE, || begun.lock().unwrap().len() == 4));
        stop.stop();
        is_stopped.store(true, Ordering::SeqCst);
        running.join().unwrap().unwrap()
    });
    assert_eq!(overdue, 1, "the one that hangs");
    let mut begun = begun.lock().unwrap().clone();
    begun.sort();
    assert_eq!(begun, [0, 1, 2, 3]);
    let stats = queue.stats().unwrap();
    assert_eq!((stats.done, stats.pending, stats.in_flight, stats.consumers), (3, 17, 0, 0));
    let mut consumer = queue.consumer().batch(20);
    let left = consumer.next_batch(Duration::ZERO).unwrap();
    let numbers: Vec<u32> = left.iter().map(|job| **job).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert!(left.iter().all(|job| job.deliveries() == u32::from(**job == 1)));
    is_over.store(true, Ordering::SeqCst);
}

#[test]
fn an_async_worker_stopped_or_dropped_returns_its_unfinished_jobs() {
    in_runtime(async {
        let client = AsyncClient::open(SERVER.url()).await.unwrap();
        for is_dropped in [false, true] {
            let queue = queue(&client, &format!("grace-{is_dropped}"));
            queue.push_many(&(0..20).collect::<Vec<_>>()).await.unwrap();
            let (stop, begun) = (StopHandle::new(), Arc::new(AtomicBool::new(false)));
            let worker = queue.worker({
                let begun = begun.clone();
                move |job: Job<u32, AsyncClient>| {
                    let begun = begun.clone();
                    async move {
                        begun.fetch_or(*job == 1, Ordering::SeqCst);
                        std::future::pending::<()>().await;
                        Ok::<(), String>(())
                    }
                }
            });
            let worker = worker.concurrency(2).batch(10).grace(Duration::from_millis(200));
            let ending = async {
                assert!(within_in_task(LATE, || begun.load(Ordering::SeqCst)).await);
                if !is_dropped {
                    stop.stop();
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                ended = worker.run(&stop) => assert_eq!(ended.unwrap(), 2),
                () = ending => assert!(is_dropped),
            }
            wait_until!({
                let stats = queue.stats().await.unwrap();
                (stats.pending, stats.in_flight, stats.consumers) == (20, 0, 0)
            });
        }
    });
}

#[test]
fn a_worker_survives_a_lost_server_and_ends_on_a_permanent_error() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let client = Client::open(&proxy.url()).unwrap();
    let queue = queue(&client, "outlives");
    let stop = StopHandle::new();
    let worker = queue.worker(|_: Job<u32>| Ok::<(), String>(()));
    thread::scope(|scope| {
        let running = scope.spawn(|| worker.run(&stop));
        let other = self::queue(&self::client(), "outlives");
        other.push(&1).unwrap();
        assert!(within(LATE, || other.stats().unwrap().done == 1));
        proxy.refuse();
        proxy.kill();
        other.push(&2).unwrap();
        // Refused connections leave no trace to wait for.
        thread::sleep(Duration::from_millis(300));
        proxy.accept().unwrap();
        assert!(within(LATE, || other.stats().unwrap().done == 2), "{:?}", other.stats());
        stop.stop();
        assert_eq!(running.join().unwrap().unwrap(), 0);
    });
    let nonsense = queue.with(QueueSettings::new().lease(Duration::ZERO));
    let worker = nonsense.worker(|_: Job<u32>| Ok::<(), String>(()));
    assert!(matches!(worker.run(&StopHandle::new()), Err(Error::Configuration(_))));
}
