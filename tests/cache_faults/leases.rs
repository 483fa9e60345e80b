//! Loads that take longer than their lease, or never end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::cmd;
use redis_collections::{CachePolicy, LocalServer};

use super::source::{Cache, Loads, Source, get, peek, start};
use super::{aside, keys, lease_end, minute, time};
use support::concurrent::on_threads_and_tasks;
use support::eventually;
use support::servers::{Outcome, run};

on_threads_and_tasks![
    another_program_loads_after_the_lease_of_a_dead_one,
    a_load_that_takes_longer_than_its_lease_is_stored,
    the_first_that_is_ready_is_stored,
    a_caller_that_waited_in_vain_loads_without_storing,
    a_caller_that_joined_in_vain_loads_too,
];

/// Longer than a busy machine keeps a thread waiting.
const LEASE: Duration = Duration::from_millis(1500);
/// A caller waits for several of them.
const SHORT_LEASE: Duration = Duration::from_millis(60);

fn leased(lease: Duration) -> CachePolicy {
    minute().lease(lease)
}

fn another_program_loads_after_the_lease_of_a_dead_one<C: Loads>() -> Outcome {
    let (server, dead) = (Arc::new(LocalServer::start()?), Source::shut(7));
    let one = dead.cache(&client::<C>(&server), leased(LEASE));
    let never = start(&one, 1);
    dead.awaits_loads(1);
    let end = lease_end(&server)?;
    let began = Arc::new(AtomicU64::new(0));
    let (clock, seen) = (server.clone(), began.clone());
    let other = Cache::new(&client::<C>(&server), "c", leased(LEASE), move |_, ()| {
        seen.store(time(&clock).expect("a time"), Ordering::SeqCst);
        C::work(Source::of(8).load())
    })?;
    assert_eq!(get(&other, 1)?, Some(8));
    assert!(began.load(Ordering::SeqCst) >= end, "it began {began:?}, the lease ended {end}");
    assert_eq!(other.stats().waited, 1);
    // It was not dead.
    dead.open();
    assert_eq!(never()?, Some(7));
    assert_eq!(peek(&other, 1)?, Some(8));
    assert_eq!(one.stats().outdated, 1);
    Ok(())
}

fn a_load_that_takes_longer_than_its_lease_is_stored<C: Loads>() -> Outcome {
    let (server, slow) = (LocalServer::start()?, Source::shut(7));
    let cache = slow.cache(&client::<C>(&server), leased(SHORT_LEASE));
    let loading = start(&cache, 1);
    slow.awaits_loads(1);
    outlast_the_lease(&server)?;
    slow.open();
    assert_eq!(loading()?, Some(7));
    assert_eq!(peek(&cache, 1)?, Some(7));
    assert_eq!(slow.loads(), 1);
    Ok(())
}

fn the_first_that_is_ready_is_stored<C: Loads>() -> Outcome {
    for is_slow_first in [true, false] {
        let (server, sources) = (LocalServer::start()?, [Source::shut(7), Source::shut(8)]);
        let caches = [0, 1].map(|i| sources[i].cache(&client::<C>(&server), leased(LEASE)));
        let slow = start(&caches[0], 1);
        sources[0].awaits_loads(1);
        outlast_the_lease(&server)?;
        let other = start(&caches[1], 1);
        sources[1].awaits_loads(1);
        let mut loads = [(0, slow, 7), (1, other, 8)];
        if !is_slow_first {
            loads.reverse();
        }
        let [(first, is_first, kept), (second, is_second, refused)] = loads;
        sources[first].open();
        assert_eq!(is_first()?, Some(kept));
        sources[second].open();
        assert_eq!(is_second()?, Some(refused));
        assert_eq!(peek(&caches[0], 1)?, Some(kept));
        assert_eq!((caches[first].stats().outdated, caches[second].stats().outdated), (0, 1));
    }
    Ok(())
}

/// Another program begins again whenever the one before has died.
fn a_caller_that_waited_in_vain_loads_without_storing<C: Loads>() -> Outcome {
    let (server, source) = (LocalServer::start()?, Source::of(7));
    let cache = source.cache(&client::<C>(&server), leased(SHORT_LEASE));
    // The state key is that of a load that has ended.
    let shut = Source::shut(0);
    let first = start(&shut.cache(&client::<C>(&server), leased(SHORT_LEASE)), 1);
    shut.awaits_loads(1);
    let entry = format!("{}:another", time(&server)? + 30 * SHORT_LEASE.as_millis() as u64);
    let () = run(server.url(), cmd("HSET").arg(aside(&server)?).arg("").arg(entry))?;
    assert_eq!(get(&cache, 1)?, Some(7));
    assert_eq!((cache.stats().waited, source.loads()), (1, 1));
    shut.open();
    assert_eq!(first()?, Some(0));
    assert_eq!(keys(&server, "c~rc:cache:?")?, [""; 0]);
    Ok(())
}

fn a_caller_that_joined_in_vain_loads_too<C: Loads>() -> Outcome {
    let (server, slow) = (LocalServer::start()?, Source::shut(7));
    let loads = Arc::new(AtomicU64::new(0));
    let (counted, first) = (loads.clone(), slow.clone());
    let cache: Cache<C> =
        Cache::new(&client::<C>(&server), "c", leased(SHORT_LEASE), move |_, ()| {
            C::work(match counted.fetch_add(1, Ordering::SeqCst) {
                0 => first.clone().load(),
                _ => Source::of(8).load(),
            })
        })?;
    let leading = start(&cache, 1);
    slow.awaits_loads(1);
    let joined = start(&cache, 1);
    assert_eq!(joined()?, Some(8));
    slow.open();
    assert_eq!(leading()?, Some(7), "it waits for its own load");
    assert_eq!((peek(&cache, 1)?, loads.load(Ordering::SeqCst)), (Some(7), 2));
    Ok(())
}

fn outlast_the_lease(server: &LocalServer) -> Outcome {
    let end = lease_end(server)?;
    assert!(eventually(|| time(server).is_ok_and(|now| now > end)));
    Ok(())
}

fn client<C: Loads>(server: &LocalServer) -> C {
    C::connect(C::builder(server.url()))
}
