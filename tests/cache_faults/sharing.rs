//! Callers that share a load, and callers that may not.

use redis_collections::{AsyncClient, CachePolicy, LocalServer, Result};

use super::source::{Cache, Loads, Source, call, get, peek, start};
use super::{lease_end, minute, time};
use support::concurrent::{Concurrent, on_threads_and_tasks};
use support::servers::{Outcome, query};
use support::{eventually, kinds::RUNTIME};

on_threads_and_tasks![
    callers_in_a_program_share_one_load,
    callers_in_two_programs_share_one_load,
    callers_share_the_next_load_without_a_server,
    a_call_after_a_change_gets_nothing_older,
    all_callers_receive_a_panic,
    another_program_loads_at_once_after_a_panic,
    a_get_waits_for_no_get_many_of_others,
    a_get_waits_for_no_refresh_of_others,
];

const CALLERS: u64 = 50;

fn callers_in_a_program_share_one_load<C: Loads>() -> Outcome {
    let (server, source) = (LocalServer::start()?, Source::shut(7));
    let cache = source.cache(&client::<C>(&server), minute());
    let callers: Vec<_> = (0..CALLERS).map(|_| start(&cache, 1)).collect();
    assert!(eventually(|| cache.stats().joined == CALLERS - 1), "{:?}", cache.stats());
    source.open();
    for caller in callers {
        assert_eq!(caller()?, Some(7));
    }
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.waited, stats.loads, source.loads()), (CALLERS, 0, 1, 1));
    Ok(())
}

fn callers_in_two_programs_share_one_load<C: Loads>() -> Outcome {
    let (server, source) = (LocalServer::start()?, Source::shut(7));
    let [one, other] = [(); 2].map(|()| source.cache(&client::<C>(&server), minute()));
    let first = start(&one, 1);
    source.awaits_loads(1);
    let others: Vec<_> = (0..3).map(|_| start(&other, 1)).collect();
    let waits = || (other.stats().waited, other.stats().joined) == (1, 2);
    assert!(eventually(waits), "{:?}", other.stats());
    source.open();
    for caller in others.into_iter().chain([first]) {
        assert_eq!(caller()?, Some(7));
    }
    assert_eq!((source.loads(), other.stats().loads), (1, 0));
    Ok(())
}

fn callers_share_the_next_load_without_a_server<C: Loads>() -> Outcome {
    let (mut server, source) = (LocalServer::start()?, Source::shut(7));
    let cache = source.cache(&client::<C>(&server), minute());
    server.stop()?;
    let first = start(&cache, 1);
    source.awaits_loads(1);
    source.set(8);
    let callers: Vec<_> = (1..CALLERS).map(|_| start(&cache, 1)).collect();
    assert!(eventually(|| cache.stats().joined == CALLERS - 2), "{:?}", cache.stats());
    source.open();
    assert_eq!(first()?, Some(7));
    for caller in callers {
        assert_eq!(caller()?, Some(8));
    }
    assert_eq!((source.loads(), cache.stats().without_redis > 0), (2, true));
    Ok(())
}

/// The load that they would share, or wait for, began before.
fn a_call_after_a_change_gets_nothing_older<C: Loads>() -> Outcome {
    type Change<C> = fn(&Cache<C>) -> Result<()>;
    let changes: [(&str, Change<C>); 4] = [
        ("delete", |cache| call!(cache.delete(&1)).map(drop)),
        ("delete_many", |cache| call!(cache.delete_many(&[1, 2])).map(drop)),
        ("clear", |cache| call!(cache.clear()).map(drop)),
        ("set_value", |cache| call!(cache.set_value(&1, &8))),
    ];
    for ((what, change), is_own) in changes.iter().flat_map(|way| [(way, true), (way, false)]) {
        let (server, source) = (LocalServer::start()?, Source::shut(7));
        let [one, other] = [(); 2].map(|()| source.cache(&client::<C>(&server), minute()));
        let before = start(&one, 1);
        source.awaits_loads(1);
        source.set(8);
        change(if is_own { &one } else { &other })?;
        let after = [start(&one, 1), start(&other, 1)];
        let is_new = || one.stats().misses + other.stats().misses == 3 || *what == "set_value";
        assert!(eventually(is_new));
        source.open();
        assert!(before().is_ok());
        for caller in after {
            assert_eq!(caller()?, Some(8), "{what}");
        }
        assert_eq!([get(&one, 1)?, get(&other, 1)?], [Some(8); 2], "{what}");
        assert_eq!(one.stats().outdated, 1, "{what}");
    }
    Ok(())
}

