//~ Client` cannot return
//~ an async handler needs a queue on an `AsyncClient`, and there every handler is async
use redis_collections::{Client, WorkQueue};

pub fn run(client: &Client) {
    let queue: WorkQueue<String> = WorkQueue::new(client, "letters");
    let _worker = queue.worker_with((), async |job, ()| {
        println!("{}", job.len());
        Ok(())
    });
}
