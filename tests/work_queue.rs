//! The contract of `WorkQueue`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis_collections::{
    Consumer, Error, Job, QueueSettings, QueueStats, RedisHashDict, RedisList, WorkQueue,
};
use support::contract::{contract, contract_on_clusters, ok, settle};
use support::kinds::{CLUSTER, Kind, SERVER};
use support::servers::is_blocked;
use support::{LATE, POLL_INTERVAL, wait_until, within};

contract! {
    closing_sends_outcomes_though_a_job_is_held,
    jobs_come_in_the_order_of_the_queue,
    any_push_to_the_list_is_a_job,
    bytes_that_look_like_a_header_round_trip,
    a_batch_is_claimed_at_once_and_acknowledged_with_the_next,
    a_finished_job_is_acknowledged_soon_without_a_next_claim,
    done_now_is_known_to_the_server_at_once,
    jobs_are_done_in_any_order,
    a_dropped_job_comes_back_first,
    a_dropped_consumer_releases_jobs_not_handed_out,
    a_retried_job_returns_later_with_an_id,
    a_job_delivered_too_often_goes_to_the_dead_list,
    a_buried_job_can_be_read_requeued_and_purged,
    a_job_buried_during_a_requeue_stays_dead,
    the_dead_list_keeps_the_latest,
    the_dead_list_keeps_all,
    an_undecodable_job_is_retried_and_ends_in_the_dead_list,
    a_job_of_a_newer_program_waits_for_one_that_can_decode_it,
    bytes_that_others_push_survive_a_failure,
    a_reason_is_cut_where_it_is_too_long,
    settings_belong_to_the_queue,
    a_delayed_job_comes_when_it_is_due,
    equal_delayed_jobs_are_different_jobs,
    a_unique_job_is_pushed_once_in_its_time,
    a_bounded_queue_refuses,
    a_peek_claims_nothing,
    a_waiting_consumer_gets_a_job,
    nothing_is_claimed_while_the_queue_is_paused,
    a_queue_is_purged,
    keys_of_unique_jobs_are_free_after_a_purge,
    a_queue_is_drained,
    a_job_given_to_a_retired_consumer_is_not_drained,
    statistics_report_the_state_of_the_queue,
    a_claimed_job_that_is_never_requested_counts_as_unstarted,
    a_job_has_waited_at_least_since_it_was_seen_to_wait,
    pops_by_other_programs_do_not_distort_ages_permanently,
    a_lost_consumer_gives_way_and_is_fenced,
    the_job_that_ends_every_consumer_is_buried_alone,
    a_job_that_has_run_for_some_time_counts_as_delivered_when_it_is_lost,
    a_consumer_that_only_waits_keeps_its_lease,
    settings_that_cannot_be_used_are_refused,
    a_list_of_another_type_is_an_error,
    no_job_is_shown,
}

mod clusters {
    use super::a_name_without_a_tag_is_refused_in_a_cluster;

    super::contract_on_clusters! {
        a_name_without_a_tag_is_refused_in_a_cluster,
    }
}

type Queue<C> = WorkQueue<String, C>;

fn queue<C: Kind>(client: &C, name: &str) -> Queue<C> {
    WorkQueue::new(client, format!("{{{name}}}"))
}

/// With a lease that is short, but longer than a busy machine keeps a thread waiting.
fn hasty<C: Kind>(client: &C, name: &str) -> Queue<C> {
    queue(client, name).with(QueueSettings::new().lease(LEASE).max_deliveries(3))
}

const AT_ONCE: Duration = Duration::ZERO;
const SOON: Duration = Duration::from_millis(50);
const LEASE: Duration = Duration::from_secs(3);
const HOUR: Duration = Duration::from_secs(3600);

async fn next<C: Kind>(
    consumer: &mut Consumer<String, C>,
    wait: Duration,
) -> Option<Job<String, C>> {
    C::settle_within(consumer.next(wait)).await.expect("a connection")
}

async fn job<C: Kind>(consumer: &mut Consumer<String, C>) -> Job<String, C> {
    next(consumer, LATE).await.expect("a job")
}

async fn batch<C: Kind>(consumer: &mut Consumer<String, C>) -> Vec<Job<String, C>> {
    C::settle_within(consumer.next_batch(AT_ONCE)).await.expect("a connection")
}

fn names<C: Kind>(jobs: &[Job<String, C>]) -> Vec<&str> {
    jobs.iter().map(|job| job.as_str()).collect()
}

