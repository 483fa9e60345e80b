//! Clients of a master that real Sentinels name, and that another server takes over from.

use std::fmt::Debug;
use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redis_collections::{
    ClientBuilder, Error, LocalServer, RedisDict, RedisHashDict, RedisList, RedisSet, Result,
};
use support::contract::{ok, ok_within, on_both_kinds, settle, sorted};
use support::counters::Counters;
use support::kinds::Kind;
use support::servers::sentinel::Sentinels;
use support::servers::{PATIENCE, free_port, query, wait_for};
use support::within;

const LONG: Duration = Duration::from_secs(30);

/// Later, Sentinels that are slow to do so make the old master a replica and end its connections.
/// Clients that ask every second know long before.
const UNTIL_SENTINELS_ACT: Duration = Duration::from_secs(15);

on_both_kinds!(
    everything_works_through_sentinels,
    the_sentinels_and_the_master_have_their_own_passwords,
    a_workload_goes_on_when_the_master_is_killed,
    a_workload_moves_to_the_new_master_after_a_planned_failover,
    a_workload_leaves_a_master_that_was_frozen_and_replaced,
    a_workload_goes_on_where_writes_need_a_replica,
    a_waiting_pop_returns_an_item_pushed_after_the_master_was_killed,
    a_waiting_pop_returns_an_item_pushed_after_a_planned_failover,
    sentinels_that_cannot_be_reached_are_passed_over,
    a_failover_is_noticed_although_the_sentinel_asked_last_is_gone,
    sentinels_none_of_which_can_be_reached_are_all_named,
    a_name_that_the_sentinels_do_not_know_is_named,
    a_server_that_is_no_sentinel_is_named,
    invalid_urls_are_rejected,
    a_server_that_is_not_a_master_yet_is_not_used,
);

async fn everything_works_through_sentinels<C: Kind>() {
    let sentinels = Sentinels::start().unwrap();
    let client = C::build(named(&sentinels)).await.unwrap();
    let dict: RedisDict<String, String, C> = RedisDict::new(&client, "dict");
    let hash: RedisHashDict<String, u64, C> = RedisHashDict::new(&client, "hash");
    let list: RedisList<String, C> = RedisList::new(&client, "list");
    let set: RedisSet<String, C> = RedisSet::new(&client, "set");

    ok!(dict.insert_many([("a", "x"), ("b", "y")]));
    assert_eq!(sorted!(dict.keys()), ["a", "b"]);
    assert_eq!(ok!(hash.increment("ann", 2)), 2);
    assert_eq!(ok_within!(hash.update("ann", |ann| ann.map(|ann| ann + 1))), Some(3));
    ok!(list.push_back("x"));
    assert_eq!(ok!(list.wait_pop_front(LONG)).as_deref(), Some("x"));
    assert!(ok!(set.insert("x")) && ok!(set.contains("x")));
    let (a, new) =
        client.pipeline((dict.deferred().get("a"), set.deferred().insert("y"))).await.unwrap();
    assert_eq!((a.unwrap().as_deref(), new.unwrap()), (Some("x"), true));
    let both = (hash.deferred().increment("ann", 1), list.deferred().push_back("y"));
    assert_eq!(client.transaction(both).await.unwrap(), (4, 1));
}

