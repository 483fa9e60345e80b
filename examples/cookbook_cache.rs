// Feature `near-cache`. The values of a dictionary that is read far more often than it is written are
// kept in this program too, and forgotten when anybody changes them.
use std::error::Error;
use std::time::Duration;

use redis_collections::{Client, LocalServer, NearCache, OnDisconnect, RedisDict};

fn main() -> Result<(), Box<dyn Error>> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;
    let prices: RedisDict<String, u64> = RedisDict::new(&client, "prices");
    prices.insert("apple", &30)?;

    let cached = prices.cached(
        NearCache::tracking()
            .capacity(100_000)
            // Whatever happens, no value is served that was replaced longer ago.
            .max_staleness(Duration::from_secs(1))
            // Rather old prices than none, for a minute.
            .on_disconnect(OnDisconnect::Serve(Duration::from_secs(60))),
    )?;
    // The first time the server is asked, for all threads that ask at the same time.
    assert_eq!(cached.get("apple")?.as_deref(), Some(&30));
    assert_eq!(cached.get("apple")?.as_deref(), Some(&30));

    // What is written through the cached dictionary is read at once; what others write, as soon as
    // the server has told, which takes about a round trip.
    cached.insert("apple", &35)?;
    assert_eq!(cached.get("apple")?.as_deref(), Some(&35));

    let stats = cached.stats();
    println!("{} hits, {} misses, at most {:?} behind", stats.hits, stats.misses, stats.lag);
    Ok(())
}
