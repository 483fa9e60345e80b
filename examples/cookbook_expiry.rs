use std::time::Duration;

use redis_collections::{Client, Error, LocalServer, RedisDict, RedisHashDict, Ttl};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;
    let hour = Duration::from_secs(3600);

    let sessions: RedisDict<String, String> = RedisDict::new(&client, "sessions");
    sessions.insert_with_ttl("token", "ann", hour)?;
    assert!(matches!(sessions.ttl("token")?, Ttl::Left(left) if left <= hour));

    // A hash expires as a whole, and on newer servers entry by entry.
    let cart: RedisHashDict<String, u32> = RedisHashDict::new(&client, "cart");
    cart.insert("apples", &3)?;
    assert!(cart.key().expire(hour)?);
    match cart.insert_with_ttl("pears", &1, hour) {
        Ok(new) => assert!(new),
        Err(error @ Error::Unsupported { .. }) => println!("{error}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
