use redis_collections::{Client, LocalServer, RedisDict, RedisList};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A cluster of one node, which behaves like one of many.
    let server = LocalServer::start_with(&["--cluster-enabled", "yes"])?;
    let mut node = redis::Client::open(server.url())?.get_connection()?;
    redis::cmd("CLUSTER").arg(&["ADDSLOTSRANGE", "0", "16383"]).exec(&mut node)?;

    // Some nodes are named, the others are found.
    let client = Client::cluster([server.url()])?;

    // The entries of a dictionary are spread over the nodes. A bulk operation asks all of them at the
    // same time.
    let ages: RedisDict<String, u32> = RedisDict::new(&client, "ages");
    ages.insert_many([("ann", &36), ("bob", &40)])?;
    assert_eq!(ages.get_many(["bob", "ann"])?, [Some(40), Some(36)]);

    // One command works on keys of one slot. A hash tag, the part in braces, decides which that is.
    let new: RedisList<String> = RedisList::new(&client, "{orders}:new");
    let done: RedisList<String> = RedisList::new(&client, "{orders}:done");
    new.push_back("7")?;
    assert_eq!(new.pop_front_to(&done)?.as_deref(), Some("7"));

    // Without one nothing is sent, and the error says what to do.
    let elsewhere: RedisList<String> = RedisList::new(&client, "archive");
    let error = done.pop_front_to(&elsewhere).unwrap_err();
    assert!(error.to_string().contains("hash tag"));
    Ok(())
}
