//! Faults of a real cluster in the middle of a running workload: only writes that the
//! servers lose are lost, and nothing is done twice.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use redis_collections::{Applied, Error, RedisDict, RedisList, Result};
use support::concurrent::{Concurrent, on_shared_cluster, on_threads_and_tasks};
use support::contract::settle;
use support::eventually;
use support::servers::cluster::Cluster;
use support::servers::{Outcome, query};
use support::workload::{Report, Workload};

const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// For so long a call is tried again.
const A_FAILOVER: Duration = Duration::from_secs(20);

on_threads_and_tasks![
    a_killed_master_is_replaced,
    a_move_of_slots_costs_no_value_and_no_error,
    cut_connections_lose_and_double_nothing,
    a_hanging_master_is_replaced,
    an_exchange_of_roles_costs_no_value_and_no_error,
    servers_that_do_not_report_their_hosts_are_followed,
    a_lasting_error_fails_at_once,
];

fn a_killed_master_is_replaced<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        let client = C::of(cluster);
        let master = cluster.master_of(0)?;
        let slots = cluster.slots_of(master)?;
        let report = during(&client, cluster, "killed", |cluster| {
            cluster.kill(master)?;
            cluster.wait_for_new_master(slots[0], master).map(drop)
        })?;
        print::<C>("a master killed", &report);
        assert_eq!(report.doubled(), 0);
        let slots = HashSet::from_iter(slots);
        assert_eq!(report.lost_outside(&slots), 0);
        assert!(report.most_losses() <= 1, "what was acknowledged after the failover stays");
        for failure in &report.failures {
            assert_eq!(failure.applied, Applied::Perhaps, "{failure:?}");
            assert!(failure.slot.is_some_and(|slot| slots.contains(&slot)), "{failure:?}");
        }

        let report = during(&client, cluster, "returned", |cluster| cluster.restart(master))?;
        print::<C>("the old master returned", &report);
        assert_nothing_happened(&report);
        Ok(())
    })
}

fn a_move_of_slots_costs_no_value_and_no_error<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        let workload = Workload::start(&C::of(cluster), &format!("moved-{}", C::NAME));
        workload.wait_for_a_round()?;
        for slot in workload.some_slots() {
            let from = cluster.master_of(slot)?;
            let to = cluster.another_master(from)?;
            let count = format!("CLUSTER COUNTKEYSINSLOT {slot}");
            assert!(query::<usize>(&cluster.url(from), &count)? > 0);
            cluster.move_slot(slot, from, to)?;
        }
        workload.wait_for_a_round()?;
        for url in cluster.urls() {
            query::<()>(&url, "CONFIG RESETSTAT")?;
        }
        workload.wait_for_a_round()?;
        for url in cluster.urls() {
            let errors: String = query(&url, "INFO errorstats")?;
            assert!(!errors.contains("MOVED"), "the client knows where the slots are now");
        }
        let report = workload.stop(&C::of(cluster))?;
        print::<C>("slots moved", &report);
        assert_nothing_happened(&report);
        Ok(())
    })
}

fn cut_connections_lose_and_double_nothing<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        let workload = Workload::start(&C::of(cluster), &format!("cut-{}", C::NAME));
        let mut cut = 0;
        for _ in 0..20 {
            workload.wait_for_a_round()?;
            for url in cluster.urls() {
                cut += query::<usize>(&url, "CLIENT KILL TYPE normal SKIPME yes")?;
            }
        }
        workload.wait_for_a_round()?;
        let report = workload.stop(&C::of(cluster))?;
        print::<C>("connections cut", &report);
        assert!(cut >= 20, "{cut}");
        assert_eq!((report.doubled(), report.lost_outside(&HashSet::new())), (0, 0));
        for failure in &report.failures {
            assert_eq!(failure.applied, Applied::Perhaps, "{failure:?}");
        }
        Ok(())
    })
}

fn a_hanging_master_is_replaced<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        let impatient = |cluster: &_| C::cluster_builder(cluster).response_timeout(HALF_A_SECOND);
        let client = C::connect(impatient(cluster));
        let slot = cluster.key_slot("hanging:key")?;
        let master = cluster.master_of(slot)?;
        let slots = HashSet::from_iter(cluster.slots_of(master)?);
        // It asks this master only, so that no other one makes it look for the servers anew.
        let lonely = RedisDict::<String, u64, C>::new(&C::connect(impatient(cluster)), "hanging");
        let increment = || C::finish(async { settle!(lonely.increment("key", 1)) });
        increment()?;
        let report = during(&client, cluster, "hanging", |cluster| {
            cluster.pause(master)?;
            let successor = cluster.wait_for_new_master(slot, master)?;
            assert!(eventually(|| increment().is_ok()), "the new master is found");
            cluster.resume(master)?;
            cluster.wait_until_healthy()?;
            assert_eq!(cluster.replica_of(successor)?, master);
            Ok(())
        })?;
        print::<C>("a master hanging", &report);
        assert_eq!((report.doubled(), report.lost_outside(&slots)), (0, 0));
        assert!(report.most_losses() <= 1, "what was acknowledged after the failover stays");
        for failure in &report.failures {
            assert!(failure.what.ends_with("Timeout"), "{failure:?}");
            assert!(failure.slot.is_none_or(|slot| slots.contains(&slot)), "{failure:?}");
        }
        Ok(())
    })
}

