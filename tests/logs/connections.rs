//! Connections that are lost and restored.

use std::thread;
use std::time::Duration;

use redis_collections::{Job, LocalServer, RedisDict, StopHandle, WorkQueue};
use support::contract::{ok, on_both_kinds, settle};
use support::events::{collect_events, events_with};
use support::eventually;
use support::kinds::Kind;
use support::servers::free_port;

use crate::{OUTAGE, assert_events, call_for, events_until};

on_both_kinds! {
    an_outage_of_many_calls_is_lost_once_and_restored_once,
    a_lazy_client_says_that_there_is_no_connection,
    a_connection_that_is_never_made_is_an_error_of_the_builder_and_no_event,
    a_server_that_hangs_is_lost,
}

const LOST: &str = "WARN redis_collections::connection: lost the connection to a server";
const RESTORED: &str = "INFO redis_collections::connection: restored the connection to a server";

async fn an_outage_of_many_calls_is_lost_once_and_restored_once<C: Kind>() {
    collect_events();
    let mut server = LocalServer::start_with(&["--requirepass", "s3cret"]).unwrap();
    let address = format!("127.0.0.1:{}", server.port());
    let client = C::build(C::builder(server.url()).password("s3cret")).await.unwrap();
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
    for outages in 1..=2 {
        ok!(dict.insert("k", &1));
        server.stop().unwrap();
        call_for(OUTAGE, async || assert!(settle!(dict.get("k")).is_err())).await;
        server.restart().unwrap();
        while settle!(dict.get("k")).is_err() {}
        call_for(Duration::ZERO, async || assert_eq!(ok!(dict.get("k")), None)).await;
        let events = events_with(&address);
        let lost = format!("{LOST} server={address} error=");
        let restored = format!("{RESTORED} server={address} outage_ms=");
        assert_events(&events, &[&*lost, &restored].repeat(outages));
        let outage = events[1].rsplit('=').next().and_then(|text| text.parse().ok());
        assert!(outage >= Some(OUTAGE.as_millis()), "{events:#?}");
        assert!(!events.concat().contains("s3cret"), "{events:#?}");
    }
}

async fn a_lazy_client_says_that_there_is_no_connection<C: Kind>() {
    collect_events();
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    let builder = C::builder(&format!("redis://{address}/")).lazy();
    let client = C::build(builder).await.unwrap();
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
    call_for(Duration::ZERO, async || assert!(settle!(dict.get("k")).is_err())).await;
    let error = "the connection was refused";
    assert_events(&events_with(&address), &[&format!("{LOST} server={address} error={error}")]);
}

async fn a_connection_that_is_never_made_is_an_error_of_the_builder_and_no_event<C: Kind>() {
    collect_events();
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    for _ in 0..3 {
        let error = C::build(C::builder(&format!("redis://{address}/"))).await.err().unwrap();
        assert!(error.to_string().contains("the connection was refused"), "{error}");
    }
    assert_events(&events_with(&address), &[]);
}

async fn a_server_that_hangs_is_lost<C: Kind>() {
    collect_events();
    let server = LocalServer::start().unwrap();
    let address = format!("127.0.0.1:{}", server.port());
    let builder = C::builder(server.url()).response_timeout(Duration::from_millis(300));
    let client = C::build(builder).await.unwrap();
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
    ok!(dict.insert("k", &1));
    assert!(support::send_signal("STOP", server.process_id()).unwrap());
    for _ in 0..3 {
        assert!(settle!(dict.get("k")).is_err());
    }
    assert!(support::send_signal("CONT", server.process_id()).unwrap());
    while settle!(dict.get("k")).is_err() {}
    let lost = format!("{LOST} server={address} error=it timed out");
    let restored = format!("{RESTORED} server={address} outage_ms=");
    assert_events(&events_with(&address), &[&lost, &restored]);
}

/// The worker's claims, and the renewals and settlements of its queue's thread, fail many times.
#[test]
fn a_worker_without_its_server_says_so_once() {
    collect_events();
    let mut server = LocalServer::start().unwrap();
    let address = format!("127.0.0.1:{}", server.port());
    let client = redis_collections::Client::open(server.url()).unwrap();
    let queue: WorkQueue<u32> = WorkQueue::new(&client, "jobs");
    let stop = StopHandle::new();
    let worker = queue.worker(|_: Job<u32>| Ok::<(), String>(()));
    thread::scope(|scope| {
        let running = scope.spawn(|| worker.run(&stop));
        queue.push(&1).unwrap();
        assert!(eventually(|| queue.stats().unwrap().done == 1));
        server.stop().unwrap();
        let lost = format!("{LOST} server={address}");
        assert_events(&events_until(&address, LOST), &[&lost]);
        // Time for more claims to fail, which is their number that must not matter.
        thread::sleep(OUTAGE);
        server.restart().unwrap();
        let restored = format!("{RESTORED} server={address}");
        assert_events(&events_until(&address, RESTORED), &[&lost, &restored]);
        queue.push(&2).unwrap();
        assert!(eventually(|| queue.stats().unwrap().done > 0));
        stop.stop();
        running.join().unwrap().unwrap();
    });
    assert_eq!(events_with(&address).len(), 2, "{:#?}", events_with(&address));
}
