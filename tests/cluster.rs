//! Differences on a cluster, and the calls that are refused there.

use std::collections::HashSet;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use redis_collections::{
    AsyncClient, Client, Error, RedisDict, RedisHashDict, RedisList, RedisSet, Result,
};
use support::contract::{contract_on_clusters, ok, settle};
use support::kinds::{CLUSTER, Kind, SERVER, in_runtime};
use support::servers::query;

contract_on_clusters! {
    a_dict_is_spread_over_all_nodes_and_behaves_as_one,
    commands_whose_keys_lie_in_several_slots_are_refused_before_they_are_sent,
    a_hash_tag_keeps_keys_together,
    entries_in_one_slot_change_together,
    a_pipeline_goes_to_several_nodes_and_comes_back_in_order,
    every_master_is_asked_whether_it_answers,
}

const SOON: Duration = Duration::from_millis(30);

async fn a_dict_is_spread_over_all_nodes_and_behaves_as_one<C: Kind>(client: C, name: &str) {
    let dict: RedisDict<u64, u64, C> = RedisDict::with_prefix(&client, name);
    let numbers: Vec<u64> = (0..3000).collect();
    ok!(dict.insert_many(numbers.iter().zip(&numbers)));
    let masters = numbers.iter().map(|number| {
        let slot = CLUSTER.key_slot(format!("{name}{number}")).unwrap();
        (number % 100 == 0).then(|| CLUSTER.master_of(slot).unwrap())
    });
    let masters: HashSet<usize> = masters.step_by(100).flatten().collect();
    assert_eq!(masters.len(), 3, "every master has some of it");
    let reversed: Vec<u64> = numbers.iter().rev().copied().collect();
    let expected: Vec<Option<u64>> = reversed.iter().copied().map(Some).collect();
    assert_eq!(ok!(dict.get_many(&reversed)), expected, "in the order asked for");
    assert_eq!(ok!(dict.len()), 3000);
    assert!(ok!(dict.database_len()) >= 3000);
    assert_eq!(ok!(dict.remove_many(&numbers[..1000])), 1000);
    assert_eq!((ok!(dict.clear()), ok!(dict.is_empty())), (2000, true));
}

async fn commands_whose_keys_lie_in_several_slots_are_refused_before_they_are_sent<C: Kind>(
    client: C,
    name: &str,
) {
    let list = |part: &str| RedisList::<String, C>::new(&client, format!("{part}{name}"));
    let set = |part: &str| RedisSet::<String, C>::new(&client, format!("{part}{name}"));
    let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, name);
    let (a, b) = (list("a"), list("b"));
    ok!(a.push_back("x"));
    ok!(dict.insert("kept", &1));
    let refused = [
        settle!(a.pop_front_to(&b)).unwrap_err(),
        settle!(a.wait_pop_front_to(&b, SOON)).unwrap_err(),
        settle!(a.wait_pop_any(&[&b], SOON)).unwrap_err(),
        settle!(set("c").union(&[&set("d")])).unwrap_err(),
        settle!(set("c").move_to(&set("d"), "x")).unwrap_err(),
        settle!(dict.replace_all([("k", &1), ("l", &2)])).unwrap_err(),
        client
            .transaction((a.deferred().push_back("y"), b.deferred().push_back("y")))
            .await
            .unwrap_err(),
        client
            .transaction((dict.deferred().insert_many([("k", &1), ("l", &2)]),))
            .await
            .unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(&error, Error::InvalidArgument { .. }), "{error}");
        assert!(error.to_string().contains("a common hash tag keeps keys together"), "{error}");
        assert!(!error.may_have_been_applied());
    }
    assert_eq!((ok!(a.len()), ok!(b.len()), ok!(dict.len())), (1, 0, 1));
}

/// Of one call with entries in several slots, which are too long to arrive in one piece.
async fn entries_in_one_slot_change_together<C: Kind>(client: C, name: &'static str) {
    const ROUNDS: usize = 200;
    let keys = |tag: &str| (0..20).map(|key| format!("{{{tag}}}{key}")).collect::<Vec<_>>();
    let (wanted, all) = (keys("b"), [keys("a"), keys("b"), keys("c")].concat());
    let dict: RedisDict<String, String, C> = RedisDict::with_prefix(&client, name);
    let other = dict.on(&Client::cluster(CLUSTER.urls()).unwrap());
    let write = move |round: usize| {
        let value = format!("{round:05000}");
        other.insert_many(all.iter().map(|key| (key, &value))).unwrap();
    };
    write(0);
    let writer = std::thread::spawn(move || (1..=ROUNDS).for_each(write));
    let last = format!("{ROUNDS:05000}");
    loop {
        let found = ok!(dict.get_many(&wanted));
        assert!(found.iter().all(|value| value.is_some() && *value == found[0]));
        if found[0].as_ref() == Some(&last) {
            break;
        }
    }
    writer.join().unwrap();
}

