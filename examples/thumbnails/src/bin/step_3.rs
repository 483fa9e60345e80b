use redis_collections::{AsyncClient, StopHandle};
use thumbnails::store::Store;
use thumbnails::worker::make_thumbnail;
use thumbnails::{BoxError, config, shutdown};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let client = AsyncClient::open(&config::redis_url()).await?;
    let store = Store::new(&client, "thumbnails");

    let stop = StopHandle::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        shutdown::signal().await;
        stopping.stop();
    });
    let worker = store.jobs.worker_with(store.clone(), async |job, store| {
        println!("image {} of {}, delivery {}", job.image, job.user, job.deliveries() + 1);
        make_thumbnail(&store, job.image, 4).await
    });
    println!("working");
    worker.concurrency(4).run(&stop).await?;
    println!("stopped");
    Ok(())
}
