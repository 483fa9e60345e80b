//! Loads without a value, as seen by other programs.

use std::time::Duration;

use redis::cmd;
use redis_collections::{CachePolicy, Error, LoadError, LocalServer, Result};

use super::source::{Cache, Loads, Source, call, get, start};
use super::{aside, keys, minute, time};
use support::concurrent::{Running, on_threads_and_tasks};
use support::eventually;
use support::kinds::SourceDown;
use support::servers::{Outcome, query, run};

on_threads_and_tasks![
    waiting_programs_receive_the_error_of_a_load,
    waiting_programs_receive_the_panic_of_a_load,
    waiting_programs_receive_the_absence_of_a_value,
    waiting_programs_receive_the_outcome_though_another_load_has_begun,
    a_later_program_loads_again,
    an_error_is_remembered_by_all_programs_that_want_it,
    an_error_is_forgotten_when_the_value_is_set_or_deleted,
    an_old_value_is_served_when_another_program_fails,
];

const PROGRAMS: usize = 10;
const HOUR: Duration = Duration::from_secs(3600);

fn waiting_programs_receive_the_error_of_a_load<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    for found in after_one_load::<C>(&server, minute(), Source::fail)? {
        let error = load_error(found);
        assert_eq!(error.to_string(), SourceDown.to_string());
        assert!(error.is_remote() && !error.is_panic());
        assert!(error.downcast_ref::<SourceDown>().is_none());
    }
    Ok(())
}

fn waiting_programs_receive_the_panic_of_a_load<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    for found in after_one_load::<C>(&server, minute(), Source::panic)? {
        let error = load_error(found);
        assert!(error.is_remote() && error.is_panic());
    }
    Ok(())
}

fn waiting_programs_receive_the_absence_of_a_value<C: Loads>() -> Outcome {
    for policy in [minute(), minute().remember_absence(HOUR)] {
        // Bytes that are no value are there to be replaced.
        for before in ["DEL c~rc:cache:1", "SET c~rc:cache:1 x"] {
            let server = LocalServer::start()?;
            query::<redis::Value>(server.url(), before)?;
            for found in after_one_load::<C>(&server, policy.clone(), Source::find_none)? {
                assert_eq!(found?, None);
            }
        }
    }
    Ok(())
}

/// The outcomes that callers in many programs receive of one load in another.
fn after_one_load<C: Loads>(
    server: &LocalServer,
    policy: CachePolicy,
    end: fn(&Source),
) -> Outcome<Vec<Result<Option<u64>>>> {
    let source = Source::shut(7);
    let (first, others) = wait_for_one_load::<C>(server, &source, policy)?;
    end(&source);
    let found = others.into_iter().map(|other| other()).collect();
    drop(first());
    assert_eq!(source.loads(), 1);
    Ok(found)
}

type Caller = Running<Result<Option<u64>>>;

/// Lets one program load, and two callers in each of many others wait for it.
fn wait_for_one_load<C: Loads>(
    server: &LocalServer,
    source: &Source,
    policy: CachePolicy,
) -> Outcome<(Caller, Vec<Caller>)> {
    let first = start(&program::<C>(server, source, policy.clone()), 1);
    source.awaits_loads(1);
    let mut others = Vec::new();
    for _ in 0..PROGRAMS {
        let cache = program::<C>(server, source, policy.clone());
        others.extend([(); 2].map(|()| start(&cache, 1)));
        let wait = || (cache.stats().waited, cache.stats().joined) == (1, 1);
        assert!(eventually(wait), "{:?}", cache.stats());
    }
    Ok((first, others))
}

fn waiting_programs_receive_the_outcome_though_another_load_has_begun<C: Loads>() -> Outcome {
    let (server, source) = (LocalServer::start()?, Source::shut(7));
    let (first, others) = wait_for_one_load::<C>(&server, &source, minute())?;
    // As after the first load has failed and before any of them has asked.
    let (now, entry) = (time(&server)?, aside(&server)?);
    let entry_of_the_next = format!("{}:next:{now}:error:of the first", now + 60_000);
    let () = run(server.url(), cmd("HSET").arg(entry).arg("").arg(entry_of_the_next))?;
    for other in others {
        assert_eq!(load_error(other()).to_string(), "of the first");
    }
    source.open();
    assert_eq!((first()?, source.loads()), (Some(7), 1));
    Ok(())
}

