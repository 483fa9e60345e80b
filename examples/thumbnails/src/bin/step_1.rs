use std::time::Duration;

use redis_collections::{Client, RedisList};
use thumbnails::config;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::open(&config::redis_url())?;
    let jobs: RedisList<String> = RedisList::new(&client, "step-1");
    jobs.push_many(["cat", "dog"])?;

    // Waits for a job, and ends after an idle second.
    while let Some(job) = jobs.wait_pop_front(Duration::from_secs(1))? {
        println!("a thumbnail of the {job}");
    }
    Ok(())
}
