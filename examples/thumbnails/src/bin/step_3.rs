use redis_collections::{AsyncClient, StopHandle};
use thumbnails::shutdown::stop_on_signal;
use thumbnails::store::Store;
use thumbnails::worker::make_thumbnail;
use thumbnails::{BoxError, config};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let client = AsyncClient::open(&config::redis_url()).await?;
    let store = Store::new(&client, "thumbnails");

    let stop = StopHandle::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let worker = store.jobs.worker_with(store.clone(), async |job, store| {
        println!("image {} of {}, delivery {}", job.image, job.user, job.deliveries() + 1);
        make_thumbnail(&store, job.image, 4).await
    });
    println!("working");
    worker.concurrency(4).run(&stop).await?;
    println!("stopped");
    Ok(())
}
