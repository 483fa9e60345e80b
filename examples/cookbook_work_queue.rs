// A worker that may die at any moment. Its claimed jobs go to other workers, and a job that fails
// again and again ends in the dead-letter queue with its reason.
use std::time::Duration;

use redis_collections::{Client, Job, LocalServer, QueueSettings, StopHandle, WorkQueue};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;
    let settings = QueueSettings::new()
        .lease(Duration::from_secs(10))
        .max_deliveries(2)
        .backoff(Duration::from_millis(20), Duration::from_secs(1));
    let letters: WorkQueue<String> = WorkQueue::new(&client, "letters").with(settings);
    letters.push_many(["to ann", "to carl", "to bob"])?;
    letters.push_unique("monthly report", "to all", Duration::from_secs(3600))?;
    letters.push_in("a reminder", Duration::from_secs(3600))?;

    // `run` ends when `stop` is called, usually by a signal handler with a clone of the handle.
    let stop = StopHandle::new();
    let worker = letters.worker(|letter: Job<String>| match letter.strip_prefix("to ") {
        Some("carl") => Err("carl has moved"),
        Some(name) => {
            println!("dear {name}");
            Ok(())
        }
        None => Err("it has no address"),
    });
    std::thread::scope(|scope| -> Result<(), Box<dyn std::error::Error>> {
        let working = scope.spawn(|| worker.concurrency(2).batch(8).run(&stop));
        let outcome = loop {
            match letters.stats() {
                Ok(stats) if stats.done == 3 && stats.dead == 1 => break Ok(stats),
                Ok(_) => std::thread::sleep(Duration::from_millis(20)),
                Err(error) => break Err(error),
            }
        };
        stop.stop();
        let overdue = working.join().map_err(|_| "the worker panicked")??;
        let stats = outcome?;
        assert_eq!((overdue, stats.delayed), (0, 1));
        Ok(())
    })?;

    // Inspect the failed jobs, then requeue them or remove them.
    for dead in letters.dead().list(10)? {
        println!("{:?}", dead);
    }
    letters.dead().requeue(10)?;
    assert_eq!(letters.len()?, 1);
    Ok(())
}