fn an_exchange_of_roles_costs_no_value_and_no_error<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        let replica = cluster.replica_of(cluster.master_of(8000)?)?;
        let exchange = |cluster: &mut Cluster| cluster.failover(replica);
        let report = during(&C::of(cluster), cluster, "exchanged", exchange)?;
        print::<C>("roles exchanged", &report);
        assert_nothing_happened(&report);
        Ok(())
    })
}

fn servers_that_do_not_report_their_hosts_are_followed<C: Concurrent>() -> Outcome {
    for kind in ["unknown-endpoint", "hostname"] {
        let cluster = Cluster::start_with(&["--cluster-preferred-endpoint-type", kind])?;
        let client = C::of(&cluster);
        let dict = RedisDict::<String, u64, C>::new(&client, "{silent}");
        let list = RedisList::<String, C>::new(&client, "{silent}-list");
        let slot = cluster.key_slot("{silent}")?;
        C::finish(async { settle!(dict.insert("a", &1)) })?;
        let from = cluster.master_of(slot)?;
        let to = cluster.another_master(from)?;
        let began = Instant::now();

        cluster.begin_move(slot, from, to)?;
        let refusal = query::<u64>(&cluster.url(from), "GET {silent}:b").unwrap_err().to_string();
        assert!(!refusal.contains("127.0.0.1"), "{kind}: {refusal}");
        C::finish(async { settle!(dict.insert("b", &2)) })?;
        assert_eq!(C::finish(async { settle!(dict.get("b")) })?, Some(2), "{kind}, ASK");
        let both = vec![dict.deferred().get("a"), dict.deferred().get("b")];
        let both: Result<Vec<_>> = C::finish(client.pipeline(both))?.into_iter().collect();
        assert_eq!(both?, [Some(1), Some(2)], "{kind}, ASK for one of two");
        let transaction = vec![dict.deferred().insert("c", &3)];
        C::finish(client.transaction(transaction))?;
        assert_eq!(C::finish(async { settle!(list.wait_pop_front(HALF_A_SECOND)) })?, None);

        cluster.finish_move(slot, from, to)?;
        assert_eq!(C::finish(async { settle!(dict.get("a")) })?, Some(1), "{kind}, MOVED");
        assert!(began.elapsed() < A_FAILOVER, "{kind}: nothing was tried until it passed");
    }
    Ok(())
}

fn a_lasting_error_fails_at_once<C: Concurrent>() -> Outcome {
    on_shared_cluster(|cluster| {
        let user = "ACL SETUSER secretive reset on >right ~* &* +@all";
        for url in cluster.urls() {
            query::<()>(&url, user)?;
        }
        let known = C::cluster_builder(cluster).user("secretive");
        let client = C::connect(known.clone().password("right"));
        let dict = RedisDict::<String, u64, C>::new(&client, "secret");
        C::finish(async { settle!(dict.insert("a", &1)) })?;
        for url in cluster.urls() {
            query::<()>(&url, "ACL SETUSER secretive resetpass >other")?;
            query::<()>(&url, "CLIENT KILL USER secretive")?;
        }
        let lazy = C::connect(known.password("wrong").lazy());
        let nowhere =
            C::connect(C::seeds_builder(vec!["redis://no-such-host.invalid:6379/".into()]).lazy());
        for (what, client) in [
            ("a password that was changed", client),
            ("a wrong password", lazy),
            ("a name that does not exist", nowhere),
        ] {
            let dict = RedisDict::<String, u64, C>::new(&client, "secret");
            let began = Instant::now();
            let error = C::finish(async { settle!(dict.get("a")) }).unwrap_err();
            assert!(matches!(&error, Error::Connect { .. }), "{what}: {error}");
            assert!(began.elapsed() < A_FAILOVER, "{what} took {:?}", began.elapsed());
        }
        Ok(())
    })
}

/// The report of a workload during a fault of its cluster.
fn during<C: Concurrent>(
    client: &C,
    cluster: &mut Cluster,
    name: &str,
    fault: impl FnOnce(&mut Cluster) -> Outcome,
) -> Outcome<Report> {
    let name = format!("{name}-{}", C::NAME);
    let workload = Workload::start(client, &name);
    workload.wait_for_a_round()?;
    fault(cluster)?;
    workload.wait_for_a_round()?;
    Ok(workload.stop(&C::of(cluster))?)
}

fn assert_nothing_happened(report: &Report) {
    assert_eq!((report.doubled(), report.lost_outside(&HashSet::new())), (0, 0));
    assert!(report.failures.is_empty(), "{:?}", report.failures);
}

fn print<C: Concurrent>(fault: &str, report: &Report) {
    println!("{fault}, {}: {report}", C::NAME);
}
