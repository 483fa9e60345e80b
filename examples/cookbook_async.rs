use std::time::Duration;

use redis_collections::{AsyncClient, LocalServer, RedisHashDict, RedisList};
use tokio::time::timeout;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = LocalServer::start()?;
    let client = AsyncClient::open(server.url()).await?;
    let ages: RedisHashDict<String, u32, AsyncClient> = RedisHashDict::new(&client, "ages");
    let jobs: RedisList<String, AsyncClient> = RedisList::new(&client, "jobs");

    // Concurrent calls share one connection, and do not wait for each other's replies.
    tokio::try_join!(ages.insert("ann", &36), ages.insert("bob", &40))?;

    // Written once for both kinds of client, with the same names and results.
    let older = ages.update("ann", |age| age.map(|age| age + 1)).await?;
    assert_eq!(older, Some(37));
    let (age, length) =
        client.pipeline((ages.deferred().get("ann"), jobs.deferred().push_back("sweep"))).await?;
    assert_eq!((age?, length?), (Some(37), 1));

    // A waiting pop delays no other call, and may be dropped at any time.
    assert_eq!(jobs.wait_pop_front(Duration::from_secs(5)).await?.as_deref(), Some("sweep"));
    let given_up = timeout(Duration::from_millis(20), jobs.wait_pop_front(Duration::MAX)).await;
    assert!(given_up.is_err());

    let mut sum = 0;
    let mut entries = ages.iter();
    while let Some(entry) = entries.next().await {
        sum += entry?.1;
    }
    assert_eq!(sum, 77);
    Ok(())
}