async fn the_sentinels_and_the_master_have_their_own_passwords<C: Kind>() {
    let sentinels = Sentinels::start_with_password("s3cret-of-servers").unwrap();
    for url in sentinels.urls() {
        query::<()>(&url, "ACL SETUSER watcher on >s3cret-of-sentinels +@all").unwrap();
        query::<()>(&url, "ACL SETUSER mute on nopass -@all").unwrap();
    }
    let with_user = |password| {
        let user = format!("redis://watcher:s3cret-of-{password}@");
        sentinels.urls().iter().map(|url| url.replace("redis://", &user)).collect::<Vec<_>>()
    };
    let mute = sentinels.urls().into_iter().map(|url| url.replace("redis://", "redis://mute@"));
    let mute: Vec<_> = mute.collect();
    let builder = C::sentinel_builder(&with_user("sentinels"), sentinels.name());
    let client = C::build(builder.clone().password("s3cret-of-servers").database(3)).await.unwrap();
    let dict: RedisDict<String, String, C> = RedisDict::new(&client, "dict");
    ok!(dict.insert("a", "x"));
    let master = sentinels.server_url(sentinels.master().unwrap());
    assert_eq!(query::<String>(&format!("{master}3"), "GET dict:a").unwrap(), "x");
    assert_has_no_secret(&client);

    for (builder, reason) in [
        (builder.clone().password("s3cret-mistaken"), "authentication failed"),
        (
            builder.clone().user("s3cret-user").password("s3cret-of-servers"),
            "authentication failed",
        ),
        (builder.clone().user("s3cret-user"), "authentication failed"),
        (builder, "NOAUTH"),
        (C::sentinel_builder(&mute, sentinels.name()), "NOPERM"),
        (C::sentinel_builder(&with_user("wrong"), sentinels.name()), "authentication failed"),
    ] {
        assert_has_no_secret(&builder);
        let error = C::build(builder).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert_has_no_secret(&error);
    }
}

async fn a_workload_goes_on_when_the_master_is_killed<C: Kind>() {
    let mut sentinels = Sentinels::start().unwrap();
    let client = C::build(named(&sentinels)).await.unwrap();
    let workload = Counters::start(&client);
    let first = sentinels.kill_master().unwrap();
    workload.wait_until_it_goes_on();
    sentinels.restart(first).unwrap();
    workload.wait_until_it_goes_on();
    println!("a killed master, {}: {}", kind::<C>(), workload.finish().await);
    println!("{}", sentinels.takeovers());
}

async fn a_workload_moves_to_the_new_master_after_a_planned_failover<C: Kind>() {
    let sentinels = Sentinels::start().unwrap();
    let client = C::build(named(&sentinels)).await.unwrap();
    let workload = Counters::start(&client);
    let first = sentinels.master().unwrap();
    sentinels.be_slow_to_demote().unwrap();
    sentinels.begin_failover().unwrap();
    let second = 1 - first;
    wait_for("a new name", || Ok(sentinels.master()? == second)).unwrap();
    let named = Instant::now();
    let get = format!("GET {}", workload.key());
    let count = || query::<Option<u64>>(&sentinels.server_url(second), &get).unwrap();
    let before = count();
    assert!(within(PATIENCE, || count() != before), "the new master is not used");
    let taken = named.elapsed();
    workload.wait_until_it_goes_on();
    println!("a planned failover, {}: {}", kind::<C>(), workload.finish().await);
    println!("the new master is used {taken:.1?} after it was named");
    println!("{}", sentinels.takeovers());
    assert!(taken < UNTIL_SENTINELS_ACT, "{taken:?}");
}

/// An old master that has lost its replica takes no writes, and the new one none before it has one:
/// the client waits for that.
async fn a_workload_goes_on_where_writes_need_a_replica<C: Kind>() {
    let sentinels = Sentinels::start_with(&["--min-replicas-to-write", "1"]).unwrap();
    let client = C::build(named(&sentinels)).await.unwrap();
    let workload = Counters::start(&client);
    sentinels.failover().unwrap();
    workload.wait_until_it_goes_on();
    println!("writes need a replica, {}: {}", kind::<C>(), workload.finish().await);
    println!("{}", sentinels.takeovers());
}

async fn a_workload_leaves_a_master_that_was_frozen_and_replaced<C: Kind>() {
    let sentinels = Sentinels::start().unwrap();
    let client = C::build(named(&sentinels)).await.unwrap();
    let workload = Counters::start(&client);
    let old = sentinels.freeze_master().unwrap();
    let get = format!("GET {}", workload.key());
    let count = || query::<Option<u64>>(&sentinels.server_url(1 - old), &get).unwrap();
    let before = count();
    assert!(within(PATIENCE, || count() != before), "the new master is not used");
    workload.wait_until_it_goes_on();
    println!("a frozen master, {}: {}", kind::<C>(), workload.finish().await);
    println!("{}", sentinels.takeovers());
}

