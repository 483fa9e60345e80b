// Values that are slow to compute or to fetch live in Redis for all programs. One program loads a
// missing value.
use std::error::Error;
use std::time::Duration;

use redis_collections::{CacheClient, CachePolicy, Client, Json, Loaded, LocalServer};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
}

/// A stand-in for a slow query that may fail.
fn query(id: u64, region: &str) -> Result<Option<User>, std::io::Error> {
    Ok((id < 1000).then(|| User { name: format!("user {id} in {region}") }))
}

fn main() -> Result<(), Box<dyn Error>> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;
    let minute = Duration::from_secs(60);
    let policy = CachePolicy::time_to_live(10 * minute)
        .jitter(0.1)
        // Reloads in the background on a read in the last minute before expiry.
        .refresh_ahead(minute)
        // Serves an expired value rather than an error, for an hour.
        .stale_if_error(60 * minute)
        .remember_absence(minute)
        // Longer than a query takes. Another program takes over from a dead one after this time.
        .lease(Duration::from_secs(5));

    // A loader takes arguments besides the id, here a region.
    let users: CacheClient<u64, Json<User>, Client, &'static str> =
        CacheClient::new(&client, "users", policy, |id: u64, region| {
            let found = query(id, region)?;
            Ok::<_, std::io::Error>(match found {
                Some(user) if id == 0 => Loaded::new(user).with_ttl(Duration::from_secs(1)),
                found => Loaded::from(found),
            })
        })?;

    let ann = users.get_with(&7, "europe")?; // GET, load, store
    assert!(ann.is_some_and(|ann| ann.name == "user 7 in europe"));
    assert_eq!(users.get_with(&5000, "europe")?, None); // remembered as absent

    // Delete the value after a change of the source. A load that began before stores nothing.
    users.delete(&7)?;

    let stats = users.stats();
    println!("{} hits, {} loads, {:?} each", stats.hits, stats.loads, stats.load_time);
    Ok(())
}