/// An outcome is left for waiting programs, for a moment.
fn a_later_program_loads_again<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    for (end, is_error) in [(Source::fail as fn(&Source), true), (Source::find_none, false)] {
        after_one_load::<C>(&server, minute(), end)?;
        assert_eq!(keys(&server, "*")?.len(), 1);
        let source = Source::of(8);
        let cache = program::<C>(&server, &source, minute());
        assert_eq!(get(&cache, 1)?, Some(8), "{is_error}");
        call!(cache.delete(&1))?;
        after_one_load::<C>(&server, minute(), end)?;
        let is_gone = || keys(&server, "*").is_ok_and(|keys| keys.is_empty());
        assert!(eventually(is_gone), "{:?}", keys(&server, "*"));
    }
    Ok(())
}

fn an_error_is_remembered_by_all_programs_that_want_it<C: Loads>() -> Outcome {
    let (server, source) = (LocalServer::start()?, Source::shut(7));
    source.fail();
    let remembers = || program::<C>(&server, &source, minute().remember_errors(HOUR));
    let first = remembers();
    for _ in 0..2 {
        assert!(load_error(get(&first, 1)).downcast_ref::<SourceDown>().is_some());
    }
    for other in [remembers(), remembers()] {
        for _ in 0..2 {
            assert!(load_error(get(&other, 1)).is_remote());
        }
    }
    assert_eq!(source.loads(), 1);
    let left: u64 = query(server.url(), &format!("PTTL {}", aside(&server)?))?;
    assert!(left <= HOUR.as_millis() as u64, "{left}");
    let forgets = program::<C>(&server, &source, minute());
    assert!(!load_error(get(&forgets, 1)).is_remote());
    assert_eq!(source.loads(), 2);
    // An error of long ago.
    let entry = format!("{}:-:{}:error:old", time(&server)? + 60_000, time(&server)? - 3_600_000);
    let () = run(server.url(), cmd("HSET").arg(aside(&server)?).arg("").arg(entry))?;
    assert!(!load_error(get(&remembers(), 1)).is_remote());
    assert_eq!(source.loads(), 3);
    Ok(())
}

fn an_error_is_forgotten_when_the_value_is_set_or_deleted<C: Loads>() -> Outcome {
    type Change<C> = fn(&Cache<C>) -> Result<()>;
    let changes: [(Change<C>, Option<u64>); 4] = [
        (|cache| call!(cache.set_value(&1, &9)), Some(9)),
        (|cache| call!(cache.delete(&1)).map(drop), Some(8)),
        (|cache| call!(cache.clear()).map(drop), Some(8)),
        (|cache| call!(cache.set(&1)).map(drop), Some(8)),
    ];
    for (change, found) in changes {
        let (server, down, up) = (LocalServer::start()?, Source::shut(7), Source::of(8));
        down.fail();
        let policy = || minute().remember_errors(HOUR);
        load_error(get(&program::<C>(&server, &down, policy()), 1));
        let other = program::<C>(&server, &up, policy());
        change(&other)?;
        assert_eq!(get(&other, 1)?, found);
    }
    Ok(())
}

fn an_old_value_is_served_when_another_program_fails<C: Loads>() -> Outcome {
    let server = LocalServer::start()?;
    // It expired a while ago.
    query::<()>(server.url(), "SET c~rc:cache:1 5 PX 3000000")?;
    for found in after_one_load::<C>(&server, minute().stale_if_error(HOUR), Source::fail)? {
        assert_eq!(found?, Some(5));
    }
    Ok(())
}

/// A cache of its own, as another program has it.
fn program<C: Loads>(server: &LocalServer, source: &Source, policy: CachePolicy) -> Cache<C> {
    source.cache(&C::connect(C::builder(server.url())), policy)
}

fn load_error(found: Result<Option<u64>>) -> LoadError {
    match found {
        Err(Error::Load { source, .. }) => source,
        found => panic!("not an error of a loader: {found:?}"),
    }
}
