//! Faults of a real cluster in the middle of a running workload: what is lost is what the servers
//! lose, and nothing is done twice.

mod support;

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis_collections::{Applied, AsyncClient, Client};
use support::cluster::{Cluster, SLOTS};
use support::concurrent::Concurrent;
use support::servers::{Outcome, query};
use support::workload::{Report, Workload};

/// Shared by all tests that leave it healthy, one after the other.
static CLUSTER: Mutex<Option<Cluster>> = Mutex::new(None);

/// Runs a test while no other runs. If it fails, nobody uses its cluster again.
fn on_cluster(test: impl FnOnce(&mut Cluster) -> Outcome) -> Outcome {
    let mut shared = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
    let mut cluster = shared.take().map_or_else(Cluster::start, Ok)?;
    test(&mut cluster)?;
    cluster.wait_until_healthy()?;
    *shared = Some(cluster);
    Ok(())
}

macro_rules! on_both_kinds {
    ($($test:ident),+ $(,)?) => {
        mod blocking {
            $(#[test] fn $test() -> super::Outcome { super::$test::<super::Client>() })+
        }
        mod concurrent {
            $(#[test] fn $test() -> super::Outcome { super::$test::<super::AsyncClient>() })+
        }
    };
}

on_both_kinds![
    a_killed_master_is_replaced,
    slots_are_moved,
    connections_are_cut,
    a_hanging_master_is_replaced,
];

fn a_killed_master_is_replaced<C: Concurrent>() -> Outcome {
    on_cluster(|cluster| {
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

fn slots_are_moved<C: Concurrent>() -> Outcome {
    on_cluster(|cluster| {
        let client = C::of(cluster);
        let report = during(&client, cluster, "moved", |cluster| {
            for number in 0..12 {
                let slot = cluster.key_slot(format!("moved-{}:counter-0-{number}", C::NAME))?;
                let from = cluster.master_of(slot)?;
                let to = cluster.master_of((slot + SLOTS / 3) % SLOTS)?;
                let keys: usize =
                    query(&cluster.url(from), &format!("CLUSTER COUNTKEYSINSLOT {slot}"))?;
                assert!(keys > 0 && from != to);
                cluster.move_slot(slot, from, to)?;
            }
            Ok(())
        })?;
        print::<C>("slots moved", &report);
        assert_nothing_happened(&report);
        Ok(())
    })
}

fn connections_are_cut<C: Concurrent>() -> Outcome {
    on_cluster(|cluster| {
        let client = C::of(cluster);
        let report = during(&client, cluster, "cut", |cluster| {
            for _ in 0..20 {
                for url in cluster.urls() {
                    query::<usize>(&url, "CLIENT KILL TYPE normal SKIPME yes")?;
                }
            }
            Ok(())
        })?;
        print::<C>("connections cut", &report);
        assert_eq!((report.doubled(), report.lost_outside(&HashSet::new())), (0, 0));
        for failure in &report.failures {
            assert_eq!(failure.applied, Applied::Perhaps, "{failure:?}");
        }
        Ok(())
    })
}

fn a_hanging_master_is_replaced<C: Concurrent>() -> Outcome {
    on_cluster(|cluster| {
        let client = C::connect(C::builder(cluster).response_timeout(Duration::from_millis(500)));
        let master = cluster.master_of(0)?;
        let slots = cluster.slots_of(master)?;
        let report = during(&client, cluster, "hanging", |cluster| {
            cluster.pause(master)?;
            cluster.wait_for_new_master(slots[0], master).map(drop)
        })?;
        print::<C>("a master hanging", &report);
        Ok(())
    })
}

/// What a workload finds while something happens to the cluster that it runs on.
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
    Ok(workload.stop(&C::of(cluster), &name)?)
}

fn assert_nothing_happened(report: &Report) {
    assert_eq!((report.doubled(), report.lost_outside(&HashSet::new())), (0, 0));
    assert!(report.failures.is_empty(), "{:?}", report.failures);
}

fn print<C: Concurrent>(fault: &str, report: &Report) {
    println!("{fault}, {}: {report}", C::NAME);
}