/// The first statistics that are as they should be.
async fn until<C: Kind>(
    queue: &Queue<C>,
    is_as_it_should: impl Fn(&QueueStats) -> bool,
) -> QueueStats {
    let deadline = Instant::now() + LATE;
    loop {
        let stats = ok!(queue.stats());
        if is_as_it_should(&stats) {
            return stats;
        }
        assert!(Instant::now() < deadline, "{stats:?}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

async fn closing_sends_outcomes_though_a_job_is_held<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    ok!(queue.push_many(["a", "b", "c", "d", "e"]));
    let mut consumer = queue.consumer().batch(5);
    job(&mut consumer).await.done();
    let held = job(&mut consumer).await;
    ok!(consumer.close());
    let stats = ok!(queue.stats());
    assert_eq!((stats.done, stats.pending, stats.in_flight), (1, 3, 1));
    ok!(held.done_now());
    assert_eq!(ok!(queue.stats()).done, 2);
}

async fn jobs_come_in_the_order_of_the_queue<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    assert_eq!((ok!(queue.push("a")), ok!(queue.push_many(["b", "c"]))), (1, 3));
    assert_eq!((ok!(queue.len()), ok!(queue.is_empty())), (3, false));
    assert_eq!(ok!(queue.push_many([""; 0])), 0, "no jobs");
    let mut consumer = queue.consumer();
    for expected in ["a", "b", "c"] {
        let job = job(&mut consumer).await;
        assert_eq!((job.as_str(), job.deliveries(), job.redelivered()), (expected, 0, false));
        assert!(job.id().is_none() && !job.lost_lease());
        job.done();
    }
    assert!(next(&mut consumer, AT_ONCE).await.is_none());
    assert!(next(&mut consumer, SOON).await.is_none());
    ok!(consumer.close());
    let stats = ok!(queue.stats());
    assert_eq!((stats.pending, stats.in_flight, stats.consumers, stats.done), (0, 0, 0, 3));
}

async fn any_push_to_the_list_is_a_job<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    let list: RedisList<String, C> = RedisList::new(&client, format!("{{{name}}}"));
    ok!(list.push_back("plain"));
    assert_eq!(ok!(queue.list().len()), 1);
    let mut consumer = queue.consumer();
    let job = job(&mut consumer).await;
    assert_eq!((*job).as_str(), "plain");
    job.done();
}

async fn bytes_that_look_like_a_header_round_trip<C: Kind>(client: C, name: &'static str) {
    let queue: WorkQueue<Vec<u8>, C> = WorkQueue::new(&client, format!("{{{name}}}"));
    let bytes = [&b"\x1eq1;3;id;"[..], b"\x1eq1;-", b"", b"\0;\xff", b"\x1ed1;1;0;"];
    ok!(queue.push_many(bytes));
    ok!(queue.push_in(bytes[0], Duration::from_millis(1)));
    ok!(queue.push_unique("u", bytes[0], HOUR));
    ok!(queue.try_push(bytes[0], 99));
    let mut expected: Vec<_> = bytes.iter().map(|bytes| bytes.to_vec()).collect();
    expected.extend(vec![bytes[0].to_vec(); 3]);
    let mut consumer = queue.consumer().batch(9);
    let mut found = Vec::new();
    while found.len() < expected.len() {
        let job = C::settle_within(consumer.next(LATE)).await.unwrap().expect("a job");
        match job.redelivered() {
            true => found.push((job.clone(), job.done()).0),
            false => job.retry(Duration::ZERO),
        }
    }
    assert!(C::settle_within(consumer.next(SOON)).await.unwrap().is_none());
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

async fn a_batch_is_claimed_at_once_and_acknowledged_with_the_next<C: Kind>(
    client: C,
    name: &'static str,
) {
    let queue = queue(&client, name);
    ok!(queue.push_many(["a", "b", "c", "d", "e"]));
    let mut consumer = queue.consumer().batch(3);
    let jobs = batch(&mut consumer).await;
    assert_eq!(names(&jobs), ["a", "b", "c"]);
    let stats = ok!(queue.stats());
    assert_eq!((stats.pending, stats.in_flight, stats.consumers), (2, 3, 1));
    jobs.into_iter().for_each(Job::done);
    let jobs = batch(&mut consumer).await;
    assert_eq!(names(&jobs), ["d", "e"]);
    let stats = ok!(queue.stats());
    assert_eq!((stats.pending, stats.in_flight, stats.done), (0, 2, 3));
    jobs.into_iter().for_each(Job::done);
    assert!(batch(&mut consumer).await.is_empty());
}

async fn a_finished_job_is_acknowledged_soon_without_a_next_claim<C: Kind>(
    client: C,
    name: &'static str,
) {
    let queue = queue(&client, name);
    ok!(queue.push("a"));
    let mut consumer = queue.consumer();
    job(&mut consumer).await.done();
    until(&queue, |stats| stats.in_flight == 0).await;
    assert_eq!(ok!(queue.stats()).done, 1);
}

async fn done_now_is_known_to_the_server_at_once<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    ok!(queue.push("a"));
    let mut consumer = queue.consumer();
    ok!(job(&mut consumer).await.done_now());
    assert_eq!((ok!(queue.stats()).in_flight, ok!(queue.stats()).done), (0, 1));
}

async fn jobs_are_done_in_any_order<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    ok!(queue.push_many(["a", "b", "c", "d"]));
    let mut consumer = queue.consumer().batch(4);
    let mut jobs = batch(&mut consumer).await;
    ok!(jobs.remove(2).done_now());
    ok!(jobs.remove(0).done_now());
    assert_eq!((ok!(queue.stats()).done, names(&jobs)), (2, vec!["b", "d"]));
    jobs.pop().unwrap().retry(AT_ONCE);
    drop(jobs);
    let back = job(&mut consumer).await;
    assert_eq!((back.as_str(), back.deliveries()), ("b", 1));
    back.done();
    let again = job(&mut consumer).await;
    assert_eq!((again.as_str(), again.deliveries()), ("d", 1));
    ok!(again.done_now());
    assert_eq!((ok!(queue.stats()).in_flight, ok!(queue.stats()).done), (0, 4));
}

