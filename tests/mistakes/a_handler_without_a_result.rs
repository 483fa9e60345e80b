//~ Client` cannot return `()`
//~ on a `Client` a handler returns a `Result`; one without a failure ends with `Ok(())`
use redis_collections::{Client, WorkQueue};

pub fn run(client: &Client) {
    let queue: WorkQueue<String> = WorkQueue::new(client, "letters");
    let _worker = queue.worker(|letter| println!("{}", *letter));
}
