use std::time::Duration;

use redis_collections::{Client, LocalServer, RedisList};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;
    let jobs: RedisList<String> = RedisList::new(&client, "jobs");
    jobs.push_many(["wash", "dry", "fold"])?;

    let mine: RedisList<String> = RedisList::new(&client, "jobs:worker-1");
    while let Some(job) = jobs.wait_pop_front_to(&mine, Duration::from_millis(100))? {
        println!("working on {job}");
        mine.remove_first(&job)?;
    }

    // Jobs of a dead worker go back to the queue.
    mine.push_back("iron")?;
    while mine.pop_front_to(&jobs)?.is_some() {}
    assert_eq!(jobs.range(..)?, ["iron"]);
    Ok(())
}
