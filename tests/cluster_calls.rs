//! Single calls that come when a slot is on its way, or while there is no master for it.

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

use redis_collections::{Applied, Error, RedisDict, RedisHashDict, RedisList, Result};
use support::concurrent::{
    Concurrent, on_cluster_to_break, on_shared_cluster, on_threads_and_tasks,
};
use support::contract::{ok, settle};
use support::servers::cluster::{Cluster, NODES};
use support::servers::{Outcome, query, wait_for};

const A_SECOND: Duration = Duration::from_secs(1);
const HALF_A_MINUTE: Duration = Duration::from_secs(30);

on_threads_and_tasks![
    keys_are_found_on_both_sides_of_a_move,
    commands_about_both_sides_of_a_move_wait_for_its_end,
    a_waiting_pop_follows_its_list,
    nothing_can_be_done_without_a_master,
];

fn keys_are_found_on_both_sides_of_a_move<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        let Move { client, numbers, hash, keys, slot, from, to } =
            half_a_move::<C>(cluster, &format!("sides-{}", C::NAME))?;
        C::finish(async {
            for key in [&keys[0], &keys[9]] {
                assert_eq!(ok!(numbers.get(key)), Some(1));
                assert_eq!(ok!(numbers.increment(key, 1)), 2);
                ok!(numbers.insert(key, &3));
                assert_eq!(ok!(numbers.get_or_insert(key, &0)), 3, "by a script");
            }
            let new = format!("{}-new", keys[0]);
            assert_eq!(ok!(numbers.increment(&new, 7)), 7);
            assert_eq!(ok!(numbers.get(&new)), Some(7));
            assert_eq!(ok!(hash.replace("field", "new")).as_deref(), Some("old"), "by a script");
            for side in [&keys[..5], &keys[5..]] {
                let numbers = numbers.deferred();
                let both = (numbers.increment(&side[1], 1), numbers.get(&side[2]));
                assert_eq!(C::transaction(&client, both).await.unwrap(), (2, Some(1)));
            }
            let scripts = keys.iter().map(|key| numbers.deferred().get_or_insert(key, &0));
            let replies = C::pipeline(&client, scripts.collect::<Vec<_>>()).await.unwrap();
            let replies: redis_collections::Result<Vec<_>> = replies.into_iter().collect();
            assert_eq!(replies.unwrap(), [3, 2, 1, 1, 1, 1, 2, 1, 1, 3], "several at once");
        });
        cluster.finish_move(slot, from, to)
    })
}

fn commands_about_both_sides_of_a_move_wait_for_its_end<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        let Move { client, numbers, keys, slot, from, to, .. } =
            half_a_move::<C>(cluster, &format!("end-{}", C::NAME))?;
        let (moved, staying, elsewhere) = (&*keys[0], &*keys[9], "elsewhere");
        C::finish(async { ok!(numbers.insert(elsewhere, &9)) });
        for node in [from, to] {
            query::<()>(&cluster.url(node), "CONFIG RESETSTAT")?;
        }
        thread::scope(|scope| {
            let get_many = |keys: Vec<&str>| C::finish(async { ok!(numbers.get_many(keys)) });
            let in_one_slot = scope.spawn(move || get_many(vec![moved, staying]));
            let in_two_slots = scope.spawn(move || get_many(vec![moved, elsewhere, staying]));
            let transaction = scope.spawn(|| {
                let numbers = numbers.deferred();
                let both = (numbers.increment(&keys[1], 1), numbers.increment(&keys[8], 1));
                C::finish(C::transaction(&client, both)).unwrap()
            });
            wait_for("calls that are refused for now", || {
                let refused = |command| refusals(cluster, [from, to], command);
                Ok(refused("mget")? >= 4 && refused("exec")? >= 2)
            })?;
            cluster.finish_move(slot, from, to)?;
            assert_eq!(in_one_slot.join().unwrap(), [Some(1), Some(1)]);
            assert_eq!(in_two_slots.join().unwrap(), [Some(1), Some(9), Some(1)]);
            assert_eq!(transaction.join().unwrap(), (2, 2));
            Ok(())
        })
    })
}

/// A slot on its way from one master to another.
struct Move<C> {
    client: C,
    /// 1 at each of ten keys, of which the first five have arrived.
    numbers: RedisDict<String, u64, C>,
    keys: Vec<String>,
    /// A hash that has arrived.
    hash: RedisHashDict<String, String, C>,
    slot: u16,
    from: usize,
    to: usize,
}

