//! The race distinguishes caches that follow the server from those that do not, and ours do.

use redis_collections::{AsyncClient, Client};
use redis_collections_peers::{
    Cached, DriverCache, DriverPlain, Keyspace, Near, Outcome, Path, READERS, Race, Tracking,
    WriterMessages,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_of_the_driver_goes_stale_on_every_path() {
    for (race, outcome) in races::<DriverCache>().await {
        assert!(outcome.stale > 0, "{race:?}: {outcome:?}");
        assert!(outcome.asked < outcome.reads, "{race:?}: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cache_nothing_is_stale_and_every_read_asks_the_server() {
    for (race, outcome) in races::<DriverPlain>().await {
        assert_eq!(outcome.stale, 0, "{race:?}: {outcome:?}");
        assert_eq!(outcome.asked, outcome.reads, "{race:?}: {outcome:?}");
    }
}

/// A test for each of these caches, that nothing in it is stale after a race that it did run: it
/// answered at least a third of the reads, and values changed on the way to it, in one of several
/// tries.
macro_rules! nothing_is_stale {
    ($($name:ident: $cache:ty,)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            for race in all_races() {
                let mut tries = 0..TRIES;
                loop {
                    let outcome = race.run::<$cache>().await.unwrap();
                    assert_eq!(outcome.stale, 0, "{race:?}: {outcome:?}");
                    assert!(3 * outcome.asked < 2 * outcome.reads, "{race:?}: {outcome:?}");
                    if outcome.refused > Some(0) {
                        break;
                    }
                    assert!(tries.next().is_some(), "no value changed on its way: {race:?}");
                }
            }
        }
    )*};
}

nothing_is_stale! {
    nothing_is_stale_that_a_tracking_cache_of_an_async_client_has: Near<AsyncClient, Tracking>,
    nothing_is_stale_that_a_cache_of_an_async_client_with_writer_messages_has:
        Near<AsyncClient, WriterMessages>,
    nothing_is_stale_that_a_cache_of_an_async_client_with_keyspace_events_has:
        Near<AsyncClient, Keyspace>,
    nothing_is_stale_that_a_tracking_cache_of_a_blocking_client_has: Near<Client, Tracking>,
    nothing_is_stale_that_a_cache_of_a_blocking_client_with_writer_messages_has:
        Near<Client, WriterMessages>,
    nothing_is_stale_that_a_cache_of_a_blocking_client_with_keyspace_events_has:
        Near<Client, Keyspace>,
}

fn all_races() -> impl Iterator<Item = Race> {
    let of_path = |path| READERS.into_iter().map(move |readers| Race { path, readers, keys: KEYS });
    Path::ALL.into_iter().flat_map(of_path)
}

async fn races<C: Cached>() -> Vec<(Race, Outcome)> {
    let mut outcomes = Vec::new();
    for race in all_races() {
        let outcome = race.run::<C>().await.unwrap();
        outcomes.push((race, outcome));
    }
    outcomes
}

/// Enough for some to become stale in every run.
const KEYS: usize = 100;

/// A busy machine may keep the readers from racing.
const TRIES: usize = 10;