async fn a_hash_tag_keeps_keys_together<C: Kind>(client: C, name: &str) {
    let list = |part: &str| RedisList::<String, C>::new(&client, format!("{{{name}}}{part}"));
    let dict: RedisDict<String, u64, C> = RedisDict::with_prefix(&client, format!("{{{name}}}:"));
    ok!(list("a").push_back("x"));
    assert_eq!(ok!(list("a").wait_pop_any(&[&list("b")], SOON)), Some((0, "x".to_owned())));
    ok!(dict.replace_all([("k", &1), ("l", &2)]));
    let both = (dict.deferred().get("k"), list("a").deferred().push_back("y"));
    assert_eq!(client.transaction(both).await.unwrap(), (Some(1), 1));
}

async fn a_pipeline_goes_to_several_nodes_and_comes_back_in_order<C: Kind>(client: C, name: &str) {
    let hash = |number: u64| RedisHashDict::<u64, u64, C>::new(&client, format!("{name}{number}"));
    let inserts: Vec<_> = (0..200).map(|n| hash(n).deferred().insert(&n, &n)).collect();
    let done: Result<Vec<()>> = client.pipeline(inserts).await.unwrap().into_iter().collect();
    assert_eq!(done.unwrap(), [(); 200]);
    let reads: Vec<_> = (0..200).rev().map(|n| hash(n).deferred().get(&n)).collect();
    let read: Result<Vec<_>> = client.pipeline(reads).await.unwrap().into_iter().collect();
    assert_eq!(read.unwrap(), (0..200).rev().map(Some).collect::<Vec<_>>());

    let (a, b) = (RedisList::<String, C>::new(&client, "a"), RedisList::new(&client, "b"));
    let (refused, get) =
        client.pipeline((a.deferred().pop_front_to(&b), hash(7).deferred().get(&7))).await.unwrap();
    assert!(matches!(refused.unwrap_err(), Error::InvalidArgument { .. }));
    assert_eq!(get.unwrap(), Some(7), "the others are sent");
}

async fn every_master_is_asked_whether_it_answers<C: Kind>(client: C, _: &str) {
    let pings = || {
        let stats = CLUSTER.nodes().iter().map(|node| {
            let stats: String = query(node.url(), "INFO commandstats").unwrap();
            stats.lines().any(|line| line.starts_with("cmdstat_ping:"))
        });
        stats.filter(|&pinged| pinged).count()
    };
    client.check().await.unwrap();
    assert!(pings() >= 3);
}

#[test]
fn servers_that_form_no_cluster_are_refused_with_a_reason() {
    let plain = SERVER.url().to_owned();
    let cluster = CLUSTER.urls();
    let first = cluster[0].clone();
    let with = |from: &str, to: &str| first.replace(from, to);
    for (urls, reason) in [
        (vec![], "no URL is given"),
        (vec![plain.clone()], "is not a node of a cluster; `open` connects to a server alone"),
        (vec![first.clone(), plain], "is not a node of a cluster"),
        (vec![first.clone(), with("redis://", "rediss://")], "all TLS or none"),
        (vec![first.clone(), with("redis://", "redis://:s3cret@")], "one user and password"),
        (vec![format!("{first}1")], "a cluster has only the database 0"),
        (vec!["unix:///tmp/socket".to_owned()], "cannot be a Unix socket"),
        (vec!["nonsense".to_owned()], "a URL is redis://"),
    ] {
        let blocking = Client::cluster(&urls).unwrap_err();
        let asynchronous = in_runtime(AsyncClient::cluster(&urls)).unwrap_err();
        for error in [blocking, asynchronous] {
            assert!(matches!(&error, Error::Configuration(_)), "{urls:?}: {error}");
            assert!(error.to_string().contains(reason), "{urls:?}: {error}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}

#[test]
fn unreachable_seeds_do_no_harm_among_reachable_ones() {
    let nowhere = format!("redis://127.0.0.1:{}/", unused_port());
    let urls = [nowhere.clone(), CLUSTER.url(0), nowhere.clone()];
    Client::cluster(&urls).unwrap().check().unwrap();
    in_runtime(async { AsyncClient::cluster(&urls).await.unwrap().check().await }).unwrap();
    let started = Instant::now();
    let error = Client::cluster([&nowhere]).unwrap_err();
    assert!(matches!(&error, Error::Connect { .. }), "{error}");
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "no call waits for a node that is not there"
    );
    let lazy = Client::cluster_builder([&nowhere]).lazy().failover_timeout(SOON).build().unwrap();
    let error = lazy.check().unwrap_err();
    assert!(error.to_string().contains(nowhere.trim_start_matches("redis://").trim_matches('/')));
}

#[test]
fn a_cluster_node_opened_as_a_single_server_is_an_error_with_advice() {
    let client = Client::open(&CLUSTER.url(0)).unwrap();
    let dict: RedisDict<u64, u64> = RedisDict::new(&client, "alone");
    let error = (0..10).find_map(|key| dict.get(&key).err()).expect("some key lies elsewhere");
    assert_eq!(error.code(), Some("MOVED"));
    assert!(error.to_string().contains("Client::cluster"), "{error}");
}

#[test]
fn one_pool_of_a_users_own_is_not_for_a_cluster() {
    let pool = r2d2::Pool::builder().min_idle(Some(0));
    let pool = pool.build_unchecked(redis::Client::open(CLUSTER.url(0)).unwrap());
    let error = Client::cluster_builder(CLUSTER.urls()).pool(pool).build().unwrap_err();
    assert!(matches!(&error, Error::Configuration(_)), "{error}");
}

fn unused_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