async fn a_dropped_job_comes_back_first<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    ok!(queue.push_many(["a", "b", "c"]));
    let mut consumer = queue.consumer().batch(2);
    drop(batch(&mut consumer).await);
    let mut other = queue.consumer().batch(3);
    until(&queue, |stats| stats.pending == 3).await;
    let jobs = batch(&mut other).await;
    assert_eq!(names(&jobs), ["a", "b", "c"]);
    let deliveries: Vec<_> = jobs.iter().map(Job::deliveries).collect();
    assert_eq!(deliveries, [1, 1, 0]);
    assert!(jobs[0].id().is_some() && jobs[0].id() != jobs[1].id());
    assert_eq!(ok!(queue.stats()).returned, 2);
}

async fn a_dropped_consumer_releases_jobs_not_handed_out<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    ok!(queue.push_many(["a", "b", "c"]));
    let mut consumer = queue.consumer().batch(3);
    let first = job(&mut consumer).await;
    drop(consumer);
    until(&queue, |stats| stats.pending == 2).await;
    assert_eq!((ok!(queue.stats()).in_flight, ok!(queue.stats()).consumers), (1, 1));
    assert!(!first.lost_lease(), "a job may outlive its consumer");
    first.done();
    // The program might end now, and with it the thread that settles.
    let stats = ok!(queue.stats());
    assert_eq!((stats.consumers, stats.in_flight, stats.done), (0, 0, 1));
    let mut other = queue.consumer().batch(2);
    drop(job(&mut other).await);
    drop(other);
    let stats = ok!(queue.stats());
    assert_eq!((stats.consumers, stats.in_flight, stats.pending), (0, 0, 2));
    let mut other = queue.consumer();
    let second = job(&mut other).await;
    assert_eq!((second.as_str(), second.deliveries()), ("b", 1));
    second.done();
}

async fn a_retried_job_returns_later_with_an_id<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    ok!(queue.push("a"));
    let mut consumer = queue.consumer();
    job(&mut consumer).await.retry(Duration::from_millis(200));
    let failed = Instant::now();
    until(&queue, |stats| stats.retried == 1).await;
    let again = job(&mut consumer).await;
    assert!(failed.elapsed() > Duration::from_millis(150), "{:?}", failed.elapsed());
    assert_eq!((again.as_str(), again.deliveries(), again.redelivered()), ("a", 1, true));
    let id = again.id().unwrap().to_owned();
    again.retry(AT_ONCE);
    let again = job(&mut consumer).await;
    assert_eq!((again.id(), again.deliveries()), (Some(id.as_str()), 2));
    again.done();
}

async fn a_job_delivered_too_often_goes_to_the_dead_list<C: Kind>(client: C, name: &'static str) {
    let queue = hasty(&client, name);
    ok!(queue.push_many(["retried", "dropped"]));
    let mut consumer = queue.consumer();
    for _three_of_each in 0..6 {
        let job = job(&mut consumer).await;
        if job.as_str() == "retried" { job.retry(AT_ONCE) } else { drop(job) }
    }
    until(&queue, |stats| stats.dead == 2).await;
    assert!(next(&mut consumer, SOON).await.is_none());
    let dead = ok!(queue.dead().list(9));
    let mut found: Vec<_> = dead.iter().map(|dead| dead.value.clone().unwrap()).collect();
    found.sort();
    assert_eq!(found, ["dropped", "retried"]);
    assert!(dead.iter().all(|dead| dead.deliveries == 3 && dead.id.is_some()), "{dead:?}");
}

async fn a_buried_job_can_be_read_requeued_and_purged<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    ok!(queue.push_many(["a", "b;c"]));
    let mut consumer = queue.consumer().batch(2);
    for job in batch(&mut consumer).await {
        job.bury("it is; wrong");
    }
    ok!(consumer.close());
    let dead = ok!(queue.dead().list(1));
    assert_eq!((dead.len(), dead[0].value.clone().unwrap().as_str()), (1, "a"));
    assert_eq!((dead[0].reason.as_str(), dead[0].deliveries), ("it is; wrong", 1));
    let now = ok!(queue.stats()).at;
    assert!(dead[0].since <= now && dead[0].since + LATE > now);
    assert_eq!((ok!(queue.dead().list(0)).len(), ok!(queue.dead().len())), (0, 2));
    assert_eq!((ok!(queue.dead().requeue(1)), ok!(queue.dead().requeue(99))), (1, 1));
    assert_eq!((ok!(queue.dead().requeue(1)), ok!(queue.dead().is_empty())), (0, true));
    let mut consumer = queue.consumer().batch(2);
    let jobs = batch(&mut consumer).await;
    assert_eq!((names(&jobs), jobs[0].deliveries()), (vec!["a", "b;c"], 0));
    jobs.into_iter().for_each(|job| job.bury(""));
    ok!(consumer.close());
    assert_eq!((ok!(queue.dead().purge()), ok!(queue.dead().purge())), (true, false));
    assert_eq!(ok!(queue.stats()).buried, 4);
}

async fn a_job_buried_during_a_requeue_stays_dead<C: Kind>(client: C, name: &'static str) {
    const JOBS: usize = 3000;
    let queue = queue(&client, name);
    let jobs: Vec<String> = (0..JOBS).map(|number| number.to_string()).collect();
    ok!(queue.push_many(&jobs));
    let over = Arc::new(AtomicBool::new(false));
    let worker = std::thread::spawn({
        let (queue, over) = (queue.clone(), over.clone());
        move || {
            C::finish(async move {
                let mut consumer = queue.consumer().batch(1000);
                while !over.load(Ordering::Acquire) {
                    let jobs = C::settle_within(consumer.next_batch(SOON)).await.unwrap();
                    jobs.into_iter().for_each(|job| job.bury("again"));
                }
                ok!(consumer.close());
            })
        }
    });
    until(&queue, |stats| stats.dead == JOBS).await;
    assert_eq!(ok!(queue.dead().requeue(usize::MAX)), JOBS);
    until(&queue, |stats| stats.dead == JOBS).await;
    over.store(true, Ordering::Release);
    worker.join().unwrap();
}

