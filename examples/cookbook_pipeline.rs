use redis_collections::{Client, LocalServer, RedisDict, RedisSet};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;
    let ages: RedisDict<String, u32> = RedisDict::new(&client, "ages");
    let seen: RedisSet<String> = RedisSet::new(&client, "seen");

    // A tuple of commands gives a tuple of results. One that fails, fails alone.
    let (age, new) =
        client.pipeline((ages.deferred().get("ann"), seen.deferred().insert("ann")))?;
    assert_eq!((age?, new?), (None, true));

    // So does a vector of commands of one kind.
    let inserts = (0..100).map(|age| ages.deferred().insert(&format!("user {age}"), &age));
    for inserted in client.pipeline(inserts.collect::<Vec<_>>())? {
        inserted?;
    }

    // In a transaction nothing comes in between, and a failure is one of the whole.
    let (age, seen) =
        client.transaction((ages.deferred().take("user 7"), seen.deferred().len()))?;
    assert_eq!((age, seen), (Some(7), 1));
    Ok(())
}
