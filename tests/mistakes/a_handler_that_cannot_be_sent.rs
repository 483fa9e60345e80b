//~ future cannot be sent between threads safely
//~ has type `Rc<&str>` which is not `Send`
//~ WorkQueue<T, E>>::worker_with`
use std::rc::Rc;

use redis_collections::{AsyncClient, RedisList, WorkQueue};

pub fn run(client: &AsyncClient, letters: RedisList<String, AsyncClient>) {
    let queue: WorkQueue<String, AsyncClient> = WorkQueue::new(client, "letters");
    let _worker = queue.worker_with(letters, async |job, letters| {
        let name = Rc::new(job.as_str());
        letters.push_back(*name).await?;
        println!("{name}");
        Ok(())
    });
}