async fn the_dead_list_keeps_the_latest<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name).with(QueueSettings::new().dead_capacity(2));
    ok!(queue.push_many(["a", "b", "c"]));
    let mut consumer = queue.consumer();
    for _ in 0..3 {
        job(&mut consumer).await.bury("");
    }
    ok!(consumer.close());
    let dead = ok!(queue.dead().list(9));
    let dead: Vec<_> = dead.into_iter().map(|dead| dead.value.unwrap()).collect();
    assert_eq!(dead, ["b", "c"]);
}

async fn the_dead_list_keeps_all<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name).with(QueueSettings::new().dead_capacity(usize::MAX));
    ok!(queue.push_many(["a", "b"]));
    let mut consumer = queue.consumer().batch(2);
    batch(&mut consumer).await.into_iter().for_each(|job| job.bury(""));
    ok!(consumer.close());
    assert_eq!((ok!(queue.stats()).buried, ok!(queue.dead().len())), (2, 2));
}

async fn an_undecodable_job_is_retried_and_ends_in_the_dead_list<C: Kind>(
    client: C,
    name: &'static str,
) {
    let brief = Duration::from_millis(1);
    for (settings, deliveries) in [
        (QueueSettings::new().max_deliveries(3).backoff(brief, brief), 3),
        (QueueSettings::new().bury_undecodable(), 1),
    ] {
        let bytes: WorkQueue<Vec<u8>, C> = WorkQueue::new(&client, format!("{{{name}}}"));
        ok!(bytes.push_many([&b"1"[..], b"secret", b"3"]));
        let queue: WorkQueue<u32, C> = WorkQueue::new(&client, format!("{{{name}}}"));
        let mut consumer = queue.with(settings).consumer().batch(2);
        for expected in [1, 3] {
            let job = C::settle_within(consumer.next(LATE)).await.unwrap().unwrap();
            assert_eq!(*job, expected);
            job.done();
        }
        let deadline = Instant::now() + LATE;
        while ok!(queue.dead().is_empty()) {
            assert!(C::settle_within(consumer.next(SOON)).await.unwrap().is_none());
            assert!(Instant::now() < deadline, "{:?}", ok!(queue.stats()));
        }
        ok!(consumer.close());
        let dead = ok!(queue.dead().list(9));
        assert_eq!((dead.len(), dead[0].deliveries), (1, deliveries));
        assert_eq!(dead[0].value.as_ref().unwrap_err().bytes(), b"secret");
        assert!(dead[0].reason.contains("cannot decode 6 bytes as u32"), "{}", dead[0].reason);
        assert!(!format!("{dead:?}").contains("secret"));
        ok!(queue.dead().purge());
    }
}

async fn a_job_of_a_newer_program_waits_for_one_that_can_decode_it<C: Kind>(
    client: C,
    name: &'static str,
) {
    let newer = queue(&client, name);
    let older: WorkQueue<u32, C> = WorkQueue::new(&client, format!("{{{name}}}"));
    ok!(newer.push("in a new format"));
    let mut consumer = older.consumer();
    assert!(C::settle_within(consumer.next(AT_ONCE)).await.unwrap().is_none());
    ok!(consumer.close());
    until(&newer, |stats| (stats.delayed, stats.dead) == (1, 0)).await;
    let mut consumer = newer.consumer();
    let job = job(&mut consumer).await;
    assert_eq!((job.as_str(), job.deliveries()), ("in a new format", 1));
    job.done();
}

async fn bytes_that_others_push_survive_a_failure<C: Kind>(client: C, name: &'static str) {
    let queue: WorkQueue<Vec<u8>, C> = WorkQueue::new(&client, format!("{{{name}}}"));
    let list: RedisList<Vec<u8>, C> = RedisList::new(&client, format!("{{{name}}}"));
    for bytes in [
        &b"\x1eq1;4294967295;;x"[..],
        b"\x1eq1;1;;x",
        b"\x1eq1;0?;;x",
        b"\x1eq1;99999999999;1-a;x",
        b"\x1eq1;",
    ] {
        ok!(list.push_back(bytes));
        let mut consumer = queue.consumer();
        for deliveries in 0..3 {
            let job = C::settle_within(consumer.next(LATE)).await.unwrap().expect("a job");
            assert_eq!((&job[..], job.deliveries()), (bytes, deliveries));
            if deliveries < 2 { job.retry(AT_ONCE) } else { job.done() }
        }
        ok!(consumer.close());
    }
    // A count that can be raised no more.
    ok!(list.push_back(b"\x1eq1;4294967295;1-a;x"));
    let mut consumer = queue.consumer();
    C::settle_within(consumer.next(LATE)).await.unwrap().expect("a job").retry(AT_ONCE);
    ok!(consumer.close());
    let dead = ok!(queue.dead().list(1)).remove(0);
    assert_eq!((dead.value.unwrap(), dead.deliveries), (b"x".to_vec(), u32::MAX));
}

async fn a_reason_is_cut_where_it_is_too_long<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    ok!(queue.push("a"));
    let mut consumer = queue.consumer();
    job(&mut consumer).await.bury(format!("-{}", "ä".repeat(1_000_000)));
    ok!(consumer.close());
    let reason = ok!(queue.dead().list(1)).remove(0).reason;
    assert!(reason.starts_with("-ää") && reason.ends_with("ä…"), "{}", reason.len());
    assert!((4000..4200).contains(&reason.len()), "{}", reason.len());
}