fn all_callers_receive_a_panic<C: Loads>() -> Outcome {
    let (server, source) = (LocalServer::start()?, Source::shut(7));
    let cache = source.cache(&client::<C>(&server), minute());
    let callers: Vec<_> = (0..3).map(|_| start(&cache, 1)).collect();
    assert!(eventually(|| cache.stats().joined == 2));
    source.panic();
    for caller in callers {
        let error = caller().expect_err("no value");
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("it panicked"), "{error}");
    }
    assert_eq!((source.loads(), cache.stats().load_errors), (1, 1));
    Ok(())
}

fn another_program_loads_at_once_after_a_panic<C: Loads>() -> Outcome {
    let (server, bad, good) = (LocalServer::start()?, Source::shut(7), Source::of(8));
    let one = bad.cache(&client::<C>(&server), minute().lease(super::MINUTE));
    let other = good.cache(&client::<C>(&server), minute().lease(super::MINUTE));
    let first = start(&one, 1);
    bad.awaits_loads(1);
    let waiting = start(&other, 1);
    assert!(eventually(|| other.stats().waited == 1));
    let end = lease_end(&server)?;
    bad.panic();
    assert!(first().is_err() && waiting().is_err());
    assert_eq!(good.loads(), 0);
    assert_eq!(get(&other, 1)?, Some(8));
    assert!(time(&server)? < end, "it waited for the lease");
    Ok(())
}

/// Whose loader hangs at the first of many ids.
fn a_get_waits_for_no_get_many_of_others<C: Loads>() -> Outcome {
    let (server, slow) = (LocalServer::start()?, Source::shut(7));
    let [one, other] = [(); 2].map(|()| slow_at_first(&client::<C>(&server), &slow, minute()));
    let many = C::start({
        let (cache, ids) = (one.clone(), MANY.collect::<Vec<_>>());
        async move { C::settle(cache.get_many(&ids)).await }
    });
    slow.awaits_loads(1);
    assert_eq!([get(&one, 99)?, get(&other, 98)?], [Some(8); 2]);
    assert_eq!((one.stats().joined, other.stats().waited), (0, 0));
    slow.open();
    let found: Vec<_> = many()?.iter().map(|found| found.as_deref().copied()).collect();
    assert_eq!((found.len(), found[0]), (100, Some(7)));
    assert!(found[1..].iter().all(|found| *found == Some(8)));
    Ok(())
}

fn a_get_waits_for_no_refresh_of_others<C: Loads>() -> Outcome {
    let (server, slow) = (LocalServer::start()?, Source::shut(7));
    let policy = minute().stale_while_revalidate(super::MINUTE);
    let cache = slow_at_first(&client::<C>(&server), &slow, policy);
    for id in MANY {
        query::<()>(server.url(), &format!("SET c~rc:cache:{id} 1 PX 50000"))?;
    }
    for _ in 0..2 {
        let found = call!(cache.get_many(&MANY.collect::<Vec<_>>()))?;
        assert!(found.iter().all(|found| found.as_deref() == Some(&1)));
    }
    slow.awaits_loads(1);
    query::<()>(server.url(), "DEL c~rc:cache:99")?;
    assert_eq!(get(&cache, 99)?, Some(8));
    slow.open();
    let is_new = |id| peek(&cache, id).is_ok_and(|found| found > Some(1));
    assert!(eventually(|| MANY.into_iter().all(is_new)));
    let stats = cache.stats();
    assert_eq!((stats.refreshes, stats.loads), (100, 100), "each value once");
    Ok(())
}

const MANY: std::ops::Range<u64> = 0..100;

/// A cache whose loader hangs for id 0 until `slow` is opened.
fn slow_at_first<C: Loads>(client: &C, slow: &Source, policy: CachePolicy) -> Cache<C> {
    let (slow, fast) = (slow.clone(), Source::of(8));
    let load = move |id, ()| C::work(if id == 0 { slow.clone() } else { fast.clone() }.load());
    Cache::new(client, "c", policy, load).expect("a cache")
}

#[test]
fn a_caller_that_is_dropped_does_not_stop_the_load_of_others() -> Outcome {
    let (server, source) = (LocalServer::start()?, Source::shut(7));
    let cache = source.cache(&client::<AsyncClient>(&server), minute());
    let dropped = RUNTIME.spawn({
        let cache = cache.clone();
        async move { cache.get(&1).await }
    });
    source.awaits_loads(1);
    let other = start(&cache, 1);
    assert!(eventually(|| cache.stats().joined == 1));
    dropped.abort();
    assert!(RUNTIME.block_on(dropped).is_err_and(|error| error.is_cancelled()));
    source.open();
    assert_eq!(other()?, Some(7));
    assert_eq!(source.loads(), 1);
    Ok(())
}

fn client<C: Concurrent>(server: &LocalServer) -> C {
    C::connect(C::builder(server.url()))
}
