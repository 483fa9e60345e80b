use std::time::Duration;

use redis_collections::{Client, LocalServer, RedisDict};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = LocalServer::start()?;
    let pool = r2d2::Pool::builder()
        .max_size(4)
        .test_on_check_out(false)
        .build(redis::Client::open(server.url())?)?;

    let client = Client::builder(server.url())
        .pool(pool.clone())
        .response_timeout(Duration::from_secs(2))
        .name("my service")
        .build()?;
    let ages: RedisDict<String, u32> = RedisDict::new(&client, "ages");
    ages.insert("ann", &36)?;

    let age: u32 = redis::cmd("GET").arg("ages:ann").query(&mut *pool.get()?)?;
    assert_eq!(age, 36);
    Ok(())
}