async fn settings_belong_to_the_queue<C: Kind>(client: C, name: &'static str) {
    let explicit = |capacity| QueueSettings::new().dead_capacity(capacity);
    let stored = |setting: &str, number: &str| {
        let is_stored = || {
            let field = ["HGET", &format!("{{{name}}}~rc:settings"), setting];
            of_its_server::<Option<String>>(name, &field).as_deref() == Some(number)
        };
        within(LATE, is_stored)
    };
    let queue = queue(&client, name);
    let mut first = queue.with(explicit(2)).consumer();
    assert!(next(&mut first, AT_ONCE).await.is_none());
    assert!(stored("dead_capacity", "2"));

    // A queue without settings takes those that are stored.
    let bury = async |settings: Option<QueueSettings>| {
        ok!(queue.push_many(["a", "b", "c"]));
        let own = settings.map_or(queue.clone(), |settings| queue.with(settings));
        let mut consumer = own.consumer();
        for _ in 0..3 {
            job(&mut consumer).await.bury("");
        }
        ok!(consumer.close());
        ok!(queue.dead().len())
    };
    assert_eq!((bury(None).await, ok!(queue.stats()).settings_replaced), (2, 0));
    let same = explicit(2).max_deliveries(7);
    assert_eq!((bury(Some(same)).await, ok!(queue.stats()).settings_replaced), (2, 0));
    assert!(stored("max_deliveries", "7"), "what it says is stored before others say more");

    // Other settings replace them.
    let mut other = queue.with(explicit(3)).consumer();
    assert!(next(&mut other, AT_ONCE).await.is_none());
    assert!(stored("dead_capacity", "3"));
    assert_eq!((bury(None).await, ok!(queue.stats()).settings_replaced), (3, 1));
    ok!(first.close());
    ok!(other.close());

    // However soon it is closed.
    for capacity in 4..24 {
        let mut brief = queue.with(explicit(capacity)).consumer();
        assert!(next(&mut brief, AT_ONCE).await.is_none());
        ok!(brief.close());
        assert!(stored("dead_capacity", &capacity.to_string()));
    }
}

async fn a_delayed_job_comes_when_it_is_due<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    let pushed = Instant::now();
    ok!(queue.push_in("late", HOUR));
    ok!(queue.push_in("soon", Duration::from_millis(300)));
    let mut consumer = queue.consumer();
    let soon = job(&mut consumer).await;
    assert!(pushed.elapsed() >= Duration::from_millis(299), "{:?}", pushed.elapsed());
    assert_eq!((soon.as_str(), soon.deliveries()), ("soon", 0));
    assert!(soon.id().is_some());
    soon.done();
    assert_eq!(ok!(queue.stats()).delayed, 1);
}

async fn equal_delayed_jobs_are_different_jobs<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    for _ in 0..3 {
        ok!(queue.push_in("same", Duration::ZERO));
    }
    let pushed = ok!(queue.stats()).at;
    until(&queue, |stats| stats.at > pushed).await;
    let mut consumer = queue.consumer().batch(9);
    let jobs = batch(&mut consumer).await;
    assert_eq!(names(&jobs), ["same", "same", "same"]);
}

async fn a_unique_job_is_pushed_once_in_its_time<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    assert_eq!(ok!(queue.push_unique("7", "a", HOUR)), Some(1));
    assert_eq!(ok!(queue.push_unique("7", "b", HOUR)), None);
    assert_eq!(ok!(queue.push_unique("8", "c", Duration::from_millis(50))), Some(2));
    let deadline = Instant::now() + LATE;
    while ok!(queue.push_unique("8", "d", HOUR)) != Some(3) {
        assert!(Instant::now() < deadline, "its time never ends");
    }
    assert!(settle!(queue.push_unique("7", "d", Duration::ZERO)).is_err());
}

async fn a_bounded_queue_refuses<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    assert_eq!((ok!(queue.try_push("a", 2)), ok!(queue.try_push("b", 2))), (Some(1), Some(2)));
    assert_eq!((ok!(queue.try_push("c", 2)), ok!(queue.len())), (None, 2));
}

async fn a_peek_claims_nothing<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    ok!(queue.push_many(["a", "b", "c"]));
    let mut consumer = queue.consumer();
    drop(job(&mut consumer).await);
    ok!(consumer.close());
    for (most, expected) in
        [(0, &[][..]), (2, &["a", "b"]), (3, &["a", "b", "c"]), (usize::MAX, &["a", "b", "c"])]
    {
        let waiting = ok!(queue.peek(most));
        let found: Vec<_> = waiting.iter().map(|job| job.value.clone().unwrap()).collect();
        assert_eq!(found, expected);
    }
    let waiting = ok!(queue.peek(2));
    let history = |at: usize| (waiting[at].deliveries, waiting[at].id.is_some());
    assert_eq!((history(0), history(1)), ((1, true), (0, false)));
    let numbers: WorkQueue<u32, C> = WorkQueue::new(&client, format!("{{{name}}}"));
    assert_eq!(ok!(numbers.peek(1))[0].value.clone().unwrap_err().bytes(), b"a");
    assert_eq!((ok!(queue.len()), ok!(queue.stats()).in_flight), (3, 0));
}

