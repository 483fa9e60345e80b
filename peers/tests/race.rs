//! That the race tells caches which follow the server from those which do not.

use redis_collections_peers::{Cached, DriverCache, DriverPlain, Outcome, Path, READERS, Race};

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

async fn races<C: Cached>() -> Vec<(Race, Outcome)> {
    let mut outcomes = Vec::new();
    for path in Path::ALL {
        for readers in READERS {
            let race = Race { path, readers, keys: KEYS };
            outcomes.push((race, race.run::<C>().await.unwrap()));
        }
    }
    outcomes
}

/// Enough for some to become stale in every run.
const KEYS: usize = 300;
