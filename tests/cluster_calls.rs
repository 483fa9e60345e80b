//! Single calls that come when a slot is on its way, or while there is no master for it.

mod support;

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

use redis_collections::{Applied, Error, RedisDict, RedisHashDict, RedisList};
use support::cluster::{Cluster, NODES};
use support::concurrent::{Concurrent, on_both_kinds, on_cluster_to_break, on_shared_cluster};
use support::kinds::{ok, settle};
use support::servers::{Outcome, query, wait_for};

const A_SECOND: Duration = Duration::from_secs(1);
const HALF_A_MINUTE: Duration = Duration::from_secs(30);

on_both_kinds![
    keys_are_found_on_both_sides_of_a_move,
    a_waiting_pop_follows_its_list,
    nothing_can_be_done_without_a_master,
];

fn keys_are_found_on_both_sides_of_a_move<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        let client = C::of(cluster);
        let name = format!("sides-{}", C::NAME);
        let tag = format!("{{{name}}}");
        let keys: Vec<_> = (0..10).map(|number| format!("{tag}{number}")).collect();
        let (moved, staying) = (&*keys[0], &*keys[9]);
        let numbers = RedisDict::<String, u64, C>::new(&client, &name);
        let hash = RedisHashDict::<String, String, C>::new(&client, &tag);
        C::finish(async {
            ok!(numbers.insert_many(keys.iter().map(|key| (key, &1))));
            ok!(hash.insert("field", "old"));
        });
        let slot = cluster.key_slot(&tag)?;
        let from = cluster.master_of(slot)?;
        let to = cluster.another_master(from)?;
        query::<()>(&cluster.url(to), "SCRIPT FLUSH")?;
        let mut moving = vec![tag.clone().into_bytes()];
        moving.extend(keys[..5].iter().map(|key| format!("{name}:{key}").into_bytes()));
        cluster.begin_move(slot, from, to)?;
        cluster.move_keys(&moving, from, to)?;

        C::finish(async {
            for key in [moved, staying] {
                assert_eq!(ok!(numbers.get(key)), Some(1));
                assert_eq!(ok!(numbers.increment(key, 1)), 2);
                ok!(numbers.insert(key, &3));
                assert_eq!(ok!(numbers.get_or_insert(key, &0)), 3, "a script");
            }
            let new = format!("{tag}new");
            assert_eq!(ok!(numbers.increment(&new, 7)), 7);
            assert_eq!(ok!(numbers.get(&new)), Some(7));
            assert_eq!(ok!(hash.replace("field", "new")).as_deref(), Some("old"), "a script");
            for keys in [&keys[..5], &keys[5..]] {
                let numbers = numbers.deferred();
                let both = (numbers.increment(&keys[1], 1), numbers.get(&keys[2]));
                assert_eq!(C::transaction(&client, both).await.unwrap(), (2, Some(1)));
            }
        });

        let elsewhere = "elsewhere";
        C::finish(async { ok!(numbers.insert(elsewhere, &9)) });
        thread::scope(|scope| {
            let get_many = |keys: Vec<&str>| C::finish(async { ok!(numbers.get_many(keys)) });
            let in_one_slot = scope.spawn(move || get_many(vec![moved, staying]));
            let in_two_slots = scope.spawn(move || get_many(vec![moved, elsewhere, staying]));
            let transaction = scope.spawn(|| {
                let numbers = numbers.deferred();
                let both = (numbers.increment(&keys[3], 1), numbers.increment(&keys[8], 1));
                C::finish(C::transaction(&client, both)).unwrap()
            });
            wait_for("calls that are refused for now", || {
                let all = [refusals(cluster, from, "mget")?, refusals(cluster, to, "exec")?];
                Ok(all[0] >= 4 && all[1] >= 2)
            })?;
            cluster.finish_move(slot, from, to)?;
            assert_eq!(in_one_slot.join().unwrap(), [Some(3), Some(3)]);
            assert_eq!(in_two_slots.join().unwrap(), [Some(3), Some(9), Some(3)]);
            assert_eq!(transaction.join().unwrap(), (2, 2));
            Ok(())
        })
    })
}

/// How often a node has refused to run a command that it knows.
fn refusals(cluster: &Cluster, node: usize, command: &str) -> Outcome<usize> {
    let statistics: String = query(&cluster.url(node), "INFO commandstats")?;
    let line = statistics.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:")));
    let count = line.and_then(|line| line.split("rejected_calls=").nth(1)?.split(',').next());
    Ok(count.map_or(Ok(0), str::parse)?)
}

