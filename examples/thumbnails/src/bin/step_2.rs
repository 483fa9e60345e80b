use std::time::Duration;

use redis_collections::{Client, Job, QueueSettings, StopHandle, WorkQueue};
use thumbnails::config;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::open(&config::redis_url())?;
    let settings = QueueSettings::new()
        .max_deliveries(2)
        .backoff(Duration::from_millis(100), Duration::from_secs(1));
    let jobs: WorkQueue<String> = WorkQueue::new(&client, "step-2").with(settings);
    jobs.push_many(["cat", "ghost", "dog"])?;

    let stop = StopHandle::new();
    let worker = jobs.worker(|job: Job<String>| match job.as_str() {
        "ghost" => Err("nothing to see"),
        name => {
            println!("a thumbnail of the {name}");
            Ok(())
        }
    });
    std::thread::scope(|scope| {
        let running = scope.spawn(|| worker.run(&stop));
        let drained = jobs.drain(Duration::from_secs(30));
        stop.stop();
        running.join().map_err(|_| "the worker panicked")??;
        drained.map_err(Box::<dyn std::error::Error>::from)
    })?;

    for dead in jobs.dead().list(10)? {
        println!("given up: {}, {} times: {}", dead.value?, dead.deliveries, dead.reason);
    }
    jobs.dead().purge()?;
    Ok(())
}
