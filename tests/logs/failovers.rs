//! Servers that are not, or no longer, masters.

use std::time::Duration;

use redis_collections::{LocalServer, RedisDict};
use support::concurrent::Concurrent;
use support::contract::{ok, on_both_kinds, settle};
use support::events::{collect_events, events_with};
use support::servers::cluster::Cluster;
use support::servers::query;
use support::servers::sentinel::Sentinels;

use crate::{OUTAGE, assert_events, call_for, events_until};

on_both_kinds! {
    a_master_that_is_demoted_is_reported_until_it_is_one_again,
    another_master_that_sentinels_name_is_reported_once,
    slots_that_have_another_master_are_reported_once,
}

const TARGET: &str = "redis_collections::failover";

async fn a_master_that_is_demoted_is_reported_until_it_is_one_again<C: Concurrent>() {
    collect_events();
    let (server, master) = (LocalServer::start().unwrap(), LocalServer::start().unwrap());
    let address = format!("127.0.0.1:{}", server.port());
    let client = C::build(C::builder(server.url())).await.unwrap();
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
    ok!(dict.insert("k", &1));
    let () = query(server.url(), &format!("REPLICAOF 127.0.0.1 {}", master.port())).unwrap();
    call_for(OUTAGE, async || assert!(settle!(dict.insert("k", &2)).is_err())).await;
    ok!(dict.get("k"));
    let demoted = format!("WARN {TARGET}: a server is not a master server={address} code=READONLY");
    assert_events(&events_with(&address), &[&demoted]);
    let () = query(server.url(), "REPLICAOF NO ONE").unwrap();
    call_for(Duration::ZERO, async || ok!(dict.insert("k", &3))).await;
    let promoted = format!("INFO {TARGET}: a server is a master again server={address}");
    assert_events(&events_with(&address), &[&demoted, &promoted]);
}

async fn another_master_that_sentinels_name_is_reported_once<C: Concurrent>() {
    collect_events();
    let sentinels = Sentinels::start().unwrap();
    let builder = C::sentinel_builder(&sentinels.urls(), sentinels.name());
    let client = C::build(builder).await.unwrap();
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
    ok!(dict.insert("k", &1));
    let old = sentinels.master().unwrap();
    let new = sentinels.failover().unwrap();
    let [old, new] = [old, new].map(|index| {
        let port = sentinels.servers()[index].port();
        format!("127.0.0.1:{port}")
    });
    let text = format!("from={old}");
    while events_with(&text).is_empty() {
        let _ = settle!(dict.insert("k", &2));
    }
    call_for(OUTAGE, async || drop(settle!(dict.insert("k", &3)))).await;
    let expected =
        format!("WARN {TARGET}: another server is the master from={old} to={new} slots=16384");
    assert_events(&events_with(&text), &[&expected]);
}

async fn slots_that_have_another_master_are_reported_once<C: Concurrent>() {
    collect_events();
    let cluster = Cluster::start().unwrap();
    let client = C::connected(C::cluster_builder(&cluster)).await;
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
    ok!(dict.insert("k", &1));
    let slot = cluster.key_slot("d:k").unwrap();
    let old = cluster.master_of(slot).unwrap();
    let new = cluster.another_master(old).unwrap();
    cluster.move_slot(slot, old, new).unwrap();
    let [old, new] = [old, new].map(|index| format!("127.0.0.1:{}", cluster.nodes()[index].port()));
    call_for(Duration::ZERO, async || ok!(dict.insert("k", &2))).await;
    let expected =
        format!("WARN {TARGET}: another server is the master from={old} to={new} slots=1");
    assert_events(&events_until(&format!("from={old}"), "WARN"), &[&expected]);
}