async fn a_waiting_pop_returns_an_item_pushed_after_the_master_was_killed<C: Kind>() {
    let mut sentinels = Sentinels::start().unwrap();
    let pop = waiting_pop::<C>(&sentinels).await;
    let first = sentinels.kill_master().unwrap();
    let second = sentinels.wait_for_new_master(first).unwrap();
    query::<()>(&sentinels.server_url(second), "RPUSH list x").unwrap();
    assert_eq!(pop.join().unwrap().unwrap().as_deref(), Some("x"));
}

async fn a_waiting_pop_returns_an_item_pushed_after_a_planned_failover<C: Kind>() {
    let sentinels = Sentinels::start().unwrap();
    let pop = waiting_pop::<C>(&sentinels).await;
    let first = sentinels.master().unwrap();
    sentinels.begin_failover().unwrap();
    let second = sentinels.wait_for_new_master(first).unwrap();
    query::<()>(&sentinels.server_url(second), "RPUSH list x").unwrap();
    assert_eq!(pop.join().unwrap().unwrap().as_deref(), Some("x"));
}

/// A pop that waits on the master already.
async fn waiting_pop<C: Kind>(sentinels: &Sentinels) -> JoinHandle<Result<Option<String>>> {
    let client = C::build(named(sentinels)).await.unwrap();
    let list: RedisList<String, C> = RedisList::new(&client, "list");
    let pop = thread::spawn(move || C::finish(C::settle(list.wait_pop_front(LONG))));
    let master = sentinels.server_url(sentinels.master().unwrap());
    let waits = || Ok(query::<String>(&master, "CLIENT LIST")?.contains("cmd=blpop"));
    wait_for("a pop that waits", waits).unwrap();
    pop
}

async fn sentinels_that_cannot_be_reached_are_passed_over<C: Kind>() {
    let mut sentinels = Sentinels::start().unwrap();
    sentinels.kill_sentinel(0).unwrap();
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let silent = silent.local_addr().unwrap();
    let mut urls = vec![nowhere(), format!("redis://{silent}/"), nowhere()];
    urls.extend(sentinels.urls());
    let start = Instant::now();
    let client = C::build(C::sentinel_builder(&urls, sentinels.name())).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(4), "a silent one is not waited for as a server");
    let dict: RedisDict<String, String, C> = RedisDict::new(&client, "dict");
    ok!(dict.insert("a", "x"));
}

async fn a_failover_is_noticed_although_the_sentinel_asked_last_is_gone<C: Kind>() {
    let mut sentinels = Sentinels::start().unwrap();
    let client = C::build(named(&sentinels)).await.unwrap();
    let dict: RedisDict<String, String, C> = RedisDict::new(&client, "dict");
    sentinels.kill_sentinel(0).unwrap();
    let second = sentinels.failover().unwrap();
    ok!(dict.insert("a", "x"));
    assert_eq!(query::<String>(&sentinels.server_url(second), "GET dict:a").unwrap(), "x");
}

