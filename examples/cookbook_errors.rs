use redis_collections::{Applied, Client, Error, LocalServer, RedisDict, RedisList};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut server = LocalServer::start()?;
    let client = Client::open(server.url())?;
    let counters: RedisDict<String, u64> = RedisDict::new(&client, "counters");
    let list: RedisList<String> = RedisList::new(&client, "counters:list");
    list.push_back("not a number")?;

    // The server refused: nothing happened.
    let error = counters.increment("list", 1).unwrap_err();
    assert_eq!((error.code(), error.applied()), (Some("WRONGTYPE"), Applied::No));
    assert_eq!(error.attempt().and_then(|attempt| attempt.key()), Some(&b"counters:list"[..]));

    // The popped item is no number: the error holds it.
    let numbers: RedisList<u32> = list.typed();
    let error = numbers.pop_front().unwrap_err();
    assert_eq!(error.applied(), Applied::Yes);
    assert_eq!(error.undecoded(), Some(&b"not a number"[..]));

    // The server is gone: a write under way may or may not have been applied.
    server.stop()?;
    match counters.increment("visits", 1) {
        Err(error) if error.may_have_been_applied() => {
            println!("look before trying again: {error}")
        }
        Err(error @ Error::Connect { .. }) => println!("try again later: {error}"),
        other => println!("unexpected: {other:?}"),
    }
    Ok(())
}
