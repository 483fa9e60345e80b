use std::sync::Arc;

use redis_collections::{
    AsyncClient, Client, Error, Job, RedisDict, RedisSet, StopHandle, WorkQueue,
};

pub struct State {
    pub limit: i64,
    pub ages: RedisDict<String, i64, AsyncClient>,
}

pub async fn run(client: &AsyncClient, state: Arc<State>) -> Result<usize, Error> {
    let queue: WorkQueue<String, AsyncClient> = WorkQueue::new(client, "ages");
    let worker = queue.worker_with(state, async |job, state| {
        let (name, age) = job.split_once(' ').ok_or("no age")?;
        let age: i64 = age.parse()?;
        if age > state.limit {
            return Err(format!("{name} is too old").into());
        }
        state.ages.insert(name, &age).await?;
        Ok(())
    });
    let stop = StopHandle::new();
    is_send(worker.run(&stop));
    worker.concurrency(4).run(&stop).await
}

pub async fn run_blocks(client: &AsyncClient, state: Arc<State>) -> Result<usize, Error> {
    let queue: WorkQueue<String, AsyncClient> = WorkQueue::new(client, "ages");
    let worker = queue.worker_with(state, |job, state| async move {
        state.ages.insert("ann", &job.parse()?).await?;
        Ok(())
    });
    worker.run(&StopHandle::new()).await
}

async fn grow(job: Job<String, AsyncClient>, by: i64) -> Result<(), std::num::ParseIntError> {
    let age: i64 = job.into_inner().parse()?;
    assert!(age + by > 0);
    Ok(())
}

pub async fn run_functions(client: &AsyncClient) -> Result<usize, Error> {
    let queue: WorkQueue<String, AsyncClient> = WorkQueue::new(client, "ages");
    queue.worker(|job| grow(job, 1)).run(&StopHandle::new()).await?;
    let worker = queue.worker_with(1, async |job, by| Ok(grow(job, by).await?));
    worker.run(&StopHandle::new()).await
}

pub fn run_on_threads(client: &Client) -> Result<usize, Error> {
    let queue: WorkQueue<String> = WorkQueue::new(client, "ages");
    let ages: RedisDict<String, i64> = RedisDict::new(client, "ages");
    let worker = queue.worker_with(ages, |job, ages| {
        ages.insert("ann", &job.parse()?)?;
        Ok(())
    });
    worker.run(&StopHandle::new())?;
    queue.worker(|job| if job.is_empty() { Err("no name") } else { Ok(()) }).run(&StopHandle::new())
}

pub fn contains(names: &RedisSet<String>) -> Result<bool, Error> {
    names.contains("ann")
}

fn is_send(_: impl Send) {}
