use redis_collections::{Client, LocalServer, RedisDict, RedisList};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A cluster of one node behaves like a cluster of many.
    let server = LocalServer::start_with(&["--cluster-enabled", "yes"])?;
    let mut node = redis::Client::open(server.url())?.get_connection()?;
    redis::cmd("CLUSTER").arg(&["ADDSLOTSRANGE", "0", "16383"]).exec(&mut node)?;

    // Name some nodes; the client discovers the rest.
    let client = Client::cluster([server.url()])?;

    // The entries of a dictionary spread over the nodes. A bulk operation asks all nodes at the
    // same time.
    let ages: RedisDict<String, u32> = RedisDict::new(&client, "ages");
    ages.insert_many([("ann", &36), ("bob", &40)])?;
    assert_eq!(ages.get_many(["bob", "ann"])?, [Some(40), Some(36)]);

    // A command works on keys of one slot. A hash tag, the part in braces, chooses the slot.
    let new: RedisList<String> = RedisList::new(&client, "{orders}:new");
    let done: RedisList<String> = RedisList::new(&client, "{orders}:done");
    new.push_back("7")?;
    assert_eq!(new.pop_front_to(&done)?.as_deref(), Some("7"));

    // Without a hash tag nothing is sent, and the error suggests one.
    let elsewhere: RedisList<String> = RedisList::new(&client, "archive");
    let error = done.pop_front_to(&elsewhere).unwrap_err();
    assert!(error.to_string().contains("hash tag"));
    Ok(())
}