async fn a_waiting_consumer_gets_a_job<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    let producer = std::thread::spawn({
        let queue = queue.clone();
        move || {
            let waits = || urls(name).iter().any(|url| is_blocked(url, name));
            assert!(within(LATE, waits));
            C::finish(async move { ok!(queue.push("a")) })
        }
    });
    let mut consumer = queue.consumer().batch(8);
    assert_eq!(job(&mut consumer).await.as_str(), "a");
    assert_eq!(producer.join().unwrap(), 1);
}

async fn nothing_is_claimed_while_the_queue_is_paused<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    assert!(!ok!(queue.is_paused()) && !ok!(queue.resume()));
    ok!(queue.pause());
    ok!(queue.push("a"));
    let mut consumer = queue.consumer();
    assert!(next(&mut consumer, AT_ONCE).await.is_none());
    assert!(next(&mut consumer, SOON).await.is_none());
    assert!(ok!(queue.is_paused()) && ok!(queue.stats()).paused);
    assert!(ok!(queue.resume()));
    job(&mut consumer).await.done();
}

async fn a_queue_is_purged<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    ok!(queue.push_many(["a", "b", "c"]));
    ok!(queue.push_in("d", HOUR));
    let mut consumer = queue.consumer();
    let job = job(&mut consumer).await;
    assert_eq!((ok!(queue.purge()), ok!(queue.purge())), (3, 0));
    ok!(job.done_now());
    assert_eq!(ok!(queue.stats()).done, 1, "what is claimed is not purged");
}

async fn keys_of_unique_jobs_are_free_after_a_purge<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    assert_eq!(ok!(queue.push_unique("7", "a", HOUR)), Some(1));
    assert_eq!(ok!(queue.push_unique("7", "a", HOUR)), None);
    assert_eq!(ok!(queue.purge()), 1);
    assert_eq!(ok!(queue.push_unique("7", "a", HOUR)), Some(1));
}

async fn a_queue_is_drained<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    assert!(ok!(queue.drain(AT_ONCE)));
    ok!(queue.push("a"));
    assert!(!ok!(queue.drain(AT_ONCE)));
    let mut consumer = queue.consumer();
    let job = job(&mut consumer).await;
    assert!(!ok!(queue.drain(SOON)), "it is in flight");
    job.done();
    assert!(ok!(queue.drain(LATE)));
}

async fn a_job_given_to_a_retired_consumer_is_not_drained<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    let list = format!("{{{name}}}~rc:claimed:gone");
    on_its_server(name, &["RPUSH", &list, "a"]);
    on_its_server(name, &["ZADD", &format!("{{{name}}}~rc:gone"), "+inf", "gone"]);
    assert!(!ok!(queue.drain(SOON)));
    on_its_server(name, &["DEL", &list]);
    assert!(ok!(queue.drain(AT_ONCE)));
}

async fn statistics_report_the_state_of_the_queue<C: Kind>(client: C, name: &'static str) {
    let queue = hasty(&client, name);
    let before = ok!(queue.stats());
    assert_eq!((before.pending, before.oldest_pending, before.longest_running), (0, None, None));
    ok!(queue.push_many(["a", "b", "c", "d"]));
    ok!(queue.push_in("e", HOUR));
    let mut consumer = queue.consumer().batch(3);
    let mut jobs = batch(&mut consumer).await;
    jobs.pop().unwrap().bury("");
    jobs.pop().unwrap().done();
    let runs = Some(Duration::from_millis(300));
    // The consumer has seen the jobs that it left.
    let are_old = |stats: &QueueStats| stats.longest_running.min(stats.oldest_pending) > runs;
    let stats = until(&queue, are_old).await;
    let counts = (stats.pending, stats.in_flight, stats.delayed, stats.dead, stats.consumers);
    assert_eq!(counts, (1, 1, 1, 1, 1));
    assert_eq!((stats.done, stats.buried), (1, 1));
    assert!(stats.rates_since(&before).done > 0.0);
    drop(jobs);
    until(&queue, |stats| stats.pending == 2 && stats.in_flight == 0).await;
    assert!(ok!(queue.stats()).oldest_pending < Some(LATE));
    ok!(consumer.close());
    assert_eq!(ok!(queue.stats()).longest_running, None);
}

async fn a_claimed_job_that_is_never_requested_counts_as_unstarted<C: Kind>(
    client: C,
    name: &'static str,
) {
    let queue = hasty(&client, name);
    ok!(queue.push_many(["a", "b"]));
    let mut consumer = queue.consumer().batch(2);
    job(&mut consumer).await.done();
    let some_time = Some(Duration::from_millis(300));
    let stats = until(&queue, |stats| stats.longest_unstarted > some_time).await;
    assert_eq!((stats.in_flight, stats.longest_running), (1, None));
    job(&mut consumer).await.done();
    ok!(consumer.close());
    assert_eq!(ok!(queue.stats()).longest_unstarted, None);
}