fn half_a_move<C: Concurrent>(cluster: &Cluster, name: &str) -> Outcome<Move<C>> {
    let client = C::of(cluster);
    let tag = format!("{{{name}}}");
    let numbers = RedisDict::new(&client, name);
    let keys: Vec<_> = (0..10).map(|number| format!("{tag}{number}")).collect();
    let hash = RedisHashDict::new(&client, &tag);
    C::finish(async {
        ok!(numbers.insert_many(keys.iter().map(|key| (key, &1))));
        ok!(hash.insert("field", "old"));
    });
    let slot = cluster.key_slot(&tag)?;
    let from = cluster.master_of(slot)?;
    let to = cluster.another_master(from)?;
    query::<()>(&cluster.url(to), "SCRIPT FLUSH")?;
    cluster.begin_move(slot, from, to)?;
    let first = keys[..5].iter().map(|key| format!("{name}:{key}").into_bytes());
    let moving: Vec<_> = first.chain([tag.into_bytes()]).collect();
    cluster.move_keys(&moving, from, to)?;
    Ok(Move { client, numbers, keys, hash, slot, from, to })
}

/// How often nodes have refused to run a command that they know.
fn refusals(cluster: &Cluster, nodes: [usize; 2], command: &str) -> Outcome<usize> {
    let mut sum = 0;
    for node in nodes {
        let statistics: String = query(&cluster.url(node), "INFO commandstats")?;
        let of_command = statistics.split(&format!("cmdstat_{command}:")).nth(1);
        let count = of_command.and_then(|rest| rest.split("rejected_calls=").nth(1));
        let count = count.and_then(|rest| rest.split(',').next());
        sum += count.map_or(Ok(0), str::parse::<usize>)?;
    }
    Ok(sum)
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
        let client = C::connect(C::cluster_builder(cluster).failover_timeout(A_SECOND));
        let dict = RedisDict::<String, u64, C>::new(&client, "headless");
        let get = |key: &str| C::finish(async { settle!(dict.get(key)) });
        let increment = |key: &str| C::finish(async { settle!(dict.increment(key, 1)) });
        let master = cluster.master_of(cluster.key_slot("headless:a")?)?;
        let replica = cluster.replica_of(master)?;
        let (a, b) = ("a", &*a_key_elsewhere(cluster, master)?);
        let insert_both = || C::finish(async { settle!(dict.insert_many([(a, &1), (b, &1)])) });
        insert_both()?;

        let address = format!("cannot connect to 127.0.0.1:{}", cluster.nodes()[master].port());
        cluster.kill(master)?;
        cluster.kill(replica)?;
        for error in [after_a_second(|| get(a)), after_a_second(|| increment(a))] {
            assert!(error.to_string().starts_with(&address), "{error}");
        }
        let others: Vec<_> = (0..NODES).filter(|node| ![master, replica].contains(node)).collect();
        wait_for_state(cluster, &others, "cluster_state:fail")?;
        for error in [after_a_second(|| get(b)), after_a_second(|| increment(b))] {
            assert_eq!(error.code(), Some("CLUSTERDOWN"), "{error}");
        }

        for &node in &others {
            query::<()>(&cluster.url(node), "CONFIG SET cluster-require-full-coverage no")?;
        }
        wait_for_state(cluster, &others, "cluster_state:ok")?;
        assert_eq!(increment(b)?, 2);
        let error = insert_both().unwrap_err();
        assert_eq!(error.applied(), Applied::Yes, "in part: {error}");
        assert_eq!(get(b)?, Some(1));
        Ok(())
    })
}

/// A key of the dictionary that another master has.
fn a_key_elsewhere(cluster: &Cluster, master: usize) -> Outcome<String> {
    let slots = cluster.slots_of(cluster.another_master(master)?)?;
    let is_there = |key: &String| {
        cluster.key_slot(format!("headless:{key}")).is_ok_and(|slot| slots.contains(&slot))
    };
    let key = (0..1000).map(|number| number.to_string()).find(is_there);
    Ok(key.ok_or("no such key")?)
}

fn wait_for_state(cluster: &Cluster, nodes: &[usize], state: &str) -> Outcome {
    wait_for(state, || {
        nodes.iter().try_fold(true, |all, &node| {
            let info: String = query(&cluster.url(node), "CLUSTER INFO")?;
            Ok(all && info.contains(state))
        })
    })
}

/// The error of a call that had patience for a second, and was not applied.
fn after_a_second<T: Debug>(call: impl FnOnce() -> Result<T>) -> Error {
    let began = Instant::now();
    let error = call().expect_err("there is no master");
    assert_eq!(error.applied(), Applied::No, "{error}");
    let patience = began.elapsed();
    // Far less than the default.
    assert!((A_SECOND..10 * A_SECOND).contains(&patience), "{patience:?}");
    error
}
