//! Iterations in the middle of which masters and replicas exchange their roles, or servers are
//! restarted.

use std::collections::HashSet;

use redis_collections::{LocalServer, RedisDict, RedisHashDict, RedisSet, Scan};
use support::concurrent::{Concurrent, on_shared_cluster, on_threads_and_tasks};
use support::contract::ok;
use support::servers::Outcome;
use support::servers::cluster::Cluster;

on_threads_and_tasks! {
    all_values_of_a_dict_are_found_though_roles_are_exchanged,
    all_fields_of_a_hash_are_found_though_roles_are_exchanged,
    all_is_found_though_the_server_is_restarted,
    all_is_found_though_nodes_are_restarted,
    the_values_of_keys_that_were_found_are_read_though_they_move,
}

const ENTRIES: u64 = 5000;
const PAGE: usize = 50;

fn all_values_of_a_dict_are_found_though_roles_are_exchanged<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        let dict: RedisDict<u64, u64, C> = RedisDict::with_prefix(&C::of(cluster), "iterated");
        let numbers: Vec<u64> = (0..ENTRIES).collect();
        C::finish(async { ok!(dict.extend(numbers.iter().zip(&numbers))) });
        let found = found_meanwhile::<C>(dict.values().page_size(PAGE), cluster)?;
        C::finish(async { ok!(dict.clear()) });
        assert_eq!(found, numbers.into_iter().collect());
        Ok(())
    })
}

fn all_fields_of_a_hash_are_found_though_roles_are_exchanged<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        let hash: RedisHashDict<u64, u64, C> = RedisHashDict::new(&C::of(cluster), "iterated-hash");
        let numbers: Vec<u64> = (0..ENTRIES).collect();
        C::finish(async { ok!(hash.extend(numbers.iter().zip(&numbers))) });
        let found = found_meanwhile::<C>(hash.keys().page_size(PAGE), cluster)?;
        C::finish(async { ok!(hash.clear()) });
        assert_eq!(found, numbers.into_iter().collect());
        Ok(())
    })
}

/// Keeps its data when it is restarted.
const LASTING: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

fn all_is_found_though_the_server_is_restarted<C: Concurrent>() -> Outcome {
    let mut server = LocalServer::start_with(&LASTING)?;
    let client = C::connect(C::builder(server.url()));
    let dict: RedisDict<u64, u64, C> = RedisDict::new(&client, "d");
    let hash: RedisHashDict<u64, u64, C> = RedisHashDict::new(&client, "h");
    let set: RedisSet<u64, C> = RedisSet::new(&client, "s");
    let numbers: Vec<u64> = (0..ENTRIES).collect();
    C::finish(async {
        ok!(dict.extend(numbers.iter().zip(&numbers)));
        ok!(hash.extend(numbers.iter().zip(&numbers)));
        ok!(set.extend(&numbers));
    });
    let scans = [dict.keys(), dict.values(), hash.keys(), hash.values(), set.iter()];
    let mut scans = scans.map(|scan| scan.page_size(PAGE));
    let half = |scan| C::finish(C::take(scan, ENTRIES as usize / 2));
    let mut found = scans.each_mut().map(half);
    server.restart()?;
    for (scan, found) in scans.iter_mut().zip(&mut found) {
        found.extend(C::finish(C::take(scan, usize::MAX)));
        let repeats = found.len() - numbers.len();
        let found: HashSet<u64> = found.drain(..).collect();
        assert_eq!((found.len(), repeats), (numbers.len(), 0), "{scan:?}");
    }
    Ok(())
}

fn all_is_found_though_nodes_are_restarted<C: Concurrent>() -> Outcome {
    let lasting: Vec<_> = LASTING.into_iter().chain(["--cluster-node-timeout", "15000"]).collect();
    let mut cluster = Cluster::start_with(&lasting)?;
    let client = C::of(&cluster);
    let dict: RedisDict<u64, u64, C> = RedisDict::with_prefix(&client, "iterated");
    let hash: RedisHashDict<u64, u64, C> = RedisHashDict::new(&client, "iterated-hash");
    let numbers: Vec<u64> = (0..ENTRIES).collect();
    C::finish(async {
        ok!(dict.extend(numbers.iter().zip(&numbers)));
        ok!(hash.extend(numbers.iter().zip(&numbers)));
    });
    let (mut keys, mut fields) = (dict.keys().page_size(PAGE), hash.keys().page_size(PAGE));
    let (mut found_keys, mut found_fields) = (HashSet::new(), HashSet::new());
    for slot in [0, 8000, 16000] {
        found_keys.extend(C::finish(C::take(&mut keys, ENTRIES as usize / 4)));
        found_fields.extend(C::finish(C::take(&mut fields, ENTRIES as usize / 4)));
        cluster.restart(cluster.master_of(slot)?)?;
    }
    found_keys.extend(C::finish(C::take(&mut keys, usize::MAX)));
    found_fields.extend(C::finish(C::take(&mut fields, usize::MAX)));
    assert_eq!((found_keys.len(), found_fields.len()), (numbers.len(), numbers.len()));
    Ok(())
}

fn the_values_of_keys_that_were_found_are_read_though_they_move<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        let from = cluster.master_of(0)?;
        let to = cluster.another_master(from)?;
        let mut slots = (0..).map(|tag: u64| (tag, cluster.key_slot(format!("{{{tag}}}"))));
        let slots_of_first = cluster.slots_of(from)?;
        let is_of_first = |slot: u16| slot > 0 && slots_of_first.contains(&slot);
        let (tag, slot) =
            slots.find(|(_, slot)| slot.as_ref().is_ok_and(|&slot| is_of_first(slot))).unwrap();
        let slot = slot?;
        let dict: RedisDict<u64, u64, C> =
            RedisDict::with_prefix(&C::of(cluster), format!("moving-{}{{{tag}}}", C::NAME));
        let numbers: Vec<u64> = (0..ENTRIES).collect();
        C::finish(async { ok!(dict.extend(numbers.iter().zip(&numbers))) });
        let mut values = dict.values().page_size(PAGE);
        let mut found = C::finish(C::take(&mut values, 7 * PAGE));
        // The server that is scanned later has the slot then.
        cluster.move_slot(slot, from, to)?;
        found.extend(C::finish(C::take(&mut values, usize::MAX)));
        found.sort_unstable();
        C::finish(async { ok!(dict.clear()) });
        cluster.move_slot(slot, to, from)?;
        assert_eq!(found, numbers);
        Ok(())
    })
}

/// The elements that an iteration finds while every master, one after the other, becomes a replica.
fn found_meanwhile<C: Concurrent>(
    mut scan: Scan<u64, C>,
    cluster: &Cluster,
) -> Outcome<HashSet<u64>> {
    let mut found = HashSet::new();
    for slot in [0, 8000, 16000] {
        found.extend(C::finish(C::take(&mut scan, 7 * PAGE)));
        let master = cluster.master_of(slot)?;
        cluster.failover(cluster.replica_of(master)?)?;
    }
    found.extend(C::finish(C::take(&mut scan, usize::MAX)));
    Ok(found)
}