async fn a_job_has_waited_at_least_since_it_was_seen_to_wait<C: Kind>(
    client: C,
    name: &'static str,
) {
    let queue = queue(&client, name);
    let list: RedisList<String, C> = RedisList::new(&client, format!("{{{name}}}"));
    ok!(list.push_back("a"));
    let first = ok!(queue.stats());
    assert_eq!(first.oldest_pending, None, "it was not looked for before");
    let later = until(&queue, |stats| stats.at > first.at).await;
    assert_eq!(later.oldest_pending, later.at.duration_since(first.at).ok());
    ok!(list.push_back("b"));
    let second = until(&queue, |stats| stats.at >= first.at + Duration::from_secs(1)).await;
    assert_eq!(second.oldest_pending, second.at.duration_since(first.at).ok());
    let mut consumer = queue.consumer();
    let a = job(&mut consumer).await;
    let stats = ok!(queue.stats());
    let waited = stats.at.duration_since(second.at).ok();
    assert_eq!(stats.oldest_pending, waited, "of the next one");
    let b = job(&mut consumer).await;
    assert_eq!(ok!(queue.stats()).oldest_pending, None, "none waits");
    drop(a);
    let back = until(&queue, |stats| stats.pending == 1).await;
    assert!(back.oldest_pending.is_some(), "what comes back knows since when it has been there");
    b.done();
}

async fn pops_by_other_programs_do_not_distort_ages_permanently<C: Kind>(
    client: C,
    name: &'static str,
) {
    let queue = queue(&client, name);
    let list: RedisList<String, C> = RedisList::new(&client, format!("{{{name}}}"));
    ok!(list.push_many(["a", "b", "c"]));
    ok!(queue.stats());
    ok!(list.pop_front());
    let fewer = ok!(queue.stats());
    assert_eq!(fewer.oldest_pending, None, "the numbers do not fit");
    let later = until(&queue, |stats| stats.at > fewer.at).await;
    assert_eq!(later.oldest_pending, later.at.duration_since(fewer.at).ok(), "since they do");
    ok!(list.pop_front());
    ok!(list.push_back("d"));
    let unseen = ok!(queue.stats());
    assert_eq!(unseen.oldest_pending, unseen.at.duration_since(fewer.at).ok(), "as many as before");
    let mut consumer = queue.consumer().batch(2);
    // Dropped, they would come back, and know since when they have been there.
    let held = batch(&mut consumer).await;
    assert_eq!(names(&held), ["c", "d"]);
    ok!(list.push_back("e"));
    assert_eq!(ok!(queue.stats()).oldest_pending, None, "those that waited are through");
    held.into_iter().for_each(Job::done);
}

async fn a_lost_consumer_gives_way_and_is_fenced<C: Kind>(client: C, name: &'static str) {
    let queue = hasty(&client, name);
    let key = |kind: &str| format!("{{{name}}}~rc:{kind}");
    // Left behind by a program that died: its lease is not renewed.
    let lost = key("claimed:lost");
    on_its_server(name, &["RPUSH", &lost, "a", "b"]);
    on_its_server(name, &["ZADD", &key("consumers"), "1", "lost"]);
    let mut consumer = queue.consumer();
    for expected in ["a", "b"] {
        let job = job(&mut consumer).await;
        let is_known = (job.as_str(), job.deliveries(), job.redelivered());
        assert_eq!(is_known, (expected, 0, true), "whether it had begun is unknown");
        job.done();
    }
    assert_eq!(on_its_server(name, &["EXISTS", &lost]), redis::Value::Int(0));

    // A job that a server gives to a consumer that is no more.
    on_its_server(name, &["RPUSH", &lost, "late"]);
    let late = job(&mut consumer).await;
    assert_eq!(late.as_str(), "late");
    ok!(late.done_now());

    // A program that was frozen: others have got its jobs.
    ok!(queue.push("frozen"));
    let job = job(&mut consumer).await;
    on_its_server(name, &["DEL", &key("consumers")]);
    let error = settle!(job.done_now()).unwrap_err();
    assert!(matches!(error, Error::LeaseLost { .. }), "{error:?}");
    ok!(queue.push("next"));
    assert_eq!(self::job(&mut consumer).await.as_str(), "next", "it goes on");
}

/// Has all consumers of a queue count as lost, and their jobs taken back.
async fn lose_all<C: Kind>(queue: &Queue<C>, name: &str) {
    let consumers = format!("{{{name}}}~rc:consumers");
    wait_until!({
        let known: Vec<Vec<String>> = of_its_servers(name, &["ZRANGE", &consumers, "0", "-1"]);
        for id in known.into_iter().flatten() {
            on_its_server(name, &["ZADD", &consumers, "XX", "1", &id]);
        }
        ok!(queue.stats()).in_flight == 0
    });
}

async fn the_job_that_ends_every_consumer_is_buried_alone<C: Kind>(client: C, name: &'static str) {
    let queue = hasty(&client, name);
    let jobs: Vec<_> = ["poison"].into_iter().chain(["good"; 15]).collect();
    ok!(queue.push_many(jobs));
    let mut begun = 0;
    while ok!(queue.dead().is_empty()) {
        let mut consumer = queue.consumer().batch(16);
        let poison = job(&mut consumer).await;
        begun += 1;
        assert_eq!((poison.as_str(), poison.redelivered()), ("poison", begun > 1));
        assert!(begun <= 4, "three times, and once when it was unknown");
        lose_all(&queue, name).await;
        drop((poison, consumer));
    }
    let dead = ok!(queue.dead().list(9));
    assert_eq!((dead.len(), dead[0].deliveries), (1, 3));
    assert_eq!(dead[0].value.as_ref().unwrap(), "poison");
    let mut consumer = queue.consumer().batch(16);
    let left = batch(&mut consumer).await;
    assert_eq!(names(&left), ["good"; 15]);
    assert!(left.iter().all(|job| job.deliveries() == 0 && job.redelivered()));
}

