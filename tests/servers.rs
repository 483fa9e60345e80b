//! The support that starts clusters, sentinels and servers with TLS.

mod support;

use std::{error::Error, time::Instant};
use support::{cluster::Cluster, sentinel::Sentinels};

type Outcome = Result<(), Box<dyn Error>>;

#[test]
fn a_cluster() -> Outcome {
    let start = Instant::now();
    let mut cluster = Cluster::start()?;
    println!("start {:?}", start.elapsed());
    println!(
        "{:?}",
        (0..6).map(|i| support::servers::query::<String>(&cluster.url(i), "CLUSTER NODES")).next()
    );
    let slot = cluster.key_slot("key")?;
    let master = cluster.master_of(slot)?;
    let start = Instant::now();
    cluster.kill(master)?;
    let new = cluster.wait_for_new_master(slot, master)?;
    println!("new master {:?} {master} {new}", start.elapsed());
    let start = Instant::now();
    cluster.restart(master)?;
    println!("restart {:?}", start.elapsed());
    let start = Instant::now();
    cluster.failover(master)?;
    println!("failover {:?}", start.elapsed());
    let start = Instant::now();
    cluster.move_slot(slot, master, (master + 1) % 3)?;
    println!("move {:?}", start.elapsed());
    Ok(())
}

#[test]
fn sentinels() -> Outcome {
    let start = Instant::now();
    let mut sentinels = Sentinels::start()?;
    println!("S start {:?}", start.elapsed());
    let start = Instant::now();
    let old = sentinels.kill_master()?;
    let new = sentinels.wait_for_new_master(old)?;
    println!("S new master {:?} {old} {new}", start.elapsed());
    let start = Instant::now();
    sentinels.restart(old)?;
    println!("S restart {:?}", start.elapsed());
    let start = Instant::now();
    sentinels.failover()?;
    println!("S failover {:?}", start.elapsed());
    Ok(())
}