async fn sentinels_none_of_which_can_be_reached_are_all_named<C: Kind>() {
    let urls = [nowhere(), nowhere()];
    let error = C::build(C::sentinel_builder(&urls, "the-master")).await.unwrap_err();
    assert!(matches!(&error, Error::Connect { .. }), "{error}");
    let client = C::build(brief(C::sentinel_builder(&urls, "the-master")).lazy()).await.unwrap();
    let dict: RedisDict<String, String, C> = RedisDict::new(&client, "dict");
    for error in [error, settle!(dict.insert("a", "x")).unwrap_err()] {
        assert!(error.is_connection_lost() && !error.may_have_been_applied(), "{error}");
        let parts = urls.iter().map(|url| url.trim_matches(['r', 'e', 'd', 'i', 's', ':', '/']));
        for part in parts.chain(["the-master", "refused"]) {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}

async fn a_name_that_the_sentinels_do_not_know_is_named<C: Kind>() {
    let sentinels = Sentinels::start().unwrap();
    let mut urls = vec![nowhere()];
    urls.extend(sentinels.urls());
    urls.push(nowhere());
    let error = C::build(C::sentinel_builder(&urls, "the-other")).await.unwrap_err();
    assert!(matches!(&error, Error::Configuration(_)), "{error}");
    let first = sentinels.urls()[0].replace("redis://", "").replace('/', "");
    assert!(error.to_string().contains("the-other"), "{error}");
    assert!(error.to_string().contains(&first), "{error}");
}

async fn a_server_that_is_no_sentinel_is_named<C: Kind>() {
    let server = LocalServer::start().unwrap();
    let urls = [server.url().to_owned()];
    let error = C::build(C::sentinel_builder(&urls, "the-master")).await.unwrap_err();
    assert!(matches!(&error, Error::Configuration(_)), "{error}");
    assert!(error.to_string().contains(&server.port().to_string()), "{error}");
    assert!(error.to_string().contains("not a Sentinel"), "{error}");
}

async fn invalid_urls_are_rejected<C: Kind>() {
    for urls in [
        vec![],
        vec!["unix:///run/sentinel?pass=s3cret".to_owned()],
        vec![nowhere(), "unix:///run/sentinel".to_owned()],
        vec![nowhere(), "redis://:s3cret".to_owned()],
        vec!["s3cret".to_owned()],
    ] {
        let builder = C::sentinel_builder(&urls, "the-master");
        assert_has_no_secret(&builder);
        let error = C::build(builder).await.unwrap_err();
        assert!(matches!(&error, Error::Configuration(_)), "{urls:?}: {error}");
        assert_has_no_secret(&error);
    }
}

async fn a_server_that_is_not_a_master_yet_is_not_used<C: Kind>() {
    let sentinels = Sentinels::start().unwrap();
    let master = LocalServer::start().unwrap();
    let port = master.port().to_string();
    let replica = LocalServer::start_with(&["--replicaof", "127.0.0.1", &port]).unwrap();
    let urls = &sentinels.urls()[..1];
    let monitor = format!("SENTINEL MONITOR late 127.0.0.1 {} 3", replica.port());
    query::<()>(&urls[0], &monitor).unwrap();

    let error = C::build(C::sentinel_builder(urls, "late")).await.unwrap_err();
    assert!(error.to_string().contains("not a master"), "{error}");
    assert!(error.to_string().contains(&replica.port().to_string()), "{error}");

    let client = C::build(C::sentinel_builder(urls, "late").lazy()).await.unwrap();
    let dict: RedisDict<String, String, C> = RedisDict::new(&client, "dict");
    let writing = {
        let dict = dict.clone();
        thread::spawn(move || C::finish(C::settle(dict.insert("a", "x"))))
    };
    let asked = || Ok(query::<String>(replica.url(), "INFO commandstats")?.contains("role:calls"));
    wait_for("the question whether it is a master", asked).unwrap();
    query::<()>(replica.url(), "REPLICAOF NO ONE").unwrap();
    writing.join().unwrap().expect("a write that waited for the master");
    assert_eq!(query::<String>(replica.url(), "GET dict:a").unwrap(), "x");
}

fn named<C: Kind>(sentinels: &Sentinels) -> ClientBuilder<C> {
    C::sentinel_builder(&sentinels.urls(), sentinels.name())
}

/// With less patience than a failover takes.
fn brief<C>(builder: ClientBuilder<C>) -> ClientBuilder<C> {
    builder.failover_timeout(Duration::from_millis(200))
}

fn nowhere() -> String {
    format!("redis://127.0.0.1:{}/", free_port().unwrap())
}

fn kind<C>() -> &'static str {
    std::any::type_name::<C>().rsplit(':').next().unwrap_or_default()
}

fn assert_has_no_secret(shown: &impl Debug) {
    let text = format!("{shown:?} {shown:#?}");
    assert!(!text.contains("s3cret"), "{text}");
}
