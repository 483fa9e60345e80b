use std::collections::HashMap;

use redis_collections::{Client, LocalServer, MessagePack, Pickle, PyDict, RedisDict, RedisList};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;

    // redis_pubsub_dict: MessagePack under `prefix/`.
    let alarms: RedisDict<String, MessagePack<u32>> = RedisDict::with_prefix(&client, "alarms/");
    alarms.insert("fire", &112)?;
    // Keys are `str(key)`: in Python this one is the tuple ('complex', 1).
    alarms.insert("('complex', 1)", &1)?;

    // redis-pydict: a type byte and the value under `namespace&&`.
    let config: RedisDict<String, PyDict<HashMap<String, f64>>> =
        RedisDict::with_prefix(&client, "config&&");
    config.insert("limits", &HashMap::from([("speed".into(), 1.5)]))?;
    let stored: Option<String> = config.typed::<String, String>().get("limits")?;
    assert_eq!(stored.as_deref(), Some(r#"d{"speed": 1.5}"#));

    // redis_ds: pickles in a list. Python 2 writes `[1, "one"]` like this.
    let bytes: RedisList<Vec<u8>> = RedisList::new(&client, "pickles");
    bytes.push_back(b"(lp1\nI1\naS'one'\np2\na.")?;
    let pickles: RedisList<Pickle<(u32, String)>> = bytes.typed();
    assert_eq!(pickles.pop_front()?, Some((1, "one".into())));
    Ok(())
}
