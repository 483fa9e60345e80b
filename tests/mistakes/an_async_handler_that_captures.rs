//~ async closure does not implement `Fn` because it captures state from its environment
//~ WorkQueue<T, E>>::worker_with`
use redis_collections::{AsyncClient, WorkQueue};

pub fn run(client: &AsyncClient, greeting: String) {
    let queue: WorkQueue<String, AsyncClient> = WorkQueue::new(client, "letters");
    let _worker = queue.worker_with((), async move |job, ()| {
        println!("{greeting} {}", *job);
        Ok(())
    });
}
