use redis_collections::{Client, LocalServer, RedisDict, RedisSet};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;
    let ages: RedisDict<String, u32> = RedisDict::new(&client, "ages");
    let seen: RedisSet<String> = RedisSet::new(&client, "seen");

    // A tuple of commands returns a tuple of results. A command fails alone.
    let (age, new) =
        client.pipeline((ages.deferred().get("ann"), seen.deferred().insert("ann")))?;
    assert_eq!((age?, new?), (None, true));

    // A vector of commands of one kind returns a vector of results.
    let inserts = (0..100).map(|age| ages.deferred().insert(&format!("user {age}"), &age));
    for inserted in client.pipeline(inserts.collect::<Vec<_>>())? {
        inserted?;
    }

    // No other command runs within a transaction, and a failure fails the whole.
    let (age, seen) =
        client.transaction((ages.deferred().take("user 7"), seen.deferred().len()))?;
    assert_eq!((age, seen), (Some(7), 1));
    Ok(())
}
