//! The stampede distinguishes caches that load once from those in which each process loads by
//! itself.

use std::path::Path;

use redis_collections_peers::{Stampede, Stampeded, Subject};

#[test]
fn several_processes_load_in_the_cached_crate() {
    let outcome = stampede(Subject::Memoized, false);
    assert!(outcome.loads > 1, "{outcome:?}");
    assert!(outcome.is_right(), "{outcome:?}");
}

#[test]
fn several_processes_load_in_the_cached_crate_also_when_a_loader_is_killed() {
    let outcome = stampede(Subject::Memoized, true);
    assert!(outcome.loads > 2, "{outcome:?}");
    assert!(outcome.is_right(), "{outcome:?}");
}

#[test]
fn one_process_loads_in_ours() {
    let outcome = stampede(Subject::Ours, false);
    assert_eq!(outcome.loads, 1, "{outcome:?}");
    assert!(outcome.is_right(), "{outcome:?}");
}

#[test]
fn at_most_one_more_process_loads_in_ours_when_the_loader_is_killed() {
    let outcome = stampede(Subject::Ours, true);
    assert!(outcome.loads <= 2, "{outcome:?}");
    assert!(outcome.is_right(), "{outcome:?}");
}

fn stampede(subject: Subject, kills: bool) -> Stampeded {
    let stampede = Stampede { subject, processes: 8, threads: 16, kills };
    let outcome = stampede.run(Path::new(env!("CARGO_BIN_EXE_stampede"))).unwrap();
    let living = if kills { 7 } else { 8 };
    assert_eq!(outcome.right + outcome.wrong.len() + outcome.missing, living * 16, "{outcome:?}");
    outcome
}