fn a_waiting_pop_follows_its_list<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        let client = C::of(cluster);
        let name = format!("waiting-{}", C::NAME);
        let list = RedisList::<String, C>::new(&client, &name);
        let start_to_wait = || {
            let list = list.clone();
            C::start(async move { settle!(list.wait_pop_front(HALF_A_MINUTE)) })
        };
        let push = |item: &str| C::finish(async { settle!(list.push_back(item)) });

        let slot = cluster.key_slot(&name)?;
        let first = cluster.master_of(slot)?;
        let second = cluster.another_master(first)?;
        let popped = start_to_wait();
        wait_until_blocked(cluster, first)?;
        cluster.move_slot(slot, first, second)?;
        push("after the move")?;
        assert_eq!(popped()?.as_deref(), Some("after the move"));

        let popped = start_to_wait();
        wait_until_blocked(cluster, second)?;
        cluster.kill(second)?;
        cluster.wait_for_new_master(slot, second)?;
        push("after the failover")?;
        assert_eq!(popped()?.as_deref(), Some("after the failover"));
        cluster.restart(second)
    })
}

fn wait_until_blocked(cluster: &Cluster, node: usize) -> Outcome {
    wait_for("a pop that waits", || {
        let clients: String = query(&cluster.url(node), "INFO clients")?;
        Ok(clients.contains("blocked_clients:1"))
    })
}

fn nothing_can_be_done_without_a_master<C: Concurrent>() -> Outcome {
    on_cluster_to_break(|cluster| {
        let client = C::connect(C::builder(cluster).failover_timeout(A_SECOND));
        let dict = RedisDict::<String, u64, C>::new(&client, "headless");
        let slot_of = |key: &str| cluster.key_slot(format!("headless:{key}"));
        let master = cluster.master_of(slot_of("headless")?)?;
        let other = cluster.another_master(master)?;
        let slots = cluster.slots_of(other)?;
        let mut keys = (0..).map(|number| number.to_string());
        let safe = keys.find(|key| slot_of(key).is_ok_and(|slot| slots.contains(&slot)));
        let safe = &*safe.expect("a key");
        let replica = cluster.replica_of(master)?;
        let address = format!("cannot connect to 127.0.0.1:{}", cluster.nodes()[master].port());
        let running = (0..NODES).filter(|&node| node != master && node != replica);
        let running: Vec<_> = running.map(|node| cluster.url(node)).collect();
        let state = |expected: &str| {
            wait_for(expected, || {
                let states = running.iter().map(|url| query::<String>(url, "CLUSTER INFO"));
                let states = states.collect::<Result<Vec<_>, _>>()?;
                Ok(states.iter().all(|state| state.contains(expected)))
            })
        };
        let get = |key: &str| C::finish(async { settle!(dict.get(key)) });
        let increment = |key: &str| C::finish(async { settle!(dict.increment(key, 1)) });
        let insert_both = || {
            let entries = [("headless", &1), (safe, &1)];
            C::finish(async { settle!(dict.insert_many(entries)) })
        };
        insert_both()?;

        cluster.kill(master)?;
        cluster.kill(replica)?;
        for error in [after_a_second(|| get("headless")), after_a_second(|| increment("headless"))]
        {
            assert!(error.to_string().contains(&address), "{error}");
        }
        state("cluster_state:fail")?;
        for error in [after_a_second(|| get(safe)), after_a_second(|| increment(safe))] {
            assert_eq!(error.code(), Some("CLUSTERDOWN"), "{error}");
        }

        for url in &running {
            query::<()>(url, "CONFIG SET cluster-require-full-coverage no")?;
        }
        state("cluster_state:ok")?;
        assert_eq!(increment(safe)?, 2);
        let error = insert_both().unwrap_err();
        assert_eq!(error.applied(), Applied::Yes, "in part: {error}");
        assert_eq!(get(safe)?, Some(1));
        Ok(())
    })
}

/// The error of a call that had patience for a second, and was not applied.
fn after_a_second<T: Debug>(call: impl FnOnce() -> redis_collections::Result<T>) -> Error {
    let began = Instant::now();
    let error = call().expect_err("there is no master");
    assert_eq!(error.applied(), Applied::No, "{error}");
    let patience = began.elapsed();
    assert!((A_SECOND..3 * A_SECOND).contains(&patience), "{patience:?}");
    error
}
