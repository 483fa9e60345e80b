//! Single calls that come when a slot is on its way, or while there is no master for it.

mod support;

use std::thread;
use std::time::{Duration, Instant};

use redis_collections::{Applied, Error, RedisDict, RedisHashDict, RedisList, Result};
use support::cluster::Cluster;
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
        let slot = cluster.key_slot("headless:key")?;
        let master = cluster.master_of(slot)?;
        let other_slot = cluster.slots_of(cluster.another_master(master)?)?[0];
        let other_key = (0..).map(|number| format!("{number}")).find(|key| {
            cluster.key_slot(format!("headless:{key}")).unwrap().abs_diff(other_slot) < 1000
        });
        let other_key = other_key.unwrap();
        C::finish(async {
            ok!(dict.insert("key", &1));
            ok!(dict.insert(&other_key, &1));
        });
        let replica = cluster.replica_of(master)?;
        cluster.kill(master)?;
        cluster.kill(replica)?;
        for key in ["key", &other_key] {
            for error in errors(&dict, key) {
                println!("{}: {key} {error} {:?}", C::NAME, error.applied());
            }
        }
        Ok(())
    })
}

fn errors<C: Concurrent>(dict: &RedisDict<String, u64, C>, key: &str) -> Vec<Error> {
    let started = Instant::now();
    let mut found = vec![];
    C::finish(async {
        found.extend(settle!(dict.increment(key, 1)).err());
        println!("{:?}", started.elapsed());
        found.extend(settle!(dict.get(key)).err());
        println!("{:?}", started.elapsed());
    });
    found
}
