//! Iterations in the middle of which masters and replicas exchange their roles.

mod support;

use std::collections::HashSet;

use redis_collections::{AsyncClient, Client, RedisDict, RedisHashDict, Scan};
use support::cluster::Cluster;
use support::concurrent::{Concurrent, on_both_kinds, on_shared_cluster};
use support::kinds::ok;
use support::servers::Outcome;

on_both_kinds! {
    all_values_of_a_dict_are_found_though_roles_are_exchanged,
    all_fields_of_a_hash_are_found_though_roles_are_exchanged,
}

const ENTRIES: u64 = 5000;
const PAGE: usize = 50;

fn all_values_of_a_dict_are_found_though_roles_are_exchanged<C: Stepwise>() -> Outcome {
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

fn all_fields_of_a_hash_are_found_though_roles_are_exchanged<C: Stepwise>() -> Outcome {
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

/// What an iteration finds while every master, one after the other, becomes a replica.
fn found_meanwhile<C: Stepwise>(
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

/// A kind of client whose iterations can be continued.
trait Stepwise: Concurrent {
    async fn take(scan: &mut Scan<u64, Self>, elements: usize) -> Vec<u64>;
}

impl Stepwise for Client {
    async fn take(scan: &mut Scan<u64, Self>, elements: usize) -> Vec<u64> {
        scan.take(elements).map(|element| element.unwrap()).collect()
    }
}

impl Stepwise for AsyncClient {
    async fn take(scan: &mut Scan<u64, Self>, elements: usize) -> Vec<u64> {
        let mut taken = Vec::new();
        while taken.len() < elements {
            let Some(element) = scan.next().await else { break };
            taken.push(element.unwrap());
        }
        taken
    }
}
