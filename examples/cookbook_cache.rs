// Feature `near-cache`. The program keeps values of a dictionary that is read far more often than
// it is written, and invalidates them when any client changes them.
use std::error::Error;
use std::time::Duration;

use redis_collections::{Client, LocalServer, NearCacheSettings, OnDisconnect, RedisDict};

fn main() -> Result<(), Box<dyn Error>> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;
    let prices: RedisDict<String, u64> = RedisDict::new(&client, "prices");
    prices.insert("apple", &30)?;

    let cached = prices.cached(
        NearCacheSettings::tracking()
            .capacity(100_000)
            // Bounds the staleness of served values, whatever happens to connections.
            .max_staleness(Duration::from_secs(1))
            // While disconnected, serve old prices for a minute rather than none.
            .on_disconnect(OnDisconnect::Serve(Duration::from_secs(60))),
    )?;
    // A miss asks the server, once for all concurrent threads.
    assert_eq!(cached.get("apple")?.as_deref(), Some(&30));
    assert_eq!(cached.get("apple")?.as_deref(), Some(&30));

    // Writes through the cached dictionary are read at once. Writes by other clients are read after
    // the server's invalidation, about a round trip later.
    cached.insert("apple", &35)?;
    assert_eq!(cached.get("apple")?.as_deref(), Some(&35));

    let stats = cached.stats();
    println!("{} hits, {} misses, at most {:?} behind", stats.hits, stats.misses, stats.lag);
    Ok(())
}