async fn a_job_that_has_run_for_some_time_counts_as_delivered_when_it_is_lost<C: Kind>(
    client: C,
    name: &'static str,
) {
    let queue = hasty(&client, name);
    ok!(queue.push_many(["long", "unseen"]));
    let mut consumer = queue.consumer().batch(2);
    let long = job(&mut consumer).await;
    // Until the keeper has recorded that it runs.
    let claimed = || {
        let lists: Vec<Vec<String>> =
            of_its_servers(name, &["KEYS", &format!("{{{name}}}~rc:claimed:*")]);
        let list = lists.into_iter().flatten().next().expect("the consumer's list");
        of_its_servers::<Option<String>>(name, &["LINDEX", &list, "0"]).into_iter().flatten().next()
    };
    assert!(within(LATE, || claimed().is_some_and(|item| item.contains('+'))));
    lose_all(&queue, name).await;
    let waiting = ok!(queue.peek(9));
    let deliveries: Vec<_> = waiting.iter().map(|job| job.deliveries).collect();
    assert_eq!(deliveries, [1, 0]);
    assert!(within(LATE, || long.lost_lease()));
}

/// The servers of a scenario.
fn urls(name: &str) -> Vec<String> {
    if name.contains("cluster") { CLUSTER.urls() } else { vec![SERVER.url().to_owned()] }
}

/// Runs a command where the keys of a queue are.
fn on_its_server(name: &str, command: &[&str]) -> redis::Value {
    let mut sent = redis::cmd(command[0]);
    sent.arg(&command[1..]);
    let reply = urls(name).iter().find_map(|url| support::servers::run(url, &sent).ok());
    reply.unwrap_or_else(|| panic!("{command:?}"))
}

/// The reply of the server that has the keys of a queue.
fn of_its_server<T: redis::FromRedisValue>(name: &str, command: &[&str]) -> T {
    of_its_servers(name, command).into_iter().next().expect("a server")
}

/// The replies of all servers that may have keys of a queue.
fn of_its_servers<T: redis::FromRedisValue>(name: &str, command: &[&str]) -> Vec<T> {
    let mut sent = redis::cmd(command[0]);
    sent.arg(&command[1..]);
    urls(name).iter().filter_map(|url| support::servers::run(url, &sent).ok()).collect()
}

async fn a_consumer_that_only_waits_keeps_its_lease<C: Kind>(client: C, name: &'static str) {
    let queue = hasty(&client, name);
    ok!(queue.push("a"));
    let mut consumer = queue.consumer();
    let job = job(&mut consumer).await;
    let mut other = queue.consumer();
    assert!(next(&mut other, 2 * LEASE).await.is_none(), "it has its lease");
    assert!(!job.lost_lease());
    ok!(job.done_now());
}

async fn settings_that_cannot_be_used_are_refused<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name).with(QueueSettings::new().max_deliveries(0));
    assert!(matches!(settle!(queue.push("a")), Err(Error::Configuration(_))));
    assert!(matches!(settle!(queue.stats()), Err(Error::Configuration(_))));
    let mut consumer = queue.consumer();
    let next = C::settle_within(consumer.next(AT_ONCE)).await;
    assert!(matches!(next, Err(Error::Configuration(_))));
}

async fn a_list_of_another_type_is_an_error<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    ok!(queue.push("a"));
    let mut consumer = queue.consumer();
    let job = job(&mut consumer).await;
    let hash: RedisHashDict<String, String, C> = RedisHashDict::new(&client, format!("{{{name}}}"));
    ok!(hash.insert("x", "y"));
    assert_eq!(settle!(queue.push("b")).unwrap_err().code(), Some("WRONGTYPE"));
    assert_eq!(settle!(queue.stats()).unwrap_err().code(), Some("WRONGTYPE"));
    job.retry(AT_ONCE);
    let error = C::settle_within(consumer.next(SOON)).await.unwrap_err();
    assert_eq!(error.code(), Some("WRONGTYPE"));
    ok!(hash.clear());
    let job = next(&mut consumer, LATE).await.expect("it is not lost");
    assert_eq!(job.deliveries(), 1);
    job.done();
}

async fn no_job_is_shown<C: Kind>(client: C, name: &'static str) {
    let queue = queue(&client, name);
    ok!(queue.push_many(["s3cret", "s3cret"]));
    let waiting = ok!(queue.peek(1));
    let mut consumer = queue.consumer();
    let job = job(&mut consumer).await;
    let shown = format!("{queue:?} {consumer:?} {job:?} {waiting:?}");
    job.bury("why not");
    self::job(&mut consumer).await.bury("why not");
    ok!(consumer.close());
    let dead = ok!(queue.dead().list(2));
    assert_eq!(dead.len(), 2);
    let shown = format!("{shown} {dead:?} {:?}", queue.dead());
    assert!(!shown.contains("s3cret"), "{shown}");
}

async fn a_name_without_a_tag_is_refused_in_a_cluster<C: Kind>(client: C, name: &'static str) {
    let queue: Queue<C> = WorkQueue::new(&client, name);
    let mut consumer = queue.consumer();
    let next = C::settle_within(consumer.next(AT_ONCE)).await.map(drop);
    let drained = settle!(queue.drain(AT_ONCE)).map(drop);
    let requeued = settle!(queue.dead().requeue(1)).map(drop);
    for outcome in [settle!(queue.push("a")).map(drop), next, drained, requeued] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::InvalidArgument { .. }), "{error:?}");
        assert!(error.to_string().contains("hash tag"), "{error}");
    }
    let list: RedisList<String, C> = RedisList::new(&client, name);
    assert!(ok!(list.is_empty()));
}
